//! A model's parameters in one flat buffer and their gradients in another.

mod rows;

use crate::error::Error;
use crate::init::Initializer;
use crate::regularizer::Regularizer;
use refrain_kernels::embedding::scatter_add;
use refrain_kernels::{AlignedVec, Engine, Rows};
pub(crate) use rows::RowGradient;
use std::borrow::Cow;
use std::collections::HashMap;

/// Identifies a parameter of a model: an index into [`Params::spans`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId(pub(crate) usize);

/// A layer's request for a parameter.
#[derive(Debug, Clone)]
pub struct ParamSpec {
    /// The name within the layer: `kernel`, `recurrent_kernel`, `bias`, `gamma` ….
    pub name: &'static str,
    /// The shape, row-major.
    pub shape: Vec<usize>,
    /// How the values are initialised.
    pub initializer: Initializer,
    /// The penalty added to the loss.
    pub regularizer: Option<Regularizer>,
    /// Whether the optimiser's weight decay applies.
    pub decay: bool,
}

/// One parameter: a named range of the flat buffers with a shape, aligned to 64 bytes.
#[derive(Debug, Clone)]
pub struct Span {
    /// The name, such as `layer/kernel`; unique in a model.
    pub name: String,
    /// The shape, row-major.
    pub shape: Vec<usize>,
    /// How the values are initialised.
    pub initializer: Initializer,
    /// The penalty added to the loss.
    pub regularizer: Option<Regularizer>,
    /// Whether training changes the values.
    pub trainable: bool,
    /// Whether the optimiser's weight decay applies.
    pub decay: bool,
    offset: usize,
    len: usize,
}

impl Span {
    /// Returns the position in the flat buffers.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.len
    }

    /// Returns the number of values.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether the parameter has no values.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// The parameters of a model. Gaps between two spans are zero and stay zero.
#[derive(Debug, Clone, Default)]
pub struct Params {
    spans: Vec<Span>,
    ids: HashMap<String, SpanId>,
    values: AlignedVec,
    gradients: AlignedVec,
    /// Where each span's gradient is stored.
    storage: Vec<GradientStorage>,
    rows: Vec<RowGradient>,
    /// Whether gradients of tables may be stored by rows.
    by_rows: bool,
}

/// Where a span's gradient of the current batch is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GradientStorage {
    /// There is none yet: the flat buffer holds an earlier batch's.
    Nothing,
    /// In the flat buffer.
    Flat,
    /// In a [`RowGradient`].
    Rows,
}

/// The data for a pass over all parameters.
pub(crate) struct Flat<'a> {
    pub(crate) spans: &'a [Span],
    pub(crate) values: &'a mut [f32],
    /// Gradients of the spans that are not stored by rows.
    pub(crate) gradients: &'a mut [f32],
    pub(crate) row_gradients: RowGradients<'a>,
}

/// The gradients that are stored by rows.
#[derive(Clone, Copy)]
pub(crate) struct RowGradients<'a> {
    storage: &'a [GradientStorage],
    rows: &'a [RowGradient],
}

impl<'a> RowGradients<'a> {
    /// Returns a span's gradient if it is stored by rows.
    pub(crate) fn rows(self, span: usize) -> Option<&'a RowGradient> {
        (self.storage[span] == GradientStorage::Rows).then(|| &self.rows[span])
    }
}

impl Params {
    /// Adds a span. Returns `None` if all spans together would exceed the address space.
    pub(crate) fn add(&mut self, name: String, spec: ParamSpec, trainable: bool) -> Option<SpanId> {
        let offset = self.spans.last().map_or(0, |s| (s.offset + s.len).next_multiple_of(16));
        let len = spec.shape.iter().try_fold(1usize, |len, &n| len.checked_mul(n))?;
        offset.checked_add(len).filter(|&end| end <= isize::MAX as usize / 8)?;
        let id = SpanId(self.spans.len());
        self.ids.insert(name.clone(), id);
        self.spans.push(Span {
            name,
            shape: spec.shape,
            initializer: spec.initializer,
            regularizer: spec.regularizer,
            trainable,
            decay: spec.decay,
            offset,
            len,
        });
        Some(id)
    }

    /// Initialises every parameter. The same seed gives the same values; each span has its own random stream.
    pub(crate) fn initialize(&mut self, seed: u64) -> Result<(), Error> {
        self.allocate();
        for (i, span) in self.spans.iter().enumerate() {
            let values = &mut self.values[span.offset..span.offset + span.len];
            span.initializer.fill(values, &span.shape, seed, i as u64)?;
        }
        Ok(())
    }

    /// Returns the length of each flat buffer, gaps included.
    pub(crate) fn flat_len(&self) -> usize {
        self.spans.last().map_or(0, |s| (s.offset + s.len).next_multiple_of(16))
    }

    /// Allocates memory for every span, all zero.
    pub(crate) fn allocate(&mut self) {
        let total = self.flat_len();
        self.values = AlignedVec::zeros(total);
        self.gradients = AlignedVec::zeros(total);
        self.storage = vec![GradientStorage::Flat; self.spans.len()];
        self.rows = vec![RowGradient::default(); self.spans.len()];
    }

    /// Returns the ids of the parameters, in the order of [`Params::spans`].
    pub fn ids(&self) -> impl Iterator<Item = SpanId> + use<> {
        (0..self.spans.len()).map(SpanId)
    }

    /// Returns the parameters in the order of their declaration.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    pub(crate) fn span_mut(&mut self, id: SpanId) -> &mut Span {
        &mut self.spans[id.0]
    }

    /// Returns the id of the parameter with this name.
    pub fn find(&self, name: &str) -> Option<SpanId> {
        self.ids.get(name).copied()
    }

    /// Returns the values of one parameter.
    pub fn value(&self, id: SpanId) -> &[f32] {
        &self.values[self.spans[id.0].range()]
    }

    /// Returns the values of one parameter, for writing. Only changes made through the model make it repack
    /// its weights before their next use.
    pub(crate) fn value_mut(&mut self, id: SpanId) -> &mut [f32] {
        let range = self.spans[id.0].range();
        &mut self.values[range]
    }

    /// Returns the gradient of one parameter from the last backward pass. If a step accumulates several
    /// batches, it is the sum so far. An embedding's gradient is assembled here if the optimiser kept it by
    /// rows.
    pub fn gradient(&self, id: SpanId) -> Cow<'_, [f32]> {
        let span = &self.spans[id.0];
        match self.storage[id.0] {
            GradientStorage::Rows => {
                let mut table = vec![0.0; span.len];
                self.rows[id.0].spread(&mut table);
                table.into()
            }
            _ => self.gradients[span.range()].into(),
        }
    }

    /// Returns the gradient of a parameter that is not stored by rows. Before [`Params::keep_by_rows`], none
    /// is.
    pub(crate) fn flat_gradient(&self, id: SpanId) -> &[f32] {
        &self.gradients[self.spans[id.0].range()]
    }

    /// Returns the gradient of one parameter, for a layer to add to.
    pub fn gradient_mut(&mut self, id: SpanId) -> &mut [f32] {
        self.value_and_gradient(id).1
    }

    /// Returns a parameter's values and, for a layer to add to, its gradient.
    pub fn value_and_gradient(&mut self, id: SpanId) -> (&[f32], &mut [f32]) {
        let held = self.claim_gradient(id);
        let range = self.spans[id.0].range();
        let gradient = &mut self.gradients[range.clone()];
        if !held {
            gradient.fill(0.0);
        }
        (&self.values[range], gradient)
    }

    /// Announces that a gradient will be written completely. Returns whether it holds a sum to be added to;
    /// otherwise it must be overwritten, which saves a pass over it.
    pub(crate) fn claim_gradient(&mut self, id: SpanId) -> bool {
        let held = std::mem::replace(&mut self.storage[id.0], GradientStorage::Flat);
        if held == GradientStorage::Rows {
            self.rows[id.0].spread(&mut self.gradients[self.spans[id.0].range()]);
        }
        held != GradientStorage::Nothing
    }

    /// Adds row `r` of `d` to row `ids[r]` of a table's gradient.
    pub(crate) fn add_rows(&mut self, engine: &Engine, id: SpanId, ids: &[u32], d: Rows<'_>) {
        if self.by_rows && self.storage[id.0] == GradientStorage::Nothing {
            self.rows[id.0].set(engine, ids, d);
            self.storage[id.0] = GradientStorage::Rows;
        } else {
            scatter_add(engine, ids, d, self.gradient_mut(id));
        }
    }

    /// Returns whether gradients of tables may be stored by rows; see [`Params::keep_by_rows`].
    pub(crate) fn keeps_by_rows(&self) -> bool {
        self.by_rows
    }

    /// Sets whether gradients of tables may be stored by rows. The optimiser must not change parameters whose
    /// gradient is zero.
    pub(crate) fn keep_by_rows(&mut self, by_rows: bool) {
        self.by_rows = by_rows;
    }

    /// Returns the gradient buffer of one parameter, to be overwritten as [`Params::claim_gradient`] says.
    pub(crate) fn claimed_gradient(&mut self, id: SpanId) -> &mut [f32] {
        let range = self.spans[id.0].range();
        &mut self.gradients[range]
    }

    /// Discards the gradients of earlier batches: the next one is the first of a sum.
    pub(crate) fn begin_gradients(&mut self) {
        self.storage.fill(GradientStorage::Nothing);
    }

    /// Sets gradients that no layer wrote to zero.
    pub(crate) fn finish_gradients(&mut self) {
        for id in (0..self.spans.len()).map(SpanId) {
            if self.storage[id.0] == GradientStorage::Nothing {
                self.gradient_mut(id);
            }
        }
    }

    /// Returns all gradients, flat.
    pub(crate) fn gradients(&self) -> Vec<f32> {
        let mut all = vec![0.0; self.gradients.len()];
        for (i, span) in self.spans.iter().enumerate() {
            all[span.range()].copy_from_slice(&self.gradient(SpanId(i)));
        }
        all
    }

    /// Restores the gradients that [`Params::gradients`] returned, to be added to.
    pub(crate) fn set_gradients(&mut self, all: &[f32]) {
        for span in &self.spans {
            self.gradients[span.range()].copy_from_slice(&all[span.range()]);
        }
        self.storage.fill(GradientStorage::Flat);
    }

    /// Returns all values, gradients and spans at once.
    pub(crate) fn flat(&mut self) -> Flat<'_> {
        let Self { spans, values, gradients, storage, rows, .. } = self;
        Flat { spans, values, gradients, row_gradients: RowGradients { storage, rows } }
    }

    /// Returns all values, flat.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    pub(crate) fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// Returns the number of values in all spans, gaps excluded.
    pub fn count(&self) -> usize {
        self.spans.iter().map(|s| s.len).sum()
    }

    /// Returns the number of values in the spans that training changes.
    pub fn count_trainable(&self) -> usize {
        self.spans.iter().filter(|s| s.trainable).map(|s| s.len).sum()
    }
}
