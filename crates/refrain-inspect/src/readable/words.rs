//! The report section on readable units.

use super::{ABOVE_CONTROL, Excerpt, FeatureFound, FeatureKind, READABLE, Readable, UnitFound};
use crate::error::Result;
use crate::say::{percent, slug};
use crate::section::{Figure, Section, Table};
use crate::shown::{display, thousandths, written};
use refrain_nn::shown::counted;
use refrain_plot::{Axis, Bars, Picture, Scale, TextMap};

impl Readable {
    /// Describes the units in sentences and figures.
    ///
    /// # Errors
    /// If a figure cannot be drawn.
    pub fn section(&self) -> Result<Section> {
        let mut figures = Vec::new();
        for kind in [FeatureKind::Binary, FeatureKind::Numeric] {
            figures.extend(self.bars(kind)?);
        }
        for excerpt in &self.excerpts {
            figures.push(excerpt.figure()?);
        }
        Ok(Section {
            name: "readable-units",
            title: "Units that can be read".to_owned(),
            intro: format!(
                "Each unit's hidden and cell state over {} of {} is compared with features of the text \
                 that a reader can name, after Karpathy, Johnson & Fei-Fei (2015). Units, direction and \
                 threshold are chosen on the first half and measured on the second; the control is the best \
                 that any of {} reaches when the feature is shifted along the text, {}.",
                counted(self.tokens, "token"),
                self.of,
                counted(self.candidates, "state"),
                counted(self.search.controls, "time")
            ),
            findings: self.findings(),
            tables: self.tables(),
            figures,
            data: serde_json::to_value(self).unwrap_or_default(),
        })
    }

    fn findings(&self) -> Vec<String> {
        if self.features.is_empty() {
            let few = format!(
                "{} of text after the warm-up: too few or too uniform to find units.",
                counted(self.tokens, "token")
            );
            return vec![few];
        }
        let best = |found: &FeatureFound| found.units.first().is_some_and(|unit| unit.readable);
        let mut findings: Vec<String> =
            self.features.iter().filter(|f| best(f)).map(|found| in_words(found, &found.units[0])).collect();
        let rest: Vec<_> = self.features.iter().filter(|f| !best(f)).map(|found| found.name).collect();
        if !rest.is_empty() {
            findings.push(format!(
                "No single unit follows these well enough (an effect of {READABLE}, and {ABOVE_CONTROL} above the \
                 control): {}.",
                rest.join(", ")
            ));
        }
        if !self.left_out.is_empty() {
            findings.push(format!("Too rare in this text to be judged: {}.", self.left_out.join(", ")));
        }
        if self.every > 1 {
            findings.push(format!(
                "Only one in {} units was examined, because all would take too much memory.",
                self.every
            ));
        }
        findings
    }

    fn tables(&self) -> Vec<Table> {
        let table = |kind: FeatureKind, title: &str, measures: [&str; 3]| {
            let head = ["feature", "mean", "layer", "state", "unit", "sign"].into_iter().chain(measures);
            let of_kind = self.features.iter().filter(|found| found.kind == kind);
            Table {
                title: title.to_owned(),
                head: head.map(str::to_owned).collect(),
                rows: of_kind.flat_map(rows).collect(),
            }
        };
        let all = [
            table(
                FeatureKind::Binary,
                "Units by yes-or-no features",
                ["AUC", "control", "balanced accuracy"],
            ),
            table(FeatureKind::Numeric, "Units by numbers", ["rank correlation", "control", "R²"]),
        ];
        all.into_iter().filter(|table| !table.rows.is_empty()).collect()
    }

    fn bars(&self, kind: FeatureKind) -> Result<Option<Figure>> {
        let (title, name, axis) = match kind {
            FeatureKind::Binary => ("Best unit of each feature", "binary", "2 · AUC − 1, held out"),
            FeatureKind::Numeric => ("Best unit of each number", "numeric", "rank correlation, held out"),
        };
        let found: Vec<_> = self.features.iter().filter(|f| f.kind == kind && !f.units.is_empty()).collect();
        if found.is_empty() {
            return Ok(None);
        }
        let bars = Bars::new(title)
            .description("For each feature, the effects of the best unit and of the best control.")
            .axis(Axis::new(axis));
        let bars = found.iter().fold(bars, |bars, found| {
            let best = found.units[0].effect;
            bars.named(found.name, "best unit", best).named(found.name, "best control", found.control)
        });
        Ok(Some(Figure {
            name: format!("readable-units-{name}"),
            reading: "A bar that is far longer than its control is a unit that follows the feature; one that is not \
                      could be chance among so many units."
                .to_owned(),
            sheet: bars.draw()?,
        }))
    }
}

fn rows(found: &FeatureFound) -> impl Iterator<Item = Vec<String>> {
    found.units.iter().map(|unit| {
        let (value, control) = match found.kind {
            FeatureKind::Binary => (unit.auc.unwrap_or(f64::NAN), f64::midpoint(found.control, 1.0)),
            FeatureKind::Numeric => (unit.effect, found.control),
        };
        let last = unit.balanced_accuracy.or(unit.r_squared).map_or("–".to_owned(), thousandths);
        let mean = match found.kind {
            FeatureKind::Binary => percent(found.mean),
            FeatureKind::Numeric => format!("{:.2}", found.mean),
        };
        let sign = if unit.sign > 0 { "+" } else { "−" };
        let (state, number) = (unit.state.to_owned(), unit.unit.to_string());
        let place = [found.name.to_owned(), mean, unit.layer.clone(), state, number, sign.to_owned()];
        place.into_iter().chain([thousandths(value), thousandths(control), last]).collect()
    })
}

fn in_words(found: &FeatureFound, unit: &UnitFound) -> String {
    let who = format!("Unit {} of `{}` ({})", unit.unit, unit.layer, unit.state);
    let direction = if unit.sign > 0 { "rises" } else { "falls" };
    match (unit.auc, unit.balanced_accuracy) {
        (Some(auc), Some(accuracy)) => format!(
            "{who} detects “{}” ({}): AUC {} on held-out text, {} for the best control. Its value {direction} \
             there; a single threshold has a balanced accuracy of {}.",
            found.name,
            found.explanation,
            thousandths(auc),
            thousandths(f64::midpoint(found.control, 1.0)),
            percent(accuracy)
        ),
        _ => format!(
            "{who} {direction} with “{}” ({}): rank correlation {} on held-out text, {} for the best control.",
            found.name,
            found.explanation,
            thousandths(unit.effect),
            thousandths(found.control)
        ),
    }
}

impl Excerpt {
    fn figure(&self) -> Result<Figure> {
        let limit = self.values.iter().filter(|x| x.is_finite()).fold(0.0, |m: f32, x| m.max(x.abs()));
        let limit = f64::from(limit.max(f32::MIN_POSITIVE));
        let title = format!("Unit {} of {}: {}", self.unit, self.layer, self.state);
        let map = TextMap::new(&title)
            .description(
                "A text in which each character's background is coloured by the unit's value after it.",
            )
            .scale(Scale::diverging(limit).label(self.state));
        let cells = self.tokens.iter().zip(&self.values);
        let map = cells.fold(map, |map, (token, &value)| {
            // A space needs no symbol here: its background shows where it is.
            let shown = if written(token) == " " { " ".to_owned() } else { display(token) };
            let map = map.cell(shown, f64::from(value));
            if Self::ends_line(token) { map.end_line() } else { map }
        });
        Ok(Figure {
            name: slug(&format!("readable units text {}", self.feature)),
            reading: format!(
                "The background of each character is the unit's value after reading it. Compare the colour \
                 where the text is “{}” with the rest.",
                self.feature
            ),
            sheet: map.draw()?,
        })
    }
}
