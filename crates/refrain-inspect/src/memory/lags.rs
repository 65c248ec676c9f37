//! The lags that are tested.

use super::OutputMove;

/// All lags up to this one are tested.
const ALL: usize = 8;
/// The growth factor from one lag to the next after that.
const GROWTH: f64 = 1.35;

/// Returns all small lags, then growing ones up to the last of this many steps, in ascending order.
pub(super) fn coarse(steps: usize) -> Vec<usize> {
    let Some(last) = steps.checked_sub(1) else { return Vec::new() };
    let mut lags: Vec<usize> = (0..=ALL.min(last)).collect();
    let mut at = ALL as f64;
    while lags.last().is_some_and(|&lag| lag < last) {
        at *= GROWTH;
        lags.push((at as usize).min(last));
    }
    lags
}

/// Returns the lag halfway between the last remembered one and the next; `None` if they are adjacent, or if one of
/// them does not exist.
pub(super) fn between(curve: &[OutputMove], remembered: impl Fn(&OutputMove) -> bool) -> Option<usize> {
    let last = curve.iter().rposition(remembered)?;
    let (from, to) = (curve[last].lag, curve.get(last + 1)?.lag);
    (to - from > 1).then_some((from + to) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lags_ascend_to_the_last() {
        assert_eq!(coarse(0), Vec::<usize>::new());
        assert_eq!(coarse(1), [0]);
        assert_eq!(coarse(5), [0, 1, 2, 3, 4]);
        for steps in [9, 10, 11, 57, 200, 5000] {
            let lags = coarse(steps);
            assert!(lags.windows(2).all(|pair| pair[0] < pair[1]), "{lags:?}");
            assert_eq!((lags[0], lags[lags.len() - 1]), (0, steps - 1));
        }
    }

    #[test]
    fn the_middle_is_between_the_last_remembered_and_the_next() {
        let of = |lag, moved| OutputMove { lag, moved, relative: 0.0, sequences: 1 };
        let remembered = |of: &OutputMove| of.moved > 0.5;
        let curve = [of(0, 1.0), of(1, 0.0), of(2, 1.0), of(10, 0.0)];
        assert_eq!(between(&curve, remembered), Some(6));
        assert_eq!(between(&curve[..3], remembered), None, "as far as it goes");
        assert_eq!(between(&[of(0, 1.0), of(1, 0.0)], remembered), None, "neighbours");
        assert_eq!(between(&[of(0, 0.0)], remembered), None);
    }
}
