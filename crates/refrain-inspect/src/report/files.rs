//! Writing the report and its figures to files.

use super::{Report, escape};
use crate::error::Result;
use refrain_nn::file::write_atomically;
use refrain_plot::{Sheet, Theme};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Pixels of a PNG per SVG unit: enough for print and high-density screens.
const PIXELS: f64 = 2.0;

/// The format of figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PictureFormat {
    /// A vector image: sharp at any size, and small.
    Svg,
    /// A pixel image; needs the feature `png`.
    Png,
}

impl PictureFormat {
    fn ending(self) -> &'static str {
        match self {
            Self::Svg => "svg",
            Self::Png => "png",
        }
    }
}

impl Report {
    /// Returns the figures in order, each with a file name without extension: the figure's name, made safe for any
    /// file system and unique.
    pub fn pictures(&self) -> Vec<(String, &Sheet)> {
        let mut taken = BTreeSet::new();
        let figures = self.sections.iter().flat_map(|section| &section.figures);
        let named = figures.map(|figure| {
            let stem = escape::file_stem(&figure.name);
            let mut name = stem.clone();
            let mut number = 1;
            // Some file systems ignore case.
            while !taken.insert(name.to_ascii_lowercase()) {
                number += 1;
                name = format!("{stem}-{number}");
            }
            (name, &figure.sheet)
        });
        named.collect()
    }

    /// Writes each figure to a file in an existing folder, and returns the files.
    ///
    /// # Errors
    /// If a file cannot be written. For PNG, also without the feature `png`, or if the figure has too many pixels.
    pub fn save_pictures(
        &self,
        folder: impl AsRef<Path>,
        format: PictureFormat,
        theme: Theme,
    ) -> Result<Vec<PathBuf>> {
        let mut written = Vec::new();
        for (name, sheet) in self.pictures() {
            let bytes = match format {
                PictureFormat::Svg => sheet.svg(theme).into_bytes(),
                PictureFormat::Png => sheet.png(theme, PIXELS)?,
            };
            let path = folder.as_ref().join(format!("{name}.{}", format.ending()));
            write_atomically(&path, |file| file.write_all(&bytes))?;
            written.push(path);
        }
        Ok(written)
    }

    /// Writes the HTML page.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save_html(&self, path: impl AsRef<Path>, theme: Theme) -> Result<()> {
        let page = self.html(theme);
        Ok(write_atomically(path.as_ref(), |file| file.write_all(page.as_bytes()))?)
    }
}
