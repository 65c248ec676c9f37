//! Runs stopped by kills, signals, a full disk, removed folders or damaged checkpoints. A resumed run must give the same
//! file as an uninterrupted one, bit for bit.
#![cfg(unix)]

mod common;

use common::{CliOutput, SONG, TestDir};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A language model with all the state that a run carries from batch to batch: dropout, chunks of varying lengths, states
/// of two layers, accumulated gradients, an average, the best epoch so far.
const TEXT: &[&str] = &[
    "text",
    "song.txt",
    "--units=12",
    "--layers=2",
    "--embedding=8",
    "--steps=12",
    "--variable-steps",
    "--batch=4",
    "--accumulate=2",
    "--epochs=5",
    "--dropout=0.2",
    "--average=exponential",
    "--average-momentum=0.9",
];

/// A classifier, whose texts are shuffled each epoch.
const CLASSIFY: &[&str] = &[
    "classify",
    "lines.tsv",
    "--units=8",
    "--embedding=8",
    "--batch=4",
    "--epochs=4",
    "--dropout=0.2",
    "--validation=0.2",
];

/// A tagger, some of whose sentences are split.
const TAG: &[&str] = &[
    "tag",
    "tagged.txt",
    "--units=8",
    "--embedding=8",
    "--batch=4",
    "--epochs=3",
    "--dropout=0.2",
    "--validation=0.2",
    "--max-length=30",
    "--average=triggered",
    "--patience=1",
];

/// The longest wait for something that usually takes milliseconds, for busy machines.
const PATIENCE: Duration = Duration::from_secs(60);

/// The files of a folder that contain a process's output.
const STREAMS: [&str; 2] = ["stdout", "stderr"];

/// A training run in its own folder.
struct Training {
    dir: TestDir,
    options: &'static [&'static str],
    out: &'static str,
    /// The model of an uninterrupted run without checkpoints.
    model: Vec<u8>,
    /// The time that a run with checkpoints takes.
    takes: Duration,
}

impl Training {
    fn new(options: &'static [&'static str]) -> Self {
        let dir = TestDir::new();
        dir.write("song.txt", SONG.repeat(2));
        let label =
            |line: &str| if line.starts_with("Oh,") || line.starts_with("In") { "refrain" } else { "verse" };
        let lines = SONG.lines().filter(|line| !line.is_empty()).cycle().take(120);
        dir.write("lines.tsv", lines.map(|line| format!("{}\t{line}\n", label(line))).collect::<String>());
        let tag = |word: &str| format!("{word}/{}", if word.len() > 3 { "long" } else { "short" });
        let tagged = |line: &str| line.split(' ').map(tag).collect::<Vec<_>>().join(" ") + "\n";
        let lines = SONG.lines().filter(|line| !line.is_empty()).cycle().take(100);
        dir.write("tagged.txt", lines.map(tagged).collect::<String>());
        let mut training =
            Self { dir, options, out: "m.safetensors", model: Vec::new(), takes: Duration::ZERO };
        training.dir.ok(&[&["--json", "train"], options, &["--out=m.safetensors"]].concat());
        training.model = training.dir.read(training.out);
        training.forget();
        let begun = Instant::now();
        training.check_completed(&training.start(&[]).end());
        training.takes = begun.elapsed();
        training.forget();
        training
    }

    /// Returns the command of a run with checkpoints; `more` are further options.
    fn command(&self, more: &[&str]) -> Command {
        let checkpoints = ["--checkpoint=ck", "--checkpoint-every=3", "--out", self.out];
        let mut command =
            self.dir.command(&[&["--json", "train"], self.options, &checkpoints, more].concat());
        // A model that cannot be saved to `--out` goes here.
        command.env("TMPDIR", self.dir.path());
        command
    }

    fn start(&self, more: &[&str]) -> Running<'_> {
        let [stdout, stderr] = STREAMS.map(|name| File::create(self.dir.file(name)).unwrap());
        let child = self.command(more).stdin(Stdio::null()).stdout(stdout).stderr(stderr).spawn().unwrap();
        Running { dir: &self.dir, child }
    }

    /// Starts a run and pauses it after its `count`-th checkpoint. Starts again if the run ended too early.
    fn paused_after(&self, more: &[&str], count: usize) -> Running<'_> {
        for _ in 0..50 {
            let mut running = self.start(more);
            running.wait_for("checkpoint", count);
            running.signal("-STOP");
            if !self.dir.file(self.out).exists() {
                return running;
            }
            drop(running);
            self.forget();
        }
        panic!("no run was paused before its end");
    }

    /// Resumes the run to its end. Its model must be that of an uninterrupted run.
    fn resume_to_end(&self) -> CliOutput {
        let output = self.start(&["--resume"]).end();
        self.check_completed(&output);
        output
    }

    fn check_completed(&self, output: &CliOutput) {
        assert_eq!(output.code, 0, "{}", output.stderr);
        assert!(self.dir.read(self.out) == self.model, "the model differs from that of an uninterrupted run");
    }

    /// Removes the model and the checkpoints.
    fn forget(&self) {
        let _ = fs::remove_file(self.dir.file(self.out));
        let _ = fs::remove_dir_all(self.dir.file("ck"));
    }

    /// Returns the names of the files in the checkpoint folder.
    fn folder(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.file("ck")).into_iter().flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Returns the checkpoints, oldest first, with their paths as the program names them.
    fn checkpoints(&self) -> Vec<String> {
        let names = self.folder().into_iter().filter(|name| name.starts_with("checkpoint-"));
        names.map(|name| format!("ck/{name}")).collect()
    }
}

/// A run in the background of the test.
struct Running<'a> {
    dir: &'a TestDir,
    child: Child,
}

impl Running<'_> {
    /// Waits for the `count`-th event of that name.
    fn wait_for(&mut self, event: &str, count: usize) {
        let begun = Instant::now();
        let name = format!("\"event\":\"{event}\"");
        loop {
            let ended = self.child.try_wait().unwrap().is_some();
            let stdout = String::from_utf8(self.dir.read(STREAMS[0])).unwrap();
            if stdout.matches(&name).count() >= count {
                return;
            }
            assert!(!ended && begun.elapsed() < PATIENCE, "no {event} {count} in {stdout}");
            sleep(Duration::from_millis(1));
        }
    }

    fn signal(&self, name: &str) {
        // A process that has ended still exists until it is waited for.
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }

    fn end(mut self) -> CliOutput {
        let status = self.child.wait().unwrap();
        let [stdout, stderr] = STREAMS.map(|name| self.dir.read(name));
        CliOutput::new(Output { status, stdout, stderr })
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // A failed test leaves nothing running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Random numbers that are the same in every run of a test, from SplitMix64.
struct Random(u64);

impl Random {
    /// Returns a number in 0..1.
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// When the stops of a test happened.
#[derive(Debug, Default)]
struct Landed {
    before_the_first_checkpoint: usize,
    while_one_was_written: usize,
    between: usize,
    after_the_end: usize,
}

/// A run that is stopped repeatedly.
struct Stopped<'a> {
    training: &'a Training,
    /// Batches of the last checkpoint that a process reported.
    reported: u64,
    landed: Landed,
}

impl<'a> Stopped<'a> {
    fn new(training: &'a Training) -> Self {
        Self { training, reported: 0, landed: Landed::default() }
    }

    /// Checks the output and the files of a process. Returns whether the run reached its end, so that a new one begins.
    fn look(&mut self, output: &CliOutput) -> bool {
        let Self { training, reported, landed } = self;
        let batches = |event: &serde_json::Value| event["batches"].as_u64().unwrap();
        let resumed = output.events("resume");
        match resumed.first() {
            Some(event) => assert!(batches(event) >= *reported, "{reported} batches were safe: {event}"),
            None => {
                assert!(
                    *reported == 0 || output.events("epoch").is_empty(),
                    "it started again: {}",
                    output.stdout
                )
            }
        }
        assert!(resumed.iter().all(|event| event["skipped"] == serde_json::json!([])), "{resumed:?}");
        if let Some(event) = output.events("checkpoint").last() {
            assert!(batches(event) >= *reported, "{reported} batches, then {event}");
            *reported = batches(event);
        }
        let ended = training.dir.file(training.out).exists();
        let files = training.folder();
        if ended {
            landed.after_the_end += 1;
            assert!(
                training.dir.read(training.out) == training.model,
                "the model differs from that of an uninterrupted run"
            );
            training.forget();
            *reported = 0;
        } else if files.iter().any(|name| name.ends_with(".tmp")) {
            landed.while_one_was_written += 1;
        } else if *reported == 0 {
            landed.before_the_first_checkpoint += 1;
        } else {
            landed.between += 1;
        }
        ended
    }
}

/// Kills a run `kills` times at random moments, and resumes it with another number of threads.
fn killed(options: &'static [&'static str], kills: usize, seed: u64) -> Landed {
    let training = Training::new(options);
    let (mut random, mut stopped) = (Random(seed), Stopped::new(&training));
    for round in 0..kills {
        let threads = format!("--threads={}", 1 + round % 3);
        let running = training.start(&["--resume", &threads]);
        sleep(training.takes.mul_f64(random.share() * 0.7));
        running.signal("-KILL");
        stopped.look(&running.end());
    }
    training.resume_to_end();
    println!("{kills} kills of {options:?}, which takes {:?}: {:?}", training.takes, stopped.landed);
    stopped.landed
}

#[test]
fn a_killed_language_model_resumes_identically() {
    killed(TEXT, 12, 1);
}

#[test]
fn a_killed_classifier_resumes_identically() {
    killed(CLASSIFY, 12, 2);
}

#[test]
fn a_killed_tagger_resumes_identically() {
    killed(TAG, 12, 7);
}

#[test]
#[ignore = "a minute; run weekly"]
fn many_kills_resume_identically() {
    for (options, seed) in [(TEXT, 3), (CLASSIFY, 4), (TAG, 8)] {
        let landed = killed(options, 200, seed);
        assert!(landed.while_one_was_written > 0 && landed.between > 0, "{landed:?}");
    }
}

/// A run ends in its own time after a signal. Two signals at once count as one, since a terminal and `timeout` send two.
fn signalled(options: &'static [&'static str], seed: u64) {
    let training = Training::new(options);
    let (mut random, mut stopped) = (Random(seed), Stopped::new(&training));
    for round in 0..8 {
        let (name, code) = [("-INT", 130), ("-TERM", 143)][round % 2];
        let twice = round % 4 > 1;
        let mut running = training.start(&["--resume"]);
        running.wait_for("start", 1);
        sleep(training.takes.mul_f64(random.share() * 0.5));
        running.signal(name);
        if twice {
            running.signal(name);
        }
        let output = running.end();
        let ended = stopped.look(&output);
        assert!(
            output.code == code || (ended && output.code == 0),
            "{name}: {} {}",
            output.code,
            output.stderr
        );
        if !ended {
            let done = output.event("done");
            assert_eq!(
                (&done["stopped"], &done["model"]),
                (&"interrupted".into(), &"ck/model.safetensors".into())
            );
            training.dir.ok(&["info", "ck/model.safetensors"]);
            assert!(!training.checkpoints().is_empty(), "{:?}", training.folder());
        }
    }
    training.resume_to_end();
    println!("8 stops of {options:?}: {:?}", stopped.landed);
}

#[test]
fn an_interrupted_language_model_resumes_identically() {
    signalled(TEXT, 5);
}

#[test]
fn an_interrupted_classifier_resumes_identically() {
    signalled(CLASSIFY, 6);
}

/// Returns the sizes of a run's checkpoints, oldest first. From the second epoch on, they also contain the best epoch's
/// model.
fn sizes(training: &Training) -> Vec<u64> {
    let mut running = training.start(&["--checkpoint-keep=1000"]);
    running.wait_for("epoch", 3);
    running.signal("-KILL");
    running.end();
    let size = |name: String| training.dir.file(&name).metadata().unwrap().len();
    let sizes = training.checkpoints().into_iter().map(size).collect();
    training.forget();
    sizes
}

/// Runs with files limited to this many bytes, rounded down to a multiple of 512. The shell command `first` decides
/// whether writing more is an error, as on a full disk, or kills the run in the middle of a file.
fn limited(training: &Training, bytes: u64, first: &str) -> CliOutput {
    let run = training.command(&[]);
    let mut shell = Command::new("sh");
    let script = format!("{first}; ulimit -c 0; ulimit -f {}; exec \"$0\" \"$@\"", bytes / 512);
    shell.args(["-c", &script]).arg(run.get_program()).args(run.get_args());
    CliOutput::new(
        shell.current_dir(training.dir.path()).env("TMPDIR", training.dir.path()).output().unwrap(),
    )
}

#[test]
fn a_full_disk_stops_the_run_and_leaves_the_last_checkpoint() {
    let training = Training::new(TEXT);
    let sizes = sizes(&training);
    let most = *sizes.iter().max().unwrap();
    assert!(sizes[0] + 4096 < most, "{sizes:?}");
    let output = limited(&training, most - 2048, "trap '' XFSZ");
    assert_eq!(output.code, 1, "{}", output.stderr);
    let safe = output.events("checkpoint").pop().expect("a first checkpoint");
    let path = safe["path"].as_str().unwrap();
    let next = format!("after {} batches", safe["batches"].as_u64().unwrap() + 3);
    output.says_error(&["cannot write ck/checkpoint-", &next, &format!("{path} is safe"), "--resume"]);
    output.event("error");
    assert_eq!(training.checkpoints().last().unwrap(), path);
    assert!(!training.folder().iter().any(|name| name.ends_with(".tmp")), "{:?}", training.folder());
    assert_eq!(training.resume_to_end().event("resume")["path"], path);
}

#[test]
fn a_kill_during_a_write_leaves_the_previous_checkpoint() {
    let training = Training::new(TEXT);
    let sizes = sizes(&training);
    for bytes in [sizes[0] / 2, sizes[0] + 4096] {
        let output = limited(&training, bytes, ":");
        assert_eq!(output.code, -1, "{}", output.stderr);
        let half =
            training.folder().into_iter().find(|name| name.ends_with(".tmp")).expect("a file half written");
        assert_eq!(training.dir.file(&format!("ck/{half}")).metadata().unwrap().len(), bytes / 512 * 512);
        let checkpoint = output.events("checkpoint").pop();
        let resumed = training.resume_to_end().events("resume").pop();
        assert_eq!(resumed.as_ref().map(|e| &e["path"]), checkpoint.as_ref().map(|e| &e["path"]));
        assert!(resumed.is_none_or(|event| event["skipped"] == serde_json::json!([])));
        assert!(!training.folder().contains(&half), "{:?}", training.folder());
        training.forget();
    }
}

#[test]
fn an_unfinished_run_does_not_overwrite_a_model() {
    let training = Training::new(TEXT);
    fs::create_dir(training.dir.file("ck")).unwrap();
    training.dir.write("ck/model.safetensors", "another model");
    for more in [&[][..], &["--resume"]] {
        let output = CliOutput::new(training.command(more).output().unwrap());
        assert_eq!(output.code, 2, "{}", output.stderr);
        output.says_error(&["ck/model.safetensors", "another folder"]);
        assert_eq!(training.dir.read("ck/model.safetensors"), b"another model");
    }
    fs::remove_file(training.dir.file("ck/model.safetensors")).unwrap();
    // The run may replace its own model.
    for more in [&[][..], &["--resume"]] {
        let running = training.paused_after(more, 1);
        running.signal("-INT");
        running.signal("-CONT");
        assert!(running.end().event("done")["model"] == "ck/model.safetensors");
    }
    training.resume_to_end();
}

/// Disturbs a run that has written a checkpoint, and returns its result.
fn disturbed(training: &Training, disturb: impl FnOnce()) -> CliOutput {
    let running = training.paused_after(&[], 1);
    disturb();
    running.signal("-CONT");
    running.end()
}

#[test]
fn a_deleted_checkpoint_folder_is_an_error() {
    let training = Training::new(TEXT);
    let output = disturbed(&training, || fs::remove_dir_all(training.dir.file("ck")).unwrap());
    assert_eq!(output.code, 1, "{}", output.stderr);
    output.says_error(&["cannot write ck/checkpoint-"]);
    assert!(!output.stderr.contains("is safe"), "{}", output.stderr);
    assert!(!training.dir.file(training.out).exists());
    training.resume_to_end();
}

#[test]
fn an_unwritable_checkpoint_folder_is_an_error() {
    let training = Training::new(TEXT);
    let folder = training.dir.file("ck");
    let permit = |mode| fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
    let mut bound = false;
    let output = disturbed(&training, || {
        permit(0o555);
        bound = File::create(folder.join("probe")).is_err();
    });
    permit(0o755);
    if !bound {
        return println!("skipped: permissions do not restrict this user");
    }
    assert_eq!(output.code, 1, "{}", output.stderr);
    let safe = training.checkpoints().pop().unwrap();
    output.says_error(&["ck/checkpoint-", &safe]);
    training.resume_to_end();
}

#[test]
fn a_deleted_output_folder_saves_the_model_elsewhere() {
    let mut training = Training::new(TEXT);
    training.out = "models/m.safetensors";
    let folder = training.dir.file("models");
    fs::create_dir(&folder).unwrap();
    let output = disturbed(&training, || fs::remove_dir(&folder).unwrap());
    assert_eq!(output.code, 1, "{}", output.stderr);
    output.says_error(&["models/m.safetensors", "instead"]);
    let fallback = output.event("done")["model"].as_str().unwrap().to_owned();
    assert!(
        fs::read(fallback).unwrap() == training.model,
        "the model differs from that of an uninterrupted run"
    );
    let safe = training.checkpoints().pop().expect("checkpoints outlive a model that is not saved");
    fs::create_dir(&folder).unwrap();
    assert_eq!(training.resume_to_end().event("resume")["path"], *safe);
}

/// Damages a file.
type Damage = fn(&mut Vec<u8>);

/// Returns the end of a safetensors header, whose length is in the first eight bytes.
fn header(bytes: &[u8]) -> usize {
    8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize
}

const DAMAGES: [(&str, Damage); 7] = [
    ("nothing is left", |bytes| bytes.clear()),
    ("cut in the header", |bytes| bytes.truncate(100)),
    ("cut in the tensors", |bytes| bytes.truncate(bytes.len() / 2 + header(bytes) / 2)),
    ("one byte less", |bytes| bytes.truncate(bytes.len() - 1)),
    ("another header length", |bytes| bytes[1] ^= 1),
    ("another byte of the header", |bytes| {
        let at = header(bytes) / 2;
        bytes[at] ^= 1;
    }),
    ("another byte of the tensors", |bytes| {
        let at = header(bytes).midpoint(bytes.len());
        bytes[at] ^= 0x40;
    }),
];

/// Kills a run with three checkpoints in its folder, and returns them with their bytes, oldest first.
fn with_three(training: &Training) -> Vec<(PathBuf, Vec<u8>)> {
    let running = training.paused_after(&["--checkpoint-keep=3"], 5);
    // If the run was stopped before it removed an old checkpoint, keep the newest three.
    running.signal("-KILL");
    running.end();
    let mut names = training.checkpoints();
    for older in names.drain(..names.len() - 3) {
        fs::remove_file(training.dir.file(&older)).unwrap();
    }
    names
        .iter()
        .map(PathBuf::from)
        .map(|file| (file.clone(), training.dir.read(file.to_str().unwrap())))
        .collect()
}

#[test]
fn damaged_checkpoints_are_named_and_an_older_one_is_used() {
    let training = Training::new(TEXT);
    let files = with_three(&training);
    for (i, (what, damage)) in DAMAGES.iter().enumerate() {
        let _ = fs::remove_dir_all(training.dir.file("ck"));
        fs::create_dir(training.dir.file("ck")).unwrap();
        // Alternate between the newest and the two newest.
        let damaged = 1 + i % 2;
        for (at, (file, bytes)) in files.iter().enumerate() {
            let mut bytes = bytes.clone();
            if at + damaged >= files.len() {
                damage(&mut bytes);
            }
            training.dir.write(file.to_str().unwrap(), bytes);
        }
        let output = training.resume_to_end();
        let resumed = output.event("resume");
        assert_eq!(resumed["path"], files[2 - damaged].0.to_str().unwrap(), "{what}");
        let skipped: Vec<_> =
            files.iter().rev().take(damaged).map(|(file, _)| file.to_str().unwrap()).collect();
        assert_eq!(resumed["skipped"], serde_json::json!(skipped), "{what}");
        for file in skipped {
            assert!(
                output.stderr.contains(&format!("warning: {file}")) || output.stderr.contains(file),
                "{}",
                output.stderr
            );
        }
    }
}

#[test]
fn a_run_with_only_damaged_checkpoints_does_not_start_again() {
    let training = Training::new(TEXT);
    let files = with_three(&training);
    for (file, bytes) in &files {
        training.dir.write(file.to_str().unwrap(), &bytes[..bytes.len() / 2]);
    }
    let before = training.checkpoints();
    let output = training.start(&["--resume"]).end();
    assert_eq!(output.code, 2, "{}", output.stderr);
    output.says_error(&[
        files.last().unwrap().0.to_str().unwrap(),
        "no older checkpoint can be read",
        "start from the beginning",
    ]);
    assert_eq!(training.checkpoints(), before);
}

#[test]
#[cfg(target_os = "linux")]
fn a_folder_name_may_be_invalid_utf_8() {
    use std::os::unix::ffi::OsStrExt;
    let training = Training::new(TEXT);
    let mut command = training.dir.command(&[&["--json", "train"], TEXT, &["--out=o.safetensors"]].concat());
    command.arg("--checkpoint").arg(std::ffi::OsStr::from_bytes(b"run\xff")).arg("--checkpoint-every=3");
    let output = CliOutput::new(command.output().unwrap());
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(!output.events("checkpoint").is_empty());
    assert!(training.dir.read("o.safetensors") == training.model);
}

#[test]
fn two_runs_do_not_share_a_folder() {
    let training = Training::new(TEXT);
    let first = training.paused_after(&[], 1);
    for (more, why) in [(&[][..], "an earlier run"), (&["--resume"], "another run")] {
        let output = CliOutput::new(training.command(more).output().unwrap());
        assert_eq!(output.code, 2, "{}", output.stderr);
        output.says_error(&["ck", why]);
    }
    // A lock is released when its process ends.
    first.signal("-KILL");
    first.end();
    training.resume_to_end().event("resume");
}
