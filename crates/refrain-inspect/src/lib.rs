//! Looks into recurrent networks.
#![forbid(unsafe_code)]

mod error;

pub use error::{Error, Result};
