//! Complete steps over parameters with different flags, compared with plain formulas in f64.

use super::*;
use crate::init::Initializer;
use crate::optim::{Adadelta, Adagrad, Adam, AdamW, Adamax, Nadam, RmsProp, Sgd};
use crate::params::ParamSpec;
use refrain_kernels::{Isa, Rows};

/// Absolute tolerance of ten steps in f32 against f64, for weights up to 2 and steps up to 0.5.
const TEN_STEPS: f64 = 5e-6;
/// Absolute tolerance of one step computed by hand, for weights and gradients up to 10.
const HAND: f32 = 2e-6;
const STEPS: u64 = 10;

/// Creates spans of these lengths with `decay` and `trainable` flags.
fn params(spans: &[(usize, bool, bool)]) -> Params {
    let mut params = Params::default();
    for (i, &(len, decay, trainable)) in spans.iter().enumerate() {
        let initializer = Initializer::RandomUniform { minval: -1.0, maxval: 1.0 };
        let spec = ParamSpec { name: "kernel", shape: vec![len], initializer, regularizer: None, decay };
        params.add(format!("layer_{i}/kernel"), spec, trainable);
    }
    params.initialize(11).unwrap();
    params
}

/// Returns numbers within ±1.5 that differ between steps and entries, with a few zeros.
fn gradient(step: u64, entry: usize) -> f32 {
    if entry % 7 == 3 { 0.0 } else { 1.5 * ((step * 37 + entry as u64 * 11) as f32 * 0.7).sin() }
}

/// Sets the gradients of all spans, trained or not, but not the gaps between them.
fn set_gradients(params: &mut Params, step: u64) {
    let Flat { spans, gradients, .. } = params.flat();
    for range in spans.iter().map(Span::range) {
        for entry in range {
            gradients[entry] = gradient(step, entry);
        }
    }
}

/// Returns a rate that changes from step to step, to detect rules that scale their slots by it incorrectly.
fn rate(step: u64) -> f64 {
    0.05 / (1.0 + 0.3 * step as f64)
}

/// Takes ten steps with and without decay. `rule(t, lr, g, slots)` returns the change of one weight.
fn check(optimizer: impl Into<Optimizer>, start: f64, rule: impl Fn(i32, f64, f64, &mut [f64; 3]) -> f64) {
    const DECAY: f64 = 0.1;
    let mut optimizer = optimizer.into();
    let engine = Engine::new(Isa::detect(), 2);
    for decay in [None, Some(DECAY)] {
        if decay.is_none() && optimizer.name() == "adamw" {
            continue;
        }
        optimizer.weight_decay = decay;
        optimizer.validate().unwrap();
        let mut params = params(&[(15, true, true), (3, false, true), (20, true, false), (33, true, true)]);
        let before = params.values().to_vec();
        let mut state = OptimizerState::new(&optimizer, &params);
        for step in 0..STEPS {
            set_gradients(&mut params, step);
            state.apply(&engine, &optimizer, &mut params, rate(step), 1);
        }
        assert_eq!(state.steps(), STEPS);
        let mut covered = vec![false; before.len()];
        for span in params.spans() {
            for entry in span.range() {
                covered[entry] = true;
                let mut want = f64::from(before[entry]);
                let mut slots = [start, 0.0, 0.0];
                for step in (0..STEPS).take_while(|_| span.trainable) {
                    want -= want * decay.filter(|_| span.decay).unwrap_or(0.0) * rate(step);
                    want += rule(step as i32 + 1, rate(step), gradient(step, entry).into(), &mut slots);
                }
                let got = f64::from(params.values()[entry]);
                let tolerance = if span.trainable { TEN_STEPS } else { 0.0 };
                assert!(
                    (got - want).abs() <= tolerance,
                    "{} in {}, entry {entry}: {got} for {want}",
                    optimizer.name(),
                    span.name
                );
            }
        }
        for (entry, value) in params.values().iter().enumerate().filter(|(entry, _)| !covered[*entry]) {
            assert_eq!(value.to_bits(), 0, "{} changed entry {entry} between spans", optimizer.name());
        }
    }
}

#[test]
fn sgd_matches_keras() {
    check(Sgd::default(), 0.0, |_, lr, g, _| -lr * g);
    let momentum = Sgd::default().momentum(0.9);
    check(momentum.clone(), 0.0, |_, lr, g, [m, ..]| {
        *m = 0.9 * *m - lr * g;
        *m
    });
    check(momentum.nesterov(true), 0.0, |_, lr, g, [m, ..]| {
        *m = 0.9 * *m - lr * g;
        0.9 * *m - lr * g
    });
}

// From here on epsilon is large enough to reveal its position in the formula.

#[test]
fn rmsprop_matches_keras() {
    for (mu, centered) in [(0.0, false), (0.7, false), (0.0, true), (0.7, true)] {
        let optimizer = RmsProp::default().rho(0.8).momentum(mu).epsilon(0.01).centered(centered);
        check(optimizer, 0.0, |_, lr, g, [v, m, a]| {
            *v = 0.8 * *v + 0.2 * g * g;
            *a = if centered { 0.8 * *a + 0.2 * g } else { 0.0 };
            *m = mu * *m + lr * g / (*v - *a * *a + 0.01).sqrt();
            -*m
        });
    }
}

#[test]
fn adagrad_and_adadelta_match_keras() {
    check(Adagrad::default().epsilon(0.01), 0.1, |_, lr, g, [a, ..]| {
        *a += g * g;
        -lr * g / (*a + 0.01).sqrt()
    });
    check(Adagrad::default().initial_accumulator_value(0.5), 0.5, |_, lr, g, [a, ..]| {
        *a += g * g;
        -lr * g / (*a + 1e-7).sqrt()
    });
    check(Adadelta::default().rho(0.9).epsilon(0.01), 0.0, |_, lr, g, [a, b, _]| {
        *a = 0.9 * *a + 0.1 * g * g;
        let change = -g * (*b + 0.01).sqrt() / (*a + 0.01).sqrt();
        *b = 0.9 * *b + 0.1 * change * change;
        lr * change
    });
}

#[test]
fn the_adam_family_matches_keras() {
    let adam = |t, lr: f64, g: f64, [m, v, _]: &mut [f64; 3]| {
        *m += 0.2 * (g - *m);
        *v += 0.01 * (g * g - *v);
        -lr * (1.0 - 0.99_f64.powi(t)).sqrt() / (1.0 - 0.8_f64.powi(t)) * *m / (v.sqrt() + 0.01)
    };
    check(Adam::default().beta_1(0.8).beta_2(0.99).epsilon(0.01), 0.0, adam);
    check(AdamW::default().beta_1(0.8).beta_2(0.99).epsilon(0.01), 0.0, adam);
    check(Adamax::default().beta_1(0.8).beta_2(0.99).epsilon(0.01), 0.0, |t, lr, g, [m, u, _]| {
        *m += 0.2 * (g - *m);
        *u = (0.99 * *u).max(g.abs());
        -lr * *m / ((1.0 - 0.8_f64.powi(t)) * (*u + 0.01))
    });
    check(Nadam::default().beta_1(0.8).beta_2(0.99).epsilon(0.01), 0.0, |t, lr, g, [m, v, _]| {
        let u = |t: i32| 0.8 * (1.0 - 0.5 * 0.96_f64.powi(t));
        let product = |t: i32| (1..=t).map(u).product::<f64>();
        *m += 0.2 * (g - *m);
        *v += 0.01 * (g * g - *v);
        let ahead = u(t + 1) * *m / (1.0 - product(t + 1)) + (1.0 - u(t)) * g / (1.0 - product(t));
        -lr * ahead / ((*v / (1.0 - 0.99_f64.powi(t))).sqrt() + 0.01)
    });
}

/// Takes one step of plain gradient descent with rate 1 from zero on two trained spans and a frozen one
/// between them: the weights are the negative clipped gradient.
fn clipped(optimizer: Sgd, first: [f32; 2], second: [f32; 2]) -> (Vec<f32>, StepReport) {
    let optimizer = optimizer.into();
    let mut params = params(&[(2, true, true), (2, true, false), (2, false, true)]);
    let Flat { spans, values, gradients, .. } = params.flat();
    values.fill(0.0);
    let ranges: Vec<_> = spans.iter().map(Span::range).collect();
    gradients[ranges[0].clone()].copy_from_slice(&first);
    // A frozen parameter's gradient must affect neither the norm nor a weight.
    gradients[ranges[1].clone()].fill(f32::INFINITY);
    gradients[ranges[2].clone()].copy_from_slice(&second);
    let mut state = OptimizerState::new(&optimizer, &params);
    let report = state.apply(&Engine::new(Isa::detect(), 1), &optimizer, &mut params, 1.0, 1);
    assert_eq!(params.values()[ranges[1].clone()], [0.0; 2]);
    let trained = [ranges[0].clone(), ranges[2].clone()];
    (
        trained.into_iter().flat_map(|r| params.values()[r].iter().map(|w| -w).collect::<Vec<_>>()).collect(),
        report,
    )
}

fn assert_close(got: &[f32], want: [f32; 4]) {
    let close = got.iter().zip(want).all(|(g, w)| (g - w).abs() <= HAND);
    assert!(close && got.len() == 4, "{got:?} for {want:?}");
}

#[test]
fn the_norm_of_each_parameter_is_clipped() {
    let (got, report) = clipped(Sgd::default().clipnorm(1.0), [3.0, -4.0], [0.3, 0.4]);
    assert_close(&got, [0.6, -0.8, 0.3, 0.4]);
    assert!((report.gradient_norm - 25.25_f64.sqrt()).abs() < 1e-6, "{report:?}");
    assert_eq!(report.scale, 1.0);
    let (got, _) = clipped(Sgd::default().clipnorm(1.0), [f32::INFINITY, 1.0], [0.0, 2.0]);
    assert!(got[0].is_nan(), "{got:?}");
    assert_eq!(got[1..], [0.0, 0.0, 1.0]);
}

#[test]
fn each_entry_is_clipped() {
    let (got, report) = clipped(Sgd::default().clipvalue(2.0), [3.0, -4.0], [0.0, 1.5]);
    assert_eq!(got, [2.0, -2.0, 0.0, 1.5]);
    assert_eq!(report, StepReport { gradient_norm: 27.25_f64.sqrt(), scale: 1.0 });
}

#[test]
fn the_global_norm_is_clipped() {
    let (got, report) = clipped(Sgd::default().global_clipnorm(6.5), [3.0, 4.0], [0.0, -12.0]);
    assert_close(&got, [1.5, 2.0, 0.0, -6.0]);
    assert_eq!(report.gradient_norm, 13.0);
    assert!((report.scale - 0.5).abs() < 1e-15, "{report:?}");
    let (got, report) = clipped(Sgd::default().global_clipnorm(13.0), [3.0, 4.0], [0.0, -12.0]);
    assert_eq!(got, [3.0, 4.0, 0.0, -12.0]);
    assert_eq!(report.scale, 1.0);
    for wrong in [f32::NAN, f32::INFINITY] {
        let (got, report) = clipped(Sgd::default().global_clipnorm(1.0), [1.0, wrong], [0.5, 0.5]);
        assert!(got.iter().all(|w| w.is_nan()) && report.scale.is_nan(), "{got:?} {report:?}");
        assert!(!report.gradient_norm.is_finite());
    }
}

#[test]
fn clipping_precedes_decay_and_does_not_affect_it() {
    let optimizer: Optimizer = Sgd::default().clipvalue(0.5).weight_decay(0.1).into();
    let mut params = params(&[(2, true, true), (2, false, true)]);
    let Flat { spans, values, gradients, .. } = params.flat();
    let ranges: Vec<_> = spans.iter().map(Span::range).collect();
    for range in &ranges {
        values[range.clone()].fill(4.0);
        gradients[range.clone()].copy_from_slice(&[0.0, 8.0]);
    }
    let mut state = OptimizerState::new(&optimizer, &params);
    state.apply(&Engine::new(Isa::detect(), 1), &optimizer, &mut params, 0.25, 1);
    let got: Vec<f32> = ranges.into_iter().flat_map(|r| params.values()[r].to_vec()).collect();
    assert_close(&got, [3.9, 3.775, 4.0, 3.875]);
}

#[test]
fn neighbouring_parameters_with_equal_flags_are_joined() {
    let flags = [
        (3, true, true),
        (16, true, true),
        (5, false, true),
        (2, false, false),
        (4, false, true),
        (1, true, true),
    ];
    let ranges = |mut p: Params, alone: bool| -> Vec<_> {
        let Flat { spans, row_gradients, .. } = p.flat();
        let range = |run| match run {
            Run::Flat(range) => range,
            Run::Rows(..) => panic!("nothing is kept by rows"),
        };
        runs(spans, row_gradients, alone).map(|(run, decays)| (range(run), decays)).collect()
    };
    let together = ranges(params(&flags), false);
    assert_eq!(together, [(0..32, true), (32..37, false), (64..68, false), (80..81, true)]);
    let alone = ranges(params(&flags), true);
    assert_eq!(alone, [(0..3, true), (16..32, true), (32..37, false), (64..68, false), (80..81, true)]);
    assert_eq!(ranges(params(&[(3, true, false)]), false), []);
    // An empty span begins at the same position as its neighbour; its flag must not apply to the neighbour.
    let p = params(&[(0, true, true), (4, false, true)]);
    assert_eq!(ranges(p, false), [(0..0, true), (0..4, false)]);
}

/// A gradient stored by rows is equivalent to a full one: in the norm, the step, what readers see, and what
/// other layers add to it.
#[test]
fn a_gradient_stored_by_rows_equals_the_full_one() {
    const WIDTH: usize = 5;
    let engine = Engine::new(Isa::detect(), 2);
    let ids = [7, 2, 7, 0, 2, 7];
    let mut d = vec![f32::NAN; ids.len() * 16];
    for (i, d) in d.chunks_mut(16).enumerate() {
        (0..WIDTH).for_each(|k| d[k] = gradient(3, i * WIDTH + k));
    }
    let d = Rows::new(&d, ids.len(), WIDTH);
    let step = |clip: &Sgd, by_rows: bool, added: bool| {
        let optimizer: Optimizer = clip.clone().into();
        assert!(optimizer.leaves_zero_gradients());
        let mut params = params(&[(9, true, true), (11 * WIDTH, true, true), (20, true, true)]);
        params.keep_by_rows(by_rows);
        let table = params.find("layer_1/kernel").unwrap();
        for batch in 0..2 {
            set_gradients(&mut params, batch);
            params.begin_gradients();
            params.gradient_mut(params.find("layer_0/kernel").unwrap()).fill(0.5);
            params.add_rows(&engine, table, &ids, d);
            if added {
                params.gradient_mut(table)[3] += 1.0;
            }
            params.finish_gradients();
        }
        let kept = params.flat().row_gradients.rows(1).map(|rows| rows.data().len());
        assert_eq!(kept, (by_rows && !added).then_some(3 * WIDTH));
        let seen = params.gradient(table).into_owned();
        let mut state = OptimizerState::new(&optimizer, &params);
        let report = state.apply(&engine, &optimizer, &mut params, 0.5, 1);
        (seen, report.gradient_norm as f32, params.values().to_vec())
    };
    let clips = [Sgd::default(), Sgd::default().clipnorm(0.7), Sgd::default().clipvalue(0.3)];
    for clip in clips.into_iter().chain([Sgd::default().global_clipnorm(0.9)]) {
        assert_eq!(step(&clip, true, false), step(&clip, false, false));
        assert_eq!(step(&clip, true, true), step(&clip, false, true));
    }
    for keeps in [Optimizer::from(Sgd::default().momentum(0.9)), Adam::default().into()] {
        assert!(!keeps.leaves_zero_gradients());
    }
    assert!(!Optimizer::from(Sgd::default().weight_decay(0.1)).leaves_zero_gradients());
}

#[test]
fn slots_have_names_and_initial_values() {
    let p = params(&[(5, true, true)]);
    let names = |optimizer: &Optimizer| -> Vec<&str> {
        let state = OptimizerState::new(optimizer, &p);
        let start = if optimizer.name() == "adagrad" { 0.1 } else { 0.0 };
        assert!(state.slots().all(|(_, s)| s.len() == p.values().len() && s.iter().all(|v| *v == start)));
        state.slots().map(|(name, _)| name).collect()
    };
    assert!(names(&Sgd::default().into()).is_empty());
    assert_eq!(names(&Sgd::default().momentum(0.9).into()), ["momentum"]);
    let rmsprop = RmsProp::default();
    assert_eq!(names(&rmsprop.clone().into()), ["velocity"]);
    assert_eq!(names(&rmsprop.clone().momentum(0.5).into()), ["velocity", "momentum"]);
    assert_eq!(names(&rmsprop.clone().centered(true).into()), ["velocity", "average_gradient"]);
    assert_eq!(
        names(&rmsprop.momentum(0.5).centered(true).into()),
        ["velocity", "momentum", "average_gradient"]
    );
    assert_eq!(names(&Adagrad::default().into()), ["accumulator"]);
    assert_eq!(names(&Adadelta::default().into()), ["accumulated_grad", "accumulated_delta_var"]);
    assert_eq!(names(&Adamax::default().into()), ["momentum", "norm"]);
    for name in ["adam", "adamw", "nadam"] {
        assert_eq!(names(&Optimizer::by_name(name).unwrap()), ["momentum", "velocity"]);
    }
}

/// A checkpoint finds slots by name. Values by hand after one step with gradient 2 and rate 0.5.
#[test]
fn slots_hold_the_named_values() {
    let check = |optimizer: Optimizer, want: &[(&str, f32)]| {
        let mut p = params(&[(1, true, true)]);
        p.flat().gradients[0] = 2.0;
        let mut state = OptimizerState::new(&optimizer, &p);
        state.apply(&Engine::new(Isa::detect(), 1), &optimizer, &mut p, 0.5, 1);
        let got: Vec<_> = state.slots().map(|(name, slot)| (name, slot[0])).collect();
        let close = got.iter().zip(want).all(|(g, w)| g.0 == w.0 && (g.1 - w.1).abs() <= HAND);
        assert!(close && got.len() == want.len(), "{}: {got:?} for {want:?}", optimizer.name());
    };
    check(Sgd::default().momentum(0.9).into(), &[("momentum", -1.0)]);
    let rmsprop = RmsProp::default().rho(0.5).momentum(0.5).epsilon(0.25).centered(true);
    // The variance is 2 − 1² + 0.25; the update is 0.5 · 2 / √1.25.
    let change = 1.0 / 1.25_f32.sqrt();
    check(rmsprop.into(), &[("velocity", 2.0), ("momentum", change), ("average_gradient", 1.0)]);
    check(Adagrad::default().into(), &[("accumulator", 4.1)]);
    // The update is −2 · √1 / √(2 + 1).
    let adadelta = Adadelta::default().rho(0.5).epsilon(1.0);
    check(adadelta.into(), &[("accumulated_grad", 2.0), ("accumulated_delta_var", 2.0 / 3.0)]);
    for name in ["adam", "adamw", "nadam"] {
        check(Optimizer::by_name(name).unwrap(), &[("momentum", 0.2), ("velocity", 0.004)]);
    }
    check(Adamax::default().into(), &[("momentum", 0.2), ("norm", 2.0)]);
}

/// Long enough that each number of threads divides the work differently.
#[test]
fn threads_do_not_change_the_result() {
    for clip in ["none", "clipnorm", "global_clipnorm"] {
        for name in ["sgd", "rmsprop", "adagrad", "adadelta", "adamw", "adamax", "nadam"] {
            let mut optimizer = Optimizer::by_name(name).unwrap();
            match clip {
                "clipnorm" => optimizer.clip.clipnorm = Some(5.0),
                "global_clipnorm" => optimizer.clip.global_clipnorm = Some(5.0),
                _ => {}
            }
            let mut first = None;
            for threads in [1, 2, 3, 5, 8] {
                let engine = Engine::new(Isa::detect(), threads);
                let mut params =
                    params(&[(200_003, true, true), (50_001, false, true), (150_000, false, true)]);
                let mut state = OptimizerState::new(&optimizer, &params);
                let mut bits = Vec::new();
                for step in 0..2 {
                    set_gradients(&mut params, step);
                    let report = state.apply(&engine, &optimizer, &mut params, 0.01, 1);
                    bits.push(report.gradient_norm.to_bits());
                    bits.push(report.scale.to_bits());
                }
                let slots = state.slots().flat_map(|(_, s)| s);
                bits.extend(params.values().iter().chain(slots).map(|v| u64::from(v.to_bits())));
                let first = first.get_or_insert_with(|| bits.clone());
                assert!(*first == bits, "{name}, {clip}, {threads} threads");
            }
        }
    }
}
