//! Runs the binary as a user does.
#![allow(dead_code, unreachable_pub, reason = "shared by all test files, each of which uses a part of it")]

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A folder with a small text in it, where `refrain` runs.
pub struct TestDir {
    folder: TempDir,
}

/// 24 lines of a song with a refrain, 900 characters.
pub const SONG: &str = "\
The wheel goes round and the day goes by,
And the smoke of the mill goes into the sky.
Oh, turn, old wheel, and turn again,
In the summer sun and the winter rain.

The miller is old and his coat is white,
He sings to the stones by candle light.
Oh, turn, old wheel, and turn again,
In the summer sun and the winter rain.

The cat on the sacks is fast asleep,
The mice in the corn have a watch to keep.
Oh, turn, old wheel, and turn again,
In the summer sun and the winter rain.

The river is low and the stones are dry,
And nobody sings as the days go by.
Oh, turn, old wheel, and turn again,
In the summer sun and the winter rain.

The children come down with a cake to share,
They wake the cat and they comb her hair.
Oh, turn, old wheel, and turn again,
In the summer sun and the winter rain.
";

/// Options that keep training short.
const TINY: [[&str; 2]; 5] =
    [["--units", "8"], ["--layers", "1"], ["--embedding", "8"], ["--steps", "16"], ["--epochs", "1"]];

/// Adds the options of [`TINY`] that a command line does not have.
pub fn tiny<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    let mut all = arguments.to_vec();
    all.extend(TINY.iter().filter(|[name, _]| !arguments.contains(name)).flatten());
    all
}

/// Compresses bytes with gzip.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

impl TestDir {
    pub fn new() -> Self {
        let dir = Self { folder: tempfile::tempdir().unwrap() };
        dir.write("song.txt", SONG);
        dir
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        fs::write(self.file(name), contents).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.file(name)).unwrap()
    }

    /// Returns the names of all files, including hidden ones.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_refrain"));
        command.current_dir(self.path()).args(arguments);
        command
    }

    pub fn run(&self, arguments: &[&str]) -> CliOutput {
        CliOutput::new(self.command(arguments).output().unwrap())
    }

    /// Runs a command with these bytes on stdin.
    pub fn piped(&self, arguments: &[&str], bytes: &[u8]) -> CliOutput {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A refused command may not read all of its input.
        let _ = stdin.write_all(bytes);
        drop(stdin);
        CliOutput::new(child.wait_with_output().unwrap())
    }

    /// Runs a command that must succeed.
    pub fn ok(&self, arguments: &[&str]) -> CliOutput {
        let output = self.run(arguments);
        assert_eq!(output.code, 0, "{arguments:?}: {}", output.stderr);
        output
    }

    /// Runs a command that must be refused as invalid input, with all of `phrases` in the message.
    pub fn refused(&self, arguments: &[&str], phrases: &[&str]) {
        let output = self.run(arguments);
        assert_eq!(output.code, 2, "{arguments:?}: {}{}", output.stdout, output.stderr);
        output.says_error(phrases);
        assert_eq!(output.stdout, "", "{arguments:?}");
        // Clap accepts `--json` anywhere before `--`.
        let output = self.run(&[&["--json"], arguments].concat());
        assert_eq!(output.code, 2, "{arguments:?}: {}", output.stderr);
        let error = output.events("error");
        let message = error[0]["message"].as_str().unwrap();
        assert!(phrases.iter().all(|phrase| message.contains(phrase)), "{message}");
    }

    /// Trains a tiny model on `song.txt` into `model`.
    pub fn train(&self, model: &str, options: &[&str]) -> CliOutput {
        self.ok(&tiny(&[&["--json", "train", "text", "song.txt", "--out", model], options].concat()))
    }
}

/// The exit code and output of a run.
#[derive(Debug)]
pub struct CliOutput {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl CliOutput {
    pub fn new(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Returns every line of stdout as JSON.
    pub fn json(&self) -> Vec<Value> {
        self.stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line}")))
            .collect()
    }

    /// Returns the lines of an event.
    pub fn events(&self, event: &str) -> Vec<Value> {
        self.json().into_iter().filter(|line| line["event"] == event).collect()
    }

    /// Returns the only line of an event.
    pub fn event(&self, event: &str) -> Value {
        let mut all = self.events(event);
        assert_eq!(all.len(), 1, "{event} in {}", self.stdout);
        all.remove(0)
    }

    pub fn says_error(&self, phrases: &[&str]) {
        assert!(self.stderr.starts_with("error: "), "{}", self.stderr);
        for phrase in phrases {
            assert!(self.stderr.contains(phrase), "no `{phrase}` in {}", self.stderr);
        }
    }
}
