//! An epoch of any training run, with the fields of `--json`, and what logs know about its task.

use refrain::task::{EpochRecord, MetricInfo, Task, Unit, log_columns};
use serde_json::Value;

/// What logs know about a task.
#[derive(Debug, Clone)]
pub(crate) struct TaskInfo {
    /// The fields of the JSON event `epoch`, including those that only some runs have.
    pub(super) columns: Vec<String>,
    pub(super) unit: Unit,
    pub(super) metrics: &'static [MetricInfo],
}

impl TaskInfo {
    pub(crate) fn of<T: Task>() -> Self {
        Self { columns: log_columns::<T>(), unit: T::UNIT, metrics: T::METRICS }
    }
}

/// The values of an epoch, by the names in [`TaskInfo::columns`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Epoch(pub(super) Vec<(String, Value)>);

impl Epoch {
    pub(super) fn of(record: &EpochRecord, unit: Unit) -> Self {
        Self(record.fields(unit))
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    pub(super) fn number(&self, name: &str) -> Option<f64> {
        number(self.get(name)?)
    }

    /// Returns the numbers by name.
    pub(super) fn numbers(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().filter_map(|(name, value)| Some((name.as_str(), number(value)?)))
    }

    /// Returns a field as it is written in JSON, without quotes; empty if missing.
    pub(super) fn text(&self, name: &str) -> String {
        match self.get(name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        }
    }
}

/// Returns a number in JSON, where non-finite numbers are strings.
pub(super) fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use refrain::classifier::ClassifierTask;
    use refrain::language_model::TextTask;

    #[test]
    fn fields_are_numbers_and_words() {
        let metrics = [("loss", f64::NAN), ("accuracy", 0.5)].map(|(name, x)| (name.to_owned(), x));
        let epoch = Epoch::of(&EpochRecord::new(1, metrics), Unit::Tokens);
        assert!(epoch.number("loss").is_some_and(f64::is_nan));
        let texts = ["epoch", "loss", "accuracy", "val_loss", "averaged"].map(|name| epoch.text(name));
        assert_eq!(texts, ["1", "NaN", "0.5", "", ""]);
    }

    #[test]
    fn logs_keep_their_columns() {
        let text = "epoch loss accuracy val_loss val_accuracy averaged tokens_per_second seconds learning_rate \
                    gradient_norm";
        assert_eq!(TaskInfo::of::<TextTask>().columns.join(" "), text);
        let classify = "epoch loss accuracy val_loss val_accuracy val_macro_f1 averaged samples_per_second seconds \
                        learning_rate gradient_norm";
        assert_eq!(TaskInfo::of::<ClassifierTask>().columns.join(" "), classify);
    }
}
