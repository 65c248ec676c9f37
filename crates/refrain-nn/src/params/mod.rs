//! All parameters of a model in one flat buffer, their gradients in another.

mod rows;

use crate::error::Error;
use crate::init::Initializer;
use crate::regularizer::Regularizer;
use refrain_kernels::embedding::scatter_add;
use refrain_kernels::{AlignedVec, Engine, Rows};
pub(crate) use rows::RowGradient;
use std::borrow::Cow;
use std::collections::HashMap;

/// Which parameter of a model: an index into [`Params::spans`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId(pub(crate) usize);

/// What a layer asks for when it declares a parameter.
#[derive(Debug, Clone)]
pub struct ParamSpec {
    /// The part of the name after the layer's: `kernel`, `recurrent_kernel`, `bias`, `gamma` ….
    pub name: &'static str,
    /// Its shape, row-major.
    pub shape: Vec<usize>,
    /// How it is drawn.
    pub initializer: Initializer,
    /// What is added to the loss for it.
    pub regularizer: Option<Regularizer>,
    /// Whether an optimiser's weight decay applies.
    pub decay: bool,
}

/// One parameter: a named, shaped range of the flat buffers, on a 64-byte border.
#[derive(Debug, Clone)]
pub struct Span {
    /// `layer/kernel` and the like; unique in a model.
    pub name: String,
    /// Its shape, row-major.
    pub shape: Vec<usize>,
    /// How it is drawn.
    pub initializer: Initializer,
    /// What is added to the loss for it.
    pub regularizer: Option<Regularizer>,
    /// Whether training changes it.
    pub trainable: bool,
    /// Whether an optimiser's weight decay applies.
    pub decay: bool,
    offset: usize,
    len: usize,
}

impl Span {
    /// Its place in the flat buffers.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.len
    }

    /// Floats it holds.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// The parameters of a model. What lies between two spans is zero and stays so.
#[derive(Debug, Clone, Default)]
pub struct Params {
    spans: Vec<Span>,
    ids: HashMap<String, SpanId>,
    values: AlignedVec,
    gradients: AlignedVec,
    /// What there is of each span's gradient.
    held: Vec<Held>,
    rows: Vec<RowGradient>,
    /// Whether gradients of tables may be kept by rows.
    by_rows: bool,
}

/// What there is of a span's gradient in this batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    /// Nothing yet: what stands in the flat buffer is of an earlier batch.
    Nothing,
    /// Its place in the flat buffer.
    Flat,
    /// Its [`RowGradient`].
    Rows,
}

/// Everything that a pass over all parameters works on.
pub(crate) struct Flat<'a> {
    pub(crate) spans: &'a [Span],
    pub(crate) values: &'a mut [f32],
    /// Of the spans that are not kept by rows.
    pub(crate) gradients: &'a mut [f32],
    pub(crate) kept: Kept<'a>,
}

/// Which gradients are kept by rows.
#[derive(Clone, Copy)]
pub(crate) struct Kept<'a> {
    held: &'a [Held],
    rows: &'a [RowGradient],
}

impl<'a> Kept<'a> {
    /// A span's gradient, where it is kept by rows.
    pub(crate) fn rows(self, span: usize) -> Option<&'a RowGradient> {
        (self.held[span] == Held::Rows).then(|| &self.rows[span])
    }
}

impl Params {
    /// The id of a new span; none where all spans together would pass what memory can address.
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

    /// Draws every parameter: the same seed gives the same values, each span from its own stream.
    pub(crate) fn initialize(&mut self, seed: u64) -> Result<(), Error> {
        self.allocate();
        for (i, span) in self.spans.iter().enumerate() {
            let values = &mut self.values[span.offset..span.offset + span.len];
            span.initializer.fill(values, &span.shape, seed, i as u64)?;
        }
        Ok(())
    }

    /// Floats of each flat buffer, what lies between spans included.
    pub(crate) fn flat_len(&self) -> usize {
        self.spans.last().map_or(0, |s| (s.offset + s.len).next_multiple_of(16))
    }

    /// Makes room for every span, all zero.
    pub(crate) fn allocate(&mut self) {
        let total = self.flat_len();
        self.values = AlignedVec::zeros(total);
        self.gradients = AlignedVec::zeros(total);
        self.held = vec![Held::Flat; self.spans.len()];
        self.rows = vec![RowGradient::default(); self.spans.len()];
    }

    /// The ids of the parameters, in the order of [`Params::spans`].
    pub fn ids(&self) -> impl Iterator<Item = SpanId> + use<> {
        (0..self.spans.len()).map(SpanId)
    }

    /// The parameters in the order of their declaration.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    pub(crate) fn span_mut(&mut self, id: SpanId) -> &mut Span {
        &mut self.spans[id.0]
    }

    /// The parameter of this name.
    pub fn find(&self, name: &str) -> Option<SpanId> {
        self.ids.get(name).copied()
    }

    /// The values of one parameter.
    pub fn value(&self, id: SpanId) -> &[f32] {
        &self.values[self.spans[id.0].range()]
    }

    /// The values of one parameter, to be changed. The model repacks before its next use only when the
    /// change comes through the model.
    pub(crate) fn value_mut(&mut self, id: SpanId) -> &mut [f32] {
        let range = self.spans[id.0].range();
        &mut self.values[range]
    }

    /// The gradient of one parameter, of the last backward pass; where several batches make a step, the sum of
    /// theirs so far. An embedding's is put together when it is asked
    /// for, if the optimiser left it by rows.
    pub fn gradient(&self, id: SpanId) -> Cow<'_, [f32]> {
        let span = &self.spans[id.0];
        match self.held[id.0] {
            Held::Rows => {
                let mut table = vec![0.0; span.len];
                self.rows[id.0].spread(&mut table);
                table.into()
            }
            _ => self.gradients[span.range()].into(),
        }
    }

    /// The same of one that is not kept by rows, as none is before [`Params::keep_by_rows`].
    pub(crate) fn flat_gradient(&self, id: SpanId) -> &[f32] {
        &self.gradients[self.spans[id.0].range()]
    }

    /// The gradient of one parameter, for a layer to add to.
    pub fn gradient_mut(&mut self, id: SpanId) -> &mut [f32] {
        self.value_and_gradient(id).1
    }

    /// A parameter's values beside its gradient, to be added to.
    pub fn value_and_gradient(&mut self, id: SpanId) -> (&[f32], &mut [f32]) {
        let held = self.claim_gradient(id);
        let range = self.spans[id.0].range();
        let gradient = &mut self.gradients[range.clone()];
        if !held {
            gradient.fill(0.0);
        }
        (&self.values[range], gradient)
    }

    /// Says that a gradient will be written whole. Returns whether it holds a sum to be added to; otherwise it is to
    /// be overwritten, which saves a pass over it.
    pub(crate) fn claim_gradient(&mut self, id: SpanId) -> bool {
        let held = std::mem::replace(&mut self.held[id.0], Held::Flat);
        if held == Held::Rows {
            self.rows[id.0].spread(&mut self.gradients[self.spans[id.0].range()]);
        }
        held != Held::Nothing
    }

    /// Adds row `r` of `d` to row `ids[r]` of a table's gradient.
    pub(crate) fn add_rows(&mut self, engine: &Engine, id: SpanId, ids: &[u32], d: Rows<'_>) {
        if self.by_rows && self.held[id.0] == Held::Nothing {
            self.rows[id.0].set(engine, ids, d);
            self.held[id.0] = Held::Rows;
        } else {
            scatter_add(engine, ids, d, self.gradient_mut(id));
        }
    }

    /// See [`Params::keep_by_rows`].
    pub(crate) fn keeps_by_rows(&self) -> bool {
        self.by_rows
    }

    /// Sets whether gradients of tables may be kept by rows: of an optimiser that leaves parameters without a
    /// gradient as they are.
    pub(crate) fn keep_by_rows(&mut self, by_rows: bool) {
        self.by_rows = by_rows;
    }

    /// The gradient of one parameter as it stands, to be overwritten as [`Params::claim_gradient`] says.
    pub(crate) fn claimed_gradient(&mut self, id: SpanId) -> &mut [f32] {
        let range = self.spans[id.0].range();
        &mut self.gradients[range]
    }

    /// Forgets the gradients of earlier batches: the next one is the first of a sum.
    pub(crate) fn begin_gradients(&mut self) {
        self.held.fill(Held::Nothing);
    }

    /// Makes the gradients zero that no layer wrote.
    pub(crate) fn finish_gradients(&mut self) {
        for id in (0..self.spans.len()).map(SpanId) {
            if self.held[id.0] == Held::Nothing {
                self.gradient_mut(id);
            }
        }
    }

    /// All gradients, flat.
    pub(crate) fn gradients(&self) -> Vec<f32> {
        let mut all = vec![0.0; self.gradients.len()];
        for (i, span) in self.spans.iter().enumerate() {
            all[span.range()].copy_from_slice(&self.gradient(SpanId(i)));
        }
        all
    }

    /// Takes over all gradients from what [`Params::gradients`] gave, to be added to.
    pub(crate) fn set_gradients(&mut self, all: &[f32]) {
        for span in &self.spans {
            self.gradients[span.range()].copy_from_slice(&all[span.range()]);
        }
        self.held.fill(Held::Flat);
    }

    /// All values, gradients and spans at once.
    pub(crate) fn flat(&mut self) -> Flat<'_> {
        let Self { spans, values, gradients, held, rows, .. } = self;
        Flat { spans, values, gradients, kept: Kept { held, rows } }
    }

    /// All values, flat.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    pub(crate) fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// Floats in all spans, without what lies between.
    pub fn count(&self) -> usize {
        self.spans.iter().map(|s| s.len).sum()
    }

    /// Floats in the spans that training changes.
    pub fn count_trainable(&self) -> usize {
        self.spans.iter().filter(|s| s.trainable).map(|s| s.len).sum()
    }
}
