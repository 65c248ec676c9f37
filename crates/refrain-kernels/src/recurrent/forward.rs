//! The forward pass of a recurrent layer.

use super::cell::{self, CellPointers, Pointwise, with_pointwise};
use super::plan::{Plan, Share};
use super::{Biases, Cell, StateMasks, Steps};
use crate::engine::{Engine, SharedMut};
use crate::gemm::matmul_gates;
use crate::isa::Kernel;
use crate::layout::{GATE_ROW, PanelShape, SLOT, SLOT_OFFSETS};
use crate::panel::Packed;
use crate::rows::{Rows, row_step};
use crate::simd::Simd;
use crate::simd::tile::{Depth, Next, Product, Start};
use std::ops::Range;

/// The buffers of a forward pass. `H' = row_step(H)`; buffers that the cell does not use may be empty.
#[derive(Debug)]
pub struct Forward<'a> {
    /// The batch.
    pub steps: Steps<'a>,
    /// Initial hidden state `(N, H')`, in sorted order. Read only.
    pub h0: &'a [f32],
    /// Initial cell state `(N, H')` of an LSTM. Read only.
    pub c0: &'a [f32],
    /// Dropout masks of the state, applied before its product.
    pub masks: Option<StateMasks<'a>>,
    /// In: the result of [`input_product`]. Out: the activated gates, which the backward pass needs.
    pub gates: &'a mut [f32],
    /// Hidden states `(R, H')`. Overwritten.
    pub h: &'a mut [f32],
    /// Cell states `(R, H')` of an LSTM. Overwritten.
    pub c: &'a mut [f32],
    /// r ⊙ h `(R, H')` of a reset-before GRU. Overwritten.
    pub reset: &'a mut [f32],
    /// With `masks`, the masked states `(groups, R, H')`. Overwritten.
    pub masked: &'a mut [f32],
}

/// The input of a batch whose sequences have one step. Its product is computed within the pass, panel by panel, so
/// that the same panel of both matrices is read together.
#[derive(Clone, Copy, Debug)]
pub struct StepInput<'a> {
    /// The rows `(R, I)`.
    pub x: Rows<'a>,
    /// The packed kernel.
    pub kernel: &'a Packed,
    /// The biases.
    pub biases: &'a Biases,
    /// Whether to process the panels in reverse order. A caller that alternates between calls finds the panels used
    /// last still in a cache that cannot hold all weights. The result does not depend on it.
    pub back: bool,
}

/// Computes the product of all rows with the packed `kernel`, plus the biases, and overwrites `gates`,
/// `[panels][R][64]`.
///
/// With `gate`, computes only that gate's slot, for layers whose inputs have a mask per gate.
///
/// # Panics
/// When the sizes do not match.
pub fn input_product(
    engine: &Engine,
    cell: Cell,
    kernel: &Packed,
    biases: &Biases,
    gate: Option<usize>,
    x: Rows<'_>,
    gates: &mut [f32],
) {
    let which = gate.map_or(0..4, |g| g..g + 1);
    matmul_gates(engine, x, kernel, which, &biases.input, gates);
    if cell.two_biases() {
        let panel_step = x.count() * GATE_ROW;
        for (p, bias) in biases.candidate.chunks_exact(SLOT).enumerate() {
            for row in gates[p * panel_step..(p + 1) * panel_step].chunks_exact_mut(GATE_ROW) {
                row[3 * SLOT..].copy_from_slice(bias);
            }
        }
    }
}

/// Returns the panel to process `i`-th at step `t`. Every other step runs in reverse, because what was read last is
/// still in a cache that cannot hold all weights.
#[inline(always)]
fn turn(t: usize, i: usize, panels: usize) -> usize {
    if t.is_multiple_of(2) { i } else { panels - 1 - i }
}

/// Runs the recurrence with the packed `recurrent` kernel over gates that hold the input product. With `input`,
/// computes that product too.
///
/// # Panics
/// When a buffer is too short, or `input` is given for more than one step.
pub fn forward(
    engine: &Engine,
    cell: Cell,
    recurrent: &Packed,
    input: Option<StepInput<'_>>,
    buffers: Forward<'_>,
) {
    buffers.check(cell, recurrent);
    if let Some(StepInput { x, kernel, biases, .. }) = input {
        assert!(
            buffers.steps.len() <= 1,
            "an input of one step for a batch of {} steps",
            buffers.steps.len()
        );
        assert_eq!(
            (x.width(), x.count()),
            (kernel.depth(), buffers.steps.rows()),
            "width and rows of the input"
        );
        assert_eq!(kernel.shape(), recurrent.shape(), "shapes of the kernel and recurrent kernel");
        assert!(kernel.is_filled() && biases.fits(cell, recurrent.depth()), "the weights were not packed");
    }
    with_pointwise(cell, Run { engine, cell, recurrent, input, buffers });
}

impl Forward<'_> {
    fn check(&self, cell: Cell, recurrent: &Packed) {
        let units = recurrent.depth();
        let (rows, step) = (self.steps.rows(), row_step(units));
        let lanes = self.steps.sequences() * step;
        let needs = |name: &str, got: usize, needed: usize| {
            assert!(got >= needed, "{name} has {got} floats; expected at least {needed}");
        };
        assert_eq!(recurrent.shape(), cell.arrangement(units), "the shape of the recurrent kernel");
        assert!(recurrent.is_filled(), "the recurrent kernel was not packed");
        needs("gates", self.gates.len(), cell.gates_len(units, rows));
        needs("h", self.h.len(), rows * step);
        needs("h0", self.h0.len(), lanes);
        if cell.has_cell_state() {
            needs("c", self.c.len(), rows * step);
            needs("c0", self.c0.len(), lanes);
        }
        if cell.resets_before() {
            needs("reset", self.reset.len(), rows * step);
        }
        if let Some(masks) = self.masks {
            assert!(masks.groups == 1 || masks.groups == cell.gates(), "{} mask groups", masks.groups);
            needs("masks", masks.data.len(), masks.groups * lanes);
            needs("masked", self.masked.len(), masks.groups * rows * step);
        }
    }
}

struct Run<'a> {
    engine: &'a Engine,
    cell: Cell,
    recurrent: &'a Packed,
    input: Option<StepInput<'a>>,
    buffers: Forward<'a>,
}

impl cell::Pass for Run<'_> {
    fn run<P: Pointwise>(self, pointwise: P) {
        let Run { engine, cell, recurrent, input, buffers: b } = self;
        let (shape, units) = (recurrent.shape(), recurrent.depth());
        let pool = engine.reserve();
        let plan = Plan::new(engine.split(), pool.threads(), cell, units, b.steps);
        let pass = Pass {
            cell,
            shape,
            recurrent,
            input,
            pointwise,
            steps: b.steps,
            step: row_step(units),
            h0: b.h0,
            c0: b.c0,
            masks: b.masks,
            gates: SharedMut::new(b.gates),
            h: SharedMut::new(b.h),
            c: SharedMut::new(b.c),
            reset: SharedMut::new(b.reset),
            masked: SharedMut::new(b.masked),
        };
        pool.run(plan.parts(), &|part| {
            engine.isa().run(PartOf { pass: &pass, share: plan.share(part) });
        });
    }
}

struct Pass<'a, P> {
    cell: Cell,
    shape: PanelShape,
    recurrent: &'a Packed,
    input: Option<StepInput<'a>>,
    pointwise: P,
    steps: Steps<'a>,
    step: usize,
    h0: &'a [f32],
    c0: &'a [f32],
    masks: Option<StateMasks<'a>>,
    gates: SharedMut<f32>,
    h: SharedMut<f32>,
    c: SharedMut<f32>,
    reset: SharedMut<f32>,
    masked: SharedMut<f32>,
}

struct PartOf<'a, P> {
    pass: &'a Pass<'a, P>,
    share: Share<'a>,
}

impl<P: Pointwise> Kernel for PartOf<'_, P> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { pass, share } = self;
        for t in 0..pass.steps.len() {
            let present = share.present(pass.steps, t);
            if present.is_empty() {
                break;
            }
            // SAFETY: `forward` checked the buffers against the batch; every part takes all of its steps in order.
            unsafe { pass.step(s, &share, t, present) };
        }
    }
}

impl<P: Pointwise> Pass<'_, P> {
    /// Takes one step for the sequences `present` and the units of `share`.
    ///
    /// # Safety
    /// The buffers must fit the batch, and this share must have processed all earlier steps.
    #[inline(always)]
    unsafe fn step<S: Simd>(&self, s: S, share: &Share<'_>, t: usize, present: Range<usize>) {
        let rows = self.steps.rows();
        let row = self.steps.offsets[t] + present.start;
        let count = present.len();
        // SAFETY: this writes only the share's units of its sequences, which no other share has. Other units of the
        // state or of r ⊙ h that are read here were written before a `wait`, or by this thread if the share has all
        // units; they are not written again.
        unsafe {
            let (h_prev, c_prev) = match t {
                0 => (
                    self.h0.as_ptr().add(present.start * self.step),
                    self.c0.as_ptr().wrapping_add(present.start * self.step),
                ),
                _ => {
                    let before = (self.steps.offsets[t - 1] + present.start) * self.step;
                    (self.h.ptr().add(before).cast_const(), self.c.ptr().wrapping_add(before).cast_const())
                }
            };
            if let Some(masks) = self.masks {
                self.mask(masks, h_prev, row, &present, share);
            }
            if t > 0 || self.masks.is_some() {
                share.wait();
            }
            let at = |p: usize, (from, to): (usize, usize), i: usize, lane: usize| {
                let unit = (p * P::UNIT_SLOTS + from) * SLOT + lane;
                let here = (row + i) * self.step + unit;
                let there = i * self.step + unit;
                CellPointers {
                    slots: to - from,
                    gates: self.gates.ptr().add((p * rows + row + i) * GATE_ROW + from * SLOT + lane),
                    h_prev: h_prev.add(there),
                    c_prev: c_prev.wrapping_add(there),
                    h: self.h.ptr().add(here),
                    c: self.c.ptr().wrapping_add(here),
                    reset: self.reset.ptr().wrapping_add(here),
                    h_reset: match self.masks {
                        None => h_prev.add(there),
                        Some(m) => {
                            self.masked.ptr().add(m.group_of(2) * rows * self.step + here).cast_const()
                        }
                    },
                    ..CellPointers::NONE
                }
            };
            let slots = share.slots();
            let own = self.shape.panels_of(&slots);
            let t = t + usize::from(self.input.is_some_and(|input| input.back));
            let panel = |i: usize| {
                let p = own.start + turn(t, i, own.len());
                (p, self.shape.part(&slots, p))
            };
            if P::FIRST_GATES < 4 {
                for i in 0..own.len() {
                    let (p, part) = panel(i);
                    self.input_product(s, p, part, row, count);
                    self.products(s, (t, p), (0, P::FIRST_GATES), row, count, h_prev);
                    for i in 0..count {
                        for lane in (0..SLOT).step_by(S::LANES) {
                            self.pointwise.reset_forward(s, at(p, part, i, lane));
                        }
                    }
                }
                share.wait();
            }
            for i in 0..own.len() {
                let (p, part) = panel(i);
                if P::FIRST_GATES < 4 {
                    let reset = self.reset.ptr().add(row * self.step);
                    self.product(s, (t, p), (P::FIRST_GATES, 4), row, count, reset);
                } else {
                    // A panel of a cell without gates is four slots of units.
                    let which = if P::UNIT_SLOTS == 1 { (0, 4) } else { part };
                    self.input_product(s, p, part, row, count);
                    self.products(s, (t, p), which, row, count, h_prev);
                }
                for i in 0..count {
                    for lane in (0..SLOT).step_by(S::LANES) {
                        self.pointwise.forward(s, at(p, part, i, lane));
                    }
                }
            }
        }
    }

    /// Computes `masked = h_prev ⊙ mask` for each group of masks, for the units of `share`.
    ///
    /// # Safety
    /// `h_prev` must have the rows of `present`. The share's units must belong to this thread, in those rows and in
    /// the rows of `masked` from `row` on.
    #[inline(always)]
    unsafe fn mask(
        &self,
        masks: StateMasks<'_>,
        h_prev: *const f32,
        row: usize,
        present: &Range<usize>,
        share: &Share<'_>,
    ) {
        let (lanes, rows, units) = (self.steps.sequences(), self.steps.rows(), share.floats());
        for (group, i) in (0..masks.groups).flat_map(|group| (0..present.len()).map(move |i| (group, i))) {
            let mask = &masks.data[(group * lanes + present.start + i) * self.step..][units.clone()];
            // SAFETY: the caller's promise.
            let (out, h) = unsafe {
                let from = (group * rows + row + i) * self.step + units.start;
                let h = std::slice::from_raw_parts(h_prev.add(i * self.step + units.start), units.len());
                (self.masked.slice(from..from + units.len()), h)
            };
            for ((o, h), m) in out.iter_mut().zip(h).zip(mask) {
                *o = h * m;
            }
        }
    }

    /// Adds the products of the state with the recurrent kernel for the gates `which`: one product for all gates, or
    /// one per gate if each has its own mask.
    ///
    /// # Safety
    /// As for [`Pass::product`], with `h_prev` or the masked states.
    #[inline(always)]
    unsafe fn products<S: Simd>(
        &self,
        s: S,
        (t, p): (usize, usize),
        which: (usize, usize),
        row: usize,
        count: usize,
        h_prev: *const f32,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            match self.masks {
                None => self.product(s, (t, p), which, row, count, h_prev),
                Some(m) if m.groups == 1 => {
                    self.product(s, (t, p), which, row, count, self.masked.ptr().add(row * self.step));
                }
                Some(m) => {
                    for gate in which.0..which.1.min(m.groups) {
                        let left = self.masked.ptr().add((gate * self.steps.rows() + row) * self.step);
                        self.product(s, (t, p), (gate, gate + 1), row, count, left);
                    }
                }
            }
        }
    }

    /// Sets the gates of panel `p`, of which the share has the slots `part` of units, to the input product, if it is
    /// computed within the pass.
    ///
    /// # Safety
    /// The gates' rows from `row` on must belong to this thread.
    #[inline(always)]
    unsafe fn input_product<S: Simd>(&self, s: S, p: usize, part: (usize, usize), row: usize, count: usize) {
        let Some(StepInput { x, kernel, biases, .. }) = self.input else { return };
        let (from, to) = if P::UNIT_SLOTS == 1 { (0, self.shape.slots(p)) } else { part };
        let (left, left_row) = x.row_ptr(row);
        let row_len = self.shape.row_len();
        // SAFETY: the caller's promise; `forward` checked rows, kernel and biases.
        unsafe {
            let out = self.gates.ptr().add((p * self.steps.rows() + row) * GATE_ROW);
            s.product(&Product {
                slots: to - from,
                rows: count,
                left,
                left_row,
                left_k: 1,
                right: kernel.data().as_ptr().add(p * kernel.panel_step() + from * SLOT),
                right_k: row_len,
                right_slots: SLOT_OFFSETS,
                depth: Depth::Plain(kernel.depth()),
                start: Start::Row(biases.input.as_ptr().add(p * row_len + from * SLOT)),
                out: out.add(from * SLOT),
                out_row: GATE_ROW,
                out_slots: SLOT_OFFSETS,
                next: Next::default(),
            });
            if self.cell.two_biases() {
                let candidate = biases.candidate[p * SLOT..][..SLOT].as_ptr();
                for i in 0..count {
                    candidate.copy_to_nonoverlapping(out.add(i * GATE_ROW + 3 * SLOT), SLOT);
                }
            }
        }
    }

    /// Adds one product to the gates of panel `p`.
    ///
    /// # Safety
    /// `left` must have `count` rows of `H` floats; the gates' rows from `row` on must belong to this thread.
    #[inline(always)]
    unsafe fn product<S: Simd>(
        &self,
        s: S,
        (t, p): (usize, usize),
        which: (usize, usize),
        row: usize,
        count: usize,
        left: *const f32,
    ) {
        let (w, shape) = (self.recurrent, self.shape);
        let slots = self.cell.recurrent_slots();
        let (right, out) = (w.panel_step() as isize, (self.steps.rows() * GATE_ROW) as isize);
        let next = match t.is_multiple_of(2) {
            true if p + 1 < shape.panels() => Next { right, out },
            false if p > 0 => Next { right: -right, out: -out },
            _ => Next::default(),
        };
        // SAFETY: the caller's promise; panel `p` of the weights has `H` rows of whole slots.
        unsafe {
            s.product(&Product {
                slots: which.1.min(shape.slots(p)) - which.0,
                rows: count,
                left,
                left_row: self.step,
                left_k: 1,
                right: w.data().as_ptr().add(p * w.panel_step() + which.0 * SLOT),
                right_k: shape.row_len(),
                right_slots: SLOT_OFFSETS,
                depth: Depth::Plain(w.depth()),
                start: Start::Output,
                out: self.gates.ptr().add((p * self.steps.rows() + row) * GATE_ROW),
                out_row: GATE_ROW,
                out_slots: std::array::from_fn(|v| slots[(which.0 + v).min(3)]),
                next,
            });
        }
    }
}
