//! The history that `fit` returns.

use crate::logs::Logs;
use serde::{Deserialize, Serialize};
use std::ops::Index;

/// The loss and metrics of each epoch of a call of `fit`. For a resumed run, those of the whole run.
///
/// `history["loss"]` is the series of that name; [`History::get`] does not panic.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// The epochs, counted from 0.
    pub epochs: Vec<usize>,
    /// Whether a callback stopped training before the last epoch.
    pub stopped: bool,
    series: Vec<Series>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Series {
    name: String,
    #[serde(with = "crate::exact::list")]
    values: Vec<f64>,
}

impl History {
    /// Returns the values of a name, one for each epoch that reported it.
    pub fn get(&self, name: &str) -> Option<&[f64]> {
        self.iter().find(|(n, _)| *n == name).map(|(_, values)| values)
    }

    /// Returns the names, in the order in which they were added.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(name, _)| name)
    }

    /// Returns the names and their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[f64])> {
        self.series.iter().map(|series| (series.name.as_str(), series.values.as_slice()))
    }

    pub(crate) fn push(&mut self, epoch: usize, logs: &Logs) {
        self.epochs.push(epoch);
        for (name, value) in logs.iter() {
            match self.series.iter_mut().find(|series| series.name == name) {
                Some(series) => series.values.push(value),
                None => self.series.push(Series { name: name.to_owned(), values: vec![value] }),
            }
        }
    }
}

/// Returns the values of a name.
///
/// # Panics
/// Panics if there are none.
impl Index<&str> for History {
    type Output = [f64];

    fn index(&self, name: &str) -> &[f64] {
        match self.get(name) {
            Some(values) => values,
            None => {
                panic!("no `{name}` in the history; it has {}", self.names().collect::<Vec<_>>().join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_may_appear_in_a_later_epoch() {
        let logs =
            |entries: &[(&str, f64)]| entries.iter().map(|&(n, v)| (n.to_owned(), v)).collect::<Logs>();
        let mut history = History::default();
        history.push(3, &logs(&[("loss", 2.0)]));
        history.push(4, &logs(&[("loss", 1.0), ("val_loss", 1.5)]));
        assert_eq!(history.epochs, [3, 4]);
        assert_eq!((&history["loss"], &history["val_loss"]), (&[2.0, 1.0][..], &[1.5][..]));
        assert_eq!(history.get("accuracy"), None);
        assert_eq!(history.names().collect::<Vec<_>>(), ["loss", "val_loss"]);
    }
}
