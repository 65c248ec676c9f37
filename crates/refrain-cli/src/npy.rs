//! NumPy's `.npy`: one array in a file (NEP 1).
//!
//! This module does not use the crate `ndarray-npy`, which allocates memory for the shape before it checks that
//! the file has the bytes, does not report the element type, and depends on a grammar compiler.

use crate::array::{Array, Bytes, Element, shorten};

const MAGIC: &[u8] = b"\x93NUMPY";
/// The file's data begins at a multiple of this many bytes, as NumPy writes it.
const ALIGNMENT: usize = 64;
/// Digits that NumPy reserves for the first axis, so that it can grow in place.
const GROWTH: usize = 21;

/// Returns whether bytes begin like a file.
pub(crate) fn is_npy(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Parses the bytes of a file, or returns the reason why they are not an array.
pub(crate) fn read(bytes: &[u8]) -> Result<Array, String> {
    let rest = bytes.strip_prefix(MAGIC).ok_or("it does not begin like a .npy file")?;
    let cut = || "its header is cut off".to_owned();
    let (version, rest) = rest.split_at_checked(2).ok_or_else(cut)?;
    let (len, rest) = match version[0] {
        1 => rest.split_first_chunk().map(|(len, rest)| (usize::from(u16::from_le_bytes(*len)), rest)),
        2 | 3 => rest.split_first_chunk().map(|(len, rest)| (u32::from_le_bytes(*len) as usize, rest)),
        other => return Err(format!("its .npy version is {other}; expected 1, 2 or 3")),
    }
    .ok_or_else(cut)?;
    let (header, data) = rest.split_at_checked(len).ok_or_else(cut)?;
    let header = std::str::from_utf8(header).map_err(|_| "its header is not UTF-8".to_owned())?;
    let Header { element, order, column_major, shape } = Header::parse(header)?;
    Array::decode(shape, element, order, column_major, data)
}

/// Encodes an array of floats as a file, as NumPy itself would write it.
pub(crate) fn write(shape: &[usize], values: impl Iterator<Item = f32>) -> Vec<u8> {
    let axes: Vec<_> = shape.iter().map(ToString::to_string).collect();
    let comma = if shape.len() == 1 { "," } else { "" };
    let tuple = format!("({}{comma})", axes.join(", "));
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {tuple}, }}");
    let room = axes.first().map_or(0, |axis| GROWTH.saturating_sub(axis.len()));
    // Magic, version and length come before; a line break ends the header.
    let before = MAGIC.len() + 4;
    let full = (before + header.len() + room + 1).next_multiple_of(ALIGNMENT);
    header.extend(std::iter::repeat_n(' ', full - before - header.len() - 1));
    header.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    // A shape of three axes is far from the limit of this version.
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(values.flat_map(f32::to_le_bytes));
    bytes
}

#[derive(Debug)]
struct Header {
    element: Element,
    order: Bytes,
    column_major: bool,
    shape: Vec<usize>,
}

impl Header {
    /// Reads the Python dictionary of a header.
    fn parse(text: &str) -> Result<Self, String> {
        let (mut descr, mut column_major, mut shape) = (None, None, None);
        let mut at = Cursor { rest: text };
        at.expect('{')?;
        while !at.eat('}') {
            let key = at.string()?;
            at.expect(':')?;
            match key {
                "descr" => {
                    descr = Some(at.string().map_err(|_| "its elements are records; expected numbers")?)
                }
                "fortran_order" => column_major = Some(at.boolean()?),
                "shape" => shape = Some(at.tuple()?),
                other => return Err(format!("its header has an unknown entry `{}`", shorten(other))),
            }
            if !at.eat(',') {
                at.expect('}')?;
                break;
            }
        }
        if !at.rest.trim().is_empty() {
            return Err(format!("its header has text after its end: `{}`", shorten(at.rest.trim())));
        }
        let missing = |name| format!("its header has no `{name}`");
        let (element, order) = element(descr.ok_or_else(|| missing("descr"))?)?;
        let column_major = column_major.ok_or_else(|| missing("fortran_order"))?;
        Ok(Self { element, order, column_major, shape: shape.ok_or_else(|| missing("shape"))? })
    }
}

fn element(descr: &str) -> Result<(Element, Bytes), String> {
    let unknown = || {
        format!(
            "its elements are `{}`; expected booleans, integers of up to 64 bits, float32 or float64",
            shorten(descr)
        )
    };
    let (order, kind) = descr.split_at_checked(1).ok_or_else(unknown)?;
    let element = match kind {
        "b1" => Element::Bool,
        "i1" => Element::I8,
        "u1" => Element::U8,
        "i2" => Element::I16,
        "u2" => Element::U16,
        "i4" => Element::I32,
        "u4" => Element::U32,
        "i8" => Element::I64,
        "u8" => Element::U64,
        "f4" => Element::F32,
        "f8" => Element::F64,
        _ => return Err(unknown()),
    };
    let order = match order {
        "<" | "|" => Bytes::Little,
        ">" => Bytes::Big,
        _ => return Err(unknown()),
    };
    Ok((element, order))
}

/// The part of a header that is still to be parsed.
#[derive(Debug)]
struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn eat(&mut self, c: char) -> bool {
        self.rest = self.rest.trim_start();
        self.rest.strip_prefix(c).inspect(|rest| self.rest = rest).is_some()
    }

    fn expect(&mut self, c: char) -> Result<(), String> {
        if self.eat(c) {
            Ok(())
        } else {
            Err(format!("its header is damaged: expected `{c}` before `{}`", shorten(self.rest)))
        }
    }

    fn string(&mut self) -> Result<&'a str, String> {
        let quote = if self.eat('"') { '"' } else { self.expect('\'').map(|()| '\'')? };
        let (text, rest) = self.rest.split_once(quote).ok_or("its header has an unterminated string")?;
        self.rest = rest;
        Ok(text)
    }

    fn boolean(&mut self) -> Result<bool, String> {
        self.rest = self.rest.trim_start();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Ok(value);
            }
        }
        Err("its `fortran_order` is neither True nor False".to_owned())
    }

    fn tuple(&mut self) -> Result<Vec<usize>, String> {
        let mut shape = Vec::new();
        self.expect('(')?;
        while !self.eat(')') {
            self.rest = self.rest.trim_start();
            let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
            let (digits, rest) = self.rest.split_at(end);
            shape.push(
                digits.parse().map_err(|_| format!("its shape has an invalid axis `{}`", shorten(digits)))?,
            );
            self.rest = rest;
            if !self.eat(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Values;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn written_files_match_numpy_and_are_read_back() {
        for (shape, tuple) in [(&[3][..], "(3,)"), (&[1, 3], "(1, 3)"), (&[3, 1, 1], "(3, 1, 1)")] {
            let bytes = write(shape, [1.5, -2.0, 0.25].into_iter());
            assert_eq!(bytes.len() % ALIGNMENT, 12);
            let header = String::from_utf8_lossy(&bytes[10..]).into_owned();
            assert!(
                header
                    .starts_with(&format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {tuple}, }} "))
            );
            let array = read(&bytes).unwrap();
            assert_eq!(array, Array { shape: shape.to_vec(), values: Values::Floats(vec![1.5, -2.0, 0.25]) });
        }
    }

    #[test]
    fn every_element_type_is_read() {
        let one = [0, 0, 0, 0, 0, 0, 0, 1];
        for (descr, data) in [
            ("|i1", &one[7..]),
            ("|u1", &one[7..]),
            (">i2", &one[6..]),
            (">u2", &one[6..]),
            (">i4", &one[4..]),
            (">u4", &one[4..]),
            (">i8", &one[..]),
            (">u8", &one[..]),
            ("<i4", &[1, 0, 0, 0]),
        ] {
            let array =
                read(&file(&format!("{{'descr': '{descr}', 'fortran_order': True, 'shape': (1,), }}"), data));
            assert_eq!(array.unwrap().values, Values::Integers(vec![1]), "{descr}");
        }
        let doubles =
            file("{\"shape\": (), \"fortran_order\": False, \"descr\": \"<f8\"}\n", &2.5_f64.to_le_bytes());
        assert_eq!(read(&doubles).unwrap(), Array { shape: vec![], values: Values::Floats(vec![2.5]) });
        let mask = file("{'descr': '|b1', 'fortran_order': False, 'shape': (2,), }", &[1, 0]);
        assert_eq!(read(&mask).unwrap().values, Values::Bools(vec![true, false]));
    }

    #[test]
    fn files_that_are_not_arrays_are_rejected() {
        let good = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }";
        let bytes = file(good, &[0; 4]);
        assert!(read(&bytes).is_ok());
        for cut in 0..bytes.len() {
            assert!(read(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        for (from, to) in [
            ("'<f4'", "'<f2'"),
            ("'<f4'", "'<c8'"),
            ("'<f4'", "'é4'"),
            ("'<f4'", "[('a', '<f4')]"),
            ("False", "0"),
            ("(1,)", "(-1,)"),
            ("(1,)", "(18446744073709551616,)"),
            ("(1,)", "(4611686018427387904, 4)"),
            ("(1,)", "(1"),
            ("'shape'", "'form'"),
            (", }", ", } }"),
            ("{", ""),
        ] {
            assert!(read(&file(&good.replace(from, to), &[0; 4])).is_err(), "{from} -> {to}");
        }
        let long = "9".repeat(10_000);
        for header in [
            good.replace("<f4", &long),
            good.replace("shape", &long),
            good.replace('1', &long),
            good.replace("':", &long),
            format!("{good}{long}"),
        ] {
            let reason = read(&file(&header, &[0; 4])).unwrap_err();
            assert!(reason.len() < 200, "{reason}");
        }
    }
}
