//! From logits to the next token.

use crate::error::{Error, Result};
use std::cmp::Ordering;

/// How the next token is drawn. The default draws from the model's own distribution.
///
/// The steps, in order: repetition penalty, temperature, `top_k`, `top_p`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// The logit of a recent token is divided by this if positive and multiplied by it if negative (Keskar et al.
    /// 2019); 1: no penalty.
    pub repetition_penalty: f32,
    /// How many of the last tokens are penalised.
    pub repetition_window: usize,
    /// The logits are divided by this. Values below 1 favour likely tokens; 0 always takes the likeliest.
    pub temperature: f32,
    /// Only the `k` likeliest tokens are drawn from.
    pub top_k: Option<usize>,
    /// Only the smallest set of likeliest tokens with at least this total probability is drawn from (after
    /// temperature and `top_k`).
    pub top_p: Option<f32>,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { repetition_penalty: 1.0, repetition_window: 64, temperature: 1.0, top_k: None, top_p: None }
    }
}

/// Draws tokens from logits. Ties are broken by id, so the same logits and the same random number give the same
/// token.
///
/// ```
/// use refrain_text::{Sampler, Sampling};
///
/// let mut sampler = Sampler::new(Sampling { top_k: Some(2), ..Default::default() })?;
/// let logits = [0.0, 1.0, -3.0, 1.0];
/// assert_eq!(sampler.sample(&logits, 0.4)?, 1);
/// assert_eq!(sampler.sample(&logits, 0.6)?, 3);
/// # Ok::<(), refrain_text::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sampler {
    options: Sampling,
    /// Ids and unnormalised probabilities; reused, so that sampling allocates only when the vocabulary grows.
    candidates: Vec<Candidate>,
    /// The logits after the penalty.
    penalised: Vec<f32>,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    id: u32,
    logit: f32,
    weight: f64,
}

/// Orders the likelier first; ties by lower id.
fn rank(a: &Candidate, b: &Candidate) -> Ordering {
    b.logit.total_cmp(&a.logit).then(a.id.cmp(&b.id))
}

impl Sampler {
    /// Creates a sampler with these options.
    ///
    /// # Errors
    ///
    /// An error about an option unless the penalty is finite and at least 1, its window at least 1, the temperature
    /// finite and at least 0, `top_k` at least 1 and `top_p` in (0, 1].
    pub fn new(options: Sampling) -> Result<Self> {
        let Sampling { repetition_penalty, repetition_window, temperature, top_k, top_p } = options;
        let refuse = |option, got, expected| Err(Error::option(option, got, expected));
        if !(repetition_penalty.is_finite() && repetition_penalty >= 1.0) {
            let expected = "a finite number of at least 1 (1: no penalty)";
            return refuse("repetition_penalty", repetition_penalty.to_string(), expected);
        }
        if repetition_window == 0 {
            return refuse("repetition_window", "0".to_owned(), "at least 1");
        }
        if !(temperature.is_finite() && temperature >= 0.0) {
            return refuse(
                "temperature",
                temperature.to_string(),
                "a finite number of at least 0 (0: always the likeliest)",
            );
        }
        if top_k == Some(0) {
            return refuse("top_k", "0".to_owned(), "at least 1");
        }
        if let Some(p) = top_p.filter(|&p| !(p > 0.0 && p <= 1.0)) {
            return refuse("top_p", p.to_string(), "a number above 0 and at most 1");
        }
        Ok(Self { options, candidates: Vec::new(), penalised: Vec::new() })
    }

    /// Returns the options.
    pub fn options(&self) -> Sampling {
        self.options
    }

    /// Returns the token that the random number `uniform` in [0, 1) draws after the tokens `before`, of which the
    /// most recent are penalised. Only as many of them as the window holds are read.
    ///
    /// # Errors
    ///
    /// As for [`Sampler::sample`].
    ///
    /// ```
    /// use refrain_text::{Sampler, Sampling};
    ///
    /// let greedy = Sampling { temperature: 0.0, repetition_penalty: 2.0, ..Default::default() };
    /// let mut sampler = Sampler::new(greedy)?;
    /// assert_eq!(sampler.sample_after(&[], &[1.0, 1.5], 0.0)?, 1);
    /// assert_eq!(sampler.sample_after(&[1], &[1.0, 1.5], 0.0)?, 0);
    /// # Ok::<(), refrain_text::Error>(())
    /// ```
    pub fn sample_after(&mut self, before: &[u32], logits: &[f32], uniform: f32) -> Result<u32> {
        let Sampling { repetition_penalty: penalty, repetition_window: window, .. } = self.options;
        let recent = &before[before.len().saturating_sub(window)..];
        if penalty == 1.0 || recent.is_empty() {
            return self.sample(logits, uniform);
        }
        let mut penalised = std::mem::take(&mut self.penalised);
        penalised.clear();
        penalised.extend_from_slice(logits);
        for &id in recent {
            // Uses the model's original logit, so that a repeated token is penalised only once.
            let Some(&logit) = logits.get(id as usize) else { continue };
            penalised[id as usize] = if logit > 0.0 { logit / penalty } else { logit * penalty };
        }
        let drawn = self.sample(&penalised, uniform);
        self.penalised = penalised;
        drawn
    }

    /// Returns the token that the random number `uniform` in [0, 1) draws without previous tokens. At temperature
    /// 0, `uniform` has no effect.
    ///
    /// # Errors
    ///
    /// [`Error::Logit`] if a logit is NaN or +inf, [`Error::NoChoice`] if none is above -inf, and an error about an
    /// option if `uniform` is outside [0, 1).
    pub fn sample(&mut self, logits: &[f32], uniform: f32) -> Result<u32> {
        if !(0.0..1.0).contains(&uniform) {
            return Err(Error::option("uniform", uniform, "a number in [0, 1)"));
        }
        let (likeliest, max) = largest_logit(logits)?;
        let temperature = f64::from(self.options.temperature);
        if temperature == 0.0 {
            return Ok(likeliest);
        }
        self.candidates.clear();
        self.candidates.extend((0..).zip(logits).map(|(id, &logit)| Candidate {
            id,
            // `-0.0` and `0.0` are ties.
            logit: logit + 0.0,
            weight: ((f64::from(logit) - f64::from(max)) / temperature).exp(),
        }));
        self.keep_top_k();
        self.keep_top_p();
        Ok(draw(&self.candidates, uniform))
    }

    fn keep_top_k(&mut self) {
        let Some(k) = self.options.top_k.filter(|&k| k < self.candidates.len()) else { return };
        self.candidates.select_nth_unstable_by(k - 1, rank);
        self.candidates.truncate(k);
        // The order of the first k is unspecified, and the draw depends on it.
        self.candidates.sort_unstable_by(rank);
    }

    fn keep_top_p(&mut self) {
        let Some(p) = self.options.top_p.filter(|&p| p < 1.0) else { return };
        self.candidates.sort_unstable_by(rank);
        let wanted = f64::from(p) * self.candidates.iter().map(|c| c.weight).sum::<f64>();
        let mut together = 0.0;
        let reached = self.candidates.iter().position(|c| {
            together += c.weight;
            together >= wanted
        });
        if let Some(last) = reached {
            self.candidates.truncate(last + 1);
        }
    }
}

fn draw(candidates: &[Candidate], uniform: f32) -> u32 {
    let wanted = f64::from(uniform) * candidates.iter().map(|c| c.weight).sum::<f64>();
    let mut passed = 0.0;
    let mut last = 0;
    for candidate in candidates.iter().filter(|c| c.weight > 0.0) {
        passed += candidate.weight;
        last = candidate.id;
        if passed > wanted {
            break;
        }
    }
    last
}

/// Returns the index of the first largest logit and its value, after checking all logits.
fn largest_logit(logits: &[f32]) -> Result<(u32, f32)> {
    let mut best = (0, f32::NEG_INFINITY);
    for (position, (id, &value)) in (0..).zip(logits).enumerate() {
        if value.is_nan() || value == f32::INFINITY {
            return Err(Error::Logit { value, position, len: logits.len() });
        }
        if value > best.1 {
            best = (id, value);
        }
    }
    if best.1 == f32::NEG_INFINITY {
        return Err(Error::NoChoice { len: logits.len() });
    }
    Ok(best)
}

/// Replaces `out` with the softmax of some logits. Reuses the capacity of `out`.
///
/// # Errors
///
/// As for [`Sampler::sample`]; `out` is unchanged.
///
/// ```
/// let mut probabilities = Vec::new();
/// refrain_text::softmax_into(&[2.0, 2.0, f32::NEG_INFINITY], &mut probabilities)?;
/// assert_eq!(probabilities, [0.5, 0.5, 0.0]);
/// # Ok::<(), refrain_text::Error>(())
/// ```
pub fn softmax_into(logits: &[f32], out: &mut Vec<f32>) -> Result<()> {
    let (_, max) = largest_logit(logits)?;
    let weight = |logit: f32| (f64::from(logit) - f64::from(max)).exp();
    let sum: f64 = logits.iter().map(|&logit| weight(logit)).sum();
    out.clear();
    out.extend(logits.iter().map(|&logit| (weight(logit) / sum) as f32));
    Ok(())
}

/// Returns the `count` likeliest tokens with their probabilities, the likeliest first; ties by lower id.
///
/// # Errors
///
/// As for [`Sampler::sample`].
///
/// ```
/// let best = refrain_text::most_likely(&[0.0, 9.0, 9.0], 2)?;
/// assert_eq!(best.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [1, 2]);
/// # Ok::<(), refrain_text::Error>(())
/// ```
pub fn most_likely(logits: &[f32], count: usize) -> Result<Vec<(u32, f32)>> {
    let mut probabilities = Vec::new();
    softmax_into(logits, &mut probabilities)?;
    let candidate = |(id, &logit): (u32, &f32)| Candidate { id, logit: logit + 0.0, weight: 0.0 };
    let mut ranked: Vec<Candidate> = (0..).zip(logits).map(candidate).collect();
    ranked.sort_unstable_by(rank);
    Ok(ranked.iter().take(count).map(|c| (c.id, probabilities[c.id as usize])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Absolute; the f32 rounding error of a probability is at most 6e-8.
    const PROBABILITY_TOLERANCE: f32 = 1e-6;

    fn sampler(temperature: f32, top_k: Option<usize>, top_p: Option<f32>) -> Sampler {
        Sampler::new(Sampling { temperature, top_k, top_p, ..Default::default() }).expect("valid options")
    }

    /// Returns the share of each id that an even grid of random numbers draws.
    fn shares(sampler: &mut Sampler, logits: &[f32]) -> Result<Vec<f32>> {
        const DRAWS: u16 = 10_000;
        let mut shares = vec![0.0; logits.len()];
        for i in 0..DRAWS {
            shares[sampler.sample(logits, f32::from(i) / f32::from(DRAWS))? as usize] +=
                1.0 / f32::from(DRAWS);
        }
        Ok(shares)
    }

    fn assert_close(got: &[f32], wanted: &[f32], tolerance: f32) {
        assert_eq!(got.len(), wanted.len());
        for (i, (got, wanted)) in got.iter().zip(wanted).enumerate() {
            assert!(
                (got - wanted).abs() <= tolerance,
                "entry {i}: {got}, expected {wanted} within {tolerance}"
            );
        }
    }

    /// A grid of 10,000 numbers can miss a share by one draw at either end, plus the rounding of 10,000 sums.
    const GRID_TOLERANCE: f32 = 5e-4;

    #[test]
    fn options_outside_their_range_are_rejected() {
        let named = |options| match Sampler::new(options) {
            Err(error) => error.option_at_fault().expect("an option"),
            other => panic!("expected a refusal, got {other:?}"),
        };
        let refused =
            |temperature, top_k, top_p| named(Sampling { temperature, top_k, top_p, ..Default::default() });
        for repetition_penalty in [0.9, f32::NAN, f32::INFINITY] {
            assert_eq!(named(Sampling { repetition_penalty, ..Default::default() }), "repetition_penalty");
        }
        assert_eq!(named(Sampling { repetition_window: 0, ..Default::default() }), "repetition_window");
        for temperature in [-0.1, f32::NAN, f32::INFINITY] {
            assert_eq!(refused(temperature, None, None), "temperature");
        }
        assert_eq!(refused(1.0, Some(0), None), "top_k");
        for p in [0.0, -1.0, 1.0001, f32::NAN] {
            assert_eq!(refused(1.0, None, Some(p)), "top_p");
        }
    }

    #[test]
    fn draws_follow_the_distribution() -> Result<()> {
        let logits = [1.0_f32.ln(), 2.0_f32.ln(), 5.0_f32.ln(), f32::NEG_INFINITY, 2.0_f32.ln()];
        assert_close(
            &shares(&mut sampler(1.0, None, None), &logits)?,
            &[0.1, 0.2, 0.5, 0.0, 0.2],
            GRID_TOLERANCE,
        );
        let squares = [1.0 / 34.0, 4.0 / 34.0, 25.0 / 34.0, 0.0, 4.0 / 34.0];
        assert_close(&shares(&mut sampler(0.5, None, None), &logits)?, &squares, GRID_TOLERANCE);
        Ok(())
    }

    #[test]
    fn top_k_and_top_p_keep_the_most_likely() -> Result<()> {
        let logits = [1.0_f32.ln(), 2.0_f32.ln(), 5.0_f32.ln(), 2.0_f32.ln()];
        let two = [0.0, 2.0 / 7.0, 5.0 / 7.0, 0.0];
        assert_close(&shares(&mut sampler(1.0, Some(2), None), &logits)?, &two, GRID_TOLERANCE);
        assert_close(&shares(&mut sampler(1.0, None, Some(0.65)), &logits)?, &two, GRID_TOLERANCE);
        let three = [0.0, 2.0 / 9.0, 5.0 / 9.0, 2.0 / 9.0];
        assert_close(&shares(&mut sampler(1.0, None, Some(0.75)), &logits)?, &three, GRID_TOLERANCE);
        // Of the three that top_k keeps, 5/9 + 2/9 exceed 0.75.
        assert_close(&shares(&mut sampler(1.0, Some(3), Some(0.75)), &logits)?, &two, GRID_TOLERANCE);
        let all = [0.1, 0.2, 0.5, 0.2];
        assert_close(&shares(&mut sampler(1.0, Some(99), Some(1.0)), &logits)?, &all, GRID_TOLERANCE);
        Ok(())
    }

    #[test]
    fn the_most_likely_token_is_taken_at_temperature_zero() -> Result<()> {
        let logits = [-4.0, 3.0, 3.0, f32::NEG_INFINITY];
        for mut sampler in
            [sampler(0.0, None, None), sampler(1.0, Some(1), None), sampler(1.0, None, Some(1e-9))]
        {
            for uniform in [0.0, 0.5, 1.0 - f32::EPSILON] {
                assert_eq!(sampler.sample(&logits, uniform)?, 1);
            }
        }
        assert_eq!(sampler(f32::MIN_POSITIVE, None, None).sample(&[1.0, 1.5], 0.0)?, 1);
        assert_eq!(sampler(1.0, Some(1), None).sample(&[-0.0, 0.0], 0.5)?, 0);
        Ok(())
    }

    #[test]
    fn recent_tokens_are_penalised_first() -> Result<()> {
        let options = Sampling { repetition_penalty: 2.0, repetition_window: 3, ..Default::default() };
        let logits = [2.0, -1.0, 1.0, -3.0, 0.0];
        let of = |options: Sampling, before: &[u32]| -> Result<Vec<f32>> {
            let mut sampler = Sampler::new(options)?;
            let mut shares = vec![0.0; logits.len()];
            for i in 0_u16..10_000 {
                let id = sampler.sample_after(before, &logits, f32::from(i) / 10_000.0)?;
                shares[id as usize] += 1e-4;
            }
            Ok(shares)
        };
        let softmax = |logits: [f32; 5]| -> Result<Vec<f32>> {
            let mut out = Vec::new();
            softmax_into(&logits, &mut out)?;
            Ok(out)
        };
        // The last three tokens are 0, 3 and 0: 2 / 2 and -3 * 2, each once. Ids outside the vocabulary are
        // ignored.
        let wanted = softmax([1.0, -1.0, 1.0, -6.0, 0.0])?;
        assert_close(&of(options, &[1, 2, 0, 3, 0])?, &wanted, GRID_TOLERANCE);
        let wanted = softmax([2.0, -2.0, 0.5, -3.0, 0.0])?;
        assert_close(&of(options, &[0, 1, 2, 99])?, &wanted, GRID_TOLERANCE);
        assert_close(&of(options, &[])?, &softmax(logits)?, GRID_TOLERANCE);
        let cold = Sampling { temperature: 0.5, ..options };
        let wanted = softmax([2.0, -2.0, 2.0, -12.0, 0.0])?;
        assert_close(&of(cold, &[0, 3])?, &wanted, GRID_TOLERANCE);
        // If the penalty came after top_k, 0 would be taken.
        let one = Sampling { repetition_penalty: 2.5, top_k: Some(1), ..options };
        assert_eq!(of(one, &[0])?[2].round(), 1.0);
        let greedy = Sampling { repetition_penalty: 2.5, temperature: 0.0, ..options };
        assert_eq!(of(greedy, &[0])?[2].round(), 1.0);
        Ok(())
    }

    #[test]
    fn huge_logits_do_not_overflow() -> Result<()> {
        let mut sampler = sampler(1.0, None, None);
        assert_eq!(sampler.sample(&[f32::MIN, f32::MAX, f32::MIN], 0.999)?, 1);
        assert_eq!(sampler.sample(&[f32::MIN, f32::MIN], 0.5)?, 1);
        assert_eq!(sampler.sample(&[f32::NEG_INFINITY, -1e30], 0.0)?, 1);
        Ok(())
    }

    #[test]
    fn invalid_logits_are_rejected() {
        for mut sampler in [sampler(1.0, None, None), sampler(0.0, None, None)] {
            let nan = sampler.sample(&[0.0, f32::NAN], 0.5);
            assert!(matches!(nan, Err(Error::Logit { position: 1, len: 2, .. })));
            assert!(matches!(sampler.sample(&[f32::INFINITY], 0.5), Err(Error::Logit { position: 0, .. })));
            assert!(matches!(sampler.sample(&[], 0.5), Err(Error::NoChoice { len: 0 })));
            assert!(matches!(sampler.sample(&[f32::NEG_INFINITY; 3], 0.5), Err(Error::NoChoice { len: 3 })));
            for uniform in [-0.1, 1.0, f32::NAN] {
                let refused = sampler.sample(&[0.0], uniform);
                assert!(refused.is_err_and(|e| e.option_at_fault() == Some("uniform")));
            }
        }
        let mut out = vec![7.0];
        assert!(softmax_into(&[f32::NAN], &mut out).is_err());
        assert_eq!(out, [7.0]);
    }

    #[test]
    fn softmax_matches_known_values() -> Result<()> {
        let mut out = Vec::new();
        softmax_into(&[1.0, 2.0, 3.0], &mut out)?;
        assert_close(&out, &[0.090_030_57, 0.244_728_47, 0.665_240_96], PROBABILITY_TOLERANCE);
        softmax_into(&[1e4, 1e4 + 1.0], &mut out)?;
        assert_close(&out, &[0.268_941_42, 0.731_058_6], PROBABILITY_TOLERANCE);
        Ok(())
    }

    #[test]
    fn sampling_again_does_not_allocate() -> Result<()> {
        let mut sampler = sampler(0.8, Some(5), Some(0.9));
        let logits: Vec<f32> = (0_u8..200).map(|i| f32::from(i % 17)).collect();
        sampler.sample(&logits, 0.1)?;
        let capacity = sampler.candidates.capacity();
        for i in 0_u8..100 {
            sampler.sample(&logits, f32::from(i) / 100.0)?;
        }
        assert_eq!(sampler.candidates.capacity(), capacity);
        Ok(())
    }

    fn logits() -> impl Strategy<Value = Vec<f32>> {
        // Few different values, so that ties are common.
        proptest::collection::vec((-8_i8..8).prop_map(|l| f32::from(l) / 2.0), 1..40)
    }

    proptest! {
        #[test]
        fn sampled_tokens_are_within_top_k(logits in logits(), k in 1_usize..50, uniform in 0.0_f32..1.0) {
            let drawn = sampler(1.0, Some(k), None).sample(&logits, uniform)?;
            let best = most_likely(&logits, k)?;
            prop_assert!(best.iter().any(|&(id, _)| id == drawn));
            if k < logits.len() {
                prop_assert_eq!(sampler(1.0, Some(k), None).sample(&logits, 0.0)?, best[0].0);
            }
        }

        #[test]
        fn top_p_keeps_the_smallest_set(logits in logits(), p in 0.01_f32..1.0, uniform in 0.0_f32..1.0) {
            let drawn = sampler(1.0, None, Some(p)).sample(&logits, uniform)?;
            let before: f32 = most_likely(&logits, logits.len())?.iter().take_while(|&&(id, _)| id != drawn).map(|&(_, p)| p).sum();
            prop_assert!(before < p + PROBABILITY_TOLERANCE, "{before} came before, {p} were wanted");
        }

        #[test]
        fn probabilities_sum_to_one(logits in proptest::collection::vec(-1e6_f32..1e6, 1..200)) {
            let mut out = Vec::new();
            softmax_into(&logits, &mut out)?;
            prop_assert!((out.iter().sum::<f32>() - 1.0).abs() < 1e-4);
        }
    }
}
