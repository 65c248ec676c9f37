//! The gradient through time of several cells on the same sequences, before and after training.

use super::adding::{Purpose, adding};
use super::cell::ComparedCell;
use super::clip_log::ClipLog;
use super::{LayerFlow, trace};
use crate::error::{Error, Result};
use crate::sample::{Sample, check_parameters, unsupported};
use refrain_nn::optim::Adam;
use refrain_nn::shown::counted;
use refrain_nn::{Engine, Model};
use serde::Serialize;

/// The options of [`compare_on_adding`].
#[derive(Debug, Clone, Serialize)]
pub struct CompareOptions {
    /// The cells.
    pub cells: Vec<ComparedCell>,
    /// Hidden units of each cell.
    pub units: usize,
    /// Steps per sequence, at least 2.
    pub steps: usize,
    /// Sequences per training step, and in the sample.
    pub batch: usize,
    /// Number of training steps with Adam, each on new sequences; 0: only the initialisation is compared.
    pub train_steps: usize,
    /// Adam's learning rate.
    pub learning_rate: f64,
    /// The bound on the global gradient norm, if any.
    pub clip: Option<f64>,
    /// The seed of the parameters and training sequences.
    pub seed: u64,
    /// The instruction set and threads; everything available if `None`.
    #[serde(skip)]
    pub engine: Option<Engine>,
}

impl Default for CompareOptions {
    fn default() -> Self {
        let cells = ComparedCell::CELLS.to_vec();
        let (units, steps, batch) = (64, 200, 32);
        Self {
            cells,
            units,
            steps,
            batch,
            train_steps: 0,
            learning_rate: 0.01,
            clip: Some(1.0),
            seed: 1,
            engine: None,
        }
    }
}

/// The progress of a comparison.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// The name of the case being trained.
    pub case: String,
    /// Its index among the cases, from 0.
    pub index: usize,
    /// Number of cases.
    pub cases: usize,
    /// Training steps done.
    pub step: usize,
    /// Training steps in total.
    pub steps: usize,
    /// The loss of the last batch; NaN before the first batch.
    pub loss: f64,
}

/// Several models on the same sequences.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// A description of the sequences.
    pub of: String,
    /// The models, in the order given.
    pub cases: Vec<ComparedModel>,
    /// The options, if the models were created for the comparison.
    pub options: Option<CompareOptions>,
    /// The test loss on the adding problem of always predicting 1, the best answer without memory.
    pub memoryless: Option<f64>,
}

/// One model of a [`Comparison`].
#[derive(Debug, Clone, Serialize)]
pub struct ComparedModel {
    /// Its name.
    pub name: String,
    /// Number of its parameters.
    pub parameters: usize,
    /// Its first recurrent layer, at initialisation if the model was created for the comparison.
    pub flow: LayerFlow,
    /// Its test loss at initialisation, if the model was created for the comparison.
    pub loss: Option<f64>,
    /// The model after training.
    pub trained: Option<Trained>,
}

/// A model of a comparison after training.
#[derive(Debug, Clone, Serialize)]
pub struct Trained {
    /// Its recurrent layer; `None` if training diverged.
    pub flow: Option<LayerFlow>,
    /// Its test loss; `None` if training diverged.
    pub loss: Option<f64>,
    /// Losses and gradient norms, step by step.
    pub log: ClipLog,
}

/// Number of sequences for the test loss.
const TEST_SEQUENCES: usize = 512;

/// Compares the first recurrent layers of models on one sample.
///
/// # Errors
/// As for [`gradient_flow`](super::gradient_flow).
pub fn compare(models: &[(String, &Model)], sample: &Sample) -> Result<Comparison> {
    let case = |(name, model): &(String, &Model)| {
        check_parameters(model, "compare this model")?;
        let flow = first(model, sample)?;
        let parameters = model.params().spans().iter().map(|span| span.len()).sum();
        Ok(ComparedModel { name: name.clone(), parameters, flow, loss: None, trained: None })
    };
    let cases = models.iter().map(case).collect::<Result<_>>()?;
    Ok(Comparison { of: sample.of.clone(), cases, options: None, memoryless: None })
}

/// Compares cells on the adding problem, at initialisation and, if `train_steps` is above 0, after training. All
/// have the same sizes, sequences and seed.
///
/// # Errors
/// If a setting is out of range.
pub fn compare_on_adding(
    options: &CompareOptions,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Comparison> {
    check_sizes(options.steps, options.batch)?;
    if options.cells.is_empty() {
        return Err(Error::Setting {
            setting: "cells",
            got: "none".to_owned(),
            expected: "at least one".to_owned(),
        });
    }
    let sample = sample(options.steps, options.batch);
    let mut cases = Vec::new();
    for (index, &cell) in options.cells.iter().enumerate() {
        let optimizer = Adam { learning_rate: options.learning_rate.into(), ..Adam::default() };
        let optimizer = match options.clip {
            Some(bound) => optimizer.global_clipnorm(bound),
            None => optimizer,
        };
        let mut model = cell.model(options.units, optimizer.into(), options.seed)?;
        options.engine.iter().for_each(|engine| model.set_engine(engine.clone()));
        let flow = first(&model, &sample)?;
        let loss = Some(test_loss(&mut model, options.steps)?);
        let mut at = Progress {
            case: cell.to_string(),
            index,
            cases: options.cells.len(),
            step: 0,
            steps: options.train_steps,
            loss: f64::NAN,
        };
        let plan = Plan { steps: options.steps, batch: options.batch, seed: options.seed };
        let trained = match options.train_steps {
            0 => None,
            _ => {
                let log = train(&mut model, plan, &mut at, progress)?;
                let sound = check_parameters(&model, "inspect it").is_ok();
                let flow = if sound { Some(first(&model, &sample)?) } else { None };
                let loss = if sound { Some(test_loss(&mut model, options.steps)?) } else { None };
                Some(Trained { flow, loss, log })
            }
        };
        let parameters = model.params().spans().iter().map(|span| span.len()).sum();
        cases.push(ComparedModel { name: cell.to_string(), parameters, flow, loss, trained });
    }
    Ok(Comparison {
        of: sample.of,
        cases,
        options: Some(options.clone()),
        memoryless: Some(memoryless(options.steps)),
    })
}

/// Returns the test sequences on which the gradient is traced.
fn sample(steps: usize, lanes: usize) -> Sample {
    let of = format!("{} of the adding problem, {} each", counted(lanes, "sequence"), counted(steps, "step"));
    Sample::new(adding(steps, lanes, 0, Purpose::Test), of)
}

fn first(model: &Model, sample: &Sample) -> Result<LayerFlow> {
    trace(model, sample)?
        .into_iter()
        .next()
        .ok_or_else(|| unsupported("compare this model", "it has no recurrent layer"))
}

pub(super) fn check_sizes(steps: usize, batch: usize) -> Result<()> {
    for (setting, got, least) in [("steps", steps, 2), ("batch", batch, 1)] {
        if got < least {
            return Err(Error::Setting {
                setting,
                got: got.to_string(),
                expected: format!("at least {least}"),
            });
        }
    }
    Ok(())
}

/// Returns the mean squared error on the test sequences.
pub(super) fn test_loss(model: &mut Model, steps: usize) -> Result<f64> {
    model.test_step(&adding(steps, TEST_SEQUENCES, 0, Purpose::Test), None)?;
    Ok(model.last_loss())
}

/// Returns the mean squared error of predicting 1 on the test sequences.
pub(super) fn memoryless(steps: usize) -> f64 {
    let sums = &adding(steps, TEST_SEQUENCES, 0, Purpose::Test).targets[0].values;
    sums.iter().map(|&sum| (f64::from(sum) - 1.0).powi(2)).sum::<f64>() / TEST_SEQUENCES as f64
}

/// The data of a training run on the adding problem.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) steps: usize,
    pub(super) batch: usize,
    pub(super) seed: u64,
}

/// Trains for `at.steps` steps, or until the loss is not finite.
pub(super) fn train(
    model: &mut Model,
    plan: Plan,
    at: &mut Progress,
    progress: &mut dyn FnMut(&Progress),
) -> Result<ClipLog> {
    let mut log = ClipLog::new(model)?;
    progress(at);
    while at.step < at.steps {
        let purpose = Purpose::Training(at.step as u64);
        model.train_step(&adding(plan.steps, plan.batch, plan.seed, purpose), None)?;
        log.record(model);
        (at.step, at.loss) = (at.step + 1, model.last_loss());
        progress(at);
        if log.diverged_at().is_some() {
            break;
        }
    }
    Ok(log)
}
