//! Tests of reading texts.

use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use std::fs;
use std::io::Write;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn of(bytes: &[u8]) -> Result<String> {
    Input::from_reader("a text", bytes)?.text()
}

fn error(bytes: &[u8]) -> String {
    of(bytes).unwrap_err().to_string()
}

#[test]
fn compressed_texts_with_several_members_equal_plain_ones() {
    assert_eq!(of("Straße\n".as_bytes()).unwrap(), "Straße\n");
    assert_eq!(of(&gzip("\u{feff}Straße\n".as_bytes())).unwrap(), "Straße\n");
    let members = [gzip(b"one "), gzip(b""), gzip(b"two")].concat();
    assert_eq!(of(&members).unwrap(), "one two");
    assert_eq!(of(b"").unwrap(), "");
    // Texts that begin like other formats.
    assert_eq!((of(b"P").unwrap(), of(b"PKW").unwrap()), ("P".to_owned(), "PKW".to_owned()));
}

#[test]
fn invalid_text_is_an_error_with_advice() {
    let utf16 = b"\xff\xfeh\0i\0";
    assert_eq!(
        error(utf16),
        "a text is UTF-16; expected UTF-8 text; convert it first, for example with `iconv -f utf-16 -t utf-8`"
    );
    assert_eq!(error(&gzip(utf16)), error(utf16));
    assert!(error(b"\x28\xb5\x2f\xfd...").contains("is compressed with zstd"));
    assert!(error(b"caf\xe9 noir").contains("a text is not UTF-8: byte 0xe9 at offset 3"));
    let whole = gzip(&[b'x'; 10_000]);
    for damaged in [&whole[..whole.len() - 9], &[&whole[..], b"more"].concat()] {
        let error = error(damaged);
        assert!(error.starts_with("a text is damaged: ") && error.contains("copied completely"), "{error}");
    }
}

#[test]
fn lines_are_numbered_and_errors_name_the_line() {
    let lines = |bytes| Input::from_reader("t", bytes).unwrap().lines();
    let read: Vec<_> = lines(&b"\xef\xbb\xbfa\r\n\nb"[..]).map(Result::unwrap).collect();
    let expected = [(1, "a"), (2, ""), (3, "b")];
    assert_eq!(read, expected.map(|(number, text)| Line { number, text: text.to_owned() }));
    let mut lines = lines(&b"ab\n\xff\nc\n"[..]);
    assert!(lines.next().unwrap().is_ok());
    let error = lines.next().unwrap().unwrap_err().to_string();
    assert!(error.contains("byte 0xff at offset 3"), "{error}");
    assert!(lines.next().is_none());
}

#[test]
fn input_that_is_too_long_is_not_read_to_its_end() {
    let endless = || Input::from_reader("zeros", io::repeat(b'0')).unwrap();
    let error = endless().text_of_at_most(1 << 20).unwrap_err().to_string();
    assert_eq!(error, "zeros is too long: more than 1.0 MB; check that it is a text file");
    let error = endless().lines().advance(1 << 10).unwrap_err().to_string();
    assert_eq!(error, "zeros, line 1 is too long: more than 1.0 kB; check that it is a text file");
    let input = Input::from_reader("four", &b"1234"[..]).unwrap();
    assert_eq!(input.text_of_at_most(4).unwrap(), "1234");
}

#[test]
fn only_uncompressed_regular_files_can_be_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text");
    fs::write(&path, "text").unwrap();
    assert_eq!(Input::open(&path).unwrap().plain_file(), Some(&*path));
    fs::write(&path, gzip(b"text")).unwrap();
    let input = Input::open(&path).unwrap();
    assert_eq!((input.plain_file(), input.name()), (None, &*path.display().to_string()));
    assert_eq!(input.text().unwrap(), "text");
    assert!(Input::from_reader("t", &b"text"[..]).unwrap().plain_file().is_none());
    let error = |path: &Path| Input::open(path).unwrap_err().to_string();
    assert!(error(folder.path()).ends_with(" is a folder; expected a file or a pipe"));
    assert!(error(&folder.path().join("missing")).contains("file not found; check the name"));
    #[cfg(unix)]
    assert_eq!(error(Path::new("/dev/zero")), "/dev/zero is a device; expected a file or a pipe");
}

proptest! {
    #[test]
    fn lines_match_those_of_the_whole_text(text in "\u{feff}?[a\u{e9}\r\n]{0,40}") {
        let bytes = text.as_bytes();
        for bytes in [bytes.to_vec(), gzip(bytes)] {
            let text = of(&bytes)?;
            let lines = Input::from_reader("t", &bytes[..])?.lines().collect::<Result<Vec<_>>>()?;
            let texts: Vec<&str> = lines.iter().map(|line| &*line.text).collect();
            prop_assert_eq!(texts, text.lines().collect::<Vec<_>>());
        }
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _ = of(&bytes);
        let _ = of(&[GZIP, &bytes].concat());
    }
}

#[test]
fn nul_bytes_are_refused_and_utf_16_and_32_are_recognised() {
    let text = "the wheel\ngoes round\n";
    let wide = |size: usize, at: usize| -> Vec<u8> {
        let place = |byte: u8| {
            let mut bytes = vec![0; size];
            bytes[at] = byte;
            bytes
        };
        text.bytes().flat_map(place).collect()
    };
    for (size, at, name) in [(2, 0, "utf-16le"), (2, 1, "utf-16be"), (4, 0, "utf-32le"), (4, 3, "utf-32be")] {
        let bytes = wide(size, at);
        let first = usize::from(at == 0);
        let found = error(&bytes);
        assert!(
            found.contains(&format!("a text is not UTF-8 text: it has a NUL byte at offset {first}, ")),
            "{found}"
        );
        assert!(
            found.contains("without a byte order mark") && found.contains(&format!("`iconv -f {name} -t")),
            "{found}"
        );
        // Line by line too, although a line break is only a part of its character.
        let lines = Input::from_reader("t", &bytes[..]).unwrap().lines().next().unwrap();
        assert!(lines.unwrap_err().to_string().contains(name));
        // Letters that are not Latin: `é` is no UTF-8 here.
        assert!(error(&[&[0xe9, 0][..], &wide(2, 0)].concat()).contains("utf-16le"));
    }
    let binary = error(b"a line\nanother \0 line\n");
    assert!(
        binary.contains("NUL byte at offset 15, so it is a binary file") && binary.contains("tr -d '\\000'"),
        "{binary}"
    );
    let tar = [&b"name"[..], &[0; 253], b"ustar  "].concat();
    assert!(
        error(&tar).contains("a tar archive; unpack it first") && error(&gzip(&tar)).contains("tar archive")
    );
}

#[test]
fn a_text_cut_within_a_character_is_told_from_another_encoding() {
    let whole = "one — two".as_bytes();
    let found = error(&whole[..6]);
    assert!(found.starts_with("a text ends within a character: 2 of its 3 bytes from offset 4"), "{found}");
    assert!(found.contains("`head -c 4`"), "{found}");
    let lines =
        |bytes| Input::from_reader("t", bytes).unwrap().lines().last().unwrap().unwrap_err().to_string();
    assert!(lines(&b"a\ncaf\xc3"[..]).contains("ends within a character: 1 of its 2 bytes from offset 5"));
    // Followed by a line break, it is no cut.
    assert!(lines(&b"a\ncaf\xe9\n"[..]).contains("byte 0xe9 at offset 5 is invalid"));
    assert!(error(b"caf\xe9\n").contains("byte 0xe9 at offset 3 is invalid"));
    let bytes = gzip(&[b'x'; 10_000]);
    let found = error(&bytes[..bytes.len() - 9]);
    assert_eq!(
        found,
        "a text is damaged: its gzip data is cut off, or other bytes follow its end; check that it was copied completely"
    );
}
