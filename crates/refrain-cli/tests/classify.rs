//! Training a classifier, and all commands that use it.

mod common;

use common::{CliOutput, TestDir};
use serde_json::Value;
use std::process::Stdio;

/// Options that keep training short.
const TINY: [&str; 8] = ["--units", "16", "--embedding", "8", "--batch", "16", "--lr", "0.02"];

/// Days and months, each alone and after another word.
fn words() -> Vec<(&'static str, String)> {
    let days = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let months = ["january", "february", "april", "august", "september", "october", "november", "december"];
    let around = ["", "on ", "this ", "that ", "next ", "last "];
    let mut all = Vec::new();
    for before in around {
        all.extend(days.iter().map(|day| ("day", format!("{before}{day}"))));
        all.extend(months.iter().map(|month| ("month", format!("{before}{month}"))));
    }
    all
}

fn table() -> String {
    words().iter().map(|(label, text)| format!("{label}\t{text}\n")).collect()
}

/// Returns a folder with the same texts in `words.tsv` and in the folder `words`.
fn dir() -> TestDir {
    let dir = TestDir::new();
    dir.write("words.tsv", table());
    std::fs::create_dir(dir.file("words")).unwrap();
    for label in ["day", "month"] {
        let lines = words().into_iter().filter(|(l, _)| *l == label);
        dir.write(&format!("words/{label}.txt"), lines.map(|(_, text)| text + "\n").collect::<String>());
    }
    dir.write("words/README.md", "not a label");
    dir
}

fn train(dir: &TestDir, options: &[&str]) -> CliOutput {
    let all = [&["--json", "train", "classify"], options, &TINY, &["--out", "m.safetensors"]].concat();
    dir.ok(&all)
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is not a number"))
}

#[test]
fn evaluate_prints_the_same_figures_as_training() {
    let dir = dir();
    for (data, level) in [("words.tsv", "char"), ("words", "word")] {
        let output = train(&dir, &[data, "--level", level, "--epochs", "6", "--validation", "0.3"]);
        let done = output.event("done");
        let score =
            dir.ok(&["--json", "evaluate", "m.safetensors", data, "--validation", "0.3"]).event("result");
        for metric in ["loss", "accuracy", "macro_f1", "texts", "labels", "classes", "confusion"] {
            assert_eq!(score[metric], done[format!("val_{metric}")], "{metric}");
        }
        let best = done["best_epoch"].as_u64().unwrap() as usize;
        let epoch = &output.events("epoch")[best - 1];
        for metric in ["loss", "accuracy", "macro_f1"] {
            assert_eq!(score[metric], epoch[format!("val_{metric}")], "{metric}");
        }
        let matrix = score["confusion"].as_array().unwrap().clone();
        let counted: u64 =
            matrix.iter().flat_map(|row| row.as_array().unwrap()).map(|n| n.as_u64().unwrap()).sum();
        // Three tenths of 42 days and 48 months.
        assert_eq!((counted, &score["texts"]), (13 + 14, &27.into()));
        let all = dir.ok(&["--json", "evaluate", "m.safetensors", data]).event("result");
        assert_eq!(all["texts"], 90);
    }
}

#[test]
fn a_folder_a_table_and_stdin_are_equivalent() {
    let dir = dir();
    // In the order of the folder's files.
    let mut lines: Vec<_> = words();
    lines.sort_by_key(|(label, _)| *label);
    let sorted: String = lines.iter().map(|(label, text)| format!("{label}\t{text}\r\n")).collect();
    dir.write("sorted.tsv", format!("\u{feff}{sorted}"));
    let mut files = Vec::new();
    for data in ["words", "sorted.tsv"] {
        train(&dir, &[data, "--epochs", "1"]);
        files.push(dir.read("m.safetensors"));
    }
    let arguments =
        [&["train", "classify", "-", "--epochs", "1", "--out", "m.safetensors"], &TINY[..]].concat();
    assert_eq!(dir.piped(&arguments, sorted.as_bytes()).code, 0);
    files.push(dir.read("m.safetensors"));
    assert!(files[0] == files[1] && files[0] == files[2]);
}

#[test]
fn texts_are_labelled_from_the_command_line_and_from_stdin() {
    let dir = dir();
    train(&dir, &["words.tsv", "--epochs", "15"]);
    let output = dir.ok(&["--json", "classify", "m.safetensors", "next monday", "february", "--top", "1"]);
    let results = output.events("result");
    assert_eq!((results.len(), &results[0]["text"]), (2, &"next monday".into()));
    for (result, label) in results.iter().zip(["day", "month"]) {
        let labels = result["labels"].as_array().unwrap();
        assert_eq!((labels.len(), &labels[0]["label"]), (1, &label.into()));
        assert!(number(&labels[0]["probability"]) > 0.5);
    }
    let piped = ["--json", "classify", "m.safetensors", "-", "--top", "1"];
    assert_eq!(dir.piped(&piped, b"next monday\r\nfebruary\n").stdout, output.stdout);

    let shown = dir.ok(&["classify", "m.safetensors", "last friday"]).stdout;
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!((lines.len(), lines[0]), (3, "last friday"));
    assert!(lines[1].ends_with(" %  day") && lines[2].ends_with(" %  month"), "{shown}");
    let odd = dir.ok(&["classify", "m.safetensors", "ΩΩ"]);
    assert!(odd.stderr.contains("does not know 2 of the text's characters"), "{}", odd.stderr);
}

#[test]
fn a_person_reads_epochs_scores_and_the_matrix() {
    let dir = dir();
    let options = ["train", "classify", "words", "--epochs", "2", "--max-length", "10"];
    let output = dir.ok(&[&options[..], &TINY].concat());
    for phrase in
        ["texts are longer than 10 characters", "epoch 2/2  loss", "val_loss", "macro-F1", "81 for training"]
    {
        assert!(output.stderr.contains(phrase), "no `{phrase}` in {}", output.stderr);
    }
    for phrase in ["label  precision  recall", "rows: true label", "refrain classify model.safetensors"] {
        assert!(output.stdout.contains(phrase), "no `{phrase}` in {}", output.stdout);
    }
    let scored = dir.ok(&["evaluate", "model.safetensors", "words", "--validation", "0.1"]);
    let table = |text: &str| {
        text[text.find("label  precision").unwrap()..].lines().take(7).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(table(&scored.stdout), table(&output.stdout));
    let quiet = dir.ok(&[&["-q"], &options[..], &TINY].concat());
    assert_eq!((&quiet.stdout[..], &quiet.stderr[..]), ("", ""));
}

#[test]
fn the_same_seed_gives_the_same_file_and_info_describes_it() {
    let dir = dir();
    let mut files = Vec::new();
    for threads in ["1", "3"] {
        train(&dir, &["words.tsv", "--epochs", "2", "--threads", threads, "--class-weight", "balanced"]);
        files.push(dir.read("m.safetensors"));
    }
    assert!(files[0] == files[1]);
    let info = dir.ok(&["--json", "info", "m.safetensors"]).event("result");
    assert_eq!((&info["task"], &info["level"]), (&"classify".into(), &"char".into()));
    assert_eq!(info["labels"], serde_json::json!(["day", "month"]));
    let recipe = &info["training"]["recipe"];
    assert_eq!((&recipe["class_weight"], &recipe["reader"]["units"]), (&"balanced".into(), &16.into()));
    let shown = dir.ok(&["info", "m.safetensors"]).stdout;
    assert!(shown.contains("2 labels: day, month") && shown.contains("level char"), "{shown}");
}

#[test]
fn a_validation_file_is_scored_and_nothing_is_held_out() {
    let dir = dir();
    dir.write("other.tsv", "day\tsome friday\nmonth\tsome october\n");
    let output = train(&dir, &["words.tsv", "--epochs", "2", "--validation-file", "other.tsv"]);
    let start = output.event("start");
    assert_eq!((&start["texts"], &start["validation_texts"]), (&90.into(), &2.into()));
    let score = dir.ok(&["--json", "evaluate", "m.safetensors", "other.tsv"]).event("result");
    assert_eq!(score["loss"], output.event("done")["val_loss"]);
    let none = train(&dir, &["words.tsv", "--epochs", "1", "--validation", "0.001"]);
    assert!(none.stderr.contains("nothing is validated"), "{}", none.stderr);
    std::fs::remove_file(dir.file("m.safetensors")).unwrap();
    let none = train(&dir, &["words.tsv", "--epochs", "1", "--validation", "0"]);
    assert_eq!(none.stderr, "");
    assert!(
        none.event("done").get("val_loss").is_none() && none.events("epoch")[0].get("val_loss").is_none()
    );
}

#[test]
fn wrong_input_is_rejected_first() {
    let dir = dir();
    let cases: [(&str, &[u8], &[&str]); 9] = [
        ("plain.tsv", b"day\tmonday\n\njust a line\n", &["plain.tsv, line 3", "`just a line` has no tab"]),
        ("three.tsv", b"day\tmonday\tx\n", &["three.tsv, line 1", "2 tabs"]),
        ("label.tsv", b"\tmonday\n", &["label.tsv, line 1", "label is empty"]),
        ("text.tsv", b"day\t\n", &["text.tsv, line 1", "text is empty"]),
        ("one.tsv", b"day\tmonday\nday\tfriday\n", &["one.tsv", "only `day`", "at least two labels"]),
        (
            "rare.tsv",
            b"label\ttext\nday\ta\nday\tb\nmonth\ta\nmonth\tb\n",
            &["`label` has 1 text", "heading"],
        ),
        ("latin.tsv", b"day\tcaf\xe9\n", &["latin.tsv is not UTF-8", "offset 7"]),
        ("empty.tsv", b"", &["empty.tsv: no labelled texts found"]),
        ("blank.tsv", b"\n \n", &["blank.tsv: no labelled texts found"]),
    ];
    for (name, bytes, _) in cases {
        dir.write(name, bytes);
    }
    std::fs::create_dir(dir.file("nothing")).unwrap();
    let before = dir.names();
    for (name, _, phrases) in cases {
        dir.refused(&["train", "classify", name], phrases);
    }
    dir.refused(&["train", "classify", "nothing"], &["folder nothing", "no .txt or .txt.gz file"]);
    dir.refused(&["train", "classify", "nowhere.tsv"], &["nowhere.tsv", "file not found"]);
    dir.refused(&["train", "classify"], &["FILE|DIR"]);
    dir.refused(&["train", "classify", "words.tsv", "--out", "words.tsv"], &["overwritten"]);
    dir.refused(&["train", "classify", "words", "--out", "words/day.txt"], &["overwritten"]);
    dir.refused(&["train", "classify", "words", "--out", "nowhere/m"], &["cannot write", "--out"]);
    dir.refused(&["train", "classify", "words", "--min-count", "2"], &["min-count"]);
    for option in ["--units=0", "--max-length=0", "--class-weight=some", "--dropout=1", "--level=rune"] {
        dir.refused(&["train", "classify", "words", option], &["invalid value"]);
    }
    assert_eq!(dir.names(), before);
    dir.write("more.tsv", "year\t2026\n");
    let options = ["train", "classify", "words", "--validation-file", "more.tsv"];
    dir.refused(&options, &["`year`", "day, month"]);
}

#[test]
fn models_only_work_with_the_commands_of_their_task() {
    let dir = dir();
    train(&dir, &["words.tsv", "--epochs", "1"]);
    dir.train("text.safetensors", &[]);
    dir.refused(&["classify", "text.safetensors", "monday"], &["a model for `text`", "train classify"]);
    dir.refused(&["generate", "m.safetensors"], &["a model for `classify`", "train text"]);
    dir.refused(&["evaluate", "m.safetensors", "words", "--stream"], &["--stream", "classifier"]);
    dir.refused(&["evaluate", "m.safetensors", "song.txt"], &["song.txt, line 1", "has no tab"]);
    dir.refused(&["evaluate", "m.safetensors", "words", "--validation", "0.001"], &["90 texts"]);
    dir.refused(&["classify", "m.safetensors", " "], &["text 1 is empty"]);
    dir.refused(&["classify", "m.safetensors"], &["TEXT"]);
}

#[cfg(unix)]
#[test]
fn ctrl_c_does_not_overwrite_the_older_model() {
    use std::io::{BufRead, BufReader, Read};
    let dir = dir();
    train(&dir, &["words", "--epochs", "1"]);
    let older = dir.read("m.safetensors");
    let options = ["--json", "train", "classify", "words", "--epochs", "1000000", "--out", "m.safetensors"];
    let mut child = dir.command(&[&options[..], &TINY].concat()).stdout(Stdio::piped()).spawn().unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("\"epoch\":2") {
        line.clear();
        assert!(reader.read_line(&mut line).unwrap() > 0, "the second epoch never came");
    }
    let signal = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(signal.success());
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let done: Value = serde_json::from_str(rest.lines().last().unwrap()).unwrap();
    assert_eq!((&done["event"], &done["stopped"]), (&"done".into(), &"interrupted".into()));
    assert!(dir.read("m.safetensors") == older, "the older model is kept");
    let saved = done["model"].as_str().unwrap();
    let score = dir.ok(&["--json", "evaluate", saved, "words", "--validation", "0.1"]).event("result");
    assert_eq!(score["loss"], done["val_loss"]);
}
