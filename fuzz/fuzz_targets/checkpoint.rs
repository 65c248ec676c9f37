//! See [`refrain_fuzz::checkpoint`].
#![cfg_attr(fuzzing, no_main)]

refrain_fuzz::program!(refrain_fuzz::checkpoint);
