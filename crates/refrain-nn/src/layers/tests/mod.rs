//! What layers compute, and the checks that the tests of each layer use.

mod masks;
mod recurrent;
mod reference;
pub(crate) mod support;
