//! Checks before the work whether a result can be written.

use crate::error::{Failure, Result};
use refrain::file::check_writable;
use std::path::{Path, PathBuf};

/// Refuses a path that cannot be written; `advice` says what to do instead.
pub(crate) fn check(path: &Path, advice: &str) -> Result<()> {
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
