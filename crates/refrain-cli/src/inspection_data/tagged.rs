//! Labelled sentences to inspect a tagger on.

use super::labelled::{READING, random, spread};
use super::text::show;
use super::{InspectionData, short_name};
use crate::cli::Inspect as Options;
use crate::error::{Failure, Result};
use crate::labelled::{self, Labelled};
use crate::output::Output;
use refrain::inspect::{Sample, Search};
use refrain::tagger::TaggedSentence;
use refrain::{Error, Tagger};

/// Returns sentences from files, or random ones.
pub(crate) fn inspection_data(
    model: &mut Tagger,
    options: &Options,
    output: &Output,
) -> Result<InspectionData> {
    if options.data.is_empty() {
        let (codec, longest) = (model.codec().clone(), model.assets().max_length);
        return random(model.model_mut(), &codec, longest, options, output);
    }
    let data = labelled::sentences(&options.data, output)?;
    let name = short_name(&options.data, &data.origin.name);
    let longest = options.steps.unwrap_or(usize::MAX);
    let sample = sample(model, &data, (options.sequences, longest), &name)?;
    // Enough sentences for the tokens that are searched for units.
    let tokens: usize = sample.batch.inputs[0].lengths.iter().sum();
    let most = READING * sample.batch.lanes / tokens.max(1);
    let reading = self::sample(model, &data, (most.max(1), longest), &name)?;
    // A sentence is read from its beginning, without a warm-up.
    Ok(InspectionData { sample, reading: Some(reading), search: Search { warm_up: 0, ..Search::default() } })
}

/// Returns some sentences, spread evenly over all, in sequences of limited length.
fn sample(
    model: &Tagger,
    data: &Labelled<TaggedSentence>,
    (most, longest): (usize, usize),
    name: &str,
) -> Result<Sample> {
    let sentences = &data.texts;
    let chosen: Vec<_> = spread(sentences.len(), most).map(|i| sentences[i].clone()).collect();
    let of = format!("{} of {} labelled sentences of {name}", chosen.len(), sentences.len());
    let batch = model.batch(&chosen, longest).map_err(|e| {
        let place = data.origin.place(e.label_at_fault()).to_owned();
        Failure::from(Error::from(e)).context(place)
    })?;
    let input = &batch.inputs[0];
    let rows = input.ids.chunks(input.steps).zip(&input.lengths);
    let tokens = rows.map(|(ids, &length)| show(&ids[..length], model.codec())).collect();
    Ok(Sample { batch, tokens: Some(tokens), of })
}
