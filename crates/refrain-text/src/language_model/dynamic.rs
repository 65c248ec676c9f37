//! Dynamic evaluation: the model keeps learning from the text that it is scored on.
//!
//! After Krause, Kahembwe, Murray & Renals 2018, "Dynamic Evaluation of Neural Sequence Models". The text is read
//! in one lane, some steps at a time. Each chunk is scored. Then its gradient `g` updates the weights `w`, which
//! also decay towards the trained weights `w₀`:
//!
//! - without statistics: `w += decay·(w₀ − w) − rate·g`;
//! - with the mean square `m` of the gradients on the training text:
//!   `w += min(decay·√m / mean(√m), 1)·(w₀ − w) − rate·g / (√m + ε)`.

use super::LanguageModel;
use super::evaluate::TextScore;
use crate::corpus::Corpus;
use crate::error::{Error, Result};
use crate::lanes::Lanes;
use crate::score::compile_to_score;
use crate::tokens::{Store, Tokens};
use refrain_nn::Model;
use refrain_nn::data::Batch;
use refrain_nn::metrics::Metric;
use std::path::Path;

/// Lanes of the text from which statistics are gathered.
const LANES: usize = 32;
/// Added to the root of the mean square.
const EPSILON: f32 = 1e-3;

/// How a model learns from the text that it is scored on.
#[derive(Debug, Clone, Copy)]
pub struct DynamicEvaluation<'a> {
    /// The learning rate of each step.
    pub learning_rate: f64,
    /// The share of the distance to the trained weights by which each step decays.
    pub decay: f64,
    /// Tokens per chunk.
    pub steps: usize,
    /// The training text, if each weight's step is scaled by the typical size of its gradient there.
    pub statistics: Option<&'a Corpus>,
}

impl<'a> DynamicEvaluation<'a> {
    /// Returns the defaults for unscaled gradients.
    pub fn plain() -> Self {
        Self { learning_rate: 0.1, decay: 1e-3, steps: 20, statistics: None }
    }

    /// Returns the defaults for gradients divided by the root of their mean square on the training text.
    pub fn scaled(statistics: &'a Corpus) -> Self {
        Self { learning_rate: 1e-4, decay: 2e-3, statistics: Some(statistics), ..Self::plain() }
    }

    fn check(&self) -> Result<()> {
        let wrong = |option, got: String, expected| Err(Error::option(option, got, expected));
        if !(self.learning_rate >= 0.0 && self.learning_rate.is_finite()) {
            return wrong("dynamic-lr", self.learning_rate.to_string(), "a number of at least 0");
        }
        if !(0.0..1.0).contains(&self.decay) {
            return wrong("dynamic-decay", self.decay.to_string(), "at least 0 and below 1");
        }
        if self.steps == 0 {
            return wrong("dynamic-steps", "0".to_owned(), "at least 1");
        }
        Ok(())
    }
}

impl LanguageModel {
    /// Scores a text while learning from it. The model itself is unchanged. Tokens of large texts are stored
    /// temporarily in `folder`; `seen` is called with the number of finished chunks and their total.
    ///
    /// # Errors
    /// If an option is out of range, or a text is too short or cannot be read.
    pub fn evaluate_dynamically(
        &self,
        text: &Corpus,
        options: &DynamicEvaluation<'_>,
        folder: &Path,
        seen: &mut dyn FnMut(usize, usize),
    ) -> Result<TextScore> {
        options.check()?;
        // Dropout is off: each chunk is scored with the same pass whose gradient trains the model.
        let mut model = self.model().without_dropout()?;
        compile_to_score(&mut model, vec![Metric::Accuracy])?;
        let store = Store::in_folder(folder);
        let lanes = |which, text: &Corpus, batch: usize| {
            let tokens = self.codec().encode_corpus(text, &store, &mut |_| {})?;
            if tokens.len() < 2 {
                let (purpose, advice) = ("dynamic evaluation", "use a longer text");
                return Err(Error::TooShort { text: which, got: tokens.len(), needed: 2, purpose, advice });
            }
            tokens.unknown()?.check()?;
            let batch = batch.min(tokens.len() - 1);
            Lanes::new(tokens, batch, options.steps)
        };
        let text_lanes = lanes("the text", text, 1)?;
        let known =
            options.statistics.map(|text| lanes("the text for the statistics", text, LANES)).transpose()?;
        let of = text_lanes.len() + known.as_ref().map_or(0, Lanes::len);
        let mut done = 0;
        let mut chunk = || {
            done += 1;
            seen(done, of);
        };
        let roots = known.map(|known| root_mean_squares(&mut model, &known, &mut chunk)).transpose()?;
        let mut step = Step::new(&model, options, roots);
        model.reset_totals();
        for_each_gradient(&mut model, &text_lanes, |model| {
            chunk();
            let loss = model.last_loss();
            if !loss.is_finite() {
                let got = format!("{}, with which the loss became {loss}", options.learning_rate);
                return Err(Error::option("dynamic-lr", got, "a lower rate"));
            }
            step.take(model)
        })?;
        TextScore::of_totals(&model, self.codec(), text_lanes.tokens(), text.characters())
    }
}

/// Computes the gradient of each chunk in turn, carrying the state along.
fn for_each_gradient<D: Tokens>(
    model: &mut Model,
    lanes: &Lanes<D>,
    mut then: impl FnMut(&mut Model) -> Result<()>,
) -> Result<()> {
    let mut state = model.new_state();
    let mut batch = Batch::default();
    batch.inputs.resize_with(1, Default::default);
    batch.targets.resize_with(1, Default::default);
    for i in 0..lanes.len() {
        let (input, target) = (&mut batch.inputs[0], &mut batch.targets[0]);
        let (n, t) = lanes.fill(i, &mut input.ids, &mut target.ids)?;
        (batch.lanes, input.steps, target.steps) = (n, t, t);
        model.gradient_step(&batch, Some(&mut state))?;
        then(model)?;
    }
    Ok(())
}

/// Returns `√m` of each weight.
fn root_mean_squares<D: Tokens>(
    model: &mut Model,
    lanes: &Lanes<D>,
    chunk: &mut dyn FnMut(),
) -> Result<Vec<f32>> {
    let mut squares = vec![0.0_f32; model.params().values().len()];
    for_each_gradient(model, lanes, |model| {
        chunk();
        for (id, range) in model.params().ids().zip(model.params().spans().iter().map(|s| s.range())) {
            let gradient = model.params().gradient(id);
            squares[range].iter_mut().zip(gradient.iter()).for_each(|(s, g)| *s += g * g);
        }
        Ok(())
    })?;
    let count = lanes.len() as f32;
    squares.iter_mut().for_each(|s| *s = (*s / count).sqrt());
    Ok(squares)
}

/// The update after a chunk.
struct Step {
    /// The trained weights.
    start: Vec<f32>,
    weights: Vec<f32>,
    rate: f32,
    decay: f32,
    roots: Option<Vec<f32>>,
    /// `mean(√m)`
    mean_root: f32,
}

impl Step {
    fn new(model: &Model, options: &DynamicEvaluation<'_>, roots: Option<Vec<f32>>) -> Self {
        let start = model.weights();
        let sum: f64 = roots.iter().flatten().map(|&r| f64::from(r)).sum();
        Self {
            weights: start.clone(),
            start,
            rate: options.learning_rate as f32,
            decay: options.decay as f32,
            roots,
            mean_root: (sum / model.params().count().max(1) as f64) as f32,
        }
    }

    fn take(&mut self, model: &mut Model) -> Result<()> {
        let (rate, decay, mean) = (self.rate, self.decay, self.mean_root);
        for (id, range) in model.params().ids().zip(model.params().spans().iter().map(|s| s.range())) {
            let gradient = model.params().gradient(id);
            let (w, start) = (&mut self.weights[range.clone()], &self.start[range.clone()]);
            let steps = w.iter_mut().zip(start).zip(gradient.iter());
            match &self.roots {
                None => steps.for_each(|((w, w0), g)| *w += decay * (w0 - *w) - rate * g),
                Some(roots) => steps.zip(&roots[range]).for_each(|(((w, w0), g), root)| {
                    *w += (decay * root / mean).min(1.0) * (w0 - *w) - rate * g / (root + EPSILON);
                }),
            }
        }
        Ok(model.set_weights_flat(&self.weights)?)
    }
}
