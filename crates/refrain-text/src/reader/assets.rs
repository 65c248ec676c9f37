//! The assets of a model that labels texts.

use super::ReaderSettings;
use crate::codec::Codec;
use refrain_nn::data::Batch;
use refrain_nn::shown::counted;
use refrain_nn::{MemoryUse, Model, Work};
use refrain_task::Description;
use refrain_task::score::MAX_LABELS;
use serde::{Deserialize, Serialize};

/// Everything that running a labelling model needs in addition to its network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelAssets {
    /// The labels, sorted.
    pub labels: Vec<String>,
    /// Steps of a text that are read in one piece.
    pub max_length: usize,
    /// The vocabulary.
    #[serde(flatten)]
    pub codec: Codec,
}

impl LabelAssets {
    /// Returns `settings` with the level and length of these assets.
    #[must_use]
    pub fn reader(&self, settings: ReaderSettings) -> ReaderSettings {
        ReaderSettings { level: self.codec.level(), max_length: self.max_length, ..settings }
    }

    /// Checks assets from a possibly untrusted file: that they are consistent, and that the network fits them. For
    /// a text of one step, its output must have the shape `before_labels` followed by the number of labels.
    pub(crate) fn check(
        &self,
        model: &mut Model,
        before_labels: &[usize],
    ) -> std::result::Result<(), String> {
        let Self { labels, max_length, codec } = self;
        if labels.len() < 2 || !labels.is_sorted_by(|a, b| a < b) {
            return Err("its labels are not two or more different ones in sorted order".to_owned());
        }
        if labels.len() > MAX_LABELS || labels.iter().any(|l| l.contains(char::is_control)) {
            return Err(format!("it has more than {MAX_LABELS} labels, or a label with a control character"));
        }
        if *max_length == 0 {
            return Err("its `max_length` is 0".to_owned());
        }
        // A text with the vocabulary's last id shows whether the network takes ids, and enough of them.
        let mut batch = Batch { lanes: 1, ..Batch::default() };
        batch.inputs.resize_with(1, Default::default);
        batch.inputs[0].steps = 1;
        batch.inputs[0].ids.push((codec.vocab_size() - 1) as u32);
        let outputs = model.predict_batch(&batch, None);
        let outputs = outputs.map_err(|e| format!("its network does not accept its vocabulary: {e}"))?;
        let [output] = &outputs[..] else {
            return Err(format!("its network has {}", counted(outputs.len(), "output")));
        };
        let labels = labels.len();
        if output.shape() != [before_labels, &[labels]].concat() {
            let shape = output.shape();
            return Err(format!(
                "its network outputs shape {shape:?} for a text of one step, but it has {}",
                counted(labels, "label")
            ));
        }
        Ok(())
    }

    /// Returns the largest batch that running the model uses.
    pub(crate) fn inference_use(&self) -> MemoryUse {
        MemoryUse::new(Work::Predict, 1, self.max_length)
    }

    pub(crate) fn describe(&self) -> Description {
        let mut description = self.codec.describe();
        let labels = &self.labels;
        description.fields.insert("labels".to_owned(), serde_json::json!(labels));
        description.lines.push(format!("{}: {}", counted(labels.len(), "label"), labels.join(", ")));
        description
    }
}
