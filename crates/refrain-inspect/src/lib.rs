//! Looks into recurrent networks.
#![forbid(unsafe_code)]

mod error;
pub mod tensorboard;

pub use error::{Error, Result};
