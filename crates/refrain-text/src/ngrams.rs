//! Windows of `n` consecutive tokens.

use ndarray::{Array1, Array2};

/// The windows of `n` consecutive tokens, one starting at each token that has `n - 1` more after it.
///
/// A sequence shorter than `n` has no windows. This is not an error: the arrays then have no rows, and training
/// returns an error.
///
/// ```
/// use ndarray::array;
/// use refrain_text::Ngrams;
///
/// let (x, y) = Ngrams::new(&[7, 8, 9, 7], 3).split_last();
/// assert_eq!(x, array![[7, 8], [8, 9]]);
/// assert_eq!(y, array![9, 7]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ngrams {
    tokens: Vec<u32>,
    /// The position of each window in `tokens`.
    starts: Vec<usize>,
    n: usize,
}

impl Ngrams {
    /// Creates the windows of one sequence.
    ///
    /// # Panics
    ///
    /// If `n` is 0, as [`slice::windows`] does.
    pub fn new(sequence: &[u32], n: usize) -> Self {
        Self::from_sequences([sequence], n)
    }

    /// Creates the windows of several sequences, in order. No window spans two sequences.
    ///
    /// # Panics
    ///
    /// If `n` is 0.
    pub fn from_sequences<I>(sequences: I, n: usize) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<[u32]>,
    {
        assert_ne!(n, 0, "a window of no tokens: expected n of at least 1");
        let (mut tokens, mut starts) = (Vec::new(), Vec::new());
        for sequence in sequences {
            let sequence = sequence.as_ref();
            if let Some(last) = sequence.len().checked_sub(n) {
                starts.extend((0..=last).map(|i| tokens.len() + i));
                tokens.extend_from_slice(sequence);
            }
        }
        Self { tokens, starts, n }
    }

    /// Returns the number of windows.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Returns whether there are no windows.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Returns the number of tokens in a window.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Returns an iterator over the windows in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u32]> {
        self.starts.iter().map(|&start| &self.tokens[start..start + self.n])
    }

    /// Returns the first `n - 1` tokens of each window, `(windows, n - 1)`, as inputs and its last token,
    /// `(windows)`, as targets.
    pub fn split_last(&self) -> (Array2<u32>, Array1<u32>) {
        let mut x = Array2::zeros((self.len(), self.n - 1));
        for (mut row, window) in x.rows_mut().into_iter().zip(self.iter()) {
            row.iter_mut().zip(window).for_each(|(cell, &id)| *cell = id);
        }
        let y = self.iter().map(|window| window[self.n - 1]).collect();
        (x, y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use proptest::prelude::*;

    #[test]
    fn a_sequence_that_is_too_short_has_no_window() {
        for tokens in [&[][..], &[1], &[1, 2]] {
            let windows = Ngrams::new(tokens, 3);
            assert!(windows.is_empty());
            let (x, y) = windows.split_last();
            assert_eq!((x.dim(), y.dim()), ((0, 2), 0));
        }
        assert_eq!(Ngrams::new(&[1, 2, 3], 3).len(), 1);
    }

    #[test]
    fn windows_do_not_cross_sequences() {
        let windows = Ngrams::from_sequences([vec![1, 2, 3], vec![4], vec![], vec![5, 6]], 2);
        let (x, y) = windows.split_last();
        assert_eq!(x, array![[1], [2], [5]]);
        assert_eq!(y, array![2, 3, 6]);
    }

    #[test]
    fn a_window_of_one_token_reads_nothing() {
        let (x, y) = Ngrams::new(&[4, 5], 1).split_last();
        assert_eq!((x.dim(), y), ((2, 0), array![4, 5]));
    }

    #[test]
    #[should_panic(expected = "at least 1")]
    fn a_window_of_zero_tokens_is_rejected() {
        Ngrams::new(&[1], 0);
    }

    proptest! {
        #[test]
        fn windows_match_those_of_the_slice(tokens: Vec<u32>, n in 1_usize..6) {
            let windows = Ngrams::new(&tokens, n);
            prop_assert!(windows.iter().eq(tokens.windows(n)));
            prop_assert_eq!(windows.len(), tokens.windows(n).len());
        }
    }
}
