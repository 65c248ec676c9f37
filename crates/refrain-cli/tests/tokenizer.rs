//! Models of subwords, and their tokenizer written for other programs.

mod common;

use common::{Place, SONG};
use refrain::language_model::{Codec, Flow, Level, TrainingData};
use refrain::{BpeVocab, Corpus, Engine, LanguageModel, TextRecipe};

/// A folder with a model of subwords in it.
fn place() -> (Place, LanguageModel) {
    let place = Place::new();
    let recipe = TextRecipe {
        level: Level::Bpe,
        units: 8,
        layers: 1,
        embedding: 8,
        steps: 8,
        epochs: 1,
        batch: Some(2),
        ..TextRecipe::default()
    };
    let corpus = Corpus::from_text(SONG);
    let data = TrainingData::new(&corpus);
    let trained = recipe.train(data, Engine::default(), &mut |_| Flow::Continue).unwrap();
    trained.model.save(place.file("bpe.safetensors")).unwrap();
    (place, trained.model)
}

#[test]
fn a_model_of_subwords_does_what_others_do() {
    let (place, mut model) = place();
    let info = place.ok(&["--json", "info", "bpe.safetensors"]).event("result");
    assert_eq!((&info["level"], &info["vocabulary"]), (&"bpe".into(), &model.codec().vocab_size().into()));
    let writes = ["--json", "generate", "bpe.safetensors", "--prompt", "The wheel 🛶", "--length", "30"];
    let written = place.ok(&writes);
    assert!(written.event("result")["text"].as_str().unwrap().starts_with("The wheel 🛶"));
    assert_eq!(written.stderr, "", "no character is unknown");
    let suggested = place.ok(&["--json", "suggest", "bpe.safetensors", "The"]).event("result");
    assert_eq!(suggested["suggestions"].as_array().unwrap().len(), 5);
    let score = place.ok(&["--json", "evaluate", "bpe.safetensors", "song.txt"]).event("result");
    assert_eq!(score["loss"], model.evaluate(SONG, false).unwrap().loss);
}

#[test]
fn info_writes_the_tokenizer() {
    let (place, model) = place();
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
    let (place, _) = place();
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
