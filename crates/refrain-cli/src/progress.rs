//! How the training of a text model is shown.

use crate::output::{Level, Output};
use crate::reading::Reading;
use indicatif::{ProgressBar, ProgressStyle};
use refrain::language_model::{EpochRecord, TextEvent};
use refrain::{Memory, Model, TextRecipe};
use serde::Serialize;
use serde_json::Value;
use std::io::{IsTerminal, stderr};
use std::path::Path;

/// Tells the user what happens.
#[derive(Debug)]
pub(crate) struct Progress<'a> {
    output: &'a Output,
    recipe: &'a TextRecipe,
    /// The text's name.
    text: &'a str,
    characters: usize,
    reading: Option<Reading>,
    bar: ProgressBar,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(output: &'a Output, recipe: &'a TextRecipe, text: &'a str, characters: usize) -> Self {
        Self { output, recipe, text, characters, reading: None, bar: ProgressBar::hidden() }
    }

    /// Shows one event. A failure to write is not one of the training: `done` will meet it again.
    pub(crate) fn event(&mut self, event: &TextEvent<'_>) {
        let output = self.output;
        match event {
            TextEvent::Tokenizing { done, of } => {
                self.reading.get_or_insert_with(|| Reading::new(output, "tokenizing", *of)).set(*done);
            }
            TextEvent::TokenFile { folder, bytes } => {
                let log = || output.log(token_file(folder, *bytes));
                self.reading.as_ref().map_or_else(log, |reading| reading.suspend(log));
            }
            TextEvent::Start {
                model,
                tokens,
                validation_tokens,
                test_tokens,
                vocabulary,
                batch,
                batches,
                epochs_done: _,
                memory,
                batches_done,
            } => {
                let sizes = Sizes {
                    tokens: *tokens,
                    validation_tokens: *validation_tokens,
                    test_tokens: *test_tokens,
                    vocabulary: *vocabulary,
                    batch: *batch,
                    batches: *batches,
                };
                self.reading = None;
                self.start(model, sizes, memory);
                self.bar.set_position(*batches_done);
                self.bar.reset_eta();
            }
            TextEvent::Batch { epoch, done, batches, loss, tokens_per_second, .. } => {
                if !self.bar.is_hidden() {
                    // Where the steps vary, epochs have about as many batches as the first.
                    let epoch_length = self.bar.length().unwrap_or(0) / self.recipe.epochs as u64;
                    let in_epoch = epoch_length * *done as u64 / (*batches).max(1) as u64;
                    self.bar.set_position((*epoch as u64 - 1) * epoch_length + in_epoch);
                    let epochs = self.recipe.epochs;
                    let speed = rate(*tokens_per_second);
                    self.bar.set_message(format!("epoch {epoch}/{epochs}  loss {loss:.4}  {speed} tokens/s"));
                }
            }
            TextEvent::Checkpoint(_) => {}
            TextEvent::Epoch { record, .. } => {
                let _ = self.output.event("epoch", record);
                let line = self.epoch_line(record);
                self.bar.suspend(|| self.output.log(line));
            }
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn start(&mut self, model: &Model, sizes: Sizes, memory: &Memory) {
        let Sizes { tokens, validation_tokens, test_tokens, vocabulary, batch, batches } = sizes;
        let (recipe, engine) = (self.recipe, model.engine());
        let parameters = model.summary().total;
        let start = Start {
            text: self.text,
            characters: self.characters,
            sizes,
            parameters,
            recipe,
            isa: engine.isa().name(),
            threads: engine.threads(),
            seed: recipe.seed,
            memory,
        };
        let _ = self.output.event("start", start);
        let log = |name: &str, line: String| self.output.log(format_args!("{name:9} {line}"));
        log("text", format!("{}, {} characters", self.text, thousands(self.characters)));
        let validate = match validation_tokens {
            0 => "nothing to validate on".to_owned(),
            n => format!("{} to validate on", thousands(n)),
        };
        let test = match test_tokens {
            0 => String::new(),
            n => format!(", {} to test", thousands(n)),
        };
        let tokens = thousands(tokens);
        log(
            "tokens",
            format!("{tokens} to learn, {validate}{test}; vocabulary of {}", thousands(vocabulary)),
        );
        log("model", format!("{}; {} parameters", shape(model), thousands(parameters)));
        log(
            "training",
            format!(
                "{} epochs of {batches} batches, {batch} x {} tokens each; {}, {}",
                recipe.epochs,
                recipe.steps,
                recipe.optimizer,
                rate_of(recipe)
            ),
        );
        let threads = engine.threads();
        let s = if threads == 1 { "" } else { "s" };
        log("engine", format!("{}, {threads} thread{s}; seed {}", engine.isa(), recipe.seed));
        log("memory", memory.to_string());
        if self.output.level() >= Level::Normal && stderr().is_terminal() {
            self.bar = bar((recipe.epochs * batches) as u64);
        }
    }

    fn epoch_line(&self, record: &EpochRecord) -> String {
        let epochs = self.recipe.epochs;
        let width = epochs.to_string().len();
        let mut line = format!("epoch {:width$}/{epochs}  loss {:.4}", record.epoch, record.loss);
        if let Some(val_loss) = record.val_loss {
            line += &format!("  val_loss {val_loss:.4}");
        }
        let perplexity = record.val_loss.unwrap_or(record.loss).exp();
        line += &format!("  perplexity {perplexity:8.2}");
        if let Some(accuracy) = record.val_accuracy.or(record.accuracy) {
            line += &format!("  accuracy {:5.1} %", accuracy * 100.0);
        }
        line += &format!("  {:>6} tokens/s  {:6.1} s", rate(record.tokens_per_second), record.seconds);
        if record.averaged {
            line += "  averaged";
        }
        if self.output.level() >= Level::Verbose {
            line += &format!("  gradient {:8.4}  rate {:.2e}", record.gradient_norm, record.learning_rate);
        }
        line
    }
}

/// What `--json` says of the beginning.
#[derive(Debug, Serialize)]
struct Start<'a> {
    text: &'a str,
    characters: usize,
    #[serde(flatten)]
    sizes: Sizes,
    parameters: usize,
    recipe: &'a TextRecipe,
    isa: &'a str,
    threads: usize,
    seed: u64,
    memory: &'a Memory,
}

/// The numbers of [`TextEvent::Start`].
#[derive(Debug, Clone, Copy, Serialize)]
struct Sizes {
    tokens: usize,
    validation_tokens: usize,
    test_tokens: usize,
    vocabulary: usize,
    batch: usize,
    batches: usize,
}

/// What is said of tokens that are not in memory.
pub(crate) fn token_file(folder: &Path, bytes: u64) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let bytes = thousands(bytes as usize);
    format!("{:9} {bytes} bytes of them are in a file in {}, gone when this ends", "tokens", folder.display())
}

/// A progress bar over so many steps.
pub(crate) fn bar(steps: u64) -> ProgressBar {
    let bar = ProgressBar::new(steps);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {percent:>3} %  {msg}  {eta} left") {
        bar.set_style(style);
    }
    bar
}

/// The layers with their sizes: `Embedding 64, LSTM 256, Dense 75`.
pub(crate) fn shape(model: &Model) -> String {
    let size =
        |config: &Value| ["units", "output_dim", "rate"].iter().find_map(|key| config.get(key)).map(plain);
    let layers = &model.architecture().layers;
    let layers = layers.iter().map(|layer| match size(&layer.config) {
        Some(size) => format!("{} {size}", layer.class_name),
        None => layer.class_name.clone(),
    });
    layers.collect::<Vec<_>>().join(", ")
}

fn rate_of(recipe: &TextRecipe) -> String {
    let schedule = format!("{:?}", recipe.schedule).to_lowercase();
    let clip =
        if recipe.clip > 0.0 { format!("clipped at {}", recipe.clip) } else { "not clipped".to_owned() };
    format!("{schedule} rate {}, {clip}", recipe.learning_rate)
}

/// A JSON value as a person writes it: text without quotes, and a float that was an `f32` in its few digits.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_f64() {
            Some(x) if number.is_f64() && f64::from(x as f32) == x => (x as f32).to_string(),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

/// 1234567 as `1,234,567`.
pub(crate) fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A speed in three digits: `987`, `41.2k`, `1.05M`.
pub(crate) fn rate(per_second: f64) -> String {
    match per_second {
        x if x >= 1e6 => format!("{:.2}M", x / 1e6),
        x if x >= 1e4 => format!("{:.1}k", x / 1e3),
        x if x >= 1e3 => format!("{:.2}k", x / 1e3),
        x => format!("{x:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!(["7", "1,000", "118,558"], [7, 1000, 118_558].map(thousands)[..]);
        let line = token_file(Path::new("no/folder"), 1_234_567);
        assert_eq!(line, "tokens    1,234,567 bytes of them are in a file in no/folder, gone when this ends");
        let values = serde_json::json!([0.2_f32, 0.1, 7, "adam", null]);
        let values: Vec<_> = values.as_array().into_iter().flatten().map(plain).collect();
        assert_eq!(values, ["0.2", "0.1", "7", "adam", "null"]);
        assert_eq!(["12", "1.23k", "41.2k", "1.05M"], [12.3, 1234.0, 41_234.0, 1_049_000.0].map(rate)[..]);
    }
}
