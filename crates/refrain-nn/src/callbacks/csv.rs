//! Logging epochs to a CSV file.

use super::{Callback, EpochContext, Logs, ResumeContext};
use crate::error::Error;
use crate::model::Model;
use crate::part::Part;
use crate::storage::printable;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Bytes of an existing header that are read.
const LONGEST_HEADER: u64 = 1 << 16;

/// Writes one row per epoch to a CSV file, as Keras does: the epoch, counted from 0, then the values of the
/// first epoch's names, sorted, with `NA` for missing values. The `val_` columns exist even without
/// validation.
///
/// Each row is flushed, so the file can be followed during training. When training resumes from a checkpoint,
/// rows written after it are cut off and written again.
#[derive(Debug)]
pub struct CsvLogger {
    /// The file.
    pub path: String,
    /// The separator: a character that cannot be part of a name or number.
    pub separator: char,
    /// Whether to append to an existing log with the same columns, without a second header, instead of
    /// overwriting the file.
    pub append: bool,
    /// The open file; leave it at its default.
    pub file: CsvFile,
}

/// The open file of a [`CsvLogger`].
#[derive(Debug, Default)]
pub struct CsvFile {
    file: Option<File>,
    /// The columns after the epoch, once they are known.
    names: Option<Vec<String>>,
    needs_header: bool,
    /// The header of the log that is appended to, until it is compared with the columns.
    header: Option<String>,
    /// Whether the last line has no line end.
    is_open: bool,
}

/// What a checkpoint stores of a [`CsvLogger`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    names: Option<Vec<String>>,
    needs_header: bool,
    /// The length of the file, rows of earlier runs included.
    bytes: u64,
}

impl CsvLogger {
    /// Creates a logger that separates fields with commas and overwrites an existing file.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), separator: ',', append: false, file: CsvFile::default() }
    }

    fn error(&self, source: io::Error) -> Error {
        Error::Io { action: "cannot write", path: self.path.clone(), source }
    }

    fn check(&self) -> Result<(), Error> {
        let taken = |c: char| c.is_alphanumeric() || "+-._\"\r\n".contains(c);
        if taken(self.separator) {
            let got = format!("{:?}", self.separator);
            let expected = "a character that names and numbers do not contain, such as `,`, `;` or a tab";
            return Err(Error::setting("CsvLogger", "separator", got, expected));
        }
        Ok(())
    }

    fn open(&mut self) -> Result<(), Error> {
        self.check()?;
        let mut options = OpenOptions::new();
        options.create(true);
        if self.append {
            options.append(true)
        } else {
            options.write(true).truncate(true)
        };
        let (header, is_open) = if self.append { self.existing()? } else { (None, false) };
        let opened = options.open(&self.path).and_then(|file| Ok((file.metadata()?.len() == 0, file)));
        let (is_empty, file) = opened.map_err(|e| self.error(e))?;
        self.file = CsvFile { file: Some(file), names: None, needs_header: is_empty, header, is_open };
        Ok(())
    }

    /// Returns the header of an existing log, and whether its last line has no line end.
    fn existing(&self) -> Result<(Option<String>, bool), Error> {
        let read = || {
            let mut file = match File::open(&self.path) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok((None, false)),
                file => file?,
            };
            // A pipe has nothing to compare with.
            if !file.metadata()?.is_file() || file.metadata()?.len() == 0 {
                return Ok((None, false));
            }
            let mut header = Vec::new();
            BufReader::new(&file).take(LONGEST_HEADER).read_until(b'\n', &mut header)?;
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            Ok((Some(String::from_utf8_lossy(&header).into_owned()), last != *b"\n"))
        };
        let (header, is_open) = read().map_err(|e| self.error(e))?;
        match header {
            Some(header) if !header.starts_with(&format!("epoch{}", self.separator)) => {
                Err(self.other_columns(&header, "a log of epochs to append to"))
            }
            header => Ok((header, is_open)),
        }
    }

    fn other_columns(&self, header: &str, expected: &str) -> Error {
        let got = format!("{}, which begins with `{}`", self.path, printable(header.trim_end()));
        Error::setting("CsvLogger", "path", got, format!("{expected}, or a new file"))
    }

    /// Opens a file again to continue it, and cuts off everything written after the checkpoint.
    fn open_again(&mut self, written: Written) -> Result<(), Error> {
        self.check()?;
        let Written { names, needs_header, bytes } = written;
        let expected = || format!("a log of {bytes} bytes");
        let opened =
            OpenOptions::new().read(true).write(true).create(bytes == 0).truncate(false).open(&self.path);
        if opened.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::NotFound)
            && !Path::new(&self.path).exists()
        {
            return Err(Error::resume(&*self.path, "missing", expected()));
        }
        let opened = opened.and_then(|file| Ok((file.metadata()?.len(), file)));
        let (len, mut file) = opened.map_err(|e| self.error(e))?;
        if len < bytes {
            let expected = format!("at least {bytes}: the rows before the checkpoint");
            return Err(Error::resume(&*self.path, format!("{len} bytes"), expected));
        }
        let cut = file.set_len(bytes).and_then(|()| file.seek(SeekFrom::End(0)));
        cut.map_err(|e| self.error(e))?;
        self.file = CsvFile { file: Some(file), names, needs_header, ..CsvFile::default() };
        Ok(())
    }

    fn written(&self) -> Result<Written, Error> {
        let CsvFile { file, names, needs_header, .. } = &self.file;
        let bytes = match file {
            // Rows that a checkpoint counts must be on disk before the checkpoint is.
            Some(file) => {
                let synced = match file.sync_all() {
                    // The file is a pipe or a device.
                    Err(e) if e.kind() == io::ErrorKind::InvalidInput => Ok(()),
                    synced => synced,
                };
                synced.and_then(|()| file.metadata()).map_err(|e| self.error(e))?.len()
            }
            None => 0,
        };
        Ok(Written { names: names.clone(), needs_header: *needs_header, bytes })
    }

    fn write(&mut self, epoch: usize, logs: &Logs) -> Result<(), Error> {
        let separator = self.separator;
        let names = self.file.names.get_or_insert_with(|| columns(logs)).clone();
        let header = std::iter::once("epoch").chain(names.iter().map(String::as_str)).collect::<Vec<_>>();
        let header = header.join(&separator.to_string());
        if let Some(existing) = self.file.header.take()
            && existing.trim_end() != header
        {
            return Err(self.other_columns(&existing, &format!("a log with the columns `{header}`")));
        }
        let CsvFile { file, needs_header, is_open, .. } = &mut self.file;
        let mut lines = String::new();
        if std::mem::take(is_open) {
            lines += "\r\n";
        }
        if std::mem::take(needs_header) {
            lines += &header;
            lines += "\r\n";
        }
        lines += &epoch.to_string();
        for name in &*names {
            lines.push(separator);
            lines += &logs.get(name).map_or("NA".into(), |value| format!("{value:?}").to_lowercase());
        }
        lines += "\r\n";
        match file {
            Some(file) => file.write_all(lines.as_bytes()).map_err(|e| self.error(e)),
            None => Ok(()),
        }
    }
}

fn columns(logs: &Logs) -> Vec<String> {
    let mut names: Vec<_> = logs.names().map(str::to_owned).collect();
    names.sort();
    if !names.iter().any(|name| name.starts_with("val_")) {
        names.extend_from_within(..);
        let half = names.len() / 2;
        names[half..].iter_mut().for_each(|name| name.insert_str(0, "val_"));
    }
    names
}

impl Callback for CsvLogger {
    fn on_train_begin(&mut self, _model: &mut Model) -> Result<(), Error> {
        self.open()
    }

    fn on_epoch_end(&mut self, cx: &mut EpochContext<'_>) -> Result<(), Error> {
        self.write(cx.epoch, cx.logs)
    }

    fn on_train_end(&mut self, _model: &mut Model) -> Result<(), Error> {
        self.file = CsvFile::default();
        Ok(())
    }

    fn checkpoint(&self) -> Result<Part, Error> {
        Part::of(&self.written()?)
    }

    fn resume(&mut self, part: Part, _cx: &mut ResumeContext<'_>) -> Result<(), Error> {
        self.open_again(part.parse("CsvLogger")?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logs(entries: &[(&str, f64)]) -> Logs {
        entries.iter().map(|&(name, value)| (name.to_owned(), value)).collect()
    }

    fn write(logger: &mut CsvLogger, epochs: &[Logs]) -> String {
        logger.open().unwrap();
        epochs.iter().enumerate().for_each(|(epoch, logs)| logger.write(epoch, logs).unwrap());
        std::fs::read_to_string(&logger.path).unwrap()
    }

    /// The expected files are Keras 3.15.1's, except that it writes `1e-05` and we write `1e-5`.
    #[test]
    fn writes_the_same_files_as_keras() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.csv").to_str().unwrap().to_owned();
        let mut logger = CsvLogger::new(&path);
        let two = [logs(&[("loss", 1.5), ("accuracy", 0.25)]), logs(&[("loss", 0.5), ("accuracy", 1.0)])];
        let text = "epoch,accuracy,loss,val_accuracy,val_loss\r\n0,0.25,1.5,NA,NA\r\n1,1.0,0.5,NA,NA\r\n";
        assert_eq!(write(&mut logger, &two), text);
        let mut append = CsvLogger { append: true, ..CsvLogger::new(&path) };
        let more = [logs(&[("loss", f64::NAN), ("accuracy", 1e-5)])];
        assert_eq!(write(&mut append, &more), format!("{text}0,1e-5,nan,NA,NA\r\n"));
        let mut semicolons = CsvLogger { separator: ';', ..CsvLogger::new(&path) };
        let two = [logs(&[("loss", 1.5), ("val_loss", 2.25)]), logs(&[("loss", 1.5), ("late", 1.0)])];
        assert_eq!(write(&mut semicolons, &two), "epoch;loss;val_loss\r\n0;1.5;2.25\r\n1;1.5;NA\r\n");
        let new = folder.path().join("new.csv").to_str().unwrap().to_owned();
        let mut append = CsvLogger { append: true, ..CsvLogger::new(new) };
        assert!(write(&mut append, &more).starts_with("epoch,accuracy"));
    }

    #[test]
    fn resuming_keeps_only_the_rows_before_the_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.csv").to_str().unwrap().to_owned();
        let rows = [0.5, 0.25, 0.125].map(|loss| logs(&[("loss", loss)]));
        for append in [false, true] {
            std::fs::write(&path, "epoch,loss,val_loss\r\n0,1.0,NA\r\n").unwrap();
            let new = || CsvLogger { append, ..CsvLogger::new(&path) };
            let (mut logger, mut parts) = (new(), Vec::new());
            logger.open().unwrap();
            for (epoch, row) in rows.iter().enumerate() {
                parts.push(logger.checkpoint().unwrap());
                logger.write(epoch, row).unwrap();
            }
            drop(logger);
            let whole = std::fs::read_to_string(&path).unwrap();
            for (done, part) in parts.iter().enumerate() {
                let mut again = new();
                again.open_again(part.parse("CsvLogger").unwrap()).unwrap();
                (done..3).for_each(|epoch| again.write(epoch, &rows[epoch]).unwrap());
                assert_eq!(std::fs::read_to_string(&path).unwrap(), whole);
            }
            std::fs::write(&path, "cut").unwrap();
            let error = new().open_again(parts[2].parse("CsvLogger").unwrap()).unwrap_err().to_string();
            assert!(error.contains("is 3 bytes") && error.contains("log.csv"), "{error}");
        }
        std::fs::remove_file(&path).unwrap();
        let gone = |bytes| Written { names: None, needs_header: true, bytes };
        let error = CsvLogger::new(&path).open_again(gone(9)).unwrap_err().to_string();
        assert!(error.contains("log.csv is missing") && error.contains("a log of 9 bytes"), "{error}");
        CsvLogger::new(&path).open_again(gone(0)).unwrap();
    }

    #[test]
    fn rows_are_appended_only_to_a_log_with_the_same_columns() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.csv").to_str().unwrap().to_owned();
        let append = || CsvLogger { append: true, ..CsvLogger::new(&path) };
        let row = logs(&[("loss", 0.5)]);
        // Another program may have left out the last line end.
        std::fs::write(&path, "epoch,loss,val_loss\n0,1.0,NA").unwrap();
        assert_eq!(
            write(&mut append(), std::slice::from_ref(&row)),
            "epoch,loss,val_loss\n0,1.0,NA\r\n0,0.5,NA\r\n"
        );
        for (other, expected) in [
            ("Dear diary,\n", "a log of epochs"),
            ("epoch,loss,mine\n0,1,2\n", "the columns `epoch,loss,val_loss`"),
        ] {
            std::fs::write(&path, other).unwrap();
            let mut logger = append();
            let error = logger.open().and_then(|()| logger.write(0, &row)).unwrap_err().to_string();
            assert!(error.contains(other.lines().next().unwrap()) && error.contains(expected), "{error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), other);
        }
    }

    #[test]
    fn errors_name_the_file_that_cannot_be_written() {
        for separator in ['.', 'e', '1', '_', '"', '\n'] {
            let error = CsvLogger { separator, ..CsvLogger::new("x.csv") }.open().unwrap_err();
            assert!(matches!(error, Error::Setting { setting: "separator", .. }));
        }
        let error = CsvLogger::new("/no/such/folder/x.csv").open().unwrap_err().to_string();
        assert!(error.starts_with("cannot write /no/such/folder/x.csv: "), "{error}");
    }
}
