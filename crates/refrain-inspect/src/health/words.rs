//! The report section on a model's health.

use super::{GateHealth, Health, LayerHealth, ParameterHealth};
use crate::error::Result;
use crate::say::percent;
use crate::section::{Figure, Section, Table};
use crate::shown::thousandths;
use refrain_nn::shown::counted;
use refrain_nn::thousands;
use refrain_plot::{Axis, Bars, Chart, Picture};

/// The share of dead units, and of saturated states, above which a layer is suspicious.
const MANY_DEAD: f64 = 0.1;
const MANY_SATURATED: f64 = 0.5;
/// The share of a gate's values at one end above which the gate has no effect.
const STUCK: f64 = 0.95;
/// Outside these spectral radii of a SimpleRNN's kernel, gradients vanish or may explode.
const RADII: std::ops::RangeInclusive<f64> = 0.9..=1.1;
/// The maximum number of layers in a figure.
const LAYERS: usize = 8;

impl Health {
    /// Returns a sentence for everything suspicious.
    pub fn warnings(&self) -> Vec<String> {
        let parameters = self.parameters.iter().filter_map(ParameterHealth::warning);
        let layers = self.layers.iter().flat_map(LayerHealth::warnings);
        parameters.chain(layers).collect()
    }

    /// Describes the health in sentences and figures.
    ///
    /// # Errors
    /// If a figure cannot be drawn.
    pub fn section(&self) -> Result<Section> {
        let mut findings = self.warnings();
        if findings.is_empty() {
            findings
                .push("Nothing suspicious: no dead units, no stuck gates, all parameters finite.".to_owned());
        }
        if self.layers.is_empty() {
            findings.push("The model has no recurrent layer: only its parameters were checked.".to_owned());
        }
        findings.extend(self.layers.iter().flat_map(LayerHealth::in_words));
        let figures = [self.gates()?, self.memories()?];
        Ok(Section {
            name: "health",
            title: "Saturation, dead units, kernels".to_owned(),
            intro: format!(
                "The gates and states while the model read {}, and its parameters. A gate is shut below 0.1 and open \
                 above 0.9; a state is saturated beyond ±0.9; a unit is dead if the standard deviation of its hidden \
                 state is below 0.001.",
                self.of
            ),
            findings,
            tables: self.tables(),
            figures: figures.into_iter().flatten().collect(),
            data: serde_json::to_value(self).unwrap_or_default(),
        })
    }

    fn tables(&self) -> Vec<Table> {
        let table = |title: &str, head: &[&str], rows: Vec<Vec<String>>| Table {
            title: title.to_owned(),
            head: head.iter().map(|&word| word.to_owned()).collect(),
            rows,
        };
        let all = [
            table(
                "Layers",
                &[
                    "layer",
                    "units",
                    "dead",
                    "saturated",
                    "largest h",
                    "memory: median",
                    "90 % quantile",
                    "longest",
                ],
                self.layers.iter().map(LayerHealth::row).collect(),
            ),
            table(
                "Gates",
                &["layer", "gate", "mean", "shut", "open"],
                self.layers.iter().flat_map(LayerHealth::gate_rows).collect(),
            ),
            table(
                "Recurrent kernels",
                &["layer", "gate", "spectral radius", "largest singular value"],
                self.layers.iter().flat_map(LayerHealth::kernel_rows).collect(),
            ),
            table(
                "Parameters",
                &["name", "shape", "L2 norm", "RMS", "largest", "zeros", "not finite"],
                self.parameters.iter().map(ParameterHealth::row).collect(),
            ),
        ];
        all.into_iter().filter(|table| !table.rows.is_empty()).collect()
    }

    fn gates(&self) -> Result<Option<Figure>> {
        let bars = Bars::new("Share of values at the ends")
            .description("For each gate, the share of its values below 0.1 and above 0.9.")
            .axis(Axis::new("share of all values"));
        let mut any = false;
        let mut bars = bars;
        for layer in self.layers.iter().take(LAYERS) {
            for gate in layer.gates.iter().filter(|gate| gate.low.is_finite() && gate.high.is_finite()) {
                let label = format!("{}: {}", layer.layer, gate.gate);
                let [low, high] = ["below 0.1 (candidate: −0.9)", "above 0.9"];
                bars = bars.named(&label, low, gate.low).named(&label, high, gate.high);
                any = true;
            }
        }
        let reading = "A gate with short bars decides from step to step; one that is mostly open or mostly \
                       shut passes or blocks everything.";
        let figure = |sheet| Figure { name: "health-gates".to_owned(), reading: reading.to_owned(), sheet };
        Ok(if any { Some(figure(bars.draw()?)) } else { None })
    }

    fn memories(&self) -> Result<Option<Figure>> {
        let chart = Chart::new("Memory by the mean of the gate that keeps the state")
            .description("For each layer, the units sorted by 1 / (1 − mean of the gate).")
            .x(Axis::new("units that remember at least this long").unit("%"))
            .y(Axis::new("memory").unit("steps").log())
            .wide();
        let mut any = false;
        let mut chart = chart;
        for (layer, memory) in self.layers.iter().filter_map(|l| Some((l, l.memory.as_ref()?))).take(LAYERS) {
            let mut steps = memory.units.clone();
            steps.sort_by(|a, b| b.total_cmp(a));
            let share = |i: usize| 100.0 * (i + 1) as f64 / memory.units.len() as f64;
            chart =
                chart.line(&layer.layer, steps.iter().enumerate().map(|(i, &s)| (share(i), f64::from(s))));
            any = true;
        }
        let reading = "A unit whose gate has the mean f keeps a share f of its state at each step, and loses \
                       half of it after about 0.7 / (1 − f) steps. The units on the left are the model's long \
                       memory.";
        let figure = |sheet| Figure { name: "health-memory".to_owned(), reading: reading.to_owned(), sheet };
        Ok(if any { Some(figure(chart.draw()?)) } else { None })
    }
}

impl ParameterHealth {
    fn warning(&self) -> Option<String> {
        (self.not_finite > 0).then(|| {
            format!(
                "{} of the {} of `{}` {} not finite: training diverged. Resume from an earlier \
                 checkpoint with a lower learning rate or gradient clipping.",
                thousands(self.not_finite),
                counted(self.shape.iter().product(), "value"),
                self.name,
                if self.not_finite == 1 { "is" } else { "are" }
            )
        })
    }

    fn row(&self) -> Vec<String> {
        let shape: Vec<_> = self.shape.iter().map(ToString::to_string).collect();
        vec![
            self.name.clone(),
            format!("({})", shape.join(", ")),
            format!("{:.4}", self.l2),
            format!("{:.4}", self.rms),
            format!("{:.4}", self.largest),
            percent(self.zeros),
            self.not_finite.to_string(),
        ]
    }
}

impl LayerHealth {
    fn warnings(&self) -> Vec<String> {
        let (name, units) = (&self.layer, self.units.max(1) as f64);
        let mut all = Vec::new();
        if self.not_finite > 0 {
            let states = counted(self.not_finite, "hidden state");
            let are = if self.not_finite == 1 { "is" } else { "are" };
            all.push(format!("`{name}` has {states} that {are} not finite."));
        }
        let dead = self.dead.len() as f64 / units;
        if dead > MANY_DEAD {
            all.push(format!(
                "{} of {} of `{name}` {} no information.",
                self.dead.len(),
                counted(self.units, "unit"),
                match self.dead.len() {
                    1 => "hardly varies: it costs as much as the others but carries",
                    _ => "hardly vary: they cost as much as the others but carry",
                }
            ));
        }
        if let Some(share) = self.saturated.filter(|&share| share > MANY_SATURATED) {
            all.push(format!(
                "{} of the hidden states of `{name}` are saturated: little gradient passes through.",
                percent(share)
            ));
        }
        all.extend(self.gates.iter().filter(|gate| gate.is_gate).filter_map(|gate| gate.warning(name)));
        let simple = self.kernel.iter().filter(|_| self.class_name == "SimpleRNN");
        for radius in simple.filter_map(|block| block.spectral_radius).filter(|r| !RADII.contains(r)) {
            let effect = if radius > 1.0 { "may grow" } else { "decay" };
            all.push(format!(
                "The recurrent kernel of `{name}` has the spectral radius {}: its memory and its gradients \
                 {effect} by that factor per step where the activation allows it.",
                thousandths(radius)
            ));
        }
        all
    }

    fn in_words(&self) -> Vec<String> {
        let mut all = Vec::new();
        if let Some(memory) = &self.memory {
            let gate = self.gates.iter().find(|gate| gate.gate == memory.gate);
            let open = gate.map_or(0.0, |gate| gate.high);
            all.push(format!(
                "{} of the {}'s values in `{}` are above 0.9: there, units keep their memory. By the mean of \
                 the gate, the median unit remembers {:.1} steps, 10 % of the units remember more than {:.1}, \
                 and unit {}, the longest, remembers {:.0}.",
                percent(open),
                memory.gate,
                self.layer,
                memory.median,
                memory.quantile_90,
                memory.longest_unit,
                memory.longest
            ));
        }
        if !self.dead.is_empty() && self.dead.len() as f64 / self.units as f64 <= MANY_DEAD {
            all.push(format!(
                "{} of the {} of `{}` hardly {}.",
                self.dead.len(),
                counted(self.units, "unit"),
                self.layer,
                if self.dead.len() == 1 { "varies" } else { "vary" }
            ));
        }
        if self.kernel.iter().any(|block| block.spectral_radius.is_none()) && self.not_finite == 0 {
            all.push(format!(
                "The spectrum of `{}` was not computed: the kernel is too large or not finite.",
                self.layer
            ));
        }
        all
    }

    fn row(&self) -> Vec<String> {
        let steps = |f: fn(&super::GateMemory) -> f64| {
            self.memory.as_ref().map_or("–".to_owned(), |memory| format!("{:.1}", f(memory)))
        };
        vec![
            self.layer.clone(),
            self.units.to_string(),
            self.dead.len().to_string(),
            self.saturated.map_or("–".to_owned(), percent),
            format!("{:.3}", self.largest),
            steps(|m| m.median),
            steps(|m| m.quantile_90),
            steps(|m| m.longest),
        ]
    }

    fn gate_rows(&self) -> impl Iterator<Item = Vec<String>> {
        self.gates.iter().map(|gate| {
            let shares = [percent(gate.low), percent(gate.high)];
            [self.layer.clone(), gate.gate.to_owned(), thousandths(gate.mean)]
                .into_iter()
                .chain(shares)
                .collect()
        })
    }

    fn kernel_rows(&self) -> impl Iterator<Item = Vec<String>> {
        let number = |value: Option<f64>| value.map_or("–".to_owned(), thousandths);
        self.kernel.iter().map(move |block| {
            let numbers = [number(block.spectral_radius), number(block.largest_singular_value)];
            [self.layer.clone(), block.gate.to_owned()].into_iter().chain(numbers).collect()
        })
    }
}

impl GateHealth {
    fn warning(&self, layer: &str) -> Option<String> {
        let (share, stands) = if self.low >= self.high { (self.low, "shut") } else { (self.high, "open") };
        (share > STUCK).then(|| {
            format!(
                "{} of the values of the {} of `{layer}` are {stands}: the gate has no effect.",
                percent(share),
                self.gate
            )
        })
    }
}
