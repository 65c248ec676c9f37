//! Arrays in `.safetensors` files.

use crate::array::{Array, Bytes, Element, shorten};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;

/// Maximum characters of the library's reason that are shown.
const LONGEST_REASON: usize = 200;

/// Parses the bytes of a file, or returns the reason why they are not tensors.
pub(crate) fn read(bytes: &[u8]) -> Result<BTreeMap<String, Array>, String> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|e| format!("not a complete safetensors file ({})", first(&e.to_string())))?;
    let mut arrays = BTreeMap::new();
    for (name, tensor) in file.tensors() {
        let element = element(tensor.dtype()).ok_or_else(|| {
            let dtype = tensor.dtype();
            let name = shorten(&name);
            format!("tensor `{name}` has type {dtype:?}; expected booleans, integers, F32 or F64")
        })?;
        let array = Array::decode(tensor.shape().to_vec(), element, Bytes::Little, false, tensor.data())
            .map_err(|reason| format!("tensor `{}`: {reason}", shorten(&name)))?;
        arrays.insert(name, array);
    }
    Ok(arrays)
}

/// Shortens a reason from the library, which may quote the header.
fn first(reason: &str) -> String {
    reason.chars().take(LONGEST_REASON).collect()
}

fn element(dtype: Dtype) -> Option<Element> {
    Some(match dtype {
        Dtype::BOOL => Element::Bool,
        Dtype::I8 => Element::I8,
        Dtype::U8 => Element::U8,
        Dtype::I16 => Element::I16,
        Dtype::U16 => Element::U16,
        Dtype::I32 => Element::I32,
        Dtype::U32 => Element::U32,
        Dtype::I64 => Element::I64,
        Dtype::U64 => Element::U64,
        Dtype::F32 => Element::F32,
        Dtype::F64 => Element::F64,
        _ => return None,
    })
}

/// Encodes arrays of floats (name, shape, values) as a file.
pub(crate) fn write(arrays: &[(String, Vec<usize>, Vec<f32>)]) -> Result<Vec<u8>, String> {
    let bytes: Vec<Vec<u8>> =
        arrays.iter().map(|(_, _, values)| values.iter().flat_map(|x| x.to_le_bytes()).collect()).collect();
    let mut views = Vec::with_capacity(arrays.len());
    for ((name, shape, _), bytes) in arrays.iter().zip(&bytes) {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(|e| e.to_string())?;
        views.push((name.as_str(), view));
    }
    safetensors::serialize(views, None).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Values;

    #[test]
    fn written_tensors_are_read_back() {
        let arrays = [("b".to_owned(), vec![2, 1], vec![1.0, 2.0]), ("a".to_owned(), vec![0, 3], vec![])];
        let read = read(&write(&arrays).unwrap()).unwrap();
        assert_eq!(read["b"], Array { shape: vec![2, 1], values: Values::Floats(vec![1.0, 2.0]) });
        assert_eq!(read["a"].shape, [0, 3]);
    }

    #[test]
    fn truncated_files_are_rejected() {
        let bytes = write(&[("a".to_owned(), vec![2], vec![1.0, 2.0])]).unwrap();
        for cut in 0..bytes.len() {
            assert!(read(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }
}
