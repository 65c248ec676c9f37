//! What training reports about memory, and what it refuses.

mod common;

use common::{TestDir, tiny};

/// Returns the options that an error suggests, each of which would fit on its own.
fn suggested(message: &str) -> Vec<[String; 2]> {
    let parts = message.split('`').collect::<Vec<_>>();
    let options = parts.windows(2).filter(|pair| pair[1].starts_with(" would need"));
    let words = options.filter_map(|pair| pair[0].split_once(' '));
    words.map(|(option, value)| [option.to_owned(), value.to_owned()]).collect()
}

/// Runs a command line, then again with a little less memory than it reported, which must be refused, and then with
/// each suggested option.
fn follow(dir: &TestDir, arguments: &[&str], options: &[&str]) {
    let start = dir.ok(&[&["--json"], arguments].concat()).event("start");
    // Lower by more than the rounding of numbers in messages.
    let limit = (start["memory"]["total"].as_u64().unwrap() * 9 / 10).to_string();
    let too_large = [arguments, &["--memory", &limit]].concat();
    dir.refused(&too_large, &["the run needs ", ", but may use at most ", "is the limit set with --memory"]);
    let ways = suggested(&dir.run(&too_large).stderr);
    for option in options {
        assert!(ways.iter().any(|way| way[0] == *option), "no {option} in {ways:?}");
    }
    for [option, value] in ways {
        let mut all = too_large.clone();
        if let Some(at) = all.iter().position(|argument| *argument == option) {
            all.drain(at..at + 2);
        }
        all.extend([&*option, &*value]);
        dir.ok(&all);
    }
}

#[test]
fn a_too_large_language_model_is_rejected_with_suggestions_that_fit() {
    let dir = TestDir::new();
    let text = tiny(&["train", "text", "song.txt", "--units", "256", "--layers", "2", "--embedding", "64"]);
    follow(&dir, &text, &["--units", "--layers"]);
}

#[test]
fn word_models_and_continued_models_get_fitting_suggestions() {
    let dir = TestDir::new();
    // One word is frequent, so that a smaller vocabulary knows some of the held-out ones.
    let words: String = (0..12_000)
        .map(|i| if i % 20 == 0 { "often ".to_owned() } else { format!("w{} ", i % 4_001) })
        .collect();
    dir.write("words.txt", words);
    let of_words = ["train", "text", "words.txt", "--level", "word", "--embedding", "64", "--batch", "200"];
    follow(&dir, &tiny(&of_words), &["--vocab", "--embedding"]);
    let init = ["--epochs", "1", "--out", "on.safetensors", "--init", "model.safetensors", "--steps", "64"];
    let on = [&["train", "text", "words.txt", "--batch", "180"], &init[..]].concat();
    follow(&dir, &on, &["--batch"]);
}

#[test]
fn a_too_large_classifier_is_rejected_with_suggestions_that_fit() {
    let dir = TestDir::new();
    let lines: String =
        (0..40).map(|i| format!("{}\t{}\n", ["a", "b"][i % 2], "xyz ".repeat(20 + i))).collect();
    dir.write("labels.tsv", lines);
    let labels = ["train", "classify", "labels.tsv", "--epochs", "1", "--units", "64", "--embedding", "16"];
    follow(&dir, &labels, &["--batch", "--max-length", "--units"]);
}

#[test]
fn a_too_large_tagger_is_rejected_with_suggestions_that_fit() {
    let dir = TestDir::new();
    dir.write(
        "tagged.txt",
        "the/short wheel/long goes/short round/long and/short the/short day/short\n".repeat(99),
    );
    let tag = ["train", "tag", "tagged.txt", "--epochs", "1", "--units", "64", "--embedding", "16"];
    follow(&dir, &tag, &["--batch", "--units"]);
}

#[test]
fn a_limit_that_is_too_small_is_reported() {
    let dir = TestDir::new();
    let nothing = "even the smallest settings tried would need 13";
    dir.refused(&tiny(&["train", "text", "song.txt", "--memory", "1M"]), &[nothing]);
}

/// Its parameters alone need hundreds of gigabytes: allocating any of them would kill the process.
#[test]
fn a_huge_model_is_rejected_before_allocating() {
    let dir = TestDir::new();
    let giant = [
        "train", "text", "song.txt", "--steps", "16", "--units", "16384", "--layers", "64", "--memory", "8G",
    ];
    dir.refused(&giant, &["the run needs 4.9 TB (checkpoint 1.6 TB", "but may use at most 8.0 GB"]);
}

#[test]
fn sizes_are_read_with_their_units() {
    let dir = TestDir::new();
    for wrong in ["nonsense", "8X", "-1G", "0", "", "1e400G"] {
        dir.refused(
            &["train", "text", "song.txt", &format!("--memory={wrong}")],
            &["expected a size such as 500M"],
        );
    }
    for size in ["1000000000", "1e9", "1g", "1GB", "1GiB", "1000000k", "0.001T"] {
        dir.ok(&tiny(&["train", "text", "song.txt", "--memory", size]));
    }
}

#[test]
fn the_memory_of_a_run_is_shown_at_the_start_and_by_info() {
    let dir = TestDir::new();
    let total = |memory: &serde_json::Value| memory["total"].as_u64().unwrap();
    let start = dir.train("model.safetensors", &[]).event("start");
    assert!(total(&start["memory"]) > 1_000_000, "{start}");
    let info = dir.ok(&["--json", "info", "model.safetensors"]).event("result");
    let (run, train) = (total(&info["memory"]["run"]), total(&info["memory"]["train"]["memory"]));
    // The file does not record how many tokens were held in memory and scored.
    let ratio = train as f64 / total(&start["memory"]) as f64;
    assert!(0 < run && run < train && (0.98..1.02).contains(&ratio), "{ratio}: {info}");
    let told = dir.ok(&["info", "model.safetensors"]).stdout;
    let line = told.lines().find(|line| line.starts_with("memory: ")).unwrap();
    assert!(
        line.contains("to run one sequence step by step, ")
            && line.contains("to train with batch 1 x 16 steps"),
        "{line}"
    );
    let told = dir.ok(&tiny(&["train", "text", "song.txt"])).stderr;
    assert!(told.lines().any(|line| line.starts_with("memory    ")), "{told}");
}
