//! The numbers that every peer computes with, the same in every language.
//!
//! The weights of layers and streams are `1 / units` and their biases 0, so that the order of gates does not matter
//! and every peer gets the same results. Models to be trained are initialised by their library.

/// Number of different batches in a training job; after the last one comes the first again.
pub const BATCHES: usize = 16;
/// The gradient of every output of a layer.
pub const GRADIENT: f32 = 1e-3;

/// Returns a pseudo-random number below 2³²: the integer hash "lowbias32".
pub fn mix(k: usize) -> u32 {
    let mut x = k as u32;
    x = (x ^ (x >> 16)).wrapping_mul(0x7feb_352d);
    x = (x ^ (x >> 15)).wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

/// Returns the `k`-th feature, in 0..1. For sequence `n`, step `t` and index `i`, `k = (n·T + t)·I + i`, where `T` is
/// the length of the longest sequence.
pub fn uniform(k: usize) -> f32 {
    (f64::from(mix(k)) / f64::from(u32::MAX)) as f32
}

/// Inputs and targets of a batch, one sequence after another.
pub type Tokens = (Vec<u32>, Vec<u32>);

/// Returns batch `b` of a language model. Token `s` of lane `n` is `mix(n·65536 + s) mod vocab`. A batch's `steps`
/// inputs begin at `s = b·steps`, and a target is the token after its input. Without `each_step`, there is one target
/// per sequence.
pub fn tokens(b: usize, batch: usize, steps: usize, vocab: usize, each_step: bool) -> Tokens {
    let token = |n: usize, s: usize| mix((n << 16) + b * steps + s) % vocab as u32;
    let rows =
        |from: usize, to: usize| (0..batch).flat_map(move |n| (from..to).map(move |s| token(n, s))).collect();
    (rows(0, steps), rows(if each_step { 1 } else { steps }, steps + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_match_the_other_languages() {
        assert_eq!(
            [mix(0), mix(1), mix(2), mix(123_456_789)],
            [0, 1_753_845_952, 3_507_691_905, 2_834_422_664]
        );
        let (x, y) = tokens(1, 2, 3, 65, true);
        let (_, last) = tokens(1, 2, 3, 65, false);
        assert_eq!((x[1..3].to_vec(), x[4..].to_vec()), (y[..2].to_vec(), y[3..5].to_vec()));
        assert_eq!(last, [y[2], y[5]]);
    }
}
