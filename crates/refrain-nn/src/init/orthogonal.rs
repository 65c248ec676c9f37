//! The orthonormal factor of a random matrix.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// The number of columns orthogonalised together, so that each earlier column is read once for all of them.
const PANEL: usize = 8;

/// Fills `(rows, columns)`, row-major, with `gain` times the Q of ONE QR decomposition of a normal matrix of
/// size `(max, min)`. Signs are chosen so that R's diagonal is positive. If there are fewer rows than
/// columns, Q is transposed.
///
/// Gram–Schmidt in f64, with each panel done twice, which leaves Q orthonormal up to rounding. The diagonal
/// of its R holds the norms, which are positive, so no sign needs correcting.
pub(super) fn fill(values: &mut [f32], rows: usize, columns: usize, gain: f64, rng: &mut ChaCha8Rng) {
    let (long, short) = (rows.max(columns), rows.min(columns));
    // Stored column by column. The matrix is drawn row by row, in Keras's layout.
    let mut q = vec![0.0_f64; long * short];
    for row in 0..long {
        for column in 0..short {
            q[column * long + row] = rng.sample(StandardNormal);
        }
    }
    orthonormalize(&mut q, long);
    if rows < columns {
        for (value, q) in values.iter_mut().zip(&q) {
            *value = (gain * q) as f32;
        }
    } else {
        for (row, values) in values.chunks_exact_mut(columns.max(1)).enumerate() {
            for (column, value) in values.iter_mut().enumerate() {
                *value = (gain * q[column * long + row]) as f32;
            }
        }
    }
}

/// Orthonormalises the columns of `q`, each of `long` numbers, from first to last.
fn orthonormalize(q: &mut [f64], long: usize) {
    if q.is_empty() {
        return;
    }
    for start in (0..q.len()).step_by(PANEL * long) {
        let (done, rest) = q.split_at_mut(start);
        let end = rest.len().min(PANEL * long);
        let panel = &mut rest[..end];
        for _pass in 0..2 {
            for earlier in done.chunks_exact(long) {
                for column in panel.chunks_exact_mut(long) {
                    remove(column, earlier);
                }
            }
            for i in 0..panel.len() / long {
                let (earlier, column) = panel.split_at_mut(i * long);
                let column = &mut column[..long];
                for earlier in earlier.chunks_exact(long) {
                    remove(column, earlier);
                }
                let norm = dot(column, column).sqrt();
                column.iter_mut().for_each(|x| *x /= norm);
            }
        }
    }
}

/// Subtracts from `column` its component along the unit vector `direction`.
fn remove(column: &mut [f64], direction: &[f64]) {
    let part = dot(column, direction);
    for (x, d) in column.iter_mut().zip(direction) {
        *x -= part * d;
    }
}

/// Uses eight partial sums, so that the compiler can vectorise.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a8.remainder().iter().zip(b8.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a8.zip(b8) {
        for i in 0..8 {
            sums[i] += x[i] * y[i];
        }
    }
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    /// Absolute tolerance for each entry of the Gram matrix of unit vectors of length up to 128, rounded to
    /// f32.
    const ORTHONORMAL_F32: f64 = 1e-6;
    /// The same before rounding to f32.
    const ORTHONORMAL_F64: f64 = 1e-14;
    /// Absolute tolerance for A against Q·R with R = Qᵀ·A, for entries of a few units.
    const FACTOR: f64 = 1e-12;

    fn drawn(rows: usize, columns: usize, gain: f64) -> Vec<f32> {
        let mut values = vec![f32::NAN; rows * columns];
        fill(&mut values, rows, columns, gain, &mut ChaCha8Rng::seed_from_u64(7));
        values
    }

    #[test]
    fn rows_or_columns_of_the_whole_matrix_are_orthonormal() {
        for (rows, columns) in [(1, 1), (5, 5), (32, 128), (128, 32), (33, 9), (9, 33), (1, 4), (4, 1)] {
            for gain in [1.0, 2.5] {
                let m = drawn(rows, columns, gain);
                let at = |i: usize, k: usize| match rows < columns {
                    true => m[i * columns + k] as f64,
                    false => m[k * columns + i] as f64,
                };
                let (long, short) = (rows.max(columns), rows.min(columns));
                for i in 0..short {
                    for j in 0..short {
                        let product: f64 =
                            (0..long).map(|k| at(i, k) * at(j, k)).sum::<f64>() / (gain * gain);
                        let error = (product - f64::from(u8::from(i == j))).abs();
                        assert!(error < ORTHONORMAL_F32, "({rows}, {columns}) {i} {j}: {error}");
                    }
                }
            }
        }
    }

    /// Q is the unique factor of A for which R = Qᵀ·A is upper triangular with a positive diagonal.
    #[test]
    fn it_is_one_qr_with_a_positive_diagonal() {
        let (long, short) = (40, 21);
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let a: Vec<f64> = (0..long * short).map(|_| rng.sample(StandardNormal)).collect();
        let mut q = a.clone();
        orthonormalize(&mut q, long);
        let column = |m: &'_ [f64], i: usize| m[i * long..(i + 1) * long].to_vec();
        for i in 0..short {
            for j in 0..short {
                let gram = dot(&column(&q, i), &column(&q, j));
                assert!((gram - f64::from(u8::from(i == j))).abs() < ORTHONORMAL_F64, "{i} {j} {gram}");
                let r = dot(&column(&q, i), &column(&a, j));
                if i == j {
                    assert!(r > 0.0, "{i}: {r}");
                } else if i > j {
                    assert!(r.abs() < FACTOR, "{i} {j}: {r}");
                }
            }
        }
        for (j, want) in a.chunks_exact(long).enumerate() {
            for (k, want) in want.iter().enumerate() {
                let got: f64 = (0..=j).map(|i| q[i * long + k] * dot(&column(&q, i), &column(&a, j))).sum();
                assert!((got - want).abs() < FACTOR, "{j} {k}: {got} {want}");
            }
        }
    }

    /// Columns that differ by one part in ten million: a single pass would leave products of 1e-9.
    #[test]
    fn nearly_parallel_columns_become_orthonormal() {
        let (long, short) = (50, 20);
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let mut draw = || -> f64 { rng.sample(StandardNormal) };
        let common: Vec<f64> = (0..long).map(|_| draw()).collect();
        let mut q: Vec<f64> = (0..long * short).map(|i| common[i % long] + 1e-7 * draw()).collect();
        orthonormalize(&mut q, long);
        for (i, a) in q.chunks_exact(long).enumerate() {
            for (j, b) in q.chunks_exact(long).enumerate() {
                let error = (dot(a, b) - f64::from(u8::from(i == j))).abs();
                assert!(error < ORTHONORMAL_F64, "{i} {j}: {error}");
            }
        }
    }

    /// Both signs occur: a factor whose signs are fixed by the algorithm would not be uniform.
    #[test]
    fn a_single_entry_has_both_signs() {
        let sign = |seed| {
            let mut value = [0.0];
            fill(&mut value, 1, 1, 1.0, &mut ChaCha8Rng::seed_from_u64(seed));
            assert_eq!(value[0].abs(), 1.0);
            value[0] > 0.0
        };
        let positive = (0..100).filter(|&s| sign(s)).count();
        assert!((25..=75).contains(&positive), "{positive} of 100");
    }

    #[test]
    fn an_empty_matrix_stays_empty() {
        assert!(drawn(0, 4, 1.0).is_empty());
        assert!(drawn(4, 0, 1.0).is_empty());
    }
}
