//! Files of other formats and habits: read as meant, or refused with what helps.

mod common;

use common::{CliOutput, SONG, TestDir, gzip, tiny};
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

/// Options that keep training on labelled data short.
const SMALL: [&str; 8] = ["--units", "8", "--embedding", "4", "--batch", "4", "--epochs", "1"];

const TAGGED: &str = "Ada/N saw/V\nKurt/N ran/V\n";

/// Returns a folder with labelled texts and sentences.
fn dir() -> TestDir {
    let dir = TestDir::new();
    let line = |n| format!("ham\tsee you soon {n}\nspam\twin money now {n}\n");
    dir.write("ok.tsv", (0..12).map(line).collect::<String>());
    dir.write("ok.tag", TAGGED.repeat(8));
    dir
}

fn classify<'a>(options: &[&'a str]) -> Vec<&'a str> {
    [&["train", "classify"], options, &SMALL].concat()
}

fn tag<'a>(options: &[&'a str]) -> Vec<&'a str> {
    [&["train", "tag"], options, &SMALL].concat()
}

fn classifier(dir: &TestDir) {
    dir.ok(&classify(&["ok.tsv", "--out", "k"]));
}

/// Encodes a text with this many bytes per character, of which one is not NUL.
fn wide(text: &str, size: usize, at: usize) -> Vec<u8> {
    let mut bytes = vec![0; text.len() * size];
    text.bytes().enumerate().for_each(|(i, byte)| bytes[i * size + at] = byte);
    bytes
}

#[test]
fn other_encodings_and_formats_are_named_wherever_a_text_is_read() {
    let dir = dir();
    classifier(&dir);
    dir.ok(&tag(&["ok.tag", "--out", "g"]));
    dir.train("m", &[]);
    let table = "ham\tsee you\nspam\twin money\n";
    let cases: [(&str, Vec<u8>, &str); 9] = [
        (
            "utf-16le",
            wide(table, 2, 0),
            "NUL byte at offset 1, so it is UTF-16 without a byte order mark; convert",
        ),
        ("utf-16be", wide(table, 2, 1), "`iconv -f utf-16be -t utf-8`"),
        ("utf-32le", wide(table, 4, 0), "`iconv -f utf-32le -t utf-8`"),
        ("utf-32", [b"\xff\xfe\0\0", &wide(table, 4, 0)[..]].concat(), "is UTF-32; expected UTF-8"),
        ("utf-16", [b"\xff\xfe", &wide(table, 2, 0)[..]].concat(), "is UTF-16; expected UTF-8"),
        ("binary", b"ham\tsee \0you\n".to_vec(), "NUL byte at offset 8, so it is a binary file"),
        (
            "cut",
            "ham\tsee you —".as_bytes()[..14].to_vec(),
            "ends within a character: 2 of its 3 bytes from offset 12",
        ),
        ("bz2", b"BZh91AY&SY\x12\x34".to_vec(), "compressed with bzip2; expected UTF-8 text; decompress it"),
        ("gz", gzip(table.as_bytes())[..20].to_vec(), "is damaged: its gzip data is cut off"),
    ];
    for (name, bytes, phrase) in cases {
        dir.write(name, &bytes);
        for arguments in [
            tiny(&["train", "text", name]),
            tiny(&["train", "text", "song.txt", "--validation-file", name]),
            tiny(&["train", "text", "song.txt", "--test-file", name]),
            classify(&[name]),
            classify(&["ok.tsv", "--validation-file", name]),
            tag(&[name]),
            vec!["evaluate", "m", name],
            vec!["evaluate", "k", name],
            vec!["evaluate", "g", name],
        ] {
            dir.refused(&arguments, &[name, phrase]);
        }
        for arguments in [&["classify", "k", "-"][..], &["tag", "g", "-"], &["evaluate", "m", "-"]] {
            let output = dir.piped(arguments, &bytes);
            assert_eq!(output.code, 2, "{arguments:?}: {}", output.stderr);
            // A stream's name is not that of a file.
            assert!(output.stderr.contains("stdin") && output.stderr.contains(phrase), "{}", output.stderr);
        }
    }
}

#[test]
fn too_large_a_share_for_validation_is_what_the_error_is_about() {
    let dir = dir();
    let output = dir.run(&tiny(&["train", "text", "song.txt", "--validation", "0.99999"]));
    output.says_error(&["song.txt, without the fraction of 0.99999", "0 tokens", "hold out a smaller share"]);
    assert!(!output.stderr.contains("min-count"), "{}", output.stderr);
    dir.write("few.tag", "Ada/N\nsaw/V\nKurt/N\n");
    let phrases = ["few.tag, without the fraction of 0.7 held out", "only `N`"];
    dir.refused(&tag(&["few.tag", "--validation", "0.7"]), &phrases);
}

#[test]
fn errors_about_labels_name_their_file_and_line() {
    let dir = dir();
    classifier(&dir);
    dir.ok(&tag(&["ok.tag", "--out", "g"]));
    dir.write("val.tsv", "ham\tx\n\nother\ty\n");
    dir.write("val.tag", "Ada/N saw/V\n\nKurt/N ran/X\n");
    dir.write("val.conll", "Ada N\nsaw V\n\nKurt N\nran X\n");
    std::fs::create_dir(dir.file("val")).unwrap();
    dir.write("val/other.txt", "y\n");
    for option in ["--validation-file", "--test-file"] {
        let part = if option == "--test-file" { "in the test data" } else { "in the validation data" };
        let other = ["the label `other` is unknown to the model, which knows ham, spam", part];
        dir.refused(
            &classify(&["ok.tsv", option, "val.tsv"]),
            &[&["val.tsv, line 3: "], &other[..]].concat(),
        );
        dir.refused(&classify(&["ok.tsv", option, "val"]), &[&["val/other.txt: "], &other[..]].concat());
        for (file, line) in [("val.tag", 3), ("val.conll", 5)] {
            let place = format!("error: {file}, line {line}: {part}: the label `X` is unknown");
            dir.run(&tag(&["ok.tag", option, file])).says_error(&[&place, "knows N, V"]);
        }
    }
    for command in ["evaluate", "inspect"] {
        dir.refused(&[command, "k", "ok.tsv", "val.tsv"], &["val.tsv, line 3: ", "`other`"]);
        dir.refused(&[command, "g", "ok.tag", "val.conll"], &["val.conll, line 5: ", "`X`"]);
    }
    // Training further: the model's labels are known before the data is read.
    let init = dir.run(&["train", "classify", "ok.tsv", "val.tsv", "--init", "k"]);
    init.says_error(&["error: val.tsv, line 3: the label `other`"]);
    dir.write("one.tsv", "rare\tx\n");
    dir.refused(&classify(&["ok.tsv", "one.tsv"]), &["one.tsv, line 1: the label `rare` has 1 text"]);
    dir.write("end.tag", format!("{TAGGED}{TAGGED}Emmy/N sang/X\n"));
    dir.refused(
        &tag(&["end.tag", "--validation", "0.2"]),
        &["end.tag, line 5, in the fraction of 0.2 held out for validation", "`X`"],
    );
}

#[test]
fn a_text_that_is_too_short_to_score_is_named() {
    let dir = dir();
    dir.write("one.txt", "x");
    for option in ["--validation-file", "--test-file"] {
        let output = dir.run(&tiny(&["train", "text", "song.txt", option, "one.txt"]));
        output.says_error(&[
            "error: one.txt: in the ",
            "the text has 1 token, ",
            "at least 2; use a longer text",
        ]);
    }
    let held_out = tiny(&["train", "text", "song.txt", "--validation", "0.001"]);
    dir.refused(&held_out, &["song.txt, the fraction of 0.001 held out", "hold out a larger share"]);
}

#[test]
fn lines_of_stdin_are_classified_as_they_arrive_and_blank_ones_keep_their_place() {
    let dir = dir();
    classifier(&dir);
    let mut command = dir.command(&["--json", "classify", "k", "-", "--threads", "1"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    for line in ["see you", "", "  ", "win money"] {
        writeln!(stdin, "{line}").unwrap();
        let mut answer = String::new();
        stdout.read_line(&mut answer).unwrap();
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["text"], line.trim());
        let labels = answer["labels"].as_array().unwrap();
        assert_eq!(labels.len(), if line.trim().is_empty() { 0 } else { 2 });
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
    let shown = dir.piped(&["classify", "k", "-", "--top", "1"], b"see you\n\nwin money\n");
    let lines: Vec<&str> = shown.stdout.lines().collect();
    assert_eq!((lines.len(), lines[0], lines[2], lines[3]), (5, "see you", "", "win money"));
    // Texts around a `-` keep their order, and many waiting lines are like single ones.
    let many = dir.piped(&["--json", "classify", "k", "first", "-", "last"], &b"see you\n".repeat(200));
    let texts: Vec<_> = many.events("result").iter().map(|result| result["text"].clone()).collect();
    assert_eq!(
        (texts.len(), &texts[0], &texts[1], &texts[201]),
        (202, &json!("first"), &json!("see you"), &json!("last"))
    );
    // What comes before an invalid line is answered.
    let partial = dir.piped(&["--json", "classify", "k", "-"], b"see you\n\xff\n");
    assert_eq!((partial.code, partial.events("result").len()), (2, 1));
}

#[test]
fn a_blank_line_keeps_its_place_among_tagged_ones() {
    let dir = dir();
    dir.ok(&tag(&["ok.tag", "--out", "g"]));
    let run =
        |options: &[&str]| dir.piped(&[&["tag", "g", "-"], options].concat(), b"Ada ran\n\nAda\n").stdout;
    let lines = run(&[]);
    assert_eq!((lines.lines().count(), lines.lines().nth(1)), (3, Some("")));
    let columns = run(&["--columns"]);
    let blank: Vec<bool> = columns.lines().map(str::is_empty).collect();
    // Each line ends with a blank one.
    assert_eq!(blank, [false, false, true, true, false, true]);
    let results = dir.piped(&["--json", "tag", "g", "-"], b"Ada\n\nAda\n").events("result");
    assert_eq!((results.len(), &results[1]["words"]), (3, &json!([])));
}

#[test]
fn stdin_is_read_once() {
    let dir = dir();
    classifier(&dir);
    for arguments in [
        tiny(&["train", "text", "-", "-"]),
        tiny(&["train", "text", "-", "--validation-file", "-"]),
        classify(&["-", "--test-file", "-"]),
        vec!["classify", "k", "-", "-"],
    ] {
        let output = dir.piped(&arguments, b"ham\tsee you\nspam\twin\nham\tsee\nspam\tmoney\n");
        assert_eq!(output.code, 2, "{}", output.stderr);
        assert!(output.stderr.contains("`-` is given twice"), "{}", output.stderr);
    }
}

#[test]
fn hidden_and_empty_files_of_a_folder_are_no_texts() {
    let dir = dir();
    std::fs::create_dir(dir.file("data")).unwrap();
    let half =
        |n: usize| SONG.lines().skip(n * 12).take(12).map(|line| format!("{line}\n")).collect::<String>();
    for (name, text) in [("a.txt", half(0)), ("b.txt", half(1))] {
        dir.write(&format!("data/{name}"), text);
    }
    let trained = |name: &str, command: &str| {
        dir.ok(&tiny(&["train", command, "data", "--out", name, "--steps", "16"])).stderr
    };
    let train = |name: &str| trained(name, "text");
    let label = |name: &str| dir.ok(&classify(&["data", "--out", name])).stderr;
    train("text");
    label("labels");
    for (name, text) in [("._a.txt", "junk"), (".DS_Store", "\0\0"), ("c.txt", ""), ("d.txt", " \n")] {
        dir.write(&format!("data/{name}"), text);
    }
    for (warned, one, other) in [(train("text2"), "text", "text2"), (label("labels2"), "labels", "labels2")] {
        assert!(warned.contains("2 files without text are skipped: data/c.txt, data/d.txt"), "{warned}");
        assert!(dir.read(one) == dir.read(other), "{one}");
    }
    std::fs::create_dir(dir.file("empty")).unwrap();
    dir.write("empty/c.txt", "");
    dir.refused(&tiny(&["train", "text", "empty"]), &["every .txt file of empty is empty"]);
    dir.refused(&classify(&["empty"]), &["every .txt file of empty is empty"]);
    // A file that is named is not skipped.
    dir.refused(&tiny(&["train", "text", "song.txt", "empty/c.txt"]), &["empty/c.txt is empty"]);
}

#[test]
fn a_folder_per_label_is_read_like_a_table() {
    let dir = dir();
    let mut table = String::new();
    for (label, word) in [("neg", "dull"), ("pos", "good")] {
        std::fs::create_dir_all(dir.file(&format!("films/{label}"))).unwrap();
        for i in 0..6 {
            dir.write(&format!("films/{label}/{i}.txt"), format!("a {word} film, number {i}\n"));
            table += &format!("{label}\ta {word} film, number {i}\n");
        }
    }
    dir.write("films.tsv", table);
    let said = dir.ok(&classify(&["films", "--out", "folder"])).stderr;
    assert!(said.contains("films has a folder per label: neg, pos"), "{said}");
    dir.ok(&classify(&["films.tsv", "--out", "table"]));
    assert!(dir.read("folder") == dir.read("table"));
    let score = |data| dir.ok(&["--json", "evaluate", "folder", data]).event("result");
    assert_eq!(score("films"), score("films.tsv"));
    // The layout of aclImdb/train.
    std::fs::create_dir(dir.file("films/unsup")).unwrap();
    dir.write("films/urls_pos.txt", "http://example.org\n");
    let said = dir.ok(&classify(&["films", "--out", "imdb"])).stderr;
    assert!(
        said.contains("not read in films, next to the folders of the labels: urls_pos.txt, unsup"),
        "{said}"
    );
    assert!(dir.read("imdb") == dir.read("table"));
    // With one folder of texts, either could be the labels.
    std::fs::create_dir_all(dir.file("mixed/pos")).unwrap();
    dir.write("mixed/pos/1.txt", "a good film\n");
    dir.write("mixed/neg.txt", "a dull film\n");
    let layouts =
        ["<label>.txt files with one text per line", "a folder per label with one text per .txt file"];
    let mixed = "mixed has .txt files (neg.txt) and folders with .txt files (pos)";
    dir.refused(&classify(&["mixed"]), &[&[mixed][..], &layouts].concat());
    dir.refused(&classify(&["films/unsup"]), &["no .txt or .txt.gz file"]);
    std::fs::create_dir_all(dir.file("deep/a/b")).unwrap();
    dir.refused(&classify(&["deep"]), &[&["neither have its folders (a)"], &layouts[..]].concat());
    // A text has no labels.
    std::fs::remove_file(dir.file("films/urls_pos.txt")).unwrap();
    dir.refused(
        &tiny(&["train", "text", "films"]),
        &[
            "films has no .txt or .txt.gz file, only folders with some: neg, pos; name the folders",
            "films/neg",
        ],
    );
    dir.write("films/notes.txt", SONG);
    let warned = dir.ok(&tiny(&["train", "text", "films"])).stderr;
    assert!(warned.contains("only the .txt files directly in films are read"), "{warned}");
}

#[test]
fn a_file_that_is_read_twice_is_noticed() {
    let dir = dir();
    std::fs::create_dir(dir.file("songs")).unwrap();
    dir.write("songs/song.txt", SONG);
    let again = "warning: read more than once: ";
    let twice = dir.ok(&tiny(&["train", "text", "songs", "songs/../songs/song.txt", "--out", "m"])).stderr;
    assert!(twice.contains(&format!("{again}songs/../songs/song.txt")), "{twice}");
    let twice = dir.ok(&classify(&["ok.tsv", "ok.tsv", "--out", "k"])).stderr;
    assert!(twice.contains(&format!("{again}ok.tsv")), "{twice}");
    assert!(!dir.ok(&classify(&["ok.tsv", "--out", "k"])).stderr.contains(again));
}

#[test]
fn names_of_files_as_texts_are_noticed() {
    let dir = dir();
    classifier(&dir);
    dir.ok(&tag(&["ok.tag", "--out", "g"]));
    dir.train("m", &[]);
    for (arguments, phrase) in [
        (&["classify", "k", "ok.tsv"][..], "`refrain classify k - < ok.tsv`"),
        (&["tag", "g", "ok.tag"], "`refrain tag g - < ok.tag`"),
        (&["generate", "m", "--length", "3", "--prompt", "song.txt"], "`--prompt \"$(cat song.txt)\"`"),
        (&["suggest", "m", "song.txt"], "`\"$(cat song.txt)\"`"),
    ] {
        let output = dir.ok(arguments);
        assert!(
            output.stderr.contains("is read as a text, not as the file of that name"),
            "{}",
            output.stderr
        );
        assert!(output.stderr.contains(phrase), "{}", output.stderr);
    }
    for arguments in [&["classify", "k", "song"][..], &["tag", "g", "song"]] {
        assert!(!dir.ok(arguments).stderr.contains("file"));
    }
}

#[test]
fn tables_from_spreadsheets_are_explained() {
    let dir = dir();
    let quoted: String = (0..6).map(|n| format!("\"ham\"\tsee you {n}\n\"spam\"\twin {n}\n")).collect();
    dir.write("quoted.tsv", quoted);
    let warned = dir.ok(&classify(&["quoted.tsv"])).stderr;
    let phrase = "quoted.tsv, line 1: the quotation marks are part of these labels: \"ham\", \"spam\"";
    assert!(warned.contains(phrase), "{warned}");
    assert!(!dir.ok(&classify(&["ok.tsv"])).stderr.contains("quotation"));
    dir.write("table.csv", "ham,see you\n");
    dir.refused(&classify(&["table.csv"]), &["table.csv, line 1", "no tab", "convert a CSV file first"]);
}

#[test]
fn scoring_on_the_training_text_is_noticed() {
    let dir = dir();
    std::fs::create_dir(dir.file("other")).unwrap();
    dir.write("other/copy.txt", SONG);
    dir.write("more.txt", SONG.to_uppercase());
    #[cfg(unix)]
    std::os::unix::fs::symlink(dir.file("song.txt"), dir.file("link.txt")).unwrap();
    #[cfg(not(unix))]
    dir.write("link.txt", SONG);
    let warned = |training: &[&str], option, file| {
        dir.ok(&tiny(&[&["train", "text"], training, &[option, file]].concat())).stderr
    };
    for option in ["--validation-file", "--test-file"] {
        for file in ["song.txt", "./song.txt", "other/copy.txt", "link.txt"] {
            let said = warned(&["song.txt"], option, file);
            assert!(said.contains(&format!("text {file} is also trained on")), "{option} {file}: {said}");
        }
        let said = warned(&["song.txt", "more.txt"], option, "more.txt");
        assert!(said.contains("more.txt is also trained on"), "{said}");
        assert!(!warned(&["song.txt"], option, "more.txt").contains("trained on"));
        let said = dir.ok(&classify(&["ok.tsv", option, "ok.tsv", "--out", "k"])).stderr;
        assert!(said.contains("texts are also training texts"), "{said}");
        let said = dir.ok(&tag(&["ok.tag", option, "ok.tag", "--out", "g"])).stderr;
        assert!(said.contains("sentences are also training sentences"), "{said}");
    }
}

#[cfg(unix)]
mod pipes {
    use super::*;
    use std::process::Command;

    /// Runs a command line in bash, which makes the pipes.
    fn bash(dir: &TestDir, line: &str) -> CliOutput {
        let mut command = Command::new("bash");
        command.current_dir(dir.path()).args(["-c", line]).env("refrain", env!("CARGO_BIN_EXE_refrain"));
        CliOutput::new(command.output().unwrap())
    }

    fn ok(dir: &TestDir, line: &str) -> CliOutput {
        let output = bash(dir, line);
        assert_eq!(output.code, 0, "{line}: {}", output.stderr);
        output
    }

    #[test]
    fn what_is_read_once_may_be_a_pipe() {
        let dir = dir();
        classifier(&dir);
        dir.ok(&tag(&["ok.tag", "--out", "g"]));
        dir.train("m", &[]);
        let text = tiny(&[]).join(" ");
        let small = SMALL.join(" ");
        let same = |line: &str| {
            ok(&dir, &format!("$refrain train text {line} {text} --out piped"));
            assert!(dir.read("piped") == dir.read("m"), "{line}");
        };
        ok(&dir, &format!("mkfifo fifo; cat song.txt > fifo & $refrain train text fifo {text} --out piped"));
        assert!(dir.read("piped") == dir.read("m"));
        same("<(cat song.txt)");
        same("/dev/stdin < song.txt");
        same("/dev/fd/0 < song.txt");
        ok(&dir, &format!("cat song.txt | $refrain train text /dev/stdin {text} --out piped"));
        assert!(dir.read("piped") == dir.read("m"));
        for line in [
            format!(
                "$refrain train text song.txt --validation-file <(cat song.txt) --test-file <(cat song.txt) {text}"
            ),
            format!("$refrain train classify --force <(cat ok.tsv) --validation-file <(cat ok.tsv) {small}"),
            format!("cat ok.tsv | $refrain train classify /dev/stdin --test-file <(cat ok.tsv) {small}"),
            format!("$refrain train tag --force <(cat ok.tag) --validation-file <(cat ok.tag) {small}"),
            "$refrain train text --force song.txt --init <(cat m) --steps 16 --epochs 1".to_owned(),
            "$refrain evaluate m <(cat song.txt)".to_owned(),
            "$refrain evaluate m song.txt --dynamic --dynamic-statistics <(cat song.txt)".to_owned(),
            "$refrain evaluate k /dev/stdin < ok.tsv".to_owned(),
            "cat ok.tag | $refrain evaluate g /dev/fd/0".to_owned(),
            "$refrain evaluate <(cat k) <(cat ok.tsv)".to_owned(),
            "$refrain inspect m <(cat song.txt) --only memory".to_owned(),
            "$refrain inspect <(cat k) <(cat ok.tsv) --only memory".to_owned(),
            "$refrain classify <(cat k) 'see you'".to_owned(),
            "$refrain generate <(cat m) --length 3".to_owned(),
            "$refrain info <(cat m)".to_owned(),
        ] {
            ok(&dir, &line);
        }
        assert_eq!(ok(&dir, "$refrain --json info <(cat m)").event("result")["bytes"], json!(null));
    }

    #[test]
    fn arrays_may_come_from_a_pipe() {
        let dir = dir();
        dir.train("m", &[]);
        let mut ids = b"\x93NUMPY\x01\x00\x46\x00".to_vec();
        ids.extend(
            format!("{:<69}\n", "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 3), }").bytes(),
        );
        ids.extend([1, 2, 3]);
        dir.write("ids.npy", &ids);
        ok(&dir, "$refrain predict m ids.npy named.npy");
        for line in ["<(cat ids.npy) out.npy", "/dev/stdin out.npy < ids.npy"] {
            // The name of a file that is redirected does not tell its format either.
            let line = format!("cat ids.npy | $refrain predict m {}", line.replace(" < ids.npy", ""));
            ok(&dir, &line);
            assert!(dir.read("out.npy") == dir.read("named.npy"), "{line}");
        }
        ok(
            &dir,
            "$refrain predict m named.npy out.safetensors || $refrain predict m ids.npy out.safetensors",
        );
        let output = bash(&dir, "$refrain predict m <(echo text) out.npy");
        assert_eq!(output.code, 2, "{}", output.stderr);
    }

    #[test]
    fn devices_are_refused_and_files_of_unknown_size_read() {
        let dir = dir();
        dir.refused(
            &tiny(&["train", "text", "/dev/zero"]),
            &["/dev/zero is a device; expected a file or a pipe"],
        );
        dir.refused(&["info", "/dev/zero"], &["/dev/zero is a device"]);
        #[cfg(target_os = "linux")]
        dir.ok(&tiny(&["train", "text", "/proc/version"]));
    }
}
