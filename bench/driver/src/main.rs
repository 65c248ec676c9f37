//! Refrain beside its rivals: the same jobs, in turns, in one command.

mod jobs;
mod report;
mod rival;

use bench_protocol::{Result, Work};
use clap::Parser;
use jobs::{Group, Timed};
use report::{Outcome, Row};
use rival::{Answer, Peer, Rival};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A turn repeats its job for about this long …
const TURN_SECONDS: f64 = 0.3;
const QUICK_TURN_SECONDS: f64 = 0.02;
/// … but no more often than this, so that an answer stays one short line.
const MOST_REPETITIONS: f64 = 1000.0;
/// Between turns: threads that spin while they wait for work go to sleep.
const PAUSE: Duration = Duration::from_millis(200);
/// Words of the tutorial's program: the sentence of `examples/01-next-word`.
const SENTENCE: &str = "A refrain is the line of a song that comes back, and so does our hidden state too.";

/// Times Refrain and its rivals on the same jobs, in turns, and records the medians.
///
/// A rival that is not installed is left out. Times mean something on a machine that does nothing else.
#[derive(Parser)]
#[command(name = "bench", version)]
struct Options {
    /// Only jobs whose name contains one of these, as in `layer/lstm,word`
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Rivals to stand beside Refrain: one-thread, torch, torch-bf16, onnx, onnx-empty, keras, candle, burn
    /// [default: all but candle and burn, which cargo builds when they are named]
    #[arg(long, value_delimiter = ',')]
    rivals: Option<Vec<String>>,
    /// Threads of every job but streams, which have one
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    threads: u16,
    /// Turns of each rival at each job [default: 5, or 2 with --quick]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: Option<u16>,
    /// The Python to use, for all rivals or one: `python3`, `onnx=/path/to/python`
    #[arg(long, value_name = "[RIVAL=]PATH")]
    python: Vec<String>,
    /// Small jobs and short turns: tries that everything works
    #[arg(long)]
    quick: bool,
    /// Name of the record in bench/record
    #[arg(long, default_value = "latest")]
    record: String,
}

/// One that is here and takes part.
struct Contender {
    rival: &'static Rival,
    command: Vec<OsString>,
    version: String,
    python: String,
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

/// Runs all and returns what went wrong.
fn run(options: &Options) -> Result<Vec<String>> {
    let contenders = contenders(options)?;
    let rounds = options.rounds.unwrap_or(if options.quick { 2 } else { 5 });
    let mut record = report::Record::new(options.threads, rounds, options.quick);
    for contender in &contenders {
        record.version(contender.rival, &contender.version);
    }
    for group in jobs::groups(options.threads.into()) {
        let Group { title, jobs, memory } = group;
        let mut rows = Vec::new();
        for timed in jobs.into_iter().filter(|job| wanted(options, job)) {
            eprintln!("{}", timed.name);
            let outcomes = match timed.job.work {
                Work::Program => programs(&contenders, rounds)?,
                _ => measure(&timed, &contenders, rounds, options.quick),
            };
            rows.push(Row { timed, outcomes });
        }
        if !rows.is_empty() {
            println!("{}", record.table(&title, &rows, memory));
        }
    }
    let path = rival::home().join("record").join(&options.record);
    record.write(&path)?;
    Ok(record.failures)
}

fn wanted(options: &Options, timed: &Timed) -> bool {
    let named = options.only.is_empty() || options.only.iter().any(|part| timed.name.contains(part));
    named && (timed.quick || !options.quick)
}

/// Refrain and the rivals that can be started.
fn contenders(options: &Options) -> Result<Vec<Contender>> {
    let asked = options.rivals.as_deref();
    if let Some(key) = asked.into_iter().flatten().find(|&key| rival::ALL.iter().all(|r| r.key != key)) {
        return Err(format!("there is no rival `{key}`; see --help").into());
    }
    let mut contenders = Vec::new();
    for (i, rival) in rival::ALL.iter().enumerate() {
        let asked = asked.map_or(rival.usual, |keys| keys.iter().any(|key| key == rival.key));
        if i > 0 && !asked {
            continue;
        }
        let python = python(options, rival);
        let command = rival.command(&python)?;
        match Peer::start(&command, options.threads.into()) {
            Ok(peer) => contenders.push(Contender { rival, command, version: peer.version.clone(), python }),
            Err(why) if i > 0 => eprintln!("without {}: {why} ({})", rival.title, rival.hint),
            Err(why) => return Err(why),
        }
    }
    Ok(contenders)
}

fn python(options: &Options, rival: &Rival) -> String {
    let name = rival.key.split('-').next().unwrap_or(rival.key);
    let own = options.python.iter().find_map(|p| p.strip_prefix(name)?.strip_prefix('='));
    let all = options.python.iter().find(|p| !p.contains('='));
    own.or(all.map(String::as_str)).unwrap_or("python3").to_owned()
}

/// A contender's process, prepared for the job, and how often a turn repeats it.
struct Turn {
    peer: Peer,
    repetitions: usize,
}

/// Times one job, each contender in a fresh process.
fn measure(timed: &Timed, contenders: &[Contender], rounds: u16, quick: bool) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = Vec::new();
    let mut turns: Vec<Option<Turn>> = Vec::new();
    let mut check = Vec::new();
    for contender in contenders {
        let (turn, outcome) = match prepare(timed, contender, &mut check, quick) {
            Ok((turn, outcome)) => (turn, outcome),
            Err(why) => (None, Outcome::Failed(why.to_string())),
        };
        turns.push(turn);
        outcomes.push(outcome);
    }
    for _ in 0..rounds {
        for (turn, outcome) in turns.iter_mut().zip(&mut outcomes) {
            let (Some(Turn { peer, repetitions }), Outcome::Timed { seconds, .. }) = (turn, &mut *outcome)
            else {
                continue;
            };
            sleep(PAUSE);
            match peer.run(*repetitions) {
                Ok(times) => seconds.push(report::median(times)),
                Err(why) => *outcome = Outcome::Failed(why.to_string()),
            }
        }
    }
    for (turn, outcome) in turns.iter_mut().zip(&mut outcomes) {
        if let (Some(turn), Outcome::Timed { memory, .. }) = (turn, outcome) {
            *memory = turn.peer.memory().ok().flatten();
        }
    }
    outcomes
}

/// Starts a contender, has it do the job once, and holds what it came to against Refrain's, who is first.
fn prepare(
    timed: &Timed,
    contender: &Contender,
    check: &mut Vec<f64>,
    quick: bool,
) -> Result<(Option<Turn>, Outcome)> {
    let mut peer = Peer::start(&contender.command, timed.job.threads)?;
    let ready = match peer.prepare(&timed.job)? {
        Answer::Ready(ready) => ready,
        Answer::Unsupported(why) => return Ok((None, Outcome::Unsupported(why))),
    };
    if check.is_empty() {
        check.clone_from(&ready.check);
    }
    let tolerance = timed.tolerance.max(contender.rival.tolerance);
    let same = |(a, b): (&f64, &f64)| (a - b).abs() <= tolerance * b.abs();
    // What does nothing has nothing to be checked by.
    let comparable = ready.check.is_empty() || ready.check.len() == check.len();
    if !comparable || !ready.check.iter().zip(&*check).all(same) {
        return Err(format!("it came to {:?} where Refrain came to {check:?}", ready.check).into());
    }
    let turn = if quick { QUICK_TURN_SECONDS } else { TURN_SECONDS };
    let once = report::median(peer.run(1)?);
    let repetitions = (turn / once).clamp(1.0, MOST_REPETITIONS) as usize;
    let outcome = Outcome::Timed { seconds: Vec::new(), memory: None, peak: ready.peak };
    Ok((Some(Turn { peer, repetitions }), outcome))
}

/// Times the tutorial's whole program, process start to end.
fn programs(contenders: &[Contender], rounds: u16) -> Result<Vec<Outcome>> {
    let file: PathBuf = std::env::temp_dir().join("refrain-bench-sentence.txt");
    std::fs::write(&file, SENTENCE)?;
    let commands: Vec<_> = contenders
        .iter()
        .map(|c| c.rival.program(&c.python, SENTENCE, Path::new(&file)))
        .collect::<Result<_>>()?;
    let mut outcomes: Vec<_> = commands
        .iter()
        .map(|command| match command {
            Some(_) => Outcome::Timed { seconds: Vec::new(), memory: None, peak: None },
            None => Outcome::Unsupported("it has no program of its own here".into()),
        })
        .collect();
    for _ in 0..rounds {
        for (command, outcome) in commands.iter().zip(&mut outcomes) {
            let (Some(command), Outcome::Timed { seconds, .. }) = (command, &mut *outcome) else { continue };
            let start = Instant::now();
            let quiet = || Stdio::null();
            let status =
                Command::new(&command[0]).args(&command[1..]).stdout(quiet()).stderr(quiet()).status()?;
            seconds.push(start.elapsed().as_secs_f64());
            if !status.success() {
                *outcome = Outcome::Failed(format!("its program ended with {status}"));
            }
        }
    }
    Ok(outcomes)
}
