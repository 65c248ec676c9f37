//! Dropout: the kernels compute the mask from the [`Key`], in the forward pass and again in the backward pass.

use crate::elementwise::{RowKernel, map_rows};
use crate::engine::{Engine, SharedMut};
use crate::isa::Kernel;
use crate::philox::{Key, Stream, WORDS};
use crate::rows::{Rows, RowsMut};
use crate::simd::Simd;

/// Approximate cost of a mask element in integer operations.
const MASK_COST: usize = 20;
/// Block size, in elements, in which threads share a flat buffer: a multiple of what one fill produces.
const BLOCK: usize = 16 * WORDS;

/// Computes `y = x ⊙ mask / (1 − rate)`, or `y += …` with `add`. The same call on the gradients is the backward pass.
///
/// Element `c` of row `r` is dropped with probability `rate`, decided by the random word `base[r] + c` of the key:
/// `base` counts elements in the caller's order, so a mask does not depend on how rows are packed. A dropped element
/// becomes 0 even if it was NaN.
///
/// # Panics
/// When the sizes do not match, or the rate is not at least 0 and below 1.
pub fn dropout(engine: &Engine, key: Key, rate: f32, x: Rows<'_>, base: &[u64], add: bool, y: RowsMut<'_>) {
    assert_eq!((x.count(), x.width()), (y.count(), y.width()), "rows of a dropout");
    drop_rows(engine, Masked { mask: Mask::new(key, rate), base, x: Some(x), add }, y);
}

/// Computes the mask itself: 0 or `1 / (1 − rate)`, for rows whose first element is `base[r]`. See [`dropout`].
///
/// # Panics
/// When the sizes do not match, or the rate is not at least 0 and below 1.
pub fn mask(engine: &Engine, key: Key, rate: f32, base: &[u64], y: RowsMut<'_>) {
    drop_rows(engine, Masked { mask: Mask::new(key, rate), base, x: None, add: false }, y);
}

/// Applies [`dropout`] to a flat buffer: element `k` is dropped by word `k` of the key.
///
/// # Panics
/// When the lengths differ, or the rate is not at least 0 and below 1.
pub fn dropout_flat(engine: &Engine, key: Key, rate: f32, x: &[f32], add: bool, y: &mut [f32]) {
    assert_eq!(x.len(), y.len(), "input and output lengths of a dropout");
    let (mask, len, out) = (Mask::new(key, rate), y.len(), SharedMut::new(y));
    engine.share(len.div_ceil(BLOCK), len * MASK_COST, |_, blocks| {
        let part = blocks.start * BLOCK..len.min(blocks.end * BLOCK);
        // SAFETY: the part lies inside `y`, and each block belongs to one share.
        let y = unsafe { out.slice(part.clone()) };
        engine.isa().run(Flat { mask, first: part.start as u64, x: &x[part], add, y });
    });
}

fn drop_rows(engine: &Engine, kernel: Masked<'_>, y: RowsMut<'_>) {
    assert_eq!(kernel.base.len(), y.count(), "one first element per row");
    map_rows(engine, &kernel, y);
}

#[derive(Clone, Copy)]
struct Mask {
    stream: Stream,
    /// A word below it drops the element: `rate · 2³²`, which is a whole number for every rate of at least 2⁻⁹.
    threshold: u32,
    /// The factor of kept elements.
    scale: f32,
}

impl Mask {
    fn new(key: Key, rate: f32) -> Self {
        assert!((0.0..1.0).contains(&rate), "dropout rate {rate}: expected at least 0 and below 1");
        let rate = f64::from(rate);
        // Below 2³²: the largest rate is 1 − 2⁻²⁴.
        let threshold = (rate * 4_294_967_296.0).round() as u32;
        Self { stream: key.stream(), threshold, scale: (1.0 / (1.0 - rate)) as f32 }
    }
}

impl Mask {
    /// Computes `y = x ⊙ mask`, or `y += …` with `add`, for the elements from `base` on. Without `x`, computes the
    /// mask itself.
    #[inline(always)]
    fn apply(self, base: u64, x: Option<&[f32]>, add: bool, y: &mut [f32]) {
        let Self { stream, threshold, scale } = self;
        let mut block = base / 4;
        let mut skip = (base % 4) as usize;
        let mut words = [0; WORDS];
        let mut at = 0;
        while at < y.len() {
            stream.fill(block, &mut words);
            let count = (WORDS - skip).min(y.len() - at);
            let y = y[at..at + count].iter_mut().zip(&words[skip..]);
            match x {
                None => y.for_each(|(y, &word)| *y = if word >= threshold { scale } else { 0.0 }),
                Some(x) => {
                    for ((y, &word), &x) in y.zip(&x[at..]) {
                        let kept = if word >= threshold { x * scale } else { 0.0 };
                        *y = if add { *y + kept } else { kept };
                    }
                }
            }
            (at, skip) = (at + count, 0);
            block = block.wrapping_add(WORDS as u64 / 4);
        }
    }
}

struct Masked<'a> {
    mask: Mask,
    base: &'a [u64],
    /// `None` stands for ones.
    x: Option<Rows<'a>>,
    add: bool,
}

impl RowKernel for Masked<'_> {
    const COST: usize = MASK_COST;
    #[inline(always)]
    fn row<S: Simd>(&self, _: S, i: usize, row: &mut [f32], _: [&mut (); 0]) {
        self.mask.apply(self.base[i], self.x.map(|x| x.row(i)), self.add, row);
    }
}

struct Flat<'a> {
    mask: Mask,
    first: u64,
    x: &'a [f32],
    add: bool,
    y: &'a mut [f32],
}

impl Kernel for Flat<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        self.mask.apply(self.first, Some(self.x), self.add, self.y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elementwise::testing::*;
    use crate::philox::word;

    const KEY: Key = Key { seed: 42, purpose: 7, counter: 1 << 33 };

    fn factor(rate: f32, element: u64) -> f32 {
        let keep =
            f64::from(word(KEY.seed, KEY.purpose, KEY.counter, element)) >= f64::from(rate) * 2f64.powi(32);
        if keep { (1.0 / (1.0 - f64::from(rate))) as f32 } else { 0.0 }
    }

    /// First elements that are not multiples of four, unordered, some of them above 2³².
    fn bases(count: usize, width: usize) -> Vec<u64> {
        (0..count as u64).map(|r| (count as u64 - r) * (width as u64 + 3) + (r % 2) * (1 << 34)).collect()
    }

    #[test]
    fn masks_follow_the_random_words_of_the_key() {
        for (count, width) in sizes() {
            let base = bases(count, width);
            let (x, before) = (floats(1, count * width, 2.0), floats(2, count * width, 2.0));
            let rows = padded(&x, count, width);
            for rate in [0.0, 0.2, 0.5] {
                let masks: Vec<f32> =
                    (0..count * width).map(|k| factor(rate, base[k / width] + (k % width) as u64)).collect();
                stamped(
                    |e| {
                        let mut y = padded(&before, count, width);
                        mask(e, KEY, rate, &base, RowsMut::new(&mut y, count, width));
                        dense(&y, count, width)
                    },
                    |y, isa| assert_eq!(y, masks, "mask of {count} × {width}, rate {rate}, on {isa}"),
                );
                for add in [false, true] {
                    let want: Vec<f32> = x
                        .iter()
                        .zip(&masks)
                        .zip(&before)
                        .map(|((x, mask), old)| if add { old + x * mask } else { x * mask })
                        .collect();
                    stamped(
                        |e| {
                            let mut y = padded(&before, count, width);
                            let x = Rows::new(&rows, count, width);
                            dropout(e, KEY, rate, x, &base, add, RowsMut::new(&mut y, count, width));
                            dense(&y, count, width)
                        },
                        |y, isa| assert_eq!(y, want, "{count} × {width}, rate {rate}, on {isa}"),
                    );
                }
            }
        }
    }

    #[test]
    fn flat_buffers_use_the_words_in_order() {
        for len in WIDTHS.into_iter().chain([BLOCK - 1, BLOCK, BLOCK + 1, 80 * BLOCK + 7]) {
            let (x, before) = (floats(1, len, 2.0), floats(2, len, 2.0));
            for add in [false, true] {
                let kept = x.iter().enumerate().map(|(k, x)| x * factor(0.3, k as u64));
                let want: Vec<f32> =
                    kept.zip(&before).map(|(kept, old)| if add { old + kept } else { kept }).collect();
                stamped(
                    |e| {
                        let mut y = before.clone();
                        dropout_flat(e, KEY, 0.3, &x, add, &mut y);
                        y
                    },
                    |y, isa| assert_eq!(y, want, "{len} floats on {isa}"),
                );
            }
        }
    }

    #[test]
    fn the_fraction_of_dropped_elements_is_the_rate() {
        const ROWS: usize = 64;
        const WIDTH: usize = 1024;
        let base: Vec<u64> = (0..ROWS as u64).map(|r| r * WIDTH as u64).collect();
        let engine = Engine::new(crate::Isa::detect(), 1);
        for rate in [0.1f32, 0.5, 0.9] {
            let mut y = padded(&[], ROWS, WIDTH);
            mask(&engine, KEY, rate, &base, RowsMut::new(&mut y, ROWS, WIDTH));
            let dropped = y.iter().filter(|&&y| y == 0.0).count() as f64 / (ROWS * WIDTH) as f64;
            // Five standard deviations.
            let bound = 5.0 * (f64::from(rate) * f64::from(1.0 - rate) / (ROWS * WIDTH) as f64).sqrt();
            assert!((dropped - f64::from(rate)).abs() < bound, "{dropped} dropped at a rate of {rate}");
        }
    }

    #[test]
    fn dropped_elements_are_zero_even_if_not_finite() {
        let mut x = padded(&[f32::NAN; 64], 1, 64);
        let mut y = padded(&[1.0; 64], 1, 64);
        let engine = Engine::new(crate::Isa::detect(), 1);
        dropout(&engine, KEY, 0.5, Rows::new(&x, 1, 64), &[0], false, RowsMut::new(&mut y, 1, 64));
        x.copy_from_slice(&y);
        assert!(x.contains(&0.0));
        assert!(x.iter().enumerate().all(|(k, y)| y.is_nan() == (factor(0.5, k as u64) != 0.0)));
    }

    #[test]
    #[should_panic(expected = "dropout rate 1:")]
    fn a_rate_of_one_is_rejected() {
        let engine = Engine::new(crate::Isa::portable(), 1);
        mask(&engine, KEY, 1.0, &[], RowsMut::new(&mut [], 0, 1));
    }
}
