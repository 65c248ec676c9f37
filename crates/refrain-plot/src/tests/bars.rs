use super::{HALF_TENTH, attributes, checked};
use crate::*;

/// Returns where each bar starts and ends, without the background and the legend.
fn spans(svg: &str, skip: usize) -> Vec<(f64, f64)> {
    let numbers = |name| attributes(svg, "rect", name).into_iter().map(|n| n.parse::<f64>().unwrap());
    let widths = numbers("width").skip(1 + skip);
    // The background has no x.
    numbers("x").skip(skip).zip(widths).map(|(x, width)| (x, x + width)).collect()
}

#[test]
fn bars_start_at_zero_and_have_the_length_of_their_values() {
    let bars = Bars::new("b").axis(Axis::new("share").unit("%")).bar("a", 40.0).bar("b", -10.0).bar("c", 0.0);
    let svg = checked(&bars);
    let spans = spans(&svg, 0);
    let zero = spans[0].0;
    assert!((spans[1].1 - zero).abs() < 2.0 * HALF_TENTH && spans[2].0 == spans[2].1);
    assert!(((spans[0].1 - zero) - 4.0 * (zero - spans[1].0)).abs() < 10.0 * HALF_TENTH, "{spans:?}");
    for text in [">a<", ">b<", ">c<", ">40.0<", ">-10.0<", ">0<", ">share (%)<"] {
        assert!(svg.contains(text), "{text}");
    }
}

#[test]
fn bars_of_one_label_are_grouped_in_the_legend_colours() {
    let bars = Bars::new("b").named("a", "x", 1.0).named("a", "y", 2.0).named("b", "y", 3.0).bar("a", 4.0);
    let svg = checked(&bars);
    let classes = attributes(&svg, "rect", "class");
    // The background, two samples and four bars. The last bar has no name and is a label by itself.
    assert_eq!(classes[1..], ["rf-f0", "rf-f1", "rf-f0", "rf-f1", "rf-f1", "rf-f0"]);
    assert_eq!((svg.matches(">a</text>").count(), svg.matches(">y</text>").count()), (2, 1));
    let tops: Vec<f64> = attributes(&svg, "rect", "y").iter().skip(2).map(|y| y.parse().unwrap()).collect();
    assert!(tops[1] - tops[0] < tops[2] - tops[1], "{tops:?}");
}

#[test]
fn numbers_beside_bars_have_three_digits() {
    let texts = |value: f64| checked(&Bars::new("b").bar("a", value));
    for (value, text) in
        [(0.001_234_5, "0.00123"), (12.345, "12.3"), (1234.4, "1234"), (1e9, "1.00e9"), (1e300, "1.00e300")]
    {
        assert!(texts(value).contains(&format!(">{text}</text>")), "{value}");
    }
}

#[test]
fn invalid_bars_are_errors() {
    let message = |bars: Bars| bars.draw().unwrap_err().to_string();
    assert_eq!(message(Bars::new("b")), "the picture \"b\" has no bar; add at least one");
    assert_eq!(
        message(Bars::new("b").named("a", "x", f64::NAN)),
        "the bar \"a\" \"x\" of the picture \"b\" is NaN; expected -1e300 to 1e300"
    );
    for axis in [Axis::new("").log(), Axis::new("").log2(), Axis::new("").reversed()] {
        assert!(
            message(Bars::new("b").bar("a", 1.0).axis(axis))
                .contains("expected linear, because bars start at 0")
        );
    }
}
