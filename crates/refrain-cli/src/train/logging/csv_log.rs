//! `--csv-log`: one row per epoch, like Keras's `CSVLogger`.
//!
//! All fields are numbers or `true`, so none needs quotes.

use super::Epoch;
use crate::error::{Failure, Result};
use crate::existing::{Columns, Kind, Target};
use crate::writable;
use refrain::shown::counted;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Maximum bytes of a row, far above the usual.
const LONGEST_ROW: u64 = 1 << 16;

/// A CSV file of epochs.
#[derive(Debug)]
pub(super) struct CsvLog {
    path: PathBuf,
    columns: Vec<String>,
    force: bool,
}

/// The part of an existing log that a resumed run keeps.
#[derive(Debug, Default, PartialEq)]
struct Kept {
    /// Where it ends; 0 if there is no header to keep.
    bytes: u64,
    epochs: usize,
    /// Rows after it.
    rest: usize,
}

impl CsvLog {
    /// Checks that the file can be written.
    pub(super) fn open(path: &Path, columns: Vec<String>, force: bool) -> Result<Self> {
        writable::check(path, "name another file with --csv-log")?;
        Ok(Self { path: path.to_owned(), columns, force })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the file that a new run replaces.
    pub(super) fn target(&self) -> Target<'_> {
        Target { option: "--csv-log", path: &self.path, kind: Kind::Log(&self.columns), force: self.force }
    }

    fn header(&self) -> String {
        self.columns.join(",")
    }

    fn row(&self, epoch: &Epoch) -> String {
        self.columns.iter().map(|name| epoch.text(name)).collect::<Vec<_>>().join(",")
    }

    /// Starts the log of a new run. The caller has checked what it replaces.
    pub(super) fn begin(&mut self) -> Result<()> {
        self.write_from(&Kept::default(), &[])
    }

    /// Continues the log of a run that has done these epochs: keeps their rows, adds those that are missing, and drops
    /// later ones. Returns what the user should know.
    pub(super) fn resume(&mut self, done: &[Epoch]) -> Result<Option<String>> {
        let path = self.path.display();
        let (kept, note) = match self.kept(done) {
            Ok(kept) if kept.epochs < done.len() => {
                let missing = counted(done.len() - kept.epochs, "epoch");
                let note =
                    format!("--csv-log {path} has no rows for {missing} of the resumed run; adding them");
                (kept, Some(note))
            }
            // Only the log of another run has rows that this one may not know.
            Ok(kept) if done.is_empty() && kept.rest > 0 => {
                let note = format!("{:9} {path}: the log of {}", "replaces", counted(kept.rest, "epoch"));
                (kept, Some(note))
            }
            Ok(kept) => (kept, None),
            Err(_) if self.force => {
                (Kept::default(), Some(format!("{:9} {path}: it was not the log of this run", "replaces")))
            }
            Err(failure) => return Err(failure),
        };
        self.write_from(&kept, done)?;
        Ok(note)
    }

    /// Cuts the file after what is kept, and adds the header and the rows that are missing.
    fn write_from(&self, kept: &Kept, done: &[Epoch]) -> Result<()> {
        let header = (kept.bytes == 0).then(|| self.header());
        let rows = done.iter().skip(kept.epochs).map(|epoch| self.row(epoch));
        let lines: String = header.into_iter().chain(rows).map(|line| line + "\n").collect();
        let write = || {
            let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(&self.path)?;
            file.set_len(kept.bytes)?;
            file.seek(SeekFrom::End(0))?;
            file.write_all(lines.as_bytes())
        };
        write().map_err(|e| self.unwritable(&e))
    }

    /// Finds the part to keep. Fails if the file is not this run's log.
    fn kept(&self, done: &[Epoch]) -> Result<Kept> {
        let file = match File::open(&self.path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Kept::default()),
            file => file.map_err(|e| self.unreadable(&e))?,
        };
        let mut file = BufReader::new(file);
        let mut row = || read_row(&mut file).map_err(|e| self.unreadable(&e));
        let header = row()?;
        if header.is_empty() {
            return Ok(Kept::default());
        }
        let columns = Columns::of(&String::from_utf8_lossy(&header));
        if columns.as_ref().is_none_or(|columns| columns.0 != self.columns) {
            let differs = columns.map(|columns| format!(" ({})", columns.difference(&self.columns)));
            let problem = format!("its first line is not `{}`{}", self.header(), differs.unwrap_or_default());
            return Err(self.not_this_runs(&problem));
        }
        let mut kept = Kept::default();
        if header.ends_with(b"\n") {
            kept.bytes = header.len() as u64;
            let mut next = row()?;
            for epoch in done {
                if !next.ends_with(b"\n") {
                    // A row without its line end may be cut off, so it is written again.
                    return Ok(kept);
                }
                if !self.is_row_of(epoch, &next) {
                    return Err(self.not_this_runs(&format!(
                        "the checkpoint has {}, but line {} of the file is not the row of epoch {}",
                        counted(done.len(), "epoch"),
                        kept.epochs + 2,
                        kept.epochs + 1
                    )));
                }
                kept = Kept { bytes: kept.bytes + next.len() as u64, epochs: kept.epochs + 1, rest: 0 };
                next = row()?;
            }
            while !next.is_empty() {
                kept.rest += 1;
                next = row()?;
            }
        }
        Ok(kept)
    }

    /// Returns whether a line is the row of an epoch, which may have taken another time.
    fn is_row_of(&self, epoch: &Epoch, line: &[u8]) -> bool {
        let line = String::from_utf8_lossy(line);
        let fields: Vec<_> = line.trim_end_matches(['\r', '\n']).split(',').collect();
        let is_time = |name: &str| name == "seconds" || name.ends_with("_per_second");
        let mut columns = self.columns.iter().zip(&fields);
        fields.len() == self.columns.len()
            && columns.all(|(name, field)| is_time(name) || epoch.text(name) == *field)
    }

    /// Adds a row. The file must still exist.
    pub(super) fn add(&mut self, epoch: &Epoch) -> Result<()> {
        let row = format!("{}\n", self.row(epoch));
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
            "--csv-log {} is not the log of the resumed run: {why}; name that run's log, or a new file, which starts with \
             the epochs in the checkpoint",
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
    use std::fs;

    const WHOLE: &str = "epoch,loss,val_loss\n1,1.5,\n2,0.75,\n3,0.5,\n";

    fn open(path: &Path) -> CsvLog {
        CsvLog::open(path, ["epoch", "loss", "val_loss"].map(str::to_owned).into(), false).unwrap()
    }

    fn epoch(n: usize) -> Epoch {
        Epoch(vec![("epoch".to_owned(), json!(n)), ("loss".to_owned(), json!(1.5 / n as f64))])
    }

    fn done(n: usize) -> Vec<Epoch> {
        (1..=n).map(epoch).collect()
    }

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn rows_after_the_checkpoint_are_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.csv");
        let mut log = open(&path);
        log.begin().unwrap();
        (1..=3).for_each(|n| log.add(&epoch(n)).unwrap());
        assert_eq!(read(&path), WHOLE);
        // A truncated row after the checkpoint is dropped too.
        fs::write(&path, format!("{WHOLE}4,0.3")).unwrap();
        assert_eq!(log.resume(&done(2)).unwrap(), None);
        assert_eq!(read(&path), &WHOLE[..WHOLE.find('3').unwrap()]);
        log.add(&epoch(3)).unwrap();
        log.sync().unwrap();
        assert_eq!(read(&path), WHOLE);
        fs::remove_file(&path).unwrap();
        assert!(log.add(&epoch(4)).is_err() && !path.exists());
    }

    #[test]
    fn rows_that_a_log_lacks_are_added_from_the_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.csv");
        let cut = WHOLE.len() - 1;
        for (there, missing) in [
            (None, "3 epochs"),
            (Some(""), "3 epochs"),
            (Some("epoch,loss,val_loss"), "3 epochs"),
            (Some("epoch,loss,val_loss\n1,1.5,\n"), "2 epochs"),
            (Some(&WHOLE[..cut]), "1 epoch"),
            (Some(&WHOLE[..cut - 3]), "1 epoch"),
        ] {
            let _ = fs::remove_file(&path);
            there.inspect(|there| fs::write(&path, there).unwrap());
            let note = open(&path).resume(&done(3)).unwrap().unwrap();
            assert!(note.contains(&format!("no rows for {missing} of")), "{note}");
            assert_eq!(read(&path), WHOLE, "{there:?}");
        }
        // Other programs end lines in another way.
        let windows = format!("\u{feff}{}", WHOLE.replace('\n', "\r\n"));
        fs::write(&path, &windows).unwrap();
        assert_eq!(open(&path).resume(&done(3)).unwrap(), None);
        assert_eq!(read(&path), windows);
        // The only sign of another run's log.
        fs::write(&path, WHOLE).unwrap();
        let note = open(&path).resume(&[]).unwrap().unwrap();
        assert!(note.ends_with("the log of 3 epochs"), "{note}");
    }

    #[test]
    fn the_log_of_another_run_is_not_continued() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.csv");
        for (other, problem) in [
            (
                "epoch,loss\n1,2\n",
                "its first line is not `epoch,loss,val_loss` (without the columns `val_loss`)",
            ),
            ("epoch,val_loss,loss\n", "(the same columns in another order)"),
            ("\n", "its first line is not"),
            ("epoch,loss,val_loss\n1,1.25,\n", "line 2 of the file is not the row of epoch 1"),
            ("epoch,loss,val_loss\n1,1.5,\n2,0.75\n", "line 3 of the file is not the row of epoch 2"),
        ] {
            fs::write(&path, other).unwrap();
            let error = open(&path).resume(&done(2)).unwrap_err();
            assert!(error.message().contains(problem), "{error:?}");
            assert_eq!(read(&path), other);
            CsvLog { force: true, ..open(&path) }.resume(&done(3)).unwrap();
            assert_eq!(read(&path), WHOLE);
        }
    }

    #[test]
    fn a_new_run_replaces_only_a_log_of_its_own_kind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.csv");
        for (other, problem) in [
            ("epoch,loss\n1,2\n", "the log of 1 epoch (without the columns `val_loss`)"),
            ("name,loss,val_loss\n", "a text that begins with"),
            ("epoch,loss,val_loss,mine\n", "with the columns `mine` too"),
        ] {
            fs::write(&path, other).unwrap();
            let error = open(&path).target().replaced().unwrap_err();
            assert!(error.message().contains(problem), "{error:?}");
        }
        for (own, replaced) in [("", None), (WHOLE, Some("the log of 3 epochs"))] {
            fs::write(&path, own).unwrap();
            assert_eq!(open(&path).target().replaced().unwrap().as_deref(), replaced);
            open(&path).begin().unwrap();
            assert_eq!(read(&path), "epoch,loss,val_loss\n");
        }
    }
}
