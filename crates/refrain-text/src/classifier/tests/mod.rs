mod resume;

use super::*;
use crate::language_model::{CellKind, Flow, Level, Stopped};
use refrain_nn::Isa;

fn engine(threads: usize) -> Engine {
    Engine::new(Isa::detect(), threads)
}

/// Texts whose label is whether `a` comes before `b`, of 3 to 9 letters or words: no count of letters tells them apart.
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
    ClassifierRecipe {
        units: 16,
        embedding: 8,
        batch: 16,
        epochs: 12,
        learning_rate: 2e-2,
        dropout: 0.1,
        validation: 0.2,
        ..ClassifierRecipe::default()
    }
}

fn train(recipe: &ClassifierRecipe, threads: usize) -> TrainedClassifier {
    let (training, validation) = split_labelled(texts(), recipe.validation, recipe.identical, recipe.seed);
    let data = LabelledData { training: &training, validation: &validation, memory: None };
    recipe.train(data, engine(threads), &mut |_| Flow::Continue).unwrap()
}

#[test]
fn what_can_be_told_apart_is_learned_by_every_cell_level_and_direction() {
    for (cell, level, bidirectional, layers) in [
        (CellKind::Rnn, Level::Char, true, 1),
        (CellKind::Lstm, Level::Char, false, 1),
        (CellKind::Gru, Level::Word, true, 2),
        (CellKind::Lstm, Level::Word, false, 2),
    ] {
        let recipe = ClassifierRecipe { cell, level, bidirectional, layers, ..recipe() };
        let trained = train(&recipe, 2);
        let score = trained.score.unwrap();
        assert!(score.accuracy > 0.95, "{cell:?} {level:?} {bidirectional}: {}", score.accuracy);
        let bidirectional_layers = trained.model.model().architecture().layers.iter();
        let found = bidirectional_layers.filter(|l| l.class_name == "Bidirectional").count();
        assert_eq!(found, if bidirectional { layers } else { 0 });
    }
}

#[test]
fn the_epoch_of_the_lowest_validation_loss_is_kept() {
    let trained = train(&ClassifierRecipe { learning_rate: 0.1, epochs: 8, ..recipe() }, 1);
    let losses: Vec<f64> = trained.epochs.iter().filter_map(|e| e.val_loss).collect();
    let best = losses.iter().copied().fold(f64::INFINITY, f64::min);
    let score = trained.score.unwrap();
    assert_eq!((losses.len(), losses[trained.best_epoch - 1], score.loss), (8, best, best));
    let epoch = &trained.epochs[trained.best_epoch - 1];
    assert_eq!((epoch.val_accuracy, epoch.val_macro_f1), (Some(score.accuracy), Some(score.macro_f1)));
}

#[test]
fn a_saved_classifier_scores_and_ranks_to_the_bit_as_the_one_that_was_trained() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    for level in [Level::Char, Level::Word] {
        let recipe = ClassifierRecipe { level, epochs: 3, ..recipe() };
        let mut trained = train(&recipe, 2);
        trained.model.save(&path).unwrap();
        let mut opened = Classifier::open(&path, engine(1)).unwrap();
        let held_out = split_labelled(texts(), recipe.validation, recipe.identical, recipe.seed).1;
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
        train(&ClassifierRecipe { seed, epochs: 2, ..recipe() }, threads).model.save(&path).unwrap();
        std::fs::read(&path).unwrap()
    };
    let first = bytes(1, 1);
    assert!(first == bytes(1, 3));
    assert!(first != bytes(2, 1));
}

#[test]
fn a_text_s_probabilities_do_not_depend_on_the_others() {
    let mut model = train(&ClassifierRecipe { epochs: 2, ..recipe() }, 2).model;
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
    let mut cut = 0;
    let (training, validation) = split_labelled(texts(), 0.2, Identical::Together, 1);
    let data = LabelledData { training: &training, validation: &validation, memory: None };
    let short = ClassifierRecipe { max_length: 4, epochs: 1, ..recipe() };
    let mut count = |event: &ClassifierEvent<'_>| {
        if let ClassifierEvent::Start { cut: n, .. } = event {
            cut = *n;
        }
        Flow::Continue
    };
    let mut model = short.train(data, engine(1), &mut count).unwrap().model;
    assert_eq!(cut, texts().iter().filter(|e| e.text.len() > 4).count());
    let ranked = model.classify(&["a cd", "a cdbbb", "a ce"]).unwrap();
    assert!(ranked[0] == ranked[1] && ranked[0] != ranked[2]);
    assert!(model.cuts("a cdbbb") && !model.cuts("a cd"));
}

#[test]
fn balanced_weights_find_the_rare_label() {
    // One in 24 texts: without weights the likeliest is to find none.
    let texts: Vec<_> = (0..240)
        .map(|i| {
            let label = if i % 24 == 0 { "rare" } else { "common" };
            LabelledText { label: label.to_owned(), text: format!("{}{}", ["x", "y"][i % 2], i / 24) }
        })
        .collect();
    let data = LabelledData { training: &texts, validation: &texts, memory: None };
    let recall = |class_weight: ClassWeight| {
        let recipe = ClassifierRecipe { class_weight, epochs: 2, ..recipe() };
        let trained = recipe.train(data, engine(2), &mut |_| Flow::Continue).unwrap();
        trained.score.unwrap().confusion.classes()[1].recall
    };
    assert_eq!(recall(ClassWeight::None), 0.0);
    assert!(recall(ClassWeight::Balanced) > 0.5);
}

#[test]
fn stopping_keeps_what_was_reached() {
    let texts = texts();
    let data = LabelledData { training: &texts, validation: &texts, memory: None };
    let stop_after = |batches: usize| {
        let mut seen = 0;
        let trained = recipe().train(data, engine(1), &mut |event| {
            seen += usize::from(matches!(event, ClassifierEvent::Batch { .. }));
            if seen == batches { Flow::Stop } else { Flow::Continue }
        });
        let trained = trained.unwrap();
        assert_eq!(trained.stopped, Stopped::Interrupted);
        (trained.epochs.len(), trained.best_epoch, trained.score.is_some())
    };
    // Eight batches an epoch.
    assert_eq!(stop_after(0), (0, 0, false));
    assert_eq!(stop_after(3), (0, 0, false));
    assert_eq!(stop_after(10), (1, 1, true));
}

#[test]
fn batches_are_probed_when_asked() {
    let texts = texts();
    let data = LabelledData { training: &texts, validation: &texts, memory: None };
    let mut seen = Vec::new();
    let trained = recipe().train(data, engine(1), &mut |event| match event {
        ClassifierEvent::Batch { batches_done, model, .. } => {
            let probed = model.recurrences().next().unwrap().hidden_gradient(0).is_some();
            seen.extend(probed.then_some(*batches_done));
            if batches_done % 5 == 2 { Flow::Probe } else { Flow::Continue }
        }
        _ => Flow::Continue,
    });
    assert!(seen.len() > 1 && seen.iter().all(|batch| batch % 5 == 3), "{seen:?}");
    let plain = recipe().train(data, engine(1), &mut |_| Flow::Continue).unwrap();
    assert_eq!(trained.unwrap().model.model().weights(), plain.model.model().weights());
}

#[test]
fn texts_labels_and_options_that_do_not_fit_are_named() {
    let known = texts();
    let fail = |recipe: &ClassifierRecipe, training: &[LabelledText], validation: &[LabelledText]| {
        let data = LabelledData { training, validation, memory: None };
        recipe.train(data, engine(1), &mut |_| Flow::Continue).unwrap_err().to_string()
    };
    let odd = vec![LabelledText { label: "neither".to_owned(), text: "c".to_owned() }];
    let error = fail(&recipe(), &known, &odd);
    assert!(error.contains("`neither`") && error.contains("first a, first b"), "{error}");
    assert!(fail(&recipe(), &odd, &[]).contains("only `neither`"));
    assert!(fail(&ClassifierRecipe { units: 0, ..recipe() }, &known, &[]).contains("units"));
    assert!(fail(&ClassifierRecipe { dropout: 1.0, ..recipe() }, &known, &[]).contains("dropout"));
    assert!(fail(&ClassifierRecipe { max_length: 0, ..recipe() }, &known, &[]).contains("max-length"));
    assert!(fail(&ClassifierRecipe { optimizer: "adams".into(), ..recipe() }, &known, &[]).contains("adamw"));
    let wild = ClassifierRecipe { learning_rate: 1e38, clip: 0.0, optimizer: "sgd".into(), ..recipe() };
    assert!(fail(&wild, &known, &[]).contains("learning rate"));
    let mut model = train(&ClassifierRecipe { epochs: 1, ..recipe() }, 1).model;
    assert!(model.evaluate(&odd).unwrap_err().to_string().contains("`neither`"));
    assert!(model.evaluate(&[]).is_err());
    assert!(model.classify(&["a", ""]).unwrap_err().to_string().contains("text 2 is empty"));
}

#[test]
fn files_of_other_or_damaged_models_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m");
    let trained = train(&ClassifierRecipe { epochs: 1, ..recipe() }, 1).model;
    let good = serde_json::json!(Task {
        task: TASK.to_owned(),
        labels: trained.labels.clone(),
        max_length: 9,
        codec: trained.codec.clone(),
    });
    let open = |task: Option<&serde_json::Value>| {
        file::save(&path, &trained.model, task, None).unwrap();
        Classifier::open(&path, engine(1)).map_err(|e| e.to_string())
    };
    assert!(open(Some(&good)).is_ok());
    assert!(open(None).unwrap_err().contains("names no task"));
    for (field, value, phrase) in [
        ("task", serde_json::json!("text"), "its task is `text`"),
        ("labels", serde_json::json!(["a", "b", "c"]), "3 labels"),
        ("labels", serde_json::json!(["b", "a"]), "in order"),
        ("max_length", serde_json::json!(0), "max_length"),
        ("vocabulary", serde_json::json!("abcdefghijklmnop"), "does not read its vocabulary"),
        ("level", serde_json::json!("runes"), "cannot be read"),
    ] {
        let mut task = good.clone();
        task[field] = value;
        let error = open(Some(&task)).unwrap_err();
        assert!(error.contains("not a classifier") && error.contains(phrase), "{field}: {error}");
    }
}
