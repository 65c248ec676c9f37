use super::{attributes, checked, points};
use crate::*;

fn block(role: Role, x: f64, y: f64) -> Block {
    Block::new(role, "name", x, y).line("more")
}

/// Returns the rectangles of a drawing of rectangular blocks: corner and size.
fn rects(svg: &str) -> Vec<(f64, f64, f64, f64)> {
    let numbers = |name: &str| -> Vec<f64> {
        let values = attributes(svg, "rect", name);
        let ground = usize::from(values.len() > attributes(svg, "rect", "x").len());
        values.into_iter().skip(ground).map(|n| n.parse().unwrap()).collect()
    };
    let (x, y, w, h) = (numbers("x"), numbers("y"), numbers("width"), numbers("height"));
    (0..x.len()).map(|i| (x[i], y[i], w[i], h[i])).collect()
}

#[test]
fn blocks_are_placed_on_the_grid_right_and_up() {
    let drawing = Drawing::new("d")
        .block("a", block(Role::Dense, 0.0, 0.0))
        .block("b", block(Role::Dense, 1.0, 0.0))
        .block("c", block(Role::Dense, 0.0, 1.0));
    let rects = rects(&checked(&drawing));
    let [a, b, c] = [rects[0], rects[1], rects[2]];
    assert!(b.0 > a.0 + a.2 && b.1 == a.1 && c.0 == a.0 && c.1 + c.3 < a.1, "{rects:?}");
}

#[test]
fn an_arrow_goes_from_edge_to_edge() {
    let drawing = |bend: Bend| {
        Drawing::new("d")
            .block("a", block(Role::Dense, 0.0, 0.0))
            .block("b", block(Role::Dense, 2.0, 1.0))
            .arrow(Arrow::new("a", "b").bend(bend).label("label"))
    };
    let ends = |bend: Bend| {
        let svg = checked(&drawing(bend));
        let line = points(attributes(&svg, "polyline", "points")[0]);
        let tip = points(attributes(&svg, "polygon", "points")[0])[1];
        let rects = rects(&svg);
        (line, tip, rects[0], rects[1])
    };
    let near = |a: f64, b: f64| (a - b).abs() < 0.21;
    let (line, tip, a, b) = ends(Bend::HorizontalFirst);
    assert!(line.len() == 3 && near(line[0].0, a.0 + a.2) && near(line[1].0, b.0 + b.2 / 2.0), "{line:?}");
    assert!(near(tip.0, b.0 + b.2 / 2.0) && near(tip.1, b.1 + b.3), "{tip:?}");
    let (line, tip, a, b) = ends(Bend::VerticalFirst);
    assert!(line.len() == 3 && near(line[0].1, a.1) && near(line[1].0, a.0 + a.2 / 2.0), "{line:?}");
    assert!(near(tip.0, b.0) && near(tip.1, b.1 + b.3 / 2.0), "{tip:?}");
    let (line, tip, a, b) = ends(Bend::None);
    let on_edge = |(x, y): (f64, f64), r: (f64, f64, f64, f64)| {
        let inside = x > r.0 - 0.2 && x < r.0 + r.2 + 0.2 && y > r.1 - 0.2 && y < r.1 + r.3 + 0.2;
        inside && (near(x, r.0) || near(x, r.0 + r.2) || near(y, r.1) || near(y, r.1 + r.3))
    };
    assert!(line.len() == 2 && on_edge(line[0], a) && on_edge(tip, b), "{line:?} {tip:?} {a:?} {b:?}");
}

#[test]
fn arrows_between_the_same_blocks_run_side_by_side() {
    let drawing = Drawing::new("d")
        .block("a", block(Role::Recurrent, 0.0, 0.0))
        .block("b", block(Role::Recurrent, 1.0, 0.0));
    let svg = checked(
        &drawing.clone().arrow(Arrow::new("a", "b").label("h")).arrow(Arrow::new("a", "b").label("c")),
    );
    let lines: Vec<_> = attributes(&svg, "polyline", "points").into_iter().map(points).collect();
    assert!(lines[1][0].1 - lines[0][0].1 > 10.0 && lines[0][0].1 == lines[0][1].1, "{lines:?}");
    let back = checked(&drawing.arrow(Arrow::new("a", "b")).arrow(Arrow::new("b", "a").dashed()));
    let lines: Vec<_> = attributes(&back, "polyline", "points").into_iter().map(points).collect();
    assert!((lines[1][0].1 - lines[0][0].1).abs() > 10.0, "{lines:?}");
    assert_eq!(attributes(&back, "polyline", "class"), ["rf-arrow", "rf-arrow rf-dashed"]);
}

#[test]
fn labels_are_on_the_outer_sides_of_arrows() {
    let of = |x: f64, y: f64| {
        let drawing =
            Drawing::new("d").block("a", block(Role::Dense, 0.0, 0.0)).block("b", block(Role::Dense, x, y));
        checked(&drawing.arrow(Arrow::new("a", "b").label("to")).arrow(Arrow::new("b", "a").label("back")))
    };
    let text = |svg: &str, label: &str| {
        let line = svg.lines().find(|line| line.contains(&format!(">{label}</text>"))).unwrap().to_owned();
        let number = |name| attributes(&line, "text", name)[0].parse::<f64>().unwrap();
        (number("x"), number("y"), attributes(&line, "text", "text-anchor")[0].to_owned())
    };
    let (upright, level) = (of(0.0, 1.0), of(1.0, 0.0));
    let lines = |svg: &str| attributes(svg, "polyline", "points").into_iter().map(points).collect::<Vec<_>>();
    let (to, back) = (text(&upright, "to"), text(&upright, "back"));
    let places = lines(&upright);
    assert!(
        to.0 < places[0][0].0 && to.2 == "end" && back.0 > places[1][0].0 && back.2 == "start",
        "{upright}"
    );
    let (to, back) = (text(&level, "to"), text(&level, "back"));
    let places = lines(&level);
    assert!(to.1 < places[0][0].1 && back.1 > places[1][0].1 + 5.0, "{level}");
}

#[test]
fn shared_weights_are_marked_and_explained() {
    let drawing = Drawing::new("d").block("a", block(Role::Recurrent, 0.0, 0.0));
    let plain = checked(&drawing.clone().arrow(Arrow::new("a", "a")));
    let shared = checked(&drawing.arrow(Arrow::new("a", "a").shared()));
    assert!(!plain.contains("same weights") && shared.contains(">the same weights at each step</text>"));
    assert_eq!(shared.matches("class=\"rf-arrow rf-shared\"").count(), 2);
}

#[test]
fn roles_differ_in_shape_and_colour() {
    let roles = [Role::Input, Role::Recurrent, Role::Dense, Role::State, Role::Loss, Role::Other];
    let looks: std::collections::BTreeSet<String> = roles
        .into_iter()
        .map(|role| {
            let svg = checked(&Drawing::new("d").block("a", block(role, 0.0, 0.0)));
            let shape = svg.lines().find(|line| line.contains("rf-block ")).unwrap().to_owned();
            let radius = attributes(&shape, "rect", "rx").first().copied().unwrap_or_default().to_owned();
            let kind = shape.split(' ').next().unwrap().to_owned();
            let more = ["rf-thick", "rf-dashed"].map(|class| shape.contains(&format!(" {class}\"")));
            // Without the colour.
            format!("{kind} {radius} {more:?}")
        })
        .collect();
    assert_eq!(looks.len(), roles.len(), "{looks:?}");
    let bare = checked(&Drawing::new("d").block("a", block(Role::Text, 0.0, 0.0)));
    assert!(!bare.contains("\"rf-block") && bare.contains(">name</text>"));
}

#[test]
fn invalid_drawings_are_errors() {
    let message = |drawing: Drawing| drawing.draw().unwrap_err().to_string();
    let one = || Drawing::new("d").block("a", block(Role::Other, 0.0, 0.0));
    assert_eq!(message(Drawing::new("d")), "the picture \"d\" has no block; add at least one");
    assert_eq!(
        message(one().block("a", block(Role::Other, 1.0, 0.0))),
        "the drawing \"d\" has two blocks with the key \"a\"; give each block its own key"
    );
    assert_eq!(
        message(one().arrow(Arrow::new("a", "b"))),
        "an arrow in the drawing \"d\" refers to an unknown block \"b\"; add the block"
    );
    for far in [f64::NAN, f64::INFINITY, 1001.0] {
        assert!(message(one().block("b", block(Role::Other, far, 0.0))).starts_with("x of the block \"b\""));
        assert!(message(one().note(0.0, far, "n")).starts_with("y of the note \"n\""));
    }
}
