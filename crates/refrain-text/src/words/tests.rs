use super::pieces::pieces;
use super::*;
use proptest::prelude::*;

fn vocab(text: &str) -> WordVocab {
    WordVocab::from_texts([text], WordOptions::default()).expect("the default options suit any text")
}

fn entries(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    for_each_word(&WordOptions::default(), text, |word| out.push(word.to_owned()));
    out
}

/// Single spaces, none at the ends of lines.
fn normalised(text: &str) -> String {
    let lines = text.split('\n').map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn words_marks_and_line_breaks_are_tokens() {
    assert_eq!(entries("Don't go,\r\n\n(yet)!"), ["Don't", "go", ", ", "\n", "\n", " (", "yet", ") ", "! "]);
    assert_eq!(entries("o’er well-nigh"), ["o’er", "well", "-", "nigh"]);
    assert_eq!(entries(" \t "), [""; 0]);
    assert_eq!(entries("naïve e\u{301}t नमस्ते 3.14 👍🏽"), ["naïve", "e\u{301}t", "नमस्ते", "3", ".", "14", "👍🏽"]);
}

#[test]
fn quotes_open_and_close() {
    assert_eq!(
        entries("\"So,\" she said, \"'tis 'so'.\""),
        [" \"", "So", ", ", "\" ", "she", "said", ", ", " \"", " '", "tis", " '", "so", "' ", ". ", "\" "]
    );
    assert_eq!(entries("th' expense of lovers'"), ["th", "' ", "expense", "of", "lovers", "' "]);
}

#[test]
fn a_mark_takes_the_same_form_at_the_ends_of_lines() {
    assert_eq!(entries("a — b —\n— c"), ["a", " — ", "b", " — ", "\n", " — ", "c"]);
    assert_eq!(entries("a—b—\nc"), ["a", "—", "b", "—", "\n", "c"]);
    assert_eq!(entries("a, \n, b,"), ["a", ", ", "\n", ", ", "b", ", "]);
}

#[test]
fn ids_go_by_count_then_first_appearance() {
    let vocab = vocab("b a c a\nb d");
    let words: Vec<_> =
        (0..vocab.vocab_size() as u32).map(|id| vocab.word(id).expect("within the size")).collect();
    assert_eq!(words, ["<unk>", "b", "a", "c", "\n", "d"]);
}

#[test]
fn options_limit_the_vocabulary() -> Result<()> {
    let text = "The the THE sea Sea sky";
    let options = WordOptions { lowercase: true, min_count: 2, ..Default::default() };
    let vocab = WordVocab::from_texts([text], options)?;
    assert_eq!(vocab.encode("the sea SKY Sea"), [1, 2, 0, 2]);
    let options = WordOptions { lowercase: true, max_size: Some(2), ..Default::default() };
    let vocab = WordVocab::from_texts([text], options)?;
    assert_eq!((vocab.vocab_size(), vocab.encode("the sea")), (2, vec![1, 0]));
    let none = WordVocab::from_texts([text], WordOptions { max_size: Some(0), ..Default::default() });
    assert!(matches!(none, Err(Error::Option { option: "max_size", .. })));
    Ok(())
}

#[test]
fn verse_comes_back_as_it_was() -> Result<()> {
    let verse =
        "\n'Twas o'er—so (they) said: \"Good-night!\"\n\nTh' end; or, \u{201c}the ‘end’\u{201d}…\n\n\n";
    let vocab = vocab(verse);
    assert_eq!(vocab.decode(&vocab.encode(verse))?, verse);
    Ok(())
}

#[test]
fn spaces_are_set_as_a_person_would() -> Result<()> {
    let vocab = vocab("a, b. c! d? e; f: (g) h-i\n");
    assert_eq!(vocab.decode(&vocab.encode("a, (b)! c-d.\na: b"))?, "a, (b)! c-d.\na: b");
    assert_eq!(vocab.decode(&[0, 0])?, "<unk> <unk>");
    assert_eq!(vocab.decode(&[])?, "");
    Ok(())
}

#[test]
fn texts_already_cut_stay_cut() -> Result<()> {
    let options = WordOptions { split: WordSplit::Whitespace, ..Default::default() };
    let text = "the company 's <unk> rose to $ N\nmr. <unk> said";
    let vocab = WordVocab::from_texts([text], options)?;
    let ids = vocab.encode(text);
    assert_eq!(ids.len(), 12);
    assert_eq!((ids[3], ids[10]), (WordVocab::UNKNOWN, WordVocab::UNKNOWN));
    assert_eq!(vocab.decode(&ids)?, text);
    Ok(())
}

#[test]
fn an_id_beyond_the_vocabulary_is_named_with_its_place() {
    let vocab = vocab("a b");
    assert!(matches!(vocab.decode(&[1, 3]), Err(Error::UnknownId { id: 3, position: 1, vocab_size: 3 })));
    let mut text = "kept".to_owned();
    assert!(matches!(
        vocab.decode_next(Some(9), 1, &mut text),
        Err(Error::UnknownId { id: 9, position: 0, .. })
    ));
    assert!(matches!(
        vocab.decode_next(None, 9, &mut text),
        Err(Error::UnknownId { id: 9, position: 1, .. })
    ));
    assert_eq!(text, "kept");
}

#[test]
fn a_damaged_vocabulary_is_refused() {
    let stored = |words: &str| {
        let options = r#"{"split":"punctuation","lowercase":false,"min_count":1,"max_size":null}"#;
        serde_json::from_str::<WordVocab>(&format!(r#"{{"options":{options},"words":{words}}}"#))
    };
    assert!(stored(r#"["a",", "]"#).is_ok());
    for words in [r#"["a","a"]"#, r#"[""]"#, "[1]", "null"] {
        assert!(stored(words).is_err(), "{words}");
    }
}

#[test]
fn every_pair_of_marks_comes_back() -> Result<()> {
    const MARKS: [&str; 12] = ["", " ", "\n", "a", ",", "(", ")", "\"", "'", "-", "—", "«"];
    for code in 0..MARKS.len().pow(4) {
        let text: String = (0..4).map(|i| MARKS[code / MARKS.len().pow(i) % MARKS.len()]).collect();
        let text = normalised(&text);
        let vocab = vocab(&text);
        assert_eq!(vocab.decode(&vocab.encode(&text))?, text, "{:?}", entries(&text));
    }
    Ok(())
}

fn verse() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        6 => "[A-Za-zéß]{1,7}",
        1 => "[a-z]{1,3}['’][a-z]{1,3}",
        3 => r#"[,.!?;:()"'’“”—–\-…\[\]]{1,3}"#,
        6 => Just(" ".to_owned()),
        1 => "\n{1,3}",
        1 => any::<String>(),
    ];
    proptest::collection::vec(part, 0..60).prop_map(|parts| normalised(&parts.concat()))
}

proptest! {
    #[test]
    fn decode_undoes_encode_for_normalised_verse(text in verse()) {
        let vocab = vocab(&text);
        prop_assert_eq!(vocab.decode(&vocab.encode(&text))?, text);
    }

    #[test]
    fn no_piece_is_lost(text in verse()) {
        let bare = |text: &str| text.chars().filter(|c| !c.is_whitespace() || *c == '\n').collect::<String>();
        let kept: String = pieces(&text).map(|piece| match piece {
            Piece::Word(word) => word.to_owned(),
            Piece::Newline => "\n".to_owned(),
            Piece::Mark { mark, .. } => mark.to_string(),
        }).collect();
        prop_assert_eq!(kept, bare(&text));
    }

    #[test]
    fn load_undoes_save(text in verse()) {
        let vocab = vocab(&text);
        let json = serde_json::to_string(&vocab)?;
        let loaded: WordVocab = serde_json::from_str(&json)?;
        prop_assert_eq!(&loaded, &vocab);
        prop_assert_eq!(loaded.encode(&text), vocab.encode(&text));
    }
}
