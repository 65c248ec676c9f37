use super::*;
use ndarray::{Array2, array};
use proptest::prelude::*;
use serde_json::Value;

/// Relative to the value: Keras computes in f64, this crate returns f32.
const F32_TOLERANCE: f64 = 1e-6;

fn fitted(config: TokenizerConfig, texts: &[&str]) -> Tokenizer {
    let mut tokenizer = Tokenizer::new(config).expect("valid options");
    tokenizer.fit_on_texts(texts);
    tokenizer
}

fn with_oov(oov: &str) -> TokenizerConfig {
    TokenizerConfig { oov_token: Some(oov.to_owned()), ..Default::default() }
}

fn assert_matrix(got: &Array2<f32>, wanted: &Array2<f64>, what: &str) {
    assert_eq!(got.dim(), wanted.dim(), "{what}");
    for (&got, &wanted) in got.iter().zip(wanted) {
        let error = (f64::from(got) - wanted).abs();
        assert!(error <= F32_TOLERANCE * wanted.abs(), "{what}: {got}, expected {wanted}");
    }
}

/// Returns the document with its tables parsed.
fn unfolded(json: &str) -> Value {
    let mut document: Value = serde_json::from_str(json).expect("JSON");
    for table in ["word_counts", "word_docs", "index_docs", "index_word", "word_index"] {
        let folded = &mut document["config"][table];
        *folded =
            serde_json::from_str(folded.as_str().expect("a table is a string")).expect("a table is JSON");
    }
    document
}

/// Returns the keys of a table in document order.
fn keys(json: &str, table: &str) -> Vec<String> {
    let document: Value = serde_json::from_str(json).expect("JSON");
    let table = document["config"][table].as_str().expect("a table is a string");
    let mut keys: Vec<(usize, String)> = serde_json::from_str::<HashMap<String, Value>>(table)
        .expect("a table is JSON")
        .into_keys()
        .map(|key| {
            (table.find(&format!("{}:", serde_json::json!(key))).expect("the key is in the table"), key)
        })
        .collect();
    keys.sort();
    keys.into_iter().map(|(_, key)| key).collect()
}

#[test]
fn tables_are_written_in_order() {
    let tokenizer = fitted(with_oov("<OOV>"), &["b a a", "c"]);
    let json = tokenizer.to_json();
    assert_eq!(keys(&json, "word_counts"), ["b", "a", "c"]);
    assert_eq!(keys(&json, "word_index"), ["<OOV>", "a", "b", "c"]);
    assert_eq!(keys(&json, "index_word"), ["1", "2", "3", "4"]);
}

#[test]
fn ties_are_ordered_by_first_appearance_also_after_loading() -> Result<()> {
    let mut tokenizer = fitted(TokenizerConfig::default(), &["zebra apple", "mango apple zebra"]);
    let loaded = Tokenizer::from_json(&tokenizer.to_json());
    tokenizer.fit_on_texts(["mango"]);
    let mut loaded = loaded?;
    loaded.fit_on_texts(["mango"]);
    for tokenizer in [tokenizer, loaded] {
        let words: Vec<_> = tokenizer.word_index().collect();
        assert_eq!(words, [("zebra", 1), ("apple", 2), ("mango", 3)]);
    }
    Ok(())
}

#[test]
fn tfidf_matches_the_reference() -> Result<()> {
    let config = TokenizerConfig { num_words: Some(4), ..with_oov("<OOV>") };
    let tokenizer = fitted(config, &["the cat sat", "the dog sat down"]);
    let row = tokenizer.texts_to_matrix(["the the sat cat"], MatrixMode::TfIdf)?;
    let wanted = array![[0.0, 1.098_612_3, 0.864_902_9, 0.510_825_6]];
    assert_matrix(&row, &wanted, "rounded to seven places");
    Ok(())
}

#[test]
fn freq_counts_ids_beyond_the_columns() -> Result<()> {
    let tokenizer = Tokenizer::new(TokenizerConfig { num_words: Some(3), ..Default::default() })?;
    let row = tokenizer.sequences_to_matrix(&[[0, 1, 1, 7]], MatrixMode::Freq)?;
    assert_eq!(row, array![[0.25, 0.5, 0.0]]);
    Ok(())
}

#[test]
fn without_texts_there_are_no_columns_and_no_frequencies() -> Result<()> {
    let empty = Tokenizer::default();
    assert!(matches!(empty.texts_to_matrix(["a"], MatrixMode::Count), Err(Error::NotFitted { .. })));
    let sized = Tokenizer::new(TokenizerConfig { num_words: Some(2), ..Default::default() })?;
    assert!(matches!(sized.texts_to_matrix(["a"], MatrixMode::TfIdf), Err(Error::NotFitted { .. })));
    assert_eq!(sized.texts_to_matrix(["a"], MatrixMode::Count)?, array![[0.0, 0.0]]);
    let huge = Tokenizer::new(TokenizerConfig { num_words: Some(usize::MAX), ..Default::default() })?;
    assert!(matches!(huge.texts_to_matrix(["a"], MatrixMode::Count), Err(Error::TooLarge { .. })));
    assert_eq!((empty.vocab_size(), empty.texts_to_sequences(["a"])), (1, vec![vec![]]));
    assert_eq!(Tokenizer::new(with_oov("?"))?.texts_to_sequences(["a"]), [[0_u32; 0]]);
    Ok(())
}

#[test]
fn sequences_count_as_documents() -> Result<()> {
    let mut tokenizer = Tokenizer::new(TokenizerConfig { num_words: Some(3), ..Default::default() })?;
    tokenizer.fit_on_sequences([vec![1, 1, 2], vec![1]]);
    let row = tokenizer.sequences_to_matrix(&[[1, 2]], MatrixMode::TfIdf)?;
    // ln(1 + 2/3) and ln(1 + 2/2).
    assert_matrix(&row, &array![[0.0, 0.510_825_623_8, std::f64::consts::LN_2]], "two documents");
    Ok(())
}

#[test]
fn tokens_bypass_filters_but_not_lower() {
    let mut tokenizer = Tokenizer::default();
    tokenizer.fit_on_tokens([["New York", "a,b"], ["new york", ""]]);
    assert!(tokenizer.word_index().eq([("new york", 1), ("a,b", 2), ("", 3)]));
    assert_eq!(tokenizer.tokens_to_sequences([["A,B", "New York", "x"]]), [[2, 1]]);
    assert!(tokenizer.word_docs().eq([("new york", 2), ("a,b", 1), ("", 1)]));
}

#[test]
fn an_oov_token_among_the_words_still_fits_the_vocabulary() {
    let tokenizer = fitted(with_oov("the"), &["the the cat"]);
    assert!(tokenizer.word_index().eq([("the", 2), ("cat", 3)]));
    assert_eq!(tokenizer.vocab_size(), 4);
    assert_eq!(tokenizer.texts_to_sequences(["dog cat"]), [[2, 3]]);
}

#[test]
fn an_empty_split_is_rejected_unless_characters_are_tokens() {
    let config = |char_level| TokenizerConfig { split: String::new(), char_level, ..Default::default() };
    assert!(Tokenizer::new(config(false)).is_err_and(|e| e.option_at_fault() == Some("split")));
    assert!(Tokenizer::new(config(true)).is_ok());
}

#[test]
fn words_are_split_as_in_python() {
    let words = |text| text_to_word_sequence(text, DEFAULT_FILTERS, true, " ");
    assert_eq!(words("ΟΔΟΣ ΟΔΟΣ. Σ"), ["οδος", "οδος", "σ"]);
    assert_eq!(words("a\u{a0}b\rc  d"), ["a\u{a0}b\rc", "d"]);
    assert_eq!(text_to_word_sequence("xaby", "x", false, "ab"), ["y"]);
    assert_eq!(text_to_word_sequence("aab", "a", false, "aa"), ["b"]);
    assert_eq!(text_to_word_sequence("a.b", ".", false, ""), ["ab"]);
    assert_eq!(words(""), [""; 0]);
}

/// Returns a valid document with one config field replaced.
fn edited(field: &str, value: Value) -> Result<Tokenizer> {
    let tokenizer = fitted(with_oov("<OOV>"), &["b a a", "c"]);
    let mut document: Value = serde_json::from_str(&tokenizer.to_json()).expect("JSON");
    document["config"][field] = value;
    Tokenizer::from_json(&document.to_string())
}

#[test]
fn hostile_json_gives_typed_errors() {
    let part = |field: &str, value: Value| match edited(field, value) {
        Err(Error::TokenizerJson { part, .. }) => part,
        other => panic!("{field}: expected a JSON error, got {other:?}"),
    };
    assert_eq!(part("num_words", (-1).into()), "the document");
    assert_eq!(part("filters", Value::Null), "the document");
    assert_eq!(part("analyzer", "x".into()), "the document");
    assert_eq!(part("word_counts", "[]".into()), "word_counts");
    assert_eq!(part("word_docs", r#"{"a":-1}"#.into()), "word_docs");
    assert_eq!(part("index_docs", r#"{"x":1}"#.into()), "index_docs");
    assert_eq!(part("index_word", r#"{"1":2}"#.into()), "index_word");
    assert_eq!(part("word_index", r#"{"a":4294967296}"#.into()), "word_index");
    assert_eq!(part("word_index", "{".into()), "word_index");

    let table = |field: &str, value: &str| match edited(field, value.into()) {
        Err(Error::TokenizerTable { table, entry, .. }) => (table, entry),
        other => panic!("{field}: expected a table error, got {other:?}"),
    };
    let at = |table, entry: &str| (table, entry.to_owned());
    assert_eq!(table("word_counts", r#"{"a":1,"a":1}"#), at("word_counts", "a"));
    assert_eq!(table("word_counts", r#"{"a":1,"b":1,"c":1,"d":1}"#), at("word_counts", "d"));
    assert_eq!(table("word_docs", r#"{"a":1,"b":1,"c":1,"d":1}"#), at("word_docs", "d"));
    assert_eq!(table("word_docs", r#"{"a":1,"b":1,"c":1,"b":1}"#), at("word_docs", "b"));
    assert_eq!(table("word_index", r#"{"<OOV>":1,"a":4000000000}"#), at("word_index", "a"));
    assert_eq!(table("word_index", r#"{"<OOV>":1,"a":1}"#), at("word_index", "a"));
    assert_eq!(table("word_index", r#"{"<OOV>":1,"a":2,"a":3}"#), at("word_index", "a"));
    assert_eq!(table("word_index", r#"{"a":2}"#), at("word_index", "<OOV>"));
    assert_eq!(table("index_word", r#"{"2":"a"}"#), at("index_word", "1"));
    assert_eq!(table("index_word", r#"{"1":"<OOV>","1":"a"}"#), at("index_word", "1"));

    assert!(edited("split", "".into()).is_err_and(|e| e.option_at_fault() == Some("split")));
    let other = r#"{"class_name":"Dense","config":{}}"#;
    assert!(matches!(Tokenizer::from_json(other), Err(Error::TokenizerJson { .. })));
    let other = fitted(TokenizerConfig::default(), &["a"]).to_json().replace("\"Tokenizer\"", "\"Dense\"");
    assert!(matches!(Tokenizer::from_json(&other), Err(Error::TokenizerClass { got }) if got == "Dense"));
    for json in ["", "null", "[]", "{}", "{\"class_name\":\"Tokenizer\"}", &"[".repeat(10_000)] {
        assert!(matches!(Tokenizer::from_json(json), Err(Error::TokenizerJson { .. })));
    }
}

#[test]
fn extreme_counts_neither_overflow_nor_panic() -> Result<()> {
    let max = u64::MAX.to_string();
    for field in ["word_counts", "word_docs"] {
        let mut tokenizer = edited(field, format!(r#"{{"a":{max},"b":{max},"c":0}}"#).into())?;
        tokenizer.fit_on_texts(["a b"]);
        assert!(tokenizer.texts_to_matrix(["a b c"], MatrixMode::TfIdf)?.iter().all(|v| v.is_finite()));
    }
    let mut tokenizer = edited("document_count", u64::MAX.into())?;
    tokenizer.fit_on_texts(["a", "a"]);
    assert_eq!(tokenizer.document_count(), u64::MAX);
    Ok(())
}

#[test]
fn a_tokenizer_edited_by_hand_is_read_as_in_keras() -> Result<()> {
    let index = r#"{"<OOV>":1,"a":2,"b":3,"c":4,"<pad>":0}"#;
    let tokenizer = edited("word_index", index.into())?;
    assert_eq!((tokenizer.id("<pad>"), tokenizer.vocab_size()), (Some(0), 5));
    let words = r#"{"0":"<pad>","1":"<OOV>","2":"a","3":"b","4":"c"}"#;
    let tokenizer = edited("index_word", words.into())?;
    assert_eq!(tokenizer.sequences_to_texts([[2, 0]]), ["a <pad>"]);
    assert_eq!(unfolded(&tokenizer.to_json())["config"]["index_word"]["0"], "<pad>");
    Ok(())
}

fn any_config() -> impl Strategy<Value = TokenizerConfig> {
    (any::<Option<u8>>(), "[ab.,é]{0,3}", any::<bool>(), "[ a]{1,2}", any::<bool>(), any::<Option<char>>())
        .prop_map(|(num_words, filters, lower, split, char_level, oov)| TokenizerConfig {
            num_words: num_words.map(usize::from),
            filters,
            lower,
            split,
            char_level,
            oov_token: oov.map(String::from),
        })
}

proptest! {
    #[test]
    fn load_undoes_save(config in any_config(), texts: Vec<String>, more in "[ab ]{0,20}") {
        let mut tokenizer = Tokenizer::new(config)?;
        tokenizer.fit_on_texts(&texts);
        let mut loaded = Tokenizer::from_json(&tokenizer.to_json())?;
        prop_assert_eq!(loaded.to_json(), tokenizer.to_json());
        let by_serde: Tokenizer = serde_json::from_str(&serde_json::to_string(&tokenizer)?)?;
        prop_assert_eq!(&by_serde, &loaded);
        for tokenizer in [&mut tokenizer, &mut loaded] {
            tokenizer.fit_on_texts([&more]);
        }
        prop_assert_eq!(loaded.to_json(), tokenizer.to_json());
    }

    #[test]
    fn words_are_restored_from_ids(text in "[a-c]{1,2}( [a-c]{1,2}){0,30}") {
        let tokenizer = fitted(TokenizerConfig::default(), &[&text]);
        let ids = tokenizer.texts_to_sequences([&text]);
        prop_assert!(ids[0].iter().all(|&id| id > 0 && (id as usize) < tokenizer.vocab_size()));
        prop_assert_eq!(tokenizer.sequences_to_texts(&ids), [text]);
    }
}
