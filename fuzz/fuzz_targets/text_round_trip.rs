//! See [`refrain_fuzz::text_round_trip`].
#![cfg_attr(fuzzing, no_main)]

refrain_fuzz::program!(refrain_fuzz::text_round_trip);
