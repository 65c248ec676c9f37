//! Arrays as a source of batches.

use super::batch::{Batch, BatchSource, BatchTarget};
use super::border::{Data, Sequences};
use crate::error::{Error, Place};
use crate::shown::counted;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Separates shuffling from other uses of the same seed.
const PURPOSE: &[u8; 12] = b"shuffle data";

/// Inputs and targets, and optionally a weight for each sequence or step.
///
/// Made with `(&x, &y).into()` or `(&x, &y, &weights).into()`.
#[derive(Debug, Clone)]
pub struct Examples<'a> {
    /// The model's inputs.
    pub x: Sequences<'a>,
    /// The targets of its outputs.
    pub y: Sequences<'a>,
    /// The weights, `(N)` or `(N, T)`.
    pub sample_weight: Option<Data<'a>>,
}

impl<'a, X: Into<Sequences<'a>>, Y: Into<Sequences<'a>>> From<(X, Y)> for Examples<'a> {
    fn from((x, y): (X, Y)) -> Self {
        Self { x: x.into(), y: y.into(), sample_weight: None }
    }
}

impl<'a, X, Y, W> From<(X, Y, W)> for Examples<'a>
where
    X: Into<Sequences<'a>>,
    Y: Into<Sequences<'a>>,
    W: Into<Data<'a>>,
{
    fn from((x, y, weights): (X, Y, W)) -> Self {
        Self { x: x.into(), y: y.into(), sample_weight: Some(weights.into()) }
    }
}

/// Batches of [`Examples`], in order or shuffled for each epoch.
///
/// The order of an epoch is a pure function of the seed and the epoch.
///
/// ```
/// use ndarray::array;
/// use refrain_nn::data::{Arrays, Batch, BatchSource};
///
/// let (x, y) = (array![[1_u32, 2], [3, 4], [5, 6]], array![0_u32, 1, 2]);
/// let source = Arrays::new((&x, &y))?.batch_size(2)?;
/// let mut batch = Batch::default();
/// source.fill(1, 0, 1, &mut batch)?;
/// assert_eq!((source.len(0), &batch.inputs[0].ids[..], &batch.targets[0].ids[..]), (2, &[5, 6][..], &[2][..]));
/// # Ok::<(), refrain_nn::Error>(())
/// ```
#[derive(Debug)]
pub struct Arrays<'a> {
    examples: Examples<'a>,
    class_weight: Option<BTreeMap<u32, f32>>,
    /// The range of sequences that batches are drawn from.
    part: Range<usize>,
    batch_size: usize,
    shuffle: bool,
    /// The order of the most recently used epoch.
    order: Mutex<Option<Arc<Order>>>,
}

#[derive(Debug)]
struct Order {
    seed: u64,
    epoch: usize,
    rows: Vec<usize>,
}

impl<'a> Arrays<'a> {
    /// Creates batches of 32 sequences in the order of the arrays.
    ///
    /// # Errors
    /// Returns an error if the numbers of sequences differ, lengths or a mask do not fit, a target has
    /// lengths or a mask, or the weights are not finite or have a shape other than `(N)` or, with a single
    /// target, `(N, T)`.
    pub fn new(examples: impl Into<Examples<'a>>) -> Result<Self, Error> {
        let examples = examples.into();
        let sequences = examples.x.sequences()?;
        for (name, data) in examples.y.named("the target") {
            if data.sequences() != sequences {
                let got = format!("{:?}, {}", data.shape(), counted(data.sequences(), "sequence"));
                return Err(Error::data(name, got, counted(sequences, "sequence") + ", like the input"));
            }
            if data.is_ragged() {
                let expected = "an array without them; lengths and masks belong to the input";
                return Err(Error::data(name, "given with lengths or a mask", expected));
            }
        }
        if let Some(weights) = &examples.sample_weight {
            check_weights(weights, sequences, &examples.y)?;
        }
        Ok(Self {
            examples,
            class_weight: None,
            part: 0..sequences,
            batch_size: 32,
            shuffle: false,
            order: Mutex::new(None),
        })
    }

    /// Sets the number of sequences per batch. The last batch of an epoch may have fewer.
    ///
    /// # Errors
    /// Returns an error if the number is 0.
    pub fn batch_size(mut self, sequences: usize) -> Result<Self, Error> {
        if sequences == 0 {
            return Err(Error::setting("Arrays", "batch_size", sequences, "at least 1"));
        }
        self.batch_size = sequences;
        Ok(self)
    }

    /// Sets whether each epoch is shuffled.
    pub fn shuffle(mut self, shuffle: bool) -> Self {
        self.shuffle = shuffle;
        self
    }

    /// Weights each sequence, or each step of a target with steps, by its class. Classes without an entry
    /// have weight 1. The class of an id target is the id; of `(…, 1)` floats, the nearest whole number; of
    /// one-hot `(…, V)` floats, the index of the largest.
    ///
    /// # Errors
    /// Returns an error if the examples have sample weights or several targets, or a weight is not finite.
    pub fn class_weight(mut self, weights: BTreeMap<u32, f32>) -> Result<Self, Error> {
        let action = "`class_weight`";
        if self.examples.sample_weight.is_some() {
            return Err(Error::unsupported(
                action,
                "the examples have sample weights too; multiply both into `sample_weight`",
            ));
        }
        if self.examples.y.len() != 1 {
            return Err(Error::unsupported(action, "it needs exactly one target; use `sample_weight`"));
        }
        if let Some((class, weight)) = weights.iter().find(|(_, w)| !w.is_finite()) {
            let got = format!("{weight} for class {class}");
            return Err(Error::setting("Arrays", "class_weight", got, "a finite number"));
        }
        self.class_weight = Some(weights);
        Ok(self)
    }

    /// Splits off the last `validation_split` of the sequences, before any shuffling. The split-off part is
    /// neither shuffled nor weighted by class.
    ///
    /// # Errors
    /// Returns an error if `validation_split` is not between 0 and 1, or if one of the parts would be empty.
    pub fn split(mut self, validation_split: f64) -> Result<(Self, Self), Error> {
        let setting =
            |expected: String| Error::setting("fit", "validation_split", validation_split, expected);
        if !(validation_split > 0.0 && validation_split < 1.0) {
            return Err(setting("above 0 and below 1".into()));
        }
        let total = self.part.len();
        let kept = (total as f64 * (1.0 - validation_split)).floor() as usize;
        if kept == 0 || kept == total {
            return Err(setting(format!(
                "a share that leaves at least one of {} in each part",
                counted(total, "sequence")
            )));
        }
        let at = self.part.start + kept;
        let validation = Self {
            examples: self.examples.clone(),
            class_weight: None,
            part: at..self.part.end,
            batch_size: self.batch_size,
            shuffle: false,
            order: Mutex::new(None),
        };
        self.part.end = at;
        Ok((self, validation))
    }

    /// Returns the number of sequences in an epoch.
    pub fn sequences(&self) -> usize {
        self.part.len()
    }

    /// Returns the length of the first target's last axis, or `None` for ids.
    pub(crate) fn target_columns(&self) -> Option<usize> {
        self.examples
            .y
            .named("the target")
            .next()
            .filter(|(_, data)| !data.is_ids())
            .map(|(_, data)| data.width())
    }

    fn order(&self, seed: u64, epoch: usize) -> Arc<Order> {
        // Poisoning does not matter: the order is either complete or absent.
        let mut cached = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        match &*cached {
            Some(order) if (order.seed, order.epoch) == (seed, epoch) => order.clone(),
            _ => {
                let rows = shuffled(self.part.clone(), seed, epoch);
                cached.insert(Arc::new(Order { seed, epoch, rows })).clone()
            }
        }
    }

    fn write(&self, rows: impl ExactSizeIterator<Item = usize> + Clone, batch: &mut Batch) {
        self.examples.x.fill_inputs(rows.clone(), batch);
        self.examples.y.fill_targets(rows.clone(), batch);
        batch.weights.clear();
        if let Some(weights) = &self.examples.sample_weight {
            weights.copy(rows, &mut Vec::new(), &mut batch.weights);
        } else if let Some(weights) = &self.class_weight {
            let (_, data) = self.examples.y.named("the target").next().expect("one target");
            weigh_classes(weights, &batch.targets[0], data.width(), &mut batch.weights);
        }
    }
}

impl BatchSource for Arrays<'_> {
    fn len(&self, _epoch: usize) -> usize {
        self.part.len().div_ceil(self.batch_size)
    }

    fn fill(&self, seed: u64, epoch: usize, i: usize, batch: &mut Batch) -> Result<(), Error> {
        let batches = self.len(epoch);
        if i >= batches {
            return Err(Error::data(
                "the batch index",
                i,
                format!("below {batches}, the number of batches in the epoch"),
            ));
        }
        let from = i * self.batch_size;
        let to = self.part.len().min(from + self.batch_size);
        if self.shuffle {
            let order = self.order(seed, epoch);
            self.write(order.rows[from..to].iter().copied(), batch);
        } else {
            self.write(self.part.start + from..self.part.start + to, batch);
        }
        Ok(())
    }
}

/// Fisher–Yates shuffle, from the end. Each draw is scaled to its bound in 128 bits, which gives the same
/// result on every machine and with every version of the random number crates.
fn shuffled(part: Range<usize>, seed: u64, epoch: usize) -> Vec<usize> {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..20].copy_from_slice(PURPOSE);
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(epoch as u64);
    let mut rows: Vec<usize> = part.collect();
    for last in (1..rows.len()).rev() {
        let drawn = (u128::from(rng.next_u64()) * (last as u128 + 1)) >> 64;
        rows.swap(last, drawn as usize);
    }
    rows
}

fn check_weights(weights: &Data<'_>, sequences: usize, targets: &Sequences<'_>) -> Result<(), Error> {
    let (what, shape) = ("sample_weight", weights.shape());
    if weights.is_ids() {
        return Err(Error::data(what, "u32 ids", "f32 numbers"));
    }
    if weights.is_ragged() {
        return Err(Error::data(what, "given with lengths or a mask", "an array without them"));
    }
    let steps = match targets.len() {
        1 => targets.named("the target").next().and_then(|(_, target)| steps_of(target)),
        _ => None,
    };
    let fits = match shape[..] {
        [n] | [n, 1] => n == sequences,
        [n, t] => n == sequences && Some(t) == steps,
        _ => false,
    };
    if !fits {
        let per_step = steps.map_or(String::new(), |t| format!(" or [{sequences}, {t}]"));
        return Err(Error::data(what, format!("{shape:?}"), format!("[{sequences}]{per_step}")));
    }
    let mut values = Vec::new();
    for row in 0..sequences {
        weights.copy(std::iter::once(row), &mut Vec::new(), &mut values);
        if let Some(step) = values.iter().position(|weight| !weight.is_finite()) {
            let place = Place { sequence: row, of_batch: false, step: steps.map(|_| step) };
            return Err(Error::sequence(what, place, values[step], "a finite number"));
        }
    }
    Ok(())
}

/// Returns the number of steps by which a target may be weighted, if any. `(N, T)` floats may be one float
/// per step.
fn steps_of(target: &Data<'_>) -> Option<usize> {
    match (target.is_ids(), &target.shape()[..]) {
        (true, [_, steps]) | (false, [_, steps] | [_, steps, _]) => Some(*steps),
        _ => None,
    }
}

/// Writes one weight for each id of a target, or for each of its rows of `width` floats.
fn weigh_classes(weights: &BTreeMap<u32, f32>, target: &BatchTarget, width: usize, to: &mut Vec<f32>) {
    let weight = |class: u32| weights.get(&class).copied().unwrap_or(1.0);
    to.extend(target.ids.iter().map(|&class| weight(class)));
    if width == 1 {
        // A negative number is not a class.
        let class = |v: f32| Some(v.round_ties_even()).filter(|c| *c >= 0.0).map(|c| c as u32);
        to.extend(target.values.iter().map(|&v| class(v).map_or(1.0, weight)));
    } else if width > 0 {
        let largest =
            |row: &[f32]| (1..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best });
        to.extend(target.values.chunks_exact(width).map(|row| weight(largest(row) as u32)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array1, Array2, Array3, array};

    fn ids(n: usize) -> (Array2<u32>, Array1<u32>) {
        (Array2::from_shape_fn((n, 2), |(n, t)| (n * 10 + t) as u32), (0..n as u32).collect())
    }

    fn targets(source: &Arrays<'_>, seed: u64, epoch: usize) -> Vec<u32> {
        let mut batch = Batch::default();
        let mut all = Vec::new();
        for i in 0..source.len(epoch) {
            source.fill(seed, epoch, i, &mut batch).unwrap();
            assert_eq!(batch.lanes, batch.targets[0].ids.len());
            for (lane, id) in batch.targets[0].ids.iter().enumerate() {
                assert_eq!(
                    batch.inputs[0].ids[2 * lane..][..2],
                    [id * 10, id * 10 + 1],
                    "inputs stay with targets"
                );
            }
            all.extend_from_slice(&batch.targets[0].ids);
        }
        all
    }

    #[test]
    fn batches_in_order_and_the_last_one_shorter() {
        let (x, y) = ids(7);
        let source = Arrays::new((&x, &y)).unwrap().batch_size(3).unwrap();
        assert_eq!((source.len(0), source.sequences()), (3, 7));
        assert_eq!(targets(&source, 1, 0), [0, 1, 2, 3, 4, 5, 6]);
        assert!(source.fill(1, 0, 3, &mut Batch::default()).is_err());
    }

    #[test]
    fn a_shuffle_is_a_pure_function_of_seed_and_epoch() {
        let (x, y) = ids(50);
        let new = |size| Arrays::new((&x, &y)).unwrap().batch_size(size).unwrap().shuffle(true);
        let (source, other) = (new(7), new(50));
        let first = targets(&source, 1, 0);
        assert_ne!(first, targets(&source, 1, 1));
        assert_ne!(first, targets(&source, 2, 0));
        assert_eq!(first, targets(&source, 1, 0), "after other epochs");
        assert_eq!(first, targets(&other, 1, 0), "whatever the batch size");
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<_>>());
        // Batches of different epochs, alternating.
        let (mut a, mut b) = (Batch::default(), Batch::default());
        source.fill(1, 0, 3, &mut a).unwrap();
        source.fill(1, 5, 3, &mut b).unwrap();
        source.fill(1, 0, 3, &mut b).unwrap();
        assert_eq!(a.targets[0].ids, b.targets[0].ids);
        // A change here breaks the promise that the same seed gives the same run.
        assert_eq!(shuffled(0..10, 1, 0), FIRST);
    }

    /// Ten sequences in epoch 0 with seed 1, computed with ChaCha8 and the same shuffle in Python.
    const FIRST: [usize; 10] = [5, 2, 8, 3, 4, 7, 0, 6, 9, 1];

    #[test]
    fn every_position_is_equally_likely() {
        let mut counts = [[0_u32; 6]; 6];
        for epoch in 0..6000 {
            for (place, row) in shuffled(0..6, 7, epoch).into_iter().enumerate() {
                counts[place][row] += 1;
            }
        }
        // Expected count 1000, standard deviation 29; the limit is six standard deviations.
        for count in counts.as_flattened() {
            assert!(count.abs_diff(1000) < 175, "{counts:?}");
        }
    }

    #[test]
    fn the_last_part_is_for_validation() {
        let (x, y) = ids(10);
        let weights = Array1::from_iter((0..10).map(|n| n as f32));
        let source = Arrays::new((&x, &y, &weights)).unwrap().batch_size(4).unwrap().shuffle(true);
        let (train, validation) = source.split(0.3).unwrap();
        assert_eq!((train.sequences(), validation.sequences()), (7, 3));
        assert_eq!(targets(&validation, 1, 0), [7, 8, 9]);
        let mut order = targets(&train, 1, 0);
        assert_ne!(order, [0, 1, 2, 3, 4, 5, 6]);
        order.sort_unstable();
        assert_eq!(order, [0, 1, 2, 3, 4, 5, 6]);
        let mut batch = Batch::default();
        validation.fill(1, 0, 0, &mut batch).unwrap();
        assert_eq!(batch.weights, [7.0, 8.0, 9.0]);
        train.fill(1, 0, 1, &mut batch).unwrap();
        let expected: Vec<_> = batch.targets[0].ids.iter().map(|&id| id as f32).collect();
        assert_eq!(batch.weights, expected);
        // The number that Keras keeps: floor(n · (1 − split)) in double precision.
        for (n, split, kept) in [(10, 0.1, 9), (10, 0.25, 7), (3, 0.5, 1), (100, 0.29, 71), (7, 0.99, 0)] {
            let (x, y) = ids(n);
            let part = Arrays::new((&x, &y)).unwrap().split(split).map(|(train, _)| train.sequences());
            assert_eq!(part.unwrap_or(0), kept, "{n} by {split}");
        }
        for split in [0.0, 1.0, -0.5, f64::NAN] {
            assert!(Arrays::new((&x, &y)).unwrap().split(split).is_err(), "{split}");
        }
    }

    #[test]
    fn class_weights_of_ids_steps_and_one_hot_rows() {
        let x = Array3::<f32>::zeros((2, 3, 1));
        let weights = || BTreeMap::from([(0, 0.5), (2, 3.0)]);
        let weigh = |y: Sequences<'_>| {
            let source = Arrays::new((&x, y)).unwrap().class_weight(weights()).unwrap();
            let mut batch = Batch::default();
            source.fill(1, 0, 0, &mut batch).unwrap();
            batch.weights
        };
        assert_eq!(weigh((&array![2_u32, 1]).into()), [3.0, 1.0]);
        assert_eq!(weigh((&array![[0_u32, 1, 2], [2, 2, 0]]).into()), [0.5, 1.0, 3.0, 3.0, 3.0, 0.5]);
        assert_eq!(weigh((&array![0.0_f32, 2.0]).into()), [0.5, 3.0]);
        assert_eq!(weigh((&array![[-1.0_f32], [0.5]]).into()), [1.0, 0.5]);
        assert_eq!(weigh((&array![[0.0_f32, 0.0, 1.0], [0.0, 1.0, 0.0]]).into()), [3.0, 1.0]);
        let steps = Array3::from_shape_fn((2, 3, 3), |(n, _, class)| f32::from(class == 2 * n));
        assert_eq!(weigh((&steps).into()), [0.5, 0.5, 0.5, 3.0, 3.0, 3.0]);
        let y = array![2_u32, 1];
        let (train, validation) =
            Arrays::new((&x, &y)).unwrap().class_weight(weights()).unwrap().split(0.5).unwrap();
        let mut batch = Batch::default();
        train.fill(1, 0, 0, &mut batch).unwrap();
        assert_eq!(batch.weights, [3.0]);
        validation.fill(1, 0, 0, &mut batch).unwrap();
        assert!(batch.weights.is_empty());
    }

    #[test]
    fn wrong_examples_are_rejected() {
        let (x, y) = ids(4);
        let text = |result: Result<Arrays<'_>, Error>| result.unwrap_err().to_string();
        assert_eq!(
            text(Arrays::new((&x, &array![1_u32, 2]))),
            "the target is [2], 2 sequences, but the model expects 4 sequences, like the input"
        );
        assert!(Arrays::new((&x, Data::from(&x).lengths(&[1, 1, 1, 1]))).is_err());
        assert!(text(Arrays::new((&x, &y)).unwrap().batch_size(0)).contains("batch_size is 0"));
        let weighted = |w: Data<'_>, y: Sequences<'_>| Arrays::new((&x, y, w)).map(drop);
        let shape = |rows, columns| Array2::<f32>::ones((rows, columns));
        let message = weighted((&shape(4, 3)).into(), (&x).into()).unwrap_err().to_string();
        assert_eq!(message, "sample_weight is [4, 3], but the model expects [4] or [4, 2]");
        assert!(weighted((&shape(4, 2)).into(), (&x).into()).is_ok());
        assert!(weighted((&shape(4, 2)).into(), (&y).into()).is_err());
        assert!(weighted((&shape(4, 1)).into(), (&y).into()).is_ok());
        assert!(weighted((&shape(4, 2)).into(), [Data::from(&x), Data::from(&x)].into()).is_err());
        assert!(weighted((&[1.0, 1.0, f32::NAN, 1.0][..]).into(), (&y).into()).is_err());
        assert!(weighted((&y).into(), (&y).into()).is_err());
        let w = [1.0_f32; 4];
        let both = Arrays::new((&x, &y, &w[..])).unwrap().class_weight(BTreeMap::new());
        assert!(matches!(both, Err(Error::Unsupported { .. })));
        let infinite = BTreeMap::from([(1, f32::INFINITY)]);
        assert!(Arrays::new((&x, &y)).unwrap().class_weight(infinite).is_err());
    }
}
