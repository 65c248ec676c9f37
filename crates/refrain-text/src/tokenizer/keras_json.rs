//! The JSON that `Tokenizer.to_json()` of Keras writes and `tokenizer_from_json` reads: tables are JSON inside strings.

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
    /// The tokenizer in the JSON of Keras's `Tokenizer.to_json()`, which `tokenizer_from_json` reads. Serde writes
    /// the same.
    pub fn to_json(&self) -> String {
        serde_json::to_string(&Document::from(self.clone()))
            .expect("strings, numbers and booleans are always JSON")
    }

    /// The tokenizer that Keras's `Tokenizer.to_json()`, or [`to_json`](Self::to_json), has written.
    ///
    /// # Errors
    ///
    /// A typed error for whatever Keras does not write: no JSON, fields missing or unknown, a table that names a word
    /// twice, an id twice or an id far beyond the number of words, tables of counts that name different words, an
    /// `oov_token` without an id.
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
        // Words that an edited JSON gave to an id without giving the id to the word.
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
            return Err(wrong("word_counts", word, "the word stands there twice"));
        }
        tallies.insert(word.into(), Tally { count, documents: 0, last_document: 0 });
    }
    let mut seen = HashSet::with_capacity(tallies.len());
    for (word, documents) in documents {
        let Some(tally) = tallies.get_mut(&word) else {
            return Err(wrong("word_docs", word, "word_counts does not name the word"));
        };
        tally.documents = documents;
        if let Some(word) = seen.replace(word) {
            return Err(wrong("word_docs", word, "the word stands there twice"));
        }
    }
    if let Some((word, _)) = tallies.iter().find(|(word, _)| !seen.contains(&***word)) {
        return Err(wrong("word_counts", word.to_string(), "word_docs does not name the word"));
    }
    Ok(tallies)
}

fn word_index(pairs: Vec<(String, u32)>) -> Result<OrderedMap<u32>> {
    let largest = pairs.len() + 1;
    let mut ids = HashSet::with_capacity(pairs.len());
    let mut index = OrderedMap::default();
    for (word, id) in pairs {
        if id as usize > largest {
            return Err(wrong("word_index", word, "its id lies far beyond the number of words"));
        }
        if !ids.insert(id) {
            return Err(wrong("word_index", word, "another word has the same id"));
        }
        if index.get(&word).is_some() {
            return Err(wrong("word_index", word, "the word stands there twice"));
        }
        index.insert(word.into(), id);
    }
    Ok(index)
}

/// Edited tokenizers give two ids the same word, or a word for the padding: Keras reads them, and so does this.
fn index_word(pairs: Vec<(u32, String)>) -> Result<HashMap<u32, Arc<str>>> {
    let mut words = HashMap::with_capacity(pairs.len());
    for (id, word) in pairs {
        if words.insert(id, word.into()).is_some() {
            return Err(wrong("index_word", id.to_string(), "the id stands there twice"));
        }
    }
    Ok(words)
}

/// Before any text an `oov_token` has no id yet; after that, sequences cannot do without.
fn check_oov(tokenizer: &Tokenizer) -> Result<()> {
    let Some(oov) = &tokenizer.config.oov_token else { return Ok(()) };
    if tokenizer.word_index.is_empty() {
        return Ok(());
    }
    match tokenizer.id(oov) {
        None => Err(wrong("word_index", oov.clone(), "it is the oov_token and has no id there")),
        Some(id) if tokenizer.word(id).is_none() => {
            Err(wrong("index_word", id.to_string(), "it is the oov_token's id and has no word there"))
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

/// A JSON object in its own order, which breaks ties when more texts are counted, with repeated keys visible.
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
