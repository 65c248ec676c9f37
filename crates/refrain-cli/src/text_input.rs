//! Text from files, directories and stdin.

use crate::error::{Failure, Result};
use crate::output::Output;
use crate::reading::Reading;
use refrain::task::input::{Input, Line};
use refrain::thousands;
use refrain::{Corpus, Error, ErrorKind, Level};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

/// The file name that means stdin.
pub(crate) const STDIN: &str = "-";
/// Characters that are kept from the beginning of a text.
const OPENING: usize = 4096;

/// A text and where it came from.
#[derive(Debug)]
pub(crate) struct Text {
    /// The text.
    pub(crate) corpus: Corpus,
    /// Its beginning, kept because the files may be gone when it is shown.
    pub(crate) opening: String,
    /// Its name in messages.
    pub(crate) name: String,
    /// The files it is read from.
    pub(crate) files: Vec<PathBuf>,
}

impl Text {
    /// Creates a text with a name.
    pub(crate) fn new(corpus: Corpus, name: String, files: Vec<PathBuf>) -> Result<Self> {
        let opening = corpus.head(OPENING).map_err(Error::from)?;
        Ok(Self { corpus, opening, name, files })
    }

    /// Splits the text into its beginning and a fraction `share` at its end.
    pub(crate) fn split(&self, share: f64, level: Level) -> Result<(Corpus, Corpus)> {
        Ok(self.corpus.split(share, level.cut()).map_err(Error::from)?)
    }
}

/// Reads files and joins them in the given order. A directory stands for its `.txt` and `.txt.gz` files, sorted by
/// name. Files are checked now and read again when needed; large input from stdin is stored in `folder`.
pub(crate) fn read(paths: &[PathBuf], folder: &Path, output: &Output) -> Result<Text> {
    let mut sources = Vec::new();
    for path in paths {
        if path.as_os_str() == STDIN {
            sources.push(None);
        } else if path.is_dir() {
            sources.extend(text_files(path)?.into_iter().map(Some));
        } else {
            sources.push(Some(path.clone()));
        }
    }
    let files: Vec<PathBuf> = sources.iter().flatten().cloned().collect();
    let bytes = files.iter().map(|file| file.metadata().map_or(0, |found| found.len())).sum();
    let reading = Reading::new(output, "reading", bytes);
    let mut corpus = Corpus::default();
    for source in &sources {
        let input = open(source.as_deref())?;
        // The number of bytes read of a compressed file is not known.
        let is_plain = input.plain_file().is_some();
        let mut seen = |bytes| {
            if is_plain {
                reading.advance(bytes)
            }
        };
        corpus.append(input, folder, &mut seen).map_err(|e| work_if_io(e.into()))?;
    }
    let name = match paths {
        [one] if one.as_os_str() == STDIN => "stdin".to_owned(),
        [one] => one.display().to_string(),
        many => format!("{} texts", many.len()),
    };
    Text::new(corpus, name, files)
}

/// Returns the message about tokens that are not in memory.
pub(crate) fn token_file(folder: &Path, bytes: u64) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let bytes = thousands(bytes as usize);
    format!("{:9} {bytes} bytes are in a temporary file in {}, deleted at exit", "tokens", folder.display())
}

/// Converts an error that occurred after a file was opened. Failing to read all of it, to read it again or to store it
/// does not mean that the input is invalid.
pub(crate) fn work_if_io(error: Error) -> Failure {
    match error.kind() {
        ErrorKind::Io => Failure::Work(error.to_string()),
        _ => Failure::from(error),
    }
}

/// Opens a file, or stdin if there is none.
pub(crate) fn open(file: Option<&Path>) -> Result<Input<'static>> {
    Ok(file.map_or_else(Input::stdin, Input::open).map_err(Error::from)?)
}

/// Returns the lines of stdin in batches of those that are waiting, at most `most`, so that lines written one by one
/// are answered one by one.
pub(crate) fn batches_of_stdin(most: usize) -> impl Iterator<Item = Result<Vec<Line>>> {
    let (sender, receiver) = mpsc::sync_channel(most);
    thread::spawn(move || {
        let lines = match Input::stdin() {
            Ok(input) => input.lines(),
            // If the receiver is gone, nobody needs the error.
            Err(error) => return drop(sender.send(Err(error))),
        };
        for line in lines {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    let mut failed = None;
    std::iter::from_fn(move || {
        let failure = |error: refrain::task::Error| Some(Err(work_if_io(error.into())));
        if let Some(error) = failed.take() {
            return failure(error);
        }
        let mut lines = Vec::new();
        let waiting = std::iter::once(receiver.recv().ok()?).chain(receiver.try_iter().take(most - 1));
        for line in waiting {
            match line {
                Ok(line) => lines.push(line),
                Err(error) if lines.is_empty() => return failure(error),
                // Return the lines before the error first.
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        Some(Ok(lines))
    })
}

/// Reads the bytes of a file.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    must_exist(path)?;
    must_be_a_file(path)?;
    std::fs::read(path).map_err(|error| Failure::input(format!("cannot read {}: {error}", path.display())))
}

/// Returns the size of a file in bytes.
pub(crate) fn size(path: &Path) -> Result<u64> {
    let found = path.metadata();
    found.map(|m| m.len()).map_err(|e| Failure::input(format!("cannot read {}: {e}", path.display())))
}

/// Refuses folders, which have no bytes, and devices and pipes, which may never end.
pub(crate) fn must_be_a_file(path: &Path) -> Result<()> {
    match path.metadata() {
        Ok(found) if !found.is_file() => {
            let what = if found.is_dir() { "a folder" } else { "not a regular file" };
            Err(Failure::input(format!("{} is {what}; expected a regular file", path.display())))
        }
        _ => Ok(()),
    }
}

/// Returns a clear error if a file does not exist: a mistyped name is the most likely mistake.
pub(crate) fn must_exist(path: &Path) -> Result<()> {
    match path.try_exists() {
        Ok(false) => {
            Err(Error::from(refrain::task::Error::NoSuchFile { name: path.display().to_string() }).into())
        }
        _ => Ok(()),
    }
}

/// Returns the `.txt` and `.txt.gz` files of a folder, sorted by name.
pub(crate) fn text_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |error| Failure::input(format!("cannot read the folder {}: {error}", folder.display()));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if is_text_name(&path) && path.is_file() {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(Failure::input(format!(
            "the folder {} has no .txt or .txt.gz file; name the files to read, or another folder",
            folder.display()
        )));
    }
    files.sort();
    Ok(files)
}

/// Returns whether a file is named like a text.
fn is_text_name(path: &Path) -> bool {
    uncompressed(path).extension() == Some(OsStr::new("txt"))
}

/// Returns the name of a file without a `.gz` extension.
pub(crate) fn uncompressed(path: &Path) -> PathBuf {
    match path.extension() {
        Some(extension) if extension == "gz" => path.with_extension(""),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Verbosity;
    use std::fs;

    fn read(paths: &[PathBuf]) -> Result<Text> {
        let quiet = Output::new(false, Verbosity::Quiet);
        super::read(paths, Path::new("nowhere"), &quiet)
    }

    #[test]
    fn texts_are_joined_on_separate_lines_and_folders_are_sorted() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("b.txt.gz", "second\n"), ("a.txt", "\u{feff}first"), ("c.md", "not a text")] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        fs::write(folder.path().join("e.gz"), "nor this").unwrap();
        fs::create_dir(folder.path().join("d.txt")).unwrap();
        let read = read(&[folder.path().to_owned(), folder.path().join("c.md")]).unwrap();
        assert_eq!(read.corpus.to_text().unwrap(), "first\nsecond\nnot a text");
        assert_eq!(read.opening, "first\nsecond\nnot a text");
        assert_eq!(read.files.len(), 3);
    }

    #[test]
    fn a_temporary_token_file_is_reported() {
        let line = token_file(Path::new("no/folder"), 1_234_567);
        assert_eq!(line, "tokens    1,234,567 bytes are in a temporary file in no/folder, deleted at exit");
    }

    #[test]
    fn the_offset_of_an_invalid_byte_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("menu.txt");
        fs::write(&path, b"caf\xe9 noir").unwrap();
        let error = read(&[path]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.message().contains("menu.txt is not UTF-8: byte 0xe9 at offset 3"), "{error:?}");
    }
}
