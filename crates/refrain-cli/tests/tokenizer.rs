//! Subword models, and exporting their tokenizer for other programs.

mod common;

use common::{CliOutput, TestDir};
use refrain::Codec;
use refrain::{BpeVocab, Engine, LanguageModel};

/// Returns a folder with a subword model, the model, and the output of its training.
fn dir() -> (TestDir, LanguageModel, CliOutput) {
    let dir = TestDir::new();
    let trained = dir.train("bpe.safetensors", &["--level", "bpe", "--steps", "8", "--validation", "0.3"]);
    let model = LanguageModel::open(dir.file("bpe.safetensors"), Engine::default()).unwrap();
    (dir, model, trained)
}

#[test]
fn a_subword_model_supports_all_commands() {
    let (dir, model, trained) = dir();
    let info = dir.ok(&["--json", "info", "bpe.safetensors"]).event("result");
    assert_eq!((&info["level"], &info["vocabulary"]), (&"bpe".into(), &model.codec().vocab_size().into()));
    let writes = ["--json", "generate", "bpe.safetensors", "--prompt", "The wheel 🛶", "--length", "30"];
    let written = dir.ok(&writes);
    assert!(written.event("result")["text"].as_str().unwrap().starts_with("The wheel 🛶"));
    assert_eq!(written.stderr, "", "no character is unknown");
    let suggested = dir.ok(&["--json", "suggest", "bpe.safetensors", "The"]).event("result");
    assert_eq!(suggested["suggestions"].as_array().unwrap().len(), 5);
    let score = ["--json", "evaluate", "bpe.safetensors", "song.txt", "--validation", "0.3"];
    assert_eq!(dir.ok(&score).event("result")["loss"], trained.event("done")["val_loss"]);
}

#[test]
fn info_writes_the_tokenizer() {
    let (dir, model, _) = dir();
    let before = dir.read("bpe.safetensors");
    dir.write("t.json", "an older file");
    let output = dir.ok(&["info", "bpe.safetensors", "--tokenizer", "t.json", "--force"]);
    assert!(
        output.stderr.contains("wrote t.json") && output.stdout.contains("level bpe"),
        "{}",
        output.stderr
    );
    let json = String::from_utf8(dir.read("t.json")).unwrap();
    let Codec::Bpe(vocab) = model.codec() else { panic!("the model is of subwords") };
    assert_eq!(&BpeVocab::from_json(&json).unwrap(), vocab);
    assert_eq!(dir.names(), ["bpe.safetensors", "song.txt", "t.json"]);
    assert_eq!(dir.read("bpe.safetensors"), before);
}

#[test]
fn invalid_outputs_of_a_tokenizer_are_rejected() {
    let (dir, ..) = dir();
    dir.train("char.safetensors", &[]);
    let before = dir.read("bpe.safetensors");
    dir.refused(
        &["info", "char.safetensors", "--tokenizer", "t.json"],
        &["--tokenizer", "level char", "bpe"],
    );
    dir.refused(&["info", "bpe.safetensors", "--tokenizer", "./bpe.safetensors"], &["would be overwritten"]);
    dir.refused(&["info", "bpe.safetensors", "--tokenizer", "no/t.json"], &["cannot write no/t.json"]);
    assert_eq!(dir.read("bpe.safetensors"), before);
    assert_eq!(dir.names(), ["bpe.safetensors", "char.safetensors", "song.txt"]);
}
