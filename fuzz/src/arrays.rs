//! Arrays in files, as `refrain predict` reads them.

use crate::array::{Array, Input, Values, lengths, mask};
use crate::{npy as format, tensors};
use refrain::InputSpec;

/// Maximum length of an error message in bytes: it may show only a part of the file.
const LONGEST_REASON: usize = 2000;
/// Number of axes of the arrays that the program writes.
const WRITTEN_AXES: usize = 3;

/// Reads a `.npy` file.
///
/// Asserts that an array has as many elements as its shape says; that as a model's input, lengths or mask it is
/// either rejected or keeps its shape and values; that an error shows only a part of the file; and that floats are
/// bit-identical when written and read again.
pub fn npy(bytes: &[u8]) {
    let array = match format::read(bytes) {
        Ok(array) => array,
        Err(reason) => return assert!(reason.len() < LONGEST_REASON, "{reason}"),
    };
    check(&array);
    if let (Values::Floats(values), true) = (&array.values, array.shape.len() <= WRITTEN_AXES) {
        let again = format::read(&format::write(&array.shape, values.iter().copied()));
        same(&again.expect("what was written can be read"), &array);
    }
}

/// Reads a `.safetensors` file with arrays.
///
/// Asserts for each array what [`npy`] asserts, and that all floats are bit-identical, under their names, when
/// written and read again.
pub fn safetensors_arrays(bytes: &[u8]) {
    let arrays = match tensors::read(bytes) {
        Ok(arrays) => arrays,
        Err(reason) => return assert!(reason.len() < LONGEST_REASON, "{reason}"),
    };
    arrays.values().for_each(check);
    let floats = arrays.iter().filter_map(|(name, array)| match &array.values {
        Values::Floats(values) => Some((name.clone(), array.shape.clone(), values.clone())),
        _ => None,
    });
    let floats: Vec<_> = floats.collect();
    let again = tensors::write(&floats).expect("arrays that were read can be written");
    let again = tensors::read(&again).expect("what was written can be read");
    assert_eq!(again.len(), floats.len());
    again.iter().for_each(|(name, array)| same(array, &arrays[name]));
}

fn count(values: &Values) -> usize {
    match values {
        Values::Bools(v) => v.len(),
        Values::Integers(v) => v.len(),
        Values::Floats(v) => v.len(),
    }
}

fn same(a: &Array, b: &Array) {
    let bits = |array: &Array| match &array.values {
        Values::Floats(v) => v.iter().map(|x| x.to_bits()).collect::<Vec<_>>(),
        other => unreachable!("only floats are written: {other:?}"),
    };
    assert_eq!((&a.shape, bits(a)), (&b.shape, bits(b)));
}

fn check(array: &Array) {
    assert_eq!(array.shape.iter().product::<usize>(), count(&array.values));
    assert!(array.describe().contains(&format!("{:?}", array.shape)));
    let width = array.shape.last().copied().unwrap_or(1);
    let specs = [InputSpec::ids(), InputSpec::features(width), InputSpec::flat(width)];
    let one_id = InputSpec { sequence: false, ..InputSpec::ids() };
    for spec in specs.into_iter().chain([one_id]) {
        let Ok(input) = Input::new(array.clone(), &spec) else { continue };
        let _ = input.data();
        let (shape, len) = match &input {
            Input::Ids1(a) => (a.shape(), a.len()),
            Input::Ids2(a) => (a.shape(), a.len()),
            Input::Floats2(a) => (a.shape(), a.len()),
            Input::Floats3(a) => (a.shape(), a.len()),
        };
        assert_eq!((shape, len), (&array.shape[..], count(&array.values)));
    }
    if let Ok(lengths) = lengths(array.clone()) {
        assert_eq!([lengths.len()], array.shape[..]);
    }
    if let Ok(mask) = mask(array.clone()) {
        assert_eq!(mask.shape(), array.shape);
    }
}
