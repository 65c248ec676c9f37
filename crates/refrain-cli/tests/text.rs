//! Training a language model, and all commands that use it.

mod common;

use common::{CliOutput, SONG, TestDir, gzip, tiny};
use serde_json::Value;
use std::process::Stdio;

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is not a number"))
}

#[test]
fn every_cell_and_level_trains_writes_suggests_and_scores() {
    let dir = TestDir::new();
    for level in ["char", "word"] {
        for cell in ["rnn", "lstm", "gru"] {
            dir.train("m.safetensors", &["--level", level, "--cell", cell]);
            let written =
                dir.ok(&["--json", "generate", "m.safetensors", "--prompt", "The wheel", "--length", "20"]);
            let text = written.event("result")["text"].as_str().unwrap().to_owned();
            assert!(text.starts_with("The wheel") && text.len() > "The wheel".len() + 19, "{text}");
            assert_eq!(written.stderr, "");

            for more in [&["The wheel "][..], &["The wheel t"], &["The wheel", "--tokens"]] {
                let suggest = [&["--json", "suggest", "m.safetensors", "--top", "2"], more].concat();
                let suggestions = dir.ok(&suggest).event("result")["suggestions"].as_array().unwrap().clone();
                let probabilities: Vec<_> = suggestions.iter().map(|s| number(&s["probability"])).collect();
                assert_eq!(suggestions.len(), 2, "{more:?}");
                assert!(probabilities[0] >= probabilities[1] && probabilities[1] > 0.0, "{probabilities:?}");
                let completes = |s: &Value| s["text"].as_str().unwrap().starts_with('t');
                assert!(more != ["The wheel t"] || suggestions.iter().all(completes), "{suggestions:?}");
            }

            let score = dir.ok(&["--json", "evaluate", "m.safetensors", "song.txt"]).event("result");
            assert!(number(&score["loss"]).exp() == number(&score["perplexity"]));
            for field in ["bits_per_token", "bits_per_character", "accuracy", "tokens"] {
                assert!(number(&score[field]) >= 0.0, "{field}");
            }
            if level == "char" {
                assert_eq!(number(&score["tokens"]) as usize, SONG.chars().count() - 1);
            }

            let info = dir.ok(&["--json", "info", "m.safetensors"]).event("result");
            assert_eq!((&info["task"], &info["level"]), (&"text".into(), &level.into()));
            assert_eq!(number(&info["bytes"]) as usize, dir.read("m.safetensors").len());
            assert_eq!(info["training"]["recipe"]["cell"], cell);
            let own: u64 =
                info["layers"].as_array().unwrap().iter().map(|l| l["parameters"].as_u64().unwrap()).sum();
            assert_eq!(info["parameters"], own);
        }
    }
}

#[test]
fn evaluate_prints_the_same_loss_as_training() {
    let dir = TestDir::new();
    for level in ["char", "word"] {
        let trained = dir.train("m.safetensors", &["--level", level, "--validation", "0.3", "--epochs", "3"]);
        let done = trained.event("done");
        let score = ["--json", "evaluate", "m.safetensors", "song.txt", "--validation", "0.3"];
        let score = dir.ok(&score).event("result");
        for metric in ["loss", "accuracy", "perplexity", "bits_per_token", "bits_per_character", "tokens"] {
            assert_eq!(score[metric], done[format!("val_{metric}")], "{metric}");
        }
        let best = done["best_epoch"].as_u64().unwrap() as usize;
        assert_eq!(trained.events("epoch")[best - 1]["val_loss"], score["loss"]);
    }
}

#[test]
fn a_validation_file_is_scored_and_nothing_is_held_out() {
    let dir = TestDir::new();
    dir.write("other.txt", &SONG[..400]);
    let trained = dir.train("m.safetensors", &["--validation-file", "other.txt"]);
    let score = dir.ok(&["--json", "evaluate", "m.safetensors", "other.txt"]).event("result");
    assert_eq!(trained.event("done")["val_loss"], score["loss"]);
    assert!(trained.event("start")["tokens"].as_u64().unwrap() > SONG.len() as u64 * 9 / 10);
    let none = dir.train("m.safetensors", &["--validation", "0"]);
    assert!(none.events("epoch")[0].get("val_loss").is_none());
    assert!(none.event("done").get("val_loss").is_none());
}

#[test]
fn one_lane_scores_a_short_text_like_many() {
    let dir = TestDir::new();
    dir.train("m.safetensors", &[]);
    let score = |more: &[&str]| {
        dir.ok(&[&["--json", "evaluate", "m.safetensors", "song.txt"], more].concat()).event("result")
    };
    // The text is shorter than one piece of 8,192 tokens.
    assert_eq!(score(&[]), score(&["--stream"]));
}

#[test]
fn the_number_of_threads_does_not_change_the_file() {
    let dir = TestDir::new();
    let mut files = Vec::new();
    for threads in ["1", "2", "3", "5"] {
        // Large enough to use several threads.
        let options = ["--threads", threads, "--units", "64", "--batch", "8", "--dropout", "0.3"];
        dir.train("m.safetensors", &[&options[..], &["--recurrent-dropout", "0.1"]].concat());
        files.push(dir.read("m.safetensors"));
        let text = dir.ok(&["--threads", threads, "generate", "m.safetensors", "--length", "50"]);
        files.push(text.stdout.into_bytes());
    }
    assert!(files.chunks(2).all(|pair| pair == &files[..2]));
}

#[test]
fn a_portable_processor_trains_too() {
    let dir = TestDir::new();
    let arguments = tiny(&["--json", "train", "text", "song.txt"]);
    let output = CliOutput::new(dir.command(&arguments).env("REFRAIN_ISA", "portable").output().unwrap());
    assert_eq!((output.code, &output.event("start")["isa"]), (0, &"portable".into()), "{}", output.stderr);
}

#[test]
fn json_lines_have_their_fields() {
    let dir = TestDir::new();
    let output = dir.train("m.safetensors", &["--epochs", "2"]);
    let lines = output.json();
    let events: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["start", "epoch", "epoch", "done"]);
    let start =
        ["text", "characters", "tokens", "vocabulary", "parameters", "isa", "threads", "seed", "recipe"];
    assert!(start.iter().all(|field| lines[0].get(field).is_some()), "{}", lines[0]);
    for (i, line) in lines[1..3].iter().enumerate() {
        assert_eq!(line["epoch"], i + 1);
        for field in ["loss", "val_loss", "accuracy", "val_accuracy", "tokens_per_second", "seconds"] {
            assert!(number(&line[field]) >= 0.0, "{field} in {line}");
        }
        assert!(number(&line["learning_rate"]) > 0.0 && number(&line["gradient_norm"]) > 0.0);
    }
    let done = &lines[3];
    assert_eq!((&done["model"], &done["epochs"]), (&"m.safetensors".into(), &2.into()));
    assert_eq!(done["stopped"], "epochs");
    assert!(number(&done["seconds"]) > 0.0 && number(&done["val_loss"]) > 0.0);
    assert_eq!(output.stderr, "", "stderr is empty with --json");
}

#[test]
fn the_best_epoch_is_kept() {
    let dir = TestDir::new();
    // The rate is so large that the loss goes up and down.
    let options = ["--epochs", "6", "--lr", "0.3", "--schedule", "constant", "--dropout", "0"];
    let output = dir.train("m.safetensors", &options);
    let losses: Vec<_> = output.events("epoch").iter().map(|e| number(&e["val_loss"])).collect();
    let best = losses.iter().copied().fold(f64::INFINITY, f64::min);
    let done = output.event("done");
    assert_eq!(number(&done["val_loss"]), best);
    assert_eq!(losses[done["best_epoch"].as_u64().unwrap() as usize - 1], best);
}

#[test]
fn files_folders_and_stdin_are_joined() {
    let dir = TestDir::new();
    std::fs::create_dir(dir.file("songs")).unwrap();
    let (first, second) = SONG.split_at(SONG.find("The cat").unwrap());
    dir.write("songs/a.txt", first);
    dir.write("songs/b.txt", second);
    dir.write("songs/notes.md", "not a song");
    dir.train("one.safetensors", &[]);
    let options = tiny(&["--out", "other.safetensors"]);
    let same = || assert_eq!(dir.read("one.safetensors"), dir.read("other.safetensors"));
    dir.ok(&[&["train", "text", "songs"], &options[..]].concat());
    same();
    dir.ok(&[&["train", "text", "songs/a.txt", "songs/b.txt"], &options[..]].concat());
    same();
    let from_stdin = [&["train", "text", "-"], &options[..]].concat();
    assert_eq!(dir.piped(&from_stdin, SONG.as_bytes()).code, 0);
    same();
    dir.write("song.txt.gz", gzip(SONG.as_bytes()));
    dir.ok(&[&["train", "text", "song.txt.gz"], &options[..]].concat());
    same();
    assert_eq!(dir.piped(&from_stdin, &gzip(SONG.as_bytes())).code, 0);
    same();
}

#[test]
fn a_text_from_a_pipe_that_is_too_large_for_memory_is_scored_too() {
    let dir = TestDir::new();
    dir.train("m.safetensors", &["--level", "word", "--units", "4"]);
    // More than the 8 MB of a stream that are kept in memory; only a little of it is scored.
    let text = format!("{}{SONG}", "\n".repeat(9 << 20));
    let piped = ["--json", "evaluate", "m.safetensors", "-", "--validation", "0.0001"];
    let piped = dir.piped(&piped, text.as_bytes()).event("result");
    dir.write("large.txt", &text);
    let named = ["--json", "evaluate", "m.safetensors", "large.txt", "--validation", "0.0001"];
    assert_eq!(piped, dir.ok(&named).event("result"));
    assert!(number(&piped["tokens"]) > 100.0, "{piped}");
}

#[test]
fn a_model_is_trained_further_from_another() {
    let dir = TestDir::new();
    let first = dir.train("a.safetensors", &["--cell", "gru", "--epochs", "4", "--lr", "0.02"]);
    let more = &["--json", "train", "text", "song.txt", "--init", "a.safetensors", "--out", "b.safetensors"];
    let more = dir.ok(&[more, &["--epochs", "1", "--steps", "16", "--lr", "0.001"][..]].concat());
    assert_eq!(more.event("start")["recipe"]["cell"], "gru");
    assert_eq!(more.event("start")["parameters"], first.event("start")["parameters"]);
    let (was, is) = (&first.events("epoch")[0]["loss"], &more.events("epoch")[0]["loss"]);
    assert!(number(is) < number(was), "{is} after {was}: training started from scratch");
    dir.refused(
        &["train", "text", "song.txt", "--init", "a.safetensors", "--units", "9"],
        &["--init", "--units"],
    );
}

#[test]
fn tied_weights_train() {
    let dir = TestDir::new();
    let options = ["train", "text", "song.txt", "--tie", "--units", "8", "--steps", "16", "--epochs", "1"];
    let output = dir.ok(&[&["--json"], &options[..]].concat());
    assert_eq!(output.event("start")["recipe"]["embedding"], 8);
    let narrow = dir.ok(&[&["--json"], &options[..], &["--embedding", "6"]].concat());
    assert_eq!(narrow.event("start")["recipe"]["embedding"], 6, "the last layer then has 6 units");
    let one_layer = [&options[..], &["--embedding", "9", "--layers", "1"]].concat();
    dir.refused(&one_layer, &["embedding is 9 with 8 units"]);
}

#[test]
fn the_songbook_is_learned_without_a_file_and_verse_shown() {
    let dir = TestDir::new();
    let options = tiny(&["train", "text", "--level", "word", "--batch", "64"]);
    let output = dir.ok(&options);
    assert!(output.stderr.contains("the songbook"), "{}", output.stderr);
    assert!(
        output.stderr.contains("epoch 1/1") && output.stderr.contains("done: 1 epoch"),
        "{}",
        output.stderr
    );
    let (verse, next) = output.stdout.split_once("saved model.safetensors").expect("where it is saved");
    assert!(verse.split_whitespace().count() > 50, "{verse}");
    assert!(next.contains("refrain generate model.safetensors --prompt"), "{next}");
    let quiet = dir.ok(&[&["-q"], &options[..]].concat());
    assert_eq!((quiet.stdout.trim(), &quiet.stderr[..]), (verse.trim(), ""));
}

#[test]
fn quiet_and_verbose() {
    let dir = TestDir::new();
    let run = |flag: &str| dir.ok(&tiny(&[flag, "train", "text", "song.txt"]));
    let (quiet, loud) = (run("-q"), run("-v"));
    assert_eq!((&quiet.stdout[..], &quiet.stderr[..]), ("", ""));
    assert!(loud.stderr.contains("gradient") && loud.stderr.contains("rate"), "{}", loud.stderr);
    assert!(!loud.stderr.contains('\u{1b}'), "no progress bar without a terminal");
    dir.refused(&["-q", "-v", "info", "m"], &["--quiet"]);
}

#[test]
fn seeds_change_sampled_texts_but_not_greedy_ones() {
    let dir = TestDir::new();
    dir.train("m.safetensors", &["--epochs", "3"]);
    let write = |options: &[&str]| {
        dir.ok(&[&["generate", "m.safetensors", "--length", "40"], options].concat()).stdout
    };
    assert_eq!(write(&["--seed", "1"]), write(&[]));
    assert_ne!(write(&["--seed", "1"]), write(&["--seed", "2"]));
    let greedy = write(&["--temperature", "0", "--seed", "1"]);
    assert_eq!(greedy, write(&["--temperature", "0", "--seed", "2"]));
    assert_eq!(greedy, write(&["--greedy"]));
    assert_eq!(greedy, write(&["--greedy", "--repetition-penalty", "1"]));
    assert_ne!(greedy, write(&["--greedy", "--repetition-penalty", "9", "--repetition-window", "8"]));
    assert_eq!(greedy, write(&["--top-k", "1", "--seed", "3"]));
    assert_eq!(greedy, write(&["--top-p", "0.000001", "--seed", "4"]));
}

#[test]
fn a_text_ends_before_the_first_stop_text() {
    let dir = TestDir::new();
    for level in ["char", "word"] {
        dir.train("m.safetensors", &["--epochs", "2", "--level", level]);
        let write = |options: &[&str]| {
            let generate = ["generate", "m.safetensors", "--prompt", "The ", "--length", "60"];
            dir.ok(&[&generate[..], options].concat()).stdout
        };
        for search in [&["--temperature", "1"][..], &["--beam", "2", "--length-penalty", "0"]] {
            let whole = write(&search[..2]);
            let (second, _) = whole.char_indices().filter(|(_, c)| *c == ' ').nth(2).unwrap();
            let stop = &whole[second..second + 2];
            let stopped = write(&[search, &["--stop", "never~", "--stop", stop]].concat());
            let continued = stopped.trim_end_matches('\n').strip_prefix("The ").unwrap();
            assert!(!continued.contains(stop), "{continued:?} has {stop:?}");
            if search[0] == "--temperature" {
                let text = whole.strip_prefix("The ").unwrap();
                assert_eq!(continued, text[..text.find(stop).unwrap()].trim_end_matches('\n'));
            }
        }
    }
}

#[test]
fn a_line_is_not_edited_without_a_terminal() {
    let dir = TestDir::new();
    dir.train("m.safetensors", &[]);
    dir.refused(&["suggest", "m.safetensors", "--interactive"], &["needs a terminal", "suggest MODEL TEXT"]);
}

#[test]
fn unknown_words_are_reported() {
    let dir = TestDir::new();
    dir.train("m.safetensors", &[]);
    let output = dir.ok(&["generate", "m.safetensors", "--prompt", "Zürich", "--length", "5"]);
    assert!(output.stderr.contains("does not know 2 of the text's characters"), "{}", output.stderr);
    assert!(output.stdout.starts_with("Zürich") && !output.stdout.contains('\u{fffd}'));
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let dir = TestDir::new();
    dir.train("m.safetensors", &[]);
    let mut child = dir
        .command(&["generate", "m.safetensors", "--length", "1000000000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 10];
    std::io::Read::read_exact(&mut child.stdout.take().unwrap(), &mut first).unwrap();
    let output = CliOutput::new(child.wait_with_output().unwrap());
    assert_eq!((output.code, &output.stderr[..]), (0, ""));
}

#[test]
fn a_beam_writes_what_is_likely() {
    let dir = TestDir::new();
    dir.ok(&tiny(&["train", "text", "song.txt", "--out", "m.safetensors"]));
    let written = |options: &[&str]| {
        dir.ok(&[&["generate", "m.safetensors", "--prompt", "The ", "--length", "20"], options].concat())
            .stdout
    };
    assert_eq!(written(&["--beam", "1"]), written(&["--temperature", "0"]));
    assert_eq!(written(&["--beam", "4"]), written(&["--beam", "4"]));
    for other in ["--top-k", "--seed", "--repetition-penalty"] {
        assert_eq!(dir.run(&["generate", "m.safetensors", "--beam", "2", other, "3"]).code, 2);
    }
}

#[test]
fn without_a_file_the_songbook_has_its_own_recipe() {
    let dir = TestDir::new();
    let learn = tiny(&["--json", "train", "text", "--steps", "512", "--out", "m.safetensors"]);
    let start = dir.ok(&learn).event("start");
    assert_eq!(start["recipe"]["training"]["schedule"], "cosine");
    let own = [&learn[..], &["--schedule", "constant", "--dropout", "0.5"]].concat();
    let start = dir.ok(&own).event("start");
    assert_eq!(start["recipe"]["training"]["schedule"], "constant");
    assert_eq!(start["recipe"]["dropout"], 0.5);
}

#[test]
fn dynamic_evaluation_learns_and_leaves_the_file() {
    let dir = TestDir::new();
    dir.train("m.safetensors", &["--epochs", "3", "--dropout", "0.1"]);
    let before = dir.read("m.safetensors");
    dir.write("new.txt", "A zebra, a zebra, a zebra of snow.\n".repeat(20));
    let loss = |more: &[&str]| {
        let arguments = [&["--json", "evaluate", "m.safetensors", "new.txt"], more].concat();
        number(&dir.ok(&arguments).event("result")["loss"])
    };
    let still = loss(&["--stream"]);
    assert!(loss(&["--dynamic"]) < still);
    assert!(loss(&["--dynamic", "--dynamic-statistics", "song.txt"]) < still);
    let frozen = loss(&["--dynamic", "--dynamic-lr", "0", "--dynamic-decay", "0", "--dynamic-steps", "7"]);
    // The f64 sums are over different chunks.
    assert!((frozen - still).abs() < 1e-9, "{frozen} {still}");
    assert_eq!(dir.read("m.safetensors"), before);
    dir.refused(&["evaluate", "m.safetensors", "new.txt", "--dynamic-lr", "1"], &["--dynamic"]);
    dir.refused(&["evaluate", "m.safetensors", "new.txt", "--dynamic", "--stream"], &["--stream"]);
}

#[test]
fn a_recipe_by_name_trains_validates_and_tests() {
    let dir = TestDir::new();
    let penn = SONG.to_lowercase().replace(['.', ','], " <unk>");
    for name in ["a.txt", "b.txt", "c.txt"] {
        dir.write(name, &penn);
    }
    let files = ["--validation-file", "b.txt", "--test-file", "c.txt", "--stream"];
    for recipe in ["zaremba-small", "zaremba-medium", "awd"] {
        let tiny = ["--units", "12", "--embedding", "12", "--steps", "7", "--epochs", "2", "--batch", "4"];
        let arguments =
            [&["--json", "train", "text", "a.txt", "--recipe", recipe], &files[..], &tiny].concat();
        let output = dir.ok(&arguments);
        let (start, done) = (output.event("start"), output.event("done"));
        assert_eq!(
            (&start["recipe"]["level"], &start["recipe"]["words"]),
            (&"word".into(), &"whitespace".into())
        );
        let score = dir.ok(&["--json", "evaluate", "model.safetensors", "c.txt", "--stream"]).event("result");
        assert_eq!((&done["test_loss"], &done["test_perplexity"]), (&score["loss"], &score["perplexity"]));
        assert_eq!(done["val_loss"], done["test_loss"], "the two texts are the same");
        // Every line break is a token, as in TensorFlow's reader.
        let tokens = penn.replace('\n', " <eos> ").split_whitespace().count();
        assert_eq!(score["tokens"].as_u64().unwrap() as usize, tokens - 1);
    }
    let detected = tiny(&["--json", "train", "text", "a.txt", "--level", "word"]);
    dir.ok(&detected);
    let info = dir.ok(&["--json", "info", "model.safetensors"]).event("result");
    let words: std::collections::HashSet<_> = penn.split_whitespace().collect();
    // The unknown word and the line break have their own entries.
    assert!(info["vocabulary"].as_u64().unwrap() as usize <= words.len() + 1);
}

#[test]
fn a_text_that_is_too_short_is_an_error_with_advice() {
    let dir = TestDir::new();
    dir.write("short.txt", "Twenty bytes of text");
    for level in ["char", "word", "bpe"] {
        let arguments = ["train", "text", "short.txt", "--level", level];
        dir.refused(
            &arguments,
            &[
                "short.txt",
                "tokens",
                "lower `steps`, hold out a smaller share for validation, or use a longer text",
            ],
        );
    }
}

#[test]
fn a_word_being_typed_is_not_unknown() {
    let dir = TestDir::new();
    dir.train("m.safetensors", &["--level", "word"]);
    assert_eq!(dir.ok(&["suggest", "m.safetensors", "The whe"]).stderr, "");
    assert!(dir.ok(&["suggest", "m.safetensors", "The zebra whe"]).stderr.contains("1 of the text's words"));
    assert!(
        dir.ok(&["suggest", "m.safetensors", "The whe", "--tokens"]).stderr.contains("1 of the text's words")
    );
}
