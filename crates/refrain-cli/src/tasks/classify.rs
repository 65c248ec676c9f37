//! Classifiers.

use super::{TaskCommands, ensure_not_empty, warn_of_share, without_options_for_text};
use crate::cli::{Evaluate, Inspect};
use crate::confusion_table;
use crate::error::{Failure, Result};
use crate::format::percent;
use crate::inspection_data::{self, InspectionData};
use crate::labelled;
use crate::output::Output;
use crate::unknown;
use refrain::Classifier;
use refrain::classifier::{ClassifierScore, split_labelled};
use refrain::shown::counted;
use refrain::task::Score;

impl TaskCommands for Classifier {
    fn evaluate(&mut self, options: &Evaluate, output: &Output) -> Result<()> {
        evaluate(self, options, output)
    }

    fn inspection_data(&mut self, options: &Inspect, output: &Output) -> Result<InspectionData> {
        inspection_data::labelled::inspection_data(self, options, output)
    }

    fn subject(&self) -> String {
        format!("classify: {}", counted(self.labels().len(), "label"))
    }
}

fn evaluate(model: &mut Classifier, options: &Evaluate, output: &Output) -> Result<()> {
    without_options_for_text(options, "a classifier")?;
    let data = labelled::texts(&options.data, output)?;
    let mut texts = data.texts;
    if let Some(share) = options.validation {
        let recipe = model.recipe().ok_or_else(|| {
            Failure::input(format!(
                "{} does not record how it was trained, so the held-out texts are not known; leave out --validation",
                options.model.display()
            ))
        })?;
        let total = texts.len();
        texts = split_labelled(texts, share, recipe.identical, recipe.training.seed).1;
        ensure_not_empty(&texts, &data.origin.name, (total, "texts"))?;
    }
    warn_of_share(options.validation, model.recipe().as_ref(), output);
    let score = model.evaluate(&texts).map_err(|e| {
        let place = data.origin.place(e.label_at_fault()).to_owned();
        Failure::from(refrain::Error::from(e)).context(place)
    })?;
    unknown::warn_of_share(score.unknown, "tokens", output);
    output.result(score.details(), || table(&score))
}

fn table(score: &ClassifierScore) -> String {
    let (loss, macro_f1, texts) = (score.loss, score.macro_f1(), score.texts());
    format!(
        "loss      {loss:.4}\n\
         accuracy  {:.2} %\n\
         macro-F1  {macro_f1:.4}\n\
         texts     {texts}\n\
         unknown   {} of the tokens\n\n{}",
        score.accuracy() * 100.0,
        percent(score.unknown),
        confusion_table::show(&score.confusion)
    )
}
