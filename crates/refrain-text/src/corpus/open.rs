//! How texts come into a corpus: each is read once, and checked.

use super::source::Source;
use super::{Corpus, Cut, Part, PartChunks};
use crate::error::{Error, Result};
use refrain_task::input::Input;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

/// A stream longer than this is kept in a file.
const STREAM_IN_MEMORY: u64 = 8 << 20;

const BYTE_ORDER_MARK: &str = "\u{feff}";

impl Corpus {
    /// Files, joined in the order given; each begins on a line of its own. See [`append_file`](Self::append_file).
    ///
    /// # Errors
    /// Of the first file that is refused.
    pub fn open<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Self> {
        let mut corpus = Self::default();
        for path in paths {
            corpus.append_file(path.as_ref())?;
        }
        Ok(corpus)
    }

    /// Adds a file as [`append`](Self::append) does. What cannot be read again is kept in the system's folder for
    /// temporary files.
    ///
    /// # Errors
    /// Those of [`Input::open`] and of [`append`](Self::append).
    pub fn append_file(&mut self, path: &Path) -> Result<()> {
        self.append(Input::open(path)?, &std::env::temp_dir(), &mut |_| {})
    }

    /// Adds a text, on a line of its own and without the mark that some editors put before it. It is read once now, to be
    /// checked, and again whenever the corpus is; `seen` is told after each chunk how many bytes that were. What cannot be
    /// read again, of pipes and of gzip, is kept: more than 8 MB in a file in `folder`, which has no name and goes with
    /// the corpus.
    ///
    /// # Errors
    /// An error of reading; [`Error::Blank`] for a file that holds no text; [`Error::Temporary`] if the folder has no room.
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
        let (file, len) = spool(bytes, input, folder)?;
        self.append_source(Source::Spooled { name, file: Arc::new(file) }, len, seen)
    }

    /// Adds a text as it is: empty or blank, with or without a line break before it.
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
            let what = if part.range.is_empty() { "is empty" } else { "holds nothing but blanks" };
            return Err(Error::Blank { name: part.source.name(), what });
        }
        if let Some(last) = self.parts.last_mut() {
            last.line_break = !last.ends_with_line_break()?;
        }
        self.parts.push(part);
        Ok(())
    }
}

/// What a text was found to be.
struct Found {
    /// Bytes of the byte order mark before it.
    mark: u64,
    /// After the mark.
    characters: usize,
    blank: bool,
}

fn check(part: &Part, chunk: usize, seen: &mut dyn FnMut(u64)) -> Result<Found> {
    let mut found = Found { mark: 0, characters: 0, blank: true };
    let mut chunks = PartChunks::open(part)?;
    let mut first = true;
    while let Some(chunk) = chunks.next(chunk, Cut::Anywhere)? {
        let mut text = &chunk[..];
        if let Some(rest) = text.strip_prefix(BYTE_ORDER_MARK).filter(|_| first) {
            (found.mark, text) = (BYTE_ORDER_MARK.len() as u64, rest);
        }
        first = false;
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

/// A file of `begin` and what the input still gives, and its length.
fn spool(begin: Vec<u8>, mut input: Input<'_>, folder: &Path) -> Result<(File, u64)> {
    let mut len = 0;
    let name = input.name().to_owned();
    let failed = |source, len: u64| Error::Temporary {
        action: format!("keep {name} in a file, {len} bytes so far,"),
        folder: folder.to_owned(),
        source,
        advice: "make room there, or name a file instead",
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
