//! See [`refrain_fuzz::classifier_task`].
#![cfg_attr(fuzzing, no_main)]

refrain_fuzz::program!(refrain_fuzz::classifier_task);
