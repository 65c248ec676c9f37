//! Functions from bytes to nothing that panic when something that reads untrusted bytes misbehaves.
//!
//! Each function is a target: `cargo fuzz` searches for bytes that break it, and a test on stable Rust replays the
//! bytes in its folder of `corpus/`. The function's documentation says what it asserts besides not panicking. Reading
//! must succeed or return a typed error; what was read is then used, written and read again.
//!
//! To add a target: write the function, its line in [`TARGETS`], a file in `fuzz_targets/`, a `[[bin]]`, and its
//! seeds in `examples/seeds.rs`. The replay test reports whatever is missing.

// The program's reader modules, included by path because they are in a binary crate. Not all of their items are used
// here.
#[allow(dead_code, unreachable_pub)]
#[path = "../../crates/refrain-cli/src/array.rs"]
mod array;
#[allow(dead_code, unreachable_pub)]
#[path = "../../crates/refrain-cli/src/npy.rs"]
mod npy;
#[allow(dead_code, unreachable_pub)]
#[path = "../../crates/refrain-cli/src/tensors.rs"]
mod tensors;

mod arrays;
mod checkpoints;
mod codecs;
mod json;
mod models;
mod options;
mod tasks;
mod texts;

#[doc(hidden)]
pub mod replay;

pub use arrays::{npy as npy_file, safetensors_arrays};
pub use checkpoints::checkpoint;
pub use codecs::{bpe_json, keras_tokenizer, text_round_trip};
#[cfg(fuzzing)]
#[doc(hidden)]
pub use libfuzzer_sys;
pub use models::{architecture, model_file};
pub use options::{option_values, recipes};
pub use tasks::{classifier_task, language_model_task, tagger_task};
pub use texts::{corpus, input, labelled_texts, tagged_texts};

/// A fuzz target. It must return for any bytes.
pub type Target = fn(&[u8]);

/// All targets by name, which is that of a program and of a folder in `corpus/`.
pub const TARGETS: &[(&str, Target)] = &[
    ("architecture", architecture),
    ("bpe_json", bpe_json),
    ("checkpoint", checkpoint),
    ("classifier_task", classifier_task),
    ("corpus", corpus),
    ("input", input),
    ("keras_tokenizer", keras_tokenizer),
    ("labelled_texts", labelled_texts),
    ("language_model_task", language_model_task),
    ("model_file", model_file),
    ("npy", npy_file),
    ("option_values", option_values),
    ("recipes", recipes),
    ("safetensors_arrays", safetensors_arrays),
    ("tagged_texts", tagged_texts),
    ("tagger_task", tagger_task),
    ("text_round_trip", text_round_trip),
];

/// Defines the program of a target: libFuzzer's under `cargo fuzz`, otherwise one that replays the files it is given.
#[cfg(fuzzing)]
#[macro_export]
macro_rules! program {
    ($target:path) => {
        $crate::libfuzzer_sys::fuzz_target!(|bytes: &[u8]| $target(bytes));
    };
}

/// Defines the program of a target: libFuzzer's under `cargo fuzz`, otherwise one that replays the files it is given.
#[cfg(not(fuzzing))]
#[macro_export]
macro_rules! program {
    ($target:path) => {
        fn main() -> std::io::Result<()> {
            $crate::replay::named_files($target)
        }
    };
}
