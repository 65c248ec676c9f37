//! Command-line values, and the recipes inside model files.

use crate::json;
use refrain::checkpoint::Every;
use refrain::task::{Range, Recipe};
use refrain::{ClassifierRecipe, TaggerRecipe, TextRecipe};
use std::fmt::Debug;

#[allow(dead_code)]
#[path = "../../crates/refrain-cli/src/cli/values.rs"]
mod values;

/// Parses the value of a command-line option.
///
/// Asserts that every parser returns a number within its stated range, ascending numbers, or an error.
pub fn option_values(bytes: &[u8]) {
    let text = &json::text(bytes, 1024)[..];
    for range in [Range::COUNT, Range::NOT_NEGATIVE, Range::POSITIVE, Range::FRACTION, Range::FACTOR] {
        within(values::number_in(range)(text), |&x| range.contains(x) && x.is_finite());
    }
    within(values::part(text), |&x| x > 0.0 && x < 1.0);
    within(values::probability(text), |&x| x > 0.0 && x <= 1.0);
    within(values::not_negative_f32(text), |&x| (0.0..f32::INFINITY).contains(&x));
    within(values::at_least_one(text), |&x| (1.0..f32::INFINITY).contains(&x));
    within(values::size(text), |&x| x >= 1);
    within(values::every(text), |every| match every {
        Every::Batches(n) => *n > 0,
        Every::Time(time) => !time.is_zero(),
        Every::Never => false,
    });
    within(values::cutoffs(text), |cutoffs| cutoffs.0.is_sorted_by(|a, b| a < b) && !cutoffs.0.contains(&0));
}

fn within<T: Debug>(read: Result<T, String>, holds: impl Fn(&T) -> bool) {
    match read {
        Ok(value) => assert!(holds(&value), "{value:?}"),
        Err(reason) => assert!(reason.starts_with("expected "), "{reason}"),
    }
}

/// Reads the recipe in a model file's training record.
///
/// Asserts that a recipe survives a round trip, and that checking it returns.
pub fn recipes(bytes: &[u8]) {
    recipe::<TextRecipe>(bytes);
    recipe::<ClassifierRecipe>(bytes);
    recipe::<TaggerRecipe>(bytes);
}

fn recipe<R: Recipe>(bytes: &[u8]) {
    let Some(recipe) = json::parse::<R>(bytes) else { return };
    let _ = recipe.check();
    let written = serde_json::to_vec(&recipe).expect("a recipe can be written");
    assert_eq!(json::parse::<R>(&written), Some(recipe));
}
