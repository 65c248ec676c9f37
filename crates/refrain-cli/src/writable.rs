//! Whether a result can be written, asked before the work.

use crate::error::{Failure, Result};
use refrain::file::check_writable;
use std::path::Path;

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
