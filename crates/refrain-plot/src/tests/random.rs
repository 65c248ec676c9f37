//! Any input gives either an error or a picture that passes `checked`.

use super::checked;
use crate::*;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// Numbers of all magnitudes, and non-finite ones.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => -10.0..10.0_f64,
        3 => (-299..=299_i32, prop::bool::ANY).prop_map(|(exponent, sign)| if sign { 1.0 } else { -1.0 } * 3.7 * 10_f64.powi(exponent)),
        1 => prop::sample::select(vec![0.0, -0.0, 1e300, -1e300, 1e-300, f64::MIN_POSITIVE, 5.0]),
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::MAX]),
    ]
}

/// Numbers that a linear axis accepts.
fn finite() -> impl Strategy<Value = f64> {
    number().prop_map(|x| if x.abs() <= 1e300 { x } else { 7.0 })
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[ a-zA-Z0-9.,μ→…]{0,12}",
        1 => "\\PC{0,60}",
        1 => prop::collection::vec(any::<char>(), 0..6).prop_map(|chars| chars.into_iter().collect()),
        1 => Just("W".repeat(200)),
    ]
}

fn axis() -> impl Strategy<Value = Axis> {
    (text(), text(), 0..4, prop::bool::ANY).prop_map(|(label, unit, kind, reversed)| {
        let axis = Axis::new(label).unit(unit);
        let axis = match kind {
            0 => axis.log(),
            1 => axis.log2(),
            _ => axis,
        };
        if reversed { axis.reversed() } else { axis }
    })
}

/// The same cases on every machine; 6000 of them take half a minute.
fn config() -> ProptestConfig {
    let rng_seed = RngSeed::Fixed(1);
    ProptestConfig { cases: 150, rng_seed, failure_persistence: None, ..ProptestConfig::default() }
}

fn hold(picture: &impl Picture) {
    if picture.draw().is_ok() {
        checked(picture);
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn charts(
        (title, name, label) in (text(), text(), text()),
        (x, y) in (axis(), axis()),
        points in prop::collection::vec((finite(), finite()), 0..20),
        raw in prop::option::weighted(0.1, number()),
        positive in prop::bool::ANY,
        size in (prop::bool::ANY, 60.0..800.0_f64, 60.0..500.0_f64),
    ) {
        let sign = |v: f64| if positive { v.abs().max(1e-300) } else { v };
        let points: Vec<(f64, f64)> = points.into_iter().map(|(x, y)| (sign(x), sign(y))).collect();
        let band = points.iter().map(|&(x, y)| (x, y, sign(y.abs())));
        let mut chart = Chart::new(&title).x(x).y(y).line(&name, points.clone()).band(&name, band);
        if let Some(&(x, y)) = points.first() {
            chart = chart.reference(&label, y).vertical(&label, x).vertical(&name, x);
        }
        if let Some(raw) = raw {
            chart = chart.line(&label, [(1.0, raw)]);
        }
        if size.0 {
            chart = chart.plot_size(size.1, size.2);
        }
        hold(&chart);
        hold(&Figure::new(&label).columns(2).add(chart.clone()).add(chart.clone()).add(chart));
    }

    #[test]
    fn maps(
        (title, label, row) in (text(), text(), text()),
        values in prop::collection::vec(finite(), 1..40),
        none in 0..40_usize,
        raw in prop::option::weighted(0.1, number()),
        scale in prop::option::of((number(), number(), prop::bool::ANY)),
        columns in 0..3,
        cells in prop::collection::vec((text(), finite()), 1..30),
        width in 0..200_usize,
    ) {
        let scale = scale.map(|(a, b, diverging)| if diverging { Scale::diverging(a) } else { Scale::sequential(a, b) });
        let with = |i: usize, v: f64| if i == none { raw.unwrap_or(f64::NAN) } else { v };
        let row_values: Vec<f64> = values.iter().enumerate().map(|(i, &v)| with(i, v)).collect();
        let mut map = Heatmap::new(&title).x_label(&label).y_label(&row).row(&row, row_values.clone()).row(&label, row_values);
        map = match columns {
            0 => map,
            1 => map.columns(values.iter().map(|_| "x")),
            _ => map.columns(values.iter().map(|v| v.to_string())),
        };
        let mut text = TextMap::new(&title).width(width).cells(cells).end_line().cell(&label, f64::NAN);
        if let Some(scale) = scale {
            let scale = scale.label(&label);
            (map, text) = (map.scale(scale.clone()), text.scale(scale));
        }
        hold(&map);
        hold(&text);
    }

    #[test]
    fn bars_and_drawings(
        title in text(),
        rows in prop::collection::vec((text(), text(), finite()), 1..12),
        raw in prop::option::weighted(0.1, number()),
        blocks in prop::collection::vec((0..7_usize, text(), -4.0..4.0_f64, -3..3_i8), 1..8),
        arrows in prop::collection::vec((0..8_usize, 0..8_usize, text(), 0..3, prop::bool::ANY), 0..10),
    ) {
        let bars = rows.iter().fold(Bars::new(&title).axis(Axis::new(&title)), |bars, (label, name, value)| bars.named(label, name, *value));
        hold(&match raw {
            Some(raw) => bars.bar("raw", raw),
            None => bars,
        });
        const ROLES: [Role; 7] =
            [Role::Input, Role::Recurrent, Role::Dense, Role::State, Role::Loss, Role::Other, Role::Text];
        let count = blocks.len();
        let block = |drawing: Drawing, (i, (role, text, x, y)): (usize, (usize, String, f64, i8))| {
            let block = Block::new(ROLES[role], &text, x, f64::from(y)).line(&text);
            drawing.block(i.to_string(), block).note(x, 0.5, text)
        };
        let drawing = blocks.into_iter().enumerate().fold(Drawing::new(&title), block);
        let arrow = |drawing: Drawing, (from, to, label, bend, shared): (usize, usize, String, i32, bool)| {
            let bend = [Bend::None, Bend::HorizontalFirst, Bend::VerticalFirst][bend as usize];
            let arrow = Arrow::new((from % count).to_string(), (to % count).to_string()).label(label).bend(bend);
            drawing.arrow(if shared { arrow.shared() } else { arrow.dashed() })
        };
        hold(&arrows.into_iter().fold(drawing, arrow));
    }
}
