//! Shell quoting of commands.

use std::env::args_os;

/// Quotes a word if a shell would interpret it.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=,:+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Returns the command line of this process, with an option added if it is missing.
pub(crate) fn this_command_with(option: &str) -> String {
    let words = args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    with(words, option)
}

fn with(mut words: Vec<String>, option: &str) -> String {
    if !words.iter().any(|word| word == option) {
        // After `--` it would be read as a file.
        let at = words.iter().position(|word| word == "--").unwrap_or(words.len());
        words.insert(at, option.to_owned());
    }
    let words = words.iter().map(|word| quoted(word));
    std::iter::once("refrain".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_if_a_shell_would_split_them() {
        let words = ["poem.txt", "--lr=0.1", "my poem.txt", "", "it's", "$HOME", "größe.txt"];
        let quoted: Vec<_> = words.into_iter().map(quoted).collect();
        assert_eq!(
            quoted,
            ["poem.txt", "--lr=0.1", "'my poem.txt'", "''", r"'it'\''s'", "'$HOME'", "größe.txt"]
        );
        let command = |words: &[&str]| with(words.iter().map(|w| (*w).to_owned()).collect(), "--resume");
        assert_eq!(command(&["train", "text", "a b"]), "refrain train text 'a b' --resume");
        assert_eq!(command(&["train", "--resume", "text"]), "refrain train --resume text");
        assert_eq!(command(&["train", "text", "--", "-odd"]), "refrain train text --resume -- -odd");
    }
}
