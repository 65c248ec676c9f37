//! Model files, and the architectures inside them.

use crate::codecs::check_codec;
use crate::json;
use refrain::file::{self, ModelFile};
use refrain::{Architecture, Classifier, Engine, Isa, LanguageModel, Opened, Tagger};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use std::collections::HashMap;
use std::fmt::Debug;
use std::path::Path;
use std::sync::LazyLock;

/// Maximum parameters of the models built here: enough for every kind of layer, few enough for thousands of models
/// per second.
const MAX_PARAMETERS: usize = 1 << 16;
/// The text that an opened model reads.
const TEXT: &str = "a row, a boat\nÄ 🛶 \u{1F}";

/// Returns an engine with one thread: the thread pool is not tested here.
pub(crate) fn engine() -> Engine {
    static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(Isa::detect(), 1));
    ENGINE.clone()
}

/// Returns the bytes of the file that `save` writes.
pub(crate) fn saved<E: Debug>(save: impl FnOnce(&Path) -> Result<(), E>) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("model");
    save(&path).expect("it is written");
    std::fs::read(path).expect("it was written")
}

/// Reads a model file.
///
/// Asserts that a model that is written and read again has the same architecture, task, training record and
/// bit-identical weights, and that writing it a second time gives the same bytes. Also opens the model for the task
/// in the file, and runs a few steps.
pub fn model_file(bytes: &[u8]) {
    let Ok(read) = file::read(bytes, "the bytes", engine()) else { return };
    let once = written(&read);
    let again = file::read(&once, "what was written", engine()).expect("what is written can be read");
    assert_eq!(again.model.architecture(), read.model.architecture());
    assert_eq!((&again.task, &again.training), (&read.task, &read.training));
    assert!(again.warnings.is_empty(), "{:?}", again.warnings);
    let bits = |file: &ModelFile| file.model.weights().into_iter().map(f32::to_bits).collect::<Vec<_>>();
    assert_eq!(bits(&again), bits(&read));
    assert_eq!(written(&again), once);
    let parameters = read
        .model
        .architecture()
        .parameters(bytes.len().div_ceil(4))
        .expect("the architecture is that of a model");
    assert!(
        parameters.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum::<usize>() <= bytes.len() / 4
    );
    assert!(!read.model.summary().to_string().is_empty());
    if let Ok(opened) = Opened::from_file(read) {
        run(opened);
    }
}

fn written(file: &ModelFile) -> Vec<u8> {
    saved(|path| file::save(path, &file.model, file.task.as_ref(), file.training.as_ref()))
}

/// Uses a model according to its task. A bare network is not run: its memory depends on inputs that the user chooses.
fn run(mut opened: Opened) {
    if let Some(model) = opened.downcast_mut::<LanguageModel>() {
        let size = model.codec().vocab_size();
        check_codec(model.codec(), TEXT);
        let ids = model.codec().encode_prompt(TEXT);
        let mut session = model.model_mut().session(1).expect("opening tried it");
        for id in ids {
            assert_eq!(session.step_ids(&[id]).expect("an id of the vocabulary").row(0).len(), size);
        }
    } else if let Some(model) = opened.downcast_mut::<Classifier>() {
        check_codec(model.codec(), TEXT);
        let labels = model.labels().len();
        if let Ok(ranked) = model.classify(&["a", TEXT]) {
            assert!(ranked.len() == 2 && ranked.iter().all(|r| r.len() == labels));
        }
    } else if let Some(model) = opened.downcast_mut::<Tagger>() {
        check_codec(model.codec(), TEXT);
        let tagged = model.tag(&["a", TEXT]).expect("opening tried it");
        assert_eq!(tagged[1].len(), TEXT.split_whitespace().count());
    } else {
        assert!(opened.application().is_none(), "a task without a use here: {opened:?}");
    }
}

/// Reads the `refrain.config` of a model file, or `{"config": …, "task": …}`, and builds a file around it with
/// matching tensors, so that mutations of the JSON get past the checks of tensors and digest.
///
/// Asserts what [`model_file`] asserts, for files that other programs could have written.
pub fn architecture(bytes: &[u8]) {
    let Some(mut config) = json::parse::<serde_json::Value>(bytes) else { return };
    let task = config.get_mut("task").map(serde_json::Value::take).filter(|task| !task.is_null());
    if let Some(inner) = config.get_mut("config") {
        config = inner.take();
    }
    // As in the file, including unknown settings of a layer.
    let text = config.to_string();
    let Ok(architecture) = serde_json::from_value::<Architecture>(config) else { return };
    // An architecture that is rejected here, or has more parameters than allowed, is also rejected as a file without
    // tensors, or has no parameters at all.
    let parameters = architecture.parameters(MAX_PARAMETERS).unwrap_or_default();
    model_file(&around(&text, task.as_ref(), &parameters));
}

/// Returns the bytes of a model file without a digest.
fn around(config: &str, task: Option<&serde_json::Value>, parameters: &[(String, Vec<usize>)]) -> Vec<u8> {
    let mut metadata = HashMap::from([
        ("refrain.format".to_owned(), "1".to_owned()),
        ("refrain.config".to_owned(), config.to_owned()),
    ]);
    metadata.extend(task.map(|task| ("refrain.task".to_owned(), task.to_string())));
    let len = |shape: &[usize]| shape.iter().product::<usize>();
    let most = parameters.iter().map(|(_, shape)| len(shape)).max().unwrap_or(0);
    let values: Vec<u8> = (0..most).flat_map(|i| ((i % 7) as f32 * 0.25 - 0.75).to_le_bytes()).collect();
    let views = parameters.iter().map(|(name, shape)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), &values[..4 * len(shape)]);
        (name.as_str(), view.expect("the bytes are those of the shape"))
    });
    safetensors::serialize(views, Some(metadata)).expect("tensors of one type can be written")
}
