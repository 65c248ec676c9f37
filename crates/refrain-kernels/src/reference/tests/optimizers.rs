use super::super::Real;
use super::super::optimizer::{Adadelta, Adagrad, Adam, RmsProp, Sgd, decoupled_decay};
use super::{GOLDEN_F32, assert_close, cast, golden, numbers};

/// Relative tolerance. 1 − β^t differs between f64 and f32 by half an ulp of 1 (3e-8) over 1 − 0.999 (1e-3), and so
/// on.
const ROUNDED_BETA: f64 = 1e-4;

/// A step, called with its number, the weights and their gradient.
type Step<'a, T> = &'a mut dyn FnMut(u64, &mut [T], &[T]);

/// Returns the weights after three steps, as in golden.py.
fn three_steps<T: Real>(step: Step<T>) -> Vec<T> {
    let mut w = cast(&[0.5, 0.0, 0.0]);
    for t in 1..=3 {
        let g: Vec<f64> = numbers(20 + t, 3)
            .iter()
            .zip([1.0, 1.0, 1e-3])
            .map(|(g, size)| g * size / 4f64.powi(t as i32))
            .collect();
        step(t, &mut w, &cast(&g));
    }
    w
}

/// Runs a step of each optimiser with its slots, in the order of the test below.
fn all<T: Real>() -> Vec<(&'static str, Vec<T>)> {
    let slot = || vec![T::ZERO; 3];
    let (mut a, mut b, mut c);
    let reset = || (slot(), slot(), slot());
    let mut results = Vec::new();
    let mut run = |name, step: Step<T>| results.push((name, three_steps(step)));

    run("sgd", &mut |_, w, g| Sgd::default().step(w, g, None));
    let momentum = Sgd { momentum: 0.9, ..Sgd::default() };
    (a, _, _) = reset();
    run("sgd with momentum", &mut |_, w, g| momentum.step(w, g, Some(&mut a)));
    let nesterov = Sgd { nesterov: true, ..momentum };
    (a, _, _) = reset();
    run("sgd, nesterov", &mut |_, w, g| nesterov.step(w, g, Some(&mut a)));
    (a, _, _) = reset();
    run("rmsprop", &mut |_, w, g| RmsProp::default().step(w, g, &mut a, None, None));
    let centered = RmsProp { momentum: 0.9, ..RmsProp::default() };
    (a, b, c) = reset();
    run("rmsprop, centred with momentum", &mut |_, w, g| {
        centered.step(w, g, &mut a, Some(&mut b), Some(&mut c));
    });
    a = vec![T::from_f64(Adagrad::INITIAL_ACCUMULATOR); 3];
    run("adagrad", &mut |_, w, g| Adagrad::default().step(w, g, &mut a));
    (a, b, _) = reset();
    run("adadelta", &mut |_, w, g| Adadelta::default().step(w, g, &mut a, &mut b));
    let adam = Adam::default();
    (a, b, _) = reset();
    run("adam", &mut |t, w, g| adam.step(t, w, g, &mut a, &mut b, None));
    (a, b, c) = reset();
    run("amsgrad", &mut |t, w, g| adam.step(t, w, g, &mut a, &mut b, Some(&mut c)));
    (a, b, _) = reset();
    run("adamw", &mut |t, w, g| {
        decoupled_decay(w, 0.004, adam.learning_rate);
        adam.step(t, w, g, &mut a, &mut b, None);
    });
    (a, b, _) = reset();
    run("adamax", &mut |t, w, g| adam.adamax_step(t, w, g, &mut a, &mut b));
    (a, b, _) = reset();
    let mut product = T::ONE;
    run("nadam", &mut |t, w, g| product = adam.nadam_step(t, product, w, g, &mut a, &mut b));
    results
}

#[test]
fn steps_match_keras() {
    let expected = [
        golden::SGD,
        golden::SGD_MOMENTUM,
        golden::SGD_NESTEROV,
        golden::RMSPROP,
        golden::RMSPROP_CENTERED,
        golden::ADAGRAD,
        golden::ADADELTA,
        golden::ADAM,
        golden::ADAM_AMSGRAD,
        golden::ADAMW,
        golden::ADAMAX,
        golden::NADAM,
    ];
    let (single, double) = (all::<f32>(), all::<f64>());
    assert_eq!(single.len(), expected.len());
    for (((name, single), (_, double)), expected) in single.iter().zip(&double).zip(expected) {
        assert_close(name, single, &expected, GOLDEN_F32, 0.0);
        assert_close(name, double, &expected, ROUNDED_BETA, 0.0);
    }
}
