//! What is printed for people: nothing steers the terminal, columns are straight, one is singular, numbers are short.

mod common;

use common::{TestDir, tiny};

/// Asks a terminal to clear its screen.
const CLEAR: &str = "\u{1b}[2J\u{9b}H";

fn is_clean(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t'))
}

/// Trains a small classifier `k` on `texts.tsv`.
fn classifier(dir: &TestDir) {
    let small = ["--units", "4", "--embedding", "4", "--epochs", "1", "--out", "k"];
    dir.ok(&[&["train", "classify", "texts.tsv"], &small[..]].concat());
}

#[test]
fn text_from_outside_does_not_steer_the_terminal() {
    let dir = TestDir::new();
    let tsv: String =
        ["ham\tsee you soon", "spam\twin money now"].map(|line| format!("{line}\n").repeat(6)).concat();
    dir.write("texts.tsv", &tsv);
    classifier(&dir);
    let labelled = dir.ok(&["classify", "k", &format!("win {CLEAR}money")]);
    assert!(is_clean(&labelled.stdout), "{:?}", labelled.stdout);
    assert!(labelled.stdout.starts_with("win \\u{1b}[2J\\u{9b}Hmoney\n"), "{}", labelled.stdout);
    // A line break would look like the end of the text.
    assert!(dir.ok(&["classify", "k", "win\nmoney"]).stdout.starts_with("win\\nmoney\n"));

    dir.write("tagged.txt", "the/D wheel/N turns/V\n".repeat(20));
    dir.ok(&[
        "train",
        "tag",
        "tagged.txt",
        "--units",
        "4",
        "--embedding",
        "4",
        "--epochs",
        "1",
        "--out",
        "t",
    ]);
    for columns in [&[][..], &["--columns"]] {
        let tagged = dir.ok(&[&["tag", "t"], columns, &[&*format!("the whe{CLEAR}el")]].concat());
        assert!(is_clean(&tagged.stdout) && tagged.stdout.contains("whe\\u{1b}[2J"), "{:?}", tagged.stdout);
    }

    // File names, in messages and in results.
    let name = format!("so{CLEAR}ng.txt");
    dir.write(&name, common::SONG);
    let model = format!("m{CLEAR}");
    let trained = dir.ok(&tiny(&["train", "text", &name, "--out", &model]));
    assert!(is_clean(&trained.stdout) && is_clean(&trained.stderr), "{:?}", trained);
    for arguments in [["info", &model], ["info", &name], ["evaluate", &model], [&name, &model]] {
        let output = dir.run(&arguments);
        assert!(is_clean(&output.stdout) && is_clean(&output.stderr), "{output:?}");
    }
    let inspected = dir.ok(&["inspect", &model, &name, "--only", "network"]);
    assert!(is_clean(&inspected.stdout) && is_clean(&inspected.stderr), "{inspected:?}");

    // Programs get the text as it is.
    let text = format!("win {CLEAR}money");
    assert_eq!(dir.ok(&["--json", "classify", "k", &text]).event("result")["text"], text);
    dir.write("escapes.txt", format!("a{CLEAR}b\n").repeat(60));
    dir.ok(&tiny(&["train", "text", "escapes.txt", "--out", "e"]));
    let generated = dir.ok(&["generate", "e", "--prompt", CLEAR, "--length", "3"]);
    assert!(generated.stdout.starts_with(CLEAR), "{:?}", generated.stdout);
    assert!(is_clean(&dir.ok(&["suggest", "e", "a", "--tokens", "--top", "9"]).stdout));
}

#[test]
fn chinese_labels_keep_the_tables_straight() {
    let dir = TestDir::new();
    let tsv: String = ["好评\tsee you soon", "差評です\twin money now", "ok\tlater"]
        .map(|l| format!("{l}\n").repeat(6))
        .concat();
    dir.write("texts.tsv", &tsv);
    classifier(&dir);
    let table = dir.ok(&["evaluate", "k", "texts.tsv"]).stdout;
    // A wide character takes two columns.
    let end = |line: &str| line.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum::<usize>();
    let scores: Vec<_> =
        table.lines().skip_while(|line| !line.starts_with("label")).take(4).map(end).collect();
    assert_eq!(scores, [scores[0]; 4], "{table}");
}

#[test]
fn one_is_singular() {
    let dir = TestDir::new();
    dir.write("one.txt", "ab".repeat(40));
    let trained =
        dir.ok(&tiny(&["train", "text", "one.txt", "--validation", "0", "--steps", "1", "--threads", "1"]));
    let printed = trained.stderr + &trained.stdout + &dir.ok(&["info", "model.safetensors"]).stdout;
    for word in ["epochs", "batches", "threads", "tokens each", "steps"] {
        assert!(!printed.contains(&format!(" 1 {word}")), "1 {word}: {printed}");
    }
    assert!(printed.contains("1 epoch of ") && printed.contains("1 thread;"), "{printed}");
    assert!(printed.contains(" x 1 token each"), "{printed}");
}

#[test]
fn learning_rates_are_short() {
    let dir = TestDir::new();
    let options = ["--lr", "1e-30", "--schedule", "cosine", "--clip", "1e-9"];
    let trained = dir.ok(&tiny(&[&["train", "text", "song.txt"], &options[..]].concat()));
    assert!(trained.stderr.contains("cosine rate 1e-30, clipped at 1e-9"), "{}", trained.stderr);
    let info = dir.ok(&["info", "model.safetensors"]).stdout;
    assert!(info.contains("learning_rate: 1e-30\n"), "{info}");
    let fresh =
        ["inspect", "--units", "2", "--steps", "4", "--sequences", "2", "--train", "1", "--lr", "1e-30"];
    let compared = dir.ok(&fresh).stdout;
    assert!(compared.contains("1 step of Adam, learning rate 1e-30"), "{compared}");
}

#[test]
fn empty_variables_are_unset() {
    let dir = TestDir::new();
    dir.train("m", &[]);
    let mut command = dir.command(&["evaluate", "m", "song.txt"]);
    for variable in ["REFRAIN_ISA", "COLUMNS", "TMPDIR", "TMP", "TERM", "NO_COLOR", "CLICOLOR"] {
        command.env(variable, "");
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(dir.names(), ["m", "song.txt"]);
}

#[test]
fn refused_options_are_named_as_they_are_typed() {
    let dir = TestDir::new();
    dir.refused(&["train", "text", "song.txt", "--min-count", "3"], &["--min-count is 3 with characters"]);
    dir.refused(
        &["train", "text", "song.txt", "--early-stopping", "2", "--validation", "0"],
        &["--early-stopping is 2 without validation"],
    );
    for wrong in ["0", "-3", "1.5", "many", "9999999", ""] {
        let phrases = [&*format!("'{wrong}'"), "a whole number from 1 to 1,000,000"];
        dir.refused(&["train", "text", "song.txt", &format!("--epochs={wrong}")], &phrases);
    }
    dir.refused(&["generate", "m", "--seed=-1"], &["expected a whole number from 0 to 18446744073709551615"]);
    dir.refused(&["generate", "m", "--length=-1"], &["expected a whole number of at least 0"]);
}
