//! Random sequences, for inspecting a model without data.

use crate::error::Result;
use crate::sample::Sample;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::StandardNormal;
use refrain_nn::data::{Batch, BatchInput, BatchTarget};
use refrain_nn::shown::counted;
use refrain_nn::{Activation, Architecture, Model};

impl Sample {
    /// Creates sequences that a model can read. Features are normal with mean 0 and variance 1. Ids are uniform
    /// over the embedding's range except 0, which is usually padding or unknown. The targets are random too.
    ///
    /// # Errors
    /// If the model does not run on them.
    pub fn random(model: &mut Model, sequences: usize, steps: usize, seed: u64) -> Result<Self> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let architecture = model.architecture();
        let inputs = architecture.inputs.iter().enumerate().map(|(i, spec)| {
            let steps = if spec.sequence { steps } else { 1 };
            let mut input = BatchInput { steps, ..BatchInput::default() };
            match spec.features {
                Some(width) => {
                    let values =
                        (0..sequences * steps * width).map(|_| random.sample::<f32, _>(StandardNormal));
                    input.features = values.collect();
                }
                None => {
                    let ids = known_ids(architecture, i);
                    let first = u32::from(ids > 1);
                    input.ids = (0..sequences * steps).map(|_| random.random_range(first..ids)).collect();
                }
            }
            input
        });
        let batch = Batch { lanes: sequences, inputs: inputs.collect(), ..Batch::default() };
        let of =
            format!("{} of {} (seed {seed})", counted(sequences, "random sequence"), counted(steps, "step"));
        Self::new(batch, of).with_random_targets(model, seed)
    }

    /// Returns the same inputs with random targets: equally likely classes after a softmax, equally likely 0 and 1
    /// after a sigmoid, otherwise normal numbers.
    ///
    /// # Errors
    /// If the model does not run on the inputs.
    pub fn with_random_targets(mut self, model: &mut Model, seed: u64) -> Result<Self> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        // Different from the inputs of the same seed.
        random.set_stream(1);
        self.batch.targets.clear();
        let outputs = model.predict_batch(&self.batch, None)?;
        model.reset_states();
        for (i, output) in outputs.iter().enumerate() {
            let (steps, width) = match output.shape() {
                [_, steps, width] => (*steps, *width),
                _ => (1, model.output_width(i)),
            };
            let mut target = BatchTarget { steps, ..BatchTarget::default() };
            let rows = self.batch.lanes * steps;
            match model.output_activation(i) {
                Some(Activation::Softmax) => {
                    // A class is a 32-bit id.
                    target.ids = (0..rows).map(|_| random.random_range(0..width as u32)).collect();
                }
                Some(Activation::Sigmoid) => {
                    target.values = (0..rows * width).map(|_| f32::from(random.random::<bool>())).collect();
                }
                _ => target.values = (0..rows * width).map(|_| random.sample(StandardNormal)).collect(),
            }
            self.batch.targets.push(target);
        }
        Ok(self)
    }
}

/// Returns how many ids the layers after an input accept, at least one.
fn known_ids(architecture: &Architecture, input: usize) -> u32 {
    let reads =
        architecture.layers.iter().filter(|layer| layer.inputs.iter().any(|&(node, _)| node == input));
    let known = reads.filter_map(|layer| layer.config.get("input_dim")?.as_u64());
    known.min().map_or(1, |known| known.clamp(1, u64::from(u32::MAX)) as u32)
}
