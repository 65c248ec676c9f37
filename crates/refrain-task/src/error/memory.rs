//! A run that needs too much memory, and settings that fit.

use refrain_nn::{Bytes, Memory};
use std::fmt;

/// Why a run was refused for its memory, and which settings would fit.
#[derive(Debug, Clone, PartialEq)]
pub struct TooMuchMemory {
    /// What the run needs.
    pub need: Memory,
    /// The memory limit, in bytes.
    pub limit: u64,
    /// Settings that each fit alone; if none does, several that fit together; empty if nothing fits.
    pub suggestions: Vec<MemorySuggestion>,
    /// Whether the `suggestions` fit only all together.
    pub together: bool,
    /// What the run would need with the smallest settings that were tried.
    pub least: u64,
}

/// A setting that lowers a run's memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemorySuggestion {
    /// The option's name.
    pub option: &'static str,
    /// The suggested value.
    pub value: usize,
    /// What the run would need with it, or with all suggestions if they are needed together.
    pub bytes: u64,
}

impl fmt::Display for TooMuchMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, "")
    }
}

impl TooMuchMemory {
    /// Returns the message with `prefix` before each option's name: `--` for a command line.
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
        write!(f, "the run needs {}, but may use at most {}", self.need, Bytes(self.limit))?;
        if self.suggestions.is_empty() {
            return write!(f, "; even the smallest settings tried would need {}", Bytes(self.least));
        }
        for (i, MemorySuggestion { option, value, bytes }) in self.suggestions.iter().enumerate() {
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
