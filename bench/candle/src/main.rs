//! Candle as a peer of the benchmark: trains an LSTM language model with Candle's own layers.
//!
//! It has no clipping by the global norm, which saves it that part of a step.

use bench_protocol::{
    BATCHES, Cell, Optimizer as Rule, Prepared, Result, Train, Work, locked, serve, tokens,
};
use candle_core::{DType, Device, Tensor};
use candle_nn::rnn::{LSTM, LSTMConfig, LSTMState, RNN};
use candle_nn::{
    AdamW, Embedding, Linear, Module, Optimizer, ParamsAdamW, SGD, VarBuilder, VarMap, embedding, linear,
    loss, lstm,
};

fn main() -> Result<()> {
    serve(locked("candle-nn"), |job| match &job.work {
        Work::Train(work) if work.cell == Cell::Lstm && work.each_step && work.epochs.is_none() => {
            train(work)
        }
        _ => Ok(Prepared::Unsupported("the Candle peer only supports LSTM language models")),
    })
}

struct LanguageModel {
    embedding: Embedding,
    layers: Vec<LSTM>,
    head: Linear,
}

impl LanguageModel {
    fn new(work: &Train, vars: VarBuilder<'_>) -> Result<Self> {
        let mut layers = Vec::new();
        for l in 0..work.layers {
            let inputs = if l == 0 { work.embedding } else { work.units };
            layers.push(lstm(inputs, work.units, LSTMConfig::default(), vars.pp(format!("lstm_{l}")))?);
        }
        let embedding = embedding(work.vocab, work.embedding, vars.pp("embedding"))?;
        Ok(Self { embedding, layers, head: linear(work.units, work.vocab, vars.pp("head"))? })
    }

    /// Returns the logits of `ids`, and the final states of the layers.
    fn forward(&self, ids: &Tensor, states: &mut [LSTMState]) -> Result<Tensor> {
        let mut x = self.embedding.forward(ids)?;
        for (layer, state) in self.layers.iter().zip(states) {
            let all = layer.seq_init(&x, state)?;
            x = layer.states_to_tensor(&all)?;
            let last = all.last().ok_or("a batch has no steps")?;
            *state = LSTMState::new(last.h.detach(), last.c.detach());
        }
        Ok(self.head.forward(&x)?.flatten_to(1)?)
    }
}

enum Steps {
    Adam(AdamW),
    Sgd(SGD),
}

fn train(work: &Train) -> Result<Prepared> {
    let device = Device::Cpu;
    let vars = VarMap::new();
    let model = LanguageModel::new(work, VarBuilder::from_varmap(&vars, DType::F32, &device))?;
    let mut optimizer = match work.optimizer {
        Rule::Adam => {
            let params = ParamsAdamW { lr: work.rate, weight_decay: 0.0, ..ParamsAdamW::default() };
            Steps::Adam(AdamW::new(vars.all_vars(), params)?)
        }
        Rule::Sgd => Steps::Sgd(SGD::new(vars.all_vars(), work.rate)?),
    };
    let batches: Vec<_> = (0..BATCHES)
        .map(|b| {
            let (x, y) = tokens(b, work.batch, work.steps, work.vocab, true);
            Ok((Tensor::from_vec(x, (work.batch, work.steps), &device)?, Tensor::new(y, &device)?))
        })
        .collect::<Result<_>>()?;
    let mut states =
        model.layers.iter().map(|l| Ok(l.zero_state(work.batch)?)).collect::<Result<Vec<_>>>()?;
    let mut next = 0;
    let mut step = move || {
        let (x, y) = &batches[next];
        next = (next + 1) % BATCHES;
        let loss = loss::cross_entropy(&model.forward(x, &mut states)?, y)?;
        match &mut optimizer {
            Steps::Adam(optimizer) => optimizer.backward_step(&loss)?,
            Steps::Sgd(optimizer) => optimizer.backward_step(&loss)?,
        }
        Ok(f64::from(loss.to_scalar::<f32>()?))
    };
    Ok(Prepared::new(vec![step()?], move || step().map(drop)))
}
