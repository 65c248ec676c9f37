//! What is said about unknown tokens: a model that knows little of a text may still score well on it.

use crate::format::{percent, unknown_warning};
use crate::output::Output;
use refrain::UnknownParts;
use serde_json::{Map, Value};

/// Returns the line of the headline, if a token is unknown: `0.30 % of the training tokens, …`.
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
    for (name, part) in parts.named().filter(|(_, part)| part.are_many()) {
        output.warning(unknown_warning(part.share(), &format!("{name} tokens")));
    }
}

/// Returns what an epoch's line adds if the score misleads.
pub(super) fn note(parts: &UnknownParts) -> Option<String> {
    let scored = parts.validation.unwrap_or(parts.training);
    scored.are_many().then(|| format!("  {} unknown", percent(scored.share())))
}
