//! `refrain train classify`: trains a classifier on labelled texts.

use super::command::{Headline, Input, Preparation, TrainCommand};
use super::labelled::{self, Parts};
use crate::classify::cut_warning;
use crate::cli::{TrainClassify, TrainOptions};
use crate::confusion_table;
use crate::error::{Failure, Result};
use crate::labelled::texts;
use crate::output::Output;
use refrain::classifier::{
    ClassifierScore, ClassifierTask, LabelAssets, LabelledData, LabelledSizes, LabelledText, ReadsTexts,
    split_labelled,
};
use refrain::shown::counted;
use refrain::{Classifier, ClassifierRecipe, Error};
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::path::Path;

/// What the examples are called.
const WHAT: &str = "texts";

impl TrainCommand for TrainClassify {
    type Task = ClassifierTask;
    type Model = Classifier;
    type Data = Parts<LabelledText>;

    fn network_with(recipe: ClassifierRecipe, assets: &LabelAssets) -> ClassifierRecipe {
        ClassifierRecipe { reader: assets.reader(recipe.reader), ..recipe }
    }

    fn read(&self, _folder: &Path, _output: &Output) -> Result<Input<Self::Data>> {
        labelled::read(&self.data, &self.run().scored, texts)
    }

    fn prepare(&self, preparation: Preparation<'_, Self>) -> Result<ClassifierTask> {
        let Preparation { recipe, input, assets, output, .. } = preparation;
        let Parts { training, validation, test } = std::mem::take(&mut input.data);
        let is_split = validation.is_none();
        let (training, held_out) = match validation {
            Some(validation) => (training, validation),
            None => {
                let settings = &recipe.training;
                split_labelled(training, settings.validation, recipe.identical, settings.seed)
            }
        };
        let data = LabelledData { training: &training, validation: &held_out, test: &test };
        let task = ClassifierTask::prepare(recipe, data, assets);
        let task = task.map_err(|e| Failure::from(Error::from(e)))?;
        let duplicates = duplicates_of_training(&training, &held_out);
        if duplicates > 0 {
            let advice = match is_split {
                true => "`--identical together` keeps them in one part",
                false => "remove them from one of the files",
            };
            output.warning(format_args!(
                "{duplicates} of the {} validation texts are also training texts with the same label, which makes the score \
                 too good; {advice}",
                held_out.len(),
            ));
        }
        if held_out.is_empty() && recipe.training.validation > 0.0 {
            output.warning("no label has enough texts to hold one out, so nothing is validated");
        }
        if task.too_long() > 0 {
            output.warning(cut_warning(task.too_long(), recipe.reader.max_length, recipe.reader.level));
        }
        Ok(task)
    }

    fn headline(&self, start: &Headline<'_, Self>) -> Vec<(&'static str, String)> {
        labelled::headline(&start.input.name, start.sizes, WHAT)
    }

    fn batch(recipe: &ClassifierRecipe, _sizes: &LabelledSizes) -> String {
        counted(recipe.batch(), "text")
    }

    fn start_fields(&self, start: &Headline<'_, Self>) -> Map<String, Value> {
        labelled::start_fields(&start.input.name, start.sizes, WHAT)
    }

    fn show_score(score: &ClassifierScore) -> String {
        format!("accuracy {:.2} %, macro-F1 {:.4}", score.accuracy() * 100.0, score.macro_f1())
    }

    fn table(score: &ClassifierScore) -> Option<String> {
        Some(confusion_table::show(&score.confusion))
    }

    fn next_command(&self, _input: &Input<Self::Data>, model: &str) -> String {
        format!("classify {model} \"some text\"")
    }
}

/// Counts the validation texts that are also training texts with the same label.
fn duplicates_of_training(training: &[LabelledText], validation: &[LabelledText]) -> usize {
    fn key(e: &LabelledText) -> (&str, &str) {
        (&e.label, &e.text)
    }
    let known: HashSet<_> = training.iter().map(key).collect();
    validation.iter().filter(|e| known.contains(&key(e))).count()
}
