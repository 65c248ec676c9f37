//! Gradient checks against differences: recurrent layers with every option, every loss and penalty in whole
//! models, and custom layers. Checks in a layer's own tests are not repeated here.

use refrain_nn::data::{Batch, BatchInput, BatchTarget, Extent};
use refrain_nn::gradcheck::{Bench, GradCheck, Input, Report, gradcheck};
use refrain_nn::graph::{Backward, EdgeId, Forward, Mode, Op, Plan};
use refrain_nn::layers::{
    ActivationLayer, ActivityPenalty, Bidirectional, CellConfig, Dense, Dropout, Embedding, Gru, Layer,
    LayerNormalization, Lstm, MergeMode, Recurrent, RecurrentLayer, RecurrentMask, SimpleRnn,
    SpatialDropout1D, TiedDense,
};
use refrain_nn::loss::Loss;
use refrain_nn::{
    Activation, Compile, Engine, Error, Initializer, InputSpec, Model, Network, ParamSpec, Regularizer,
    Sequential, SpanId,
};

const LENGTHS: [usize; 5] = [3, 5, 0, 1, 5];
const UNITS: usize = 5;

fn all_there(report: &Report, name: &str) {
    assert!(!report.variables.is_empty(), "{name}: nothing was checked");
    for v in &report.variables {
        assert!(v.norm > 0.0, "{name}: the gradient of {} is zero", v.name);
        assert!(v.allowed < 0.1, "{name}: rounding hides the gradient of {}: {report}", v.name);
    }
}

/// Checks a layer, and that every gradient is nonzero.
fn check(layer: &dyn Layer, inputs: &[Input]) {
    let name = format!("{layer:?}");
    all_there(&gradcheck(layer, inputs).unwrap_or_else(|e| panic!("{name}: {e}")), &name);
}

/// Checks with smaller steps, so that fewer units cross the kink of a `relu`.
fn check_near_kinks(layer: &dyn Layer, inputs: &[Input]) {
    let settings = GradCheck { step: 5e-4, ..GradCheck::default() };
    let name = format!("{layer:?}");
    all_there(&settings.layer(layer, inputs).unwrap_or_else(|e| panic!("{name}: {e}")), &name);
}

/// Checks a model's loss on a batch.
fn check_model(name: &str, model: &Model, batch: &Batch) {
    let settings = GradCheck { engine: Some(Engine::default()), ..GradCheck::default() };
    all_there(&settings.model(model, batch).unwrap_or_else(|e| panic!("{name}: {e}")), name);
}

/// Returns a nonzero bias, to reveal errors in its use.
fn bias() -> Initializer {
    Initializer::RandomNormal { mean: 0.1, stddev: 0.3 }
}

/// Small enough that differences still work for exponentials of exponentials.
fn small() -> Initializer {
    Initializer::RandomNormal { mean: 0.0, stddev: 0.1 }
}

fn dense(units: usize) -> Dense {
    Dense { bias_initializer: bias(), ..Dense::new(units) }
}

/// Settings that every recurrent layer has.
#[derive(Debug, Clone, Copy, Default)]
struct Options {
    sequences: bool,
    state: bool,
    backwards: bool,
    stateful: bool,
    dropout: f32,
    recurrent_dropout: f32,
    weight_dropout: f32,
    shared: bool,
    penalty: Option<Regularizer>,
    no_bias: bool,
}

impl Options {
    fn apply<C: CellConfig>(self, mut layer: Recurrent<C>) -> Recurrent<C> {
        let mask = if self.shared { RecurrentMask::Shared } else { RecurrentMask::PerGate };
        if self.penalty.is_some() {
            // |w| has a kink at 0.
            layer.kernel_initializer = Initializer::RandomUniform { minval: -0.6, maxval: -0.2 };
            layer.recurrent_initializer = Initializer::RandomUniform { minval: 0.1, maxval: 0.4 };
        }
        layer.kernel_regularizer = self.penalty;
        layer.recurrent_regularizer = self.penalty;
        layer.bias_regularizer = self.penalty;
        layer
            .bias_initializer(bias())
            .use_bias(!self.no_bias)
            .return_sequences(self.sequences)
            .return_state(self.state)
            .go_backwards(self.backwards)
            .stateful(self.stateful)
            .dropout(self.dropout)
            .recurrent_dropout(self.recurrent_dropout)
            .recurrent_weight_dropout(self.weight_dropout)
            .recurrent_mask(mask)
    }

    fn cells(self) -> Vec<Box<dyn Layer>> {
        vec![
            Box::new(self.apply(SimpleRnn::new(UNITS))),
            Box::new(self.apply(Lstm::new(UNITS))),
            Box::new(self.apply(Gru::new(UNITS))),
            Box::new(self.apply(Gru::new(UNITS).reset_after(false))),
        ]
    }

    /// Returns one layer of each cell at the end of a chain.
    fn chains(self, chain: &Sequential) -> Vec<Sequential> {
        vec![
            chain.clone().add(self.apply(SimpleRnn::new(UNITS))),
            chain.clone().add(self.apply(Lstm::new(UNITS))),
            chain.clone().add(self.apply(Gru::new(UNITS))),
            chain.clone().add(self.apply(Gru::new(UNITS).reset_after(false))),
        ]
    }

    fn both_ways(self, merge: MergeMode) -> Vec<Box<dyn Layer>> {
        fn of(layer: impl RecurrentLayer + 'static, merge: MergeMode) -> Box<dyn Layer> {
            Box::new(Bidirectional::new(layer).merge_mode(merge))
        }
        vec![
            of(self.apply(SimpleRnn::new(UNITS)), merge),
            of(self.apply(Lstm::new(UNITS)), merge),
            of(self.apply(Gru::new(UNITS)), merge),
            of(self.apply(Gru::new(UNITS).reset_after(false)), merge),
        ]
    }
}

#[test]
fn cells_with_each_activation() {
    let of = |layer: &dyn Layer| check_near_kinks(layer, &[Input::random_steps(3, &LENGTHS)]);
    fn with<C: CellConfig>(layer: Recurrent<C>, activation: Activation) -> Recurrent<C> {
        let layer = layer.kernel_initializer(small()).recurrent_initializer(small());
        layer.activation(activation).bias_initializer(bias()).return_sequences(true)
    }
    for (k, activation) in Activation::ELEMENTWISE.into_iter().enumerate() {
        // Each activation in both positions, but never combined with itself.
        let gate = Activation::ELEMENTWISE[(k + 3) % Activation::ELEMENTWISE.len()];
        of(&with(SimpleRnn::new(UNITS), activation));
        of(&with(Lstm::new(UNITS).recurrent_activation(gate), activation));
        of(&with(Gru::new(UNITS).recurrent_activation(gate), activation));
        of(&with(Gru::new(UNITS).reset_after(false).recurrent_activation(gate), activation));
    }
}

#[test]
fn cells_over_masks_with_holes() {
    let mask: [&[bool]; 4] = [
        &[true, false, true, true, false, true],
        &[false, false, true, true],
        &[false; 3],
        &[true, true, true, false, false],
    ];
    let x = [Input::random_steps(3, &[6, 4, 3, 5]).mask(&mask)];
    for sequences in [false, true] {
        for backwards in [false, true] {
            let options = Options { sequences, backwards, ..Options::default() };
            options.cells().iter().for_each(|layer| check(&**layer, &x));
        }
    }
}

#[test]
fn both_directions_with_each_merge() {
    let mask: [&[bool]; 3] = [&[true, false, true, true], &[false, true, true], &[true, false, false]];
    let x = [Input::random_steps(3, &[4, 3, 3]).mask(&mask)];
    for merge in [MergeMode::Concat, MergeMode::Sum, MergeMode::Mul, MergeMode::Ave] {
        for sequences in [false, true] {
            let plain = Options { sequences, ..Options::default() };
            let dropped = Options { dropout: 0.3, recurrent_dropout: 0.3, no_bias: true, ..plain };
            let weights = Options { weight_dropout: 0.3, ..dropped };
            for options in [plain, Options { state: true, ..plain }, dropped, weights] {
                options.both_ways(merge).iter().for_each(|layer| check(&**layer, &x));
            }
        }
    }
}

#[test]
fn initial_states_of_both_directions() {
    let state = |seed: usize| {
        let rows: Vec<f32> = (0..3 * UNITS).map(|i| ((i * 7 + seed * 31) as f32).sin()).collect();
        Input::lanes(UNITS, &rows)
    };
    let x = || Input::random_steps(2, &[4, 0, 3]);
    let options = Options { sequences: true, state: true, ..Options::default() };
    for (layer, states) in options.both_ways(MergeMode::Concat).into_iter().zip([2, 4, 2, 2]) {
        check(&*layer, &[vec![x()], (0..states).map(state).collect()].concat());
    }
}

/// Returns features and a target of a given width for each step, or for each sequence.
fn batch(steps: usize, width: usize, target: BatchTarget) -> Batch {
    let features = (0..3 * steps * width).map(|i| (i as f32 * 0.71).sin()).collect();
    let input = BatchInput { steps, features, ..BatchInput::default() };
    Batch { lanes: 3, inputs: vec![input], targets: vec![target], ..Batch::default() }
}

fn values(steps: usize, width: usize) -> BatchTarget {
    let values = (0..3 * steps * width).map(|i| (i as f32 * 1.3).cos() * 0.8 + 0.1).collect();
    BatchTarget { steps, values, ids: Vec::new() }
}

fn classes(steps: usize, classes: u32) -> BatchTarget {
    BatchTarget { steps, values: Vec::new(), ids: (0..3 * steps as u32).map(|i| (i * i) % classes).collect() }
}

/// Returns probabilities, with each row summing to 1.
fn shares(steps: usize, width: usize) -> BatchTarget {
    let mut target = values(steps, width);
    for row in target.values.chunks_exact_mut(width) {
        row.iter_mut().for_each(|v| *v = v.abs());
        let sum: f32 = row.iter().sum();
        row.iter_mut().for_each(|v| *v /= sum);
    }
    target
}

fn chain(width: usize) -> Sequential {
    Sequential::new().input(InputSpec::features(width))
}

fn compile(loss: Loss) -> Compile {
    Compile { loss, ..Compile::default() }
}

#[test]
fn every_loss_after_every_matching_activation() {
    use Activation::{Linear, Sigmoid, Softmax, Softplus};
    type Make = fn(usize, usize) -> BatchTarget;
    let cases: [(Loss, &[Activation], Make); 9] = [
        (Loss::SparseCategoricalCrossentropy, &[Softmax, Sigmoid, Softplus], |t, w| classes(t, w as u32)),
        (Loss::CategoricalCrossentropy, &[Softmax, Sigmoid, Softplus], shares),
        (Loss::BinaryCrossentropy, &[Sigmoid, Softmax], shares),
        (Loss::SparseCategoricalCrossentropyFromLogits, &[Linear], |t, w| classes(t, w as u32)),
        (Loss::CategoricalCrossentropyFromLogits, &[Linear], shares),
        (Loss::BinaryCrossentropyFromLogits, &[Linear], shares),
        (Loss::MeanSquaredError, &[Linear, Softmax], values),
        (Loss::MeanAbsoluteError, &[Linear], values),
        (Loss::Huber { delta: 0.5 }, &[Linear], values),
    ];
    for (loss, activations, target) in cases {
        for &activation in activations {
            for sequences in [false, true] {
                let model = chain(3)
                    .add(Gru::new(UNITS).return_sequences(sequences))
                    .add(dense(4).activation(activation));
                let model = model.compile(compile(loss)).unwrap();
                let mut batch = batch(5, 3, target(if sequences { 5 } else { 1 }, 4));
                check_model(&format!("{loss} of {activation}"), &model, &batch);
                batch.weights = vec![0.5, 2.0, 0.0];
                batch.inputs[0].extent = Extent::Lengths;
                batch.inputs[0].lengths = vec![5, 2, 4];
                check_model(&format!("{loss} of {activation}, weighted"), &model, &batch);
            }
        }
    }
}

#[test]
fn penalties_on_every_parameter() {
    for penalty in [Regularizer::l1(0.05), Regularizer::l2(0.07), Regularizer::l1_l2(0.02, 0.03)] {
        let options = Options { penalty: Some(penalty), ..Options::default() };
        for model in options.chains(&chain(2)) {
            // The loss is so small that a missing penalty would be most of the gradient.
            let model = model.compile(compile(Loss::MeanSquaredError)).unwrap();
            check_model(&format!("{penalty:?}"), &model, &batch(3, 2, values(1, UNITS)));
        }
        let mut dense = dense(4);
        (dense.kernel_regularizer, dense.bias_regularizer) = (Some(penalty), Some(penalty));
        let mut embedding = Embedding::new(6, 4);
        embedding.embeddings_regularizer = Some(penalty);
        let model =
            Sequential::new().add(embedding).add(dense).compile(compile(Loss::MeanSquaredError)).unwrap();
        let mut batch = batch(3, 1, values(3, 4));
        batch.inputs[0].features.clear();
        batch.inputs[0].ids = vec![0, 1, 2, 1, 1, 5, 3, 0, 0];
        check_model(&format!("{penalty:?} of an embedding"), &model, &batch);
    }
}

#[test]
fn penalties_on_activities() {
    for (l2, temporal) in [(3.0, 0.0), (0.0, 3.0), (2.0, 1.0)] {
        let options = Options { sequences: true, ..Options::default() };
        for net in options.chains(&chain(2)) {
            let net = net.add(ActivityPenalty::new(l2, temporal)).add(dense(1));
            let mut model = net.compile(compile(Loss::MeanSquaredError)).unwrap();
            let mut batch = batch(4, 2, values(4, 1));
            check_model("full sequences", &model, &batch);
            batch.inputs[0].extent = Extent::Lengths;
            batch.inputs[0].lengths = vec![2, 4, 1];
            check_model("sequences of three lengths", &model, &batch);
            // With the same weights, the penalty is lower if the layer is not trained.
            model.test_step(&batch, None).unwrap();
            let plain = model.last_loss();
            model.train_step(&batch, None).unwrap();
            assert!(model.last_loss() > plain, "{} is no more than {plain}", model.last_loss());
        }
    }
}

#[test]
fn a_penalty_that_no_output_depends_on_is_trained_too() {
    let mut net = Network::new();
    let x = net.input(InputSpec::features(2));
    let h = net.add(Gru::new(UNITS).return_sequences(true), &[x]).unwrap();
    let aside = net.add(dense(3), &[h]).unwrap();
    net.add(ActivityPenalty::new(1.0, 2.0), &[aside]).unwrap();
    let y = net.add(dense(1), &[h]).unwrap();
    let model = net.compile(&[y], compile(Loss::MeanSquaredError)).unwrap();
    check_model("a penalty aside", &model, &batch(4, 2, values(4, 1)));
}

#[test]
fn stacks_with_dropout_normalisation_and_masks() {
    let dropped = Options { sequences: true, dropout: 0.2, recurrent_dropout: 0.3, ..Options::default() };
    let shared = Options { shared: true, recurrent_dropout: 0.3, weight_dropout: 0.2, ..Options::default() };
    let bottom = Sequential::new().add(Embedding::new(6, 3).mask_zero(true).dropout(0.2));
    let bottom = bottom.add(SpatialDropout1D::new(0.2)).add(ActivityPenalty::new(2.0, 1.0));
    for below in dropped.chains(&bottom) {
        let below = below.add(Dropout::new(0.25)).add(LayerNormalization::new());
        for model in shared.chains(&below) {
            let model = model.add(Dense::new(1)).compile(compile(Loss::MeanSquaredError)).unwrap();
            // Masked by the id 0 and by the mask: at the start, in the middle and at the end of a sequence.
            let ids = vec![0, 1, 2, 3, 0, 4, 5, 0, 1, 2, 3, 0, 1, 1, 2, 0, 5, 4];
            let mask = (0..18).map(|i| i % 5 != 4).collect();
            let input = BatchInput { steps: 6, ids, extent: Extent::Mask, mask, ..BatchInput::default() };
            let batch =
                Batch { lanes: 3, inputs: vec![input], targets: vec![values(1, 1)], ..Batch::default() };
            check_model("a stack", &model, &batch);
        }
    }
}

#[test]
fn a_cut_keeps_the_state_and_stops_the_gradient() {
    for model in (Options { stateful: true, ..Options::default() }).chains(&chain(2)) {
        let mut model = model.compile(compile(Loss::MeanSquaredError)).unwrap();
        let first = batch(4, 2, values(1, UNITS));
        let fresh = GradCheck::default().model(&model, &first).unwrap();
        model.test_step(&first, None).unwrap();
        let carried = GradCheck::default().model(&model, &first).unwrap();
        all_there(&carried, "behind a cut");
        assert_ne!(fresh.variables[0].norm, carried.variables[0].norm, "the state was not carried");
    }
}

#[test]
fn an_encoder_a_decoder_and_a_tied_table() {
    let mut net = Network::new();
    let source = net.input(InputSpec::ids().name("source"));
    let target = net.input(InputSpec::ids().name("target"));
    let table = |name: &str| {
        // Large enough that the source has an effect through the encoder's state.
        let embeddings_initializer = Initializer::RandomUniform { minval: -2.0, maxval: 2.0 };
        Embedding { embeddings_initializer, ..Embedding::new(7, UNITS).name(name).mask_zero(true) }
    };
    let (s, t) = (net.add(table("source"), &[source]).unwrap(), net.add(table("target"), &[target]).unwrap());
    let encoded = net.add_all(Lstm::new(UNITS).return_state(true), &[s]).unwrap();
    let decoder = Lstm::new(UNITS).return_sequences(true).bias_initializer(bias());
    let decoded = net.add(decoder, &[t, encoded[1], encoded[2]]).unwrap();
    let tied = TiedDense::new("target/embeddings").activation(Activation::Softmax);
    let y = net.add(tied, &[decoded]).unwrap();
    let model = net.compile(&[y], compile(Loss::SparseCategoricalCrossentropy)).unwrap();
    let ids = |ids: &[u32]| BatchInput { steps: ids.len() / 3, ids: ids.to_vec(), ..BatchInput::default() };
    let batch = Batch {
        lanes: 3,
        inputs: vec![ids(&[1, 2, 0, 3, 0, 0, 6, 4, 5]), ids(&[1, 2, 3, 0, 4, 6, 5, 1, 0, 0, 0, 0])],
        targets: vec![classes(4, 7)],
        ..Batch::default()
    };
    check_model("an encoder and a decoder", &model, &batch);
}

#[test]
fn activations_of_layers() {
    for activation in Activation::ELEMENTWISE.into_iter().chain([Activation::Softmax]) {
        check_near_kinks(&ActivationLayer::new(activation), &[Input::random_steps(19, &LENGTHS)]);
        let dense = dense(4).activation(activation);
        check_near_kinks(&dense, &[Input::random_steps(3, &LENGTHS)]);
        check_near_kinks(&dense.use_bias(false), &[Input::random_lanes(3, 4)]);
    }
}

/// A custom layer, `y = x² ⊙ factor`, with a deliberate mistake.
#[derive(Debug, Clone, Copy)]
struct SquareScale {
    mistake: Mistake,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Mistake {
    None,
    /// The 2 of (x²)′ is missing.
    Slope,
    /// The parameter's gradient replaces what another use of the layer added.
    Overwrites,
    /// The parameter's gradient misses the last row.
    LastRow,
}

#[derive(Debug, Clone)]
struct SquareScaleOp {
    mistake: Mistake,
    factor: SpanId,
}

impl Layer for SquareScale {
    fn class_name(&self) -> &'static str {
        "SquareScale"
    }

    fn name(&self) -> Option<&str> {
        None
    }

    fn config(&self) -> serde_json::Value {
        serde_json::json!({})
    }

    fn lower(&self, plan: &mut Plan<'_>, inputs: &[EdgeId]) -> Result<Vec<EdgeId>, Error> {
        let factor = plan.param(ParamSpec {
            name: "factor",
            shape: vec![plan.features(inputs[0])?],
            initializer: Initializer::RandomUniform { minval: 0.5, maxval: 1.5 },
            regularizer: None,
            decay: true,
        })?;
        let op = SquareScaleOp { mistake: self.mistake, factor };
        Ok(plan.op(Box::new(op), inputs, &[plan.spec(inputs[0])]))
    }

    fn boxed_clone(&self) -> Box<dyn Layer> {
        Box::new(*self)
    }
}

impl Op for SquareScaleOp {
    fn forward(&mut self, cx: &mut Forward<'_>) -> Result<(), Error> {
        let (x, params) = (cx.input(0), cx.params);
        let factor = params.value(self.factor);
        let y = cx.output(0);
        for r in 0..x.rows() {
            for ((y, &x), f) in y.view_mut().row(r).iter_mut().zip(x.view().row(r)).zip(factor) {
                *y = x * x * f;
            }
        }
        Ok(())
    }

    fn backward(&mut self, cx: &mut Backward<'_>) -> Result<(), Error> {
        let (x, Some(dy)) = (cx.input(0), cx.d_output(0)) else { return Ok(()) };
        let counted = x.rows() - usize::from(self.mistake == Mistake::LastRow);
        let (factor, gradient) = cx.params.value_and_gradient(self.factor);
        if self.mistake == Mistake::Overwrites {
            gradient.fill(0.0);
        }
        for r in 0..counted {
            for ((g, &x), &dy) in gradient.iter_mut().zip(x.view().row(r)).zip(dy.view().row(r)) {
                *g += dy * x * x;
            }
        }
        let (factor, two) = (factor.to_vec(), if self.mistake == Mistake::Slope { 1.0 } else { 2.0 });
        if let Some(slot) = cx.d_input(0) {
            for r in 0..x.rows() {
                let (from, dy) = (x.view().row(r), dy.view().row(r));
                for (j, dx) in slot.value.view_mut().row(r).iter_mut().enumerate() {
                    let d = dy[j] * two * from[j] * factor[j];
                    *dx = if slot.add { *dx + d } else { d };
                }
            }
        }
        Ok(())
    }

    fn boxed_clone(&self) -> Box<dyn Op> {
        Box::new(self.clone())
    }
}

#[test]
fn a_custom_layer_is_checked_with_one_call() {
    let x = || [Input::random_steps(3, &LENGTHS)];
    let report = gradcheck(&SquareScale { mistake: Mistake::None }, &x()).unwrap();
    let names: Vec<&str> = report.variables.iter().map(|v| v.name.as_str()).collect();
    assert_eq!(names, ["square_scale/factor", "input 0"]);
    assert!(report.to_string().contains("square_scale/factor"));
    for (mistake, wrong) in [
        (Mistake::Slope, "input 0"),
        (Mistake::Overwrites, "square_scale/factor"),
        (Mistake::LastRow, "square_scale/factor"),
    ] {
        match gradcheck(&SquareScale { mistake }, &x()) {
            Err(Error::Gradient { variable, .. }) => assert_eq!(variable, wrong, "{mistake:?}"),
            other => panic!("{mistake:?} gave {other:?}"),
        }
    }
}

#[test]
fn a_repeated_pass_is_identical() {
    let x = [Input::random_steps(3, &LENGTHS)];
    let mut bench = Bench::new(&Lstm::new(UNITS).recurrent_dropout(0.3), &x).unwrap();
    bench.forward(Mode::Train).unwrap();
    bench.backward(&[vec![vec![0.5; UNITS]; LENGTHS.len()]]).unwrap();
    let seen = |bench: &Bench| {
        let gradient = bench.weight_gradient("recurrent_kernel").unwrap().to_vec();
        (bench.output(0), bench.input_gradient(0), gradient)
    };
    let first = seen(&bench);
    bench.repeat().unwrap();
    assert_eq!(seen(&bench), first);
}

#[test]
fn a_check_without_anything_to_check_is_rejected() {
    let refused = |settings: GradCheck| {
        let error = settings.layer(&Lstm::new(2), &[Input::random_steps(1, &[2])]).unwrap_err();
        assert!(matches!(error, Error::Setting { .. }), "{error}");
    };
    refused(GradCheck { directions: 0, ..GradCheck::default() });
    refused(GradCheck { step: 0.0, ..GradCheck::default() });
    refused(GradCheck { tolerance: f64::NAN, ..GradCheck::default() });
    let mut bench = Bench::new(&Lstm::new(2), &[Input::random_steps(1, &[2])]).unwrap();
    bench.forward(Mode::Infer).unwrap();
    assert!(bench.backward(&[vec![vec![1.0; 2]]]).unwrap_err().to_string().contains("Mode::Train"));
}

#[test]
fn inputs_that_are_not_arrays_are_named() {
    let refused = |inputs: &[Input]| gradcheck(&Lstm::new(2), inputs).unwrap_err().to_string();
    assert!(refused(&[Input::steps(2, &[&[1.0, 2.0, 3.0]])]).contains("whole rows of 2"));
    assert!(refused(&[Input::steps(0, &[&[]])]).contains("width 0"));
    assert!(refused(&[Input::random_steps(2, &[2]).mask(&[&[true]])]).contains("one flag per step"));
    let states = [Input::random_lanes(2, 2), Input::random_lanes(2, 2)];
    assert!(refused(&[&[Input::random_steps(2, &[2])], &states[..]].concat()).contains("2 sequences"));
    let error = gradcheck(&Dense::new(1), &[Input::lanes(1, &[f32::NAN])]).unwrap_err().to_string();
    assert!(error.contains("a finite number"), "{error}");
}
