//! See [`refrain_fuzz::corpus`].
#![cfg_attr(fuzzing, no_main)]

refrain_fuzz::program!(refrain_fuzz::corpus);
