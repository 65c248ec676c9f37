//! The counts collected while a sample is read.

use super::{DEAD, ENDLESS, GateHealth, GateMemory, KernelBlock, LayerHealth, SHUT};
use crate::activations::gate_name;
use refrain_nn::Recurrence;

/// Sums over the steps of a layer.
#[derive(Debug)]
pub(super) struct Counts {
    pub(super) layer: String,
    pub(super) class_name: &'static str,
    steps: usize,
    gates: Vec<Gate>,
    /// Sums of each unit's hidden state.
    sums: Vec<f64>,
    squares: Vec<f64>,
    saturated: usize,
    largest: f32,
    not_finite: usize,
    /// Sums of each unit's keep gate.
    kept: Vec<f64>,
}

#[derive(Debug)]
struct Gate {
    name: &'static str,
    is_gate: bool,
    keeps: bool,
    sum: f64,
    low: usize,
    high: usize,
}

impl Counts {
    pub(super) fn new(seen: &Recurrence<'_>) -> Self {
        let gate = |letter: &&str| {
            let name = gate_name(seen.class_name(), letter);
            let keeps = matches!(name, "forget gate" | "update gate");
            Gate { name, is_gate: name != "candidate", keeps, sum: 0.0, low: 0, high: 0 }
        };
        Self {
            layer: seen.layer().to_owned(),
            class_name: seen.class_name(),
            steps: 0,
            gates: seen.gate_names().iter().map(gate).collect(),
            sums: vec![0.0; seen.units()],
            squares: vec![0.0; seen.units()],
            saturated: 0,
            largest: 0.0,
            not_finite: 0,
            kept: vec![0.0; seen.units()],
        }
    }

    pub(super) fn take(&mut self, seen: &Recurrence<'_>, row: usize) {
        let bound = (1.0 - SHUT) as f32;
        self.steps += 1;
        for (unit, &h) in seen.hidden(row).iter().enumerate() {
            self.sums[unit] += f64::from(h);
            self.squares[unit] += f64::from(h) * f64::from(h);
            self.saturated += usize::from(h.abs() > bound);
            self.largest = self.largest.max(h.abs());
            self.not_finite += usize::from(!h.is_finite());
        }
        for (g, gate) in self.gates.iter_mut().enumerate() {
            let shut = if gate.is_gate { SHUT as f32 } else { -bound };
            for (unit, value) in seen.gate(g, row).enumerate() {
                gate.sum += f64::from(value);
                gate.low += usize::from(value < shut);
                gate.high += usize::from(value > bound);
                if gate.keeps {
                    self.kept[unit] += f64::from(value);
                }
            }
        }
    }

    pub(super) fn finish(self, bounded: bool, kernel: Vec<KernelBlock>) -> LayerHealth {
        let (steps, units) = (self.steps.max(1) as f64, self.sums.len());
        let values = steps * units.max(1) as f64;
        let deviation =
            |(sum, square): (&f64, &f64)| (square / steps - (sum / steps).powi(2)).max(0.0).sqrt();
        let dead = self.sums.iter().zip(&self.squares).map(deviation).enumerate();
        let dead = dead.filter(|(_, deviation)| *deviation < DEAD).map(|(unit, _)| unit).collect();
        let keeper = self.gates.iter().find(|gate| gate.keeps).map(|gate| gate.name);
        LayerHealth {
            layer: self.layer,
            class_name: self.class_name,
            units,
            steps: self.steps,
            gates: self.gates.iter().map(|gate| gate.finish(values)).collect(),
            saturated: bounded.then_some(self.saturated as f64 / values),
            largest: self.largest,
            // With a single step, no variation can be measured.
            dead: if self.steps > 1 { dead } else { Vec::new() },
            not_finite: self.not_finite,
            memory: keeper.and_then(|gate| memory(gate, &self.kept, steps)),
            kernel,
        }
    }
}

impl Gate {
    fn finish(&self, values: f64) -> GateHealth {
        GateHealth {
            gate: self.name,
            mean: self.sum / values,
            low: self.low as f64 / values,
            high: self.high as f64 / values,
            is_gate: self.is_gate,
        }
    }
}

/// Computes the memory from the sums of a gate over this many steps, unit by unit; `None` if one is not finite.
fn memory(gate: &'static str, sums: &[f64], steps: f64) -> Option<GateMemory> {
    let lost = |sum: &f64| (1.0 - sum / steps).max(1.0 / ENDLESS);
    let units: Vec<f64> = sums.iter().map(|sum| 1.0 / lost(sum)).collect();
    let mut sorted = units.clone();
    sorted.sort_by(f64::total_cmp);
    let longest = *sorted.last()?;
    if sums.iter().any(|sum| !sum.is_finite()) {
        return None;
    }
    Some(GateMemory {
        gate,
        median: sorted[sorted.len() / 2],
        quantile_90: sorted[sorted.len() * 9 / 10],
        longest,
        longest_unit: units.iter().position(|&steps| steps == longest).unwrap_or(0),
        units: units.into_iter().map(|steps| steps as f32).collect(),
    })
}
