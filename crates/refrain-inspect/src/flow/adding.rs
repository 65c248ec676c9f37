//! The adding problem: sequences whose target requires memory.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use refrain_nn::data::{Batch, BatchInput, BatchTarget};
use std::ops::Range;

/// Features per step: a number and a mark.
pub const FEATURES: usize = 2;

/// The squared error of always predicting 1, the best answer without memory: the variance of the sum of two numbers
/// uniform in [0, 1).
pub const MEMORYLESS: f64 = 2.0 / 12.0;

/// What sequences are drawn for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A training batch, by its number from 0.
    Training(u64),
    /// Test data, the same for every seed.
    Test,
}

/// Draws sequences of the adding problem (Hochreiter & Schmidhuber 1997, section 5.4, in the form of Arjovsky, Shah
/// & Bengio 2016, section 4.2). Each of the `steps` steps has a number uniform in [0, 1) and a mark, which is 1 at
/// one step in each half and 0 elsewhere. The target is the sum of the two marked numbers.
///
/// # Panics
/// If `steps` is less than 2, because a half would be empty.
pub fn adding(steps: usize, lanes: usize, seed: u64, purpose: Purpose) -> Batch {
    assert!(steps >= 2, "a sequence of {steps} steps has no two halves");
    let mut rng = generator(seed, purpose);
    let (mut features, mut values) =
        (Vec::with_capacity(lanes * steps * FEATURES), Vec::with_capacity(lanes));
    for _ in 0..lanes {
        let from = features.len();
        features.extend((0..steps).flat_map(|_| [uniform(&mut rng), 0.0]));
        let sequence = &mut features[from..];
        let mut mark = |half: Range<usize>| {
            let step = below(&mut rng, half) * FEATURES;
            sequence[step + 1] = 1.0;
            sequence[step]
        };
        values.push(mark(0..steps / 2) + mark(steps / 2..steps));
    }
    let input = BatchInput { steps, features, ..BatchInput::default() };
    let target = BatchTarget { steps: 1, values, ..BatchTarget::default() };
    Batch { lanes, inputs: vec![input], targets: vec![target], ..Batch::default() }
}

/// Returns a ChaCha8 generator whose key is the seed and the purpose and whose stream is the batch.
fn generator(seed: u64, purpose: Purpose) -> ChaCha8Rng {
    let (seed, kind, stream) = match purpose {
        Purpose::Training(batch) => (seed, 0, batch),
        Purpose::Test => (0, 1, 0),
    };
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8] = kind;
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(stream);
    rng
}

/// Returns 24 random bits as a number in [0, 1).
fn uniform(rng: &mut ChaCha8Rng) -> f32 {
    (rng.next_u32() >> 8) as f32 / (1 << 24) as f32
}

/// Returns an integer in a range from 32 random bits. At these sizes, probabilities differ by at most one part in
/// 10⁷.
fn below(rng: &mut ChaCha8Rng, range: Range<usize>) -> usize {
    range.start + ((u64::from(rng.next_u32()) * range.len() as u64) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Five standard deviations of the mean squared error of predicting 1 over 20000 sequences; that of one
    /// sequence is 0.197.
    const CHANCE: f64 = 5.0 * 0.197 / 141.0;

    #[test]
    fn the_target_is_the_sum_of_one_number_of_each_half() {
        for steps in [2, 3, 20] {
            let batch = adding(steps, 300, 7, Purpose::Training(0));
            let mut places = vec![0; steps];
            let sequences = batch.inputs[0].features.chunks(steps * FEATURES);
            for (sequence, target) in sequences.zip(&batch.targets[0].values) {
                let marked: Vec<usize> = (0..steps).filter(|t| sequence[t * 2 + 1] == 1.0).collect();
                assert!(marked.len() == 2 && marked[0] < steps / 2 && marked[1] >= steps / 2, "{marked:?}");
                assert_eq!(*target, sequence[marked[0] * 2] + sequence[marked[1] * 2]);
                marked.iter().for_each(|&t| places[t] += 1);
            }
            assert!(places.iter().all(|&n| n > 0), "{places:?}: a step is never marked");
        }
    }

    #[test]
    fn a_memoryless_model_has_a_loss_of_one_sixth() {
        let sums = adding(4, 20_000, 1, Purpose::Test).targets.remove(0).values;
        let cost = |said: f64| sums.iter().map(|&y| (f64::from(y) - said).powi(2)).sum::<f64>() / 20_000.0;
        assert!((cost(1.0) - MEMORYLESS).abs() < CHANCE, "{}", cost(1.0));
        assert!(cost(0.8) > cost(1.0) + CHANCE && cost(1.2) > cost(1.0) + CHANCE);
    }

    #[test]
    fn training_data_never_repeats_and_test_data_never_changes() {
        let sums = |seed, purpose| adding(50, 8, seed, purpose).targets.remove(0).values;
        assert_eq!(sums(1, Purpose::Training(3)), sums(1, Purpose::Training(3)));
        assert_ne!(sums(1, Purpose::Training(3)), sums(1, Purpose::Training(4)));
        assert_ne!(sums(1, Purpose::Training(3)), sums(2, Purpose::Training(3)));
        assert_eq!(sums(1, Purpose::Test), sums(2, Purpose::Test));
        assert_ne!(sums(0, Purpose::Test), sums(0, Purpose::Training(0)));
    }
}
