//! A text as contiguous lanes, for truncated backpropagation through time.

use crate::error::{Error, Result};
use crate::tokens::Tokens;
use std::ops::Range;

/// A text cut into `batch` contiguous lanes of equal length, read in chunks of `steps`.
///
/// Row `n` of chunk `i + 1` continues where row `n` of chunk `i` ended, so a model can keep its state from chunk to
/// chunk. With `len` tokens, a lane has `(len - 1) / batch` steps and the rest of the text is dropped; the last
/// chunk may be shorter. `D` holds the tokens: `&[u32]`, `Vec<u32>`, `Arc<[u32]>`, or
/// [`StoredTokens`](crate::StoredTokens) in a file.
///
/// ```
/// use refrain_text::Lanes;
///
/// let tokens: Vec<u32> = (0..8).collect();
/// let lanes = Lanes::new(&tokens, 2, 2)?;
/// let (mut inputs, mut targets) = (Vec::new(), Vec::new());
/// assert_eq!(lanes.len(), 2);
/// assert_eq!(lanes.fill(0, &mut inputs, &mut targets)?, (2, 2));
/// assert_eq!((&inputs[..], &targets[..]), (&[0, 1, 3, 4][..], &[1, 2, 4, 5][..]));
/// assert_eq!(lanes.fill(1, &mut inputs, &mut targets)?, (2, 1));
/// assert_eq!((&inputs[..], &targets[..]), (&[2, 5][..], &[3, 6][..]));
/// # Ok::<(), refrain_text::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Lanes<D> {
    tokens: D,
    batch: usize,
    steps: usize,
}

impl<D: Tokens> Lanes<D> {
    /// Cuts a text into `batch` lanes of chunks of `steps`.
    ///
    /// # Errors
    ///
    /// An error about an option if `batch` or `steps` is 0; [`Error::TooShort`] if there are fewer than `batch + 1`
    /// tokens, so that a lane would have no step.
    pub fn new(tokens: D, batch: usize, steps: usize) -> Result<Self> {
        at_least_one("batch", batch)?;
        at_least_one("steps", steps)?;
        let got = tokens.len();
        if got <= batch {
            return Err(Error::TooShort {
                text: "the text",
                got,
                needed: batch.saturating_add(1),
                purpose: "a batch of lanes with an input and a target token in each",
                advice: "lower batch, or use a longer text",
            });
        }
        Ok(Self { tokens, batch, steps })
    }

    /// Returns the tokens.
    pub fn tokens(&self) -> &D {
        &self.tokens
    }

    /// Returns the number of lanes.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Returns the number of steps in each lane.
    pub fn lane_len(&self) -> usize {
        (self.tokens.len() - 1) / self.batch
    }

    /// Returns the number of chunks, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.lane_len().div_ceil(self.steps)
    }

    /// Replaces `inputs` and `targets` with those of chunk `i`, which starts at step `i * steps`, in the layout of
    /// [`fill_range`](Self::fill_range).
    ///
    /// # Errors
    /// If the tokens cannot be read.
    ///
    /// # Panics
    ///
    /// If `i` is not below [`len`](Self::len).
    pub fn fill(&self, i: usize, inputs: &mut Vec<u32>, targets: &mut Vec<u32>) -> Result<(usize, usize)> {
        assert!(i < self.len(), "chunk {i} of {}: expected a chunk below that", self.len());
        let from = i * self.steps;
        self.fill_range(from..from.saturating_add(self.steps).min(self.lane_len()), inputs, targets)
    }

    /// Replaces `inputs` and `targets` with those of a range of steps, each `(n, t)`, lane after lane. A target is
    /// the token after its input. Reuses the vectors' capacity. Returns `n` and `t`.
    ///
    /// # Errors
    /// If the tokens cannot be read.
    ///
    /// # Panics
    ///
    /// If the range ends after [`lane_len`](Self::lane_len).
    pub fn fill_range(
        &self,
        steps: Range<usize>,
        inputs: &mut Vec<u32>,
        targets: &mut Vec<u32>,
    ) -> Result<(usize, usize)> {
        let lane_len = self.lane_len();
        let (Range { start, end }, t) = (steps.clone(), steps.len());
        assert!(start <= end && end <= lane_len, "steps {start}..{end} of a lane's {lane_len}");
        inputs.clear();
        targets.clear();
        for lane in 0..self.batch {
            let at = lane * lane_len + start;
            self.tokens.read(at..at + t + 1, inputs)?;
            targets.extend_from_slice(&inputs[inputs.len() - t..]);
            inputs.pop();
        }
        Ok((self.batch, t))
    }
}

pub(crate) fn at_least_one(option: &'static str, value: usize) -> Result<()> {
    if value == 0 {
        return Err(Error::option(option, "0", "at least 1"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_text_that_is_too_short_is_an_error_with_the_required_length() {
        for len in [0, 1, 4] {
            let error = Lanes::new(vec![0; len], 4, 9).expect_err("four lanes need five tokens");
            assert!(matches!(error, Error::TooShort { got, needed: 5, .. } if got == len));
            assert!(error.to_string().contains("lower batch"), "{error}");
        }
        assert_eq!(
            Lanes::new(vec![0; 5], 4, 9).map(|lanes| (lanes.len(), lanes.lane_len())).ok(),
            Some((1, 1))
        );
        assert!(Lanes::new(vec![1, 2], usize::MAX, 1).is_err());
    }

    #[test]
    fn zero_lanes_and_zero_steps_are_rejected() {
        assert!(Lanes::new(vec![1, 2], 0, 1).is_err_and(|e| e.option_at_fault() == Some("batch")));
        assert!(Lanes::new(vec![1, 2], 1, 0).is_err_and(|e| e.option_at_fault() == Some("steps")));
    }

    #[test]
    #[should_panic(expected = "chunk 1 of 1")]
    fn a_chunk_beyond_the_last_is_rejected() {
        if let Ok(lanes) = Lanes::new(vec![1, 2], 1, usize::MAX) {
            let _ = lanes.fill(1, &mut Vec::new(), &mut Vec::new());
        }
    }

    #[test]
    fn filling_again_keeps_the_buffers() -> Result<()> {
        let lanes = Lanes::new((0..1000).collect::<Vec<u32>>(), 7, 10)?;
        let (mut inputs, mut targets) = (Vec::new(), Vec::new());
        lanes.fill(0, &mut inputs, &mut targets)?;
        let (at, capacity) = (inputs.as_ptr(), targets.capacity());
        for i in 0..lanes.len() {
            lanes.fill(i, &mut inputs, &mut targets)?;
        }
        assert_eq!((inputs.as_ptr(), targets.capacity()), (at, capacity));
        Ok(())
    }

    proptest! {
        #[test]
        fn lanes_read_the_text_in_order(len in 2_u32..200, batch in 1_usize..9, steps in 1_usize..20) {
            prop_assume!(len as usize > batch);
            let lanes = Lanes::new((0..len).collect::<Vec<u32>>(), batch, steps)?;
            let mut rows = vec![Vec::new(); batch];
            let (mut inputs, mut targets) = (Vec::new(), Vec::new());
            for i in 0..lanes.len() {
                let (n, t) = lanes.fill(i, &mut inputs, &mut targets)?;
                prop_assert_eq!((n, inputs.len(), targets.len()), (batch, n * t, n * t));
                prop_assert!(t == steps || i + 1 == lanes.len());
                for (row, chunk) in rows.iter_mut().zip(inputs.chunks(t)) {
                    row.extend_from_slice(chunk);
                }
                prop_assert!(inputs.iter().zip(&targets).all(|(input, target)| input + 1 == *target));
            }
            let kept = (len - 1) / batch as u32 * batch as u32;
            prop_assert_eq!(rows.concat(), (0..kept).collect::<Vec<_>>());
        }

        #[test]
        fn ranges_of_any_length_match_chunks(
            len in 2_u32..200, batch in 1_usize..9, lengths in prop::collection::vec(0_usize..20, 1..40),
        ) {
            prop_assume!(len as usize > batch);
            let lanes = Lanes::new((0..len).collect::<Vec<u32>>(), batch, usize::MAX)?;
            let (mut inputs, mut targets, mut whole, mut after) = Default::default();
            prop_assert_eq!(lanes.fill(0, &mut whole, &mut after)?, (batch, lanes.lane_len()));
            let mut at = 0;
            for length in lengths {
                let end = (at + length).min(lanes.lane_len());
                prop_assert_eq!(lanes.fill_range(at..end, &mut inputs, &mut targets)?, (batch, end - at));
                let of = |all: &[u32]| all.chunks(lanes.lane_len()).flat_map(|lane| lane[at..end].to_vec()).collect::<Vec<_>>();
                prop_assert_eq!((&inputs, &targets), (&of(&whole), &of(&after)));
                at = end;
            }
        }
    }
}
