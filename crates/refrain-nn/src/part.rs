//! The state of one part of a run, for checkpoints.

use crate::error::Error;
use crate::shown::counted;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The state of one part of a run: plain values as JSON, and tensors by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Part {
    /// Numbers and strings. Use [`exact`](crate::exact) for an `f64` that may be NaN or infinite.
    pub values: Value,
    /// Tensors, each with a unique name.
    pub tensors: Vec<(String, Vec<f32>)>,
}

impl Part {
    /// Creates a part without tensors.
    ///
    /// # Errors
    /// Returns an error if the values cannot be represented as JSON.
    pub fn of(values: &impl Serialize) -> Result<Self, Error> {
        let values = serde_json::to_value(values).map_err(|e| Error::Other(e.into()))?;
        Ok(Self { values, tensors: Vec::new() })
    }

    /// Deserializes the values. `what` names the part in an error.
    ///
    /// # Errors
    /// Returns an error if the values have another type.
    pub fn parse<T: DeserializeOwned>(&self, what: &str) -> Result<T, Error> {
        T::deserialize(&self.values).map_err(|e| {
            Error::checkpoint(what, format!("invalid: {e}"), "what a run of this kind saves there")
        })
    }

    /// Removes and returns a tensor. `what` names the part in an error.
    ///
    /// # Errors
    /// Returns an error if there is no tensor of this name and length.
    pub fn take(&mut self, what: &str, name: &str, len: usize) -> Result<Vec<f32>, Error> {
        let tensor = format!("{what}, tensor `{name}`,");
        let Some(at) = self.tensors.iter().position(|(other, _)| other == name) else {
            return Err(Error::checkpoint(tensor, "missing", counted(len, "value")));
        };
        let (name, values) = self.tensors.swap_remove(at);
        if values.len() != len {
            let got = counted(values.len(), "value");
            self.tensors.push((name, values));
            return Err(Error::checkpoint(tensor, got, len.to_string()));
        }
        Ok(values)
    }
}
