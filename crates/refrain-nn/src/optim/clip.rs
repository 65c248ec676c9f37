//! Gradient clipping.

use super::check;
use crate::error::Error;
use serde::{Deserialize, Serialize};

/// Gradient clipping: none, or one of three kinds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clip {
    /// Scales each parameter's gradient so that its norm is at most this.
    pub clipnorm: Option<f64>,
    /// Clips each entry to ± this.
    pub clipvalue: Option<f64>,
    /// Scales the whole gradient so that its norm over all trained parameters is at most this. A non-finite
    /// norm makes every gradient NaN.
    pub global_clipnorm: Option<f64>,
}

impl Clip {
    pub(super) fn validate(&self, owner: &'static str) -> Result<(), Error> {
        let set = [
            ("clipnorm", self.clipnorm),
            ("clipvalue", self.clipvalue),
            ("global_clipnorm", self.global_clipnorm),
        ];
        let mut set = set.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let Some((name, value)) = set.next() else { return Ok(()) };
        if let Some((other, second)) = set.next() {
            return Err(Error::setting(owner, other, second, format!("unset when {name} ({value}) is set")));
        }
        check(owner, name, value, value > 0.0, "above 0")
    }
}

/// Returns the factor for all entries of a gradient with this norm under global clipping.
///
/// Keras's `c·min(1/n, 1/c) + (n − n)`, with `c·(1/c)` replaced by the exact 1. NaN if the norm is not
/// finite.
pub(super) fn global_scale(norm: f64, bound: f64) -> f64 {
    if !norm.is_finite() {
        f64::NAN
    } else if norm > bound {
        bound * (1.0 / norm)
    } else {
        1.0
    }
}

/// Returns the factor for the entries of one parameter's gradient with this norm under its own bound.
///
/// Keras's `c / max(n, c)`. An infinite norm gives 0, so that finite entries become 0 and infinite ones NaN.
pub(super) fn span_scale(norm: f64, bound: f64) -> f64 {
    // `f64::max` would drop a NaN.
    if norm.is_nan() { norm } else { bound / norm.max(bound) }
}

#[cfg(test)]
mod tests {
    use super::super::{Adam, Optimizer, Sgd};
    use super::*;

    #[test]
    fn scales_match_a_manual_calculation() {
        assert_eq!(global_scale(10.0, 2.5), 0.25);
        assert_eq!(global_scale(2.0, 4.0), 1.0);
        // 49 · (1/49) is not 1.
        assert_eq!(global_scale(49.0, 49.0), 1.0);
        assert_eq!(global_scale(0.0, 4.0), 1.0);
        assert!(global_scale(f64::INFINITY, 4.0).is_nan());
        assert!(global_scale(f64::NAN, 4.0).is_nan());
        assert_eq!(span_scale(10.0, 2.5), 0.25);
        assert_eq!(span_scale(2.0, 2.5), 1.0);
        assert_eq!(span_scale(0.0, 2.5), 1.0);
        assert_eq!(span_scale(f64::INFINITY, 2.5), 0.0);
        assert!(span_scale(f64::NAN, 2.5).is_nan());
    }

    #[test]
    fn only_one_bound_may_be_set() {
        for (optimizer, name) in [
            (Optimizer::from(Adam::default().clipnorm(1.0).clipvalue(0.5)), "clipvalue"),
            (Sgd::default().clipnorm(1.0).global_clipnorm(0.5).into(), "global_clipnorm"),
            (Sgd::default().global_clipnorm(1.0).clipvalue(2.0).into(), "global_clipnorm"),
            (Sgd::default().clipnorm(0.0).into(), "clipnorm"),
            (Sgd::default().clipvalue(f64::NAN).into(), "clipvalue"),
            (Sgd::default().global_clipnorm(-1.0).into(), "global_clipnorm"),
        ] {
            match optimizer.validate().unwrap_err() {
                Error::Setting { setting, .. } => assert_eq!(setting, name),
                other => panic!("{other}"),
            }
        }
        for optimizer in [
            Optimizer::from(Sgd::default().clipnorm(1.0)),
            Sgd::default().clipvalue(1.0).into(),
            Sgd::default().global_clipnorm(1.0).into(),
        ] {
            optimizer.validate().unwrap();
        }
    }
}
