//! The built-in songbook and its recipe.

use refrain::{RateSchedule, TextRecipe, TrainingSettings};

/// The text to train on if no file is given: songs and poems written for this project.
pub(crate) const SONGBOOK: &str = include_str!("../data/songbook.txt");

/// Returns the default recipe of the songbook. The text is small, so the learning rate is higher and decays, and dropout
/// keeps the network from memorising it.
pub(crate) fn songbook_recipe() -> TextRecipe {
    let schedule = RateSchedule::Cosine;
    TextRecipe {
        dropout: 0.2,
        training: TrainingSettings { learning_rate: 5e-3, schedule, ..TrainingSettings::default() },
        ..TextRecipe::default()
    }
}
