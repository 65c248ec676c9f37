//! A run's batches in bounded memory.

/// Maximum points kept, more than a picture has room for.
const MAX_POINTS: usize = 1024;

/// The values of a batch that are drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Point {
    /// The number of the batch in the run, from 1.
    pub(super) batch: f64,
    pub(super) loss: f64,
    pub(super) learning_rate: f64,
    pub(super) gradient_norm: f64,
}

impl Point {
    fn map(self, other: Self, f: impl Fn(f64, f64) -> f64) -> Self {
        Self {
            batch: f(self.batch, other.batch),
            loss: f(self.loss, other.loss),
            learning_rate: f(self.learning_rate, other.learning_rate),
            gradient_norm: f(self.gradient_norm, other.gradient_norm),
        }
    }
}

/// A curve of at most [`MAX_POINTS`] points, each the mean of as many neighbouring batches as that takes.
#[derive(Debug, Clone)]
pub(super) struct Curve {
    points: Vec<Point>,
    /// Batches per point.
    stride: usize,
    sum: Point,
    summed: usize,
}

impl Default for Curve {
    fn default() -> Self {
        Self { points: Vec::new(), stride: 1, sum: Point::default(), summed: 0 }
    }
}

impl Curve {
    pub(super) fn add(&mut self, point: Point) {
        self.sum = self.sum.map(point, |a, b| a + b);
        self.summed += 1;
        if self.summed < self.stride {
            return;
        }
        self.points.extend(self.rest());
        (self.sum, self.summed) = (Point::default(), 0);
        if self.points.len() == MAX_POINTS {
            self.points = self.points.chunks(2).map(|two| two[0].map(two[1], |a, b| (a + b) / 2.0)).collect();
            self.stride *= 2;
        }
    }

    /// Returns the mean of the batches that do not make up a point yet.
    fn rest(&self) -> Option<Point> {
        let n = self.summed as f64;
        (self.summed > 0).then(|| self.sum.map(self.sum, |sum, _| sum / n))
    }

    /// Returns all points, including one for the batches at the end.
    pub(super) fn points(&self) -> impl Iterator<Item = Point> {
        self.points.iter().copied().chain(self.rest())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_takes_bounded_memory_however_long_the_run() {
        for batches in [0, 1, MAX_POINTS - 1, MAX_POINTS, 5 * MAX_POINTS + 3, 1_000_000] {
            let mut curve = Curve::default();
            for batch in 1..=batches {
                let x = batch as f64;
                curve.add(Point { batch: x, loss: 3.0 * x, learning_rate: 1.0, gradient_norm: -x });
            }
            let points: Vec<_> = curve.points().collect();
            assert!(
                points.len() <= MAX_POINTS && points.len() >= batches.min(MAX_POINTS / 2),
                "{}",
                points.len()
            );
            assert!(points.is_sorted_by(|a, b| a.batch < b.batch));
            // Means of a straight line lie on it.
            for point in &points {
                let difference =
                    (point.loss - 3.0 * point.batch).abs() + (point.gradient_norm + point.batch).abs();
                assert!(difference <= 1e-9 * point.loss && point.learning_rate == 1.0, "{point:?}");
            }
            let total: f64 = curve.points.iter().map(|p| p.batch * curve.stride as f64).sum();
            let exact = (batches * (batches + 1)) as f64 / 2.0;
            assert!((total + curve.sum.batch - exact).abs() <= 1e-9 * exact, "no batch is lost");
        }
    }
}
