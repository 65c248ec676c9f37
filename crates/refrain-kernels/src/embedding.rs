//! Embeddings: table lookup by id, and its gradient.

use crate::elementwise::{RowKernel, map_rows};
use crate::engine::{Engine, SharedMut};
use crate::isa::Kernel;
use crate::rows::{Rows, RowsMut};
use crate::simd::Simd;
use std::ops::Range;

/// Columns of the table's gradient that one thread sums. Large enough that two threads' shares rarely meet in a cache
/// line.
const COLUMN_BLOCK: usize = 32;

/// Computes `out[r] = table[ids[r]]`: `table` `(V, D)` without padding, `ids` `(R)`, `out` `(R, D)`.
///
/// # Panics
/// When the sizes do not match, or an id is not below `V`.
pub fn gather(engine: &Engine, table: &[f32], ids: &[u32], out: RowsMut<'_>) {
    assert_eq!(ids.len(), out.count(), "one id per row");
    check_ids(ids, table, out.width());
    map_rows(engine, &Gather { table, ids }, out);
}

/// Adds row `r` of `d` to row `ids[r]` of `grad`, in the order of the rows: `ids` `(R)`, `d` `(R, D)`, `grad`
/// `(V, D)` without padding.
///
/// # Panics
/// When the sizes do not match, or an id is not below `V`.
pub fn scatter_add(engine: &Engine, ids: &[u32], d: Rows<'_>, grad: &mut [f32]) {
    assert_eq!(ids.len(), d.count(), "one id per row");
    let width = d.width();
    check_ids(ids, grad, width);
    let out = SharedMut::new(grad);
    engine.share(width.div_ceil(COLUMN_BLOCK), ids.len() * width, |_, blocks| {
        let columns = blocks.start * COLUMN_BLOCK..width.min(blocks.end * COLUMN_BLOCK);
        engine.isa().run(ScatterAdd { ids, d, out, columns });
    });
}

/// Computes `y[r] = factors[ids[r]] · x[r]`; without `x`, scales `y` in place. `factors` `(V)`, `ids` `(R)`, `x` and
/// `y` `(R, D)`. A row whose factor is 0 becomes 0 even if it held NaN.
///
/// # Panics
/// When the sizes do not match, or an id is not below `V`.
pub fn scale_by_id(engine: &Engine, ids: &[u32], factors: &[f32], x: Option<Rows<'_>>, y: RowsMut<'_>) {
    assert_eq!(ids.len(), y.count(), "one id per row");
    if let Some(x) = x {
        assert_eq!((x.count(), x.width()), (y.count(), y.width()), "rows and their copy");
    }
    check_ids(ids, factors, 1);
    map_rows(engine, &ScaleById { ids, factors, x }, y);
}

fn check_ids(ids: &[u32], table: &[f32], width: usize) {
    if width == 0 {
        return;
    }
    assert_eq!(
        table.len() % width,
        0,
        "a table of {} floats is not a whole number of rows of {width}",
        table.len()
    );
    let vocabulary = table.len() / width;
    for (r, &id) in ids.iter().enumerate() {
        assert!((id as usize) < vocabulary, "id {id} in row {r}: expected below {vocabulary}");
    }
}

struct Gather<'a> {
    table: &'a [f32],
    ids: &'a [u32],
}

impl RowKernel for Gather<'_> {
    const COST: usize = 1;
    #[inline(always)]
    fn row<S: Simd>(&self, _: S, i: usize, row: &mut [f32], _: [&mut (); 0]) {
        let width = row.len();
        if width > 0 {
            row.copy_from_slice(&self.table[self.ids[i] as usize * width..][..width]);
        }
    }
}

struct ScaleById<'a> {
    ids: &'a [u32],
    factors: &'a [f32],
    x: Option<Rows<'a>>,
}

impl RowKernel for ScaleById<'_> {
    const COST: usize = 1;
    #[inline(always)]
    fn row<S: Simd>(&self, _: S, i: usize, row: &mut [f32], _: [&mut (); 0]) {
        let factor = self.factors[self.ids[i] as usize];
        match self.x.map(|x| x.row(i)) {
            _ if factor == 0.0 => row.fill(0.0),
            Some(x) => row.iter_mut().zip(x).for_each(|(y, x)| *y = factor * x),
            None => row.iter_mut().for_each(|y| *y *= factor),
        }
    }
}

struct ScatterAdd<'a> {
    ids: &'a [u32],
    d: Rows<'a>,
    out: SharedMut<f32>,
    columns: Range<usize>,
}

impl Kernel for ScatterAdd<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let width = self.d.width();
        for (r, &id) in self.ids.iter().enumerate() {
            let first = id as usize * width;
            // SAFETY: `scatter_add` checked that the table has row `id`; each column belongs to one share.
            let sums = unsafe { self.out.slice(first + self.columns.start..first + self.columns.end) };
            for (sum, d) in sums.iter_mut().zip(&self.d.row(r)[self.columns.clone()]) {
                *sum += d;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elementwise::testing::*;
    use crate::{Isa, reference};

    const VOCABULARY: usize = 11;

    fn ids(count: usize) -> Vec<u32> {
        let mut words = words(3);
        (0..count).map(|_| words() % VOCABULARY as u32).collect()
    }

    #[test]
    fn rows_come_from_the_table() {
        for (count, width) in sizes() {
            let (ids, table) = (ids(count), floats(1, VOCABULARY * width, 1.0));
            let want = reference::embedding::forward(&ids, &table, width);
            stamped(
                |e| {
                    let mut out = padded(&[], count, width);
                    gather(e, &table, &ids, RowsMut::new(&mut out, count, width));
                    dense(&out, count, width)
                },
                |y, isa| assert_eq!(y, want, "{count} × {width} on {isa}"),
            );
        }
    }

    #[test]
    fn rows_are_scaled_by_the_factor_of_their_id() {
        let mut factors = floats(4, VOCABULARY, 2.0);
        (factors[0], factors[3]) = (0.0, 0.0);
        for (count, width) in sizes() {
            let (ids, mut x) = (ids(count), floats(1, count * width, 1.0));
            let product = |(k, x): (usize, &f32)| factors[ids[k / width] as usize] * x;
            let want: Vec<f32> = x.iter().enumerate().map(product).map(|y| y + 0.0).collect();
            for (k, x) in x.iter_mut().enumerate() {
                if factors[ids[k / width] as usize] == 0.0 {
                    *x = f32::NAN;
                }
            }
            let rows = padded(&x, count, width);
            for in_place in [false, true] {
                stamped(
                    |e| {
                        let mut y = padded(if in_place { &x } else { &[] }, count, width);
                        let x = (!in_place).then_some(Rows::new(&rows, count, width));
                        scale_by_id(e, &ids, &factors, x, RowsMut::new(&mut y, count, width));
                        dense(&y, count, width)
                    },
                    |y, isa| assert_eq!(y, want, "{count} × {width}, in place {in_place}, on {isa}"),
                );
            }
        }
    }

    #[test]
    fn gradients_add_up_in_the_order_of_the_rows() {
        for (count, width) in sizes() {
            let ids = ids(count);
            let (d, before) = (floats(1, count * width, 1.0), floats(2, VOCABULARY * width, 1.0));
            let mut want = before.clone();
            for (k, d) in d.iter().enumerate() {
                want[ids[k / width] as usize * width + k % width] += d;
            }
            let rows = padded(&d, count, width);
            stamped(
                |e| {
                    let mut grad = before.clone();
                    scatter_add(e, &ids, Rows::new(&rows, count, width), &mut grad);
                    grad
                },
                |grad, isa| assert_eq!(grad, want, "{count} × {width} on {isa}"),
            );
        }
    }

    #[test]
    #[should_panic(expected = "id 2 in row 1: expected below 2")]
    fn an_unknown_id_is_rejected() {
        let d = padded(&[1.0; 6], 2, 3);
        scatter_add(&Engine::new(Isa::portable(), 1), &[1, 2], Rows::new(&d, 2, 3), &mut [0.0; 6]);
    }
}
