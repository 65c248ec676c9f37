//! The songbook that the program carries, and how it is learned.

use refrain::{RateSchedule, TextRecipe, TrainingSettings};

/// What is learned if no file is named: songs and poems written for this project.
pub(crate) const SONGBOOK: &str = include_str!("../data/songbook.txt");

/// How the songbook is learned unless the options say otherwise: it is small, so the rate is higher and falls, and
/// dropout keeps the network from learning it by heart.
pub(crate) fn songbook_recipe() -> TextRecipe {
    let schedule = RateSchedule::Cosine;
    TextRecipe {
        dropout: 0.2,
        training: TrainingSettings { learning_rate: 5e-3, schedule, ..TrainingSettings::default() },
        ..TextRecipe::default()
    }
}
