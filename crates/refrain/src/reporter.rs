//! Training progress in Keras's format.

use refrain_nn::callbacks::Logs;
use refrain_nn::{Event, Reporter, Verbose};
use std::io::{self, IsTerminal, Write};

/// Keras's values of [`Verbose`], which print to stderr. The prelude brings them into scope.
///
/// ```
/// use refrain::prelude::*;
///
/// let fit = Fit { epochs: 200, verbose: Verbose::EpochLines, ..Default::default() };
/// ```
pub trait KerasVerbose {
    /// Keras's `verbose=1`: a bar that grows with each batch. If stderr is not a terminal, it prints only the
    /// finished line of each epoch.
    #[allow(non_upper_case_globals, reason = "reads like an enum variant: Verbose::Bar")]
    const Bar: Verbose;

    /// Keras's `verbose=2`: two lines per epoch.
    #[allow(non_upper_case_globals, reason = "reads like an enum variant: Verbose::EpochLines")]
    const EpochLines: Verbose;
}

impl KerasVerbose for Verbose {
    const Bar: Verbose = Verbose::with(|| {
        let to = io::stderr();
        let live = to.is_terminal();
        Box::new(KerasReporter::bar(to, live))
    });

    const EpochLines: Verbose = Verbose::with(|| Box::new(KerasReporter::epoch_lines(io::stderr())));
}

/// Width of the bar in characters.
const WIDTH: usize = 20;

/// Minimum seconds between two redraws of the bar.
const INTERVAL: f64 = 0.05;

/// Prints what Keras 3 prints during training and evaluation.
///
/// It prints `Epoch 1/200`, then `4/4 - 0s - 5ms/step - accuracy: 0.0800 - loss: 2.8931`. The bar shows the loss
/// and metrics of the epoch so far, whereas Keras shows the mean of the values it showed before. Write errors
/// are ignored, so training continues when a terminal is closed.
#[derive(Debug)]
pub struct KerasReporter<W> {
    to: W,
    style: Style,
    epochs: usize,
    /// Seconds from the start of the epoch to the end of its first batch, which the bar's estimate leaves out.
    after_first: Option<f64>,
    last_drawn: f64,
    /// Characters of the last bar drawn.
    drawn: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    EpochLines,
    Bar { live: bool },
}

impl<W: Write> KerasReporter<W> {
    /// Creates a reporter that prints two lines per epoch.
    pub fn epoch_lines(to: W) -> Self {
        Self::new(to, Style::EpochLines)
    }

    /// Creates a reporter that draws a bar. Set `live` on a terminal, so that the bar is redrawn as it grows.
    pub fn bar(to: W, live: bool) -> Self {
        Self::new(to, Style::Bar { live })
    }

    fn new(to: W, style: Style) -> Self {
        Self { to, style, epochs: 1, after_first: None, last_drawn: f64::NEG_INFINITY, drawn: 0 }
    }

    fn write(&mut self, text: &str) {
        let _ = self.to.write_all(text.as_bytes()).and_then(|()| self.to.flush());
    }

    fn begin_epoch(&mut self) {
        (self.after_first, self.last_drawn, self.drawn) = (None, f64::NEG_INFINITY, 0);
    }

    fn step(&mut self, done: usize, batches: usize, seconds: f64, logs: &Logs) {
        if done == 1 {
            self.after_first = Some(seconds);
        }
        let live = self.style == Style::Bar { live: true };
        if !live || seconds - self.last_drawn < INTERVAL {
            return;
        }
        let per_step = self.seconds_per_step(done, seconds);
        let left = clock(per_step * batches.saturating_sub(done) as f64);
        self.draw(done, batches, &left, per_step, logs, "");
        self.last_drawn = seconds;
    }

    fn finish(&mut self, done: usize, batches: usize, seconds: f64, logs: &Logs) {
        let per_step = self.seconds_per_step(done, seconds);
        let elapsed = format!("{seconds:.0}s");
        if let Style::Bar { .. } = self.style {
            self.draw(done, batches, &elapsed, per_step, logs, "\n");
        } else {
            let count = count(done, batches);
            let line =
                format!("{count} - {elapsed} - {}{}\n", step_time(per_step), numbers(logs, |v| v > 1e-3));
            self.write(&line);
        }
    }

    fn seconds_per_step(&self, done: usize, seconds: f64) -> f64 {
        match (self.style, self.after_first) {
            (Style::Bar { .. }, Some(first)) if done > 1 => (seconds - first) / (done - 1) as f64,
            _ => seconds / done.max(1) as f64,
        }
    }

    fn draw(&mut self, done: usize, batches: usize, time: &str, per_step: f64, logs: &Logs, end: &str) {
        let filled = (WIDTH * done.min(batches)).checked_div(batches).unwrap_or(0);
        let (full, empty) = ("━".repeat(filled), "━".repeat(WIDTH - filled));
        let count = count(done, batches);
        let rest = format!(" {}{}", step_time(per_step), numbers(logs, |v| v.abs() > 1e-3));
        let width = count.len() + 1 + WIDTH + 1 + time.len() + rest.len();
        let pad = " ".repeat(self.drawn.saturating_sub(width));
        let live = self.style == Style::Bar { live: true };
        let text = if live {
            let green = if filled > 0 { format!("\x1b[32m{full}\x1b[0m") } else { String::new() };
            format!(
                "\r\x1b[1m{count}\x1b[0m {green}\x1b[37m{empty}\x1b[0m \x1b[1m{time}\x1b[0m{rest}{pad}{end}"
            )
        } else {
            format!("{count} {full}{} {time}{rest}{end}", " ".repeat(WIDTH - filled))
        };
        self.write(&text);
        self.drawn = width;
    }
}

impl<W: Write> Reporter for KerasReporter<W> {
    fn event(&mut self, event: &Event<'_>) {
        match *event {
            Event::EpochBegin { epoch, epochs, .. } => {
                self.begin_epoch();
                self.epochs = epochs;
                if epochs > 1 {
                    self.write(&format!("Epoch {}/{epochs}\n", epoch + 1));
                }
            }
            Event::Batch { done, batches, seconds, logs, .. }
            | Event::EvaluateBatch { done, batches, seconds, logs } => {
                self.step(done, batches, seconds, logs);
            }
            Event::EpochEnd { steps, batches, seconds, logs, .. } => {
                self.finish(steps, batches, seconds, logs);
            }
            Event::EvaluateBegin { .. } => self.begin_epoch(),
            Event::EvaluateEnd { batches, seconds, logs } => {
                // `evaluate` puts the loss first; Keras sorts by name.
                let mut sorted: Vec<_> = logs.iter().map(|(name, value)| (name.to_owned(), value)).collect();
                sorted.sort_by(|a, b| a.0.cmp(&b.0));
                self.finish(batches, batches, seconds, &sorted.into_iter().collect());
            }
            _ => {}
        }
    }
}

/// Formats a step as `  7/120`, with the same width for every step.
fn count(done: usize, batches: usize) -> String {
    let width = batches.to_string().len();
    format!("{done:width$}/{batches}")
}

fn step_time(seconds: f64) -> String {
    if seconds >= 1.0 || seconds == 0.0 {
        format!("{seconds:.0}s/step")
    } else if seconds >= 1e-3 {
        format!("{:.0}ms/step", seconds * 1e3)
    } else {
        format!("{:.0}us/step", seconds * 1e6)
    }
}

fn clock(seconds: f64) -> String {
    let whole = seconds as u64;
    let (hours, minutes, rest) = (whole / 3600, whole % 3600 / 60, whole % 60);
    if seconds > 3600.0 {
        format!("{hours}:{minutes:02}:{rest:02}")
    } else if seconds > 60.0 {
        format!("{minutes}:{rest:02}", minutes = whole / 60)
    } else {
        format!("{whole}s")
    }
}

/// Formats logs as ` - accuracy: 0.0800 - loss: 2.8931`, and numbers for which `plain` is false as `1.2345e-05`.
fn numbers(logs: &Logs, plain: impl Fn(f64) -> bool) -> String {
    let mut text = String::new();
    for (name, value) in logs.iter() {
        // Keras rounds to f32, which decides whether a learning rate of 0.001 is above 0.001.
        let value = f64::from(value as f32);
        text += &format!(" - {name}: ");
        if !value.is_finite() {
            text += &value.to_string().to_lowercase();
        } else if plain(value) {
            text += &format!("{value:.4}");
        } else {
            text += &python_exponent(&format!("{value:.4e}"));
        }
    }
    text
}

/// Formats `1.2345e-5` as Python does: `1.2345e-05`.
fn python_exponent(text: &str) -> String {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
    format!("{mantissa}e{sign}{digits:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logs(entries: &[(&str, f64)]) -> Logs {
        entries.iter().map(|&(name, value)| (name.to_owned(), value)).collect()
    }

    fn run(style: Style, events: &[Event<'_>]) -> String {
        let mut text = Vec::new();
        let mut reporter = KerasReporter::new(&mut text, style);
        events.iter().for_each(|event| reporter.event(event));
        String::from_utf8(text).unwrap()
    }

    fn epoch_end(logs: &Logs, seconds: f64, steps: usize) -> Event<'_> {
        let (epoch, epochs, batches) = (0, 200, steps);
        Event::EpochEnd {
            epoch,
            epochs,
            steps,
            batches,
            seconds,
            train_seconds: seconds,
            sequences: 100,
            tokens: 300,
            learning_rate: 0.001,
            gradient_norm: 1.0,
            logs,
        }
    }

    #[test]
    fn epoch_lines_match_keras() {
        let first = logs(&[("accuracy", 0.08), ("loss", 2.893_14)]);
        let begin = Event::EpochBegin { epoch: 0, epochs: 200, batches: 4 };
        assert_eq!(
            run(Style::EpochLines, &[begin, epoch_end(&first, 0.02, 4)]),
            "Epoch 1/200\n4/4 - 0s - 5ms/step - accuracy: 0.0800 - loss: 2.8931\n"
        );
        let all = logs(&[
            ("loss", 1.2345e-5),
            ("r2_score", -0.5),
            ("val_loss", f64::NAN),
            ("learning_rate", 0.001),
        ]);
        let only = Event::EpochBegin { epoch: 0, epochs: 1, batches: 120 };
        assert_eq!(
            run(Style::EpochLines, &[only, epoch_end(&all, 150.0, 120)]),
            "120/120 - 150s - 1s/step - loss: 1.2345e-05 - r2_score: -5.0000e-01 - val_loss: nan - learning_rate: 0.0010\n"
        );
        let evaluated = logs(&[("loss", 1.7188), ("accuracy", 0.18)]);
        let events = [
            Event::EvaluateBegin { batches: 4 },
            Event::EvaluateBatch { done: 1, batches: 4, seconds: 0.01, logs: &evaluated },
            Event::EvaluateEnd { batches: 4, seconds: 0.0016, logs: &evaluated },
        ];
        assert_eq!(
            run(Style::EpochLines, &events),
            "4/4 - 0s - 400us/step - accuracy: 0.1800 - loss: 1.7188\n"
        );
    }

    #[test]
    fn the_bar_grows_and_is_redrawn_only_now_and_then() {
        let (first, last) = (logs(&[("loss", 1.5)]), logs(&[("loss", 1.25), ("val_loss", 2.0)]));
        let batch = |done, seconds| Event::Batch { epoch: 0, done, batches: 10, seconds, logs: &first };
        let begin = Event::EpochBegin { epoch: 2, epochs: 3, batches: 10 };
        let events = [begin, batch(1, 1.0), batch(2, 1.01), batch(3, 2.0), epoch_end(&last, 5.5, 10)];
        let bar =
            |full, empty| format!("\x1b[32m{}\x1b[0m\x1b[37m{}\x1b[0m", "━".repeat(full), "━".repeat(empty));
        let expected = format!(
            "Epoch 3/3\n\
             \r\x1b[1m 1/10\x1b[0m {} \x1b[1m9s\x1b[0m 1s/step - loss: 1.5000\
             \r\x1b[1m 3/10\x1b[0m {} \x1b[1m3s\x1b[0m 500ms/step - loss: 1.5000\
             \r\x1b[1m10/10\x1b[0m {} \x1b[1m6s\x1b[0m 500ms/step - loss: 1.2500 - val_loss: 2.0000\n",
            bar(2, 18),
            bar(6, 14),
            bar(20, 0),
        );
        assert_eq!(run(Style::Bar { live: true }, &events), expected);
        let plain =
            format!("Epoch 3/3\n10/10 {} 6s 500ms/step - loss: 1.2500 - val_loss: 2.0000\n", "━".repeat(20));
        assert_eq!(run(Style::Bar { live: false }, &events), plain);
    }

    #[test]
    fn a_shorter_line_covers_the_longer_one_before_it() {
        let (long, short) = (logs(&[("loss", 1.5), ("accuracy", 0.5)]), logs(&[("loss", 1.5)]));
        let events = [
            Event::Batch { epoch: 0, done: 1, batches: 2, seconds: 1.0, logs: &long },
            epoch_end(&short, 2.0, 2),
        ];
        let text = run(Style::Bar { live: true }, &events);
        assert!(
            text.ends_with(&format!("loss: 1.5000{}\n", " ".repeat(" - accuracy: 0.5000".len()))),
            "{text:?}"
        );
    }

    #[test]
    fn times_are_formatted_as_in_keras() {
        for (seconds, text) in
            [(0.0, "0s/step"), (2.5, "2s/step"), (0.0126, "13ms/step"), (1.2e-4, "120us/step")]
        {
            assert_eq!(step_time(seconds), text);
        }
        for (seconds, text) in
            [(59.9, "59s"), (60.0, "60s"), (75.0, "1:15"), (3600.0, "60:00"), (3725.9, "1:02:05")]
        {
            assert_eq!(clock(seconds), text);
        }
    }
}
