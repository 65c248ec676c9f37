//! `refrain info`: what a model file holds.

use crate::cli::Info as Options;
use crate::error::Result;
use crate::model::open_any;
use crate::output::Output;
use crate::progress::plain;
use crate::text_input::size;
use refrain::language_model::Level;
use refrain::{Engine, Opened};
use serde_json::{Value, json};
use std::fmt::Write;

pub(crate) fn run(options: &Options, engine: Engine, output: &mut Output) -> Result<()> {
    let opened = open_any(&options.model, engine, output)?;
    let bytes = size(&options.model)?;
    let summary = opened.model().summary();
    let architecture = opened.model().architecture();
    let layers: Vec<Value> = architecture
        .layers
        .iter()
        .zip(&summary.layers)
        .map(|(layer, (_, shape, parameters))| {
            json!({ "name": layer.name, "class_name": layer.class_name, "shape": shape, "parameters": parameters })
        })
        .collect();
    let vocabulary = match &opened {
        Opened::Text { model, .. } => Some((level(model.codec().level()), model.codec().vocab_size())),
        _ => None,
    };
    let mut fields = json!({
        "task": opened.task(),
        "inputs": architecture.inputs,
        "layers": layers,
        "parameters": summary.total,
        "bytes": bytes,
        "training": opened.training(),
    });
    if let Some((level, size)) = vocabulary {
        fields["level"] = json!(level);
        fields["vocabulary"] = json!(size);
    }
    output.result(fields, || {
        let mut out = format!("{}: {bytes} bytes\n", options.model.display());
        let _ = writeln!(out, "task: {}", opened.task().unwrap_or("none"));
        if let Some((level, size)) = vocabulary {
            let _ = writeln!(out, "vocabulary: {size} entries, level {level}");
        }
        for input in &architecture.inputs {
            let _ = writeln!(out, "input `{}`: {input}", input.name);
        }
        let _ = writeln!(out, "{summary}");
        if let Some(training) = opened.training() {
            out.push_str("training:\n");
            show(training, 1, &mut out);
        }
        out
    })
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Char => "char",
        Level::Word => "word",
    }
}

/// A JSON object as indented lines.
fn show(value: &Value, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    let Value::Object(entries) = value else {
        let _ = writeln!(out, "{indent}{}", plain(value));
        return;
    };
    for (name, value) in entries {
        if value.is_object() {
            let _ = writeln!(out, "{indent}{name}:");
            show(value, depth + 1, out);
        } else {
            let _ = writeln!(out, "{indent}{name}: {}", plain(value));
        }
    }
}
