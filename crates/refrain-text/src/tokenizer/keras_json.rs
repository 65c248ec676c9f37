//! The JSON format of Keras's `Tokenizer.to_json()` and `tokenizer_from_json`, whose tables are JSON inside
//! strings.

use super::ordered::OrderedMap;
use super::{Tally, Tokenizer, TokenizerConfig};
use crate::error::{Error, Result};
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::{HashMap, HashSet};
use std::marker::PhantomData;
use std::sync::Arc;

const CLASS_NAME: &str = "Tokenizer";

#[derive(Serialize, Deserialize)]
pub(super) struct Document {
    class_name: String,
    config: Fields,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    num_words: Option<usize>,
    filters: String,
    lower: bool,
    split: String,
    char_level: bool,
    oov_token: Option<String>,
    document_count: u64,
    word_counts: String,
    word_docs: String,
    index_docs: String,
    index_word: String,
    word_index: String,
}

impl Tokenizer {
    /// Returns the tokenizer in the JSON format of Keras's `Tokenizer.to_json()`, which `tokenizer_from_json`
    /// reads. Serde writes the same.
    pub fn to_json(&self) -> String {
        serde_json::to_string(&Document::from(self.clone()))
            .expect("strings, numbers and booleans are always JSON")
    }

    /// Reads a tokenizer that was written by Keras's `Tokenizer.to_json()` or by [`to_json`](Self::to_json).
    ///
    /// # Errors
    ///
    /// If the input differs from what Keras writes: it is not JSON, fields are missing or unknown, a table has a
    /// word or an id twice or an id far above the number of words, the tables of counts have different words, or
    /// the `oov_token` has no id.
    ///
    /// ```
    /// use refrain_text::Tokenizer;
    ///
    /// let mut tokenizer = Tokenizer::default();
    /// tokenizer.fit_on_texts(["the sea and the sky"]);
    /// assert_eq!(Tokenizer::from_json(&tokenizer.to_json())?, tokenizer);
    /// assert!(Tokenizer::from_json("{}").is_err());
    /// # Ok::<(), refrain_text::Error>(())
    /// ```
    pub fn from_json(json: &str) -> Result<Self> {
        let document: Document = serde_json::from_str(json)
            .map_err(|source| Error::TokenizerJson { part: "the document", source })?;
        document.try_into()
    }
}

impl From<Tokenizer> for Document {
    fn from(tokenizer: Tokenizer) -> Self {
        let index_word =
            tokenizer.word_index.iter().filter_map(|(_, id)| Some((id, &**tokenizer.index_word.get(id)?)));
        // Words for which an edited JSON has an id, but which are not the words of that id.
        let mut others: Vec<u32> = {
            let known: HashSet<u32> = tokenizer.word_index.iter().map(|(_, &id)| id).collect();
            tokenizer.index_word.keys().copied().filter(|id| !known.contains(id)).collect()
        };
        others.sort_unstable();
        let others = others.iter().map(|id| (id, &*tokenizer.index_word[id]));
        let fields = Fields {
            document_count: tokenizer.document_count,
            word_counts: table(tokenizer.word_counts()),
            word_docs: table(tokenizer.word_docs()),
            index_docs: table(tokenizer.index_docs.iter()),
            index_word: table(index_word.chain(others)),
            word_index: table(tokenizer.word_index()),
            num_words: tokenizer.config.num_words,
            filters: tokenizer.config.filters,
            lower: tokenizer.config.lower,
            split: tokenizer.config.split,
            char_level: tokenizer.config.char_level,
            oov_token: tokenizer.config.oov_token,
        };
        Self { class_name: CLASS_NAME.to_owned(), config: fields }
    }
}

impl TryFrom<Document> for Tokenizer {
    type Error = Error;

    fn try_from(Document { class_name, config: fields }: Document) -> Result<Self> {
        if class_name != CLASS_NAME {
            return Err(Error::TokenizerClass { got: class_name });
        }
        let mut tokenizer = Tokenizer::new(TokenizerConfig {
            num_words: fields.num_words,
            filters: fields.filters,
            lower: fields.lower,
            split: fields.split,
            char_level: fields.char_level,
            oov_token: fields.oov_token,
        })?;
        tokenizer.document_count = fields.document_count;
        tokenizer.tallies =
            tallies(parse("word_counts", &fields.word_counts)?, parse("word_docs", &fields.word_docs)?)?;
        tokenizer.word_index = word_index(parse("word_index", &fields.word_index)?)?;
        tokenizer.index_word = index_word(parse("index_word", &fields.index_word)?)?;
        tokenizer.index_docs = parse("index_docs", &fields.index_docs)?.into_iter().collect();
        check_oov(&tokenizer)?;
        Ok(tokenizer)
    }
}

fn tallies(counts: Vec<(String, u64)>, documents: Vec<(String, u64)>) -> Result<OrderedMap<Tally>> {
    let mut tallies = OrderedMap::default();
    for (word, count) in counts {
        if tallies.get(&word).is_some() {
            return Err(wrong("word_counts", word, "the word appears twice"));
        }
        tallies.insert(word.into(), Tally { count, documents: 0, last_document: 0 });
    }
    let mut seen = HashSet::with_capacity(tallies.len());
    for (word, documents) in documents {
        let Some(tally) = tallies.get_mut(&word) else {
            return Err(wrong("word_docs", word, "the word is not in word_counts"));
        };
        tally.documents = documents;
        if let Some(word) = seen.replace(word) {
            return Err(wrong("word_docs", word, "the word appears twice"));
        }
    }
    if let Some((word, _)) = tallies.iter().find(|(word, _)| !seen.contains(&***word)) {
        return Err(wrong("word_counts", word.to_string(), "the word is not in word_docs"));
    }
    Ok(tallies)
}

fn word_index(pairs: Vec<(String, u32)>) -> Result<OrderedMap<u32>> {
    let largest = pairs.len() + 1;
    let mut ids = HashSet::with_capacity(pairs.len());
    let mut index = OrderedMap::default();
    for (word, id) in pairs {
        if id as usize > largest {
            return Err(wrong("word_index", word, "its id is far above the number of words"));
        }
        if !ids.insert(id) {
            return Err(wrong("word_index", word, "another word has the same id"));
        }
        if index.get(&word).is_some() {
            return Err(wrong("word_index", word, "the word appears twice"));
        }
        index.insert(word.into(), id);
    }
    Ok(index)
}

/// Returns the words by id. Edited tokenizers may give two ids the same word, or the padding id a word; Keras reads
/// them too.
fn index_word(pairs: Vec<(u32, String)>) -> Result<HashMap<u32, Arc<str>>> {
    let mut words = HashMap::with_capacity(pairs.len());
    for (id, word) in pairs {
        if words.insert(id, word.into()).is_some() {
            return Err(wrong("index_word", id.to_string(), "the id appears twice"));
        }
    }
    Ok(words)
}

/// Checks that the `oov_token` has an id, which sequences need once any text is counted.
fn check_oov(tokenizer: &Tokenizer) -> Result<()> {
    let Some(oov) = &tokenizer.config.oov_token else { return Ok(()) };
    if tokenizer.word_index.is_empty() {
        return Ok(());
    }
    match tokenizer.id(oov) {
        None => Err(wrong("word_index", oov.clone(), "it is the oov_token but has no id")),
        Some(id) if tokenizer.word(id).is_none() => {
            Err(wrong("index_word", id.to_string(), "it is the oov_token's id but has no word"))
        }
        Some(_) => Ok(()),
    }
}

fn wrong(table: &'static str, entry: String, problem: &'static str) -> Error {
    Error::TokenizerTable { table, entry, problem }
}

fn table<K: Serialize, V: Serialize>(pairs: impl Iterator<Item = (K, V)>) -> String {
    let mut out = Vec::new();
    serde_json::Serializer::new(&mut out)
        .collect_map(pairs)
        .expect("writing to memory does not fail, and the keys are strings or integers");
    String::from_utf8(out).expect("serde_json writes UTF-8")
}

fn parse<K: DeserializeOwned, V: DeserializeOwned>(part: &'static str, json: &str) -> Result<Vec<(K, V)>> {
    serde_json::from_str::<Pairs<K, V>>(json)
        .map(|Pairs(pairs)| pairs)
        .map_err(|source| Error::TokenizerJson { part, source })
}

/// The entries of a JSON object in their own order, which breaks ties when more texts are counted, with repeated
/// keys kept.
struct Pairs<K, V>(Vec<(K, V)>);

impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Pairs<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor(PhantomData))
    }
}

struct PairsVisitor<K, V>(PhantomData<(K, V)>);

impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Visitor<'de> for PairsVisitor<K, V> {
    type Value = Pairs<K, V>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a table (a JSON object)")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Pairs(pairs))
    }
}
