//! What results would replace: a result of the same kind, which is then named, or anything else, which is refused.

mod recognise;

use crate::error::{Failure, Result};
use crate::output::Output;
pub(crate) use recognise::Columns;
use recognise::Found;
use std::path::Path;

/// What a command writes to a file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind<'a> {
    /// A model for the task of this name.
    Model(&'a str),
    /// The log of a run with these columns.
    Log(&'a [String]),
    Svg,
    Png,
    /// A page of findings.
    Page,
    /// Outputs of a model as a `.npy` file.
    Npy,
    /// Outputs of a model as a `.safetensors` file.
    Tensors,
    ManualPage,
    /// A file with exactly these bytes.
    Bytes(&'a str, &'a [u8]),
}

/// A file that a command writes, the option that names it, and whether `--force` was given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) option: &'a str,
    pub(crate) path: &'a Path,
    pub(crate) kind: Kind<'a>,
    pub(crate) force: bool,
}

impl Target<'_> {
    /// Returns what will be replaced, in words; `None` if nothing is lost. Without `--force`, refuses to replace
    /// anything but an earlier result of the same kind.
    pub(crate) fn replaced(&self) -> Result<Option<String>> {
        let Self { option, path, kind, force } = *self;
        if kind.is_already_in(path) {
            return Ok(None);
        }
        let found = Found::at(path);
        if found == Found::Nothing {
            return Ok(None);
        }
        if force || kind.is_same(&found) {
            return Ok(Some(found.to_string()));
        }
        let differs = match (&kind, &found) {
            (Kind::Log(ours), Found::Log { columns, .. }) => format!(" ({})", columns.difference(ours)),
            _ => String::new(),
        };
        Err(Failure::input(format!(
            "{option} {} is {found}{differs}, and would be replaced with {}; name another file or folder, or add --force \
             to replace it",
            path.display(),
            kind.in_words()
        )))
    }
}

/// Says what is replaced, if anything is.
pub(crate) fn say(output: &Output, path: &Path, replaced: Option<String>) {
    if let Some(what) = replaced {
        output.notice(format_args!("{:9} {}: {what}", "replaces", path.display()));
    }
}

impl Kind<'_> {
    fn is_same(&self, found: &Found) -> bool {
        match (self, found) {
            (Kind::Model(task), Found::Model { task: Some(found), .. }) => found == task,
            (Kind::Log(ours), Found::Log { columns, .. }) => columns.0 == *ours,
            (Kind::Svg, Found::Svg { ours })
            | (Kind::Png, Found::Png { ours })
            | (Kind::Page, Found::Page { ours })
            | (Kind::Npy, Found::Array { ours, .. })
            | (Kind::Tensors, Found::Tensors { ours, .. }) => *ours,
            (Kind::ManualPage, Found::ManualPage) => true,
            _ => false,
        }
    }

    /// Returns whether a file already has the bytes that would be written.
    fn is_already_in(&self, path: &Path) -> bool {
        let Kind::Bytes(_, bytes) = self else { return false };
        path.metadata().is_ok_and(|found| found.len() == bytes.len() as u64)
            && std::fs::read(path).is_ok_and(|found| found == *bytes)
    }

    fn in_words(&self) -> String {
        match self {
            Kind::Model(task) => recognise::model_in_words(Some(task)),
            Kind::Log(_) => "the log of this run".to_owned(),
            Kind::Svg | Kind::Png => "a figure".to_owned(),
            Kind::Page => "a page of findings".to_owned(),
            Kind::Npy | Kind::Tensors => "the model's outputs".to_owned(),
            Kind::ManualPage => "a manual page of refrain".to_owned(),
            Kind::Bytes(what, _) => (*what).to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_results_of_the_same_kind_are_replaced_without_force() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let replaced = |kind, force| {
            Target { option: "--out", path: &path, kind, force }
                .replaced()
                .map_err(|failure| failure.message().to_owned())
        };
        assert_eq!(replaced(Kind::Svg, false), Ok(None), "nothing is there");
        std::fs::write(&path, "").unwrap();
        assert_eq!(replaced(Kind::Svg, false), Ok(None), "an empty file loses nothing");
        std::fs::write(&path, "Dear diary,\ntoday").unwrap();
        for kind in [Kind::Model("text"), Kind::Svg, Kind::Png, Kind::Page, Kind::Npy, Kind::Tensors] {
            let error = replaced(kind, false).unwrap_err();
            assert!(error.contains("is a text that begins with `Dear diary,`"), "{error}");
            assert!(error.contains("--force") && error.contains("name another"), "{error}");
            assert_eq!(replaced(kind, true).unwrap().unwrap(), "a text that begins with `Dear diary,`");
        }
        assert_eq!(replaced(Kind::Bytes("a text", b"Dear diary,\ntoday"), false), Ok(None));
        assert!(replaced(Kind::Bytes("a text", b"Dear diary,\nTODAY"), false).is_err());
    }
}
