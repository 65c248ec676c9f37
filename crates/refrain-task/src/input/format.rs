//! What bytes are, if they are not UTF-8 text.

use crate::error::{Error, Result};
use std::str::Utf8Error;

pub(super) const GZIP: &[u8] = b"\x1f\x8b";
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

const UTF_16: &str = "convert it first, for example with `iconv -f utf-16 -t utf-8`";
const UTF_32: &str = "convert it first, for example with `iconv -f utf-32 -t utf-8`";
const DECOMPRESS: &str = "decompress it, or compress it with gzip";

/// Magic bytes of unsupported formats, their names, and what to do about them. The longer of two that begin alike comes
/// first.
const OTHERS: [(&[u8], &str, &str); 13] = [
    (b"\xff\xfe\0\0", "UTF-32", UTF_32),
    (b"\0\0\xfe\xff", "UTF-32", UTF_32),
    (b"\xff\xfe", "UTF-16", UTF_16),
    (b"\xfe\xff", "UTF-16", UTF_16),
    (GZIP, "compressed with gzip twice", "decompress it once"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", DECOMPRESS),
    (b"\xfd7zXZ", "compressed with xz", DECOMPRESS),
    (b"\x04\x22\x4d\x18", "compressed with lz4", DECOMPRESS),
    (b"\x1f\x9d", "compressed with compress", DECOMPRESS),
    (b"PK\x03\x04", "a zip archive", "unpack it first; save a document as plain text"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it first"),
    (b"\xd0\xcf\x11\xe0", "a Microsoft Office document", "save it as plain text"),
    (b"%PDF-", "a PDF document", "convert it first, for example with `pdftotext`"),
];

const NO_MARK_16: &str = "UTF-16 without a byte order mark";
const NO_MARK_32: &str = "UTF-32 without a byte order mark";
const BINARY: &str = "name a file of plain text; convert UTF-16 first, for example with `iconv -f utf-16le -t utf-8`; \
    remove stray NUL bytes with `tr -d '\\000'`";

/// Where a tar archive names its format, and how.
const TAR: (usize, &[u8]) = (257, b"ustar");

/// The start of a bzip2 file, with any digit for the dot.
const BZIP2: &[u8] = b"BZh.1AY&SY";

/// Returns the unsupported format that begins with these bytes, and what to do about it. Gzip counts as one.
pub(super) fn other_format(begin: &[u8]) -> Option<(&'static str, &'static str)> {
    if begin.len() >= BZIP2.len() && begins_like_bzip2(begin) {
        return Some(("compressed with bzip2", DECOMPRESS));
    }
    OTHERS.iter().find(|(magic, ..)| begin.starts_with(magic)).map(|&(_, what, advice)| (what, advice))
}

/// Returns whether more bytes could turn the beginning of a file into that of a known format.
pub(super) fn may_become_known(begin: &[u8]) -> bool {
    let longer = OTHERS.iter().any(|(magic, ..)| magic.len() > begin.len() && magic.starts_with(begin));
    longer || begin.len() < BZIP2.len() && begins_like_bzip2(begin)
}

fn begins_like_bzip2(begin: &[u8]) -> bool {
    let fits = |(&byte, &magic): (&u8, &u8)| byte == magic || magic == b'.' && byte.is_ascii_digit();
    begin.iter().zip(BZIP2).all(fits)
}

/// Converts a part of a text from UTF-8. `offset` is where it begins, `is_end` whether nothing follows it.
///
/// # Errors
/// Those of [`refuse_nul`] and [`invalid`].
pub(super) fn decode(bytes: Vec<u8>, name: &str, offset: u64, is_end: bool) -> Result<String> {
    refuse_nul(&bytes, name, offset)?;
    String::from_utf8(bytes).map_err(|e| invalid(e.as_bytes(), e.utf8_error(), name, offset, is_end))
}

/// Checks that a part of a text has no NUL byte. `name` is the text's name, `offset` is where the part begins.
///
/// # Errors
/// [`Error::NotText`] with what the bytes probably are.
pub fn refuse_nul(bytes: &[u8], name: &str, offset: u64) -> Result<()> {
    if !bytes.contains(&0) {
        return Ok(());
    }
    let at = bytes.iter().take_while(|&&byte| byte != 0).count();
    let (what, advice) = what_has_nul(bytes, offset);
    Err(Error::NotText { name: name.to_owned(), offset: offset + at as u64, what, advice })
}

/// Returns the error for a part of a text that is not UTF-8: [`Error::NotText`] if it has a NUL byte,
/// [`Error::CutOff`] if the text ends within a character, otherwise [`Error::NotUtf8`]. `is_end` says whether nothing
/// follows the part.
pub fn invalid(bytes: &[u8], error: Utf8Error, name: &str, offset: u64, is_end: bool) -> Error {
    if let Err(error) = refuse_nul(bytes, name, offset) {
        return error;
    }
    let (at, name) = (error.valid_up_to(), name.to_owned());
    let (byte, offset) = (bytes[at], offset + at as u64);
    if is_end && error.error_len().is_none() {
        let needed = byte.leading_ones() as usize;
        return Error::CutOff { name, offset, got: bytes.len() - at, needed };
    }
    Error::NotUtf8 { name, byte, offset }
}

/// Returns what these bytes, some of which are NUL, probably are, and what to do about them. In UTF-16 and UTF-32, the
/// bytes of Latin letters are NUL except every second or fourth.
fn what_has_nul(bytes: &[u8], offset: u64) -> (&'static str, &'static str) {
    if offset == 0 && bytes.get(TAR.0..).is_some_and(|rest| rest.starts_with(TAR.1)) {
        return ("a tar archive", "unpack it first");
    }
    // The NUL bytes and all bytes, by position in groups of four.
    let mut counts = [(0, 0); 4];
    for (at, &byte) in (offset..).zip(bytes) {
        let (nul, all) = &mut counts[(at % 4) as usize];
        *nul += usize::from(byte == 0);
        *all += 1;
    }
    match counts.map(|(nul, all)| {
        if 2 * nul > all {
            Nul::Most
        } else if nul == 0 {
            Nul::None
        } else {
            Nul::Some
        }
    }) {
        [Nul::None, Nul::Most, Nul::None, Nul::Most] => {
            (NO_MARK_16, "convert it first, for example with `iconv -f utf-16le -t utf-8`")
        }
        [Nul::Most, Nul::None, Nul::Most, Nul::None] => {
            (NO_MARK_16, "convert it first, for example with `iconv -f utf-16be -t utf-8`")
        }
        [Nul::None, Nul::Most, Nul::Most, Nul::Most] => {
            (NO_MARK_32, "convert it first, for example with `iconv -f utf-32le -t utf-8`")
        }
        [Nul::Most, Nul::Most, Nul::Most, Nul::None] => {
            (NO_MARK_32, "convert it first, for example with `iconv -f utf-32be -t utf-8`")
        }
        _ => ("a binary file or a text in UTF-16", BINARY),
    }
}

/// How many of some bytes are NUL.
enum Nul {
    None,
    Some,
    Most,
}
