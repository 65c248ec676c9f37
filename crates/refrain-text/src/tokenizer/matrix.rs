//! Matrices with one row of word weights per text.

use super::Tokenizer;
use crate::error::{Error, Result};
use ndarray::Array2;

/// The value of a cell of [`Tokenizer::texts_to_matrix`], for a word that occurs `c` times in a sequence of `l`
/// ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MatrixMode {
    /// 1.
    #[default]
    Binary,
    /// `c`.
    Count,
    /// `c / l`; `l` also counts the ids after the last column.
    Freq,
    /// `(1 + ln c) * ln(1 + documents / (1 + documents with the word))`.
    TfIdf,
}

impl Tokenizer {
    /// Calls [`texts_to_sequences`](Self::texts_to_sequences), then
    /// [`sequences_to_matrix`](Self::sequences_to_matrix).
    ///
    /// # Errors
    ///
    /// As for `sequences_to_matrix`.
    ///
    /// ```
    /// use refrain_text::{MatrixMode, Tokenizer};
    ///
    /// let mut tokenizer = Tokenizer::default();
    /// tokenizer.fit_on_texts(["a rose is a rose"]);
    /// let counts = tokenizer.texts_to_matrix(["A rose, a thorn"], MatrixMode::Count)?;
    /// assert_eq!(counts, ndarray::array![[0.0, 2.0, 1.0, 0.0]]);
    /// # Ok::<(), refrain_text::Error>(())
    /// ```
    pub fn texts_to_matrix<I>(&self, texts: I, mode: MatrixMode) -> Result<Array2<f32>>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        self.sequences_to_matrix(&self.texts_to_sequences(texts), mode)
    }

    /// Returns a matrix `(sequences, columns)` of the weights selected by `mode`. It has `num_words` columns or,
    /// without `num_words`, one more than there are words (as in Keras). Ids beyond the last column are ignored,
    /// and id 0 is not special.
    ///
    /// # Errors
    ///
    /// [`Error::NotFitted`] if there are neither `num_words` nor words, or no texts for [`MatrixMode::TfIdf`];
    /// [`Error::TooLarge`] if the matrix does not fit in memory.
    pub fn sequences_to_matrix<S: AsRef<[u32]>>(
        &self,
        sequences: &[S],
        mode: MatrixMode,
    ) -> Result<Array2<f32>> {
        let columns = match self.config.num_words {
            Some(num_words) if num_words > 0 => num_words,
            _ if self.word_index.is_empty() => {
                return Err(Error::NotFitted { wanted: "the number of columns", or: ", or set num_words" });
            }
            _ => self.word_index.len() + 1,
        };
        if mode == MatrixMode::TfIdf && self.document_count == 0 {
            return Err(Error::NotFitted { wanted: "how many texts a word occurs in", or: "" });
        }
        let mut matrix = crate::sequence::try_zeros(sequences.len(), columns, "lower num_words")?;
        let mut ids = Vec::new();
        for (mut row, sequence) in matrix.rows_mut().into_iter().zip(sequences) {
            let sequence = sequence.as_ref();
            ids.clear();
            ids.extend(sequence.iter().filter(|&&id| (id as usize) < columns));
            ids.sort_unstable();
            for same in ids.chunk_by(|a, b| a == b) {
                row[same[0] as usize] = self.weight(same[0], same.len(), sequence.len(), mode) as f32;
            }
        }
        Ok(matrix)
    }

    fn weight(&self, id: u32, occurrences: usize, sequence_len: usize, mode: MatrixMode) -> f64 {
        let count = occurrences as f64;
        match mode {
            MatrixMode::Binary => 1.0,
            MatrixMode::Count => count,
            MatrixMode::Freq => count / sequence_len as f64,
            MatrixMode::TfIdf => {
                let documents = self.document_count as f64;
                let with_word = self.index_docs.get(&id).copied().unwrap_or(0) as f64;
                (1.0 + count.ln()) * (1.0 + documents / (1.0 + with_word)).ln()
            }
        }
    }
}
