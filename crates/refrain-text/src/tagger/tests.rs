use super::*;
use crate::codec::Level;
use crate::error::Error;
use refrain_nn::{Answer, Engine, Isa};
use refrain_task::{RunEvent, SavedRun, Score, Stopped, Task, Trained, TrainingRun, TrainingSettings};

fn engine(threads: usize) -> Engine {
    Engine::new(Isa::detect(), threads)
}

/// Returns lines of `a`, `b` and `c` whose labels depend on the words before and after: `first` and `last` in the
/// line, `same` if the next word is the same, otherwise `other`.
fn sentences() -> Vec<TaggedSentence> {
    let mut state = 7_u64;
    let mut draw = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    (0..300)
        .map(|_| {
            let words: Vec<_> = (0..2 + draw(6)).map(|_| ["a", "b", "c"][draw(3) as usize]).collect();
            let label = |i: usize| match i {
                0 => "first",
                i if i + 1 == words.len() => "last",
                i if words[i] == words[i + 1] => "same",
                _ => "other",
            };
            let tagged = |(i, word): (usize, &&str)| TaggedWord {
                word: (*word).to_owned(),
                label: label(i).to_owned(),
            };
            TaggedSentence { words: words.iter().enumerate().map(tagged).collect() }
        })
        .collect()
}

fn recipe() -> TaggerRecipe {
    let training = TrainingSettings {
        batch: Some(16),
        epochs: 15,
        learning_rate: 2e-2,
        ..TaggerRecipe::default().training
    };
    let reader = ReaderSettings { units: 16, embedding: 8, dropout: 0.1, ..ReaderSettings::default() };
    TaggerRecipe { reader, training }
}

fn task(recipe: &TaggerRecipe) -> TaggerTask {
    let all = sentences();
    let (training, validation) = split_tagged(&all, 0.2);
    TaggerTask::prepare(recipe, LabelledData { validation, ..LabelledData::new(training) }, None).unwrap()
}

fn train(recipe: &TaggerRecipe, threads: usize) -> Trained<TaggerTask> {
    TrainingRun::new(recipe, &task(recipe)).engine(engine(threads)).train(&mut |_| Answer::Continue).unwrap()
}

#[test]
fn labels_that_depend_on_both_sides_are_learned_at_every_level() {
    for level in [Level::Char, Level::Word, Level::Bpe] {
        let mut recipe = recipe();
        (recipe.reader.level, recipe.training.epochs) = (level, 20);
        let mut trained = train(&recipe, 2);
        let score = trained.score.unwrap();
        assert!(score.accuracy() > 0.95, "{level:?}: {}", score.accuracy());
        assert_eq!(score.spans, None);
        let tagged = &trained.model.tag(&["a b  b c", "", "c c c c"]).unwrap();
        let labels = |line: &[WordLabel]| line.iter().map(|word| word.label.clone()).collect::<Vec<_>>();
        assert_eq!(labels(&tagged[0]), ["first", "same", "other", "last"], "{level:?}");
        assert_eq!(
            (labels(&tagged[2]), tagged[1].len()),
            (["first", "same", "same", "last"].map(str::to_owned).to_vec(), 0)
        );
        assert!(tagged[0].iter().all(|word| word.probability > 0.3 && word.probability <= 1.0));
    }
}

#[test]
fn labels_of_a_line_do_not_depend_on_the_others() {
    let mut recipe = recipe();
    (recipe.training.epochs, recipe.reader.max_length) = (1, 6);
    let mut model = train(&recipe, 1).model;
    let lines: Vec<String> =
        (0..200).map(|n| ["a b ", "c ", "abcabcabc b "][n % 3].repeat(1 + n % 9)).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let together = model.tag(&lines).unwrap();
    for (line, together) in lines.iter().zip(&together) {
        assert_eq!(together.len(), line.split_whitespace().count());
        assert_eq!(&model.tag(&[line]).unwrap()[0], together);
    }
}

#[test]
fn the_score_matches_the_predicted_labels_and_the_word_losses() {
    let mut recipe = recipe();
    recipe.training.epochs = 2;
    let trained = train(&recipe, 1);
    let all = sentences();
    let (_, validation) = split_tagged(&all, 0.2);
    let (mut model, score) = (trained.model, trained.score.unwrap());
    assert_eq!(model.evaluate(validation).unwrap(), score);
    let (mut right, mut words) = (0, 0);
    for sentence in validation {
        for (given, word) in model.tag(&[&sentence.line()]).unwrap()[0].iter().zip(&sentence.words) {
            right += usize::from(given.label == word.label);
            words += 1;
        }
    }
    assert_eq!((score.words(), score.accuracy()), (words, right as f64 / words as f64));
    // The untrained model's loss per word is close to that of four equally likely labels. If spaces were labelled
    // steps, it would be half of that.
    let epoch = &trained.epochs[0];
    assert!((0.7..1.7).contains(&epoch.loss()), "{}", epoch.loss());
    let reported =
        ["val_loss", "val_accuracy", "val_macro_f1"].map(|name| trained.epochs[1].get(name).unwrap());
    assert_eq!(reported, [score.loss(), score.accuracy(), score.macro_f1()]);
    assert_eq!(trained.epochs[1].get("val_span_f1"), None);
}

#[test]
fn spans_are_scored_if_labels_mark_them() {
    let lines = "Ada/B-PER Byron/I-PER saw/O Rome/B-LOC\nRome/B-LOC saw/O Ada/B-PER\n";
    let sentences = parse_tagged(lines, "lines").unwrap();
    let mut recipe = recipe();
    recipe.training.epochs = 60;
    recipe.reader.dropout = 0.0;
    let data = LabelledData { validation: &sentences, ..LabelledData::new(&sentences) };
    let trained = recipe.train(data, engine(1), &mut |_| Answer::Continue).unwrap();
    let score = trained.score.unwrap();
    assert_eq!((score.span_f1(), score.accuracy()), (Some(1.0), 1.0));
    let kinds = score.spans.as_ref().unwrap().kinds();
    let supports: Vec<_> = kinds.iter().map(|kind| (&*kind.label, kind.support)).collect();
    assert_eq!(supports, [("LOC", 2), ("PER", 2)]);
    assert_eq!(trained.epochs[59].get("val_span_f1"), Some(1.0));
    assert_eq!(
        (score.details()["spans"].as_array().unwrap().len(), &score.summary()["span_f1"]),
        (2, &1.0.into())
    );
    let marks =
        |labels: &[&str]| Spans::are_marked_by(&labels.iter().map(|&l| l.to_owned()).collect::<Vec<_>>());
    assert!(marks(&["O", "B-X", "I-X"]) && marks(&["S", "B"]));
    assert!(!marks(&["O"]) && !marks(&["O", "B-X", "NN"]) && !marks(&["O", "Cap."]) && !marks(&["Bad"]));
}

#[test]
fn threads_and_a_stop_within_an_epoch_do_not_change_the_model() {
    let mut recipe = recipe();
    (recipe.training.epochs, recipe.reader.max_length) = (3, 8);
    let straight = train(&recipe, 1);
    assert_eq!(train(&recipe, 2).model.model().weights(), straight.model.model().weights());
    let task = task(&recipe);
    let mut batches = 0;
    let stopped = TrainingRun::new(&recipe, &task).engine(engine(1)).train(&mut |event| {
        batches += usize::from(matches!(event, RunEvent::Batch(_)));
        if batches == 4 { Answer::Stop } else { Answer::Continue }
    });
    let stopped = stopped.unwrap();
    assert_eq!(stopped.stopped, Stopped::Interrupted);
    let saved = SavedRun::open(stopped.checkpoint.unwrap()).unwrap();
    let resumed = TrainingRun::new(&recipe, &task).engine(engine(2)).resume(saved);
    let resumed = resumed.train(&mut |_| Answer::Continue).unwrap();
    assert_eq!(resumed.model.model().weights(), straight.model.model().weights());
    assert_eq!((resumed.score, resumed.best_epoch), (straight.score, straight.best_epoch));
}

#[test]
fn a_saved_tagger_is_identical_and_other_models_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m");
    let mut recipe = recipe();
    recipe.training.epochs = 1;
    let mut trained = train(&recipe, 1).model;
    trained.save(&path).unwrap();
    let mut opened = Tagger::open(&path, engine(1)).unwrap();
    assert_eq!(opened.tag(&["a b", "c"]).unwrap(), trained.tag(&["a b", "c"]).unwrap());
    assert_eq!((opened.recipe(), opened.labels()), (Some(recipe), trained.labels()));
    let mut assets = serde_json::json!(trained.assets());
    assets["task"] = TaggerTask::NAME.into();
    for (field, value, phrase) in [
        ("task", serde_json::json!("classify"), "its task is `classify`"),
        (
            "labels",
            serde_json::json!(["a", "b"]),
            "shape [1, 1, 4] for a text of one step, but it has 2 labels",
        ),
        ("max_length", serde_json::json!(0), "max_length"),
    ] {
        let mut other = assets.clone();
        other[field] = value;
        refrain_nn::file::save(&path, trained.model(), Some(&other), None).unwrap();
        let error = Tagger::open(&path, engine(1)).unwrap_err().to_string();
        assert!(error.contains("not a tagger") && error.contains(phrase), "{error}");
    }
}

#[test]
fn labels_and_sentences_that_do_not_fit_are_named() {
    let known = parse_tagged("a/X b/Y", "lines").unwrap();
    let odd = parse_tagged("a/Z", "lines").unwrap();
    let fail = |data: LabelledData<'_, TaggedSentence>| {
        TaggerTask::prepare(&recipe(), data, None).unwrap_err().to_string()
    };
    assert!(fail(LabelledData::new(&odd)).contains("only `Z`"));
    let data = LabelledData { test: &odd, ..LabelledData::new(&known) };
    assert!(fail(data).contains("`Z` is unknown to the model, which knows X, Y;"));
    let mut recipe = recipe();
    recipe.training.epochs = 1;
    let mut model = train(&recipe, 1).model;
    assert!(matches!(model.evaluate(&odd), Err(Error::UnknownLabel { .. })));
    assert!(model.evaluate(&[]).unwrap_err().to_string().contains("no word"));
}
