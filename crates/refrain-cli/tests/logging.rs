//! The logs of a training run: `--csv-log`, `--plot`, `--log-dir`.

mod common;

#[path = "common/events.rs"]
mod events;

use common::{CliOutput, SONG, TestDir, tiny};
use events::Events;
use roxmltree::Document;
use serde_json::Value;
use std::fs;

/// All logs, each in its own file or folder.
const LOGS: [&str; 7] =
    ["--csv-log", "log.csv", "--plot", "run.svg", "--log-dir", "logs/first", "--log-every=1"];

/// Relative tolerance for a few f32 roundings.
const SINGLE: f64 = 1e-6;

/// Returns a folder with a text of several batches, and with labelled lines.
fn dir() -> TestDir {
    let dir = TestDir::new();
    dir.write("song.txt", SONG.repeat(8));
    let label =
        |line: &str| if line.starts_with("Oh,") || line.starts_with("In") { "refrain" } else { "verse" };
    let lines = SONG.lines().filter(|line| !line.is_empty()).cycle().take(96);
    dir.write("lines.tsv", lines.map(|line| format!("{}\t{line}\n", label(line))).collect::<String>());
    dir
}

fn text<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let options = ["--json", "train", "text", "song.txt", "--batch=8", "--dropout=0.1"];
    tiny(&[&options, more].concat())
}

fn classify<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let options = ["--json", "train", "classify", "lines.tsv", "--units=6", "--embedding=4", "--batch=8"];
    let epochs: &[&str] = if more.contains(&"--epochs") { &[] } else { &["--epochs", "3"] };
    [&options, epochs, more].concat()
}

/// Returns the rows of a CSV file of epochs, the header first.
fn rows(dir: &TestDir, name: &str) -> Vec<Vec<String>> {
    let text = String::from_utf8(dir.read(name)).unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

/// Returns the rows without timings.
fn timeless(rows: &[Vec<String>]) -> Vec<Vec<&str>> {
    let is_timed = |name: &str| name.ends_with("_per_second") || name == "seconds";
    let kept: Vec<_> = (0..rows[0].len()).filter(|&i| !is_timed(&rows[0][i])).collect();
    rows.iter().map(|row| kept.iter().map(|&i| row[i].as_str()).collect()).collect()
}

fn same_as_json(dir: &TestDir, output: &CliOutput) {
    let rows = rows(dir, "log.csv");
    let epochs = output.events("epoch");
    assert_eq!(rows.len(), epochs.len() + 1);
    for (row, epoch) in rows[1..].iter().zip(&epochs) {
        for (name, field) in rows[0].iter().zip(row) {
            let expected = epoch.get(name).map_or(String::new(), Value::to_string);
            assert_eq!(*field, expected, "{name} of {epoch}");
        }
        let fields = epoch.as_object().unwrap().len() - 1;
        assert_eq!(row.iter().filter(|field| !field.is_empty()).count(), fields, "{epoch}");
    }
}

#[test]
fn epoch_rows_match_the_json_events() {
    let dir = dir();
    let output = dir.ok(&text(&["--epochs", "3", "--csv-log", "log.csv"]));
    same_as_json(&dir, &output);
    let header = "epoch,loss,accuracy,val_loss,val_accuracy,averaged,tokens_per_second,seconds,learning_rate,gradient_norm";
    assert_eq!(rows(&dir, "log.csv")[0].join(","), header);
    // Unknown values are empty, and an earlier run's log is overwritten.
    let output = dir.ok(&text(&["--epochs", "2", "--validation", "0", "--csv-log", "log.csv"]));
    same_as_json(&dir, &output);
    assert_eq!(rows(&dir, "log.csv")[1][3..6], ["", "", ""]);
    let output = dir.ok(&classify(&["--csv-log", "log.csv", "--force"]));
    same_as_json(&dir, &output);
    let header = &rows(&dir, "log.csv")[0];
    assert!(["val_macro_f1", "samples_per_second"].iter().all(|name| header.iter().any(|h| h == name)));
}

#[test]
fn logs_do_not_change_the_model() {
    let dir = dir();
    for train in [text, classify] {
        let checkpoints = ["--checkpoint=ck", "--checkpoint-every=3", "--checkpoint-keep=100"];
        let written = |name: &str, logs: &[&str]| {
            dir.ok(&train(&[&["--out", name, "--epochs", "3"], &checkpoints[..], logs].concat()));
            let mut all: Vec<_> =
                fs::read_dir(dir.file("ck")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            all.sort();
            fs::remove_dir_all(dir.file("ck")).unwrap();
            (dir.read(name), all)
        };
        let (plain, logged) = (written("plain", &[]), written("logged", &LOGS));
        assert!(plain.0 == logged.0, "the models differ");
        assert_eq!(plain.1, logged.1, "the checkpoints differ");
        fs::remove_dir_all(dir.file("logs")).unwrap();
        ["log.csv", "plain", "logged"].into_iter().for_each(|name| fs::remove_file(dir.file(name)).unwrap());
    }
}

#[test]
fn tensorboard_has_curves_distributions_and_samples() {
    let dir = dir();
    let output = dir.ok(&text(&[&["--epochs", "3", "--layers", "2"], &LOGS[..]].concat()));
    let [root, train, validation] =
        ["", "train", "validation"].map(|name| Events::read(&dir.file("logs/first").join(name)));
    let (start, epochs) = (output.event("start"), output.events("epoch"));
    let batches = start["batches"].as_i64().unwrap();
    assert!(batches > 5, "{start}");
    let steps = |points: &[(i64, f32)]| points.iter().map(|(step, _)| *step).collect::<Vec<_>>();
    for tag in ["batch_loss", "batch_learning_rate", "batch_gradient_norm", "batch_tokens_per_second"] {
        assert_eq!(steps(&train.scalar(tag)), (1..=3 * batches).collect::<Vec<_>>(), "{tag}");
    }
    // The last batch of an epoch has fewer steps than the 16 of the others.
    let lane = start["tokens"].as_i64().unwrap() / 8;
    let share = |batch: i64| (lane - 16 * (batch - 1)).min(16) as f64 / lane as f64;
    let losses = &train.scalar("batch_loss")[..batches as usize];
    let mean: f64 = losses.iter().map(|&(batch, loss)| share(batch) * f64::from(loss)).sum();
    let expected = epochs[0]["loss"].as_f64().unwrap();
    assert!(
        (mean - expected).abs() < SINGLE * expected,
        "batches with a mean of {mean}, an epoch of {expected}"
    );
    let names = ["loss", "accuracy", "gradient_norm", "learning_rate", "tokens_per_second", "seconds"];
    let trained = names.map(|name| (&train, format!("epoch_{name}"), name.to_owned()));
    let validated =
        ["loss", "accuracy"].map(|name| (&validation, format!("epoch_{name}"), format!("val_{name}")));
    for (events, tag, field) in trained.into_iter().chain(validated) {
        let expected: Vec<_> = (1..)
            .zip(&epochs)
            .map(|(n, epoch)| (n * batches, epoch[&field].as_f64().unwrap() as f32))
            .collect();
        assert_eq!(events.scalar(&tag), expected, "{tag}");
    }
    let perplexity = |(step, loss): (i64, f32)| (step, f64::from(loss).exp() as f32);
    let expected: Vec<_> = validation.scalar("epoch_loss").into_iter().map(perplexity).collect();
    for ((_, got), (_, expected)) in validation.scalar("epoch_perplexity").iter().zip(expected) {
        assert!((got - expected).abs() < SINGLE as f32 * expected);
    }
    looked_into(&train);
    let sample = &train.texts["sample"];
    assert!(sample.contains_key(&batches) && sample.contains_key(&(3 * batches)), "{sample:?}");
    let last = &sample[&(3 * batches)];
    assert!(last.starts_with("```\n") && last.ends_with("\n```"), "{last}");
    assert!((250..=310).contains(&last.chars().count()), "{last}");
    let done = output.event("done");
    assert_eq!(root.scalar("final_val_loss"), [(3 * batches, done["val_loss"].as_f64().unwrap() as f32)]);
}

/// The first batch is always probed, independent of the time budget.
fn looked_into(train: &Events) {
    for (tag, values) in [
        ("lstm/kernel/histogram", 8 * 32),
        ("lstm_1/recurrent_kernel/gradient", 8 * 32),
        ("gates/lstm/i", 8 * 16 * 8),
        ("gates/lstm_1/o", 8 * 16 * 8),
        ("states/lstm/h", 8 * 16 * 8),
        ("states/lstm_1/c", 8 * 16 * 8),
    ] {
        let histogram = train.histograms.get(tag);
        let histogram = histogram.unwrap_or_else(|| panic!("no {tag} in {:?}", train.histograms.keys()));
        assert_eq!(histogram.get(&1), Some(&f64::from(values)), "{tag}");
    }
    let first = |tag: &str| {
        let (step, value) = train.scalar(tag)[0];
        assert_eq!(step, 1, "{tag}");
        value
    };
    assert!(
        ["first_step", "last_step"]
            .iter()
            .all(|end| first(&format!("gradient_through_time/lstm/{end}")) > 0.0)
    );
    // Adam's first step moves a weight by the learning rate, or a little less if the gradient is close to epsilon.
    let (norm, ratio) = (first("lstm/recurrent_kernel/norm"), first("lstm/recurrent_kernel/update_ratio"));
    let step = norm * ratio / f32::sqrt(8.0 * 32.0);
    assert!((0.9..1.01).contains(&(step / 2e-3)), "a step of {step}");
}

#[test]
fn a_classifier_has_its_own_curves() {
    let dir = dir();
    let output = dir.ok(&classify(&LOGS));
    let [root, train, validation] =
        ["", "train", "validation"].map(|name| Events::read(&dir.file("logs/first").join(name)));
    let epochs = output.events("epoch");
    let of = |field: &str| epochs.iter().map(|e| e[field].as_f64().unwrap() as f32).collect::<Vec<_>>();
    let values = |events: &Events, tag: &str| events.scalar(tag).iter().map(|p| p.1).collect::<Vec<_>>();
    assert_eq!(values(&train, "epoch_loss"), of("loss"));
    assert_eq!(values(&validation, "epoch_macro_f1"), of("val_macro_f1"));
    assert!(train.scalars.contains_key("batch_samples_per_second"));
    assert!(train.histograms.keys().any(|tag| tag.starts_with("gates/") && tag.contains("backward_")));
    assert!(root.scalars.contains_key("final_val_macro_f1") && train.texts.is_empty());
}

/// Returns the texts in a picture, and the number of points of its lines.
fn drawn(dir: &TestDir) -> (Vec<String>, usize) {
    let svg = String::from_utf8(dir.read("run.svg")).unwrap();
    let document = Document::parse(&svg).unwrap();
    let words = document.descendants().filter(|node| node.has_tag_name("text"));
    let words = words.filter_map(|node| node.text().map(str::to_owned)).collect();
    let lines = document.descendants().filter_map(|node| node.attribute("points"));
    (words, lines.map(|points| points.split_whitespace().count()).sum())
}

#[test]
fn a_plot_shows_epochs_or_the_batches_of_a_single_epoch() {
    let dir = dir();
    let has = |words: &[String], wanted: &[&str]| {
        wanted.iter().for_each(|word| assert!(words.iter().any(|w| w == word), "no {word} in {words:?}"));
    };
    dir.ok(&text(&["--epochs", "4", "--plot", "run.svg"]));
    let (words, points) = drawn(&dir);
    has(&words, &["Loss", "Accuracy", "Learning rate", "Gradient norm, before clipping", "epochs", "saved"]);
    has(&words, &["training", "validation"]);
    // Two lines each for loss and accuracy, one each for the others.
    assert_eq!(points, 6 * 4);
    let output = dir.ok(&text(&["--epochs", "1", "--plot", "run.svg"]));
    let (words, points) = drawn(&dir);
    has(&words, &["Loss", "Learning rate", "batches", "training", "validation"]);
    // Plus the validation at the end.
    assert_eq!(points as u64, 3 * output.event("start")["batches"].as_u64().unwrap() + 1);
}

/// A run whose newest checkpoints are lost ends with the logs of an uninterrupted run.
#[test]
fn a_resumed_run_continues_its_logs() {
    for train in [text, classify] {
        let straight = dir();
        straight.ok(&train(&[&["--epochs", "4"], &LOGS[..]].concat()));
        for lost in [1, 2, 6] {
            let dir = dir();
            let checkpoints =
                ["--epochs", "4", "--checkpoint=ck", "--checkpoint-every=5", "--checkpoint-keep=100"];
            let options = [&checkpoints, &LOGS[..]].concat();
            dir.ok(&train(&options));
            let names = || {
                let entries = fs::read_dir(dir.file("ck")).unwrap();
                let mut names: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
                names.sort();
                names
            };
            let newest = names();
            newest.iter().rev().take(lost).for_each(|path| fs::remove_file(path).unwrap());
            fs::remove_file(dir.file("run.svg")).unwrap();
            dir.ok(&train(&[&options[..], &["--resume"]].concat()));
            assert_eq!(
                timeless(&rows(&dir, "log.csv")),
                timeless(&rows(&straight, "log.csv")),
                "{lost} checkpoints lost"
            );
            // Timings differ, but not the number of points.
            assert_eq!(drawn(&dir).1, drawn(&straight).1);
            for folder in ["train", "validation"] {
                let [got, expected] =
                    [&dir, &straight].map(|p| Events::read(&p.file("logs/first").join(folder)));
                same_curves(&got, &expected);
            }
        }
    }
}

fn same_curves(got: &Events, expected: &Events) {
    let is_curve = |tag: &&String| tag.starts_with("batch_") || tag.starts_with("epoch_");
    let tags = |events: &Events| events.scalars.keys().filter(is_curve).cloned().collect::<Vec<_>>();
    assert_eq!(tags(got), tags(expected));
    let ends: Vec<_> = expected.scalar("epoch_loss").iter().map(|(step, _)| *step).collect();
    for tag in tags(expected) {
        let (got, mut expected) = (got.scalar(&tag), expected.scalar(&tag));
        if got.len() < expected.len() && tag.starts_with("batch_") {
            // With a checkpoint between an epoch's last batch and its end, the points at that step are discarded, and
            // written again except for the batch's own point.
            let lost = expected.iter().position(|(step, _)| !got.iter().any(|(other, _)| other == step));
            let (step, _) = expected.remove(lost.unwrap());
            assert!(ends.contains(&step), "{tag} at step {step}");
        }
        if tag.ends_with("_per_second") || tag.ends_with("seconds") {
            assert_eq!(got.len(), expected.len(), "{tag}");
        } else {
            assert_eq!(got, expected, "{tag}");
        }
    }
}

#[test]
fn unwritable_logs_are_rejected_before_training() {
    let dir = dir();
    dir.write("other.csv", "date,price\n2024-01-01,3\n");
    dir.write("file", "x");
    let song = ["train", "text", "song.txt"];
    for (options, phrases) in [
        (&["--csv-log", "none/a.csv"][..], &["cannot write none/a.csv", "--csv-log"][..]),
        (&["--csv-log", "."], &["cannot write .", "folder"]),
        (&["--csv-log", "other.csv"], &["other.csv is a text that begins with `date,price`", "--force"]),
        (&["--csv-log", "song.txt"], &["--csv-log song.txt is also an input file"]),
        (&["--csv-log", "a.svg", "--plot", "./a.svg"], &["--csv-log and --plot", "another file"]),
        (&["--out", "a.svg", "--plot", "a.svg"], &["--out and --plot"]),
        (&["--plot", "none/a.svg"], &["cannot write none/a.svg", "--plot"]),
        (&["--plot", "a.jpg"], &["a.jpg", ".svg"]),
        (&["--plot", "song.txt"], &["song.txt", ".svg"]),
        (&["--log-dir", "file/logs"], &["cannot create the folder --log-dir file/logs"]),
        (&["--log-dir", "file"], &["cannot create the folder --log-dir file"]),
        (&["--log-every", "5"], &["--log-dir"]),
        (&["--log-dir", "logs", "--log-every", "0"], &["--log-every"]),
    ] {
        let output = dir.run(&[&song[..], options].concat());
        assert_eq!((output.code, &output.stdout[..]), (2, ""), "{options:?}: {}", output.stderr);
        output.says_error(phrases);
    }
    let names = dir.names();
    let [a, b, c, d] = ["file", "lines.tsv", "other.csv", "song.txt"];
    assert_eq!(names, [a, b, c, d], "nothing was started");
    #[cfg(not(feature = "png"))]
    dir.refused(&[&song[..], &["--plot", "a.png"]].concat(), &["a.png", "--features png", ".svg"]);
    // Input files must not be overwritten.
    dir.write("song.svg", SONG);
    let options = ["train", "text", "song.svg", "--plot", "song.svg"];
    dir.refused(&options, &["--plot song.svg", "would be overwritten"]);
}

#[test]
fn logs_of_different_runs_are_not_mixed() {
    let dir = dir();
    let run = |more: &[&str]| dir.run(&text(&[&["--checkpoint=ck", "--epochs", "2"], more].concat()));
    assert_eq!(run(&LOGS).code, 0);
    let options = text(&["--out", "other", "--log-dir", "logs/first"]);
    let output = dir.run(&options);
    assert_eq!(output.code, 2, "{}", output.stderr);
    output.says_error(&["logs/first contains the log of an earlier run", "another folder"]);
    // The run resumes with its own logs, but not with those of another run.
    assert_eq!(run(&[&LOGS[..], &["--resume"]].concat()).code, 0);
    let before = dir.read("log.csv");
    let log = String::from_utf8(before.clone()).unwrap();
    let (header, rows) = log.split_once('\n').unwrap();
    dir.write("other.csv", format!("{header}\n{}", rows.replacen("1,", "1,9", 1)));
    for (file, phrase) in [("other.csv", "not the row of epoch 1"), ("lines.tsv", "first line")] {
        let kept = dir.read(file);
        let output = run(&["--resume", "--csv-log", file]);
        assert_eq!((output.code, output.events("done").len()), (2, 0), "{}", output.stderr);
        output.says_error(&[file, phrase]);
        assert_eq!(dir.read(file), kept);
    }
    // A log that lacks rows gets them from the checkpoint.
    dir.write("short.csv", format!("{header}\n"));
    dir.write("unended.csv", log.trim_end());
    for (file, missing) in [("none.csv", "2 epochs"), ("short.csv", "2 epochs"), ("unended.csv", "1 epoch")] {
        let output = run(&["--resume", "--csv-log", file]);
        assert!(output.stderr.contains(&format!("{file} has no rows for {missing}")), "{}", output.stderr);
        assert_eq!(String::from_utf8(dir.read(file)).unwrap(), log, "{file}");
    }
    assert_eq!(dir.read("log.csv"), before);
}

#[test]
fn help_describes_every_log() {
    let dir = TestDir::new();
    for what in ["text", "classify"] {
        let help = dir.ok(&["train", what, "--help"]).stdout;
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for option in ["Logging: --csv-log <FILE>", "--plot <FILE>", "--log-dir <DIR>", "--log-every <N>"] {
            assert!(help.contains(option), "{option}: {help}");
        }
        assert!(help.contains("tensorboard --logdir") && help.contains("1 % of the time [default: 10]"));
    }
}

#[cfg(unix)]
mod stopped {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};

    /// Starts a run of many epochs, and reads its stdout up to the end of the second one.
    fn running(dir: &TestDir) -> (Child, BufReader<std::process::ChildStdout>) {
        let options = text(&[&["--epochs", "1000000", "--out", "m"], &LOGS[..]].concat());
        let mut child = dir.command(&options).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        read_to(&mut reader, "\"epoch\":2,");
        (child, reader)
    }

    fn read_to(reader: &mut impl BufRead, wanted: &str) {
        let mut line = String::new();
        while !line.contains(wanted) {
            line.clear();
            assert!(reader.read_line(&mut line).unwrap() > 0, "{wanted} never came");
        }
    }

    /// Interrupts a run, and returns its output.
    fn interrupted(child: Child, mut reader: impl BufRead) -> CliOutput {
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        let output = CliOutput::new(child.wait_with_output().unwrap());
        assert_eq!(output.code, 130, "{}", output.stderr);
        CliOutput { stdout: rest, ..output }
    }

    #[test]
    fn an_interrupted_run_leaves_complete_logs() {
        let dir = dir();
        let (child, reader) = running(&dir);
        let output = interrupted(child, reader);
        let done = output.event("done");
        let epochs = done["epochs"].as_u64().unwrap() as usize;
        assert_eq!(rows(&dir, "log.csv").len(), epochs + 1);
        assert_eq!(drawn(&dir).1, 6 * epochs);
        let train = Events::read(&dir.file("logs/first/train"));
        assert_eq!(train.scalar("epoch_loss").len(), epochs);
        assert!(train.scalar("batch_loss").len() > epochs);
    }

    #[test]
    fn deleted_logs_give_a_warning_and_do_not_stop_the_run() {
        let dir = dir();
        let (child, mut reader) = running(&dir);
        fs::remove_dir_all(dir.file("logs")).unwrap();
        fs::remove_file(dir.file("log.csv")).unwrap();
        for _ in 0..3 {
            read_to(&mut reader, "\"event\":\"epoch\"");
        }
        let output = interrupted(child, reader);
        for option in ["--log-dir", "--csv-log"] {
            let warning = format!("the run continues without {option}\n");
            assert_eq!(output.stderr.matches(&warning).count(), 1, "{}", output.stderr);
        }
        assert!(!dir.file("logs").exists() && !dir.file("log.csv").exists());
        assert!(dir.file("run.svg").exists() && output.event("done")["checkpoint"].is_string());
    }

    /// The file size limit is enough for the model, but not for the TensorBoard logs.
    #[test]
    fn a_full_disk_gives_a_warning_and_does_not_stop_the_run() {
        let dir = dir();
        dir.ok(&text(&["--out", "plain", "--epochs", "20"]));
        let limited = |options: &[&str]| {
            let refrain = dir.command(&[]).get_program().to_owned();
            let mut command = Command::new("sh");
            // Ignoring the signal makes writing more an error. The limit is in blocks of 512 bytes.
            command
                .arg("-c")
                .arg("trap '' XFSZ; ulimit -f 96; exec \"$0\" \"$@\"")
                .arg(refrain)
                .args(options);
            CliOutput::new(command.current_dir(dir.path()).output().unwrap())
        };
        let output = limited(&text(&[&["--out", "m", "--epochs", "20"], &LOGS[..]].concat()));
        assert_eq!(output.code, 0, "{}", output.stderr);
        assert_eq!(
            output.stderr.matches("the run continues without --log-dir\n").count(),
            1,
            "{}",
            output.stderr
        );
        assert!(dir.read("m") == dir.read("plain"));
        assert_eq!(rows(&dir, "log.csv").len(), 21);
        // What was written before is intact.
        assert!(!Events::read(&dir.file("logs/first/train")).scalar("batch_loss").is_empty());
    }
}
