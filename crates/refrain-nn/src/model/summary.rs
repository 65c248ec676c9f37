//! The summary table of a model.

use super::Model;
use crate::graph::{Axis, EdgeSpec, Kind};
use crate::numbers::thousands;
use crate::shown::{columns, escaped, padded};
use std::fmt;

/// A model's layers, output shapes and numbers of parameters. Displayed like Keras's `summary`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// One entry per layer: name with type, output shape, number of parameters.
    pub layers: Vec<(String, String, usize)>,
    /// The number of parameters; shared ones count once.
    pub total: usize,
    /// The number of parameters that training changes.
    pub trainable: usize,
}

impl Summary {
    pub(super) fn new(model: &Model) -> Self {
        let mut spans: Vec<_> = model.params.spans().iter().map(|s| (s.name.as_str(), s.len())).collect();
        spans.sort_unstable();
        let layers = model
            .architecture
            .layers
            .iter()
            .zip(&model.layer_outputs)
            .map(|(layer, edges)| {
                let prefix = format!("{}/", layer.name);
                let own = &spans[spans.partition_point(|(name, _)| *name < prefix.as_str())..];
                let own =
                    own.iter().take_while(|(name, _)| name.starts_with(&prefix)).map(|(_, len)| len).sum();
                let shape = edges.first().map_or(String::new(), |e| shape(model.graph.specs[e.0]));
                // Names from a file may contain control characters.
                let name = escaped(&layer.name);
                (format!("{name} ({})", layer.class_name), shape, own)
            })
            .collect();
        Self { layers, total: model.params.count(), trainable: model.params.count_trainable() }
    }
}

fn shape(spec: EdgeSpec) -> String {
    match (spec.axis, spec.kind) {
        (Axis::Steps(_), Kind::Features(width)) => format!("(None, None, {width})"),
        (Axis::Lanes, Kind::Features(width)) => format!("(None, {width})"),
        (Axis::Steps(_), Kind::Ids) => "(None, None)".to_owned(),
        (Axis::Lanes, Kind::Ids) => "(None)".to_owned(),
    }
}

/// Formats the size of `n` floats as Keras does.
fn bytes(n: usize) -> String {
    let mut size = n as f64 * 4.0;
    for unit in ["B", "KB", "MB", "GB"] {
        if size < 1024.0 {
            return format!("{size:.2} {unit}");
        }
        size /= 1024.0;
    }
    format!("{size:.2} TB")
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heads = ["Layer (type)", "Output Shape", "Param #"];
        let width =
            |head: &str, cells: &mut dyn Iterator<Item = usize>| cells.max().unwrap_or(0).max(columns(head));
        let widths = [
            width(heads[0], &mut self.layers.iter().map(|l| columns(&l.0))).max(30),
            width(heads[1], &mut self.layers.iter().map(|l| columns(&l.1))).max(22),
            width(heads[2], &mut self.layers.iter().map(|l| thousands(l.2).len())).max(13),
        ];
        let rule = |f: &mut fmt::Formatter<'_>, [left, line, mid, right]: [char; 4]| {
            let parts = widths.map(|w| line.to_string().repeat(w + 2));
            writeln!(f, "{left}{}{right}", parts.join(&mid.to_string()))
        };
        let [a, b, c] = widths;
        rule(f, ['┏', '━', '┳', '┓'])?;
        writeln!(f, "┃ {:<a$} ┃ {:<b$} ┃ {:>c$} ┃", heads[0], heads[1], heads[2])?;
        rule(f, ['┡', '━', '╇', '┩'])?;
        for (i, (layer, shape, params)) in self.layers.iter().enumerate() {
            if i > 0 {
                rule(f, ['├', '─', '┼', '┤'])?;
            }
            let (layer, shape) = (padded(layer, a), padded(shape, b));
            writeln!(f, "│ {layer} │ {shape} │ {:>c$} │", thousands(*params))?;
        }
        rule(f, ['└', '─', '┴', '┘'])?;
        let line = |n: usize| format!("{} ({})", thousands(n), bytes(n));
        writeln!(f, " Total params: {}", line(self.total))?;
        writeln!(f, " Trainable params: {}", line(self.trainable))?;
        write!(f, " Non-trainable params: {}", line(self.total - self.trainable))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_formatted_as_in_keras() {
        assert_eq!(bytes(100), "400.00 B");
        assert_eq!(bytes(877_250), "3.35 MB");
    }

    #[test]
    fn wide_names_stay_in_their_column() {
        let layers = vec![("層 (LSTM)".to_owned(), "(None, 4)".to_owned(), 7), ("a".into(), "b".into(), 1)];
        let shown = Summary { layers, total: 8, trainable: 8 }.to_string();
        let rows: Vec<_> = shown.lines().filter(|line| line.starts_with(['│', '┃'])).map(columns).collect();
        assert_eq!(rows, [rows[0]; 3], "{shown}");
    }
}
