//! Labelled texts and sentences from files, folders and stdin.

use crate::error::{Failure, Result};
use crate::folders::{Folder, listed, names, uncompressed};
use crate::output::Output;
use crate::text_input::{self, STDIN, no_texts, warn_of_doubles, warn_of_empty, work_if_io};
use refrain::Error;
use refrain::classifier::{LabelLines, LabelledText, parse_lines, parse_table_with_lines, parse_whole};
use refrain::tagger::{TaggedSentence, parse_tagged_with_lines};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Labelled texts and where they came from.
#[derive(Debug)]
pub(crate) struct Labelled<E> {
    /// The texts.
    pub(crate) texts: Vec<E>,
    /// Their origin.
    pub(crate) origin: Origin,
    /// The files they were read from.
    pub(crate) files: Vec<PathBuf>,
}

/// Where labelled texts came from.
#[derive(Debug, Default)]
pub(crate) struct Origin {
    /// The name of all of them in messages.
    pub(crate) name: String,
    /// Where each label first occurs: the file and the line.
    places: BTreeMap<String, String>,
}

impl Origin {
    /// Returns where a label first occurs, otherwise the name.
    pub(crate) fn place(&self, label: Option<&str>) -> &str {
        label.and_then(|label| self.places.get(label)).unwrap_or(&self.name)
    }
}

/// Reads tables of labels and texts and folders of labelled texts, in the given order.
pub(crate) fn texts(paths: &[PathBuf], output: &Output) -> Result<Labelled<LabelledText>> {
    read(paths, output, |path| {
        if path.as_os_str() == STDIN || !path.is_dir() {
            return of_file(path, |text, name| Ok(parse_table_with_lines(text, name)?));
        }
        of_folder(path, output)
    })
}

/// Reads sentences in columns or with slashes.
pub(crate) fn sentences(paths: &[PathBuf], output: &Output) -> Result<Labelled<TaggedSentence>> {
    read(paths, output, |path| of_file(path, |text, name| Ok(parse_tagged_with_lines(text, name)?)))
}

/// The contents of a path.
struct Source<E> {
    texts: Vec<E>,
    places: BTreeMap<String, String>,
    files: Vec<PathBuf>,
}

fn read<E>(
    paths: &[PathBuf],
    output: &Output,
    of: impl Fn(&Path) -> Result<Source<E>>,
) -> Result<Labelled<E>> {
    let (mut texts, mut files, mut places) = (Vec::new(), Vec::new(), BTreeMap::new());
    for path in paths {
        let more = of(path)?;
        texts.extend(more.texts);
        files.extend(more.files);
        for (label, place) in more.places {
            places.entry(label).or_insert(place);
        }
    }
    let name = match paths {
        [one] => name_of(one),
        many => format!("{} sources", many.len()),
    };
    warn_of_quotes(&places, output);
    warn_of_doubles(&files, output);
    Ok(Labelled { texts, origin: Origin { name, places }, files })
}

/// Reads one file; `-` is stdin.
fn of_file<E>(
    path: &Path,
    parse: impl Fn(&str, &str) -> std::result::Result<(Vec<E>, LabelLines), Error>,
) -> Result<Source<E>> {
    let file = (path.as_os_str() != STDIN).then_some(path);
    let name = name_of(path);
    let text = text_input::open(file)?.text().map_err(|e| work_if_io(e.into()))?;
    let (texts, lines) = parse(&text, &name)?;
    let places = lines.into_iter().map(|(label, line)| (label, format!("{name}, line {line}"))).collect();
    Ok(Source { texts, places, files: file.map(Path::to_owned).into_iter().collect() })
}

/// The two kinds of folders, for errors.
const LAYOUTS: &str = "expected either <label>.txt files with one text per line, or a folder per label with one text \
    per .txt file";

/// Reads a folder with a file per label, or with a folder per label; two or more folders with texts are labels. Hidden and
/// empty files are skipped.
fn of_folder(folder: &Path, output: &Output) -> Result<Source<LabelledText>> {
    let found = Folder::read(folder)?;
    let (at, with_texts) = (folder.display(), found.with_texts());
    let mut source = Source { texts: Vec::new(), places: BTreeMap::new(), files: Vec::new() };
    let mut empty = Vec::new();
    match (found.texts.is_empty(), with_texts.is_empty()) {
        (false, true) => {
            for file in found.texts {
                let label = label_of(&uncompressed(&file).with_extension(""))?;
                source.add(file, &label, parse_lines, &mut empty)?;
            }
        }
        (false, false) if with_texts.len() == 1 => {
            return Err(Failure::input(format!(
                "the folder {at} has .txt files ({}) and folders with .txt files ({}), so it is not clear which are the \
                 labels; {LAYOUTS}; move the others out of {at}",
                names(&found.texts),
                names(with_texts)
            )));
        }
        // Files next to several folders, such as the lists of links in aclImdb, are not labels.
        (_, false) => {
            output.log(format_args!("{at} has a folder per label: {}", names(with_texts.iter().copied())));
            let without = found.folders.iter().filter(|folder| !with_texts.contains(folder));
            let unread: Vec<_> = found.texts.iter().chain(without).collect();
            if !unread.is_empty() {
                output.warning(format_args!(
                    "not read in {at}, next to the folders of the labels: {}",
                    names(unread)
                ));
            }
            for folder in with_texts {
                let label = label_of(folder)?;
                let found = Folder::read(folder)?;
                let deeper = found.with_texts();
                if !deeper.is_empty() {
                    let at = folder.display();
                    output.warning(format_args!("folders in {at} are not read: {}", names(deeper)));
                }
                for file in found.texts {
                    source.add(file, &label, parse_whole, &mut empty)?;
                }
            }
        }
        (true, true) if found.folders.is_empty() => return Err(no_texts(folder)),
        (true, true) => {
            return Err(Failure::input(format!(
                "the folder {at} has no .txt or .txt.gz file, and neither have its folders ({}); {LAYOUTS}",
                names(&found.folders)
            )));
        }
    }
    if source.texts.is_empty() {
        return Err(Failure::input(format!("every .txt file of {at} is empty; {LAYOUTS}")));
    }
    warn_of_empty(&empty, output);
    Ok(source)
}

impl Source<LabelledText> {
    /// Adds the texts of a file, which all have the same label, or adds the file to `empty`.
    fn add<E>(
        &mut self,
        file: PathBuf,
        label: &str,
        parse: impl Fn(&str, &str, &str) -> std::result::Result<Vec<LabelledText>, E>,
        empty: &mut Vec<PathBuf>,
    ) -> Result<()>
    where
        Error: From<E>,
    {
        let text = text_input::open(Some(&file))?.text().map_err(|e| work_if_io(e.into()))?;
        if text.trim().is_empty() {
            empty.push(file);
            return Ok(());
        }
        let texts = parse(&text, label, &name_of(&file)).map_err(Error::from)?;
        if let Some(first) = texts.first() {
            self.places.entry(first.label.clone()).or_insert_with(|| name_of(&file));
        }
        self.texts.extend(texts);
        self.files.push(file);
        Ok(())
    }
}

/// Warns of labels in quotation marks, which other programs would remove.
fn warn_of_quotes(places: &BTreeMap<String, String>, output: &Output) {
    let is_quoted = |label: &&String| label.len() > 1 && label.starts_with('"') && label.ends_with('"');
    let quoted: Vec<_> = places.keys().filter(is_quoted).cloned().collect();
    if let Some(first) = quoted.first() {
        output.warning(format_args!(
            "{}: the quotation marks are part of these labels: {}; remove them from the file if they should not be",
            places[first],
            listed(quoted.clone())
        ));
    }
}

fn name_of(path: &Path) -> String {
    if path.as_os_str() == STDIN { "stdin".to_owned() } else { path.display().to_string() }
}

/// Returns the label in the name of a folder, or of a file without its extension.
fn label_of(path: &Path) -> Result<String> {
    let label = path.file_name().unwrap_or_default().to_str();
    let label = label.ok_or_else(|| {
        Failure::input(format!("{}: the name is the label, but is not UTF-8; rename it", path.display()))
    })?;
    Ok(label.to_owned())
}
