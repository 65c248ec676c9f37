//! The effect of gradient clipping on exploding gradients.

use super::cell::ComparedCell;
use super::clip_log::ClipLog;
use super::compare::{Plan, Progress, check_sizes, memoryless, test_loss, train};
use crate::error::Result;
use crate::sample::check_parameters;
use refrain_nn::Engine;
use refrain_nn::optim::Sgd;
use serde::Serialize;

/// The options of [`clipping_on_adding`].
#[derive(Debug, Clone, Serialize)]
pub struct ClippingOptions {
    /// The cell.
    pub cell: ComparedCell,
    /// Number of hidden units.
    pub units: usize,
    /// Steps per sequence.
    pub steps: usize,
    /// Sequences per training step.
    pub batch: usize,
    /// Number of training steps with plain gradient descent.
    pub train_steps: usize,
    /// The learning rate.
    pub learning_rate: f64,
    /// The learning rates to try without clipping, to see whether a lower one does as well.
    pub unclipped_rates: Vec<f64>,
    /// The momentum.
    pub momentum: f64,
    /// The bound on the gradient norm.
    pub clip: f64,
    /// The seed of the parameters and sequences.
    pub seed: u64,
    /// The instruction set and threads; everything available if `None`.
    #[serde(skip)]
    pub engine: Option<Engine>,
}

impl Default for ClippingOptions {
    /// Returns a case that explodes immediately: 100 steps of ReLU, which does not bound the state.
    fn default() -> Self {
        Self {
            cell: ComparedCell::Irnn,
            units: 64,
            steps: 100,
            batch: 32,
            train_steps: 6000,
            learning_rate: 0.01,
            unclipped_rates: vec![1e-2, 1e-3, 1e-4, 1e-5, 1e-6],
            momentum: 0.0,
            clip: 1.0,
            seed: 1,
            engine: None,
        }
    }
}

/// The same training with and without clipping.
#[derive(Debug, Clone, Serialize)]
pub struct Clipping {
    /// The options.
    pub options: ClippingOptions,
    /// The run with clipping.
    pub with: ClippingRun,
    /// The runs without clipping, one for each rate.
    pub without: Vec<ClippingRun>,
    /// The test loss of always predicting 1, the best answer without memory.
    pub memoryless: f64,
}

/// One of the runs.
#[derive(Debug, Clone, Serialize)]
pub struct ClippingRun {
    /// The learning rate.
    pub learning_rate: f64,
    /// Losses and norms, step by step, up to and including the first that is not finite.
    pub log: ClipLog,
    /// The share of steps whose gradient was clipped.
    pub share: f64,
    /// The first step, from 1, whose loss or gradient was not finite.
    pub diverged_at: Option<usize>,
    /// The test loss before the first step.
    pub loss_before: f64,
    /// The test loss at the end; `None` if the run diverged.
    pub loss_after: Option<f64>,
}

/// Trains a cell on the adding problem, from the same parameters and on the same sequences: once with gradient
/// clipping, and once without it for each of several learning rates.
///
/// # Errors
/// If a setting is out of range.
pub fn clipping_on_adding(
    options: &ClippingOptions,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Clipping> {
    check_sizes(options.steps, options.batch)?;
    let cases = 1 + options.unclipped_rates.len();
    let mut at = Progress { cases, ..Progress::default() };
    let with = run(options, (options.learning_rate, Some(options.clip)), &mut at, progress)?;
    let mut without = Vec::new();
    for &rate in &options.unclipped_rates {
        at.index += 1;
        without.push(run(options, (rate, None), &mut at, progress)?);
    }
    Ok(Clipping { options: options.clone(), with, without, memoryless: memoryless(options.steps) })
}

/// Trains at one learning rate, with or without clipping.
fn run(
    options: &ClippingOptions,
    (learning_rate, clip): (f64, Option<f64>),
    at: &mut Progress,
    progress: &mut dyn FnMut(&Progress),
) -> Result<ClippingRun> {
    let &ClippingOptions { cell, units, steps, batch, train_steps, momentum, seed, .. } = options;
    let sgd = Sgd { learning_rate: learning_rate.into(), momentum, ..Sgd::default() };
    let sgd = if let Some(bound) = clip { sgd.global_clipnorm(bound) } else { sgd };
    let mut model = cell.model(units, sgd.into(), seed)?;
    options.engine.iter().for_each(|engine| model.set_engine(engine.clone()));
    let loss_before = test_loss(&mut model, steps)?;
    let bound = clip.map_or("without clipping".to_owned(), |bound| format!("clipping at {bound}"));
    (at.case, at.step, at.steps, at.loss) =
        (format!("{bound}, rate {learning_rate}"), 0, train_steps, f64::NAN);
    let log = train(&mut model, Plan { steps, batch, seed }, at, progress)?;
    let sound = check_parameters(&model, "test it").is_ok();
    let loss_after = if sound { Some(test_loss(&mut model, steps)?) } else { None };
    let loss_after = loss_after.filter(|loss| loss.is_finite());
    let (share, diverged_at) = (log.share(), log.diverged_at());
    Ok(ClippingRun { learning_rate, log, share, diverged_at, loss_before, loss_after })
}
