//! See [`refrain_fuzz::safetensors_arrays`].
#![cfg_attr(fuzzing, no_main)]

refrain_fuzz::program!(refrain_fuzz::safetensors_arrays);
