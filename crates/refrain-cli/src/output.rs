//! What the user sees: results on stdout, all else on stderr, or JSON lines.

use crate::error::{Failure, Result};
use clap::error::ErrorKind;
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

/// Characters of a message that are shown.
const LONGEST_NOTE: usize = 100_000;

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verbosity {
    /// Results and errors.
    Quiet,
    /// What happens.
    Normal,
    /// More of it.
    Verbose,
}

/// Where a command writes.
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

    /// Whether results are JSON.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// How much a person is told: nothing but errors where a program reads.
    pub(crate) fn level(&self) -> Verbosity {
        if self.json { Verbosity::Quiet } else { self.level }
    }

    /// With `--json` prints one line, else nothing.
    pub(crate) fn event(&self, event: &str, fields: impl Serialize) -> Result<()> {
        if !self.json {
            return Ok(());
        }
        let line = serde_json::to_string(&Line { event, fields })
            .map_err(|e| Failure::Work(format!("cannot write the event `{event}` as JSON: {e}")))?;
        write_stdout(&format!("{line}\n"))
    }

    /// A result: as JSON, or as the text that `show` makes.
    pub(crate) fn result(&self, fields: impl Serialize, show: impl FnOnce() -> String) -> Result<()> {
        if self.json { self.event("result", fields) } else { write_stdout(&show()) }
    }

    /// A line on stderr for a person.
    pub(crate) fn log(&self, line: impl Display) {
        if self.level() >= Verbosity::Normal {
            note(line);
        }
    }

    /// A line on stderr for a person who wants to know more.
    pub(crate) fn detail(&self, line: impl Display) {
        if self.level() >= Verbosity::Verbose {
            note(line);
        }
    }

    /// Something odd, which is said also with `--json`.
    pub(crate) fn warning(&self, message: impl Display) {
        if self.level > Verbosity::Quiet {
            note(format_args!("warning: {message}"));
        }
    }

    /// An error: on stderr, and with `--json` on stdout too.
    pub(crate) fn error(&self, failure: &Failure) {
        note(format_args!("error: {}", failure.message()));
        // A reader that has gone cannot be told that it has.
        let _ = self.event("error", serde_json::json!({ "message": failure.message() }));
    }
}

/// Writes to stderr; where stderr is closed there is nobody to tell.
fn note(line: impl Display) {
    let _ = writeln!(io::stderr(), "{}", printable(&line.to_string()));
}

/// A message as a terminal may have it. Messages quote files of strangers, which could steer the terminal, or fill it.
fn printable(message: &str) -> String {
    let mut shown = String::with_capacity(message.len().min(LONGEST_NOTE));
    for (i, c) in message.chars().enumerate() {
        if i == LONGEST_NOTE {
            shown.push('…');
            break;
        }
        if c.is_control() && c != '\n' {
            shown.extend(c.escape_debug());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Writes to stdout at once.
pub(crate) fn write_stdout(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|e| Failure::stdout(&e))
}

/// Shows help, the version, or what is wrong with the command line.
pub(crate) fn command_line_error(error: &clap::Error) -> ExitCode {
    let help = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if !help && std::env::args_os().any(|argument| argument == "--json") {
        let text = error.render().to_string();
        let message = text.trim().strip_prefix("error: ").unwrap_or(text.trim());
        Output::new(true, Verbosity::Normal).error(&Failure::input(message));
        return ExitCode::from(2);
    }
    // Clap chooses stdout for help, stderr for errors.
    let _ = error.print();
    ExitCode::from(if help { 0 } else { 2 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_says_does_not_steer_the_terminal() {
        assert_eq!(printable("`\u{1b}[2J\u{9b}é\r`\nline"), "`\\u{1b}[2J\\u{9b}é\\r`\nline");
        let long = printable(&"é".repeat(LONGEST_NOTE + 1));
        assert_eq!((long.chars().count(), long.ends_with('…')), (LONGEST_NOTE + 1, true));
    }
}
