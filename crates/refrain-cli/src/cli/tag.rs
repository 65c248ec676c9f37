//! Options of `train tag` and `tag`.

use super::reader_options::{READER_OPTIONS, ReaderOptions, ReadsLongTexts};
use super::run_options::{RunOptions, TrainOptions};
use clap::Args;
use refrain::TaggerRecipe;
use refrain::tagger::ReadsTexts;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct TrainTag {
    /// UTF-8 sentences to train on (`-` for stdin): one word per line (first column the word, last column its label) with
    /// a blank line between sentences, as in CoNLL files, or one sentence per line with its words as `word/LABEL`
    #[arg(value_name = "FILE", required = true)]
    pub(crate) data: Vec<PathBuf>,
    #[command(flatten)]
    reader: ReaderOptions<TrainTag>,
    #[command(flatten)]
    run: RunOptions<TrainTag>,
}

impl TrainOptions for TrainTag {
    type Recipe = TaggerRecipe;

    const BATCH: &'static str = "Sentences per batch";
    const VALIDATION: &'static str =
        "Fraction of the sentences, at the end, to hold out for validation; 0 for none";
    const VALIDATION_FILE: &'static str = "Labelled sentences to validate on, instead of held-out ones";
    const TEST_FILE: &'static str = "Labelled sentences to score the finished model on";
    const SEED: &'static str = "Seed for the initial weights, dropout and the order of the sentences";
    const PATH: &'static str = "FILE";
    const SHAPE: &'static [&'static str] = &READER_OPTIONS;

    fn default_batch() -> String {
        TaggerRecipe::default().batch().to_string()
    }

    fn run(&self) -> &RunOptions<Self> {
        &self.run
    }

    fn recipe(&self) -> TaggerRecipe {
        let base = TaggerRecipe::default();
        self.recipe_for(TaggerRecipe { reader: self.reader.settings(&base.reader), ..base })
    }

    fn recipe_for(&self, network: TaggerRecipe) -> TaggerRecipe {
        TaggerRecipe { training: self.run.settings(&TaggerRecipe::default().training), ..network }
    }
}

impl ReadsLongTexts for TrainTag {
    const MAX_LENGTH: &'static str = "Maximum steps of a sequence; longer sentences are split between words";
}

#[derive(Debug, Args)]
pub(crate) struct Tag {
    /// Tagger model
    pub(crate) model: PathBuf,
    /// Texts to tag, split into words at whitespace; `-` reads stdin line by line
    #[arg(value_name = "TEXT", required = true)]
    pub(crate) texts: Vec<String>,
    /// Print one word and its label per line, with a blank line after each text [default: one text per line, with its
    /// words as `word/LABEL`]
    #[arg(long)]
    pub(crate) columns: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command, Train};
    use clap::Parser;
    use refrain::{Average, CellKind};

    #[test]
    fn the_recipe_is_the_library_default_except_for_the_options() {
        let recipe = |options: &[&str]| {
            let all = ["refrain", "train", "tag", "names.conll"].iter().chain(options);
            match Cli::try_parse_from(all).unwrap().command {
                Command::Train { what: Train::Tag(options) } => options.recipe(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(recipe(&[]), TaggerRecipe::default());
        let changed = recipe(&["--cell", "gru", "--average", "exponential", "--batch", "7"]);
        assert_eq!((changed.reader.cell, changed.training.average), (CellKind::Gru, Average::Exponential));
        assert_eq!((changed.training.batch, changed.batch()), (Some(7), 7));
    }
}
