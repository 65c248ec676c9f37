//! Vocabularies and tokenizers: their files, and how they encode and decode text.

use crate::json;
use refrain::codec::{Codec, Level, VocabOptions};
use refrain::{
    BpeVocab, CharVocab, MatrixMode, Tokenizer, TokenizerConfig, WordOptions, WordSplit, WordVocab,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Maximum characters of a text to encode: encoding is linear, and long texts only slow fuzzing down.
const LONG: usize = 4096;
/// Maximum columns of a matrix. The number of rows, and so the memory, is up to the caller.
const MAX_COLUMNS: usize = 1 << 12;

/// Asserts what holds for any vocabulary: it survives a round trip through its JSON; its ids are below its size, and
/// each can be shown; decoding ids one by one gives the same text as decoding them at once. Character vocabularies
/// give back every known character, and U+FFFD for unknown ones; subword vocabularies give back every text.
pub(crate) fn check_codec(codec: &Codec, text: &str) {
    let stored = serde_json::to_value(codec).expect("a vocabulary can be written");
    let read: Codec = serde_json::from_value(stored).expect("what was written can be read");
    assert_eq!(read, *codec);
    let (ids, size) = (codec.encode(text), codec.vocab_size());
    let mut decoder = codec.decoder(None);
    let mut one_by_one = String::new();
    for &id in &ids {
        assert!((id as usize) < size && codec.show(id).is_some(), "{id} of {size}");
        assert_eq!(codec.token_bytes(id).is_none(), id == 0);
        decoder.push(id, &mut one_by_one).expect("an id of the vocabulary");
    }
    let beyond = u32::try_from(size).expect("ids have 32 bits");
    assert!(codec.show(beyond).is_none() && decoder.push(beyond, &mut String::new()).is_err());
    assert!(codec.encode_prompt(text).iter().all(|&id| (id as usize) < size));
    assert!(!codec.encode_prompt(text).is_empty());
    let at_once = match codec {
        Codec::Char(v) => v.decode(&ids),
        Codec::Word(v) => v.decode(&ids),
        Codec::Bpe(v) => v.decode(&ids),
    }
    .expect("ids of the vocabulary");
    assert_eq!(one_by_one, at_once);
    match codec {
        Codec::Char(v) => {
            let known = |c| if v.id(c) == CharVocab::UNKNOWN { char::REPLACEMENT_CHARACTER } else { c };
            assert_eq!(at_once, text.chars().map(known).collect::<String>());
        }
        Codec::Word(_) => {}
        Codec::Bpe(_) => assert_eq!(at_once, text),
    }
}

/// Reads a `tokenizer.json`, or only the tables, as in `{"vocab": {"ab": 257}, "merges": [["a", "b"]]}`, which are
/// added to the 257 entries that every vocabulary has.
///
/// Asserts that the vocabulary and its JSON survive a round trip, and that every text is decoded from its ids
/// unchanged.
pub fn bpe_json(bytes: &[u8]) {
    let text = json::text(bytes, LONG);
    let vocab = match json::parse::<Value>(bytes) {
        Some(Value::Object(tables)) if !tables.contains_key("model") => {
            let mut document = SMALLEST.clone();
            let model = &mut document["model"];
            if let (Some(all), Some(Value::Object(more))) =
                (model["vocab"].as_object_mut(), tables.get("vocab"))
            {
                all.extend(more.clone());
            }
            model["merges"] = tables.get("merges").cloned().unwrap_or_else(|| json!([]));
            BpeVocab::try_from(document)
        }
        _ => match std::str::from_utf8(bytes) {
            Ok(json) => BpeVocab::from_json(json),
            Err(_) => return,
        },
    };
    let Ok(vocab) = vocab else { return };
    let written = vocab.to_json();
    let again = BpeVocab::from_json(&written).expect("what was written can be read");
    assert_eq!(again, vocab);
    assert_eq!(again.to_json(), written);
    let codec = Codec::Bpe(vocab);
    check_codec(&codec, &text);
    check_codec(&codec, " a row,  a row\n\u{e4}\u{1f6f6}");
}

static SMALLEST: LazyLock<Value> = LazyLock::new(|| {
    let Ok(Codec::Bpe(vocab)) = Codec::from_text("", Level::Bpe, &VocabOptions::default()) else {
        unreachable!("an empty text has the bytes' vocabulary")
    };
    vocab.into()
});

/// Reads the JSON of a Keras tokenizer.
///
/// Asserts that the tokenizer and its JSON survive a round trip; that sequences contain only ids of its words, below
/// `num_words` except for the unknown word's; and that further texts and sequences never fail, before or after
/// counting.
pub fn keras_tokenizer(bytes: &[u8]) {
    let Ok(json) = std::str::from_utf8(bytes) else { return };
    let Ok(mut tokenizer) = Tokenizer::from_json(json) else { return };
    comes_back(&tokenizer);
    let mut text = json::text(bytes, 512).into_owned();
    for (word, _) in tokenizer.word_index().take(20) {
        text += " ";
        text += word;
    }
    check_sequences(&tokenizer, &text);
    tokenizer.fit_on_texts([&text]);
    comes_back(&tokenizer);
    check_sequences(&tokenizer, &text);
}

/// Builds the vocabulary of a text. Refrain's own method goes through every character there is, which is negligible
/// for a corpus but too slow for thousands of texts per second. It is compared with this one for a small sample of
/// the texts.
fn characters(text: &str) -> CharVocab {
    let sorted: BTreeSet<char> = text.chars().collect();
    let vocab = CharVocab::try_from(sorted.into_iter().collect::<String>()).expect("they ascend");
    if text.len().is_multiple_of(64) {
        assert_eq!(CharVocab::from_texts([text]), vocab);
    }
    vocab
}

fn comes_back(tokenizer: &Tokenizer) {
    let written = tokenizer.to_json();
    let again = Tokenizer::from_json(&written).expect("what was written can be read");
    assert_eq!(again, *tokenizer);
    assert_eq!(again.to_json(), written);
}

fn check_sequences(tokenizer: &Tokenizer, text: &str) {
    let config = tokenizer.config();
    let oov = config.oov_token.as_deref().and_then(|word| tokenizer.id(word));
    let limit = config.num_words.filter(|&n| n > 0).unwrap_or(usize::MAX);
    let sequences = tokenizer.texts_to_sequences([text, "", "a row, a boat"]);
    for &id in sequences.iter().flatten() {
        assert!((id as usize) < limit || Some(id) == oov, "{id} of {limit}");
        assert!((id as usize) < tokenizer.vocab_size());
    }
    assert_eq!(tokenizer.sequences_to_texts(&sequences).len(), 3);
    let columns = config.num_words.filter(|&n| n > 0).unwrap_or(tokenizer.vocab_size());
    if columns <= MAX_COLUMNS {
        for mode in [MatrixMode::Binary, MatrixMode::Count, MatrixMode::Freq, MatrixMode::TfIdf] {
            let Ok(matrix) = tokenizer.sequences_to_matrix(&sequences, mode) else { continue };
            assert_eq!(matrix.nrows(), 3);
            assert!(matrix.iter().all(|x| x.is_finite()), "{mode:?}");
        }
    }
}

/// Reads a text, as UTF-8 with invalid bytes replaced: builds vocabularies of it, and encodes it with those of
/// another text.
///
/// Asserts everything in [`check_codec`]; that vocabularies of its own characters give it back unchanged; that a text
/// whose only blanks are single spaces within a line is given back by a word vocabulary; and that re-encoding the
/// text of Keras's sequences gives the same sequences.
pub fn text_round_trip(bytes: &[u8]) {
    let text = &json::text(bytes, LONG)[..];
    let of = |level, words| Codec::from_text(text, level, &VocabOptions { words, vocab: None });
    let known = Codec::Char(characters(text));
    assert!(!known.encode(text).contains(&CharVocab::UNKNOWN));
    check_codec(&known, text);
    for split in [WordSplit::Punctuation, WordSplit::Whitespace, WordSplit::Keras] {
        for lowercase in [false, true] {
            let options = WordOptions { split, lowercase, ..WordOptions::default() };
            let codec = of(Level::Word, options).expect("words of any text");
            check_codec(&codec, text);
            let ids = codec.encode(text);
            assert!(!ids.contains(&WordVocab::UNKNOWN) || split == WordSplit::Whitespace);
        }
    }
    let one_space = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    let one_space = one_space.collect::<Vec<_>>().join("\n");
    let words = WordVocab::from_texts([&one_space], WordOptions::default()).expect("words of any text");
    assert_eq!(words.decode(&words.encode(&one_space)).expect("its own ids"), one_space);
    for codec in OTHERS.iter() {
        check_codec(codec, text);
    }
    for (char_level, oov_token) in [(false, None), (true, None), (false, Some("?".to_owned()))] {
        let config = TokenizerConfig { char_level, oov_token, ..TokenizerConfig::default() };
        let mut tokenizer = Tokenizer::new(config).expect("the options are good");
        tokenizer.fit_on_texts([text]);
        comes_back(&tokenizer);
        check_sequences(&tokenizer, text);
        let sequences = tokenizer.texts_to_sequences([text]);
        if !char_level {
            let texts = tokenizer.sequences_to_texts(&sequences);
            assert_eq!(tokenizer.texts_to_sequences(&texts), sequences);
        }
    }
}

static OTHERS: LazyLock<Vec<Codec>> = LazyLock::new(others);

/// Returns vocabularies of a text other than the one they are tested on.
pub(crate) fn others() -> Vec<Codec> {
    const SONG: &str = "Row, row, row your boat,\nGently down the stream.\n\"Merrily\" (so it goes), \
        merrily: life's but a dream -- isn't it?\n<unk> in the n't 's @-@ -lrb- boat 🛶\n";
    let splits = [WordSplit::Punctuation, WordSplit::Whitespace, WordSplit::Keras];
    let words = splits.map(|split| (Level::Word, WordOptions { split, ..WordOptions::default() }));
    let all = words.into_iter().chain([Level::Char, Level::Bpe].map(|level| (level, WordOptions::default())));
    all.map(|(level, words)| {
        let vocab = (level == Level::Bpe).then_some(300);
        Codec::from_text(SONG, level, &VocabOptions { words, vocab }).expect("the options are good")
    })
    .collect()
}
