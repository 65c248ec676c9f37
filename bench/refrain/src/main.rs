//! Refrain as a peer of the benchmark.

use bench_protocol::{
    BATCHES, Cell, GRADIENT, Job, Layer, Optimizer as Rule, Prepared, Ready, Result, Stream, Train, Work,
    serve, tokens, uniform,
};
use refrain::custom::Mode;
use refrain::data::{Batch, BatchInput, BatchTarget};
use refrain::gradcheck::{Bench, Input};
use refrain::machine::peak_flops;
use refrain::ndarray::{Array1, Array2};
use refrain::prelude::*;

/// Number of runs of which the machine's peak is the best.
const PEAK_RUNS: usize = 20;

fn main() -> Result<()> {
    serve(env!("CARGO_PKG_VERSION"), |job| match &job.work {
        Work::Layer(work) => layer(work, engine(job.threads)),
        Work::Stream(work) => stream(work, job),
        Work::Train(work) => train(work, job),
        Work::Program => Ok(Prepared::Unsupported("a program is timed by the driver")),
    })
}

fn engine(threads: usize) -> Engine {
    Engine::new(Engine::default().isa(), threads)
}

fn layer(work: &Layer, engine: Engine) -> Result<Prepared> {
    let units = work.units;
    let longest = work.lengths.iter().copied().max().unwrap_or(0);
    let sequence = |(n, &length): (usize, &usize)| -> Vec<f32> {
        (0..length * units).map(|i| uniform(n * longest * units + i)).collect()
    };
    let sequences: Vec<_> = work.lengths.iter().enumerate().map(sequence).collect();
    let x = [Input::steps(units, &sequences.iter().map(Vec::as_slice).collect::<Vec<_>>())];
    let peak = peak_flops(&engine, PEAK_RUNS);
    let mut bench = match work.cell {
        Cell::Lstm => Bench::with_engine(&Lstm::new(units).return_sequences(true), &x, engine),
        Cell::Gru => Bench::with_engine(&Gru::new(units).return_sequences(true), &x, engine),
        Cell::Rnn => Bench::with_engine(&SimpleRnn::new(units).return_sequences(true), &x, engine),
    }?;
    for (name, shape) in bench.weights() {
        bench.set_weight(&name, &vec![constant(&name, units); shape.iter().product()])?;
    }
    bench.forward(Mode::Train)?;
    let y = bench.output(0);
    bench.backward(&[y.iter().map(|y| vec![GRADIENT; y.len()]).collect()])?;
    let flat = |rows: Vec<Vec<f32>>| mean(&rows.concat());
    let kernels = [bench.weight_gradient("kernel")?, bench.weight_gradient("recurrent_kernel")?];
    let check = vec![flat(y), flat(bench.input_gradient(0)), mean(kernels[0]), mean(kernels[1])];
    Ok(Prepared::Ready(Ready { check, peak: Some(peak) }, Box::new(move || Ok(bench.repeat()?))))
}

/// Returns the value of every element of a parameter in layers and streams.
fn constant(name: &str, units: usize) -> f32 {
    if name.ends_with("bias") { 0.0 } else { 1.0 / units as f32 }
}

fn mean(values: &[f32]) -> f64 {
    values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64
}

fn stream(work: &Stream, job: &Job) -> Result<Prepared> {
    let (units, steps) = (work.units, work.steps);
    let compile = Compile { engine: Some(engine(job.threads)), ..Compile::default() };
    let mut model = Sequential::new()
        .input(InputSpec::features(units))
        .add(Lstm::new(units).return_sequences(true))
        .compile(compile)?;
    let names: Vec<_> = model.params().spans().iter().map(|s| (s.name.clone(), s.len())).collect();
    for (name, len) in names {
        model.set_weight_flat(&name, &vec![constant(&name, units); len])?;
    }
    let x: Vec<f32> = (0..steps * units).map(uniform).collect();
    if work.chunk == steps {
        let input = BatchInput { steps, features: x, ..BatchInput::default() };
        let batch = Batch { lanes: 1, inputs: vec![input], ..Batch::default() };
        let mut call = move || Ok(model.predict_batch(&batch, None)?.swap_remove(0));
        let check: Vec<f32> = call()?.iter().copied().skip((steps - 1) * units).collect();
        return Ok(Prepared::new(vec![mean(&check)], move || call().map(drop)));
    }
    // A session borrows its model, and both live as long as the process.
    let mut session = Box::leak(Box::new(model)).session(1)?;
    let mut check = 0.0;
    for x in x.chunks_exact(units) {
        check = mean(session.step_features(x)?.row(0));
    }
    Ok(Prepared::new(vec![check], move || {
        for x in x.chunks_exact(units) {
            session.step_features(x)?;
        }
        Ok(())
    }))
}

fn train(work: &Train, job: &Job) -> Result<Prepared> {
    if let Some(epochs) = work.epochs {
        return fit(work.clone(), engine(job.threads), epochs);
    }
    let mut model = build(work, engine(job.threads))?;
    let batches = if work.each_step { BATCHES } else { 1 };
    let batches: Vec<_> = (0..batches).map(|b| batch(work, b)).collect();
    let mut state = model.new_state();
    let (each_step, mut next) = (work.each_step, 0);
    let mut step = move || {
        model.reset_totals();
        model.train_step(&batches[next], each_step.then_some(&mut state))?;
        next = (next + 1) % batches.len();
        Ok(model.totals()[0].1)
    };
    Ok(Prepared::new(vec![step()?], move || step().map(drop)))
}

fn fit(work: Train, engine: Engine, epochs: usize) -> Result<Prepared> {
    let (x, y) = tokens(0, work.batch, work.steps, work.vocab, work.each_step);
    let (x, y) = (Array2::from_shape_vec((work.batch, work.steps), x)?, Array1::from_vec(y));
    let run = move || {
        let fit = Fit { epochs, batch_size: work.batch, ..Fit::default() };
        let history = build(&work, engine.clone())?.fit(&x, &y, fit)?;
        Ok(history.get("loss").and_then(<[f64]>::first).copied().ok_or("no epoch was trained")?)
    };
    Ok(Prepared::new(vec![run()?], move || run().map(drop)))
}

fn build(work: &Train, engine: Engine) -> Result<Model> {
    let mut chain = Sequential::new().add(Embedding::new(work.vocab, work.embedding));
    for layer in 1..=work.layers {
        let sequences = work.each_step || layer < work.layers;
        chain = match work.cell {
            Cell::Lstm => chain.add(Lstm::new(work.units).return_sequences(sequences)),
            Cell::Gru => chain.add(Gru::new(work.units).return_sequences(sequences)),
            Cell::Rnn => chain.add(SimpleRnn::new(work.units).return_sequences(sequences)),
        };
    }
    let mut optimizer: Optimizer = match work.optimizer {
        Rule::Adam => Adam::default().learning_rate(work.rate).into(),
        Rule::Sgd => Sgd::default().learning_rate(work.rate).into(),
    };
    optimizer.clip.global_clipnorm = work.clip;
    Ok(chain.add(Dense::new(work.vocab).activation(Activation::Softmax)).compile(Compile {
        loss: Loss::SparseCategoricalCrossentropy,
        optimizer,
        engine: Some(engine),
        ..Compile::default()
    })?)
}

fn batch(work: &Train, b: usize) -> Batch {
    let (x, y) = tokens(b, work.batch, work.steps, work.vocab, work.each_step);
    let input = BatchInput { steps: work.steps, ids: x, ..BatchInput::default() };
    let steps = if work.each_step { work.steps } else { 1 };
    let target = BatchTarget { steps, ids: y, ..BatchTarget::default() };
    Batch { lanes: work.batch, inputs: vec![input], targets: vec![target], ..Batch::default() }
}
