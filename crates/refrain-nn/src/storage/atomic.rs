//! Atomic file writes: a file is either complete or absent.

use crate::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf, is_separator};

/// Symbolic links that are followed, as many as Linux follows.
const MAX_LINKS: usize = 40;
/// Bytes of a file's name at the start of the temporary file's name.
const MAX_PREFIX: usize = 100;

/// Writes a file atomically: to a temporary file in the same folder, which is synced and then renamed. An
/// existing file stays unchanged until the new one is complete, and also if writing fails; the new one has its
/// permissions. A symbolic link is followed, also if its target does not exist yet.
///
/// # Errors
/// Returns an error if the folder or the file cannot be written to.
pub fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), Error> {
    let error = |source| Error::Io { action: "cannot write", path: path.display().to_string(), source };
    let target = follow_links(path).map_err(error)?;
    let (temporary, file) = create_beside(&target).map_err(error)?;
    let result = (|| {
        if let Ok(existing) = target.metadata() {
            file.set_permissions(existing.permissions())?;
        }
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

/// Checks that a file can be written here by creating a file under another name in the same folder and removing
/// it. A symbolic link is followed, as in [`write_atomically`].
///
/// # Errors
/// Returns an error if the folder does not exist, `path` is a folder, its name is too long, or there is no
/// permission or space.
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
    let target = follow_links(path).map_err(error)?;
    match target.symlink_metadata() {
        // Renaming would replace a read-only file.
        Ok(found) if found.is_file() => drop(OpenOptions::new().write(true).open(&target).map_err(error)?),
        // A missing file is expected; a name that the system does not accept is not.
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(error(e)),
        _ => {}
    }
    let (temporary, mut file) = create_beside(&target).map_err(error)?;
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

/// Returns the file that a path leads to through symbolic links, whether it exists or not.
fn follow_links(path: &Path) -> io::Result<PathBuf> {
    let mut target = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&target) {
            Ok(link) => target = folder_of(&target).join(link),
            Err(_) => return Ok(target),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

/// Creates a new file next to `path`, under a name that no other writer and no leftover file has.
fn create_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    let mut name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // The temporary name must not be too long where the name itself is not.
    name.truncate(name.floor_char_boundary(MAX_PREFIX));
    let mut attempt = 0;
    loop {
        let temporary = folder_of(path).join(format!(".{name}.{}-{attempt}.tmp", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Err(taken) if taken.kind() == io::ErrorKind::AlreadyExists && attempt < 1000 => attempt += 1,
            result => return result.map(|file| (temporary, file)),
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn write(path: &Path, text: &str) -> Result<(), Error> {
        write_atomically(path, |file| file.write_all(text.as_bytes()))
    }

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_replaced_file_keeps_its_permissions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("private");
        write(&path, "one").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        write(&path, "two").unwrap();
        assert_eq!((fs::read_to_string(&path).unwrap(), mode(&path)), ("two".to_owned(), 0o600));
    }

    #[test]
    fn links_are_written_through_even_if_they_dangle() {
        let folder = tempfile::tempdir().unwrap();
        let (sub, link) = (folder.path().join("sub"), folder.path().join("link"));
        fs::create_dir(&sub).unwrap();
        symlink("sub/second", &link).unwrap();
        symlink("target", sub.join("second")).unwrap();
        for text in ["new", "replaced"] {
            check_writable(&link).unwrap();
            write(&link, text).unwrap();
            assert!(link.is_symlink() && sub.join("second").is_symlink());
            assert_eq!(fs::read_to_string(sub.join("target")).unwrap(), text);
        }
        symlink("nowhere/target", folder.path().join("lost")).unwrap();
        assert!(check_writable(&folder.path().join("lost")).is_err());
        symlink("round", folder.path().join("round")).unwrap();
        let round = check_writable(&folder.path().join("round")).unwrap_err().to_string();
        assert!(round.contains("too many symbolic links"), "{round}");
    }

    #[test]
    fn any_name_that_the_system_accepts_can_be_written() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["n".repeat(255), "é".repeat(127)] {
            let path = folder.path().join(name);
            check_writable(&path).unwrap();
            write(&path, "text").unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), "text");
        }
        assert!(check_writable(&folder.path().join("n".repeat(256))).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary files are left");
    }
}
