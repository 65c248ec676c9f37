//! The report section on activations.

use super::{Activations, LayerActivations, StateKind, StateMap};
use crate::error::Result;
use crate::say::slug;
use crate::section::{Figure, Section};
use crate::shown::{display, display_all, thousandths};
use refrain_nn::shown::counted;
use refrain_plot::{Axis, Chart, Heatmap, Picture, Scale};

/// A gate is called nearly open from this mean, and nearly shut up to the one below.
const OPEN: f64 = 0.8;
const SHUT: f64 = 0.2;

impl Activations {
    /// Describes the activations in sentences and figures.
    ///
    /// # Errors
    /// If a figure cannot be drawn.
    pub fn section(&self) -> Result<Section> {
        let mut figures = Vec::new();
        for (i, layer) in self.layers.iter().enumerate() {
            // Two names may become equal when they are turned into slugs.
            let name = |of: &str| slug(&format!("activations {} {} {of}", i + 1, layer.layer));
            figures.extend(self.gates_over_time(layer, name("gates"))?);
            for state in &layer.states {
                figures.push(self.map(layer, state, name(state.name))?);
            }
        }
        Ok(Section {
            name: "activations",
            title: "Gates and states, step by step".to_owned(),
            intro: format!(
                "Hidden states, cell states and gates while the model read steps {} to {} of {}. For each layer, \
                 the maps show the units whose hidden state varied most, in that order from the top.",
                self.first + 1,
                self.first + self.steps,
                self.of
            ),
            findings: self.findings(),
            tables: Vec::new(),
            figures,
            data: serde_json::to_value(self).unwrap_or_default(),
        })
    }

    fn findings(&self) -> Vec<String> {
        let mut findings = Vec::new();
        for layer in &self.layers {
            let shown = match layer.shown.len() {
                n if n == layer.units => format!("all {}", counted(n, "unit")),
                n => format!("{n} of {}", counted(layer.units, "unit")),
            };
            let backwards = if layer.backwards { " It reads backwards." } else { "" };
            findings.push(format!("`{}` ({}): {shown} are shown.{backwards}", layer.layer, layer.class_name));
            for gate in layer.states.iter().filter(|state| state.kind == StateKind::Gate) {
                findings.extend(self.gate_in_words(layer, gate));
            }
        }
        if !self.left_out.is_empty() {
            findings.push(format!("Not shown: {}.", self.left_out.join(", ")));
        }
        findings
    }

    /// Describes a gate's mean over the steps shown, and where it was lowest.
    fn gate_in_words(&self, layer: &LayerActivations, gate: &StateMap) -> Option<String> {
        let means: Vec<(usize, f64)> = gate
            .mean
            .iter()
            .map(|&mean| f64::from(mean))
            .enumerate()
            .filter(|(_, mean)| mean.is_finite())
            .collect();
        let &(at, low) = means.iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
        let high = means.iter().map(|mean| mean.1).fold(0.0, f64::max);
        let mean = means.iter().map(|mean| mean.1).sum::<f64>() / means.len() as f64;
        let stands = match mean {
            m if m >= OPEN => "is nearly open",
            m if m <= SHUT => "is nearly shut",
            _ => "is between open and shut",
        };
        let token = self.tokens.as_ref().filter(|_| layer.reads_tokens).map(|tokens| display(&tokens[at]));
        let there =
            token.map_or(format!("at step {}", self.first + at + 1), |token| format!("after “{token}”"));
        Some(format!(
            "The {} of `{}` {stands}: mean {}, maximum {}, minimum {} {there}.",
            gate.name,
            layer.layer,
            thousandths(mean),
            thousandths(high),
            thousandths(low)
        ))
    }

    fn step_label(&self) -> String {
        if self.first == 0 { "step".to_owned() } else { format!("step, counted from {}", self.first) }
    }

    fn gates_over_time(&self, layer: &LayerActivations, name: String) -> Result<Option<Figure>> {
        let gates = || layer.states.iter().filter(|state| state.kind == StateKind::Gate);
        if gates().flat_map(|gate| &gate.mean).all(|mean| !mean.is_finite()) {
            return Ok(None);
        }
        let chart =
            Chart::new(format!("{}: mean of each gate over {}", layer.layer, counted(layer.units, "unit")))
                .description("The mean of each gate over all units at each step.")
                .x(Axis::new(self.step_label()).whole())
                .y(Axis::new("gate (0 shut, 1 open)"))
                .wide();
        let chart = gates().fold(chart, |chart, gate| {
            let points = gate.mean.iter().enumerate().filter(|(_, mean)| mean.is_finite());
            chart.line(gate.name, points.map(|(i, &mean)| (i as f64, f64::from(mean))))
        });
        Ok(Some(Figure {
            name,
            reading:
                "Where the line of a gate dips, the layer shuts it at that step in most units. A forget gate \
                      near 1 keeps the memory; a dip at the ends of words or sentences clears part of it."
                    .to_owned(),
            sheet: chart.draw()?,
        }))
    }

    fn map(&self, layer: &LayerActivations, state: &StateMap, name: String) -> Result<Figure> {
        let limit = limit(&state.rows);
        let (scale, reading) = match state.kind {
            StateKind::Gate => (Scale::sequential(0.0, 1.0), "0 is shut, 1 is open"),
            StateKind::Cell => (
                Scale::diverging(limit),
                "the background colour is 0; a colour that continues along a row is something the unit remembers",
            ),
            _ => (
                Scale::diverging(limit.max(1.0)),
                "the background colour is 0; rows that change at spaces or line breaks follow the text's structure",
            ),
        };
        let title = format!("{}: {}", layer.layer, state.name);
        let mut map = Heatmap::new(&title)
            .description(format!(
                "{} of {} over {}.",
                state.name,
                counted(layer.shown.len(), "unit"),
                counted(self.steps, "step")
            ))
            .scale(scale.label(state.name))
            .y_label("unit")
            .x_label(self.step_label());
        if let Some(tokens) = self.tokens.as_ref().filter(|_| layer.reads_tokens) {
            map = map.columns(display_all(tokens)).x_label("token read");
        }
        for (unit, row) in layer.shown.iter().zip(&state.rows) {
            let finite = |x: &f32| if x.is_finite() { f64::from(*x) } else { f64::NAN };
            map = map.row(unit.to_string(), row.iter().map(finite));
        }
        Ok(Figure {
            name,
            reading: format!("Each row is a unit, each column a step: {reading}."),
            sheet: map.draw()?,
        })
    }
}

/// Returns the value that 98 % of the values stay below, so that single peaks do not wash out the other colours.
fn limit(rows: &[Vec<f32>]) -> f64 {
    let mut sizes: Vec<f32> = rows.iter().flatten().filter(|x| x.is_finite()).map(|x| x.abs()).collect();
    sizes.sort_by(f32::total_cmp);
    let most = sizes.len().checked_sub(1 + sizes.len() / 50).map_or(0.0, |at| sizes[at]);
    f64::from(most.max(f32::MIN_POSITIVE))
}
