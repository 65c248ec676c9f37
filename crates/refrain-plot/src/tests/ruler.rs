use crate::axis::Axis;
use crate::ruler::Ruler;

fn labels(axis: &Axis, values: &[f64]) -> Vec<String> {
    Ruler::new(axis, values.iter().copied()).ticks.into_iter().filter_map(|tick| tick.label).collect()
}

#[test]
fn linear_ticks_are_round_and_enclose_the_data() {
    let axis = Axis::new("");
    assert_eq!(labels(&axis, &[100.0, 2000.0]), ["0", "500", "1000", "1500", "2000"]);
    assert_eq!(labels(&axis, &[0.0, 1.0]), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
    assert_eq!(labels(&axis, &[-0.31, 0.1]), ["-0.4", "-0.3", "-0.2", "-0.1", "0", "0.1"]);
    assert_eq!(labels(&axis, &[0.0, 3e9]), ["0", "1e9", "2e9", "3e9"]);
    assert_eq!(labels(&axis, &[1e-7, 3e-7]), ["1.0e-7", "1.5e-7", "2.0e-7", "2.5e-7", "3.0e-7"]);
}

#[test]
fn counts_have_whole_ticks() {
    let epochs = Axis::new("").whole();
    assert_eq!(labels(&epochs, &[1.0, 3.0]), ["1", "2", "3"]);
    assert_eq!(labels(&epochs, &[1.0, 8.0]), ["0", "2", "4", "6", "8"]);
    assert_eq!(labels(&epochs, &[1.0]), ["0", "1", "2"]);
}

#[test]
fn ticks_and_data_lie_on_the_axis() {
    let spans = [
        (0.0, 0.0),
        (5.0, 5.0),
        (-1e300, 1e300),
        (1e300, 1e300),
        (1e-300, 1e-300),
        (1.0, 1.0 + 1e-12),
        (0.3, 0.9),
        (1e-300, 1e300),
        (999.0, 1001.0),
        (7e-5, 0.18),
        (1.0, 10.0),
        (64.0, 4096.0),
        (2.0, 2.0),
    ];
    for axis in [Axis::new(""), Axis::new("").log(), Axis::new("").log2()] {
        for (low, high) in spans.into_iter().filter(|span| !axis.log || span.0 > 0.0) {
            let scale = Ruler::new(&axis, [low, high].into_iter());
            let labelled: Vec<_> = scale.ticks.iter().filter(|tick| tick.label.is_some()).collect();
            assert!((2..=10).contains(&labelled.len()), "{axis:?} {low:e} to {high:e}: {labelled:?}");
            let places: Vec<f64> = scale.ticks.iter().map(|tick| scale.place(tick.value)).collect();
            assert!(places.is_sorted(), "{axis:?} {low:e} to {high:e}: {places:?}");
            for place in places.into_iter().chain([scale.place(low), scale.place(high)]) {
                assert!((-1e-6..=1.0 + 1e-6).contains(&place), "{axis:?} {low:e} to {high:e}: {place}");
            }
        }
    }
}

#[test]
fn logarithmic_ticks_are_decades_or_1_2_5() {
    let axis = Axis::new("").log();
    assert_eq!(labels(&axis, &[0.001, 3.0]), ["0.001", "0.01", "0.1", "1"]);
    assert_eq!(labels(&axis, &[0.0101, 0.18]), ["0.01", "0.02", "0.05", "0.1", "0.2"]);
    assert_eq!(labels(&axis, &[64.0, 512.0]), ["50", "100", "200", "500", "1000"]);
    assert_eq!(labels(&axis, &[1e-9, 2e-9]), ["10⁻⁹", "2·10⁻⁹"]);
    assert_eq!(labels(&axis, &[1e-12, 1.0]), ["10⁻¹²", "10⁻¹⁰", "10⁻⁸", "10⁻⁶", "10⁻⁴", "10⁻²", "1"]);
}

#[test]
fn binary_ticks_are_powers_of_two() {
    let axis = Axis::new("").log2();
    assert_eq!(labels(&axis, &[8.0, 100.0]), ["8", "16", "32", "64", "128"]);
    assert_eq!(labels(&axis, &[1.0, 1024.0]), ["1", "4", "16", "64", "256", "1024"]);
    assert_eq!(labels(&axis, &[0.2, 0.5]), ["0.125", "0.25", "0.5"]);
    assert_eq!(labels(&axis, &[4.0, 4.0]), ["2", "4", "8"]);
    assert_eq!(labels(&axis, &[1e6, 2e6]), ["2¹⁹", "2²⁰", "2²¹"]);
}

#[test]
fn a_reversed_axis_is_the_mirror_image() {
    for axis in [Axis::new(""), Axis::new("").log(), Axis::new("").log2()] {
        let values = [1.0, 3.0, 200.0];
        let [plain, mirrored] =
            [axis.clone(), axis.reversed()].map(|axis| Ruler::new(&axis, values.into_iter()));
        for value in values {
            // Equal up to rounding.
            assert!((plain.place(value) + mirrored.place(value) - 1.0).abs() < 1e-12);
        }
        assert_eq!(plain.ticks, mirrored.ticks);
    }
}

#[test]
fn ticks_between_two_ends_stay_between_them() {
    let labels =
        |low, high| Ruler::between(low, high).labels().map(|(_, label)| label.to_owned()).collect::<Vec<_>>();
    assert_eq!(labels(-1.0, 1.0), ["-1.0", "-0.5", "0", "0.5", "1.0"]);
    assert_eq!(labels(0.13, 0.87), ["0.2", "0.4", "0.6", "0.8"]);
    assert_eq!(Ruler::between(0.13, 0.87).place(0.5), 0.5);
}
