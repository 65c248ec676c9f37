use super::*;
use crate::codec::Level;
use refrain_nn::checkpoint::Checkpoint;
use refrain_nn::{Answer, Engine, Isa};
use refrain_task::layers::CellKind;
use refrain_task::{
    Average, EpochRecord, RateSchedule, RunEvent, Score, Stopped, Task, Trained, TrainingSettings,
};

fn engine(threads: usize) -> Engine {
    Engine::new(Isa::detect(), threads)
}

/// Returns texts of 3 to 9 letters or words, labelled by whether `a` comes before `b`, so that letter counts do not
/// help.
fn texts() -> Vec<LabelledText> {
    let filler = ["c", "d", "e", "f"];
    (0..120)
        .map(|i| {
            let label = if i % 2 == 0 { "first a" } else { "first b" };
            let mut letters: Vec<_> = (0..1 + i % 7).map(|k| filler[(i / 2 + k * k) % 4]).collect();
            let (one, other) = if i % 2 == 0 { ("a", "b") } else { ("b", "a") };
            letters.insert(i % letters.len(), one);
            letters.push(other);
            LabelledText { label: label.to_owned(), text: letters.join(" ") }
        })
        .collect()
}

fn recipe() -> ClassifierRecipe {
    let training = TrainingSettings {
        batch: Some(16),
        epochs: 12,
        learning_rate: 2e-2,
        validation: 0.2,
        ..ClassifierRecipe::default().training
    };
    let reader = ReaderSettings { units: 16, embedding: 8, dropout: 0.1, ..ReaderSettings::default() };
    ClassifierRecipe { reader, training, ..ClassifierRecipe::default() }
}

/// Returns the recipe with other training settings.
fn trained_with(change: impl FnOnce(&mut TrainingSettings)) -> ClassifierRecipe {
    let mut recipe = recipe();
    change(&mut recipe.training);
    recipe
}

/// Returns the recipe with other reader settings.
fn read_with(change: impl FnOnce(&mut ReaderSettings)) -> ClassifierRecipe {
    let mut recipe = recipe();
    change(&mut recipe.reader);
    recipe
}

fn parts(recipe: &ClassifierRecipe) -> (Vec<LabelledText>, Vec<LabelledText>) {
    split_labelled(texts(), recipe.training.validation, recipe.identical, recipe.training.seed)
}

fn train(recipe: &ClassifierRecipe, threads: usize) -> Trained<ClassifierTask> {
    let (training, validation) = parts(recipe);
    let data = LabelledData { validation: &validation, ..LabelledData::new(&training) };
    recipe.train(data, engine(threads), &mut |_| Answer::Continue).unwrap()
}

#[test]
fn every_cell_level_and_direction_learns() {
    for (cell, level, bidirectional, layers) in [
        (CellKind::Rnn, Level::Char, true, 1),
        (CellKind::Lstm, Level::Char, false, 1),
        (CellKind::Gru, Level::Word, true, 2),
        (CellKind::Lstm, Level::Word, false, 2),
    ] {
        let recipe = read_with(|r| {
            (r.cell, r.level, r.bidirectional, r.layers) = (cell, level, bidirectional, layers);
        });
        let trained = train(&recipe, 2);
        let score = trained.score.unwrap();
        assert!(score.accuracy() > 0.95, "{cell:?} {level:?} {bidirectional}: {}", score.accuracy());
        let bidirectional_layers = trained.model.model().architecture().layers.iter();
        let found = bidirectional_layers.filter(|l| l.class_name == "Bidirectional").count();
        assert_eq!(found, if bidirectional { layers } else { 0 });
    }
}

#[test]
fn epochs_report_the_score() {
    let trained = train(&trained_with(|t| (t.learning_rate, t.epochs) = (0.1, 3)), 1);
    let (score, epoch) = (trained.score.unwrap(), &trained.epochs[trained.best_epoch - 1]);
    let reported = ["val_loss", "val_accuracy", "val_macro_f1"].map(|name| epoch.get(name).unwrap());
    assert_eq!(reported, [score.loss, score.accuracy(), score.macro_f1()]);
    let names: Vec<_> = epoch.metrics().map(|(name, _)| name).collect();
    assert_eq!(names, ["loss", "accuracy", "val_loss", "val_accuracy", "val_macro_f1"]);
    let summary = score.summary();
    let keys: Vec<_> = summary.keys().collect();
    assert_eq!(keys, ["accuracy", "loss", "macro_f1", "texts", "unknown"]);
    assert_eq!(score.details()["confusion"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_saved_classifier_predicts_bit_for_bit_like_the_trained_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    for level in [Level::Char, Level::Word] {
        let mut recipe = trained_with(|t| t.epochs = 3);
        recipe.reader.level = level;
        let mut trained = train(&recipe, 2);
        trained.model.save(&path).unwrap();
        let mut opened = Classifier::open(&path, engine(1)).unwrap();
        let held_out = parts(&recipe).1;
        assert_eq!(Some(opened.evaluate(&held_out).unwrap()), trained.score);
        assert_eq!(opened.recipe(), Some(recipe));
        let some = ["a c b", "b f f f a", "unseen letters: xyz"];
        assert_eq!(opened.classify(&some).unwrap(), trained.model.classify(&some).unwrap());
        assert_eq!((opened.labels(), opened.codec()), (trained.model.labels(), trained.model.codec()));
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_for_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    let bytes = |seed: u64, threads: usize| {
        train(&trained_with(|t| (t.seed, t.epochs) = (seed, 2)), threads).model.save(&path).unwrap();
        std::fs::read(&path).unwrap()
    };
    let first = bytes(1, 1);
    assert!(first == bytes(1, 3));
    assert!(first != bytes(2, 1));
}

#[test]
fn probabilities_of_a_text_do_not_depend_on_the_others() {
    let mut model = train(&trained_with(|t| t.epochs = 2), 2).model;
    let texts = texts();
    // More than one batch of the scorer.
    let many: Vec<&str> = texts.iter().chain(&texts).map(|e| e.text.as_str()).collect();
    assert!(many.len() > score::BATCH);
    let together = model.classify(&many).unwrap();
    for (i, ranked) in together.iter().enumerate() {
        assert_eq!(*ranked, model.classify(&many[i..=i]).unwrap()[0]);
        let sum: f64 = ranked.iter().map(|r| r.probability).sum();
        assert!((sum - 1.0).abs() < 1e-6 && ranked.is_sorted_by(|a, b| a.probability >= b.probability));
    }
    assert_eq!(model.classify(&[]).unwrap(), Vec::<Vec<LabelProbability>>::new());
}

#[test]
fn only_the_beginning_of_a_long_text_is_read() {
    let mut short = trained_with(|t| t.epochs = 1);
    short.reader.max_length = 4;
    let (training, validation) = parts(&short);
    let data = LabelledData { validation: &validation, ..LabelledData::new(&training) };
    let task = ClassifierTask::prepare(&short, data, None).unwrap();
    assert_eq!(task.too_long(), texts().iter().filter(|e| e.text.len() > 4).count());
    let mut model = short.train(data, engine(1), &mut |_| Answer::Continue).unwrap().model;
    let ranked = model.classify(&["a cd", "a cdbbb", "a ce"]).unwrap();
    assert!(ranked[0] == ranked[1] && ranked[0] != ranked[2]);
    assert!(model.cuts("a cdbbb") && !model.cuts("a cd"));
}

#[test]
fn balanced_weights_find_the_rare_label() {
    // One text in 24: without weights the best guess is never to predict it.
    let texts: Vec<_> = (0..240)
        .map(|i| {
            let label = if i % 24 == 0 { "rare" } else { "common" };
            LabelledText { label: label.to_owned(), text: format!("{}{}", ["x", "y"][i % 2], i / 24) }
        })
        .collect();
    let data = LabelledData { validation: &texts, ..LabelledData::new(&texts) };
    let recall = |class_weight: ClassWeight| {
        let recipe = ClassifierRecipe { class_weight, ..trained_with(|t| t.epochs = 2) };
        let trained = recipe.train(data, engine(2), &mut |_| Answer::Continue).unwrap();
        trained.score.unwrap().confusion.classes()[1].recall
    };
    assert_eq!(recall(ClassWeight::None), 0.0);
    assert!(recall(ClassWeight::Balanced) > 0.5);
}

/// Stops after some batches of a session.
fn stop_after(batches: u64) -> impl FnMut(&RunEvent<'_, ClassifierTask>) -> Answer {
    let mut left = batches;
    move |event| {
        left -= u64::from(matches!(event, RunEvent::Batch(_)));
        if left == 0 { Answer::Stop } else { Answer::Continue }
    }
}

#[test]
fn a_stopped_run_resumes_to_the_same_file_whatever_its_settings() {
    let through_file = |checkpoint: &Checkpoint| {
        let file = tempfile::NamedTempFile::new().unwrap();
        checkpoint.write(file.path()).unwrap();
        Checkpoint::read(file.path()).unwrap()
    };
    let bytes = |trained: &Trained<ClassifierTask>| {
        let folder = tempfile::tempdir().unwrap();
        trained.model.save(folder.path().join("m")).unwrap();
        std::fs::read(folder.path().join("m")).unwrap()
    };
    for recipe in [
        trained_with(|t| t.epochs = 2),
        ClassifierRecipe {
            class_weight: ClassWeight::Balanced,
            reader: ReaderSettings { level: Level::Word, ..recipe().reader },
            ..trained_with(|t| {
                (t.epochs, t.accumulate, t.weight_decay) = (3, 4, 0.01);
                (t.average, t.patience, t.schedule) = (Average::Triggered, 1, RateSchedule::Plateau);
            })
        },
    ] {
        let straight = train(&recipe, 1);
        let (training, validation) = parts(&recipe);
        let data = LabelledData { validation: &validation, ..LabelledData::new(&training) };
        let mut got = recipe.train(data, engine(2), &mut stop_after(4)).unwrap();
        while let Some(from) = got.checkpoint {
            assert_eq!(got.stopped, Stopped::Interrupted);
            got = recipe.resume(through_file(&from), data, engine(1), &mut stop_after(5)).unwrap();
        }
        assert!(bytes(&got) == bytes(&straight), "{recipe:?}");
        let timeless = |trained: &Trained<ClassifierTask>| {
            trained.epochs.iter().cloned().map(EpochRecord::without_times).collect::<Vec<_>>()
        };
        assert_eq!(timeless(&got), timeless(&straight));
    }
}

#[test]
fn texts_labels_and_options_that_do_not_fit_are_named() {
    let known = texts();
    let fail = |recipe: &ClassifierRecipe, training: &[LabelledText], validation: &[LabelledText]| {
        let data = LabelledData { validation, ..LabelledData::new(training) };
        recipe.train(data, engine(1), &mut |_| Answer::Continue).unwrap_err().to_string()
    };
    let odd = vec![LabelledText { label: "neither".to_owned(), text: "c".to_owned() }];
    let error = fail(&recipe(), &known, &odd);
    assert!(error.contains("`neither`") && error.contains("first a, first b"), "{error}");
    assert!(fail(&recipe(), &odd, &[]).contains("only `neither`"));
    assert!(fail(&read_with(|r| r.units = 0), &known, &[]).contains("units"));
    assert!(fail(&read_with(|r| r.dropout = 1.0), &known, &[]).contains("dropout"));
    assert!(fail(&read_with(|r| r.max_length = 0), &known, &[]).contains("max-length"));
    assert!(fail(&trained_with(|t| t.optimizer = "adams".into()), &known, &[]).contains("adamw"));
    let wild = trained_with(|t| (t.learning_rate, t.clip, t.optimizer) = (1e38, 0.0, "sgd".into()));
    assert!(fail(&wild, &known, &[]).contains("learning rate"));
    let mut model = train(&trained_with(|t| t.epochs = 1), 1).model;
    assert!(model.evaluate(&odd).unwrap_err().to_string().contains("`neither`"));
    assert!(model.evaluate(&[]).is_err());
    assert!(model.classify(&["a", ""]).unwrap_err().to_string().contains("text 2 is empty"));
}

#[test]
fn files_of_other_or_damaged_models_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m");
    let trained = train(&trained_with(|t| t.epochs = 1), 1).model;
    let mut good = serde_json::json!(trained.assets());
    good["task"] = ClassifierTask::NAME.into();
    let open = |task: Option<&serde_json::Value>| {
        refrain_nn::file::save(&path, trained.model(), task, None).unwrap();
        Classifier::open(&path, engine(1)).map_err(|e| e.to_string())
    };
    assert!(open(Some(&good)).is_ok());
    assert!(open(None).unwrap_err().contains("names no task"));
    for (field, value, phrase) in [
        ("task", serde_json::json!("text"), "its task is `text`"),
        ("labels", serde_json::json!(["a", "b", "c"]), "3 labels"),
        ("labels", serde_json::json!(["b", "a"]), "in sorted order"),
        ("max_length", serde_json::json!(0), "max_length"),
        ("vocabulary", serde_json::json!("abcdefghijklmnop"), "does not accept its vocabulary"),
        ("level", serde_json::json!("runes"), "cannot be read"),
    ] {
        let mut task = good.clone();
        task[field] = value;
        let error = open(Some(&task)).unwrap_err();
        assert!(error.contains("not a classifier") && error.contains(phrase), "{field}: {error}");
    }
}
