//! Completions and manual pages.

mod common;

use common::TestDir;

#[test]
fn shells_complete_every_command() {
    let dir = TestDir::new();
    for (shell, phrase) in
        [("bash", "complete -F"), ("zsh", "#compdef refrain"), ("fish", "complete -c refrain")]
    {
        let script = dir.ok(&["completions", shell]).stdout;
        for word in [phrase, "evaluate", "early-stopping", "max-length"] {
            assert!(script.contains(word), "{shell}: no {word}");
        }
    }
    dir.refused(&["completions", "command.com"], &["bash", "fish", "zsh"]);
}

#[test]
fn every_command_has_a_manual_page() {
    let dir = TestDir::new();
    let page = dir.ok(&["man"]).stdout;
    assert!(page.contains(".TH refrain 1") && page.contains("refrain\\-train(1)"), "{page}");
    dir.ok(&["man", "pages/man1"]);
    let page = String::from_utf8(dir.read("pages/man1/refrain-train-tag.1")).unwrap();
    assert!(page.contains("early\\-stopping"), "{page}");
    for command in ["train", "train-text", "train-classify", "tag", "inspect", "completions"] {
        assert!(dir.file(&format!("pages/man1/refrain-{command}.1")).exists(), "{command}");
    }
    dir.write("a-file", "");
    assert!(dir.run(&["man", "a-file"]).stderr.contains("cannot write manual pages into a-file"));
}
