use crate::png::{own_fonts, render_with, style};
use crate::*;
use fontdb::Database;
use resvg::tiny_skia::Pixmap;
use std::sync::Arc;

type Colour = (u8, u8, u8);

const WHITE: Colour = (0xff, 0xff, 0xff);
const DARK: Colour = (0x16, 0x18, 0x1c);

fn pixels(picture: &impl Picture, theme: Theme, scale: f64) -> (u32, u32, Vec<Colour>) {
    let pixels = Pixmap::decode_png(&picture.png(theme, scale).unwrap()).unwrap();
    let colours = pixels.pixels().iter().map(|pixel| (pixel.red(), pixel.green(), pixel.blue())).collect();
    (pixels.width(), pixels.height(), colours)
}

fn samples() -> Vec<Box<dyn Picture>> {
    let long = "W@mM".repeat(50);
    let points = || (1..50).map(|i| (f64::from(i), 10_f64.powi(-i)));
    let chart = || {
        Chart::new("title").x(Axis::new("steps").unit("s")).y(Axis::new("norm").log()).line("one", points())
    };
    let drawing =
        Drawing::new("MWMWMWMW").block("a", Block::new(Role::Loss, "WWMMWW", 0.0, 0.0).line("mmm@@@"));
    vec![
        Box::new(chart().reference(&long, 0.1).vertical("WWW", 49.0)),
        Box::new(Figure::new(&long).columns(2).add(chart()).add(Chart::new(&long).line(&long, points()))),
        Box::new(
            Heatmap::new(&long).row("WWMM", [-1.0, 2e-9]).row(&long, [f64::NAN, 1.0]).columns(["mmm", "W"]),
        ),
        Box::new(TextMap::new("t").scale(Scale::diverging(1.2e-17)).cell("W", 1.0).cell("Ж世", 0.0)),
        Box::new(Bars::new("b").bar("MMMM", -1.234e-9).bar(&long, 1.234e-9).axis(Axis::new("x"))),
        Box::new(drawing.arrow(Arrow::new("a", "a").label("MMWW@@").shared()).note(0.0, -1.0, "MWMWMWMWMWM")),
    ]
}

#[test]
fn nothing_reaches_the_border() {
    // Here letters have real widths, in a wide font: this checks the estimates.
    for (i, picture) in samples().iter().enumerate() {
        let sheet = picture.draw().unwrap();
        let pixmap = Pixmap::decode_png(&sheet.png(Theme::Dark, 1.0).unwrap()).unwrap();
        let (w, h) = (pixmap.width(), pixmap.height());
        assert_eq!((f64::from(w), f64::from(h)), sheet.size());
        let colour = |x: u32, y: u32| {
            let pixel = pixmap.pixel(x, y).unwrap();
            (pixel.red(), pixel.green(), pixel.blue())
        };
        let border =
            (0..w).flat_map(|x| [(x, 0), (x, h - 1)]).chain((0..h).flat_map(|y| [(0, y), (w - 1, y)]));
        for (x, y) in border {
            assert_eq!(colour(x, y), DARK, "picture {i} at {x}, {y} of {w} × {h}");
        }
    }
}

#[test]
fn a_cell_has_its_colour_in_both_themes() {
    let map = Heatmap::new("").scale(Scale::diverging(1.0)).cell_size(40.0, 40.0).row("", [-1.0, 0.0, 1.0]);
    for (theme, ground) in [(Theme::Auto, WHITE), (Theme::Light, WHITE), (Theme::Dark, DARK)] {
        let (w, _, colours) = pixels(&map, theme, 2.0);
        let at = |cell: u32| colours[((14 + 20) * 2 * w + (20 + 40 * cell + 20) * 2) as usize];
        assert_eq!([at(0), at(1), at(2)], [(0x2e, 0x76, 0xcc), ground, (0xc0, 0x55, 0x26)], "{theme:?}");
    }
}

#[test]
fn greek_and_cyrillic_texts_are_drawn() {
    let ink = |title: &str| {
        let chart = Chart::new(title).line("", [(0.0, 0.0), (1.0, 1.0)]);
        let (w, _, colours) = pixels(&chart, Theme::Light, 1.0);
        // The title's row.
        colours[..(w * 40) as usize].iter().filter(|colour| **colour != WHITE).count()
    };
    let blank = ink(" ");
    let counts = ["title", "λθ", "Ждущий", "10⁻⁹ → ∂"].map(|text| ink(text) - blank);
    assert!(counts.iter().all(|count| *count > 50), "{counts:?}");
    // Real letters, not the placeholder boxes of a font that lacks them, which would all be the same.
    assert_ne!(ink("ΩΩΩΩ"), ink("лллл"));
}

#[test]
fn only_the_bundled_font_is_used() {
    // Sans-serif, bold and fixed-width letters.
    let map = Heatmap::new("Ωμέγα, Ждущий 10⁻⁹ → ∂").columns(["a", "λ", "я"]).row("row", [0.0, 1.0, 2.0]);
    let sheet = map.draw().unwrap();
    let svg = sheet.with_style(&style(Theme::Light));
    let drawn =
        |fonts: Database| render_with(sheet.title(), sheet.size(), &svg, 1.0, Arc::new(fonts)).unwrap();
    assert!(drawn(own_fonts()) == sheet.png(Theme::Light, 1.0).unwrap());
    assert!(drawn(own_fonts()) != drawn(Database::new()));
}

#[test]
fn a_too_large_picture_is_an_error() {
    let chart = Chart::new("c").line("l", [(0.0, 0.0), (1.0, 1.0)]);
    let sheet = chart.draw().unwrap();
    let (width, height) = (sheet.size().0 * 100.0, sheet.size().1 * 100.0);
    assert_eq!(chart.png(Theme::Light, 100.0), Err(Error::TooLarge { width, height, limit: 8192 }));
    for scale in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = chart.png(Theme::Light, scale).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("the scale of the picture \"c\" is {scale}; expected")),
            "{error}"
        );
    }
    // Sizes below one pixel are rounded up to one.
    assert_eq!(pixels(&chart, Theme::Light, 1e-9).0, 1);
}
