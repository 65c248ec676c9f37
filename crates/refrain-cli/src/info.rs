//! `refrain info`: shows what a model file contains.

use crate::cli::Info as Options;
use crate::error::{Failure, Result};
use crate::existing::{self, Kind, Target};
use crate::format::plain;
use crate::model::open_any;
use crate::output::Output;
use crate::text_input::size;
use crate::writable;
use refrain::file::write_atomically;
use refrain::shown::counted;
use refrain::task::TrainingMemory;
use refrain::{
    Application, Bytes, Classifier, Codec, Engine, LanguageModel, Level, Memory, MemoryUse, Opened, Tagger,
    Work,
};
use serde::Serialize;
use serde_json::{Value, json};
use std::any::Any;
use std::fmt;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

pub(crate) fn run(options: &Options, engine: Engine, output: &mut Output) -> Result<()> {
    let opened = open_any(&options.model, engine, output)?;
    if let Some(path) = &options.tokenizer {
        write_tokenizer(path, options, opened.application(), output)?;
        output.log(format_args!("wrote {}", path.display()));
    }
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
    let mut fields = json!({
        "task": opened.task(),
        "inputs": architecture.inputs,
        "layers": layers,
        "parameters": summary.total,
        "bytes": bytes,
        "training": opened.training(),
    });
    let memory = Needs::of(&opened);
    fields["memory"] = json!(memory);
    let description = opened.application().map(|model| model.describe()).unwrap_or_default();
    for (name, value) in description.fields {
        fields[name] = value;
    }
    output.result(fields, || {
        let mut out = match bytes {
            Some(bytes) => format!("{}: {}\n", options.model.display(), counted(bytes as usize, "byte")),
            None => format!("{}\n", options.model.display()),
        };
        let _ = writeln!(out, "task: {}", opened.task().unwrap_or("none"));
        for line in &description.lines {
            let _ = writeln!(out, "{line}");
        }
        for input in &architecture.inputs {
            let _ = writeln!(out, "input `{}`: {input}", input.name);
        }
        let _ = writeln!(out, "{summary}");
        let _ = writeln!(out, "memory: {memory}");
        if let Some(training) = opened.training() {
            out.push_str("training:\n");
            show(training, 1, &mut out);
        }
        out
    })
}

/// The memory that a model needs.
#[derive(Debug, Serialize)]
struct Needs {
    /// To run one sequence.
    run: Memory,
    /// The number of steps run at once.
    run_steps: usize,
    /// To train it with the settings in its file.
    #[serde(skip_serializing_if = "Option::is_none")]
    train: Option<TrainingMemory>,
}

/// Steps of the sequence that the memory of a model without a task is computed for.
const SOME_STEPS: usize = 100;

impl Needs {
    fn of(opened: &Opened) -> Self {
        match opened.application() {
            Some(model) => Self {
                run: model.memory_to_run(),
                run_steps: model.inference_use().steps,
                train: model.memory_to_train(),
            },
            None => {
                let one = MemoryUse::new(Work::Predict, 1, SOME_STEPS);
                Self { run: opened.model().memory(&[one]), run_steps: SOME_STEPS, train: None }
            }
        }
    }
}

impl fmt::Display for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to run one sequence", Bytes(self.run.total()))?;
        match self.run_steps {
            1 => f.write_str(" step by step")?,
            steps => write!(f, " of {}", counted(steps, "step"))?,
        }
        if let Some(TrainingMemory { memory, batch, steps }) = &self.train {
            write!(
                f,
                ", {} to train with batch {batch} x {} as recorded",
                Bytes(memory.total()),
                counted(*steps, "step")
            )?;
        }
        Ok(())
    }
}

fn name(level: Level) -> String {
    plain(&json!(level))
}

fn write_tokenizer(
    path: &Path,
    options: &Options,
    model: Option<&dyn Application>,
    output: &Output,
) -> Result<()> {
    let model = model.map(|model| model as &dyn Any);
    let codec = model.and_then(|model| {
        let text = model.downcast_ref::<LanguageModel>().map(LanguageModel::codec);
        text.or_else(|| model.downcast_ref::<Classifier>().map(Classifier::codec))
            .or_else(|| model.downcast_ref::<Tagger>().map(Tagger::codec))
    });
    let Some(Codec::Bpe(vocab)) = codec else {
        let what = codec.map_or("no tokenizer".to_owned(), |codec| format!("level {}", name(codec.level())));
        return Err(Failure::input(format!(
            "--tokenizer needs a model with level bpe, but {} is a model with {what}; train one with `--level bpe`",
            options.model.display()
        )));
    };
    writable::refuse_input_path(path, [&options.model], "--tokenizer")?;
    writable::check(path, "name another file with --tokenizer")?;
    let json = vocab.to_json();
    let kind = Kind::Bytes("the tokenizer", json.as_bytes());
    let target = Target { option: "--tokenizer", path, kind, force: options.force };
    existing::say(output, path, target.replaced()?);
    write_atomically(path, |file| file.write_all(json.as_bytes())).map_err(refrain::Error::from)?;
    Ok(())
}

/// Writes a JSON object as indented lines.
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
