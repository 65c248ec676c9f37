//! Reading texts that a user names: plain or gzip files, pipes and standard input.

mod format;
#[cfg(test)]
mod tests;

pub use format::{invalid, refuse_nul};

use crate::error::{Error, Result};
use flate2::bufread::MultiGzDecoder;
use format::{BYTE_ORDER_MARK, GZIP, decode, may_become_known, other_format};
use std::fmt;
use std::fs::{File, FileType};
use std::io::{self, BufRead, BufReader, Cursor, IsTerminal, Read};
use std::path::{Path, PathBuf};

/// The largest text that is read into memory at once.
const MAX_BYTES: u64 = 4 << 30;
/// The longest line. Anything longer is not text.
const MAX_IN_LINE: u64 = 64 << 20;

/// A UTF-8 text, plain or compressed with gzip, that is read once from the beginning.
///
/// ```
/// use refrain_task::input::Input;
///
/// let input = Input::from_reader("two lines", &b"\xef\xbb\xbfone day\r\nanother\n"[..])?;
/// let lines = input.lines().collect::<Result<Vec<_>, _>>()?;
/// assert_eq!((lines[1].number, &*lines[1].text), (2, "another"));
/// # Ok::<(), refrain_task::Error>(())
/// ```
pub struct Input<'a> {
    name: String,
    /// A regular file.
    file: Option<PathBuf>,
    compressed: bool,
    reader: BufReader<Box<dyn Read + 'a>>,
}

/// A line of an [`Input`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Counted from 1.
    pub number: usize,
    /// The line without its line break.
    pub text: String,
}

impl<'a> Input<'a> {
    /// Opens a file, a pipe or a terminal.
    ///
    /// # Errors
    /// If the file does not exist, is a directory or a device, cannot be read, or is neither text nor gzip.
    pub fn open(path: &Path) -> Result<Self> {
        let (file, is_regular) = open_file(path)?;
        let input = Self::from_reader(path.display(), file)?;
        Ok(Self { file: is_regular.then(|| path.to_owned()), ..input })
    }

    /// Opens standard input.
    ///
    /// # Errors
    /// As for [`Input::open`].
    pub fn stdin() -> Result<Self> {
        Self::from_reader("stdin", io::stdin().lock())
    }

    /// Reads the rest of a reader.
    ///
    /// # Errors
    /// As for [`Input::open`].
    pub fn from_reader(name: impl fmt::Display, reader: impl Read + 'a) -> Result<Self> {
        let name = name.to_string();
        let (begin, reader) = peek(reader).map_err(|e| failed(&name, false, e))?;
        let compressed = begin.starts_with(GZIP);
        let (begin, reader) = match compressed {
            true => peek(MultiGzDecoder::new(BufReader::new(reader))).map_err(|e| failed(&name, true, e))?,
            false => (begin, reader),
        };
        if let Some((what, advice)) = other_format(&begin) {
            return Err(Error::OtherFormat { name, what, advice });
        }
        Ok(Self { name, file: None, compressed, reader: BufReader::new(reader) })
    }

    /// Returns the name used in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the path if the text is a plain file that can be read again; `None` for a pipe or gzip.
    pub fn plain_file(&self) -> Option<&Path> {
        self.file.as_deref().filter(|_| !self.compressed)
    }

    /// Reads everything and returns the text, without a byte order mark.
    ///
    /// # Errors
    /// If it cannot be read, is not UTF-8, or is larger than 4 GiB.
    pub fn text(self) -> Result<String> {
        self.text_of_at_most(MAX_BYTES)
    }

    fn text_of_at_most(self, limit: u64) -> Result<String> {
        let Self { name, compressed, reader, .. } = self;
        let mut bytes = Vec::new();
        let read = reader.take(limit.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|e| failed(&name, compressed, e))?;
        if bytes.len() as u64 > limit {
            return Err(Error::TooLong { name, limit });
        }
        let mut text = decode(bytes, &name, 0, true)?;
        if text.as_bytes().starts_with(BYTE_ORDER_MARK) {
            text.drain(..BYTE_ORDER_MARK.len());
        }
        Ok(text)
    }

    /// Builds the error for a failure to read from this input.
    pub fn failed(&self, source: io::Error) -> Error {
        failed(&self.name, self.compressed, source)
    }

    /// Returns an iterator over the lines, each as soon as it arrives, without a byte order mark. It ends after the
    /// first error.
    pub fn lines(self) -> Lines<'a> {
        Lines { input: Some(self), number: 0, offset: 0 }
    }
}

/// Reads the bytes unchanged, including a byte order mark.
impl Read for Input<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

impl fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input")
            .field("name", &self.name)
            .field("file", &self.file)
            .field("compressed", &self.compressed)
            .finish_non_exhaustive()
    }
}

/// The lines of an [`Input`].
#[derive(Debug)]
pub struct Lines<'a> {
    /// `None` once the iterator has ended.
    input: Option<Input<'a>>,
    number: usize,
    /// Bytes of the lines read so far.
    offset: u64,
}

impl Lines<'_> {
    fn advance(&mut self, limit: u64) -> Result<Option<Line>> {
        let Some(input) = &mut self.input else { return Ok(None) };
        let mut bytes = Vec::new();
        let read = input.reader.by_ref().take(limit.saturating_add(1)).read_until(b'\n', &mut bytes);
        if read.map_err(|e| input.failed(e))? == 0 {
            return Ok(None);
        }
        self.number += 1;
        let (read, number) = (bytes.len() as u64, self.number);
        if read > limit {
            return Err(Error::TooLong { name: format!("{}, line {number}", input.name), limit });
        }
        let has_line_break = bytes.ends_with(b"\n");
        if has_line_break {
            bytes.truncate(bytes.len() - if bytes.ends_with(b"\r\n") { 2 } else { 1 });
        }
        let mut text = decode(bytes, &input.name, self.offset, !has_line_break)?;
        if self.offset == 0 && text.as_bytes().starts_with(BYTE_ORDER_MARK) {
            text.drain(..BYTE_ORDER_MARK.len());
            if text.is_empty() && !has_line_break {
                return Ok(None);
            }
        }
        self.offset += read;
        Ok(Some(Line { number, text }))
    }
}

impl Iterator for Lines<'_> {
    type Item = Result<Line>;

    fn next(&mut self) -> Option<Result<Line>> {
        let next = self.advance(MAX_IN_LINE).transpose();
        if !matches!(next, Some(Ok(_))) {
            self.input = None;
        }
        next
    }
}

/// Opens a file, a pipe or a terminal. Returns it and whether it is a regular file, which can be read again; files of
/// unknown size, as in `/proc`, are not.
///
/// # Errors
/// If it does not exist, is a directory or another device, or cannot be opened.
pub fn open_file(path: &Path) -> Result<(File, bool)> {
    let name = path.display().to_string();
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => Error::NoSuchFile { name: name.clone() },
        _ => failed(&name, false, source),
    };
    let found = path.metadata().map_err(failed)?;
    if found.is_dir() {
        return Err(Error::NotAFile { name, what: "a folder" });
    }
    let is_regular = found.is_file() && found.len() > 0;
    if found.is_file() || is_pipe(found.file_type()) {
        return Ok((File::open(path).map_err(failed)?, is_regular));
    }
    match is_character_device(found.file_type()).then(|| File::open(path)).transpose().map_err(failed)? {
        Some(file) if file.is_terminal() => Ok((file, false)),
        _ => Err(Error::NotAFile { name, what: "a device" }),
    }
}

fn failed(name: &str, compressed: bool, source: io::Error) -> Error {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    match source.kind() {
        UnexpectedEof if compressed => {
            let source =
                io::Error::new(UnexpectedEof, "its gzip data is cut off, or other bytes follow its end");
            Error::Damaged { name: name.to_owned(), source }
        }
        InvalidData | InvalidInput if compressed => Error::Damaged { name: name.to_owned(), source },
        _ => Error::read(name, source),
    }
}

/// Reads only as many bytes as the format detection needs (a person may be typing them) and returns them with a
/// reader of all bytes.
fn peek<'a>(mut reader: impl Read + 'a) -> io::Result<(Vec<u8>, Box<dyn Read + 'a>)> {
    let mut begin = Vec::new();
    while may_become_known(&begin) {
        if reader.by_ref().take(1).read_to_end(&mut begin)? == 0 {
            break;
        }
    }
    Ok((begin.clone(), Box::new(Cursor::new(begin).chain(reader))))
}

#[cfg(unix)]
fn is_pipe(kind: FileType) -> bool {
    use std::os::unix::fs::FileTypeExt;
    kind.is_fifo()
}

#[cfg(unix)]
fn is_character_device(kind: FileType) -> bool {
    use std::os::unix::fs::FileTypeExt;
    kind.is_char_device()
}

#[cfg(not(unix))]
fn is_pipe(_kind: FileType) -> bool {
    false
}

#[cfg(not(unix))]
fn is_character_device(_kind: FileType) -> bool {
    false
}
