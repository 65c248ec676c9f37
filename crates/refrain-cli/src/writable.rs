//! Whether a result can be written, asked before the work.

use crate::error::{Failure, Result};
use refrain::file::check_writable;
use std::path::{Path, PathBuf};

/// Refuses a path that cannot be written; `advice` is what to do then.
pub(crate) fn check(path: &Path, advice: &str) -> Result<()> {
    check_writable(path).map_err(|e| Failure::input(format!("{e}; {advice}")))?;
    // A file is replaced by renaming another one over it. That must not happen to a device or a pipe.
    if path.metadata().is_ok_and(|found| !found.is_file()) {
        return Err(Failure::input(format!(
            "cannot write {}: it is not an ordinary file; {advice}",
            path.display()
        )));
    }
    Ok(())
}

/// Refuses a result's path that is one of the files that are read: what is read must not be lost.
pub(crate) fn keep_what_is_read<'a>(
    out: &Path,
    read: impl IntoIterator<Item = &'a PathBuf>,
    name: &str,
) -> Result<()> {
    let Ok(target) = out.canonicalize() else { return Ok(()) };
    if read.into_iter().any(|file| file.canonicalize().is_ok_and(|file| file == target)) {
        return Err(Failure::input(format!(
            "{name} {} is a file that is to be read, and would be overwritten; name another file",
            out.display()
        )));
    }
    Ok(())
}
