//! Gradient checks of a whole model with its loss.

use super::{GradCheck, Objective, Report};
use crate::data::Batch;
use crate::error::Error;
use crate::model::Model;
use crate::params::SpanId;

impl GradCheck {
    /// Checks the gradient of a compiled model's loss on a batch, including regularisation penalties, for
    /// every trained parameter and every input with features. Dropout draws the masks of the model's next
    /// training step.
    ///
    /// # Errors
    /// Returns [`Error::Gradient`] for the first direction along which the gradient and the difference
    /// disagree. Returns an error if the batch does not fit the model, or if the model is not compiled.
    pub fn model(&self, model: &Model, batch: &Batch) -> Result<Report, Error> {
        self.validate()?;
        let mut model = model.clone();
        if let Some(engine) = &self.engine {
            model.set_engine(engine.clone());
        }
        let inputs = model.differentiate_inputs(batch)?;
        let mut report = Report::default();
        for id in (0..model.params().spans().len()).map(SpanId) {
            let span = &model.params().spans()[id.0];
            if !span.trainable {
                continue;
            }
            let (name, gradient) = (span.name.clone(), model.params().gradient(id).to_vec());
            let values = model.params().value(id).to_vec();
            let checked = self.compare(name.clone(), &values, &gradient, |moved| {
                model.set_weight_flat(&name, moved)?;
                model.objective(batch)
            });
            report.variables.push(checked?);
            model.set_weight_flat(&name, &values)?;
        }
        let mut batch = batch.clone();
        for (i, gradient) in inputs.into_iter().enumerate() {
            let Some(gradient) = gradient else { continue };
            let name = format!("input `{}`", model.architecture().inputs[i].name);
            let values = batch.inputs[i].features.clone();
            let checked = self.compare(name, &values, &gradient, |moved| {
                batch.inputs[i].features.copy_from_slice(moved);
                model.objective(&batch)
            })?;
            batch.inputs[i].features = values;
            report.variables.push(checked);
        }
        Ok(report)
    }
}

impl Model {
    fn objective(&mut self, batch: &Batch) -> Result<Objective, Error> {
        let loss = self.training_loss(batch)?;
        Ok(Objective { value: loss, size: loss.abs() })
    }
}
