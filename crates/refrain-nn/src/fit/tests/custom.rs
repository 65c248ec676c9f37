//! A run with a custom layer.

use super::*;
use crate::checkpoint::Checkpoints;
use crate::graph::{EdgeId, Plan};
use crate::layers::{Layer, LayerRegistry};

/// A dense layer under a name of its own.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Narrow {
    units: usize,
}

impl Layer for Narrow {
    fn class_name(&self) -> &'static str {
        "Narrow"
    }
    fn name(&self) -> Option<&str> {
        None
    }
    fn config(&self) -> serde_json::Value {
        serde_json::json!(self)
    }
    fn lower(&self, plan: &mut Plan<'_>, inputs: &[EdgeId]) -> Result<Vec<EdgeId>, Error> {
        Dense::new(self.units).lower(plan, inputs)
    }
    fn boxed_clone(&self) -> Box<dyn Layer> {
        Box::new(self.clone())
    }
}

/// Keeps the checkpoint of the second batch and stops the run there.
#[derive(Default)]
struct StopEarly(Option<Checkpoint>);

impl Checkpoints for StopEarly {
    fn is_due(&self, batches: u64) -> bool {
        batches == 2
    }
    fn write(&mut self, checkpoint: Checkpoint) -> Result<Answer, Error> {
        self.0 = Some(checkpoint);
        Ok(Answer::Stop)
    }
}

#[test]
fn a_run_with_a_custom_layer_resumes_with_its_registry() {
    let settings = || Compile { engine: Some(engine()), ..Compile::default() };
    let new = || {
        let model =
            Sequential::new().input(InputSpec::features(1)).add(Lstm::new(4)).add(Narrow { units: 1 });
        model.compile(settings()).unwrap()
    };
    let x = Array3::from_shape_fn((8, 3, 1), |(n, t, _)| (n * 3 + t) as f32 / 10.0);
    let y = Array2::from_shape_fn((8, 1), |(n, _)| n as f32 / 8.0);
    let mut whole = new();
    whole.fit(&x, &y, Fit { epochs: 3, batch_size: 2, ..Fit::default() }).unwrap();

    let mut stopped = StopEarly::default();
    new()
        .fit(&x, &y, Fit { epochs: 3, batch_size: 2, checkpoints: Some(&mut stopped), ..Fit::default() })
        .unwrap();
    let checkpoint = stopped.0.unwrap();
    let unknown = Model::of_checkpoint(&checkpoint, engine()).unwrap_err().to_string();
    assert!(unknown.contains("Narrow"), "{unknown}");
    let layers = LayerRegistry::default().with::<Narrow>("Narrow");
    let mut resumed = Model::of_checkpoint_with(&checkpoint, engine(), &layers).unwrap();
    resumed.compile(settings()).unwrap();
    resumed
        .fit(&x, &y, Fit { epochs: 3, batch_size: 2, resume: Some(checkpoint), ..Fit::default() })
        .unwrap();
    assert_eq!(bits(&resumed), bits(&whole));
}
