//! How the cost grows: one size of a job varies at a time, the others stay at a base point.

use crate::jobs::{Group, TimedJob, Unit, layer, train};
use crate::picture::{ChartSpec, Measure, Size, XAxis};
use bench_protocol::{Cell, Optimizer, Train, Work};
use refrain_plot::Axis;

/// The default rivals of a scaling run.
pub(crate) const RIVALS: [&str; 1] = ["torch"];
/// Refrain, which always takes part.
pub(crate) const ITSELF: &str = "one-thread";

/// The batch of a layer job; the layer has as many inputs as units.
#[derive(Clone, Copy)]
struct Shape {
    steps: usize,
    sequences: usize,
    units: usize,
}

const BASE: Shape = Shape { steps: 64, sequences: 64, units: 256 };
const STEPS: [usize; 6] = [8, 16, 32, 64, 128, 256];
const SEQUENCES: [usize; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];
const UNITS: [usize; 7] = [16, 32, 64, 128, 256, 512, 1024];
/// The language model.
const BASE_VOCAB: usize = 1000;
const BASE_LAYERS: usize = 2;
const VOCABS: [usize; 6] = [100, 300, 1000, 3000, 10_000, 30_000];
const LAYERS: [usize; 4] = [1, 2, 3, 4];
const MODEL: Shape = Shape { steps: 32, sequences: 32, units: 256 };
/// Units of the layers that are timed on different numbers of threads.
const THREADED: [usize; 3] = [64, 256, 1024];
/// A quick run uses only this many sizes of each kind, the smallest ones.
const QUICK: usize = 2;

/// Returns the groups of a run on `threads` threads, on a machine with `cores` cores. Equal names are equal jobs: the
/// base point is in several groups.
pub(crate) fn groups(threads: usize, cores: usize) -> Vec<Group> {
    let mut groups = layers(threads);
    groups.extend(models(threads));
    groups.extend(on_threads(cores));
    groups
}

fn layers(threads: usize) -> Vec<Group> {
    let Shape { steps, sequences, units } = BASE;
    let what = format!("One layer forward and backward, {threads} threads");
    let group = |shapes: &[Shape], held: String, label: &str, of, measure| {
        let shown = match measure {
            Measure::Speed => "GFLOP/s of its matrix products",
            Measure::Step | Measure::Token => "time per step of a sequence",
        };
        let size = Size { axis: Axis::new(label).log2(), of, measures: vec![measure] };
        let x_axis = XAxis::Size(size);
        Group {
            chart: Some(ChartSpec { picture: "layer", title: what.clone(), held: held.clone(), x_axis }),
            ..Group::new(format!("{what}, {held}, {shown}"), of_each_cell(shapes, measure, threads))
        }
    };
    vec![
        group(
            &STEPS.map(|steps| Shape { steps, ..BASE }),
            format!("{sequences} sequences, {units} units"),
            "steps",
            |work| shape(work).steps,
            Measure::Step,
        ),
        group(
            &SEQUENCES.map(|sequences| Shape { sequences, ..BASE }),
            format!("{steps} steps, {units} units"),
            "sequences",
            |work| shape(work).sequences,
            Measure::Step,
        ),
        group(
            &UNITS.map(|units| Shape { units, ..BASE }),
            format!("{sequences} sequences of {steps} steps"),
            "units and inputs",
            |work| shape(work).units,
            Measure::Speed,
        ),
    ]
}

fn of_each_cell(shapes: &[Shape], measure: Measure, threads: usize) -> Vec<TimedJob> {
    let one = |cell: Cell, (i, shape): (usize, &Shape)| {
        let &Shape { steps, sequences, units } = shape;
        let name = format!("layer/{}/T{steps}/N{sequences}/H{units}", cell.name());
        let unit = match measure {
            Measure::Speed => Unit::Speed,
            Measure::Step | Measure::Token => Unit::Step(steps * sequences),
        };
        let timed = layer(name, cell, units, vec![steps; sequences], threads);
        TimedJob { unit, quick: i < QUICK, ..timed }
    };
    Cell::ALL.iter().flat_map(|&cell| shapes.iter().enumerate().map(move |shape| one(cell, shape))).collect()
}

fn models(threads: usize) -> Vec<Group> {
    let Shape { steps, sequences, units } = MODEL;
    let what =
        format!("Training a language model, LSTM {units}, {sequences} × {steps}, Adam, {threads} threads");
    let group = |jobs, held: String, x_axis| Group {
        chart: Some(ChartSpec { picture: "model", title: what.clone(), held: held.clone(), x_axis }),
        ..Group::new(format!("{what}, {held}, tokens trained per second"), jobs)
    };
    let jobs = |sizes: &[(usize, usize)]| {
        let sizes = sizes.iter().enumerate();
        sizes.map(|(i, &(vocab, layers))| model(vocab, layers, threads, i < QUICK)).collect::<Vec<_>>()
    };
    vec![
        group(
            jobs(&VOCABS.map(|vocab| (vocab, BASE_LAYERS))),
            format!("{BASE_LAYERS} layers"),
            XAxis::Size(Size {
                axis: Axis::new("vocabulary size").log(),
                of: |work| trained(work).vocab,
                measures: vec![Measure::Token, Measure::Speed],
            }),
        ),
        group(
            jobs(&LAYERS.map(|layers| (BASE_VOCAB, layers))),
            format!("{BASE_VOCAB} words"),
            XAxis::Size(Size {
                axis: Axis::new("layers"),
                of: |work| trained(work).layers,
                measures: vec![Measure::Speed],
            }),
        ),
    ]
}

fn model(vocab: usize, layers: usize, threads: usize, quick: bool) -> TimedJob {
    let Shape { steps, sequences, units } = MODEL;
    let work = Train {
        cell: Cell::Lstm,
        units,
        layers,
        embedding: units,
        vocab,
        batch: sequences,
        steps,
        each_step: true,
        optimizer: Optimizer::Adam,
        rate: 1e-3,
        clip: Some(5.0),
        epochs: None,
    };
    TimedJob { on_fewer_threads: true, ..train(format!("model/V{vocab}/L{layers}"), work, threads, quick) }
}

/// Compares all threads of the machine with fewer: 1, 2, 4 and so on.
fn on_threads(cores: usize) -> Option<Group> {
    let thread_counts: Vec<_> = (0..).map(|i| 1 << i).take_while(|&threads| threads < cores).collect();
    let Shape { steps, sequences, .. } = BASE;
    let what = "An LSTM layer forward and backward";
    let held = format!("{sequences} sequences of {steps} steps");
    let job = |units: usize| {
        let name = format!("threads/lstm/{units}");
        TimedJob {
            quick: units == THREADED[0],
            ..layer(name, Cell::Lstm, units, vec![steps; sequences], cores)
        }
    };
    (!thread_counts.is_empty()).then(|| Group {
        thread_counts,
        chart: Some(ChartSpec {
            picture: "threads",
            title: format!("An LSTM layer on 1 to {cores} threads"),
            held: format!("{held}, forward and backward"),
            x_axis: XAxis::Threads,
        }),
        ..Group::new(format!("{what}, {held}, {cores} threads"), THREADED.map(job).into())
    })
}

/// A layer's sizes.
fn shape(work: &Work) -> Shape {
    let Work::Layer(layer) = work else { unreachable!("asked of layers alone") };
    Shape { steps: layer.lengths[0], sequences: layer.lengths.len(), units: layer.units }
}

fn trained(work: &Work) -> &Train {
    let Work::Train(train) = work else { unreachable!("asked of models alone") };
    train
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn equal_names_are_equal_jobs() {
        let mut known = HashMap::new();
        let mut times = HashMap::new();
        for timed in groups(2, 2).into_iter().flat_map(|group| group.jobs) {
            let job = serde_json::to_string(&timed.job).unwrap();
            assert_eq!(known.entry(timed.name.clone()).or_insert(job.clone()), &job, "{}", timed.name);
            *times.entry(timed.name).or_insert(0) += 1;
        }
        let of = |name: &str| times[name];
        assert_eq!(
            (of("layer/lstm/T64/N64/H256"), of("model/V1000/L2"), of("layer/gru/T64/N1/H256")),
            (3, 2, 1)
        );
    }

    #[test]
    fn threads_are_doubled_up_to_those_of_the_machine() {
        let thread_counts = |cores| on_threads(cores).map(|group| group.thread_counts);
        assert_eq!(
            [1, 2, 6, 8].map(thread_counts),
            [None, Some(vec![1]), Some(vec![1, 2, 4]), Some(vec![1, 2, 4])]
        );
    }

    #[test]
    fn a_quick_run_has_two_sizes_of_each_chart() {
        let quick = |group: Group| group.jobs.iter().filter(|timed| timed.quick).count();
        assert_eq!(groups(2, 2).into_iter().map(quick).collect::<Vec<_>>(), [6, 6, 6, 2, 2, 1]);
    }
}
