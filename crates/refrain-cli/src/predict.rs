//! `refrain predict`: runs any model on arrays, also for use from other languages.

use crate::array::{Array, Input, index_of, lengths, mask};
use crate::cli::Predict as Options;
use crate::error::{Failure, Result};
use crate::existing::{self, Kind, Target};
use crate::model::open_any;
use crate::output::Output;
use crate::text_input::read_bytes;
use crate::{npy, tensors, writable};
use refrain::data::{Data, Sequences};
use refrain::file::write_atomically;
use refrain::ndarray::{Array2, ArrayD};
use refrain::shown::counted;
use refrain::{Engine, Error, InputSpec};
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

/// The file format of arrays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Npy,
    Safetensors,
}

pub(crate) fn run(options: &Options, engine: Engine, output: &mut Output) -> Result<()> {
    let (from, to) = (Format::of_input(&options.input)?, Format::of(&options.output)?);
    let mut opened = open_any(&options.model, engine, output)?;
    if to == Format::Npy && opened.model().output_count() > 1 {
        return Err(Failure::input(format!(
            "the model has {} outputs, but a .npy file holds one array; name a .safetensors file for OUT",
            opened.model().output_count()
        )));
    }
    let named = |reason: String| Failure::input(format!("{}: {reason}", options.input.display()));
    let arrays = Arrays::read(&options.input, from)?;
    let inputs = arrays.inputs(&opened.model().architecture().inputs).map_err(named)?;
    writable::check(&options.output, "name another file for OUT")?;
    writable::refuse_input_path(&options.output, [&options.model, &options.input], "OUT")?;
    let kind = if to == Format::Npy { Kind::Npy } else { Kind::Tensors };
    let replaced = Target { option: "OUT", path: &options.output, kind, force: options.force }.replaced()?;
    let sequences: Vec<Data<'_>> = inputs.iter().map(Prepared::data).collect();
    let outputs = opened
        .model_mut()
        .predict_all(Sequences::from(sequences), None)
        .map_err(|e| Failure::from(Error::from(e)).context(options.input.display()))?;
    let outputs: Vec<_> = outputs.into_iter().enumerate().map(|(i, a)| (format!("output_{i}"), a)).collect();
    warn_of_non_finite(&outputs, output);
    existing::say(output, &options.output, replaced);
    write(&options.output, to, &outputs)?;
    let shapes: serde_json::Map<_, _> =
        outputs.iter().map(|(name, a)| (name.clone(), json!(a.shape()))).collect();
    output.result(json!({ "file": options.output.display().to_string(), "shapes": shapes }), || {
        outputs.iter().fold(String::new(), |mut out, (name, array)| {
            let _ = writeln!(out, "{}: {name} {:?}", options.output.display(), array.shape());
            out
        })
    })
}

/// Warns of each array with values that are NaN or infinite.
fn warn_of_non_finite(arrays: &[(String, ArrayD<f32>)], output: &Output) {
    for (name, array) in arrays {
        let mut bad = array.iter().enumerate().filter(|(_, value)| !value.is_finite());
        if let Some((first, value)) = bad.next() {
            let (index, count) = (index_of(first, array.shape()), 1 + bad.count());
            let values = counted(count, "non-finite value");
            output.warning(format_args!("{name} has {values}, the first is {value} at {index:?}"));
        }
    }
}

impl Format {
    /// Returns the format of a file to read; `None` for a pipe whose name does not tell it.
    pub(crate) fn of_input(path: &Path) -> Result<Option<Self>> {
        let is_stream = path.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir());
        if is_stream { Ok(Self::of(path).ok()) } else { Self::of(path).map(Some) }
    }

    pub(crate) fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|e| e.to_str()) {
            Some("npy") => Ok(Format::Npy),
            Some("safetensors") => Ok(Format::Safetensors),
            _ => Err(Failure::input(format!(
                "{} ends in neither .npy nor .safetensors; the extension selects the file format",
                path.display()
            ))),
        }
    }
}

/// The arrays of a file.
#[derive(Debug)]
pub(crate) enum Arrays {
    One(Array),
    Named(BTreeMap<String, Array>),
}

/// One of the model's inputs, ready to run.
#[derive(Debug)]
pub(crate) struct Prepared {
    input: Input,
    lengths: Option<Vec<usize>>,
    mask: Option<Array2<bool>>,
}

impl Prepared {
    pub(crate) fn data(&self) -> Data<'_> {
        let mut data = self.input.data();
        if let Some(lengths) = &self.lengths {
            data = data.lengths(lengths);
        }
        if let Some(mask) = &self.mask {
            data = data.mask(mask);
        }
        data
    }
}

impl Arrays {
    /// Reads a file or a pipe. If its format is not known from its name, its first bytes tell it.
    pub(crate) fn read(path: &Path, format: Option<Format>) -> Result<Self> {
        let bytes = read_bytes(path)?;
        let by_content = || if npy::is_npy(&bytes) { Format::Npy } else { Format::Safetensors };
        let arrays = match format.unwrap_or_else(by_content) {
            Format::Npy => npy::read(&bytes).map(Arrays::One),
            Format::Safetensors => tensors::read(&bytes).map(Arrays::Named),
        };
        arrays.map_err(|reason| Failure::input(format!("cannot read {}: {reason}", path.display())))
    }

    /// Removes and returns the array of this name, if there is one.
    pub(crate) fn take(&mut self, name: &str) -> Option<Array> {
        match self {
            Arrays::One(_) => None,
            Arrays::Named(arrays) => arrays.remove(name),
        }
    }

    /// Returns the arrays in the order of the model's inputs, or the reason why they do not match.
    pub(crate) fn inputs(self, specs: &[InputSpec]) -> std::result::Result<Vec<Prepared>, String> {
        let mut arrays = match (self, specs) {
            (Arrays::One(array), [spec]) => {
                let input = Input::new(array, spec).map_err(|e| format!("the array is {e}"))?;
                return Ok(vec![Prepared { input, lengths: None, mask: None }]);
            }
            (Arrays::One(_), _) => {
                return Err(format!(
                    "a .npy file holds one array, but the model has {} inputs; use a .safetensors file with {}",
                    specs.len(),
                    names(specs)
                ));
            }
            (Arrays::Named(arrays), _) => arrays,
        };
        let mut prepared = Vec::with_capacity(specs.len());
        for spec in specs {
            let name = tensor_for(spec, specs.len(), &arrays)?;
            let fits = |reason| format!("tensor `{name}` is {reason}");
            let mut take = |name: &str| arrays.remove(name);
            let array = take(&name).ok_or_else(|| format!("there is no tensor `{name}`"))?;
            let extent = |what: &str| format!("{name}.{what}");
            let about = |what: &str| {
                let name = extent(what);
                move |reason| format!("tensor `{name}` is {reason}")
            };
            prepared.push(Prepared {
                input: Input::new(array, spec).map_err(fits)?,
                lengths: take(&extent("lengths")).map(lengths).transpose().map_err(about("lengths"))?,
                mask: take(&extent("mask")).map(mask).transpose().map_err(about("mask"))?,
            });
        }
        match arrays.first_key_value() {
            Some((extra, _)) => {
                Err(format!("unexpected tensor `{extra}`; the model's inputs are {}", names(specs)))
            }
            None => Ok(prepared),
        }
    }
}

/// Returns the name of the tensor for an input: its own, or any if there is only one input and one tensor.
fn tensor_for(
    spec: &InputSpec,
    inputs: usize,
    arrays: &BTreeMap<String, Array>,
) -> std::result::Result<String, String> {
    if arrays.contains_key(&spec.name) {
        return Ok(spec.name.clone());
    }
    let is_extent = |name: &str| [".lengths", ".mask"].iter().any(|end| name.ends_with(end));
    let mut data = arrays.keys().filter(|name| !is_extent(name));
    match (inputs, data.next(), data.next()) {
        (1, Some(name), None) => Ok(name.clone()),
        _ => {
            let given: Vec<_> = arrays.keys().map(String::as_str).collect();
            Err(format!(
                "there is no tensor `{}` for the model's input, only `{}`",
                spec.name,
                given.join("`, `")
            ))
        }
    }
}

fn names(specs: &[InputSpec]) -> String {
    specs.iter().map(|s| format!("`{}`, {s}", s.name)).collect::<Vec<_>>().join("; ")
}

fn write(path: &Path, format: Format, outputs: &[(String, ArrayD<f32>)]) -> Result<()> {
    let bytes = match format {
        Format::Npy => {
            let (_, array) =
                outputs.first().ok_or_else(|| Failure::Work("the model has no output".to_owned()))?;
            npy::write(array.shape(), array.iter().copied())
        }
        Format::Safetensors => {
            let arrays: Vec<_> = outputs
                .iter()
                .map(|(name, a)| (name.clone(), a.shape().to_vec(), a.iter().copied().collect()))
                .collect();
            tensors::write(&arrays).map_err(Failure::Work)?
        }
    };
    write_atomically(path, |file| file.write_all(&bytes)).map_err(|e| Failure::Work(e.to_string()))
}
