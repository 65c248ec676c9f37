//! Training a tagger, and all commands that use it.

mod common;

use common::{TestDir, gzip};
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

/// Options that keep training short.
const TINY: [&str; 10] =
    ["--units", "12", "--embedding", "8", "--batch", "8", "--lr", "0.02", "--out", "m.safetensors"];

/// Returns sentences about people and places, whose names differ only by the words before them.
fn sentences() -> Vec<Vec<(String, &'static str)>> {
    let names = ["Ada", "Kurt", "Alan", "Grace", "Emmy", "Paul"];
    let all = (0..90).map(|n: usize| {
        let [one, other] = [names[n % 6], names[(n / 6 + n) % 5]];
        let mut words = vec![(one, "B-PER"), ("saw", "O"), (other, "B-PER")];
        match n % 3 {
            0 => words.extend([("in", "O"), ("New", "B-LOC"), (one, "I-LOC")]),
            1 => words.extend([("near", "O"), (other, "B-LOC"), ("today", "O")]),
            _ => {}
        }
        words
    });
    all.map(|words| words.into_iter().map(|(word, label)| (word.to_owned(), label)).collect()).collect()
}

fn columns() -> String {
    let word = |(word, label): &(String, &str)| format!("{word} NN {label}\n");
    let sentence = |words: &Vec<_>| words.iter().map(word).collect::<String>() + "\n";
    format!("-DOCSTART- -X- O\n\n{}", sentences().iter().map(sentence).collect::<String>())
}

fn slashes() -> String {
    let word = |(word, label): &(String, &str)| format!("{word}/{label}");
    let sentence = |words: &Vec<_>| words.iter().map(word).collect::<Vec<_>>().join(" ") + "\n";
    sentences().iter().map(sentence).collect()
}

fn dir() -> TestDir {
    let dir = TestDir::new();
    dir.write("names.conll", columns());
    dir
}

fn train<'a>(options: &[&'a str]) -> Vec<&'a str> {
    [&["--json", "train", "tag"], options, &TINY].concat()
}

#[test]
fn evaluate_prints_the_same_figures_as_training() {
    let dir = dir();
    let options = ["names.conll", "--epochs", "12", "--validation", "0.2", "--test-file", "names.conll"];
    let output = dir.ok(&train(&options));
    let (start, done) = (output.event("start"), output.event("done"));
    assert_eq!(
        [&start["sentences"], &start["validation_sentences"], &start["test_sentences"], &start["labels"]],
        [&json!(72), &json!(18), &json!(90), &json!(4)]
    );
    let held_out = ["--json", "evaluate", "m.safetensors", "names.conll", "--validation", "0.2"];
    let score = dir.ok(&held_out).event("result");
    for metric in
        ["loss", "accuracy", "macro_f1", "span_f1", "words", "spans", "labels", "classes", "confusion"]
    {
        assert_eq!(score[metric], done[format!("val_{metric}")], "{metric}");
    }
    let best = done["best_epoch"].as_u64().unwrap() as usize;
    for metric in ["loss", "accuracy", "macro_f1", "span_f1"] {
        assert_eq!(score[metric], output.events("epoch")[best - 1][format!("val_{metric}")], "{metric}");
    }
    assert!(score["span_f1"].as_f64().unwrap() > 0.9, "{score}");
    let all = dir.ok(&["--json", "evaluate", "m.safetensors", "names.conll"]).event("result");
    assert_eq!((&all["span_f1"], &all["words"]), (&done["test_span_f1"], &done["test_words"]));

    let shown = dir.ok(&["evaluate", "m.safetensors", "names.conll"]).stdout;
    for line in ["loss      0.", "accuracy  ", "macro-F1  ", "span F1   ", "words     450", "span  precision"]
    {
        assert!(shown.lines().any(|shown| shown.starts_with(line)), "{line} in {shown}");
    }
}

#[test]
fn both_formats_gzip_and_stdin_are_equivalent() {
    let dir = dir();
    let text = slashes();
    dir.write("names.txt", format!("\u{feff}{}", text.replace('\n', "\r\n")));
    dir.write("names.gz", gzip(text.as_bytes()));
    let mut files = Vec::new();
    for data in ["names.conll", "names.txt", "names.gz"] {
        dir.ok(&train(&[data, "--epochs", "1"]));
        files.push(dir.read("m.safetensors"));
    }
    assert_eq!(dir.piped(&train(&["-", "--epochs", "1"]), text.as_bytes()).code, 0);
    files.push(dir.read("m.safetensors"));
    assert!(files.iter().all(|file| *file == files[0]));
}

#[test]
fn words_are_labelled_as_they_arrive() {
    let dir = dir();
    dir.ok(&train(&["names.conll", "--epochs", "20", "--threads", "1"]));
    let line = "Ada saw  Kurt in New Ada";
    let expected = "Ada/B-PER saw/O Kurt/B-PER in/O New/B-LOC Ada/I-LOC\n";
    assert_eq!(dir.ok(&["tag", "m.safetensors", line]).stdout, expected);
    // The output can be used as training and evaluation data.
    let columns = dir.ok(&["tag", "m.safetensors", "--columns", line, "Ada saw Kurt"]).stdout;
    assert_eq!(columns.lines().take(2).collect::<Vec<_>>(), ["Ada\tB-PER", "saw\tO"]);
    dir.write("labelled.conll", &columns);
    let score = dir.ok(&["--json", "evaluate", "m.safetensors", "labelled.conll"]).event("result");
    assert_eq!((&score["accuracy"], &score["words"]), (&json!(1.0), &json!(9)));

    let output = dir.ok(&["--json", "tag", "m.safetensors", line, ""]);
    let results = output.events("result");
    assert_eq!((results.len(), &results[0]["text"], &results[1]["words"]), (2, &line.into(), &json!([])));
    let word = &results[0]["words"][5];
    assert_eq!((&word["word"], &word["label"]), (&"Ada".into(), &"I-LOC".into()));
    assert!(word["probability"].as_f64().unwrap() > 0.5);

    // The labels of a line are printed before the next line arrives.
    let mut command = dir.command(&["tag", "m.safetensors", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    for _ in 0..3 {
        writeln!(stdin, "{line}").unwrap();
        let mut answer = String::new();
        stdout.read_line(&mut answer).unwrap();
        assert_eq!(answer, expected);
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
    // Many waiting lines give the same as single lines.
    let lines = format!("{line}\n\nAda\n").repeat(100);
    let piped = dir.piped(&["tag", "m.safetensors", "-"], lines.as_bytes());
    let one = dir.ok(&["tag", "m.safetensors", "Ada"]).stdout;
    assert_eq!(piped.stdout, format!("{expected}\n{one}").repeat(100));
}

#[test]
fn labels_without_spans_have_no_span_f1() {
    let dir = TestDir::new();
    dir.write("long.txt", "the/short wheel/long goes/long by/short\n".repeat(40));
    let options = ["long.txt", "--epochs", "2", "--csv-log", "log.csv", "--max-length", "9"];
    let output = dir.ok(&train(&options));
    assert!(
        output.stderr.contains("40 sentences are longer than 9 characters and are split"),
        "{}",
        output.stderr
    );
    let epoch = &output.events("epoch")[0];
    assert!(epoch["val_span_f1"].is_null() && epoch["val_macro_f1"].is_f64(), "{epoch}");
    let log = String::from_utf8(dir.read("log.csv")).unwrap();
    let [head, row] = [0, 1].map(|line| log.lines().nth(line).unwrap().split(',').collect::<Vec<_>>());
    let at = head.iter().position(|name| *name == "val_span_f1").unwrap();
    assert_eq!((row[at], row.len()), ("", head.len()));
    let info = dir.ok(&["--json", "info", "m.safetensors"]).event("result");
    assert_eq!((&info["task"], &info["labels"]), (&"tag".into(), &json!(["long", "short"])));
    assert_eq!(info["training"]["recipe"]["reader"]["max_length"], 9);
}

#[test]
fn a_model_is_trained_further_on_other_sentences() {
    let dir = dir();
    dir.ok(&train(&["names.conll", "--epochs", "6", "--cell", "gru"]));
    let loss = |output: &common::CliOutput| output.events("epoch")[0]["loss"].as_f64().unwrap();
    let more =
        ["--json", "train", "tag", "names.conll", "--epochs", "1", "--lr", "0.001", "--out", "n.safetensors"];
    let more = dir.ok(&[&more[..], &["--init", "m.safetensors"]].concat());
    assert_eq!(more.event("start")["recipe"]["reader"]["cell"], "gru");
    assert!(loss(&more) < 0.5, "{}", loss(&more));
    dir.write("other.txt", "Ada/B-PER sings/VERB\n".repeat(9));
    dir.refused(&["train", "tag", "other.txt", "--init", "m.safetensors"], &["other.txt", "`VERB`", "B-LOC"]);
}

#[test]
fn wrong_input_is_rejected_first() {
    let dir = dir();
    for (name, text, phrases) in [
        ("empty.txt", "", &["empty.txt: no labelled words found"][..]),
        ("one.txt", "a/X b/X\n", &["one.txt", "only `X`", "at least two"]),
        ("short.txt", "a X\nb\n", &["short.txt, line 2: `b` has no label", "a word and its label"]),
        ("odd.txt", "a/X b/Y\nc\n", &["odd.txt, line 2: `c` has no label", "as in the first line"]),
        ("zip.txt", "PK\u{3}\u{4}", &["zip.txt is a zip archive", "unpack it first"]),
    ] {
        dir.write(name, text);
        dir.refused(&["train", "tag", name], phrases);
    }
    dir.write("other.txt", "Ada/B-PER sings/VERB\n");
    let test = ["train", "tag", "names.conll", "--test-file", "other.txt"];
    dir.refused(&test, &["in the test data: the label `VERB` is unknown"]);
    std::fs::remove_file(dir.file("other.txt")).unwrap();
    let folder = ["train", "tag", "names.conll", "--out", "new/"];
    dir.refused(&folder, &["cannot write new/: it is not the name of a file"]);
    dir.refused(&["train", "tag", "missing"], &["cannot read missing: file not found"]);
    dir.refused(&["train", "tag", "."], &[". is a folder; expected a file or a pipe"]);
    dir.refused(
        &["train", "tag", "names.conll", "--min-count", "2"],
        &["min-count", "applies to words only"],
    );
    dir.refused(&["train", "tag", "names.conll", "--init", "m", "--units", "3"], &["--units", "--init"]);
    assert_eq!(
        dir.names(),
        ["empty.txt", "names.conll", "odd.txt", "one.txt", "short.txt", "song.txt", "zip.txt"]
    );
}

#[test]
fn cut_words_and_unused_models_are_reported() {
    let dir = dir();
    let output = dir.ok(&train(&["names.conll", "--epochs", "1", "--max-length", "4"]));
    assert!(
        output.stderr.contains("84 words are longer than 4 characters; only the beginning is read"),
        "{}",
        output.stderr
    );
    let warned = dir.ok(&["tag", "m.safetensors", "Ada Babbage"]).stderr;
    assert!(warned.contains("1 word is longer than 4 characters"), "{warned}");
    let output = dir.ok(&train(&["names.conll", "--epochs", "1", "--memory", "9000G"]));
    assert!(output.stderr.contains("--memory allows 9.0 TB, but this machine has"), "{}", output.stderr);

    let checkpoint = ["--checkpoint", "ck", "--checkpoint-every", "2", "--resume", "--epochs", "2"];
    let init = |model| [&["names.conll", "--init", model], &checkpoint[..]].concat();
    std::fs::copy(dir.file("m.safetensors"), dir.file("first.safetensors")).unwrap();
    let options =
        |model| [&["--json", "train", "tag"], &init(model)[..], &["--out", "n.safetensors"]].concat();
    assert!(!dir.ok(&options("first.safetensors")).stderr.contains("did not start"));
    assert!(!dir.ok(&options("first.safetensors")).stderr.contains("did not start"));
    // The run may have replaced the model that it started from.
    dir.ok(&options("n.safetensors"));
    dir.ok(&train(&["names.conll", "--epochs", "1", "--seed", "3"]));
    std::fs::copy(dir.file("m.safetensors"), dir.file("other.safetensors")).unwrap();
    dir.refused(
        &options("other.safetensors")[1..],
        &[
            "the run to resume started from the model with the fingerprint fnv1a-",
            "but other.safetensors has fnv1a-",
        ],
    );
    dir.refused(&options("none.safetensors")[1..], &["none.safetensors"]);
    dir.ok(&train(&["names.conll", "--epochs", "1", "--checkpoint", "new"]));
    let resumed = ["--checkpoint", "new", "--epochs", "1", "--resume", "--init", "other.safetensors"];
    dir.refused(
        &[&["train", "tag", "names.conll", "--out", "x.safetensors"], &resumed[..]].concat(),
        &["the run to resume started from no model, but --init is other.safetensors", "leave out --init"],
    );
}

#[test]
fn models_only_work_with_the_commands_of_their_task() {
    let dir = dir();
    dir.ok(&train(&["names.conll", "--epochs", "1"]));
    dir.train("text.safetensors", &[]);
    dir.refused(&["tag", "text.safetensors", "Ada"], &["a model for `text`", "a tagger", "train tag"]);
    dir.refused(&["classify", "m.safetensors", "Ada"], &["a model for `tag`", "train classify"]);
    dir.refused(&["evaluate", "m.safetensors", "names.conll", "--stream"], &["is a tagger", "--stream"]);
    dir.refused(&["evaluate", "m.safetensors", "names.conll", "--validation", "0.001"], &["90 sentences"]);
    dir.refused(&["tag", "m.safetensors"], &["TEXT"]);
}
