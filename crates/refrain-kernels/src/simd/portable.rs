//! Plain Rust arrays: compiles everywhere, and is used on processors without AVX2.

use super::{Simd, tile};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Portable;

const LANES: usize = 4;
type F = [f32; LANES];

#[inline(always)]
fn map2(a: F, b: F, f: impl Fn(f32, f32) -> f32) -> F {
    std::array::from_fn(|i| f(a[i], b[i]))
}

impl Simd for Portable {
    type F = F;
    type M = [bool; LANES];
    const LANES: usize = LANES;
    const TILE_ROWS: [usize; 5] = [0, 8, 4, 3, 3];

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> F {
        // SAFETY: the caller promises LANES readable floats; an unaligned read needs no more.
        unsafe { p.cast::<F>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: F) {
        // SAFETY: the caller promises LANES writable floats; an unaligned write needs no more.
        unsafe { p.cast::<F>().write_unaligned(v) }
    }
    #[inline(always)]
    fn splat(self, x: f32) -> F {
        [x; LANES]
    }
    #[inline(always)]
    fn add(self, a: F, b: F) -> F {
        map2(a, b, |x, y| x + y)
    }
    #[inline(always)]
    fn sub(self, a: F, b: F) -> F {
        map2(a, b, |x, y| x - y)
    }
    #[inline(always)]
    fn mul(self, a: F, b: F) -> F {
        map2(a, b, |x, y| x * y)
    }
    #[inline(always)]
    fn div(self, a: F, b: F) -> F {
        map2(a, b, |x, y| x / y)
    }
    #[inline(always)]
    fn fma(self, a: F, b: F, c: F) -> F {
        // Rounds twice: `mul_add` is a library call if the processor has no FMA.
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    fn max(self, a: F, b: F) -> F {
        map2(a, b, |x, y| if x > y { x } else { y })
    }
    #[inline(always)]
    fn min(self, a: F, b: F) -> F {
        map2(a, b, |x, y| if x < y { x } else { y })
    }
    #[inline(always)]
    fn abs(self, a: F) -> F {
        a.map(f32::abs)
    }
    #[inline(always)]
    fn copysign(self, a: F, sign: F) -> F {
        map2(a, sign, f32::copysign)
    }
    #[inline(always)]
    fn lt(self, a: F, b: F) -> [bool; LANES] {
        std::array::from_fn(|i| a[i] < b[i])
    }
    #[inline(always)]
    fn select(self, m: [bool; LANES], a: F, b: F) -> F {
        std::array::from_fn(|i| if m[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn scale(self, x: F, n: F) -> F {
        // In three factors, so that each power is a normal number for any n in range.
        std::array::from_fn(|i| {
            let n = n[i] as i32;
            let third = n / 3;
            let power = |e: i32| f32::from_bits(((e + 127) << 23) as u32);
            x[i] * power(n - 2 * third) * power(third) * power(third)
        })
    }
    #[inline(never)]
    unsafe fn product(self, job: &tile::Product<'_>) {
        // SAFETY: the caller's promise.
        unsafe { tile::product(self, job) }
    }
}
