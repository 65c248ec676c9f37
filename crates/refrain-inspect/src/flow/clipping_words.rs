//! The report section on clipping.

use super::compare_words::smooth;
use super::{Clipping, ClippingRun};
use crate::error::Result;
use crate::say::{number, percent};
use crate::section::{Figure, Section, Table};
use refrain_nn::shown::counted;
use refrain_plot::{Axis, Chart, Picture};

impl Clipping {
    /// Describes the runs in sentences, a table and figures.
    ///
    /// # Errors
    /// If a figure cannot be drawn.
    pub fn section(&self) -> Result<Section> {
        let options = &self.options;
        Ok(Section {
            name: "clipping",
            title: "Clipping the gradient".to_owned(),
            intro: format!(
                "{} with {} learns the adding problem of {} with plain gradient descent, from the same \
                 parameters and on the same sequences: once with the gradient norm clipped at {}, and without \
                 clipping at {}. Always predicting 1, the best answer without memory, has a test loss of {}.",
                options.cell,
                counted(options.units, "unit"),
                counted(options.steps, "step"),
                number(options.clip),
                counted(self.without.len(), "learning rate"),
                number(self.memoryless),
            ),
            findings: self.findings(),
            tables: vec![self.table()],
            figures: vec![self.losses()?, self.norms()?],
            data: serde_json::json!(self),
        })
    }

    fn findings(&self) -> Vec<String> {
        let with = &self.with;
        let largest = with.log.norms.iter().copied().fold(0.0, f64::max);
        let mut findings = vec![
            format!(
                "With clipping at {} and a learning rate of {}, {}.",
                number(self.options.clip),
                number(with.learning_rate),
                self.outcome(with)
            ),
            format!(
                "The gradient was clipped in {} of {}; the largest norm was {} before clipping and {} after.",
                percent(with.share),
                counted(with.log.norms.len(), "step"),
                number(largest),
                number(with.log.clipped().fold(0.0, f64::max)),
            ),
        ];
        findings.extend(self.without.iter().map(|run| {
            format!(
                "Without clipping, at a learning rate of {}, {}.",
                number(run.learning_rate),
                self.outcome(run)
            )
        }));
        let reached = |run: &ClippingRun| run.loss_after.unwrap_or(f64::INFINITY);
        let best = self.without.iter().map(reached).fold(f64::INFINITY, f64::min);
        if self.has_learned(reached(with)) && !self.without.is_empty() {
            findings.push(match (self.has_learned(best), best.is_finite()) {
                (true, _) => format!(
                    "Without clipping, one of the learning rates trains too, to a loss of {}.",
                    number(best)
                ),
                (_, true) => format!(
                    "With clipping it trains; without, at none of the learning rates: the best run reaches {}.",
                    number(best)
                ),
                _ => "With clipping it trains; without, at none of the learning rates: all runs diverge.".to_owned(),
            });
        }
        findings
    }

    /// Returns whether a loss is far below the loss without memory.
    fn has_learned(&self, loss: f64) -> bool {
        loss < 0.5 * self.memoryless
    }

    fn outcome(&self, run: &ClippingRun) -> String {
        let before = number(run.loss_before);
        match (run.diverged_at, run.loss_after) {
            (Some(step), _) => format!("it diverges: the loss or the gradient is not finite at step {step}"),
            (None, None) => "it diverges: its test loss is not finite".to_owned(),
            (None, Some(after)) => {
                let against = match after / self.memoryless {
                    _ if self.has_learned(after) => "less than half the loss without memory",
                    share if share < 0.9 => "less than the loss without memory",
                    share if share < 1.1 => "about the loss without memory",
                    _ => "more than the loss without memory",
                };
                format!("the test loss goes from {before} to {}, {against}", number(after))
            }
        }
    }

    fn table(&self) -> Table {
        let head = ["clipping", "learning rate", "steps", "clipped", "test loss before", "test loss after"];
        let rows = std::iter::once(&self.with).chain(&self.without).map(|run| {
            vec![
                run.log.bound.map_or("none".to_owned(), number),
                number(run.learning_rate),
                run.log.losses.len().to_string(),
                run.log.bound.map_or("–".to_owned(), |_| percent(run.share)),
                number(run.loss_before),
                run.loss_after.map_or("diverged".to_owned(), number),
            ]
        });
        let title = "The same training with and without clipping".to_owned();
        Table { title, head: head.map(str::to_owned).to_vec(), rows: rows.collect() }
    }

    fn losses(&self) -> Result<Figure> {
        let empty = Chart::new("The loss of training").x(Axis::new("training steps").whole());
        let mut chart =
            empty.y(Axis::new("squared error").log()).wide().reference("without memory", self.memoryless);
        for run in std::iter::once(&self.with).chain(&self.without) {
            let points = smooth(&run.log.losses);
            let runs: Vec<_> =
                points.split(|point| point.1 > CEILING).filter(|run| !run.is_empty()).collect();
            if !runs.is_empty() {
                chart = chart.segments(name(run), runs.into_iter().map(<[_]>::to_vec));
            }
        }
        let sheet = chart.description(self.findings().join(" ")).draw()?;
        let reading = "Each point is the mean of 20 steps. Losses above 10 and runs that diverge are not \
                       drawn; see the table.";
        Ok(Figure { name: "clipping-loss".to_owned(), reading: reading.to_owned(), sheet })
    }

    fn norms(&self) -> Result<Figure> {
        let chart = Chart::new("The gradient's norm, with clipping").x(Axis::new("training steps").whole());
        let points = |norms: Vec<f64>| {
            let points = (1..).map(f64::from).zip(norms);
            points.filter(|point| point.1 > 0.0 && point.1.is_finite()).collect::<Vec<_>>()
        };
        let mut chart = chart.y(Axis::new("norm over all parameters").log()).wide();
        for (name, norms) in
            [("before", self.with.log.norms.clone()), ("after", self.with.log.clipped().collect())]
        {
            let points = points(norms);
            if !points.is_empty() {
                chart = chart.line(name, points);
            }
        }
        let sheet = chart.description(self.findings()[1].clone()).draw()?;
        let reading =
            "Where the lines differ, the step was clipped: its direction is kept, its norm is the bound.";
        Ok(Figure { name: "clipping-norm".to_owned(), reading: reading.to_owned(), sheet })
    }
}

/// Larger losses would leave no room for the others.
const CEILING: f64 = 10.0;

fn name(run: &ClippingRun) -> String {
    let bound =
        run.log.bound.map_or("without clipping".to_owned(), |bound| format!("clipping at {}", number(bound)));
    format!("{bound}, rate {}", number(run.learning_rate))
}
