//! Tokens stored in one, two or four bytes each, depending on the vocabulary, in memory or in a temporary file.

use super::Tokens;
use crate::error::{Error, Result};
use crate::position::read_at;
use crate::unknown::UnknownTokens;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Where tokens are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Store<'a> {
    /// The folder for the file that many tokens are written to. The file is unnamed and disappears when the process
    /// ends, for any reason.
    pub folder: &'a Path,
    /// The maximum bytes of tokens in memory. A token takes 1, 2 or 4 bytes, depending on the vocabulary size.
    pub memory: usize,
}

impl<'a> Store<'a> {
    /// The default of `memory`: 64 MiB.
    pub const MEMORY: usize = 64 << 20;

    /// Creates a store that keeps up to 64 MiB in memory and writes more to a file in the folder.
    pub fn in_folder(folder: &'a Path) -> Self {
        Self { folder, memory: Self::MEMORY }
    }
}

/// Bytes per token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    One,
    Two,
    Four,
}

impl Width {
    fn of(vocab_size: usize) -> Self {
        match vocab_size {
            0..=0x100 => Width::One,
            0x101..=0x1_0000 => Width::Two,
            _ => Width::Four,
        }
    }

    fn bytes(self) -> usize {
        match self {
            Width::One => 1,
            Width::Two => 2,
            Width::Four => 4,
        }
    }

    /// # Panics
    /// If a token is not below the vocabulary size that the width is for.
    fn pack(self, tokens: &[u32], into: &mut Vec<u8>) {
        const FITS: &str = "a token is below the vocabulary's size";
        match self {
            Width::One => into.extend(tokens.iter().map(|&t| u8::try_from(t).expect(FITS))),
            Width::Two => {
                into.extend(tokens.iter().flat_map(|&t| u16::try_from(t).expect(FITS).to_le_bytes()));
            }
            Width::Four => into.extend(tokens.iter().flat_map(|t| t.to_le_bytes())),
        }
    }

    fn unpack(self, bytes: &[u8], into: &mut Vec<u32>) {
        match self {
            Width::One => into.extend(bytes.iter().copied().map(u32::from)),
            Width::Two => into.extend(bytes.as_chunks().0.iter().map(|&b| u32::from(u16::from_le_bytes(b)))),
            Width::Four => into.extend(bytes.as_chunks().0.iter().map(|&b| u32::from_le_bytes(b))),
        }
    }
}

/// The tokens of a text, written once.
#[derive(Debug)]
pub struct StoredTokens {
    storage: Storage,
    width: Width,
    counts: UnknownTokens,
}

#[derive(Debug)]
enum Storage {
    Memory(Vec<u8>),
    /// Read at an offset rather than memory-mapped: see [`read_at`].
    File {
        file: File,
        folder: PathBuf,
    },
}

impl StoredTokens {
    /// Returns the folder and the size of the tokens' file; `None` if they are in memory.
    pub fn file(&self) -> Option<(&Path, u64)> {
        match &self.storage {
            Storage::Memory(_) => None,
            Storage::File { folder, .. } => Some((folder, (self.counts.tokens * self.width.bytes()) as u64)),
        }
    }
}

impl StoredTokens {
    /// Returns the bytes of memory that the tokens take.
    pub fn memory(&self) -> u64 {
        match &self.storage {
            Storage::Memory(packed) => packed.capacity() as u64,
            Storage::File { .. } => 0,
        }
    }
}

impl Tokens for StoredTokens {
    fn len(&self) -> usize {
        self.counts.tokens
    }

    fn read(&self, range: Range<usize>, into: &mut Vec<u32>) -> Result<()> {
        let Range { start, end } = range;
        assert!(start <= end && end <= self.counts.tokens, "tokens {start}..{end} of {}", self.counts.tokens);
        let width = self.width.bytes();
        let bytes = start * width..end * width;
        match &self.storage {
            Storage::Memory(all) => self.width.unpack(&all[bytes], into),
            Storage::File { file, folder } => {
                let mut block = [0; BLOCK];
                for at in bytes.clone().step_by(BLOCK) {
                    let block = &mut block[..BLOCK.min(bytes.end - at)];
                    read_at(file, at as u64, block).map_err(|source| Error::Temporary {
                        action: format!("read {} bytes of the text's tokens from a file", block.len()),
                        folder: folder.clone(),
                        source,
                        advice: "check that the disk is still available",
                    })?;
                    self.width.unpack(block, into);
                }
            }
        }
        Ok(())
    }

    fn unknown(&self) -> Result<UnknownTokens> {
        Ok(self.counts)
    }
}

/// Bytes that are read at a time, on the stack, so that reading a batch does not allocate. A multiple of every
/// width.
const BLOCK: usize = 4096;

/// Writes tokens one after another.
#[derive(Debug)]
pub struct TokenWriter<'a> {
    store: Store<'a>,
    width: Width,
    counts: UnknownTokens,
    /// Tokens in memory, or waiting to be written to the file.
    packed: Vec<u8>,
    file: Option<BufWriter<File>>,
}

impl<'a> TokenWriter<'a> {
    /// Creates a writer for the tokens of a vocabulary with this many ids.
    pub fn new(store: Store<'a>, vocab_size: usize) -> Self {
        let (width, counts) = (Width::of(vocab_size), UnknownTokens::default());
        Self { store, width, counts, packed: Vec::new(), file: None }
    }

    /// Returns the bytes written so far, in memory and in the file.
    pub fn bytes(&self) -> u64 {
        (self.counts.tokens * self.width.bytes()) as u64
    }

    /// Adds tokens.
    ///
    /// # Errors
    /// [`Error::Temporary`] if there is no space for them. All tokens written so far are then lost.
    ///
    /// # Panics
    /// If a token is not below the vocabulary size.
    pub fn push(&mut self, tokens: &[u32]) -> Result<()> {
        self.width.pack(tokens, &mut self.packed);
        self.counts.add(UnknownTokens::of(tokens));
        if self.file.is_none() && self.packed.len() > self.store.memory {
            let file = tempfile::tempfile_in(self.store.folder).map_err(|e| self.failed(e))?;
            self.file = Some(BufWriter::new(file));
        }
        if let Some(file) = &mut self.file {
            let written = file.write_all(&self.packed);
            self.packed.clear();
            // Frees the space of the tokens that were in memory.
            self.packed.shrink_to(ROOM);
            written.map_err(|e| self.failed(e))?;
        }
        Ok(())
    }

    /// Finishes writing and returns the tokens.
    ///
    /// # Errors
    /// As for [`push`](Self::push).
    pub fn finish(mut self) -> Result<StoredTokens> {
        let storage = match self.file.take() {
            None => Storage::Memory(std::mem::take(&mut self.packed)),
            Some(file) => {
                let file = file.into_inner().map_err(|e| self.failed(e.into_error()))?;
                Storage::File { file, folder: self.store.folder.to_owned() }
            }
        };
        Ok(StoredTokens { storage, width: self.width, counts: self.counts })
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::Temporary {
            action: format!("store the text's tokens ({} bytes so far) in a file", self.bytes()),
            folder: self.store.folder.to_owned(),
            source,
            advice: "free up space there, or choose a folder on another disk",
        }
    }
}

/// Bytes that a writer buffers before writing to the file.
const ROOM: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stored(tokens: &[u32], vocab_size: usize, memory: usize, pieces: usize) -> Result<StoredTokens> {
        let folder = tempfile::tempdir().expect("a folder");
        let mut writer = TokenWriter::new(Store { folder: folder.path(), memory }, vocab_size);
        for piece in tokens.chunks(pieces) {
            writer.push(piece)?;
        }
        let tokens = writer.finish()?;
        let names = folder.path().read_dir().expect("it can be read").count();
        assert_eq!(names, 0, "the file has no name");
        Ok(tokens)
    }

    proptest! {
        #[test]
        fn any_range_round_trips_in_memory_and_in_files(
            len in 1_usize..6000, top in prop::sample::select(vec![1_usize, 255, 256, 257, 65_536, 65_537, 1 << 32]),
            pieces in 1_usize..5000, cuts: (prop::sample::Index, prop::sample::Index),
        ) {
            let tokens: Vec<u32> = (0..len).map(|i| ((top - 1) - i * 7919 % top) as u32).collect();
            let (a, b) = (cuts.0.index(len + 1), cuts.1.index(len + 1));
            let range = a.min(b)..a.max(b);
            let width = if top <= 256 { 1 } else if top <= 65_536 { 2 } else { 4 };
            for memory in [0, len * width, len] {
                let kept = stored(&tokens, top, memory, pieces)?;
                prop_assert_eq!(kept.len(), len);
                prop_assert_eq!(kept.file().map(|f| f.1), (memory < len * width).then_some((len * width) as u64));
                let mut read = vec![7];
                kept.read(range.clone(), &mut read)?;
                prop_assert_eq!(&read[1..], &tokens[range.clone()]);
                prop_assert_eq!(kept.unknown()?, UnknownTokens::of(&tokens));
                prop_assert_eq!(kept.unknown()?, Tokens::unknown(&tokens)?);
            }
        }
    }

    #[test]
    #[should_panic(expected = "below the vocabulary's size")]
    fn a_token_outside_the_vocabulary_is_not_truncated() {
        let _ = stored(&[256], 256, 99, 1);
    }

    #[test]
    fn a_truncated_file_is_an_error() {
        let kept = stored(&[5; 9000], 300, 0, 4000).expect("there is room");
        let Storage::File { file, .. } = &kept.storage else { panic!("not in a file") };
        file.set_len(17_000).expect("it is our file");
        let error = kept.read(0..9000, &mut Vec::new()).expect_err("the end is missing");
        assert!(
            matches!(&error, Error::Temporary { source, .. } if source.kind() == io::ErrorKind::UnexpectedEof)
        );
    }

    #[test]
    fn a_full_folder_is_named_with_the_required_bytes() {
        let store = Store { folder: Path::new("/no/such/folder"), memory: 10 };
        let mut writer = TokenWriter::new(store, 70_000);
        writer.push(&[1, 2]).expect("these are in memory");
        let error = writer.push(&[3; 7]).expect_err("there is no such folder").to_string();
        assert!(
            error.contains("store the text's tokens (36 bytes so far) in a file in /no/such/folder"),
            "{error}"
        );
    }

    /// A device that is always full stands in for a full disk.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_is_an_error_with_its_bytes() {
        let full = File::options().write(true).open("/dev/full").expect("Linux has it");
        let mut writer = TokenWriter::new(Store { folder: Path::new("here"), memory: 0 }, 256);
        writer.file = Some(BufWriter::new(full));
        let error = writer.push(&[1; 100_000]).expect_err("it is full");
        let Error::Temporary { action, folder, source, .. } = &error else { panic!("{error}") };
        assert_eq!((source.kind(), folder.as_path()), (io::ErrorKind::StorageFull, Path::new("here")));
        assert!(action.contains("100000 bytes"), "{action}");
        // A little stays in the buffer and fails at the end.
        let full = File::options().write(true).open("/dev/full").expect("Linux has it");
        let mut writer = TokenWriter::new(Store { folder: Path::new("here"), memory: 0 }, 256);
        writer.file = Some(BufWriter::new(full));
        writer.push(&[1; 10]).expect("the buffer takes it");
        assert!(writer.finish().is_err());
    }
}
