//! Checks before the work whether a result can be written.

use crate::error::{Failure, Result};
use refrain::file::check_writable;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A result of a command, and the option that names it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Written<'a> {
    File(&'static str, &'a Path),
    Folder(&'static str, &'a Path),
}

/// Refuses a path that cannot be written; `advice` says what to do instead.
pub(crate) fn check(path: &Path, advice: &str) -> Result<()> {
    if path == Path::new("-") {
        let reason = "cannot write to -: results are not written to stdout";
        return Err(Failure::input(format!("{reason}; {advice}, or ./- for a file with that name")));
    }
    check_writable(path).map_err(|e| Failure::input(format!("{e}; {advice}")))?;
    // A file is replaced by renaming another one over it, which must not happen to a device or a pipe.
    if path.metadata().is_ok_and(|found| !found.is_file()) {
        return Err(Failure::input(format!(
            "cannot write {}: it is not a regular file; {advice}",
            path.display()
        )));
    }
    Ok(())
}

/// Refuses an output path that is also an input file, which would be overwritten.
pub(crate) fn refuse_input_path<'a>(
    out: &Path,
    read: impl IntoIterator<Item = &'a PathBuf>,
    name: &str,
) -> Result<()> {
    let Ok(target) = out.canonicalize() else { return Ok(()) };
    if read.into_iter().any(|file| file.canonicalize().is_ok_and(|file| file == target)) {
        return Err(Failure::input(format!(
            "{name} {} is also an input file, and would be overwritten; name another file",
            out.display()
        )));
    }
    Ok(())
}

/// Refuses results that would overwrite each other, and a file that another result needs as a folder.
pub(crate) fn keep_apart(results: &[Written<'_>]) -> Result<()> {
    for (i, &result) in results.iter().enumerate() {
        for &other in &results[..i] {
            refuse_overlap(other, result)?;
            refuse_overlap(result, other)?;
        }
    }
    Ok(())
}

fn refuse_overlap(one: Written<'_>, other: Written<'_>) -> Result<()> {
    // Two folders may be the same or lie in each other: their files have different names.
    let Written::File(file_option, file) = one else { return Ok(()) };
    if file.is_dir() {
        // [`check`] has the better message.
        return Ok(());
    }
    let (Written::File(option, path) | Written::Folder(option, path)) = other;
    let place = place_of(path);
    if !place.starts_with(place_of(file)) {
        return Ok(());
    }
    let problem = match other {
        Written::File(..) if place == place_of(file) => {
            format!(
                "{file_option} and {option} are both {}, and one would overwrite the other; name another file",
                path.display()
            )
        }
        _ => format!(
            "{file_option} {} is a file, so {option} {} cannot be written; name another file or folder",
            file.display(),
            path.display()
        ),
    };
    Err(Failure::input(problem))
}

/// Returns a canonical path for a file, whether it exists or not.
fn place_of(path: &Path) -> PathBuf {
    if let Ok(path) = path.canonicalize() {
        return path;
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let name: OsString = path.file_name().unwrap_or_default().to_owned();
    match folder {
        Some(folder) => place_of(folder).join(name),
        None => Path::new(".").canonicalize().unwrap_or_else(|_| PathBuf::from(".")).join(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_that_overlap_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (a, b) = (at("a"), at("./a"));
        let both = |one: Written<'_>, other: Written<'_>| {
            keep_apart(&[one, other]).map_err(|e| e.message().to_owned())
        };
        assert!(both(Written::File("--out", &a), Written::File("--plot", &b)).is_err(), "neither exists");
        std::fs::write(&a, "x").unwrap();
        let error = both(Written::File("--out", &a), Written::File("--plot", &b)).unwrap_err();
        assert!(error.contains("--out and --plot"), "{error}");
        assert!(both(Written::File("--out", &a), Written::File("--plot", &at("b"))).is_ok());
        for inside in ["a", "./a", "a/ck"] {
            let error =
                both(Written::Folder("--log-dir", &at(inside)), Written::File("--out", &a)).unwrap_err();
            assert!(error.contains("--log-dir") && error.contains("is a file"), "{inside}: {error}");
        }
        let inside = at("x/y/z");
        assert!(both(Written::File("--out", &at("x")), Written::Folder("--checkpoint", &inside)).is_err());
        assert!(
            both(Written::Folder("--checkpoint", &at("x")), Written::Folder("--log-dir", &inside)).is_ok()
        );
        assert!(both(Written::Folder("--checkpoint", &at("x")), Written::File("--out", &inside)).is_ok());
    }

    #[test]
    fn a_dash_is_not_a_file() {
        let error = check(Path::new("-"), "name another file with --out").unwrap_err();
        assert!(error.message().contains("./-"), "{}", error.message());
    }
}
