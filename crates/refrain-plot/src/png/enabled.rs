//! With resvg.

use crate::error::{Error, Result};
use crate::theme::{Theme, with_fonts};
use fontdb::{Database, Source};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};
use std::sync::{Arc, OnceLock};

/// Pixels each way: four bytes each, 256 MiB are enough for one picture.
const LIMIT: u32 = 8192;
/// The font that this crate brings. It has Latin, Greek, Cyrillic and the signs of mathematics.
const SANS: &str = "DejaVu Sans";
const MONO: &str = "DejaVu Sans Mono";

/// The stylesheet in fonts of this crate: another font on each machine would draw another picture.
pub(crate) fn style(theme: Theme) -> String {
    with_fonts(theme, &format!("'{SANS}'"), &format!("'{MONO}'"))
}

/// An SVG of this size in pixels of the screen, `scale` pixels of the PNG for each of them.
pub(crate) fn render(title: &str, size: (f64, f64), svg: &str, scale: f64) -> Result<Vec<u8>> {
    render_with(title, size, svg, scale, fonts())
}

pub(crate) fn render_with(
    title: &str,
    (width, height): (f64, f64),
    svg: &str,
    scale: f64,
    fonts: Arc<Database>,
) -> Result<Vec<u8>> {
    if !(scale.is_finite() && scale > 0.0) {
        return Err(Error::Setting {
            picture: title.to_owned(),
            setting: "the scale",
            got: scale.to_string(),
            expected: "pixels of the PNG for each of the SVG, a number above 0",
        });
    }
    let (width, height) = ((width * scale).ceil(), (height * scale).ceil());
    if width.max(height) > f64::from(LIMIT) {
        return Err(Error::TooLarge { width, height, limit: LIMIT });
    }
    let failed = |reason: String| Error::Render { picture: title.to_owned(), reason };
    let options = Options { fontdb: fonts, font_family: SANS.to_owned(), ..Options::default() };
    let tree = Tree::from_str(svg, &options).map_err(|error| failed(error.to_string()))?;
    let mut pixels = Pixmap::new(width as u32, height as u32).expect("sizes above 0 and below the limit");
    resvg::render(&tree, Transform::from_scale(scale as f32, scale as f32), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| failed(error.to_string()))
}

/// This crate's font, then the machine's for the scripts that it has not. They are looked up once.
fn fonts() -> Arc<Database> {
    static FONTS: OnceLock<Arc<Database>> = OnceLock::new();
    let load = || {
        let mut fonts = own_fonts();
        fonts.load_system_fonts();
        Arc::new(fonts)
    };
    Arc::clone(FONTS.get_or_init(load))
}

pub(crate) fn own_fonts() -> Database {
    let mut fonts = Database::new();
    for font in [dejavu::sans::regular(), dejavu::sans::bold(), dejavu::sans_mono::regular()] {
        fonts.load_font_source(Source::Binary(Arc::new(font)));
    }
    fonts
}
