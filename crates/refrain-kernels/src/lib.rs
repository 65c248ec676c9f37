//! The arithmetic of Refrain.

mod activation;
mod buffer;
mod engine;
mod gemm;
mod isa;
mod math;
mod panel;
mod pool;
pub mod recurrent;
pub mod reference;
mod simd;

pub use activation::Activation;
pub use buffer::AlignedVec;
pub use engine::Engine;
pub use gemm::{Rows, RowsMut, bias_gradient, matmul, matmul_gradient, pack_bias, packed_bias_len, row_step};
pub use isa::Isa;
pub use panel::{Packed, PanelShape};
pub use pool::Pool;
