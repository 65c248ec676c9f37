//! Without the renderer.

use crate::error::{Error, Result};
use crate::picture::Sheet;
use crate::theme::Theme;

pub(crate) fn render(_sheet: &Sheet, _theme: Theme, _scale: f64) -> Result<Vec<u8>> {
    Err(Error::NoPng)
}
