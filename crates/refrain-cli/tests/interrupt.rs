//! Ctrl-C, SIGTERM and SIGHUP.
#![cfg(unix)]

mod common;

use common::{CliOutput, TestDir, tiny};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

/// More epochs than any test has time for.
const ENDLESS: [&str; 2] = ["--epochs", "1000000"];

/// Starts a training run, and signals it after an event.
fn interrupted(dir: &TestDir, name: &str, after: &str, more: &[&str]) -> (CliOutput, Vec<String>) {
    let options = ["--json", "train", "text", "song.txt", "--out", "m.safetensors"];
    let options = [&options[..], more].concat();
    let mut child =
        dir.command(&tiny(&options)).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains(after) {
        line.clear();
        assert!(reader.read_line(&mut line).unwrap() > 0, "{after} never came");
    }
    signal(&child, name);
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    let output = CliOutput::new(child.wait_with_output().unwrap());
    (output, rest.lines().map(str::to_owned).collect())
}

#[test]
fn the_model_is_saved_and_the_exit_code_names_the_signal() {
    let hang_up = cfg!(target_os = "linux").then_some(("-HUP", 129));
    for (name, code) in [("-INT", 130), ("-TERM", 143)].into_iter().chain(hang_up) {
        let dir = TestDir::new();
        dir.train("m.safetensors", &[]);
        let older = dir.read("m.safetensors");
        let (output, rest) = interrupted(&dir, name, "\"epoch\":2", &ENDLESS);
        assert_eq!(output.code, code, "{}", output.stderr);
        let done: serde_json::Value = serde_json::from_str(rest.last().unwrap()).unwrap();
        assert_eq!((&done["event"], &done["stopped"]), (&"done".into(), &"interrupted".into()));
        assert!(done["epochs"].as_u64().unwrap() >= 2);
        let saved = done["model"].as_str().unwrap();
        let score = ["--json", "evaluate", saved, "song.txt", "--validation", "0.1"];
        assert_eq!(dir.ok(&score).event("result")["loss"], done["val_loss"]);
        assert_eq!(dir.names(), ["m.safetensors", "m.safetensors.checkpoint", "song.txt"]);
        assert!(dir.read("m.safetensors") == older, "the older model is kept");
    }
}

#[test]
fn weights_are_saved_before_the_end_of_the_first_epoch() {
    let dir = TestDir::new();
    dir.write("song.txt", common::SONG.repeat(2000));
    let often = ["--checkpoint", "ck", "--checkpoint-every", "1", "--epochs", "1000000"];
    let (output, rest) = interrupted(&dir, "-INT", "\"event\":\"checkpoint\"", &often);
    assert_eq!(output.code, 130, "{}", output.stderr);
    assert!(rest.last().unwrap().contains("\"best_epoch\":0"), "{rest:?}");
    dir.ok(&["info", "ck/model.safetensors"]);
}

#[test]
fn a_run_interrupted_twice_leaves_only_its_model() {
    let dir = TestDir::new();
    dir.write("song.txt", common::SONG.repeat(500));
    let epochs = ["--epochs", "30", "--resume"];
    for after in ["\"epoch\":2", "\"epoch\":5"] {
        let (output, _) = interrupted(&dir, "-INT", after, &epochs);
        assert_eq!(output.code, 130, "{}", output.stderr);
        assert_eq!(dir.names(), ["m.safetensors.checkpoint", "song.txt"]);
    }
    dir.ok(&tiny(&[&["train", "text", "song.txt", "--out", "m.safetensors"], &epochs[..]].concat()));
    assert_eq!(dir.names(), ["m.safetensors", "song.txt"]);
}

#[test]
fn a_signal_during_validation_saves_the_run_at_once() {
    let dir = TestDir::new();
    dir.write("long.txt", common::SONG.repeat(200));
    // Validation takes many seconds.
    let slow = ["--units", "512", "--steps", "32", "--batch", "8", "--layers", "2", "--threads", "1"];
    let files = ["--out", "m.safetensors", "--validation-file", "long.txt"];
    let often = ["--checkpoint", "ck", "--checkpoint-every", "1"];
    let run = ["--json", "train", "text", "song.txt", "--epochs", "1"];
    let run = [&run[..], &files, &often, &slow].concat();
    let mut child = dir.command(&run).env("REFRAIN_ISA", "portable").stdout(Stdio::piped()).spawn().unwrap();
    let mut events = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut event = || serde_json::from_str::<serde_json::Value>(&events.next().unwrap().unwrap()).unwrap();
    let batches = event()["batches"].as_u64().unwrap();
    (0..batches).for_each(|_| assert_eq!(event()["event"], "checkpoint"));
    signal(&child, "-TERM");
    let sent = std::time::Instant::now();
    let mut left = vec![event()];
    while left.last().unwrap()["event"] != "done" {
        left.push(event());
    }
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert!(sent.elapsed() < Duration::from_secs(5), "took {:?}", sent.elapsed());
    let done = left.last().unwrap();
    assert_eq!((&done["stopped"], &done["epochs"]), (&"interrupted".into(), &0.into()), "{left:?}");
    dir.ok(&["info", "ck/model.safetensors"]);
}

#[test]
fn a_signal_during_the_test_saves_the_model_at_once() {
    let dir = TestDir::new();
    dir.write("long.txt", common::SONG.repeat(100));
    // Testing takes many seconds.
    let slow = ["--units", "512", "--steps", "8", "--batch", "8", "--layers", "2", "--threads", "1"];
    let run =
        ["train", "text", "song.txt", "--out", "m.safetensors", "--epochs", "1", "--test-file", "long.txt"];
    let mut child = dir
        .command(&[&run[..], &slow].concat())
        .env("REFRAIN_ISA", "portable")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let saved = || dir.names().contains(&"m.safetensors".to_owned());
    while !saved() {
        assert_eq!(child.try_wait().unwrap(), None, "the run ended without a model");
        std::thread::sleep(Duration::from_millis(20));
    }
    signal(&child, "-INT");
    let sent = std::time::Instant::now();
    let output = CliOutput::new(child.wait_with_output().unwrap());
    assert_eq!(output.code, 130, "{}", output.stderr);
    assert!(sent.elapsed() < Duration::from_secs(5), "took {:?}", sent.elapsed());
    assert!(
        output.stderr.contains("the model is saved, but not scored on the test data"),
        "{}",
        output.stderr
    );
    dir.ok(&["generate", "m.safetensors"]);
}

#[test]
fn a_second_signal_exits_at_once() {
    let dir = TestDir::new();
    dir.write("song.txt", common::SONG.repeat(200));
    // One step of this takes many seconds.
    let slow = ["--units", "512", "--steps", "128", "--batch", "64", "--layers", "2", "--threads", "1"];
    let mut child = dir
        .command(&[&["--json", "train", "text", "song.txt"], &slow[..]].concat())
        .env("REFRAIN_ISA", "portable")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert!(line.contains("\"start\""), "{line}");
    // The step is running, and the signals are far enough apart to count as two.
    for _ in 0..2 {
        std::thread::sleep(Duration::from_millis(700));
        signal(&child, "-INT");
    }
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    assert_eq!((child.wait().unwrap().code(), &rest[..]), (Some(130), ""));
    assert_eq!(dir.names(), ["song.txt"]);
}

#[test]
fn a_signal_before_training_exits_within_a_second() {
    let dir = TestDir::new();
    // Random letters, whose tokenizer takes many seconds to train in this build.
    let mut state = 1_u64;
    let mut letter = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        char::from(b'a' + (state >> 40) as u8 % 26)
    };
    dir.write("letters.txt", (0..2_000_000).map(|_| letter()).collect::<String>() + "\n");
    let run = ["train", "text", "letters.txt", "--level", "bpe", "--validation", "0"];
    let mut child = dir.command(&run).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(1000));
    assert_eq!(child.try_wait().unwrap(), None);
    signal(&child, "-TERM");
    let sent = std::time::Instant::now();
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert!(sent.elapsed() < Duration::from_secs(5), "took {:?}", sent.elapsed());
    assert_eq!(dir.names(), ["letters.txt", "song.txt"]);
}
