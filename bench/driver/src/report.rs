//! Tables for people and numbers for programs.

use crate::jobs::{Timed, Unit};
use crate::rival::Rival;
use bench_protocol::{Result, Work};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

/// One job with the outcome of each contender.
pub(crate) struct Row {
    pub(crate) timed: Timed,
    pub(crate) outcomes: Vec<Outcome>,
}

/// What became of a contender at a job.
pub(crate) enum Outcome {
    Timed {
        /// The median of each turn.
        seconds: Vec<f64>,
        /// Bytes at the peak above the idle process.
        memory: Option<u64>,
        /// The machine's own limit, if the contender measured it.
        peak: Option<f64>,
    },
    Unsupported(String),
    Failed(String),
}

impl Outcome {
    fn seconds(&self) -> Option<f64> {
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

/// The middle one; of an even number the upper.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A run's tables and numbers.
pub(crate) struct Record {
    text: String,
    threads: u16,
    rounds: u16,
    quick: bool,
    rivals: Vec<(&'static Rival, String)>,
    jobs: Vec<Value>,
    /// What went wrong.
    pub(crate) failures: Vec<String>,
}

impl Record {
    pub(crate) fn new(threads: u16, rounds: u16, quick: bool) -> Self {
        let (rivals, jobs, failures) = (Vec::new(), Vec::new(), Vec::new());
        Self { text: String::new(), threads, rounds, quick, rivals, jobs, failures }
    }

    pub(crate) fn version(&mut self, rival: &'static Rival, version: &str) {
        self.rivals.push((rival, version.to_owned()));
    }

    /// The table of one group; a column for each contender that did one of its jobs.
    pub(crate) fn table(&mut self, title: &str, rows: &[Row], memory: bool) -> String {
        let timed = |i: &usize| rows.iter().any(|row| row.outcomes[*i].seconds().is_some());
        let columns: Vec<_> = (0..self.rivals.len()).filter(timed).collect();
        let share = rows.iter().any(|row| row.share().is_some());
        let mut cells = vec![vec!["job".to_owned()]];
        for &i in &columns {
            cells[0].push(self.rivals[i].0.title.to_owned());
            if i == 0 && share {
                cells[0].push("of peak".to_owned());
            }
        }
        for row in rows {
            self.keep(row);
            let mut line = vec![row.timed.name.clone()];
            for &i in &columns {
                line.push(row.cell(i));
                if i == 0 && share {
                    line.push(row.share().map_or("–".into(), |share| format!("{:.0} %", 100.0 * share)));
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
                self.memory(row)
            );
        }
        if let Some(alone) = self.rivals.iter().position(|(rival, _)| rival.key == "one-thread") {
            let slower = |row: &&Row| row.outcomes[alone].seconds() < row.outcomes[0].seconds();
            let slower = rows.iter().filter(|row| row.outcomes[alone].seconds().is_some()).filter(slower);
            let names: Vec<_> = slower.map(|row| row.timed.name.as_str()).collect();
            if !names.is_empty() {
                let _ =
                    writeln!(out, "\nSlower on {} threads than on one: {}.", self.threads, names.join(", "));
            }
        }
        let _ = writeln!(self.text, "\n{out}");
        out
    }

    /// Adds a row's numbers, and what failed.
    fn keep(&mut self, row: &Row) {
        let mut results = serde_json::Map::new();
        for ((rival, _), outcome) in self.rivals.iter().zip(&row.outcomes) {
            if let Outcome::Failed(why) = outcome {
                self.failures.push(format!("{}, {}: {why}", rival.title, row.timed.name));
            }
            results.insert(rival.key.to_owned(), outcome.json());
        }
        self.jobs.push(json!({ "name": row.timed.name, "job": row.timed.job, "results": results }));
    }

    fn memory(&self, row: &Row) -> String {
        let of = |((rival, _), outcome): (&(&Rival, String), &Outcome)| match outcome {
            Outcome::Timed { memory: Some(bytes), .. } => {
                Some(format!("{} {:.0} MB", rival.title, *bytes as f64 / 1e6))
            }
            _ => None,
        };
        self.rivals.iter().zip(&row.outcomes).filter_map(of).collect::<Vec<_>>().join(", ")
    }

    /// Writes `<path>.md` and `<path>.json`.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let versions = self.rivals.iter().filter(|(rival, _)| !rival.key.contains('-'));
        let versions: Vec<_> =
            versions.map(|(rival, version)| format!("{} {version}", rival.title)).collect();
        let quick =
            if self.quick { " A quick run: it shows that everything works, and no speed." } else { "" };
        let head = format!(
            "# {}\n\n{}. {}. Medians of {} turns; × is a rival's time over Refrain's.{quick}\n",
            path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default(),
            processor(),
            versions.join(", "),
            self.rounds,
        );
        let rivals: serde_json::Map<_, _> = self
            .rivals
            .iter()
            .map(|(rival, version)| (rival.key.to_owned(), version.clone().into()))
            .collect();
        // A job a line: what changes from run to run is seen.
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
        std::fs::write(path.with_extension("md"), head + self.text.trim_end() + "\n")?;
        Ok(std::fs::write(path.with_extension("json"), fields)?)
    }
}

impl Row {
    /// A contender's time, and its ratio to Refrain's.
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
            Unit::Tokens(tokens) => format!("{} k", digits(tokens as f64 / seconds / 1e3)),
        };
        match refrain {
            Some(refrain) if i > 0 => format!("{shown} ({}×)", digits(seconds / refrain)),
            _ => shown,
        }
    }

    /// Refrain's share of the machine's peak.
    fn share(&self) -> Option<f64> {
        let (Outcome::Timed { peak: Some(peak), .. }, Work::Layer(layer)) =
            (&self.outcomes[0], &self.timed.job.work)
        else {
            return None;
        };
        Some(layer.flops() / self.outcomes[0].seconds()? / peak)
    }
}

/// A Markdown table whose columns stand below each other, the first one to the left.
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
        s => (s * 1e6, "µs"),
    };
    format!("{} {unit}", digits(value))
}

/// Three digits that mean something.
fn digits(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

/// The processor's name, where Linux tells it.
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
        assert_eq!([duration(1.234), duration(0.0456), duration(7.89e-6)], ["1.23 s", "45.6 ms", "7.89 µs"]);
    }

    #[test]
    fn columns_stand_below_each_other() {
        let rows = [["job", "µs"], ["a", "1000"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(aligned(&rows), "| job |   µs |\n|-----|-----:|\n| a   | 1000 |\n");
    }
}
