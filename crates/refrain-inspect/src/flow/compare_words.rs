//! The report section on a comparison of cells.

use super::picture::{READING, add, chart, drawable};
use super::words::{cells, factor, sentence, thresholds};
use super::{ComparedCell, ComparedModel, Comparison, Curve, LayerFlow};
use crate::error::Result;
use crate::say::number;
use crate::section::{Figure, Section, Table};
use refrain_nn::shown::counted;
use refrain_plot::{Axis, Chart, Picture};

/// Names of the two times.
const BEFORE: &str = "at initialisation";
const AFTER: &str = "after training";

impl Comparison {
    /// Describes the comparison in sentences, tables and figures.
    ///
    /// # Errors
    /// If a figure cannot be drawn.
    pub fn section(&self) -> Result<Section> {
        let mut figures = Vec::new();
        for (state, name) in [("h", "hidden"), ("c", "cell")] {
            figures.extend(self.figure(state, name)?);
        }
        figures.extend(self.losses()?);
        let trained = match self.training() {
            0 => String::new(),
            steps => format!(", before and after {} of training", counted(steps, "step")),
        };
        Ok(Section {
            name: "gradient-flow-compared",
            title: "The gradient through time, cell by cell".to_owned(),
            intro: format!(
                "The gradient of the last step's loss, followed back through {}{trained}: how much of it reaches the \
                 state of each earlier step. The cells have the same size and read the same sequences; {}.",
                self.of,
                thresholds(),
            ),
            findings: self.findings(),
            tables: vec![self.table()],
            figures,
            data: serde_json::json!(self),
        })
    }

    fn training(&self) -> usize {
        self.options.as_ref().map_or(0, |options| options.train_steps)
    }

    /// Returns the name of the first of the two times.
    fn before(&self) -> &'static str {
        if self.options.is_some() { BEFORE } else { "as it is" }
    }

    fn findings(&self) -> Vec<String> {
        let mut findings = Vec::new();
        for case in &self.cases {
            let when = if self.options.is_some() { format!("{BEFORE}, ") } else { String::new() };
            findings.push(format!(
                "{}: {}",
                case.name,
                sentence(&case.flow.hidden, &when, case.flow.backwards)
            ));
            if let Some(cell) = &case.flow.cell {
                findings.push(format!("{}, cell state: {}", case.name, sentence(cell, &when, false)));
            }
            findings.extend(self.after(case));
        }
        findings.extend(self.ranking());
        findings.extend(self.initialisers());
        findings
    }

    /// Describes a case after training.
    fn after(&self, case: &ComparedModel) -> Vec<String> {
        let Some(trained) = &case.trained else { return Vec::new() };
        let steps = trained.log.losses.len();
        let (Some(flow), Some(loss)) = (&trained.flow, trained.loss) else {
            return vec![format!("{}: training diverged at step {steps}.", case.name)];
        };
        let mut said = sentence(&flow.hidden, &format!("{AFTER}, "), flow.backwards);
        if let Some(cell) = &flow.cell {
            said += &format!(" Cell state: {}", sentence(cell, &format!("{AFTER}, "), false));
        }
        let compared = self.memoryless.map_or(String::new(), |memoryless| {
            let verdict = match loss / memoryless {
                share if share < 0.1 => "it has learned to remember",
                share if share < 0.9 => "it has learned to remember in part",
                _ => "it has not learned to remember",
            };
            format!(", compared with {} for the best answer without memory: {verdict}", number(memoryless))
        });
        let loss = format!(
            "{}: its loss after {} is {}{compared}.",
            case.name,
            counted(steps, "step"),
            number(loss)
        );
        vec![format!("{}: {said}", case.name), loss]
    }

    /// Ranks the cases by what arrives at the first step, the most first, at each time.
    fn ranking(&self) -> Vec<String> {
        let ratio = |flow: &LayerFlow| flow.hidden.trend.map(|trend| (trend.ratio, trend.factor));
        let before = self.cases.iter().map(|case| (&case.name, ratio(&case.flow))).collect();
        let after =
            |case: &ComparedModel| case.trained.as_ref().and_then(|trained| ratio(trained.flow.as_ref()?));
        let after: Vec<_> = self.cases.iter().map(|case| (&case.name, after(case))).collect();
        let mut findings = Vec::new();
        for (when, ratios) in [(self.before(), before), (AFTER, after)] {
            let mut ratios: Vec<_> =
                ratios.into_iter().filter_map(|(name, ratio)| Some((name, ratio?))).collect();
            // Sorted by the factor, because far below f32 precision the ratio is arbitrary.
            ratios.sort_by(|a, b| b.1.1.total_cmp(&a.1.1));
            if ratios.len() > 1 {
                let said = ratios.iter().map(|(name, (ratio, _))| format!("{name} {}", number(*ratio)));
                let said = said.collect::<Vec<_>>().join("; ");
                findings.push(format!(
                    "Share of the last hidden state's gradient that reaches the first, {when}: {said}."
                ));
            }
        }
        findings
    }

    /// Describes the effects of the forget bias and the recurrent initialiser, if the cases needed for it are
    /// present.
    fn initialisers(&self) -> Vec<String> {
        let kind = |kind: ComparedCell| self.options.as_ref()?.cells.iter().position(|&cell| cell == kind);
        let curve = |place: Option<usize>| self.cases[place?].flow.hidden.trend;
        let mut findings = Vec::new();
        if let (Some(with), Some(without)) =
            (curve(kind(ComparedCell::Lstm)), curve(kind(ComparedCell::LstmWithoutForgetBias)))
        {
            findings.push(format!(
                "The forget bias: at initialisation, an LSTM's gradient changes by a factor of {} per step \
                 with a bias of 1, and by {} with 0. The sigmoid of 1 is 0.731, that of 0 is 0.5, and the \
                 cell's gradient is multiplied by the forget gate at each step.",
                factor(with.factor),
                factor(without.factor)
            ));
        }
        if let Some(orthogonal) = curve(kind(ComparedCell::SimpleRnn { gain: 1.0 })) {
            for random in [ComparedCell::SimpleRnnNormal { gain: 1.0 }, ComparedCell::SimpleRnnGlorot] {
                findings.extend(curve(kind(random)).map(|trend| {
                    format!(
                        "The recurrent initialiser: with an orthogonal kernel, a SimpleRNN's gradient at the \
                         first step is {} of the one at the last, by a factor of {} per step; with {random}, \
                         {} by {}. An orthogonal kernel preserves norms, so its loss of gradient comes from \
                         the tanh.",
                        number(orthogonal.ratio),
                        factor(orthogonal.factor),
                        number(trend.ratio),
                        factor(trend.factor)
                    )
                }));
            }
        }
        findings
    }

    fn table(&self) -> Table {
        let head = [
            "model",
            "when",
            "state",
            "first step / last step",
            "per step",
            "steps for a tenth",
            "verdict",
            "test loss",
        ];
        let mut rows = Vec::new();
        for case in &self.cases {
            let after =
                case.trained.as_ref().and_then(|trained| Some((AFTER, trained.flow.as_ref()?, trained.loss)));
            for (when, flow, loss) in
                [Some((self.before(), &case.flow, case.loss)), after].into_iter().flatten()
            {
                let curves = [("h", Some(&flow.hidden)), ("c", flow.cell.as_ref())];
                for (state, curve) in curves.into_iter().filter_map(|(state, curve)| Some((state, curve?))) {
                    let mut row = vec![case.name.clone(), when.to_owned(), state.to_owned()];
                    row.extend(cells(curve));
                    row.push(loss.map_or("–".to_owned(), number));
                    rows.push(row);
                }
            }
        }
        let title = "Norms of the gradient, medians over the sequences".to_owned();
        Table { title, head: head.map(str::to_owned).to_vec(), rows }
    }

    /// Draws a chart for each time, with a line for each case.
    fn figure(&self, state: &'static str, name: &str) -> Result<Option<Figure>> {
        fn of<'a>(flow: &'a LayerFlow, state: &str) -> Option<&'a Curve> {
            if state == "h" { Some(&flow.hidden) } else { flow.cell.as_ref() }
        }
        let after = |case: &'_ ComparedModel| case.trained.as_ref().and_then(|trained| trained.flow.clone());
        let before: Vec<_> = self.cases.iter().map(|case| (case, Some(case.flow.clone()))).collect();
        let after: Vec<_> = self.cases.iter().map(|case| (case, after(case))).collect();
        let mut charts = Vec::new();
        for (when, flows) in [(self.before(), before), (AFTER, after)] {
            let mut drawn = None;
            for (case, flow) in &flows {
                let curve = flow.as_ref().and_then(|flow| of(flow, state)).filter(|curve| drawable(curve));
                if let Some(curve) = curve {
                    drawn = Some(add(drawn.unwrap_or_else(|| chart(when, state)), &case.name, curve));
                }
            }
            charts.extend(drawn);
        }
        if charts.is_empty() {
            return Ok(None);
        }
        let alone = charts.len() == 1;
        let figure = refrain_plot::Figure::new(format!("The gradient by the {name} state")).columns(2);
        let figure = charts
            .into_iter()
            .fold(figure, |figure, chart| figure.add(if alone { chart.wide() } else { chart }));
        let sheet = figure.description(self.findings().join(" ")).draw()?;
        let name = format!("gradient-flow-compared-{name}");
        Ok(Some(Figure { name, reading: READING.to_owned(), sheet }))
    }

    /// Draws the training losses.
    fn losses(&self) -> Result<Option<Figure>> {
        let mut chart = Chart::new("The loss of training")
            .x(Axis::new("training steps").whole())
            .y(Axis::new("squared error").log());
        let mut any = false;
        for case in &self.cases {
            let losses =
                case.trained.iter().flat_map(|trained| smooth(&trained.log.losses)).collect::<Vec<_>>();
            if !losses.is_empty() {
                (chart, any) = (chart.line(case.name.clone(), losses), true);
            }
        }
        if !any {
            return Ok(None);
        }
        if let Some(memoryless) = self.memoryless {
            chart = chart.reference("without memory", memoryless);
        }
        let reading =
            "Each point is the mean of 20 steps. A loss clearly below the line means that the model \
             remembers."
                .to_owned();
        let sheet = chart.wide().description(self.findings().join(" ")).draw()?;
        Ok(Some(Figure { name: "gradient-flow-compared-loss".to_owned(), reading, sheet }))
    }
}

/// Training steps that are averaged into one point.
const TOGETHER: usize = 20;

/// Returns means of positive numbers by step, up to the first that is not finite.
pub(super) fn smooth(numbers: &[f64]) -> Vec<(f64, f64)> {
    let mean = |(i, of): (usize, &[f64])| {
        let mean = of.iter().sum::<f64>() / of.len() as f64;
        ((i * TOGETHER + of.len()) as f64, mean)
    };
    let points = numbers.chunks(TOGETHER).enumerate().map(mean);
    points.take_while(|point| point.1.is_finite()).filter(|point| point.1 > 0.0).collect()
}
