//! The vocabulary in Hugging Face's `tokenizer.json` format.

use super::BpeVocab;
use crate::error::{Error, Result};
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};
use tokenizers::models::bpe::{BPE, Vocab};

/// The most characters of an invalid entry that an error shows.
const SHOWN: usize = 40;

/// Returns the document without its tables. A document that differs from it would encode texts differently.
fn frame() -> Map<String, Value> {
    let document = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [],
        "normalizer": null,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                { "type": "Split", "pattern": { "String": "\n" }, "behavior": "Isolated", "invert": false },
                { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true },
            ],
        },
        "post_processor": null,
        "decoder": { "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true },
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": null,
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": false,
            "byte_fallback": false,
            "ignore_merges": false,
        },
    });
    match document {
        Value::Object(parts) => parts,
        _ => unreachable!("an object is built above"),
    }
}

/// Returns GPT-2's byte alphabet: a visible character for each byte. Bytes that are visible in Latin-1 are
/// themselves; the others start at U+0100.
pub(super) fn alphabet() -> [char; 256] {
    let mut others = 0x100..;
    std::array::from_fn(|byte| match byte {
        0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF => char::from(byte as u8),
        _ => others.next().and_then(char::from_u32).expect("there are 68 of them"),
    })
}

impl BpeVocab {
    /// Returns the vocabulary as a `tokenizer.json`, which Hugging Face's libraries can read.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(&Value::from(self.clone())).expect("a JSON value can be written") + "\n"
    }

    /// Reads what [`to_json`](Self::to_json) writes.
    ///
    /// # Errors
    ///
    /// [`Error::BpeJson`] if it is another kind of tokenizer or not a tokenizer, [`Error::Vocabulary`] if its
    /// tables are inconsistent.
    pub fn from_json(json: &str) -> Result<Self> {
        let document: Value = serde_json::from_str(json)
            .map_err(|e| Error::BpeJson { part: "the document".to_owned(), got: e.to_string() })?;
        document.try_into()
    }

    pub(super) fn from_trained(model: &BPE) -> Result<Self> {
        let mut tables = serde_json::to_value(model).expect("a trained model can be written");
        Self::from_tables(tables["vocab"].take(), tables["merges"].take())
    }

    fn from_tables(vocab: Value, merges: Value) -> Result<Self> {
        let texts = texts(vocab)?;
        let bytes_of: HashMap<char, u8> = (0..=255).zip(alphabet()).map(|(byte, c)| (c, byte)).collect();
        let ids: HashMap<&str, u32> = (0..).zip(&texts).map(|(id, text)| (text.as_str(), id)).collect();
        let mut tokens = vec![Self::UNKNOWN_TEXT.as_bytes().to_vec()];
        for (position, text) in texts.iter().enumerate().skip(1) {
            if text.is_empty() {
                return Err(damaged(position, text, "a token cannot be empty"));
            }
            let bytes: Option<Vec<u8>> = text.chars().map(|c| bytes_of.get(&c).copied()).collect();
            tokens.push(
                bytes.ok_or_else(|| damaged(position, text, "it is not written in the byte alphabet"))?,
            );
        }
        let Value::Array(stored) = merges else {
            return Err(foreign("model.merges", &merges));
        };
        let (mut merges, mut pairs) = (Vec::with_capacity(stored.len()), Vec::with_capacity(stored.len()));
        let (mut seen, mut made) = (HashSet::new(), vec![false; texts.len()]);
        for (position, merge) in stored.into_iter().enumerate() {
            let Ok((left, right)) = serde_json::from_value::<(String, String)>(merge.clone()) else {
                return Err(foreign(&format!("model.merges[{position}]"), &merge));
            };
            let id = |text: &str| ids.get(text).copied().filter(|&id| id != Self::UNKNOWN);
            let whole = left.clone() + &right;
            let (Some(a), Some(b), Some(c)) = (id(&left), id(&right), id(&whole)) else {
                return Err(damaged(position, &whole, "the merge has a token that is not in the vocabulary"));
            };
            if !seen.insert((a, b)) {
                return Err(damaged(position, &whole, "the merge appears twice"));
            }
            made[c as usize] = true;
            merges.push((a, b));
            pairs.push((left, right));
        }
        if let Some(position) = (Self::MIN_SIZE..texts.len()).find(|&id| !made[id]) {
            return Err(damaged(position, &texts[position], "no merge produces it"));
        }
        let vocab: Vocab = (0..).zip(&texts).map(|(id, text)| (text.clone(), id)).collect();
        let model = BPE::builder().vocab_and_merges(vocab, pairs).build();
        let model = model.expect("every merge was looked up");
        Ok(Self { tokens, merges, model })
    }
}

/// Returns the tokens by id: all ids from 0, first the unknown token, then the bytes in order of their characters.
fn texts(vocab: Value) -> Result<Vec<String>> {
    let Value::Object(entries) = vocab else {
        return Err(foreign("model.vocab", &vocab));
    };
    if !(BpeVocab::MIN_SIZE..=BpeVocab::MAX_SIZE).contains(&entries.len()) {
        return Err(foreign("the size of model.vocab", &entries.len().into()));
    }
    let mut texts = vec![None; entries.len()];
    for (text, id) in entries {
        let slot = id.as_u64().and_then(|id| texts.get_mut(usize::try_from(id).ok()?));
        match slot {
            Some(slot @ None) => *slot = Some(text),
            _ => return Err(foreign(&format!("model.vocab[{:?}]", cut(&text)), &id)),
        }
    }
    let texts: Vec<String> = texts.into_iter().flatten().collect();
    let mut first = alphabet();
    first.sort_unstable();
    let expected = std::iter::once(BpeVocab::UNKNOWN_TEXT.to_owned()).chain(first.map(String::from));
    if let Some(position) = texts.iter().zip(expected).position(|(got, expected)| *got != expected) {
        return Err(damaged(position, &texts[position], "<unk> and the 256 bytes must come first, in order"));
    }
    Ok(texts)
}

impl TryFrom<Value> for BpeVocab {
    type Error = Error;

    fn try_from(document: Value) -> Result<Self> {
        let Value::Object(mut document) = document else {
            return Err(foreign("the document", &document));
        };
        let (mut vocab, mut merges) = (Value::Null, Value::Null);
        if let Some(Value::Object(model)) = document.get_mut("model") {
            vocab = model.remove("vocab").unwrap_or_default();
            merges = model.remove("merges").unwrap_or_default();
        }
        let frame = frame();
        let keys = frame.keys().chain(document.keys());
        for key in keys {
            let got = document.get(key).unwrap_or(&Value::Null);
            if frame.get(key) != Some(got) {
                return Err(foreign(key, got));
            }
        }
        Self::from_tables(vocab, merges)
    }
}

impl From<BpeVocab> for Value {
    fn from(vocab: BpeVocab) -> Self {
        let alphabet = alphabet();
        let spelt = |bytes: &[u8]| bytes.iter().map(|&byte| alphabet[usize::from(byte)]).collect::<String>();
        let mut texts: Vec<String> = vocab.tokens.iter().map(|token| spelt(token)).collect();
        texts[0] = BpeVocab::UNKNOWN_TEXT.to_owned();
        let merges: Value =
            vocab.merges.iter().map(|&(a, b)| json!([texts[a as usize], texts[b as usize]])).collect();
        let mut document = frame();
        document["model"]["vocab"] =
            texts.into_iter().zip(0..).map(|(text, id)| (text, Value::from(id))).collect();
        document["model"]["merges"] = merges;
        Value::Object(document)
    }
}

fn cut(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

fn foreign(part: &str, got: &Value) -> Error {
    Error::BpeJson { part: part.to_owned(), got: cut(&got.to_string()) }
}

fn damaged(position: usize, entry: &str, problem: &'static str) -> Error {
    Error::Vocabulary { position, entry: cut(entry), problem }
}
