//! Exact JSON for `f64`: the value is read back with the same bits. JSON has no non-finite numbers, so those
//! are written as strings.

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserializer, Serializer};
use std::fmt;

/// Serializes an `f64`, for `#[serde(with = …)]`.
///
/// # Errors
/// Returns the serializer's errors.
pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_finite() { serializer.serialize_f64(*value) } else { serializer.collect_str(value) }
}

/// Deserializes an `f64`, for `#[serde(with = …)]`.
///
/// # Errors
/// Returns an error unless the value is a number, `NaN`, `inf` or `-inf`.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    deserializer.deserialize_any(Number)
}

struct Number;

impl Visitor<'_> for Number {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, `NaN`, `inf` or `-inf`")
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<f64, E> {
        Ok(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<f64, E> {
        Ok(value as f64)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<f64, E> {
        Ok(value as f64)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<f64, E> {
        match text {
            "NaN" => Ok(f64::NAN),
            "inf" => Ok(f64::INFINITY),
            "-inf" => Ok(f64::NEG_INFINITY),
            other => Err(E::invalid_value(Unexpected::Str(other), &self)),
        }
    }
}

/// Exact JSON for `Option<f64>`; `None` is `null`.
pub mod option {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Exact(#[serde(with = "super")] f64);

    /// Serializes an `Option<f64>`, for `#[serde(with = …)]`.
    ///
    /// # Errors
    /// Returns the serializer's errors.
    pub fn serialize<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        value.map(Exact).serialize(serializer)
    }

    /// Deserializes an `Option<f64>`, for `#[serde(with = …)]`.
    ///
    /// # Errors
    /// Returns an error unless the value is `null`, a number, `NaN`, `inf` or `-inf`.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
        Ok(Option::<Exact>::deserialize(deserializer)?.map(|Exact(value)| value))
    }
}

/// Exact JSON for `Vec<f64>`.
pub mod list {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Exact(#[serde(with = "super")] f64);

    /// Serializes a list, for `#[serde(with = …)]`.
    ///
    /// # Errors
    /// Returns the serializer's errors.
    pub fn serialize<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(|&value| Exact(value)))
    }

    /// Deserializes a list, for `#[serde(with = …)]`.
    ///
    /// # Errors
    /// Returns an error unless every element is a number, `NaN`, `inf` or `-inf`.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
        Ok(Vec::<Exact>::deserialize(deserializer)?.into_iter().map(|Exact(value)| value).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    struct Numbers {
        #[serde(with = "super")]
        one: f64,
        #[serde(with = "super::option")]
        maybe: Option<f64>,
        #[serde(with = "super::list")]
        all: Vec<f64>,
    }

    #[test]
    fn every_number_survives_bit_for_bit() {
        let values = [0.0, -0.0, 0.1, 1.0, -7.0, 1e300, 5e-324, 2f64.powi(60), f64::MAX, 1.0 / 3.0, -1e18];
        for value in values.into_iter().chain([f64::INFINITY, f64::NEG_INFINITY, f64::NAN]) {
            let json =
                serde_json::to_string(&Numbers { one: value, maybe: Some(value), all: vec![0.5, value] })
                    .unwrap();
            let back: Numbers = serde_json::from_str(&json).unwrap();
            assert_eq!(
                [back.one, back.maybe.unwrap(), back.all[1]].map(f64::to_bits),
                [value.to_bits(); 3],
                "{json}"
            );
        }
        let none: Numbers = serde_json::from_str(r#"{"one": 3, "maybe": null, "all": []}"#).unwrap();
        assert_eq!((none.one, none.maybe), (3.0, None));
        for wrong in [
            r#"{"one": "three", "maybe": null, "all": []}"#,
            r#"{"one": null, "maybe": null, "all": []}"#,
            r#"{"one": 1, "maybe": null, "all": [null]}"#,
        ] {
            assert!(serde_json::from_str::<Numbers>(wrong).is_err(), "{wrong}");
        }
    }
}
