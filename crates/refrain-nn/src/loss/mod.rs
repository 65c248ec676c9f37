//! Losses, computed row by row, and their gradients.
//!
//! Names and formulas are Keras's (`keras/src/losses/losses.py`, `keras/src/backend/tensorflow/nn.py`, 3.15).
//! A row is a real step of a sequence, or a whole sequence if the output has no time axis. A loss has one
//! value per row. With weights `w`, a batch's loss is `Σ w·l / rows`: it is not divided by the sum of the
//! weights.
//!
//! # Probabilities and logits
//!
//! If a model ends in a softmax or a sigmoid, a cross-entropy does not use the probabilities but the logits
//! before the activation, as Keras on TensorFlow does, and nothing needs to be clipped. The loss, not the
//! activation, decides which formula is used: a categorical cross-entropy after a sigmoid is the softmax
//! cross-entropy of the sigmoid's logits, and a loss from logits after a softmax uses the softmax's logits
//! (Keras warns in this case). All other probabilities are clipped to `[ε, 1 − ε]`, `ε = 1e-7`, and the
//! gradient of a clipped probability is zero.

mod evaluate;
mod row;
mod target;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub(crate) use row::Target;
pub(crate) use target::RowTargets;

use crate::activation::Activation;
use crate::error::{Error, Place};
use crate::graph::{EdgeSpec, Kind};
use crate::shown::counted;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A loss. `p` is an output, `x` a logit, `t` a target, `C` the width of the output.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Loss {
    /// `−ln(q_t / Σ q)`, `q` the clipped probabilities, `t` a class id.
    SparseCategoricalCrossentropy,
    /// `−Σ t·ln q`, `q` the clipped `p / Σ p`, `t` a probability for each class.
    CategoricalCrossentropy,
    /// The mean over the width of `−t·ln q − (1 − t)·ln(1 − q)`, `q` the clipped `p`. An output of width 1
    /// also takes ids 0 and 1.
    BinaryCrossentropy,
    /// `ln Σ e^x − x_t`, `t` a class id.
    SparseCategoricalCrossentropyFromLogits,
    /// `Σ t·(ln Σ e^x − x)`, `t` a probability for each class.
    CategoricalCrossentropyFromLogits,
    /// The mean over the width of `ln(1 + e^x) − t·x`. An output of width 1 also takes ids 0 and 1.
    BinaryCrossentropyFromLogits,
    /// The mean over the width of `(p − t)²`.
    MeanSquaredError,
    /// The mean over the width of `|p − t|`; its derivative is 0 at 0.
    MeanAbsoluteError,
    /// The mean over the width of `e²/2` if `|e| ≤ delta`, otherwise `delta·|e| − delta²/2`, with `e = p − t`
    /// (Huber 1964).
    Huber {
        /// Where the quadratic part ends; Keras's default is 1.
        delta: f32,
    },
}

/// The contents of the rows that a loss or a metric reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// The output itself.
    Values,
    /// The input of a final softmax, which was skipped.
    SoftmaxLogits,
    /// The input of a final sigmoid, which was skipped.
    SigmoidLogits,
}

/// How a loss is computed, regardless of what the rows contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Sparse,
    Categorical,
    Binary,
    Distance,
}

const NAMED: [Loss; 9] = [
    Loss::SparseCategoricalCrossentropy,
    Loss::CategoricalCrossentropy,
    Loss::BinaryCrossentropy,
    Loss::SparseCategoricalCrossentropyFromLogits,
    Loss::CategoricalCrossentropyFromLogits,
    Loss::BinaryCrossentropyFromLogits,
    Loss::MeanSquaredError,
    Loss::MeanAbsoluteError,
    Loss::Huber { delta: 1.0 },
];

impl Loss {
    /// Returns Keras's name, with `_from_logits` for what is an argument in Keras.
    pub fn name(&self) -> &'static str {
        match self {
            Loss::SparseCategoricalCrossentropy => "sparse_categorical_crossentropy",
            Loss::CategoricalCrossentropy => "categorical_crossentropy",
            Loss::BinaryCrossentropy => "binary_crossentropy",
            Loss::SparseCategoricalCrossentropyFromLogits => "sparse_categorical_crossentropy_from_logits",
            Loss::CategoricalCrossentropyFromLogits => "categorical_crossentropy_from_logits",
            Loss::BinaryCrossentropyFromLogits => "binary_crossentropy_from_logits",
            Loss::MeanSquaredError => "mean_squared_error",
            Loss::MeanAbsoluteError => "mean_absolute_error",
            Loss::Huber { .. } => "huber",
        }
    }

    /// Returns the loss with this name, or with one of Keras's short names `mse`, `mae` and `bce`. Huber has
    /// `delta` 1.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "mse" => Some(Loss::MeanSquaredError),
            "mae" => Some(Loss::MeanAbsoluteError),
            "bce" => Some(Loss::BinaryCrossentropy),
            _ => NAMED.into_iter().find(|loss| loss.name() == name),
        }
    }

    /// Returns whether the loss is the negative logarithm of a probability.
    pub fn is_crossentropy(&self) -> bool {
        self.family() != Family::Distance
    }

    fn family(&self) -> Family {
        match self {
            Loss::SparseCategoricalCrossentropy | Loss::SparseCategoricalCrossentropyFromLogits => {
                Family::Sparse
            }
            Loss::CategoricalCrossentropy | Loss::CategoricalCrossentropyFromLogits => Family::Categorical,
            Loss::BinaryCrossentropy | Loss::BinaryCrossentropyFromLogits => Family::Binary,
            Loss::MeanSquaredError | Loss::MeanAbsoluteError | Loss::Huber { .. } => Family::Distance,
        }
    }

    /// Returns whether the loss treats the output itself as logits.
    fn takes_logits(&self) -> bool {
        matches!(
            self,
            Loss::SparseCategoricalCrossentropyFromLogits
                | Loss::CategoricalCrossentropyFromLogits
                | Loss::BinaryCrossentropyFromLogits
        )
    }

    /// Returns what the loss reads if it skips the model's final activation, or `None` if it reads the
    /// output.
    pub(crate) fn skips(&self, final_activation: Option<Activation>) -> Option<Form> {
        match final_activation {
            Some(Activation::Softmax) if self.is_crossentropy() => Some(Form::SoftmaxLogits),
            Some(Activation::Sigmoid) if self.is_crossentropy() => Some(Form::SigmoidLogits),
            _ => None,
        }
    }

    /// Checks that the loss supports this output and these targets. Targets without rows are accepted, so
    /// that a model can be checked before it has data.
    pub(crate) fn check(&self, output: EdgeSpec, targets: &RowTargets) -> Result<(), Error> {
        if let Loss::Huber { delta } = *self
            && !(delta > 0.0 && delta.is_finite())
        {
            return Err(Error::setting(self.name(), "delta", delta, "a finite number above 0"));
        }
        let family = self.family();
        let width = match output.kind {
            Kind::Features(width) => width,
            Kind::Ids => {
                return Err(Error::unsupported(format!("{self} of {output}"), "ids have no gradient"));
            }
        };
        if width < 2 && matches!(family, Family::Sparse | Family::Categorical) {
            let action = format!("{self} on an output of width {width}");
            let reason =
                "it needs one column per class: for two classes in one column use binary_crossentropy";
            return Err(Error::unsupported(action, reason));
        }
        if targets.rows == 0 {
            return Ok(());
        }
        let ids = "class ids, one per row";
        match (family, targets.is_ids()) {
            (Family::Sparse, true) => check_ids(output, targets, width),
            (Family::Binary, true) if width == 1 => check_ids(output, targets, 2),
            (Family::Sparse, false) => {
                let expected = format!("{ids}, for {self} (for probabilities use categorical_crossentropy)");
                Err(Error::data("the target", "values", expected))
            }
            (Family::Categorical, true) => {
                let expected = format!(
                    "{} per row, for {self} (for ids use sparse_categorical_crossentropy)",
                    counted(width, "value")
                );
                Err(Error::data("the target", ids, expected))
            }
            (Family::Binary | Family::Distance, true) => Err(Error::data(
                "the target",
                ids,
                format!("{} per row, for {self}", counted(width, "value")),
            )),
            (_, false) => Ok(()),
        }
    }
}

/// Checks that every id is below `classes`. The place in the error is a row of the output.
pub(crate) fn check_ids(output: EdgeSpec, targets: &RowTargets, classes: usize) -> Result<(), Error> {
    let Some((row, id)) = targets.ids.iter().enumerate().find(|&(_, &id)| id as usize >= classes) else {
        return Ok(());
    };
    let expected = match output.width() {
        1 => "0 or 1".to_owned(),
        width => format!("an id below {classes}: the output has {}, one per class", counted(width, "column")),
    };
    Err(Error::sequence("the target", Place::of_batch(row, None), format!("class id {id}"), expected))
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
