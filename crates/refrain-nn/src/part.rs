//! What one part of a run has come to.

use crate::error::Error;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What one part of a run has come to: plain numbers and words as JSON, and tensors by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Part {
    /// Numbers and words. Use [`exact`](crate::exact) for an `f64` that may be NaN or infinite.
    pub values: Value,
    /// Floats under names that are different from each other.
    pub tensors: Vec<(String, Vec<f32>)>,
}

impl Part {
    /// A part without tensors.
    ///
    /// # Errors
    /// When the values have no form in JSON.
    pub fn of(values: &impl Serialize) -> Result<Self, Error> {
        let values = serde_json::to_value(values).map_err(|e| Error::Other(e.into()))?;
        Ok(Self { values, tensors: Vec::new() })
    }

    /// The values as what they were made of; `what` names them in an error.
    ///
    /// # Errors
    /// When they are not of that kind.
    pub fn parse<T: DeserializeOwned>(&self, what: &str) -> Result<T, Error> {
        T::deserialize(&self.values)
            .map_err(|e| Error::checkpoint(what, format!("invalid: {e}"), "what such a run saves there"))
    }

    /// Takes a tensor out; `what` names the part in an error.
    ///
    /// # Errors
    /// When there is none of this name and length.
    pub fn take(&mut self, what: &str, name: &str, len: usize) -> Result<Vec<f32>, Error> {
        let tensor = format!("{what}: the tensor `{name}`");
        let Some(at) = self.tensors.iter().position(|(other, _)| other == name) else {
            return Err(Error::checkpoint(tensor, "missing", format!("{len} values")));
        };
        let (name, values) = self.tensors.swap_remove(at);
        if values.len() != len {
            let got = format!("{} values", values.len());
            self.tensors.push((name, values));
            return Err(Error::checkpoint(tensor, got, len.to_string()));
        }
        Ok(values)
    }
}
