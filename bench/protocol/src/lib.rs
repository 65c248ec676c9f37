//! What the driver and its peers say to each other: one JSON value a line, the peer's half of the conversation, and
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

/// Any error, for a message on standard error.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What the driver asks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Make everything ready for this job and do it once.
    Prepare(Job),
    /// Do it this often, each time on the clock.
    Run(usize),
    /// Tell the memory that it took.
    Memory(bool),
}

/// What a peer answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The first line, unasked: the library's version.
    Hello(String),
    /// The job is prepared.
    Ready(Ready),
    /// The library cannot do the job, and why.
    Unsupported(String),
    /// Seconds of each repetition.
    Seconds(Vec<f64>),
    /// Bytes that the process grew by at its peak, over what it had before the job; nothing where the system
    /// does not say.
    Memory(Option<u64>),
}

/// What a prepared job shows of itself.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Ready {
    /// Numbers that are the same for every peer that does the same work, within the job's tolerance.
    pub check: Vec<f64>,
    /// The machine's own limit in floating-point operations a second, if the peer measures it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak: Option<f64>,
}

/// One repetition of a job.
pub type Repeat = Box<dyn FnMut() -> Result<()>>;

/// What a peer makes of a job.
pub enum Prepared {
    /// What it showed when it was done the first time, and how to do it again.
    Ready(Ready, Repeat),
    /// Why the library cannot do it.
    Unsupported(&'static str),
}

impl Prepared {
    /// A job that was done once with these results.
    pub fn new(check: Vec<f64>, repeat: impl FnMut() -> Result<()> + 'static) -> Self {
        Self::Ready(Ready { check, peak: None }, Box::new(repeat))
    }
}

/// A peer's half of the conversation, until standard input ends.
///
/// # Errors
/// When a line is not a request, or a job fails.
pub fn serve(version: &str, mut prepare: impl FnMut(&Job) -> Result<Prepared>) -> Result<()> {
    say(&Reply::Hello(version.to_owned()))?;
    let (mut repeat, mut idle): (Option<Repeat>, _) = (None, None);
    for line in io::stdin().lock().lines() {
        let reply = match serde_json::from_str(&line?)? {
            Request::Prepare(job) => {
                // The job before goes first: its memory and its threads are not the next one's.
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

/// The version of a package that this workspace builds: few crates tell their own.
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
    fn versions_are_those_of_the_lock_file() {
        assert_eq!(locked("bench-protocol"), env!("CARGO_PKG_VERSION"));
        assert_eq!((locked("burn").is_empty(), locked("bur")), (false, ""));
    }

    #[test]
    fn a_job_reads_as_it_was_written() {
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
