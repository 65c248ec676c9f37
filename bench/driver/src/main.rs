//! Compares Refrain with its rivals: the same jobs, in turns, with one command.

mod jobs;
mod measure;
mod picture;
mod report;
mod rival;
mod scaling;

use bench_protocol::Result;
use clap::Parser;
use jobs::{Group, TimedJob};
use measure::{Pace, Stopwatch};
use picture::Measured;
use report::{Outcome, Row};
use rival::{Contender, Peer, Rival};
use std::collections::HashMap;
use std::process::ExitCode;
use std::thread::available_parallelism;

/// Seconds per turn.
const TURN: f64 = 0.3;
const SCALING_TURN: f64 = 0.15;
const QUICK_TURN: f64 = 0.02;
/// Turns of each contender.
const ROUNDS: u16 = 5;
const SCALING_ROUNDS: u16 = 3;
const QUICK_ROUNDS: u16 = 2;
/// Maximum seconds of a repetition in a scaling run. The run has many jobs, and a rival's result for the largest ones
/// is not worth minutes of waiting.
const LONGEST: f64 = 3.0;

/// Time Refrain and its rivals on the same jobs, in turns, and record the medians.
///
/// Rivals that are not installed are skipped. Run it on an otherwise idle machine.
#[derive(Parser)]
#[command(name = "bench", version)]
struct Options {
    /// Run only jobs whose name contains one of these, as in `layer/lstm,word`
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Measure how the cost grows with each job size, in tables and pictures
    #[arg(long)]
    scaling: bool,
    /// Rivals to compare with: one-thread, torch, torch-bf16, onnx, onnx-empty, keras, candle, burn
    /// [default: all but candle and burn, which are built on request; torch with --scaling]
    #[arg(long, value_delimiter = ',')]
    rivals: Option<Vec<String>>,
    /// Threads for every job except streams, which use one
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    threads: u16,
    /// Turns per rival and job [default: 5, 3 with --scaling, 2 with --quick]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: Option<u16>,
    /// Python to use, for all rivals or for one: `python3`, `onnx=/path/to/python`
    #[arg(long, value_name = "[RIVAL=]PATH")]
    python: Vec<String>,
    /// Run small jobs in short turns, to check that everything works
    #[arg(long)]
    quick: bool,
    /// Name of the record in bench/record
    #[arg(long, default_value = "latest")]
    record: String,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(failures) if failures.is_empty() => ExitCode::SUCCESS,
        Ok(failures) => {
            failures.iter().for_each(|failure| eprintln!("failed: {failure}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs everything and returns the failures.
fn run(options: &Options) -> Result<Vec<String>> {
    let asked = contenders(options)?;
    let pace = pace(options);
    let mut record = report::Record::new(options.threads, pace.rounds, options.quick);
    for contender in &asked {
        record.version(contender.rival, &contender.version);
    }
    let threads = options.threads.into();
    let groups = if options.scaling {
        scaling::groups(threads, available_parallelism().map_or(1, usize::from))
    } else {
        jobs::groups(threads)
    };
    let mut known: HashMap<String, Vec<Outcome>> = HashMap::new();
    let mut drawn = Vec::new();
    for Group { title, jobs, memory, thread_counts, chart } in groups {
        let contenders =
            if thread_counts.is_empty() { asked.clone() } else { on_threads(&asked[0], &thread_counts) };
        let mut stopwatch = Stopwatch::new(&contenders, pace);
        let mut rows = Vec::new();
        for timed in jobs.into_iter().filter(|job| wanted(options, job)) {
            let outcomes = match known.get(&timed.name) {
                Some(outcomes) => outcomes.clone(),
                None => {
                    eprintln!("{}", timed.name);
                    stopwatch.time(&timed)?
                }
            };
            known.insert(timed.name.clone(), outcomes.clone());
            rows.push(Row { timed, outcomes });
        }
        if !rows.is_empty() {
            println!("{}", record.table(&title, &contenders, &rows, memory));
        }
        if let Some(chart) = chart {
            drop(stopwatch);
            drawn.push(Measured { chart, contenders, rows });
        }
    }
    picture::pictures(&drawn)?.into_iter().for_each(|picture| record.picture(picture));
    let path = rival::home().join("record").join(&options.record);
    record.write(&path)?;
    Ok(record.failures)
}

fn pace(options: &Options) -> Pace {
    let (turn, rounds) = match (options.quick, options.scaling) {
        (true, _) => (QUICK_TURN, QUICK_ROUNDS),
        (false, true) => (SCALING_TURN, SCALING_ROUNDS),
        (false, false) => (TURN, ROUNDS),
    };
    let rounds = options.rounds.unwrap_or(rounds);
    let longest = if options.scaling { LONGEST } else { f64::INFINITY };
    Pace { rounds, turn, longest, stay: options.scaling }
}

fn wanted(options: &Options, timed: &TimedJob) -> bool {
    let named = options.only.is_empty() || options.only.iter().any(|part| timed.name.contains(part));
    named && (timed.quick || !options.quick)
}

/// Returns Refrain and the rivals that can be started.
fn contenders(options: &Options) -> Result<Vec<Contender>> {
    let asked = options.rivals.as_deref();
    if let Some(key) = asked.into_iter().flatten().find(|&key| rival::ALL.iter().all(|r| r.key != key)) {
        return Err(format!("unknown rival `{key}`; --help lists all of them").into());
    }
    let by_default = |rival: &Rival| match options.scaling {
        true => scaling::RIVALS.contains(&rival.key),
        false => rival.by_default,
    };
    let takes_part = |rival: &Rival| {
        asked.map_or(by_default(rival), |keys| keys.iter().any(|key| key == rival.key))
            || options.scaling && rival.key == scaling::ITSELF
    };
    let mut contenders = Vec::new();
    for (i, rival) in rival::ALL.iter().enumerate() {
        if i > 0 && !takes_part(rival) {
            continue;
        }
        let python = python(options, rival);
        let command = rival.command(&python)?;
        match Peer::start(&command, options.threads.into()) {
            Ok(peer) => contenders.push(Contender::new(rival, command, peer.version.clone(), python)),
            Err(why) if i > 0 => eprintln!("skipping {}: {why} ({})", rival.title, rival.hint),
            Err(why) => return Err(why),
        }
    }
    Ok(contenders)
}

/// Returns Refrain on all threads, then on fewer.
fn on_threads(refrain: &Contender, thread_counts: &[usize]) -> Vec<Contender> {
    let mut contenders = vec![refrain.clone()];
    contenders.extend(thread_counts.iter().map(|&threads| refrain.on(threads)));
    contenders
}

fn python(options: &Options, rival: &Rival) -> String {
    let name = rival.key.split('-').next().unwrap_or(rival.key);
    let own = options.python.iter().find_map(|p| p.strip_prefix(name)?.strip_prefix('='));
    let all = options.python.iter().find(|p| !p.contains('='));
    own.or(all.map(String::as_str)).unwrap_or("python3").to_owned()
}
