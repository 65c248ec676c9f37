//! Tokenizing, padding and one-hot rows give the results of Keras's functions, written by `fixtures/keras_text.py`.

use ndarray::Array2;
use refrain_text::{
    Error, MatrixMode, Pad, Padding, Tokenizer, TokenizerConfig, Truncating, pad_sequences,
    text_to_word_sequence, to_categorical,
};
use serde::Deserialize;

/// Relative. Both compute in f64 and this crate then rounds to f32: half an ulp. The excess over one half allows
/// for logarithms that differ in the last place of f64.
const F32_TOLERANCE: f64 = 0.5001 * f32::EPSILON as f64;

#[derive(Deserialize)]
struct Golden {
    tokenizers: Vec<TokenizerCase>,
    sequences: Vec<SequenceCase>,
    splits: Vec<SplitCase>,
    pads: Vec<PadCase>,
    categoricals: Vec<CategoricalCase>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    num_words: Option<usize>,
    filters: Option<String>,
    lower: Option<bool>,
    split: Option<String>,
    char_level: bool,
    oov_token: Option<String>,
}

/// A text, whole or already split into words.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Text {
    Whole(String),
    Words(Vec<String>),
}

#[derive(Deserialize)]
struct TokenizerCase {
    config: Config,
    fits: Vec<Vec<Text>>,
    probes: Vec<Text>,
    sequences: Vec<Vec<u32>>,
    ids: Vec<Vec<u32>>,
    texts: Vec<String>,
    matrix: Matrix,
    /// The tokenizer after the first of `fits`, as written by Keras.
    keras_json: String,
    /// The tokenizer after all of them, without the spaces and escapes that JSON does not need.
    json: String,
}

#[derive(Deserialize)]
struct SequenceCase {
    config: Config,
    texts: Vec<Text>,
    fits: Vec<Vec<Vec<u32>>>,
    sequences: Vec<Vec<u32>>,
    matrix: Matrix,
}

/// Row, column, and Keras's values there in the order of `MODES`.
#[derive(Deserialize)]
struct Matrix {
    refused: Vec<String>,
    shape: [usize; 2],
    cells: Vec<(usize, usize, f64, f64, f64, f64)>,
}

#[derive(Deserialize)]
struct SplitCase {
    filters: String,
    lower: bool,
    split: String,
    text: String,
    words: Vec<String>,
}

#[derive(Deserialize)]
struct PadCase {
    sequences: Vec<Vec<u32>>,
    maxlen: Option<usize>,
    padding: String,
    truncating: String,
    value: u32,
    /// `None` where Keras fails.
    padded: Option<Vec<Vec<u32>>>,
}

#[derive(Deserialize)]
struct CategoricalCase {
    labels: Vec<u32>,
    num_classes: Option<usize>,
    /// `None` where Keras fails.
    rows: Option<Vec<Vec<f32>>>,
}

const MODES: [(&str, MatrixMode); 4] = [
    ("binary", MatrixMode::Binary),
    ("count", MatrixMode::Count),
    ("freq", MatrixMode::Freq),
    ("tfidf", MatrixMode::TfIdf),
];

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../../fixtures/keras_text.json")).expect("keras_text.py writes it")
}

impl Config {
    fn tokenizer(&self) -> Tokenizer {
        let default = TokenizerConfig::default();
        let config = TokenizerConfig {
            num_words: self.num_words,
            filters: self.filters.clone().unwrap_or(default.filters),
            lower: self.lower.unwrap_or(default.lower),
            split: self.split.clone().unwrap_or(default.split),
            char_level: self.char_level,
            oov_token: self.oov_token.clone(),
        };
        Tokenizer::new(config).expect("valid options")
    }
}

fn fit(tokenizer: &mut Tokenizer, texts: &[Text]) {
    if texts.is_empty() {
        tokenizer.fit_on_texts([""; 0]);
    }
    for text in texts {
        match text {
            Text::Whole(text) => tokenizer.fit_on_texts([text]),
            Text::Words(words) => tokenizer.fit_on_tokens([words]),
        }
    }
}

fn sequences(tokenizer: &Tokenizer, texts: &[Text]) -> Vec<Vec<u32>> {
    let sequence = |text: &Text| match text {
        Text::Whole(text) => tokenizer.texts_to_sequences([text]).remove(0),
        Text::Words(words) => tokenizer.tokens_to_sequences([words]).remove(0),
    };
    texts.iter().map(sequence).collect()
}

fn rows<T: Clone>(array: &Array2<T>) -> Vec<Vec<T>> {
    array.rows().into_iter().map(|row| row.to_vec()).collect()
}

impl Matrix {
    fn check(&self, tokenizer: &Tokenizer, sequences: &[Vec<u32>], what: &str) {
        for (place, (name, mode)) in MODES.into_iter().enumerate() {
            let what = format!("{what}, {name}");
            let got = tokenizer.sequences_to_matrix(sequences, mode);
            if self.refused.iter().any(|refused| refused == name) {
                assert!(matches!(got, Err(Error::NotFitted { .. })), "{what}: {got:?}");
                continue;
            }
            let mut wanted = Array2::zeros(self.shape);
            for &(row, column, binary, count, freq, tfidf) in &self.cells {
                wanted[[row, column]] = [binary, count, freq, tfidf][place];
            }
            let got = got.expect("Keras makes one");
            assert_eq!(got.dim(), wanted.dim(), "{what}");
            for ((at, &got), &wanted) in got.indexed_iter().zip(&wanted) {
                let error = (f64::from(got) - wanted).abs();
                assert!(error <= F32_TOLERANCE * wanted.abs(), "{what} at {at:?}: {got}, expected {wanted}");
            }
        }
    }
}

#[test]
fn tokenizers_match_keras() {
    for case in golden().tokenizers {
        let what = format!("{:?} {:?}", case.config, case.fits);
        let mut tokenizer = case.config.tokenizer();
        fit(&mut tokenizer, &case.fits[0]);
        let mut loaded = Tokenizer::from_json(&case.keras_json).expect("Keras wrote it");
        assert_eq!(loaded, tokenizer, "{what}, read from Keras's JSON");
        for tokenizer in [&mut tokenizer, &mut loaded] {
            case.fits[1..].iter().for_each(|texts| fit(tokenizer, texts));
            assert_eq!(tokenizer.to_json(), case.json, "{what}");
            assert_eq!(sequences(tokenizer, &case.probes), case.sequences, "{what} {:?}", case.probes);
            assert_eq!(tokenizer.sequences_to_texts(&case.ids), case.texts, "{what}");
            case.matrix.check(tokenizer, &case.sequences, &what);
        }
    }
}

#[test]
fn matrices_of_sequences_match_keras() {
    for case in golden().sequences {
        let mut tokenizer = case.config.tokenizer();
        fit(&mut tokenizer, &case.texts);
        case.fits.iter().for_each(|sequences| tokenizer.fit_on_sequences(sequences));
        case.matrix.check(&tokenizer, &case.sequences, &format!("{:?} {:?}", case.config, case.fits));
    }
}

#[test]
fn words_match_keras() {
    for SplitCase { filters, lower, split, text, words } in golden().splits {
        let got = text_to_word_sequence(&text, &filters, lower, &split);
        assert_eq!(got, words, "{text:?}, filters {filters:?}, lower {lower}, split {split:?}");
    }
}

#[test]
fn padding_matches_keras() {
    for case in golden().pads {
        let pad = Pad {
            maxlen: case.maxlen,
            padding: if case.padding == "post" { Padding::Post } else { Padding::Pre },
            truncating: if case.truncating == "post" { Truncating::Post } else { Truncating::Pre },
            value: case.value,
        };
        let got = pad_sequences(&case.sequences, pad).unwrap();
        match case.padded {
            Some(padded) => assert_eq!(rows(&got), padded, "{:?} {pad:?}", case.sequences),
            // Keras finds no longest of no sequences, and takes the last 0 ids as all of them.
            None => assert_eq!(got.dim(), (case.sequences.len(), 0), "{:?} {pad:?}", case.sequences),
        }
    }
}

#[test]
fn one_hot_rows_match_keras() {
    for CategoricalCase { labels, num_classes, rows: wanted } in golden().categoricals {
        let got = to_categorical(&labels, num_classes);
        let what = format!("{labels:?}, classes {num_classes:?}");
        match wanted {
            Some(wanted) => assert_eq!(rows(&got.expect("Keras makes them")), wanted, "{what}"),
            // Keras finds no largest of no labels.
            None if labels.is_empty() => assert_eq!(got.expect("no rows").dim(), (0, 0), "{what}"),
            None => assert!(matches!(got, Err(Error::Label { .. })), "{what}: {got:?}"),
        }
    }
}
