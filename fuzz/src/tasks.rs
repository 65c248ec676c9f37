//! The task in a model file, together with a network that fits it.

use crate::codecs::check_codec;
use crate::json;
use crate::models::{engine, saved};
use refrain::file::{ModelFile, read};
use refrain::layers::{Dense, Embedding, SimpleRnn};
use refrain::{Activation, Classifier, Codec, Compile, LanguageModel, Model, Sequential, Tagger};
use serde_json::Value;

/// Maximum vocabulary entries, and labels, for which a network is built.
const MAX_ENTRIES: usize = 1 << 12;

fn network(vocabulary: usize, outputs: usize, sequences: bool) -> Option<Model> {
    if vocabulary > MAX_ENTRIES || !(1..=MAX_ENTRIES).contains(&outputs) {
        return None;
    }
    let model = Sequential::new()
        .add(Embedding::new(vocabulary, 2))
        .add(SimpleRnn::new(2).return_sequences(sequences))
        .add(Dense::new(outputs).activation(Activation::Softmax))
        .compile(Compile { engine: Some(engine()), ..Compile::default() });
    Some(model.expect("a small network can be made"))
}

fn file(model: Model, task: Value) -> ModelFile {
    ModelFile { model, task: Some(task), training: None, warnings: Vec::new() }
}

fn reread(bytes: Vec<u8>) -> ModelFile {
    read(&bytes, "what was written", engine()).expect("what was written can be read")
}

/// Reads the JSON of a language model's task: its vocabulary.
///
/// Asserts [`check_codec`] for a vocabulary that a model accepts, that the model steps over every id of a text, and
/// that the vocabulary survives saving and opening the model.
pub fn language_model_task(bytes: &[u8]) {
    let Some(task) = json::parse::<Value>(bytes) else { return };
    let Ok(codec) = serde_json::from_value::<Codec>(task.clone()) else { return };
    let text = json::text(bytes, 512);
    check_codec(&codec, &text);
    let Some(network) = network(codec.vocab_size(), codec.vocab_size(), true) else { return };
    let Ok(mut model) = LanguageModel::from_file(file(network, task)) else { return };
    assert_eq!(*model.codec(), codec);
    let ids = codec.encode_prompt(&text);
    let mut session = model.model_mut().session(1).expect("opening tried it");
    for &id in ids.iter().take(8) {
        assert_eq!(
            session.step_ids(&[id]).expect("an id of the vocabulary").row(0).len(),
            codec.vocab_size()
        );
    }
    let again = LanguageModel::from_file(reread(saved(|path| model.save(path)))).expect("it was one");
    assert_eq!(*again.codec(), codec);
}

/// Reads the JSON of a classifier's task: its labels, its maximum text length and its vocabulary.
///
/// Asserts that a classifier built from it ranks every label of a text once, with decreasing probabilities that add
/// up to 1, and survives saving and opening.
pub fn classifier_task(bytes: &[u8]) {
    /// Tolerance for the sum of several thousand rounded probabilities.
    const SUM_TOLERANCE: f64 = 1e-3;
    let Some(task) = json::parse::<Value>(bytes) else { return };
    let Ok(codec) = serde_json::from_value::<Codec>(task.clone()) else { return };
    let labels = task.get("labels").and_then(Value::as_array).map_or(0, Vec::len);
    let Some(network) = network(codec.vocab_size(), labels, false) else { return };
    let Ok(mut model) = Classifier::from_file(file(network, task)) else { return };
    let text = json::text(bytes, 512);
    check_codec(&codec, &text);
    for ranked in model.classify(&[&text, "a row, a boat"]).into_iter().flatten() {
        assert!(ranked.is_sorted_by(|a, b| a.probability >= b.probability));
        let mut named: Vec<_> = ranked.iter().map(|r| r.label.clone()).collect();
        named.sort();
        assert_eq!(named, model.labels());
        let sum: f64 = ranked.iter().map(|r| r.probability).sum();
        assert!((sum - 1.0).abs() < SUM_TOLERANCE, "{sum}");
    }
    let again = Classifier::from_file(reread(saved(|path| model.save(path)))).expect("it was one");
    assert_eq!(
        (again.labels(), again.max_length(), again.codec()),
        (model.labels(), model.max_length(), &codec)
    );
}

/// Reads the JSON of a tagger's task: its labels, its maximum piece length and its vocabulary.
///
/// Asserts that a tagger built from it gives every word of a line one of its labels, and survives saving and opening.
pub fn tagger_task(bytes: &[u8]) {
    let Some(task) = json::parse::<Value>(bytes) else { return };
    let Ok(codec) = serde_json::from_value::<Codec>(task.clone()) else { return };
    let labels = task.get("labels").and_then(Value::as_array).map_or(0, Vec::len);
    let Some(network) = network(codec.vocab_size(), labels, true) else { return };
    let Ok(mut model) = Tagger::from_file(file(network, task)) else { return };
    let lines = [&*json::text(bytes, 256), "a row, a boat", ""];
    let tagged = model.tag(&lines).expect("opening tried it");
    for (line, words) in lines.iter().zip(&tagged) {
        assert!(line.split_whitespace().eq(words.iter().map(|word| &*word.word)));
        assert!(words.iter().all(|word| model.labels().contains(&word.label)));
    }
    let again = Tagger::from_file(reread(saved(|path| model.save(path)))).expect("it was one");
    assert_eq!((again.labels(), again.codec()), (model.labels(), &codec));
}
