//! Layers from the cases of the golden files, which use Keras's names for options.

use refrain_nn::Error;
use refrain_nn::graph::{EdgeId, Plan};
use refrain_nn::layers::{
    ActivationLayer, Add, Bidirectional, CellConfig, Concatenate, Dense, Embedding, GruCell, Layer,
    LayerNormalization, LstmCell, Masking, MergeMode, Recurrent, RepeatVector, SimpleRnnCell,
    TimeDistributed,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// Settings that belong to the cell in Refrain.
const OF_THE_CELL: [&str; 3] = ["activation", "recurrent_activation", "reset_after"];

/// A layer whose type is known only at run time.
#[derive(Debug, Clone)]
pub(crate) struct Boxed(Box<dyn Layer>);

impl Layer for Boxed {
    fn class_name(&self) -> &'static str {
        self.0.class_name()
    }

    fn name(&self) -> Option<&str> {
        self.0.name()
    }

    fn config(&self) -> Value {
        self.0.config()
    }

    fn trainable(&self) -> bool {
        self.0.trainable()
    }

    fn lower(&self, plan: &mut Plan<'_>, inputs: &[EdgeId]) -> Result<Vec<EdgeId>, Error> {
        self.0.lower(plan, inputs)
    }

    fn boxed_clone(&self) -> Box<dyn Layer> {
        Box::new(self.clone())
    }
}

/// Creates the layer of `{"class_name": …, "config": {…}}`. Fails for an unknown option.
pub(crate) fn layer(description: &Value) -> Boxed {
    let class = class_name(description);
    let config = description.get("config").cloned().unwrap_or_else(|| json!({}));
    Boxed(match class {
        "Activation" => Box::new(read::<ActivationLayer>(config)),
        "Add" => Box::new(read::<Add>(config)),
        "Bidirectional" => Box::new(bidirectional(&config)),
        "Concatenate" => Box::new(read::<Concatenate>(config)),
        "Dense" => Box::new(read::<Dense>(config)),
        "Embedding" => Box::new(read::<Embedding>(config)),
        "GRU" => Box::new(recurrent::<GruCell>(&config)),
        "LSTM" => Box::new(recurrent::<LstmCell>(&config)),
        "LayerNormalization" => Box::new(read::<LayerNormalization>(config)),
        "Masking" => Box::new(read::<Masking>(config)),
        "RepeatVector" => Box::new(read::<RepeatVector>(config)),
        "SimpleRNN" => Box::new(recurrent::<SimpleRnnCell>(&config)),
        "TimeDistributed" => Box::new(TimeDistributed::new(layer(&config["layer"]))),
        other => panic!("a case with the layer {other}"),
    })
}

fn class_name(description: &Value) -> &str {
    description["class_name"].as_str().expect("a class name")
}

fn read<T: DeserializeOwned>(config: Value) -> T {
    serde_json::from_value(config.clone()).unwrap_or_else(|e| panic!("{config}: {e}"))
}

fn recurrent<C: CellConfig>(config: &Value) -> Recurrent<C> {
    let options = config.as_object().expect("options").clone();
    let (cell, mut layer): (Map<_, _>, Map<_, _>) =
        options.into_iter().partition(|(name, _)| OF_THE_CELL.contains(&&**name));
    layer.insert("cell".into(), Value::Object(cell));
    read(Value::Object(layer))
}

fn bidirectional(config: &Value) -> Bidirectional {
    let inner = &config["layer"]["config"];
    let layer = match class_name(&config["layer"]) {
        "GRU" => Bidirectional::new(recurrent::<GruCell>(inner)),
        "LSTM" => Bidirectional::new(recurrent::<LstmCell>(inner)),
        "SimpleRNN" => Bidirectional::new(recurrent::<SimpleRnnCell>(inner)),
        other => panic!("a case with {other} in both directions"),
    };
    match config.get("merge_mode") {
        Some(mode) => layer.merge_mode(read::<MergeMode>(mode.clone())),
        None => layer,
    }
}
