//! All that a run goes on from: what `fit` hands over, and which run it is of.

use super::TASK;
use super::examples::fingerprint;
use super::recipe::ClassifierRecipe;
use super::train::{ClassifierEvent, LabelledData};
use super::watch::Told;
use crate::error::{Error, Result};
use crate::language_model::{Codec, Flow};
use crate::resumed::{expect_same, same_recipe};
use refrain_nn::Answer;
use refrain_nn::checkpoint::{Checkpoint, Checkpoints, Part};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The kind of run, and the part that `fit` does not know of.
const KIND: &str = TASK;
const RUN: &str = "run";

/// Which run a checkpoint is of.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Identity {
    recipe: Value,
    training: String,
    validation: String,
    labels: Vec<String>,
    codec: Codec,
}

impl Identity {
    pub(super) fn new(
        recipe: &ClassifierRecipe,
        data: LabelledData<'_>,
        labels: &[String],
        codec: &Codec,
    ) -> Self {
        Self {
            recipe: serde_json::json!(recipe),
            training: fingerprint(data.training),
            validation: fingerprint(data.validation),
            labels: labels.to_vec(),
            codec: codec.clone(),
        }
    }

    pub(super) fn of(checkpoint: &Checkpoint) -> Result<Self> {
        checkpoint.expect_kind(KIND)?;
        Ok(checkpoint.part(RUN)?.parse(RUN)?)
    }

    pub(super) fn recipe(self) -> Result<ClassifierRecipe> {
        Ok(Part { values: self.recipe, tensors: Vec::new() }.parse("recipe")?)
    }

    /// The vocabulary, where the run is that of the recipe and the texts.
    pub(super) fn check(
        self,
        recipe: &ClassifierRecipe,
        data: LabelledData<'_>,
        labels: &[String],
        checkpoint: &Checkpoint,
    ) -> Result<Codec> {
        same_recipe(&serde_json::json!(recipe), &self.recipe)?;
        expect_same("the fingerprint of the training texts", &fingerprint(data.training), &self.training)?;
        expect_same(
            "the fingerprint of the validation texts",
            &fingerprint(data.validation),
            &self.validation,
        )?;
        expect_same("the labels", &labels.join(", "), &self.labels.join(", "))?;
        // The network is as large as the vocabulary says: the checkpoint has a row for each entry, or is damaged.
        let floats = checkpoint.part("training")?.tensors.iter().map(|(_, values)| values.len()).max();
        let entries = self.codec.vocab_size();
        if entries.saturating_mul(recipe.embedding) > floats.unwrap_or(0) {
            let (what, got) = ("the vocabulary".to_owned(), format!("{entries} entries"));
            return Err(Error::Resume { what, got, expected: "parameters for fewer".to_owned() });
        }
        Ok(self.codec)
    }
}

/// Hands checkpoints on to whoever asked for one, and keeps the one that an interrupted run ends with.
pub(super) struct Handed<'a, 'r> {
    told: &'a Told<'r>,
    identity: &'a Identity,
    pub(super) kept: Option<Checkpoint>,
}

impl<'a, 'r> Handed<'a, 'r> {
    pub(super) fn new(told: &'a Told<'r>, identity: &'a Identity) -> Self {
        Self { told, identity, kept: None }
    }

    /// What `fit` goes on from.
    pub(super) fn as_fit(mut checkpoint: Checkpoint) -> Result<Checkpoint> {
        checkpoint.take(RUN)?;
        Ok(checkpoint.with_kind("fit"))
    }
}

impl Checkpoints for Handed<'_, '_> {
    fn is_due(&self, _batches: u64) -> bool {
        self.told.is_asked()
    }

    fn is_due_after_epoch(&self, _last: bool) -> bool {
        self.told.is_asked() || self.told.is_interrupted()
    }

    fn write(&mut self, checkpoint: Checkpoint) -> std::result::Result<Answer, refrain_nn::Error> {
        let mut checkpoint = checkpoint.with_kind(KIND);
        checkpoint.insert(RUN, Part::of(self.identity)?);
        let asked = self.told.take_asked();
        if asked && self.told.event(&ClassifierEvent::Checkpoint(&checkpoint)) == Flow::Stop {
            self.told.interrupt();
        }
        self.told.go_on();
        if self.told.is_interrupted() {
            self.kept = Some(checkpoint);
            return Ok(Answer::Stop);
        }
        Ok(Answer::Continue)
    }
}
