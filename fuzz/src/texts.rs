//! Corpora, and texts with labels.

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

/// A folder that is never written to: nothing here is large enough to be stored in a file.
const NOWHERE: &str = "nowhere";
/// Separates files in the bytes of [`corpus`]. It does not occur in ordinary text.
const FILE_SEPARATOR: u8 = 0x1C;

/// First bytes of files that are decompressed, or rejected as another format: gzip, UTF-16, UTF-32, zstd, xz, lz4,
/// compress, zip, 7z, old Office documents, PDF.
const OTHER_FORMATS: [&[u8]; 12] = [
    b"\x1f\x8b",
    b"\xff\xfe",
    b"\xfe\xff",
    b"\0\0\xfe\xff",
    b"\x28\xb5\x2f\xfd",
    b"\xfd7zXZ",
    b"\x04\x22\x4d\x18",
    b"\x1f\x9d",
    b"PK\x03\x04",
    b"7z\xbc\xaf\x27\x1c",
    b"\xd0\xcf\x11\xe0",
    b"%PDF-",
];

/// Returns whether bytes begin like a file of another format; for bzip2, a digit is not checked.
fn is_other_format(bytes: &[u8]) -> bool {
    let bzip2 = bytes.starts_with(b"BZh") && bytes.get(4..10) == Some(b"1AY&SY");
    bzip2 || OTHER_FORMATS.iter().any(|magic| bytes.starts_with(magic))
}

fn read(files: &[&[u8]], chunk: usize) -> Result<Corpus, String> {
    let mut corpus = Corpus::default().with_chunk(chunk);
    for (i, file) in files.iter().enumerate() {
        let input = Input::from_reader(format!("text {i}"), *file).map_err(|e| e.to_string())?;
        corpus.append(input, Path::new(NOWHERE), &mut |_| {}).map_err(|e| e.to_string())?;
    }
    Ok(corpus)
}

/// Reads the bytes of a user's text file, gzip or not.
///
/// Asserts that its lines are those of the whole text, each with its number; that if one of the two cannot be read,
/// neither can the other, for the same reason unless a line is cut short; and that plain text is the bytes as UTF-8
/// without the byte order mark, if it has no NUL byte.
pub fn input(bytes: &[u8]) {
    let open = || Input::from_reader("the text", bytes);
    let Ok(whole) = open() else {
        return assert!(is_other_format(bytes));
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
    if !is_other_format(bytes) {
        let text = if bytes.contains(&0) { Err(()) } else { std::str::from_utf8(bytes).map_err(drop) };
        let expected = text.map(|text| text.strip_prefix('\u{feff}').unwrap_or(text));
        assert_eq!(whole.ok().as_deref(), expected.ok());
    }
}

/// Returns the expected text of a corpus of these files, computed without chunks. `Err` holds the file, and the byte
/// that is not UTF-8 or NUL with its offset, if that is the reason.
fn whole(files: &[&[u8]]) -> Result<String, (usize, Option<(u8, usize)>)> {
    let mut text = String::new();
    for (i, file) in files.iter().enumerate() {
        if let Some(at) = file.iter().position(|&byte| byte == 0) {
            return Err((i, Some((0, at))));
        }
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

/// Reads text files separated by the byte 0x1C. The first byte is the chunk size minus one, the second where to split
/// the text.
///
/// Asserts that a corpus read in chunks of any size equals the text read at once, without byte order marks and with
/// each file starting on a new line; that both are rejected for the same byte at the same offset; and that its
/// concatenated chunks, its beginning, its split and its tokens are those of the whole text.
pub fn corpus(bytes: &[u8]) {
    let (chunk, share, bytes) = match bytes {
        [chunk, share, rest @ ..] => (1 + usize::from(*chunk), f64::from(*share) / 256.0, rest),
        _ => return,
    };
    let files: Vec<&[u8]> = bytes.split(|&b| b == FILE_SEPARATOR).collect();
    if files.iter().any(|file| is_other_format(file)) {
        return input(bytes);
    }
    let (read, text) = match (read(&files, chunk), whole(&files)) {
        (Ok(read), Ok(text)) => (read, text),
        // An earlier chunk may have a byte that is not UTF-8.
        (Err(error), Err((file, Some((0, _))))) => {
            return assert!(error.starts_with(&format!("text {file} is not UTF-8")), "{error}");
        }
        (Err(error), Err((file, Some((byte, at))))) => {
            let invalid = format!("text {file} is not UTF-8: byte {byte:#04x} at offset {at} ");
            let is_cut = error.starts_with(&format!("text {file} ends within a character: "))
                && error.contains(&format!(" bytes from offset {at};"));
            assert!(is_cut || error.starts_with(&invalid), "{error}; expected {invalid}");
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

/// Reads the bytes of a table of labels and texts, as `refrain train classify` does.
///
/// Asserts that each example has a label without control characters and a text, both trimmed; that the examples survive
/// being written as a table; and that a split keeps all examples with their labels, and identical ones together.
pub fn labelled_texts(bytes: &[u8]) {
    let Ok(text) = Input::from_reader("the table", bytes).and_then(Input::text) else { return };
    if let Ok(lines) = parse_lines(&text, " label ", "the lines") {
        assert!(
            lines.iter().all(|e| e.label == "label" && e.text == e.text.trim() && !e.text.contains('\n'))
        );
    }
    let examples = match parse_table(&text, "the table") {
        Ok(examples) => examples,
        // The message shows only a part of a line, and only of this file.
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

/// Reads the bytes of sentences whose words have labels, as `refrain train tag` does.
///
/// Asserts that every sentence has words, each with a label without control characters; that the sentences survive
/// being written as columns; and that the parts of a split together are all of it.
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
