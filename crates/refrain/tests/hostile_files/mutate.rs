//! Makes damaged and forged safetensors files from a valid one.

use serde_json::{Map, Value, json};

/// A file taken apart: the JSON of its header, and the bytes after it.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) header: Map<String, Value>,
    pub(crate) tensors: Vec<u8>,
}

impl Parts {
    /// Parses a file; `None` if it is not a length, JSON and the rest.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        let length = u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?);
        let end = usize::try_from(length).ok()?.checked_add(8)?;
        let header = serde_json::from_slice(bytes.get(8..end)?).ok()?;
        Some(Self { header, tensors: bytes[end..].to_vec() })
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        join(&Value::Object(self.header.clone()).to_string(), &self.tensors)
    }

    /// Returns the metadata, empty if there is none.
    pub(crate) fn metadata(&self) -> Map<String, Value> {
        self.header.get("__metadata__").and_then(Value::as_object).cloned().unwrap_or_default()
    }

    pub(crate) fn set_metadata(&mut self, metadata: Map<String, Value>) {
        self.header.insert("__metadata__".to_owned(), Value::Object(metadata));
    }
}

fn join(header: &str, tensors: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), tensors].concat()
}

/// A changed file, and what was changed.
pub(crate) struct Mutation {
    pub(crate) what: String,
    pub(crate) bytes: Vec<u8>,
}

/// Makes the digests of a file valid again.
pub(crate) type Redigest<'a> = &'a dyn Fn(&mut Parts);

/// Changes files at random; the same seed gives the same changes.
pub(crate) struct Mutator {
    state: u64,
}

impl Mutator {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Returns a number below `bound`, from splitmix64.
    fn below(&mut self, bound: usize) -> usize {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    }

    fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    /// Makes one or two changes to a valid file. With `redigest`, its digests are made valid afterwards if the changed
    /// file can still be parsed.
    pub(crate) fn mutate(&mut self, file: &[u8], redigest: Option<Redigest<'_>>) -> Mutation {
        let mut mutation = match self.below(3) {
            0 => self.bytes(file.to_vec()),
            _ => self.structure(file),
        };
        if self.below(8) == 0 && Parts::of(&mutation.bytes).is_some() {
            let second = self.structure(&mutation.bytes);
            mutation = Mutation { what: format!("{}; {}", mutation.what, second.what), ..second };
        }
        if let Some((redigest, mut parts)) = redigest.and_then(|r| Some((r, Parts::of(&mutation.bytes)?))) {
            redigest(&mut parts);
            mutation.bytes = parts.to_bytes();
            mutation.what.push_str("; new digests");
        }
        mutation
    }

    /// Returns a position in a file: near a boundary, in its header or in its tensors.
    fn place(&mut self, file: &[u8]) -> usize {
        let header = 8 + u64::from_le_bytes(file[..8].try_into().expect("eight bytes")) as usize;
        let at = match self.below(6) {
            0 => self.below(10),
            1 => (header + self.below(5)).saturating_sub(2),
            2 => file.len() - 1 - self.below(3),
            3 => header + self.below(file.len().saturating_sub(header)),
            _ => 8 + self.below(header - 8),
        };
        at.min(file.len() - 1)
    }

    fn bytes(&mut self, mut file: Vec<u8>) -> Mutation {
        let at = self.place(&file);
        let what = match self.below(6) {
            0 => {
                file.truncate(at);
                format!("cut at {at}")
            }
            1 | 2 => {
                let bit = self.below(8);
                file[at] ^= 1 << bit;
                format!("bit {bit} of byte {at} flipped")
            }
            3 => {
                let end = file.len().min(at + 1 + self.below(40));
                let with = *self.pick(&[0, 0xFF, b'9', b'[', b'"', 0x7F]);
                file[at..end].fill(with);
                format!("bytes {at} to {end} overwritten with {with}")
            }
            4 => {
                let (len, rest) = (file.len() as u64, file.len() as u64 - 8);
                let header = u64::from_le_bytes(file[..8].try_into().expect("eight bytes"));
                let lengths = [
                    0,
                    1,
                    2,
                    header - 1,
                    header + 1,
                    rest,
                    len,
                    1 << 31,
                    1 << 32,
                    1 << 63,
                    u64::MAX,
                    u64::MAX - 7,
                ];
                let length = *self.pick(&lengths);
                file[..8].copy_from_slice(&length.to_le_bytes());
                format!("header length {length}")
            }
            _ => {
                let with = vec![*self.pick(b"\0 0{}[]\",:\xFF"); 1 + self.below(9)];
                let what = format!("{with:?} inserted at {at}");
                file.splice(at..at, with);
                what
            }
        };
        Mutation { what, bytes: file }
    }

    fn structure(&mut self, file: &[u8]) -> Mutation {
        let mut parts = Parts::of(file).expect("a file that can be taken apart");
        if self.below(3) == 0 {
            let what = self.header(&mut parts);
            return Mutation { what, bytes: parts.to_bytes() };
        }
        let mut metadata = parts.metadata();
        let keys: Vec<String> = metadata.keys().filter(|key| !key.ends_with("digest")).cloned().collect();
        if keys.is_empty() {
            return self.bytes(file.to_vec());
        }
        let key = self.pick(&keys).clone();
        let text = metadata[&key].as_str().unwrap_or_default().to_owned();
        let (what, text) = match serde_json::from_str::<Value>(&text) {
            Ok(value) if self.below(12) > 0 => self.document(value),
            _ => self.text(&text),
        };
        metadata.insert(key.clone(), text.into());
        parts.set_metadata(metadata);
        Mutation { what: format!("{key}: {what}"), bytes: parts.to_bytes() }
    }

    /// Changes the list of tensors.
    fn header(&mut self, parts: &mut Parts) -> String {
        let names: Vec<String> = parts.header.keys().filter(|key| *key != "__metadata__").cloned().collect();
        if names.is_empty() || self.below(4) == 0 {
            let (what, text) = self.document(Value::Object(parts.header.clone()));
            if let Ok(Value::Object(header)) = serde_json::from_str(&text) {
                parts.header = header;
            }
            return format!("header: {what}");
        }
        let (name, other) = (self.pick(&names).clone(), self.pick(&names).clone());
        let tensor = &mut parts.header[&name];
        match self.below(7) {
            0 => {
                let dtype = *self.pick(&["F16", "F64", "I64", "U8", "BOOL", "F8_E5M2", "f32", ""]);
                tensor["dtype"] = dtype.into();
                format!("{name}: {dtype}")
            }
            1 => {
                let shape = tensor["shape"].as_array().cloned().unwrap_or_default();
                let shape: Vec<Value> = shape.into_iter().rev().collect();
                tensor["shape"] = shape.into();
                format!("{name}: shape reversed")
            }
            2 => {
                let number = self.number();
                let axis = self.below(2);
                if let Some(size) = tensor["shape"].get_mut(axis) {
                    *size = number.clone();
                }
                format!("{name}: size {number}")
            }
            3 => {
                let (number, which) = (self.number(), self.below(2));
                if let Some(offset) = tensor["data_offsets"].get_mut(which) {
                    *offset = number.clone();
                }
                format!("{name}: offset {number}")
            }
            4 => {
                let own = tensor["data_offsets"].take();
                let theirs = std::mem::replace(&mut parts.header[&other]["data_offsets"], own);
                if name != other {
                    parts.header[&name]["data_offsets"] = theirs;
                }
                format!("{name} and {other}: offsets swapped")
            }
            5 => {
                parts.header.remove(&name);
                format!("{name} left out")
            }
            _ => {
                let tensor = tensor.clone();
                parts.header.insert(format!("{name}_again"), tensor);
                format!("{name} twice")
            }
        }
    }

    /// Returns a value to replace a number by.
    fn number(&mut self) -> Value {
        let numbers = [
            json!(0),
            json!(1),
            json!(-1),
            json!(2),
            json!(17),
            json!((1u64 << 31) - 1),
            json!(1u64 << 31),
            json!(1u64 << 32),
            json!(1u64 << 53),
            json!(1u64 << 63),
            json!(u64::MAX),
            json!(i64::MIN),
            json!(1 << 20),
            json!(1 << 24),
            json!(0.5),
            json!(1e308),
            json!(-1e308),
            json!(1e-308),
            json!(null),
            json!("4"),
            json!(true),
            json!([]),
            json!({}),
        ];
        self.pick(&numbers).clone()
    }

    /// Returns a changed JSON document, as text.
    fn document(&mut self, mut value: Value) -> (String, String) {
        let mut places = Vec::new();
        walk(&value, String::new(), &mut places);
        // Numbers matter most, but are rare among the words of a vocabulary.
        let numbers: Vec<String> = places
            .iter()
            .filter(|place| value.pointer(place).is_some_and(|v| v.is_number() || v.is_boolean()))
            .cloned()
            .collect();
        let place = self.pick(&places).clone();
        let at = |value: &mut Value, place: &str, to: Value| {
            if let Some(old) = value.pointer_mut(place) {
                *old = to;
            }
        };
        let what = match self.below(9) {
            0..=2 if !numbers.is_empty() => {
                let (place, number) = (self.pick(&numbers).clone(), self.number());
                at(&mut value, &place, number.clone());
                format!("{place} is {number}")
            }
            3 if !numbers.is_empty() => {
                // The same number everywhere: sizes that still agree with each other.
                let place: &String = self.pick(&numbers);
                let from = value.pointer(place).cloned().unwrap_or_default();
                let to = self.number();
                replace_all(&mut value, &from, &to);
                format!("every {from} is {to}")
            }
            4 => {
                let number = self.number();
                at(&mut value, &place, number.clone());
                format!("{place} is {number}")
            }
            5 => {
                let other = self.pick(&places).clone();
                let theirs = value.pointer(&other).cloned().unwrap_or_default();
                let own = value.pointer(&place).cloned().unwrap_or_default();
                at(&mut value, &place, theirs);
                at(&mut value, &other, own);
                format!("{place} and {other} swapped")
            }
            6 => {
                let times = *self.pick(&[1, 2, 7, 1000]);
                self.repeat(&mut value, times)
            }
            7 => {
                let strings =
                    ["", "\0", "input", "\u{1b}[2J", "a/b/c", "🛶", "tail_0/kernel", &"x".repeat(70_000)];
                let text = *self.pick(&strings);
                at(&mut value, &place, text.into());
                format!("{place} is a string of {} bytes", text.len())
            }
            _ => self.drop_or_double(&mut value, &place),
        };
        let mut text = value.to_string();
        if self.below(10) == 0 {
            // A map cannot represent a duplicate key.
            let first = value.as_object().and_then(|map| map.iter().next());
            if let Some((key, value)) = first {
                text = text.replacen('{', &format!("{{{}:{value},", json!(key)), 1);
                return (format!("{what}; key {key} twice"), text);
            }
        }
        (what, text)
    }

    /// Appends an entry of some list `times` more: layers, inputs, labels, merges.
    fn repeat(&mut self, value: &mut Value, times: usize) -> String {
        let mut places = Vec::new();
        walk(value, String::new(), &mut places);
        places.retain(|place| {
            value.pointer(place).and_then(Value::as_array).is_some_and(|list| !list.is_empty())
        });
        if places.is_empty() {
            return "nothing".to_owned();
        }
        let place = self.pick(&places).clone();
        let list = value.pointer_mut(&place).and_then(Value::as_array_mut).expect("a list");
        let entry = list[self.below(list.len())].clone();
        list.extend(std::iter::repeat_n(entry, times));
        format!("{place}: an entry {times} times more")
    }

    fn drop_or_double(&mut self, value: &mut Value, place: &str) -> String {
        let Some((parent, key)) = place.rsplit_once('/') else { return "nothing".to_owned() };
        let key = key.replace("~1", "/").replace("~0", "~");
        let double = self.below(2) == 0;
        match value.pointer_mut(parent) {
            Some(Value::Object(map)) => {
                let old = if double { map.get(&key).cloned() } else { map.remove(&key) };
                if let (true, Some(old)) = (double, old) {
                    map.insert(format!("{key}2"), old);
                }
            }
            Some(Value::Array(list)) => {
                if let Some(index) = key.parse().ok().filter(|index| *index < list.len()) {
                    if double { list.insert(index, list[index].clone()) } else { drop(list.remove(index)) }
                }
            }
            _ => {}
        }
        format!("{place} {}", if double { "doubled" } else { "dropped" })
    }

    fn text(&mut self, text: &str) -> (String, String) {
        let texts = [
            String::new(),
            "null".to_owned(),
            "2".to_owned(),
            "-1".to_owned(),
            "[".repeat(100_000),
            "{\"a\":".repeat(5_000),
            format!("[{}0]", "0,".repeat(100_000)),
            format!("{text}{text}"),
            text.chars().take(text.chars().count() / 2).collect(),
            text.replace(':', ": "),
        ];
        let text = self.pick(&texts).clone();
        let shown: String = text.chars().take(20).collect();
        (format!("the text is {} bytes, {shown:?} first", text.len()), text)
    }
}

/// Collects the JSON pointer of every value in `value`.
fn walk(value: &Value, place: String, places: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                walk(inner, format!("{place}/{}", key.replace('~', "~0").replace('/', "~1")), places);
            }
        }
        Value::Array(list) => {
            for (index, inner) in list.iter().enumerate() {
                walk(inner, format!("{place}/{index}"), places);
            }
        }
        _ => {}
    }
    places.push(place);
}

fn replace_all(value: &mut Value, from: &Value, to: &Value) {
    match value {
        _ if value == from => *value = to.clone(),
        Value::Object(map) => map.values_mut().for_each(|inner| replace_all(inner, from, to)),
        Value::Array(list) => list.iter_mut().for_each(|inner| replace_all(inner, from, to)),
        _ => {}
    }
}
