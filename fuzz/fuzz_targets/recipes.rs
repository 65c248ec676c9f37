//! See [`refrain_fuzz::recipes`].
#![cfg_attr(fuzzing, no_main)]

refrain_fuzz::program!(refrain_fuzz::recipes);
