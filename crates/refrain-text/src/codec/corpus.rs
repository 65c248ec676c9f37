//! Vocabularies and tokens of texts that need not fit in memory.

use super::{Codec, Level, VocabOptions};
use crate::corpus::{Corpus, Cut};
use crate::error::Result;
use crate::tokens::{Store, StoredTokens, TokenWriter};

impl Codec {
    /// Builds the vocabulary of a corpus. `seen` is called after each chunk with the chunk's size in bytes.
    ///
    /// # Errors
    /// If the text cannot be read, an option is out of range or not allowed at this level, or there are more
    /// different words than can be counted.
    pub fn from_corpus(
        corpus: &Corpus,
        level: Level,
        options: &VocabOptions,
        seen: &mut dyn FnMut(u64),
    ) -> Result<Self> {
        let chunks = corpus.chunks(level.cut()).inspect(|chunk| {
            seen(chunk.as_ref().map_or(0, |chunk| chunk.len() as u64));
        });
        Self::from_chunks(chunks, level, options)
    }

    /// Returns the ids of a corpus, the same as for its text in one piece. `seen` is called after each chunk with
    /// the chunk's size in bytes.
    ///
    /// # Errors
    /// If the text cannot be read or its tokens cannot be stored.
    pub fn encode_corpus(
        &self,
        corpus: &Corpus,
        store: &Store<'_>,
        seen: &mut dyn FnMut(u64),
    ) -> Result<StoredTokens> {
        let mut writer = TokenWriter::new(*store, self.vocab_size());
        for chunk in corpus.chunks(self.level().cut()) {
            let chunk = chunk?;
            writer.push(&self.encode(&chunk))?;
            seen(chunk.len() as u64);
        }
        writer.finish()
    }
}

impl Level {
    /// Returns where a text may be cut without changing its tokens.
    pub fn cut(self) -> Cut {
        match self {
            Level::Char => Cut::Anywhere,
            _ => Cut::BetweenWords,
        }
    }
}
