//! Named values of a batch or an epoch.

use std::fmt;
use std::ops::Index;

/// Loss and metrics by name, in the order they were added.
///
/// `fit` reports them sorted by name, as Keras does, with validation values under `val_`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Logs {
    entries: Vec<(String, f64)>,
}

impl Logs {
    /// Creates an empty set of logs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a value. A new name is added at the end.
    pub fn insert(&mut self, name: impl Into<String>, value: f64) {
        let name = name.into();
        match self.entries.iter_mut().find(|(n, _)| *n == name) {
            Some(entry) => entry.1 = value,
            None => self.entries.push((name, value)),
        }
    }

    /// Returns the value of a name.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// Returns the names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.entries.iter().map(|(name, value)| (name.as_str(), *value))
    }

    /// Returns the names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(name, _)| name)
    }

    /// Returns the number of values.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Sorts the values by name.
    pub(crate) fn sorted(mut self) -> Self {
        self.entries.sort_by(|a, b| a.0.cmp(&b.0));
        self
    }
}

impl FromIterator<(String, f64)> for Logs {
    fn from_iter<I: IntoIterator<Item = (String, f64)>>(iter: I) -> Self {
        let mut logs = Self::new();
        iter.into_iter().for_each(|(name, value)| logs.insert(name, value));
        logs
    }
}

/// Returns the value of a name.
///
/// # Panics
/// Panics if there is none; [`Logs::get`] does not panic.
impl Index<&str> for Logs {
    type Output = f64;

    fn index(&self, name: &str) -> &f64 {
        match self.entries.iter().find(|(n, _)| n == name) {
            Some((_, value)) => value,
            None => {
                panic!("no `{name}` in the logs; they have {}", self.names().collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// `accuracy: 0.0800 - loss: 2.8931`
impl fmt::Display for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, value)) in self.iter().enumerate() {
            let dash = if i > 0 { " - " } else { "" };
            write!(f, "{dash}{name}: {value:.4}")?;
        }
        Ok(())
    }
}
