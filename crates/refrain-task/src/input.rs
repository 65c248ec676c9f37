//! Reading texts that a user names: plain or gzip files, pipes and standard input.

use crate::error::{Error, Result};
use flate2::bufread::MultiGzDecoder;
use std::fmt;
use std::fs::{File, FileType};
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

/// The largest text that is read into memory at once.
const MAX_BYTES: u64 = 4 << 30;
/// The longest line. Anything longer is not text.
const MAX_IN_LINE: u64 = 64 << 20;

const GZIP: &[u8] = b"\x1f\x8b";
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Magic bytes of unsupported formats, their names, and what to do about them.
const OTHERS: [(&[u8], &str, &str); 5] = [
    (b"\xff\xfe", "UTF-16", "convert it first, for example with `iconv -f utf-16 -t utf-8`"),
    (b"\xfe\xff", "UTF-16", "convert it first, for example with `iconv -f utf-16 -t utf-8`"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "decompress it, or compress it with gzip"),
    (b"\xfd7zXZ", "compressed with xz", "decompress it, or compress it with gzip"),
    (b"PK\x03\x04", "a zip archive", "unpack it first"),
];

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
    /// Opens a file or a named pipe.
    ///
    /// # Errors
    /// If the file does not exist, is a directory or a device, cannot be read, or is neither text nor gzip.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => Error::NoSuchFile { name: name.clone() },
            _ => failed(&name, false, source),
        };
        let found = path.metadata().map_err(failed)?;
        if !found.is_file() && !is_pipe(found.file_type()) {
            let what = if found.is_dir() { "a folder" } else { "a device" };
            return Err(Error::NotAFile { name, what });
        }
        let input = Self::from_reader(&name, File::open(path).map_err(failed)?)?;
        Ok(Self { file: found.is_file().then(|| path.to_owned()), ..input })
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
        if let Some(&(_, what, advice)) = OTHERS.iter().find(|(magic, ..)| begin.starts_with(magic)) {
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
        let mut text = decode(bytes, &name, 0)?;
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
        let mut text = decode(bytes, &input.name, self.offset)?;
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

fn failed(name: &str, compressed: bool, source: io::Error) -> Error {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    match source.kind() {
        UnexpectedEof | InvalidData | InvalidInput if compressed => {
            Error::Damaged { name: name.to_owned(), source }
        }
        _ => Error::read(name, source),
    }
}

fn decode(bytes: Vec<u8>, name: &str, offset: u64) -> Result<String> {
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        Error::NotUtf8 { name: name.to_owned(), byte: e.as_bytes()[at], offset: offset + at as u64 }
    })
}

/// Reads only as many bytes as the format detection needs (a person may be typing them) and returns them with a
/// reader of all bytes.
fn peek<'a>(mut reader: impl Read + 'a) -> io::Result<(Vec<u8>, Box<dyn Read + 'a>)> {
    let magics = || OTHERS.iter().map(|(magic, ..)| *magic).chain([GZIP]);
    let mut begin = Vec::new();
    while magics().any(|magic| magic.len() > begin.len() && magic.starts_with(&begin)) {
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

#[cfg(not(unix))]
fn is_pipe(_kind: FileType) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;
    use std::fs;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn of(bytes: &[u8]) -> Result<String> {
        Input::from_reader("a text", bytes)?.text()
    }

    fn error(bytes: &[u8]) -> String {
        of(bytes).unwrap_err().to_string()
    }

    #[test]
    fn compressed_texts_with_several_members_equal_plain_ones() {
        assert_eq!(of("Straße\n".as_bytes()).unwrap(), "Straße\n");
        assert_eq!(of(&gzip("\u{feff}Straße\n".as_bytes())).unwrap(), "Straße\n");
        let members = [gzip(b"one "), gzip(b""), gzip(b"two")].concat();
        assert_eq!(of(&members).unwrap(), "one two");
        assert_eq!(of(b"").unwrap(), "");
        // Texts that begin like other formats.
        assert_eq!((of(b"P").unwrap(), of(b"PKW").unwrap()), ("P".to_owned(), "PKW".to_owned()));
    }

    #[test]
    fn invalid_text_is_an_error_with_advice() {
        let utf16 = b"\xff\xfeh\0i\0";
        assert_eq!(
            error(utf16),
            "a text is UTF-16; expected UTF-8 text; convert it first, for example with `iconv -f utf-16 -t utf-8`"
        );
        assert_eq!(error(&gzip(utf16)), error(utf16));
        assert!(error(b"\x28\xb5\x2f\xfd...").contains("is compressed with zstd"));
        assert!(error(b"caf\xe9 noir").contains("a text is not UTF-8: byte 0xe9 at offset 3"));
        let whole = gzip(&[b'x'; 10_000]);
        for damaged in [&whole[..whole.len() - 9], &[&whole[..], b"more"].concat()] {
            let error = error(damaged);
            assert!(
                error.starts_with("a text is damaged: ") && error.contains("copied completely"),
                "{error}"
            );
        }
    }

    #[test]
    fn lines_are_numbered_and_errors_name_the_line() {
        let lines = |bytes| Input::from_reader("t", bytes).unwrap().lines();
        let read: Vec<_> = lines(&b"\xef\xbb\xbfa\r\n\nb"[..]).map(Result::unwrap).collect();
        let expected = [(1, "a"), (2, ""), (3, "b")];
        assert_eq!(read, expected.map(|(number, text)| Line { number, text: text.to_owned() }));
        let mut lines = lines(&b"ab\n\xff\nc\n"[..]);
        assert!(lines.next().unwrap().is_ok());
        let error = lines.next().unwrap().unwrap_err().to_string();
        assert!(error.contains("byte 0xff at offset 3"), "{error}");
        assert!(lines.next().is_none());
    }

    #[test]
    fn input_that_is_too_long_is_not_read_to_its_end() {
        let endless = || Input::from_reader("zeros", io::repeat(b'0')).unwrap();
        let error = endless().text_of_at_most(1 << 20).unwrap_err().to_string();
        assert_eq!(error, "zeros is too long: more than 1.0 MB; check that it is a text file");
        let error = endless().lines().advance(1 << 10).unwrap_err().to_string();
        assert_eq!(error, "zeros, line 1 is too long: more than 1.0 kB; check that it is a text file");
        let input = Input::from_reader("four", &b"1234"[..]).unwrap();
        assert_eq!(input.text_of_at_most(4).unwrap(), "1234");
    }

    #[test]
    fn only_uncompressed_regular_files_can_be_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        fs::write(&path, "text").unwrap();
        assert_eq!(Input::open(&path).unwrap().plain_file(), Some(&*path));
        fs::write(&path, gzip(b"text")).unwrap();
        let input = Input::open(&path).unwrap();
        assert_eq!((input.plain_file(), input.name()), (None, &*path.display().to_string()));
        assert_eq!(input.text().unwrap(), "text");
        assert!(Input::from_reader("t", &b"text"[..]).unwrap().plain_file().is_none());
        let error = |path: &Path| Input::open(path).unwrap_err().to_string();
        assert!(error(folder.path()).ends_with(" is a folder; expected a file or a pipe"));
        assert!(error(&folder.path().join("missing")).contains("file not found; check the name"));
        #[cfg(unix)]
        assert_eq!(error(Path::new("/dev/zero")), "/dev/zero is a device; expected a file or a pipe");
    }

    proptest! {
        #[test]
        fn lines_match_those_of_the_whole_text(text in "\u{feff}?[a\u{e9}\r\n]{0,40}") {
            let bytes = text.as_bytes();
            for bytes in [bytes.to_vec(), gzip(bytes)] {
                let text = of(&bytes)?;
                let lines = Input::from_reader("t", &bytes[..])?.lines().collect::<Result<Vec<_>>>()?;
                let texts: Vec<&str> = lines.iter().map(|line| &*line.text).collect();
                prop_assert_eq!(texts, text.lines().collect::<Vec<_>>());
            }
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = of(&bytes);
            let _ = of(&[GZIP, &bytes].concat());
        }
    }
}
