//! Burn as a peer of the benchmark, on its own CPU backend: trains an LSTM language model with Burn's own layers.
//!
//! It clips the gradient of each parameter rather than the global norm, which saves it that part of a step.

use bench_protocol::{
    BATCHES, Cell, Optimizer as Rule, Prepared, Result, Train, Work, locked, serve, tokens,
};
use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig, Lstm, LstmConfig, LstmState};
use burn::optim::{AdamConfig, GradientsParams, SgdConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};

fn main() -> Result<()> {
    serve(locked("burn"), |job| match &job.work {
        Work::Train(work) if work.cell == Cell::Lstm && work.each_step && work.epochs.is_none() => {
            train(work)
        }
        _ => Ok(Prepared::Unsupported("the Burn peer only supports LSTM language models")),
    })
}

#[derive(Module, Debug)]
struct LanguageModel {
    embedding: Embedding,
    layers: Vec<Lstm>,
    head: Linear,
}

impl LanguageModel {
    fn new(work: &Train, device: &Device) -> Self {
        let inputs = |l| if l == 0 { work.embedding } else { work.units };
        Self {
            embedding: EmbeddingConfig::new(work.vocab, work.embedding).init(device),
            layers: (0..work.layers)
                .map(|l| LstmConfig::new(inputs(l), work.units, true).init(device))
                .collect(),
            head: LinearConfig::new(work.units, work.vocab).init(device),
        }
    }

    /// Returns the logits of `ids`, and the final states of the layers.
    fn forward(&self, ids: Tensor<2, Int>, states: &mut [LstmState<2>]) -> Tensor<2> {
        let mut x = self.embedding.forward(ids);
        for (layer, state) in self.layers.iter().zip(states) {
            let (y, last) = layer.forward(x, Some(state.clone()));
            x = y;
            *state = last.map_state(Tensor::detach);
        }
        self.head.forward(x).flatten(0, 1)
    }
}

fn train(work: &Train) -> Result<Prepared> {
    let device = Device::flex().autodiff();
    let mut model = LanguageModel::new(work, &device);
    let mut optimizer = match work.optimizer {
        Rule::Adam => AdamConfig::new().init(),
        Rule::Sgd => SgdConfig::new().init(),
    };
    let ids = |ids: Vec<u32>| ids.into_iter().map(i64::from).collect::<Vec<_>>();
    let batches: Vec<(Tensor<2, Int>, Tensor<1, Int>)> = (0..BATCHES)
        .map(|b| {
            let (x, y) = tokens(b, work.batch, work.steps, work.vocab, true);
            let rows = y.len();
            let x = Tensor::from_data(TensorData::new(ids(x), [work.batch, work.steps]), &device);
            (x, Tensor::from_data(TensorData::new(ids(y), [rows]), &device))
        })
        .collect();
    let mut states = vec![LstmState::initial([work.batch, work.units], &device); work.layers];
    let (rate, mut next) = (work.rate, 0);
    let mut step = move || {
        let (x, y) = batches[next].clone();
        next = (next + 1) % BATCHES;
        let logits = model.forward(x, &mut states);
        let loss = CrossEntropyLossConfig::new().init(&device).forward(logits, y);
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(rate, model.clone(), gradients);
        f64::from(loss.into_scalar::<f32>())
    };
    Ok(Prepared::new(vec![step()], move || {
        step();
        Ok(())
    }))
}
