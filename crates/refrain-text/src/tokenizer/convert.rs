//! Converting texts to sequences of ids and back.

use super::{Tokenizer, for_each_token, split};

impl Tokenizer {
    /// Returns the ids of each text's words. Unknown words, and words whose id is at least `num_words`, become the
    /// id of `oov_token`, or are dropped without one. So all ids are below `num_words`.
    pub fn texts_to_sequences<I>(&self, texts: I) -> Vec<Vec<u32>>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let sequence = |text: I::Item| {
            let mut ids = Vec::new();
            for_each_token(self.config(), text.as_ref(), |word| ids.extend(self.limited_id(word)));
            ids
        };
        texts.into_iter().map(sequence).collect()
    }

    /// Does the same as [`texts_to_sequences`](Self::texts_to_sequences) for texts that are already lists of words.
    /// `filters` and `split` are not used; `lower` is.
    pub fn tokens_to_sequences<I>(&self, texts: I) -> Vec<Vec<u32>>
    where
        I: IntoIterator,
        I::Item: IntoIterator<Item: AsRef<str>>,
    {
        let lower = self.config().lower;
        let sequence = |words: I::Item| {
            words
                .into_iter()
                .filter_map(|word| self.limited_id(&split::lowered(word.as_ref(), lower)))
                .collect()
        };
        texts.into_iter().map(sequence).collect()
    }

    /// Returns the words of each sequence with one space between them, also at character level. Unknown ids and ids
    /// of at least `num_words` become `oov_token`, or are dropped without one.
    ///
    /// ```
    /// use refrain_text::Tokenizer;
    ///
    /// let mut tokenizer = Tokenizer::default();
    /// tokenizer.fit_on_texts(["The sea, the sky."]);
    /// assert_eq!(tokenizer.sequences_to_texts([[1, 3, 0]]), ["the sky"]);
    /// ```
    pub fn sequences_to_texts<I>(&self, sequences: I) -> Vec<String>
    where
        I: IntoIterator,
        I::Item: AsRef<[u32]>,
    {
        let text = |sequence: I::Item| {
            let words: Vec<&str> = sequence.as_ref().iter().filter_map(|&id| self.limited_word(id)).collect();
            words.join(" ")
        };
        sequences.into_iter().map(text).collect()
    }

    fn oov_id(&self) -> Option<u32> {
        self.config().oov_token.as_deref().and_then(|word| self.id(word))
    }

    fn within_num_words(&self, id: u32) -> bool {
        self.config().num_words.is_none_or(|limit| limit == 0 || (id as usize) < limit)
    }

    fn limited_id(&self, word: &str) -> Option<u32> {
        self.id(word).filter(|&id| self.within_num_words(id)).or_else(|| self.oov_id())
    }

    fn limited_word(&self, id: u32) -> Option<&str> {
        self.word(id).filter(|_| self.within_num_words(id)).or_else(|| self.word(self.oov_id()?))
    }
}
