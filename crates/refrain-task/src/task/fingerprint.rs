//! Fingerprints, which tell whether a resumed run has the same data.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A fingerprint of each part of a run's data: a short text that differs if the data does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprints {
    /// The training data's fingerprint.
    pub training: String,
    /// The validation data's fingerprint, if there is any.
    pub validation: Option<String>,
    /// The test data's fingerprint, if there is any.
    pub test: Option<String>,
}

impl Fingerprints {
    /// Creates the fingerprints of a run without validation and test data.
    pub fn of_training(training: impl Into<String>) -> Self {
        Self { training: training.into(), validation: None, test: None }
    }
}

/// A fingerprint of bytes (FNV-1a, 64 bits). Bytes may be added in parts. Part boundaries do not matter, so add the
/// separators between records too.
///
/// ```
/// use refrain_task::Fingerprint;
///
/// let mut rows = Fingerprint::default();
/// for row in ["12.5\n", "13.1\n"] {
///     rows.add(row.as_bytes());
/// }
/// assert_eq!(rows, Fingerprint::of(["12.5\n13.1\n"]));
/// assert_eq!(rows.to_string(), "fnv1a-52ac8e9d125a3654");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(u64);

impl Default for Fingerprint {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fingerprint {
    /// Returns the fingerprint of texts, one after the other.
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut fingerprint = Self::default();
        texts.into_iter().for_each(|text| fingerprint.add(text.as_bytes()));
        fingerprint
    }

    /// Adds bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        self.0 = bytes.iter().fold(self.0, step);
    }

    /// Returns the fingerprint as a number.
    pub fn value(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fnv1a-{:016x}", self.0)
    }
}
