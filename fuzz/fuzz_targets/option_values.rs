//! See [`refrain_fuzz::option_values`].
#![cfg_attr(fuzzing, no_main)]

refrain_fuzz::program!(refrain_fuzz::option_values);
