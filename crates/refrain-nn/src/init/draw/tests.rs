//! The range, mean, variance and shape of distributions, each from one large draw.

mod layers;

use super::*;

/// The number of values in a draw.
const COUNT: usize = 200 * 500;
/// The largest deviation of mean and variance from the distribution's, in standard errors. A correct
/// distribution exceeds it for less than one seed in a million, and the seed is fixed.
const STANDARD_ERRORS: f64 = 5.0;
/// Relative tolerance of a value at an exact limit: rounding to f32.
const ROUNDING: f64 = 1e-6;
/// The largest gap between the drawn and the true cumulative distribution (Kolmogorov–Smirnov), times √COUNT.
/// A correct distribution exceeds it for 1 in 10⁴ seeds.
const KOLMOGOROV: f64 = 2.23;

fn drawn(init: &Initializer, shape: &[usize], seed: u64, stream: u64) -> Vec<f32> {
    let mut values = vec![f32::NAN; shape.iter().product()];
    init.fill(&mut values, shape, seed, stream).unwrap();
    values
}

/// Checks mean and variance of a draw. `kurtosis` is the distribution's fourth moment over σ⁴.
fn check_moments(name: &str, values: &[f32], mean: f64, variance: f64, kurtosis: f64) {
    let n = values.len() as f64;
    let got_mean = values.iter().map(|&v| v as f64).sum::<f64>() / n;
    let got_variance = values.iter().map(|&v| (v as f64 - mean).powi(2)).sum::<f64>() / n;
    let mean_error = (got_mean - mean).abs() / (variance / n).sqrt();
    let variance_error = (got_variance / variance - 1.0).abs() / ((kurtosis - 1.0) / n).sqrt();
    assert!(mean_error < STANDARD_ERRORS, "{name}: mean {got_mean}, {mean_error} standard errors off");
    assert!(
        variance_error < STANDARD_ERRORS,
        "{name}: variance {got_variance} for {variance}, {variance_error} standard errors off"
    );
}

fn check_cumulative(name: &str, values: &[f32], cumulative: impl Fn(f64) -> f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    let n = sorted.len() as f64;
    let gap = sorted
        .iter()
        .enumerate()
        .map(|(i, &v)| (cumulative(v as f64) - (i as f64 + 0.5) / n).abs())
        .fold(0.0, f64::max);
    assert!(gap * n.sqrt() < KOLMOGOROV, "{name}: the distribution functions are {gap} apart");
}

fn check_uniform(init: Initializer, shape: &[usize], low: f64, high: f64) {
    check_uniform_values(init.name(), &drawn(&init, shape, 1, 2), low, high);
}

fn check_uniform_values(name: &str, values: &[f32], low: f64, high: f64) {
    let (least, largest) =
        values.iter().fold((f64::MAX, f64::MIN), |(l, h), &v| (l.min(v as f64), h.max(v as f64)));
    let slack = ROUNDING * low.abs().max(high.abs());
    assert!(least >= low - slack && largest <= high + slack, "{name}: {least} to {largest}");
    // A range that is too narrow would pass the line above.
    let missing = (high - low) * 1e-3;
    assert!(least < low + missing && largest > high - missing, "{name}: {least} to {largest}");
    check_moments(name, values, (low + high) / 2.0, (high - low).powi(2) / 12.0, 1.8);
    check_cumulative(name, values, |x| (x - low) / (high - low));
}

/// The standard normal distribution function, computed with the midpoint rule.
fn phi(x: f64) -> f64 {
    let steps = 400;
    let h = x / steps as f64;
    let area: f64 = (0..steps).map(|i| (-((i as f64 + 0.5) * h).powi(2) / 2.0).exp()).sum();
    0.5 + area * h / (2.0 * std::f64::consts::PI).sqrt()
}

fn check_normal(init: Initializer, shape: &[usize], mean: f64, stddev: f64) {
    let values = drawn(&init, shape, 1, 2);
    check_moments(init.name(), &values, mean, stddev * stddev, 3.0);
    check_cumulative(init.name(), &values, |x| phi((x - mean) / stddev));
    assert!(values.iter().any(|&v| (v as f64 - mean).abs() > 3.0 * stddev), "{}: no tails", init.name());
}

/// `stddev` is that of the distribution before truncation.
fn check_truncated(init: Initializer, shape: &[usize], mean: f64, stddev: f64) {
    let values = drawn(&init, shape, 1, 2);
    let farthest = values.iter().map(|&v| (v as f64 - mean).abs() / stddev).fold(0.0, f64::max);
    assert!(farthest <= 2.0 * (1.0 + ROUNDING), "{}: {farthest} sigma", init.name());
    assert!(farthest > 1.99, "{}: cut at {farthest} sigma", init.name());
    // The fourth moment of the truncated distribution over the square of its second.
    let (z, p) = ((-2.0_f64).exp() / (2.0 * std::f64::consts::PI).sqrt(), 2.0 * phi(2.0) - 1.0);
    let second = 1.0 - 4.0 * z / p;
    assert!((second.sqrt() - TRUNCATED_STDDEV).abs() < 1e-6, "{}", second.sqrt());
    let fourth = 3.0 * second - 16.0 * z / p;
    let variance = (stddev * TRUNCATED_STDDEV).powi(2);
    check_moments(init.name(), &values, mean, variance, fourth / (second * second));
    check_cumulative(init.name(), &values, |x| (phi((x - mean) / stddev) - phi(-2.0)) / p);
}

#[test]
fn plain_distributions() {
    let shape = [COUNT];
    check_uniform(Initializer::random_uniform(), &shape, -0.05, 0.05);
    check_uniform(Initializer::RandomUniform { minval: 2.0, maxval: 5.0 }, &shape, 2.0, 5.0);
    check_normal(Initializer::random_normal(), &shape, 0.0, 0.05);
    check_normal(Initializer::RandomNormal { mean: -3.0, stddev: 2.0 }, &shape, -3.0, 2.0);
    check_truncated(Initializer::truncated_normal(), &shape, 0.0, 0.05);
    check_truncated(Initializer::TruncatedNormal { mean: 1.0, stddev: 0.5 }, &shape, 1.0, 0.5);
}

#[test]
fn scaled_distributions_use_the_fans_of_keras() {
    let shape = [200, 500];
    let limit = |x: f64| (-x.sqrt(), x.sqrt());
    let (low, high) = limit(6.0 / 700.0);
    check_uniform(Initializer::GlorotUniform, &shape, low, high);
    let (low, high) = limit(6.0 / 200.0);
    check_uniform(Initializer::HeUniform, &shape, low, high);
    let (low, high) = limit(3.0 / 200.0);
    check_uniform(Initializer::LecunUniform, &shape, low, high);
    let wide = |variance: f64| variance.sqrt() / TRUNCATED_STDDEV;
    check_truncated(Initializer::GlorotNormal, &shape, 0.0, wide(2.0 / 700.0));
    check_truncated(Initializer::HeNormal, &shape, 0.0, wide(2.0 / 200.0));
    check_truncated(Initializer::LecunNormal, &shape, 0.0, wide(1.0 / 200.0));
    check_truncated(Initializer::variance_scaling(), &shape, 0.0, wide(1.0 / 200.0));
    let (mode, distribution) = (FanMode::FanOut, ScalingDistribution::UntruncatedNormal);
    let init = Initializer::VarianceScaling { scale: 3.0, mode, distribution };
    check_normal(init, &shape, 0.0, (3.0_f64 / 500.0).sqrt());
}

#[test]
fn fans_of_each_rank() {
    assert_eq!(fans(&[]), (1.0, 1.0));
    assert_eq!(fans(&[7]), (7.0, 7.0));
    assert_eq!(fans(&[3, 12]), (3.0, 12.0));
    assert_eq!(fans(&[5, 3, 12]), (15.0, 60.0));
    assert_eq!(fans(&[2, 5, 3, 12]), (30.0, 120.0));
    // A fan of 0 counts as 1.
    assert!(drawn(&Initializer::HeNormal, &[0, 3], 0, 0).is_empty());
}

#[test]
fn fixed_values() {
    assert_eq!(drawn(&Initializer::Zeros, &[3], 0, 0), [0.0; 3]);
    assert_eq!(drawn(&Initializer::Ones, &[3], 0, 0), [1.0; 3]);
    assert_eq!(drawn(&Initializer::constant(-0.25), &[], 0, 0), [-0.25]);
    let identity = Initializer::Identity { gain: 2.0 };
    assert_eq!(drawn(&identity, &[2, 2], 0, 0), [2.0, 0.0, 0.0, 2.0]);
    assert_eq!(drawn(&identity, &[2, 3], 0, 0), [2.0, 0.0, 0.0, 0.0, 2.0, 0.0]);
    assert_eq!(drawn(&identity, &[3, 2], 0, 0), [2.0, 0.0, 0.0, 2.0, 0.0, 0.0]);
    assert_eq!(drawn(&identity, &[5, 1], 0, 0), [2.0, 0.0, 0.0, 0.0, 0.0]);
    assert!(drawn(&identity, &[2, 0], 0, 0).is_empty());
}

#[test]
fn the_forget_gate_starts_at_one() {
    let zeros = Initializer::unit_forget_bias(Initializer::Zeros);
    assert_eq!(drawn(&zeros, &[8], 0, 0), [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    let random = drawn(&Initializer::unit_forget_bias(Initializer::random_normal()), &[8], 0, 0);
    assert_eq!(&random[2..4], [1.0; 2]);
    let mut drawn: Vec<u32> = random.iter().map(|v| v.to_bits()).collect();
    drawn.sort_unstable();
    drawn.dedup();
    assert_eq!(drawn.len(), 7, "every random entry is a draw of its own: {random:?}");
}

#[test]
fn leading_dimensions_are_rows_of_an_orthogonal_matrix() {
    let flat = drawn(&Initializer::orthogonal(), &[6, 4], 5, 1);
    assert_eq!(drawn(&Initializer::orthogonal(), &[2, 3, 4], 5, 1), flat);
}

#[test]
fn shapes_that_do_not_fit_are_errors() {
    let forget = Initializer::unit_forget_bias(Initializer::Zeros);
    let cases: [(Initializer, &[usize]); 7] = [
        (Initializer::orthogonal(), &[]),
        (Initializer::orthogonal(), &[4]),
        (Initializer::identity(), &[4]),
        (Initializer::identity(), &[2, 2, 2]),
        (forget.clone(), &[6]),
        (forget.clone(), &[2, 4]),
        (Initializer::unit_forget_bias(Initializer::orthogonal()), &[8]),
    ];
    for (init, shape) in cases {
        let mut values = vec![0.0; shape.iter().product()];
        let error = init.fill(&mut values, shape, 0, 0).unwrap_err();
        assert!(matches!(error, Error::Setting { setting: "shape", .. }), "{error}");
    }
}

#[test]
fn the_seed_and_the_stream_determine_every_bit() {
    let normal = Initializer::random_normal();
    for init in [
        normal.clone(),
        Initializer::truncated_normal(),
        Initializer::GlorotUniform,
        Initializer::orthogonal(),
    ] {
        let first = drawn(&init, &[8, 8], 3, 4);
        assert_eq!(first, drawn(&init, &[8, 8], 3, 4));
        for (seed, stream) in [(3, 5), (4, 4), (4, 3)] {
            let other = drawn(&init, &[8, 8], seed, stream);
            let same = first.iter().zip(&other).filter(|(a, b)| a == b).count();
            assert!(same <= 1, "{}: {same} equal values", init.name());
        }
    }
    // Adjacent streams are independent: the correlation is a sum of COUNT products with variance σ⁴.
    let (a, b) = (drawn(&normal, &[COUNT], 1, 0), drawn(&normal, &[COUNT], 1, 1));
    let correlation: f64 = a.iter().zip(&b).map(|(x, y)| *x as f64 * *y as f64).sum::<f64>() / 0.0025;
    assert!(correlation.abs() < STANDARD_ERRORS * (COUNT as f64).sqrt(), "{correlation}");
}
