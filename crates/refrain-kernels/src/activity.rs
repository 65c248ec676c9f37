//! Activity regularisation and temporal activity regularisation: sums of squares, and their gradients.

use crate::elementwise::{RowKernel, Sum, each_row, load, map_rows, store};
use crate::engine::Engine;
use crate::rows::{Rows, RowsMut};
use crate::simd::Simd;

/// Computes `y = x`, `squares[r] = Σ x[r]²` and `steps[r] = Σ (x[r] − x[before[r]])²`. A row without a predecessor
/// has its own index in `before`. `x`, `y` `(R, D)`, `before`, `squares`, `steps` `(R)`.
///
/// # Panics
/// When the sizes do not match, or an index is out of range.
pub fn measure(
    engine: &Engine,
    x: Rows<'_>,
    before: &[u32],
    y: RowsMut<'_>,
    squares: &mut [f64],
    steps: &mut [f64],
) {
    assert_eq!((x.count(), x.width()), (y.count(), y.width()), "rows and their copy");
    check_neighbours(before, x);
    each_row(engine, &Measure { x, before }, x.width(), y, [squares, steps]);
}

/// Computes `dx[r] = dy[r] + square · x[r] + step · ((x[r] − x[before[r]]) + (x[r] − x[after[r]]))`, or `dx[r] += …`
/// with `add`. Without `dy` that term is 0. A row without a neighbour has its own index instead. `x`, `dy`, `dx`
/// `(R, D)`, `before`, `after` `(R)`.
///
/// # Panics
/// When the sizes do not match, or an index is out of range.
pub fn slopes(
    engine: &Engine,
    [square, step]: [f32; 2],
    x: Rows<'_>,
    [before, after]: [&[u32]; 2],
    dy: Option<Rows<'_>>,
    add: bool,
    dx: RowsMut<'_>,
) {
    for rows in [Some(x), dy].into_iter().flatten() {
        assert_eq!((rows.count(), rows.width()), (dx.count(), dx.width()), "rows and their gradient");
    }
    check_neighbours(before, x);
    check_neighbours(after, x);
    map_rows(engine, &Slopes { square, step, x, before, after, dy, add }, dx);
}

fn check_neighbours(rows: &[u32], x: Rows<'_>) {
    assert_eq!(rows.len(), x.count(), "one neighbour per row");
    for (r, &other) in rows.iter().enumerate() {
        assert!(
            (other as usize) < x.count(),
            "neighbour {other} of row {r} is out of range: there are {} rows",
            x.count()
        );
    }
}

struct Measure<'a> {
    x: Rows<'a>,
    before: &'a [u32],
}

impl RowKernel<f64, 2> for Measure<'_> {
    const COST: usize = 5;
    #[inline(always)]
    fn row<S: Simd>(&self, s: S, i: usize, row: &mut [f32], [square, step]: [&mut f64; 2]) {
        let (x, before) = (self.x.row(i), self.x.row(self.before[i] as usize));
        let (mut squares, mut steps) = (Sum::new(s), Sum::new(s));
        for at in (0..row.len()).step_by(S::LANES) {
            let here = load(s, x, at);
            let d = s.sub(here, load(s, before, at));
            store(s, row, at, here);
            // Lanes past the end of the row are zero in both.
            squares.add(s.mul(here, here), S::LANES);
            steps.add(s.mul(d, d), S::LANES);
        }
        (*square, *step) = (squares.total(), steps.total());
    }
}

struct Slopes<'a> {
    square: f32,
    step: f32,
    x: Rows<'a>,
    before: &'a [u32],
    after: &'a [u32],
    dy: Option<Rows<'a>>,
    add: bool,
}

impl RowKernel for Slopes<'_> {
    const COST: usize = 7;
    #[inline(always)]
    fn row<S: Simd>(&self, s: S, i: usize, row: &mut [f32], _: [&mut (); 0]) {
        let [x, before, after] =
            [i, self.before[i] as usize, self.after[i] as usize].map(|row| self.x.row(row));
        let dy = self.dy.map(|dy| dy.row(i));
        let (square, step) = (s.splat(self.square), s.splat(self.step));
        for at in (0..row.len()).step_by(S::LANES) {
            let here = load(s, x, at);
            let bend = s.add(s.sub(here, load(s, before, at)), s.sub(here, load(s, after, at)));
            let mut d = s.fma(step, bend, s.mul(square, here));
            if let Some(dy) = dy {
                d = s.add(load(s, dy, at), d);
            }
            let old = load(s, row, at);
            store(s, row, at, if self.add { s.add(old, d) } else { d });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elementwise::testing::*;
    use crate::reference::PackedShape;
    use crate::reference::activity::{self as reference, Factors};

    /// Relative tolerance: a row's squares are summed in single precision.
    const TOLERANCE: f64 = 1e-6;

    /// Test cases as packed batches: row count, width, sequences at each step, neighbours.
    fn batches() -> impl Iterator<Item = (usize, usize, Vec<usize>, [Vec<u32>; 2])> {
        sizes().map(|(count, width)| {
            let mut active = Vec::new();
            let mut left = count;
            let mut most = count.div_ceil(2);
            while left > 0 {
                most = most.min(left);
                active.push(most);
                (left, most) = (left - most, most.saturating_sub(most / 8).max(1));
            }
            let offsets = PackedShape { active: &active, sequences: count }.offsets();
            let mut neighbours = [Vec::new(), Vec::new()];
            for (t, &n) in active.iter().enumerate() {
                for i in 0..n {
                    let row = |t: Option<usize>| {
                        let there = t.filter(|&t| active.get(t).is_some_and(|&n| i < n));
                        there.map_or(neighbours[0].len(), |t| offsets[t] + i) as u32
                    };
                    let [before, after] = [row(t.checked_sub(1)), row(Some(t + 1))];
                    neighbours[0].push(before);
                    neighbours[1].push(after);
                }
            }
            (count, width, active, neighbours)
        })
    }

    #[test]
    fn sums_match_the_reference() {
        for (count, width, active, [before, _]) in batches() {
            let x = floats(1, count * width, 3.0);
            let rows = padded(&x, count, width);
            let packed = PackedShape { active: &active, sequences: count };
            let want = [(1.0, 0.0), (0.0, 1.0)].map(|(square, step)| {
                reference::forward(&packed, Factors { square, step }, &doubles(&x), width)
            });
            stamped(
                |e| {
                    let mut y = padded(&[], count, width);
                    let (mut squares, mut steps) = (vec![f64::NAN; count], vec![f64::NAN; count]);
                    let (x, y_rows) = (Rows::new(&rows, count, width), RowsMut::new(&mut y, count, width));
                    measure(e, x, &before, y_rows, &mut squares, &mut steps);
                    for (sums, want) in [squares, steps].iter().zip(want) {
                        let got: f64 = sums.iter().sum();
                        let error = (got - want).abs();
                        assert!(error <= TOLERANCE * want, "{count} × {width}: {got} for {want}");
                    }
                    dense(&y, count, width)
                },
                |y, isa| assert_eq!(y, x, "the copy of {count} × {width} on {isa}"),
            );
        }
    }

    #[test]
    fn derivatives_match_the_reference() {
        let (square, step) = (0.7f32, 0.4f32);
        for (count, width, active, [before, after]) in batches() {
            let [x, dy, old] = [1, 2, 3].map(|seed| floats(seed, count * width, 2.0));
            let (x_rows, dy_rows) = (padded(&x, count, width), padded(&dy, count, width));
            let factors = Factors { square: f64::from(square) / 2.0, step: f64::from(step) / 2.0 };
            let packed = PackedShape { active: &active, sequences: count };
            let slopes_of = reference::backward(&packed, factors, &doubles(&x), width);
            for (with_dy, add) in [(false, false), (true, false), (true, true)] {
                let used = |on: bool, x: f32| if on { f64::from(x) } else { 0.0 };
                let others = dy.iter().zip(&old).map(|(&dy, &old)| used(with_dy, dy) + used(add, old));
                let want: Vec<f64> =
                    slopes_of.iter().zip(others).map(|(slope, other)| slope + other).collect();
                stamped(
                    |e| {
                        let mut dx = padded(&old, count, width);
                        let dy = with_dy.then_some(Rows::new(&dy_rows, count, width));
                        let (x, to) = (Rows::new(&x_rows, count, width), RowsMut::new(&mut dx, count, width));
                        slopes(e, [square, step], x, [&before, &after], dy, add, to);
                        dense(&dx, count, width)
                    },
                    |dx, isa| assert_close(dx, &want, TOLERANCE, &format!("{count} × {width} on {isa}")),
                );
            }
        }
    }

    #[test]
    #[should_panic(expected = "neighbour 2 of row 1 is out of range: there are 2 rows")]
    fn a_neighbour_beyond_the_rows_is_rejected() {
        let (x, mut y) = (padded(&[], 2, 1), padded(&[], 2, 1));
        let engine = Engine::new(crate::Isa::portable(), 1);
        let (x, y) = (Rows::new(&x, 2, 1), RowsMut::new(&mut y, 2, 1));
        measure(&engine, x, &[0, 2], y, &mut [0.0; 2], &mut [0.0; 2]);
    }
}
