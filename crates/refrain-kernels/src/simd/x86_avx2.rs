//! AVX2 with FMA: vectors of eight floats, sixteen registers.

use super::{Simd, tile};
use std::arch::x86_64::*;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2(());

impl Avx2 {
    pub(crate) fn new() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
    }
}

/// Wraps intrinsics whose only requirement is the instruction set.
macro_rules! simd {
    ($e:expr) => {
        // SAFETY: a value of `Avx2` exists only where AVX2 and FMA were detected.
        unsafe { $e }
    };
}

impl Simd for Avx2 {
    type F = __m256;
    type M = __m256;
    const LANES: usize = 8;
    const TILE_ROWS: [usize; 5] = [0, 8, 6, 4, 3];

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m256 {
        // SAFETY: the caller promises eight readable floats; the value proves the instruction set.
        unsafe { _mm256_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: __m256) {
        // SAFETY: the caller promises eight writable floats; the value proves the instruction set.
        unsafe { _mm256_storeu_ps(p, v) }
    }
    #[inline(always)]
    fn prefetch(self, p: *const f32) {
        simd!(_mm_prefetch::<_MM_HINT_T0>(p.cast()));
    }
    #[inline(always)]
    fn prefetch_later(self, p: *const f32) {
        simd!(_mm_prefetch::<_MM_HINT_T1>(p.cast()));
    }
    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        simd!(_mm256_set1_ps(x))
    }
    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        simd!(_mm256_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        simd!(_mm256_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        simd!(_mm256_mul_ps(a, b))
    }
    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        simd!(_mm256_div_ps(a, b))
    }
    #[inline(always)]
    fn fma(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        simd!(_mm256_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        simd!(_mm256_max_ps(a, b))
    }
    #[inline(always)]
    fn min(self, a: __m256, b: __m256) -> __m256 {
        simd!(_mm256_min_ps(a, b))
    }
    #[inline(always)]
    fn abs(self, a: __m256) -> __m256 {
        simd!(_mm256_andnot_ps(_mm256_set1_ps(-0.0), a))
    }
    #[inline(always)]
    fn copysign(self, a: __m256, sign: __m256) -> __m256 {
        simd!({
            let bit = _mm256_set1_ps(-0.0);
            _mm256_or_ps(_mm256_andnot_ps(bit, a), _mm256_and_ps(bit, sign))
        })
    }
    #[inline(always)]
    fn lt(self, a: __m256, b: __m256) -> __m256 {
        simd!(_mm256_cmp_ps::<_CMP_LT_OQ>(a, b))
    }
    #[inline(always)]
    fn select(self, m: __m256, a: __m256, b: __m256) -> __m256 {
        simd!(_mm256_blendv_ps(b, a, m))
    }
    #[inline(always)]
    fn scale(self, x: __m256, n: __m256) -> __m256 {
        // In three factors, so that each power is a normal number for any n in range.
        simd!({
            let third = _mm256_round_ps::<{ _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC }>(_mm256_mul_ps(
                n,
                _mm256_set1_ps(1.0 / 3.0),
            ));
            let rest = _mm256_fnmadd_ps(_mm256_set1_ps(2.0), third, n);
            let power = |e: __m256| {
                let e = _mm256_add_epi32(_mm256_cvtps_epi32(e), _mm256_set1_epi32(127));
                _mm256_castsi256_ps(_mm256_slli_epi32::<23>(e))
            };
            let p = power(third);
            _mm256_mul_ps(_mm256_mul_ps(_mm256_mul_ps(x, power(rest)), p), p)
        })
    }
    #[inline(always)]
    unsafe fn product(self, job: &tile::Product<'_>) {
        // SAFETY: the caller's promise, and the value proves the instruction set.
        unsafe { product(self, job) }
    }
}

/// # Safety
/// As for [`tile::product`].
#[target_feature(enable = "avx2,fma")]
#[inline(never)]
unsafe fn product(s: Avx2, job: &tile::Product<'_>) {
    // SAFETY: the caller's promise.
    unsafe { tile::product(s, job) }
}
