//! Refrain and its rivals: where they come from, and the process of each.

use bench_protocol::{Job, Ready, Reply, Request, Result};
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::{JoinHandle, spawn};

/// One of the libraries that are measured.
#[derive(Debug)]
pub(crate) struct Rival {
    /// Its name for `--rivals`.
    pub(crate) key: &'static str,
    /// Its name in tables.
    pub(crate) title: &'static str,
    source: Source,
    argument: Option<&'static str>,
    /// Its number of threads, if fewer than the job's.
    threads: Option<usize>,
    /// How to install it.
    pub(crate) hint: &'static str,
    /// Whether a run includes it by default.
    pub(crate) by_default: bool,
    /// Maximum relative difference between its check values and Refrain's, if larger than the job's tolerance.
    pub(crate) tolerance: f64,
}

#[derive(Debug)]
enum Source {
    /// A package of this workspace.
    Cargo(&'static str),
    /// A script in `peers`.
    Python(&'static str),
}

/// bfloat16 has 8 bits of mantissa, and rounding errors add up over 64 steps.
const BF16: f64 = 0.1;

const fn rival(key: &'static str, title: &'static str, source: Source, hint: &'static str) -> Rival {
    Rival { key, title, source, argument: None, threads: None, hint, by_default: true, tolerance: 0.0 }
}

const REFRAIN: Source = Source::Cargo("bench-refrain");
const TORCH: Source = Source::Python("torch_peer.py");
const ONNX: Source = Source::Python("onnx_peer.py");

/// All rivals. Refrain comes first: every other is compared with it.
pub(crate) const ALL: [Rival; 9] = [
    rival("refrain", "Refrain", REFRAIN, "it is this repository"),
    Rival { threads: Some(1), ..rival("one-thread", "on one thread", REFRAIN, "it is this repository") },
    rival("torch", "PyTorch", TORCH, "pip install torch"),
    Rival {
        argument: Some("--bf16"),
        tolerance: BF16,
        ..rival("torch-bf16", "PyTorch bf16", TORCH, "pip install torch")
    },
    rival("onnx", "ONNX Runtime", ONNX, "pip install onnx onnxruntime"),
    Rival {
        argument: Some("--empty"),
        ..rival("onnx-empty", "its empty graph", ONNX, "pip install onnx onnxruntime")
    },
    rival("keras", "Keras", Source::Python("keras_peer.py"), "pip install tensorflow keras"),
    Rival {
        by_default: false,
        ..rival("candle", "Candle", Source::Cargo("bench-candle"), "cargo builds it")
    },
    Rival { by_default: false, ..rival("burn", "Burn", Source::Cargo("bench-burn"), "cargo builds it") },
];

/// Returns the folder of this workspace.
pub(crate) fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the driver lies in the workspace's folder")
}

impl Rival {
    /// Returns the command that starts it; `python` runs scripts.
    pub(crate) fn command(&self, python: &str) -> Result<Vec<OsString>> {
        let mut command = match self.source {
            Source::Cargo(package) => vec![build(&home().join("Cargo.toml"), package)?.into()],
            Source::Python(script) => vec![python.into(), home().join("peers").join(script).into()],
        };
        command.extend(self.argument.map(OsString::from));
        Ok(command)
    }

    /// Returns the command of the whole tutorial program on the text in `file`, if there is one.
    pub(crate) fn program(&self, python: &str, text: &str, file: &Path) -> Result<Option<Vec<OsString>>> {
        Ok(match self.key {
            "refrain" => {
                let program = build(&home().join("../Cargo.toml"), "next-word")?;
                Some(vec![program.into(), file.into()])
            }
            "keras" => {
                let script = home().join("peers/next_word_keras.py");
                Some(vec![python.into(), script.into(), "--text".into(), text.into()])
            }
            _ => None,
        })
    }
}

/// A rival that is available and takes part.
#[derive(Debug, Clone)]
pub(crate) struct Contender {
    pub(crate) rival: &'static Rival,
    /// Its name in results.
    pub(crate) key: String,
    /// Its name in tables.
    pub(crate) title: String,
    /// Its number of threads, if fewer than the job's.
    pub(crate) threads: Option<usize>,
    pub(crate) command: Vec<OsString>,
    pub(crate) version: String,
    pub(crate) python: String,
}

impl Contender {
    /// Creates a contender from a rival that was started once to check that it is available.
    pub(crate) fn new(
        rival: &'static Rival,
        command: Vec<OsString>,
        version: String,
        python: String,
    ) -> Self {
        let (key, title) = (rival.key.to_owned(), rival.title.to_owned());
        Self { rival, key, title, threads: rival.threads, command, version, python }
    }

    /// Returns the same contender on fewer threads than the job has.
    pub(crate) fn on(&self, threads: usize) -> Self {
        let (key, title) = match threads {
            1 => ("one-thread".into(), "on one thread".into()),
            n => (format!("{n}-threads"), format!("on {n} threads")),
        };
        Self { key, title, threads: Some(threads), ..self.clone() }
    }
}

/// Builds a package as its users do and returns the path of its program.
fn build(manifest: &Path, package: &str) -> Result<PathBuf> {
    let output = Command::new("cargo")
        .args(["build", "--release", "--locked", "--quiet", "--message-format=json", "--package", package])
        .arg("--manifest-path")
        .arg(manifest)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("cargo cannot build {package}").into());
    }
    let messages = output.stdout.lines().map_while(std::result::Result::ok);
    let programs = messages.filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(&line).ok()?;
        let name = message["target"]["name"].as_str()?;
        (name == package).then(|| message["executable"].as_str().map(PathBuf::from))?
    });
    Ok(programs.last().ok_or_else(|| format!("cargo reports no program for {package}"))?)
}

/// A running peer.
pub(crate) struct Peer {
    child: Child,
    requests: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
    /// Reads its standard error, so that a peer that writes a lot is never blocked.
    errors: Option<JoinHandle<String>>,
    /// The version of its library.
    pub(crate) version: String,
}

/// A peer's reply to a job.
pub(crate) enum Answer {
    Ready(Ready),
    Unsupported(String),
}

impl Peer {
    /// Starts a peer whose library may take its number of threads from the environment.
    pub(crate) fn start(command: &[OsString], threads: usize) -> Result<Self> {
        let mut child = Command::new(&command[0])
            .args(&command[1..])
            .envs(["OMP_NUM_THREADS", "RAYON_NUM_THREADS"].map(|name| (name, threads.to_string())))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let requests = child.stdin.take();
        let replies = BufReader::new(child.stdout.take().ok_or("a peer has no output")?);
        let mut errors = child.stderr.take().ok_or("a peer has no standard error")?;
        let errors = spawn(move || {
            let mut said = Vec::new();
            let _ = errors.read_to_end(&mut said);
            String::from_utf8_lossy(&said).into_owned()
        });
        let mut peer = Self { child, requests, replies, errors: Some(errors), version: String::new() };
        let Reply::Hello(version) = peer.hear()? else { return Err("a peer does not say hello".into()) };
        peer.version = version;
        Ok(peer)
    }

    pub(crate) fn prepare(&mut self, job: &Job) -> Result<Answer> {
        match self.ask(&Request::Prepare(job.clone()))? {
            Reply::Ready(ready) => Ok(Answer::Ready(ready)),
            Reply::Unsupported(why) => Ok(Answer::Unsupported(why)),
            reply => Err(format!("expected ready, got {reply:?}").into()),
        }
    }

    /// Returns the seconds of each of `times` repetitions.
    pub(crate) fn run(&mut self, times: usize) -> Result<Vec<f64>> {
        match self.ask(&Request::Run(times))? {
            Reply::Seconds(seconds) if seconds.len() == times => Ok(seconds),
            reply => Err(format!("expected {times} times, got {reply:?}").into()),
        }
    }

    pub(crate) fn memory(&mut self) -> Result<Option<u64>> {
        match self.ask(&Request::Memory(true))? {
            Reply::Memory(bytes) => Ok(bytes),
            reply => Err(format!("expected memory, got {reply:?}").into()),
        }
    }

    fn ask(&mut self, request: &Request) -> Result<Reply> {
        let line = serde_json::to_string(request)?;
        let sent = self.requests.as_mut().is_some_and(|to| writeln!(to, "{line}").is_ok());
        if sent { self.hear() } else { Err(self.last_words()) }
    }

    fn hear(&mut self) -> Result<Reply> {
        let mut line = String::new();
        if self.replies.read_line(&mut line)? == 0 {
            return Err(self.last_words());
        }
        Ok(serde_json::from_str(&line)?)
    }

    /// Returns the reason why it ended, if it printed one.
    fn last_words(&mut self) -> Box<dyn std::error::Error> {
        self.requests = None;
        let said = self.errors.take().and_then(|errors| errors.join().ok()).unwrap_or_default();
        said.trim().lines().last().unwrap_or("it ended without a message").to_owned().into()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Closing its input ends a healthy peer; one that hangs is not waited for.
        self.requests = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
