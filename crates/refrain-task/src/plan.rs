//! The network of a recipe, and how a run compiles it.

use crate::error::Result;
use crate::recipe::Recipe;
use crate::task::{Objective, Task};
use refrain_nn::{Compile, Engine, PlannedModel};

/// Builds the network of a recipe without allocating its parameters.
pub(crate) fn plan<T: Task>(
    recipe: &T::Recipe,
    sizes: &T::Sizes,
    updates: u64,
    engine: Engine,
) -> Result<PlannedModel> {
    let (network, outputs) = T::network(recipe, sizes)?;
    Ok(network.plan(&outputs, compile::<T>(recipe, updates, engine)?)?)
}

/// Returns how a model is compiled for a run of `updates` optimiser steps.
pub(crate) fn compile<T: Task>(recipe: &T::Recipe, updates: u64, engine: Engine) -> Result<Compile> {
    let Objective { loss, metrics, reduction } = T::objective(recipe);
    let settings = recipe.training();
    Ok(Compile {
        loss,
        optimizer: settings.optimizer(updates)?,
        metrics,
        reduction,
        gradient_accumulation_steps: u32::try_from(settings.accumulate).unwrap_or(u32::MAX),
        seed: settings.seed,
        engine: Some(engine),
    })
}
