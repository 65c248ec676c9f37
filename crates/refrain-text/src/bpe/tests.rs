use super::document::alphabet;
use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::LazyLock;
use tokenizers::Tokenizer;

const SONGBOOK: &str = include_str!("../../../refrain-cli/data/songbook.txt");

static VOCAB: LazyLock<BpeVocab> = LazyLock::new(|| songbook(700));

fn songbook(vocab_size: usize) -> BpeVocab {
    let options = BpeOptions { vocab_size, ..BpeOptions::default() };
    BpeVocab::train([Ok(SONGBOOK)], &options).expect("the songbook is valid training text")
}

#[test]
fn the_first_ids_are_the_unknown_one_and_the_bytes() -> Result<()> {
    let none: [Result<&str>; 0] = [];
    let vocab = BpeVocab::train(none, &BpeOptions::default())?;
    assert_eq!(vocab.vocab_size(), BpeVocab::MIN_SIZE);
    assert_eq!(vocab.token(0), Some("<unk>".as_bytes()));
    let mut bytes: Vec<u8> = (1..257).flat_map(|id| vocab.token(id).unwrap_or_default()).copied().collect();
    assert_eq!(bytes[..3], *b"!\"#");
    bytes.sort_unstable();
    assert_eq!(bytes, (0..=255).collect::<Vec<u8>>());
    assert_eq!((vocab.token(257), vocab.encode("")), (None, vec![]));
    assert!(matches!(
        vocab.decode(&[1, 257]),
        Err(Error::UnknownId { id: 257, position: 1, vocab_size: 257 })
    ));
    Ok(())
}

#[test]
fn the_alphabet_matches_the_library() {
    let ours: std::collections::BTreeSet<char> = alphabet().into();
    assert_eq!(ours, ByteLevel::alphabet().into_iter().collect());
    assert_eq!((alphabet()[usize::from(b'\n')], alphabet()[usize::from(b' ')]), ('Ċ', 'Ġ'));
}

#[test]
fn pairs_are_merged_while_they_are_frequent_and_there_is_room() -> Result<()> {
    let learn = |vocab_size, min_frequency| {
        BpeVocab::train([Ok("aab aab aab\nab\n")], &BpeOptions { vocab_size, min_frequency })
    };
    let merged = |vocab: &BpeVocab| -> Vec<String> {
        vocab.tokens[257..].iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    };
    assert_eq!(merged(&learn(8000, 2)?), ["ab", "aab", " aab"]);
    assert_eq!(merged(&learn(8000, 3)?), ["ab", "aab"]);
    assert_eq!(merged(&learn(258, 2)?), ["ab"]);
    for (vocab_size, min_frequency) in [(256, 2), (BpeVocab::MAX_SIZE + 1, 2), (8000, 0)] {
        assert!(learn(vocab_size, min_frequency).is_err_and(|e| e.option_at_fault().is_some()));
    }
    let error = BpeVocab::train([Ok("a"), Err(Error::NoChoice { len: 7 })], &BpeOptions::default());
    assert!(matches!(error, Err(Error::NoChoice { len: 7 })));
    Ok(())
}

#[test]
fn the_unknown_token_can_occur_as_text() -> Result<()> {
    let text = "<unk> <unk>\n".repeat(50);
    let vocab = BpeVocab::train([Ok(&text)], &BpeOptions::default())?;
    let ids = vocab.encode(&text);
    assert!(!ids.contains(&BpeVocab::UNKNOWN), "{ids:?}");
    assert_eq!(vocab.decode(&ids)?, text);
    Ok(())
}

#[test]
fn a_text_can_be_trained_line_by_line() -> Result<()> {
    let options = BpeOptions { vocab_size: 700, ..BpeOptions::default() };
    let lines = BpeVocab::train(SONGBOOK.split_inclusive('\n').map(Ok), &options)?;
    assert_eq!(lines, *VOCAB);
    assert_eq!(lines.to_json(), VOCAB.to_json());
    Ok(())
}

/// Every hash table has its own random order, even within a process, so a tie that depends on one shows up here
/// sooner or later.
#[test]
fn the_same_text_gives_the_same_vocabulary_on_any_number_of_threads() {
    let alone = VOCAB.to_json();
    for threads in [1, 2, 3, 8] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
        assert!(pool.install(|| songbook(700)).to_json() == alone, "{threads} threads");
    }
    let ties: String = (0..3000u32).map(|i| format!("{:b} ", i.wrapping_mul(2_654_435_761) >> 20)).collect();
    let ties = ties.replace('0', "a").replace('1', "b");
    let learn = || BpeVocab::train([Ok(&ties)], &BpeOptions { vocab_size: 900, min_frequency: 1 });
    let first = learn().expect("the text is valid");
    for _ in 0..8 {
        assert!(learn().expect("the text is valid") == first);
    }
}

#[test]
fn any_long_line_round_trips() -> Result<()> {
    for part in [" ", "a", "! ", "\r", "🦀"] {
        let text = part.repeat(20_000) + "x";
        assert!(VOCAB.decode(&VOCAB.encode(&text))? == text, "{part:?}");
    }
    Ok(())
}

#[test]
fn files_round_trip_and_match_hugging_face() -> Result<()> {
    let json = VOCAB.to_json();
    let read = BpeVocab::from_json(&json)?;
    assert_eq!(read, *VOCAB);
    assert_eq!(read.to_json(), json);
    let theirs: Tokenizer = json.parse().expect("Hugging Face reads it");
    assert_eq!(theirs.get_vocab_size(true), VOCAB.vocab_size());
    for line in SONGBOOK.lines().take(300) {
        let ids = read.encode(line);
        assert_eq!(theirs.encode(line, true).expect("any text").get_ids(), ids, "{line}");
        assert_eq!(theirs.decode(&ids, false).expect("known ids"), line);
    }
    Ok(())
}

/// A document with one thing changed is rejected with a message that says what it is.
#[test]
fn other_and_damaged_tokenizers_are_rejected() {
    let whole: Value = serde_json::from_str(&VOCAB.to_json()).expect("JSON");
    let refused = |change: &dyn Fn(&mut Value), phrase: &str| {
        let mut document = whole.clone();
        change(&mut document);
        assert_ne!(document, whole, "{phrase}");
        let error = BpeVocab::try_from(document).expect_err(phrase);
        assert!(matches!(error, Error::BpeJson { .. } | Error::Vocabulary { .. }), "{error}");
        assert!(error.to_string().contains(phrase), "no `{phrase}` in {error}");
        assert!(error.to_string().len() < 400, "{error}");
    };
    refused(&|d| *d = json!([1]), "the document is [1]");
    refused(&|d| *d = json!({}), "is null");
    refused(&|d| d["model"]["type"] = json!("WordPiece"), "model is {");
    refused(&|d| d["model"]["unk_token"] = json!("<unk>"), "model is {");
    refused(&|d| d["normalizer"] = json!({"type": "Lowercase"}), "normalizer is {\"type\":\"Lowercase\"}");
    refused(&|d| d["pre_tokenizer"]["pretokenizers"][1]["use_regex"] = json!(false), "pre_tokenizer is");
    refused(&|d| d["added_tokens"] = json!([{"id": 0, "content": "<unk>"}]), "added_tokens is");
    refused(&|d| d["extra"] = json!(1), "extra is 1");
    refused(&|d| d["model"]["merges"] = Value::Null, "model.merges is null");
    refused(&|d| d["model"]["merges"][3] = json!("a b"), "model.merges[3]");
    refused(&|d| d["model"]["merges"] = json!([]), "no merge produces it");
    refused(&|d| d["model"]["merges"][3] = d["model"]["merges"][2].clone(), "twice");
    refused(&|d| d["model"]["merges"][0] = json!(["q", "x"]), "not in the vocabulary");
    refused(&|d| d["model"]["merges"][0] = json!(["<unk>", "x"]), "not in the vocabulary");
    refused(&|d| d["model"]["vocab"] = json!({"<unk>": 0}), "the size of model.vocab is 1");
    refused(&|d| d["model"]["vocab"] = json!(["<unk>"]), "model.vocab is");
    refused(&|d| d["model"]["vocab"]["a"] = json!(0), "model.vocab[");
    refused(&|d| d["model"]["vocab"]["a"] = json!(70_000), "model.vocab[\"a\"] is 70000");
    refused(&|d| d["model"]["vocab"]["a"] = json!(-1), "model.vocab[\"a\"] is -1");
    let swap = |d: &mut Value| {
        let vocab = &mut d["model"]["vocab"];
        (vocab["a"], vocab["b"]) = (vocab["b"].clone(), vocab["a"].clone());
    };
    refused(&swap, "come first");
    let misspelt = |d: &mut Value| {
        let vocab = d["model"]["vocab"].as_object_mut().expect("a table");
        let last = vocab.iter().find(|(_, id)| **id == 699).map(|(text, _)| text.clone()).expect("700 ids");
        vocab.remove(&last);
        vocab.insert("中".repeat(100), json!(699));
    };
    refused(&misspelt, "not written in the byte alphabet");
    // A merge of two empty tokens would produce it.
    let empty = |d: &mut Value| {
        d["model"]["vocab"][""] = json!(700);
        d["model"]["merges"].as_array_mut().expect("a list").push(json!(["", ""]));
    };
    refused(&empty, "cannot be empty");
    assert!(matches!(BpeVocab::from_json("{\"version\""), Err(Error::BpeJson { .. })));
}

fn any_text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => "[A-Za-zäß']{1,9}",
        4 => "[ ]{1,3}",
        1 => "[\\t\\r\u{a0}\u{2028}\u{85}]{1,3}",
        2 => "\n{1,2}",
        1 => "[0-9.,<>!-]{1,4}",
        2 => any::<String>(),
    ];
    proptest::collection::vec(part, 0..30).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn decode_undoes_encode_and_nothing_is_unknown(text in any_text()) {
        let ids = VOCAB.encode(&text);
        prop_assert!(!ids.contains(&BpeVocab::UNKNOWN));
        prop_assert_eq!(VOCAB.decode(&ids)?, text);
    }

    #[test]
    fn lines_have_the_same_tokens_as_the_text(text in any_text()) {
        let lines: Vec<u32> = text.split_inclusive('\n').flat_map(|line| VOCAB.encode(line)).collect();
        prop_assert_eq!(lines, VOCAB.encode(&text));
    }

    #[test]
    fn tokens_match_hugging_face(text in any_text()) {
        static THEIRS: LazyLock<Tokenizer> = LazyLock::new(|| VOCAB.to_json().parse().expect("Hugging Face reads it"));
        let theirs = THEIRS.encode(text.as_str(), true).expect("any text");
        prop_assert_eq!(theirs.get_ids(), VOCAB.encode(&text));
    }

    #[test]
    fn load_undoes_save_of_any_text(text in any_text()) {
        let vocab = BpeVocab::train([Ok(text.repeat(2))], &BpeOptions { vocab_size: 300, min_frequency: 1 })?;
        let stored = serde_json::to_string(&vocab)?;
        prop_assert_eq!(serde_json::from_str::<BpeVocab>(&stored)?, vocab);
    }
}

#[test]
fn long_pieces_are_cut_between_characters() {
    let pieces = |text: &str| {
        let mut pieces = Vec::new();
        pieces::for_each_piece(text, |piece| pieces.push(piece.chars().count()));
        pieces
    };
    let most = pieces::MAX_PIECE;
    assert_eq!(pieces(&"a".repeat(most)), [most]);
    assert_eq!(pieces(&"a".repeat(2 * most + 1)), [most, most, 1]);
    // Three bytes each: 170 characters fit into 512 bytes.
    assert_eq!(pieces(&"中".repeat(400)), [510, 510, 180]);
    let text = "ab中".repeat(3000) + " and " + &" ".repeat(2000) + "=".repeat(1500).as_str();
    assert_eq!(VOCAB.decode(&VOCAB.encode(&text)).unwrap(), text);
}

/// Merging one piece of this length took minutes.
#[test]
fn a_text_without_spaces_takes_time_in_proportion_to_its_length() {
    let text = "ACGTTGCA".repeat(50_000);
    let vocab = BpeVocab::train([Ok(&text)], &BpeOptions::default()).unwrap();
    assert_eq!(vocab.decode(&vocab.encode(&text)).unwrap(), text);
}
