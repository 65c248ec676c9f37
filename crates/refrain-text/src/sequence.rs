//! Keras's `pad_sequences` and `to_categorical`.

use crate::error::{Error, Result};
use ndarray::Array2;

/// Where a short sequence is padded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Padding {
    /// Before its first id.
    #[default]
    Pre,
    /// After its last id.
    Post,
}

/// Where a long sequence is truncated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Truncating {
    /// At its beginning.
    #[default]
    Pre,
    /// At its end.
    Post,
}

/// The options of [`pad_sequences`]. The defaults are Keras's: the longest sequence's length, pad and truncate at
/// the beginning, value 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pad {
    /// The number of columns; `None`: the longest sequence's length.
    pub maxlen: Option<usize>,
    /// Where short sequences are padded.
    pub padding: Padding,
    /// Where long sequences are truncated.
    pub truncating: Truncating,
    /// The padding value.
    pub value: u32,
}

/// Returns sequences of different lengths as one array `(sequences, maxlen)`. An empty sequence is all padding.
///
/// In cases where Keras fails (no sequences and no `maxlen`, or a `maxlen` of 0), the array has no columns.
///
/// # Errors
///
/// [`Error::TooLarge`] if the array does not fit in memory.
///
/// ```
/// use ndarray::array;
/// use refrain_text::{Pad, Padding, pad_sequences};
///
/// let sequences = [vec![1, 2, 3], vec![4]];
/// assert_eq!(pad_sequences(&sequences, Pad::default())?, array![[1, 2, 3], [0, 0, 4]]);
/// let pad = Pad { maxlen: Some(2), padding: Padding::Post, ..Default::default() };
/// assert_eq!(pad_sequences(&sequences, pad)?, array![[2, 3], [4, 0]]);
/// # Ok::<(), refrain_text::Error>(())
/// ```
pub fn pad_sequences<S: AsRef<[u32]>>(sequences: &[S], pad: Pad) -> Result<Array2<u32>> {
    let longest = || sequences.iter().map(|s| s.as_ref().len()).max().unwrap_or(0);
    let maxlen = pad.maxlen.unwrap_or_else(longest);
    let advice = "use a smaller `maxlen`, or pad fewer sequences at a time";
    let mut out = try_filled(sequences.len(), maxlen, pad.value, advice)?;
    for (mut row, sequence) in out.rows_mut().into_iter().zip(sequences) {
        let sequence = sequence.as_ref();
        let kept = sequence.len().min(maxlen);
        let from = match pad.truncating {
            Truncating::Pre => sequence.len() - kept,
            Truncating::Post => 0,
        };
        let to = match pad.padding {
            Padding::Pre => maxlen - kept,
            Padding::Post => 0,
        };
        for (cell, &id) in row.iter_mut().skip(to).zip(&sequence[from..from + kept]) {
            *cell = id;
        }
    }
    Ok(out)
}

/// Returns one-hot rows: an array `(labels, num_classes)` with a 1 in each row at the label's column.
///
/// Without `num_classes`, there are as many columns as the largest label needs. If there are no labels either,
/// where Keras fails, the array has no columns. `Some(0)` means no columns; Keras counts the classes instead.
///
/// # Errors
///
/// [`Error::Label`] for a label without a column, [`Error::TooLarge`] if the array does not fit in memory.
///
/// ```
/// let rows = refrain_text::to_categorical(&[2, 0], None)?;
/// assert_eq!(rows, ndarray::array![[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]);
/// # Ok::<(), refrain_text::Error>(())
/// ```
pub fn to_categorical(labels: &[u32], num_classes: Option<usize>) -> Result<Array2<f32>> {
    let largest = || labels.iter().max().map_or(0, |&label| label as usize + 1);
    let num_classes = num_classes.unwrap_or_else(largest);
    let out_of_range = |&label: &u32| label as usize >= num_classes;
    if let Some(position) = labels.iter().position(out_of_range) {
        return Err(Error::Label { label: labels[position], position, num_classes });
    }
    let mut out =
        try_zeros(labels.len(), num_classes, "keep the labels as ids (a sparse loss needs no one-hot rows)")?;
    for (mut row, &label) in out.rows_mut().into_iter().zip(labels) {
        row[label as usize] = 1.0;
    }
    Ok(out)
}

pub(crate) fn try_zeros(rows: usize, columns: usize, advice: &'static str) -> Result<Array2<f32>> {
    try_filled(rows, columns, 0.0, advice)
}

fn try_filled<T: Clone>(rows: usize, columns: usize, value: T, advice: &'static str) -> Result<Array2<T>> {
    let too_large = || Error::TooLarge { rows, columns, advice };
    let len = rows.checked_mul(columns).ok_or_else(too_large)?;
    let mut values: Vec<T> = Vec::new();
    values.try_reserve_exact(len).map_err(|_| too_large())?;
    values.resize(len, value);
    Array2::from_shape_vec((rows, columns), values).map_err(|_| too_large())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use proptest::prelude::*;

    const NO_IDS: [[u32; 0]; 0] = [];

    #[test]
    fn an_array_that_does_not_fit_is_an_error() {
        for maxlen in [1 << 50, usize::MAX] {
            let error =
                pad_sequences(&[[1], [2]], Pad { maxlen: Some(maxlen), ..Pad::default() }).unwrap_err();
            assert!(matches!(error, Error::TooLarge { rows: 2, .. }), "{error}");
        }
    }

    #[test]
    fn pads_and_truncates_at_either_end() {
        let s = [vec![1, 2, 3], vec![], vec![4]];
        let pad = |maxlen, padding, truncating| {
            pad_sequences(&s, Pad { maxlen, padding, truncating, value: 9 }).unwrap()
        };
        use {Padding as P, Truncating as T};
        assert_eq!(pad(None, P::Pre, T::Pre), array![[1, 2, 3], [9, 9, 9], [9, 9, 4]]);
        assert_eq!(pad(None, P::Post, T::Post), array![[1, 2, 3], [9, 9, 9], [4, 9, 9]]);
        assert_eq!(pad(Some(2), P::Pre, T::Pre), array![[2, 3], [9, 9], [9, 4]]);
        assert_eq!(pad(Some(2), P::Pre, T::Post), array![[1, 2], [9, 9], [9, 4]]);
        assert_eq!(pad(Some(4), P::Post, T::Pre), array![[1, 2, 3, 9], [9, 9, 9, 9], [4, 9, 9, 9]]);
    }

    #[test]
    fn padding_nothing_gives_an_empty_array() {
        assert_eq!(pad_sequences(&NO_IDS, Pad::default()).unwrap().dim(), (0, 0));
        assert_eq!(pad_sequences(&NO_IDS, Pad { maxlen: Some(3), ..Pad::default() }).unwrap().dim(), (0, 3));
        assert_eq!(pad_sequences(&[[], []] as &[[u32; 0]], Pad::default()).unwrap().dim(), (2, 0));
        assert_eq!(
            pad_sequences(&[[1, 2]], Pad { maxlen: Some(0), ..Pad::default() }).unwrap().dim(),
            (1, 0)
        );
    }

    #[test]
    fn one_hot_rows_have_a_column_for_each_class() -> Result<()> {
        assert_eq!(to_categorical(&[1, 0], Some(3))?, array![[0., 1., 0.], [1., 0., 0.]]);
        assert_eq!(to_categorical(&[], None)?.dim(), (0, 0));
        assert_eq!(to_categorical(&[], Some(4))?.dim(), (0, 4));
        Ok(())
    }

    #[test]
    fn a_label_without_a_column_is_named() {
        let error = to_categorical(&[0, 5, 7], Some(5)).expect_err("label 5 needs six classes");
        assert!(matches!(error, Error::Label { label: 5, position: 1, num_classes: 5 }));
    }

    #[test]
    fn an_array_that_is_too_large_is_an_error() {
        let error = to_categorical(&[0; 8], Some(usize::MAX / 2)).expect_err("no machine holds it");
        assert!(matches!(error, Error::TooLarge { rows: 8, .. }));
        assert!(to_categorical(&[0], Some(usize::MAX / 4)).is_err());
    }

    proptest! {
        #[test]
        fn unpadding_returns_the_kept_ids(sequences: Vec<Vec<u32>>, maxlen in 0_usize..20) {
            let padded = pad_sequences(&sequences, Pad { maxlen: Some(maxlen), ..Pad::default() }).unwrap();
            prop_assert_eq!(padded.dim(), (sequences.len(), maxlen));
            for (row, sequence) in padded.rows().into_iter().zip(&sequences) {
                let kept = sequence.len().min(maxlen);
                let row = row.to_vec();
                prop_assert_eq!(&row[maxlen - kept..], &sequence[sequence.len() - kept..]);
                prop_assert!(row[..maxlen - kept].iter().all(|&id| id == 0));
            }
        }
    }
}
