//! See [`refrain_fuzz::bpe_json`].
#![cfg_attr(fuzzing, no_main)]

refrain_fuzz::program!(refrain_fuzz::bpe_json);
