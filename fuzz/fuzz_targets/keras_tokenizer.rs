//! See [`refrain_fuzz::keras_tokenizer`].
#![cfg_attr(fuzzing, no_main)]

refrain_fuzz::program!(refrain_fuzz::keras_tokenizer);
