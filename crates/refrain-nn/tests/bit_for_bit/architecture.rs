//! Random models.

use proptest::prelude::*;
use proptest::sample::select;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use refrain_nn::layers::{
    ActivityPenalty, Bidirectional, CellConfig, Dense, Dropout, Embedding, Gru, LayerNormalization, Lstm,
    Masking, MergeMode, Recurrent, RecurrentMask, SimpleRnn, SpatialDropout1D,
};
use refrain_nn::loss::Loss;
use refrain_nn::optim::Adam;
use refrain_nn::{Activation, Compile, Engine, InputSpec, Model, Sequential};
use std::fmt;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Cell {
    SimpleRnn,
    Lstm,
    GruResetAfter,
    GruResetBefore,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    Forwards,
    Backwards,
    Both(MergeMode),
}

/// The layer after a recurrent layer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum After {
    Nothing,
    LayerNormalization,
    Dense(usize, Activation),
    Dropout,
    /// Only after a layer that returns sequences.
    SpatialDropout,
    /// After a layer that returns sequences, also of the change between steps.
    Penalty,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Input {
    Ids { vocabulary: usize, width: usize, dropout: f32 },
    Features(usize),
}

/// The end of a model: nothing or a linear Dense, with a mean squared error, or a softmax over classes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Head {
    Nothing,
    Values(usize),
    Classes(usize),
}

#[derive(Clone, Copy)]
pub(crate) struct Layer {
    pub(crate) cell: Cell,
    pub(crate) units: usize,
    pub(crate) activation: Activation,
    pub(crate) gates: Activation,
    pub(crate) use_bias: bool,
    pub(crate) way: Way,
    pub(crate) dropout: f32,
    pub(crate) recurrent_dropout: f32,
    pub(crate) weight_dropout: f32,
    pub(crate) mask: RecurrentMask,
    pub(crate) after: After,
}

#[derive(Debug, Clone)]
pub(crate) struct Architecture {
    pub(crate) input: Input,
    pub(crate) layers: Vec<Layer>,
    /// Whether the last recurrent layer returns sequences; all others do.
    pub(crate) sequences: bool,
    pub(crate) head: Head,
    /// Whether every recurrent layer is stateful.
    pub(crate) stateful: bool,
    /// Whether the model drops steps with id 0 or with features that are all 0.
    pub(crate) masks: bool,
}

/// Formats a layer on one line.
impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cell, units, activation, gates, use_bias, way, dropout, .. } = self;
        let Self { recurrent_dropout, weight_dropout, mask, after, .. } = self;
        write!(f, "{way:?} {cell:?}({units}) {activation}, gates {gates}, bias {use_bias}, ")?;
        write!(f, "dropout {dropout}, {recurrent_dropout} {mask:?} and {weight_dropout}, then {after:?}")
    }
}

impl Layer {
    fn add<C: CellConfig>(
        &self,
        to: Sequential,
        layer: Recurrent<C>,
        net: &Architecture,
        last: bool,
    ) -> Sequential {
        let sequences = !last || net.sequences;
        let layer = layer
            .activation(self.activation)
            .use_bias(self.use_bias)
            .return_sequences(sequences)
            .stateful(net.stateful)
            .dropout(self.dropout)
            .recurrent_dropout(self.recurrent_dropout)
            .recurrent_mask(self.mask)
            .recurrent_weight_dropout(self.weight_dropout);
        let to = match self.way {
            Way::Forwards => to.add(layer),
            Way::Backwards => to.add(layer.go_backwards(true)),
            Way::Both(mode) => to.add(Bidirectional::new(layer).merge_mode(mode)),
        };
        match self.after {
            After::Nothing => to,
            After::LayerNormalization => to.add(LayerNormalization::new()),
            After::Dense(units, activation) => to.add(Dense::new(units).activation(activation)),
            After::Dropout => to.add(Dropout::new(0.3)),
            After::SpatialDropout if sequences => to.add(SpatialDropout1D::new(0.3)),
            After::SpatialDropout => to,
            After::Penalty => to.add(ActivityPenalty::new(0.5, if sequences { 0.25 } else { 0.0 })),
        }
    }
}

impl Architecture {
    /// Creates a model with the parameters that its seed gives.
    pub(crate) fn fresh(&self, engine: &Engine, seed: u64) -> Model {
        self.fresh_with(Compile { seed, engine: Some(engine.clone()), ..self.compile() })
    }

    /// Creates a model that is trained with these settings.
    pub(crate) fn fresh_with(&self, compile: Compile) -> Model {
        let mut net = Sequential::new();
        net = match self.input {
            Input::Ids { vocabulary, width, dropout } => {
                net.add(Embedding::new(vocabulary, width).mask_zero(self.masks).dropout(dropout))
            }
            Input::Features(width) if self.masks => {
                net.input(InputSpec::features(width)).add(Masking::default())
            }
            Input::Features(width) => net.input(InputSpec::features(width)),
        };
        for (i, layer) in self.layers.iter().enumerate() {
            let (units, last) = (layer.units, i + 1 == self.layers.len());
            net = match layer.cell {
                Cell::SimpleRnn => layer.add(net, SimpleRnn::new(units), self, last),
                Cell::Lstm => layer.add(net, Lstm::new(units).recurrent_activation(layer.gates), self, last),
                Cell::GruResetAfter => {
                    layer.add(net, Gru::new(units).recurrent_activation(layer.gates), self, last)
                }
                Cell::GruResetBefore => {
                    let gru = Gru::new(units).recurrent_activation(layer.gates).reset_after(false);
                    layer.add(net, gru, self, last)
                }
            };
        }
        net = match self.head {
            Head::Nothing => net,
            Head::Values(width) => net.add(Dense::new(width)),
            Head::Classes(width) => net.add(Dense::new(width).activation(Activation::Softmax)),
        };
        net.compile(compile).unwrap()
    }

    /// Creates a model with random parameters, including biases, which are otherwise 0 at first.
    pub(crate) fn model(&self, engine: &Engine, seed: u64) -> Model {
        let mut model = self.fresh(engine, seed);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let spans: Vec<_> =
            model.params().spans().iter().map(|s| (s.name.clone(), s.shape.clone(), s.len())).collect();
        for (name, shape, len) in spans {
            let spread = if name.ends_with("kernel") { 1.0 / (shape[0] as f32).sqrt() } else { 0.5 };
            let centre = if name.ends_with("gamma") { 1.0 } else { 0.0 };
            let values: Vec<f32> = (0..len).map(|_| centre + spread * uniform(&mut rng)).collect();
            model.set_weight_flat(&name, &values).unwrap();
        }
        model
    }

    /// Returns the settings for training.
    pub(crate) fn compile(&self) -> Compile {
        let loss = match self.head {
            Head::Classes(_) => Loss::SparseCategoricalCrossentropy,
            Head::Nothing | Head::Values(_) => Loss::MeanSquaredError,
        };
        Compile { loss, optimizer: Adam::default().global_clipnorm(1.0).into(), ..Compile::default() }
    }
}

/// Returns a number between -1 and 1.
pub(crate) fn uniform(rng: &mut ChaCha8Rng) -> f32 {
    (rng.next_u32() >> 8) as f32 / (1 << 23) as f32 - 1.0
}

/// What the models of a property may contain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choice {
    /// Only what a session can run, except `return_sequences`.
    pub(crate) causal: bool,
    /// The activations of cells. Those of gates are drawn from the bounded ones.
    pub(crate) activations: &'static [Activation],
    /// The units of a recurrent layer.
    pub(crate) units: fn() -> BoxedStrategy<usize>,
    /// The maximum number of recurrent layers.
    pub(crate) layers: usize,
    pub(crate) inputs: fn() -> BoxedStrategy<Input>,
}

pub(crate) const ANY: Choice =
    Choice { causal: false, activations: &Activation::ELEMENTWISE, units, layers: 3, inputs };

pub(crate) const CAUSAL: Choice = Choice { causal: true, ..ANY };

/// Without the exponential, whose states overflow: a non-finite gradient would hide all others.
pub(crate) const TRAINABLE: Choice = Choice { activations: ANY.activations.split_at(9).0, ..ANY };

/// Mostly around the boundaries of slots and panels, which are 16 and 64 units wide.
fn units() -> BoxedStrategy<usize> {
    prop_oneof![3 => select(vec![1_usize, 15, 16, 17, 63, 64, 65]), 2 => 1..=70_usize].boxed()
}

fn width() -> impl Strategy<Value = usize> {
    select(vec![1_usize, 2, 5, 16, 17])
}

fn inputs() -> BoxedStrategy<Input> {
    let ids = (2..20_usize, width(), select(vec![0.0_f32, 0.3]))
        .prop_map(|(vocabulary, width, dropout)| Input::Ids { vocabulary, width, dropout });
    prop_oneof![width().prop_map(Input::Features), ids].boxed()
}

pub(crate) fn architecture(choice: Choice) -> impl Strategy<Value = Architecture> {
    let layers = prop::collection::vec(layer(choice), 1..=choice.layers);
    let head = prop_oneof![
        Just(Head::Nothing),
        width().prop_map(Head::Values),
        (2..20_usize).prop_map(Head::Classes),
    ];
    ((choice.inputs)(), layers, any::<bool>(), head).prop_map(|(input, layers, sequences, head)| {
        Architecture { input, layers, sequences, head, stateful: false, masks: false }
    })
}

pub(crate) fn layer(choice: Choice) -> impl Strategy<Value = Layer> {
    let cell = select(vec![Cell::SimpleRnn, Cell::Lstm, Cell::GruResetAfter, Cell::GruResetBefore]);
    let gates = select(vec![Activation::Sigmoid, Activation::HardSigmoid, Activation::Softsign]);
    let rate = || select(vec![0.0_f32, 0.0, 0.3]);
    let mask = select(vec![RecurrentMask::PerGate, RecurrentMask::Shared]);
    let cell = (cell, (choice.units)(), select(choice.activations), gates, any::<bool>());
    (cell, way(choice.causal), (rate(), rate(), rate(), mask), after()).prop_map(
        |(cell, way, drop, after)| {
            let (cell, units, activation, gates, use_bias) = cell;
            let (dropout, recurrent_dropout, weight_dropout, mask) = drop;
            Layer {
                cell,
                units,
                activation,
                gates,
                use_bias,
                way,
                dropout,
                recurrent_dropout,
                weight_dropout,
                mask,
                after,
            }
        },
    )
}

fn way(causal: bool) -> BoxedStrategy<Way> {
    let modes = vec![MergeMode::Concat, MergeMode::Sum, MergeMode::Mul, MergeMode::Ave];
    match causal {
        true => Just(Way::Forwards).boxed(),
        false => prop_oneof![
            2 => Just(Way::Forwards),
            1 => Just(Way::Backwards),
            2 => select(modes).prop_map(Way::Both),
        ]
        .boxed(),
    }
}

fn after() -> impl Strategy<Value = After> {
    let activation = select(vec![Activation::Linear, Activation::Tanh, Activation::Softmax]);
    prop_oneof![
        3 => Just(After::Nothing),
        1 => Just(After::LayerNormalization),
        1 => Just(After::Dropout),
        1 => Just(After::SpatialDropout),
        1 => Just(After::Penalty),
        1 => (select(vec![1_usize, 7, 16, 65]), activation).prop_map(|(units, a)| After::Dense(units, a)),
    ]
}
