//! See [`refrain_fuzz::labelled_texts`].
#![cfg_attr(fuzzing, no_main)]

refrain_fuzz::program!(refrain_fuzz::labelled_texts);
