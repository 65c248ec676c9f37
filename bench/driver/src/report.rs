//! Tables for people and numbers for programs.

use crate::jobs::{TimedJob, Unit};
use crate::picture::Picture;
use crate::rival::{Contender, Rival};
use bench_protocol::Result;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

/// One job with the outcome of each contender.
pub(crate) struct Row {
    pub(crate) timed: TimedJob,
    pub(crate) outcomes: Vec<Outcome>,
}

/// The outcome of a contender for a job.
#[derive(Clone)]
pub(crate) enum Outcome {
    Timed {
        /// The median of each turn.
        seconds: Vec<f64>,
        /// Peak memory in bytes, above the idle process.
        memory: Option<u64>,
        /// The machine's peak speed, if the contender measured it.
        peak: Option<f64>,
    },
    Unsupported(String),
    Failed(String),
}

impl Outcome {
    pub(crate) fn seconds(&self) -> Option<f64> {
        match self {
            Self::Timed { seconds, .. } => Some(median(seconds.clone())),
            Self::Unsupported(_) | Self::Failed(_) => None,
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Timed { seconds, memory, peak } => {
                json!({ "seconds": seconds, "memory": memory, "peak_flops": peak })
            }
            Self::Unsupported(why) => json!({ "unsupported": why }),
            Self::Failed(why) => json!({ "failed": why }),
        }
    }
}

/// Returns the middle value; for an even number of values, the upper of the two.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The tables and numbers of a run.
pub(crate) struct Record {
    text: String,
    threads: u16,
    rounds: u16,
    quick: bool,
    rivals: Vec<(&'static Rival, String)>,
    jobs: Vec<Value>,
    pictures: Vec<Picture>,
    /// What failed.
    pub(crate) failures: Vec<String>,
}

impl Record {
    pub(crate) fn new(threads: u16, rounds: u16, quick: bool) -> Self {
        let (rivals, jobs, pictures, failures) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { text: String::new(), threads, rounds, quick, rivals, jobs, pictures, failures }
    }

    pub(crate) fn version(&mut self, rival: &'static Rival, version: &str) {
        self.rivals.push((rival, version.to_owned()));
    }

    /// Adds a picture to be written next to the tables.
    pub(crate) fn picture(&mut self, picture: Picture) {
        self.pictures.push(picture);
    }

    /// Returns the table of one group, with a column for each contender that did one of its jobs.
    pub(crate) fn table(
        &mut self,
        title: &str,
        contenders: &[Contender],
        rows: &[Row],
        memory: bool,
    ) -> String {
        let timed = |i: &usize| rows.iter().any(|row| row.outcomes[*i].seconds().is_some());
        let columns: Vec<_> = (0..contenders.len()).filter(timed).collect();
        // A single measurement may fall into a moment when the machine is busy.
        let peak = rows.iter().filter_map(Row::peak).reduce(f64::max);
        let mut cells = vec![vec!["job".to_owned()]];
        for &i in &columns {
            cells[0].push(contenders[i].title.clone());
            if i == 0 && peak.is_some() {
                cells[0].push("of peak".to_owned());
            }
        }
        for row in rows {
            self.keep(contenders, row);
            let mut line = vec![row.timed.name.clone()];
            for &i in &columns {
                line.push(row.cell(i));
                if let (0, Some(peak)) = (i, peak) {
                    line.push(row.share(peak).map_or("–".into(), |share| format!("{:.0} %", 100.0 * share)));
                }
            }
            cells.push(line);
        }
        let mut out = format!("## {title}\n\n{}", aligned(&cells));
        for row in rows.iter().filter(|_| memory) {
            let _ = writeln!(
                out,
                "\n{}, peak memory above the idle process: {}",
                row.timed.name,
                row.memory(contenders)
            );
        }
        for (i, contender) in contenders.iter().enumerate().filter(|(_, c)| c.threads.is_some()) {
            let slower = |row: &&Row| match (row.outcomes[i].seconds(), row.outcomes[0].seconds()) {
                (Some(fewer), Some(all)) => fewer < all,
                _ => false,
            };
            let names: Vec<_> = rows.iter().filter(slower).map(|row| row.timed.name.as_str()).collect();
            if !names.is_empty() {
                let _ = writeln!(out, "\nSlower than {}: {}.", contender.title, names.join(", "));
            }
        }
        let _ = write!(self.text, "\n{out}");
        out
    }

    /// Adds a row's numbers, and its failures. A job that is in several tables is added once.
    fn keep(&mut self, contenders: &[Contender], row: &Row) {
        if self.jobs.iter().any(|job| job["name"] == row.timed.name.as_str()) {
            return;
        }
        let mut results = serde_json::Map::new();
        for (contender, outcome) in contenders.iter().zip(&row.outcomes) {
            if let Outcome::Failed(why) = outcome {
                self.failures.push(format!("{}, {}: {why}", contender.title, row.timed.name));
            }
            results.insert(contender.key.clone(), outcome.json());
        }
        self.jobs.push(json!({ "name": row.timed.name, "job": row.timed.job, "results": results }));
    }

    /// Writes `<path>.md`, `<path>.json` and `<path>-<picture>.svg`.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let versions = self.rivals.iter().filter(|(rival, _)| !rival.key.contains('-'));
        let versions: Vec<_> =
            versions.map(|(rival, version)| format!("{} {version}", rival.title)).collect();
        let quick = if self.quick {
            " A quick run: it shows that everything works; its times mean nothing."
        } else {
            ""
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut head = format!(
            "# {}\n\n{}. {}. Medians of {} turns; × is a rival's time over Refrain's.{quick}\n",
            name,
            processor(),
            versions.join(", "),
            self.rounds,
        );
        let rivals: serde_json::Map<_, _> = self
            .rivals
            .iter()
            .map(|(rival, version)| (rival.key.to_owned(), version.clone().into()))
            .collect();
        // One job per line, so that a diff shows what changes between runs.
        let jobs = self.jobs.iter().map(Value::to_string).collect::<Vec<_>>().join(",\n");
        let fields = format!(
            "{{\"processor\": {},\n\"threads\": {}, \"rounds\": {}, \"quick\": {},\n\"versions\": {},\n\"jobs\": [\n{jobs}\n]}}\n",
            json!(processor()),
            self.threads,
            self.rounds,
            self.quick,
            Value::Object(rivals),
        );
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        for Picture { part, title, svg } in &self.pictures {
            let file = format!("{name}-{part}.svg");
            let _ = writeln!(head, "\n![{title}]({file})");
            std::fs::write(path.with_file_name(file), svg)?;
        }
        std::fs::write(path.with_extension("md"), head + self.text.trim_end() + "\n")?;
        Ok(std::fs::write(path.with_extension("json"), fields)?)
    }
}

impl Row {
    /// Returns a contender's time, and its ratio to Refrain's.
    fn cell(&self, i: usize) -> String {
        let (Some(seconds), refrain) = (self.outcomes[i].seconds(), self.outcomes[0].seconds()) else {
            return match self.outcomes[i] {
                Outcome::Failed(_) => "failed".into(),
                _ => "–".into(),
            };
        };
        let shown = match self.timed.unit {
            Unit::Whole => duration(seconds),
            Unit::Step(steps) => duration(seconds / steps as f64),
            Unit::Speed => {
                self.timed.job.work.flops().map_or("–".into(), |flops| digits(flops / seconds / 1e9))
            }
            Unit::Tokens(tokens) => format!("{} k", digits(tokens as f64 / seconds / 1e3)),
        };
        match refrain {
            Some(refrain) if i > 0 => format!("{shown} ({}×)", digits(seconds / refrain)),
            _ => shown,
        }
    }

    /// Returns the machine's peak speed, as Refrain measured it together with this job.
    pub(crate) fn peak(&self) -> Option<f64> {
        match self.outcomes[0] {
            Outcome::Timed { peak, .. } => peak,
            Outcome::Unsupported(_) | Outcome::Failed(_) => None,
        }
    }

    /// Returns Refrain's share of that peak, if it was measured.
    fn share(&self, peak: f64) -> Option<f64> {
        self.peak()?;
        Some(self.timed.job.work.flops()? / self.outcomes[0].seconds()? / peak)
    }

    /// Returns the memory that each contender took.
    fn memory(&self, contenders: &[Contender]) -> String {
        let of = |(contender, outcome): (&Contender, &Outcome)| match outcome {
            Outcome::Timed { memory: Some(bytes), .. } => {
                Some(format!("{} {:.0} MB", contender.title, *bytes as f64 / 1e6))
            }
            _ => None,
        };
        contenders.iter().zip(&self.outcomes).filter_map(of).collect::<Vec<_>>().join(", ")
    }
}

/// Formats a Markdown table with aligned columns, the first one to the left.
fn aligned(rows: &[Vec<String>]) -> String {
    let width = |c: usize| rows.iter().map(|row| row[c].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..rows[0].len()).map(width).collect();
    let mut out = String::new();
    for (r, row) in rows.iter().enumerate() {
        for (c, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            let _ = if c == 0 { write!(out, "| {cell:<width$} ") } else { write!(out, "| {cell:>width$} ") };
        }
        out.push_str("|\n");
        if r == 0 {
            for (c, &width) in widths.iter().enumerate() {
                let _ = write!(
                    out,
                    "|{:-<width$}{}",
                    "--",
                    if c == 0 { "" } else { ":" },
                    width = width + 2 - usize::from(c > 0)
                );
            }
            out.push_str("|\n");
        }
    }
    out
}

fn duration(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if s >= 1.0 => (s, "s"),
        s if s >= 1e-3 => (s * 1e3, "ms"),
        s if s >= 1e-6 => (s * 1e6, "µs"),
        s => (s * 1e9, "ns"),
    };
    format!("{} {unit}", digits(value))
}

/// Formats a value with three significant digits.
fn digits(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

/// Returns the processor's name, if Linux reports it.
fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_figures() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        let shown = [1.234, 0.0456, 7.89e-6, 4.56e-7].map(duration);
        assert_eq!(shown, ["1.23 s", "45.6 ms", "7.89 µs", "456 ns"]);
    }

    #[test]
    fn a_job_in_two_tables_is_recorded_once() {
        let refrain = &crate::rival::ALL[0];
        let refrain = Contender::new(refrain, Vec::new(), String::new(), String::new());
        let contenders = [refrain.clone(), refrain.on(1)];
        let row = |seconds: [f64; 2]| {
            let timed = crate::scaling::groups(2, 2).remove(0).jobs.swap_remove(0);
            let flops = timed.job.work.flops().unwrap();
            let outcome = |(seconds, peak)| Outcome::Timed { seconds: vec![seconds], memory: None, peak };
            let outcomes = seconds.into_iter().zip([Some(flops / 0.5), None]).map(outcome).collect();
            Row { timed, outcomes }
        };
        let mut record = Record::new(2, 1, false);
        let slower = record.table("t", &contenders, &[row([2.0, 1.0])], false);
        let faster = record.table("t", &contenders, &[row([1.0, 2.0])], false);
        assert!(slower.ends_with("Slower than on one thread: layer/lstm/T8/N64/H256.\n"), "{slower}");
        assert!(
            !faster.contains("Slower") && faster.contains(" 50 % |") && faster.contains("(2.00×)"),
            "{faster}"
        );
        assert_eq!(record.jobs.len(), 1);
        assert_eq!(record.jobs[0]["results"]["one-thread"]["seconds"][0], 1.0);
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [["job", "µs"], ["a", "1000"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(aligned(&rows), "| job |   µs |\n|-----|-----:|\n| a   | 1000 |\n");
    }
}
