//! Files of earlier versions: models still open, and checkpoints are refused with advice.

use refrain::checkpoint::Checkpoint;
use refrain::task::HasTaskModel;
use refrain::{
    Average, Classifier, Engine, ErrorKind, Isa, LanguageModel, ModelError, RateSchedule, TrainingSettings,
    open,
};
use std::path::PathBuf;

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/version_1").join(name)
}

fn opened<M: HasTaskModel>(name: &str) -> M {
    let opened = open(file(name), Engine::new(Isa::detect(), 1)).expect("a model of an earlier version");
    assert!(opened.warnings().is_empty());
    opened.downcast().expect("the type of its task")
}

/// In recipes of version 1, the training settings are among the others.
#[test]
fn old_models_open_with_their_recipes_and_memory() {
    let mut text: LanguageModel = opened("text.safetensors");
    let recipe = text.recipe().expect("a recipe");
    assert_eq!((recipe.units, recipe.steps), (2, 4));
    let training = TrainingSettings { epochs: 1, validation: 0.0, ..TrainingSettings::default() };
    assert_eq!(recipe.training, training);
    let needs = text.memory_to_train().expect("what it was trained with");
    assert_eq!((needs.steps, needs.memory.of("parameters") > 0), (4, true));
    assert!(!text.complete(&Default::default()).expect("text").is_empty());

    let mut classifier: Classifier = opened("classifier.safetensors");
    let recipe = classifier.recipe().expect("a recipe");
    assert_eq!((recipe.reader.units, recipe.training.batch, recipe.training.epochs), (2, Some(64), 1));
    assert_eq!(
        (recipe.training.schedule, recipe.training.average, recipe.training.validation),
        (RateSchedule::Cosine, Average::None, 0.1)
    );
    let needs = classifier.memory_to_train().expect("what it was trained with");
    assert_eq!((needs.batch, needs.steps), (64, 512));
    assert_eq!(classifier.classify(&["some text"]).expect("labels")[0].len(), classifier.labels().len());
}

#[test]
fn old_checkpoints_are_rejected_with_advice() {
    let error = Checkpoint::read(file("checkpoint.safetensors")).expect_err("a checkpoint of version 1");
    assert!(matches!(error, ModelError::CheckpointFile { .. }));
    let message = error.to_string();
    assert!(message.contains("format 1; this one reads format 2"), "{message}");
    assert!(message.contains("finish the run with that version, or start a new one"), "{message}");
    assert_eq!(refrain::Error::from(error).kind(), ErrorKind::Data);
}
