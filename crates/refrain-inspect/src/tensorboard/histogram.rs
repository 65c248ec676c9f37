//! Counting floats in buckets.

use super::proto::HistogramProto;

/// Sign, exponent and the first three bits of the mantissa: eight buckets per octave.
const BUCKETS: usize = 1 << 12;
const SHIFT: u32 = 32 - 12;

/// Floats counted in fixed buckets that grow with their distance from zero, eight to each power of two, so that
/// 1e-30 and 1e30 are distinguished as well as 1 and 2. (TensorFlow's own buckets grow by a tenth: seven to a power
/// of two.)
///
/// Non-finite values have no bucket: they are counted separately and are not in any of the sums.
#[derive(Clone)]
pub struct Histogram {
    /// Indexed by the first twelve bits of the float.
    counts: Box<[u64; BUCKETS]>,
    count: u64,
    not_finite: u64,
    min: f32,
    max: f32,
    sum: f64,
    sum_squares: f64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: Box::new([0; BUCKETS]),
            count: 0,
            not_finite: 0,
            min: f32::INFINITY,
            max: f32::NEG_INFINITY,
            sum: 0.0,
            sum_squares: 0.0,
        }
    }
}

impl Histogram {
    /// Creates an empty histogram.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the number of finite values.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the number of NaN and infinite values, which are not counted anywhere else.
    pub fn not_finite(&self) -> u64 {
        self.not_finite
    }

    /// Returns the smallest finite value.
    pub fn min(&self) -> Option<f32> {
        (self.count > 0).then_some(self.min)
    }

    /// Returns the largest finite value.
    pub fn max(&self) -> Option<f32> {
        (self.count > 0).then_some(self.max)
    }

    /// Returns the sum of the finite values.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// Returns the sum of the squares of the finite values.
    pub fn sum_squares(&self) -> f64 {
        self.sum_squares
    }

    /// Returns the message, with the buckets from the first to the last non-empty one; adjacent empty buckets are
    /// merged.
    pub(super) fn to_proto(&self) -> HistogramProto {
        let (mut bucket_limit, mut bucket) = (Vec::new(), Vec::new());
        let half = BUCKETS / 2;
        for i in (half..BUCKETS).rev().chain(0..half).filter(|&i| self.counts[i] > 0) {
            let (left, right) =
                if i < half { (edge(i), edge(i + 1)) } else { (-edge(i - half + 1), -edge(i - half)) };
            if bucket_limit.last().is_some_and(|&limit| limit < left) {
                bucket_limit.push(left);
                bucket.push(0.0);
            }
            bucket_limit.push(right);
            bucket.push(self.counts[i] as f64);
        }
        HistogramProto {
            min: self.min().unwrap_or(0.0).into(),
            max: self.max().unwrap_or(0.0).into(),
            num: self.count as f64,
            sum: self.sum,
            sum_squares: self.sum_squares,
            bucket_limit,
            bucket,
        }
    }
}

/// Returns the smallest magnitude in the `i`-th bucket from zero.
fn edge(i: usize) -> f64 {
    let edge = f32::from_bits((i as u32) << SHIFT);
    // After the last finite edge: 2^128.
    if edge.is_finite() { edge.into() } else { 2.0 * f64::from(f32::from_bits(0x7f00_0000)) }
}

impl Extend<f32> for Histogram {
    fn extend<I: IntoIterator<Item = f32>>(&mut self, values: I) {
        for value in values {
            if !value.is_finite() {
                self.not_finite += 1;
                continue;
            }
            self.counts[(value.to_bits() >> SHIFT) as usize] += 1;
            self.count += 1;
            self.min = self.min.min(value);
            self.max = self.max.max(value);
            let value = f64::from(value);
            self.sum += value;
            self.sum_squares += value * value;
        }
    }
}

impl FromIterator<f32> for Histogram {
    fn from_iter<I: IntoIterator<Item = f32>>(values: I) -> Self {
        let mut histogram = Self::new();
        histogram.extend(values);
        histogram
    }
}

impl std::fmt::Debug for Histogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { count, not_finite, min, max, .. } = self;
        write!(f, "Histogram({count} values from {min} to {max}, {not_finite} not finite)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the number of values in each bucket, counted one at a time.
    fn counted(values: &[f32], proto: &HistogramProto) -> Vec<f64> {
        let mut counts = vec![0.0; proto.bucket.len()];
        for &value in values.iter().filter(|v| v.is_finite()) {
            let value = f64::from(value);
            // An edge belongs to the bucket after it, seen from zero.
            let inside = |i: usize| {
                let (left, right) = (
                    i.checked_sub(1).map_or(f64::NEG_INFINITY, |i| proto.bucket_limit[i]),
                    proto.bucket_limit[i],
                );
                if value < 0.0 || value == 0.0 && value.is_sign_negative() {
                    left < value && value <= right
                } else {
                    left <= value && value < right
                }
            };
            let bucket = (0..counts.len()).find(|&i| inside(i)).expect("a bucket");
            counts[bucket] += 1.0;
        }
        counts
    }

    #[test]
    fn every_value_is_in_its_bucket() {
        let mut values =
            vec![0.0, -0.0, 1.0, 1.124_999_9, 1.125, -1.0, -1.125, f32::MAX, f32::MIN, 1e-45, -1e-45];
        values.extend([f32::MIN_POSITIVE, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-12, 1e20]);
        values.extend((0..1000).map(|i| (i as f32 * 0.37).sin() * 10f32.powi(i % 9 - 4)));
        for values in [&values[..], &values[..1], &values[2..3], &values[5..7], &values[14..], &[]] {
            let histogram: Histogram = values.iter().copied().collect();
            let proto = histogram.to_proto();
            assert_eq!(proto.bucket, counted(values, &proto));
            assert!(proto.bucket_limit.is_sorted_by(|a, b| a < b), "{:?}", proto.bucket_limit);
            assert!(proto.bucket_limit.iter().all(|limit| limit.is_finite()));
            let finite: Vec<f64> = values.iter().filter(|v| v.is_finite()).map(|&v| v.into()).collect();
            assert_eq!(proto.num, finite.len() as f64);
            assert_eq!(histogram.not_finite(), (values.len() - finite.len()) as u64);
            assert_eq!(proto.sum, finite.iter().fold(0.0, |sum, v| sum + v));
            assert_eq!(proto.sum_squares, finite.iter().fold(0.0, |sum, v| sum + v * v));
            assert_eq!(proto.min, finite.iter().copied().reduce(f64::min).unwrap_or(0.0));
            assert_eq!(proto.max, finite.iter().copied().reduce(f64::max).unwrap_or(0.0));
        }
    }

    #[test]
    fn neighbouring_empty_buckets_are_merged() {
        let proto = [-2.0, 1.0, 1.2].into_iter().collect::<Histogram>().to_proto();
        assert_eq!(proto.bucket_limit, [-2.0, 1.0, 1.125, 1.25]);
        assert_eq!(proto.bucket, [1.0, 0.0, 1.0, 1.0]);
    }

    #[test]
    fn values_of_several_calls_add_up() {
        let mut parts = Histogram::new();
        parts.extend([1.0, f32::NAN]);
        parts.extend([-3.0]);
        assert_eq!(
            (parts.count(), parts.not_finite(), parts.min(), parts.max()),
            (2, 1, Some(-3.0), Some(1.0))
        );
        assert_eq!((parts.sum(), parts.sum_squares()), (-2.0, 10.0));
        assert_eq!((Histogram::new().min(), Histogram::new().max()), (None, None));
    }
}
