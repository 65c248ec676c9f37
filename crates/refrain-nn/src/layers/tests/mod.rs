//! Tests of what layers compute, and checks that the tests of each layer share.

mod masks;
mod recurrent;
mod reference;
pub(crate) mod support;
