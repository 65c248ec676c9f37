//! Scores of a text say how much of it the vocabulary does not have.

mod common;

use common::{TestDir, tiny};
use serde_json::Value;

/// A text of which a model of [`common::SONG`] knows only the spaces and line breaks.
fn russian() -> String {
    "мама мыла раму и пела песню\n".repeat(40)
}

fn near(value: &Value, share: f64) -> bool {
    value.as_f64().is_some_and(|value| (value - share).abs() < 0.005)
}

#[test]
fn training_says_the_shares_and_warns() {
    let dir = TestDir::new();
    dir.write("ru.txt", russian());
    let run = dir.run(&tiny(&[
        "train",
        "text",
        "song.txt",
        "--validation-file",
        "ru.txt",
        "--out",
        "m.safetensors",
    ]));
    assert!(run.stderr.contains("unknown   0.0 % in training, 78.6 % in validation"), "{}", run.stderr);
    assert!(run.stderr.contains("warning: 78.6 % of the validation tokens are unknown"), "{}", run.stderr);
    let epoch = run.stderr.lines().find(|line| line.starts_with("epoch 1/1")).unwrap();
    assert!(epoch.contains("78.6 % unknown"), "{epoch}");
    let run = dir.run(&tiny(&[
        "--json",
        "train",
        "text",
        "song.txt",
        "--validation-file",
        "ru.txt",
        "--out",
        "n.safetensors",
    ]));
    let start = &run.events("start")[0];
    assert!(
        near(&start["unknown"]["training"], 0.0) && near(&start["unknown"]["validation"], 0.786),
        "{start}"
    );
    // Nothing is said where nothing is unknown.
    let run = dir.run(&tiny(&["train", "text", "song.txt", "--out", "o.safetensors"]));
    assert!(!run.stderr.contains("unknown"), "{}", run.stderr);
}

#[test]
fn a_model_trained_on_another_script_says_so() {
    let dir = TestDir::new();
    dir.write("ru.txt", russian());
    dir.train("c.safetensors", &[]);
    let evaluated = dir.ok(&["evaluate", "c.safetensors", "ru.txt"]);
    assert!(evaluated.stdout.contains("unknown             78.6 %"), "{}", evaluated.stdout);
    assert!(evaluated.stderr.contains("warning: 78.6 % of the tokens are unknown"), "{}", evaluated.stderr);
    let result = dir.ok(&["--json", "evaluate", "c.safetensors", "ru.txt", "--dynamic"]).event("result");
    assert!(near(&result["unknown"], 0.786), "{result}");
    let own = dir.ok(&["evaluate", "c.safetensors", "song.txt"]);
    assert!(
        own.stdout.contains("unknown             0.0 %") && !own.stderr.contains("unknown"),
        "{}",
        own.stdout
    );
    let continued = dir.ok(&[
        "train",
        "text",
        "ru.txt",
        "--init",
        "c.safetensors",
        "--steps",
        "8",
        "--epochs",
        "1",
        "--out",
        "d.safetensors",
    ]);
    assert!(continued.stderr.contains("warning: 78.6 % of the training tokens"), "{}", continued.stderr);
    assert!(continued.stderr.contains("78.6 % unknown"), "{}", continued.stderr);
}

#[test]
fn a_vocabulary_of_three_words_is_not_a_good_score() {
    let dir = TestDir::new();
    let run = dir.ok(&tiny(&[
        "train",
        "text",
        "song.txt",
        "--level",
        "word",
        "--vocab",
        "3",
        "--out",
        "w.safetensors",
    ]));
    assert!(run.stderr.contains("of the training tokens are unknown"), "{}", run.stderr);
}

#[test]
fn nothing_but_unknown_tokens_is_refused() {
    let dir = TestDir::new();
    dir.write("ja.txt", "漢字仮名交".repeat(200) + "\n");
    dir.train("c.safetensors", &[]);
    let of = |part: &'static str| [part, "tokens are unknown to the vocabulary", "script"];
    dir.refused(&["evaluate", "c.safetensors", "ja.txt"], &of("ja.txt"));
    dir.refused(&["evaluate", "c.safetensors", "ja.txt", "--dynamic"], &of("ja.txt"));
    let out = ["--out", "d.safetensors"];
    let init = ["train", "text", "ja.txt", "--init", "c.safetensors", "--steps", "8", "--epochs", "1"];
    dir.refused(&[&init[..], &out].concat(), &of("ja.txt"));
    for (option, part) in
        [("--validation-file", "in the validation data"), ("--test-file", "in the test data")]
    {
        dir.refused(&tiny(&[&["train", "text", "song.txt", option, "ja.txt"][..], &out].concat()), &of(part));
    }
    assert!(!dir.names().contains(&"d.safetensors".to_owned()));
}

#[test]
fn classifiers_and_taggers_say_it_too() {
    let dir = TestDir::new();
    let labelled = |a: &str, b: &str| format!("x\t{a} see\ny\t{b} see\n").repeat(12);
    dir.write("ok.tsv", labelled("sun", "rain"));
    dir.write("other.tsv", labelled("sol", "pluie"));
    dir.write("none.tsv", "x\tnon\ny\toui\n");
    let words = ["--level", "word", "--min-count", "1", "--units", "8", "--layers", "1", "--epochs", "1"];
    dir.ok(&[&["train", "classify", "ok.tsv", "--out", "k.safetensors"], &words[..]].concat());
    let evaluated = dir.ok(&["evaluate", "k.safetensors", "other.tsv"]);
    assert!(evaluated.stdout.contains("unknown   50.0 % of the tokens"), "{}", evaluated.stdout);
    assert!(evaluated.stderr.contains("warning: 50.0 % of the tokens are unknown"), "{}", evaluated.stderr);
    let json = dir.ok(&["--json", "evaluate", "k.safetensors", "other.tsv"]).event("result");
    assert!(near(&json["unknown"], 0.5), "{json}");
    dir.refused(&["evaluate", "k.safetensors", "none.tsv"], &["none.tsv: 2 of the 2 tokens are unknown"]);

    let tagged = |word: &str| format!("{word} N\nshines V\n\n").repeat(20);
    dir.write("ok.conll", tagged("sun"));
    dir.write("other.conll", tagged("lune"));
    dir.ok(&[&["train", "tag", "ok.conll", "--out", "t.safetensors"], &words[..]].concat());
    let evaluated = dir.ok(&["evaluate", "t.safetensors", "other.conll"]);
    assert!(evaluated.stdout.contains("unknown   50.0 % of the tokens"), "{}", evaluated.stdout);
    let tagged = dir.ok(&["tag", "t.safetensors", "lune shines"]);
    assert!(tagged.stderr.contains("the model does not know 1 of the text's words"), "{}", tagged.stderr);
    let tagged = dir.piped(&["--json", "tag", "t.safetensors", "-"], b"lune shines\nsun shines\n");
    let shares: Vec<_> =
        tagged.events("result").iter().map(|line| line["unknown"].as_f64().unwrap()).collect();
    assert_eq!(shares, [0.5, 0.0]);
}
