//! LSTM: `c = f⊙c + i⊙g`, `h = o⊙act(c)`. Gate slots: i, f, g (Keras's c), o.

use super::cell::{CellPointers, Pointwise};
use crate::layout::SLOT;
use crate::math::{Activate, activate, derive};
use crate::simd::Simd;

#[derive(Clone, Copy)]
pub(super) struct Lstm<A, R> {
    pub(super) activation: A,
    pub(super) recurrent: R,
}

impl<A: Activate, R: Activate> Pointwise for Lstm<A, R> {
    #[inline(always)]
    unsafe fn forward<S: Simd>(self, s: S, at: CellPointers) {
        // SAFETY: the trait's contract.
        unsafe {
            let gate = |slot: usize| at.gates.add(slot * SLOT);
            let i = activate(s, self.recurrent, s.load(gate(0)));
            let f = activate(s, self.recurrent, s.load(gate(1)));
            let g = activate(s, self.activation, s.load(gate(2)));
            let o = activate(s, self.recurrent, s.load(gate(3)));
            let c = s.fma(f, s.load(at.c_prev), s.mul(i, g));
            s.store(gate(0), i);
            s.store(gate(1), f);
            s.store(gate(2), g);
            s.store(gate(3), o);
            s.store(at.c, c);
            s.store(at.h, s.mul(o, activate(s, self.activation, c)));
        }
    }

    #[inline(always)]
    unsafe fn backward<S: Simd>(self, s: S, at: CellPointers) {
        // SAFETY: the trait's contract.
        unsafe {
            let gate = |slot: usize| at.gates.add(slot * SLOT);
            let [i, f, g, o] = std::array::from_fn(|slot| s.load(gate(slot)));
            let dh = s.load(at.dh);
            let out = activate(s, self.activation, s.load(at.c));
            let dc = s.add(s.load(at.dc), derive(s, self.activation, out, s.mul(dh, o)));
            if !at.seen_dc.is_null() {
                s.store(at.seen_dc, dc);
            }
            s.store(gate(0), derive(s, self.recurrent, i, s.mul(dc, g)));
            s.store(gate(1), derive(s, self.recurrent, f, s.mul(dc, s.load(at.c_prev))));
            s.store(gate(2), derive(s, self.activation, g, s.mul(dc, i)));
            s.store(gate(3), derive(s, self.recurrent, o, s.mul(dh, out)));
            s.store(at.dc, s.mul(dc, f));
            s.store(at.dh, s.splat(0.0));
        }
    }
}
