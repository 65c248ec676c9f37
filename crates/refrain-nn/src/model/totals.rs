//! Running totals of loss and metrics, as a value.

use super::Model;
use super::compile::not_compiled;
use crate::error::Error;
use crate::metrics::Mean;
use serde::{Deserialize, Serialize};

/// Loss and metrics since the last [`Model::reset_totals`], and the results of the last batch. Together with
/// a [`TrainingState`](super::TrainingState) it holds everything that a model reports at the end of an epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// The loss, the loss divided by the sum of weights, and the metrics of each output.
    means: Vec<Mean>,
    #[serde(with = "crate::exact")]
    last_loss: f64,
    #[serde(with = "crate::exact")]
    gradient_norm: f64,
    #[serde(with = "crate::exact")]
    learning_rate: f64,
}

impl Model {
    /// Returns the totals so far, exactly.
    ///
    /// # Errors
    /// Returns an error if the model is not compiled.
    pub fn running_totals(&self) -> Result<Totals, Error> {
        let training = self.training()?;
        let metrics = training.heads.iter().flat_map(|head| head.means());
        Ok(Totals {
            means: [training.loss, training.weighted].into_iter().chain(metrics).collect(),
            last_loss: training.last_loss,
            gradient_norm: training.gradient_norm,
            learning_rate: training.last_rate,
        })
    }

    /// Restores totals of a model with the same metrics.
    ///
    /// # Errors
    /// Returns an error if the model is not compiled or has other metrics.
    pub fn set_running_totals(&mut self, totals: &Totals) -> Result<(), Error> {
        let training = self.training.as_mut().ok_or_else(not_compiled)?;
        let metrics = training.heads.iter_mut().flat_map(|head| head.means_mut());
        let means: Vec<_> = [&mut training.loss, &mut training.weighted].into_iter().chain(metrics).collect();
        if means.len() != totals.means.len() {
            let (got, expected) = (totals.means.len(), means.len().to_string());
            return Err(Error::data("the number of sums of loss and metrics", got, expected));
        }
        means.into_iter().zip(&totals.means).for_each(|(to, from)| *to = *from);
        training.last_loss = totals.last_loss;
        training.gradient_norm = totals.gradient_norm;
        training.last_rate = totals.learning_rate;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Batch, BatchInput, BatchTarget};
    use crate::layers::Dense;
    use crate::loss::Loss;
    use crate::metrics::Metric;
    use crate::model::{Compile, InputSpec, Sequential};

    fn model(metrics: &[Metric]) -> Model {
        let compile =
            Compile { loss: Loss::MeanSquaredError, metrics: metrics.to_vec(), ..Default::default() };
        Sequential::new().input(InputSpec::flat(2)).add(Dense::new(1)).compile(compile).unwrap()
    }

    fn step(model: &mut Model, seed: f32) {
        let inputs =
            vec![BatchInput { steps: 1, features: vec![seed, 0.5, 1.0, -seed], ..Default::default() }];
        let targets = vec![BatchTarget { steps: 1, values: vec![seed / 3.0, 0.1], ..Default::default() }];
        model.train_step(&Batch { lanes: 2, inputs, targets, ..Default::default() }, None).unwrap();
    }

    #[test]
    fn an_epoch_resumes_with_its_sums() {
        let metrics = [Metric::MeanAbsoluteError];
        let mut whole = model(&metrics);
        step(&mut whole, 0.7);
        let totals = serde_json::to_string(&whole.running_totals().unwrap()).unwrap();
        let mut again = whole.clone();
        again.reset_totals();
        step(&mut again, 3.0);
        again.set_training_state(&whole.training_state().unwrap()).unwrap();
        again.set_running_totals(&serde_json::from_str(&totals).unwrap()).unwrap();
        for model in [&mut whole, &mut again] {
            assert!(model.last_loss() < 1.0 && model.last_gradient_norm() > 0.0);
            step(model, 0.9);
        }
        assert_eq!(again.running_totals().unwrap(), whole.running_totals().unwrap());
        assert_eq!((again.totals(), again.last_loss()), (whole.totals(), whole.last_loss()));
    }

    #[test]
    fn other_metrics_are_rejected_and_all_numbers_are_kept() {
        let mut one = model(&[]);
        let before = one.running_totals().unwrap();
        assert!(before.last_loss.is_nan(), "no batch yet");
        let json = serde_json::to_string(&before).unwrap();
        let mut back: Totals = serde_json::from_str(&json).unwrap();
        assert!(back.last_loss.is_nan());
        back.gradient_norm = f64::INFINITY;
        one.set_running_totals(&back).unwrap();
        assert_eq!(one.last_gradient_norm(), f64::INFINITY);
        let error = model(&[Metric::MeanAbsoluteError]).set_running_totals(&back).unwrap_err().to_string();
        assert!(error.contains("sums of loss and metrics is 2") && error.contains('3'), "{error}");
    }
}
