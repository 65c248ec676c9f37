//! See [`refrain_fuzz::model_file`].
#![cfg_attr(fuzzing, no_main)]

refrain_fuzz::program!(refrain_fuzz::model_file);
