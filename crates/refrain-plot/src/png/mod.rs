//! PNG output, with the feature `png`.

#[cfg(not(feature = "png"))]
mod disabled;
#[cfg(feature = "png")]
mod enabled;

#[cfg(not(feature = "png"))]
pub(crate) use disabled::{render, style};
#[cfg(all(test, feature = "png"))]
pub(crate) use enabled::{own_fonts, render_with};
#[cfg(feature = "png")]
pub(crate) use enabled::{render, style};
