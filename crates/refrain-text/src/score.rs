//! A text as fixed lanes for scoring: the score depends only on the text and the model.

use crate::error::{Error, Result};
use crate::lanes::at_least_one;
use crate::tokens::Tokens;
use refrain_nn::loss::Loss;
use refrain_nn::metrics::Metric;
use refrain_nn::{Compile, Model};
use std::ops::Range;

/// Called after each batch that is scored. An error ends the scoring.
pub type BatchDone<'a> = &'a mut dyn FnMut() -> std::result::Result<(), refrain_nn::Error>;

/// Compiles a trained model for scoring only.
pub(crate) fn compile_to_score(model: &mut Model, metrics: Vec<Metric>) -> Result<()> {
    Ok(model.compile(Compile {
        loss: Loss::SparseCategoricalCrossentropy,
        metrics,
        engine: Some(model.engine().clone()),
        seed: model.seed(),
        ..Compile::default()
    })?)
}

/// Tokens that each lane scores.
pub const SCORE_LANE: usize = 8192;
/// Tokens that a lane reads before those without scoring them, to warm up its state.
pub const SCORE_WARM_UP: usize = 512;

/// A text cut into lanes for scoring. Every token except the first is scored exactly once.
///
/// Lane `k` scores the tokens from `k * SCORE_LANE` up to `(k + 1) * SCORE_LANE` (exclusive) and first reads up to
/// [`SCORE_WARM_UP`] tokens before them. The lanes depend only on the text's length. They are processed in groups;
/// each group is a batch that starts from a zero state, and it is cut into blocks of `steps` between which the
/// state is kept:
///
/// ```
/// use refrain_text::{ScoreBlock, ScoreLanes};
///
/// let tokens: Vec<u32> = (0..20_000).collect();
/// let lanes = ScoreLanes::new(&tokens, 2, 1000)?;
/// let mut block = ScoreBlock::default();
/// let mut scored = 0.0;
/// for group in 0..lanes.groups() {
///     // here: zero the state of lanes.rows(group) sequences
///     for i in 0..lanes.blocks(group) {
///         lanes.fill(group, i, &mut block)?;
///         // here: run the model on block.inputs, add up weight * loss
///         scored += block.weights.iter().sum::<f32>();
///     }
/// }
/// assert_eq!(scored, 19_999.0);
/// assert_eq!(lanes.scored(), 19_999);
/// # Ok::<(), refrain_text::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ScoreLanes<D> {
    tokens: D,
    batch: usize,
    steps: usize,
    lane: usize,
    warm_up: usize,
}

/// One block of a group of lanes. All arrays are `(n, t)`, lane after lane, except `lengths`, which is `(n)`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScoreBlock {
    /// Lanes in the group.
    pub n: usize,
    /// Steps in the block: `steps`, or the rest of the group's longest lane.
    pub t: usize,
    /// How many of the `t` steps each lane has; 0 for a lane that has ended. All arrays are 0 after that.
    pub lengths: Vec<usize>,
    /// The input tokens.
    pub inputs: Vec<u32>,
    /// The target tokens: those after the inputs.
    pub targets: Vec<u32>,
    /// 1 if the target is scored, otherwise 0.
    pub weights: Vec<f32>,
}

impl<D: Tokens> ScoreLanes<D> {
    /// Creates the fixed lanes of a text, `batch` at a time, in blocks of `steps`. Neither number changes the
    /// score.
    ///
    /// # Errors
    ///
    /// An error about an option if `batch` or `steps` is 0; [`Error::TooShort`] for fewer than two tokens.
    pub fn new(tokens: D, batch: usize, steps: usize) -> Result<Self> {
        Self::with_lane(tokens, batch, steps, SCORE_LANE, SCORE_WARM_UP)
    }

    /// Creates one lane for the whole text: slower, but comparable with published results.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn stream(tokens: D, steps: usize) -> Result<Self> {
        Self::with_lane(tokens, 1, steps, usize::MAX, 0)
    }

    fn with_lane(tokens: D, batch: usize, steps: usize, lane: usize, warm_up: usize) -> Result<Self> {
        at_least_one("batch", batch)?;
        at_least_one("steps", steps)?;
        let got = tokens.len();
        if got < 2 {
            let purpose = "scoring (the first token is not scored)";
            return Err(Error::TooShort {
                text: "the text",
                got,
                needed: 2,
                purpose,
                advice: "use a longer text",
            });
        }
        Ok(Self { tokens, batch, steps, lane, warm_up })
    }

    /// Returns the number of tokens that are scored: all but the first.
    pub fn scored(&self) -> usize {
        self.tokens.len() - 1
    }

    /// Returns the number of groups.
    pub fn groups(&self) -> usize {
        self.lanes().div_ceil(self.batch)
    }

    /// Returns the number of lanes in a group: `batch`, or fewer in the last group.
    ///
    /// # Panics
    ///
    /// If `group` is not below [`groups`](Self::groups).
    pub fn rows(&self, group: usize) -> usize {
        self.group(group).len()
    }

    /// Returns the number of blocks in a group.
    ///
    /// # Panics
    ///
    /// If `group` is not below [`groups`](Self::groups).
    pub fn blocks(&self, group: usize) -> usize {
        self.longest(group).div_ceil(self.steps)
    }

    /// Fills `block` with the group's block `i`. Reuses the capacity of `block`.
    ///
    /// # Errors
    ///
    /// If the tokens cannot be read.
    ///
    /// # Panics
    ///
    /// If `group` is not below [`groups`](Self::groups), or `i` not below [`blocks`](Self::blocks).
    pub fn fill(&self, group: usize, i: usize, block: &mut ScoreBlock) -> Result<()> {
        let blocks = self.blocks(group);
        assert!(i < blocks, "block {i} of {blocks}: expected a block below that");
        let from = i * self.steps;
        block.n = self.rows(group);
        block.t = self.steps.min(self.longest(group) - from);
        block.lengths.clear();
        block.inputs.clear();
        block.targets.clear();
        block.weights.clear();
        for (row, lane) in self.group(group).enumerate() {
            let inputs = self.inputs(lane);
            let length = inputs.len().saturating_sub(from).min(block.t);
            // A lane that has ended may have done so more than one block ago.
            let start = inputs.start + from.min(inputs.len());
            block.lengths.push(length);
            // One more token than there are steps: it is the last target.
            self.tokens.read(start..start + length + 1, &mut block.inputs)?;
            block.targets.extend_from_slice(&block.inputs[block.inputs.len() - length..]);
            block.inputs.pop();
            let first_scored = lane * self.lane;
            block.weights.extend((start + 1..start + 1 + length).map(|at| f32::from(at >= first_scored)));
            let end = (row + 1) * block.t;
            block.inputs.resize(end, 0);
            block.targets.resize(end, 0);
            block.weights.resize(end, 0.0);
        }
        Ok(())
    }

    fn lanes(&self) -> usize {
        self.tokens.len().div_ceil(self.lane)
    }

    fn group(&self, group: usize) -> Range<usize> {
        let groups = self.groups();
        assert!(group < groups, "group {group} of {groups}: expected a group below that");
        let first = group * self.batch;
        first..first.saturating_add(self.batch).min(self.lanes())
    }

    /// Returns the range of tokens that a lane reads: the warm-up and all its tokens except the last.
    fn inputs(&self, lane: usize) -> Range<usize> {
        let start = lane * self.lane;
        let end = start.saturating_add(self.lane).min(self.tokens.len());
        start.saturating_sub(self.warm_up)..end - 1
    }

    fn longest(&self, group: usize) -> usize {
        self.group(group).map(|lane| self.inputs(lane).len()).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tokens(len: usize) -> Vec<u32> {
        (0..len as u32).collect()
    }

    #[test]
    fn a_lane_reads_its_warm_up_and_scores_the_rest() -> Result<()> {
        let lanes = ScoreLanes::new(tokens(2 * SCORE_LANE), 4, SCORE_LANE * 2)?;
        assert_eq!((lanes.groups(), lanes.rows(0), lanes.blocks(0)), (1, 2, 1));
        let mut block = ScoreBlock::default();
        lanes.fill(0, 0, &mut block)?;
        assert_eq!((block.n, block.t), (2, SCORE_LANE + SCORE_WARM_UP - 1));
        assert_eq!(block.lengths, [SCORE_LANE - 1, SCORE_LANE + SCORE_WARM_UP - 1]);
        let (first, second) = block.weights.split_at(block.t);
        assert!(first[..SCORE_LANE - 1].iter().all(|&w| w == 1.0));
        assert!(first[SCORE_LANE - 1..].iter().all(|&w| w == 0.0));
        assert!(second[..SCORE_WARM_UP - 1].iter().all(|&w| w == 0.0));
        assert!(second[SCORE_WARM_UP - 1..].iter().all(|&w| w == 1.0));
        assert_eq!(block.inputs[block.t], (SCORE_LANE - SCORE_WARM_UP) as u32);
        assert_eq!(block.targets[block.t + SCORE_WARM_UP - 1], SCORE_LANE as u32);
        Ok(())
    }

    #[test]
    fn a_last_lane_of_one_token_is_scored() -> Result<()> {
        let lanes = ScoreLanes::new(tokens(SCORE_LANE + 1), 1, 100)?;
        assert_eq!((lanes.groups(), lanes.blocks(1)), (2, 6));
        let mut block = ScoreBlock::default();
        lanes.fill(1, 5, &mut block)?;
        assert_eq!((block.lengths.as_slice(), block.weights.last()), (&[12][..], Some(&1.0)));
        assert_eq!(block.weights.iter().sum::<f32>(), 1.0);
        Ok(())
    }

    #[test]
    fn wrong_sizes_are_rejected() {
        for len in [0, 1] {
            assert!(matches!(ScoreLanes::new(tokens(len), 1, 1), Err(Error::TooShort { needed: 2, .. })));
            assert!(matches!(ScoreLanes::stream(tokens(len), 1), Err(Error::TooShort { needed: 2, .. })));
        }
        assert!(ScoreLanes::new(tokens(9), 0, 1).is_err_and(|e| e.option_at_fault() == Some("batch")));
        assert!(ScoreLanes::stream(tokens(9), 0).is_err_and(|e| e.option_at_fault() == Some("steps")));
    }

    #[test]
    fn a_stream_is_one_lane() -> Result<()> {
        let lanes = ScoreLanes::stream(tokens(3 * SCORE_LANE), 5000)?;
        assert_eq!((lanes.groups(), lanes.rows(0), lanes.blocks(0)), (1, 1, 5));
        let mut block = ScoreBlock::default();
        let mut read = Vec::new();
        for i in 0..5 {
            lanes.fill(0, i, &mut block)?;
            assert!(block.weights.iter().all(|&w| w == 1.0));
            read.extend_from_slice(&block.inputs);
        }
        assert_eq!(read, tokens(3 * SCORE_LANE - 1));
        Ok(())
    }

    /// Returns how often each token is scored, and what each lane has read.
    fn run(lanes: &ScoreLanes<Vec<u32>>) -> (Vec<u32>, Vec<Vec<u32>>) {
        let mut scored = vec![0; lanes.tokens.len()];
        let mut read = Vec::new();
        let mut block = ScoreBlock::default();
        for group in 0..lanes.groups() {
            let mut rows = vec![Vec::new(); lanes.rows(group)];
            for i in 0..lanes.blocks(group) {
                lanes.fill(group, i, &mut block).expect("vectors can be read");
                let cells = block.n * block.t;
                assert_eq!(
                    (block.inputs.len(), block.targets.len(), block.weights.len()),
                    (cells, cells, cells)
                );
                assert!(block.t > 0 && block.lengths.contains(&block.t));
                for (row, read) in rows.iter_mut().enumerate() {
                    let at = row * block.t..row * block.t + block.lengths[row];
                    read.extend_from_slice(&block.inputs[at.clone()]);
                    for (target, weight) in block.targets[at.clone()].iter().zip(&block.weights[at.clone()]) {
                        scored[*target as usize] += u32::from(*weight == 1.0);
                    }
                    assert!(block.weights[at.end..(row + 1) * block.t].iter().all(|&w| w == 0.0));
                }
            }
            read.extend(rows);
        }
        (scored, read)
    }

    proptest! {
        #[test]
        fn each_token_but_the_first_is_scored_once_and_grouping_changes_nothing(
            len in 2_usize..300, lane in 1_usize..70, warm_up in 0_usize..90, batch in 1_usize..9, steps in 1_usize..40,
        ) {
            // A lane of one token without warm-up would have nothing to read.
            prop_assume!(warm_up > 0);
            let lanes = ScoreLanes::with_lane(tokens(len), batch, steps, lane, warm_up)?;
            let (scored, read) = run(&lanes);
            prop_assert_eq!(scored[0], 0);
            prop_assert!(scored[1..].iter().all(|&times| times == 1));
            let (_, alone) = run(&ScoreLanes::with_lane(tokens(len), 1, usize::MAX, lane, warm_up)?);
            prop_assert_eq!(read, alone);
        }
    }
}
