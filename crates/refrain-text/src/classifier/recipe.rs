//! How a classifier is made and trained.

use super::examples::Identical;
use crate::codec::Level;
use crate::reader::Reader;
use refrain_task::layers::CellKind;
use refrain_task::{Range, RateSchedule, Recipe, TrainingSettings};
use serde::{Deserialize, Serialize};

/// How much the texts of each label count in training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassWeight {
    /// Every text the same.
    None,
    /// Every label the same: texts of rare labels count more.
    Balanced,
}

/// Everything that decides what a trained classifier is, besides the texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClassifierRecipe {
    /// What a step is: a character, a word or a part of one.
    pub level: Level,
    /// The recurrence.
    pub cell: CellKind,
    /// Hidden units of each layer, in each direction.
    pub units: usize,
    /// Recurrent layers.
    pub layers: usize,
    /// Width of the embedding.
    pub embedding: usize,
    /// Whether the layers read texts in both directions.
    pub bidirectional: bool,
    /// Dropout before, between and after the recurrent layers, fresh each step.
    pub dropout: f64,
    /// Words that occur less often become the unknown one.
    pub min_count: u64,
    /// Steps of a text that are read; what follows is cut.
    pub max_length: usize,
    /// How much the texts of each label count.
    pub class_weight: ClassWeight,
    /// Whether identical texts are held out together.
    pub identical: Identical,
    /// How it is trained. Without a batch, 64 texts make one.
    pub training: TrainingSettings,
}

impl Default for ClassifierRecipe {
    fn default() -> Self {
        Self {
            level: Level::Char,
            cell: CellKind::Lstm,
            units: 128,
            layers: 1,
            embedding: 64,
            bidirectional: true,
            dropout: 0.2,
            min_count: 1,
            max_length: 512,
            class_weight: ClassWeight::None,
            identical: Identical::Apart,
            training: TrainingSettings {
                epochs: 10,
                schedule: RateSchedule::Cosine,
                ..TrainingSettings::default()
            },
        }
    }
}

/// Texts in a batch, if the recipe does not say.
const BATCH: usize = 64;

impl ClassifierRecipe {
    pub(super) fn reader(&self) -> Reader {
        let Self { level, cell, units, layers, embedding, bidirectional, dropout, min_count, .. } = *self;
        Reader { level, cell, units, layers, embedding, bidirectional, dropout, min_count }
    }

    /// Texts in a batch.
    pub fn batch(&self) -> usize {
        self.training.batch.unwrap_or(BATCH)
    }
}

impl Recipe for ClassifierRecipe {
    fn training(&self) -> &TrainingSettings {
        &self.training
    }

    fn training_mut(&mut self) -> &mut TrainingSettings {
        &mut self.training
    }

    fn check_own(&self) -> refrain_task::Result<()> {
        self.reader().check()?;
        Range::COUNT.check("max-length", self.max_length as f64)
    }
}
