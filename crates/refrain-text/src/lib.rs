//! Text for recurrent networks: Keras's tokenizer and padding; vocabularies of characters, subwords and words;
//! windows and lanes; sampling; and language models, classifiers and taggers.
#![forbid(unsafe_code)]

pub mod bpe;
pub mod chars;
pub mod classifier;
pub mod codec;
pub mod corpus;
pub mod error;
pub mod lanes;
pub mod language_model;
pub mod ngrams;
mod position;
pub mod reader;
pub mod sampling;
pub mod score;
pub mod sequence;
pub mod tagger;
pub mod tokenizer;
pub mod tokens;
pub mod unknown;
pub mod words;

pub use bpe::{BpeOptions, BpeVocab};
pub use chars::CharVocab;
pub use classifier::{Classifier, ClassifierRecipe};
pub use codec::{Codec, Level};
pub use corpus::Corpus;
pub use error::{Error, Result};
pub use lanes::Lanes;
pub use language_model::{LanguageModel, TextRecipe};
pub use ngrams::Ngrams;
pub use sampling::{Sampler, Sampling, most_likely, softmax_into};
pub use score::{SCORE_LANE, SCORE_WARM_UP, ScoreBlock, ScoreLanes};
pub use sequence::{Pad, Padding, Truncating, pad_sequences, to_categorical};
pub use tagger::{Tagger, TaggerRecipe};
pub use tokenizer::{MatrixMode, Tokenizer, TokenizerConfig, text_to_word_sequence};
pub use tokens::{Store, StoredTokens, TokenWriter, Tokens};
pub use unknown::{UNKNOWN, UnknownParts, UnknownTokens, is_many_unknown};
pub use words::{WordOptions, WordSplit, WordVocab};
