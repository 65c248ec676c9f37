//! Invalid input is refused before any work, with a helpful message.

mod common;

use common::{Place, Ran, tiny};
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

fn train(place: &Place, options: &[&str], phrases: &[&str]) {
    place.refused(&[&["train", "text"], options].concat(), phrases);
}

#[test]
fn texts() {
    let place = Place::new();
    std::fs::create_dir(place.file("empty")).unwrap();
    place.write("empty/readme.md", "no text");
    place.write("none.txt", "");
    place.write("blank.txt", " \n\n");
    place.write("word.txt", "hello");
    place.write("line.txt", "The wheel goes round");
    place.write("latin.txt", b"caf\xe9 noir");
    let before = place.names();
    train(&place, &["nowhere.txt"], &["nowhere.txt", "file not found"]);
    train(&place, &["empty"], &["folder empty", "no .txt or .txt.gz file"]);
    train(&place, &["none.txt"], &["none.txt is empty"]);
    train(&place, &["blank.txt"], &["blank.txt contains only whitespace"]);
    train(&place, &["latin.txt"], &["latin.txt is not UTF-8", "offset 3", "0xe9"]);
    for level in ["char", "word"] {
        train(
            &place,
            &["word.txt", "--level", level],
            &["word.txt", "tokens", "at least 65", "lower `steps`"],
        );
        let tokens = if level == "char" { "the text has 18 tokens" } else { "the text has 4 tokens" };
        train(
            &place,
            &["line.txt", "--level", level],
            &["line.txt, without the fraction of 0.1", tokens, "use a longer text"],
        );
    }
    train(
        &place,
        &["song.txt", "--steps", "2000"],
        &["at least 2001", "song.txt, without the fraction of 0.1 held out"],
    );
    train(&place, &["song.txt", "--validation-file", "nowhere.txt"], &["nowhere.txt"]);
    train(&place, &["song.txt", "--validation-file", "none.txt"], &["none.txt is empty"]);
    assert_eq!(place.names(), before, "nothing is left behind");
}

#[test]
fn options_out_of_range() {
    let place = Place::new();
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
        train(&place, &["song.txt", &option], &["invalid value", value]);
    }
    train(
        &place,
        &["song.txt", "--validation", "0.1", "--validation-file", "song.txt"],
        &["cannot be used with"],
    );
    train(&place, &["song.txt", "--speed", "9"], &["--speed"]);
    place.refused(&["train", "image", "song.txt"], &["image"]);
    place.refused(&["evaluate", "m.safetensors"], &["DATA"]);
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
        place.refused(&["generate", "m.safetensors", option], &["invalid value"]);
    }
    let generate = |options: &[&str], phrases: &[&str]| {
        place.refused(&[&["generate", "m.safetensors"], options].concat(), phrases);
    };
    generate(&["--stop="], &["--stop", "value"]);
    generate(&["--greedy", "--top-k", "3"], &["--greedy", "--top-k"]);
    generate(&["--greedy", "--temperature", "0.5"], &["--greedy", "--temperature"]);
    // Options without effect are refused.
    generate(&["--repetition-window", "9"], &["--repetition-penalty"]);
    generate(&["--beam", "2", "--length-penalty", "1"], &["--stop"]);
    generate(&["--stop", "x", "--length-penalty", "1"], &["--beam"]);
    place.refused(&["suggest", "m.safetensors"], &["TEXT"]);
    place.refused(&["suggest", "m.safetensors", "x", "--top", "0"], &["invalid value"]);
    for share in ["0", "1", "x"] {
        place.refused(
            &["evaluate", "m.safetensors", "song.txt", "--validation", share],
            &["fraction above 0"],
        );
    }
}

#[test]
fn an_unknown_instruction_set() {
    let place = Place::new();
    let ran = Ran::new(place.command(&["info", "m"]).env("REFRAIN_ISA", "z80").output().unwrap());
    assert_eq!(ran.code, 2);
    ran.says_error(&["REFRAIN_ISA is `z80`", "portable"]);
}

#[test]
fn model_files() {
    let place = Place::new();
    place.train("m.safetensors", &[]);
    let whole = place.read("m.safetensors");
    for at in [0, 7, 100, whole.len() / 2, whole.len() - 1] {
        place.write("cut.safetensors", &whole[..at]);
        place.refused(&["info", "cut.safetensors"], &["cut.safetensors is not a model", "cut off"]);
    }
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    place.write("damaged.safetensors", damaged);
    let commands: [&[&str]; 4] = [&["info"], &["generate"], &["suggest"], &["evaluate"]];
    for command in commands {
        let rest: &[&str] = match command {
            ["suggest"] => &["text"],
            ["evaluate"] => &["song.txt"],
            _ => &[],
        };
        let with = |model| [command, &[model], rest].concat();
        place.refused(&with("damaged.safetensors"), &["damaged", "digest"]);
        place.refused(&with("song.txt"), &["song.txt is not a model"]);
        place.refused(&with("nowhere.safetensors"), &["nowhere.safetensors", "file not found"]);
        place.refused(&with("."), &["is a folder"]);
    }
    train(&place, &["song.txt", "--init", "song.txt"], &["song.txt is not a model"]);
}

#[test]
fn texts_to_evaluate() {
    let place = Place::new();
    place.train("m.safetensors", &["--level", "word"]);
    place.write("word.txt", "wheel");
    place.refused(&["evaluate", "m.safetensors", "word.txt"], &["word.txt", "1 token"]);
    place.refused(&["evaluate", "m.safetensors", "nowhere.txt"], &["nowhere.txt", "file not found"]);
    place.refused(&["evaluate", "m.safetensors", "song.txt", "--validation", "0.00001"], &["song.txt"]);
}

#[test]
fn places_that_cannot_be_written_are_found_before_training() {
    let place = Place::new();
    std::fs::create_dir(place.file("folder")).unwrap();
    let before = place.names();
    for out in ["nowhere/m.safetensors", "folder", "song.txt/m.safetensors", "/proc/m.safetensors"] {
        let ran = place.run(&tiny(&["--json", "train", "text", "song.txt", "--out", out]));
        assert_eq!(ran.code, 2, "{out}: {}", ran.stderr);
        ran.says_error(&["cannot write", out, "--out"]);
        assert!(ran.events("start").is_empty(), "{out}: training started");
    }
    train(&place, &["song.txt", "--out", "./song.txt"], &["song.txt", "overwritten"]);
    assert_eq!(place.names(), before);
    assert_eq!(place.read("song.txt"), common::SONG.as_bytes());
}

/// A model is renamed into place, which would replace a device if the user may write to /dev.
#[test]
#[cfg(unix)]
fn what_is_not_an_ordinary_file_is_not_replaced() {
    let place = Place::new();
    assert!(std::process::Command::new("mkfifo").arg(place.file("pipe")).status().unwrap().success());
    let before = place.names();
    train(&place, &["song.txt", "--out", "pipe"], &["cannot write pipe", "not a regular file"]);
    assert_eq!(place.names(), before);
    assert!(!place.file("pipe").metadata().unwrap().is_file());
}

#[test]
fn a_training_that_fails_leaves_the_old_model() {
    let place = Place::new();
    place.train("m.safetensors", &[]);
    let (before, names) = (place.read("m.safetensors"), place.names());
    let options =
        ["--out", "m.safetensors", "--lr", "1e300", "--clip", "0", "--optimizer", "sgd", "--epochs", "9"];
    let ran = place.run(&tiny(&[&["--json", "train", "text", "song.txt"], &options[..]].concat()));
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    ran.says_error(&["loss became", "learning rate"]);
    assert!(ran.event("error")["message"].as_str().unwrap().contains("loss became"));
    assert!(ran.events("done").is_empty());
    assert_eq!((place.read("m.safetensors"), place.names()), (before, names));
}

#[test]
fn a_disk_that_fails_at_the_end_is_told_and_the_model_saved_elsewhere() {
    let place = Place::new();
    for folder in ["out", "refuge"] {
        std::fs::create_dir(place.file(folder)).unwrap();
    }
    let options = ["--json", "train", "text", "song.txt", "--out", "out/m.safetensors", "--epochs", "200"];
    let mut command = place.command(&tiny(&options));
    // The folders for temporary files on Unix and on Windows.
    command.env("TMPDIR", place.file("refuge")).env("TMP", place.file("refuge"));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    lines.read_line(&mut first).unwrap();
    assert!(first.contains("\"start\""), "{first}");
    std::fs::remove_dir(place.file("out")).unwrap();
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    let ran = Ran::new(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    ran.says_error(&["cannot write out/m.safetensors", "instead"]);
    assert!(rest.contains("\"event\":\"error\""));
    let lines: Vec<serde_json::Value> =
        rest.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let done = lines.iter().find(|line| line["event"] == "done").unwrap();
    let model = done["model"].as_str().unwrap();
    assert!(std::path::Path::new(model).starts_with(place.file("refuge")), "{model}");
    place.ok(&["info", model]);
}
