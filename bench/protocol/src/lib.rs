//! The protocol between the driver and its peers: one JSON value per line, the peer's side of the conversation, and
//! the numbers that every peer computes with. `bench/README.md` describes it for peers in other languages.

mod job;
mod memory;
mod numbers;

pub use job::{Cell, Job, Layer, Optimizer, Stream, Train, Work};
pub use numbers::{BATCHES, GRADIENT, Tokens, mix, tokens, uniform};

use serde::{Deserialize, Serialize};
use std::error::Error;
use std::io::{self, BufRead, Write};
use std::time::Instant;

/// Any error, to be printed on standard error.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A request from the driver.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Prepare this job and do it once.
    Prepare(Job),
    /// Do the job this many times and time each.
    Run(usize),
    /// Report the memory that the job took.
    Memory(bool),
}

/// A peer's reply.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The first line, sent unasked: the library's version.
    Hello(String),
    /// The job is prepared.
    Ready(Ready),
    /// The library cannot do the job, for this reason.
    Unsupported(String),
    /// Seconds of each repetition.
    Seconds(Vec<f64>),
    /// Bytes by which the process grew at its peak, compared with before the job; `None` if the system does not
    /// report it.
    Memory(Option<u64>),
}

/// What a peer reports of a prepared job.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Ready {
    /// Numbers that are the same for every peer that does the same work, within the job's tolerance.
    pub check: Vec<f64>,
    /// The machine's peak floating-point operations per second, if the peer measures it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak: Option<f64>,
}

/// One repetition of a job.
pub type Repeat = Box<dyn FnMut() -> Result<()>>;

/// The result of preparing a job.
pub enum Prepared {
    /// The results of the first run, and a function that repeats it.
    Ready(Ready, Repeat),
    /// Why the library cannot do it.
    Unsupported(&'static str),
}

impl Prepared {
    /// Creates a job that was done once with these results.
    pub fn new(check: Vec<f64>, repeat: impl FnMut() -> Result<()> + 'static) -> Self {
        Self::Ready(Ready { check, peak: None }, Box::new(repeat))
    }
}

/// Runs a peer's side of the conversation until standard input ends.
///
/// # Errors
/// When a line is not a request, or a job fails.
pub fn serve(version: &str, mut prepare: impl FnMut(&Job) -> Result<Prepared>) -> Result<()> {
    say(&Reply::Hello(version.to_owned()))?;
    let (mut repeat, mut idle): (Option<Repeat>, _) = (None, None);
    for line in io::stdin().lock().lines() {
        let reply = match serde_json::from_str(&line?)? {
            Request::Prepare(job) => {
                // Drop the previous job first: its memory and threads must not count for the next one.
                repeat = None;
                idle = memory::begin();
                match prepare(&job)? {
                    Prepared::Ready(ready, job) => {
                        repeat = Some(job);
                        Reply::Ready(ready)
                    }
                    Prepared::Unsupported(why) => Reply::Unsupported(why.to_owned()),
                }
            }
            Request::Run(times) => {
                let job = repeat.as_mut().ok_or("no job is prepared")?;
                let mut seconds = Vec::with_capacity(times);
                for _ in 0..times {
                    let start = Instant::now();
                    job()?;
                    seconds.push(start.elapsed().as_secs_f64());
                }
                Reply::Seconds(seconds)
            }
            Request::Memory(_) => Reply::Memory(idle.and_then(memory::grown)),
        };
        say(&reply)?;
    }
    Ok(())
}

/// Returns the version of a package that this workspace builds. Few crates report their own.
pub fn locked(package: &str) -> &'static str {
    let lock = include_str!("../../Cargo.lock");
    let after =
        lock.split_once(&format!("name = \"{package}\"\nversion = \"")).map_or("", |(_, after)| after);
    after.split('"').next().unwrap_or_default()
}

fn say(reply: &Reply) -> Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, reply)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_match_the_lock_file() {
        assert_eq!(locked("bench-protocol"), env!("CARGO_PKG_VERSION"));
        assert_eq!((locked("burn").is_empty(), locked("bur")), (false, ""));
    }

    #[test]
    fn a_job_round_trips() {
        let stream = Work::Stream(Stream { units: 3, steps: 5, chunk: 1 });
        let line = serde_json::to_string(&Request::Prepare(Job { threads: 2, work: stream })).unwrap();
        assert_eq!(line, r#"{"prepare":{"threads":2,"kind":"stream","units":3,"steps":5,"chunk":1}}"#);
        let read: Request = serde_json::from_str(&line).unwrap();
        assert!(matches!(
            read,
            Request::Prepare(Job { threads: 2, work: Work::Stream(Stream { steps: 5, .. }) })
        ));
    }
}
