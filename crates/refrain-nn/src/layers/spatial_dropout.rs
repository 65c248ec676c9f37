//! SpatialDropout1D: zeroes random features for whole sequences.

use super::Layer;
use super::dropout::{InputDropout, check_rate};
use crate::error::Error;
use crate::graph::{EdgeId, Plan};
use serde::{Deserialize, Serialize};

/// Sets a fraction of each sequence's features to zero in training, the same ones at every step, and scales
/// the others by `1 / (1 − rate)`. Outside of training it does nothing. It is also known as locked or
/// variational dropout (Gal & Ghahramani 2016).
///
/// Input and output are `(N, T, F)`. A mask is a function of the model's seed, the number of the batch and
/// the sequence's position in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpatialDropout1D {
    /// The fraction to drop: at least 0 and below 1.
    pub rate: f32,
    /// The name, if the user gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl SpatialDropout1D {
    /// Creates a layer that drops the fraction `rate` of the features.
    pub fn new(rate: f32) -> Self {
        Self { rate, name: None }
    }

    setters! {
        name,
    }
}

impl Layer for SpatialDropout1D {
    named_layer!("SpatialDropout1D");

    fn lower(&self, plan: &mut Plan<'_>, inputs: &[EdgeId]) -> Result<Vec<EdgeId>, Error> {
        let input = plan.one(inputs)?;
        plan.features(input)?;
        plan.steps(input)?;
        check_rate(plan.name(), "rate", self.rate)?;
        Ok(InputDropout::lower(plan, input, self.rate, 1))
    }

    fn without_dropout(&self) -> Box<dyn Layer> {
        Box::new(Self { rate: 0.0, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gradcheck::{Bench, Input, RANDOM};
    use crate::graph::Mode;
    use crate::layers::tests::support::check;
    use refrain_kernels::philox::word;

    const WIDTH: usize = 5;
    const LENGTHS: [usize; 4] = [2, 5, 0, 3];

    fn bench(rate: f32, mode: Mode) -> Bench {
        let ones = [1.0; 5 * WIDTH];
        let x = Input::steps(WIDTH, &LENGTHS.map(|length| &ones[..length * WIDTH]));
        let mut bench = Bench::new(&SpatialDropout1D::new(rate), &[x]).unwrap();
        bench.forward(mode).unwrap();
        bench
    }

    #[test]
    fn a_sequence_has_one_mask() {
        let bench = bench(0.5, Mode::Train);
        let mut dropped = 0;
        for (n, sequence) in bench.output(0).iter().enumerate() {
            assert_eq!(sequence.len(), LENGTHS[n] * WIDTH);
            for (k, &y) in sequence.iter().enumerate() {
                let element = (n * WIDTH + k % WIDTH) as u64;
                let kept = word(RANDOM.seed, 0, RANDOM.counter, element) >= 1 << 31;
                assert_eq!(y, if kept { 2.0 } else { 0.0 }, "sequence {n}, step {}", k / WIDTH);
                dropped += usize::from(!kept);
            }
        }
        assert!(dropped > 0);
    }

    #[test]
    fn nothing_is_dropped_at_rate_zero_or_outside_of_training() {
        for (rate, mode) in [(0.5, Mode::Infer), (0.0, Mode::Train)] {
            assert!(bench(rate, mode).output(0).iter().flatten().all(|&y| y == 1.0));
        }
    }

    #[test]
    fn gradients() {
        for rate in [0.0, 0.3] {
            check(&SpatialDropout1D::new(rate), &[Input::random_steps(17, &LENGTHS)]);
        }
    }

    #[test]
    fn a_rate_outside_its_range_and_an_input_without_steps_are_rejected() {
        for rate in [1.0, -0.1, f32::NAN] {
            let error =
                Bench::new(&SpatialDropout1D::new(rate), &[Input::random_steps(1, &[2])]).unwrap_err();
            assert!(matches!(error, Error::Setting { setting: "rate", .. }), "{error}");
        }
        let error = Bench::new(&SpatialDropout1D::new(0.5), &[Input::random_lanes(3, 2)]).unwrap_err();
        assert!(matches!(error, Error::Connection { .. }), "{error}");
        let error = Bench::new(&SpatialDropout1D::new(0.5), &[Input::ids(&[&[1]])]).unwrap_err();
        assert!(matches!(error, Error::Connection { .. }), "{error}");
    }
}
