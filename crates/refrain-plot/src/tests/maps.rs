use super::{attributes, checked, path};
use crate::*;

/// Returns the classes and corners of the cells, without those of the colour bar, which come after them.
fn cells(svg: &str) -> Vec<(String, Vec<(f64, f64)>)> {
    let lines = svg.lines().filter(|line| line.starts_with("<path") && line.contains("rf-cells"));
    let class =
        |line: &str| attributes(line, "path", "class")[0].trim_start_matches("rf-cells rf-").to_owned();
    let corners = |line: &str| path(attributes(line, "path", "d")[0]);
    lines.map(|line| (class(line), corners(line))).collect()
}

fn message(picture: &impl Picture) -> String {
    picture.draw().unwrap_err().to_string()
}

#[test]
fn a_cell_has_the_class_of_its_number() {
    let scale = Scale::sequential(0.0, 32.0);
    let class = |value: f64| scale.class(value);
    assert_eq!([0.0, 0.99, 1.0, 31.0, 32.0, 99.0, -5.0].map(class), [0, 0, 1, 31, 31, 31, 0].map(Some));
    let scale = Scale::diverging(16.0);
    let class = |value: f64| scale.class(value);
    assert_eq!(
        [0.0, 0.49, 0.51, -0.51, 16.0, -16.0, 1e300, -1e300].map(class),
        [16, 16, 17, 15, 32, 0, 32, 0].map(Some)
    );
    assert_eq!((class(f64::NAN), Scale::sequential(-1e300, 1e300).class(0.0)), (None, Some(16)));
}

#[test]
fn neighbouring_cells_of_a_class_are_merged() {
    let map = Heatmap::new("m").scale(Scale::diverging(1.0)).cell_size(10.0, 20.0);
    let svg = checked(&map.row("a", [1.0, 1.0, -1.0]).row("b", [f64::NAN, 1.0, 1.0]));
    let cells = cells(&svg);
    let of = |class: &str| cells.iter().find(|cell| cell.0 == class).unwrap().1.clone();
    let ((x, y), positive) = (of("d32")[0], of("d32"));
    // A rectangle has four corners; the first one of the class is two cells wide.
    let corners: Vec<_> =
        positive.chunks(4).map(|rect| (rect[0].0 - x, rect[0].1 - y, rect[1].0 - rect[0].0)).collect();
    assert_eq!(corners, [(0.0, 0.0, 20.0), (10.0, 20.0, 20.0)]);
    assert_eq!(of("d0")[0], (x + 20.0, y));
    // The stroke through the cell without a value, and one in the legend.
    let strokes: Vec<_> =
        svg.lines().filter(|line| line.contains("\"rf-none\"") && line.starts_with("<path")).collect();
    assert_eq!(path(attributes(strokes[0], "path", "d")[0]), [(x, y + 40.0), (x + 10.0, y + 20.0)]);
    assert!(strokes.len() == 2 && svg.contains(">no value</text>"));
}

#[test]
fn a_colour_bar_explains_values_beyond_its_ends() {
    let map = |values: [f64; 2]| {
        Heatmap::new("m").scale(Scale::sequential(0.0, 1.0).label("share")).row("r", values)
    };
    let tips = |values| attributes(&checked(&map(values)), "polygon", "class").len();
    assert_eq!([[0.0, 1.0], [0.0, 1.5], [-1.0, 1.0], [-9.0, 9.0]].map(tips), [0, 1, 1, 2]);
    let svg = checked(&map([0.2, 0.4]));
    assert!([">share<", ">0.2<", ">0.8<"].iter().all(|text| svg.contains(text)) && !svg.contains("no value"));
    // Ends that are nearly equal, so that the ticks lie outside them.
    checked(&map([1.0, 2.0]).scale(Scale::sequential(1.0, 1.0 + 1e-12)));
    checked(&map([1.0, 2.0]).scale(Scale::diverging(1e-305)));
    // The bar has every class once, and the cells have two classes.
    assert_eq!(cells(&svg).len(), 32 + 2);
}

#[test]
fn without_a_scale_the_colours_span_the_values() {
    let svg = checked(&Heatmap::new("m").row("r", [3.0, f64::NAN, 11.0]));
    let cells = cells(&svg);
    assert_eq!((cells[0].0.as_str(), cells[1].0.as_str()), ("q0", "q31"));
    assert!(svg.contains(">4</text>") && svg.contains(">10</text>") && !svg.contains(">12</text>"));
    for same in [0.0, 5.0, -1e300, f64::MIN_POSITIVE, f64::NAN] {
        checked(&Heatmap::new("m").row("r", [same, same]));
    }
}

#[test]
fn many_labels_are_thinned_but_letters_are_all_shown() {
    let rows = |count: usize, columns: usize| {
        let row = |map: Heatmap, i: usize| map.row(format!("unit {i}"), vec![0.5; columns]);
        (0..count).fold(Heatmap::new("map"), row)
    };
    let texts = |svg: &str, start: &str| svg.matches(start).count();
    let svg = checked(&rows(200, 3));
    assert!((20..=60).contains(&texts(&svg, ">unit ")), "{}", texts(&svg, ">unit "));
    assert_eq!(texts(&checked(&rows(20, 3)), ">unit "), 20);
    let letters = checked(&rows(4, 300).columns((0..300).map(|i| if i % 7 == 0 { " " } else { "m" })));
    assert_eq!(texts(&letters, ">m</text>"), 300 - 43);
    let words = checked(&rows(4, 300).columns((0..300).map(|i| format!("word{i}"))));
    assert!((50..=100).contains(&texts(&words, ">word")), "{}", texts(&words, ">word"));
    let counted = checked(&rows(2, 300));
    assert!(texts(&counted, ">20</text>") == 1 && texts(&counted, ">1</text>") == 0);
}

#[test]
fn a_map_of_64_by_300_is_a_small_file() {
    let value = |row: usize, column: usize| ((row * 7919 + column * 104_729) % 1000) as f64 / 500.0 - 1.0;
    let map = Heatmap::new("m")
        .scale(Scale::diverging(1.0))
        .columns((0..300).map(|i| if i % 5 == 0 { " " } else { "e" }));
    let map =
        (0..64).fold(map, |map, row| map.row(row.to_string(), (0..300).map(|column| value(row, column))));
    let size = checked(&map).len();
    assert!(size < 600_000, "{size} bytes");
}

#[test]
fn a_text_wraps_at_the_width_and_at_line_ends() {
    let map = TextMap::new("t").width(10).scale(Scale::diverging(1.0));
    let map =
        map.cells([("four", 0.0), ("six666", 0.5), ("two", -0.5)]).end_line().end_line().cell("⏎", f64::NAN);
    let svg = checked(&map.cell("longer than a line", 1.0));
    let place = |text: &str| {
        let line = svg.lines().find(|line| line.contains(&format!(">{text}</text>"))).unwrap().to_owned();
        let number = |name| attributes(&line, "text", name)[0].parse::<f64>().unwrap();
        (number("x"), number("y"))
    };
    let (four, six, two, end, long) =
        (place("four"), place("six666"), place("two"), place("⏎"), place("longer than a line"));
    let line = two.1 - four.1;
    assert!(six.1 == four.1 && (six.0 - four.0 - 5.0 * 8.0).abs() < 0.11);
    assert!(line > 0.0 && two.0 < four.0 && (end.1 - two.1 - 2.0 * line).abs() < 0.11);
    assert!((long.1 - end.1 - line).abs() < 0.11);
    // Letters have a class for their background, unless the value is missing.
    assert!(svg.contains("rf-over rf-od24\"") && svg.contains("class=\"rf-text rf-mono\" x"));
}

#[test]
fn a_blank_has_a_background_and_no_letter() {
    let svg = checked(&TextMap::new("t").scale(Scale::sequential(0.0, 1.0)).cell("a", 1.0).cell(" ", 1.0));
    assert_eq!(svg.matches("rf-over rf-o").count(), 1);
    assert_eq!(cells(&svg)[0].1.len(), 2 * 4);
}

#[test]
fn invalid_maps_give_errors_with_a_location() {
    let map = || Heatmap::new("m");
    assert_eq!(message(&map()), "the picture \"m\" has no row; add at least one");
    assert_eq!(message(&map().row("r", [])), "the picture \"m\" has no column; add at least one");
    assert_eq!(
        message(&map().row("r", [1.0, 2.0]).row("s", [1.0])),
        "row 1 (\"s\") of the picture \"m\" has 1 cells; expected 2"
    );
    assert_eq!(
        message(&map().row("r", [1.0]).columns(["a", "b"])),
        "the list of columns of the picture \"m\" has 2 labels; expected 1"
    );
    assert_eq!(
        message(&map().row("r", [1.0, f64::NEG_INFINITY])),
        "the cell in row 0 (\"r\"), column 1, of the picture \"m\" is -inf; expected -1e300 to 1e300"
    );
    for scale in
        [Scale::sequential(1.0, 1.0), Scale::sequential(f64::NAN, 1.0), Scale::sequential(0.0, f64::INFINITY)]
    {
        assert!(
            message(&map().row("r", [1.0]).scale(scale)).starts_with("the sequential scale of the picture")
        );
    }
    for limit in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = message(&map().row("r", [1.0]).scale(Scale::diverging(limit)));
        assert!(error.contains(&format!("is {limit}; expected a number above 0")), "{error}");
    }
    assert!(message(&map().row("r", [1.0]).cell_size(0.5, 3.0)).contains("is 0.5 × 3; expected 1 to 200"));
    let text = || TextMap::new("t");
    assert_eq!(message(&text().end_line()), "the picture \"t\" has no cell; add at least one");
    assert_eq!(
        message(&text().cell("a", 1.0).cell("b", f64::INFINITY)),
        "cell 1 (\"b\") of the picture \"t\" is inf; expected -1e300 to 1e300"
    );
    assert!(message(&text().cell("a", 1.0).width(0)).contains("width of the picture \"t\" is 0"));
}
