//! See [`refrain_fuzz::input`].
#![cfg_attr(fuzzing, no_main)]

refrain_fuzz::program!(refrain_fuzz::input);
