//! PNG output with resvg.

use crate::error::{Error, Result};
use crate::theme::{Theme, with_fonts};
use fontdb::{Database, Source};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};
use std::sync::{Arc, OnceLock};

/// Maximum width and height in pixels. At four bytes a pixel, that is 256 MiB.
const LIMIT: u32 = 8192;
/// The bundled font. It covers Latin, Greek, Cyrillic and mathematical symbols.
const SANS: &str = "DejaVu Sans";
const MONO: &str = "DejaVu Sans Mono";

/// Returns the stylesheet with the bundled fonts: system fonts would give a different picture on each machine.
pub(crate) fn style(theme: Theme) -> String {
    with_fonts(theme, &format!("'{SANS}'"), &format!("'{MONO}'"))
}

/// Renders an SVG of this size in CSS pixels, with `scale` PNG pixels for each.
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
            expected: "a number above 0 (PNG pixels per SVG pixel)",
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
    let png = pixels.encode_png().map_err(|error| failed(error.to_string()))?;
    Ok(with_software(&png))
}

/// Adds the text chunk that names the program which made a PNG file. It follows the header, the first chunk.
fn with_software(png: &[u8]) -> Vec<u8> {
    /// Bytes of the signature and the header.
    const HEADER: usize = 33;
    let text = b"tEXtSoftware\0Refrain";
    let (header, rest) = png.split_at(HEADER.min(png.len()));
    let len = (text.len() - b"tEXt".len()) as u32;
    [header, &len.to_be_bytes(), text, &crc32(text).to_be_bytes(), rest].concat()
}

/// Returns the checksum of a PNG chunk.
fn crc32(bytes: &[u8]) -> u32 {
    let bit = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc: u32, &byte| (0..8).fold(crc ^ u32::from(byte), bit))
}

/// Returns the bundled fonts, followed by the system fonts for scripts they lack. Loaded once.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_png_names_the_program_that_made_it() {
        // The check value of CRC-32.
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"2\" height=\"3\"/>";
        let png = render("x", (2.0, 3.0), svg, 1.0).unwrap();
        assert_eq!(&png[33..41], b"\0\0\0\x10tEXt");
        assert_eq!(&png[41..57], b"Software\0Refrain");
        let pixels = Pixmap::decode_png(&png).unwrap();
        assert_eq!((pixels.width(), pixels.height()), (2, 3));
    }
}
