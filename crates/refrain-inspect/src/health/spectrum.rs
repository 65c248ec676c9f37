//! How a square matrix scales vectors, once or repeatedly.

use ndarray::{Array1, Array2};

/// The relative width of the bracket at which the spectral radius is accepted; the error is half of it.
pub(super) const RADIUS: f64 = 1e-3;
/// The maximum number of squarings: for a Jordan block of size 2, the bracket is then 2e-4 wide.
const SQUARINGS: u32 = 17;
/// The relative change at which the largest singular value is accepted.
const SINGULAR: f64 = 1e-6;
/// The maximum number of steps of that iteration.
const STEPS: usize = 500;

/// Returns the largest absolute eigenvalue, complex ones included, within half of [`RADIUS`] if that can be
/// reached; `None` for a matrix that is not finite.
///
/// Uses Gelfand's formula on repeated squares: `|tr Aᵐ| / n ≤ ρᵐ ≤ ‖Aᵐ‖`, so both roots converge to ρ. A power
/// iteration on a vector would not converge if the largest eigenvalues are a complex pair.
pub(super) fn spectral_radius(matrix: &Array2<f64>) -> Option<f64> {
    let norm = |a: &Array2<f64>| a.iter().map(|x| x * x).sum::<f64>().sqrt();
    let (n, size) = (matrix.nrows() as f64, norm(matrix));
    if !size.is_finite() {
        return None;
    }
    if size == 0.0 {
        return Some(0.0);
    }
    // The power of the matrix is `e^log · power`, where `power` has norm 1.
    let (mut power, mut log, mut exponent) = (matrix / size, size.ln(), 1.0);
    let (mut low, mut high): (f64, f64) = (0.0, size);
    for _ in 0..SQUARINGS {
        power = power.dot(&power);
        exponent *= 2.0;
        let size = norm(&power);
        if size == 0.0 {
            return Some(0.0);
        }
        log = 2.0 * log + size.ln();
        power /= size;
        high = high.min((log / exponent).exp());
        let trace = power.diag().sum().abs() / n;
        low = low.max(((log + trace.ln()) / exponent).exp());
        if high - low <= RADIUS * high {
            break;
        }
    }
    Some(if low > 0.0 && high - low <= 2.0 * RADIUS * high { f64::midpoint(low, high) } else { high })
}

/// Returns the largest singular value, the largest factor by which a vector grows; `None` for a matrix that is not
/// finite.
pub(super) fn largest_singular_value(matrix: &Array2<f64>) -> Option<f64> {
    if matrix.iter().any(|x| !x.is_finite()) {
        return None;
    }
    let n = matrix.ncols();
    // No singular vector of an ordinary matrix is orthogonal to this one.
    let mut vector = Array1::from_iter((0..n).map(|i| 1.0 + ((i * 7919 + 13) % 101) as f64 / 101.0));
    let length = |v: &Array1<f64>| v.dot(v).sqrt();
    let mut last = 0.0;
    for _ in 0..STEPS {
        vector /= length(&vector);
        let image = matrix.dot(&vector);
        let value = length(&image);
        if value == 0.0 {
            return Some(0.0);
        }
        if (value - last).abs() <= SINGULAR * value {
            return Some(value);
        }
        last = value;
        vector = matrix.t().dot(&image);
    }
    Some(last)
}
