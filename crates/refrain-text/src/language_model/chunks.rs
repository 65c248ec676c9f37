//! How an epoch's steps are cut into chunks for truncated backpropagation through time.

use crate::language_model::TextRecipe;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::f64::consts::TAU;
use std::ops::Range;

/// The share of varying chunks that have half the length (Merity et al. 2017).
const HALF: f64 = 0.05;
/// The standard deviation of a chunk's steps.
const SPREAD: f64 = 5.0;
/// A chunk varies by at most three standard deviations, which bounds the memory of a step.
const MAX_DEVIATION: f64 = 3.0 * SPREAD;
/// The minimum steps of a varying chunk, unless `steps` is smaller.
const MIN_STEPS: usize = 5;
/// Separates the random stream of an epoch from others with the same seed.
const PURPOSE: u64 = 0x6368_756e_6b73;

/// Returns the maximum steps of a chunk.
pub(super) fn longest_chunk(recipe: &TextRecipe) -> usize {
    recipe.steps.saturating_add(if recipe.variable_steps { MAX_DEVIATION as usize } else { 0 })
}

/// Returns the chunks of an epoch, from 1, over lanes of `lane_len` steps: a pure function of seed and epoch.
pub(super) fn chunks(
    recipe: &TextRecipe,
    lane_len: usize,
    epoch: usize,
) -> impl Iterator<Item = Range<usize>> {
    let (steps, varies) = (recipe.steps, recipe.variable_steps);
    let mut random = ChaCha8Rng::seed_from_u64(recipe.training.seed ^ PURPOSE);
    random.set_stream(epoch as u64);
    let mut from = 0;
    std::iter::from_fn(move || {
        if from == lane_len {
            return None;
        }
        let len = if varies { varied(steps, &mut random) } else { steps };
        let range = from..lane_len.min(from + len);
        from = range.end;
        Some(range)
    })
}

/// Returns `steps`, or occasionally half of it, plus a normally distributed deviation.
fn varied(steps: usize, random: &mut ChaCha8Rng) -> usize {
    let mut uniform = || (f64::from(random.next_u32()) + 0.5) / 4_294_967_296.0;
    let (short, radius, angle) = (uniform() < HALF, uniform(), uniform());
    let mean = if short { steps as f64 / 2.0 } else { steps as f64 };
    // Box & Muller 1958.
    let deviation = SPREAD * (-2.0 * radius.ln()).sqrt() * (TAU * angle).cos();
    let len = (mean + deviation.clamp(-MAX_DEVIATION, MAX_DEVIATION)) as usize;
    len.max(MIN_STEPS.min(steps))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(steps: usize, variable_steps: bool) -> TextRecipe {
        TextRecipe { steps, variable_steps, ..TextRecipe::default() }
    }

    #[test]
    fn chunks_cover_the_lane_in_order() {
        for (steps, varies, lane) in [(7, false, 100), (70, true, 5_000), (2, true, 31), (1, true, 1)] {
            let mut at = 0;
            for chunk in chunks(&recipe(steps, varies), lane, 3) {
                assert!(chunk.start == at && chunk.end > at, "{chunk:?} behind {at}");
                at = chunk.end;
            }
            assert_eq!(at, lane);
        }
        let lengths: Vec<_> = chunks(&recipe(7, false), 20, 1).map(|c| c.len()).collect();
        assert_eq!(lengths, [7, 7, 6]);
    }

    #[test]
    fn lengths_follow_the_published_distribution_and_the_seed() {
        let lengths =
            |epoch| -> Vec<usize> { chunks(&recipe(70, true), 1_000_000, epoch).map(|c| c.len()).collect() };
        let first = lengths(1);
        assert_eq!(first, lengths(1));
        assert_ne!(first, lengths(2));
        // 14,000 draws: the mean of 0.95 · 70 + 0.05 · 35 − 1/2 for the cut to an integer, within 4 standard errors.
        let mean = 1_000_000.0 / first.len() as f64;
        assert!((mean - 67.75).abs() < 0.35, "{mean}");
        let short = first.iter().filter(|&&l| l < 53).count() as f64 / first.len() as f64;
        assert!((short - HALF).abs() < 0.01, "{short}");
        assert!(first.iter().all(|&l| (20..=85).contains(&l)) || first.last() < Some(&20));
    }
}
