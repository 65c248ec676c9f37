//! Text from files, directories and stdin.

use crate::error::{Failure, Result};
use std::ffi::OsStr;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// What stands for stdin in place of a file.
const STDIN: &str = "-";

/// A text and where it came from.
#[derive(Debug)]
pub(crate) struct Text {
    /// The text.
    pub(crate) text: String,
    /// Its name in messages.
    pub(crate) name: String,
    /// The files it was read from.
    pub(crate) files: Vec<PathBuf>,
}

/// Reads files and joins them in the order given; of a directory all `.txt` files in it, by name.
pub(crate) fn read(paths: &[PathBuf]) -> Result<Text> {
    let mut text = String::new();
    let mut files = Vec::new();
    for path in paths {
        if path.as_os_str() == STDIN {
            append(&mut text, &from_stdin()?);
        } else if path.is_dir() {
            for file in text_files(path)? {
                append(&mut text, &from_file(&file)?);
                files.push(file);
            }
        } else {
            append(&mut text, &from_file(path)?);
            files.push(path.clone());
        }
    }
    let name = match paths {
        [one] if one.as_os_str() == STDIN => "stdin".to_owned(),
        [one] => one.display().to_string(),
        many => format!("{} texts", many.len()),
    };
    Ok(Text { text, name, files })
}

/// A text begins on a line of its own.
fn append(text: &mut String, next: &str) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(next);
}

fn from_stdin() -> Result<String> {
    let mut bytes = Vec::new();
    io::stdin()
        .lock()
        .read_to_end(&mut bytes)
        .map_err(|e| Failure::input(format!("cannot read stdin: {e}")))?;
    decode(bytes, "stdin")
}

fn from_file(path: &Path) -> Result<String> {
    decode(read_bytes(path)?, &path.display().to_string())
}

/// A file's bytes.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    must_exist(path)?;
    must_be_a_file(path)?;
    std::fs::read(path).map_err(|error| Failure::input(format!("cannot read {}: {error}", path.display())))
}

/// How many bytes a file has.
pub(crate) fn size(path: &Path) -> Result<u64> {
    let found = path.metadata();
    found.map(|m| m.len()).map_err(|e| Failure::input(format!("cannot read {}: {e}", path.display())))
}

/// Folders hold no bytes, and devices and pipes have no end that could be trusted.
pub(crate) fn must_be_a_file(path: &Path) -> Result<()> {
    match path.metadata() {
        Ok(found) if !found.is_file() => {
            let what = if found.is_dir() { "a folder" } else { "not an ordinary file" };
            Err(Failure::input(format!("{} is {what}; name a file", path.display())))
        }
        _ => Ok(()),
    }
}

/// A mistyped name is the likeliest mistake, and said plainly.
pub(crate) fn must_exist(path: &Path) -> Result<()> {
    match path.try_exists() {
        Ok(false) => Err(Failure::input(format!(
            "cannot read {}: there is no such file; check the name and the folder",
            path.display()
        ))),
        _ => Ok(()),
    }
}

/// The text of UTF-8 bytes, without the mark that some editors put before it.
fn decode(bytes: Vec<u8>, name: &str) -> Result<String> {
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let byte = error.as_bytes()[at];
        Failure::input(format!(
            "{name} is not UTF-8: byte {byte:#04x} at offset {at} does not belong there; convert it first, \
             for example with `iconv -f latin1 -t utf-8`"
        ))
    })?;
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    if text.trim().is_empty() {
        let what = if text.is_empty() { "is empty" } else { "holds nothing but blanks" };
        return Err(Failure::input(format!("{name} {what}; expected a text")));
    }
    Ok(text)
}

fn text_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |error| Failure::input(format!("cannot read the folder {}: {error}", folder.display()));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension() == Some(OsStr::new("txt")) && path.is_file() {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(Failure::input(format!(
            "the folder {} holds no .txt file; name the files to read, or another folder",
            folder.display()
        )));
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn texts_are_joined_on_lines_of_their_own_and_folders_sorted() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("b.txt", "second\n"), ("a.txt", "\u{feff}first"), ("c.md", "not a text")] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        fs::create_dir(folder.path().join("d.txt")).unwrap();
        let read = read(&[folder.path().to_owned(), folder.path().join("c.md")]).unwrap();
        assert_eq!(read.text, "first\nsecond\nnot a text");
        assert_eq!(read.files.len(), 3);
    }

    #[test]
    fn the_offset_of_a_wrong_byte_is_told() {
        let error = decode(b"caf\xe9 noir".to_vec(), "menu.txt").unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.message().contains("menu.txt is not UTF-8: byte 0xe9 at offset 3"), "{error:?}");
    }
}
