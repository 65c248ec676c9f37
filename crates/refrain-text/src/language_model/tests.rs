use super::*;
use refrain_nn::Isa;

const TEXT: &str = "The rain came down on the old tin roof,\nAnd the river ran under the stone.\n\
    I walked with a lamp and a loaf of bread,\nAnd I walked the long road alone.\n\n";

fn engine(threads: usize) -> Engine {
    Engine::new(Isa::detect(), threads)
}

fn recipe(level: Level) -> TextRecipe {
    TextRecipe {
        level,
        units: 24,
        layers: 1,
        embedding: 16,
        steps: 16,
        epochs: 3,
        batch: Some(4),
        learning_rate: 1e-2,
        dropout: 0.1,
        ..TextRecipe::default()
    }
}

fn text() -> String {
    TEXT.repeat(12)
}

fn train(recipe: &TextRecipe, threads: usize) -> Trained {
    let text = text();
    let (training, validation) = split_text(&text, recipe.validation, recipe.level);
    let data = TrainingData { training, validation };
    recipe.train(data, engine(threads), &mut |_| Flow::Continue).unwrap()
}

#[test]
fn training_lowers_the_loss_on_every_level_and_cell() {
    for level in [Level::Char, Level::Word] {
        for cell in [CellKind::Rnn, CellKind::Lstm, CellKind::Gru] {
            let trained = train(&TextRecipe { cell, ..recipe(level) }, 2);
            let (first, last) = (&trained.epochs[0], trained.epochs.last().unwrap());
            assert!(last.loss < first.loss, "{level:?} {cell:?}: {} then {}", first.loss, last.loss);
            let best = trained.epochs.iter().filter_map(|e| e.val_loss).fold(f64::INFINITY, f64::min);
            assert_eq!(trained.score.unwrap().loss, best);
            assert_eq!(trained.epochs[trained.best_epoch - 1].val_loss, Some(best));
        }
    }
}

#[test]
fn evaluating_the_file_gives_the_validation_loss_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    for level in [Level::Char, Level::Word] {
        let trained = train(&recipe(level), 2);
        let path = folder.path().join("m.safetensors");
        trained.model.save(&path).unwrap();
        let mut model = LanguageModel::open(&path, engine(1)).unwrap();
        let text = text();
        let score = model.evaluate(score_split(&text, Some(0.1), level), false).unwrap();
        assert_eq!(Some(score), trained.score);
        assert_eq!(model.codec(), trained.model.codec());
    }
}

#[test]
fn threads_do_not_change_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = |threads: usize| {
        let path = folder.path().join(threads.to_string());
        train(&recipe(Level::Char), threads).model.save(&path).unwrap();
        std::fs::read(path).unwrap()
    };
    let one = bytes(1);
    for threads in [2, 3, 5] {
        assert!(one == bytes(threads), "{threads} threads");
    }
}

#[test]
fn a_stream_scores_every_token_but_the_first() {
    let mut model = train(&recipe(Level::Char), 1).model;
    let text = text();
    let (lanes, stream) = (model.evaluate(&text, false).unwrap(), model.evaluate(&text, true).unwrap());
    assert_eq!(lanes.tokens, text.chars().count() - 1);
    assert_eq!(lanes.tokens, stream.tokens);
    // The text is shorter than a lane, so both read it from its beginning.
    assert!((lanes.loss - stream.loss).abs() < 1e-9, "{} {}", lanes.loss, stream.loss);
    assert!((lanes.bits_per_character - lanes.loss / std::f64::consts::LN_2).abs() < 1e-9);
}

#[test]
fn generation_follows_its_seed_and_its_prompt() {
    let mut model = train(&recipe(Level::Char), 1).model;
    let options = Generate { prompt: "The ".into(), length: 60, ..Generate::default() };
    let text = model.complete(&options).unwrap();
    assert_eq!(text.chars().count(), 60);
    assert_eq!(model.complete(&options).unwrap(), text);
    assert_ne!(model.complete(&Generate { seed: 9, ..options.clone() }).unwrap(), text);
    let hot = Generate { sampling: crate::Sampling { temperature: -1.0, ..Default::default() }, ..options };
    assert!(model.complete(&hot).unwrap_err().to_string().contains("temperature"));
}

#[test]
fn suggestions_are_sorted_probabilities() {
    for level in [Level::Char, Level::Word] {
        let mut model = train(&recipe(level), 1).model;
        let all = model.suggest("The rain", 1000).unwrap();
        let sum: f64 = all.iter().map(|s| s.probability).sum();
        assert!(sum <= 1.0 + 1e-6 && sum > 0.5, "{sum}");
        assert!(all.is_sorted_by(|a, b| a.probability >= b.probability));
        let top = model.suggest("The rain", 3).unwrap();
        assert_eq!(top, all[..3]);
    }
}

#[test]
fn a_text_is_cut_where_a_person_would() {
    assert_eq!(split_text("abcdefghij", 0.1, Level::Char), ("abcdefghi", "j"));
    assert_eq!(split_text("äöü", 0.4, Level::Char), ("ä", "öü"));
    assert_eq!(split_text("one two\nthree four\nfive", 0.9, Level::Word), ("one two\n", "three four\nfive"));
    assert_eq!(split_text("one two three\n", 0.6, Level::Word), ("one two ", "three\n"));
    assert_eq!(split_text("one two", 0.0, Level::Word), ("one two", ""));
}

#[test]
fn texts_too_short_and_options_out_of_range_are_named() {
    let run = |recipe: TextRecipe, training: &str| {
        let data = TrainingData { training, validation: "" };
        recipe.train(data, engine(1), &mut |_| Flow::Continue).unwrap_err().to_string()
    };
    assert!(run(recipe(Level::Char), "too short").contains("steps"));
    assert!(run(recipe(Level::Word), "word").contains("steps"));
    assert!(run(TextRecipe { units: 0, ..recipe(Level::Char) }, TEXT).contains("units"));
    assert!(run(TextRecipe { dropout: 1.0, ..recipe(Level::Char) }, TEXT).contains("dropout"));
    assert!(run(TextRecipe { tie: true, ..recipe(Level::Char) }, TEXT).contains("tie"));
    assert!(run(TextRecipe { optimizer: "adams".into(), ..recipe(Level::Char) }, TEXT).contains("adamw"));
}

#[test]
fn stopping_keeps_what_was_reached() {
    let text = text();
    let mut batches = 0;
    let trained = recipe(Level::Char)
        .train(TrainingData { training: &text, validation: "" }, engine(1), &mut |event| {
            batches += usize::from(matches!(event, TextEvent::Batch { .. }));
            if batches == 2 { Flow::Stop } else { Flow::Continue }
        })
        .unwrap();
    assert_eq!((trained.stopped, trained.epochs.len(), trained.best_epoch), (Stopped::Interrupted, 0, 0));
}

#[test]
fn training_goes_on_from_a_model() {
    let first = train(&recipe(Level::Char), 1);
    let before = first.score.unwrap().loss;
    let text = text();
    let (training, validation) = split_text(&text, 0.1, Level::Char);
    let further = TextRecipe { epochs: 2, ..recipe(Level::Char) };
    let again = further
        .continue_training(first.model, TrainingData { training, validation }, &mut |_| Flow::Continue)
        .unwrap();
    assert!(again.score.unwrap().loss < before);
}

#[test]
fn other_models_are_refused() {
    use refrain_nn::layers::Dense;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m");
    let model = refrain_nn::Sequential::new()
        .input(refrain_nn::InputSpec::features(2))
        .add(Dense::new(2))
        .compile(refrain_nn::Compile::default())
        .unwrap();
    model.save(&path).unwrap();
    let error = LanguageModel::open(&path, engine(1)).unwrap_err();
    assert!(error.to_string().contains("names no task"), "{error}");
    let task = serde_json::json!({"task": "text", "level": "char", "vocabulary": "abc"});
    refrain_nn::file::save(&path, &model, Some(&task), None).unwrap();
    let error = LanguageModel::open(&path, engine(1)).unwrap_err();
    assert!(error.to_string().contains("4 entries"), "{error}");
}

#[test]
fn a_wider_beam_finds_nothing_less_likely_than_always_the_likeliest() {
    let mut model = train(&recipe(Level::Char), 1).model;
    let greedy = Generate {
        prompt: "The ".into(),
        length: 12,
        sampling: crate::Sampling { temperature: 0.0, ..Default::default() },
        ..Generate::default()
    };
    assert_eq!(model.beam_search("The ", 12, 1).unwrap(), model.complete(&greedy).unwrap());
    let narrow = model.beam_search("The ", 12, 1).unwrap();
    let wide = model.beam_search("The ", 12, 8).unwrap();
    assert!(model.beam_search("The ", 12, 0).is_err());
    let mut likelihood = |continuation: &str| {
        let mut text = "The ".to_owned();
        let mut sum = 0.0;
        for c in continuation.chars() {
            let all = model.suggest(&text, 1000).unwrap();
            sum += all.iter().find(|s| s.text == c.to_string()).unwrap().probability.ln();
            text.push(c);
        }
        sum
    };
    assert_eq!(wide.chars().count(), 12);
    assert!(likelihood(&wide) >= likelihood(&narrow) - 1e-6);
}

#[test]
fn a_loss_that_is_no_number_is_an_error_or_keeps_what_was_reached() {
    let text = text();
    let wild = TextRecipe { learning_rate: 1e38, clip: 0.0, optimizer: "sgd".into(), ..recipe(Level::Char) };
    let data = TrainingData { training: &text, validation: "" };
    let error = wild.train(data, engine(1), &mut |_| Flow::Continue).unwrap_err().to_string();
    assert!(error.contains("learning rate"), "{error}");
}
