//! See [`refrain_fuzz::language_model_task`].
#![cfg_attr(fuzzing, no_main)]

refrain_fuzz::program!(refrain_fuzz::language_model_task);
