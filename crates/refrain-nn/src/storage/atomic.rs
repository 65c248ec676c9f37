//! Atomic file writes: a file is either complete or absent.

use crate::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf, is_separator};

/// Writes a file atomically: to a temporary file in the same folder, which is synced and then renamed. An
/// existing file stays unchanged until the new one is complete, and also if writing fails.
///
/// # Errors
/// Returns an error if the folder or the file cannot be written to.
pub fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), Error> {
    let error = |source| Error::Io { action: "cannot write", path: path.display().to_string(), source };
    // A symbolic link is followed, not replaced.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let (temporary, file) = create_beside(&target).map_err(error)?;
    let result = (|| {
        let mut writer = BufWriter::new(file);
        write(&mut writer)?;
        writer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&temporary, &target)?;
        sync_folder(folder_of(&target))
    })();
    result.map_err(|source| {
        let _ = fs::remove_file(&temporary);
        error(source)
    })
}

/// Checks that a file can be written here by creating an empty file under another name and removing it.
///
/// # Errors
/// Returns an error if the folder does not exist, `path` is a folder, or there is no permission or space.
pub fn check_writable(path: &Path) -> Result<(), Error> {
    let error = |source| Error::Io { action: "cannot write", path: path.display().to_string(), source };
    if path.is_dir() {
        return Err(error(io::Error::other("it is a folder")));
    }
    // The file name of `model/` is `model`.
    let ends_as_a_folder =
        path.as_os_str().as_encoded_bytes().last().is_some_and(|&end| is_separator(end.into()));
    if path.file_name().is_none() || ends_as_a_folder {
        return Err(error(io::Error::other("it is not the name of a file")));
    }
    // Renaming would replace a read-only file.
    if path.is_file() {
        OpenOptions::new().write(true).open(path).map_err(error)?;
    }
    let (temporary, mut file) = create_beside(path).map_err(error)?;
    let written = file.write_all(b"x");
    fs::remove_file(&temporary).map_err(error)?;
    written.map_err(error)
}

/// Syncs a folder, so that renames in it survive a crash. Does nothing if the system cannot sync folders or
/// does not allow this user to.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    use io::ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        Err(e) if !matches!(e.kind(), InvalidInput | PermissionDenied | Unsupported) => Err(e),
        _ => Ok(()),
    }
}

pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Creates a new file next to `path`, under a name that no other writer and no leftover file has.
fn create_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut attempt = 0;
    loop {
        let temporary = folder_of(path).join(format!(".{name}.{}-{attempt}.tmp", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Err(taken) if taken.kind() == io::ErrorKind::AlreadyExists && attempt < 1000 => attempt += 1,
            result => return result.map(|file| (temporary, file)),
        }
    }
}
