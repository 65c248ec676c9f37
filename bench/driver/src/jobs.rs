//! The jobs of a run, in groups that share a table.

use crate::picture::ChartSpec;
use bench_protocol::{Cell, Job, Layer, Optimizer, Stream, Train, Work, mix};

/// Sequences and steps in a batch of the layer jobs and the character model.
const SEQUENCES: usize = 64;
const STEPS: usize = 64;
/// Steps of a stream.
const STREAM_STEPS: usize = 256;
/// The longest sequence of a ragged batch.
const LONGEST: usize = 256;
/// Epochs of the tutorial.
const EPOCHS: usize = 200;
/// Relative tolerance for layers and streams: the same arithmetic in another order, with sums of up to 10⁶ floats.
const SAME: f64 = 1e-4;
/// Relative tolerance for models: each library initialises its own weights, so the first losses are only close to ln
/// V.
const NEAR: f64 = 0.1;

/// Jobs whose results share a table.
pub(crate) struct Group {
    pub(crate) title: String,
    pub(crate) jobs: Vec<TimedJob>,
    /// Whether to show the memory of each job too.
    pub(crate) memory: bool,
    /// Compares Refrain with itself on these numbers of threads, without rivals. If empty, compares it with the
    /// selected rivals.
    pub(crate) thread_counts: Vec<usize>,
    /// How to draw its results.
    pub(crate) chart: Option<ChartSpec>,
}

impl Group {
    /// Creates a group whose results are a plain table.
    pub(crate) fn new(title: String, jobs: Vec<TimedJob>) -> Self {
        Self { title, jobs, memory: false, thread_counts: Vec::new(), chart: None }
    }
}

/// A job and how to show its time.
pub(crate) struct TimedJob {
    pub(crate) name: String,
    pub(crate) job: Job,
    pub(crate) unit: Unit,
    /// Maximum relative difference between a rival's check values and Refrain's.
    pub(crate) tolerance: f64,
    /// Whether a quick run includes it.
    pub(crate) quick: bool,
    /// Whether Refrain also runs it on fewer threads, if the run asks for that.
    pub(crate) on_fewer_threads: bool,
}

/// The form in which a time is shown.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    /// Time of a repetition.
    Whole,
    /// Time per step, for this many steps in a repetition.
    Step(usize),
    /// Tokens per second, for this many tokens in a repetition.
    Tokens(usize),
    /// Floating-point operations of its matrix products per second.
    Speed,
}

pub(crate) fn groups(threads: usize) -> Vec<Group> {
    let layers = Cell::ALL.iter().flat_map(|&cell| {
        [64, 128, 256, 512, 1024].map(|units| {
            let name = format!("layer/{}/{units}", cell.name());
            layer(name, cell, units, vec![STEPS; SEQUENCES], threads)
        })
    });
    let streams = [64, 128, 256, 512, 1024]
        .into_iter()
        .flat_map(|units| [STREAM_STEPS, 1].map(|chunk| stream(units, chunk)));
    let chars =
        Cell::ALL.iter().flat_map(|&cell| [128, 256, 512].map(|units| character(cell, units, threads)));
    vec![
        Group::new(
            format!(
                "One layer forward and backward, {SEQUENCES} sequences of {STEPS} steps, {threads} threads"
            ),
            layers.collect(),
        ),
        Group::new(
            "One sequence forward through an LSTM, one thread, time per step".into(),
            streams.collect(),
        ),
        Group::new(format!("Character model, {threads} threads, tokens trained per second"), chars.collect()),
        Group {
            memory: true,
            ..Group::new(
                format!("Word model, {threads} threads, tokens trained per second"),
                vec![word(threads)],
            )
        },
        Group::new(format!("The tutorial, {threads} threads"), tutorial(threads)),
        Group::new(
            format!("Sequences of different lengths, LSTM 256, {threads} threads, time per real step"),
            ragged(threads),
        ),
    ]
}

pub(crate) fn layer(name: String, cell: Cell, units: usize, lengths: Vec<usize>, threads: usize) -> TimedJob {
    let work = Work::Layer(Layer { cell, units, lengths });
    let job = Job { threads, work };
    TimedJob { name, job, unit: Unit::Whole, tolerance: SAME, quick: units <= 128, on_fewer_threads: true }
}

fn stream(units: usize, chunk: usize) -> TimedJob {
    let work = Work::Stream(Stream { units, steps: STREAM_STEPS, chunk });
    TimedJob {
        name: format!("stream/lstm/{units}/T{chunk}"),
        job: Job { threads: 1, work },
        unit: Unit::Step(STREAM_STEPS),
        tolerance: SAME,
        quick: units <= 128,
        on_fewer_threads: false,
    }
}

fn character(cell: Cell, units: usize, threads: usize) -> TimedJob {
    let work = Train {
        cell,
        units,
        layers: 2,
        embedding: 64,
        vocab: 65,
        batch: SEQUENCES,
        steps: STEPS,
        each_step: true,
        optimizer: Optimizer::Adam,
        rate: 2e-3,
        clip: Some(5.0),
        epochs: None,
    };
    train(format!("char/{}/{units}", cell.name()), work, threads, units <= 128)
}

/// The medium model of Zaremba et al. 2014, without its dropout.
fn word(threads: usize) -> TimedJob {
    let work = Train {
        cell: Cell::Lstm,
        units: 650,
        layers: 2,
        embedding: 650,
        vocab: 10_000,
        batch: 20,
        steps: 35,
        each_step: true,
        optimizer: Optimizer::Sgd,
        rate: 1.0,
        clip: Some(5.0),
        epochs: None,
    };
    train("word".into(), work, threads, false)
}

pub(crate) fn train(name: String, work: Train, threads: usize, quick: bool) -> TimedJob {
    let unit = Unit::Tokens(work.rows());
    let job = Job { threads, work: Work::Train(work) };
    TimedJob { name, job, unit, tolerance: NEAR, quick, on_fewer_threads: false }
}

fn tutorial(threads: usize) -> Vec<TimedJob> {
    let model = Train {
        cell: Cell::Lstm,
        units: 50,
        layers: 1,
        embedding: 10,
        vocab: 18,
        batch: 16,
        steps: 2,
        each_step: false,
        optimizer: Optimizer::Adam,
        rate: 1e-3,
        clip: None,
        epochs: None,
    };
    let job = |name: &str, work, quick| TimedJob {
        name: format!("tutorial/{name}"),
        job: Job { threads, work },
        unit: Unit::Whole,
        tolerance: NEAR,
        quick,
        on_fewer_threads: false,
    };
    vec![
        job("step", Work::Train(model.clone()), true),
        job("fit", Work::Train(Train { epochs: Some(EPOCHS), ..model }), false),
        job("program", Work::Program, false),
    ]
}

/// Lengths spread evenly over 1 to 256, and the same number of real steps in sequences of equal length.
fn ragged(threads: usize) -> Vec<TimedJob> {
    let mut lengths: Vec<_> = (0..SEQUENCES).map(|n| 1 + mix(n) as usize % LONGEST).collect();
    let spare = lengths.iter().sum::<usize>() % SEQUENCES;
    if let Some(longest) = lengths.iter_mut().max() {
        *longest -= spare;
    }
    let rows = lengths.iter().sum::<usize>();
    [("uniform", lengths), ("equal", vec![rows / SEQUENCES; SEQUENCES])]
        .map(|(name, lengths)| TimedJob {
            unit: Unit::Step(rows),
            quick: true,
            ..layer(format!("ragged/{name}"), Cell::Lstm, 256, lengths, threads)
        })
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ragged_batches_have_the_same_real_steps() {
        let rows = |timed: &TimedJob| match &timed.job.work {
            Work::Layer(layer) => (layer.rows(), layer.lengths.len(), layer.lengths.iter().all(|&l| l > 0)),
            _ => unreachable!("ragged jobs are layers"),
        };
        let rows: Vec<_> = ragged(2).iter().map(rows).collect();
        assert_eq!(rows[0], rows[1]);
        assert!(rows[0].0 % SEQUENCES == 0 && rows[0].2);
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = groups(2).into_iter().flat_map(|g| g.jobs).map(|j| j.name).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
