use super::*;
use crate::layers::{Dense, Embedding, Lstm};
use crate::model::{Compile, Sequential};

fn model() -> Model {
    Sequential::new()
        .add(Embedding::new(7, 3))
        .add(Lstm::new(5))
        .add(Dense::new(2))
        .compile(Compile::default())
        .unwrap()
}

fn bytes() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    save(&path, &model(), Some(&serde_json::json!({"kind": "test"})), None).unwrap();
    std::fs::read(path).unwrap()
}

fn reason(bytes: &[u8]) -> String {
    from_bytes(bytes, Engine::default()).unwrap_err()
}

#[test]
fn what_is_saved_is_loaded_bit_for_bit() {
    let (original, bytes) = (model(), bytes());
    let file = from_bytes(&bytes, Engine::default()).unwrap();
    assert_eq!(file.model.weights(), original.weights());
    assert_eq!(file.model.architecture(), original.architecture());
    assert_eq!(file.task, Some(serde_json::json!({"kind": "test"})));
    assert!(file.warnings.is_empty() && file.training.is_none());
}

#[test]
fn the_same_model_gives_the_same_bytes() {
    assert_eq!(bytes(), bytes());
}

#[test]
fn every_cut_is_an_error() {
    let bytes = bytes();
    for len in (0..bytes.len()).step_by(7) {
        reason(&bytes[..len]);
    }
}

#[test]
fn a_flipped_weight_is_named() {
    let mut bytes = bytes();
    let last = bytes.len() - 3;
    bytes[last] ^= 1;
    assert!(reason(&bytes).contains("digest"), "{}", reason(&bytes));
}

#[test]
fn other_files_are_told_apart() {
    assert!(reason(b"").contains("cut off"));
    assert!(reason(b"just some text that is no model at all").contains("safetensors"));
    let foreign = write_header(&[("format", "pt".into())], []);
    assert!(reason(&foreign).contains("not one of Refrain's"));
    let newer = write_header(&[("refrain.format", "99".into())], []);
    assert!(reason(&newer).contains("newer version"));
}

/// A small file that claims a giant model must be refused by its missing tensors, not by running out of
/// memory.
#[test]
fn a_giant_claim_takes_no_memory() {
    let text = String::from_utf8_lossy(&bytes()).into_owned();
    let start = text.find('{').unwrap();
    let config = model();
    let giant =
        serde_json::to_string(config.architecture()).unwrap().replace("\"units\":5", "\"units\":9000000");
    assert!(start > 0 && giant.contains("9000000"));
    let header = write_header(&[("refrain.config", giant), ("refrain.format", "1".into())], []);
    assert!(reason(&header).contains("no tensor"), "{}", reason(&header));
}

#[test]
fn an_existing_file_survives_a_failed_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m");
    std::fs::write(&path, "before").unwrap();
    let failed = write_atomically(&path, |_| Err(std::io::Error::other("disk full")));
    assert!(failed.unwrap_err().to_string().contains("disk full"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "before");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert!(check_writable(folder.path()).unwrap_err().to_string().contains("folder"));
    assert!(check_writable(&folder.path().join("no/such/folder")).is_err());
    check_writable(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "before");
}

#[test]
fn sizes_that_overflow_are_refused() {
    let architecture = model().architecture().clone();
    for (layer, units) in [(1, 1u64 << 62), (1, (1 << 60) + 1), (2, 1 << 60), (1, 0)] {
        let mut hostile = architecture.clone();
        hostile.layers[layer].config["units"] = units.into();
        hostile.layers[layer].config["use_bias"] = false.into();
        let config = serde_json::to_string(&hostile).unwrap();
        let header = write_header(&[("refrain.config", config), ("refrain.format", "1".into())], []);
        assert!(reason(&header).contains("units"), "{}", reason(&header));
    }
}

#[test]
fn a_dead_writer_s_leftovers_are_in_nobody_s_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m");
    let leftover = folder.path().join(format!(".m.{}-0.tmp", std::process::id()));
    std::fs::write(&leftover, "half").unwrap();
    check_writable(&path).unwrap();
    model().save(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&leftover).unwrap(), "half");
}
