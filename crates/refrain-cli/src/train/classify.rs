//! `refrain train classify`: trains a classifier on labelled texts.

use super::command::{Headline, Input, Preparation, TrainCommand};
use super::labelled::{self, Parts, warn_of_duplicates};
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
use refrain::{Classifier, ClassifierRecipe, Error, UnknownParts};
use serde_json::{Map, Value};
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

    fn read(&self, _folder: &Path, output: &Output) -> Result<Input<Self::Data>> {
        labelled::read(&self.data, &self.run().scored, |paths| texts(paths, output))
    }

    fn prepare(&self, preparation: Preparation<'_, Self>) -> Result<ClassifierTask> {
        let Preparation { recipe, input, assets, output, .. } = preparation;
        let Parts { training, validation, test, origins } = std::mem::take(&mut input.data);
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
        let task = task.map_err(|e| {
            let (split, label) = (e.split_at_fault(), e.label_at_fault().map(str::to_owned));
            origins.locate(Failure::from(Error::from(e)), split, label.as_deref(), None)
        })?;
        for (part, scored) in [("validation", &held_out), ("test", &test)] {
            let advice = match is_split && part == "validation" {
                true => "`--identical together` keeps them in one part",
                false => "remove them from one of the files",
            };
            warn_of_duplicates(&training, (part, scored), (1, advice), (WHAT, output));
        }
        if held_out.is_empty() && recipe.training.validation > 0.0 {
            output.warning("no label has enough texts to hold one out, so nothing is validated");
        }
        if task.too_long() > 0 {
            output.warning(cut_warning(task.too_long(), recipe.reader.max_length, recipe.reader.level));
        }
        Ok(task)
    }

    fn unknown(task: &ClassifierTask) -> Result<Option<UnknownParts>> {
        Ok(Some(task.unknown()))
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
