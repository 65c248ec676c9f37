//! How well the order of some numbers follows others: ranks, AUC and correlations.

/// Computes centred ranks: equal values share their mean rank, the overall mean rank is subtracted, and the result
/// is divided by the number of values, so that each is between -½ and ½. Returns their norm, 0 if all values are
/// equal; `None` if one is not finite.
pub(super) fn centred_ranks(values: &[f32], order: &mut Vec<u64>, ranks: &mut [f32]) -> Option<f64> {
    if values.iter().any(|x| !x.is_finite()) {
        return None;
    }
    order.clear();
    order.extend(values.iter().enumerate().map(|(i, &x)| (u64::from(ordered(x)) << 32) | i as u64));
    order.sort_unstable();
    let (n, mut at, mut square) = (values.len() as f64, 0, 0.0);
    for ties in order.chunk_by(|a, b| a >> 32 == b >> 32) {
        let rank = (at as f64 + (ties.len() as f64 - 1.0) / 2.0 - (n - 1.0) / 2.0) / n;
        for &key in ties {
            ranks[key as u32 as usize] = rank as f32;
        }
        square += rank * rank * ties.len() as f64;
        at += ties.len();
    }
    Some(square.sqrt())
}

/// Returns bits that sort like the numbers; both zeros have the same bits.
fn ordered(x: f32) -> u32 {
    // -0 + 0 = 0.
    let bits = (x + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | (1 << 31) }
}

/// Returns the probability that a value whose label is above ½ is larger than one whose label is not, with ties
/// counted as half (Mann & Whitney 1947): ½ is no relation, 1 a perfect one. `None` if one of the two classes is
/// missing.
pub fn auc(values: &[f32], labels: &[f32]) -> Option<f64> {
    let mut ranks = vec![0.0; values.len()];
    centred_ranks(values, &mut Vec::new(), &mut ranks)?;
    let positives = labels.iter().filter(|&&label| label > 0.5).count();
    let negatives = labels.len() - positives;
    if positives == 0 || negatives == 0 {
        return None;
    }
    let sum: f64 =
        ranks.iter().zip(labels).filter(|(_, label)| **label > 0.5).map(|(r, _)| f64::from(*r)).sum();
    Some(0.5 + sum * values.len() as f64 / (positives as f64 * negatives as f64))
}

/// Returns Pearson's correlation; `None` if one of the two does not vary.
pub fn pearson(a: &[f32], b: &[f32]) -> Option<f64> {
    let n = a.len().max(1) as f64;
    let mean = |x: &[f32]| x.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
    let (ma, mb) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (&x, &y) in a.iter().zip(b) {
        let (x, y) = (f64::from(x) - ma, f64::from(y) - mb);
        (ab, aa, bb) = (ab + x * y, aa + x * x, bb + y * y);
    }
    let r = ab / (aa.sqrt() * bb.sqrt());
    r.is_finite().then_some(r)
}

/// Returns Spearman's correlation: Pearson's correlation of the ranks.
pub fn spearman(a: &[f32], b: &[f32]) -> Option<f64> {
    let (mut ra, mut rb, mut order) = (vec![0.0; a.len()], vec![0.0; b.len()], Vec::new());
    centred_ranks(a, &mut order, &mut ra)?;
    centred_ranks(b, &mut order, &mut rb)?;
    pearson(&ra, &rb)
}

/// A classification rule: the feature is present if `sign` times the value is above `sign · threshold`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Threshold {
    pub(super) at: f32,
    pub(super) sign: f32,
}

impl Threshold {
    /// Returns the rule with the best balanced accuracy for a direction.
    pub(super) fn best(values: &[f32], labels: &[f32], sign: f32) -> Self {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&a, &b| (sign * values[b]).total_cmp(&(sign * values[a])));
        let positives = labels.iter().filter(|&&label| label > 0.5).count() as f64;
        let negatives = labels.len() as f64 - positives;
        let (mut hits, mut alarms) = (0.0, 0.0);
        let mut best = (f64::NEG_INFINITY, f32::INFINITY * sign);
        for (i, &at) in order.iter().enumerate() {
            if labels[at] > 0.5 {
                hits += 1.0
            } else {
                alarms += 1.0
            }
            let next = order.get(i + 1).map(|&next| values[next]);
            if next == Some(values[at]) {
                continue;
            }
            let gain = hits / positives - alarms / negatives;
            if gain > best.0 {
                best = (gain, next.map_or(values[at] - sign, |next| f32::midpoint(values[at], next)));
            }
        }
        Self { at: best.1, sign }
    }

    /// Returns the balanced accuracy, the mean recall of both classes: ½ is guessing.
    pub(super) fn balanced_accuracy(&self, values: &[f32], labels: &[f32]) -> f64 {
        let mut right = [0.0; 2];
        let mut all = [0.0; 2];
        for (&value, &label) in values.iter().zip(labels) {
            let (is, said) = (label > 0.5, self.sign * value > self.sign * self.at);
            all[usize::from(is)] += 1.0;
            right[usize::from(is)] += if is == said { 1.0 } else { 0.0 };
        }
        (right[0] / all[0] + right[1] / all[1]) / 2.0
    }
}
