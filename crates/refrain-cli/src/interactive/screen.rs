//! The layout of a line and its suggestions in a terminal of a given size.

use super::editor::Editor;
use refrain::shown::{columns as columns_of, escaped};

const PROMPT: &str = "> ";
/// Minimum width at which the prompt is shown.
const ROOM_FOR_PROMPT: usize = 12;
const HELP: &str = "Tab or a digit inserts a word; Enter ends";
/// Columns between two suggestions.
const GAP: usize = 2;

/// Lines that fit the terminal, the one being written first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Screen {
    pub(super) lines: Vec<String>,
    /// The cursor's column in the first line.
    pub(super) cursor: usize,
}

impl Screen {
    pub(super) fn new(editor: &Editor, columns: usize, rows: usize) -> Self {
        // Text in the last column may wrap.
        let columns = columns.saturating_sub(1).max(1);
        let prompt = if columns < ROOM_FOR_PROMPT { "" } else { PROMPT };
        let (line, cursor) = window(editor, columns - prompt.len());
        let mut lines = vec![format!("{prompt}{line}"), suggestions(editor, columns)];
        if HELP.len() <= columns {
            lines.push(HELP.to_owned());
        }
        lines.truncate(rows.max(1));
        Self { lines, cursor: prompt.len() + cursor }
    }
}

/// Returns the part of the line around the cursor, and the cursor's column in it.
fn window(editor: &Editor, columns: usize) -> (String, usize) {
    let (chars, cursor) = (editor.chars(), editor.cursor());
    let mut start = cursor;
    let mut column = 0;
    // After the text, the cursor needs its own column.
    while start > 0 && column + width(chars[start - 1]) < columns {
        start -= 1;
        column += width(chars[start]);
    }
    let mut line = String::new();
    let mut used = 0;
    for &c in &chars[start..] {
        used += width(c);
        if used > columns {
            break;
        }
        line.push(c);
    }
    (line, column)
}

/// Lists the numbered suggestions that fit.
fn suggestions(editor: &Editor, columns: usize) -> String {
    let mut line = String::new();
    let mut used = 0;
    for (number, word) in (1..).zip(editor.offered()) {
        let share = format!("{:.0} %", word.probability * 100.0);
        let gap = if number == 1 { 0 } else { GAP };
        let text = escaped(&word.text);
        let cell = format!("{:gap$}{number} {text} {share}", "");
        let needed = columns_of(&cell);
        if used + needed > columns {
            break;
        }
        line += &cell;
        used += needed;
    }
    line
}

/// Returns the columns of a character in most terminals.
pub(super) fn width(c: char) -> usize {
    columns_of(c.encode_utf8(&mut [0; 4]))
}
