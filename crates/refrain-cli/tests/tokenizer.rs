//! Subword models, and exporting their tokenizer for other programs.

mod common;

use common::{Place, Ran};
use refrain::Codec;
use refrain::{BpeVocab, Engine, LanguageModel};

/// Returns a folder with a subword model, the model, and the output of its training.
fn place() -> (Place, LanguageModel, Ran) {
    let place = Place::new();
    let trained = place.train("bpe.safetensors", &["--level", "bpe", "--steps", "8", "--validation", "0.3"]);
    let model = LanguageModel::open(place.file("bpe.safetensors"), Engine::default()).unwrap();
    (place, model, trained)
}

#[test]
fn a_model_of_subwords_does_what_others_do() {
    let (place, model, trained) = place();
    let info = place.ok(&["--json", "info", "bpe.safetensors"]).event("result");
    assert_eq!((&info["level"], &info["vocabulary"]), (&"bpe".into(), &model.codec().vocab_size().into()));
    let writes = ["--json", "generate", "bpe.safetensors", "--prompt", "The wheel 🛶", "--length", "30"];
    let written = place.ok(&writes);
    assert!(written.event("result")["text"].as_str().unwrap().starts_with("The wheel 🛶"));
    assert_eq!(written.stderr, "", "no character is unknown");
    let suggested = place.ok(&["--json", "suggest", "bpe.safetensors", "The"]).event("result");
    assert_eq!(suggested["suggestions"].as_array().unwrap().len(), 5);
    let score = ["--json", "evaluate", "bpe.safetensors", "song.txt", "--validation", "0.3"];
    assert_eq!(place.ok(&score).event("result")["loss"], trained.event("done")["val_loss"]);
}

#[test]
fn info_writes_the_tokenizer() {
    let (place, model, _) = place();
    let before = place.read("bpe.safetensors");
    place.write("t.json", "an older file");
    let ran = place.ok(&["info", "bpe.safetensors", "--tokenizer", "t.json"]);
    assert!(ran.stderr.contains("wrote t.json") && ran.stdout.contains("level bpe"), "{}", ran.stderr);
    let json = String::from_utf8(place.read("t.json")).unwrap();
    let Codec::Bpe(vocab) = model.codec() else { panic!("the model is of subwords") };
    assert_eq!(&BpeVocab::from_json(&json).unwrap(), vocab);
    assert_eq!(place.names(), ["bpe.safetensors", "song.txt", "t.json"]);
    assert_eq!(place.read("bpe.safetensors"), before);
}

#[test]
fn a_tokenizer_is_not_written_where_it_must_not_be() {
    let (place, ..) = place();
    place.train("char.safetensors", &[]);
    let before = place.read("bpe.safetensors");
    place.refused(
        &["info", "char.safetensors", "--tokenizer", "t.json"],
        &["--tokenizer", "level char", "bpe"],
    );
    place
        .refused(&["info", "bpe.safetensors", "--tokenizer", "./bpe.safetensors"], &["would be overwritten"]);
    place.refused(&["info", "bpe.safetensors", "--tokenizer", "no/t.json"], &["cannot write no/t.json"]);
    assert_eq!(place.read("bpe.safetensors"), before);
    assert_eq!(place.names(), ["bpe.safetensors", "char.safetensors", "song.txt"]);
}
