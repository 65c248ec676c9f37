//! Text from files, directories and stdin.

use crate::error::{Failure, Result};
use crate::folders::{Folder, listed, names};
use crate::output::Output;
use crate::reading::Reading;
use crate::shell::quoted;
use refrain::task::input::{Input, Line, open_file};
use refrain::thousands;
use refrain::{Corpus, Error, ErrorKind, Level};
use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
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
/// name, without hidden and empty ones. Files are checked now and read again when needed; large input from stdin is
/// stored in `folder`.
pub(crate) fn read(paths: &[PathBuf], folder: &Path, output: &Output) -> Result<Text> {
    let mut sources = Vec::new();
    let mut of_folders = HashSet::new();
    for path in paths {
        if path.as_os_str() == STDIN {
            sources.push(None);
        } else if path.is_dir() {
            let files = text_files(path, output)?;
            of_folders.extend(files.iter().cloned());
            sources.extend(files.into_iter().map(Some));
        } else {
            sources.push(Some(path.clone()));
        }
    }
    let mut files: Vec<PathBuf> = sources.iter().flatten().cloned().collect();
    let bytes = files.iter().map(|file| file.metadata().map_or(0, |found| found.len())).sum();
    let reading = Reading::new(output, "reading", bytes);
    let mut corpus = Corpus::default();
    let mut empty = Vec::new();
    for source in &sources {
        let input = open(source.as_deref())?;
        // The number of bytes read of a compressed file is not known.
        let is_plain = input.plain_file().is_some();
        let mut seen = |bytes| {
            if is_plain {
                reading.advance(bytes)
            }
        };
        match (corpus.append(input, folder, &mut seen), source) {
            (Err(error), Some(file)) if error.is_blank() && of_folders.contains(file) => {
                empty.push(file.clone())
            }
            (appended, _) => appended.map_err(|e| work_if_io(e.into()))?,
        }
    }
    if corpus.is_empty() {
        let folders = listed(paths.iter().map(|path| path.display().to_string()).collect());
        return Err(Failure::input(format!("every .txt file of {folders} is empty; expected text")));
    }
    warn_of_empty(&empty, output);
    files.retain(|file| !empty.contains(file));
    warn_of_doubles(&files, output);
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
    let Some(file) = file else {
        take_stdin()?;
        return Ok(Input::stdin().map_err(Error::from)?);
    };
    Ok(Input::open(file).map_err(Error::from)?)
}

/// Makes sure that stdin is read only once: a second reader would find nothing.
fn take_stdin() -> Result<()> {
    static IS_TAKEN: AtomicBool = AtomicBool::new(false);
    match IS_TAKEN.swap(true, Ordering::Relaxed) {
        true => {
            Err(Failure::input("`-` is given twice, but stdin can be read only once; name a file instead"))
        }
        false => Ok(()),
    }
}

/// Warns of files in a folder that have no text.
pub(crate) fn warn_of_empty(files: &[PathBuf], output: &Output) {
    if files.is_empty() {
        return;
    }
    let shown = listed(files.iter().map(|file| file.display().to_string()).collect());
    let (s, are) = if files.len() == 1 { ("", "is") } else { ("s", "are") };
    output.warning(format_args!("{} file{s} without text {are} skipped: {shown}", files.len()));
}

/// Warns of files that are read more than once, by any path: what is held out is then trained on, too.
pub(crate) fn warn_of_doubles(files: &[PathBuf], output: &Output) {
    let mut seen = HashSet::new();
    let is_double = |file: &&PathBuf| file.canonicalize().is_ok_and(|file| !seen.insert(file));
    let doubles: Vec<String> =
        files.iter().filter(is_double).map(|file| file.display().to_string()).collect();
    if !doubles.is_empty() {
        output.warning(format_args!("read more than once: {}; name each file once", listed(doubles)));
    }
}

/// Warns of a text on the command line that is the name of a file; `advice` says how to read the file.
pub(crate) fn warn_of_file_name(text: &str, advice: impl FnOnce(&str) -> String, output: &Output) {
    if Path::new(text).is_file() {
        let advice = advice(&quoted(text));
        output.warning(format_args!("`{text}` is read as a text, not as the file of that name; {advice}"));
    }
}

/// Returns the lines of stdin in batches of those that are waiting, at most `most`, so that lines written one by one
/// are answered one by one.
pub(crate) fn batches_of_stdin(most: usize) -> Result<impl Iterator<Item = Result<Vec<Line>>>> {
    take_stdin()?;
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
    Ok(std::iter::from_fn(move || {
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
    }))
}

/// Returns the size of a file in bytes; `None` for a pipe.
pub(crate) fn size(path: &Path) -> Result<Option<u64>> {
    let found = path.metadata();
    let found = found.map_err(|e| Failure::input(format!("cannot read {}: {e}", path.display())))?;
    Ok(found.is_file().then_some(found.len()))
}

/// Reads the bytes of a file or a pipe.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    let (mut file, _) = open_file(path).map_err(Error::from)?;
    let mut bytes = Vec::new();
    let read = file.read_to_end(&mut bytes);
    read.map_err(|error| Failure::input(format!("cannot read {}: {error}", path.display())))?;
    Ok(bytes)
}

/// Returns the texts of a folder.
fn text_files(folder: &Path, output: &Output) -> Result<Vec<PathBuf>> {
    let found = Folder::read(folder)?;
    let (at, with_texts) = (folder.display(), found.with_texts());
    match (found.texts.is_empty(), with_texts.first()) {
        (false, None) => {}
        (false, Some(_)) => output.warning(format_args!(
            "only the .txt files directly in {at} are read, not those in its folders: {}; name the folders too to read \
             them",
            names(with_texts)
        )),
        (true, None) => return Err(no_texts(folder)),
        (true, Some(first)) => {
            return Err(Failure::input(format!(
                "the folder {at} has no .txt or .txt.gz file, only folders with some: {}; name the folders to read, such \
                 as {}",
                names(with_texts.iter().copied()),
                quoted(&first.display().to_string())
            )));
        }
    }
    Ok(found.texts)
}

/// Returns the error for a folder without texts.
pub(crate) fn no_texts(folder: &Path) -> Failure {
    Failure::input(format!(
        "the folder {} has no .txt or .txt.gz file; name the files to read, or another folder",
        folder.display()
    ))
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
