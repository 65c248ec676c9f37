//! Unknown tokens in a run's messages: a model that knows little of a text may still score well on it.

use crate::format::percent;
use crate::output::Output;
use crate::unknown::warn_of_share;
use refrain::UnknownParts;
use serde_json::{Map, Value};

/// Returns the line of the headline, if a token is unknown: `0.0 % in training, 5.9 % in validation`.
pub(super) fn line(parts: &UnknownParts) -> Option<String> {
    let some = parts.named().any(|(_, part)| part.unknown > 0);
    let shares: Vec<String> =
        parts.named().map(|(name, part)| format!("{} in {name}", percent(part.share()))).collect();
    some.then(|| shares.join(", "))
}

/// Returns the shares for the JSON event `start`.
pub(super) fn field(parts: &UnknownParts) -> Value {
    let shares = parts.named().map(|(name, part)| (name.to_owned(), part.share().into()));
    Value::Object(shares.collect::<Map<_, _>>())
}

/// Warns of parts whose score misleads.
pub(super) fn warn(parts: &UnknownParts, output: &Output) {
    for (name, part) in parts.named() {
        warn_of_share(part.share(), &format!("{name} tokens"), output);
    }
}

/// Returns what an epoch's line adds if the score misleads.
pub(super) fn note(parts: &UnknownParts) -> Option<String> {
    let scored = parts.validation.unwrap_or(parts.training);
    scored.are_many().then(|| format!("  {} unknown", percent(scored.share())))
}
