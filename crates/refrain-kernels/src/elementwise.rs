//! Row-wise kernels: the framework they all use, and activations, copies, sums and products.

use crate::activation::Elementwise;
use crate::engine::{Engine, SharedMut};
use crate::isa::Kernel;
use crate::layout::SLOT;
use crate::math;
use crate::rows::{Rows, RowsMut, row_step};
use crate::simd::Simd;
use std::ops::Range;

/// Vectors that are summed in single precision, lane by lane, before they are added to the double-precision sum: a
/// row of 100,000 logits loses no more digits than a short one.
const SUM_BLOCK: usize = 64;

/// What a kernel does to one row. The result of a row does not depend on other rows.
pub(crate) trait RowKernel<T = (), const N: usize = 0>: Sync {
    /// Approximate floating-point operations per element. Decides whether to use several threads.
    const COST: usize;
    /// Processes row `i`. `row` is the row without its padding, `sides` are the row's values in the side buffers.
    /// Must be `#[inline(always)]`, as everything in a [`Kernel`].
    fn row<S: Simd>(&self, s: S, i: usize, row: &mut [f32], sides: [&mut T; N]);
}

/// Calls `kernel` for each row of `out` and each value of the side buffers, with the rows divided among the threads.
/// `width` is that of the rows the kernel works through, in `out` or elsewhere.
///
/// # Panics
/// When a side buffer does not have one value per row.
pub(crate) fn each_row<T: Copy + Send, const N: usize, K: RowKernel<T, N>>(
    engine: &Engine,
    kernel: &K,
    width: usize,
    mut out: RowsMut<'_>,
    sides: [&mut [T]; N],
) {
    let (count, out_width) = (out.count(), out.width());
    for side in &sides {
        assert_eq!(side.len(), count, "one value per row");
    }
    let (out, sides) = (SharedMut::new(out.data()), sides.map(SharedMut::new));
    engine.share(count, count * width * K::COST, |_, rows| {
        engine.isa().run(EachRow { kernel, out, width: out_width, sides, rows });
    });
}

/// Calls [`each_row`] for a kernel without side buffers that works through the rows of `out`.
pub(crate) fn map_rows<K: RowKernel>(engine: &Engine, kernel: &K, out: RowsMut<'_>) {
    each_row(engine, kernel, out.width(), out, []);
}

/// Returns rows of width 0, for kernels that only fill side buffers.
pub(crate) fn no_rows<'a>(count: usize) -> RowsMut<'a> {
    RowsMut::new(&mut [], count, 0)
}

struct EachRow<'a, K, T, const N: usize> {
    kernel: &'a K,
    out: SharedMut<f32>,
    width: usize,
    sides: [SharedMut<T>; N],
    rows: Range<usize>,
}

impl<T: Copy, const N: usize, K: RowKernel<T, N>> Kernel for EachRow<'_, K, T, N> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let step = row_step(self.width);
        for i in self.rows {
            // SAFETY: `each_row` made the pointers from buffers with a row, or a value, for each `i` of the shares,
            // and each `i` belongs to one share.
            let (row, sides) = unsafe {
                let row = self.out.slice(i * step..i * step + self.width);
                (row, self.sides.each_ref().map(|side| &mut *side.ptr().add(i)))
            };
            self.kernel.row(s, i, row, sides);
        }
    }
}

/// Loads the vector that begins at `x[at]`; lanes past the end of `x` are zero.
#[inline(always)]
pub(crate) fn load<S: Simd>(s: S, x: &[f32], at: usize) -> S::F {
    let x = &x[at..];
    if x.len() >= S::LANES {
        // SAFETY: `x` holds at least LANES floats.
        return unsafe { s.load(x.as_ptr()) };
    }
    let mut slot = [0.0; SLOT];
    slot[..x.len()].copy_from_slice(x);
    // SAFETY: a slot has room for any vector.
    unsafe { s.load(slot.as_ptr()) }
}

/// Writes a vector to `x[at..]`, without the lanes past the end of `x`.
#[inline(always)]
pub(crate) fn store<S: Simd>(s: S, x: &mut [f32], at: usize, v: S::F) {
    let x = &mut x[at..];
    if x.len() >= S::LANES {
        // SAFETY: `x` has room for at least LANES floats.
        return unsafe { s.store(x.as_mut_ptr(), v) };
    }
    let slot = lanes(s, v);
    x.copy_from_slice(&slot[..x.len()]);
}

#[inline(always)]
fn lanes<S: Simd>(s: S, v: S::F) -> [f32; SLOT] {
    let mut slot = [0.0; SLOT];
    // SAFETY: a slot has room for any vector.
    unsafe { s.store(slot.as_mut_ptr(), v) };
    slot
}

/// Sums vectors in a fixed order.
///
/// Takes no closure: a closure that is not inlined would be compiled for the baseline processor.
pub(crate) struct Sum<S: Simd> {
    s: S,
    lanes: S::F,
    vectors: usize,
    total: f64,
}

impl<S: Simd> Sum<S> {
    #[inline(always)]
    pub(crate) fn new(s: S) -> Self {
        Self { s, lanes: s.splat(0.0), vectors: 0, total: 0.0 }
    }

    /// Adds the first `count` lanes of a vector, or all lanes if `count` is larger.
    #[inline(always)]
    pub(crate) fn add(&mut self, mut v: S::F, count: usize) {
        if count < S::LANES {
            v = load(self.s, &lanes(self.s, v)[..count], 0);
        }
        self.lanes = self.s.add(self.lanes, v);
        self.vectors += 1;
        if self.vectors == SUM_BLOCK {
            self.flush();
        }
    }

    #[inline(always)]
    fn flush(&mut self) {
        for lane in &lanes(self.s, self.lanes)[..S::LANES] {
            self.total += f64::from(*lane);
        }
        (self.lanes, self.vectors) = (self.s.splat(0.0), 0);
    }

    #[inline(always)]
    pub(crate) fn total(mut self) -> f64 {
        self.flush();
        self.total
    }
}

/// Returns the largest value of a row, ignoring NaN; −∞ if there is none.
#[inline(always)]
pub(crate) fn largest<S: Simd>(s: S, x: &[f32]) -> f32 {
    // Four chains, because a single one would wait for its own last comparison.
    let mut most = [s.splat(f32::NEG_INFINITY); 4];
    let mut chunks = x.chunks_exact(4 * S::LANES);
    for chunk in &mut chunks {
        for (j, most) in most.iter_mut().enumerate() {
            *most = s.max(load(s, chunk, j * S::LANES), *most);
        }
    }
    let most = s.max(s.max(most[0], most[1]), s.max(most[2], most[3]));
    let most = lanes(s, most);
    most[..S::LANES].iter().chain(chunks.remainder()).copied().fold(f32::NEG_INFINITY, f32::max)
}

/// Computes `y = act(y)` in place.
pub fn activate_rows(engine: &Engine, activation: Elementwise, y: RowsMut<'_>) {
    if activation != Elementwise::Linear {
        map_rows(engine, &Activate(activation), y);
    }
}

struct Activate(Elementwise);

impl RowKernel for Activate {
    const COST: usize = 20;
    #[inline(always)]
    fn row<S: Simd>(&self, s: S, _: usize, row: &mut [f32], _: [&mut (); 0]) {
        for at in (0..row.len()).step_by(S::LANES) {
            let y = math::activate(s, self.0, load(s, row, at));
            store(s, row, at, y);
        }
    }
}

/// Computes `d = d ⊙ act′` in place: turns the gradient of an activation's output `y` into that of its input.
///
/// # Panics
/// When the sizes differ.
pub fn activation_gradient(engine: &Engine, activation: Elementwise, y: Rows<'_>, d: RowsMut<'_>) {
    assert_eq!((y.count(), y.width()), (d.count(), d.width()), "output and gradient of an activation");
    if activation != Elementwise::Linear {
        let kernel = ActivationGradient { activation, y, dy: None, add: false };
        map_rows(engine, &kernel, d);
    }
}

/// Computes `dx = dy ⊙ act′`, or `dx += …` with `add`; `y` is the activation's output, `dy` its gradient.
///
/// # Panics
/// When the sizes differ.
pub fn activation_gradient_into(
    engine: &Engine,
    activation: Elementwise,
    y: Rows<'_>,
    dy: Rows<'_>,
    add: bool,
    dx: RowsMut<'_>,
) {
    assert_eq!((y.count(), y.width()), (dx.count(), dx.width()), "output and gradient of an activation");
    assert_eq!((dy.count(), dy.width()), (dx.count(), dx.width()), "gradients of an activation");
    let kernel = ActivationGradient { activation, y, dy: Some(dy), add };
    map_rows(engine, &kernel, dx);
}

struct ActivationGradient<'a> {
    activation: Elementwise,
    y: Rows<'a>,
    /// `None` stands for the row itself.
    dy: Option<Rows<'a>>,
    add: bool,
}

impl RowKernel for ActivationGradient<'_> {
    const COST: usize = 6;
    #[inline(always)]
    fn row<S: Simd>(&self, s: S, i: usize, row: &mut [f32], _: [&mut (); 0]) {
        let (y, dy) = (self.y.row(i), self.dy.map(|dy| dy.row(i)));
        for at in (0..row.len()).step_by(S::LANES) {
            let before = load(s, row, at);
            let d = match dy {
                Some(dy) => load(s, dy, at),
                None => before,
            };
            let d = math::derive(s, self.activation, load(s, y, at), d);
            store(s, row, at, if self.add { s.add(before, d) } else { d });
        }
    }
}

/// Computes `y += x`.
///
/// # Panics
/// When the sizes differ.
pub fn add_rows(engine: &Engine, x: Rows<'_>, y: RowsMut<'_>) {
    assert_eq!(x.width(), y.width(), "widths of a sum");
    copy_columns(engine, x, 0, true, y);
}

/// Computes `y = factor · y` in place.
pub fn scale_rows(engine: &Engine, factor: f32, y: RowsMut<'_>) {
    map_rows(engine, &Scale(factor), y);
}

struct Scale(f32);

impl RowKernel for Scale {
    const COST: usize = 1;
    #[inline(always)]
    fn row<S: Simd>(&self, _: S, _: usize, row: &mut [f32], _: [&mut (); 0]) {
        for y in row {
            *y *= self.0;
        }
    }
}

/// Computes `y = a ⊙ b`, or `y += a ⊙ b` with `add`.
///
/// # Panics
/// When the sizes differ.
pub fn multiply_rows(engine: &Engine, a: Rows<'_>, b: Rows<'_>, add: bool, y: RowsMut<'_>) {
    assert_eq!((a.count(), a.width()), (y.count(), y.width()), "left factor and product");
    assert_eq!((b.count(), b.width()), (y.count(), y.width()), "right factor and product");
    map_rows(engine, &Multiply { a, b, add }, y);
}

struct Multiply<'a> {
    a: Rows<'a>,
    b: Rows<'a>,
    add: bool,
}

impl RowKernel for Multiply<'_> {
    const COST: usize = 1;
    #[inline(always)]
    fn row<S: Simd>(&self, _: S, i: usize, row: &mut [f32], _: [&mut (); 0]) {
        let factors = self.a.row(i).iter().zip(self.b.row(i));
        if self.add {
            row.iter_mut().zip(factors).for_each(|(y, (a, b))| *y += a * b);
        } else {
            row.iter_mut().zip(factors).for_each(|(y, (a, b))| *y = a * b);
        }
    }
}

/// Copies `x` to the columns `first..first + x.width()` of `y`, or adds it to them with `add`. Other columns of `y`
/// are unchanged. `x` `(R, K)`, `y` `(R, C)`.
///
/// # Panics
/// When the sizes do not match.
pub fn copy_columns(engine: &Engine, x: Rows<'_>, first: usize, add: bool, y: RowsMut<'_>) {
    assert_eq!(x.count(), y.count(), "rows of a copy");
    assert!(
        first <= y.width() && x.width() <= y.width() - first,
        "{} columns from {first} on in rows of {}",
        x.width(),
        y.width()
    );
    copy(engine, CopyRows { x, index: None, from: 0, to: first, width: x.width(), add }, y);
}

/// Copies the columns `first..first + y.width()` of `x` to `y`, or adds them with `add`: the reverse of
/// [`copy_columns`]. `x` `(R, C)`, `y` `(R, K)`.
///
/// # Panics
/// When the sizes do not match.
pub fn take_columns(engine: &Engine, x: Rows<'_>, first: usize, add: bool, y: RowsMut<'_>) {
    assert_eq!(x.count(), y.count(), "rows of a copy");
    assert!(
        first <= x.width() && y.width() <= x.width() - first,
        "{} columns from {first} on in rows of {}",
        y.width(),
        x.width()
    );
    copy(engine, CopyRows { x, index: None, from: first, to: 0, width: y.width(), add }, y);
}

/// Computes `y[r] = x[index[r]]`, or `y[r] += …` with `add`. A row may be taken any number of times.
///
/// # Panics
/// When the sizes do not match, or an index is out of range.
pub fn permute_rows(engine: &Engine, index: &[u32], x: Rows<'_>, add: bool, y: RowsMut<'_>) {
    assert_eq!((index.len(), x.width()), (y.count(), y.width()), "index, rows and their copy");
    for (r, &i) in index.iter().enumerate() {
        assert!(
            (i as usize) < x.count(),
            "index {i} of row {r} is out of range: there are {} rows",
            x.count()
        );
    }
    copy(engine, CopyRows { x, index: Some(index), from: 0, to: 0, width: x.width(), add }, y);
}

fn copy(engine: &Engine, kernel: CopyRows<'_>, y: RowsMut<'_>) {
    each_row(engine, &kernel, kernel.width, y, []);
}

struct CopyRows<'a> {
    x: Rows<'a>,
    index: Option<&'a [u32]>,
    /// First column in `x`.
    from: usize,
    /// First column in the output.
    to: usize,
    width: usize,
    add: bool,
}

impl RowKernel for CopyRows<'_> {
    const COST: usize = 1;
    #[inline(always)]
    fn row<S: Simd>(&self, _: S, i: usize, row: &mut [f32], _: [&mut (); 0]) {
        let x = &self.x.row(self.index.map_or(i, |index| index[i] as usize))[self.from..][..self.width];
        let y = &mut row[self.to..][..self.width];
        if self.add {
            y.iter_mut().zip(x).for_each(|(y, x)| *y += x);
        } else {
            y.copy_from_slice(x);
        }
    }
}

/// Helpers shared by the tests of the row kernels.
#[cfg(test)]
pub(crate) mod testing {
    use crate::philox::Key;
    use crate::rows::row_step;
    use crate::{AlignedVec, Engine, Isa, Rows};

    /// Widths at and around the vector lengths.
    pub(crate) const WIDTHS: [usize; 8] = [0, 1, 15, 16, 17, 33, 64, 65];
    /// Row count and width that every kernel divides among threads, whatever its cost per element.
    pub(crate) const LARGE: (usize, usize) = (4099, 257);

    /// Sizes for a test: every width with a few rows, and one case that uses several threads.
    pub(crate) fn sizes() -> impl Iterator<Item = (usize, usize)> {
        WIDTHS.into_iter().map(|width| (5, width)).chain([(0, 7), LARGE])
    }

    /// Returns a deterministic source of random words, the same on every machine.
    pub(crate) fn words(seed: u64) -> impl FnMut() -> u32 {
        let key = Key { seed, purpose: 99, counter: 0 };
        let mut element = 0;
        move || {
            element += 1;
            key.word(element - 1)
        }
    }

    /// Returns floats in −size..size.
    pub(crate) fn floats(seed: u64, len: usize, size: f32) -> Vec<f32> {
        let mut words = words(seed);
        (0..len).map(|_| (words() as i32) as f32 / (1u32 << 31) as f32 * size).collect()
    }

    /// Lays out unpadded values as rows for a kernel, with NaN in the padding.
    pub(crate) fn padded(values: &[f32], count: usize, width: usize) -> AlignedVec {
        let mut buffer = AlignedVec::zeros(count * row_step(width));
        buffer.fill(f32::NAN);
        for (to, from) in
            buffer.chunks_exact_mut(row_step(width).max(1)).zip(values.chunks_exact(width.max(1)))
        {
            to[..width].copy_from_slice(from);
        }
        buffer
    }

    /// Returns the values of rows without padding.
    pub(crate) fn dense(buffer: &[f32], count: usize, width: usize) -> Vec<f32> {
        let rows = Rows::new(buffer, count, width);
        (0..count).flat_map(|r| rows.row(r)).copied().collect()
    }

    /// Runs on every instruction set with 1, 2 and 3 threads, checks that the number of threads does not change the
    /// bits, and passes each instruction set's result to `check`.
    pub(crate) fn stamped(run: impl Fn(&Engine) -> Vec<f32>, check: impl Fn(&[f32], Isa)) {
        for isa in Isa::available() {
            let alone = run(&Engine::new(isa, 1));
            check(&alone, isa);
            for threads in [2, 3] {
                let shared = run(&Engine::new(isa, threads));
                let same = alone.iter().zip(&shared).all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same && alone.len() == shared.len(), "{isa}: {threads} threads change the bits");
            }
        }
    }

    /// Compares with double precision: `|got − want| ≤ tolerance · max(1, |want|)`.
    pub(crate) fn assert_close(got: &[f32], want: &[f64], tolerance: f64, what: &str) {
        assert_eq!(got.len(), want.len(), "{what}");
        let error = |(got, want): (&f32, &f64)| {
            let error = (f64::from(*got) - want).abs() / want.abs().max(1.0);
            if error.is_nan() { f64::INFINITY } else { error }
        };
        let worst = got.iter().zip(want).enumerate().max_by(|a, b| error(a.1).total_cmp(&error(b.1)));
        if let Some((k, (got, want))) = worst {
            let error = error((got, want));
            assert!(error <= tolerance, "{what}: {got} for {want} at {k}, off by {error:e} > {tolerance:e}");
        }
    }

    pub(crate) fn doubles(x: &[f32]) -> Vec<f64> {
        x.iter().copied().map(f64::from).collect()
    }
}

#[cfg(test)]
mod tests;
