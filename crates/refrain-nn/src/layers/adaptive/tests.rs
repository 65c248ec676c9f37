use super::*;
use crate::gradcheck::{Bench, Input};
use crate::layers::tests::support::{Lowering, check};

/// Returns a layer with three clusters; the second has one class.
fn layer() -> AdaptiveSoftmax {
    AdaptiveSoftmax::new(40).cutoffs([5, 17, 18]).div_value(2.0)
}

#[test]
fn gradients() {
    // A cluster of one class has no gradient, so there is none here. Probabilities of many classes are small;
    // scores that differ give gradients that rounding does not hide.
    let initializer = Initializer::RandomNormal { mean: 0.0, stddev: 1.0 };
    for use_bias in [false, true] {
        let layer = layer().cutoffs([5, 17, 20]).use_bias(use_bias).kernel_initializer(initializer.clone());
        let bias = Initializer::RandomNormal { mean: 0.1, stddev: 0.3 };
        let (layer, x) = (layer.bias_initializer(bias), [Input::random_steps(9, &[3, 5, 0, 1])]);
        check(&layer, &x);
        // After the softmax, a row's gradients sum to zero; before it they do not.
        check(
            &Lowering(move |plan: &mut Plan<'_>, inputs: &[EdgeId]| {
                Ok(vec![layer.lower_logs(plan, inputs)?])
            }),
            &x,
        );
    }
}

#[test]
fn projection_widths_match_pytorch() {
    let widths = |inputs: usize, div_value: f64| {
        let layer = layer().div_value(div_value);
        (0..3).map(|i| layer.projected(inputs, i)).collect::<Vec<_>>()
    };
    assert_eq!(widths(256, 4.0), [64, 16, 4]);
    assert_eq!(widths(20, 4.0), [5, 1, 1], "never less than one");
    assert_eq!(widths(10, 1.0), [10, 10, 10]);
    assert_eq!(widths(3, 0.5), [6, 12, 24]);
    assert_eq!(widths(11, 1.1), [9, 9, 8], "Python's 11 // 1.1 is 9");
}

#[test]
fn parameters_have_the_documented_shapes() {
    let bench = Bench::new(&layer().use_bias(true), &[Input::random_lanes(9, 2)]).unwrap();
    let expected: [(&str, &[usize]); 8] = [
        ("head/kernel", &[9, 8]),
        ("head/bias", &[8]),
        ("tail_0/projection", &[9, 4]),
        ("tail_0/kernel", &[4, 12]),
        ("tail_1/projection", &[9, 2]),
        ("tail_1/kernel", &[2, 1]),
        ("tail_2/projection", &[9, 1]),
        ("tail_2/kernel", &[1, 22]),
    ];
    assert_eq!(bench.weights(), expected.map(|(name, shape)| (name.to_owned(), shape.to_vec())));
}

#[test]
fn settings_out_of_range_are_rejected() {
    let of = AdaptiveSoftmax::new;
    let cases = [
        (of(10), "cutoffs is [], but must be at least one number"),
        (of(10).cutoffs([3, 3]), "cutoffs is [3, 3]"),
        (of(10).cutoffs([5, 3]), "cutoffs is [5, 3]"),
        (of(10).cutoffs([0, 3]), "above 0 and below the 10 classes"),
        (of(10).cutoffs([3, 10]), "cutoffs is [3, 10]"),
        (of(1).cutoffs([1]), "classes is 1, but must be from 2"),
        (of(usize::MAX).cutoffs([1]), "classes is"),
        (of(10).cutoffs([3]).div_value(0.0), "div_value is 0, but must be a finite number above 0"),
        (of(10).cutoffs([3]).div_value(-2.0), "div_value is -2"),
        (of(10).cutoffs([3]).div_value(f64::NAN), "div_value is NaN"),
        (of(10).cutoffs([3]).div_value(f64::INFINITY), "div_value is inf"),
        (of(10).cutoffs([3]).div_value(1e-300), "div_value is"),
        (of(10).cutoffs([3]).div_value(1e-12), "a projection has at most"),
        (of(1_000).cutoffs((1..100).collect::<Vec<_>>()), "cutoffs is 99 numbers, but must be at most 64"),
    ];
    for (layer, expected) in cases {
        let error = Bench::new(&layer, &[Input::random_lanes(4, 2)]).unwrap_err();
        assert!(matches!(error, Error::Setting { .. }), "{error}");
        assert!(error.to_string().contains(expected), "`{error}` does not say `{expected}`");
    }
    let ids = Bench::new(&layer(), &[Input::ids(&[&[1, 2]])]).unwrap_err();
    assert!(matches!(ids, Error::Connection { .. }), "{ids}");
}
