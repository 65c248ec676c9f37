//! How much memory a run needs, and smaller settings that fit when that is too much.

use crate::error::{MemorySuggestion, Result, TooMuchMemory};
use crate::plan::plan;
use crate::recipe::{Recipe, ReducibleSetting};
use crate::settings::Average;
use crate::task::{Task, TaskModel};
use refrain_nn::{Engine, Memory, MemoryUse, Model};
use serde::Serialize;

/// The memory needed to train a model with the settings that its file records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrainingMemory {
    /// The memory.
    pub memory: Memory,
    /// Sequences in a batch.
    pub batch: usize,
    /// Steps of the longest sequence.
    pub steps: usize,
}

/// Bytes of the program itself, its threads, and the allocator's overhead.
const PROGRAM_BYTES: u64 = 13_000_000;
/// Copies of the weights: the best epoch's weights stay while those of a better one are copied, and a file is
/// assembled in memory.
const COPIES: u64 = 2;

/// Returns what a run needs, given what its network needs.
pub(crate) fn memory_of<T: Task>(
    recipe: &T::Recipe,
    sizes: &T::Sizes,
    network: impl FnOnce(&[MemoryUse]) -> Memory,
) -> Memory {
    let memory = network(&T::memory_uses(recipe, sizes));
    let settings = recipe.training();
    let parameters = memory.of("parameters");
    let averages = match settings.average {
        Average::None => 0,
        _ => parameters.saturating_sub(memory.of("averages")),
    };
    // A checkpoint copies parameters, optimiser slots, averages, accumulated gradients and the best epoch; no other
    // copy exists at the same time.
    let waiting = if settings.accumulate > 1 { parameters } else { 0 };
    let kept = [parameters, memory.of("optimizer"), memory.of("averages"), averages, waiting];
    let checkpoint = kept.into_iter().fold(0, u64::saturating_add);
    let memory = memory
        .with("averages", averages)
        .with("copies of the weights", parameters.saturating_mul(COPIES))
        .with("checkpoint", checkpoint);
    T::kept_in_memory(sizes)
        .into_iter()
        .fold(memory, |memory, (name, bytes)| memory.with(name, bytes))
        .with("program", PROGRAM_BYTES)
}

/// Returns the memory that training needs, without allocating it.
///
/// # Errors
/// If a setting is out of range.
pub fn memory_to_train<T: Task>(recipe: &T::Recipe, sizes: &T::Sizes, engine: Engine) -> Result<Memory> {
    recipe.check()?;
    let planned = plan::<T>(recipe, sizes, 1, engine)?;
    Ok(memory_of::<T>(recipe, sizes, |uses| planned.memory(uses)))
}

/// Checks a new run's memory against the limit before allocating any.
///
/// # Errors
/// [`TooMuchMemory`] with settings that fit, and errors of the network itself.
pub(crate) fn check_new<T: Task>(
    recipe: &T::Recipe,
    sizes: &T::Sizes,
    limit: Option<u64>,
    engine: &Engine,
) -> Result<Memory> {
    check(recipe, limit, &T::reducible_settings(recipe, sizes), |smaller| {
        smaller.check()?;
        let sizes = T::sizes_with(smaller, sizes);
        let planned = plan::<T>(smaller, &sizes, 1, engine.clone())?;
        Ok(memory_of::<T>(smaller, &sizes, |uses| planned.memory(uses)))
    })
}

/// Does the same for a run that continues an existing model.
pub(crate) fn check_trained<T: Task>(
    recipe: &T::Recipe,
    sizes: &T::Sizes,
    limit: Option<u64>,
    model: &Model,
) -> Result<Memory> {
    let mut reducible_settings = T::reducible_settings(recipe, sizes);
    reducible_settings.retain(|setting| !setting.shape);
    check(recipe, limit, &reducible_settings, |smaller| {
        Ok(memory_of::<T>(smaller, sizes, |uses| model.memory(uses)))
    })
}

/// Checks a run's memory against the limit.
///
/// # Errors
/// [`TooMuchMemory`] with values of `reducible_settings` that fit, and errors of `memory` for the recipe itself.
fn check<R: Clone>(
    recipe: &R,
    limit: Option<u64>,
    reducible_settings: &[ReducibleSetting<R>],
    memory: impl Fn(&R) -> Result<Memory>,
) -> Result<Memory> {
    let need = memory(recipe)?;
    let Some(limit) = limit.filter(|&limit| need.total() > limit) else { return Ok(need) };
    let total = |recipe: &R| memory(recipe).map_or(u64::MAX, |memory| memory.total());
    let suggestions: Vec<_> =
        reducible_settings.iter().filter_map(|setting| alone(recipe, limit, setting, &total)).collect();
    if !suggestions.is_empty() {
        return Err(TooMuchMemory { need, limit, suggestions, together: false, least: limit }.into());
    }
    let mut least = u64::MAX;
    let mut halvings = 0;
    loop {
        halvings += 1;
        let mut smaller = recipe.clone();
        let values = reducible_settings
            .iter()
            .map(|setting| (setting.value >> halvings).max(setting.least.min(setting.value)));
        let values: Vec<_> = values.collect();
        reducible_settings
            .iter()
            .zip(&values)
            .for_each(|(setting, &value)| (setting.set)(&mut smaller, value));
        let bytes = total(&smaller);
        least = least.min(bytes);
        if bytes <= limit {
            let changed =
                reducible_settings.iter().zip(values).filter(|(setting, value)| *value < setting.value);
            let suggestions = changed
                .map(|(setting, value)| MemorySuggestion { option: setting.option, value, bytes })
                .collect();
            return Err(TooMuchMemory { need, limit, suggestions, together: true, least }.into());
        }
        if halvings == usize::BITS - 1
            || reducible_settings.iter().zip(&values).all(|(setting, value)| *value <= setting.least)
        {
            return Err(TooMuchMemory { need, limit, suggestions: Vec::new(), together: false, least }.into());
        }
    }
}

/// Returns the largest fitting value of one setting found by halving.
fn alone<R: Clone>(
    recipe: &R,
    limit: u64,
    setting: &ReducibleSetting<R>,
    total: &impl Fn(&R) -> u64,
) -> Option<MemorySuggestion> {
    let mut value = setting.value;
    while value > setting.least {
        value = (value / 2).max(setting.least);
        let mut smaller = recipe.clone();
        (setting.set)(&mut smaller, value);
        let bytes = total(&smaller);
        if bytes <= limit {
            return Some(MemorySuggestion { option: setting.option, value, bytes });
        }
    }
    None
}

impl<T: Task> TaskModel<T> {
    /// Returns the memory needed to train with the recorded settings, if the file records its training.
    pub fn memory_to_train(&self) -> Option<TrainingMemory> {
        let training = self.training()?;
        let recipe = self.recipe()?;
        recipe.check().ok()?;
        let sizes = match training.get("sizes") {
            Some(sizes) => serde_json::from_value(sizes.clone()).ok()?,
            None => T::sizes_of_old_record(training, &recipe, self.assets())?,
        };
        let planned = plan::<T>(&recipe, &sizes, 1, self.model().engine().clone()).ok()?;
        let memory = memory_of::<T>(&recipe, &sizes, |uses| planned.memory(uses));
        let (batch, steps) = T::largest_batch(&recipe, &sizes);
        Some(TrainingMemory { memory, batch, steps })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    /// Needs 10 bytes for each unit, 10 for each lane of each step, and 7 more.
    #[derive(Debug, Clone)]
    struct Recipe {
        units: usize,
        lanes: usize,
        steps: usize,
    }

    fn checked(limit: Option<u64>) -> std::result::Result<u64, TooMuchMemory> {
        let recipe = Recipe { units: 100, lanes: 20, steps: 10 };
        let reducible_settings: [ReducibleSetting<Recipe>; 3] = [
            ReducibleSetting::of_network("units", 100, 30, |r, n| r.units = n),
            ReducibleSetting::of_training("lanes", 20, 1, |r, n| r.lanes = n),
            ReducibleSetting::of_training("steps", 10, 4, |r, n| r.steps = n),
        ];
        let memory = |r: &Recipe| {
            let (units, rows) = (r.units as u64, (r.lanes * r.steps) as u64);
            Ok(Memory::default().with("units", 10 * units).with("rows", 10 * rows).with("rest", 7))
        };
        match check(&recipe, limit, &reducible_settings, memory) {
            Ok(memory) => Ok(memory.total()),
            Err(Error::Memory(much)) => Err(*much),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn a_run_fits_up_to_the_exact_byte() {
        assert_eq!(checked(None), Ok(3_007));
        assert_eq!(checked(Some(3_007)), Ok(3_007));
        assert_eq!(checked(Some(3_006)).unwrap_err().need.total(), 3_007);
    }

    #[test]
    fn each_option_that_suffices_alone_is_suggested_at_its_largest_value() {
        let told = |limit| checked(Some(limit)).unwrap_err().to_string();
        assert_eq!(
            told(2_600),
            "the run needs 3.0 kB (rows 2.0 kB, units 1.0 kB, rest 7 B), but may use at most 2.6 kB; `units 50` \
             would need 2.5 kB, `lanes 10` would need 2.0 kB, `steps 5` would need 2.0 kB"
        );
        assert_eq!(
            checked(Some(1_300)).unwrap_err().with_prefix("--"),
            "the run needs 3.0 kB (rows 2.0 kB, units 1.0 kB, rest 7 B), but may use at most 1.3 kB; `--lanes 2` \
             would need 1.2 kB"
        );
    }

    #[test]
    fn if_no_option_suffices_alone_all_are_lowered_together() {
        let much = checked(Some(800)).unwrap_err();
        let told = "`--units 30` `--lanes 5` `--steps 4` together would need 507 B";
        assert!(much.together && much.with_prefix("--").ends_with(told), "{}", much.with_prefix("--"));
    }

    #[test]
    fn suggestions_always_fit() {
        // The smallest settings need 300 for the units, 40 for one lane of four steps, and 7 more.
        let much = checked(Some(346)).unwrap_err();
        assert_eq!((much.suggestions.len(), much.least), (0, 347));
        assert!(much.to_string().ends_with("; even the smallest settings tried would need 347 B"), "{much}");
        assert_eq!(checked(Some(347)).unwrap_err().suggestions.len(), 3);
    }
}
