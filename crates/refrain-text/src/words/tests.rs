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

/// Returns the text with single spaces, and none at line ends.
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
fn a_mark_has_the_same_form_at_line_ends() {
    assert_eq!(entries("a — b —\n— c"), ["a", " — ", "b", " — ", "\n", " — ", "c"]);
    assert_eq!(entries("a—b—\nc"), ["a", "—", "b", "—", "\n", "c"]);
    assert_eq!(entries("a, \n, b,"), ["a", ", ", "\n", ", ", "b", ", "]);
}

#[test]
fn ids_are_ordered_by_count_then_first_appearance() {
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
    assert!(none.is_err_and(|e| e.option_at_fault() == Some("max_size")));
    Ok(())
}

#[test]
fn verse_round_trips() -> Result<()> {
    let verse =
        "\n'Twas o'er—so (they) said: \"Good-night!\"\n\nTh' end; or, \u{201c}the ‘end’\u{201d}…\n\n\n";
    let vocab = vocab(verse);
    assert_eq!(vocab.decode(&vocab.encode(verse))?, verse);
    Ok(())
}

#[test]
fn spaces_are_placed_naturally() -> Result<()> {
    let vocab = vocab("a, b. c! d? e; f: (g) h-i\n");
    assert_eq!(vocab.decode(&vocab.encode("a, (b)! c-d.\na: b"))?, "a, (b)! c-d.\na: b");
    assert_eq!(vocab.decode(&[0, 0])?, "<unk> <unk>");
    assert_eq!(vocab.decode(&[])?, "");
    Ok(())
}

#[test]
fn pretokenized_texts_keep_their_tokens() -> Result<()> {
    let options = WordOptions { split: WordSplit::Whitespace, ..Default::default() };
    let text = "the company 's <unk> rose to $ N\nmr. <unk> said";
    let vocab = WordVocab::from_texts([text], options)?;
    let ids = vocab.encode(text);
    assert_eq!(ids.len(), 12);
    assert_eq!((ids[3], ids[10]), (WordVocab::UNKNOWN, WordVocab::UNKNOWN));
    assert_eq!(vocab.decode(&ids)?, "the company's <unk> rose to $N\nmr. <unk> said");
    assert_eq!((vocab.word(ids[8]), vocab.written(ids[8])), (Some("<eos>"), Some("\n")));
    assert_eq!(vocab.encode("the <eos> company"), vocab.encode("the\ncompany"));
    assert_eq!(vocab.decode(&vocab.encode("the\n\n said\n"))?, "the\n\nsaid\n");
    Ok(())
}

#[test]
fn pretokenized_texts_are_written_naturally() -> Result<()> {
    let options = WordOptions { split: WordSplit::Whitespace, ..Default::default() };
    let written = |text: &str| {
        let vocab = WordVocab::from_texts([text], options.clone())?;
        vocab.decode(&vocab.encode(text))
    };
    for (cut, text) in [
        (
            "it does n't say they 'll go , and the traders ' bids",
            "it doesn't say they'll go, and the traders' bids",
        ),
        ("about $ N a share or N %", "about $N a share or N%"),
        ("a -LRB- b -RRB- `` c '' -- d", "a (b) \"c\" -- d"),
        ("the 1 @,@ 000 @-@ year @-@ old", "the 1,000-year-old"),
        (" one \n two . \n", "one\ntwo.\n"),
    ] {
        assert_eq!(written(cut)?, text);
    }
    Ok(())
}

/// Splits as `text.replace("\n", " <eos> ").split()`. TensorFlow's and Zaremba's readers add no spaces and need none:
/// in their files, every line starts and ends with a space.
fn penn_words(text: &str) -> Vec<String> {
    text.replace('\n', " <eos> ").split_whitespace().map(str::to_owned).collect()
}

#[test]
fn words_are_counted_as_in_the_published_runs() -> Result<()> {
    let options = WordOptions { split: WordSplit::Whitespace, ..Default::default() };
    for text in [
        " no it was n't \n <unk> said \n",
        " no it was \n said",
        "   a  b \n \n \n c \n ",
        "",
        " \n ",
        "a <eos> b \n",
    ] {
        let vocab = WordVocab::from_texts([text], options.clone())?;
        let words: Vec<_> = vocab.encode(text).into_iter().filter_map(|id| vocab.word(id)).collect();
        let published: Vec<_> = text.replace('\n', "<eos>").split_whitespace().map(str::to_owned).collect();
        assert_eq!(words, published, "{text:?}");
        assert_eq!(words, penn_words(text), "{text:?}");
    }
    Ok(())
}

#[test]
fn keras_splitting_matches_keras() -> Result<()> {
    let options = WordOptions { split: WordSplit::Keras, ..Default::default() };
    let text = "Don't -- STOP\nthe_dance, the DANCE!\n";
    let vocab = WordVocab::from_texts([text], options)?;
    let words: Vec<_> = (1..vocab.vocab_size() as u32).filter_map(|id| vocab.word(id)).collect();
    assert_eq!(words, ["the", "dance", "don't", "stop"]);
    assert_eq!(vocab.decode(&vocab.encode(text))?, "don't stop the dance the dance");
    assert_eq!(vocab.encode("a DANCE"), [0, 2]);
    let stored = serde_json::to_value(&vocab).expect("a vocabulary is JSON");
    assert_eq!(stored["options"]["split"], "keras");
    Ok(())
}

#[test]
fn a_pretokenized_text_is_recognised() {
    for (text, split) in [
        ("the <unk> said", WordSplit::Whitespace),
        ("<unk>\n", WordSplit::Whitespace),
        ("he wrote \"<unk>\", twice", WordSplit::Punctuation),
        ("n't said", WordSplit::Punctuation),
        ("", WordSplit::Punctuation),
    ] {
        assert_eq!(WordSplit::detect(text), split, "{text:?}");
    }
}

#[test]
fn an_id_beyond_the_vocabulary_is_named_with_its_position() {
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
fn a_damaged_vocabulary_is_rejected() {
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
fn every_pair_of_marks_round_trips() -> Result<()> {
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
    fn pieces_cover_the_text(text in verse()) {
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

    #[test]
    fn keras_splits_a_text_as_it_splits_its_lines(text in verse()) {
        let mut words = Vec::new();
        let options = WordOptions { split: WordSplit::Keras, ..Default::default() };
        for_each_word(&options, &text, |word| words.push(word.to_owned()));
        prop_assert_eq!(words, text_to_word_sequence(&text, DEFAULT_FILTERS, true, " "));
    }

    #[test]
    fn words_of_lines_equal_the_words_of_the_text(text in verse()) {
        let options = WordOptions { split: WordSplit::Whitespace, ..Default::default() };
        let mut words = Vec::new();
        for_each_word(&options, &text, |word| words.push(word.replace('\n', "<eos>")));
        prop_assert_eq!(words, penn_words(&text));
    }
}
