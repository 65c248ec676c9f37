//! The stylesheet of all pictures. Elements carry classes; only the stylesheet has colours.

use crate::colour::{DARK, LIGHT, Palette, Rgb};
use std::fmt::Write;

/// The background that a picture is written for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Theme {
    /// Light, or dark if the viewer prefers it. A PNG cannot adapt and is light.
    #[default]
    Auto,
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

/// Returns the stylesheet, for a page that includes it once and its pictures as [`inline`](crate::Picture::inline)
/// elements. All class names begin with `rf-`.
///
/// ```
/// let css = refrain_plot::stylesheet(refrain_plot::Theme::Auto);
/// assert!(css.contains("@media (prefers-color-scheme:dark)"));
/// ```
pub fn stylesheet(theme: Theme) -> String {
    with_fonts(
        theme,
        "Helvetica,Arial,sans-serif",
        "ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace",
    )
}

/// Returns the stylesheet with these font families.
pub(crate) fn with_fonts(theme: Theme, sans: &str, mono: &str) -> String {
    let mut css = format!(".rf-text{{font-family:{sans}}}\n.rf-mono{{font-family:{mono}}}\n{SHAPES}");
    match theme {
        Theme::Auto => {
            colours(&mut css, &LIGHT);
            css.push_str("@media (prefers-color-scheme:dark){\n");
            colours(&mut css, &DARK);
            css.push_str("}\n");
        }
        Theme::Light => colours(&mut css, &LIGHT),
        Theme::Dark => colours(&mut css, &DARK),
    }
    css
}

/// The rules that light and dark share.
const SHAPES: &str = "\
.rf-bold{font-weight:bold}
.rf-halo{stroke-width:3;stroke-linejoin:round;paint-order:stroke}
.rf-frame,.rf-grid,.rf-faint{fill:none;stroke-width:.8}
.rf-reference{fill:none;stroke-width:1.2;stroke-dasharray:1.5 3}
.rf-line{fill:none;stroke-width:1.8;stroke-linejoin:round}
.rf-k0{stroke-dasharray:none}
.rf-k1{stroke-dasharray:7 3}
.rf-k2{stroke-dasharray:2 2.5}
.rf-k3{stroke-dasharray:9 3 2 3}
.rf-band{fill-opacity:.2}
.rf-cells{shape-rendering:crispEdges}
.rf-none{fill:none;stroke-width:.8}
.rf-block{fill-opacity:.13;stroke-width:1.3}
.rf-thick{stroke-width:2.6}
.rf-dashed{stroke-dasharray:4 3}
.rf-arrow{fill:none;stroke-width:1.3}
.rf-shared{stroke-width:2.2;stroke-dasharray:1 3;stroke-linecap:round}
";

fn colours(css: &mut String, palette: &Palette) {
    let Palette { ground, ink, soft, frame, grid, faint, series, .. } = palette;
    let mut rule = |selector: &str, property: &str, colour: &Rgb| {
        let _ = writeln!(css, "{selector}{{{property}:{}}}", colour.hex());
    };
    rule(".rf-ground", "fill", ground);
    rule(".rf-text,.rf-head", "fill", ink);
    rule(".rf-soft", "fill", soft);
    rule(".rf-halo", "stroke", ground);
    rule(".rf-frame", "stroke", frame);
    rule(".rf-grid", "stroke", grid);
    rule(".rf-faint", "stroke", faint);
    rule(".rf-reference,.rf-none", "stroke", soft);
    rule(".rf-arrow", "stroke", ink);
    for (i, colour) in series.iter().enumerate() {
        rule(&format!(".rf-s{i}"), "stroke", colour);
        rule(&format!(".rf-f{i}"), "fill", colour);
    }
    let plain = palette.over(*ground);
    let (mut other, mut turned) = (plain, Vec::new());
    for (letter, ramp) in [('q', palette.sequential()), ('d', palette.diverging())] {
        for (i, colour) in ramp.iter().enumerate() {
            rule(&format!(".rf-{letter}{i}"), "fill", colour);
            if palette.over(*colour) != plain {
                other = palette.over(*colour);
                turned.push(format!(".rf-o{letter}{i}"));
            }
        }
    }
    rule(".rf-over", "fill", &plain);
    rule(&turned.join(","), "fill", &other);
}
