//! The recipe of a tagger.

use crate::reader::{ReaderSettings, ReadsTexts};
use refrain_task::{RateSchedule, Recipe, TrainingSettings};
use serde::{Deserialize, Serialize};

/// Everything that determines a trained tagger, apart from the sentences.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TaggerRecipe {
    /// How a line is read.
    pub reader: ReaderSettings,
    /// The training settings.
    pub training: TrainingSettings,
}

impl Default for TaggerRecipe {
    fn default() -> Self {
        let training = TrainingSettings {
            epochs: 20,
            batch: Some(16),
            schedule: RateSchedule::Cosine,
            ..TrainingSettings::default()
        };
        Self { reader: ReaderSettings::default(), training }
    }
}

impl ReadsTexts for TaggerRecipe {
    fn reader(&self) -> &ReaderSettings {
        &self.reader
    }

    fn reader_mut(&mut self) -> &mut ReaderSettings {
        &mut self.reader
    }

    fn training_mut(&mut self) -> &mut TrainingSettings {
        &mut self.training
    }
}

impl Recipe for TaggerRecipe {
    fn training(&self) -> &TrainingSettings {
        &self.training
    }

    fn check_own(&self) -> refrain_task::Result<()> {
        self.reader.check()
    }
}
