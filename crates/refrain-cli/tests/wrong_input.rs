//! Invalid input is refused before any work, with a helpful message.

mod common;

use common::{CliOutput, TestDir, tiny};
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

fn train(dir: &TestDir, options: &[&str], phrases: &[&str]) {
    dir.refused(&[&["train", "text"], options].concat(), phrases);
}

#[test]
fn texts() {
    let dir = TestDir::new();
    std::fs::create_dir(dir.file("empty")).unwrap();
    dir.write("empty/readme.md", "no text");
    dir.write("none.txt", "");
    dir.write("blank.txt", " \n\n");
    dir.write("word.txt", "hello");
    dir.write("line.txt", "The wheel goes round");
    dir.write("latin.txt", b"caf\xe9 noir");
    let before = dir.names();
    train(&dir, &["nowhere.txt"], &["nowhere.txt", "file not found"]);
    train(&dir, &["empty"], &["folder empty", "no .txt or .txt.gz file"]);
    train(&dir, &["none.txt"], &["none.txt is empty"]);
    train(&dir, &["blank.txt"], &["blank.txt contains only whitespace"]);
    train(&dir, &["latin.txt"], &["latin.txt is not UTF-8", "offset 3", "0xe9"]);
    for level in ["char", "word"] {
        train(&dir, &["word.txt", "--level", level], &["word.txt", "tokens", "at least 65", "lower `steps`"]);
        let tokens = if level == "char" {
            "the training text has 18 tokens"
        } else {
            "the training text has 4 tokens"
        };
        train(
            &dir,
            &["line.txt", "--level", level],
            &["line.txt, without the fraction of 0.1", tokens, "use a longer text"],
        );
    }
    train(
        &dir,
        &["song.txt", "--steps", "2000"],
        &["at least 2001", "song.txt, without the fraction of 0.1 held out"],
    );
    train(&dir, &["song.txt", "--validation-file", "nowhere.txt"], &["nowhere.txt"]);
    train(&dir, &["song.txt", "--validation-file", "none.txt"], &["none.txt is empty"]);
    assert_eq!(dir.names(), before, "nothing is left behind");
}

#[test]
fn options_out_of_range() {
    let dir = TestDir::new();
    for (option, value) in [
        ("--units", "0"),
        ("--units", "99999999999"),
        ("--units", "many"),
        ("--layers", "0"),
        ("--embedding", "0"),
        ("--batch", "0"),
        ("--steps", "0"),
        ("--epochs", "0"),
        ("--lr", "0"),
        ("--lr", "-1"),
        ("--lr", "nan"),
        ("--lr", "inf"),
        ("--clip", "-1"),
        ("--dropout", "1"),
        ("--dropout", "-0.1"),
        ("--recurrent-dropout", "1"),
        ("--validation", "1"),
        ("--min-count", "0"),
        ("--seed", "-1"),
        ("--level", "letter"),
        ("--cell", "transformer"),
        ("--schedule", "never"),
        ("--optimizer", "magic"),
        ("--threads", "0"),
    ] {
        // With `=`, because a negative number would be read as an option.
        let option = format!("{option}={value}");
        train(&dir, &["song.txt", &option], &["invalid value", value]);
    }
    train(
        &dir,
        &["song.txt", "--validation", "0.1", "--validation-file", "song.txt"],
        &["cannot be used with"],
    );
    train(&dir, &["song.txt", "--speed", "9"], &["--speed"]);
    dir.refused(&["train", "image", "song.txt"], &["image"]);
    dir.refused(&["evaluate", "m.safetensors"], &["DATA"]);
    for option in [
        "--temperature=-1",
        "--temperature=nan",
        "--top-k=0",
        "--top-p=0",
        "--top-p=1.5",
        "--length=-1",
        "--repetition-penalty=0.9",
        "--repetition-window=0",
        "--length-penalty=-1",
    ] {
        dir.refused(&["generate", "m.safetensors", option], &["invalid value"]);
    }
    let generate = |options: &[&str], phrases: &[&str]| {
        dir.refused(&[&["generate", "m.safetensors"], options].concat(), phrases);
    };
    generate(&["--stop="], &["--stop", "value"]);
    generate(&["--greedy", "--top-k", "3"], &["--greedy", "--top-k"]);
    generate(&["--greedy", "--temperature", "0.5"], &["--greedy", "--temperature"]);
    // Options without effect are refused.
    generate(&["--repetition-window", "9"], &["--repetition-penalty"]);
    generate(&["--beam", "2", "--length-penalty", "1"], &["--stop"]);
    generate(&["--stop", "x", "--length-penalty", "1"], &["--beam"]);
    dir.refused(&["suggest", "m.safetensors"], &["TEXT"]);
    dir.refused(&["suggest", "m.safetensors", "x", "--top", "0"], &["invalid value"]);
    for share in ["0", "1", "x"] {
        dir.refused(&["evaluate", "m.safetensors", "song.txt", "--validation", share], &["fraction above 0"]);
    }
}

#[test]
fn an_unknown_instruction_set() {
    let dir = TestDir::new();
    let output = CliOutput::new(dir.command(&["info", "m"]).env("REFRAIN_ISA", "z80").output().unwrap());
    assert_eq!(output.code, 2);
    output.says_error(&["REFRAIN_ISA is `z80`", "portable"]);
}

#[test]
fn model_files() {
    let dir = TestDir::new();
    dir.train("m.safetensors", &[]);
    let whole = dir.read("m.safetensors");
    for at in [0, 7, 100, whole.len() / 2, whole.len() - 1] {
        dir.write("cut.safetensors", &whole[..at]);
        dir.refused(&["info", "cut.safetensors"], &["cut.safetensors is not a model", "cut off"]);
    }
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    dir.write("damaged.safetensors", damaged);
    let commands: [&[&str]; 4] = [&["info"], &["generate"], &["suggest"], &["evaluate"]];
    for command in commands {
        let rest: &[&str] = match command {
            ["suggest"] => &["text"],
            ["evaluate"] => &["song.txt"],
            _ => &[],
        };
        let with = |model| [command, &[model], rest].concat();
        dir.refused(&with("damaged.safetensors"), &["damaged", "digest"]);
        dir.refused(&with("song.txt"), &["song.txt is not a model"]);
        dir.refused(&with("nowhere.safetensors"), &["nowhere.safetensors", "file not found"]);
        dir.refused(&with("."), &["is a folder"]);
    }
    train(&dir, &["song.txt", "--init", "song.txt"], &["song.txt is not a model"]);
}

#[test]
fn texts_to_evaluate() {
    let dir = TestDir::new();
    dir.train("m.safetensors", &["--level", "word"]);
    dir.write("word.txt", "wheel");
    dir.refused(&["evaluate", "m.safetensors", "word.txt"], &["word.txt", "1 token"]);
    dir.refused(&["evaluate", "m.safetensors", "nowhere.txt"], &["nowhere.txt", "file not found"]);
    dir.refused(&["evaluate", "m.safetensors", "song.txt", "--validation", "0.00001"], &["song.txt"]);
}

#[test]
fn unwritable_paths_are_found_before_training() {
    let dir = TestDir::new();
    std::fs::create_dir(dir.file("folder")).unwrap();
    let before = dir.names();
    for out in ["nowhere/m.safetensors", "folder", "song.txt/m.safetensors", "/proc/m.safetensors"] {
        let output = dir.run(&tiny(&["--json", "train", "text", "song.txt", "--out", out]));
        assert_eq!(output.code, 2, "{out}: {}", output.stderr);
        output.says_error(&["cannot write", out, "--out"]);
        assert!(output.events("start").is_empty(), "{out}: training started");
    }
    train(&dir, &["song.txt", "--out", "./song.txt"], &["song.txt", "overwritten"]);
    assert_eq!(dir.names(), before);
    assert_eq!(dir.read("song.txt"), common::SONG.as_bytes());
}

/// A model is renamed into place, which would replace a device if the user may write to /dev.
#[test]
#[cfg(unix)]
fn special_files_are_not_replaced() {
    let dir = TestDir::new();
    assert!(std::process::Command::new("mkfifo").arg(dir.file("pipe")).status().unwrap().success());
    let before = dir.names();
    train(&dir, &["song.txt", "--out", "pipe"], &["cannot write pipe", "not a regular file"]);
    assert_eq!(dir.names(), before);
    assert!(!dir.file("pipe").metadata().unwrap().is_file());
}

#[test]
fn failed_training_keeps_the_old_model() {
    let dir = TestDir::new();
    dir.train("m.safetensors", &[]);
    let (before, names) = (dir.read("m.safetensors"), dir.names());
    let options =
        ["--out", "m.safetensors", "--lr", "1e300", "--clip", "0", "--optimizer", "sgd", "--epochs", "9"];
    let output = dir.run(&tiny(&[&["--json", "train", "text", "song.txt"], &options[..]].concat()));
    assert_eq!(output.code, 1, "{}", output.stderr);
    let error = output.event("error")["message"].as_str().unwrap().to_owned();
    assert!(["loss became", "learning rate"].iter().all(|phrase| error.contains(phrase)), "{error}");
    assert!(output.stderr.contains(&format!("\nerror: {error}")), "{}", output.stderr);
    assert!(output.events("done").is_empty());
    assert_eq!((dir.read("m.safetensors"), dir.names()), (before, names));
}

#[test]
fn a_write_error_at_the_end_saves_the_model_elsewhere() {
    let dir = TestDir::new();
    for folder in ["out", "fallback"] {
        std::fs::create_dir(dir.file(folder)).unwrap();
    }
    let options = ["--json", "train", "text", "song.txt", "--out", "out/m.safetensors", "--epochs", "200"];
    let mut command = dir.command(&tiny(&options));
    // The folders for temporary files on Unix and on Windows.
    command.env("TMPDIR", dir.file("fallback")).env("TMP", dir.file("fallback"));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    lines.read_line(&mut first).unwrap();
    assert!(first.contains("\"start\""), "{first}");
    std::fs::remove_dir(dir.file("out")).unwrap();
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    let output = CliOutput::new(child.wait_with_output().unwrap());
    assert_eq!(output.code, 1, "{}", output.stderr);
    output.says_error(&["cannot write out/m.safetensors", "instead"]);
    assert!(rest.contains("\"event\":\"error\""));
    let lines: Vec<serde_json::Value> =
        rest.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let done = lines.iter().find(|line| line["event"] == "done").unwrap();
    let model = done["model"].as_str().unwrap();
    assert!(std::path::Path::new(model).starts_with(dir.file("fallback")), "{model}");
    dir.ok(&["info", model]);
}
