//! Labelled texts and sentences from files, folders and stdin.

use crate::error::{Failure, Result};
use crate::text_input::{self, STDIN, text_files, uncompressed, work_if_io};
use refrain::Error;
use refrain::classifier::{LabelledText, parse_lines, parse_table};
use refrain::tagger::{TaggedSentence, parse_tagged};
use std::path::{Path, PathBuf};

/// Labelled texts and where they came from.
#[derive(Debug)]
pub(crate) struct Labelled<E> {
    /// The texts.
    pub(crate) texts: Vec<E>,
    /// Their name in messages.
    pub(crate) name: String,
    /// The files they were read from.
    pub(crate) files: Vec<PathBuf>,
}

/// Reads tables of labels and texts, and folders with a `.txt` file per label, in the given order.
pub(crate) fn texts(paths: &[PathBuf]) -> Result<Labelled<LabelledText>> {
    read(paths, |path| {
        if path.as_os_str() == STDIN || !path.is_dir() {
            return of_file(path, |text, name| parse_table(text, name).map_err(Error::from));
        }
        let mut read = (Vec::new(), Vec::new());
        for file in text_files(path)? {
            let label = label_of(&file)?;
            let (texts, files) = of_file(&file, |text, name| Ok(parse_lines(text, &label, name)?))?;
            read.0.extend(texts);
            read.1.extend(files);
        }
        Ok(read)
    })
}

/// Reads sentences in columns or with slashes.
pub(crate) fn sentences(paths: &[PathBuf]) -> Result<Labelled<TaggedSentence>> {
    read(paths, |path| of_file(path, |text, name| Ok(parse_tagged(text, name)?)))
}

/// The contents of a path, and the files they were read from.
type Source<E> = (Vec<E>, Vec<PathBuf>);

fn read<E>(paths: &[PathBuf], of: impl Fn(&Path) -> Result<Source<E>>) -> Result<Labelled<E>> {
    let (mut texts, mut files) = (Vec::new(), Vec::new());
    for path in paths {
        let (more, from) = of(path)?;
        texts.extend(more);
        files.extend(from);
    }
    let name = match paths {
        [one] => name_of(one),
        many => format!("{} sources", many.len()),
    };
    Ok(Labelled { texts, name, files })
}

/// Reads one file; `-` is stdin.
fn of_file<E>(
    path: &Path,
    parse: impl Fn(&str, &str) -> std::result::Result<Vec<E>, Error>,
) -> Result<Source<E>> {
    let file = (path.as_os_str() != STDIN).then_some(path);
    let text = text_input::open(file)?.text().map_err(|e| work_if_io(e.into()))?;
    Ok((parse(&text, &name_of(path))?, file.map(Path::to_owned).into_iter().collect()))
}

fn name_of(path: &Path) -> String {
    if path.as_os_str() == STDIN { "stdin".to_owned() } else { path.display().to_string() }
}

/// Returns the label in a file's name.
fn label_of(file: &Path) -> Result<String> {
    let plain = uncompressed(file);
    let stem = plain.file_stem().unwrap_or_default();
    let label = stem.to_str().ok_or_else(|| {
        Failure::input(format!("{}: the file name is the label, but is not UTF-8; rename it", file.display()))
    })?;
    Ok(label.to_owned())
}
