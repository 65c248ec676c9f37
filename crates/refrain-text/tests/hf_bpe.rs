//! Byte-pair encoding gives the results of Hugging Face's `tokenizers`, stored in `fixtures/hf_bpe.json`.

use refrain_text::{BpeOptions, BpeVocab, Result};
use serde::Deserialize;
use serde_json::Value;

const SONGBOOK: &str = include_str!("../../refrain-cli/data/songbook.txt");

#[derive(Deserialize)]
struct Golden {
    tokenizer: Value,
    cases: Vec<Case>,
    lossy: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    ids: Vec<u32>,
}

fn golden() -> Golden {
    let golden = include_str!("../../../fixtures/hf_bpe.json");
    serde_json::from_str(golden).expect("fixtures/hf_bpe.json is what hf_bpe.py writes")
}

#[test]
fn the_same_text_gives_the_same_tokens_and_merges() -> Result<()> {
    let golden = golden();
    let theirs = BpeVocab::try_from(golden.tokenizer.clone())?;
    assert_eq!(theirs.vocab_size(), 420);
    let options = BpeOptions { vocab_size: 420, ..BpeOptions::default() };
    let ours = BpeVocab::train([Ok(SONGBOOK)], &options)?;
    assert!(ours == theirs);
    assert_eq!(Value::from(ours), golden.tokenizer);
    Ok(())
}

#[test]
fn ids_and_texts_match() -> Result<()> {
    let golden = golden();
    let vocab = BpeVocab::try_from(golden.tokenizer)?;
    for Case { text, ids } in &golden.cases {
        assert_eq!(vocab.encode(text), *ids, "{text:?}");
    }
    for Case { text, ids } in golden.cases.iter().chain(&golden.lossy) {
        assert_eq!(vocab.decode(ids)?, *text);
    }
    assert!(golden.lossy.iter().any(|case| case.text.contains('\u{FFFD}')));
    Ok(())
}
