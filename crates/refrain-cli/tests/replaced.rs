//! An earlier result of the same kind is named and replaced; any other file is refused, unless `--force` is given.

mod common;

use common::{TestDir, tiny};
use std::fs;

const LABELLED: &str = "ham\tsee you soon\nham\tsee you later\nspam\twin money now\nspam\twin a prize now\n";

/// A folder with a language model and its log.
fn dir() -> TestDir {
    let dir = TestDir::new();
    dir.write("texts.tsv", LABELLED);
    dir.write("diary.txt", "Dear diary,\ntoday I trained a model.\n");
    dir.train("model.safetensors", &["--csv-log", "log.csv", "--plot", "run.svg"]);
    dir
}

fn text<'a>(options: &[&'a str]) -> Vec<&'a str> {
    tiny(&[&["train", "text", "song.txt"], options].concat())
}

fn classify<'a>(options: &[&'a str]) -> Vec<&'a str> {
    let tiny = ["--units", "4", "--embedding", "4", "--epochs", "1", "--validation", "0"];
    [&["train", "classify", "texts.tsv"], &tiny[..], options].concat()
}

#[test]
fn results_of_the_same_kind_are_named_and_replaced() {
    let dir = dir();
    let output = dir.ok(&text(&["--csv-log", "log.csv", "--plot", "run.svg", "--epochs", "2"]));
    for line in [
        "replaces  model.safetensors when the run ends: a language model (val_loss ",
        ", 1 epoch)",
        "replaces  log.csv: the log of 1 epoch\n",
        "replaces  run.svg when the run ends: an SVG picture\n",
    ] {
        assert!(output.stderr.contains(line), "{line}: {}", output.stderr);
    }
    // Programs are told too, but not on stdout; `--quiet` means not to be told.
    let json = dir.ok(&[&["--json"], &text(&[])[..]].concat());
    assert!(json.stderr.contains(", 2 epochs)") && json.events("done").len() == 1, "{}", json.stderr);
    assert_eq!(dir.ok(&[&["--quiet"], &text(&[])[..]].concat()).stderr, "");
    // Nothing is there.
    let output = dir.ok(&text(&["--out", "new.safetensors", "--csv-log", "new.csv"]));
    assert!(!output.stderr.contains("replaces"), "{}", output.stderr);
}

#[test]
fn other_files_are_refused_before_training() {
    let dir = dir();
    fs::copy(dir.file("model.safetensors"), dir.file("mine.safetensors")).unwrap();
    dir.ok(&classify(&["--out", "labels.safetensors", "--csv-log", "labels.csv"]));
    dir.write("shapes.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>");
    let model = dir.read("model.safetensors");
    dir.write("cut.safetensors", &model[..model.len() - 9]);
    fs::create_dir(dir.file("old")).unwrap();
    dir.ok(&text(&["--out", "old/m", "--checkpoint", "old/ck"]));
    let foreign = r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}  "#;
    dir.write(
        "foreign.safetensors",
        [&(foreign.len() as u64).to_le_bytes(), foreign.as_bytes(), &[0; 4]].concat(),
    );
    dir.write("notes.txt", "Dear diary,\n");
    dir.write("bytes", [0_u8, 159, 146, 150]);
    for (options, phrases) in [
        (
            classify(&["--out", "mine.safetensors"]),
            vec!["--out mine.safetensors is a language model (val_loss", "replaced with a classifier"],
        ),
        (text(&["--out", "labels.safetensors"]), vec!["labels.safetensors is a classifier (1 epoch)"]),
        (text(&["--out", "diary.txt"]), vec!["diary.txt is a text that begins with `Dear diary,`"]),
        (text(&["--out", "cut.safetensors"]), vec!["a damaged file of refrain"]),
        (
            text(&["--out", "foreign.safetensors"]),
            vec!["a safetensors file with 1 tensor that refrain did not write"],
        ),
        (text(&["--out", "bytes"]), vec!["a file of an unknown kind (4 bytes)"]),
        (text(&["--out", "old/ck/checkpoint-000001.safetensors"]), vec!["a checkpoint of a run"]),
        (text(&["--csv-log", "notes.txt"]), vec!["notes.txt is a text", "the log of this run"]),
        (
            text(&["--csv-log", "labels.csv"]),
            vec![
                "labels.csv is the log of 1 epoch (without the columns `tokens_per_second`, but with",
                "`val_macro_f1",
            ],
        ),
        (text(&["--plot", "shapes.svg"]), vec!["shapes.svg is an SVG picture that refrain did not make"]),
    ] {
        let name = options.iter().rev().find(|word| dir.file(word).is_file()).unwrap();
        let before = dir.read(name);
        dir.refused(&options, &phrases);
        dir.refused(&options, &["--force", "name another file"]);
        assert_eq!(dir.read(name), before, "{name}");
        // `--force` says what it replaces too.
        let forced = dir.ok(&[&options[..], &["--force"]].concat());
        assert!(forced.stderr.contains("replaces  "), "{}", forced.stderr);
        assert_ne!(dir.read(name), before, "{name}");
    }
}

#[test]
fn force_replaces_neither_an_input_nor_a_folder() {
    let dir = dir();
    fs::create_dir(dir.file("folder")).unwrap();
    for options in [["--out", "song.txt"], ["--csv-log", "song.txt"]] {
        dir.refused(&text(&[&options[..], &["--force"]].concat()), &["song.txt is also an input file"]);
    }
    dir.refused(&text(&["--out", "folder", "--force"]), &["it is a folder"]);
    dir.refused(
        &["inspect", "model.safetensors", "song.txt", "--html", "song.txt", "--force"],
        &["song.txt is also an input file"],
    );
}

#[test]
fn a_resumed_run_replaces_its_own_files_silently() {
    let dir = dir();
    let run = |more: &[&str]| {
        let own = ["--checkpoint", "ck", "--out", "m", "--csv-log", "m.csv", "--plot", "m.svg"];
        dir.run(&text(&[&own[..], more].concat()))
    };
    assert_eq!(run(&[]).code, 0);
    let resumed = run(&["--resume"]);
    assert_eq!((resumed.code, resumed.stderr.contains("replaces")), (0, false), "{}", resumed.stderr);
    // Without a checkpoint, `--resume` starts a new run.
    dir.write("diary.csv", "Dear diary,\n");
    let output = dir.run(&text(&["--checkpoint", "none", "--resume", "--csv-log", "diary.csv"]));
    assert_eq!(output.code, 2, "{}", output.stderr);
    assert_eq!(dir.read("diary.csv"), b"Dear diary,\n");
    let output = dir.ok(&text(&["--checkpoint", "none", "--resume", "--csv-log", "m.csv", "--out", "n"]));
    assert!(output.stderr.contains("replaces  m.csv: the log of 1 epoch"), "{}", output.stderr);
    // A file of another kind is not the run's own.
    dir.write("m", "Dear diary,\n");
    assert_eq!(run(&["--resume"]).code, 2);
    assert_eq!(run(&["--resume", "--force"]).code, 0);
}

#[test]
fn arrays_pages_figures_and_manual_pages_are_named_and_replaced() {
    let dir = dir();
    let ids = b"\x93NUMPY\x01\x00\x76\x00{'descr': '<i4', 'fortran_order': False, 'shape': (1, 3), }";
    let mut ids = ids.to_vec();
    ids.resize(127, b' ');
    ids.push(b'\n');
    ids.extend([1_i32, 2, 3].iter().flat_map(|id| id.to_le_bytes()));
    dir.write("ids.npy", &ids);
    dir.write("more.npy", &ids);
    for name in ["out.npy", "out.safetensors"] {
        let predict = ["predict", "model.safetensors", "ids.npy", name];
        assert!(!dir.ok(&predict).stderr.contains("replaces"));
        let again = dir.ok(&predict).stderr;
        assert!(again.starts_with(&format!("replaces  {name}: ")), "{again}");
    }
    let shape = dir.ok(&["predict", "model.safetensors", "ids.npy", "out.npy"]).stderr;
    assert!(shape.starts_with("replaces  out.npy: an array of shape (1, 3, "), "{shape}");
    fs::copy(dir.file("model.safetensors"), dir.file("copy.safetensors")).unwrap();
    for (name, what) in
        [("copy.safetensors", "a language model"), ("more.npy", "an array of another type: {'descr': '<i4'")]
    {
        dir.refused(
            &["predict", "model.safetensors", "ids.npy", name],
            &[what, "the model's outputs", "--force"],
        );
        dir.ok(&["predict", "model.safetensors", "ids.npy", name, "--force"]);
    }

    let inspect = [
        "inspect",
        "model.safetensors",
        "song.txt",
        "--only",
        "network",
        "--html",
        "page.html",
        "--out",
        "figures",
    ];
    dir.ok(&inspect);
    let again = dir.ok(&inspect).stderr;
    assert!(again.contains("replaces  page.html: a page of findings"), "{again}");
    assert!(again.contains(" to figures, replacing "), "{again}");
    dir.write("page.html", "<!DOCTYPE html><p>My page</p>");
    dir.refused(&inspect, &["--html page.html is an HTML page that refrain did not make", "--force"]);
    fs::remove_file(dir.file("page.html")).unwrap();
    let figure = fs::read_dir(dir.file("figures")).unwrap().next().unwrap().unwrap().path();
    fs::write(&figure, "<svg/>").unwrap();
    let output = dir.run(&inspect);
    assert_eq!(output.code, 2, "{}", output.stderr);
    let refused = ["error: --out figures/", "an SVG picture that refrain did not make", "--force"];
    assert!(refused.iter().all(|phrase| output.stderr.contains(phrase)), "{}", output.stderr);
    assert_eq!(fs::read(&figure).unwrap(), b"<svg/>");
    assert!(!dir.file("page.html").exists());
    dir.ok(&[&inspect[..], &["--force"]].concat());

    dir.ok(&["man", "pages"]);
    assert!(dir.ok(&["man", "pages"]).stderr.contains("replacing those there"));
    dir.write("pages/refrain-train-text.1", "my notes");
    dir.refused(&["man", "pages"], &["pages/refrain-train-text.1 is a text", "--force"]);
    assert_eq!(dir.read("pages/refrain-train-text.1"), b"my notes");
    dir.ok(&["man", "pages", "--force"]);
}

#[test]
fn a_tokenizer_is_replaced_only_by_itself() {
    let dir = TestDir::new();
    dir.ok(&tiny(&["train", "text", "song.txt", "--level", "bpe", "--vocab", "280"]));
    let info = ["info", "model.safetensors", "--tokenizer", "tokenizer.json"];
    dir.ok(&info);
    assert!(!dir.ok(&info).stderr.contains("replaces"));
    dir.write("tokenizer.json", "{\"mine\": 1}");
    dir.refused(&info, &["--tokenizer tokenizer.json is a text that begins with `{\"mine\": 1}`", "--force"]);
    let forced = dir.ok(&[&info[..], &["--force"]].concat()).stderr;
    assert!(forced.contains("replaces  tokenizer.json: a text"), "{forced}");
}
