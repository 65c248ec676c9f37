//! Sums over flat buffers, in double precision and in fixed blocks.

use crate::engine::{Engine, SharedMut};
use crate::isa::Kernel;
use crate::simd::Simd;
use std::ops::Range;

/// Floats in a block. Each block has its own partial sum, and partial sums are added in the order of the blocks.
const BLOCK: usize = 4096;
/// Independent chains in which a block is summed.
const CHAINS: usize = 16;

/// Returns how many doubles of scratch space [`sum`] and [`square_norm`] need for `len` floats.
pub fn partials_len(len: usize) -> usize {
    len.div_ceil(BLOCK)
}

/// Returns `Σ x²`, the square of the Euclidean norm, bit-identical on every instruction set. `partials` is scratch
/// space of [`partials_len`] doubles and is overwritten.
///
/// # Panics
/// When `partials` is too short.
pub fn square_norm(engine: &Engine, x: &[f32], partials: &mut [f64]) -> f64 {
    reduce::<true>(engine, x, partials)
}

/// Returns `Σ x`, bit-identical on every instruction set. `partials` is scratch space of [`partials_len`] doubles and
/// is overwritten.
///
/// # Panics
/// When `partials` is too short.
pub fn sum(engine: &Engine, x: &[f32], partials: &mut [f64]) -> f64 {
    reduce::<false>(engine, x, partials)
}

fn reduce<const SQUARE: bool>(engine: &Engine, x: &[f32], partials: &mut [f64]) -> f64 {
    let blocks = partials_len(x.len());
    assert!(partials.len() >= blocks, "{} partials for {blocks} blocks", partials.len());
    let out = SharedMut::new(partials);
    engine.share(blocks, 2 * x.len(), |_, blocks| {
        // SAFETY: there is a partial for each block, and each block belongs to one share.
        let partials = unsafe { out.slice(blocks.clone()) };
        engine.isa().run(Blocks::<SQUARE> { x, blocks, partials });
    });
    partials[..blocks].iter().sum()
}

struct Blocks<'a, const SQUARE: bool> {
    x: &'a [f32],
    blocks: Range<usize>,
    partials: &'a mut [f64],
}

impl<const SQUARE: bool> Kernel for Blocks<'_, SQUARE> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let x = &self.x[self.blocks.start * BLOCK..];
        for (partial, x) in self.partials.iter_mut().zip(x.chunks(BLOCK)) {
            let mut sums = [0.0f64; CHAINS];
            let mut chunks = x.chunks_exact(CHAINS);
            for chunk in &mut chunks {
                add::<SQUARE>(&mut sums, chunk);
            }
            add::<SQUARE>(&mut sums, chunks.remainder());
            *partial = sums.iter().sum();
        }
    }
}

#[inline(always)]
fn add<const SQUARE: bool>(sums: &mut [f64; CHAINS], x: &[f32]) {
    for (sum, &x) in sums.iter_mut().zip(x) {
        let x = f64::from(x);
        *sum += if SQUARE { x * x } else { x };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;
    use crate::elementwise::testing::*;

    /// Tolerance for sums of a million doubles.
    const TOLERANCE: f64 = 1e-12;

    #[test]
    fn sums_match_a_plain_loop_and_are_identical_on_every_engine() {
        let lengths = WIDTHS.into_iter().chain([BLOCK - 1, BLOCK, BLOCK + 1, 300 * BLOCK + 7]);
        for len in lengths {
            let x = floats(1, len, 3.0);
            let want: f64 = x.iter().map(|&x| f64::from(x)).sum();
            let want_square: f64 = x.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
            let mut first = None;
            for isa in Isa::available() {
                for threads in 1..=3 {
                    let engine = Engine::new(isa, threads);
                    let mut partials = vec![f64::NAN; partials_len(len) + 1];
                    let plain = sum(&engine, &x, &mut partials);
                    let square = square_norm(&engine, &x, &mut partials);
                    assert!((plain - want).abs() <= TOLERANCE * want_square.max(1.0), "{plain} for {want}");
                    assert!(
                        (square - want_square).abs() <= TOLERANCE * want_square,
                        "{square} for {want_square}"
                    );
                    let bits = (plain.to_bits(), square.to_bits());
                    assert_eq!(*first.get_or_insert(bits), bits, "{len} floats, {threads} threads on {isa}");
                }
            }
        }
    }

    #[test]
    fn squares_neither_overflow_nor_hide_nan() {
        let engine = Engine::new(Isa::detect(), 1);
        assert_eq!(square_norm(&engine, &[1e30; 3], &mut [0.0]), 3.0 * f64::from(1e30f32).powi(2));
        assert!(square_norm(&engine, &[1.0, f32::NAN], &mut [0.0]).is_nan());
        assert_eq!(square_norm(&engine, &[f32::NEG_INFINITY], &mut [0.0]), f64::INFINITY);
    }

    #[test]
    #[should_panic(expected = "0 partials for 1 blocks")]
    fn too_little_scratch_is_rejected() {
        sum(&Engine::new(Isa::portable(), 1), &[1.0], &mut []);
    }
}
