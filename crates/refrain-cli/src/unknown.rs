//! What is said about tokens that the vocabulary does not have.

use crate::format::percent;
use crate::output::Output;
use refrain::{Level, is_many_unknown};

/// Warns if so many tokens are unknown that a score misleads. `what` names the tokens: `validation tokens`.
pub(crate) fn warn_of_share(share: f64, what: &str, output: &Output) {
    if is_many_unknown(share) {
        output.warning(format_args!(
            "{} of the {what} are unknown to the vocabulary, which treats them all as one; the more there are, the less the \
             scores say",
            percent(share)
        ));
    }
}

/// Warns if a model does not know some tokens of the text that it is given.
pub(crate) fn warn_of_count(unknown: usize, level: Level, output: &Output) {
    if unknown > 0 {
        let what = match level {
            Level::Char => "characters",
            Level::Word => "words or punctuation marks",
            Level::Bpe => "subwords",
        };
        output.warning(format_args!("the model does not know {unknown} of the text's {what}"));
    }
}
