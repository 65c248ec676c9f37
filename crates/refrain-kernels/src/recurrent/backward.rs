//! Backpropagation through time, and the gradients of the weights over the whole sequence.

use super::cell::{self, CellPointers, Pointwise, with_pointwise};
use super::plan::{Plan, Share};
use super::{Cell, StateMasks, Steps};
use crate::engine::{Engine, SharedMut};
use crate::gemm::{Deltas, GateColumns, matmul_gates_transposed, outer, rows_from_gates};
use crate::isa::Kernel;
use crate::layout::{GATE_ROW, PanelShape, SLOT, SLOT_OFFSETS};
use crate::panel::Packed;
use crate::rows::{Rows, RowsMut, row_step};
use crate::simd::Simd;
use crate::simd::tile::Start;
use std::ops::Range;

/// The buffers of a backward pass, after a forward pass over the same batch. `H' = row_step(H)`.
#[derive(Debug)]
pub struct Backward<'a> {
    /// The batch.
    pub steps: Steps<'a>,
    /// As in the forward pass. Read only.
    pub h0: &'a [f32],
    /// As in the forward pass. Read only.
    pub c0: &'a [f32],
    /// As in the forward pass.
    pub masks: Option<StateMasks<'a>>,
    /// The result of the forward pass. Read only.
    pub h: &'a [f32],
    /// The result of the forward pass. Read only.
    pub c: &'a [f32],
    /// The result of the forward pass. Read only.
    pub masked: &'a [f32],
    /// The gradient of the hidden states `(R, H')`, or `None` if only the final state has one. Read only.
    pub dy: Option<&'a [f32]>,
    /// In: the activated gates. Out: the gradients before activation, for the weights' gradients.
    pub gates: &'a mut [f32],
    /// In: the gradient of the final hidden state `(N, H')`. Out: that of the initial one.
    pub dh: &'a mut [f32],
    /// In: the gradient of the final cell state `(N, H')` of an LSTM. Out: that of the initial one.
    pub dc: &'a mut [f32],
    /// Working space `(N, H')` of a reset-before GRU and of layers with masks. Overwritten.
    pub scratch: &'a mut [f32],
    /// Where to store the gradients of the states at every step, if requested.
    pub probe: Option<Probe<'a>>,
}

/// The gradients of the states at every step, which a backward pass otherwise overwrites.
#[derive(Debug)]
pub struct Probe<'a> {
    /// Out: the gradient of the hidden state of each row `(R, H')`, including that of its output.
    pub dh: &'a mut [f32],
    /// Out: that of an LSTM's cell state `(R, H')`, including the path through the hidden state of the same step.
    pub dc: &'a mut [f32],
}

/// Runs backward through the steps: replaces the gates with their gradients, and `dh` and `dc` with those of the
/// initial state.
///
/// `recurrent_t` is the packed transpose of the recurrent kernel. For a sequence of length 0, the final state is the
/// initial one, and so its gradient is unchanged.
///
/// # Panics
/// When a buffer is too short.
pub fn backward(engine: &Engine, cell: Cell, recurrent_t: &Packed, buffers: Backward<'_>) {
    buffers.check(cell, recurrent_t);
    with_pointwise(cell, Run { engine, cell, recurrent_t, buffers });
}

impl Backward<'_> {
    fn check(&self, cell: Cell, recurrent_t: &Packed) {
        let units = recurrent_t.shape().columns();
        let (rows, step) = (self.steps.rows(), row_step(units));
        let lanes = self.steps.sequences() * step;
        let needs = |name: &str, got: usize, needed: usize| {
            assert!(got >= needed, "{name} has {got} floats; expected at least {needed}");
        };
        assert_eq!(recurrent_t.depth(), cell.gates() * units, "the shape of the recurrent kernel");
        assert!(recurrent_t.is_filled(), "the transpose was not packed");
        needs("gates", self.gates.len(), cell.gates_len(units, rows));
        needs("h", self.h.len(), rows * step);
        needs("h0", self.h0.len(), lanes);
        needs("dh", self.dh.len(), lanes);
        needs("dy", self.dy.map_or(usize::MAX, <[f32]>::len), rows * step);
        if cell.has_cell_state() {
            needs("c", self.c.len(), rows * step);
            needs("c0", self.c0.len(), lanes);
            needs("dc", self.dc.len(), lanes);
        }
        if cell.resets_before() || self.masks.is_some() {
            needs("scratch", self.scratch.len(), lanes);
        }
        if let Some(probe) = &self.probe {
            needs("the probe's dh", probe.dh.len(), rows * step);
            needs("the probe's dc", probe.dc.len(), if cell.has_cell_state() { rows * step } else { 0 });
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
    recurrent_t: &'a Packed,
    buffers: Backward<'a>,
}

impl cell::Pass for Run<'_> {
    fn run<P: Pointwise>(self, pointwise: P) {
        let Run { engine, cell, recurrent_t, buffers: b } = self;
        let units = recurrent_t.shape().columns();
        let pool = engine.reserve();
        let plan = Plan::new(engine.split(), pool.threads(), cell, units, b.steps);
        let pass = Pass {
            cell,
            shape: cell.arrangement(units),
            recurrent_t,
            pointwise,
            steps: b.steps,
            step: row_step(units),
            h0: b.h0,
            c0: b.c0,
            masks: b.masks,
            h: b.h,
            c: b.c,
            masked: b.masked,
            dy: b.dy,
            gates: SharedMut::new(b.gates),
            dh: SharedMut::new(b.dh),
            dc: SharedMut::new(b.dc),
            scratch: SharedMut::new(b.scratch),
            probe: b.probe.map(|probe| (SharedMut::new(probe.dh), SharedMut::new(probe.dc))),
        };
        pool.run(plan.parts(), &|part| {
            engine.isa().run(PartOf { pass: &pass, share: plan.share(part) });
        });
    }
}

struct Pass<'a, P> {
    cell: Cell,
    shape: PanelShape,
    recurrent_t: &'a Packed,
    pointwise: P,
    steps: Steps<'a>,
    step: usize,
    h0: &'a [f32],
    c0: &'a [f32],
    masks: Option<StateMasks<'a>>,
    h: &'a [f32],
    c: &'a [f32],
    masked: &'a [f32],
    dy: Option<&'a [f32]>,
    gates: SharedMut<f32>,
    dh: SharedMut<f32>,
    dc: SharedMut<f32>,
    scratch: SharedMut<f32>,
    /// The destinations for dh and dc.
    probe: Option<(SharedMut<f32>, SharedMut<f32>)>,
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
        for t in (0..pass.steps.len()).rev() {
            let present = share.present(pass.steps, t);
            if present.is_empty() {
                continue;
            }
            // SAFETY: `backward` checked the buffers against the batch; every part takes all of its steps in order.
            unsafe { pass.step(s, &share, t, present) };
        }
    }
}

impl<P: Pointwise> Pass<'_, P> {
    /// Takes one step back for the sequences `present` and the units of `share`.
    ///
    /// # Safety
    /// The buffers must fit the batch, and this share must have processed all later steps.
    #[inline(always)]
    unsafe fn step<S: Simd>(&self, s: S, share: &Share<'_>, t: usize, present: Range<usize>) {
        let rows = self.steps.rows();
        let (row, first, count) = (self.steps.offsets[t] + present.start, present.start, present.len());
        // SAFETY: in every buffer, this writes only the share's units of its sequences, which no other share has. The
        // gates of other units are read after a `wait` that follows their last change, or by the thread that wrote
        // them if the share has all units.
        unsafe {
            let (h_prev, c_prev) = match t {
                0 => (
                    self.h0.as_ptr().add(first * self.step),
                    self.c0.as_ptr().wrapping_add(first * self.step),
                ),
                _ => {
                    let before = (self.steps.offsets[t - 1] + first) * self.step;
                    (self.h.as_ptr().add(before), self.c.as_ptr().wrapping_add(before))
                }
            };
            let at = |p: usize, (from, to): (usize, usize), i: usize, lane: usize| {
                let unit = (p * P::UNIT_SLOTS + from) * SLOT + lane;
                let here = (row + i) * self.step + unit;
                let (there, state) = (i * self.step + unit, (first + i) * self.step + unit);
                let group =
                    |m: StateMasks<'_>, count: usize, at: usize| m.group_of(2) * count * self.step + at;
                CellPointers {
                    slots: to - from,
                    gates: self.gates.ptr().add((p * rows + row + i) * GATE_ROW + from * SLOT + lane),
                    h_prev: h_prev.add(there),
                    c_prev: c_prev.wrapping_add(there),
                    c: self.c.as_ptr().wrapping_add(here).cast_mut(),
                    h_reset: match self.masks {
                        None => h_prev.add(there),
                        Some(m) => self.masked.as_ptr().wrapping_add(group(m, rows, here)),
                    },
                    dh: self.dh.ptr().add(state),
                    dc: self.dc.ptr().wrapping_add(state),
                    seen_dc: match self.probe {
                        None => std::ptr::null_mut(),
                        Some((_, dc)) => dc.ptr().wrapping_add(here),
                    },
                    d_reset: self.scratch.ptr().wrapping_add(state).cast_const(),
                    reset_mask: match self.masks {
                        None => std::ptr::null(),
                        Some(m) => m.data.as_ptr().wrapping_add(group(m, self.steps.sequences(), state)),
                    },
                    ..CellPointers::NONE
                }
            };
            let dy = self.dy.map(|dy| dy[row * self.step..][..count * self.step].as_ptr());
            for (p, from, to) in self.shape.pieces(share.slots()) {
                for i in 0..count {
                    for lane in (0..SLOT).step_by(S::LANES) {
                        let at = at(p, (from, to), i, lane);
                        if let Some(dy) = dy {
                            let first = (p * P::UNIT_SLOTS + from) * SLOT + lane;
                            for unit in (0..at.slots).map(|slot| slot * SLOT) {
                                let dy = dy.add(i * self.step + first + unit);
                                let dh = at.dh.add(unit);
                                s.store(dh, s.add(s.load(dh), s.load(dy)));
                                s.prefetch(dy.wrapping_add(P::UNIT_SLOTS * SLOT));
                            }
                        }
                        if let Some((seen, _)) = self.probe {
                            let first = (p * P::UNIT_SLOTS + from) * SLOT + lane;
                            let seen = seen.ptr().add((row + i) * self.step + first);
                            for unit in (0..at.slots).map(|slot| slot * SLOT) {
                                s.store(seen.add(unit), s.load(at.dh.add(unit)));
                            }
                        }
                        // Prefetch the next panel's gates: they were written a whole pass ago.
                        for slot in SLOT_OFFSETS {
                            s.prefetch(at.gates.wrapping_add(rows * GATE_ROW + slot));
                        }
                        self.pointwise.backward(s, at);
                    }
                }
            }
            share.wait();
            if P::FIRST_GATES < 4 {
                let scratch = self.scratch.ptr().add(first * self.step);
                self.product(s, share, (P::FIRST_GATES, 4), row, count, Start::Zero, scratch);
                for (p, from, to) in self.shape.pieces(share.slots()) {
                    for i in 0..count {
                        for lane in (0..SLOT).step_by(S::LANES) {
                            self.pointwise.reset_backward(s, at(p, (from, to), i, lane));
                        }
                    }
                }
                share.wait();
            }
            self.products(s, share, (0, P::FIRST_GATES), row, first, count);
        }
    }

    /// Adds the gradients of the previous state through the gates `which` to `dh`, with the masks if there are any.
    ///
    /// # Safety
    /// The share's units of the sequences from `first` on must belong to this thread; row `row` must be that of the
    /// first one.
    #[inline(always)]
    unsafe fn products<S: Simd>(
        &self,
        s: S,
        share: &Share<'_>,
        which: (usize, usize),
        row: usize,
        first: usize,
        count: usize,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let Some(masks) = self.masks else {
                let dh = self.dh.ptr().add(first * self.step);
                return self.product(s, share, which, row, count, Start::Output, dh);
            };
            for group in 0..masks.groups {
                let gates = if masks.groups == 1 { which } else { (group, group + 1) };
                if gates.1 > which.1 {
                    break;
                }
                let scratch = self.scratch.ptr().add(first * self.step);
                self.product(s, share, gates, row, count, Start::Zero, scratch);
                let units = share.floats();
                for i in first..first + count {
                    let mask = &masks.data[(group * self.steps.sequences() + i) * self.step..][units.clone()];
                    let own = i * self.step + units.start..i * self.step + units.end;
                    let (dh, part) = (self.dh.slice(own.clone()), self.scratch.slice(own));
                    for ((dh, d), m) in dh.iter_mut().zip(part).zip(mask) {
                        *dh += *d * m;
                    }
                }
            }
        }
    }

    /// Computes `out = start + gates · Uᵀ` over the gates `which`, for the `count` rows from `row` on and the units
    /// of `share`.
    ///
    /// # Safety
    /// `out` must have `count` rows of `row_step(H)` floats, and no other thread may use the share's units in them.
    #[inline(always)]
    unsafe fn product<S: Simd>(
        &self,
        s: S,
        share: &Share<'_>,
        which: (usize, usize),
        row: usize,
        count: usize,
        start: Start,
        out: *mut f32,
    ) {
        let slots = self.cell.recurrent_slots();
        let panel_step = self.steps.rows() * GATE_ROW;
        let columns = GateColumns { order: self.shape, which, slots: &slots, panel_step };
        // SAFETY: the gates hold `rows` rows per panel; the caller's promise for `out`.
        unsafe {
            let gates = self.gates.ptr().add(row * GATE_ROW).cast_const();
            rows_from_gates(s, gates, columns, self.recurrent_t, share.slots(), count, start, out, self.step);
        }
    }
}

/// Computes `dx = dz · Wᵀ`, or `dx += …` with `add`; with `gate`, only that gate's part. `kernel_t` is the packed
/// transpose of the kernel.
///
/// # Panics
/// When the sizes do not match.
pub fn input_gradient(
    engine: &Engine,
    cell: Cell,
    kernel_t: &Packed,
    gate: Option<usize>,
    gates: &[f32],
    rows: usize,
    add: bool,
    dx: RowsMut<'_>,
) {
    let which = gate.map_or(0..4, |g| g..g + 1);
    let order = cell.arrangement(kernel_t.depth() / cell.gates());
    matmul_gates_transposed(engine, gates, rows, order, which, &SLOT_OFFSETS, kernel_t, add, dx);
}

/// Computes `grad += xᵀ · dz`, the kernel's gradient in the kernel's panel layout; with `gate`, only that gate's
/// part.
///
/// # Panics
/// When the sizes do not match.
pub fn kernel_gradient(engine: &Engine, gate: Option<usize>, gates: &[f32], x: Rows<'_>, grad: &mut Packed) {
    assert_eq!(x.width(), grad.depth(), "inputs of a recurrent layer");
    let which = gate.map_or(0..4, |g| g..g + 1);
    outer(engine, |r| x.row(r), deltas(gates, x.count(), SLOT_OFFSETS), which, grad);
}

/// Computes `grad += h_prevᵀ · dz`, the recurrent kernel's gradient in its panel layout, from the states that the
/// forward pass multiplied: `b.h`, the masked states, or r ⊙ h (`reset`) of a reset-before GRU.
///
/// # Panics
/// When the sizes do not match.
pub fn recurrent_gradient(
    engine: &Engine,
    cell: Cell,
    steps: Steps<'_>,
    (h0, h): (&[f32], &[f32]),
    masked: Option<(&[f32], usize)>,
    reset: &[f32],
    gates: &[f32],
    grad: &mut Packed,
) {
    let (units, rows) = (grad.depth(), steps.rows());
    let step = row_step(units);
    let deltas = deltas(gates, rows, cell.recurrent_slots());
    let before = |r: usize| {
        let (t, n) = steps.step_of(r);
        match t {
            0 => &h0[n * step..][..units],
            _ => &h[(steps.offsets[t - 1] + n) * step..][..units],
        }
    };
    let first = if cell.resets_before() { 2 } else { 4 };
    match masked {
        None => outer(engine, before, deltas, 0..first, grad),
        Some((data, 1)) => outer(engine, |r| &data[r * step..][..units], deltas, 0..first, grad),
        Some((data, groups)) => {
            for g in 0..groups.min(first) {
                let left = |r: usize| &data[(g * rows + r) * step..][..units];
                outer(engine, left, deltas, g..g + 1, grad);
            }
        }
    }
    if first < 4 {
        outer(engine, |r| &reset[r * step..][..units], deltas, first..4, grad);
    }
}

fn deltas(gates: &[f32], rows: usize, slots: [usize; 4]) -> Deltas<'_> {
    Deltas { data: gates, rows, panel_step: rows * GATE_ROW, row_step: GATE_ROW, slots }
}

/// Adds the sums of the gates' gradients over all rows, in the order of the rows, to the bias gradient `grad` with
/// [`Cell::bias_len`] floats.
///
/// # Panics
/// When the sizes do not match.
pub fn bias_gradient(
    engine: &Engine,
    cell: Cell,
    units: usize,
    gates: &[f32],
    rows: usize,
    grad: &mut [f32],
) {
    assert_eq!(grad.len(), cell.bias_len(units), "the length of the bias gradient of a recurrent layer");
    assert!(gates.len() >= cell.gates_len(units, rows), "the gate buffer is too short");
    let shape = cell.arrangement(units);
    let grad = SharedMut::new(grad);
    engine.share(shape.panels(), rows * shape.columns(), |_, panels| {
        engine.isa().run(BiasSums { cell, shape, gates, rows, panels, grad });
    });
}

struct BiasSums<'a> {
    cell: Cell,
    shape: PanelShape,
    gates: &'a [f32],
    rows: usize,
    panels: Range<usize>,
    grad: SharedMut<f32>,
}

impl Kernel for BiasSums<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for p in self.panels.clone() {
            let mut sums = [0.0f32; GATE_ROW];
            let rows = &self.gates[p * self.rows * GATE_ROW..][..self.rows * GATE_ROW];
            for lane in (0..GATE_ROW).step_by(4 * S::LANES) {
                let mut sum = [s.splat(0.0); 4];
                for row in rows.chunks_exact(GATE_ROW) {
                    for (i, sum) in sum.iter_mut().enumerate() {
                        // SAFETY: four vectors from `lane` on lie inside a row.
                        *sum = s.add(*sum, unsafe { s.load(row.as_ptr().add(lane + i * S::LANES)) });
                    }
                }
                for (i, sum) in sum.into_iter().enumerate() {
                    // SAFETY: as above.
                    unsafe { s.store(sums.as_mut_ptr().add(lane + i * S::LANES), sum) };
                }
            }
            let add = |part: usize, slots: [usize; 4]| {
                for s in 0..self.shape.slots(p) {
                    let (column, filled) = (self.shape.column(p, s), self.shape.filled(p, s));
                    let from = part * self.shape.columns() + column;
                    // SAFETY: the columns of a panel belong to the share that has the panel.
                    let grad = unsafe { self.grad.slice(from..from + filled) };
                    for (g, x) in grad.iter_mut().zip(&sums[slots[s]..]) {
                        *g += x;
                    }
                }
            };
            add(0, SLOT_OFFSETS);
            if self.cell.two_biases() {
                add(1, self.cell.recurrent_slots());
            }
        }
    }
}
