//! `refrain train tag`: trains a tagger on sentences with labelled words.

use super::command::{Headline, Input, Preparation, TrainCommand};
use super::labelled::{self, Parts, warn_of_duplicates};
use crate::classify::{cut_words_warning, too_long};
use crate::cli::{TrainOptions, TrainTag};
use crate::error::{Failure, Result};
use crate::labelled::sentences;
use crate::output::Output;
use crate::tasks::tag::{scores, tables};
use refrain::shown::counted;
use refrain::tagger::{
    LabelAssets, LabelledData, LabelledSizes, ReadsTexts, TaggedSentence, TaggerScore, TaggerTask,
    split_tagged,
};
use refrain::{Error, Tagger, TaggerRecipe, UnknownParts};
use serde_json::{Map, Value};
use std::path::Path;

/// What the examples are called.
const WHAT: &str = "sentences";

impl TrainCommand for TrainTag {
    type Task = TaggerTask;
    type Model = Tagger;
    type Data = Parts<TaggedSentence>;

    fn network_with(recipe: TaggerRecipe, assets: &LabelAssets) -> TaggerRecipe {
        TaggerRecipe { reader: assets.reader(recipe.reader), ..recipe }
    }

    fn read(&self, _folder: &Path, output: &Output) -> Result<Input<Self::Data>> {
        labelled::read(&self.data, &self.run().scored, |paths| sentences(paths, output))
    }

    fn prepare(&self, preparation: Preparation<'_, Self>) -> Result<TaggerTask> {
        let Preparation { recipe, input, assets, output, .. } = preparation;
        let Parts { training, validation, test, origins } = std::mem::take(&mut input.data);
        let is_split = validation.is_none();
        let (training, validation) = match &validation {
            Some(validation) => (&training[..], &validation[..]),
            None => split_tagged(&training, recipe.training.validation),
        };
        let data = LabelledData { training, validation, test: &test };
        let task = TaggerTask::prepare(recipe, data, assets).map_err(|e| {
            let (split, label) = (e.split_at_fault(), e.label_at_fault().map(str::to_owned));
            let share = is_split.then_some(recipe.training.validation);
            origins.locate(Failure::from(Error::from(e)), split, label.as_deref(), share)
        })?;
        // Some short sentences occur in any data, so only a file that is nothing else is worth a warning.
        let scored = [("validation", if is_split { &[] } else { validation }), ("test", &test)];
        for (part, scored) in scored {
            let advice = (scored.len(), "use other sentences");
            warn_of_duplicates(training, (part, scored), advice, (WHAT, output));
        }
        if validation.is_empty() && recipe.training.validation > 0.0 {
            output.warning("there are too few sentences to hold one out, so nothing is validated");
        }
        let reader = &recipe.reader;
        if task.too_long() > 0 {
            let sentences = too_long(task.too_long(), "sentence", reader.max_length, reader.level);
            let are = if task.too_long() == 1 { "is" } else { "are" };
            output.warning(format_args!("{sentences} and {are} split; --max-length sets the limit"));
        }
        if task.cut_words() > 0 {
            output.warning(cut_words_warning(task.cut_words(), reader.max_length, reader.level));
        }
        Ok(task)
    }

    fn unknown(task: &TaggerTask) -> Result<Option<UnknownParts>> {
        Ok(Some(task.unknown()))
    }

    fn headline(&self, start: &Headline<'_, Self>) -> Vec<(&'static str, String)> {
        labelled::headline(&start.input.name, start.sizes, WHAT)
    }

    fn batch(recipe: &TaggerRecipe, _sizes: &LabelledSizes) -> String {
        counted(recipe.batch(), "sentence")
    }

    fn start_fields(&self, start: &Headline<'_, Self>) -> Map<String, Value> {
        labelled::start_fields(&start.input.name, start.sizes, WHAT)
    }

    fn show_score(score: &TaggerScore) -> String {
        scores(score).map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
    }

    fn table(score: &TaggerScore) -> Option<String> {
        Some(tables(score))
    }

    fn next_command(&self, _input: &Input<Self::Data>, model: &str) -> String {
        format!("tag {model} \"some words to tag\"")
    }
}
