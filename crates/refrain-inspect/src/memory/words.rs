//! The report section on the memory length.

use super::{Measure, MemoryLength, OutputMove};
use crate::error::Result;
use crate::say::{number, percent};
use crate::section::{Figure, Section, Table};
use refrain_nn::shown::counted;
use refrain_plot::{Axis, Chart, Picture};

impl MemoryLength {
    /// Describes the memory in sentences, a table and a figure.
    ///
    /// # Errors
    /// If the figure cannot be drawn.
    pub fn section(&self) -> Result<Section> {
        let findings = self.findings();
        let figure = self.figure(&findings)?;
        Ok(Section {
            name: "memory-length",
            title: "How far back it remembers".to_owned(),
            intro: format!(
                "One input in each of {} of up to {} ({}) is replaced by another from elsewhere in the data, \
                 and the output at the end is compared by {}. An input counts as remembered if it moves the \
                 output by at least {} of {}.",
                counted(self.sequences, "sequence"),
                counted(self.steps, "step"),
                self.of,
                match self.measure {
                    Measure::TotalVariation => "the total variation between the two distributions",
                    Measure::RelativeL2 => "the norm of the difference over that of the output",
                },
                percent(self.share),
                match self.reference {
                    0 => "what the last input does".to_owned(),
                    lag => format!(
                        "what the input {} before the end does, which moves it most",
                        counted(lag, "step")
                    ),
                },
            ),
            findings,
            tables: vec![self.table()],
            figures: figure.into_iter().collect(),
            data: serde_json::json!(self),
        })
    }

    fn moved(&self, lag: usize) -> f64 {
        self.curve.iter().find(|of| of.lag == lag).map_or(0.0, |of| of.moved)
    }

    fn findings(&self) -> Vec<String> {
        let Some(length) = self.length else {
            let lags = counted(self.curve.len(), "lag");
            return vec![format!("At none of the {lags} tested does replacing the input move the output.")];
        };
        let reference = self.moved(self.reference);
        let measured = match self.measure {
            Measure::TotalVariation => format!("{} in probability", number(reference)),
            Measure::RelativeL2 => format!("{} of its size", percent(reference)),
        };
        let mut findings = vec![if self.at_least && self.reads_backwards {
            format!(
                "The output depends on inputs {} back, at the beginning of the sequences. But a layer also reads the \
                 sequences backwards, and for it the first steps are the most recent, so this is not a memory length.",
                counted(length, "step")
            )
        } else if self.at_least {
            format!(
                "The output remembers at least {}, the full length of the sequences; use longer ones to find the \
                 limit.",
                counted(length, "step")
            )
        } else {
            format!("The output remembers {}.", counted(length, "step"))
        }];
        findings.push(format!(
            "Replacing the input {} moves it by {measured}.",
            match self.reference {
                0 => "at the end".to_owned(),
                lag => format!("{} before the end", counted(lag, "step")),
            }
        ));
        for share in [0.5, 0.1] {
            let last = self.curve.iter().rev().find(|of| of.relative >= share);
            findings.extend(last.filter(|of| of.lag < length).map(|of| {
                format!(
                    "The largest tested lag that moves it {} as much is {}.",
                    percent(share),
                    counted(of.lag, "step")
                )
            }));
        }
        findings
    }

    fn table(&self) -> Table {
        let head = ["steps before the end", "move", "share of the reference", "sequences"];
        let row = |of: &OutputMove| {
            vec![of.lag.to_string(), number(of.moved), percent(of.relative), of.sequences.to_string()]
        };
        let rows = self.curve.iter().map(row).collect();
        Table { title: "How far the output moves".to_owned(), head: head.map(str::to_owned).to_vec(), rows }
    }

    /// Returns the figure; `None` if nothing moves.
    fn figure(&self, findings: &[String]) -> Result<Option<Figure>> {
        let Some(length) = self.length else { return Ok(None) };
        let runs: Vec<Vec<(f64, f64)>> = self
            .curve
            .split(|of| of.relative <= 0.0)
            .filter(|run| !run.is_empty())
            .map(|run| run.iter().map(|of| (of.lag as f64, of.relative)).collect())
            .collect();
        let sheet = Chart::new("How far the output moves, by the age of the input")
            .x(Axis::new("steps before the end").whole().reversed())
            .y(Axis::new("share of the reference's move").log())
            .segments("move", runs)
            .reference(percent(self.share), self.share)
            .vertical(counted(length, "step"), length as f64)
            .wide()
            .description(findings.join(" "))
            .draw()?;
        let reading = "The last input is on the right. The line falls as the output forgets; it has a gap \
                       where an input does not move the output. The vertical line is the earliest input that \
                       counts as remembered.";
        Ok(Some(Figure { name: "memory-length".to_owned(), reading: reading.to_owned(), sheet }))
    }
}
