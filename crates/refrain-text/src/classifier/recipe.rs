//! The recipe of a classifier.

use super::examples::Identical;
use crate::reader::{ReaderSettings, ReadsTexts};
use refrain_task::{RateSchedule, Recipe, TrainingSettings, group_settings};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How texts are weighted in training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassWeight {
    /// All texts count the same.
    None,
    /// All labels count the same: texts with rare labels count more.
    Balanced,
}

/// Everything that determines a trained classifier, apart from the texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClassifierRecipe {
    /// How a text is read.
    pub reader: ReaderSettings,
    /// How texts are weighted.
    pub class_weight: ClassWeight,
    /// Whether identical texts are held out together.
    pub identical: Identical,
    /// The training settings. The default batch is 64 texts.
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
