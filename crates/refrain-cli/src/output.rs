//! Output for the user: results on stdout as text or JSON lines, everything else on stderr.

use crate::error::{Failure, Result};
use clap::error::ErrorKind;
use refrain::shown::escaped;
use serde::Serialize;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

/// Maximum characters of a message.
const LONGEST_NOTE: usize = 100_000;

/// How much to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verbosity {
    /// Only results and errors.
    Quiet,
    /// Progress and warnings too.
    Normal,
    /// More details.
    Verbose,
}

/// The output of a command.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
    level: Verbosity,
}

/// A line of `--json`.
#[derive(Serialize)]
struct Line<'a, T> {
    event: &'a str,
    #[serde(flatten)]
    fields: T,
}

impl Output {
    pub(crate) fn new(json: bool, level: Verbosity) -> Self {
        Self { json, level }
    }

    /// Returns whether results are printed as JSON.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// Returns how much to print for people; quiet with `--json`.
    pub(crate) fn level(&self) -> Verbosity {
        if self.json { Verbosity::Quiet } else { self.level }
    }

    /// Prints one line with `--json`, otherwise nothing.
    pub(crate) fn event(&self, event: &str, fields: impl Serialize) -> Result<()> {
        if !self.json {
            return Ok(());
        }
        let line = serde_json::to_string(&Line { event, fields })
            .map_err(|e| Failure::Work(format!("cannot write the event `{event}` as JSON: {e}")))?;
        write_stdout(&format!("{line}\n"))
    }

    /// Prints a result, as JSON or as the text that `show` returns.
    pub(crate) fn result(&self, fields: impl Serialize, show: impl FnOnce() -> String) -> Result<()> {
        if self.json { self.event("result", fields) } else { print(&show()) }
    }

    /// Writes a text that is the result itself: unchanged into a file or a pipe, escaped on a terminal.
    pub(crate) fn write_text(&self, text: &str) -> Result<()> {
        if io::stdout().is_terminal() { print(text) } else { write_stdout(text) }
    }

    /// Prints a line to stderr, unless quiet.
    pub(crate) fn log(&self, line: impl Display) {
        if self.level() >= Verbosity::Normal {
            note(line);
        }
    }

    /// Prints a line to stderr, if verbose.
    pub(crate) fn detail(&self, line: impl Display) {
        if self.level() >= Verbosity::Verbose {
            note(line);
        }
    }

    /// Prints a line to stderr, unless quiet, but even with `--json`.
    pub(crate) fn notice(&self, line: impl Display) {
        if self.level > Verbosity::Quiet {
            note(line);
        }
    }

    /// Prints a warning to stderr, even with `--json`.
    pub(crate) fn warning(&self, message: impl Display) {
        self.notice(format_args!("warning: {message}"));
    }

    /// Prints an error to stderr, and with `--json` to stdout too.
    pub(crate) fn error(&self, failure: &Failure) {
        note(format_args!("error: {}", failure.message()));
        // If stdout is closed, there is nothing left to do.
        let _ = self.event("error", serde_json::json!({ "message": failure.message() }));
    }
}

/// Writes to stderr and ignores errors.
fn note(line: impl Display) {
    let _ = writeln!(io::stderr(), "{}", printable(&line.to_string()));
}

/// Escapes every line and limits the length: messages quote untrusted files, which could control the terminal or flood
/// it.
fn printable(message: &str) -> String {
    let mut lines = lines(message, &['\n']);
    if let Some((end, _)) = lines.char_indices().nth(LONGEST_NOTE) {
        lines.truncate(end);
        lines.push('…');
    }
    lines
}

/// Writes text for people to stdout: lines, and columns separated by tabs.
pub(crate) fn print(text: &str) -> Result<()> {
    write_stdout(&lines(text, &['\n', '\t']))
}

/// Escapes a text, except for these separators.
fn lines(text: &str, separators: &[char]) -> String {
    let parts = text.split_inclusive(separators);
    let part = |part: &str| {
        let end = part.trim_end_matches(separators).len();
        escaped(&part[..end]) + &part[end..]
    };
    parts.map(part).collect()
}

/// Writes to stdout and flushes it.
pub(crate) fn write_stdout(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|e| Failure::stdout(&e))
}

/// Prints help, the version, or an error of the command line.
pub(crate) fn command_line_error(error: &clap::Error) -> ExitCode {
    let help = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if !help && std::env::args_os().any(|argument| argument == "--json") {
        let text = error.render().to_string();
        let message = text.trim().strip_prefix("error: ").unwrap_or(text.trim());
        Output::new(true, Verbosity::Normal).error(&Failure::input(message));
        return ExitCode::from(2);
    }
    // Clap prints help to stdout and errors to stderr, with the arguments as they are.
    let steers = |argument: OsString| argument.to_string_lossy().chars().any(char::is_control);
    if !help && std::env::args_os().any(steers) {
        note(error.render().to_string().trim_end());
    } else {
        let _ = error.print();
    }
    ExitCode::from(if help { 0 } else { 2 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_of_a_file_are_escaped() {
        assert_eq!(printable("`\u{1b}[2J\u{9b}é\r`\nline"), "`\\u{1b}[2J\\u{9b}é\\r`\nline");
        assert_eq!(lines("a\tb\u{1b}\n\n\rc", &['\n', '\t']), "a\tb\\u{1b}\n\n\\rc");
        let long = printable(&"é".repeat(LONGEST_NOTE + 1));
        assert_eq!((long.chars().count(), long.ends_with('…')), (LONGEST_NOTE + 1, true));
    }
}
