use super::*;
use crate::codec::{Codec, Level, VocabOptions};
use crate::error::Error;
use crate::language_model::split_text;
use crate::tokens::{Store, Tokens};
use crate::words::{WordOptions, WordSplit};
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use refrain_task::Error as TaskError;
use refrain_task::input::Input;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Generates texts from what matters at a cut: whitespace, line breaks, marks, letters of two and four bytes, a
/// final sigma.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => prop::sample::select(vec![" ", "\n", "a", "be", "see ", " dear", "é", "ΟΔΟΣ", "ς", "𝒳"]),
        4 => prop::sample::select(vec![",", "\"", "'", "-", "—", ".", "(", "  ", "\t", "\r\n", "n't", "7", "<unk>"]),
        1 => prop::sample::select(vec!["\u{301}", "\u{2028}", "\u{a0}", "नमस्ते", "\u{feff}"]),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn is_solid(text: &str) -> bool {
    !text.strip_prefix('\u{feff}').unwrap_or(text).trim().is_empty()
}

/// Writes texts to files, and returns their paths and the joined text.
fn files(folder: &Path, texts: &[String]) -> (Vec<PathBuf>, String) {
    let mut joined = String::new();
    let mut paths = Vec::new();
    for (i, text) in texts.iter().enumerate() {
        let path = folder.join(i.to_string());
        std::fs::write(&path, text).expect("it can be written");
        paths.push(path);
        if !joined.is_empty() && !joined.ends_with('\n') {
            joined.push('\n');
        }
        joined += text.strip_prefix('\u{feff}').unwrap_or(text);
    }
    (paths, joined)
}

fn codecs(text: &str) -> Vec<(Codec, VocabOptions)> {
    let words = |split, lowercase| VocabOptions {
        words: WordOptions { split, lowercase, ..WordOptions::default() },
        ..VocabOptions::default()
    };
    let options = [
        (Level::Char, VocabOptions::default()),
        (Level::Word, words(WordSplit::Punctuation, false)),
        (Level::Word, words(WordSplit::Punctuation, true)),
        (Level::Word, words(WordSplit::Whitespace, false)),
        (Level::Word, words(WordSplit::Keras, true)),
        (Level::Bpe, VocabOptions { vocab: Some(270), ..VocabOptions::default() }),
    ];
    let codec = |level, options: &VocabOptions| Codec::from_text(text, level, options).expect("few words");
    options.map(|(level, options)| (codec(level, &options), options)).to_vec()
}

proptest! {
    #[test]
    fn tokens_of_chunks_equal_those_of_the_text(text in texts(), chunk in 1_usize..50) {
        let corpus = Corpus::from_text(text.as_str()).with_chunk(chunk);
        for cut in [Cut::Anywhere, Cut::BetweenWords] {
            let chunks: Vec<String> = corpus.chunks(cut).collect::<Result<_>>()?;
            prop_assert_eq!(chunks.concat(), &text[..]);
            prop_assert!(chunks.iter().all(|chunk| !chunk.is_empty()));
        }
        let store = Store { folder: &std::env::temp_dir(), memory: 40 };
        for (codec, options) in codecs(&text) {
            let streamed = Codec::from_corpus(&corpus, codec.level(), &options, &mut |_| {})?;
            prop_assert_eq!(&streamed, &codec);
            let mut tokens = Vec::new();
            let stored = codec.encode_corpus(&corpus, &store, &mut |_| {})?;
            stored.read(0..stored.len(), &mut tokens)?;
            prop_assert_eq!(tokens, codec.encode(&text), "{:?}", codec);
        }
    }

    #[test]
    fn a_split_matches_that_of_the_text(
        texts in prop::collection::vec(texts().prop_filter("blank", |text| is_solid(text)), 1..4), chunk in 1_usize..50,
        share in prop::sample::select(vec![0.0, 0.001, 0.1, 0.33, 0.5, 0.9, 0.999]),
    ) {
        let folder = tempfile::tempdir()?;
        let (paths, joined) = files(folder.path(), &texts);
        let mut opened = Corpus::default().with_chunk(chunk);
        for path in &paths {
            opened.append_file(path)?;
        }
        for corpus in [opened, Corpus::from_text(joined.as_str()).with_chunk(chunk)] {
            prop_assert_eq!(corpus.to_text()?, &joined[..]);
            prop_assert_eq!((corpus.characters(), corpus.bytes()), (joined.chars().count(), joined.len() as u64));
            for level in [Level::Char, Level::Word] {
                let (training, held_out) = corpus.split(share, level.cut())?;
                let expected = split_text(&joined, share, level);
                prop_assert_eq!((&training.to_text()?[..], &held_out.to_text()?[..]), expected);
                for (half, text) in [(training, expected.0), (held_out, expected.1)] {
                    prop_assert_eq!((half.characters(), half.bytes()), (text.chars().count(), text.len() as u64));
                    prop_assert_eq!(half.is_empty(), text.is_empty());
                    // A half can be split like any other text.
                    prop_assert_eq!(half.split(0.5, level.cut())?.0.to_text()?, split_text(text, 0.5, level).0);
                }
            }
        }
    }

    #[test]
    fn the_first_invalid_byte_is_reported(bytes: Vec<u8>, before in texts(), chunk in 1_usize..50) {
        let bytes = [before.as_bytes(), &bytes].concat();
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("text");
        std::fs::write(&path, &bytes)?;
        let opened = Corpus::default().with_chunk(chunk).append_file(&path);
        match (opened, String::from_utf8(bytes)) {
            (opened, Ok(text)) => {
                prop_assert_eq!(opened.is_ok(), is_solid(&text) && !text.contains('\0'));
            }
            (Err(Error::Task(TaskError::NotUtf8 { byte, offset, .. })), Err(expected)) => {
                let at = expected.utf8_error().valid_up_to();
                prop_assert_eq!((byte, offset), (expected.as_bytes()[at], at as u64));
            }
            // The incomplete character is at the end.
            (Err(Error::Task(TaskError::CutOff { offset, got, .. })), Err(expected)) => {
                prop_assert_eq!(expected.utf8_error().valid_up_to(), offset as usize);
                prop_assert_eq!(expected.as_bytes().len(), offset as usize + got);
            }
            (Err(Error::Task(TaskError::NotText { offset, .. })), Err(expected)) => {
                prop_assert_eq!(expected.as_bytes().iter().position(|&b| b == 0), Some(offset as usize));
            }
            // Bytes that happen to begin like another format.
            (Err(Error::Task(TaskError::OtherFormat { .. } | TaskError::Read { .. })), Err(_)) => {}
            (opened, Err(_)) => prop_assert!(false, "{opened:?}"),
        }
    }
}

#[test]
fn a_text_without_spaces_grows_its_chunks_only_for_words() -> Result<()> {
    let corpus = Corpus::from_text("字".repeat(1000)).with_chunk(30);
    let longest = |cut| corpus.chunks(cut).map(|chunk| Ok(chunk?.len())).collect::<Result<Vec<_>>>();
    assert_eq!(longest(Cut::BetweenWords)?, [3000]);
    assert!(longest(Cut::Anywhere)?.iter().all(|&len| len == 30));
    Ok(())
}

#[test]
fn chunks_end_after_line_breaks_or_before_spaces() -> Result<()> {
    let chunks = |text: &str, size| -> Result<Vec<String>> {
        Corpus::from_text(text).with_chunk(size).chunks(Cut::BetweenWords).collect()
    };
    let cut = chunks("one two\nthree four, five", 12)?;
    assert_eq!(cut, ["one two\n", "three", " four, five"]);
    let cut = chunks("a lamp and a loaf, bread", 9)?;
    assert_eq!(cut, ["a lamp", " and a", " loaf, bread"]);
    Ok(())
}

#[test]
fn files_begin_on_separate_lines() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let (paths, joined) = files(folder.path(), &["\u{feff}first".into(), "second\n".into(), "third".into()]);
    assert_eq!(joined, "first\nsecond\nthird");
    let mut bytes = 0;
    let mut corpus = Corpus::open(&paths[..2])?;
    corpus.append(Input::open(&paths[2])?, folder.path(), &mut |seen| bytes += seen)?;
    assert_eq!((corpus.to_text()?, bytes), (joined, 5));
    assert_eq!(
        (corpus.head(8)?, corpus.head(0)?, corpus.head(99)?.len()),
        ("first\nse".into(), "".into(), 18)
    );
    Ok(())
}

#[test]
fn a_fingerprint_is_fnv_1a_of_the_bytes() -> Result<()> {
    // The test vector of the hash's authors.
    assert_eq!(Corpus::from_text("foobar").fingerprint()?, "fnv1a-85944171f73967e8");
    assert_eq!(Corpus::from_text("").fingerprint()?, "fnv1a-cbf29ce484222325");
    let text = "The wheel goes round\nand the day goes by";
    let (first, rest) = Corpus::from_text(text).with_chunk(3).split(0.5, Cut::BetweenWords)?;
    assert_eq!(first.fingerprint()?, Corpus::from_text(first.to_text()?).fingerprint()?);
    assert_ne!(first.fingerprint()?, rest.fingerprint()?);
    Ok(())
}

#[test]
fn texts_without_a_word_are_rejected() {
    let folder = tempfile::tempdir().expect("a folder");
    for (text, what) in
        [("", "is empty"), ("\u{feff}", "is empty"), ("\u{feff} \n\u{a0}", "contains only whitespace")]
    {
        let path = folder.path().join("text");
        std::fs::write(&path, text).expect("it can be written");
        let error = Corpus::open([&path]).expect_err(what).to_string();
        assert!(error.contains(what) && error.contains("text"), "{error}");
    }
    let missing = Corpus::open([folder.path().join("missing")]).expect_err("there is none");
    assert!(matches!(missing, Error::Task(TaskError::NoSuchFile { .. })), "{missing}");
}

#[test]
fn a_file_that_changes_is_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("text");
    std::fs::write(&path, "one two three").expect("it can be written");
    let corpus = Corpus::open([&path]).expect("it is a text");
    std::fs::write(&path, "one two").expect("it can be written");
    let error = corpus.to_text().expect_err("it is shorter");
    assert!(matches!(&error, Error::Changed { name } if name.ends_with("text")), "{error}");
    assert_eq!(corpus.chunks(Cut::Anywhere).count(), 1, "nothing comes after the error");
}

#[test]
fn streams_and_compressed_files_are_kept_in_memory_or_an_unnamed_file() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    for lines in [3, 1_500_000] {
        let text = "a line\n".repeat(lines);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(text.as_bytes()).and_then(|()| gzip.try_finish()).expect("it can be compressed");
        for bytes in [text.as_bytes(), gzip.get_ref()] {
            let mut corpus = Corpus::open::<&str>([])?;
            let mut seen = 0;
            let input = Input::from_reader("stdin", bytes)?;
            corpus.append(input, folder.path(), &mut |bytes| seen += bytes)?;
            assert_eq!((corpus.bytes(), seen), (7 * lines as u64, 7 * lines as u64));
            assert!(corpus.to_text()? == text);
            assert_eq!(folder.path().read_dir().expect("it can be read").count(), 0);
        }
    }
    let mut corpus = Corpus::default();
    let mut append =
        |bytes, folder: &Path| corpus.append(Input::from_reader("stdin", bytes)?, folder, &mut |_| {});
    let wrong = append(&b"caf\xe9 noir"[..], folder.path()).expect_err("it is Latin-1");
    assert!(wrong.to_string().starts_with("stdin is not UTF-8: byte 0xe9 at offset 3"), "{wrong}");
    let text = "a line\n".repeat(1_500_000);
    let nowhere = append(text.as_bytes(), Path::new("/no/such/folder"));
    assert!(matches!(nowhere, Err(Error::Temporary { .. })));
    Ok(())
}
