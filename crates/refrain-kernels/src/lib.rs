//! The arithmetic of Refrain: slices in, slices out.
//!
//! Every kernel takes an [`Engine`] (which instructions, which threads) and buffers that the caller owns, and
//! allocates nothing ([`Packed`] matrices take their memory at their first use). Each is one generic body over a
//! vector trait, compiled for AVX-512, AVX2 with FMA and portable Rust and chosen at run time; [`mod@reference`]
//! holds the same maths as plain loops.
//!
//! The result of every kernel is the same bits for any number of threads. Instruction sets differ in the last
//! digits where they round differently.
//!
//! This crate is the ground floor of `refrain` and follows its needs: depend on the facade for stability.

// A kernel's buffers are its arguments; a struct for each would only rename them.
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
mod simd;
pub mod softmax;

pub use activation::Elementwise;
pub use buffer::AlignedVec;
pub use engine::Engine;
pub use gemm::{Rows, RowsMut, bias_gradient, matmul, matmul_gradient, row_step};
pub use isa::Isa;
pub use layout::PanelShape;
pub use panel::{Packed, pack_bias, packed_bias_len};
pub use pool::Pool;
