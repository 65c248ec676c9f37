//! Arrays to inspect any model on.

use crate::array::{Array, Values};
use crate::cli::Inspect as Options;
use crate::error::{Failure, Result};
use crate::inspection_data::labelled::spread;
use crate::inspection_data::{InspectionData, STEPS};
use crate::output::Output;
use crate::predict::{Arrays, Format, Prepared};
use refrain::data::{Batch, BatchInput, BatchTarget, Data, Sequences};
use refrain::inspect::{Sample, Search};
use refrain::shown::counted;
use refrain::{Error, Model};
use std::path::Path;

/// Returns sequences from a file, or random ones.
pub(super) fn inspection_data(
    model: &mut Model,
    options: &Options,
    output: &Output,
) -> Result<InspectionData> {
    let sample = match &options.data[..] {
        [] => {
            output.warning("no data given: inspecting the model on random sequences; name a file of arrays");
            let steps = options.steps.unwrap_or(STEPS);
            Sample::random(model, options.sequences, steps, options.seed).map_err(Error::from)?
        }
        [path] => of_file(path, model, options)?,
        many => {
            return Err(Failure::input(format!(
                "{} files given; for a model without a task, expected one .npy or .safetensors file",
                many.len()
            )));
        }
    };
    Ok(InspectionData { sample, reading: None, search: Search::default() })
}

fn of_file(path: &Path, model: &mut Model, options: &Options) -> Result<Sample> {
    let named = |reason: String| Failure::input(format!("{}: {reason}", path.display()));
    let failed = |e: refrain::ModelError| Failure::from(Error::from(e)).context(path.display());
    let mut arrays = Arrays::read(path, Format::of_input(path)?)?;
    let targets = targets(&mut arrays, model.output_count()).map_err(named)?;
    let inputs = arrays.inputs(&model.architecture().inputs).map_err(named)?;
    let sequences = Sequences::from(inputs.iter().map(Prepared::data).collect::<Vec<Data<'_>>>());
    let total = sequences.sequences().map_err(failed)?;
    if total == 0 {
        return Err(named("there are no sequences; expected at least 1".to_owned()));
    }
    let mut whole = Batch::default();
    sequences.fill(0..total, &mut whole).map_err(failed)?;
    let rows: Vec<usize> = spread(total, options.sequences).collect();
    let rows = Rows { rows: &rows, total, steps: options.steps.unwrap_or(usize::MAX) };
    let inputs = whole.inputs.iter().map(|input| rows.input(input)).collect();
    let batch = Batch { lanes: rows.rows.len(), inputs, ..Batch::default() };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut sample =
        Sample::new(batch, format!("{} of {} of {name}", rows.rows.len(), counted(total, "sequence")));
    if targets.is_empty() {
        sample.of += ", with random targets";
        return sample.with_random_targets(model, options.seed).map_err(|e| Error::from(e).into());
    }
    let outputs = model.predict_batch(&sample.batch, None).map_err(failed)?;
    for (i, (name, array)) in targets.into_iter().enumerate() {
        let per_step = outputs[i].ndim() == 3;
        let target = rows.target(array, per_step).map_err(|e| named(format!("tensor `{name}` is {e}")))?;
        sample.batch.targets.push(target);
    }
    Ok(sample)
}

/// Returns the tensors that hold the targets of all outputs, if there are any.
fn targets(arrays: &mut Arrays, outputs: usize) -> std::result::Result<Vec<(String, Array)>, String> {
    let names = (0..outputs).map(|i| if outputs == 1 { "target".to_owned() } else { format!("target_{i}") });
    let (found, missing): (Vec<_>, Vec<_>) =
        names.map(|name| (arrays.take(&name), name)).partition(|(array, _)| array.is_some());
    match missing.first() {
        Some((_, name)) if !found.is_empty() => Err(format!(
            "there is no tensor `{name}`; expected targets for all outputs ({outputs}) or for none"
        )),
        _ => Ok(found.into_iter().filter_map(|(array, name)| Some((name, array?))).collect()),
    }
}

/// The sequences to use from arrays, and the maximum number of their steps.
struct Rows<'a> {
    rows: &'a [usize],
    total: usize,
    steps: usize,
}

impl Rows<'_> {
    fn input(&self, input: &BatchInput) -> BatchInput {
        let steps = input.steps.min(self.steps);
        BatchInput {
            steps,
            ids: self.pick(&input.ids, input.steps),
            features: self.pick(&input.features, input.steps),
            extent: input.extent,
            lengths: self
                .pick(&input.lengths, 1)
                .into_iter()
                .map(|length: usize| length.min(steps))
                .collect(),
            mask: self.pick(&input.mask, input.steps),
        }
    }

    fn target(&self, array: Array, per_step: bool) -> std::result::Result<BatchTarget, String> {
        let what = array.describe();
        if array.shape.first() != Some(&self.total) {
            return Err(format!("{what}, expected one for each of {}", counted(self.total, "sequence")));
        }
        let steps = match array.shape.get(1) {
            Some(&steps) if per_step => steps,
            _ => 1,
        };
        let mut target = BatchTarget { steps: steps.min(self.steps), ..BatchTarget::default() };
        match array.values {
            Values::Floats(values) => target.values = self.pick(&values, steps),
            Values::Integers(values) => {
                let id = |&x: &i64| {
                    u32::try_from(x).map_err(|_| format!("{what} with the class {x}; expected at least 0"))
                };
                target.ids =
                    self.pick(&values, steps).iter().map(id).collect::<std::result::Result<_, _>>()?;
            }
            Values::Bools(_) => return Err(format!("{what}, but targets must be integers or floats")),
        }
        Ok(target)
    }

    /// Picks the rows and first steps from values in the order of sequences and steps.
    fn pick<T: Copy>(&self, values: &[T], steps: usize) -> Vec<T> {
        let a_step = values.len() / (self.total * steps).max(1);
        let of = |&row: &usize| &values[row * steps * a_step..][..steps.min(self.steps) * a_step];
        self.rows.iter().flat_map(of).copied().collect()
    }
}
