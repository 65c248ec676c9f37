//! How much of a text a vocabulary does not have.
//!
//! Unknown tokens share one id. A language model that has learned to predict that id scores well on a text of which it
//! knows nothing, so a loss is only worth as much as this share is small.

use crate::error::{Error, Result};

/// The id of unknown tokens in every vocabulary.
pub const UNKNOWN: u32 = 0;
/// From this share on, a loss or an accuracy misleads.
const MANY: f64 = 0.05;
/// From this share on, a text has nothing but unknown tokens, apart from line breaks.
const ALL: f64 = 0.99;

/// Returns whether a share of unknown tokens is large enough to mislead: above 5 %.
pub fn is_many_unknown(share: f64) -> bool {
    share > MANY
}

/// The tokens of a text, and how many of them are unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UnknownTokens {
    /// The number of unknown tokens.
    pub unknown: usize,
    /// The number of all tokens.
    pub tokens: usize,
}

impl UnknownTokens {
    /// Counts the unknown ones among some ids.
    pub fn of(ids: &[u32]) -> Self {
        Self { unknown: ids.iter().filter(|&&id| id == UNKNOWN).count(), tokens: ids.len() }
    }

    /// Adds the tokens of another text.
    pub fn add(&mut self, other: Self) {
        self.unknown += other.unknown;
        self.tokens += other.tokens;
    }

    /// Returns the share of the tokens that are unknown; 0 without tokens.
    pub fn share(self) -> f64 {
        self.unknown as f64 / self.tokens.max(1) as f64
    }

    /// Returns whether the share is large enough to mislead: above 5 %.
    pub fn are_many(self) -> bool {
        is_many_unknown(self.share())
    }

    /// Returns an error if there is hardly anything but unknown tokens.
    pub(crate) fn check(self) -> Result<()> {
        let Self { unknown, tokens } = self;
        if self.share() < ALL { Ok(()) } else { Err(Error::AllUnknown { unknown, tokens }) }
    }
}

/// The unknown tokens in the parts of a run's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownParts {
    /// Of the training text.
    pub training: UnknownTokens,
    /// Of the validation text, if there is one.
    pub validation: Option<UnknownTokens>,
    /// Of the test text, if there is one.
    pub test: Option<UnknownTokens>,
}

impl UnknownParts {
    /// Returns the parts that there are, with their names: `training`.
    pub fn named(self) -> impl Iterator<Item = (&'static str, UnknownTokens)> {
        [("training", Some(self.training)), ("validation", self.validation), ("test", self.test)]
            .into_iter()
            .filter_map(|(name, part)| Some((name, part?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_and_only_unknown_tokens_are_refused() {
        let mut all = UnknownTokens::of(&[0, 3, 0, 7]);
        assert_eq!((all.share(), all.are_many()), (0.5, true));
        all.add(UnknownTokens::of(&[1; 36]));
        assert_eq!((all, all.are_many()), (UnknownTokens { unknown: 2, tokens: 40 }, false));
        assert!(all.check().is_ok() && UnknownTokens::default().check().is_ok());
        let error = UnknownTokens::of(&[0, 0]).check().unwrap_err().to_string();
        assert!(error.starts_with("2 of the 2 tokens are unknown"), "{error}");
    }
}
