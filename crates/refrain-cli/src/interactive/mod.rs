//! `refrain suggest --interactive`: a line editor in the terminal, with suggestions after each key.
//!
//! The editor and its screen do not depend on a terminal; this file turns terminal events into keys and draws the
//! screen. It draws to stderr, so that only the finished line goes to stdout.

mod editor;
mod screen;
#[cfg(test)]
mod tests;

use crate::error::{Failure, Result};
use crate::interruption::Interruption;
use crate::output::Output;
use crossterm::cursor::{MoveToColumn, MoveUp};
use crossterm::event::{
    DisableBracketedPaste, EnableBracketedPaste, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, poll,
    read,
};
use crossterm::style::Print;
use crossterm::terminal::{self, Clear, ClearType};
use crossterm::{execute, queue};
use editor::{Editor, Effect, Key};
use refrain::LanguageModel;
use refrain::language_model::Suggester;
use screen::Screen;
use serde_json::json;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

/// How long to wait for a key before checking for a signal.
const WAIT: Duration = Duration::from_millis(100);
/// The size assumed for a terminal that does not report its own.
const SIZE: (u16, u16) = (80, 24);
/// Maximum suggestions, since a digit picks one.
const MAX_SUGGESTIONS: usize = 9;

/// Returns an error if stdin or stderr is not a terminal.
pub(crate) fn needs_a_terminal() -> Result<()> {
    if io::stdin().is_terminal() && io::stderr().is_terminal() {
        return Ok(());
    }
    let message = "--interactive needs a terminal, but stdin or stderr is not one; run it in a terminal, or give the \
                   text: refrain suggest MODEL TEXT";
    Err(Failure::input(message))
}

/// Lets the user edit a line that begins with `text`, and prints it.
pub(crate) fn run(model: &mut LanguageModel, text: &str, top: usize, output: &Output) -> Result<()> {
    if top > MAX_SUGGESTIONS {
        return Err(Failure::input(format!(
            "--top is {top} with --interactive; expected at most {MAX_SUGGESTIONS}, because a digit picks a suggestion"
        )));
    }
    let mut suggester = model.suggester().map_err(refrain::Error::from)?;
    let line = Line { suggester: &mut suggester, top, editor: Editor::new(text) }.write()?;
    output.result(json!({ "text": line }), || format!("{line}\n"))
}

/// A line being written.
struct Line<'a, 'm> {
    suggester: &'a mut Suggester<'m>,
    top: usize,
    editor: Editor,
}

impl Line<'_, '_> {
    fn write(mut self) -> Result<String> {
        let interrupt = Interruption::watch()?;
        let mut terminal = Terminal::open()?;
        self.suggest()?;
        loop {
            terminal.draw(&self.editor)?;
            let mut edited = false;
            // Process all waiting keys, such as those of an unbracketed paste, before suggesting anything.
            let mut wait = WAIT;
            loop {
                if let Some(code) = interrupt.exit_code() {
                    return Err(Failure::Interrupted(code));
                }
                if !poll(wait).map_err(|e| no_terminal(&e))? {
                    if wait.is_zero() { break } else { continue }
                }
                // Other events, such as a new window size, only redraw the screen.
                if let Some(key) = read().map_err(|e| no_terminal(&e)).map(key)? {
                    match self.editor.press(key) {
                        Effect::Done => return Ok(self.editor.line()),
                        Effect::Interrupt => return Err(Failure::Interrupted(130)),
                        Effect::Suggest => edited = true,
                        Effect::Nothing => {}
                    }
                }
                // A picked number refers to the suggestions on the screen.
                wait = Duration::ZERO;
                if edited {
                    self.editor.outdate();
                }
            }
            if edited {
                self.suggest()?;
            }
        }
    }

    fn suggest(&mut self) -> Result<()> {
        let before = self.editor.before();
        let typed = self.suggester.typed(&before).chars().count();
        let words = self.suggester.suggest(&before, self.top).map_err(refrain::Error::from)?;
        self.editor.offer(words, typed);
        Ok(())
    }
}

/// Converts a terminal event to a key of the editor.
fn key(event: Event) -> Option<Key> {
    match event {
        Event::Paste(text) => Some(Key::Paste(text)),
        Event::Key(KeyEvent { code, modifiers, kind, .. }) if kind != KeyEventKind::Release => {
            let control = modifiers.contains(KeyModifiers::CONTROL);
            let alt = modifiers.contains(KeyModifiers::ALT);
            Some(match code {
                KeyCode::Enter | KeyCode::Esc => Key::Done,
                KeyCode::Tab => Key::Take(0),
                KeyCode::Backspace => Key::Backspace,
                KeyCode::Delete => Key::Delete,
                KeyCode::Left => Key::Left,
                KeyCode::Right => Key::Right,
                KeyCode::Home => Key::Home,
                KeyCode::End => Key::End,
                // Both together are AltGr, which types characters.
                KeyCode::Char(c) if control == alt => Key::Char(c),
                KeyCode::Char(c) if control => match c.to_ascii_lowercase() {
                    'c' => Key::Interrupt,
                    'd' => Key::Done,
                    'w' => Key::EraseWord,
                    'u' => Key::EraseBefore,
                    'a' => Key::Home,
                    'e' => Key::End,
                    'h' => Key::Backspace,
                    _ => return None,
                },
                _ => return None,
            })
        }
        _ => None,
    }
}

fn no_terminal(error: &io::Error) -> Failure {
    Failure::Work(format!("cannot use this terminal: {error}"))
}

/// The terminal in raw mode. It is restored when dropped, and before a panic message is printed.
struct Terminal {
    stderr: io::Stderr,
}

impl Terminal {
    fn open() -> Result<Self> {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            before(panic);
        }));
        // From here on, dropping restores the terminal if anything fails.
        let mut terminal = Self { stderr: io::stderr() };
        let taken =
            terminal::enable_raw_mode().and_then(|()| execute!(terminal.stderr, EnableBracketedPaste));
        taken.map_err(|e| no_terminal(&e))?;
        Ok(terminal)
    }

    fn draw(&mut self, editor: &Editor) -> Result<()> {
        let (columns, rows) = terminal::size().unwrap_or(SIZE);
        let screen = Screen::new(editor, usize::from(columns), usize::from(rows));
        self.show(&screen).map_err(|e| no_terminal(&e))
    }

    /// Draws downwards from the cursor's line, and leaves the cursor on that line.
    fn show(&mut self, screen: &Screen) -> io::Result<()> {
        queue!(self.stderr, MoveToColumn(0), Clear(ClearType::FromCursorDown))?;
        queue!(self.stderr, Print(screen.lines.join("\r\n")))?;
        if let below @ 1.. = screen.lines.len() - 1 {
            queue!(self.stderr, MoveUp(below as u16))?;
        }
        queue!(self.stderr, MoveToColumn(screen.cursor as u16))?;
        self.stderr.flush()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore();
    }
}

/// Clears the screen's lines and restores the terminal, ignoring errors.
fn restore() {
    let _ = execute!(io::stderr(), MoveToColumn(0), Clear(ClearType::FromCursorDown), DisableBracketedPaste);
    let _ = terminal::disable_raw_mode();
}
