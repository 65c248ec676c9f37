use super::*;
use crate::layers::{Dense, Embedding, Lstm};
use crate::model::{Compile, Sequential, TrainingCounters, TrainingState};

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

fn tensors(model: &Model) -> impl Iterator<Item = (&str, &[usize])> {
    model.params().spans().iter().map(|s| (&*s.name, &*s.shape))
}

/// Returns a file with this metadata and the model's tensors, all zero.
fn with_tensors(metadata: &[(&str, String)]) -> Vec<u8> {
    let model = model();
    let mut bytes = write_header(metadata, tensors(&model));
    bytes.resize(bytes.len() + 4 * model.params().count(), 0);
    bytes
}

fn reason(bytes: &[u8]) -> String {
    from_bytes(bytes, Engine::default(), &LayerRegistry::default()).unwrap_err()
}

#[test]
fn a_saved_model_is_loaded_bit_for_bit() {
    let (original, bytes) = (model(), bytes());
    let file = from_bytes(&bytes, Engine::default(), &LayerRegistry::default()).unwrap();
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

/// Returns the file with one `from` in its header replaced by `to`, which has the same length.
fn edited(from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes();
    let at = bytes.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
    bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    bytes
}

#[test]
fn a_flipped_byte_of_the_description_is_an_error() {
    for (from, to) in [
        (r#"\"trainable\":true"#, r#"\"trainable\":trud"#),
        (r#"{\"kind\":\"test\"}"#, r#"{\"kind\":\"tesu\"}"#),
        (r#"unit_forget_bias\":true"#, r#"unit_forget_bias\":null"#),
    ] {
        let message = reason(&edited(from, to));
        assert!(message.contains("metadata") && message.contains("digest"), "{message}");
    }
    // One entry removed, and a digest that is not a digest.
    assert!(reason(&edited("refrain.task", "refraim.task")).contains("digest of its `refrain.*`"));
    assert!(reason(&edited("refrain.digest", "refrain.digesu")).contains("digest of its `refrain.*`"));
}

/// The digested bytes of two tensors may be stored under each other's names.
#[test]
fn tensors_that_changed_names_are_an_error() {
    let net = Sequential::new().input(crate::InputSpec::flat(2)).add(Dense::new(2).use_bias(false).name("a"));
    let model = net.add(Dense::new(2).use_bias(false).name("b")).compile(Compile::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m");
    model.save(&path).unwrap();
    let text: String = std::fs::read(&path).unwrap().into_iter().map(char::from).collect();
    let swapped = text.replace("\"a/kernel\":", "\"\0/kernel\":").replace("\"b/kernel\":", "\"a/kernel\":");
    let swapped = swapped.replace("\"\0/kernel\":", "\"b/kernel\":");
    let bytes: Vec<u8> = swapped.chars().map(|c| c as u8).collect();
    assert!(reason(&bytes).contains("order of its layers"), "{}", reason(&bytes));
}

#[test]
fn an_earlier_version_s_file_and_another_program_s_keys_load() {
    let file = from_bytes(
        &edited("refrain.metadata-digest", "another.metadata-digest"),
        Engine::default(),
        &LayerRegistry::default(),
    );
    let warnings = file.unwrap().warnings;
    assert!(matches!(&warnings[..], [one] if one.contains("no digest of its metadata")), "{warnings:?}");
    let config = serde_json::to_string(model().architecture()).unwrap();
    let mut metadata = vec![("refrain.config", config), ("refrain.format", "1".into())];
    seal(&mut metadata);
    metadata.push(("zebra", "of another program".into()));
    let warnings =
        from_bytes(&with_tensors(&metadata), Engine::default(), &LayerRegistry::default()).unwrap().warnings;
    assert!(matches!(&warnings[..], [one] if one.contains("weights were not checked")), "{warnings:?}");
}

#[test]
fn other_files_are_recognised() {
    assert!(reason(b"").contains("cut off"));
    assert!(reason(b"just some text that is no model at all").contains("safetensors"));
    let foreign = write_header(&[("format", "pt".into())], []);
    assert!(reason(&foreign).contains("not a Refrain model"));
    let newer = write_header(&[("refrain.format", "99".into())], []);
    assert!(reason(&newer).contains("newer version"));
}

/// A small file that claims to hold a giant model must be rejected because of its missing tensors, not by
/// running out of memory.
#[test]
fn a_huge_claimed_size_allocates_nothing() {
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
    assert!(
        check_writable(&folder.path().join("new/"))
            .unwrap_err()
            .to_string()
            .contains("not the name of a file")
    );
    check_writable(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "before");
}

#[test]
fn sizes_that_overflow_are_rejected() {
    let architecture = model().architecture().clone();
    for (layer, units) in [(1, 1u64 << 62), (1, (1 << 60) + 1), (2, 1 << 60), (1, 0)] {
        let mut hostile = architecture.clone();
        hostile.layers[layer].config["units"] = units.into();
        hostile.layers[layer].config["use_bias"] = false.into();
        let config = serde_json::to_string(&hostile).unwrap();
        let message = reason(&with_tensors(&[("refrain.config", config), ("refrain.format", "1".into())]));
        assert!(message.contains("units"), "{message}");
    }
}

/// Returns the result of loading an architecture without parameters, with these inputs and layers; the last
/// layer is the output.
fn planned(inputs: serde_json::Value, layers: Vec<serde_json::Value>) -> Result<ModelFile, String> {
    let nodes = inputs.as_array().unwrap().len() + layers.len();
    let output = if layers.is_empty() { 0 } else { nodes - 1 };
    let config = serde_json::json!({ "inputs": inputs, "layers": layers, "outputs": [[output, 0]] });
    let header = write_header(&[("refrain.config", config.to_string()), ("refrain.format", "1".into())], []);
    from_bytes(&header, Engine::default(), &LayerRegistry::default())
}

fn node(class: &str, name: &str, config: serde_json::Value, inputs: &[usize]) -> serde_json::Value {
    let inputs: Vec<_> = inputs.iter().map(|node| [*node, 0]).collect();
    serde_json::json!({ "class_name": class, "name": name, "config": config, "inputs": inputs })
}

/// Layers without parameters, which no tensor limits, in numbers and widths that do not fit in memory.
#[test]
fn layers_too_large_for_their_tensors_are_rejected() {
    let wide = |width: usize| serde_json::json!([{ "name": "x", "features": width, "sequence": true }]);
    let flat = serde_json::json!([{ "name": "x", "features": 3, "sequence": false }]);
    let doubled = (0..60).map(|i| node("Concatenate", &format!("c{i}"), serde_json::json!({}), &[i, i]));
    let long = |n: u64| vec![node("RepeatVector", "r", serde_json::json!({ "n": n }), &[0])];
    let behind = |layer| long(1 << 17).into_iter().chain([layer]).collect::<Vec<_>>();
    let lone = serde_json::json!({ "name": null });
    let hostile = [
        planned(wide(usize::MAX), vec![]),
        planned(wide(1 << 40), vec![node("Masking", "m", lone.clone(), &[0])]),
        planned(wide(3), doubled.collect()),
        planned(wide(1 << 20), vec![node("Add", "a", serde_json::json!({}), &[0; 20])]),
        planned(flat.clone(), long((1 << 32) - 1)),
        planned(flat.clone(), long(1 << 20)),
        // The rows of a repeated vector count in every layer after it.
        planned(flat.clone(), behind(node("Add", "a", serde_json::json!({}), &[1; 9]))),
        planned(flat, behind(node("Concatenate", "c", serde_json::json!({}), &[1; 9]))),
    ];
    for (case, file) in hostile.into_iter().enumerate() {
        let message = file.unwrap_err();
        assert!(message.contains("than its tensors warrant"), "case {case}: {message}");
    }
}

#[test]
fn models_with_repeated_layers_are_loaded() {
    let inputs = serde_json::json!([{ "name": "x", "features": 512, "sequence": false }]);
    let layers = vec![
        node("RepeatVector", "r", serde_json::json!({ "n": 1000 }), &[0]),
        node("Concatenate", "c", serde_json::json!({}), &[1, 1, 1]),
        node("Masking", "m", serde_json::json!({}), &[2]),
    ];
    assert_eq!(planned(inputs, layers).unwrap().model.output_width(0), 1536);
}

/// A checkpoint has all parameters in one tensor.
#[test]
fn layers_too_large_for_the_parameters_of_a_checkpoint_are_rejected() {
    let model = model();
    let counters = TrainingCounters {
        batches: 0,
        steps: 0,
        nadam_product: 1.0,
        learning_rate_factor: 1.0,
        accumulated: 0,
        lanes: 0,
        averages: None,
    };
    let parameters = [("parameters".to_owned(), model.weights())];
    let state = TrainingState::from_parts(counters, parameters).unwrap().into_part().unwrap();
    let of = |architecture: &Architecture| {
        TrainingState::model(&state, architecture, Engine::default(), &LayerRegistry::default())
    };
    assert_eq!(of(model.architecture()).unwrap().weights().len(), model.weights().len());
    let refused = |architecture: &Architecture, phrase: &str| {
        let message = of(architecture).unwrap_err().to_string();
        assert!(message.contains(phrase), "{message}");
    };
    let mut large = model.architecture().clone();
    large.layers[1].config["units"] = (1 << 24).into();
    refused(&large, "more parameters than");
    let mut wide = model.architecture().clone();
    for i in 0..60 {
        let more = node("Concatenate", "more", serde_json::json!({}), &[3 + i, 3 + i]);
        wide.layers.push(serde_json::from_value(more).unwrap());
    }
    refused(&wide, "than its tensors warrant");
}

/// One small tensor that each of thousands of layers would pack separately.
#[test]
fn a_parameter_that_is_used_too_often_is_rejected() {
    let shared = |uses: usize| {
        let (inputs, width) = (serde_json::json!([{ "name": "x", "features": 64, "sequence": false }]), 64);
        let config = serde_json::json!({ "units": width, "use_bias": false });
        let layers: Vec<_> = (0..uses).map(|i| node("Dense", "d", config.clone(), &[i])).collect();
        let config = serde_json::json!({ "inputs": inputs, "layers": layers, "outputs": [[uses, 0]] });
        let model = Sequential::new()
            .input(crate::InputSpec::flat(width))
            .add(Dense::new(width).use_bias(false).name("d"))
            .compile(Compile::default())
            .unwrap();
        let metadata = [("refrain.config", config.to_string()), ("refrain.format", "1".into())];
        let mut bytes = write_header(&metadata, tensors(&model));
        bytes.resize(bytes.len() + 4 * width * width, 0);
        from_bytes(&bytes, Engine::default(), &LayerRegistry::default())
    };
    assert_eq!(shared(20).unwrap().model.params().count(), 64 * 64);
    assert!(shared(3000).unwrap_err().contains("than its tensors warrant"));
}

/// Names, inputs and layers in such numbers that a linear search for each would take minutes.
#[test]
fn files_with_many_entries_load_quickly() {
    let started = std::time::Instant::now();
    let input = serde_json::json!({ "name": "x", "features": 1, "sequence": false });
    let many = 100_000;
    let file = planned(vec![input.clone(); many].into(), vec![]).unwrap();
    assert_eq!(file.model.architecture().inputs[many - 1].name, format!("x_{}", many - 1));
    let all: Vec<usize> = (0..many).collect();
    let inputs = vec![input.clone(); many].into();
    assert!(planned(inputs, vec![node("Concatenate", "c", serde_json::json!({}), &all)]).is_ok());
    let chain: Vec<_> = (0..5000).map(|i| node("Activation", "a", "tanh".into(), &[i])).collect();
    let chain = chain.into_iter().map(|mut layer| {
        layer["config"] = serde_json::json!({ "activation": "tanh" });
        layer
    });
    assert!(planned(vec![input].into(), chain.collect()).is_ok());
    let seconds = started.elapsed().as_secs_f64();
    assert!(seconds < 10.0, "{seconds} s");
}

#[test]
fn metadata_of_too_many_values_is_rejected() {
    let zeros = format!("[{}0]", "0,".repeat(4 << 20));
    let config = serde_json::to_string(model().architecture()).unwrap();
    for key in ["refrain.task", "refrain.training", "refrain.config"] {
        let metadata = [("refrain.config", config.clone()), ("refrain.format", "1".into())];
        let mut metadata: Vec<_> = metadata.into_iter().filter(|(known, _)| *known != key).collect();
        metadata.push((key, zeros.clone()));
        let message = reason(&with_tensors(&metadata));
        assert!(message.contains(key) && message.contains("JSON values"), "{message}");
    }
}

#[test]
fn a_reason_is_short_and_without_control_characters() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m");
    let name = format!("\u{1b}]0;title\u{7}{}", "x".repeat(1 << 16));
    let layer = node("Dense", &name, serde_json::json!({ "units": 2 }), &[0]);
    let config = serde_json::json!({ "inputs": [{ "name": "x", "features": 1, "sequence": true }],
        "layers": [layer], "outputs": [[1, 0]] });
    let header = write_header(&[("refrain.config", config.to_string()), ("refrain.format", "1".into())], []);
    std::fs::write(&path, header).unwrap();
    let message = load(&path, Engine::default()).unwrap_err().to_string();
    assert!(message.contains("no tensor") && message.chars().count() < 1500, "{} characters", message.len());
    assert!(!message.chars().any(char::is_control), "{message:?}");
}

#[test]
fn leftover_temporary_files_do_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m");
    let leftover = folder.path().join(format!(".m.{}-0.tmp", std::process::id()));
    std::fs::write(&leftover, "half").unwrap();
    check_writable(&path).unwrap();
    model().save(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&leftover).unwrap(), "half");
}
