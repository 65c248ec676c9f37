//! Reading a corpus in chunks.

use super::Part;
use super::source::{Opened, Source};
use crate::error::{Error, Result};
use refrain_task::input;
use std::mem;
use std::str::Utf8Error;

/// Where a chunk may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Between any two characters.
    Anywhere,
    /// After a line break or, if there is none, before a single space between two letters. At these places every
    /// tokenizer gives the same tokens for the two sides as for the whole text.
    BetweenWords,
}

/// An iterator over the chunks of a [`Corpus`](super::Corpus). It ends after the first error.
#[derive(Debug)]
pub struct Chunks<'a> {
    parts: std::slice::Iter<'a, Part>,
    current: Option<PartChunks<'a>>,
    chunk: usize,
    cut: Cut,
}

impl<'a> Chunks<'a> {
    pub(super) fn new(parts: &'a [Part], chunk: usize, cut: Cut) -> Self {
        Self { parts: parts.iter(), current: None, chunk, cut }
    }

    fn advance(&mut self) -> Result<Option<String>> {
        loop {
            if let Some(part) = &mut self.current
                && let Some(chunk) = part.next(self.chunk, self.cut)?
            {
                return Ok(Some(chunk));
            }
            match self.parts.next() {
                Some(part) => self.current = Some(PartChunks::open(part)?),
                None => return Ok(None),
            }
        }
    }
}

impl Iterator for Chunks<'_> {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Result<String>> {
        let next = self.advance();
        if next.is_err() {
            (self.parts, self.current) = (Default::default(), None);
        }
        next.transpose()
    }
}

/// The chunks of one part. Parts meet after line breaks, so no chunk spans two parts.
#[derive(Debug)]
pub(super) struct PartChunks<'a> {
    source: &'a Source,
    opened: Opened<'a>,
    /// The position in the source to read next, and the part's end.
    at: u64,
    end: u64,
    line_break: bool,
    /// Bytes that are read but not yet in a chunk.
    pending: Vec<u8>,
    /// The position of the pending bytes in the source.
    start: u64,
}

impl<'a> PartChunks<'a> {
    pub(super) fn open(part: &'a Part) -> Result<Self> {
        let Part { source, range, line_break, .. } = part;
        let (at, end, line_break) = (range.start, range.end, *line_break);
        Ok(Self { opened: source.open()?, source, at, end, line_break, pending: Vec::new(), start: at })
    }

    pub(super) fn next(&mut self, chunk: usize, cut: Cut) -> Result<Option<String>> {
        loop {
            self.read(chunk)?;
            if self.at == self.end && !self.line_break {
                let last = mem::take(&mut self.pending);
                return if last.is_empty() { Ok(None) } else { self.text(last, true).map(Some) };
            }
            if let Some(at) = self.last_cut(cut)? {
                let rest = self.pending.split_off(at);
                let chunk = mem::replace(&mut self.pending, rest);
                return self.text(chunk, false).map(Some);
            }
        }
    }

    /// Reads one chunk's worth of bytes. If that much is already pending without a cut, reads as much again, so
    /// that the search for a cut takes time linear in the text.
    fn read(&mut self, chunk: usize) -> Result<()> {
        let there = self.pending.len();
        let wanted = if there < chunk { chunk - there } else { there };
        let wanted = (self.end - self.at).min(wanted as u64);
        self.opened.append(self.at, wanted as usize, &mut self.pending).map_err(|e| self.source.failed(e))?;
        self.at += wanted;
        if self.at == self.end && mem::take(&mut self.line_break) {
            self.pending.push(b'\n');
        }
        Ok(())
    }

    fn last_cut(&self, cut: Cut) -> Result<Option<usize>> {
        let pending = &self.pending[..];
        Ok(match cut {
            Cut::Anywhere => Some(whole_characters(pending)).filter(|&at| at > 0),
            Cut::BetweenWords => match pending.iter().rposition(|&b| b == b'\n') {
                Some(at) => Some(at + 1),
                None => {
                    let whole = &pending[..whole_characters(pending)];
                    let text = std::str::from_utf8(whole).map_err(|e| self.not_utf8(whole, e, false))?;
                    last_space_between_letters(text)
                }
            },
        })
    }

    /// Returns the next pending bytes as text; `is_end` says whether they are the last ones.
    fn text(&mut self, bytes: Vec<u8>, is_end: bool) -> Result<String> {
        let text =
            String::from_utf8(bytes).map_err(|e| self.not_utf8(e.as_bytes(), e.utf8_error(), is_end))?;
        self.start += text.len() as u64;
        Ok(text)
    }

    fn not_utf8(&self, bytes: &[u8], error: Utf8Error, is_end: bool) -> Error {
        input::invalid(bytes, error, &self.source.name(), self.start, is_end).into()
    }
}

/// Returns the length of the bytes without an incomplete character at the end.
fn whole_characters(bytes: &[u8]) -> usize {
    let last = bytes.iter().rposition(|b| b & 0xC0 != 0x80).unwrap_or(0);
    let len = match bytes.get(last) {
        Some(0xC0..=0xDF) => 2,
        Some(0xE0..=0xEF) => 3,
        Some(0xF0..) => 4,
        _ => 1,
    };
    if bytes.len() - last < len { last } else { bytes.len() }
}

fn last_space_between_letters(text: &str) -> Option<usize> {
    let between = |at: &usize| {
        let before = text[..*at].chars().next_back();
        let behind = text[at + 1..].chars().next();
        before.is_some_and(char::is_alphabetic) && behind.is_some_and(char::is_alphabetic)
    };
    text.rmatch_indices(' ').map(|(at, _)| at).find(between)
}
