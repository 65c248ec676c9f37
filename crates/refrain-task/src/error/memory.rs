//! A run that is refused for its memory, and settings that fit.

use refrain_nn::{Bytes, Memory};
use std::fmt;

/// Why a run is refused for its memory, and what would help.
#[derive(Debug, Clone, PartialEq)]
pub struct TooMuchMemory {
    /// What it needs.
    pub need: Memory,
    /// What it may take.
    pub limit: u64,
    /// Settings that fit, each alone; if none does, several that fit together; empty if nothing helps.
    pub suggestions: Vec<LessMemory>,
    /// Whether only all of `suggestions` together fit.
    pub together: bool,
    /// What the smallest of the settings that were tried would need.
    pub least: u64,
}

/// A setting that lowers what a run needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LessMemory {
    /// The option's name.
    pub option: &'static str,
    /// The value it would have.
    pub value: usize,
    /// What the run would need with it; if several are needed together, with all of them.
    pub bytes: u64,
}

impl fmt::Display for TooMuchMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, "")
    }
}

impl TooMuchMemory {
    /// The message with `prefix` before each option's name: `--` for a command line.
    pub fn with_prefix(&self, prefix: &str) -> String {
        struct Prefixed<'a>(&'a TooMuchMemory, &'a str);
        impl fmt::Display for Prefixed<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.write(f, self.1)
            }
        }
        Prefixed(self, prefix).to_string()
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, prefix: &str) -> fmt::Result {
        write!(f, "the run needs {}, but may take {}", self.need, Bytes(self.limit))?;
        if self.suggestions.is_empty() {
            return write!(f, "; the least that options could lower it to is {}", Bytes(self.least));
        }
        for (i, LessMemory { option, value, bytes }) in self.suggestions.iter().enumerate() {
            let before = if i == 0 {
                "; "
            } else if self.together {
                " "
            } else {
                ", "
            };
            write!(f, "{before}`{prefix}{option} {value}`")?;
            if !self.together {
                write!(f, " would need {}", Bytes(*bytes))?;
            }
        }
        match self.suggestions.first().filter(|_| self.together) {
            Some(way) => write!(f, " together would need {}", Bytes(way.bytes)),
            None => Ok(()),
        }
    }
}
