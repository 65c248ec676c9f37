//! Counting the words of a text.

use super::{WordOptions, for_each_word, is_unknown};
use crate::error::{Error, Result};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

/// Word counts, in order of first appearance.
///
/// With a limit, memory is bounded: once there are more different words, the rarest are forgotten until half as
/// many are left (as in lossy counting, Manku & Motwani 2002). A word that comes back is counted from zero, so a
/// count may be too low, by at most [`missed`](Self::missed). If the options keep even the rarest words, nothing
/// can be forgotten, and more words than the limit are an error.
pub(super) struct WordCounts<'a> {
    options: &'a WordOptions,
    limit: usize,
    counts: Vec<(Arc<str>, u64)>,
    /// The index of each word in `counts`.
    slots: HashMap<Arc<str>, usize>,
    missed: u64,
}

impl<'a> WordCounts<'a> {
    pub(super) fn new(options: &'a WordOptions, limit: usize) -> Self {
        Self { options, limit, counts: Vec::new(), slots: HashMap::new(), missed: 0 }
    }

    /// Counts the words of another text.
    pub(super) fn add(&mut self, text: &str) -> Result<()> {
        let (options, counts, slots) = (self.options, &mut self.counts, &mut self.slots);
        for_each_word(options, text, |word| {
            if let Some(&slot) = slots.get(word) {
                counts[slot].1 += 1;
            } else if !is_unknown(options, word) {
                let word: Arc<str> = word.into();
                slots.insert(word.clone(), counts.len());
                counts.push((word, 1));
            }
        });
        if self.counts.len() > self.limit {
            self.forget_the_rarest()?;
        }
        Ok(())
    }

    /// Returns the most by which a count can be too low.
    #[cfg(test)]
    pub(super) fn missed(&self) -> u64 {
        self.missed
    }

    /// Returns the words that the options keep, the most frequent first, ties by first appearance.
    pub(super) fn into_words(self) -> Vec<Arc<str>> {
        let Self { options, mut counts, .. } = self;
        counts.retain(|&(_, count)| count >= options.min_count);
        counts.sort_by_key(|&(_, count)| Reverse(count));
        if let Some(max_size) = options.max_size {
            counts.truncate(max_size - 1);
        }
        counts.into_iter().map(|(word, _)| word).collect()
    }

    fn forget_the_rarest(&mut self) -> Result<()> {
        let (limit, half) = (self.limit, self.limit / 2);
        let rare_are_left_out =
            self.options.min_count > 1 || self.options.max_size.is_some_and(|max| max <= half);
        if !rare_are_left_out {
            return Err(Error::TooManyWords { limit });
        }
        let mut counts: Vec<u64> = self.counts.iter().map(|&(_, count)| count).collect();
        let (_, &mut floor, _) = counts.select_nth_unstable_by_key(half, |&count| Reverse(count));
        self.missed += floor;
        self.counts.retain(|&(_, count)| count > floor);
        self.slots.clear();
        self.slots.extend(self.counts.iter().enumerate().map(|(slot, (word, _))| (word.clone(), slot)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counts<'a>(options: &'a WordOptions, limit: usize, texts: &[String]) -> Result<WordCounts<'a>> {
        let mut counts = WordCounts::new(options, limit);
        for text in texts {
            counts.add(text)?;
        }
        Ok(counts)
    }

    #[test]
    fn too_many_kept_words_are_an_error() {
        let texts = ["a b c".to_owned()];
        let all = WordOptions::default();
        assert!(counts(&all, 3, &texts).is_ok());
        let error = counts(&all, 2, &texts).err().expect("three are more than two").to_string();
        assert!(error.contains("more than 2 different words") && error.contains("min_count"), "{error}");
        let most = WordOptions { max_size: Some(2), ..WordOptions::default() };
        assert!(counts(&most, 2, &texts).is_err(), "half of what is counted is less than what is kept");
    }

    proptest! {
        #[test]
        fn counts_are_bounded_with_the_documented_error(
            words in prop::collection::vec(prop::collection::vec(0_u32..40, 1..20), 1..30), limit in 4_usize..30,
        ) {
            // Small numbers are frequent.
            let texts: Vec<String> = words.iter().map(|line| {
                line.iter().map(|n| format!("w{} ", n * n / 40)).collect()
            }).collect();
            let options = WordOptions { min_count: 2, ..WordOptions::default() };
            let few = counts(&options, limit, &texts)?;
            let all = counts(&options, usize::MAX, &texts)?;
            prop_assert!(few.counts.len() <= limit);
            prop_assert_eq!(all.missed(), 0);
            for (word, count) in &all.counts {
                let found = few.slots.get(word).map_or(0, |&slot| few.counts[slot].1);
                prop_assert!(found <= *count && found + few.missed() >= *count, "{word}: {found} of {count}");
            }
            if few.missed() == 0 {
                prop_assert_eq!(few.into_words(), all.into_words());
            }
        }
    }
}
