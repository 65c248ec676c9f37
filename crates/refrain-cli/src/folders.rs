//! Folders of texts.

use crate::error::{Failure, Result};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The most names that a message lists.
const LISTED: usize = 5;

/// What a folder of texts holds, without hidden files and folders, sorted by name.
#[derive(Debug, Default)]
pub(crate) struct Folder {
    /// The `.txt` and `.txt.gz` files.
    pub(crate) texts: Vec<PathBuf>,
    /// The folders.
    pub(crate) folders: Vec<PathBuf>,
}

impl Folder {
    /// Lists a folder.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let unreadable =
            |error| Failure::input(format!("cannot read the folder {}: {error}", folder.display()));
        let mut found = Self::default();
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let path = entry.path();
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            if path.is_dir() {
                found.folders.push(path);
            } else if is_text_name(&path) && path.is_file() {
                found.texts.push(path);
            }
        }
        found.texts.sort();
        found.folders.sort();
        Ok(found)
    }

    /// Returns those of its folders that hold texts. A folder that cannot be read counts as one without.
    pub(crate) fn with_texts(&self) -> Vec<&PathBuf> {
        let has_texts = |folder: &&PathBuf| Self::read(folder).is_ok_and(|found| !found.texts.is_empty());
        self.folders.iter().filter(has_texts).collect()
    }
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

/// Lists paths in a message: their names in their folder, at most a few.
pub(crate) fn names<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> String {
    let name = |path: &PathBuf| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    listed(paths.into_iter().map(name).collect())
}

/// Joins names, at most a few.
pub(crate) fn listed(mut names: Vec<String>) -> String {
    let more = names.len().saturating_sub(LISTED);
    names.truncate(LISTED);
    let shown = names.join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}
