//! Reading at an offset of a file, for many readers of one handle.
//!
//! The file is not memory-mapped: the page cache keeps repeated reads fast anyway, and a truncated file gives an
//! error, where a mapped one would crash the process.

use std::fs::File;
use std::io;

/// Fills `buffer` with the bytes at offset `at`.
#[cfg(unix)]
pub(crate) fn read_at(file: &File, at: u64, buffer: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, at)
}

/// Fills `buffer` with the bytes at offset `at`.
#[cfg(windows)]
pub(crate) fn read_at(file: &File, mut at: u64, mut buffer: &mut [u8]) -> io::Result<()> {
    while !buffer.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, buffer, at) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => (at, buffer) = (at + n as u64, &mut buffer[n..]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
