use super::*;
use crate::Isa;
use crate::elementwise::testing::*;
use crate::reference::optimizer as reference;

const STEPS: u64 = 4;

const SCALES: [StepScale; 3] = [
    StepScale { factor: 1.0, clip_value: None, decay: 0.0, lr: 0.01 },
    StepScale { factor: 0.3, clip_value: None, decay: 0.004, lr: 0.1 },
    StepScale { factor: 1.0, clip_value: Some(0.5), decay: 0.1, lr: 0.001 },
];

fn lengths() -> impl Iterator<Item = usize> {
    WIDTHS.into_iter().chain([CHUNK * 3 - 1, 30 * BLOCK + 17])
}

/// Returns parameters and `N` slots after some steps, with new gradients at each step, concatenated.
fn train<const N: usize>(
    len: usize,
    start: f32,
    mut step: impl FnMut(u64, &mut [f32], Vec<f32>, [&mut [f32]; N]),
) -> Vec<f32> {
    let mut w = floats(1, len, 1.0);
    let mut slots = [(); N].map(|()| vec![start; len]);
    for t in 1..=STEPS {
        step(t, &mut w, floats(100 + t, len, 2.0), slots.each_mut().map(|slot| &mut slot[..]));
    }
    slots.iter().for_each(|slot| w.extend(slot));
    w
}

/// Runs a kernel and its reference, which gets gradients and parameters after [`StepScale`] is applied. They must agree
/// to the bit, because both round in Keras's order.
fn check<const N: usize>(
    name: &str,
    start: f32,
    kernel: impl Fn(&Engine, StepScale, u64, &mut [f32], &[f32], [&mut [f32]; N]),
    twin: impl Fn(f64, u64, &mut [f32], &[f32], [&mut [f32]; N]),
) {
    for len in lengths() {
        for scale in SCALES {
            let lr = f64::from(scale.lr);
            let want = train(len, start, |t, w, mut g, slots| {
                g.iter_mut().for_each(|g| *g *= scale.factor);
                if let Some(c) = scale.clip_value {
                    g.iter_mut().for_each(|g| *g = g.clamp(-c, c));
                }
                reference::decoupled_decay(w, f64::from(scale.decay), lr);
                twin(lr, t, w, &g, slots);
            });
            stamped(
                |e| train(len, start, |t, w, g, slots| kernel(e, scale, t, w, &g, slots)),
                |got, isa| {
                    let at = got.iter().zip(&want).position(|(a, b)| a.to_bits() != b.to_bits());
                    assert_eq!(at.map(|k| (k, got[k], want[k])), None, "{name}, {len}, {scale:?}, {isa}");
                },
            );
        }
    }
}

#[test]
fn sgd_matches_the_reference() {
    check(
        "sgd",
        0.0,
        |e, scale, _, w, g, []| sgd(e, Sgd::default(), scale, w, g, None),
        |lr, _, w, g, []| reference::Sgd { learning_rate: lr, ..Default::default() }.step(w, g, None),
    );
    for nesterov in [false, true] {
        check(
            "sgd with momentum",
            0.0,
            |e, scale, _, w, g, [m]| sgd(e, Sgd { momentum: 0.9, nesterov }, scale, w, g, Some(m)),
            |lr, _, w, g, [m]| {
                reference::Sgd { learning_rate: lr, momentum: 0.9, nesterov }.step(w, g, Some(m));
            },
        );
    }
}

#[test]
fn rmsprop_matches_the_reference() {
    let ours = RmsProp { momentum: 0.8, ..Default::default() };
    let twin = |lr| reference::RmsProp { learning_rate: lr, momentum: 0.8, ..reference::RmsProp::default() };
    check(
        "rmsprop",
        0.0,
        |e, scale, _, w, g, [v]| rmsprop(e, ours, scale, w, g, v, None, None),
        |lr, _, w, g, [v]| twin(lr).step(w, g, v, None, None),
    );
    check(
        "rmsprop with momentum",
        0.0,
        |e, scale, _, w, g, [v, m]| rmsprop(e, ours, scale, w, g, v, Some(m), None),
        |lr, _, w, g, [v, m]| twin(lr).step(w, g, v, Some(m), None),
    );
    check(
        "centred rmsprop",
        0.0,
        |e, scale, _, w, g, [v, a]| rmsprop(e, ours, scale, w, g, v, None, Some(a)),
        |lr, _, w, g, [v, a]| twin(lr).step(w, g, v, None, Some(a)),
    );
    check(
        "centred rmsprop with momentum",
        0.0,
        |e, scale, _, w, g, [v, m, a]| rmsprop(e, ours, scale, w, g, v, Some(m), Some(a)),
        |lr, _, w, g, [v, m, a]| twin(lr).step(w, g, v, Some(m), Some(a)),
    );
}

#[test]
fn adagrad_and_adadelta_match_the_reference() {
    check(
        "adagrad",
        reference::Adagrad::INITIAL_ACCUMULATOR as f32,
        |e, scale, _, w, g, [a]| adagrad(e, Adagrad::default(), scale, w, g, a),
        |lr, _, w, g, [a]| reference::Adagrad { learning_rate: lr, ..Default::default() }.step(w, g, a),
    );
    check(
        "adadelta",
        0.0,
        |e, scale, _, w, g, [a, d]| adadelta(e, Adadelta::default(), scale, w, g, a, d),
        |lr, _, w, g, [a, d]| {
            reference::Adadelta { learning_rate: lr, ..Default::default() }.step(w, g, a, d);
        },
    );
}

#[test]
fn the_adam_family_matches_the_reference() {
    let twin = |lr| reference::Adam { learning_rate: lr, ..Default::default() };
    check(
        "adam",
        0.0,
        |e, scale, t, w, g, [m, v]| adam(e, Adam::default(), scale, t, w, g, m, v, None),
        |lr, t, w, g, [m, v]| twin(lr).step(t, w, g, m, v, None),
    );
    check(
        "amsgrad",
        0.0,
        |e, scale, t, w, g, [m, v, l]| adam(e, Adam::default(), scale, t, w, g, m, v, Some(l)),
        |lr, t, w, g, [m, v, l]| twin(lr).step(t, w, g, m, v, Some(l)),
    );
    check(
        "adamax",
        0.0,
        |e, scale, t, w, g, [m, u]| adamax(e, Adam::default(), scale, t, w, g, m, u),
        |lr, t, w, g, [m, u]| twin(lr).adamax_step(t, w, g, m, u),
    );
    let product = |t| (1..=t).fold(1.0, |before, t| Adam::default().nadam_product(before, t));
    check(
        "nadam",
        0.0,
        |e, scale, t, w, g, [m, v]| nadam(e, Adam::default(), scale, t, product(t), w, g, m, v),
        |lr, t, w, g, [m, v]| {
            let next = twin(lr).nadam_step(t, product(t - 1), w, g, m, v);
            assert_eq!(next, product(t));
        },
    );
}

#[test]
fn averages_match_the_reference() {
    for len in lengths() {
        let join = |e: Option<&Engine>| {
            let mut a = floats(1, len, 1.0);
            for n in 1..=STEPS {
                let (w, rate) = (floats(100 + n, len, 2.0), 1.0 / n as f32);
                match e {
                    Some(e) => average(e, rate, &mut a, &w),
                    None => reference::average(&mut a, &w, rate.into()),
                }
            }
            a
        };
        let want = join(None);
        stamped(
            |e| join(Some(e)),
            |got, isa| {
                let at = got.iter().zip(&want).position(|(a, b)| a.to_bits() != b.to_bits());
                assert_eq!(at.map(|k| (k, got[k], want[k])), None, "{len} on {isa}");
            },
        );
    }
}

#[test]
fn nan_in_a_gradient_reaches_the_parameter_through_clipping() {
    let engine = Engine::new(Isa::detect(), 1);
    let scale = StepScale { clip_value: Some(1.0), ..StepScale::rate(0.1) };
    let mut w = [1.0; 3];
    sgd(&engine, Sgd::default(), scale, &mut w, &[f32::NAN, f32::INFINITY, -0.5], None);
    assert!(w[0].is_nan());
    assert_eq!(w[1..], [0.9, 1.05]);
}

#[test]
#[should_panic(expected = "parameters and slots")]
fn a_short_slot_is_rejected() {
    let engine = Engine::new(Isa::portable(), 1);
    adagrad(&engine, Adagrad::default(), StepScale::rate(0.1), &mut [0.0; 2], &[0.0; 2], &mut [0.0]);
}
