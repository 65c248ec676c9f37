//! Published recipes.

use super::TextRecipe;
use crate::codec::Level;
use crate::words::WordSplit;
use refrain_nn::Reduction;
use refrain_task::{Average, RateSchedule, TrainingSettings};
use serde::{Deserialize, Serialize};

/// A named recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NamedRecipe {
    /// [`TextRecipe::default`].
    #[default]
    Plain,
    /// The small model of Zaremba, Sutskever & Vinyals 2014, "Recurrent Neural Network Regularization": words, two
    /// layers of 200 units without dropout, 13 epochs of plain SGD, with the learning rate halved at each epoch
    /// after the fourth.
    ZarembaSmall,
    /// The medium model of the same paper: 650 units, 50 % dropout of the non-recurrent connections, 39 epochs,
    /// with the learning rate divided by 1.2 at each epoch after the sixth.
    ZarembaMedium,
    /// The AWD-LSTM of Merity, Keskar & Socher 2017, "Regularizing and Optimizing LSTM Language Models", with the
    /// settings for the Penn Treebank. Weights are initialised with this library's defaults.
    Awd,
}

impl TextRecipe {
    /// Returns the recipe with this name.
    pub fn named(name: NamedRecipe) -> Self {
        match name {
            NamedRecipe::Plain => Self::default(),
            NamedRecipe::ZarembaSmall => {
                Self { units: 200, embedding: 200, steps: 20, init_range: Some(0.1), ..zaremba(13, 0.5, 4) }
            }
            NamedRecipe::ZarembaMedium => Self {
                units: 650,
                embedding: 650,
                steps: 35,
                init_range: Some(0.05),
                dropout: 0.5,
                ..zaremba(39, 1.0 / 1.2, 6)
            },
            NamedRecipe::Awd => awd(),
        }
    }
}

/// Returns the settings that the two models share, with these epochs, decay factor and epochs before the decay.
fn zaremba(epochs: usize, decay: f64, decay_after: usize) -> TextRecipe {
    TextRecipe {
        level: Level::Word,
        words: Some(WordSplit::Whitespace),
        layers: 2,
        reduction: Reduction::SumOverSteps,
        forget_bias: false,
        training: TrainingSettings {
            epochs,
            batch: Some(20),
            optimizer: "sgd".to_owned(),
            learning_rate: 1.0,
            schedule: RateSchedule::Step,
            decay,
            decay_after,
            clip: 5.0,
            ..TrainingSettings::default()
        },
        ..TextRecipe::default()
    }
}

fn awd() -> TextRecipe {
    TextRecipe {
        level: Level::Word,
        words: Some(WordSplit::Whitespace),
        units: 1150,
        layers: 3,
        embedding: 400,
        tie: true,
        steps: 70,
        variable_steps: true,
        dropout: 0.25,
        input_dropout: Some(0.4),
        output_dropout: Some(0.4),
        locked_dropout: true,
        embedding_dropout: 0.1,
        weight_drop: 0.5,
        activation_penalty: 2.0,
        temporal_penalty: 1.0,
        training: TrainingSettings {
            epochs: 500,
            batch: Some(20),
            optimizer: "sgd".to_owned(),
            learning_rate: 30.0,
            weight_decay: 1.2e-6,
            clip: 0.25,
            average: Average::Triggered,
            ..TrainingSettings::default()
        },
        ..TextRecipe::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use refrain_task::Recipe;

    #[test]
    fn every_recipe_is_valid_and_round_trips() {
        use NamedRecipe::{Awd, Plain, ZarembaMedium, ZarembaSmall};
        for name in [Plain, ZarembaSmall, ZarembaMedium, Awd] {
            let recipe = TextRecipe::named(name);
            recipe.check().unwrap();
            let json = serde_json::to_string(&recipe).unwrap();
            assert_eq!(serde_json::from_str::<TextRecipe>(&json).unwrap(), recipe);
        }
        assert_eq!(TextRecipe::named(Plain), TextRecipe::default());
        // A recipe of an earlier version lacks newer settings.
        let old = serde_json::json!({ "level": "word", "units": 7 });
        let old: TextRecipe = serde_json::from_value(old).unwrap();
        assert_eq!(old, TextRecipe { level: Level::Word, units: 7, ..TextRecipe::default() });
    }
}
