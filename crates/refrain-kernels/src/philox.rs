//! Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): random words as a pure
//! function of their key and position.

/// Rounds of the generator.
const ROUNDS: usize = 10;
/// The multipliers of a round.
const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
/// The increments of the key in each round: the golden ratio and √3 − 1.
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// Blocks that [`Stream::fill`] computes together: whole vectors of each word.
const BLOCKS: usize = 16;
/// Words that [`Stream::fill`] computes.
pub(crate) const WORDS: usize = 4 * BLOCKS;

/// Selects a stream of random words: all draws for one purpose in one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The seed of the training run.
    pub seed: u64,
    /// What the words are for. Each layer with dropout has its own.
    pub purpose: u32,
    /// The number of the batch, counted over the whole training run.
    pub counter: u64,
}

impl Key {
    /// Returns the word of an element: word `element % 4` of block `element / 4`.
    ///
    /// The 128 bits of Philox's counter hold the block and the batch counter. Seed and purpose are in its key, which
    /// is the beginning of Philox's block `purpose` under the seed.
    ///
    /// ```
    /// use refrain_kernels::philox::Key;
    /// let key = Key { seed: 1, purpose: 2, counter: 3 };
    /// assert_eq!(key.word(7), key.word(7));
    /// assert_ne!(key.word(7), key.word(8));
    /// ```
    pub fn word(self, element: u64) -> u32 {
        self.stream().block(element / 4)[(element % 4) as usize]
    }

    pub(crate) fn stream(self) -> Stream {
        let [a, b, ..] = philox([self.purpose, 0, 0, 0], halves(self.seed));
        Stream { key: [a, b], counter: halves(self.counter) }
    }
}

/// Returns [`Key::word`] as a plain function.
pub fn word(seed: u64, purpose: u32, counter: u64, element: u64) -> u32 {
    Key { seed, purpose, counter }.word(element)
}

/// The words of a [`Key`], ready to be drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    key: [u32; 2],
    counter: [u32; 2],
}

impl Stream {
    #[inline(always)]
    fn block(self, block: u64) -> [u32; 4] {
        let [low, high] = halves(block);
        philox([low, high, self.counter[0], self.counter[1]], self.key)
    }

    /// Computes the words of the elements `4 · block..4 · block + WORDS`.
    #[inline(always)]
    pub(crate) fn fill(self, block: u64, words: &mut [u32; WORDS]) {
        for i in 0..BLOCKS {
            let four = self.block(block.wrapping_add(i as u64));
            words[4 * i] = four[0];
            words[4 * i + 1] = four[1];
            words[4 * i + 2] = four[2];
            words[4 * i + 3] = four[3];
        }
    }
}

#[inline(always)]
fn halves(x: u64) -> [u32; 2] {
    [x as u32, (x >> 32) as u32]
}

/// Returns a block: four words of a counter and a key.
#[inline(always)]
fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..ROUNDS {
        let [low_0, high_0] = halves(u64::from(counter[0]) * u64::from(MULTIPLIERS[0]));
        let [low_1, high_1] = halves(u64::from(counter[2]) * u64::from(MULTIPLIERS[1]));
        counter = [high_1 ^ counter[1] ^ key[0], low_1, high_0 ^ counter[3] ^ key[1], low_0];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;
    use crate::isa::Kernel;
    use crate::simd::Simd;

    /// The known answers of Random123 1.14, `tests/kat_vectors`, for philox4x32-10.
    #[test]
    fn matches_the_published_test_vectors() {
        let pi = [0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344];
        let cases = [
            ([0; 4], [0; 2], [0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8]),
            ([u32::MAX; 4], [u32::MAX; 2], [0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD]),
            (pi, [0xA409_3822, 0x299F_31D0], [0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1]),
        ];
        for (counter, key, want) in cases {
            assert_eq!(philox(counter, key), want, "{counter:x?} under {key:x?}");
        }
    }

    struct Fill(Stream, u64);

    impl Kernel for Fill {
        type Output = [u32; WORDS];
        #[inline(always)]
        fn run<S: Simd>(self, _: S) -> [u32; WORDS] {
            let mut words = [0; WORDS];
            self.0.fill(self.1, &mut words);
            words
        }
    }

    #[test]
    fn words_drawn_together_equal_words_drawn_singly() {
        let key = Key { seed: 0x0123_4567_89AB_CDEF, purpose: 5, counter: 1 << 40 };
        for isa in Isa::available() {
            // The second begins just below a carry into the block's high half.
            for block in [0, u64::from(u32::MAX) - 3] {
                let words = isa.run(Fill(key.stream(), block));
                for (i, word) in words.into_iter().enumerate() {
                    assert_eq!(word, key.word(4 * block + i as u64), "element {i} on {isa}");
                }
            }
        }
    }

    #[test]
    fn every_argument_changes_the_word() {
        let base = word(1, 2, 3, 4);
        for other in
            [word(1 << 32, 2, 3, 4), word(1, 3, 3, 4), word(1, 2, 3 << 32, 4), word(1, 2, 3, 4 << 34)]
        {
            assert_ne!(base, other);
        }
    }

    /// The mapping from (seed, purpose, counter, element) must not change: results for a seed depend on it.
    #[test]
    fn the_mapping_does_not_change() {
        // Computed independently with Python integers.
        assert_eq!(word(0x0123_4567_89AB_CDEF, 2, 3, 25), 0x036C_600F);
        assert_eq!(word(u64::MAX, 7, 1 << 33, (1 << 40) + 6), 0x85DE_E1AB);
    }
}
