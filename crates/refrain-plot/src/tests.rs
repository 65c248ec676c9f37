use super::*;
use crate::axis::Scale;
use crate::svg::{escape, px};

/// Half a step of the tenth of a pixel that places are written to.
const HALF_TENTH: f64 = 0.0501;

fn chart(points: &[(f64, f64)]) -> Chart {
    Chart::new("chart").x(Axis::new("x")).y(Axis::new("y")).line("line", points.iter().copied())
}

fn labels(axis: &Axis, values: &[f64]) -> Vec<String> {
    Scale::new(axis, values.iter().copied()).ticks.into_iter().filter_map(|tick| tick.label).collect()
}

/// The values of an attribute, in order.
fn attributes<'a>(svg: &'a str, element: &str, name: &str) -> Vec<&'a str> {
    let (start, key) = (format!("<{element} "), format!(" {name}=\""));
    svg.lines()
        .filter(|line| line.starts_with(&start))
        .filter_map(|line| Some(line.split_once(&key)?.1.split_once('"')?.0))
        .collect()
}

fn polylines(svg: &str) -> Vec<Vec<(f64, f64)>> {
    let point = |text: &str| {
        let (x, y) = text.split_once(',').expect("x,y");
        (x.parse().expect("a number"), y.parse().expect("a number"))
    };
    attributes(svg, "polyline", "points").iter().map(|line| line.split(' ').map(point).collect()).collect()
}

#[test]
fn linear_ticks_are_round_and_hold_the_data() {
    let axis = Axis::new("");
    assert_eq!(labels(&axis, &[100.0, 2000.0]), ["0", "500", "1000", "1500", "2000"]);
    assert_eq!(labels(&axis, &[0.0, 1.0]), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
    assert_eq!(labels(&axis, &[-0.31, 0.1]), ["-0.4", "-0.3", "-0.2", "-0.1", "0", "0.1"]);
    assert_eq!(labels(&axis, &[0.0, 3e9]), ["0", "1e9", "2e9", "3e9"]);
    assert_eq!(labels(&axis, &[1e-7, 3e-7]), ["1.0e-7", "1.5e-7", "2.0e-7", "2.5e-7", "3.0e-7"]);
}

#[test]
fn every_tick_lies_on_its_axis_and_so_do_the_data() {
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
            let scale = Scale::new(&axis, [low, high].into_iter());
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
    assert_eq!(labels(&axis, &[1e-12, 1.0]), ["10⁻¹²", "10⁻¹⁰", "10⁻⁸", "10⁻⁶", "0.0001", "0.01", "1"]);
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
fn points_stand_where_the_logarithm_says() {
    let line = [(1.0, 0.001), (10.0, 0.1), (100.0, 1.0), (31.622_776_601_683_793, 0.01)];
    let logs = chart(&line).x(Axis::new("x").log()).y(Axis::new("y").log());
    let drawn = polylines(&logs.to_svg().unwrap()).remove(0);
    let (left, bottom) = drawn[0];
    let expected = [(0.0, 0.0), (0.5, 2.0 / 3.0), (1.0, 1.0), (0.75, 1.0 / 3.0)];
    for ((x, y), (across, up)) in drawn.into_iter().zip(expected) {
        assert!((x - left - across * draw::PLOT.0).abs() < 2.0 * HALF_TENTH, "x {x} of {across}");
        assert!((bottom - y - up * draw::PLOT.1).abs() < 2.0 * HALF_TENTH, "y {y} of {up}");
    }
    let binary = chart(&[(1.0, 0.0), (4.0, 1.0), (16.0, 2.0)]).x(Axis::new("x").log2());
    let binary = polylines(&binary.to_svg().unwrap()).remove(0);
    assert!((binary[1].0 - binary[0].0 - draw::PLOT.0 / 2.0).abs() < 2.0 * HALF_TENTH);
    let linear = polylines(&chart(&[(0.0, 0.0), (5.0, 2.5), (10.0, 10.0)]).to_svg().unwrap()).remove(0);
    assert!((linear[1].0 - linear[0].0 - draw::PLOT.0 / 2.0).abs() < 2.0 * HALF_TENTH);
    assert!((linear[0].1 - linear[1].1 - draw::PLOT.1 / 4.0).abs() < 2.0 * HALF_TENTH);
}

#[test]
fn a_grid_line_goes_through_the_point_at_its_number() {
    let svg = chart(&[(100.0, 0.02), (1600.0, 0.1)]).y(Axis::new("y").log()).to_svg().unwrap();
    let y = attributes(&svg, "polyline", "points")[0].split([' ', ',']).nth(3).unwrap();
    let labelled =
        svg.lines().any(|line| line.starts_with("<line ") && line.contains(&format!("y1=\"{y}\" x2")));
    assert!(labelled, "no line at {y}, where 0.1 is");
}

#[test]
fn a_name_looks_the_same_in_every_chart_and_stands_once_in_the_legend() {
    let points = || [(0.0, 1.0), (1.0, 2.0)];
    let first = Chart::new("one").line("a", points()).line("b", points());
    let second = Chart::new("two").line("b", points()).line("c", points()).line("c", points());
    let svg = Figure::new("both").columns(2).add(first).add(second).to_svg().unwrap();
    let colours = attributes(&svg, "polyline", "stroke");
    assert_eq!(colours, ["#0072b2", "#d55e00", "#d55e00", "#009e73", "#009e73"]);
    for name in [">a<", ">b<", ">c<"] {
        assert_eq!(svg.matches(name).count(), 1, "{name}");
    }
    // The second chart is to the right of the first one, at the same height.
    let lines = polylines(&svg);
    assert!(lines[2][0].0 > lines[0][1].0 && lines[2][0].1 == lines[0][0].1, "{lines:?}");
    // Colours and dashes together differ for more names than either.
    let many = (0..28).fold(Chart::new("many"), |chart, i| chart.line(format!("line {i}"), points()));
    let svg = many.to_svg().unwrap();
    let styles: std::collections::BTreeSet<_> = svg
        .lines()
        .filter(|line| line.starts_with("<polyline"))
        .map(|line| line.split_once(" stroke=").unwrap().1)
        .collect();
    assert_eq!(styles.len(), 28);
}

#[test]
fn a_long_legend_takes_rows_inside_the_figure() {
    let points = || [(0.0, 1.0), (1.0, 2.0)];
    let chart =
        (0..9).fold(Chart::new("c"), |chart, i| chart.line(format!("a rather long name {i}"), points()));
    let svg = chart.to_svg().unwrap();
    let size: f64 = attributes(&svg, "svg", "width")[0].parse().unwrap();
    let ends = attributes(&svg, "line", "x2");
    assert!(ends.iter().all(|x| x.parse::<f64>().unwrap() < size), "{ends:?} in {size}");
    let rows = |svg: &str| attributes(svg, "svg", "height")[0].parse::<f64>().unwrap();
    assert!(rows(&svg) > rows(&self::chart(&points()).to_svg().unwrap()) + 20.0);
}

#[test]
fn a_reference_line_has_its_label_and_widens_the_axis() {
    let plain = chart(&[(0.0, 1.0), (1.0, 2.0)]);
    let svg = plain.clone().reference("far above", 10.0).to_svg().unwrap();
    assert!(svg.contains(">far above</text>"));
    assert!(svg.contains(">10</text>") && !plain.to_svg().unwrap().contains(">10</text>"));
}

#[test]
fn a_reference_label_keeps_clear_of_the_points_and_inside_the_plot() {
    let side = |y: f64, reference: f64| {
        let points = (0..100).map(|i| (f64::from(i), y)).chain([(0.0, 0.0), (0.0, 10.0)]);
        let chart = Chart::new("c").line("l", points).reference("label", reference);
        let svg = chart.to_svg().unwrap();
        let lines: Vec<f64> = attributes(&svg, "line", "y1").iter().map(|y| y.parse().unwrap()).collect();
        let text = svg.lines().find(|line| line.contains(">label<")).unwrap().to_owned();
        let text: f64 = attributes(&text, "text", "y")[0].parse().unwrap();
        (text - lines[lines.len() - 1]).signum()
    };
    // Down is positive.
    assert_eq!((side(5.4, 5.0), side(4.6, 5.0), side(9.0, 5.0)), (1.0, -1.0, -1.0));
    assert_eq!((side(9.7, 10.0), side(0.3, 0.0)), (1.0, -1.0));
}

#[test]
fn markup_in_texts_is_escaped() {
    assert_eq!(escape("a<b> & \"c\"\u{0}\n"), "a&lt;b&gt; &amp; \"c\"  ");
    let title = "<script>&</script>";
    let chart = Chart::new(title).x(Axis::new(title)).y(Axis::new(title));
    let chart = chart.line(title, [(0.0, 0.0), (1.0, 1.0)]).reference(title, 0.5);
    let svg = Figure::new(title).add(chart).to_svg().unwrap();
    assert!(!svg.contains("<script"), "{svg}");
    // The figure's title twice, the chart's, two axes, the legend, the reference line.
    assert_eq!(svg.matches("&lt;script&gt;&amp;&lt;/script&gt;").count(), 7);
}

#[test]
fn few_points_are_dots_and_one_point_is_seen() {
    let dots = |n: u32| {
        let points: Vec<_> = (0..n).map(|i| (f64::from(i), f64::from(i))).collect();
        chart(&points).to_svg().unwrap().matches("<circle").count()
    };
    assert_eq!((dots(1), dots(12), dots(13)), (1, 12, 0));
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let figure = || {
        let points = (1..200).map(|i| (f64::from(i), 1.0 / f64::from(i)));
        Figure::new("f").add(Chart::new("c").y(Axis::new("y").log()).line("l", points)).to_svg().unwrap()
    };
    assert_eq!(figure(), figure());
    assert_eq!(
        (px(1.0), px(-0.04), px(12.25), px(0.96)),
        ("1".into(), "0".into(), "12.2".into(), "1".into())
    );
}

#[test]
fn what_cannot_be_drawn_is_an_error_that_says_where() {
    assert_eq!(Figure::new("f").to_svg(), Err(Error::NoChart));
    assert_eq!(Figure::new("f").columns(0).add(Chart::new("c")).to_svg(), Err(Error::NoColumn));
    assert_eq!(Chart::new("c").to_svg(), Err(Error::NoLine { chart: "c".into() }));
    let message = |chart: Chart| chart.to_svg().unwrap_err().to_string();
    assert_eq!(
        message(chart(&[]).reference("r", 1.0)),
        "the line \"line\" of the chart \"chart\" has no point; expected at least one"
    );
    assert_eq!(
        message(chart(&[(0.0, 1.0), (1.0, f64::NAN)])),
        "y of point 1 of \"line\" in the chart \"chart\" is NaN; expected -1e300 to 1e300"
    );
    assert_eq!(
        message(chart(&[(0.0, 0.0)]).y(Axis::new("y").log())),
        "y of point 0 of \"line\" in the chart \"chart\" is 0; expected 1e-300 to 1e300, as the axis is logarithmic"
    );
    assert!(message(chart(&[(f64::INFINITY, 1.0)])).starts_with("x of point 0"));
    assert!(message(chart(&[(-1.0, 1.0)]).x(Axis::new("x").log())).starts_with("x of point 0"));
    assert!(message(chart(&[(1.0, 1.0)]).reference("r", f64::NEG_INFINITY)).contains("\"r\""));
}
