mod bars;
mod chart;
mod colours;
mod drawing;
mod maps;
#[cfg(feature = "png")]
mod pixels;
mod random;
mod ruler;

use crate::text::{CAPITAL, DESCENT, MONO, bold, columns, width};
use crate::*;
use roxmltree::{Document, Node};
use std::collections::HashSet;

/// Positions are written to a tenth of a pixel.
pub(super) const HALF_TENTH: f64 = 0.0501;
/// The position of rotated text is rounded twice.
const TENTH: f64 = 0.11;

/// A title that would end the document if it were not escaped.
pub(super) const HOSTILE: &str = "<script>&]]>\u{0}\u{1b}\u{ffff}\"'</script>";

/// Returns the classes that a stylesheet has rules for.
fn classes(css: &str) -> HashSet<&str> {
    css.split('.')
        .filter(|rule| rule.starts_with("rf-"))
        .map(|rule| rule.split([',', '{']).next().expect("split gives one"))
        .collect()
}

/// Draws a picture and checks that the SVG is well-formed and accessible, that each number is finite, that each
/// class is in the stylesheet, and that everything lies within the canvas. Returns the SVG.
pub(super) fn checked(picture: &impl Picture) -> String {
    let sheet = picture.draw().unwrap();
    let svg = sheet.svg(Theme::Auto);
    let document = Document::parse(&svg).unwrap_or_else(|error| panic!("{error}\n{svg}"));
    let root = document.root_element();
    let (w, h) = sheet.size();
    assert_eq!(root.attribute("viewBox"), Some(format!("0 0 {w} {h}").as_str()));
    assert_eq!(root.attribute("role"), Some("img"));
    let first = root.first_element_child().unwrap();
    assert!(first.has_tag_name("title") && first.text().unwrap_or_default() == shown(sheet.title()));
    let css = stylesheet(Theme::Auto);
    let known = classes(&css);
    for node in root.descendants().filter(Node::is_element).filter(|node| *node != root) {
        for class in node.attribute("class").unwrap_or_default().split_whitespace() {
            assert!(known.contains(class) || class.starts_with("rf-o"), "no rule for {class:?}");
            assert!(class.starts_with("rf-"), "{class:?} could clash with the page's");
        }
        for (x, y) in corners(&node) {
            assert!(x.is_finite() && y.is_finite(), "{node:?}");
            let inside = (-TENTH..=w + TENTH).contains(&x) && (-TENTH..=h + TENTH).contains(&y);
            assert!(inside, "{x}, {y} of {w} × {h}: {}", &svg[node.range()]);
        }
    }
    svg
}

/// Returns the corners of the box around an element.
fn corners(node: &Node) -> Vec<(f64, f64)> {
    let number = |name: &str| node.attribute(name).map_or(0.0, |text| text.parse::<f64>().expect("a number"));
    let (x, y) = (number("x"), number("y"));
    match node.tag_name().name() {
        "line" => vec![(number("x1"), number("y1")), (number("x2"), number("y2"))],
        "rect" => {
            assert!(number("width") >= 0.0 && number("height") >= 0.0);
            vec![(x, y), (x + number("width"), y + number("height"))]
        }
        "circle" => {
            let (x, y, r) = (number("cx"), number("cy"), number("r"));
            vec![(x - r, y - r), (x + r, y + r)]
        }
        "polyline" | "polygon" => points(node.attribute("points").expect("points")),
        "path" => path(node.attribute("d").expect("a path")),
        "text" => text_corners(node, (x, y), number("font-size")),
        _ => Vec::new(),
    }
}

fn text_corners(node: &Node, (x, y): (f64, f64), size: f64) -> Vec<(f64, f64)> {
    let text: String = node.children().filter(Node::is_text).filter_map(|node| node.text()).collect();
    let class = node.attribute("class").expect("a text has a class");
    let width = match class {
        class if class.contains("rf-mono") => columns(&text) as f64 * MONO * size,
        class if class.contains("rf-bold") => bold(&text, size),
        _ => width(&text, size),
    };
    let before = match node.attribute("text-anchor") {
        Some("start") => 0.0,
        Some("middle") => 0.5,
        _ => 1.0,
    };
    let (from, to, above, below) = (-width * before, width * (1.0 - before), -size * CAPITAL, size * DESCENT);
    match node.attribute("transform") {
        None => vec![(x + from, y + above), (x + to, y + below)],
        Some(_) => vec![(x + above, y - from), (x + below, y - to)],
    }
}

pub(super) fn points(text: &str) -> Vec<(f64, f64)> {
    let point = |text: &str| {
        let (x, y) = text.split_once(',').expect("x,y");
        (x.parse().expect("a number"), y.parse().expect("a number"))
    };
    text.split(' ').map(point).collect()
}

/// Returns the end points of a path's segments.
fn path(text: &str) -> Vec<(f64, f64)> {
    let mut ends: Vec<(f64, f64)> = Vec::new();
    let spaced = text.replace(['M', 'L', 'h', 'v', 'z'], "\0").replace('\0', " ");
    assert!(
        spaced.split_whitespace().all(|number| number.parse::<f64>().is_ok_and(f64::is_finite)),
        "{text}"
    );
    let mut rest = text;
    while let Some(command) = rest.chars().next() {
        let end = rest[1..].find(['M', 'L', 'h', 'v', 'z']).map_or(rest.len(), |end| end + 1);
        let numbers: Vec<f64> =
            rest[1..end].split_whitespace().map(|n| n.parse().expect("a number")).collect();
        let last = ends.last().copied().unwrap_or_default();
        match command {
            'M' | 'L' => ends.push((numbers[0], numbers[1])),
            'h' => ends.push((last.0 + numbers[0], last.1)),
            'v' => ends.push((last.0, last.1 + numbers[0])),
            _ => {}
        }
        rest = &rest[end..];
    }
    ends
}

/// Returns the values of an attribute, in order.
pub(super) fn attributes<'a>(svg: &'a str, element: &str, name: &str) -> Vec<&'a str> {
    let (start, key) = (format!("<{element} "), format!(" {name}=\""));
    svg.lines()
        .filter(|line| line.starts_with(&start))
        .filter_map(|line| Some(line.split_once(&key)?.1.split_once('"')?.0))
        .collect()
}

/// Returns the lines of a chart.
pub(super) fn polylines(svg: &str) -> Vec<Vec<(f64, f64)>> {
    attributes(svg, "polyline", "points").into_iter().map(points).collect()
}

#[test]
fn a_theme_only_changes_colours() {
    let picture = Chart::new("c").line("l", [(0.0, 0.0), (1.0, 2.0)]);
    let [auto, light, dark] =
        [Theme::Auto, Theme::Light, Theme::Dark].map(|theme| picture.svg(theme).unwrap());
    let body = |svg: &str| svg.split_once("</style>").unwrap().1.to_owned();
    assert!(body(&auto) == body(&light) && body(&light) == body(&dark));
    assert!(light.contains(".rf-ground{fill:#ffffff}") && !light.contains("@media"));
    assert!(dark.contains(".rf-ground{fill:#16181c}") && !dark.contains("#ffffff}\n.rf-text"));
    let media = auto.find("@media (prefers-color-scheme:dark)").unwrap();
    assert!(auto.find(".rf-ground{fill:#ffffff}").unwrap() < media);
    assert!(auto.rfind(".rf-ground{fill:#16181c}").unwrap() > media);
    // An inline picture relies on the page's stylesheet.
    let inline = picture.inline().unwrap();
    assert!(
        !inline.contains("<style")
            && auto.replace(&format!("<style>\n{}</style>\n", stylesheet(Theme::Auto)), "") == inline
    );
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let figure = || {
        let points = (1..200).map(|i| (f64::from(i), 1.0 / f64::from(i)));
        Figure::new("f").add(Chart::new("c").y(Axis::new("y").log()).line("l", points)).to_svg().unwrap()
    };
    assert_eq!(figure(), figure());
    let px = crate::svg::px;
    assert_eq!(
        (px(1.0), px(-0.04), px(12.25), px(0.96)),
        ("1".into(), "0".into(), "12.2".into(), "1".into())
    );
}

#[test]
fn markup_in_texts_is_escaped() {
    assert_eq!(crate::svg::escape("a<b> & \"c\"\u{0}\n"), "a&lt;b&gt; &amp; \"c\"  ");
    let chart =
        Chart::new(HOSTILE).description(HOSTILE).x(Axis::new(HOSTILE).unit(HOSTILE)).y(Axis::new(HOSTILE));
    let chart = chart.line(HOSTILE, [(0.0, 0.0), (1.0, 1.0)]).reference(HOSTILE, 0.5).vertical(HOSTILE, 0.5);
    let map = Heatmap::new(HOSTILE).x_label(HOSTILE).y_label(HOSTILE).row(HOSTILE, [1.0]).columns([HOSTILE]);
    let block = |x| Block::new(Role::Other, HOSTILE, x, 0.0).line(HOSTILE);
    let drawing = Drawing::new(HOSTILE).block(HOSTILE, block(0.0)).block("b", block(1.0));
    let drawing = drawing.arrow(Arrow::new(HOSTILE, "b").label(HOSTILE)).note(0.0, 1.0, HOSTILE);
    let svgs = [
        checked(&Figure::new(HOSTILE).add(chart)),
        checked(&map.scale(Scale::diverging(1.0).label(HOSTILE))),
        checked(&TextMap::new(HOSTILE).cell(HOSTILE, 1.0).cell("<", 0.5)),
        checked(&Bars::new(HOSTILE).axis(Axis::new(HOSTILE)).named(HOSTILE, HOSTILE, 1.0)),
        checked(&drawing),
    ];
    for svg in svgs {
        assert!(svg.contains("&lt;script") && !svg.contains("<script"), "{svg}");
    }
}

#[test]
fn a_long_text_is_cut_and_complete_in_its_tooltip() {
    let long = "a rather long label ".repeat(40);
    let chart = Chart::new(&long).x(Axis::new(&long)).y(Axis::new(&long));
    let chart = chart.line(&long, [(0.0, 0.0), (1.0, 1.0)]).reference(&long, 0.5).vertical(&long, 0.5);
    let svg = checked(&Figure::new(&long).add(chart));
    // Figure, chart, two axes, legend and two references; the title of the picture repeats the whole text once
    // more.
    assert_eq!(svg.matches('…').count(), 7);
    assert_eq!(svg.matches(&format!("<title>{long}</title>")).count(), 8);
    let map = Heatmap::new(&long).x_label(&long).y_label(&long).row(&long, [1.0, 2.0]).columns([&long, "b"]);
    assert_eq!(checked(&map.scale(Scale::sequential(0.0, 3.0).label(&long))).matches('…').count(), 6);
    assert_eq!(
        checked(&Bars::new(&long).axis(Axis::new(&long)).named(&long, &long, 2.0)).matches('…').count(),
        4
    );
    let block = Block::new(Role::Input, &long, 0.0, 0.0).line(&long);
    let drawing = Drawing::new(&long).block("a", block).arrow(Arrow::new("a", "a").label(&long));
    assert_eq!(checked(&drawing.note(0.0, 1.0, &long)).matches('…').count(), 5);
}

/// Returns a text as a parser reads it back, with what XML forbids replaced.
fn shown(text: &str) -> String {
    let escaped = crate::svg::escape(text);
    escaped.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[cfg(not(feature = "png"))]
#[test]
fn without_the_feature_a_png_is_an_error() {
    let chart = Chart::new("c").line("l", [(0.0, 0.0), (1.0, 1.0)]);
    assert_eq!(chart.png(Theme::Light, 1.0), Err(Error::NoPng));
    assert!(Error::NoPng.to_string().contains("feature `png`"));
}
