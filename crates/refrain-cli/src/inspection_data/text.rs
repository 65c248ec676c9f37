//! A text to inspect a language model on.

use super::{InspectionData, STEPS, short_name};
use crate::cli::Inspect as Options;
use crate::error::{Failure, Result};
use crate::output::Output;
use crate::reading::Reading;
use crate::text_input::{self, work_if_io};
use refrain::data::{Batch, BatchInput, BatchTarget};
use refrain::inspect::{Sample, Search};
use refrain::language_model::Generate;
use refrain::shown::counted;
use refrain::thousands;
use refrain::{Codec, Error, LanguageModel, Sampling, Store, Tokens, UnknownTokens};

/// Parts of the text that are searched for units, and tokens per part.
const PARTS: usize = 16;
const PART: usize = 1250;
/// Tokens that are searched for the beginning of a line.
const LINE: usize = 400;

/// Returns excerpts of the given text, or of one that the model generates.
pub(crate) fn inspection_data(
    model: &mut LanguageModel,
    options: &Options,
    output: &Output,
) -> Result<InspectionData> {
    if options.data.is_empty() {
        return own_text(model, options, output);
    }
    let folder = std::env::temp_dir();
    let text = text_input::read(&options.data, &folder, output)?;
    let reading = Reading::new(output, "tokenizing", text.corpus.bytes());
    let store = Store::in_folder(&folder);
    let tokens = model.codec().encode_corpus(&text.corpus, &store, &mut |n| reading.advance(n));
    drop(reading);
    let tokens = tokens.map_err(|e| work_if_io(Error::from(e)))?;
    of_tokens(&tokens, model.codec(), &short_name(&options.data, &text.name), options, output)
}

/// Returns excerpts of a text that the model samples from its own probabilities.
fn own_text(model: &mut LanguageModel, options: &Options, output: &Output) -> Result<InspectionData> {
    let length = (options.sequences * options.steps.unwrap_or(STEPS)).min(PARTS * PART) + 1;
    let sampling = Sampling { temperature: 1.0, ..Sampling::default() };
    let seed = options.seed;
    let text = model.complete(&Generate { length, sampling, seed, ..Generate::default() });
    let tokens = model.codec().encode(&text.map_err(Error::from)?);
    let what = model.codec().level().plural();
    output.log(format_args!(
        "no text given: inspecting the model on {} {what} that it generated; name a text to use that instead",
        thousands(tokens.len())
    ));
    let name = format!("a text that the model generated (temperature 1, seed {seed})");
    of_tokens(&tokens, model.codec(), &name, options, output)
}

fn of_tokens(
    tokens: &impl Tokens,
    codec: &Codec,
    name: &str,
    options: &Options,
    output: &Output,
) -> Result<InspectionData> {
    let what = codec.level().plural();
    let total = tokens.len();
    // The last token is only a target.
    let Some(last) = total.checked_sub(1).filter(|&last| last >= 2) else {
        return Err(Failure::input(format!(
            "{name} has {}; expected at least 3, preferably thousands",
            codec.level().counted(total)
        )));
    };
    let asked = (options.sequences, options.steps.unwrap_or(STEPS));
    let steps = asked.1.min(last);
    let sequences = asked.0.min(last / steps);
    let mut of = format!("{} of {steps} {what} of {name}", counted(sequences, "excerpt"));
    if (sequences, steps) != asked {
        of = format!("{of}, which has {}", thousands(total));
        output.warning(format_args!(
            "{name} has {} {what}: using {} of {steps}, not {} of {}",
            thousands(total),
            counted(sequences, "excerpt"),
            asked.0,
            asked.1
        ));
    }
    let starts = (0..sequences).map(|i| i * (last - steps) / (sequences - 1).max(1));
    let excerpts = Excerpts { tokens, codec };
    let sample = excerpts.sample(starts, steps, of)?;
    warn_of_unknown(&sample, codec, name, output);
    let reading = excerpts.reading(last, name)?;
    Ok(InspectionData { sample, reading: Some(reading), search: Search::default() })
}

fn warn_of_unknown(sample: &Sample, codec: &Codec, name: &str, output: &Output) {
    let UnknownTokens { unknown, tokens } = UnknownTokens::of(&sample.batch.inputs[0].ids);
    if unknown > 0 {
        let what = codec.level().plural();
        output.warning(format_args!(
            "{unknown} of the {tokens} {what} used from {name} are unknown to the model"
        ));
    }
}

/// Parts of a text.
struct Excerpts<'a, T> {
    tokens: &'a T,
    codec: &'a Codec,
}

impl<T: Tokens> Excerpts<'_, T> {
    /// Returns sequences of this many steps, each of which predicts the next token.
    fn sample(&self, starts: impl Iterator<Item = usize>, steps: usize, of: String) -> Result<Sample> {
        let mut input = BatchInput { steps, ..BatchInput::default() };
        let mut target = BatchTarget { steps, ..BatchTarget::default() };
        let (mut shown, mut ids) = (Vec::new(), Vec::new());
        for start in starts {
            ids.clear();
            self.tokens.read(start..start + steps + 1, &mut ids).map_err(|e| work_if_io(Error::from(e)))?;
            input.ids.extend(&ids[..steps]);
            target.ids.extend(&ids[1..]);
            shown.push(show(&ids[..steps], self.codec));
        }
        let batch =
            Batch { lanes: shown.len(), inputs: vec![input], targets: vec![target], ..Batch::default() };
        Ok(Sample { batch, tokens: Some(shown), of })
    }

    /// Returns long parts that each start at the beginning of a line, so that the position in the line is known.
    fn reading(&self, last: usize, name: &str) -> Result<Sample> {
        let steps = PART.min(last);
        let parts = PARTS.min(last / steps);
        let mut starts = Vec::new();
        for i in 0..parts {
            let at = i * (last - steps) / parts.max(1);
            starts.push(self.line_start(at, LINE.min(last - steps - at))?);
        }
        let what = self.codec.level().plural();
        let parts = counted(parts, "part");
        let of = format!("{parts} of {} {what} of {name}", thousands(steps));
        self.sample(starts.into_iter(), steps, of)
    }

    /// Returns where the first line within this many tokens starts, or `at` if none does.
    fn line_start(&self, at: usize, among: usize) -> Result<usize> {
        if at == 0 {
            return Ok(at);
        }
        let mut ids = Vec::new();
        self.tokens.read(at - 1..at + among, &mut ids).map_err(|e| work_if_io(Error::from(e)))?;
        let ends = |id: u32| self.codec.token_bytes(id).is_some_and(|bytes| bytes.ends_with(b"\n"));
        Ok(at + ids.iter().position(|&id| ends(id)).unwrap_or(0))
    }
}

/// Returns tokens in readable form.
pub(super) fn show(ids: &[u32], codec: &Codec) -> Vec<String> {
    let unknown = || char::REPLACEMENT_CHARACTER.to_string();
    ids.iter().map(|&id| codec.show(id).unwrap_or_else(unknown)).collect()
}
