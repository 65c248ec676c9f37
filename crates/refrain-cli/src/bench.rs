//! `refrain bench`: measures the limits of this machine, and how close each cell comes to them.

use crate::cli::Bench as Options;
use crate::error::Result;
use crate::output::Output;
use refrain::custom::Mode;
use refrain::gradcheck::{Bench, Input};
use refrain::machine::{peak_flops, read_bandwidth};
use refrain::prelude::*;
use refrain::shown::counted;
use serde_json::{Value, json};
use std::fmt::Write;
use std::time::Instant;

/// Sequences and steps of a training pass.
const SEQUENCES: usize = 64;
const STEPS: usize = 64;
/// Runs of the machine's own measurements, of which the best one counts.
const RUNS: usize = 20;
/// Floats read to measure bandwidth: more than fit into any cache.
const MEMORY: usize = 64 << 20;
/// Minimum runs of a measurement, which is their median.
const MIN_RUNS: usize = 5;
/// Minimum seconds of a measurement.
const MIN_SECONDS: f64 = 0.3;
/// Steps of a single sequence that are timed together.
const STREAM_STEPS: usize = 64;

#[derive(Debug, Clone, Copy)]
enum Cell {
    Lstm,
    Gru,
    Rnn,
}

impl Cell {
    const ALL: [Self; 3] = [Self::Lstm, Self::Gru, Self::Rnn];

    fn name(self) -> &'static str {
        match self {
            Self::Lstm => "lstm",
            Self::Gru => "gru",
            Self::Rnn => "rnn",
        }
    }

    fn gates(self) -> usize {
        match self {
            Self::Lstm => 4,
            Self::Gru => 3,
            Self::Rnn => 1,
        }
    }

    /// Returns the number of weights of a layer with as many inputs as units.
    fn weights(self, units: usize) -> usize {
        self.gates() * units * 2 * units
    }
}

pub(crate) fn run(options: &Options, engine: Engine, output: &mut Output) -> Result<()> {
    let single = Engine::new(engine.isa(), 1);
    output.log("measuring the machine");
    let (peak, peak_one) = (peak_flops(&engine, RUNS), peak_flops(&single, RUNS));
    let bandwidth = {
        let memory = vec![1.0; MEMORY];
        read_bandwidth(&engine, &memory, RUNS / 4)
    };
    let mut training = Vec::new();
    let mut streaming = Vec::new();
    for cell in Cell::ALL {
        for &units in &options.units {
            output.log(format!("{} with {}", cell.name(), counted(units, "unit")));
            let seconds = train(cell, units, &engine)?;
            let flops = (6 * SEQUENCES * STEPS * cell.weights(units)) as f64 / seconds;
            training.push(json!({ "cell": cell.name(), "units": units, "milliseconds": seconds * 1e3,
                "gflops": flops / 1e9, "share_of_peak": flops / peak }));
            let seconds = stream(cell, units, &single)?;
            let bytes = (4 * cell.weights(units)) as f64 / seconds;
            let flops = (2 * cell.weights(units)) as f64 / seconds;
            streaming.push(json!({ "cell": cell.name(), "units": units, "microseconds": seconds * 1e6,
                "gigabytes_per_second": bytes / 1e9, "share_of_peak": flops / peak_one }));
        }
    }
    let fields = json!({ "isa": engine.isa().name(), "threads": engine.threads(), "peak_gflops": peak / 1e9,
        "peak_gflops_one_thread": peak_one / 1e9, "gigabytes_per_second": bandwidth / 1e9,
        "training": training, "streaming": streaming });
    output.result(fields.clone(), || table(&fields))
}

/// Measures the seconds of one layer's forward and backward pass, including packing the weights.
fn train(cell: Cell, units: usize, engine: &Engine) -> refrain::Result<f64> {
    let x = [Input::random_steps(units, &[STEPS; SEQUENCES])];
    let bench = match cell {
        Cell::Lstm => Bench::with_engine(&Lstm::new(units).return_sequences(true), &x, engine.clone()),
        Cell::Gru => Bench::with_engine(&Gru::new(units).return_sequences(true), &x, engine.clone()),
        Cell::Rnn => Bench::with_engine(&SimpleRnn::new(units).return_sequences(true), &x, engine.clone()),
    };
    let mut bench = bench?;
    bench.forward(Mode::Train)?;
    let gradient: Vec<Vec<f32>> = bench.output(0).iter().map(|y| vec![1e-3; y.len()]).collect();
    bench.backward(&[gradient])?;
    median(|| Ok(bench.repeat()?))
}

/// Measures the seconds per step of a single sequence, run step by step.
fn stream(cell: Cell, units: usize, engine: &Engine) -> refrain::Result<f64> {
    let chain = Sequential::new().input(InputSpec::features(units));
    let chain = match cell {
        Cell::Lstm => chain.add(Lstm::new(units).return_sequences(true)),
        Cell::Gru => chain.add(Gru::new(units).return_sequences(true)),
        Cell::Rnn => chain.add(SimpleRnn::new(units).return_sequences(true)),
    };
    let mut model = chain.compile(Compile { engine: Some(engine.clone()), ..Compile::default() })?;
    let mut session = model.session(1)?;
    let x = vec![0.5; units];
    let seconds = median(|| {
        for _ in 0..STREAM_STEPS {
            session.step_features(&x)?;
        }
        Ok(())
    })?;
    Ok(seconds / STREAM_STEPS as f64)
}

fn median(mut run: impl FnMut() -> refrain::Result<()>) -> refrain::Result<f64> {
    run()?;
    let (start, mut seconds) = (Instant::now(), Vec::new());
    while seconds.len() < MIN_RUNS || start.elapsed().as_secs_f64() < MIN_SECONDS {
        let start = Instant::now();
        run()?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[seconds.len() / 2])
}

fn table(fields: &Value) -> String {
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut out = format!(
        "{}, {} threads: {:.0} GFLOP/s of multiply-adds in registers ({:.0} on one thread), {:.1} GB/s read from memory\n\n",
        text(&fields["isa"]),
        fields["threads"],
        number(&fields["peak_gflops"]),
        number(&fields["peak_gflops_one_thread"]),
        number(&fields["gigabytes_per_second"]),
    );
    let _ = writeln!(
        out,
        "training: one layer forward and backward, {SEQUENCES} sequences of {STEPS} steps, {} threads\n\
         cell  units        ms  GFLOP/s  of peak",
        fields["threads"]
    );
    let rows = |name: &str| fields[name].as_array().cloned().unwrap_or_default();
    for row in rows("training") {
        let (ms, gflops, share) =
            (number(&row["milliseconds"]), number(&row["gflops"]), 100.0 * number(&row["share_of_peak"]));
        let _ = writeln!(
            out,
            "{:<5} {:>5} {ms:>9.2} {gflops:>8.0} {share:>7.0}%",
            text(&row["cell"]),
            number(&row["units"])
        );
    }
    out.push_str("\nstreaming: one sequence, step by step, one thread\ncell  units     µs/step  GB/s of weights  of peak\n");
    for row in rows("streaming") {
        let (us, bytes) = (number(&row["microseconds"]), number(&row["gigabytes_per_second"]));
        let share = 100.0 * number(&row["share_of_peak"]);
        let _ = writeln!(
            out,
            "{:<5} {:>5} {us:>11.2} {bytes:>16.1} {share:>7.0}%",
            text(&row["cell"]),
            number(&row["units"])
        );
    }
    out
}
