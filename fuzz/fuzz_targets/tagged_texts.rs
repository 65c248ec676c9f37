//! See [`refrain_fuzz::tagged_texts`].
#![cfg_attr(fuzzing, no_main)]

refrain_fuzz::program!(refrain_fuzz::tagged_texts);
