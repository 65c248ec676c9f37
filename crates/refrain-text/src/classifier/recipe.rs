//! How a classifier is made and trained.

use super::examples::Identical;
use crate::reader::{ReaderSettings, ReadsTexts};
use refrain_task::{RateSchedule, Recipe, TrainingSettings, group_settings};
use serde::{Deserialize, Serialize};
use serde_json::Value;

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
    /// How a text is read.
    pub reader: ReaderSettings,
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
            reader: ReaderSettings::default(),
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

impl Recipe for ClassifierRecipe {
    fn training(&self) -> &TrainingSettings {
        &self.training
    }

    fn of_earlier_version(recipe: Value) -> Value {
        let training = group_settings::<TrainingSettings>(recipe, "training");
        group_settings::<ReaderSettings>(training, "reader")
    }

    fn check_own(&self) -> refrain_task::Result<()> {
        self.reader.check()
    }
}

impl ReadsTexts for ClassifierRecipe {
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
