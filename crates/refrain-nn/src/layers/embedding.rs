//! Embedding: looks up each id in a table.

use super::Layer;
use super::dense::yes;
use super::dropout::{check_rate, is_zero, key};
use super::masking::Subset;
use crate::error::{Error, Place};
use crate::graph::{
    Axis, Backward, EdgeId, EdgeSpec, Forward, Kind, Mode, Op, OpMemory, PassSize, Plan, RandomKey,
    of_floats, of_rows,
};
use crate::init::Initializer;
use crate::params::{ParamSpec, SpanId};
use crate::regularizer::Regularizer;
use refrain_kernels::dropout::mask;
use refrain_kernels::embedding::{gather, scale_by_id};
use refrain_kernels::{AlignedVec, Engine, Rows, RowsMut, row_step};
use serde::{Deserialize, Serialize};
use std::any::Any;

/// Turns ids into vectors: `y = embeddings[id]`.
///
/// The input is ids `(N, T)` or `(N)`, below `input_dim`; the output is `(N, T, output_dim)` or `(N,
/// output_dim)`. With `mask_zero`, steps with id 0, the padding, are dropped: later layers never see them,
/// and a returned sequence has 0 there. With `dropout`, a fraction of the ids gets zero rows throughout a
/// training batch (Gal & Ghahramani 2016), and the rows of the others are scaled by `1 / (1 − dropout)`.
/// Parameter: `embeddings` `(input_dim, output_dim)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Embedding {
    /// The number of ids: the largest id plus 1. With `mask_zero`, id 0 counts too.
    pub input_dim: usize,
    /// The width of the output.
    pub output_dim: usize,
    /// The table's initialiser; uniform within ±0.05 by default.
    #[serde(default = "Initializer::random_uniform")]
    pub embeddings_initializer: Initializer,
    /// The penalty on the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embeddings_regularizer: Option<Regularizer>,
    /// Whether to drop steps with id 0.
    #[serde(default)]
    pub mask_zero: bool,
    /// The fraction of the ids to drop in each training batch: at least 0 and below 1.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropout: f32,
    /// Whether training changes the layer's parameters.
    #[serde(default = "yes")]
    pub trainable: bool,
    /// The name, if the user gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Embedding {
    /// Creates a table of `input_dim` rows of `output_dim` floats, with Keras's defaults.
    pub fn new(input_dim: usize, output_dim: usize) -> Self {
        Self {
            input_dim,
            output_dim,
            embeddings_initializer: Initializer::random_uniform(),
            embeddings_regularizer: None,
            mask_zero: false,
            dropout: 0.0,
            trainable: true,
            name: None,
        }
    }

    setters! {
        /// Sets the table's initialiser.
        embeddings_initializer: Initializer,
        /// Sets the table's penalty.
        embeddings_regularizer: Some(Regularizer),
        /// Sets whether to drop steps with id 0.
        mask_zero: bool,
        /// Sets the fraction of the ids to drop in each training batch.
        dropout: f32,
        /// Sets whether training changes the layer's parameters.
        trainable: bool,
        name,
    }
}

impl Layer for Embedding {
    named_layer!("Embedding", trainable);

    fn lower(&self, plan: &mut Plan<'_>, inputs: &[EdgeId]) -> Result<Vec<EdgeId>, Error> {
        let input = plan.one(inputs)?;
        for (setting, size) in [("input_dim", self.input_dim), ("output_dim", self.output_dim)] {
            if size == 0 {
                return Err(Error::setting(plan.name(), setting, 0, "at least 1"));
            }
        }
        check_rate(plan.name(), "dropout", self.dropout)?;
        let spec = plan.spec(input);
        if spec.kind != Kind::Ids {
            return Err(Error::connection(plan.name(), spec, "ids"));
        }
        let table = plan.param(ParamSpec {
            name: "embeddings",
            shape: vec![self.input_dim, self.output_dim],
            initializer: self.embeddings_initializer.clone(),
            regularizer: self.embeddings_regularizer,
            decay: true,
        })?;
        let (mut axis, mut subset) = (spec.axis, None);
        if self.mask_zero {
            plan.steps(input)?;
            let layout = plan.layout();
            axis = Axis::Steps(layout);
            subset = Some(Subset::new(layout));
        }
        let op = Lookup {
            layer: plan.name().to_owned(),
            table,
            vocabulary: self.input_dim,
            axis: spec.axis,
            subset,
            kept: Vec::new(),
            dropout: IdDropout::new(self.dropout, plan.purpose()),
        };
        let output = EdgeSpec { axis, kind: Kind::Features(self.output_dim) };
        Ok(plan.op(Box::new(op), &[input], &[output]))
    }

    fn without_dropout(&self) -> Box<dyn Layer> {
        Box::new(Self { dropout: 0.0, ..self.clone() })
    }
}

#[derive(Debug, Clone)]
struct Lookup {
    layer: String,
    table: SpanId,
    vocabulary: usize,
    /// The axis of the input.
    axis: Axis,
    /// The remaining steps, if id 0 is dropped.
    subset: Option<Subset>,
    /// The ids of the remaining steps.
    kept: Vec<u32>,
    dropout: Option<IdDropout>,
}

impl Lookup {
    fn check(&self, cx: &Forward<'_>) -> Result<(), Error> {
        let ids = &cx.input(0).ids;
        let Some(row) = ids.iter().position(|&id| id as usize >= self.vocabulary) else { return Ok(()) };
        let layout = match self.axis {
            Axis::Lanes => None,
            Axis::Steps(layout) => Some(cx.layout(layout)),
        };
        let expected = format!("an id below {}, its input_dim", self.vocabulary);
        let (what, place) = (format!("{}: the id", self.layer), Place::of_row(row, layout));
        Err(Error::sequence(what, place, ids[row], expected))
    }
}

/// The ids dropped in training, drawn for the whole table in each batch.
#[derive(Debug, Clone)]
pub(super) struct IdDropout {
    rate: f32,
    /// The purpose number of the lookup.
    purpose: u32,
    /// For each id, 0 or `1 / (1 − rate)`; empty outside of training.
    factors: AlignedVec,
}

impl IdDropout {
    /// Returns `None` if nothing is dropped.
    fn new(rate: f32, purpose: u32) -> Option<Self> {
        (rate > 0.0).then(|| Self { rate, purpose, factors: AlignedVec::default() })
    }

    /// Draws the batch's ids. The id is the index of its random element.
    pub(super) fn draw(&mut self, engine: &Engine, random: RandomKey, vocabulary: usize) {
        self.factors.resize(row_step(vocabulary));
        let factors = RowsMut::new(&mut self.factors, 1, vocabulary);
        mask(engine, key(random, self.purpose), self.rate, &[0], factors);
    }

    /// Scales the rows of the table, id by id.
    pub(super) fn scale_table(&self, mut rows: RowsMut<'_>) {
        for (id, &factor) in self.factors.iter().enumerate().take(rows.count()) {
            rows.row(id).iter_mut().for_each(|x| *x = if factor == 0.0 { 0.0 } else { factor * *x });
        }
    }
}

/// The contents of an edge that an embedding wrote.
pub(super) struct LookedUp {
    pub(super) ids: EdgeId,
    pub(super) table: SpanId,
    pub(super) dropout: Option<IdDropout>,
}

/// Returns the ids and the table whose rows an edge holds, if it holds exactly those, or in training those
/// that are not dropped.
pub(super) fn looked_up(plan: &Plan<'_>, edge: EdgeId) -> Option<LookedUp> {
    let node = &plan.graph.nodes[plan.graph.producer(edge)?];
    let op: &dyn Any = &*node.op;
    let lookup = op.downcast_ref::<Lookup>().filter(|lookup| lookup.subset.is_none())?;
    Some(LookedUp { ids: node.inputs[0], table: lookup.table, dropout: lookup.dropout.clone() })
}

impl Op for Lookup {
    fn forward(&mut self, cx: &mut Forward<'_>) -> Result<(), Error> {
        self.check(cx)?;
        let (engine, table) = (cx.engine, cx.params.value(self.table));
        let mut ids: &[u32] = &cx.input(0).ids;
        if let Some(subset) = &mut self.subset {
            subset.make(cx, |row| ids[row] != 0);
            self.kept.clear();
            self.kept.extend(subset.rows().iter().map(|&row| ids[row as usize]));
            ids = &self.kept;
        }
        gather(engine, table, ids, cx.output(0).view_mut());
        if let (Mode::Train, Some(dropout)) = (cx.mode, &mut self.dropout) {
            dropout.draw(engine, cx.random, self.vocabulary);
            scale_by_id(engine, ids, &dropout.factors[..self.vocabulary], None, cx.output(0).view_mut());
        }
        Ok(())
    }

    fn backward(&mut self, cx: &mut Backward<'_>) -> Result<(), Error> {
        let Some(dy) = cx.d_output(0) else { return Ok(()) };
        if cx.params.spans()[self.table.0].trainable {
            let ids = if self.subset.is_some() { &self.kept } else { &cx.input(0).ids };
            let Some(dropout) = &self.dropout else {
                cx.params.add_rows(cx.engine, self.table, ids, dy.view());
                return Ok(());
            };
            let (factors, dy) = (&dropout.factors[..self.vocabulary], dy.view());
            let floats = dy.count() * row_step(dy.width());
            if cx.workspace.len() < floats {
                cx.workspace.resize(floats);
            }
            let scaled = RowsMut::new(cx.workspace, dy.count(), dy.width());
            scale_by_id(cx.engine, ids, factors, Some(dy), scaled);
            let scaled = Rows::new(cx.workspace, dy.count(), dy.width());
            cx.params.add_rows(cx.engine, self.table, ids, scaled);
        }
        Ok(())
    }

    fn memory(&self, pass: &PassSize<'_>) -> OpMemory {
        let train = pass.mode == Mode::Train;
        let subset = self.subset.as_ref().map_or(0, |_| of_floats(pass.rows).saturating_mul(2));
        let span = &pass.params.spans()[self.table.0];
        let (width, dropped) = (span.shape[1], train && self.dropout.is_some());
        let mut rows = 0;
        if span.trainable && pass.params.keeps_by_rows() {
            let different = pass.gradient_rows.min(self.vocabulary as u64);
            let floats = different.saturating_mul(width as u64);
            rows = of_floats(floats.saturating_add(pass.gradient_rows.saturating_mul(2)));
        }
        OpMemory {
            kept: vec![subset, rows, if dropped { of_rows(1, self.vocabulary) } else { 0 }],
            workspace: if dropped { of_rows(pass.gradient_rows, width) } else { 0 },
            ..OpMemory::default()
        }
    }

    fn boxed_clone(&self) -> Box<dyn Op> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gradcheck::{Bench, Input, RANDOM};
    use crate::layers::tests::support::check;
    use refrain_kernels::philox::word;

    const TABLE: [f32; 8] = [0.0, 1.0, 10.0, 11.0, 20.0, 21.0, 30.0, 31.0];

    fn run(layer: &Embedding, data: Input) -> Bench {
        let mut h = Bench::new(layer, &[data]).unwrap();
        assert_eq!(h.weights(), [("embeddings".to_owned(), vec![4, 2])]);
        h.set_weight("embeddings", &TABLE).unwrap();
        h.forward(Mode::Infer).unwrap();
        h
    }

    #[test]
    fn looks_up_each_id() {
        let h = run(&Embedding::new(4, 2), Input::ids(&[&[3], &[], &[1, 0, 3]]));
        assert_eq!(h.output(0), [vec![30.0, 31.0], vec![], vec![10.0, 11.0, 0.0, 1.0, 30.0, 31.0]]);
        let h = run(&Embedding::new(4, 2), Input::lane_ids(&[2, 0]));
        assert_eq!(h.output(0), [[20.0, 21.0], [0.0, 1.0]]);
    }

    #[test]
    fn mask_zero_drops_the_padding() {
        let h = run(&Embedding::new(4, 2).mask_zero(true), Input::ids(&[&[0, 3], &[0, 0], &[1, 0, 2, 0]]));
        assert_eq!(h.output(0), [vec![30.0, 31.0], vec![], vec![10.0, 11.0, 20.0, 21.0]]);
        assert_eq!(h.output_sources(0), [vec![1], vec![], vec![0, 2]]);
    }

    #[test]
    fn only_used_rows_get_gradients() {
        let ids = Input::ids(&[&[1], &[3, 1, 1, 0], &[], &[0, 3]]);
        for mask_zero in [false, true] {
            let h = check(&Embedding::new(4, 17).mask_zero(mask_zero), std::slice::from_ref(&ids));
            let gradient = h.weight_gradient("embeddings").unwrap();
            let zero = |id: usize| gradient[id * 17..(id + 1) * 17].iter().all(|&g| g == 0.0);
            assert_eq!([0, 1, 2, 3].map(zero), [mask_zero, false, true, false]);
        }
        check(&Embedding::new(3, 5), &[Input::lane_ids(&[2, 0, 2])]);
    }

    fn factor(id: u32) -> f32 {
        if word(RANDOM.seed, 0, RANDOM.counter, u64::from(id)) >= 1 << 31 { 2.0 } else { 0.0 }
    }

    #[test]
    fn a_dropped_id_is_zero_wherever_it_stands() {
        let ids: [&[u32]; 4] = [&[1, 5, 0], &[], &[3, 1, 1, 2, 4], &[5, 5]];
        let mut dropped = [0; 2];
        for mask_zero in [false, true] {
            let layer = Embedding::new(6, 3).mask_zero(mask_zero).dropout(0.5);
            let mut h = Bench::new(&layer, &[Input::ids(&ids)]).unwrap();
            let table = h.weight("embeddings").unwrap().to_vec();
            let rows = |scale: fn(u32) -> f32| {
                let row = |&id: &u32| table[id as usize * 3..][..3].iter().map(move |x| scale(id) * x);
                let real = |id: &&u32| !mask_zero || **id != 0;
                ids.map(|ids| ids.iter().filter(real).flat_map(row).collect::<Vec<_>>())
            };
            let want = rows(factor);
            h.forward(Mode::Train).unwrap();
            assert_eq!(h.output(0), want);
            dropped[0] += want.iter().flatten().filter(|&&y| y == 0.0).count();
            dropped[1] += want.iter().flatten().filter(|&&y| y != 0.0).count();
            let want = rows(|_| 1.0);
            h.forward(Mode::Infer).unwrap();
            assert_eq!(h.output(0), want);
        }
        assert!(dropped.iter().all(|&n| n > 0), "{dropped:?} dropped and kept");
    }

    #[test]
    fn a_dropped_id_has_no_gradient() {
        let ids = Input::ids(&[&[1], &[3, 1, 1, 0], &[5, 2, 5], &[0, 3, 4]]);
        for mask_zero in [false, true] {
            let layer = Embedding::new(6, 17).mask_zero(mask_zero).dropout(0.5);
            let h = check(&layer, std::slice::from_ref(&ids));
            let gradient = h.weight_gradient("embeddings").unwrap();
            for id in 0..6 {
                let zero = gradient[id as usize * 17..][..17].iter().all(|&g| g == 0.0);
                assert_eq!(zero, factor(id) == 0.0 || mask_zero && id == 0, "id {id}");
            }
        }
    }

    #[test]
    fn a_rate_outside_its_range_is_rejected_and_zero_is_not_stored() {
        for rate in [1.0, -0.1, f32::NAN] {
            let layer = Embedding::new(4, 2).dropout(rate);
            let error = Bench::new(&layer, &[Input::lane_ids(&[0])]).unwrap_err();
            assert!(matches!(error, Error::Setting { setting: "dropout", .. }), "{error}");
        }
        assert!(Embedding::new(4, 2).config().get("dropout").is_none());
    }

    #[test]
    fn a_frozen_table_gets_no_gradient() {
        let h = check(&Embedding::new(4, 2).trainable(false), &[Input::ids(&[&[1, 2]])]);
        assert_eq!(h.weight_gradient("embeddings").unwrap(), [0.0; 8]);
    }

    #[test]
    fn an_id_beyond_the_table_is_named_with_its_position() {
        let mut h = Bench::new(&Embedding::new(4, 2), &[Input::ids(&[&[1], &[1, 2, 4]])]).unwrap();
        let message = h.forward(Mode::Infer).unwrap_err().to_string();
        let expected = "embedding: the id of sequence 1 of the batch at step 2 is 4, but the model expects an id below 4, its input_dim";
        assert_eq!(message, expected);
        let mut h = Bench::new(&Embedding::new(4, 2), &[Input::lane_ids(&[0, 9])]).unwrap();
        let error = h.forward(Mode::Infer).unwrap_err();
        assert!(error.to_string().contains("the id of sequence 1 of the batch is 9"), "{error}");
    }

    #[test]
    fn rejects_features_empty_tables_and_a_mask_without_steps() {
        let error = Bench::new(&Embedding::new(4, 2), &[Input::lanes(1, &[1.0])]).unwrap_err();
        assert!(matches!(error, Error::Connection { .. }), "{error}");
        for layer in [Embedding::new(0, 2), Embedding::new(4, 0)] {
            let error = Bench::new(&layer, &[Input::lane_ids(&[0])]).unwrap_err();
            assert!(matches!(error, Error::Setting { .. }), "{error}");
        }
        let layer = Embedding::new(4, 2).mask_zero(true);
        let error = Bench::new(&layer, &[Input::lane_ids(&[0])]).unwrap_err();
        assert!(matches!(error, Error::Connection { .. }), "{error}");
    }
}
