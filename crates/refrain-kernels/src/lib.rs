//! The numeric kernels of Refrain: slices in, slices out.
//!
//! Every kernel takes an [`Engine`] (instruction set and threads) and buffers that the caller owns, and allocates
//! nothing, except that [`Packed`] matrices allocate when they are first filled. Each is one generic function over a
//! vector trait, compiled for AVX-512, AVX2 with FMA and portable Rust, and selected at run time. [`mod@reference`]
//! implements the same maths as plain loops.
//!
//! The result of every kernel is bit-identical for any number of threads. Between instruction sets, results may
//! differ by rounding.
//!
//! This crate is an internal layer of `refrain` and changes with it. Depend on `refrain` for a stable API.

// A kernel's buffers are its arguments. A struct per kernel would only rename them.
#![allow(clippy::too_many_arguments)]

mod activation;
pub mod activity;
mod buffer;
pub mod dropout;
pub mod elementwise;
pub mod embedding;
mod engine;
mod gemm;
mod isa;
mod layout;
pub mod machine;
mod math;
pub mod norm;
pub mod optimizer;
mod panel;
pub mod philox;
mod pool;
pub mod recurrent;
pub mod reduce;
pub mod reference;
mod rows;
mod simd;
pub mod softmax;

pub use activation::Elementwise;
pub use buffer::AlignedVec;
pub use engine::Engine;
pub use gemm::{bias_gradient, matmul, matmul_gradient};
pub use isa::Isa;
pub use layout::PanelShape;
pub use panel::{Packed, pack_bias, packed_bias_len};
pub use pool::Pool;
pub use rows::{Rows, RowsMut, row_step};
