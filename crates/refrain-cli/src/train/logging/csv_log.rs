//! `--csv-log`: one row per epoch, like Keras's `CSVLogger`.
//!
//! All fields are numbers or `true`, so none needs quotes.

use super::Epoch;
use crate::error::{Failure, Result};
use crate::writable;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// Maximum bytes of a row, far above the usual.
const LONGEST_ROW: u64 = 1 << 16;

/// A CSV file of epochs.
#[derive(Debug)]
pub(super) struct CsvLog {
    path: PathBuf,
    columns: Vec<String>,
}

impl CsvLog {
    /// Checks that the file can be written. Refuses to overwrite a file that is not a log of this kind of run.
    pub(super) fn open(path: &Path, columns: Vec<String>, resume: bool) -> Result<Self> {
        let log = Self { path: path.to_owned(), columns };
        writable::check(path, "name another file with --csv-log")?;
        // With --resume, the file is checked more closely when the run starts.
        if resume || !path.exists() || log.has_header().map_err(|e| log.unreadable(&e))? {
            return Ok(log);
        }
        Err(Failure::input(format!(
            "--csv-log {} already exists and is not a log of this kind of run, which begins with `{}`; name another file",
            path.display(),
            log.header()
        )))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn header(&self) -> String {
        self.columns.join(",")
    }

    /// Returns whether the file is empty or begins with this run's header.
    fn has_header(&self) -> io::Result<bool> {
        let first = read_row(&mut BufReader::new(File::open(&self.path)?))?;
        Ok(first.is_empty() || first == format!("{}\n", self.header()).into_bytes())
    }

    /// Starts the file, or cuts it after the rows of this many epochs to continue it.
    pub(super) fn begin(&mut self, done: usize) -> Result<()> {
        if done == 0 {
            return fs::write(&self.path, format!("{}\n", self.header())).map_err(|e| self.unwritable(&e));
        }
        let end = self.end_of(done)?;
        let file = OpenOptions::new().write(true).open(&self.path);
        file.and_then(|file| file.set_len(end)).map_err(|e| self.unwritable(&e))
    }

    /// Returns where the row of the last of these epochs ends. Fails if a row is missing.
    fn end_of(&self, epochs: usize) -> Result<u64> {
        let file = File::open(&self.path).map_err(|e| self.unreadable(&e))?;
        let mut file = BufReader::new(file);
        let mut row = || read_row(&mut file).map_err(|e| self.unreadable(&e));
        let header = row()?;
        if header != format!("{}\n", self.header()).into_bytes() {
            return Err(self.not_this_runs(&format!("its first line is not `{}`", self.header())));
        }
        let mut end = header.len() as u64;
        for epoch in 1..=epochs {
            let row = row()?;
            let fields = row.iter().filter(|&&byte| byte == b',').count() + 1;
            let number = format!("{epoch},");
            if fields != self.columns.len() || !row.starts_with(number.as_bytes()) || !row.ends_with(b"\n") {
                let s = if epochs == 1 { "" } else { "s" };
                return Err(self.not_this_runs(&format!(
                    "the checkpoint has {epochs} epoch{s}, but line {} of the file is not the row of epoch {epoch}",
                    epoch + 1
                )));
            }
            end += row.len() as u64;
        }
        Ok(end)
    }

    /// Adds a row. The file must still exist.
    pub(super) fn add(&mut self, epoch: &Epoch) -> Result<()> {
        let fields: Vec<_> = self.columns.iter().map(|name| epoch.text(name)).collect();
        let row = format!("{}\n", fields.join(","));
        let file = OpenOptions::new().append(true).open(&self.path);
        file.and_then(|mut file| file.write_all(row.as_bytes())).map_err(|e| self.unwritable(&e))
    }

    /// Waits until all rows are on disk.
    pub(super) fn sync(&mut self) -> Result<()> {
        let file = OpenOptions::new().append(true).open(&self.path);
        file.and_then(|file| file.sync_data()).map_err(|e| self.unwritable(&e))
    }

    fn unwritable(&self, error: &io::Error) -> Failure {
        Failure::input(format!("cannot write {}: {error}", self.path.display()))
    }

    fn unreadable(&self, error: &io::Error) -> Failure {
        Failure::input(format!("cannot read --csv-log {}: {error}", self.path.display()))
    }

    fn not_this_runs(&self, why: &str) -> Failure {
        Failure::input(format!(
            "--csv-log {} is not the log of the resumed run: {why}; name that run's log, or leave out --csv-log",
            self.path.display()
        ))
    }
}

/// Reads a line with its line break; empty at the end of the file.
fn read_row(file: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut row = Vec::new();
    io::Read::take(file, LONGEST_ROW).read_until(b'\n', &mut row)?;
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn columns() -> Vec<String> {
        ["epoch", "loss", "val_loss"].map(str::to_owned).into()
    }

    fn epoch(n: usize) -> Epoch {
        Epoch(vec![("epoch".to_owned(), json!(n)), ("loss".to_owned(), json!(1.5 / n as f64))])
    }

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn rows_after_the_checkpoint_are_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.csv");
        let mut log = CsvLog::open(&path, columns(), false).unwrap();
        log.begin(0).unwrap();
        (1..=3).for_each(|n| log.add(&epoch(n)).unwrap());
        let whole = "epoch,loss,val_loss\n1,1.5,\n2,0.75,\n3,0.5,\n";
        assert_eq!(read(&path), whole);
        // A truncated row after the checkpoint is dropped too.
        fs::write(&path, format!("{whole}4,0.3")).unwrap();
        let mut log = CsvLog::open(&path, columns(), true).unwrap();
        log.begin(2).unwrap();
        assert_eq!(read(&path), &whole[..whole.find('3').unwrap()]);
        log.add(&epoch(3)).unwrap();
        log.sync().unwrap();
        assert_eq!(read(&path), whole);
        let error = CsvLog::open(&path, columns(), true).unwrap().begin(4).unwrap_err();
        assert!(error.message().contains("line 5 of the file is not the row of epoch 4"), "{error:?}");
        assert_eq!(read(&path), whole, "a refused file stays as it is");
        fs::remove_file(&path).unwrap();
        assert!(log.add(&epoch(4)).is_err() && !path.exists());
    }

    #[test]
    fn other_files_are_not_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.csv");
        for other in ["epoch,loss\n1,2\n", "epoch,loss,val_loss", "\u{feff}epoch,loss,val_loss\n", "\n"] {
            fs::write(&path, other).unwrap();
            let error = CsvLog::open(&path, columns(), false).unwrap_err();
            assert!(error.message().contains("is not a log of this kind of run"), "{error:?}");
            let error = CsvLog::open(&path, columns(), true).unwrap().begin(1).unwrap_err();
            assert!(error.message().contains("its first line is not"), "{error:?}");
            assert_eq!(read(&path), other);
        }
        for mine in ["", "epoch,loss,val_loss\n", "epoch,loss,val_loss\n1,2,3\n"] {
            fs::write(&path, mine).unwrap();
            CsvLog::open(&path, columns(), false).unwrap().begin(0).unwrap();
            assert_eq!(read(&path), "epoch,loss,val_loss\n");
        }
    }
}
