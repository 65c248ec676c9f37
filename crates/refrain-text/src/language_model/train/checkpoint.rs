//! All that a run goes on from, as parts of a checkpoint.
//!
//! | part | holds |
//! |---|---|
//! | `model` | the architecture and the vocabulary |
//! | `training` | the [`TrainingState`]: parameters, optimiser, averages, gradients that wait |
//! | `totals` | loss and metrics of the epoch so far |
//! | `carry` | the states of the recurrent layers |
//! | `run` | recipe, fingerprints of the texts, epochs, position in this one; the best epoch's weights |

use super::chunks::chunks;
use super::run::{Best, Position, Run};
use super::{EpochRecord, Fingerprints};
use crate::error::{Error, Result};
use crate::language_model::evaluate::Score;
use crate::language_model::{LanguageModel, TASK, TextRecipe};
use crate::resumed::{expect_same, same_recipe};
use refrain_nn::checkpoint::exact;
use refrain_nn::checkpoint::{Checkpoint, Part};
use refrain_nn::file::ModelFile;
use refrain_nn::{Architecture, Compile, Engine, Totals, TrainingState};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The kind of run.
const KIND: &str = TASK;
const WEIGHTS: &str = "best";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelValues {
    architecture: Architecture,
    task: Value,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RunValues {
    recipe: Value,
    texts: Fingerprints,
    epochs: Vec<EpochRecord>,
    best: Option<BestValues>,
    #[serde(with = "exact")]
    seconds: f64,
    position: Position,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BestValues {
    epoch: usize,
    score: Option<Score>,
}

impl Run<'_> {
    /// All that the run goes on from.
    pub(super) fn checkpoint(&self) -> Result<Checkpoint> {
        let Self { recipe, lm, fingerprints, epochs, best, seconds, position, carry, .. } = self;
        let mut checkpoint = Checkpoint::new(KIND);
        let model = ModelValues { architecture: lm.model.architecture().clone(), task: lm.task() };
        checkpoint.insert("model", Part::of(&model)?);
        checkpoint.insert("training", lm.model.training_state()?.into_part()?);
        checkpoint.insert("totals", Part::of(&lm.model.running_totals()?)?);
        checkpoint.insert("carry", carry.to_part());
        let run = Part::of(&RunValues {
            recipe: serde_json::json!(recipe),
            texts: fingerprints.clone(),
            epochs: epochs.clone(),
            best: best.as_ref().map(|best| BestValues { epoch: best.epoch, score: best.score }),
            seconds: *seconds,
            position: *position,
        })?;
        let weights = best.iter().map(|best| (WEIGHTS.to_owned(), best.weights.clone()));
        checkpoint.insert("run", Part { tensors: weights.collect(), ..run });
        Ok(checkpoint)
    }
}

/// The recipe of its run.
pub(super) fn recipe_of(checkpoint: &Checkpoint) -> Result<TextRecipe> {
    checkpoint.expect_kind(KIND)?;
    let RunValues { recipe, .. } = checkpoint.part("run")?.parse("run")?;
    Ok(Part { values: recipe, tensors: Vec::new() }.parse("recipe")?)
}

/// A checkpoint that was found to be of a recipe's run.
pub(super) struct Saved {
    pub(super) lm: LanguageModel,
    training: TrainingState,
    totals: Totals,
    carry: Part,
    run: RunValues,
    best: Option<Best>,
}

impl Saved {
    pub(super) fn of(mut checkpoint: Checkpoint, recipe: &TextRecipe, engine: Engine) -> Result<Self> {
        checkpoint.expect_kind(KIND)?;
        let mut part = checkpoint.take("run")?;
        let run: RunValues = part.parse("run")?;
        same_recipe(&serde_json::json!(recipe), &run.recipe)?;
        let ModelValues { architecture, task } = checkpoint.part("model")?.parse("model")?;
        let training = TrainingState::from_part(checkpoint.take("training")?)?;
        let model = training.model(&architecture, engine)?;
        let file = ModelFile { model, task: Some(task), training: None, warnings: Vec::new() };
        let lm = LanguageModel::from_file(file)?;
        let best = match &run.best {
            Some(BestValues { epoch, score }) => {
                let weights = part.take("run", WEIGHTS, lm.model.params().values().len())?;
                Some(Best { epoch: *epoch, score: *score, weights })
            }
            None => None,
        };
        if run.epochs.len() > recipe.epochs || run.epochs.iter().enumerate().any(|(i, e)| e.epoch != i + 1) {
            let got = format!("{} epochs", run.epochs.len());
            return Err(Error::Resume {
                what: "epochs".to_owned(),
                got,
                expected: recipe.epochs.to_string(),
            });
        }
        let totals = checkpoint.part("totals")?.parse("totals")?;
        Ok(Self { lm, training, totals, carry: checkpoint.take("carry")?, run, best })
    }

    /// An error where the run had other texts.
    pub(super) fn expect_texts(&self, now: &Fingerprints) -> Result<()> {
        let then = &self.run.texts;
        let none = || "none".to_owned();
        let of = |text: &Option<String>| text.clone().unwrap_or_else(none);
        expect_same("the text to learn", &now.training, &then.training)?;
        expect_same("the text to validate on", &of(&now.validation), &of(&then.validation))?;
        expect_same("the text to test on", &of(&now.test), &of(&then.test))
    }

    /// The run that `begin` makes of the model, where this one stood.
    pub(super) fn restore<'a>(
        self,
        compile: Compile,
        begin: impl FnOnce(LanguageModel) -> Result<Run<'a>>,
    ) -> Result<Run<'a>> {
        let Self { mut lm, training, totals, carry, run, best } = self;
        lm.model.compile(compile)?;
        let mut begun = begin(lm)?;
        begun.lm.model.set_training_state(&training)?;
        begun.lm.model.set_running_totals(&totals)?;
        begun.carry.set_part(carry)?;
        let RunValues { epochs, seconds, position, .. } = run;
        let in_epoch = chunks(begun.recipe, begun.lanes.lane_len(), epochs.len() + 1).count();
        position.check(in_epoch, begun.recipe)?;
        if position.chunk > 0 {
            let (got, expected) = (begun.carry.lanes(), begun.lanes.batch());
            expect_same("the number of sequences side by side", &expected, &got)?;
        }
        Ok(Run { epochs, best, seconds, position, ..begun })
    }
}
