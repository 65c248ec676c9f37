//! See [`refrain_fuzz::npy_file`].
#![cfg_attr(fuzzing, no_main)]

refrain_fuzz::program!(refrain_fuzz::npy_file);
