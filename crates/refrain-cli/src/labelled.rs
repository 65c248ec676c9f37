//! Labelled texts from files, folders and stdin.

use crate::error::{Failure, Result};
use crate::text_input::{self, STDIN, text_files, uncompressed, work_if_io};
use refrain::Error;
use refrain::classifier::{LabelledText, parse_lines, parse_table};
use std::path::{Path, PathBuf};

/// Labelled texts and where they came from.
#[derive(Debug)]
pub(crate) struct Labelled {
    /// The texts.
    pub(crate) texts: Vec<LabelledText>,
    /// Their name in messages.
    pub(crate) name: String,
    /// The files they were read from.
    pub(crate) files: Vec<PathBuf>,
}

/// Reads tables of labels and texts, and folders with a `.txt` file for each label, in the order given.
pub(crate) fn read(paths: &[PathBuf]) -> Result<Labelled> {
    let mut texts = Vec::new();
    let mut files = Vec::new();
    for path in paths {
        let name = path.display().to_string();
        if path.as_os_str() == STDIN {
            texts.extend(checked(parse_table(&text(None)?, "stdin"))?);
        } else if path.is_dir() {
            for file in text_files(path)? {
                let (label, name) = (label_of(&file)?, file.display().to_string());
                texts.extend(checked(parse_lines(&text(Some(&file))?, &label, &name))?);
                files.push(file);
            }
        } else {
            texts.extend(checked(parse_table(&text(Some(path))?, &name))?);
            files.push(path.clone());
        }
    }
    let name = match paths {
        [one] if one.as_os_str() == STDIN => "stdin".to_owned(),
        [one] => one.display().to_string(),
        many => format!("{} sources", many.len()),
    };
    Ok(Labelled { texts, name, files })
}

/// A file in one piece; none: stdin.
fn text(file: Option<&Path>) -> Result<String> {
    text_input::open(file)?.text().map_err(|e| work_if_io(e.into()))
}

fn checked(read: std::result::Result<Vec<LabelledText>, impl Into<Error>>) -> Result<Vec<LabelledText>> {
    read.map_err(|e| Failure::from(e.into()))
}

/// The label that a file's name says.
fn label_of(file: &Path) -> Result<String> {
    let plain = uncompressed(file);
    let stem = plain.file_stem().unwrap_or_default();
    let label = stem.to_str().ok_or_else(|| {
        Failure::input(format!("{}: its name, which is a label, is not UTF-8; rename it", file.display()))
    })?;
    Ok(label.to_owned())
}
