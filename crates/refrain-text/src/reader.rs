//! A network that reads a text: what classifiers and taggers begin with.

use crate::codec::{Codec, Level, VocabOptions};
use crate::error::Result;
use crate::words::{WordOptions, WordSplit};
use refrain_nn::layers::Embedding;
use refrain_nn::{Initializer, InputSpec, Network, Tensor};
use refrain_task::layers::{CellKind, RecurrentOptions, dropout};
use refrain_task::{Error, Range};

/// How a text is read: its vocabulary, an embedding, recurrent layers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader {
    pub(crate) level: Level,
    pub(crate) cell: CellKind,
    pub(crate) units: usize,
    pub(crate) layers: usize,
    pub(crate) embedding: usize,
    pub(crate) bidirectional: bool,
    pub(crate) dropout: f64,
    pub(crate) min_count: u64,
}

impl Reader {
    /// Checks every setting against its range.
    pub(crate) fn check(&self) -> refrain_task::Result<()> {
        for (option, size) in [("units", self.units), ("layers", self.layers), ("embedding", self.embedding)]
        {
            Range::COUNT.check(option, size as f64)?;
        }
        Range::SHARE.check("dropout", self.dropout)?;
        if self.level != Level::Word && self.min_count > 1 {
            let got = format!("{} with {}", self.min_count, self.level.plural());
            return Err(Error::option("min-count", got, "1: it is for words"));
        }
        Ok(())
    }

    /// The vocabulary of texts whose words are cut by `split`.
    pub(crate) fn codec<'a>(
        &self,
        texts: impl IntoIterator<Item = &'a str>,
        split: WordSplit,
    ) -> Result<Codec> {
        let words = WordOptions { split, min_count: self.min_count, ..WordOptions::default() };
        let options = VocabOptions { words, ..VocabOptions::default() };
        let codec = Codec::from_chunks(texts.into_iter().map(Ok), self.level, &options)?;
        codec.check_known(&options)?;
        Ok(codec)
    }

    /// Adds the network for a vocabulary of so many entries: every step's output, or the last one's.
    pub(crate) fn add(
        &self,
        net: &mut Network,
        vocabulary: usize,
        return_sequences: bool,
    ) -> refrain_task::Result<Tensor> {
        let ids = net.input(InputSpec::ids().name("tokens"));
        let embedding = Embedding::new(vocabulary, self.embedding)
            .embeddings_initializer(Initializer::RandomNormal { mean: 0.0, stddev: 1.0 })
            .name("embedding");
        let mut x = net.add(embedding, &[ids])?;
        for layer in 1..=self.layers {
            x = dropout(net, self.dropout, false, x)?;
            let options = RecurrentOptions {
                units: self.units,
                return_sequences: return_sequences || layer < self.layers,
                bidirectional: self.bidirectional,
                ..RecurrentOptions::default()
            };
            x = self.cell.add(net, &options, x)?;
        }
        dropout(net, self.dropout, false, x)
    }
}
