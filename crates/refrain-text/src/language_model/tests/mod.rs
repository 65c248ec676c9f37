mod recipes;
mod resume;

use super::*;
use crate::codec::Level;
use crate::{Corpus, Store};
use refrain_nn::{Answer, Engine, Isa};
use refrain_task::layers::CellKind;
use refrain_task::{EpochRecord, Recipe, RunEvent, Stopped, Trained, TrainingSettings};
use std::path::Path;

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
        dropout: 0.1,
        training: TrainingSettings {
            epochs: 3,
            batch: Some(4),
            learning_rate: 1e-2,
            ..TrainingSettings::default()
        },
        ..TextRecipe::default()
    }
}

/// Returns a recipe with other training settings.
fn with(mut recipe: TextRecipe, change: impl FnOnce(&mut TrainingSettings)) -> TextRecipe {
    change(&mut recipe.training);
    recipe
}

fn text() -> String {
    TEXT.repeat(12)
}

/// Nothing here is large enough to be stored in a file.
fn data<'a>(training: &'a Corpus, validation: Option<&'a Corpus>) -> TrainingData<'a> {
    TrainingData { validation, folder: Path::new("nowhere"), ..TrainingData::new(training) }
}

fn train(recipe: &TextRecipe, threads: usize) -> Trained<TextTask> {
    let (training, validation) =
        Corpus::from_text(text()).split(recipe.training.validation, recipe.level.cut()).unwrap();
    recipe.train(data(&training, Some(&validation)), engine(threads), &mut |_| Answer::Continue).unwrap()
}

#[test]
fn training_lowers_the_loss_on_every_level_and_cell() {
    for level in [Level::Char, Level::Word, Level::Bpe] {
        for cell in [CellKind::Rnn, CellKind::Lstm, CellKind::Gru] {
            let trained = train(&TextRecipe { cell, ..recipe(level) }, 2);
            let (first, last) = (&trained.epochs[0], trained.epochs.last().unwrap());
            let (first, last) = (first.loss(), last.loss());
            assert!(last < first, "{level:?} {cell:?}: {first} then {last}");
            let best = trained.epochs.iter().filter_map(EpochRecord::val_loss).fold(f64::INFINITY, f64::min);
            assert_eq!(trained.score.unwrap().loss, best);
            assert_eq!(trained.epochs[trained.best_epoch - 1].val_loss(), Some(best));
        }
    }
}

#[test]
fn evaluating_the_file_gives_the_exact_validation_loss() {
    let folder = tempfile::tempdir().unwrap();
    for level in [Level::Char, Level::Word, Level::Bpe] {
        let trained = train(&recipe(level), 2);
        let path = folder.path().join("m.safetensors");
        trained.model.save(&path).unwrap();
        let mut model = LanguageModel::open(&path, engine(1)).unwrap();
        let text = text();
        let score = model.evaluate(split_text(&text, 0.1, level).1, false).unwrap();
        assert_eq!(Some(score), trained.score);
        assert_eq!(model.codec(), trained.model.codec());
    }
}

#[test]
fn files_and_stored_tokens_give_the_exact_same_score() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text");
    std::fs::write(&path, text()).unwrap();
    let corpus = Corpus::open([&path]).unwrap();
    for level in [Level::Char, Level::Word] {
        let mut model = train(&recipe(level), 1).model;
        let store = Store { folder: folder.path(), memory: 100 };
        let tokens = model.codec().encode_corpus(&corpus, &store, &mut |_| {}).unwrap();
        assert!(tokens.file().is_some());
        for stream in [false, true] {
            let score = model.evaluate_tokens(&tokens, corpus.characters(), stream).unwrap();
            assert_eq!(score, model.evaluate(&text(), stream).unwrap());
        }
    }
}

#[test]
fn the_reporter_counts_every_byte() {
    let (training, validation) = Corpus::from_text(text()).split(0.1, Level::Word.cut()).unwrap();
    let (mut last, mut of_last) = (0, 0);
    let mut prepare = |codec: Option<crate::Codec>| {
        (last, of_last) = (0, 0);
        let report = &mut |event: &PrepareEvent<'_>| {
            if let PrepareEvent::Tokenizing { done, of } = event {
                assert!(*done > last && done <= of);
                (last, of_last) = (*done, *of);
            }
        };
        let data = data(&training, Some(&validation));
        let task = TextTask::prepare(&recipe(Level::Word), data, codec, report).unwrap();
        (task, last, of_last)
    };
    let (task, done, of) = prepare(None);
    assert_eq!((done, done), (of, 2 * training.bytes() + validation.bytes()));
    // An existing vocabulary needs no pass of its own.
    let (again, done, of) = prepare(Some(task.codec.clone()));
    assert_eq!((done, done), (of, training.bytes() + validation.bytes()));
    assert_eq!(again.codec, task.codec);
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
    // The text is shorter than a lane, so both read it from the beginning.
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
fn a_text_ends_before_a_stop_text_and_shows_no_part_of_it() {
    for level in [Level::Char, Level::Word] {
        let mut model = train(&recipe(level), 1).model;
        let options = Generate { prompt: "The ".into(), length: 80, ..Generate::default() };
        let whole = model.complete(&options).unwrap();
        // Stop texts that begin and end inside words, and one that is incomplete when the text ends.
        let inside = whole.char_indices().map(|(at, _)| at).collect::<Vec<_>>();
        let stop = whole[inside[20]..inside[23]].to_owned();
        let begun = format!("{}~", &whole[inside[inside.len() - 3]..]);
        let stopped = Generate { stop: vec![stop.clone(), begun], ..options.clone() };
        let pieces: Vec<String> = model.generate(&stopped).unwrap().collect::<Result<_>>().unwrap();
        assert_eq!(pieces.concat(), whole[..whole.find(&stop).unwrap()], "{stop:?}");
        assert!(pieces.iter().all(|piece| !piece.is_empty()));
        let never = Generate { stop: vec![format!("{}~", &whole[inside[40]..])], ..options.clone() };
        assert_eq!(model.complete(&never).unwrap(), whole);
        let empty = Generate { stop: vec![String::new()], ..options };
        assert!(model.complete(&empty).unwrap_err().to_string().contains("stop"));
    }
}

#[test]
fn a_penalty_prevents_repetition_in_greedy_text() {
    let mut model = train(&recipe(Level::Char), 1).model;
    let greedy = crate::Sampling { temperature: 0.0, ..Default::default() };
    let options = Generate { prompt: "T".into(), length: 24, sampling: greedy, ..Generate::default() };
    let plain = model.complete(&options).unwrap();
    // So large that a token is repeated only after all others: the 23 characters and the prompt's.
    let sampling = crate::Sampling { repetition_penalty: 1e30, repetition_window: 1000, ..greedy };
    let varied = model.complete(&Generate { sampling, length: 8, ..options.clone() }).unwrap();
    let different = |text: &str| text.chars().collect::<std::collections::BTreeSet<_>>().len();
    assert!(different(&plain[..8]) < 8, "{plain:?}");
    // Logits of at least 0 shrink to 0 and the others fall: once none is positive, 0 repeats.
    assert!(different(&varied) > different(&plain[..8]), "{varied:?} {plain:?}");
    let off = crate::Sampling { repetition_penalty: 1.0, repetition_window: 1, ..greedy };
    assert_eq!(model.complete(&Generate { sampling: off, ..options }).unwrap(), plain);
}

#[test]
fn a_word_s_space_is_written_once() {
    let mut model = train(&recipe(Level::Word), 1).model;
    let written = |model: &mut LanguageModel, prompt: &str| {
        let options = Generate { prompt: prompt.into(), length: 12, ..Generate::default() };
        prompt.to_owned() + &model.complete(&options).unwrap()
    };
    let [with, without] = ["The rain ", "The rain"].map(|prompt| written(&mut model, prompt));
    assert_eq!(with, without);
    assert!(!with.contains("  ") && !written(&mut model, "").starts_with(' '));
}

#[test]
fn next_tokens_are_sorted_probabilities() {
    for level in [Level::Char, Level::Word] {
        let mut model = train(&recipe(level), 1).model;
        let all = model.next_tokens("The rain", 1000).unwrap();
        let sum: f64 = all.iter().map(|s| s.probability).sum();
        assert!(sum <= 1.0 + 1e-6 && sum > 0.5, "{sum}");
        assert!(all.is_sorted_by(|a, b| a.probability >= b.probability));
        let top = model.next_tokens("The rain", 3).unwrap();
        assert_eq!(top, all[..3]);
    }
}

#[test]
fn a_text_is_cut_at_natural_places() {
    assert_eq!(split_text("abcdefghij", 0.1, Level::Char), ("abcdefghi", "j"));
    assert_eq!(split_text("äöü", 0.4, Level::Char), ("ä", "öü"));
    assert_eq!(split_text("one two\nthree four\nfive", 0.9, Level::Word), ("one two\n", "three four\nfive"));
    assert_eq!(split_text("one two three\n", 0.6, Level::Word), ("one two ", "three\n"));
    assert_eq!(split_text("one two", 0.0, Level::Word), ("one two", ""));
    assert_eq!(split_text("one two\nthree four\nfive", 0.9, Level::Bpe), ("one two\n", "three four\nfive"));
}

#[test]
fn sampling_and_search_write_subwords_alike() {
    let text = "🛶🦀é中 ".repeat(200);
    let corpus = Corpus::from_text(text);
    let data = TrainingData::new(&corpus);
    let recipe = TextRecipe { steps: 4, ..with(recipe(Level::Bpe), |t| t.epochs = 1) };
    let mut model = recipe.train(data, engine(1), &mut |_| Answer::Continue).unwrap().model;
    let greedy = crate::Sampling { temperature: 0.0, ..Default::default() };
    let options = Generate { prompt: "🛶".into(), length: 40, sampling: greedy, ..Generate::default() };
    let pieces: Vec<String> = model.generate(&options).unwrap().map(Result::unwrap).collect();
    assert_eq!(pieces.len(), 40);
    assert_eq!(pieces.concat(), model.complete(&options).unwrap());
    let search = BeamSearch { prompt: "🛶".into(), length: 40, width: 1, ..BeamSearch::default() };
    assert_eq!(model.beam_search(&search).unwrap().text, pieces.concat());
}

#[test]
fn texts_too_short_and_options_out_of_range_are_named() {
    let run = |recipe: TextRecipe, training: &str| {
        let training = Corpus::from_text(training);
        recipe.train(data(&training, None), engine(1), &mut |_| Answer::Continue).unwrap_err().to_string()
    };
    assert!(run(recipe(Level::Char), "too short").contains("steps"));
    assert!(run(recipe(Level::Word), "word").contains("steps"));
    assert!(run(TextRecipe { units: 0, ..recipe(Level::Char) }, TEXT).contains("units"));
    assert!(run(TextRecipe { dropout: 1.0, ..recipe(Level::Char) }, TEXT).contains("dropout"));
    assert!(run(TextRecipe { tie: true, ..recipe(Level::Char) }, TEXT).contains("tie"));
    assert!(run(with(recipe(Level::Char), |t| t.optimizer = "adams".into()), TEXT).contains("adamw"));
}

#[test]
fn an_epoch_s_model_can_be_run() {
    let training = Corpus::from_text(text());
    let options = Generate { length: 20, ..Generate::default() };
    let mut samples = Vec::new();
    let trained = recipe(Level::Char).train(data(&training, None), engine(1), &mut |event| {
        if let RunEvent::Epoch(epoch) = event {
            let mut model = LanguageModel::without_dropout(epoch.model, epoch.assets).unwrap();
            samples.push(model.complete(&options).unwrap());
        }
        Answer::Continue
    });
    // Without validation, the last epoch's model is kept.
    let last = trained.unwrap().model.complete(&options).unwrap();
    assert_eq!((samples.len(), samples.last()), (3, Some(&last)));
}

#[test]
fn training_continues_from_a_model() {
    let first = train(&recipe(Level::Char), 1);
    let before = first.score.unwrap().loss;
    let (training, validation) = Corpus::from_text(text()).split(0.1, Level::Char.cut()).unwrap();
    let further = with(recipe(Level::Char), |t| t.epochs = 2);
    let again = further
        .continue_training(first.model, data(&training, Some(&validation)), &mut |_| Answer::Continue)
        .unwrap();
    assert!(again.score.unwrap().loss < before);
}

#[test]
fn other_models_are_rejected() {
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
fn a_nan_loss_is_an_error_or_keeps_the_best_epoch() {
    let training = Corpus::from_text(text());
    let wild = with(recipe(Level::Char), |t| {
        (t.learning_rate, t.clip, t.optimizer) = (1e38, 0.0, "sgd".into());
    });
    let error =
        wild.train(data(&training, None), engine(1), &mut |_| Answer::Continue).unwrap_err().to_string();
    assert!(error.contains("learning rate"), "{error}");
}
