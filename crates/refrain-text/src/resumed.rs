//! Whether a run that goes on is the run that was stopped.

use crate::error::{Error, Result};
use refrain_nn::file::printable;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt::Display;

/// An error that names every setting in which two recipes, as JSON objects, differ.
pub(crate) fn same_recipe(now: &Value, then: &Value) -> Result<()> {
    let none = Map::new();
    let [now, then] = [now, then].map(|recipe| recipe.as_object().unwrap_or(&none));
    let names: BTreeSet<_> = now.keys().chain(then.keys()).collect();
    let told =
        |recipe: &Map<String, Value>, name| printable(&recipe.get(name).unwrap_or(&Value::Null).to_string());
    let differing: Vec<_> = names.into_iter().filter(|name| now.get(*name) != then.get(*name)).collect();
    let all = |recipe| {
        let each = differing.iter().map(|name| format!("{name} {}", told(recipe, *name)));
        each.collect::<Vec<_>>().join(", ")
    };
    if differing.is_empty() {
        return Ok(());
    }
    Err(Error::Resume { what: "the recipe".to_owned(), got: all(now), expected: all(then) })
}

/// An error where something is not what it was.
pub(crate) fn expect_same<T: PartialEq + Display>(what: &str, now: &T, then: &T) -> Result<()> {
    if now == then {
        return Ok(());
    }
    Err(Error::Resume { what: what.to_owned(), got: now.to_string(), expected: then.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_difference_is_named() {
        let then = json!({"units": 64, "clip": null, "level": "char"});
        same_recipe(&then.clone(), &then).unwrap();
        let now = json!({"units": 128, "clip": null, "level": "word", "new": 1});
        assert_eq!(
            same_recipe(&now, &then).unwrap_err().to_string(),
            "this cannot go on: the recipe is level \"word\", new 1, units 128, but the checkpoint's run has level \
             \"char\", new null, units 64; use what it has, or begin another run, which does not resume"
        );
        assert!(expect_same("the text", &"fnv1a-1", &"fnv1a-2").unwrap_err().to_string().contains("fnv1a-2"));
    }
}
