//! Code shared by model files and checkpoints: a safetensors header with digests, limits for untrusted input,
//! and atomic writes.

mod atomic;
mod bounds;
mod header;
mod printable;

pub use atomic::{check_writable, write_atomically};
pub(crate) use atomic::{folder_of, sync_folder};
pub(crate) use bounds::{in_proportion, parse};
pub(crate) use header::{check_seal, digest, seal, write_header};
pub use printable::printable;
