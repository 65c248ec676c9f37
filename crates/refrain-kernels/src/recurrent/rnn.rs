//! SimpleRNN: `h = act(x·W + b + h·U)`.

use super::cell::{CellPointers, Pointwise};
use crate::layout::SLOT;
use crate::math::{Activate, activate, derive};
use crate::simd::Simd;

#[derive(Clone, Copy)]
pub(super) struct SimpleRnn<A> {
    pub(super) activation: A,
}

impl<A: Activate> Pointwise for SimpleRnn<A> {
    const UNIT_SLOTS: usize = 4;

    #[inline(always)]
    unsafe fn forward<S: Simd>(self, s: S, at: CellPointers) {
        // SAFETY: the trait's contract.
        unsafe {
            for slot in 0..at.slots {
                let g = at.gates.add(slot * SLOT);
                let h = activate(s, self.activation, s.load(g));
                s.store(g, h);
                s.store(at.h.add(slot * SLOT), h);
            }
        }
    }

    #[inline(always)]
    unsafe fn backward<S: Simd>(self, s: S, at: CellPointers) {
        // SAFETY: the trait's contract.
        unsafe {
            for slot in 0..at.slots {
                let (g, dh) = (at.gates.add(slot * SLOT), at.dh.add(slot * SLOT));
                s.store(g, derive(s, self.activation, s.load(g), s.load(dh)));
                s.store(dh, s.splat(0.0));
            }
        }
    }
}
