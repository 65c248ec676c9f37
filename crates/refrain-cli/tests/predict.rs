//! Models on arrays.

mod common;

use common::TestDir;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

/// Returns the bytes of a `.npy` file, as NumPy writes them except for the padding.
fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn bytes_of<const N: usize, T: Copy>(values: &[T], bytes: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|&v| bytes(v)).collect()
}

/// Returns the header and the floats of a `.npy` file that `refrain` wrote.
fn floats(npy: &[u8]) -> (String, Vec<f32>) {
    let len = usize::from(u16::from_le_bytes([npy[8], npy[9]]));
    let header = String::from_utf8(npy[10..10 + len].to_vec()).unwrap();
    let data = npy[10 + len..].chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    (header, data)
}

fn tensors(entries: &[(&str, Dtype, &[usize], &[u8])]) -> Vec<u8> {
    let views = entries
        .iter()
        .map(|(name, dtype, shape, data)| (*name, TensorView::new(*dtype, shape.to_vec(), data).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

fn dir() -> TestDir {
    let dir = TestDir::new();
    dir.train("m.safetensors", &[]);
    dir
}

#[test]
fn ids_of_any_integer_type_give_the_same_rows() {
    let dir = dir();
    let ids = [1_u8, 2, 3, 4, 5, 6];
    dir.write("in.npy", npy("|u1", "(2, 3)", &ids));
    let result = dir.ok(&["--json", "predict", "m.safetensors", "in.npy", "out.npy"]).event("result");
    let (header, first) = floats(&dir.read("out.npy"));
    let vocabulary = first.len() / 6;
    assert!(header.contains(&format!("'shape': (2, 3, {vocabulary})")), "{header}");
    assert_eq!(result["shapes"]["output_0"], serde_json::json!([2, 3, vocabulary]));
    for row in first.chunks(vocabulary) {
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "a row is a distribution");
    }
    let wide = |x: u8| i64::from(x).to_be_bytes();
    dir.write("in.npy", npy(">i8", "(2, 3)", &bytes_of(&ids, wide)));
    dir.ok(&["predict", "m.safetensors", "in.npy", "out.npy"]);
    assert_eq!(floats(&dir.read("out.npy")).1, first);
    let data = bytes_of(&ids, |x| u16::from(x).to_le_bytes());
    for name in ["tokens", "anything"] {
        dir.write("in.safetensors", tensors(&[(name, Dtype::U16, &[2, 3], &data)]));
        dir.ok(&["predict", "m.safetensors", "in.safetensors", "out.safetensors"]);
        let out = dir.read("out.safetensors");
        let out = SafeTensors::deserialize(&out).unwrap();
        let tensor = out.tensor("output_0").unwrap();
        assert_eq!((tensor.dtype(), tensor.shape()), (Dtype::F32, &[2, 3, vocabulary][..]));
        assert_eq!(tensor.data(), bytes_of(&first, f32::to_le_bytes));
    }
}

#[test]
fn lengths_and_masks_shorten_sequences() {
    let dir = dir();
    let ids: Vec<u8> = vec![1, 2, 3, 4, 5, 6];
    let lengths = bytes_of(&[2_i64, 0], i64::to_le_bytes);
    let run = |entries: &[(&str, Dtype, &[usize], &[u8])]| {
        dir.write("in.safetensors", tensors(entries));
        dir.ok(&["predict", "m.safetensors", "in.safetensors", "out.npy"]);
        floats(&dir.read("out.npy")).1
    };
    let whole = run(&[("tokens", Dtype::U8, &[2, 3], &ids)]);
    let cut = run(&[("tokens", Dtype::U8, &[2, 3], &ids), ("tokens.lengths", Dtype::I64, &[2], &lengths)]);
    let mask = [1, 1, 0, 0, 0, 0];
    let masked = run(&[("tokens", Dtype::U8, &[2, 3], &ids), ("tokens.mask", Dtype::BOOL, &[2, 3], &mask)]);
    let vocabulary = whole.len() / 6;
    assert_eq!(cut[..2 * vocabulary], whole[..2 * vocabulary]);
    assert!(cut[2 * vocabulary..].iter().all(|&x| x == 0.0));
    assert_eq!(masked, cut);
}

#[test]
fn mismatches_are_rejected() {
    let dir = dir();
    let refused = |input: &str, contents: Vec<u8>, phrases: &[&str]| {
        dir.write(input, contents);
        dir.refused(&["predict", "m.safetensors", input, "out.npy"], &[&[input], phrases].concat());
        assert!(!dir.file("out.npy").exists());
    };
    refused("in.npy", npy("|u1", "(3,)", &[1, 2, 3]), &["integers [3]", "ids (N, T)"]);
    refused("in.npy", npy("<f4", "(1, 1)", &[0; 4]), &["floats [1, 1]", "ids (N, T)"]);
    refused("in.npy", npy("|i1", "(1, 1)", &[255]), &["-1"]);
    refused("in.npy", npy("|u1", "(1, 2)", &[1, 200]), &["200"]);
    refused("in.npy", npy("<f2", "(1, 1)", &[0; 2]), &["<f2"]);
    refused("in.npy", npy("|u1", "(1, 9999999999999)", &[0; 2]), &["shape"]);
    refused("in.npy", b"PK\x03\x04".to_vec(), &[".npy"]);
    let ids = ("tokens", Dtype::U8, &[1, 2][..], &[1, 2][..]);
    let refused = |entries: &[(&str, Dtype, &[usize], &[u8])], phrases: &[&str]| {
        refused("in.safetensors", tensors(entries), phrases);
    };
    refused(&[ids, ("extra", Dtype::U8, &[1], &[1])], &["extra", "tokens"]);
    refused(&[ids, ("tokens.lengths", Dtype::U8, &[2], &[1, 1])], &["lengths"]);
    refused(&[ids, ("tokens.lengths", Dtype::U8, &[1], &[3])], &["length 3"]);
    refused(&[ids, ("tokens.mask", Dtype::U8, &[1, 3], &[1, 1, 1])], &["mask"]);
    refused(&[ids, ("tokens.mask", Dtype::U8, &[1, 2], &[1, 7])], &["mask"]);
    refused(&[("a", Dtype::U8, &[1], &[1]), ("b", Dtype::U8, &[1], &[1])], &["tokens", "a`, `b"]);
    refused(&[("tokens", Dtype::BF16, &[1, 1], &[1, 1])], &["BF16"]);
}

#[test]
fn names_and_paths_are_checked_first() {
    let dir = dir();
    dir.write("in.npy", npy("|u1", "(1, 1)", &[1]));
    dir.refused(&["predict", "m.safetensors", "in.csv", "out.npy"], &["in.csv", ".npy nor .safetensors"]);
    dir.refused(&["predict", "m.safetensors", "in.npy", "out"], &["out ends in"]);
    dir.refused(&["predict", "m.safetensors", "none.npy", "out.npy"], &["none.npy", "file not found"]);
    dir.refused(&["predict", "m.safetensors", "in.npy", "no/out.npy"], &["cannot write no/out.npy", "OUT"]);
    dir.refused(&["predict", "song.txt", "in.npy", "out.npy"], &["song.txt is not a model"]);
}

#[test]
fn equal_rows_have_equal_answers_with_a_stateful_layer() {
    use refrain::prelude::*;

    let dir = TestDir::new();
    let model = Sequential::new().add(Embedding::new(6, 2)).add(Lstm::new(3).stateful(true));
    model.compile(Compile::default()).unwrap().save(dir.file("s.safetensors")).unwrap();
    for rows in [65_usize, 128] {
        dir.write("in.npy", npy("|u1", &format!("({rows}, 3)"), &[1, 2, 3].repeat(rows)));
        dir.ok(&["predict", "s.safetensors", "in.npy", "out.npy"]);
        let (_, answers) = floats(&dir.read("out.npy"));
        assert_eq!(answers.len(), rows * 3);
        assert!(answers.chunks(3).all(|row| row == &answers[..3]), "{rows} rows");
    }
}

#[test]
fn numbers_that_do_not_fit_are_named() {
    use refrain::prelude::*;

    let dir = TestDir::new();
    let model = Sequential::new().input(InputSpec::flat(2)).add(Dense::new(1));
    model.compile(Compile::default()).unwrap().save(dir.file("d.safetensors")).unwrap();
    let double = |values: &[f64]| npy("<f8", "(2, 2)", &bytes_of(values, f64::to_le_bytes));
    dir.write("in.npy", double(&[0.0, 1.0, 1e300, 2.0]));
    dir.refused(&["predict", "d.safetensors", "in.npy", "out.npy"], &["in.npy", "1e300 at [1, 0]", "f32"]);
    dir.write("in.npy", double(&[0.0, 1.0, f64::NAN, f64::INFINITY]));
    let warned = dir.ok(&["predict", "d.safetensors", "in.npy", "out.npy"]).stderr;
    assert!(warned.contains("output_0 has 1 non-finite value, the first is NaN at [1, 0]"), "{warned}");
    dir.write("in.npy", double(&[0.0, 1.0, -1e30, 2.0]));
    assert!(!dir.ok(&["predict", "d.safetensors", "in.npy", "out.npy"]).stderr.contains("finite"));
}
