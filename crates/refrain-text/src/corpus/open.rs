//! Adding texts to a corpus. Each is read once and checked.

use super::source::Source;
use super::{Corpus, Cut, Part, PartChunks};
use crate::error::{Error, Result};
use refrain_task::input::{Input, refuse_nul};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

/// Streams longer than this are stored in a file.
const STREAM_IN_MEMORY: u64 = 8 << 20;

const BYTE_ORDER_MARK: &str = "\u{feff}";

impl Corpus {
    /// Opens files and joins them in order; each starts on a new line. See [`append_file`](Self::append_file).
    ///
    /// # Errors
    /// The error of the first file that fails.
    pub fn open<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Self> {
        let mut corpus = Self::default();
        for path in paths {
            corpus.append_file(path.as_ref())?;
        }
        Ok(corpus)
    }

    /// Adds a file as [`append`](Self::append) does. What cannot be read again is stored in the system's temporary
    /// folder.
    ///
    /// # Errors
    /// Those of [`Input::open`] and [`append`](Self::append).
    pub fn append_file(&mut self, path: &Path) -> Result<()> {
        self.append(Input::open(path)?, &std::env::temp_dir(), &mut |_| {})
    }

    /// Adds a text, on a new line and without a byte order mark. It is read once now, to check it, and again on
    /// each pass over the corpus; `seen` is called after each chunk with the chunk's size in bytes. Pipes and gzip
    /// files cannot be read again, so their text is stored; more than 8 MB goes to an unnamed file in `folder`,
    /// which is deleted with the corpus.
    ///
    /// # Errors
    /// If it cannot be read, is not UTF-8 or has NUL bytes; [`Error::Blank`] if it has no text; [`Error::Temporary`] if
    /// the folder has no space.
    pub fn append(&mut self, mut input: Input<'_>, folder: &Path, seen: &mut dyn FnMut(u64)) -> Result<()> {
        if let Some(path) = input.plain_file() {
            let (source, bytes) = Source::named(path)?;
            return self.append_source(source, bytes, seen);
        }
        let name: Arc<str> = input.name().into();
        let mut bytes = Vec::new();
        let read = input.by_ref().take(STREAM_IN_MEMORY + 1).read_to_end(&mut bytes);
        let read = read.map_err(|e| input.failed(e))? as u64;
        if read <= STREAM_IN_MEMORY {
            return self.append_source(Source::Text { name, bytes: bytes.into() }, read, seen);
        }
        // Before a stream that is no text fills the folder.
        refuse_nul(&bytes, &name, 0)?;
        let (file, len) = spool(bytes, input, folder)?;
        self.append_source(Source::Spooled { name, file: Arc::new(file) }, len, seen)
    }

    /// Adds a text unchanged: it may be empty or blank, and need not start on a new line.
    pub(super) fn push_text(&mut self, text: String) {
        let (characters, bytes) = (text.chars().count(), text.into_bytes());
        let range = 0..bytes.len() as u64;
        if !bytes.is_empty() {
            let source = Source::Text { name: "the text".into(), bytes: bytes.into() };
            self.parts.push(Part { source, range, characters, line_break: false });
        }
    }

    fn append_source(&mut self, source: Source, bytes: u64, seen: &mut dyn FnMut(u64)) -> Result<()> {
        let mut part = Part { source, range: 0..bytes, characters: 0, line_break: false };
        let found = check(&part, self.chunk, seen)?;
        part.range.start = found.mark;
        part.characters = found.characters;
        if found.blank {
            let what = if part.range.is_empty() { "is empty" } else { "contains only whitespace" };
            return Err(Error::Blank { name: part.source.name(), what });
        }
        if let Some(last) = self.parts.last_mut() {
            last.line_break = !last.ends_with_line_break()?;
        }
        self.parts.push(part);
        Ok(())
    }
}

/// The result of checking a text.
struct CheckedText {
    /// Bytes of the byte order mark at its start.
    mark: u64,
    /// Characters after the mark.
    characters: usize,
    blank: bool,
}

fn check(part: &Part, chunk: usize, seen: &mut dyn FnMut(u64)) -> Result<CheckedText> {
    let mut found = CheckedText { mark: 0, characters: 0, blank: true };
    let mut chunks = PartChunks::open(part)?;
    let mut offset = 0;
    while let Some(chunk) = chunks.next(chunk, Cut::Anywhere)? {
        refuse_nul(chunk.as_bytes(), &part.source.name(), offset)?;
        let mut text = &chunk[..];
        if let Some(rest) = text.strip_prefix(BYTE_ORDER_MARK).filter(|_| offset == 0) {
            (found.mark, text) = (BYTE_ORDER_MARK.len() as u64, rest);
        }
        offset += chunk.len() as u64;
        found.characters += text.chars().count();
        found.blank = found.blank && text.trim().is_empty();
        seen(chunk.len() as u64);
    }
    Ok(found)
}

impl Part {
    fn ends_with_line_break(&self) -> Result<bool> {
        if self.line_break || self.range.is_empty() {
            return Ok(self.line_break);
        }
        let mut last = Vec::new();
        let source = &self.source;
        source.open()?.append(self.range.end - 1, 1, &mut last).map_err(|e| source.failed(e))?;
        Ok(last == b"\n")
    }
}

/// Writes `begin` and the rest of the input to a file, and returns the file and its length.
fn spool(begin: Vec<u8>, mut input: Input<'_>, folder: &Path) -> Result<(File, u64)> {
    let mut len = 0;
    let name = input.name().to_owned();
    let failed = |source, len: u64| Error::Temporary {
        action: format!("store {name} in a temporary file ({len} bytes so far)"),
        folder: folder.to_owned(),
        source,
        advice: "free up space there, or pass a regular file",
    };
    let mut file = tempfile::tempfile_in(folder).map_err(|e| failed(e, 0))?;
    let mut block = begin;
    while !block.is_empty() {
        io::Write::write_all(&mut file, &block).map_err(|e| failed(e, len))?;
        len += block.len() as u64;
        block.clear();
        let next = input.by_ref().take(STREAM_IN_MEMORY).read_to_end(&mut block);
        next.map_err(|e| input.failed(e))?;
    }
    Ok((file, len))
}
