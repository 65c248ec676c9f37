//! The caller's arrays, and how they become batches.

use super::batch::{Batch, BatchInput, BatchTarget, Extent};
use crate::error::Error;
use crate::sequence::LayoutError;
use crate::shown::counted;
use ndarray::{ArrayBase, ArrayView, ArrayView2, Axis, Ix1, Ix2, Ix3, ViewRepr};
use std::ops::Range;

/// Like `ArrayView`, but with its element type spelled out: ndarray's alias makes it a projection, which
/// would make every type that holds one invariant in `'a`.
type View<'a, A, D> = ArrayBase<ViewRepr<&'a A>, D, A>;

/// A view of one array, batch first: ids `(N)` or `(N, T)`, floats `(N)`, `(N, F)` or `(N, T, F)`.
///
/// Made with `into()` from a reference to an `ndarray` array or view of `u32` or `f32`, or from a slice. Any
/// strides are supported.
///
/// ```
/// use ndarray::array;
/// use refrain_nn::data::Data;
///
/// let ids = array![[4_u32, 2, 0], [7, 0, 0]];
/// let data = Data::from(&ids).lengths(&[2, 1]);
/// assert_eq!((data.sequences(), data.shape()), (2, vec![2, 3]));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Data<'a> {
    values: Values<'a>,
    /// The number of axes of the caller's array. In the view, missing axes have length 1.
    rank: usize,
    lengths: Option<&'a [usize]>,
    mask: Option<View<'a, bool, Ix2>>,
}

#[derive(Debug, Clone, Copy)]
enum Values<'a> {
    /// `(N, T)`
    Ids(View<'a, u32, Ix2>),
    /// `(N, T, F)`
    Floats(View<'a, f32, Ix3>),
}

impl<'a> Data<'a> {
    /// Marks only the first `lengths[n]` steps of each sequence as real.
    pub fn lengths(mut self, lengths: &'a [usize]) -> Self {
        self.lengths = Some(lengths);
        self
    }

    /// Marks only the steps where `mask`, `(N, T)`, is true as real.
    pub fn mask(mut self, mask: impl Into<ArrayView2<'a, bool>>) -> Self {
        self.mask = Some(mask.into());
        self
    }

    /// Returns the number of sequences `N`.
    pub fn sequences(&self) -> usize {
        match &self.values {
            Values::Ids(v) => v.len_of(Axis(0)),
            Values::Floats(v) => v.len_of(Axis(0)),
        }
    }

    /// Returns the shape of the caller's array.
    pub fn shape(&self) -> Vec<usize> {
        match (&self.values, self.rank) {
            (Values::Ids(v), rank) => v.shape()[..rank].to_vec(),
            (Values::Floats(v), 2) => vec![v.dim().0, v.dim().2],
            (Values::Floats(v), rank) => v.shape()[..rank].to_vec(),
        }
    }

    /// Returns whether the array holds ids rather than floats.
    pub fn is_ids(&self) -> bool {
        matches!(self.values, Values::Ids(_))
    }

    /// Returns the number of steps `T`; 1 for an array without a time axis.
    pub(super) fn steps(&self) -> usize {
        match &self.values {
            Values::Ids(v) => v.len_of(Axis(1)),
            Values::Floats(v) => v.len_of(Axis(1)),
        }
    }

    /// Returns whether the array has a time axis.
    fn has_steps(&self) -> bool {
        self.rank == if self.is_ids() { 2 } else { 3 }
    }

    /// Returns the length of the last axis; 1 for ids.
    pub(super) fn width(&self) -> usize {
        match &self.values {
            Values::Ids(_) => 1,
            Values::Floats(v) => v.len_of(Axis(2)),
        }
    }

    pub(super) fn is_ragged(&self) -> bool {
        self.lengths.is_some() || self.mask.is_some()
    }

    /// Checks that the lengths or the mask match the array's shape.
    fn check_extent(&self, name: &str) -> Result<(), Error> {
        if self.is_ragged() && !self.has_steps() {
            let got = format!("{:?}, which has no time axis", self.shape());
            return Err(Error::data(name, got, "a time axis, because lengths or a mask are given"));
        }
        if self.lengths.is_some() && self.mask.is_some() {
            return Err(Error::data(name, "given with both lengths and a mask", "only one of them"));
        }
        let (sequences, steps) = (self.sequences(), self.steps());
        if let Some(lengths) = self.lengths
            && lengths.len() != sequences
        {
            let (what, got) = ("lengths", lengths.len());
            return Err(LayoutError::Count { what, got, expected: sequences }.into());
        }
        if let Some(mask) = self.mask
            && mask.dim() != (sequences, steps)
        {
            let got = format!("{:?}", mask.shape());
            return Err(Error::data(format!("the mask of {name}"), got, format!("[{sequences}, {steps}]")));
        }
        Ok(())
    }

    fn check_lengths(&self) -> Result<(), Error> {
        let steps = self.steps();
        let too_large = |&(_, &length): &(usize, &usize)| length > steps;
        match self.lengths.and_then(|l| l.iter().enumerate().find(too_large)) {
            Some((sequence, &length)) => Err(LayoutError::LengthTooLarge { sequence, length, steps }.into()),
            None => Ok(()),
        }
    }

    /// Copies the rows of some sequences into `ids` or `floats`; the other stays empty.
    pub(super) fn copy(&self, rows: impl Iterator<Item = usize>, ids: &mut Vec<u32>, floats: &mut Vec<f32>) {
        ids.clear();
        floats.clear();
        match &self.values {
            Values::Ids(view) => rows.for_each(|n| extend(ids, view.index_axis(Axis(0), n))),
            Values::Floats(view) => rows.for_each(|n| extend(floats, view.index_axis(Axis(0), n))),
        }
    }

    fn fill_input(&self, rows: impl Iterator<Item = usize> + Clone, input: &mut BatchInput) {
        input.steps = self.steps();
        self.copy(rows.clone(), &mut input.ids, &mut input.features);
        input.lengths.clear();
        input.mask.clear();
        input.extent = match (self.lengths, self.mask) {
            (Some(lengths), _) => {
                input.lengths.extend(rows.map(|n| lengths[n]));
                Extent::Lengths
            }
            (None, Some(mask)) => {
                rows.for_each(|n| extend(&mut input.mask, mask.row(n)));
                Extent::Mask
            }
            (None, None) => Extent::Full,
        };
    }

    fn fill_target(&self, rows: impl Iterator<Item = usize>, target: &mut BatchTarget) {
        target.steps = self.steps();
        self.copy(rows, &mut target.ids, &mut target.values);
    }
}

/// Appends an array's elements in row-major order, regardless of its strides.
fn extend<T: Copy, D: ndarray::Dimension>(to: &mut Vec<T>, from: ArrayView<'_, T, D>) {
    match from.as_slice() {
        Some(slice) => to.extend_from_slice(slice),
        None => to.extend(from.iter().copied()),
    }
}

/// A set of arrays over the same sequences: the inputs of a model, or the targets of its outputs.
///
/// A single array converts with `into()`. Several arrays are added under the names of the model's inputs, or
/// given in the model's order as an array of [`Data`].
///
/// ```
/// use ndarray::{Array3, array};
/// use refrain_nn::data::{Data, Sequences};
///
/// let (words, sound) = (array![[1_u32, 2], [3, 0]], Array3::<f32>::zeros((2, 5, 3)));
/// let x = Sequences::new().with("words", Data::from(&words).lengths(&[2, 1])).with("sound", &sound);
/// assert_eq!(x.sequences()?, 2);
/// # Ok::<(), refrain_nn::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Sequences<'a> {
    arrays: Vec<(Option<String>, Data<'a>)>,
}

impl<'a> Sequences<'a> {
    /// Creates an empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an array under a name.
    pub fn with(mut self, name: impl Into<String>, data: impl Into<Data<'a>>) -> Self {
        self.arrays.push((Some(name.into()), data.into()));
        self
    }

    /// Returns the number of arrays.
    pub fn len(&self) -> usize {
        self.arrays.len()
    }

    /// Returns whether there are no arrays.
    pub fn is_empty(&self) -> bool {
        self.arrays.is_empty()
    }

    /// Returns the number of sequences `N`, which is the same for all arrays.
    ///
    /// # Errors
    /// Returns an error if there are no arrays, their numbers of sequences differ, or lengths or a mask do
    /// not fit.
    pub fn sequences(&self) -> Result<usize, Error> {
        let sequences = self.check("the input")?;
        self.arrays.iter().try_for_each(|(_, data)| data.check_lengths())?;
        Ok(sequences)
    }

    /// Sorts named arrays into the order of `names`.
    ///
    /// # Errors
    /// Returns an error if the number of arrays is not the number of names, if a name is missing, unknown or
    /// duplicated, or if only some arrays have names.
    pub fn arranged(mut self, names: &[impl AsRef<str>]) -> Result<Self, Error> {
        let known = || format!("`{}`", names.iter().map(AsRef::as_ref).collect::<Vec<_>>().join("`, `"));
        if self.arrays.len() != names.len() {
            let expected = format!("{}: {}", names.len(), known());
            return Err(Error::data("the number of arrays", self.arrays.len(), expected));
        }
        if self.arrays.iter().all(|(name, _)| name.is_none()) {
            return Ok(self);
        }
        let mut arranged = Vec::with_capacity(names.len());
        for name in names {
            let at = self.arrays.iter().position(|(n, _)| n.as_deref() == Some(name.as_ref()));
            let at = at.ok_or_else(|| {
                let given: Vec<_> =
                    self.arrays.iter().map(|(n, _)| n.as_deref().unwrap_or("(no name)")).collect();
                Error::data("the array's name", format!("`{}`", given.join("`, `")), known())
            })?;
            arranged.push(self.arrays.swap_remove(at));
        }
        Ok(Self { arrays: arranged })
    }

    /// Writes some sequences to `batch` as inputs without targets. The vectors of `batch` are reused.
    ///
    /// # Errors
    /// Returns an error if the arrays do not fit together or there are fewer sequences.
    pub fn fill(&self, sequences: Range<usize>, batch: &mut Batch) -> Result<(), Error> {
        let total = self.check("the input")?;
        if sequences.end > total {
            return Err(Error::data(
                "the end of the range of sequences",
                sequences.end,
                format!("at most {total}"),
            ));
        }
        batch.targets.clear();
        batch.weights.clear();
        self.fill_inputs(sequences, batch);
        Ok(())
    }

    /// Returns the arrays with the names that errors use for them.
    pub(super) fn named(&self, what: &'static str) -> impl Iterator<Item = (String, &Data<'a>)> {
        self.arrays.iter().enumerate().map(move |(i, (name, data))| {
            let name = match name {
                Some(name) => format!("{what} `{name}`"),
                None if self.arrays.len() == 1 => what.to_owned(),
                None => format!("{what} {i}"),
            };
            (name, data)
        })
    }

    /// Checks everything except the values of lengths and masks, which is cheap.
    pub(super) fn check(&self, what: &'static str) -> Result<usize, Error> {
        let Some((_, first)) = self.arrays.first() else {
            return Err(Error::data(what, "missing", "at least one array"));
        };
        let sequences = first.sequences();
        for (name, data) in self.named(what) {
            if data.sequences() != sequences {
                let got = format!("{:?}, {}", data.shape(), counted(data.sequences(), "sequence"));
                return Err(Error::data(
                    name,
                    got,
                    counted(sequences, "sequence") + ", like the first array",
                ));
            }
            data.check_extent(&name)?;
        }
        Ok(sequences)
    }

    /// Sets the batch's inputs, the number of lanes and where they are in the arrays.
    pub(super) fn fill_inputs(&self, rows: impl ExactSizeIterator<Item = usize> + Clone, batch: &mut Batch) {
        batch.lanes = rows.len();
        batch.rows.clear();
        batch.rows.extend(rows.clone());
        batch.inputs.resize_with(self.arrays.len(), Default::default);
        for ((_, data), input) in self.arrays.iter().zip(&mut batch.inputs) {
            data.fill_input(rows.clone(), input);
        }
    }

    /// Sets the batch's targets.
    pub(super) fn fill_targets(&self, rows: impl Iterator<Item = usize> + Clone, batch: &mut Batch) {
        batch.targets.resize_with(self.arrays.len(), Default::default);
        for ((_, data), target) in self.arrays.iter().zip(&mut batch.targets) {
            data.fill_target(rows.clone(), target);
        }
    }
}

impl<'a> From<Data<'a>> for Sequences<'a> {
    fn from(data: Data<'a>) -> Self {
        Self { arrays: vec![(None, data)] }
    }
}

impl<'a> From<Vec<Data<'a>>> for Sequences<'a> {
    fn from(arrays: Vec<Data<'a>>) -> Self {
        Self { arrays: arrays.into_iter().map(|data| (None, data)).collect() }
    }
}

impl<'a, const K: usize> From<[Data<'a>; K]> for Sequences<'a> {
    fn from(arrays: [Data<'a>; K]) -> Self {
        Self { arrays: arrays.map(|data| (None, data)).into() }
    }
}

impl<'a> From<&Sequences<'a>> for Sequences<'a> {
    fn from(arrays: &Sequences<'a>) -> Self {
        arrays.clone()
    }
}

/// Converts arrays of one element type and rank, by reference or as a view, to [`Data`] and [`Sequences`].
macro_rules! from_arrays {
    ($element:ty, $values:ident, $rank:literal, $dim:ty, |$view:ident| $with_all_axes:expr) => {
        impl<'a> From<ArrayView<'a, $element, $dim>> for Data<'a> {
            fn from($view: ArrayView<'a, $element, $dim>) -> Self {
                Self { values: Values::$values($with_all_axes), rank: $rank, lengths: None, mask: None }
            }
        }

        impl<'a, S: ndarray::Data<Elem = $element>> From<&'a ArrayBase<S, $dim, $element>> for Data<'a> {
            fn from(array: &'a ArrayBase<S, $dim, $element>) -> Self {
                array.view().into()
            }
        }

        impl<'a> From<ArrayView<'a, $element, $dim>> for Sequences<'a> {
            fn from(view: ArrayView<'a, $element, $dim>) -> Self {
                Data::from(view).into()
            }
        }

        impl<'a, S: ndarray::Data<Elem = $element>> From<&'a ArrayBase<S, $dim, $element>> for Sequences<'a> {
            fn from(array: &'a ArrayBase<S, $dim, $element>) -> Self {
                Data::from(array).into()
            }
        }
    };
}

/// Converts slices, with one element per sequence, to [`Data`] and [`Sequences`].
macro_rules! from_slices {
    ($element:ty, $($slice:ty),+) => {$(
        impl<'a> From<&'a $slice> for Data<'a> {
            fn from(slice: &'a $slice) -> Self {
                ArrayView::<$element, Ix1>::from(slice).into()
            }
        }

        impl<'a> From<&'a $slice> for Sequences<'a> {
            fn from(slice: &'a $slice) -> Self {
                Data::from(slice).into()
            }
        }
    )+};
}

from_arrays!(u32, Ids, 1, Ix1, |v| v.insert_axis(Axis(1)));
from_arrays!(u32, Ids, 2, Ix2, |v| v);
from_arrays!(f32, Floats, 1, Ix1, |v| v.insert_axis(Axis(1)).insert_axis(Axis(2)));
from_arrays!(f32, Floats, 2, Ix2, |v| v.insert_axis(Axis(1)));
from_arrays!(f32, Floats, 3, Ix3, |v| v);
from_slices!(u32, [u32], Vec<u32>);
from_slices!(f32, [f32], Vec<f32>);

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array1, Array2, Array3, ArrayView3, Slice, array};

    fn input(data: Data<'_>) -> BatchInput {
        let mut batch = Batch::default();
        let all = 0..data.sequences();
        Sequences::from(data).fill(all, &mut batch).unwrap();
        batch.inputs.remove(0)
    }

    /// Data with different lifetimes can be used in one call.
    fn _shortens<'long: 'short, 'short>(data: Sequences<'long>) -> Sequences<'short> {
        data
    }

    #[test]
    fn shapes_of_every_kind() {
        let (i1, i2) = (Array1::<u32>::zeros(4), Array2::<u32>::zeros((4, 3)));
        let (f1, f2, f3) =
            (Array1::<f32>::zeros(4), Array2::<f32>::zeros((4, 3)), Array3::<f32>::zeros((4, 3, 2)));
        for (data, shape, steps, width) in [
            (Data::from(&i1), vec![4], 1, 1),
            (Data::from(&i2), vec![4, 3], 3, 1),
            (Data::from(&f1), vec![4], 1, 1),
            (Data::from(f2.view()), vec![4, 3], 1, 3),
            (Data::from(&f3), vec![4, 3, 2], 3, 2),
            (Data::from(&vec![0_u32; 4]), vec![4], 1, 1),
            (Data::from(&[0.0_f32; 4][..]), vec![4], 1, 1),
        ] {
            assert_eq!((data.shape(), data.steps(), data.width()), (shape, steps, width));
            let input = input(data);
            assert_eq!(input.ids.len() + input.features.len(), 4 * steps * width);
            assert_eq!((input.steps, input.ids.is_empty()), (steps, !data.is_ids()));
        }
    }

    #[test]
    fn strided_views_come_in_their_logical_order() {
        let a = Array3::from_shape_fn((3, 4, 2), |(n, t, f)| (n * 100 + t * 10 + f) as f32);
        let plain = |v: ArrayView3<'_, f32>| v.iter().copied().collect::<Vec<_>>();
        let (swapped, backwards, every_other) = (
            a.view().permuted_axes([1, 0, 2]),
            a.slice_each_axis(|_| Slice::new(0, None, -1)),
            a.slice_each_axis(|axis| Slice::new(isize::from(axis.axis.index() > 0), None, 2)),
        );
        for view in [swapped, backwards, every_other] {
            assert_eq!(input(view.into()).features, plain(view), "strides {:?}", view.strides());
        }
        let ids = array![[1_u32, 2, 3], [4, 5, 6]];
        assert_eq!(input(ids.t().into()).ids, [1, 4, 2, 5, 3, 6]);
        let mask = array![[true, false], [true, true], [false, false]];
        let masked = input(Data::from(&ids).mask(mask.t()));
        assert_eq!((masked.extent, masked.mask), (Extent::Mask, vec![true, true, false, false, true, false]));
    }

    #[test]
    fn a_range_of_sequences_with_their_lengths() {
        let ids = array![[1_u32, 2], [3, 0], [0, 0]];
        let mut batch = Batch { weights: vec![1.0], ..Batch::default() };
        batch.targets.resize_with(1, Default::default);
        Sequences::from(Data::from(&ids).lengths(&[2, 1, 0])).fill(1..3, &mut batch).unwrap();
        let input = &batch.inputs[0];
        assert_eq!((batch.lanes, &input.ids[..], &input.lengths[..]), (2, &[3, 0, 0, 0][..], &[1, 0][..]));
        assert_eq!(input.extent, Extent::Lengths);
        assert!(batch.targets.is_empty() && batch.weights.is_empty());
        Sequences::from(&ids).fill(0..1, &mut batch).unwrap();
        let input = &batch.inputs[0];
        assert_eq!((input.extent, input.lengths.len(), &input.ids[..]), (Extent::Full, 0, &[1, 2][..]));
    }

    #[test]
    fn arrays_are_found_by_name() {
        let (a, b) = (array![1_u32, 2], array![1.0_f32, 2.0]);
        let x = Sequences::new().with("past", &a).with("future", &b);
        let is_ids = |x: Sequences<'_>| x.arrays.iter().map(|(_, d)| d.is_ids()).collect::<Vec<_>>();
        assert_eq!(is_ids(x.clone().arranged(&["future", "past"]).unwrap()), [false, true]);
        assert_eq!(is_ids([Data::from(&a), Data::from(&b)].into()), [true, false]);
        assert!(Sequences::from(&a).arranged(&["any"]).is_ok());
        let text = |result: Result<Sequences<'_>, Error>| result.unwrap_err().to_string();
        assert_eq!(
            text(x.clone().arranged(&["future", "then"])),
            "the array's name is `past`, but the model expects `future`, `then`"
        );
        assert_eq!(
            text(x.clone().arranged(&["future"])),
            "the number of arrays is 2, but the model expects 1: `future`"
        );
        let twice = Sequences::new().with("past", &a).with("past", &b);
        assert!(twice.arranged(&["future", "past"]).is_err());
    }

    #[test]
    fn mismatches_are_named() {
        let (a, b) = (Array2::<u32>::zeros((3, 4)), Array2::<f32>::zeros((2, 5)));
        let mask = Array2::from_elem((3, 3), true);
        let cases: [(Sequences<'_>, &str); 7] = [
            (Sequences::new(), "the input is missing, but the model expects at least one array"),
            (
                Sequences::new().with("a", &a).with("b", &b),
                "the input `b` is [2, 5], 2 sequences, but the model expects 3 sequences, like the first array",
            ),
            (Data::from(&a).lengths(&[1, 2]).into(), "2 lengths, but the batch needs 3"),
            (
                Data::from(&a).lengths(&[1, 5, 2]).into(),
                "sequence 1 has length 5, but its array holds 4 steps",
            ),
            (
                Data::from(&a).mask(&mask).into(),
                "the mask of the input is [3, 3], but the model expects [3, 4]",
            ),
            (
                Data::from(&b).lengths(&[1, 2]).into(),
                "the input is [2, 5], which has no time axis, but the model expects a time axis, because lengths or a mask are given",
            ),
            (
                Data::from(&a).lengths(&[1, 2, 3]).mask(&mask).into(),
                "the input is given with both lengths and a mask, but the model expects only one of them",
            ),
        ];
        for (x, message) in cases {
            assert_eq!(x.sequences().unwrap_err().to_string(), message);
        }
        assert!(Sequences::from(&a).fill(2..4, &mut Batch::default()).is_err());
    }
}
