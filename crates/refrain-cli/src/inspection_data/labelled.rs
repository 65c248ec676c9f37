//! Labelled texts to inspect a classifier on.

use super::text::show;
use super::{InspectionData, STEPS, short_name};
use crate::classify::cut_warning;
use crate::cli::Inspect as Options;
use crate::error::{Failure, Result};
use crate::labelled::{self, Origin};
use crate::output::Output;
use refrain::classifier::LabelledText;
use refrain::data::{Batch, BatchInput, BatchTarget, Extent};
use refrain::inspect::{Sample, Search};
use refrain::{Classifier, Codec, Error, Model};

/// Tokens of the texts that are searched for units.
pub(super) const READING: usize = 20_000;

/// Returns texts from files, or random ones.
pub(crate) fn inspection_data(
    model: &mut Classifier,
    options: &Options,
    output: &Output,
) -> Result<InspectionData> {
    if options.data.is_empty() {
        let (codec, longest) = (model.codec().clone(), model.max_length());
        return random(model.model_mut(), &codec, longest, options, output);
    }
    let data = labelled::texts(&options.data, output)?;
    let longest = options.steps.map_or(model.max_length(), |steps| steps.min(model.max_length()));
    let chosen = spread(data.texts.len(), options.sequences);
    let encoded: Vec<_> = chosen.map(|i| (i, model.codec().encode(&data.texts[i].text))).collect();
    let cut = encoded.iter().filter(|(_, ids)| ids.len() > longest).count();
    if cut > 0 {
        output.warning(cut_warning(cut, longest, model.codec().level()));
    }
    let name = short_name(&options.data, &data.origin.name);
    let texts = Texts { model, texts: &data.texts, origin: &data.origin, longest };
    let of = format!("{} of {} labelled texts of {}", encoded.len(), data.texts.len(), name);
    let sample = texts.sample(&encoded, of)?;
    let reading = texts.reading(&sample, &name)?;
    // A text is read from its beginning, without a warm-up.
    Ok(InspectionData { sample, reading: Some(reading), search: Search { warm_up: 0, ..Search::default() } })
}

/// Returns random texts.
pub(super) fn random(
    model: &mut Model,
    codec: &Codec,
    longest: usize,
    options: &Options,
    output: &Output,
) -> Result<InspectionData> {
    let steps = options.steps.unwrap_or(STEPS).min(longest);
    let sample = Sample::random(model, options.sequences, steps, options.seed);
    let mut sample = sample.map_err(Error::from)?;
    let ids = &sample.batch.inputs[0];
    sample.tokens = Some(ids.ids.chunks(ids.steps).map(|ids| show(ids, codec)).collect());
    output.warning("no data given: inspecting the model on random texts; name a file of labelled texts");
    Ok(InspectionData { sample, reading: None, search: Search::default() })
}

/// Returns at most this many of `0..count`, spread evenly from the first to the last.
pub(crate) fn spread(count: usize, most: usize) -> impl Iterator<Item = usize> {
    let chosen = count.min(most);
    (0..chosen).map(move |i| i * (count - 1) / (chosen - 1).max(1))
}

struct Texts<'a> {
    model: &'a Classifier,
    texts: &'a [LabelledText],
    origin: &'a Origin,
    longest: usize,
}

impl Texts<'_> {
    fn sample(&self, encoded: &[(usize, Vec<u32>)], of: String) -> Result<Sample> {
        let lengths: Vec<usize> = encoded.iter().map(|(_, ids)| ids.len().min(self.longest)).collect();
        let steps = lengths.iter().copied().max().unwrap_or(0);
        let mut input = BatchInput { steps, extent: Extent::Lengths, ..BatchInput::default() };
        let mut target = BatchTarget { steps: 1, ..BatchTarget::default() };
        let mut tokens = Vec::new();
        for ((i, ids), &length) in encoded.iter().zip(&lengths) {
            let ids = &ids[..length];
            input.ids.extend(ids);
            input.ids.resize(input.ids.len() + steps - length, 0);
            target.ids.push(self.label(&self.texts[*i])?);
            tokens.push(show(ids, self.model.codec()));
        }
        input.lengths = lengths;
        let batch =
            Batch { lanes: encoded.len(), inputs: vec![input], targets: vec![target], ..Batch::default() };
        Ok(Sample { batch, tokens: Some(tokens), of })
    }

    /// Returns texts with about [`READING`] tokens, spread as evenly as the lengths of `some` can tell.
    fn reading(&self, some: &Sample, name: &str) -> Result<Sample> {
        let steps: usize = some.batch.inputs[0].lengths.iter().sum();
        let mean = (steps / some.batch.lanes.max(1)).max(1);
        let mut left = READING;
        let mut encoded = Vec::new();
        for i in spread(self.texts.len(), READING.div_ceil(mean)) {
            let ids = self.model.codec().encode(&self.texts[i].text);
            left = left.saturating_sub(ids.len().min(self.longest));
            encoded.push((i, ids));
            if left == 0 {
                break;
            }
        }
        let of = format!("{} of {} labelled texts of {name}", encoded.len(), self.texts.len());
        self.sample(&encoded, of)
    }

    fn label(&self, text: &LabelledText) -> Result<u32> {
        let labels = self.model.labels();
        labels.binary_search(&text.label).map(|at| at as u32).map_err(|_| {
            Failure::input(format!(
                "{}: the model does not know the label `{}`; expected one of {}",
                self.origin.place(Some(&text.label)),
                text.label,
                labels.join(", ")
            ))
        })
    }
}
