use super::{HALF_TENTH, attributes, checked, points, polylines};
use crate::chart::PLOT;
use crate::*;

fn chart(points: &[(f64, f64)]) -> Chart {
    Chart::new("chart").x(Axis::new("x")).y(Axis::new("y")).line("line", points.iter().copied())
}

#[test]
fn points_are_placed_on_a_logarithmic_axis() {
    let line = [(1.0, 0.001), (10.0, 0.1), (100.0, 1.0), (31.622_776_601_683_793, 0.01)];
    let logs = chart(&line).x(Axis::new("x").log()).y(Axis::new("y").log());
    let drawn = polylines(&logs.to_svg().unwrap()).remove(0);
    let (left, bottom) = drawn[0];
    let expected = [(0.0, 0.0), (0.5, 2.0 / 3.0), (1.0, 1.0), (0.75, 1.0 / 3.0)];
    for ((x, y), (across, up)) in drawn.into_iter().zip(expected) {
        assert!((x - left - across * PLOT.0).abs() < 2.0 * HALF_TENTH, "x {x} of {across}");
        assert!((bottom - y - up * PLOT.1).abs() < 2.0 * HALF_TENTH, "y {y} of {up}");
    }
    let binary = chart(&[(1.0, 0.0), (4.0, 1.0), (16.0, 2.0)]).x(Axis::new("x").log2());
    let binary = polylines(&binary.to_svg().unwrap()).remove(0);
    assert!((binary[1].0 - binary[0].0 - PLOT.0 / 2.0).abs() < 2.0 * HALF_TENTH);
    let linear = polylines(&chart(&[(0.0, 0.0), (5.0, 2.5), (10.0, 10.0)]).to_svg().unwrap()).remove(0);
    assert!((linear[1].0 - linear[0].0 - PLOT.0 / 2.0).abs() < 2.0 * HALF_TENTH);
    assert!((linear[0].1 - linear[1].1 - PLOT.1 / 4.0).abs() < 2.0 * HALF_TENTH);
}

#[test]
fn a_grid_line_goes_through_the_point_at_its_number() {
    let svg = chart(&[(100.0, 0.02), (1600.0, 0.1)]).y(Axis::new("y").log()).to_svg().unwrap();
    let y = attributes(&svg, "polyline", "points")[0].split([' ', ',']).nth(3).unwrap();
    let grid = svg.lines().find(|line| line.contains("class=\"rf-grid\"")).unwrap();
    let labelled = grid.contains(&format!(" {y}L"));
    assert!(labelled, "no line at {y}, where 0.1 is");
}

#[test]
fn a_name_has_one_colour_in_all_charts_and_one_legend_entry() {
    let points = || [(0.0, 1.0), (1.0, 2.0)];
    let first = Chart::new("one").line("a", points()).line("b", points());
    let second = Chart::new("two").line("b", points()).line("c", points()).line("c", points());
    let svg = checked(&Figure::new("both").columns(2).add(first).add(second));
    let [a, b, c] = ["rf-line rf-s0 rf-k0", "rf-line rf-s1 rf-k1", "rf-line rf-s2 rf-k2"];
    assert_eq!(attributes(&svg, "polyline", "class"), [a, b, b, c, c]);
    for name in [">a<", ">b<", ">c<"] {
        assert_eq!(svg.matches(name).count(), 1, "{name}");
    }
    // The second chart is to the right of the first, at the same height.
    let lines = polylines(&svg);
    assert!(lines[2][0].0 > lines[0][1].0 && lines[2][0].1 == lines[0][0].1, "{lines:?}");
    // Colours and dashes combined distinguish more names than either alone.
    let many = (0..28).fold(Chart::new("many"), |chart, i| chart.line(format!("line {i}"), points()));
    let svg = many.to_svg().unwrap();
    let styles: std::collections::BTreeSet<_> = attributes(&svg, "polyline", "class").into_iter().collect();
    assert_eq!(styles.len(), 28);
}

#[test]
fn a_long_legend_takes_rows_inside_the_figure() {
    let points = || [(0.0, 1.0), (1.0, 2.0)];
    let chart =
        (0..9).fold(Chart::new("c"), |chart, i| chart.line(format!("a rather long name {i}"), points()));
    let svg = checked(&chart);
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
fn a_reference_label_avoids_the_points_and_stays_in_the_plot() {
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
fn few_points_are_dots_and_a_single_point_is_visible() {
    let dots = |n: u32| {
        let points: Vec<_> = (0..n).map(|i| (f64::from(i), f64::from(i))).collect();
        chart(&points).to_svg().unwrap().matches("<circle").count()
    };
    assert_eq!((dots(1), dots(12), dots(13)), (1, 12, 0));
}

#[test]
fn invalid_charts_give_errors_with_a_location() {
    assert_eq!(Figure::new("f").to_svg(), Err(Error::NoChart));
    assert_eq!(Figure::new("f").columns(0).add(Chart::new("c")).to_svg(), Err(Error::NoColumn));
    assert_eq!(Chart::new("c").to_svg(), Err(Error::NoLine { chart: "c".into() }));
    let message = |chart: Chart| chart.to_svg().unwrap_err().to_string();
    assert_eq!(
        message(chart(&[]).reference("r", 1.0)),
        "the line \"line\" of the chart \"chart\" has no points; add at least one"
    );
    assert_eq!(
        message(chart(&[(0.0, 1.0), (1.0, f64::NAN)])),
        "y of point 1 of \"line\" in the chart \"chart\" is NaN; expected -1e300 to 1e300"
    );
    assert_eq!(
        message(chart(&[(0.0, 0.0)]).y(Axis::new("y").log())),
        "y of point 0 of \"line\" in the chart \"chart\" is 0; expected 1e-300 to 1e300 on a logarithmic axis"
    );
    assert!(message(chart(&[(f64::INFINITY, 1.0)])).starts_with("x of point 0"));
    assert!(message(chart(&[(-1.0, 1.0)]).x(Axis::new("x").log())).starts_with("x of point 0"));
    assert!(message(chart(&[(1.0, 1.0)]).reference("r", f64::NEG_INFINITY)).contains("\"r\""));
}

#[test]
fn a_band_lies_between_its_numbers_under_the_line_of_its_name() {
    let band = [(0.0, 2.0, 6.0), (10.0, 0.0, 10.0)];
    let chart = chart(&[(0.0, 4.0), (10.0, 5.0)]).band("line", band).band("alone", [(5.0, 1.0, 1.0)]);
    let svg = checked(&chart);
    let outline = points(attributes(&svg, "polygon", "points")[0]);
    let line = polylines(&svg).remove(0);
    let height = |y: f64| (line[0].1 + 4.0 / 10.0 * PLOT.1) - y / 10.0 * PLOT.1;
    let expected = [(0, 2.0), (1, 0.0), (1, 10.0), (0, 6.0)].map(|(i, y)| (line[i].0, height(y)));
    for (got, expected) in outline.into_iter().zip(expected) {
        assert!(
            (got.0 - expected.0).abs() < 2.0 * HALF_TENTH && (got.1 - expected.1).abs() < 2.0 * HALF_TENTH
        );
    }
    assert_eq!(attributes(&svg, "polygon", "class"), ["rf-band rf-f0", "rf-band rf-f1"]);
    assert!(svg.find("<polygon").unwrap() < svg.find("<polyline").unwrap());
    // Each name once in the legend: a line over an area, and an area.
    assert_eq!(attributes(&svg, "rect", "class")[1..], ["rf-band rf-f0", "rf-band rf-f1"]);
    assert_eq!(svg.matches("class=\"rf-line rf-s0 rf-k0\"").count(), 2);
    assert_eq!(svg.matches("rf-s1").count() - crate::stylesheet(Theme::Auto).matches("rf-s1").count(), 0);
}

#[test]
fn a_band_alone_is_a_chart_and_widens_its_axes() {
    let svg = checked(&Chart::new("c").band("b", [(0.0, -30.0, 1.0), (40.0, 2.0, 3.0)]));
    assert!(svg.contains(">-30</text>") && svg.contains(">40</text>"), "{svg}");
}

#[test]
fn gaps_split_a_line_and_a_lone_point_is_visible() {
    let runs = [
        vec![(0.0, 0.0), (1.0, 1.0)],
        vec![],
        vec![(3.0, 1.0)],
        (4..20).map(|i| (f64::from(i), 0.5)).collect(),
    ];
    let svg = checked(&Chart::new("c").segments("gaps", runs));
    assert_eq!(polylines(&svg).iter().map(Vec::len).collect::<Vec<_>>(), [2, 1, 16]);
    assert_eq!(svg.matches("<circle").count(), 1);
    let nothing = Chart::new("c").segments("gaps", [Vec::new(), Vec::new()]);
    assert_eq!(nothing.to_svg(), Err(Error::NoPoint { chart: "c".into(), line: "gaps".into() }));
}

#[test]
fn a_vertical_line_is_at_its_value_and_its_label_fits() {
    let flat = |y: f64| (0..=100).map(move |x| (f64::from(x), y));
    let chart =
        Chart::new("c").line("l", flat(9.0)).line("l", flat(0.0).take(1)).line("l", flat(10.0).take(1));
    let svg = checked(&chart.vertical("left", 10.0).vertical("left too", 12.0).vertical("far right", 98.0));
    let text = |label: &str| {
        let line = svg.lines().find(|line| line.contains(&format!(">{label}<"))).unwrap().to_owned();
        let number = |name| attributes(&line, "text", name)[0].parse::<f64>().unwrap();
        (number("x"), number("y"), line.contains("\"end\""))
    };
    let [left, too, far] = ["left", "left too", "far right"].map(text);
    let lines: Vec<f64> = attributes(&svg, "line", "x1").iter().map(|x| x.parse().unwrap()).collect();
    let line = &polylines(&svg)[0];
    assert!((lines[1] - line[10].0).abs() < HALF_TENTH && left.0 > lines[1] && !left.2, "{lines:?}");
    assert!(far.0 < lines[3] && far.2);
    // The line is near the upper end, so the labels are at the lower end, in two rows.
    assert!(left.1 > line[0].1 + PLOT.1 / 2.0 && (left.1 - too.1) > 10.0 && far.1 == left.1);
}

#[test]
fn an_axis_shows_its_unit_and_can_be_reversed() {
    let plain = Axis::new("gradient norm").unit("1/s");
    let svg = checked(&chart(&[(0.0, 0.0), (10.0, 1.0)]).y(plain).x(Axis::new("steps").reversed()));
    assert!(svg.contains(">gradient norm (1/s)</text>"));
    let line = polylines(&svg).remove(0);
    assert!(line[0].0 > line[1].0, "{line:?}");
    let zero =
        svg.lines().filter(|line| line.contains(">0</text>")).map(|line| attributes(line, "text", "x")[0]);
    assert!(zero.map(|x| x.parse::<f64>().unwrap()).any(|x| (x - line[0].0).abs() < HALF_TENTH));
}

#[test]
fn a_plot_has_the_requested_size() {
    let chart = |size: Option<(f64, f64)>| {
        let chart = chart(&[(0.0, 0.0), (1.0, 1.0)]);
        size.map_or(chart.clone(), |(w, h)| chart.plot_size(w, h))
    };
    let span = |svg: &str| {
        let line = polylines(svg).remove(0);
        ((line[1].0 - line[0].0).round(), (line[0].1 - line[1].1).round())
    };
    assert_eq!(span(&checked(&chart(None))), PLOT);
    assert_eq!(span(&checked(&chart(Some((60.0, 60.0))))), (60.0, 60.0));
    assert_eq!(span(&checked(&chart(None).wide())), (720.0, 250.0));
    let both = Figure::new("").columns(2).add(chart(None)).add(chart(Some((500.0, 100.0))));
    assert_eq!(span(&checked(&both)), (500.0, 100.0));
    for wrong in [59.0, 4001.0, f64::NAN] {
        let error = chart(Some((100.0, wrong))).to_svg().unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "plot_size of the picture \"chart\" is 100 × {wrong}; expected 60 to 4000 pixels each way"
            )
        );
    }
}

#[test]
fn numbers_below_a_narrow_plot_are_thinned() {
    let narrow = chart(&[(1e-7, 0.0), (1.9e-7, 1.0)]).plot_size(60.0, 60.0);
    let all = checked(&chart(&[(1e-7, 0.0), (1.9e-7, 1.0)])).matches("e-7</text>").count();
    let few = checked(&narrow).matches("e-7</text>").count();
    assert!(all == 6 && few == 2, "{all}, {few}");
}

#[test]
fn invalid_bands_and_vertical_lines_are_errors() {
    let message = |chart: Chart| chart.to_svg().unwrap_err().to_string();
    let good = || chart(&[(1.0, 1.0)]);
    assert_eq!(
        message(good().band("b", [(0.0, 0.0, 1.0), (1.0, 3.0, 2.0)])),
        "point 1 of the band \"b\" in the chart \"chart\" reaches from 3 to 2; expected the lower number first"
    );
    assert!(message(good().band("b", [])).contains("\"b\" of the chart \"chart\" has no point"));
    assert!(message(good().band("b", [(0.0, f64::NAN, 1.0)])).starts_with("y of point 0 of \"b\""));
    assert!(message(good().band("b", [(f64::NAN, 0.0, 1.0)])).starts_with("x of point 0 of \"b\""));
    assert!(message(good().y(Axis::new("").log()).band("b", [(0.0, 0.0, 1.0)])).contains("logarithmic"));
    assert!(message(good().vertical("v", f64::INFINITY)).starts_with("x of point 0 of \"v\""));
}
