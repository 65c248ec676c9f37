//! PNG output without the renderer: always an error.

use crate::error::{Error, Result};
use crate::theme::{Theme, stylesheet};

pub(crate) fn style(theme: Theme) -> String {
    stylesheet(theme)
}

pub(crate) fn render(_title: &str, _size: (f64, f64), _svg: &str, _scale: f64) -> Result<Vec<u8>> {
    Err(Error::NoPng)
}
