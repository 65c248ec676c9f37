//! A line of text, its cursor, and the suggestions for it.

use refrain::language_model::Suggestion;

/// An action of the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    /// Inserts a character; a digit picks the suggestion of that number, unless it follows another digit.
    Char(char),
    /// Inserts a text; its line breaks become spaces.
    Paste(String),
    /// Accepts a suggestion, counted from 0.
    Take(usize),
    Backspace,
    Delete,
    Left,
    Right,
    Home,
    End,
    /// Erases the word before the cursor.
    EraseWord,
    /// Erases everything before the cursor.
    EraseBefore,
    Done,
    Interrupt,
}

/// What to do after a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Nothing,
    /// Suggest again: the text before the cursor has changed.
    Suggest,
    Done,
    Interrupt,
}

/// A line being written.
#[derive(Debug, Clone, Default)]
pub(super) struct Editor {
    line: Vec<char>,
    /// The number of characters before the cursor.
    cursor: usize,
    offered: Vec<Suggestion>,
    /// The number of characters before the cursor that a completion replaces.
    typed: usize,
}

impl Editor {
    pub(super) fn new(text: &str) -> Self {
        let mut editor = Self::default();
        editor.write(text.chars());
        editor
    }

    pub(super) fn line(&self) -> String {
        self.line.iter().collect()
    }

    pub(super) fn chars(&self) -> &[char] {
        &self.line
    }

    pub(super) fn cursor(&self) -> usize {
        self.cursor
    }

    /// Returns the text before the cursor.
    pub(super) fn before(&self) -> String {
        self.line[..self.cursor].iter().collect()
    }

    pub(super) fn offered(&self) -> &[Suggestion] {
        &self.offered
    }

    /// Sets the suggestions for the text before the cursor, whose last `typed` characters are an incomplete word.
    pub(super) fn offer(&mut self, words: Vec<Suggestion>, typed: usize) {
        (self.offered, self.typed) = (words, typed);
    }

    /// Removes suggestions that were made for another text.
    pub(super) fn outdate(&mut self) {
        self.offer(Vec::new(), 0);
    }

    pub(super) fn press(&mut self, key: Key) -> Effect {
        let before = (self.line.clone(), self.cursor);
        match key {
            Key::Done => return Effect::Done,
            Key::Interrupt => return Effect::Interrupt,
            Key::Char(c) => match self.numbered(c) {
                Some(number) => self.take(number),
                None => self.write([c]),
            },
            Key::Paste(text) => self.write(text.chars()),
            Key::Take(number) => self.take(number),
            Key::Backspace => self.erase(self.cursor.saturating_sub(1)),
            Key::Delete if self.cursor < self.line.len() => drop(self.line.remove(self.cursor)),
            Key::Delete => {}
            Key::Left => self.cursor = self.cursor.saturating_sub(1),
            Key::Right => self.cursor = (self.cursor + 1).min(self.line.len()),
            Key::Home => self.cursor = 0,
            Key::End => self.cursor = self.line.len(),
            Key::EraseWord => self.erase(self.word_start()),
            Key::EraseBefore => self.erase(0),
        }
        // The text after the cursor does not affect the suggestions.
        if before.0[..before.1] == self.line[..self.cursor] { Effect::Nothing } else { Effect::Suggest }
    }

    /// Returns the suggestion that a digit picks.
    fn numbered(&self, c: char) -> Option<usize> {
        let number = (c.to_digit(10)? as usize).checked_sub(1)?;
        let in_a_number = self.cursor > 0 && self.line[self.cursor - 1].is_ascii_digit();
        (number < self.offered.len() && !in_a_number).then_some(number)
    }

    fn write(&mut self, text: impl IntoIterator<Item = char>) {
        let shown = text.into_iter().map(|c| if c.is_whitespace() { ' ' } else { c });
        let new: Vec<char> = shown.filter(|c| !c.is_control()).collect();
        let len = new.len();
        self.line.splice(self.cursor..self.cursor, new);
        self.cursor += len;
    }

    fn erase(&mut self, from: usize) {
        self.line.drain(from..self.cursor);
        self.cursor = from;
    }

    fn word_start(&self) -> usize {
        let blank = |at: &usize| self.line[at - 1].is_whitespace();
        let end = (1..=self.cursor).rev().find(|at| !blank(at)).unwrap_or(0);
        (1..=end).rev().find(blank).unwrap_or(0)
    }

    /// Inserts a suggestion and a space, replacing the incomplete word if it is a completion.
    fn take(&mut self, number: usize) {
        let Some(word) = self.offered.get(number).cloned() else { return };
        if word.completion {
            self.erase(self.cursor - self.typed);
        } else if self.line[..self.cursor].last().is_some_and(|&c| wants_blank(c)) {
            self.write([' ']);
        }
        self.write(word.text.chars());
        match self.line.get(self.cursor) {
            Some(' ') => self.cursor += 1,
            _ => self.write([' ']),
        }
        self.outdate();
    }
}

/// Returns whether a word after this character needs a space before it.
fn wants_blank(c: char) -> bool {
    !c.is_whitespace() && !"([{\"'“‘«‹„‚¿¡-–—/".contains(c)
}
