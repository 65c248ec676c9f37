//! Limits on the memory that a model file's layers may use.

use super::edge::{Axis, EdgeSpec, LayoutId};
use std::collections::HashMap;

/// The number of values that any file's layers may need, 32 MB.
const FREE: usize = 1 << 23;
/// Additional values per byte of the file: eight times its size.
const PER_BYTE: usize = 2;
/// The size, in values, of an operation's or parameter's own fields.
const DESCRIPTION: usize = 512;

/// Why a file's layers are rejected.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BudgetError {
    #[error("it has no tensor `{0}`, which its layers need")]
    Missing(String),
    #[error("tensor `{name}` is {got}, but its layer needs F32 {needed:?}")]
    Shape { name: String, got: String, needed: Vec<usize> },
    #[error("its layers need more parameters than the {0} values in the file")]
    Parameters(usize),
    #[error(
        "one step of its layers needs memory for {needed} numbers, but a file of {bytes} bytes may use {limit} \
         ({FREE} plus {PER_BYTE} per byte): its layers are larger than its tensors warrant"
    )]
    TooLarge { needed: String, bytes: usize, limit: usize },
}

/// A tensor of the file.
#[derive(Debug)]
pub(crate) struct FileTensor {
    /// Whether its type is the one that parameters have.
    pub(crate) f32: bool,
    /// The type, for error messages.
    pub(crate) kind: String,
    pub(crate) shape: Vec<usize>,
}

/// The parameters that a file contains.
#[derive(Debug)]
enum Parameters {
    ByName(HashMap<String, FileTensor>),
    /// All in one tensor with this many values.
    Flat(usize),
}

/// Counts the memory that one step of one sequence needs. Without a file there is no limit: the architecture
/// then comes from the program itself.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    file: Option<(usize, Parameters)>,
    spent: usize,
    /// The minimum number of steps of each time axis, if it is more than one.
    steps: HashMap<usize, usize>,
}

impl Budget {
    /// Returns the budget of a file with this many bytes and these tensors.
    pub(crate) fn of_file(bytes: usize, tensors: HashMap<String, FileTensor>) -> Self {
        Self { file: Some((bytes, Parameters::ByName(tensors))), ..Self::default() }
    }

    /// Returns the budget of a file with all parameters in one tensor of this many values.
    pub(crate) fn of_values(values: usize) -> Self {
        let bytes = values.saturating_mul(size_of::<f32>());
        Self { file: Some((bytes, Parameters::Flat(values))), ..Self::default() }
    }

    /// Checks that the file contains a new parameter with the shape that its layer needs, after `before`
    /// values of others.
    pub(super) fn check_backed(&self, name: &str, shape: &[usize], before: usize) -> Result<(), BudgetError> {
        let tensors = match &self.file {
            None => return Ok(()),
            Some((_, Parameters::ByName(tensors))) => tensors,
            Some((_, Parameters::Flat(values))) => {
                let end = before.saturating_add(floats(shape));
                return if end <= *values { Ok(()) } else { Err(BudgetError::Parameters(*values)) };
            }
        };
        let tensor = tensors.get(name).ok_or_else(|| BudgetError::Missing(name.to_owned()))?;
        if tensor.f32 && tensor.shape == shape {
            return Ok(());
        }
        let got = format!("{} {:?}", tensor.kind, tensor.shape);
        Err(BudgetError::Shape { name: name.to_owned(), got, needed: shape.to_vec() })
    }

    /// Checks that the memory counted so far is within the limit.
    pub(crate) fn check(&self) -> Result<(), BudgetError> {
        let Some((bytes, _)) = self.file else { return Ok(()) };
        let limit = bytes.saturating_mul(PER_BYTE).saturating_add(FREE);
        if self.spent <= limit {
            return Ok(());
        }
        let needed =
            if self.spent == usize::MAX { "far too many".to_owned() } else { self.spent.to_string() };
        Err(BudgetError::TooLarge { needed, bytes, limit })
    }

    /// Counts a parameter that an operation uses.
    pub(super) fn parameter(&mut self, shape: &[usize]) {
        self.floats(floats(shape).saturating_add(DESCRIPTION));
    }

    /// Counts floats that do not depend on the number of rows.
    pub(super) fn floats(&mut self, floats: usize) {
        self.spent = self.spent.saturating_add(floats);
    }

    /// Counts floats for each row of an axis.
    pub(super) fn rows(&mut self, axis: Axis, floats: usize) {
        self.floats(self.steps(axis).saturating_mul(floats));
    }

    /// Counts an operation between edges. A time axis that it makes is at most as long as those it reads.
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

    /// Counts an edge: its rows and, for each row, the data of its axis.
    pub(crate) fn edge(&mut self, spec: EdgeSpec) {
        /// The alignment of rows in the kernels, and the positions of a row.
        const ROUNDED: usize = 16;
        self.rows(spec.axis, spec.width().saturating_add(ROUNDED).saturating_add(ROUNDED));
    }

    /// Sets the number of steps of an axis that does not depend on the batch.
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
