//! The two tasks and their sequences.

use clap::ValueEnum;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use refrain::ModelError;
use refrain::data::{Batch, BatchSource, BatchTarget, Extent};
use std::fmt;
use std::ops::Range;

/// Symbols that the copy task asks to remember, drawn from [`ALPHABET`] letters.
const SYMBOLS: usize = 10;
/// Letters `a0` to `a7` of the copy task.
const ALPHABET: usize = 8;
/// The copy task's `a8`: a blank step.
const BLANK: u32 = 8;
/// The copy task's `a9`: repeat the symbols now.
const DELIMITER: u32 = 9;
/// The number of categories in the copy task.
const CATEGORIES: usize = ALPHABET + 2;
/// Features per step of the adding problem: a number and a mark.
const NUMBER_AND_MARK: usize = 2;

/// The kind of task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TaskKind {
    /// Two of `length` numbers are marked; predict their sum
    Adding,
    /// Repeat ten symbols after `length` steps
    Copy,
}

/// A task at a length.
///
/// **Adding** (Hochreiter & Schmidhuber 1997, section 5.4, in the form of Arjovsky, Shah & Bengio 2016,
/// section 4.2): `length` steps of two features. The first is uniform in [0, 1). The second is 0 except for two
/// marks of 1, one at a random step of the first half, one of the second. The target is the sum of the two
/// marked numbers, the loss the squared error.
///
/// **Copy** (Arjovsky, Shah & Bengio 2016, section 4.1): `length + 20` categories. Ten symbols drawn from
/// eight letters, `length − 1` blanks, a delimiter, ten blanks; the target is `length + 10` blanks and then the
/// symbols. The loss is the mean cross-entropy over all steps. Inputs are one-hot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Task {
    pub(crate) kind: TaskKind,
    pub(crate) length: usize,
}

impl Task {
    /// Returns the steps of a sequence.
    pub(crate) fn steps(self) -> usize {
        match self.kind {
            TaskKind::Adding => self.length,
            TaskKind::Copy => self.length + 2 * SYMBOLS,
        }
    }

    /// Returns the steps of a target.
    pub(crate) fn target_steps(self) -> usize {
        match self.kind {
            TaskKind::Adding => 1,
            TaskKind::Copy => self.steps(),
        }
    }

    /// Returns the features per step.
    pub(crate) fn features(self) -> usize {
        match self.kind {
            TaskKind::Adding => NUMBER_AND_MARK,
            TaskKind::Copy => CATEGORIES,
        }
    }

    /// Returns the lowest loss that is possible without memory.
    ///
    /// Adding: always predict 1; the loss is the variance of a sum of two uniform numbers, 2/12. Copy: predict blanks,
    /// then each letter with probability 1/8; the loss is `10·ln 8 / (length + 20)`.
    pub(crate) fn memoryless(self) -> f64 {
        match self.kind {
            TaskKind::Adding => 2.0 / 12.0,
            TaskKind::Copy => SYMBOLS as f64 * (ALPHABET as f64).ln() / self.steps() as f64,
        }
    }

    /// Returns the test loss below which the task counts as solved: an error of 0.1 in the sum, or a tenth of the loss
    /// of a model without memory.
    pub(crate) fn solved_below(self) -> f64 {
        match self.kind {
            TaskKind::Adding => 0.01,
            TaskKind::Copy => 0.1 * self.memoryless(),
        }
    }

    /// Appends one sequence and its target.
    fn draw(self, rng: &mut ChaCha8Rng, features: &mut Vec<f32>, target: &mut BatchTarget) {
        match self.kind {
            TaskKind::Adding => self.draw_adding(rng, features, &mut target.values),
            TaskKind::Copy => self.draw_copy(rng, features, &mut target.ids),
        }
    }

    fn draw_adding(self, rng: &mut ChaCha8Rng, features: &mut Vec<f32>, sums: &mut Vec<f32>) {
        let from = features.len();
        features.extend((0..self.length).flat_map(|_| [uniform(rng), 0.0]));
        let sequence = &mut features[from..];
        let half = self.length / 2;
        sums.push(
            [0..half, half..self.length]
                .map(|part| {
                    let step = below(rng, part) * NUMBER_AND_MARK;
                    sequence[step + 1] = 1.0;
                    sequence[step]
                })
                .iter()
                .sum(),
        );
    }

    fn draw_copy(self, rng: &mut ChaCha8Rng, features: &mut Vec<f32>, target: &mut Vec<u32>) {
        let symbols: [u32; SYMBOLS] = std::array::from_fn(|_| below(rng, 0..ALPHABET) as u32);
        let blanks = |n| std::iter::repeat_n(BLANK, n);
        let input =
            symbols.into_iter().chain(blanks(self.length - 1)).chain([DELIMITER]).chain(blanks(SYMBOLS));
        features.extend(input.flat_map(|id| (0..CATEGORIES as u32).map(move |c| f32::from(c == id))));
        target.extend(blanks(self.length + SYMBOLS).chain(symbols));
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.kind {
            TaskKind::Adding => "adding",
            TaskKind::Copy => "copy",
        };
        write!(f, "{name}, T = {}", self.length)
    }
}

/// Returns a number in [0, 1) from 24 random bits.
fn uniform(rng: &mut ChaCha8Rng) -> f32 {
    (rng.next_u32() >> 8) as f32 / (1 << 24) as f32
}

/// Returns a whole number in a range, from 32 random bits; at these sizes none is likelier by more than one in 10⁷.
fn below(rng: &mut ChaCha8Rng, range: Range<usize>) -> usize {
    range.start + ((u64::from(rng.next_u32()) * range.len() as u64) >> 32) as usize
}

/// What the sequences are used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// New sequences in every batch of every epoch, from the model's seed.
    Training,
    /// Always the same sequences, whatever the model's seed.
    Test,
}

/// Batches of a task, generated on demand.
///
/// Batch `i` of an epoch is drawn from a ChaCha8 generator. Its key is the seed and the purpose, its stream the
/// number of batches before this one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drawn {
    pub(crate) task: Task,
    pub(crate) batch_size: usize,
    pub(crate) batches: usize,
    pub(crate) purpose: Purpose,
}

/// The seed of every test set.
const TEST_SEED: u64 = 2016;

impl BatchSource for Drawn {
    fn len(&self, _epoch: usize) -> usize {
        self.batches
    }

    fn fill(&self, seed: u64, epoch: usize, i: usize, batch: &mut Batch) -> Result<(), ModelError> {
        let mut key = [0; 32];
        let seed = if self.purpose == Purpose::Test { TEST_SEED } else { seed };
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8] = self.purpose as u8;
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream((epoch * self.batches + i) as u64);

        batch.lanes = self.batch_size;
        batch.weights.clear();
        batch.inputs.resize_with(1, Default::default);
        batch.targets.resize_with(1, Default::default);
        let (input, target) = (&mut batch.inputs[0], &mut batch.targets[0]);
        (input.steps, input.extent) = (self.task.steps(), Extent::Full);
        input.features.clear();
        target.steps = self.task.target_steps();
        target.ids.clear();
        target.values.clear();
        for _ in 0..self.batch_size {
            self.task.draw(&mut rng, &mut input.features, target);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(task: Task, batch_size: usize, purpose: Purpose, seed: u64, i: usize) -> Batch {
        let mut batch = Batch::default();
        Drawn { task, batch_size, batches: 10, purpose }.fill(seed, 0, i, &mut batch).unwrap();
        batch
    }

    fn adding(length: usize) -> Task {
        Task { kind: TaskKind::Adding, length }
    }

    fn copy(length: usize) -> Task {
        Task { kind: TaskKind::Copy, length }
    }

    #[test]
    fn the_target_of_adding_is_the_sum_of_one_number_from_each_half() {
        for length in [2, 3, 100, 101] {
            let batch = batch(adding(length), 200, Purpose::Training, 7, 0);
            assert_eq!(batch.inputs[0].features.len(), 200 * length * NUMBER_AND_MARK);
            let mut places = vec![0; length];
            for (sequence, &target) in
                batch.inputs[0].features.chunks(2 * length).zip(&batch.targets[0].values)
            {
                let steps: Vec<(f32, f32)> = sequence.chunks(2).map(|step| (step[0], step[1])).collect();
                assert!(
                    steps
                        .iter()
                        .all(|(number, mark)| (0.0..1.0).contains(number) && [0.0, 1.0].contains(mark))
                );
                let marked: Vec<usize> = (0..length).filter(|&t| steps[t].1 == 1.0).collect();
                assert_eq!(marked.len(), 2, "{marked:?}");
                assert!(marked[0] < length / 2 && marked[1] >= length / 2, "{marked:?} of {length}");
                assert_eq!(target, steps[marked[0]].0 + steps[marked[1]].0);
                marked.iter().for_each(|&t| places[t] += 1);
            }
            assert!(length > 3 || places.iter().all(|&n| n > 0), "{places:?}: a step is never marked");
        }
    }

    /// Five standard deviations of the mean squared error of predicting 1 over [`SAMPLES`]; for one sample it is 0.197.
    const CHANCE: f64 = 5.0 * 0.197 / 200.0;
    const SAMPLES: usize = 40_000;

    #[test]
    fn a_memoryless_model_has_an_adding_loss_of_one_sixth() {
        assert!((adding(100).memoryless() - 0.1667).abs() < 1e-4);
        let sums = batch(adding(4), SAMPLES, Purpose::Test, 1, 0).targets.remove(0).values;
        let cost =
            |said: f64| sums.iter().map(|&y| (f64::from(y) - said).powi(2)).sum::<f64>() / SAMPLES as f64;
        let got = cost(1.0);
        assert!((got - adding(4).memoryless()).abs() < CHANCE, "always 1 costs {got}");
        assert!(cost(0.8) > got + CHANCE && cost(1.2) > got + CHANCE, "1 is not the best prediction");
    }

    #[test]
    fn the_target_of_copy_is_the_ten_symbols_at_the_end() {
        for length in [1, 30] {
            let task = copy(length);
            let batch = batch(task, 300, Purpose::Training, 7, 0);
            let inputs: Vec<u32> = batch.inputs[0].features.chunks(CATEGORIES).map(hot).collect();
            let mut letters = [0; ALPHABET];
            for (input, target) in inputs.chunks(task.steps()).zip(batch.targets[0].ids.chunks(task.steps()))
            {
                let (symbols, rest) = input.split_at(SYMBOLS);
                symbols.iter().for_each(|&letter| letters[letter as usize] += 1);
                let (waiting, saying) = rest.split_at(length);
                assert!(waiting[..length - 1].iter().chain(saying).all(|&id| id == BLANK), "{input:?}");
                assert_eq!((waiting[length - 1], saying.len()), (DELIMITER, SYMBOLS));
                assert!(target[..length + SYMBOLS].iter().all(|&id| id == BLANK), "{target:?}");
                assert_eq!(&target[length + SYMBOLS..], symbols);
            }
            // 375 of each expected, standard deviation 18: six of them.
            assert!(letters.iter().all(|n: &i32| n.abs_diff(375) < 109), "{letters:?}");
        }
    }

    /// The category of a one-hot step.
    fn hot(step: &[f32]) -> u32 {
        assert_eq!(
            step.iter().filter(|&&v| v == 1.0).count() + step.iter().filter(|&&v| v == 0.0).count(),
            CATEGORIES
        );
        assert_eq!(step.iter().sum::<f32>(), 1.0);
        step.iter().position(|&v| v == 1.0).expect("one") as u32
    }

    #[test]
    fn a_memoryless_model_has_the_published_copy_loss() {
        // Computed by hand: 20.794 nats over 120 and over 50 steps.
        assert!((copy(100).memoryless() - 0.173_286).abs() < 1e-6);
        assert!((copy(30).memoryless() - 0.415_888).abs() < 1e-6);
    }

    #[test]
    fn training_data_never_repeats_and_the_test_set_never_changes() {
        let sums = |purpose, seed, i| batch(adding(50), 8, purpose, seed, i).targets.remove(0).values;
        let (train, test) = (Purpose::Training, Purpose::Test);
        assert_eq!(sums(train, 1, 0), sums(train, 1, 0));
        assert_ne!(sums(train, 1, 0), sums(train, 1, 1));
        assert_ne!(sums(train, 1, 0), sums(train, 2, 0));
        assert_eq!(sums(test, 1, 3), sums(test, 2, 3));
        assert_ne!(sums(test, 1, 0), sums(test, 1, 1));
        assert_ne!(sums(train, TEST_SEED, 0), sums(test, 1, 0), "the same seed is the same sequences");
        // The last batch of one epoch is followed by the first of the next.
        let mut next = Batch::default();
        let drawn = Drawn { task: adding(50), batch_size: 8, batches: 10, purpose: train };
        drawn.fill(1, 1, 0, &mut next).unwrap();
        assert!((0..10).all(|i| sums(train, 1, i) != next.targets[0].values));
    }
}
