//! The report section on the gradient through time.

use super::picture::{READING, add, chart, drawable};
use super::{Curve, Flow, LayerFlow, Trend, VANISHED, Verdict};
use crate::error::Result;
use crate::say::number;
use crate::section::{Figure, Section, Table};
use refrain_nn::shown::counted;
use refrain_plot::Picture;

/// Names of lines.
const NOW: &str = "as it is";
const INITIAL: &str = "freshly initialised";

impl Flow {
    /// Describes the flow in sentences, tables and figures.
    ///
    /// # Errors
    /// If a figure cannot be drawn.
    pub fn section(&self) -> Result<Section> {
        let mut figures = Vec::new();
        for (state, name) in [("h", "hidden"), ("c", "cell")] {
            figures.extend(self.figure(state, name)?);
        }
        Ok(Section {
            name: "gradient-flow",
            title: "The gradient through time".to_owned(),
            intro: format!(
                "The gradient of the last step's loss alone, followed back through {} of up to {} each ({}): \
                 how much of it reaches the state of each earlier step. What does not arrive cannot be \
                 learned; {}.",
                counted(self.sequences, "sequence"),
                counted(self.steps, "step"),
                self.of,
                thresholds(),
            ),
            findings: self.findings(),
            tables: vec![self.table()],
            figures,
            data: serde_json::json!(self),
        })
    }

    /// Returns the newly initialised layer at the same position.
    fn fresh(&self, i: usize) -> Option<&LayerFlow> {
        self.initial.as_ref().and_then(|layers| layers.get(i))
    }

    fn findings(&self) -> Vec<String> {
        let mut findings = Vec::new();
        for (i, layer) in self.now.iter().enumerate() {
            let name = format!("{} `{}`", layer.class_name, layer.layer);
            findings.push(format!("{name}: {}", sentence(&layer.hidden, "", layer.backwards)));
            if let Some(cell) = &layer.cell {
                findings.push(format!("{name}, cell state: {}", sentence(cell, "", layer.backwards)));
            }
            let trends = |layer: &LayerFlow| layer.hidden.trend;
            if let (Some(now), Some(fresh)) = (trends(layer), self.fresh(i).and_then(trends)) {
                findings.push(format!("{name}: {}", change(now, fresh)));
            }
        }
        if self.initial.is_none() {
            findings.push("The parameters are the initial ones: the model has not been trained.".to_owned());
        }
        findings
    }

    fn table(&self) -> Table {
        let head = [
            "layer",
            "state",
            "parameters",
            "first step / last step",
            "per step",
            "steps for a tenth",
            "verdict",
        ];
        let mut rows = Vec::new();
        let fresh = self.initial.iter().flatten().map(|layer| (INITIAL, layer));
        for (which, layer) in self.now.iter().map(|layer| (NOW, layer)).chain(fresh) {
            let curves = [("h", Some(&layer.hidden)), ("c", layer.cell.as_ref())];
            for (state, curve) in curves.into_iter().filter_map(|(state, curve)| Some((state, curve?))) {
                let mut row = vec![layer.layer.clone(), state.to_owned(), which.to_owned()];
                row.extend(cells(curve));
                rows.push(row);
            }
        }
        let title = format!("Norms of the gradient, medians over {}", counted(self.sequences, "sequence"));
        Table { title, head: head.map(str::to_owned).to_vec(), rows }
    }

    /// Draws a chart for each layer that has the state; `None` if there is nothing to draw.
    fn figure(&self, state: &'static str, name: &str) -> Result<Option<Figure>> {
        let curve =
            |layer: &'_ LayerFlow| if state == "h" { Some(layer.hidden.clone()) } else { layer.cell.clone() };
        let charts: Vec<_> = (0..self.now.len())
            .filter_map(|i| {
                let lines = [(NOW, Some(&self.now[i])), (INITIAL, self.fresh(i))];
                let curves = lines.into_iter().filter_map(|(line, layer)| Some((line, curve(layer?)?)));
                let curves: Vec<_> = curves.filter(|(_, curve)| drawable(curve)).collect();
                let empty = chart(self.now[i].layer.clone(), state);
                (!curves.is_empty())
                    .then(|| curves.iter().fold(empty, |chart, (line, curve)| add(chart, line, curve)))
            })
            .collect();
        if charts.is_empty() {
            return Ok(None);
        }
        let title = format!("The gradient by the {name} state");
        let columns = if charts.len() == 1 { 1 } else { 2 };
        let wide = charts.len() == 1;
        let figure =
            charts.into_iter().fold(refrain_plot::Figure::new(title).columns(columns), |figure, chart| {
                figure.add(if wide { chart.wide() } else { chart })
            });
        let figure = figure.description(self.findings().join(" "));
        let reading = READING.to_owned();
        Ok(Some(Figure { name: format!("gradient-flow-{name}"), reading, sheet: figure.draw()? }))
    }
}

/// Describes the thresholds of the verdicts.
pub(crate) fn thresholds() -> String {
    format!(
        "a gradient below {} of its norm at the last step has vanished, one above {} times that norm has exploded",
        number(VANISHED),
        number(1.0 / VANISHED)
    )
}

/// Returns the last four cells of a table row.
pub(crate) fn cells(curve: &Curve) -> [String; 4] {
    let Some(trend) = curve.trend else { return ["–", "–", "–", "no gradient"].map(str::to_owned) };
    let tenth = trend.steps_per_ten.map_or("–".to_owned(), number);
    [number(trend.ratio), factor(trend.factor), tenth, trend.verdict.words().to_owned()]
}

/// Describes a gradient in one sentence, preceded by `when`, such as `at initialisation, `.
pub(crate) fn sentence(curve: &Curve, when: &str, backwards: bool) -> String {
    let steps = curve.steps();
    let Some(trend) = curve.trend else {
        return match steps {
            1 => "every sequence has only one step, so there is nothing to follow.".to_owned(),
            _ => format!("{when}no gradient reaches its last step."),
        };
    };
    let (first, last) = if backwards { ("last", "first") } else { ("first", "last") };
    let of = if curve.norms.iter().all(|of| of.len() == steps) {
        format!("the {first} of {}", counted(steps, "step"))
    } else {
        format!("a sequence's {first} step (up to {steps} away)")
    };
    let which = if backwards { ", which this direction reads last," } else { "" };
    let verdict = trend.verdict.words();
    let mut text = format!(
        "{when}the gradient that reaches {of}{which} is {} of the one at the {last} step: it {verdict}, by a \
         factor of {} per step",
        number(trend.ratio),
        factor(trend.factor),
    );
    // A value of many times the sequence length would be meaningless.
    if let Some(tenth) = trend.steps_per_ten.filter(|tenth| *tenth < 5.0 * steps as f64) {
        let moves = if trend.factor < 1.0 { "falls to a tenth" } else { "grows tenfold" };
        text += &format!("; it {moves} in {} steps", number(tenth));
    }
    if let Some(zero) = trend.zero_from {
        text += &format!("; from {} before the last, it is too small for an f32", counted(zero, "step"));
    }
    text + "."
}

/// Formats a factor per step, with enough digits near 1 to tell which side it is on.
pub(crate) fn factor(of: f64) -> String {
    if (of - 1.0).abs() < 0.01 { format!("{of:.4}") } else { number(of) }
}

/// Describes how a gradient changed from initialisation.
fn change(now: Trend, fresh: Trend) -> String {
    let text = format!(
        "freshly initialised, {} of it would arrive, by a factor of {} per step",
        number(fresh.ratio),
        factor(fresh.factor)
    );
    let same = now.verdict == fresh.verdict && (now.factor.ln() - fresh.factor.ln()).abs() < SAME_FACTOR;
    match (same, now.ratio > fresh.ratio) {
        (true, _) => format!("{text}; training hardly changed this."),
        (false, true) if now.verdict == Verdict::Explodes => format!("{text}; training made it grow."),
        (false, true) => format!("{text}; training made it reach further."),
        (false, false) => format!("{text}; training made it reach less far."),
    }
}

/// Tolerance of the logarithm of a factor per step: 1 % per step, or a factor of e over a hundred steps.
const SAME_FACTOR: f64 = 0.01;
