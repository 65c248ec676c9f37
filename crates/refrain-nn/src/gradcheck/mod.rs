//! Gradient checks against finite differences, for custom layers and for whole models with their loss.
//!
//! A model with a wrong backward pass may still learn; only a comparison reveals the bug. [`gradcheck`] runs
//! a layer on the real engine in f32, sums its outputs with fixed weights (and its penalties) in f64, and
//! compares the slope from the backward pass along random directions of ±1 with the central difference along
//! the same direction, for every parameter and every input:
//!
//! ```
//! use refrain_nn::gradcheck::{Input, gradcheck};
//! use refrain_nn::layers::Lstm;
//!
//! # fn main() -> Result<(), refrain_nn::Error> {
//! let report = gradcheck(&Lstm::new(5), &[Input::random_steps(3, &[4, 6, 0, 1])])?;
//! println!("{report}");
//! # Ok(()) }
//! ```
//!
//! [`GradCheck::model`] does the same for a compiled model with its loss and regularisers on a batch.
//! [`Bench`] gives access to a layer's outputs and gradients, to compare them with values from elsewhere.
//!
//! The check cannot detect an error below about a hundredth of a gradient's norm (plus the rounding of the
//! f32 forward pass), or verify slopes across a kink (`relu`, `|w|`), where the two sides differ: move the
//! values away from the kink or use a smaller step. Dropout draws the same masks in every pass, so it is
//! checked like everything else.

mod bench;
mod input;
mod layer;
mod model;
mod noise;

pub use bench::Bench;
#[cfg(test)]
pub(crate) use bench::RANDOM;
pub use input::Input;

use crate::error::Error;
use crate::layers::Layer;
use noise::sign;
use refrain_kernels::Engine;
use std::fmt;

/// The settings of a gradient check.
#[derive(Debug, Clone)]
pub struct GradCheck {
    /// The step of the central difference, as a fraction of a variable's root mean square.
    pub step: f64,
    /// The largest allowed difference between the two slopes, as a fraction of the gradient's norm. The
    /// rounding of an f32 forward pass, 2⁻²⁴ of the objective's terms divided by the step, is allowed in
    /// addition.
    pub tolerance: f64,
    /// The number of directions for each variable.
    pub directions: usize,
    /// The engine, with its instruction set and threads. By default it uses everything available.
    pub engine: Option<Engine>,
}

impl Default for GradCheck {
    /// Returns the defaults. The step is 5e-3: a smaller one drowns in the rounding of an f32 forward pass, a
    /// larger one in curvature.
    fn default() -> Self {
        Self { step: 5e-3, tolerance: 1e-2, directions: 4, engine: None }
    }
}

/// Half a unit in the last place of an f32 near 1: the rounding error of each term of an objective.
const ROUNDING: f64 = 1.0 / (1u64 << 24) as f64;

/// Checks a layer's gradients with the default [`GradCheck`]: every trained parameter and every input with
/// features.
///
/// # Errors
/// Returns [`Error::Gradient`] for the first direction along which the gradient and the difference disagree,
/// and otherwise the errors of the layer.
pub fn gradcheck(layer: &dyn Layer, inputs: &[Input]) -> Result<Report, Error> {
    GradCheck::default().layer(layer, inputs)
}

/// The gradients that were checked.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// The parameters, by name, then the inputs.
    pub variables: Vec<Checked>,
}

/// A parameter or an input whose gradient agrees with the differences.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The name: `lstm/kernel`, `input 0`.
    pub name: String,
    /// The number of values.
    pub values: usize,
    /// The norm of the gradient. If it is zero, the check only shows that the objective does not depend on
    /// the variable.
    pub norm: f64,
    /// The largest difference between the two slopes over all directions, as a fraction of the norm.
    pub worst: f64,
    /// The allowed difference, as a fraction of the norm. If it is 1 or more, a gradient of zero would have
    /// passed too.
    pub allowed: f64,
}

impl Report {
    /// Returns the variable whose slopes differ most.
    pub fn worst(&self) -> Option<&Checked> {
        self.variables.iter().max_by(|a, b| a.worst.total_cmp(&b.worst))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<40} {:>9} {:>12} {:>10}", "variable", "values", "norm", "worst")?;
        for v in &self.variables {
            writeln!(f, "{:<40} {:>9} {:>12.4e} {:>9.3}%", v.name, v.values, v.norm, 100.0 * v.worst)?;
        }
        Ok(())
    }
}

/// A sum, and a bound on its rounding error.
#[derive(Debug, Clone, Copy, Default)]
struct Objective {
    value: f64,
    /// The sum of the absolute values of its terms.
    size: f64,
}

impl Objective {
    fn add(&mut self, term: f64) {
        self.value += term;
        self.size += term.abs();
    }
}

impl GradCheck {
    fn validate(&self) -> Result<(), Error> {
        let positive = |x: f64| x.is_finite() && x > 0.0;
        for (setting, value) in [("step", self.step), ("tolerance", self.tolerance)] {
            if !positive(value) {
                return Err(Error::setting("GradCheck", setting, value, "a finite number above 0"));
            }
        }
        if self.directions == 0 {
            return Err(Error::setting("GradCheck", "directions", 0, "at least 1"));
        }
        Ok(())
    }

    /// Compares one variable's gradient with differences of `objective`, which is called with perturbed
    /// values.
    fn compare(
        &self,
        name: String,
        values: &[f32],
        gradient: &[f32],
        mut objective: impl FnMut(&[f32]) -> Result<Objective, Error>,
    ) -> Result<Checked, Error> {
        let norm = gradient.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
        let mut checked = Checked { name, values: values.len(), norm, worst: 0.0, allowed: 0.0 };
        if values.is_empty() {
            return Ok(checked);
        }
        let square = values.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / values.len() as f64;
        let step = self.step * if square > 0.0 { square.sqrt() } else { 1.0 };
        for direction in 0..self.directions {
            let moved = |by: f64| -> Vec<f32> {
                let place = |(i, &x): (usize, &f32)| (f64::from(x) + by * sign(direction, i)) as f32;
                values.iter().enumerate().map(place).collect()
            };
            let (high, low) = (objective(&moved(step))?, objective(&moved(-step))?);
            let slope: f64 =
                gradient.iter().enumerate().map(|(i, &g)| f64::from(g) * sign(direction, i)).sum();
            let difference = (high.value - low.value) / (2.0 * step);
            let apart = (slope - difference).abs();
            let allowed = self.tolerance * norm + ROUNDING * high.size.max(low.size) / step;
            // NaN on either side is a disagreement.
            if apart > allowed || apart.is_nan() {
                let variable = checked.name;
                return Err(Error::Gradient { variable, direction, slope, difference, allowed });
            }
            if norm > 0.0 {
                checked.worst = checked.worst.max(apart / norm);
                checked.allowed = checked.allowed.max(allowed / norm);
            }
        }
        Ok(checked)
    }
}
