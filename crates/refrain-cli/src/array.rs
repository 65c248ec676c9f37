//! Arrays of any element type from files, and their conversion to model inputs.

use refrain::InputSpec;
use refrain::data::Data;
use refrain::ndarray::{Array1, Array2, Array3, ArrayD, IxDyn, ShapeBuilder};
use refrain::shown::counted;
use std::cell::Cell;

/// Maximum axes of an array, NumPy's own limit.
const MAX_AXES: usize = 64;
/// Maximum characters of a file that an error shows.
const SHOWN: usize = 40;

/// Shortens text from a file for an error.
pub(crate) fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The type of an element in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    Bool,
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    F32,
    F64,
}

/// The order of an element's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bytes {
    Little,
    Big,
}

/// An array's elements, row-major.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Values {
    Bools(Vec<bool>),
    Integers(Vec<i64>),
    Floats(Vec<f32>),
}

/// An array.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Array {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Values,
}

impl Element {
    /// Returns the size of an element in bytes.
    fn size(self) -> usize {
        match self {
            Element::Bool | Element::I8 | Element::U8 => 1,
            Element::I16 | Element::U16 => 2,
            Element::I32 | Element::U32 | Element::F32 => 4,
            Element::I64 | Element::U64 | Element::F64 => 8,
        }
    }

    /// Decodes elements. An error says which one is out of range, by the index of its position.
    fn decode(
        self,
        bytes: &[u8],
        order: Bytes,
        index_of: impl Fn(usize) -> Vec<usize>,
    ) -> Result<Values, String> {
        macro_rules! each {
            ($type:ty, $convert:expr) => {
                bytes
                    .chunks_exact(size_of::<$type>())
                    .map(|chunk| {
                        let mut raw = [0; size_of::<$type>()];
                        raw.copy_from_slice(chunk);
                        if order == Bytes::Big {
                            raw.reverse();
                        }
                        $convert(<$type>::from_le_bytes(raw))
                    })
                    .collect()
            };
        }
        let position = Cell::new(0);
        let next = || position.replace(position.get() + 1);
        let integer = |x: u64| {
            let at = next();
            i64::try_from(x).map_err(|_| {
                let index = index_of(at);
                format!("integer {x} at {index:?} is too large; expected at most 2^63 - 1")
            })
        };
        let float = |x: f64| {
            let (at, single) = (next(), x as f32);
            if x.is_finite() && !single.is_finite() {
                let index = index_of(at);
                return Err(format!(
                    "{x:e} at {index:?} does not fit into an f32; expected at most {:e}",
                    f32::MAX
                ));
            }
            Ok(single)
        };
        Ok(match self {
            Element::Bool => Values::Bools(bytes.iter().map(|&b| b != 0).collect()),
            Element::I8 => Values::Integers(each!(i8, i64::from)),
            Element::U8 => Values::Integers(each!(u8, i64::from)),
            Element::I16 => Values::Integers(each!(i16, i64::from)),
            Element::U16 => Values::Integers(each!(u16, i64::from)),
            Element::I32 => Values::Integers(each!(i32, i64::from)),
            Element::U32 => Values::Integers(each!(u32, i64::from)),
            Element::I64 => Values::Integers(each!(i64, |x| x)),
            Element::U64 => Values::Integers({
                let all: Result<Vec<i64>, String> = each!(u64, integer);
                all?
            }),
            Element::F32 => Values::Floats(each!(f32, |x| x)),
            Element::F64 => Values::Floats({
                let all: Result<Vec<f32>, String> = each!(f64, float);
                all?
            }),
        })
    }
}

/// Returns the index of an element in an array of this shape.
pub(crate) fn index_of(mut position: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (at, &length) in index.iter_mut().zip(shape).rev() {
        *at = position % length.max(1);
        position /= length.max(1);
    }
    index
}

/// The same if the first axis runs fastest.
fn column_major_index_of(position: usize, shape: &[usize]) -> Vec<usize> {
    let reversed: Vec<usize> = shape.iter().rev().copied().collect();
    let mut index = index_of(position, &reversed);
    index.reverse();
    index
}

impl Array {
    /// Decodes an array from the bytes of its elements, or returns the reason why they do not match its shape. In a
    /// column-major array, the first axis runs fastest.
    pub(crate) fn decode(
        shape: Vec<usize>,
        element: Element,
        order: Bytes,
        column_major: bool,
        bytes: &[u8],
    ) -> Result<Self, String> {
        if shape.len() > MAX_AXES {
            return Err(format!(
                "its shape has {}; expected at most {MAX_AXES}",
                counted(shape.len(), "axis")
            ));
        }
        let needed = shape.iter().try_fold(element.size(), |n, &d| n.checked_mul(d));
        if needed != Some(bytes.len()) {
            return Err(format!(
                "its shape {shape:?} does not match its {} bytes of {element:?}",
                bytes.len()
            ));
        }
        let index = if column_major { column_major_index_of } else { index_of };
        let values = element.decode(bytes, order, |position| index(position, &shape))?;
        let array = Self { values, shape };
        if column_major { array.column_major_to_row_major() } else { Ok(array) }
    }

    /// Converts an array whose elements were stored with the first axis running fastest.
    fn column_major_to_row_major(self) -> Result<Self, String> {
        fn turn<T: Copy>(shape: &[usize], values: Vec<T>) -> Result<Vec<T>, String> {
            let array = ArrayD::from_shape_vec(IxDyn(shape).f(), values).map_err(|e| e.to_string())?;
            Ok(array.iter().copied().collect())
        }
        let values = match self.values {
            Values::Bools(v) => Values::Bools(turn(&self.shape, v)?),
            Values::Integers(v) => Values::Integers(turn(&self.shape, v)?),
            Values::Floats(v) => Values::Floats(turn(&self.shape, v)?),
        };
        Ok(Self { shape: self.shape, values })
    }

    fn kind(&self) -> &'static str {
        match self.values {
            Values::Bools(_) => "booleans",
            Values::Integers(_) => "integers",
            Values::Floats(_) => "floats",
        }
    }

    /// Describes the array for a message: `floats [3, 5]`.
    pub(crate) fn describe(&self) -> String {
        format!("{} {:?}", self.kind(), self.shape)
    }
}

/// An array as one of a model's inputs.
#[derive(Debug)]
pub(crate) enum Input {
    Ids1(Array1<u32>),
    Ids2(Array2<u32>),
    Floats2(Array2<f32>),
    Floats3(Array3<f32>),
}

impl Input {
    /// Converts an array to an input, or returns what was got and expected.
    pub(crate) fn new(array: Array, spec: &InputSpec) -> Result<Self, String> {
        let misfit = format!("{}, but the model expects {spec}", array.describe());
        let wrong = |_| misfit.clone();
        match (array.values, &array.shape[..], spec.features, spec.sequence) {
            (Values::Integers(v), &[n], None, false) => {
                Array1::from_shape_vec(n, ids(&v)?).map(Input::Ids1).map_err(wrong)
            }
            (Values::Integers(v), &[n, t], None, true) => {
                Array2::from_shape_vec((n, t), ids(&v)?).map(Input::Ids2).map_err(wrong)
            }
            (Values::Floats(v), &[n, f], Some(width), false) if f == width => {
                Array2::from_shape_vec((n, f), v).map(Input::Floats2).map_err(wrong)
            }
            (Values::Floats(v), &[n, t, f], Some(width), true) if f == width => {
                Array3::from_shape_vec((n, t, f), v).map(Input::Floats3).map_err(wrong)
            }
            _ => Err(misfit),
        }
    }

    pub(crate) fn data(&self) -> Data<'_> {
        match self {
            Input::Ids1(a) => a.into(),
            Input::Ids2(a) => a.into(),
            Input::Floats2(a) => a.into(),
            Input::Floats3(a) => a.into(),
        }
    }
}

fn ids(values: &[i64]) -> Result<Vec<u32>, String> {
    let id = |&x: &i64| {
        u32::try_from(x)
            .map_err(|_| format!("invalid: it contains the id {x}; expected ids from 0 to {}", u32::MAX))
    };
    values.iter().map(id).collect()
}

/// Converts an array to the lengths of sequences, `(N)`.
pub(crate) fn lengths(array: Array) -> Result<Vec<usize>, String> {
    let what = array.describe();
    match (array.values, array.shape.len()) {
        (Values::Integers(v), 1) => v
            .iter()
            .map(|&x| {
                usize::try_from(x)
                    .map_err(|_| format!("invalid: it contains the length {x}; expected at least 0"))
            })
            .collect(),
        _ => Err(format!("{what}, but lengths must be integers (N)")),
    }
}

/// Converts an array to a mask of the real steps, `(N, T)`.
pub(crate) fn mask(array: Array) -> Result<Array2<bool>, String> {
    let misfit = format!("{}, but a mask must be booleans or integers 0 and 1 (N, T)", array.describe());
    let &[n, t] = &array.shape[..] else { return Err(misfit) };
    let values = match array.values {
        Values::Bools(v) => v,
        Values::Integers(v) if v.iter().all(|x| (0..=1).contains(x)) => v.iter().map(|&x| x == 1).collect(),
        _ => return Err(misfit),
    };
    Array2::from_shape_vec((n, t), values).map_err(|_| misfit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn false_shapes_are_rejected_before_allocating() {
        for shape in [vec![usize::MAX, 2], vec![1 << 40], vec![3], vec![2, 2]] {
            assert!(Array::decode(shape, Element::F32, Bytes::Little, false, &[0; 8]).is_err());
        }
        let axes = Array::decode(vec![1; MAX_AXES + 1], Element::U8, Bytes::Little, false, &[0]).unwrap_err();
        assert!(axes.contains("65 axes") && axes.len() < 100, "{axes}");
        let empty = Array::decode(vec![0, 7], Element::F64, Bytes::Little, false, &[]).unwrap();
        assert_eq!(empty.values, Values::Floats(Vec::new()));
    }

    #[test]
    fn column_major_becomes_row_major() {
        let array = Array { shape: vec![2, 3], values: Values::Integers(vec![1, 4, 2, 5, 3, 6]) };
        assert_eq!(
            array.column_major_to_row_major().unwrap().values,
            Values::Integers(vec![1, 2, 3, 4, 5, 6])
        );
        let large: Vec<u8> =
            [0.0, 0.0, 0.0, 1e300, 0.0, 0.0].iter().flat_map(|x: &f64| x.to_le_bytes()).collect();
        let error = |column_major| {
            Array::decode(vec![2, 3], Element::F64, Bytes::Little, column_major, &large).unwrap_err()
        };
        assert!(error(false).contains("1e300 at [1, 0]") && error(true).contains("1e300 at [1, 1]"));
    }

    #[test]
    fn an_input_accepts_what_its_spec_allows() {
        let ints = |shape: &[usize], v: &[i64]| Array {
            shape: shape.to_vec(),
            values: Values::Integers(v.to_vec()),
        };
        let floats = |shape: &[usize]| Array {
            shape: shape.to_vec(),
            values: Values::Floats(vec![0.5; shape.iter().product()]),
        };
        assert!(Input::new(ints(&[1, 2], &[0, 7]), &InputSpec::ids()).is_ok());
        assert!(Input::new(floats(&[2, 3, 4]), &InputSpec::features(4)).is_ok());
        assert!(Input::new(floats(&[2, 4]), &InputSpec::flat(4)).is_ok());
        for (array, spec) in [
            (ints(&[2], &[0, 7]), InputSpec::ids()),
            (ints(&[1, 1], &[-1]), InputSpec::ids()),
            (ints(&[1, 1], &[1 << 32]), InputSpec::ids()),
            (floats(&[1, 2]), InputSpec::ids()),
            (floats(&[2, 3, 5]), InputSpec::features(4)),
            (ints(&[1, 1, 1], &[0]), InputSpec::features(1)),
        ] {
            assert!(Input::new(array.clone(), &spec).is_err(), "{array:?} as {spec}");
        }
    }

    #[test]
    fn masks_and_lengths() {
        let ints = |shape: &[usize], v: &[i64]| Array {
            shape: shape.to_vec(),
            values: Values::Integers(v.to_vec()),
        };
        assert_eq!(mask(ints(&[1, 2], &[1, 0])).unwrap().as_slice(), Some(&[true, false][..]));
        assert!(mask(ints(&[1, 2], &[1, 2])).is_err() && mask(ints(&[2], &[1, 0])).is_err());
        assert_eq!(lengths(ints(&[2], &[0, 3])).unwrap(), [0, 3]);
        assert!(lengths(ints(&[2], &[0, -3])).is_err() && lengths(ints(&[1, 2], &[0, 3])).is_err());
    }
}
