//! Corpora and labelled texts.

use crate::codecs::others;
use refrain::classifier::{Identical, LabelledText, parse_lines, parse_table, split_labelled};
use refrain::codec::{Codec, Level};
use refrain::corpus::Cut;
use refrain::language_model::split_text;
use refrain::tagger::{TaggedWord, parse_tagged, split_tagged};
use refrain::task::input::{Input, Line};
use refrain::{Corpus, Store, Tokens};
use std::path::Path;
use std::sync::LazyLock;

/// Nothing here is so large that it would be kept in a file.
const NOWHERE: &str = "nowhere";
/// Parts one file from the next in the bytes of [`corpus`]: no text that a person writes holds it.
const FILE_SEPARATOR: u8 = 0x1C;

/// How files begin that are decompressed or refused as another format: gzip, UTF-16, zstd, xz, zip.
const OTHER_FORMATS: [&[u8]; 6] =
    [b"\x1f\x8b", b"\xff\xfe", b"\xfe\xff", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ", b"PK\x03\x04"];

fn read(files: &[&[u8]], chunk: usize) -> Result<Corpus, String> {
    let mut corpus = Corpus::default().with_chunk(chunk);
    for (i, file) in files.iter().enumerate() {
        let input = Input::from_reader(format!("text {i}"), *file).map_err(|e| e.to_string())?;
        corpus.append(input, Path::new(NOWHERE), &mut |_| {}).map_err(|e| e.to_string())?;
    }
    Ok(corpus)
}

/// The bytes of a text that a user names, gzip or not.
///
/// Its lines are those of the whole text, each with its number, and where one cannot be read the other cannot: for the
/// same reason, if no line is cut short. A text without a format of its own is the bytes as UTF-8, without the mark.
pub fn input(bytes: &[u8]) {
    let open = || Input::from_reader("the text", bytes);
    let Ok(whole) = open() else {
        return assert!(OTHER_FORMATS.iter().any(|magic| bytes.starts_with(magic)));
    };
    let whole = whole.text();
    let lines: Result<Vec<Line>, _> = open().expect("it was opened before").lines().collect();
    match (&whole, &lines) {
        (Ok(text), Ok(lines)) => {
            assert!(lines.iter().map(|line| &*line.text).eq(text.lines()));
            assert!(lines.iter().map(|line| line.number).eq(1..=lines.len()));
        }
        (Err(whole), Err(lines)) => {
            let (whole, lines) = (whole.to_string(), lines.to_string());
            assert!(whole.starts_with("the text ") && lines.starts_with("the text "), "{whole}; {lines}");
        }
        (whole, lines) => panic!("{whole:?}; {lines:?}"),
    }
    if !OTHER_FORMATS.iter().any(|magic| bytes.starts_with(magic)) {
        let expected = std::str::from_utf8(bytes).map(|text| text.strip_prefix('\u{feff}').unwrap_or(text));
        assert_eq!(whole.ok().as_deref(), expected.ok());
    }
}

/// What a corpus of these files is, said without chunks. `Err` with the place of the byte that is no UTF-8, or none.
fn whole(files: &[&[u8]]) -> Result<String, (usize, Option<(u8, usize)>)> {
    let mut text = String::new();
    for (i, file) in files.iter().enumerate() {
        let part =
            std::str::from_utf8(file).map_err(|e| (i, Some((file[e.valid_up_to()], e.valid_up_to()))))?;
        let part = part.strip_prefix('\u{feff}').unwrap_or(part);
        if part.trim().is_empty() {
            return Err((i, None));
        }
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text += part;
    }
    Ok(text)
}

/// Text files, parted by the byte 0x1C; the first byte says how many bytes are read at a time, the second where the
/// text is split.
///
/// Read in chunks of any size a corpus is the text that was read at once, without byte order marks, each file on a line
/// of its own; refused for the same byte at the same place. Its chunks put together, its beginning, its split and its
/// tokens are those of the whole text.
pub fn corpus(bytes: &[u8]) {
    let (chunk, share, bytes) = match bytes {
        [chunk, share, rest @ ..] => (1 + usize::from(*chunk), f64::from(*share) / 256.0, rest),
        _ => return,
    };
    let files: Vec<&[u8]> = bytes.split(|&b| b == FILE_SEPARATOR).collect();
    if files.iter().any(|file| OTHER_FORMATS.iter().any(|magic| file.starts_with(magic))) {
        return input(bytes);
    }
    let (read, text) = match (read(&files, chunk), whole(&files)) {
        (Ok(read), Ok(text)) => (read, text),
        (Err(error), Err((file, Some((byte, at))))) => {
            let place = format!("text {file} is not UTF-8: byte {byte:#04x} at offset {at} ");
            assert!(error.starts_with(&place), "{error}; expected {place}");
            return;
        }
        (Err(error), Err((file, None))) => {
            assert!(
                error.starts_with(&format!("text {file} ")) && error.contains("expected text"),
                "{error}"
            );
            return;
        }
        (read, text) => panic!("chunks of {chunk}: {read:?}; at once: {text:?}"),
    };
    assert_eq!(read.to_text().expect("it was read before"), text);
    assert_eq!((read.characters(), read.bytes()), (text.chars().count(), text.len() as u64));
    for cut in [Cut::Anywhere, Cut::BetweenWords] {
        let chunks: Result<Vec<String>, _> = read.chunks(cut).collect();
        assert_eq!(chunks.expect("it was read before").concat(), text, "{cut:?}");
    }
    let head = read.head(usize::from(bytes[0])).expect("it was read before");
    assert_eq!(head, text.chars().take(usize::from(bytes[0])).collect::<String>());
    let at_once = Corpus::from_text(text.clone());
    assert_eq!(read.fingerprint().ok(), at_once.fingerprint().ok());
    for level in [Level::Char, Level::Word, Level::Bpe] {
        let (a, b) = read.split(share, level.cut()).expect("it was read before");
        let halves = [a, b].map(|half| half.to_text().expect("it was read before"));
        assert_eq!(halves, <[_; 2]>::from(split_text(&text, share, level)).map(str::to_owned), "{level:?}");
    }
    static CODECS: LazyLock<Vec<Codec>> = LazyLock::new(others);
    for codec in CODECS.iter() {
        let store = Store::in_folder(Path::new(NOWHERE));
        let tokens = codec.encode_corpus(&read, &store, &mut |_| {}).expect("it was read before");
        let mut ids = Vec::new();
        tokens.read(0..tokens.len(), &mut ids).expect("they are in memory");
        assert_eq!(ids, codec.encode(&text), "{:?}", codec.level());
    }
}

/// The bytes of a table of labels and texts, as `refrain train classify` reads them.
///
/// Each example has a label without control characters and a text, both trimmed; the examples written as a table are
/// the same examples. The parts of a split are all examples, a label keeps its texts, and identical ones stay together.
pub fn labelled_texts(bytes: &[u8]) {
    let Ok(text) = Input::from_reader("the table", bytes).and_then(Input::text) else { return };
    if let Ok(lines) = parse_lines(&text, " label ", "the lines") {
        assert!(
            lines.iter().all(|e| e.label == "label" && e.text == e.text.trim() && !e.text.contains('\n'))
        );
    }
    let examples = match parse_table(&text, "the table") {
        Ok(examples) => examples,
        // A message shows a part of a line, and of no other file than this.
        Err(error) => return assert!(error.to_string().starts_with("the table"), "{error}"),
    };
    assert!(!examples.is_empty());
    for LabelledText { label, text } in &examples {
        assert!(!label.is_empty() && label == label.trim() && !label.contains(char::is_control));
        assert!(!text.is_empty() && text == text.trim() && !text.contains(['\t', '\n']));
    }
    let written: String = examples.iter().map(|e| format!("{}\t{}\n", e.label, e.text)).collect();
    assert_eq!(parse_table(&written, "what was written").expect("it is a table"), examples);
    for (identical, share) in [(Identical::Together, 0.5), (Identical::Apart, 0.3)] {
        let (training, held_out) = split_labelled(examples.clone(), share, identical, bytes.len() as u64);
        assert!(identical == Identical::Apart || held_out.iter().all(|e| !training.contains(e)));
        let key = |e: &LabelledText| (e.label.clone(), e.text.clone());
        let mut parts = [training, held_out].concat();
        let mut all = examples.clone();
        parts.sort_by_key(key);
        all.sort_by_key(key);
        assert_eq!(parts, all);
    }
}

/// The bytes of sentences whose words have labels, as `refrain train tag` reads them.
///
/// Every sentence has words, each with a label without control characters; what is written as columns is the same
/// sentences again. Its parts put together are all of it.
pub fn tagged_texts(bytes: &[u8]) {
    let Ok(text) = Input::from_reader("the sentences", bytes).and_then(Input::text) else { return };
    let sentences = match parse_tagged(&text, "the sentences") {
        Ok(sentences) => sentences,
        Err(error) => return assert!(error.to_string().starts_with("the sentences"), "{error}"),
    };
    assert!(!sentences.is_empty());
    let mut columns = String::new();
    for sentence in &sentences {
        assert!(!sentence.words.is_empty());
        for TaggedWord { word, label } in &sentence.words {
            assert!(!word.is_empty() && !label.is_empty() && !label.contains(char::is_control));
            if word == "-DOCSTART-" {
                // A line of columns that begins so is no word.
                return;
            }
            columns += &format!("{word}\t{label}\n");
        }
        columns.push('\n');
    }
    assert_eq!(parse_tagged(&columns, "what was written").expect("it has columns"), sentences);
    let (training, held_out) = split_tagged(&sentences, 0.3);
    assert_eq!([training, held_out].concat(), sentences);
    assert!(!training.is_empty());
}
