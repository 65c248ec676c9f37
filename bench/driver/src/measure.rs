//! Times contenders in turns.

use crate::jobs::TimedJob;
use crate::report::{Outcome, median};
use crate::rival::{Answer, Contender, Peer};
use bench_protocol::{Result, Work};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Maximum repetitions in a turn, so that a reply stays one short line.
const MAX_REPETITIONS: f64 = 1000.0;
/// Pause between turns, in which threads that spin while waiting for work go to sleep.
const PAUSE: Duration = Duration::from_millis(200);
/// Input of the tutorial program: the sentence of `examples/01-next-word`.
const SENTENCE: &str = "A refrain is the line of a song that comes back, and so does our hidden state too.";

/// How long to measure a job.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    /// Turns of each contender.
    pub(crate) rounds: u16,
    /// Approximate seconds for which a turn repeats its job.
    pub(crate) turn: f64,
    /// Maximum seconds of a rival's repetition; a slower rival is skipped.
    pub(crate) longest: f64,
    /// Whether a contender's process is kept for the next job: some take seconds to start.
    pub(crate) stay: bool,
}

/// Times jobs, one after another.
pub(crate) struct Stopwatch<'a> {
    contenders: &'a [Contender],
    pace: Pace,
    /// The process of each contender, waiting for its next job.
    waiting: Vec<Option<Peer>>,
}

/// A contender's process, prepared for the job, and the number of repetitions per turn.
struct PreparedPeer {
    peer: Peer,
    repetitions: usize,
}

impl<'a> Stopwatch<'a> {
    pub(crate) fn new(contenders: &'a [Contender], pace: Pace) -> Self {
        Self { contenders, pace, waiting: contenders.iter().map(|_| None).collect() }
    }

    /// Returns the outcome of each contender for a job.
    pub(crate) fn time(&mut self, timed: &TimedJob) -> Result<Vec<Outcome>> {
        match timed.job.work {
            Work::Program => programs(self.contenders, self.pace.rounds),
            _ => Ok(self.in_turns(timed)),
        }
    }

    fn in_turns(&mut self, timed: &TimedJob) -> Vec<Outcome> {
        let mut outcomes: Vec<Outcome> = Vec::new();
        let mut prepared_peers: Vec<Option<PreparedPeer>> = Vec::new();
        let mut check = Vec::new();
        for i in 0..self.contenders.len() {
            let (prepared, outcome) = match self.prepare(timed, i, &mut check) {
                Ok((prepared, outcome)) => (prepared, outcome),
                Err(why) => (None, Outcome::Failed(why.to_string())),
            };
            prepared_peers.push(prepared);
            outcomes.push(outcome);
        }
        for _ in 0..self.pace.rounds {
            for (prepared, outcome) in prepared_peers.iter_mut().zip(&mut outcomes) {
                let (Some(PreparedPeer { peer, repetitions }), Outcome::Timed { seconds, .. }) =
                    (prepared, &mut *outcome)
                else {
                    continue;
                };
                sleep(PAUSE);
                match peer.run(*repetitions) {
                    Ok(times) => seconds.push(median(times)),
                    Err(why) => *outcome = Outcome::Failed(why.to_string()),
                }
            }
        }
        for ((prepared, outcome), waiting) in
            prepared_peers.into_iter().zip(&mut outcomes).zip(&mut self.waiting)
        {
            if let (Some(mut prepared), Outcome::Timed { memory, .. }) = (prepared, outcome) {
                if self.pace.stay {
                    // Memory that the process holds from other jobs must not count for this one.
                    *waiting = Some(prepared.peer);
                } else {
                    *memory = prepared.peer.memory().ok().flatten();
                }
            }
        }
        outcomes
    }

    /// Has a contender do the job once, and compares its check values with those of Refrain, which comes first.
    fn prepare(
        &mut self,
        timed: &TimedJob,
        i: usize,
        check: &mut Vec<f64>,
    ) -> Result<(Option<PreparedPeer>, Outcome)> {
        let contender = &self.contenders[i];
        let mut job = timed.job.clone();
        if let Some(threads) = contender.threads {
            if !timed.on_fewer_threads || threads >= job.threads {
                return Ok((None, Outcome::Unsupported("not run on fewer threads".into())));
            }
            job.threads = threads;
        }
        let mut peer = match self.waiting[i].take() {
            Some(peer) => peer,
            None => Peer::start(&contender.command, job.threads)?,
        };
        let ready = match peer.prepare(&job)? {
            Answer::Ready(ready) => ready,
            Answer::Unsupported(why) => return Ok((None, Outcome::Unsupported(why))),
        };
        if check.is_empty() {
            check.clone_from(&ready.check);
        }
        let tolerance = timed.tolerance.max(contender.rival.tolerance);
        let same = |(a, b): (&f64, &f64)| (a - b).abs() <= tolerance * b.abs();
        // A job that computes nothing has nothing to check.
        let comparable = ready.check.is_empty() || ready.check.len() == check.len();
        if !comparable || !ready.check.iter().zip(&*check).all(same) {
            return Err(format!("its check values are {:?}, but Refrain's are {check:?}", ready.check).into());
        }
        let once = median(peer.run(1)?);
        if i > 0 && once > self.pace.longest {
            let why =
                format!("a repetition takes {once:.1} s, more than the limit of {} s", self.pace.longest);
            return Ok((None, Outcome::Unsupported(why)));
        }
        let repetitions = (self.pace.turn / once).clamp(1.0, MAX_REPETITIONS) as usize;
        let outcome = Outcome::Timed { seconds: Vec::new(), memory: None, peak: ready.peak };
        Ok((Some(PreparedPeer { peer, repetitions }), outcome))
    }
}

/// Times the whole tutorial program, from process start to end.
fn programs(contenders: &[Contender], rounds: u16) -> Result<Vec<Outcome>> {
    let file = std::env::temp_dir().join("refrain-bench-sentence.txt");
    std::fs::write(&file, SENTENCE)?;
    let commands: Vec<_> =
        contenders.iter().map(|c| c.rival.program(&c.python, SENTENCE, &file)).collect::<Result<_>>()?;
    let mut outcomes: Vec<_> = commands
        .iter()
        .map(|command| match command {
            Some(_) => Outcome::Timed { seconds: Vec::new(), memory: None, peak: None },
            None => Outcome::Unsupported("no such program for it".into()),
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
                *outcome = Outcome::Failed(format!("its program exited with {status}"));
            }
        }
    }
    Ok(outcomes)
}
