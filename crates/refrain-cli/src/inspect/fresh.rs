//! Compares freshly initialised cells on the adding problem, and the effect of training and clipping.

use super::delivery::Delivery;
use crate::bar::bar_for;
use crate::cli::Inspect as Options;
use crate::error::Result;
use crate::inspection_data::STEPS;
use crate::output::Output;
use indicatif::ProgressBar;
use refrain::inspect::flow::{
    ClippingOptions, CompareOptions, Progress, clipping_on_adding, compare_on_adding,
};
use refrain::inspect::{Report, Section};
use refrain::shown::{counted, number};
use refrain::{Engine, Error};

pub(super) fn run(options: &Options, engine: Engine, output: &Output) -> Result<()> {
    let delivery = Delivery::new(&options.write, &[])?;
    let fresh = &options.fresh;
    // Ignore repeated cells.
    let mut cells = Vec::new();
    for &cell in &fresh.cell {
        if !cells.contains(&cell) {
            cells.push(cell);
        }
    }
    let compared = CompareOptions {
        cells,
        units: fresh.units,
        steps: options.steps.unwrap_or(STEPS),
        batch: options.sequences,
        train_steps: fresh.train,
        learning_rate: fresh.lr,
        clip: (fresh.clip > 0.0).then_some(fresh.clip),
        seed: options.seed,
        engine: Some(engine.clone()),
    };
    let mut sections = vec![compare(&compared, output)?];
    if fresh.clipping {
        let clipping =
            ClippingOptions { seed: options.seed, engine: Some(engine), ..ClippingOptions::default() };
        sections.push(clip(&clipping, output)?);
    }
    let cells: Vec<_> = compared.cells.iter().map(ToString::to_string).collect();
    let CompareOptions { units, steps, batch, seed, .. } = &compared;
    let mut subject = vec![
        ("Cells".to_owned(), format!("{}; {} each, seed {seed}", cells.join("; "), counted(*units, "unit"))),
        (
            "Looked at with".to_owned(),
            format!("the adding problem: {} of {}", counted(*batch, "sequence"), counted(*steps, "step")),
        ),
    ];
    if fresh.train > 0 {
        let clip = compared
            .clip
            .map_or("without clipping".to_owned(), |bound| format!("clipped at {}", number(bound)));
        let training =
            format!("{} of Adam, learning rate {}, {clip}", counted(fresh.train, "step"), number(fresh.lr));
        subject.push(("Training".to_owned(), training));
    }
    delivery.deliver(&Report { title: "Cells side by side".to_owned(), subject, sections }, output)
}

fn compare(options: &CompareOptions, output: &Output) -> Result<Section> {
    let shown = ProgressBarGuard::new(output);
    let comparison = compare_on_adding(options, &mut |at| shown.advance(at)).map_err(Error::from)?;
    Ok(comparison.section().map_err(Error::from)?)
}

fn clip(options: &ClippingOptions, output: &Output) -> Result<Section> {
    let shown = ProgressBarGuard::new(output);
    let clipping = clipping_on_adding(options, &mut |at| shown.advance(at)).map_err(Error::from)?;
    Ok(clipping.section().map_err(Error::from)?)
}

/// A progress bar on a terminal.
struct ProgressBarGuard {
    bar: ProgressBar,
}

impl ProgressBarGuard {
    fn new(output: &Output) -> Self {
        Self { bar: bar_for(output, 1) }
    }

    fn advance(&self, at: &Progress) {
        self.bar.set_length((at.cases * at.steps) as u64);
        self.bar.set_position((at.index * at.steps + at.step) as u64);
        let loss = if at.loss.is_finite() { format!("  loss {:.4}", at.loss) } else { String::new() };
        self.bar.set_message(format!("{}{loss}", at.case));
    }
}

impl Drop for ProgressBarGuard {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
