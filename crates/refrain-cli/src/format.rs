//! Formats numbers, values and layers for people.

use refrain::Model;
use refrain::shown::number;
use serde_json::Value;

/// Lists the layers with their sizes: `Embedding 64, LSTM 256, Dense 75`.
pub(crate) fn shape(model: &Model) -> String {
    let size =
        |config: &Value| ["units", "output_dim", "rate"].iter().find_map(|key| config.get(key)).map(plain);
    let layers = &model.architecture().layers;
    let layers = layers.iter().map(|layer| match size(&layer.config) {
        Some(size) => format!("{} {size}", layer.class_name),
        None => layer.class_name.clone(),
    });
    layers.collect::<Vec<_>>().join(", ")
}

/// Formats a JSON value: text without quotes, and floats with as few digits as they need.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(value) => match value.as_f64() {
            Some(x) if value.is_f64() => number(x),
            _ => value.to_string(),
        },
        other => other.to_string(),
    }
}

/// Formats a share: `12.3 %`. One that is not 0 does not look like 0.
pub(crate) fn percent(share: f64) -> String {
    match share * 100.0 {
        x if x > 0.0 && x < 0.05 => "under 0.1 %".to_owned(),
        x => format!("{x:.1} %"),
    }
}

/// Formats a rate with three digits: `987`, `41.2k`, `1.05M`.
pub(crate) fn rate(per_second: f64) -> String {
    match per_second {
        x if x >= 1e6 => format!("{:.2}M", x / 1e6),
        x if x >= 1e4 => format!("{:.1}k", x / 1e3),
        x if x >= 1e3 => format!("{:.2}k", x / 1e3),
        x => format!("{x:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        let values = serde_json::json!([0.2_f32, 0.1, 7, "adam", null]);
        let values: Vec<_> = values.as_array().into_iter().flatten().map(plain).collect();
        assert_eq!(values, ["0.2", "0.1", "7", "adam", "null"]);
        assert_eq!(["0.0 %", "under 0.1 %", "12.3 %"], [0.0, 1e-6, 0.1234].map(percent)[..]);
        assert_eq!(["12", "1.23k", "41.2k", "1.05M"], [12.3, 1234.0, 41_234.0, 1_049_000.0].map(rate)[..]);
    }
}
