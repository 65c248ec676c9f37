//! Reads TensorBoard event files.
#![allow(unreachable_pub, reason = "shared by several test files")]

use prost::Message;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The fields of TensorBoard's `event.proto` and `summary.proto` that tests check.
#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
    #[prost(message, optional, tag = "7")]
    session: Option<Session>,
}

#[derive(Clone, PartialEq, Message)]
struct Session {
    #[prost(int32, tag = "1")]
    status: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    scalar: Option<f32>,
    #[prost(message, optional, tag = "5")]
    histogram: Option<Histogram>,
    #[prost(message, optional, tag = "8")]
    tensor: Option<Tensor>,
}

#[derive(Clone, PartialEq, Message)]
struct Histogram {
    #[prost(double, tag = "3")]
    num: f64,
}

#[derive(Clone, PartialEq, Message)]
struct Tensor {
    #[prost(bytes = "vec", repeated, tag = "8")]
    strings: Vec<Vec<u8>>,
}

/// The contents of a folder's event files, by tag and step, without those that a restart discards.
#[derive(Debug, Default, PartialEq)]
pub struct Events {
    /// As bits, so that NaN equals itself.
    pub scalars: BTreeMap<String, BTreeMap<i64, u32>>,
    /// The number of values in each histogram.
    pub histograms: BTreeMap<String, BTreeMap<i64, f64>>,
    pub texts: BTreeMap<String, BTreeMap<i64, String>>,
}

impl Events {
    pub fn read(folder: &Path) -> Self {
        let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
        files.retain(|path| path.is_file());
        files.sort();
        let mut events = Self::default();
        for record in files.iter().flat_map(|path| records(&fs::read(path).unwrap())) {
            events.add(Event::decode(&record[..]).unwrap());
        }
        events
    }

    fn add(&mut self, Event { step, summary, session }: Event) {
        if session.is_some() {
            self.scalars.values_mut().for_each(|points| points.retain(|&at, _| at < step));
            self.histograms.values_mut().for_each(|points| points.retain(|&at, _| at < step));
            self.texts.values_mut().for_each(|points| points.retain(|&at, _| at < step));
        }
        for Value { tag, scalar, histogram, tensor } in summary.into_iter().flat_map(|s| s.value) {
            if let Some(scalar) = scalar {
                let before = self.scalars.entry(tag.clone()).or_default().insert(step, scalar.to_bits());
                assert_eq!(before, None, "{tag} comes twice at step {step}");
            }
            if let Some(histogram) = histogram {
                self.histograms.entry(tag.clone()).or_default().insert(step, histogram.num);
            }
            if let Some(text) = tensor.and_then(|mut tensor| tensor.strings.pop()) {
                let text = String::from_utf8(text).unwrap();
                self.texts.entry(tag).or_default().insert(step, text);
            }
        }
    }

    /// Returns the values of a scalar by step.
    pub fn scalar(&self, tag: &str) -> Vec<(i64, f32)> {
        let points =
            self.scalars.get(tag).unwrap_or_else(|| panic!("no {tag} among {:?}", self.scalars.keys()));
        points.iter().map(|(&step, &bits)| (step, f32::from_bits(bits))).collect()
    }
}

/// Returns the records of a file, without their checksums, which the writer's own tests check.
fn records(mut file: &[u8]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    while !file.is_empty() {
        let mut take = |n: usize| file.split_off(..n).expect("a whole record");
        let length = u64::from_le_bytes(take(8).try_into().unwrap());
        take(4);
        records.push(take(length as usize).to_vec());
        take(4);
    }
    records
}
