//! GRU: `h = z⊙h + (1−z)⊙hh`, in its two variants. Gate slots: z, r, then the candidate.

use super::cell::{CellPointers, Pointwise};
use crate::layout::SLOT;
use crate::math::{Activate, activate, derive};
use crate::simd::Simd;

/// `hh = act(x·W_h + b + r⊙(h·U_h + b'))`; the two parts are in slots 2 and 3.
#[derive(Clone, Copy)]
pub(super) struct ResetAfter<A, R> {
    pub(super) activation: A,
    pub(super) recurrent: R,
}

/// `hh = act(x·W_h + b + (r⊙h)·U_h)`; all of it is in slot 2.
#[derive(Clone, Copy)]
pub(super) struct ResetBefore<A, R> {
    pub(super) activation: A,
    pub(super) recurrent: R,
}

/// # Safety
/// `h` must be writable and `h_prev` readable for `LANES` floats.
#[inline(always)]
unsafe fn blend<S: Simd>(s: S, z: S::F, candidate: S::F, at: CellPointers) {
    // SAFETY: the caller's promise.
    unsafe {
        let h_prev = s.load(at.h_prev);
        s.store(at.h, s.fma(z, s.sub(h_prev, candidate), candidate));
    }
}

/// Returns the gradients of z and hh before their activations, and leaves in `dh` the part that reaches h_prev
/// directly.
///
/// # Safety
/// `dh` must be writable and `h_prev` readable for `LANES` floats.
#[inline(always)]
unsafe fn blend_backward<S: Simd>(s: S, z: S::F, candidate: S::F, at: CellPointers) -> (S::F, S::F) {
    // SAFETY: the caller's promise.
    unsafe {
        let dh = s.load(at.dh);
        let dz = s.mul(dh, s.sub(s.load(at.h_prev), candidate));
        let d_candidate = s.mul(dh, s.sub(s.splat(1.0), z));
        s.store(at.dh, s.mul(dh, z));
        (dz, d_candidate)
    }
}

impl<A: Activate, R: Activate> Pointwise for ResetAfter<A, R> {
    #[inline(always)]
    unsafe fn forward<S: Simd>(self, s: S, at: CellPointers) {
        // SAFETY: the trait's contract.
        unsafe {
            let gate = |slot: usize| at.gates.add(slot * SLOT);
            let z = activate(s, self.recurrent, s.load(gate(0)));
            let r = activate(s, self.recurrent, s.load(gate(1)));
            let candidate = activate(s, self.activation, s.fma(r, s.load(gate(3)), s.load(gate(2))));
            s.store(gate(0), z);
            s.store(gate(1), r);
            // Slot 3 keeps h·U_h + b', which the gradient of r needs.
            s.store(gate(2), candidate);
            blend(s, z, candidate, at);
        }
    }

    #[inline(always)]
    unsafe fn backward<S: Simd>(self, s: S, at: CellPointers) {
        // SAFETY: the trait's contract.
        unsafe {
            let gate = |slot: usize| at.gates.add(slot * SLOT);
            let [z, r, candidate, recurrent] = std::array::from_fn(|slot| s.load(gate(slot)));
            let (dz, d_candidate) = blend_backward(s, z, candidate, at);
            let d = derive(s, self.activation, candidate, d_candidate);
            s.store(gate(0), derive(s, self.recurrent, z, dz));
            s.store(gate(1), derive(s, self.recurrent, r, s.mul(d, recurrent)));
            s.store(gate(2), d);
            s.store(gate(3), s.mul(d, r));
        }
    }
}

impl<A: Activate, R: Activate> Pointwise for ResetBefore<A, R> {
    const FIRST_GATES: usize = 2;

    #[inline(always)]
    unsafe fn reset_forward<S: Simd>(self, s: S, at: CellPointers) {
        // SAFETY: the trait's contract.
        unsafe {
            let (gz, gr) = (at.gates, at.gates.add(SLOT));
            let r = activate(s, self.recurrent, s.load(gr));
            s.store(gz, activate(s, self.recurrent, s.load(gz)));
            s.store(gr, r);
            s.store(at.reset, s.mul(r, s.load(at.h_reset)));
        }
    }

    #[inline(always)]
    unsafe fn forward<S: Simd>(self, s: S, at: CellPointers) {
        // SAFETY: the trait's contract.
        unsafe {
            let g = at.gates.add(2 * SLOT);
            let candidate = activate(s, self.activation, s.load(g));
            s.store(g, candidate);
            blend(s, s.load(at.gates), candidate, at);
        }
    }

    #[inline(always)]
    unsafe fn backward<S: Simd>(self, s: S, at: CellPointers) {
        // SAFETY: the trait's contract.
        unsafe {
            let (gz, gh) = (at.gates, at.gates.add(2 * SLOT));
            let (z, candidate) = (s.load(gz), s.load(gh));
            let (dz, d_candidate) = blend_backward(s, z, candidate, at);
            s.store(gz, derive(s, self.recurrent, z, dz));
            s.store(gh, derive(s, self.activation, candidate, d_candidate));
        }
    }

    #[inline(always)]
    unsafe fn reset_backward<S: Simd>(self, s: S, at: CellPointers) {
        // SAFETY: the trait's contract.
        unsafe {
            let gr = at.gates.add(SLOT);
            let (r, d_reset) = (s.load(gr), s.load(at.d_reset));
            let mut dh = s.mul(d_reset, r);
            if !at.reset_mask.is_null() {
                dh = s.mul(dh, s.load(at.reset_mask));
            }
            s.store(at.dh, s.add(s.load(at.dh), dh));
            s.store(gr, derive(s, self.recurrent, r, s.mul(d_reset, s.load(at.h_reset))));
        }
    }
}
