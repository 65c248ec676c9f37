//! Gradient checks of a single layer.

use super::bench::Bench;
use super::noise::weight;
use super::{GradCheck, Input, Objective, Report};
use crate::error::Error;
use crate::graph::{Kind, Mode};
use crate::layers::Layer;
use crate::params::SpanId;

impl GradCheck {
    /// Checks the gradients of every trained parameter and every input with features. The layer is checked
    /// once used a single time, and once used twice, so that its gradients must be summed.
    ///
    /// # Errors
    /// Returns [`Error::Gradient`] for the first direction along which the gradient and the difference
    /// disagree, [`Error::Data`] for a non-finite output, and otherwise the errors of the layer.
    pub fn layer(&self, layer: &dyn Layer, inputs: &[Input]) -> Result<Report, Error> {
        let engine = self.engine.clone().unwrap_or_default();
        Bench::repeated(layer, inputs, engine.clone(), 2)?.check(self)?;
        Bench::with_engine(layer, inputs, engine)?.check(self)
    }
}

impl Bench {
    /// Compares every gradient with differences at the current values of parameters and inputs.
    ///
    /// # Errors
    /// Returns an error in the same cases as [`GradCheck::layer`].
    pub fn check(&mut self, settings: &GradCheck) -> Result<Report, Error> {
        settings.validate()?;
        self.differentiate()?;
        let mut report = Report::default();
        for id in (0..self.params.spans().len()).map(SpanId) {
            let span = &self.params.spans()[id.0];
            if !span.trainable {
                continue;
            }
            let (name, gradient) = (span.name.clone(), self.params.gradient(id).to_vec());
            let values = self.params.value(id).to_vec();
            let checked = settings.compare(name, &values, &gradient, |moved| {
                self.set_values(id, moved);
                self.objective()
            });
            self.set_values(id, &values);
            report.variables.push(checked?);
        }
        for i in self.feature_inputs().collect::<Vec<_>>() {
            let values = self.input_values(i);
            let gradient: Vec<f32> = self.input_gradient(i).concat();
            if gradient.len() != values.len() {
                let got = format!("{} floats", gradient.len());
                let what = format!("the gradient of input {i}");
                return Err(Error::data(what, got, format!("{}, like the input", values.len())));
            }
            let checked = settings.compare(format!("input {i}"), &values, &gradient, |moved| {
                self.set_input_values(i, moved);
                self.objective()
            });
            self.set_input_values(i, &values);
            report.variables.push(checked?);
        }
        self.differentiate()?;
        Ok(report)
    }

    fn set_values(&mut self, id: SpanId, values: &[f32]) {
        self.params.value_mut(id).copy_from_slice(values);
        self.graph.packed = false;
    }

    /// Runs forward in training mode and backward from the objective's weights.
    pub(crate) fn differentiate(&mut self) -> Result<(), Error> {
        self.objective()?;
        self.run_backward(|output, row, column| weight(output, row, column) as f32)
    }

    /// Runs forward in training mode and returns the weighted sum of every output plus the penalties.
    fn objective(&mut self) -> Result<Objective, Error> {
        self.forward(Mode::Train)?;
        let mut sum = Objective::default();
        for (k, &edge) in self.outputs.iter().enumerate() {
            let value = self.graph.value(edge);
            let rows = if let Kind::Features(_) = self.graph.specs[edge.0].kind { value.rows() } else { 0 };
            for r in 0..rows {
                for (j, &y) in value.view().row(r).iter().enumerate() {
                    if !y.is_finite() {
                        let what = format!("output {k} of the layer, row {r}, column {j},");
                        return Err(Error::data(what, y, "a finite number"));
                    }
                    sum.add(weight(k, r, j) * f64::from(y));
                }
            }
        }
        sum.add(self.graph.penalty());
        Ok(sum)
    }

    /// Returns the values of an input, sequence by sequence.
    fn input_values(&self, i: usize) -> Vec<f32> {
        self.in_callers_order(self.inputs[i], self.graph.value(self.inputs[i])).concat()
    }

    fn set_input_values(&mut self, i: usize, values: &[f32]) {
        let edge = self.inputs[i];
        let places = self.places(edge).concat();
        let value = self.graph.value_mut(edge).0;
        let width = value.width();
        for (&(row, _), from) in places.iter().zip(values.chunks_exact(width)) {
            value.view_mut().row(row).copy_from_slice(from);
        }
    }
}
