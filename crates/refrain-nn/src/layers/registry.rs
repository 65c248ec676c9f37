//! Creating layers from the class names and settings in a model file.

use super::bidirectional::{MergeMode, RecurrentLayer};
use super::{
    ActivationLayer, ActivityPenalty, AdaptiveSoftmax, Add, Bidirectional, Concatenate, Dense, Dropout,
    Embedding, Gru, Layer, LayerNormalization, Lstm, Masking, RepeatVector, SimpleRnn, SpatialDropout1D,
    TiedDense, TimeDistributed,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The class names that [`layer_from_config`] supports.
const CLASS_NAMES: [&str; 18] = [
    "Activation",
    "ActivityPenalty",
    "AdaptiveSoftmax",
    "Add",
    "Bidirectional",
    "Concatenate",
    "Dense",
    "Dropout",
    "Embedding",
    "GRU",
    "LSTM",
    "LayerNormalization",
    "Masking",
    "RepeatVector",
    "SimpleRNN",
    "SpatialDropout1D",
    "TiedDense",
    "TimeDistributed",
];

/// The layers that a model file may contain: those of this library and those that a program registers.
///
/// ```
/// use refrain_nn::graph::{EdgeId, Plan};
/// use refrain_nn::layers::{Dense, Layer, LayerRegistry};
/// use refrain_nn::{Activation, Compile, Engine, Error, InputSpec, Model, Sequential};
/// use serde::{Deserialize, Serialize};
///
/// /// Two dense layers with the same units.
/// #[derive(Debug, Clone, Serialize, Deserialize)]
/// struct Twice {
///     units: usize,
/// }
///
/// impl Layer for Twice {
///     fn class_name(&self) -> &'static str {
///         "Twice"
///     }
///     fn name(&self) -> Option<&str> {
///         None
///     }
///     fn config(&self) -> serde_json::Value {
///         serde_json::json!(self)
///     }
///     fn lower(&self, plan: &mut Plan<'_>, inputs: &[EdgeId]) -> Result<Vec<EdgeId>, Error> {
///         let dense = Dense::new(self.units).activation(Activation::Tanh);
///         let hidden = plan.scoped("first", true, |plan| dense.lower(plan, inputs))?;
///         plan.scoped("second", true, |plan| dense.lower(plan, &hidden))
///     }
///     fn boxed_clone(&self) -> Box<dyn Layer> {
///         Box::new(self.clone())
///     }
/// }
///
/// # let folder = std::env::temp_dir().join(format!("refrain-doc-registry-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).unwrap();
/// # let path = folder.join("twice.safetensors");
/// let model = Sequential::new().input(InputSpec::flat(3)).add(Twice { units: 4 });
/// let model = model.compile(Compile::default())?;
/// model.save(&path)?;
/// let layers = LayerRegistry::default().with::<Twice>("Twice");
/// let again = Model::load_with(&path, Engine::default(), &layers)?;
/// assert_eq!(again.weights(), model.weights());
/// assert!(Model::load(&path, Engine::default()).unwrap_err().to_string().contains("unknown layer \"Twice\""));
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Default)]
pub struct LayerRegistry {
    own: BTreeMap<String, Maker>,
}

/// Creates a layer from its settings.
type Maker = fn(Value) -> serde_json::Result<Box<dyn Layer>>;

impl LayerRegistry {
    /// Registers a layer type, which [`Layer::config`] must describe completely. It replaces a layer of this
    /// library with the same class name.
    #[must_use]
    pub fn with<L: Layer + DeserializeOwned + 'static>(mut self, class_name: &str) -> Self {
        self.own.insert(class_name.to_owned(), |config| Ok(Box::new(serde_json::from_value::<L>(config)?)));
        self
    }

    /// Creates a layer of this class from the settings that [`Layer::config`] returned. The error says which
    /// class is unknown, or which setting of which class is invalid.
    pub(crate) fn layer(&self, class_name: &str, config: Value) -> Result<Box<dyn Layer>, String> {
        match self.own.get(class_name) {
            Some(make) => make(config).map_err(|error| format!("{class_name}: {error}")),
            None => layer_from_config(class_name, config),
        }
    }
}

impl fmt::Debug for LayerRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.own.keys()).finish()
    }
}

/// Creates a layer of this library.
fn layer_from_config(class_name: &str, config: Value) -> Result<Box<dyn Layer>, String> {
    Ok(match class_name {
        "Activation" => Box::new(read::<ActivationLayer>(class_name, config)?),
        "ActivityPenalty" => Box::new(read::<ActivityPenalty>(class_name, config)?),
        "AdaptiveSoftmax" => Box::new(read::<AdaptiveSoftmax>(class_name, config)?),
        "Add" => Box::new(read::<Add>(class_name, config)?),
        "Bidirectional" => Box::new(bidirectional(read(class_name, config)?)?),
        "Concatenate" => Box::new(read::<Concatenate>(class_name, config)?),
        "Dense" => Box::new(read::<Dense>(class_name, config)?),
        "Dropout" => Box::new(read::<Dropout>(class_name, config)?),
        "Embedding" => Box::new(read::<Embedding>(class_name, config)?),
        "GRU" => Box::new(read::<Gru>(class_name, config)?),
        "LSTM" => Box::new(read::<Lstm>(class_name, config)?),
        "LayerNormalization" => Box::new(read::<LayerNormalization>(class_name, config)?),
        "Masking" => Box::new(read::<Masking>(class_name, config)?),
        "RepeatVector" => Box::new(read::<RepeatVector>(class_name, config)?),
        "SimpleRNN" => Box::new(read::<SimpleRnn>(class_name, config)?),
        "SpatialDropout1D" => Box::new(read::<SpatialDropout1D>(class_name, config)?),
        "TiedDense" => Box::new(read::<TiedDense>(class_name, config)?),
        "TimeDistributed" => Box::new(time_distributed(read(class_name, config)?)?),
        _ => return Err(format!("unknown layer {class_name:?}, expected one of {}", CLASS_NAMES.join(", "))),
    })
}

fn read<T: DeserializeOwned>(class_name: &str, config: Value) -> Result<T, String> {
    serde_json::from_value(config).map_err(|error| format!("{class_name}: {error}"))
}

/// A layer inside another layer's config.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nested {
    class_name: String,
    config: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BidirectionalConfig {
    layer: Nested,
    #[serde(default)]
    merge_mode: MergeMode,
    name: Option<String>,
}

fn bidirectional(config: BidirectionalConfig) -> Result<Bidirectional, String> {
    let Nested { class_name, config: inner } = config.layer;
    let layer: Arc<dyn RecurrentLayer> = match &*class_name {
        "GRU" => Arc::new(read::<Gru>(&class_name, inner)?),
        "LSTM" => Arc::new(read::<Lstm>(&class_name, inner)?),
        "SimpleRNN" => Arc::new(read::<SimpleRnn>(&class_name, inner)?),
        _ => {
            return Err(format!(
                "Bidirectional: the layer is {class_name:?}, expected GRU, LSTM or SimpleRNN"
            ));
        }
    };
    let layer = Bidirectional::of(layer).merge_mode(config.merge_mode);
    Ok(match config.name {
        Some(name) => layer.name(name),
        None => layer,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TimeDistributedConfig {
    layer: Nested,
    name: Option<String>,
}

fn time_distributed(config: TimeDistributedConfig) -> Result<TimeDistributed, String> {
    let inner = layer_from_config(&config.layer.class_name, config.layer.config);
    let layer = TimeDistributed::of(inner.map_err(|error| format!("TimeDistributed: {error}"))?);
    Ok(match config.name {
        Some(name) => layer.name(name),
        None => layer,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::Activation;
    use crate::init::Initializer;
    use crate::regularizer::Regularizer;
    use serde_json::json;

    /// Returns layers with only their required settings, and layers with no setting at its default.
    fn samples() -> Vec<Box<dyn Layer>> {
        let penalty = Regularizer::l1_l2(0.5, 0.25);
        let embedding = Embedding::new(7, 3)
            .embeddings_initializer(Initializer::Ones)
            .embeddings_regularizer(penalty)
            .mask_zero(true)
            .dropout(0.5)
            .trainable(false);
        let norm = LayerNormalization::new()
            .epsilon(0.25)
            .center(false)
            .scale(false)
            .beta_initializer(Initializer::random_normal())
            .gamma_initializer(Initializer::HeNormal)
            .beta_regularizer(penalty)
            .gamma_regularizer(penalty)
            .trainable(false);
        let adaptive = AdaptiveSoftmax::new(30)
            .cutoffs([5])
            .div_value(1.5)
            .use_bias(true)
            .kernel_initializer(Initializer::HeNormal)
            .bias_initializer(Initializer::Ones)
            .trainable(false);
        let lstm = Lstm::new(4).return_sequences(true).return_state(true).name("inner");
        vec![
            Box::new(ActivationLayer::new(Activation::HardSigmoid)),
            Box::new(ActivationLayer::new(Activation::Softmax).name("probabilities")),
            Box::new(ActivityPenalty::new(0.5, 0.25)),
            Box::new(ActivityPenalty::new(0.0, 1.5).name("slow")),
            Box::new(AdaptiveSoftmax::new(30).cutoffs([5, 20])),
            Box::new(adaptive.name("output")),
            Box::new(Add::new()),
            Box::new(Add::new().name("sum")),
            Box::new(Bidirectional::new(lstm).merge_mode(MergeMode::Ave).name("both")),
            Box::new(Bidirectional::new(Gru::new(2))),
            Box::new(Bidirectional::new(SimpleRnn::new(2))),
            Box::new(Concatenate::new()),
            Box::new(Concatenate::new().name("joined")),
            Box::new(Dense::new(3)),
            Box::new(Dense::new(3).activation(Activation::Relu).use_bias(false).trainable(false).name("out")),
            Box::new(Dropout::new(0.1)),
            Box::new(Dropout::new(0.5).name("drop")),
            Box::new(Embedding::new(7, 3)),
            Box::new(embedding.name("words")),
            Box::new(Gru::new(3).reset_after(false)),
            Box::new(Lstm::new(3).dropout(0.25).go_backwards(true)),
            Box::new(Lstm::new(3).recurrent_weight_dropout(0.75)),
            Box::new(LayerNormalization::new()),
            Box::new(norm.name("norm")),
            Box::new(Masking::default()),
            Box::new(Masking::new(-1.5).name("mask")),
            Box::new(RepeatVector::new(5)),
            Box::new(RepeatVector::new(5).name("repeat")),
            Box::new(SimpleRnn::new(3).activation(Activation::Relu).stateful(true)),
            Box::new(SpatialDropout1D::new(0.5)),
            Box::new(SpatialDropout1D::new(0.25).name("locked")),
            Box::new(TiedDense::new("embedding/embeddings").activation(Activation::Softmax).name("output")),
            Box::new(TimeDistributed::new(Dense::new(2))),
            Box::new(TimeDistributed::new(Dropout::new(0.5)).name("each")),
        ]
    }

    #[test]
    fn every_config_recreates_its_layer() {
        let samples = samples();
        for layer in &samples {
            let (class, config) = (layer.class_name(), layer.config());
            let text = serde_json::to_string(&config).unwrap();
            let again = layer_from_config(class, serde_json::from_str(&text).unwrap()).unwrap();
            assert_eq!((again.class_name(), again.config()), (class, config), "{text}");
            assert_eq!((again.name(), again.trainable()), (layer.name(), layer.trainable()), "{text}");
            assert_eq!(format!("{again:?}"), format!("{layer:?}"), "{text}");
        }
        for class in CLASS_NAMES {
            assert!(samples.iter().any(|layer| layer.class_name() == class), "no sample of {class}");
        }
    }

    #[test]
    fn errors_name_the_invalid_setting() {
        let cases = [
            ("Conv1D", json!({}), "unknown layer \"Conv1D\", expected one of Activation"),
            ("Dense", json!({}), "Dense: missing field `units`"),
            ("Dropout", json!({ "rate": 0.5, "seed": 1 }), "Dropout: unknown field `seed`"),
            (
                "Bidirectional",
                json!({ "layer": { "class_name": "Dense", "config": {} } }),
                "layer is \"Dense\"",
            ),
            (
                "Bidirectional",
                json!({ "layer": { "class_name": "LSTM", "config": {} } }),
                "LSTM: missing field",
            ),
            ("Bidirectional", json!({ "merge_mode": "sum" }), "Bidirectional: missing field `layer`"),
            (
                "TimeDistributed",
                json!({ "layer": { "class_name": "X", "config": {} } }),
                "TimeDistributed: unknown",
            ),
        ];
        for (class, config, expected) in cases {
            let message = layer_from_config(class, config).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn missing_settings_have_their_defaults() {
        let layer = layer_from_config("LayerNormalization", json!({})).unwrap();
        assert_eq!(layer.config(), LayerNormalization::new().config());
        let layer = layer_from_config("Embedding", json!({ "input_dim": 7, "output_dim": 3 })).unwrap();
        assert_eq!(layer.config(), Embedding::new(7, 3).config());
        let config = json!({ "layer": { "class_name": "GRU", "config": { "units": 2 } } });
        let layer = layer_from_config("Bidirectional", config).unwrap();
        assert_eq!(layer.config(), Bidirectional::new(Gru::new(2)).config());
    }
}
