//! The report and its pictures as files.

use super::{Report, escape};
use crate::error::Result;
use refrain_nn::file::write_atomically;
use refrain_plot::{Sheet, Theme};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Pixels of a PNG for each of the SVG: enough for print and for screens with small pixels.
const PIXELS: f64 = 2.0;

/// What pictures are written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PictureFormat {
    /// Sharp at any size, small.
    Svg,
    /// Pixels; with the feature `png`.
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
    /// The pictures in their order, each with a file's name without its ending: that of the figure, made safe for any
    /// file system and unlike the others.
    pub fn pictures(&self) -> Vec<(String, &Sheet)> {
        let mut taken = BTreeSet::new();
        let figures = self.sections.iter().flat_map(|section| &section.figures);
        let named = figures.map(|figure| {
            let stem = escape::file_stem(&figure.name);
            let mut name = stem.clone();
            let mut number = 1;
            // Some systems hold names for the same that differ in case.
            while !taken.insert(name.to_ascii_lowercase()) {
                number += 1;
                name = format!("{stem}-{number}");
            }
            (name, &figure.sheet)
        });
        named.collect()
    }

    /// Writes each picture as a file into a folder that is there. The files.
    ///
    /// # Errors
    /// When a file cannot be written; of PNG without the feature `png`, or when it has too many pixels.
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

    /// Writes the page.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_html(&self, path: impl AsRef<Path>, theme: Theme) -> Result<()> {
        let page = self.html(theme);
        Ok(write_atomically(path.as_ref(), |file| file.write_all(page.as_bytes()))?)
    }
}
