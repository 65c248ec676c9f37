//! Recurrent layers that read rows of an embedding.

use super::op::{Settings, of_gates};
use crate::graph::{Backward, Forward, Mode, OpMemory, PassSize, of_rows};
use crate::layers::embedding::{IdDropout, LookedUp};
use crate::params::SpanId;
use refrain_kernels::recurrent::{self as kernel, Biases};
use refrain_kernels::{AlignedVec, Packed, Rows, RowsMut, row_step};

/// The table's rows are multiplied instead of the batch's if the batch has at least this many times as many
/// rows. The products are then gathered and summed at memory speed, which is about the speed of a product
/// with one row per row.
const FEWER: usize = 2;

/// The table whose rows the input edge holds.
#[derive(Debug, Clone)]
pub(super) struct Table {
    span: SpanId,
    /// The index of the input with the ids.
    ids: usize,
    /// The dropout of ids, if the embedding has any.
    dropout: Option<IdDropout>,
    /// Whether the products of this batch were computed from the table.
    used: bool,
    tokens: usize,
    /// The table's rows in this batch, `(tokens, row_step(inputs))`.
    x: AlignedVec,
    /// The products of the table's rows, then the sums of their gradients: gates for as many rows as the
    /// table has.
    gates: AlignedVec,
    dx: AlignedVec,
}

impl Table {
    /// Creates the table of an embedding's lookup, whose ids are the `ids`-th input.
    pub(super) fn new(looked_up: LookedUp, ids: usize) -> Self {
        Self {
            span: looked_up.table,
            ids,
            dropout: looked_up.dropout,
            used: false,
            tokens: 0,
            x: AlignedVec::default(),
            gates: AlignedVec::default(),
            dx: AlignedVec::default(),
        }
    }

    /// Returns the number of rows.
    pub(super) fn tokens(&self) -> usize {
        self.tokens
    }

    /// Returns the table's rows, if this batch's products were computed from them.
    pub(super) fn rows(&self, set: &Settings) -> Rows<'_> {
        Rows::new(&self.x, self.tokens, set.inputs)
    }

    /// Returns whether this batch's products were computed from the table.
    pub(super) fn used(&self) -> bool {
        self.used
    }

    /// Returns the gates' gradients, token by token, after [`Table::sum`].
    pub(super) fn gates(&self) -> &[f32] {
        &self.gates
    }

    /// Computes the input product of all rows from the table if that is less work. Returns whether it did.
    pub(super) fn input_product(
        &mut self,
        cx: &Forward<'_>,
        set: &Settings,
        kernel: &Packed,
        biases: &Biases,
        gates: &mut [f32],
    ) -> bool {
        let (ids, table) = (&cx.input(self.ids).ids, cx.params.value(self.span));
        self.tokens = cx.params.spans()[self.span.0].shape[0];
        self.used = self.tokens * FEWER <= ids.len();
        if self.used {
            let step = row_step(set.inputs);
            self.x.resize(self.tokens * step);
            for (to, from) in self.x.chunks_exact_mut(step).zip(table.chunks_exact(set.inputs)) {
                to[..set.inputs].copy_from_slice(from);
            }
            if let (Mode::Train, Some(dropout)) = (cx.mode, &mut self.dropout) {
                dropout.draw(cx.engine, cx.random, self.tokens);
                dropout.scale_table(RowsMut::new(&mut self.x, self.tokens, set.inputs));
            }
            self.gates.resize(set.cell.gates_len(set.units, self.tokens));
            let rows = Rows::new(&self.x, self.tokens, set.inputs);
            kernel::input_product(cx.engine, set.cell, kernel, biases, None, rows, &mut self.gates);
            kernel::gather_gates(cx.engine, &self.gates, self.tokens, ids, gates);
        }
        self.used
    }

    /// Returns the memory for a pass. Batches with fewer rows pass gradients to the embedding, so those are
    /// included even if a batch of this size passes none.
    pub(super) fn memory(&self, set: &Settings, pass: &PassSize<'_>) -> OpMemory {
        let tokens = pass.params.spans()[self.span.0].shape[0] as u64;
        let fewer = tokens.saturating_mul(FEWER as u64);
        if pass.rows < fewer {
            return OpMemory::default();
        }
        let train = pass.mode == Mode::Train;
        let rows = of_rows(tokens, set.inputs).saturating_mul(1 + u64::from(train));
        let dropout = self.dropout.as_ref().filter(|_| train).map(|_| of_rows(1, tokens as usize));
        OpMemory {
            kept: vec![rows, of_gates(set, tokens), dropout.unwrap_or(0)],
            asked_rows: Some(fewer.saturating_sub(1)),
            ..OpMemory::default()
        }
    }

    /// Sums the gates' gradients token by token.
    pub(super) fn sum(&mut self, cx: &Backward<'_>, gates: &[f32]) {
        kernel::sum_gates(cx.engine, gates, &cx.input(self.ids).ids, self.tokens, &mut self.gates);
    }

    /// Returns whether training changes the table.
    pub(super) fn trains(&self, cx: &Backward<'_>) -> bool {
        cx.trains(self.span)
    }

    /// Adds to the table's gradient by multiplying the sums with the transposed kernel.
    pub(super) fn add_gradient(&mut self, cx: &mut Backward<'_>, set: &Settings, kernel_t: &Packed) {
        let (tokens, width) = (self.tokens, set.inputs);
        self.dx.resize(tokens * row_step(width));
        let out = RowsMut::new(&mut self.dx, tokens, width);
        kernel::input_gradient(cx.engine, set.cell, kernel_t, None, &self.gates, tokens, false, out);
        if let Some(dropout) = &self.dropout {
            dropout.scale_table(RowsMut::new(&mut self.dx, tokens, width));
        }
        let gradient = cx.params.gradient_mut(self.span);
        let rows = Rows::new(&self.dx, tokens, width);
        for (id, to) in gradient.chunks_exact_mut(width).enumerate() {
            to.iter_mut().zip(rows.row(id)).for_each(|(to, d)| *to += d);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::data::{Batch, Extent};
    use crate::layers::{Dense, Embedding, Gru, Layer, Lstm, SimpleRnn};
    use crate::loss::Loss;
    use crate::optim::Sgd;
    use crate::{Compile, Engine, Isa, Model, Sequential};

    const USED: usize = 5;
    const LANES: usize = 6;
    const STEPS: usize = 4;

    fn batch() -> Batch {
        let mut batch = Batch { lanes: LANES, ..Batch::default() };
        batch.inputs.resize_with(1, Default::default);
        batch.targets.resize_with(1, Default::default);
        let (input, target) = (&mut batch.inputs[0], &mut batch.targets[0]);
        (input.steps, target.steps, input.extent) = (STEPS, STEPS, Extent::Lengths);
        input.lengths = vec![4, 1, 4, 0, 3, 2];
        input.ids = (0..LANES * STEPS).map(|i| (i * i % USED) as u32).collect();
        target.ids = (0..LANES * STEPS).map(|i| (i % 3) as u32).collect();
        batch
    }

    /// Returns a model after a step on the batch. Its table has `vocabulary` rows, of which the first are
    /// always the same.
    fn model(vocabulary: usize, dropout: f32, layer: impl Layer + 'static) -> Model {
        let optimizer = Sgd::default().learning_rate(0.0).into();
        let mut model = Sequential::new()
            .add(Embedding::new(vocabulary, 7).dropout(dropout))
            .add(layer)
            .add(Dense::new(3))
            .compile(Compile {
                loss: Loss::SparseCategoricalCrossentropyFromLogits,
                optimizer,
                engine: Some(Engine::new(Isa::detect(), 2)),
                ..Compile::default()
            })
            .unwrap();
        let mut table = vec![f32::NAN; vocabulary * 7];
        (0..USED * 7).for_each(|i| table[i] = (i as f32 * 0.7).sin());
        model.set_weight_flat("embedding/embeddings", &table).unwrap();
        model.train_step(&batch(), None).unwrap();
        model
    }

    /// Uses the same tokens from a table that is small enough to be multiplied and from one that is not (and
    /// whose other rows would make everything NaN).
    #[test]
    fn multiplying_the_table_once_equals_multiplying_its_rows() {
        check(SimpleRnn::new(9).return_sequences(true));
        check(Lstm::new(17).return_sequences(true).recurrent_dropout(0.3));
        check(Gru::new(18).return_sequences(true));
        check(Gru::new(18).reset_after(false).return_sequences(true));
    }

    fn check(layer: impl Layer + Clone + 'static) {
        // With 0.3, two of the ids in the batch are dropped and one is kept.
        for dropout in [0.0, 0.3] {
            check_pair(model(USED, dropout, layer.clone()), model(10 * USED, dropout, layer.clone()));
        }
    }

    fn check_pair(mut small: Model, mut large: Model) {
        let out = |model: &mut Model| model.predict_batch(&batch(), None).unwrap();
        assert_eq!(out(&mut small), out(&mut large));
        assert_eq!(small.last_loss(), large.last_loss());
        for span in small.params().spans() {
            let id = small.params().find(&span.name).unwrap();
            let (a, b) = (small.params().gradient(id), large.params().gradient(id));
            assert!(a.iter().any(|&g| g != 0.0), "{}", span.name);
            for (i, (a, b)) in a.iter().zip(b.iter()).enumerate() {
                // Sums of the same numbers below 1 in a different order.
                assert!((a - b).abs() < 1e-6, "{} at {i}: {a} and {b}", span.name);
            }
        }
    }
}
