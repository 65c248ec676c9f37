//! The vector instructions that the kernels use.
//!
//! A kernel is a generic function over [`Simd`], instantiated once per instruction set. The trait's methods are
//! `#[inline(always)]`, so that they become single instructions inside the one `#[target_feature]` function per
//! instruction set (in `isa.rs`).

pub(crate) mod portable;
pub(crate) mod tile;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86_avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86_avx512;

/// An instruction set. A value of an implementing type proves that the processor supports it.
///
/// Kernels rely on these comparison semantics: `max(a, b)` and `min(a, b)` return `b` if either is NaN, like the x86
/// instructions.
pub(crate) trait Simd: Copy + Send + Sync + 'static {
    /// A vector of `LANES` floats.
    type F: Copy;
    /// One truth value per lane.
    type M: Copy;
    /// Floats in a vector; divides a slot.
    const LANES: usize;
    /// Batch rows of a register tile, indexed by the number of panel slots (1 to 4) it spans.
    const TILE_ROWS: [usize; 5];

    /// # Safety
    /// `p` must be valid for reading `LANES` floats; no alignment is needed.
    unsafe fn load(self, p: *const f32) -> Self::F;
    /// # Safety
    /// `p` must be valid for writing `LANES` floats; no alignment is needed.
    unsafe fn store(self, p: *mut f32, v: Self::F);
    /// Prefetches the cache line at `p`, which need not be a valid address.
    #[inline(always)]
    fn prefetch(self, _: *const f32) {}
    /// Prefetches into the second cache level, for data that is not needed soon.
    #[inline(always)]
    fn prefetch_later(self, _: *const f32) {}
    fn splat(self, x: f32) -> Self::F;
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a * b + c`, with a single rounding if the instruction set has it.
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    fn abs(self, a: Self::F) -> Self::F;
    /// The magnitude of `a` with the sign of `sign`.
    fn copysign(self, a: Self::F, sign: Self::F) -> Self::F;
    fn lt(self, a: Self::F, b: Self::F) -> Self::M;
    /// `a` where the mask is set, otherwise `b`.
    fn select(self, m: Self::M, a: Self::F, b: Self::F) -> Self::F;
    /// `x * 2^n` for whole `n` in −300..=300, also correct if the result is subnormal or infinite.
    fn scale(self, x: Self::F, n: Self::F) -> Self::F;
    /// Calls [`tile::product`], compiled once for this instruction set and not inlined: its tiles are a lot of code.
    ///
    /// # Safety
    /// As for [`tile::product`].
    unsafe fn product(self, job: &tile::Product<'_>);
    /// The nearest whole number, ties to even, for |a| < 2^22.
    #[inline(always)]
    fn round(self, a: Self::F) -> Self::F {
        let magic = self.splat(12_582_912.0);
        self.sub(self.add(a, magic), magic)
    }
}
