//! Run-time selection of the instruction set.

use crate::simd::Simd;
use crate::simd::portable::Portable;
#[cfg(target_arch = "x86_64")]
use crate::simd::{x86_avx2::Avx2, x86_avx512::Avx512};
use std::fmt;

/// An instruction set that the processor supports. Only the checked constructors create values.
///
/// ```
/// use refrain_kernels::Isa;
/// let best = Isa::detect();
/// assert!(Isa::available().contains(&best));
/// assert_eq!(Isa::by_name("portable"), Some(Isa::portable()));
/// assert_eq!(Isa::by_name("z80"), None);
/// ```
#[derive(Clone, Copy)]
pub struct Isa(Inner);

#[derive(Clone, Copy)]
enum Inner {
    Portable(Portable),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

impl Isa {
    /// All names that exist for [`Isa::by_name`], whether or not this machine supports them.
    pub const NAMES: [&'static str; 3] = ["avx512", "avx2", "portable"];

    /// Returns the widest instruction set of this processor.
    pub fn detect() -> Self {
        Self::available()[0]
    }

    /// Returns the portable instruction set, plain Rust, which runs on every processor.
    pub fn portable() -> Self {
        Self(Inner::Portable(Portable))
    }

    /// Returns every instruction set that this processor supports, widest first. The last is always the portable one.
    pub fn available() -> Vec<Self> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(Avx512::new().map(|s| Self(Inner::Avx512(s))));
            all.extend(Avx2::new().map(|s| Self(Inner::Avx2(s))));
        }
        all.push(Self::portable());
        all
    }

    /// Returns the instruction set with this name, or `None` if the name is unknown or the processor lacks it.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::available().into_iter().find(|isa| isa.name() == name)
    }

    /// Returns `avx512`, `avx2` or `portable`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Inner::Portable(_) => "portable",
            #[cfg(target_arch = "x86_64")]
            Inner::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Inner::Avx512(_) => "avx512",
        }
    }

    /// Runs a kernel compiled for this instruction set.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            Inner::Portable(s) => kernel.run(s),
            // SAFETY: the value proves that the processor has the features the function is compiled for.
            #[cfg(target_arch = "x86_64")]
            Inner::Avx2(s) => unsafe { run_avx2(s, kernel) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Inner::Avx512(s) => unsafe { run_avx512(s, kernel) },
        }
    }
}

/// Code that is compiled once for each instruction set.
///
/// `run` and everything it calls on the hot path must be `#[inline(always)]`: a function that is not inlined into the
/// `#[target_feature]` functions below is compiled for the baseline processor.
pub(crate) trait Kernel {
    type Output;
    fn run<S: Simd>(self, s: S) -> Self::Output;
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2<K: Kernel>(s: Avx2, kernel: K) -> K::Output {
    kernel.run(s)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn run_avx512<K: Kernel>(s: Avx512, kernel: K) -> K::Output {
    kernel.run(s)
}

impl PartialEq for Isa {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}
impl Eq for Isa {}

impl fmt::Debug for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
