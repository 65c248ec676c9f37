//! See [`refrain_fuzz::tagger_task`].
#![cfg_attr(fuzzing, no_main)]

refrain_fuzz::program!(refrain_fuzz::tagger_task);
