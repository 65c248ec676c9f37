//! Matrix products between row-major rows, gate buffers and packed panels.
//!
//! Training needs three products: rows times panels (`x·W`), gates times panels (`dz·Wᵀ`), and the whole-sequence
//! gradient (`xᵀ·dz`), whose right factor is a gate buffer in its own layout.

use crate::engine::{Engine, SharedMut};
use crate::isa::Kernel;
use crate::layout::{GATE_ROW, PanelShape, SLOT, SLOT_OFFSETS};
use crate::panel::Packed;
use crate::rows::{Rows, RowsMut};
use crate::simd::Simd;
use crate::simd::tile::{self, Depth, Next, Start};
use std::mem::MaybeUninit;
use std::ops::Range;

/// Rows of the whole-sequence products that are accumulated before the output tile is written back. Large, so that
/// the output, which lies in L3 for layers with many units, is read and written rarely; small enough that the blocks
/// of both factors (128 KB of the right one's panel, 512 KB of the left one's columns) stay in L2.
const DEPTH_BLOCK: usize = 512;
/// Columns of the left factor that are copied together. The row step is an odd number of cache lines, so that a
/// column's floats do not fall into the same cache sets.
const LEFT_BLOCK: usize = 256;
const LEFT_STEP: usize = LEFT_BLOCK + SLOT;

/// Floats of a gate buffer that are multiplied by all panels before the next ones are read: they stay in L2.
const GATES_BLOCK: usize = 48 << 10;
/// Minimum number of rows that are multiplied together, so that panels are not read too often.
const MIN_ROWS: usize = 24;
/// Gate panels that are summed over before the next ones are read: that part of a transposed panel, at most 256 KB,
/// stays in L2 for all rows.
const PANELS_BLOCK: usize = 16;

/// Computes `y = x · W + bias`, or `y += x · W` with `add`: `x` `(R, K)`, `W` packed `(K, C)`, `y` `(R, C)`.
///
/// `bias` is in packed order ([`pack_bias`](crate::pack_bias)) and is ignored with `add`.
///
/// # Panics
/// When the sizes do not match, or `W` has several gates.
pub fn matmul(engine: &Engine, x: Rows<'_>, w: &Packed, bias: Option<&[f32]>, add: bool, y: RowsMut<'_>) {
    let shape = w.shape();
    assert!(shape.is_plain(), "a plain product needs panels without gates");
    assert_eq!(
        (x.width, x.count, y.width),
        (w.depth(), y.count, shape.columns()),
        "sizes of a matrix product"
    );
    let start = match (add, bias) {
        (true, _) => StartAt::Output,
        (false, Some(b)) => StartAt::Row(b),
        (false, None) => StartAt::Zero,
    };
    let out = Output { data: SharedMut::new(y.data), panel_step: GATE_ROW, row_step: y.step };
    product(engine, x, w, 0..4, start, out);
}

/// Computes the input product of a recurrent layer: `gates[p][r] = x[r] · W + bias` for the gates `which`, for `R`
/// rows, into a buffer of `panels · R · 64` floats.
///
/// # Panics
/// When the sizes do not match.
pub(crate) fn matmul_gates(
    engine: &Engine,
    x: Rows<'_>,
    w: &Packed,
    which: Range<usize>,
    bias: &[f32],
    gates: &mut [f32],
) {
    let panel_step = x.count * GATE_ROW;
    assert_eq!(x.width, w.depth(), "inputs of a recurrent layer");
    assert!(gates.len() >= w.shape().panels() * panel_step, "the gate buffer is too short");
    let out = Output { data: SharedMut::new(gates), panel_step, row_step: GATE_ROW };
    product(engine, x, w, which, StartAt::Row(bias), out);
}

#[derive(Clone, Copy)]
enum StartAt<'a> {
    Zero,
    Output,
    Row(&'a [f32]),
}

#[derive(Clone, Copy)]
struct Output {
    data: SharedMut<f32>,
    panel_step: usize,
    row_step: usize,
}

fn product(engine: &Engine, x: Rows<'_>, w: &Packed, which: Range<usize>, start: StartAt<'_>, out: Output) {
    let panels = w.shape().panels();
    assert!(w.is_filled(), "the weights were not packed");
    if let StartAt::Row(bias) = start {
        assert!(bias.len() >= panels * w.shape().row_len(), "the bias is not packed");
    }
    let flops = 2 * x.count * w.depth() * w.shape().columns();
    let work = |rows: Range<usize>, panels: Range<usize>| {
        let which = (which.start, which.end);
        engine.isa().run(RowsTimesPanels { x, w, which, start, out, rows, panels });
    };
    if x.count >= 8 * engine.threads() {
        engine.share(x.count, flops, |_, rows| work(rows, 0..panels));
    } else {
        engine.share(panels, flops, |_, share| work(0..x.count, share));
    }
}

struct RowsTimesPanels<'a> {
    x: Rows<'a>,
    w: &'a Packed,
    which: (usize, usize),
    start: StartAt<'a>,
    out: Output,
    rows: Range<usize>,
    panels: Range<usize>,
}

impl Kernel for RowsTimesPanels<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { x, w, which, start, out, rows, panels } = self;
        let shape = w.shape();
        let skip = which.0 * SLOT;
        for p in panels.clone() {
            let next = if p + 1 < panels.end {
                Next { right: w.panel_step() as isize, out: out.panel_step as isize }
            } else {
                Next::default()
            };
            // SAFETY: the public functions check that the rows, the panels and the bias lie inside their
            // buffers; each (row, panel) of the output belongs to one share.
            unsafe {
                s.product(&tile::Product {
                    slots: which.1.min(shape.slots(p)).saturating_sub(which.0),
                    rows: rows.len(),
                    left: x.data.as_ptr().add(rows.start * x.step),
                    left_row: x.step,
                    left_k: 1,
                    right: w.data().as_ptr().add(p * w.panel_step() + skip),
                    right_k: shape.row_len(),
                    right_slots: SLOT_OFFSETS,
                    depth: Depth::Plain(w.depth()),
                    start: match start {
                        StartAt::Zero => Start::Zero,
                        StartAt::Output => Start::Output,
                        StartAt::Row(b) => Start::Row(b.as_ptr().add(p * shape.row_len() + skip)),
                    },
                    out: out.data.ptr().add(p * out.panel_step + rows.start * out.row_step + skip),
                    out_row: out.row_step,
                    out_slots: SLOT_OFFSETS,
                    next,
                });
            }
        }
    }
}

/// Computes the gradient of the rows that a gate buffer was computed from: `dx = dz · Wᵀ`, or `dx += …` with `add`.
///
/// `gates` is `[panels][R][64]` in the arrangement `order`, where the slot `slots[g]` holds gate `g`; `wt` is packed
/// by [`Packed::pack_transposed`] with the same `order`.
///
/// # Panics
/// When the sizes do not match.
pub(crate) fn matmul_gates_transposed(
    engine: &Engine,
    gates: &[f32],
    rows: usize,
    order: PanelShape,
    which: Range<usize>,
    slots: &[usize; 4],
    wt: &Packed,
    add: bool,
    dx: RowsMut<'_>,
) {
    let which = (which.start, which.end);
    assert_eq!((wt.depth(), dx.width, dx.count), (order.columns(), wt.shape().columns(), rows));
    assert!(gates.len() >= order.panels() * rows * GATE_ROW, "the gate buffer is too short");
    assert!(wt.is_filled(), "the transpose was not packed");
    let step = dx.step;
    let out = SharedMut::new(dx.data);
    let flops = 2 * rows * order.columns() * wt.shape().columns();
    engine.share(rows, flops, |_, share| {
        engine.isa().run(GatesTimes { gates, rows, share, order, which, slots, wt, add, out, step });
    });
}

struct GatesTimes<'a> {
    gates: &'a [f32],
    rows: usize,
    share: Range<usize>,
    order: PanelShape,
    which: (usize, usize),
    slots: &'a [usize; 4],
    wt: &'a Packed,
    add: bool,
    out: SharedMut<f32>,
    step: usize,
}

impl Kernel for GatesTimes<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { gates, rows, share, order, which, slots, wt, add, out, step } = self;
        let gates_of = GateColumns { order, which, slots, panel_step: rows * GATE_ROW };
        let start = if add { Start::Output } else { Start::Zero };
        let columns = order.columns().min(PANELS_BLOCK * GATE_ROW);
        let block = (GATES_BLOCK / columns.max(1)).max(MIN_ROWS);
        for row in share.clone().step_by(block) {
            let count = block.min(share.end - row);
            // SAFETY: `matmul_gates_transposed` checked the sizes; each row of the output belongs to one share.
            unsafe {
                let first = gates.as_ptr().add(row * GATE_ROW);
                let all = 0..wt.shape().columns().div_ceil(SLOT);
                rows_from_gates(s, first, gates_of, wt, all, count, start, out.ptr().add(row * step), step);
            }
        }
    }
}

/// The columns of a gate buffer to sum over: see [`Depth::Gates`].
#[derive(Clone, Copy)]
pub(crate) struct GateColumns<'a> {
    pub(crate) order: PanelShape,
    pub(crate) which: (usize, usize),
    pub(crate) slots: &'a [usize; 4],
    pub(crate) panel_step: usize,
}

/// Computes `out[r] = start + gates[r] · wt` for `count` rows of a gate buffer, over the gates that `columns` names
/// and for the slots `out_slots` of the output's rows.
///
/// # Safety
/// `gates` must point at the first row in panel 0 of a gate buffer that is laid out as `columns` says, with `count`
/// rows there. `wt` must be packed with the same arrangement. `out` must have `count` rows of whole slots, `step`
/// apart, and no other thread may use those slots.
#[inline(always)]
pub(crate) unsafe fn rows_from_gates<S: Simd>(
    s: S,
    gates: *const f32,
    columns: GateColumns<'_>,
    wt: &Packed,
    out_slots: Range<usize>,
    count: usize,
    start: Start,
    out: *mut f32,
    step: usize,
) {
    let shape = wt.shape();
    let GateColumns { order, which, slots, panel_step } = columns;
    let panels = order.panels();
    let own = shape.panels_of(&out_slots);
    let place = |first: usize, q: usize| (q * wt.panel_step() + order.rank(first, 0) * GATE_ROW) as isize;
    for first in (0..panels).step_by(PANELS_BLOCK) {
        let panels = (first, panels.min(first + PANELS_BLOCK));
        // After the last block the first one is next, with other rows.
        let then = if panels.1 < order.panels() { panels.1 } else { 0 };
        // Each element stays one chain: it is stored and loaded again without rounding.
        let start = if first == 0 { start } else { Start::Output };
        for (q, from, to) in shape.pieces(out_slots.clone()) {
            let next = if q + 1 < own.end {
                Next { right: wt.panel_step() as isize, out: GATE_ROW as isize }
            } else {
                Next { right: place(then, own.start) - place(first, q), out: 0 }
            };
            // SAFETY: the caller's promise; panel `q` of `wt` has `wt.depth()` rows.
            unsafe {
                s.product(&tile::Product {
                    slots: to - from,
                    rows: count,
                    left: gates,
                    left_row: GATE_ROW,
                    left_k: 1,
                    right: wt.data().as_ptr().add(q * wt.panel_step() + from * SLOT),
                    right_k: GATE_ROW,
                    right_slots: SLOT_OFFSETS,
                    depth: Depth::Gates { order, panels, which, slots, panel_step },
                    start,
                    out: out.add(q * GATE_ROW + from * SLOT),
                    out_row: step,
                    out_slots: SLOT_OFFSETS,
                    next,
                });
            }
        }
    }
}

/// The right factor of a whole-sequence gradient, in its own layout.
#[derive(Clone, Copy)]
pub(crate) struct Deltas<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) rows: usize,
    pub(crate) panel_step: usize,
    pub(crate) row_step: usize,
    /// The slot of each gate in a row.
    pub(crate) slots: [usize; 4],
}

/// Computes `grad += Σ_r left(r)ᵀ · deltas[r]` for the gates `which` of `grad`'s arrangement: the weights' gradient
/// over a whole sequence, in the panel layout of the weights. `left(r)` returns row `r` of the left factor, with
/// `grad.depth()` floats.
pub(crate) fn outer<'a>(
    engine: &Engine,
    left: impl Fn(usize) -> &'a [f32] + Sync,
    deltas: Deltas<'_>,
    which: Range<usize>,
    grad: &mut Packed,
) {
    let (shape, depth) = (grad.shape(), grad.depth());
    if deltas.rows == 0 || depth == 0 || shape.panels() == 0 {
        return;
    }
    let last = shape.panels() - 1;
    let reach = last * deltas.panel_step
        + (deltas.rows - 1) * deltas.row_step
        + which.clone().take(shape.slots(last)).map(|g| deltas.slots[g]).max().unwrap_or(0)
        + SLOT;
    assert!(deltas.data.len() >= reach, "the delta buffer is too short");
    let (panel_step, flops) = (grad.panel_step(), 2 * deltas.rows * depth * shape.columns());
    assert!(grad.is_filled(), "the gradient was neither packed nor cleared");
    let out = SharedMut::new(grad.data_mut());
    let which = &which;
    let work = |columns: Range<usize>, panels: Range<usize>| {
        let which = which.clone();
        engine.isa().run(Outer { left: &left, deltas, which, shape, panel_step, out, columns, panels });
    };
    if depth >= 8 * engine.threads() {
        engine.share(depth, flops, |_, columns| work(columns, 0..shape.panels()));
    } else {
        engine.share(shape.panels(), flops, |_, panels| work(0..depth, panels));
    }
}

struct Outer<'a, L> {
    left: &'a L,
    deltas: Deltas<'a>,
    which: Range<usize>,
    shape: PanelShape,
    panel_step: usize,
    out: SharedMut<f32>,
    columns: Range<usize>,
    panels: Range<usize>,
}

impl<'l, L: Fn(usize) -> &'l [f32]> Kernel for Outer<'_, L> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { left, deltas, which, shape, panel_step, out, columns, panels } = self;
        let row_len = shape.row_len();
        let mut block = [MaybeUninit::<f32>::uninit(); DEPTH_BLOCK * LEFT_STEP];
        let block = block.as_mut_ptr().cast::<f32>();
        for first in columns.clone().step_by(LEFT_BLOCK) {
            let width = LEFT_BLOCK.min(columns.end - first);
            for row in (0..deltas.rows).step_by(DEPTH_BLOCK) {
                let rows = DEPTH_BLOCK.min(deltas.rows - row);
                for r in 0..rows {
                    let source = &left(row + r)[first..first + width];
                    // SAFETY: row `r` of the block has LEFT_STEP floats, `width` is at most LEFT_BLOCK.
                    unsafe {
                        source.as_ptr().copy_to_nonoverlapping(block.add(r * LEFT_STEP), width);
                    }
                }
                for p in panels.clone() {
                    let slots = which.end.min(shape.slots(p)).saturating_sub(which.start);
                    if slots == 0 {
                        continue;
                    }
                    let next = if p + 1 < panels.end {
                        Next { right: deltas.panel_step as isize, out: panel_step as isize }
                    } else if row + rows < deltas.rows {
                        let back = ((p - panels.start) * deltas.panel_step) as isize;
                        Next { right: (rows * deltas.row_step) as isize - back, out: 0 }
                    } else {
                        Next::default()
                    };
                    let mut right_slots = [0; 4];
                    right_slots[..slots].copy_from_slice(&deltas.slots[which.start..which.start + slots]);
                    // SAFETY: `outer` checked the length of the deltas; the block's first `rows × width` floats are
                    // written; rows `first..first + width` of panel `p` of the output belong to this share.
                    unsafe {
                        s.product(&tile::Product {
                            slots,
                            rows: width,
                            left: block,
                            left_row: 1,
                            left_k: LEFT_STEP,
                            right: deltas.data.as_ptr().add(p * deltas.panel_step + row * deltas.row_step),
                            right_k: deltas.row_step,
                            right_slots,
                            depth: Depth::Plain(rows),
                            start: Start::Output,
                            out: out.ptr().add(p * panel_step + first * row_len + which.start * SLOT),
                            out_row: row_len,
                            out_slots: SLOT_OFFSETS,
                            next,
                        });
                    }
                }
            }
        }
    }
}

/// Computes the gradient of a dense layer's kernel: `grad += xᵀ · dy`, `x` `(R, K)`, `dy` `(R, C)`.
///
/// # Panics
/// When the sizes do not match.
pub fn matmul_gradient(engine: &Engine, x: Rows<'_>, dy: Rows<'_>, grad: &mut Packed) {
    assert_eq!((x.count, x.width, dy.width), (dy.count, grad.depth(), grad.shape().columns()));
    let deltas = Deltas {
        data: dy.data,
        rows: dy.count,
        panel_step: GATE_ROW,
        row_step: dy.step,
        slots: SLOT_OFFSETS,
    };
    outer(engine, |r| x.row(r), deltas, 0..4, grad);
}

/// Adds the column sums of `dy` to `grad`, in the order of the rows: the gradient of a dense layer's bias.
///
/// # Panics
/// When the sizes do not match.
pub fn bias_gradient(engine: &Engine, dy: Rows<'_>, grad: &mut [f32]) {
    assert_eq!(grad.len(), dy.width, "a bias has one float per column");
    let out = SharedMut::new(grad);
    engine.share(dy.width.div_ceil(GATE_ROW), dy.count * dy.width, |_, blocks| {
        let columns = blocks.start * GATE_ROW..dy.width.min(blocks.end * GATE_ROW);
        // SAFETY: each block of columns belongs to one share.
        let sums = unsafe { out.slice(columns.clone()) };
        engine.isa().run(ColumnSums { dy, columns, sums });
    });
}

struct ColumnSums<'a> {
    dy: Rows<'a>,
    columns: Range<usize>,
    sums: &'a mut [f32],
}

impl Kernel for ColumnSums<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for r in 0..self.dy.count {
            for (sum, x) in self.sums.iter_mut().zip(&self.dy.row(r)[self.columns.clone()]) {
                *sum += x;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;
    use crate::rows::row_step;

    #[test]
    fn gate_panels_differ_from_plain_columns() {
        let engine = Engine::new(Isa::portable(), 1);
        for gates in 2..=4 {
            let mut w = Packed::new(PanelShape::gates(gates, 1), 1);
            w.pack(&engine, &vec![1.0; gates], gates);
            let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let mut y = vec![0.0; 16];
                let x = [1.0; 16];
                matmul(&engine, Rows::new(&x, 1, 1), &w, None, false, RowsMut::new(&mut y, 1, gates));
            }));
            assert!(refused.is_err(), "{gates} gates");
        }
    }

    #[test]
    fn products_of_any_size_equal_plain_loops() {
        for isa in Isa::available() {
            let engine = Engine::new(isa, 2);
            for (rows, depth, columns) in
                [(0, 3, 4), (1, 1, 1), (7, 5, 16), (6, 300, 17), (13, 0, 65), (33, 9, 130)]
            {
                let value = |i: usize| (i * 7 % 23) as f32 - 11.0;
                let spread = |rows: usize, width: usize, salt: usize| {
                    let mut v = vec![f32::NAN; rows * row_step(width)];
                    for r in 0..rows {
                        for c in 0..width {
                            v[r * row_step(width) + c] = value(r * width + c + salt);
                        }
                    }
                    v
                };
                let (x, dy) = (spread(rows, depth, 1), spread(rows, columns, 5));
                let w: Vec<f32> = (0..depth * columns).map(value).collect();
                let mut packed = Packed::new(PanelShape::plain(columns), depth);
                packed.pack(&engine, &w, columns);
                let mut y = vec![f32::NAN; rows * row_step(columns)];
                let (x, dy) = (Rows::new(&x, rows, depth), Rows::new(&dy, rows, columns));
                matmul(&engine, x, &packed, None, false, RowsMut::new(&mut y, rows, columns));
                let y = Rows::new(&y, rows, columns);
                for r in 0..rows {
                    for c in 0..columns {
                        // Small whole numbers, so that every order of summation is exact.
                        let want: f32 = (0..depth).map(|k| x.row(r)[k] * w[k * columns + c]).sum();
                        assert_eq!(y.row(r)[c], want, "({r}, {c}) of {rows} x {depth} x {columns} on {isa}");
                    }
                }
                let mut gradient = Packed::new(PanelShape::plain(columns), depth);
                gradient.clear();
                matmul_gradient(&engine, x, dy, &mut gradient);
                let mut dw = vec![0.0; depth * columns];
                gradient.unpack(&engine, &mut dw, columns);
                for k in 0..depth {
                    for c in 0..columns {
                        let want: f32 = (0..rows).map(|r| x.row(r)[k] * dy.row(r)[c]).sum();
                        assert_eq!(dw[k * columns + c], want, "gradient ({k}, {c}) on {isa}");
                    }
                }
            }
        }
    }
}
