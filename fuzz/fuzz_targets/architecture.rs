//! See [`refrain_fuzz::architecture`].
#![cfg_attr(fuzzing, no_main)]

refrain_fuzz::program!(refrain_fuzz::architecture);
