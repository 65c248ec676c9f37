//! What the layers of a model file may ask for, beside what the file brings.

use super::edge::{Axis, EdgeSpec, LayoutId};
use std::collections::HashMap;

/// Numbers that any file's layers may need, 32 MB of them.
const FREE: usize = 1 << 23;
/// Numbers more for each byte of the file: eight times its size.
const PER_BYTE: usize = 2;
/// Numbers that stand for an operation's own fields, or a parameter's.
const DESCRIPTION: usize = 512;

/// What stands in the way of a file's layers.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("it has no tensor `{0}`, which its layers need")]
    Missing(String),
    #[error("tensor `{name}` is {got}, but its layer needs F32 {needed:?}")]
    Shape { name: String, got: String, needed: Vec<usize> },
    #[error("its layers need more parameters than the {0} values that it has of them")]
    Parameters(usize),
    #[error(
        "one step of its layers needs room for {needed} numbers, but a file of {bytes} bytes may need {limit} \
         ({FREE} and {PER_BYTE} for each byte): its layers are wider, longer or more than its tensors warrant"
    )]
    TooLarge { needed: String, bytes: usize, limit: usize },
}

/// A tensor of the file.
#[derive(Debug)]
pub(crate) struct Backing {
    /// Whether it holds what a parameter does.
    pub(crate) f32: bool,
    /// Its kind, for a message.
    pub(crate) kind: String,
    pub(crate) shape: Vec<usize>,
}

/// What a file has of its layers' parameters.
#[derive(Debug)]
enum Parameters {
    ByName(HashMap<String, Backing>),
    /// All in one, so many values.
    Flat(usize),
}

/// Counts what one step of one sequence needs of memory. Without a file nothing is refused: whoever writes a model
/// down knows how large it is.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    file: Option<(usize, Parameters)>,
    spent: usize,
    /// Steps that each time axis has at least, where they are more than one.
    steps: HashMap<usize, usize>,
}

impl Budget {
    /// That of a file with this many bytes and these tensors.
    pub(crate) fn of_file(bytes: usize, tensors: HashMap<String, Backing>) -> Self {
        Self { file: Some((bytes, Parameters::ByName(tensors))), ..Self::default() }
    }

    /// That of a file with all parameters in one tensor of this many values.
    pub(crate) fn of_values(values: usize) -> Self {
        let bytes = values.saturating_mul(size_of::<f32>());
        Self { file: Some((bytes, Parameters::Flat(values))), ..Self::default() }
    }

    /// Whether a new parameter stands in the file, as large as its layer needs it, after `before` values of others.
    pub(super) fn check_backed(&self, name: &str, shape: &[usize], before: usize) -> Result<(), Refused> {
        let tensors = match &self.file {
            None => return Ok(()),
            Some((_, Parameters::ByName(tensors))) => tensors,
            Some((_, Parameters::Flat(values))) => {
                let end = before.saturating_add(floats(shape));
                return if end <= *values { Ok(()) } else { Err(Refused::Parameters(*values)) };
            }
        };
        let tensor = tensors.get(name).ok_or_else(|| Refused::Missing(name.to_owned()))?;
        if tensor.f32 && tensor.shape == shape {
            return Ok(());
        }
        let got = format!("{} {:?}", tensor.kind, tensor.shape);
        Err(Refused::Shape { name: name.to_owned(), got, needed: shape.to_vec() })
    }

    /// Whether what was counted is too much.
    pub(crate) fn check(&self) -> Result<(), Refused> {
        let Some((bytes, _)) = self.file else { return Ok(()) };
        let limit = bytes.saturating_mul(PER_BYTE).saturating_add(FREE);
        if self.spent <= limit {
            return Ok(());
        }
        let needed =
            if self.spent == usize::MAX { "endlessly many".to_owned() } else { self.spent.to_string() };
        Err(Refused::TooLarge { needed, bytes, limit })
    }

    /// A parameter that an operation uses.
    pub(super) fn parameter(&mut self, shape: &[usize]) {
        self.floats(floats(shape).saturating_add(DESCRIPTION));
    }

    /// Floats that do not depend on the number of rows.
    pub(super) fn floats(&mut self, floats: usize) {
        self.spent = self.spent.saturating_add(floats);
    }

    /// Floats for each row of an axis.
    pub(super) fn rows(&mut self, axis: Axis, floats: usize) {
        self.floats(self.steps(axis).saturating_mul(floats));
    }

    /// An operation between edges. A time axis that it makes is at most as long as those that it reads.
    pub(super) fn operation(&mut self, inputs: &[EdgeSpec], outputs: &[EdgeSpec]) {
        let longest = inputs.iter().chain(outputs).map(|spec| self.steps(spec.axis)).max().unwrap_or(1);
        self.floats(DESCRIPTION);
        for spec in outputs {
            if let Axis::Steps(LayoutId(id)) = spec.axis
                && longest > 1
            {
                self.steps.entry(id).or_insert(longest);
            }
            self.edge(*spec);
        }
    }

    /// An edge: its rows, and beside each what an axis keeps of it.
    pub(crate) fn edge(&mut self, spec: EdgeSpec) {
        /// To which the kernels round rows up, and what the places of a row need.
        const ROUNDED: usize = 16;
        self.rows(spec.axis, spec.width().saturating_add(ROUNDED).saturating_add(ROUNDED));
    }

    /// An axis that has this many steps whatever the batch.
    pub(super) fn set_steps(&mut self, LayoutId(id): LayoutId, steps: usize) {
        self.steps.insert(id, steps);
    }

    fn steps(&self, axis: Axis) -> usize {
        match axis {
            Axis::Steps(LayoutId(id)) => self.steps.get(&id).copied().unwrap_or(1),
            Axis::Lanes => 1,
        }
    }
}

fn floats(shape: &[usize]) -> usize {
    shape.iter().fold(1, |len, &n| len.saturating_mul(n))
}
