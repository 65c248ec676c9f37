//! The gradient through time during training.

use crate::error::Result;
use crate::flow::norm;
use crate::say::number;
use crate::section::{Figure, Section};
use refrain_nn::callbacks::{BatchContext, Callback, ResumeContext};
use refrain_nn::checkpoint::Part;
use refrain_nn::shown::counted;
use refrain_nn::{Answer, Model};
use refrain_plot::{Heatmap, Picture, Scale};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Records the gradient through time in every `every`-th batch of [`Model::fit`]: the norms of the gradient with
/// respect to the states of each recurrent layer, step by step. The first batch is recorded. The other batches cost
/// nothing.
///
/// The gradient is that of the batch's whole loss, as used for training. For a model with one output per sequence,
/// it is the flow back from the last step. If each step has a loss, the gradients of all later losses add up, and
/// [`gradient_flow`](crate::flow::gradient_flow) separates them.
pub struct GradientFlow<'a> {
    every: u64,
    /// Number of batches so far.
    batches: u64,
    records: Vec<FlowRecord>,
    each: Option<Each<'a>>,
}

type Each<'a> = Box<dyn FnMut(&FlowRecord) + 'a>;

/// One recurrent layer in one training batch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlowRecord {
    /// The batch, counted from 0 since the start of training.
    pub batch: u64,
    /// The epoch, counted from 0.
    pub epoch: usize,
    /// The layer's name.
    pub layer: String,
    /// The root mean square over the sequences of the norm of the gradient with respect to the hidden state, from
    /// the last step back. A value beyond f32 range is -1, because JSON has no infinity.
    pub hidden: Vec<f64>,
    /// The same for the cell state; empty if there is none.
    pub cell: Vec<f64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    batches: u64,
    #[serde(rename = "seen")]
    records: Vec<FlowRecord>,
}

impl<'a> GradientFlow<'a> {
    /// Records every `every`-th batch; 0 is treated as 1.
    pub fn new(every: u64) -> Self {
        Self { every: every.max(1), batches: 0, records: Vec::new(), each: None }
    }

    /// Calls `each` with each record.
    #[must_use]
    pub fn each(mut self, each: impl FnMut(&FlowRecord) + 'a) -> Self {
        self.each = Some(Box::new(each));
        self
    }

    /// Returns everything recorded since training began.
    pub fn records(&self) -> &[FlowRecord] {
        &self.records
    }

    fn due(&self) -> bool {
        self.batches.is_multiple_of(self.every)
    }

    /// Describes the records in sentences, with a figure for each layer.
    ///
    /// # Errors
    /// If a figure cannot be drawn.
    pub fn section(&self) -> Result<Section> {
        let mut layers: Vec<&str> = self.records.iter().map(|seen| seen.layer.as_str()).collect();
        layers.sort_unstable();
        layers.dedup();
        let (mut findings, mut figures) = (Vec::new(), Vec::new());
        for layer in layers {
            let of: Vec<_> = self.records.iter().filter(|seen| seen.layer == layer).collect();
            findings.extend([of.first(), of.last()].into_iter().flatten().map(|seen| sentence(seen)));
            figures.extend(figure(layer, &of)?);
        }
        findings.dedup();
        Ok(Section {
            name: "gradient-flow-training",
            title: "The gradient through time during training".to_owned(),
            intro: format!(
                "The norm of the gradient of the batch's loss with respect to the hidden state at each step, \
                 for every {} of training. If each step has a loss, the gradients of all later losses add up.",
                if self.every == 1 { "batch".to_owned() } else { format!("{}-th batch", self.every) }
            ),
            findings,
            tables: Vec::new(),
            figures,
            data: serde_json::json!(self.records),
        })
    }
}

/// Describes the first and the last step of a batch.
fn sentence(seen: &FlowRecord) -> String {
    let (Some(&last), Some(&first)) = (seen.hidden.first(), seen.hidden.last()) else {
        return format!("`{}`, batch {}: its sequences have no steps.", seen.layer, seen.batch);
    };
    let said = |norm: f64| if norm < 0.0 { "beyond f32 range".to_owned() } else { number(norm) };
    format!(
        "`{}`, batch {}: the gradient's norm is {} at the last of {} and {} at the first.",
        seen.layer,
        seen.batch,
        said(last),
        counted(seen.hidden.len(), "step"),
        said(first)
    )
}

/// Draws batches from top to bottom and steps from left to right; `None` if there is nothing to draw.
fn figure(layer: &str, of: &[&FlowRecord]) -> Result<Option<Figure>> {
    let steps = of.iter().map(|seen| seen.hidden.len()).max().unwrap_or(0);
    let power = |seen: &FlowRecord, back: usize| match seen.hidden.get(back) {
        Some(&norm) if norm > 0.0 => norm.log10(),
        _ => f64::NAN,
    };
    let powers = of.iter().flat_map(|seen| (0..steps).map(|back| power(seen, back))).filter(|p| !p.is_nan());
    let (low, high) =
        powers.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), p| (low.min(p), high.max(p)));
    if low > high {
        return Ok(None);
    }
    let scale = Scale::sequential(low, high.max(low + 1.0)).label("log10 of the norm of dL/dh");
    let map = Heatmap::new(format!("The gradient through time of {layer}")).scale(scale);
    let map = map.x_label("step (the last one on the right)").y_label("training batch");
    let map = of.iter().fold(map, |map, seen| {
        map.row(seen.batch.to_string(), (0..steps).rev().map(|back| power(seen, back)))
    });
    let description = of.last().map(|seen| sentence(seen)).unwrap_or_default();
    let reading = "Each row is a batch, the first at the top. A gradient that vanishes fades to the left. A \
                   crossed-out cell is a gradient of 0, one beyond f32 range, or a step that no sequence has.";
    Ok(Some(Figure {
        name: format!("gradient-flow-training-{}", crate::say::slug(layer)),
        reading: reading.to_owned(),
        sheet: map.description(description).draw()?,
    }))
}

/// Reads what a probed backward pass recorded.
fn read(model: &Model, batch: u64, epoch: usize) -> Vec<FlowRecord> {
    let layer = |seen: refrain_nn::Recurrence<'_>| {
        let layout = seen.layout();
        let rms = |of: &dyn Fn(usize) -> Option<f64>| {
            let at = |back: usize| {
                let lanes = (0..layout.sequences()).filter(|&n| layout.length(n) > back);
                let rows = lanes.map(|n| layout.row(n, layout.length(n) - 1 - back));
                let squares: Vec<f64> = rows.filter_map(of).map(|norm| norm * norm).collect();
                let rms = (squares.iter().sum::<f64>() / squares.len().max(1) as f64).sqrt();
                if rms.is_finite() { rms } else { -1.0 }
            };
            (0..layout.longest()).map(at).collect::<Vec<_>>()
        };
        let hidden = rms(&|row| seen.hidden_gradient(row).map(norm));
        let cell =
            if seen.has_cell_state() { rms(&|row| seen.cell_gradient(row).map(norm)) } else { Vec::new() };
        FlowRecord { batch, epoch, layer: seen.layer().to_owned(), hidden, cell }
    };
    model.recurrences().map(layer).collect()
}

impl Callback for GradientFlow<'_> {
    fn on_train_begin(&mut self, model: &mut Model) -> std::result::Result<(), refrain_nn::Error> {
        (self.batches, self.records) = (0, Vec::new());
        model.set_gradient_probe(true);
        Ok(())
    }

    fn on_batch_end(&mut self, cx: &mut BatchContext<'_>) -> std::result::Result<(), refrain_nn::Error> {
        if self.due() {
            let seen = read(cx.model, self.batches, cx.epoch);
            if let Some(each) = &mut self.each {
                seen.iter().for_each(each);
            }
            self.records.extend(seen);
        }
        self.batches += 1;
        if self.due() {
            cx.answer(Answer::Probe);
        }
        Ok(())
    }

    fn checkpoint(&self) -> std::result::Result<Part, refrain_nn::Error> {
        Part::of(&Saved { batches: self.batches, records: self.records.clone() })
    }

    fn resume(
        &mut self,
        part: Part,
        cx: &mut ResumeContext<'_>,
    ) -> std::result::Result<(), refrain_nn::Error> {
        let Saved { batches, records } = part.parse("GradientFlow")?;
        (self.batches, self.records) = (batches, records);
        if self.due() {
            cx.answer(Answer::Probe);
        }
        Ok(())
    }
}

impl fmt::Debug for GradientFlow<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = ("every", self.every, "batches", self.batches, "seen", self.records.len());
        f.debug_tuple("GradientFlow").field(&shown).finish()
    }
}
