//! Filling a parameter from its own random stream.

use super::{FanMode, Initializer, ScalingDistribution, orthogonal};
use crate::error::Error;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// The standard deviation of a standard normal distribution truncated at ±2.
const TRUNCATED_STDDEV: f64 = 0.879_625_661_034_239_8;

/// Separates these streams from those of other uses of the same seed.
const PURPOSE: &[u8; 12] = b"initializers";

impl Initializer {
    /// Fills a parameter. The result is a pure function of all other arguments; parameters with different
    /// `stream`s are independent.
    ///
    /// # Errors
    /// Returns an error if a setting is out of range or the initialiser does not support the shape.
    ///
    /// # Panics
    /// Panics if `values` does not have the shape's length.
    pub(crate) fn fill(
        &self,
        values: &mut [f32],
        shape: &[usize],
        seed: u64,
        stream: u64,
    ) -> Result<(), Error> {
        assert_eq!(values.len(), shape.iter().product::<usize>(), "{} of shape {shape:?}", self.name());
        self.validate()?;
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..20].copy_from_slice(PURPOSE);
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(stream);
        self.draw(values, shape, &mut rng)
    }

    fn draw(&self, values: &mut [f32], shape: &[usize], rng: &mut ChaCha8Rng) -> Result<(), Error> {
        use FanMode::{FanAvg, FanIn};
        use ScalingDistribution::{TruncatedNormal, Uniform};
        match *self {
            Self::Zeros => values.fill(0.0),
            Self::Ones => values.fill(1.0),
            Self::Constant { value } => values.fill(value),
            Self::RandomNormal { mean, stddev } => normal(values, mean.into(), stddev.into(), rng),
            Self::TruncatedNormal { mean, stddev } => truncated(values, mean.into(), stddev.into(), rng),
            Self::RandomUniform { minval, maxval } => uniform(values, minval.into(), maxval.into(), rng),
            Self::VarianceScaling { scale, mode, distribution } => {
                scaled(values, shape, (scale.into(), mode, distribution), rng)
            }
            Self::GlorotUniform => scaled(values, shape, (1.0, FanAvg, Uniform), rng),
            Self::GlorotNormal => scaled(values, shape, (1.0, FanAvg, TruncatedNormal), rng),
            Self::HeUniform => scaled(values, shape, (2.0, FanIn, Uniform), rng),
            Self::HeNormal => scaled(values, shape, (2.0, FanIn, TruncatedNormal), rng),
            Self::LecunUniform => scaled(values, shape, (1.0, FanIn, Uniform), rng),
            Self::LecunNormal => scaled(values, shape, (1.0, FanIn, TruncatedNormal), rng),
            Self::Orthogonal { gain } => {
                let [leading @ .., columns] = shape else { return Err(self.shape_error(shape)) };
                if leading.is_empty() {
                    return Err(self.shape_error(shape));
                }
                orthogonal::fill(values, leading.iter().product(), *columns, gain.into(), rng);
            }
            Self::Identity { gain } => {
                let &[_, columns] = shape else { return Err(self.shape_error(shape)) };
                values.fill(0.0);
                // Without columns there is nothing to step through, but a step must not be 0.
                values.iter_mut().step_by(columns + 1).take(columns).for_each(|v| *v = gain);
            }
            Self::UnitForgetBias { ref base } => {
                let &[length] = shape else { return Err(self.shape_error(shape)) };
                if length % 4 != 0 {
                    return Err(self.shape_error(shape));
                }
                let units = length / 4;
                // As in Keras, the gates before and after the forget gate are two separate draws.
                base.draw(&mut values[..units], &[units], rng)?;
                values[units..2 * units].fill(1.0);
                base.draw(&mut values[2 * units..], &[2 * units], rng)?;
            }
        }
        Ok(())
    }

    fn shape_error(&self, shape: &[usize]) -> Error {
        let expected = match self {
            Self::Orthogonal { .. } => "of two or more dimensions",
            Self::Identity { .. } => "of two dimensions",
            _ => "of one dimension that four gates share",
        };
        Error::setting(self.name(), "shape", format!("{shape:?}"), expected)
    }
}

/// Returns the fan-in and fan-out of a weight with this shape, as Keras's `compute_fans`.
fn fans(shape: &[usize]) -> (f64, f64) {
    match *shape {
        [] => (1.0, 1.0),
        [n] => (n as f64, n as f64),
        [ref field @ .., input, output] => {
            let field: usize = field.iter().product();
            ((input * field) as f64, (output * field) as f64)
        }
    }
}

fn scaled(
    values: &mut [f32],
    shape: &[usize],
    (scale, mode, distribution): (f64, FanMode, ScalingDistribution),
    rng: &mut ChaCha8Rng,
) {
    let (fan_in, fan_out) = fans(shape);
    let fan = match mode {
        FanMode::FanIn => fan_in,
        FanMode::FanOut => fan_out,
        FanMode::FanAvg => (fan_in + fan_out) / 2.0,
    };
    let variance = scale / fan.max(1.0);
    match distribution {
        ScalingDistribution::TruncatedNormal => {
            truncated(values, 0.0, variance.sqrt() / TRUNCATED_STDDEV, rng);
        }
        ScalingDistribution::UntruncatedNormal => normal(values, 0.0, variance.sqrt(), rng),
        ScalingDistribution::Uniform => {
            let limit = (3.0 * variance).sqrt();
            uniform(values, -limit, limit, rng);
        }
    }
}

fn uniform(values: &mut [f32], low: f64, high: f64, rng: &mut ChaCha8Rng) {
    for value in values {
        *value = (low + (high - low) * f64::from(rng.random::<f32>())) as f32;
    }
}

fn normal(values: &mut [f32], mean: f64, stddev: f64, rng: &mut ChaCha8Rng) {
    for value in values {
        let x: f64 = rng.sample(StandardNormal);
        *value = (mean + stddev * x) as f32;
    }
}

fn truncated(values: &mut [f32], mean: f64, stddev: f64, rng: &mut ChaCha8Rng) {
    for value in values {
        let mut x: f64 = rng.sample(StandardNormal);
        while x.abs() > 2.0 {
            x = rng.sample(StandardNormal);
        }
        *value = (mean + stddev * x) as f32;
    }
}

#[cfg(test)]
mod tests;
