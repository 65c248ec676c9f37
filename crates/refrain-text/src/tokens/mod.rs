//! The tokens of a text, in memory or in a file if there are many.

mod stored;

pub use stored::{Store, StoredTokens, TokenWriter};

use crate::error::Result;
use crate::unknown::UnknownTokens;
use std::ops::Range;
use std::sync::Arc;

/// Tokens that are counted at a time.
const BLOCK: usize = 4096;

/// A sequence of tokens with random access.
pub trait Tokens {
    /// Returns the number of tokens.
    fn len(&self) -> usize;

    /// Returns whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the tokens of a range to `into`.
    ///
    /// # Errors
    /// If the tokens are in a file that cannot be read.
    ///
    /// # Panics
    /// If the range ends after the last token.
    fn read(&self, range: Range<usize>, into: &mut Vec<u32>) -> Result<()>;

    /// Returns how many tokens are unknown to the vocabulary.
    ///
    /// # Errors
    /// If the tokens cannot be read.
    fn unknown(&self) -> Result<UnknownTokens> {
        let (mut all, mut block) = (UnknownTokens::default(), Vec::new());
        for start in (0..self.len()).step_by(BLOCK) {
            block.clear();
            self.read(start..self.len().min(start + BLOCK), &mut block)?;
            all.add(UnknownTokens::of(&block));
        }
        Ok(all)
    }
}

impl Tokens for [u32] {
    fn len(&self) -> usize {
        self.len()
    }

    fn read(&self, range: Range<usize>, into: &mut Vec<u32>) -> Result<()> {
        into.extend_from_slice(&self[range]);
        Ok(())
    }
}

macro_rules! as_what_it_holds {
    ($([$($generics:tt)*] $holder:ty),*) => {$(
        impl<$($generics)*> Tokens for $holder {
            fn len(&self) -> usize {
                Tokens::len(&**self)
            }

            fn read(&self, range: Range<usize>, into: &mut Vec<u32>) -> Result<()> {
                Tokens::read(&**self, range, into)
            }

            fn unknown(&self) -> Result<UnknownTokens> {
                Tokens::unknown(&**self)
            }
        }
    )*};
}
as_what_it_holds!([] Vec<u32>, [T: Tokens + ?Sized] &T, [T: Tokens + ?Sized] Arc<T>);
