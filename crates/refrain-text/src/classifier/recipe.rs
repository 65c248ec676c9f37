//! How a classifier is made and trained.

use super::examples::Identical;
use crate::error::{Error, Result};
use crate::language_model::{CellKind, Codec, Level, RateSchedule, TextRecipe};
use refrain_nn::layers::{Bidirectional, Dense, Dropout, Embedding, Gru, Lstm, RecurrentLayer, SimpleRnn};
use refrain_nn::loss::Loss;
use refrain_nn::metrics::Metric;
use refrain_nn::optim::Optimizer;
use refrain_nn::{
    Activation, Compile, DEFAULT_SEED, Engine, Initializer, InputSpec, Model, Network, PlannedModel, Tensor,
};
use serde::{Deserialize, Serialize};

/// How much the texts of each label count in training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassWeight {
    /// Every text the same.
    None,
    /// Every label the same: texts of rare labels count more.
    Balanced,
}

/// Everything that decides what a trained classifier is, besides the texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassifierRecipe {
    /// What a step is: a character or a word.
    pub level: Level,
    /// The recurrence.
    pub cell: CellKind,
    /// Hidden units of each layer, in each direction.
    pub units: usize,
    /// Recurrent layers.
    pub layers: usize,
    /// Width of the embedding.
    pub embedding: usize,
    /// Whether the layers read texts in both directions.
    pub bidirectional: bool,
    /// Texts of a batch.
    pub batch: usize,
    /// Passes over the texts.
    pub epochs: usize,
    /// The learning rate, before its schedule.
    pub learning_rate: f64,
    /// How the learning rate goes.
    pub schedule: RateSchedule,
    /// The optimiser's name, with Keras's defaults.
    pub optimizer: String,
    /// The global norm that gradients are clipped to; 0 for none.
    pub clip: f64,
    /// Dropout before, between and behind the recurrent layers, fresh each step.
    pub dropout: f64,
    /// Words that occur less often become the unknown one.
    pub min_count: u64,
    /// Steps of a text that are read; what follows is cut.
    pub max_length: usize,
    /// How much the texts of each label count.
    pub class_weight: ClassWeight,
    /// Share of each label's texts that is held out for validation.
    pub validation: f64,
    /// Whether identical texts are held out together.
    pub identical: Identical,
    /// Of the initial weights, dropout, the order of the texts, and which are held out.
    pub seed: u64,
}

impl Default for ClassifierRecipe {
    fn default() -> Self {
        Self {
            level: Level::Char,
            cell: CellKind::Lstm,
            units: 128,
            layers: 1,
            embedding: 64,
            bidirectional: true,
            batch: 64,
            epochs: 10,
            learning_rate: 2e-3,
            schedule: RateSchedule::Cosine,
            optimizer: "adam".to_owned(),
            clip: 5.0,
            dropout: 0.2,
            min_count: 1,
            max_length: 512,
            class_weight: ClassWeight::None,
            validation: 0.1,
            identical: Identical::Apart,
            seed: DEFAULT_SEED,
        }
    }
}

impl ClassifierRecipe {
    /// Checks every setting against its range.
    ///
    /// # Errors
    /// Of the first that is outside.
    pub fn check(&self) -> Result<()> {
        let range = |ok: bool, option: &'static str, got: String, expected: &'static str| {
            if ok { Ok(()) } else { Err(Error::Option { option, got, expected }) }
        };
        for (option, size) in [
            ("units", self.units),
            ("layers", self.layers),
            ("embedding", self.embedding),
            ("batch", self.batch),
            ("epochs", self.epochs),
            ("max-length", self.max_length),
        ] {
            range(size > 0, option, size.to_string(), "at least 1")?;
        }
        let rate = self.learning_rate;
        range(rate > 0.0 && rate.is_finite(), "lr", rate.to_string(), "above 0")?;
        range(self.clip >= 0.0 && self.clip.is_finite(), "clip", self.clip.to_string(), "at least 0")?;
        for (option, share) in [("dropout", self.dropout), ("validation", self.validation)] {
            range((0.0..1.0).contains(&share), option, share.to_string(), "from 0 and below 1")?;
        }
        let scheduled = !matches!(self.schedule, RateSchedule::Step | RateSchedule::Plateau);
        let expected = "constant, cosine or exponential";
        range(scheduled, "schedule", format!("{:?}", self.schedule).to_lowercase(), expected)?;
        if self.level != Level::Word && self.min_count > 1 {
            let got = format!("{} with {}", self.min_count, self.level.plural());
            return Err(Error::Option { option: "min-count", got, expected: "1: it is for words" });
        }
        self.optimizer(1).map(|_| ())
    }

    /// The optimiser for a run of `steps` updates, as a language model has it.
    fn optimizer(&self, steps: u64) -> Result<Optimizer> {
        let as_text = TextRecipe {
            learning_rate: self.learning_rate,
            schedule: self.schedule,
            optimizer: self.optimizer.clone(),
            clip: self.clip,
            ..TextRecipe::default()
        };
        as_text.optimizer(steps)
    }

    /// The untrained network for a vocabulary and a number of labels.
    pub(super) fn network(
        &self,
        codec: &Codec,
        labels: usize,
        engine: Engine,
        updates: u64,
    ) -> Result<Model> {
        Ok(self.plan(codec.vocab_size(), labels, engine, updates)?.allocate()?)
    }

    /// The same without memory for its parameters, for a vocabulary of so many entries.
    pub(super) fn plan(
        &self,
        vocabulary: usize,
        labels: usize,
        engine: Engine,
        updates: u64,
    ) -> Result<PlannedModel> {
        let mut net = Network::new();
        let ids = net.input(InputSpec::ids().name("tokens"));
        let embedding = Embedding::new(vocabulary, self.embedding)
            .embeddings_initializer(Initializer::RandomNormal { mean: 0.0, stddev: 1.0 })
            .name("embedding");
        let mut x = net.add(embedding, &[ids])?;
        for layer in 1..=self.layers {
            x = self.drop(&mut net, x)?;
            let (units, sequences) = (self.units, layer < self.layers);
            x = match self.cell {
                CellKind::Rnn => self.read(&mut net, SimpleRnn::new(units).return_sequences(sequences), x),
                CellKind::Lstm => self.read(&mut net, Lstm::new(units).return_sequences(sequences), x),
                CellKind::Gru => self.read(&mut net, Gru::new(units).return_sequences(sequences), x),
            }?;
        }
        x = self.drop(&mut net, x)?;
        let y = net.add(Dense::new(labels).activation(Activation::Softmax).name("output"), &[x])?;
        Ok(net.plan(
            &[y],
            Compile {
                loss: Loss::SparseCategoricalCrossentropy,
                optimizer: self.optimizer(updates)?,
                metrics: vec![Metric::Accuracy],
                seed: self.seed,
                engine: Some(engine),
                ..Compile::default()
            },
        )?)
    }

    fn read(&self, net: &mut Network, layer: impl RecurrentLayer + 'static, x: Tensor) -> Result<Tensor> {
        Ok(if self.bidirectional { net.add(Bidirectional::new(layer), &[x])? } else { net.add(layer, &[x])? })
    }

    fn drop(&self, net: &mut Network, x: Tensor) -> Result<Tensor> {
        Ok(if self.dropout > 0.0 { net.add(Dropout::new(self.dropout as f32), &[x])? } else { x })
    }
}
