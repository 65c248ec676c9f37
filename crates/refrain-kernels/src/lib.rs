//! The arithmetic of Refrain.

mod activation;
mod buffer;
pub mod dropout;
pub mod elementwise;
pub mod embedding;
mod engine;
mod gemm;
mod isa;
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

pub use activation::Activation;
pub use buffer::AlignedVec;
pub use engine::Engine;
pub use gemm::{Rows, RowsMut, bias_gradient, matmul, matmul_gradient, pack_bias, packed_bias_len, row_step};
pub use isa::Isa;
pub use panel::{Packed, PanelShape};
pub use pool::Pool;
