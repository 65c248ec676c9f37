//! A time budget for logging.

use std::time::{Duration, Instant};

/// One kind of log may take one part in this many of the run's time.
const SHARE: u32 = 100;

/// The time spent on something other than training.
#[derive(Debug)]
pub(super) struct Budget {
    begun: Instant,
    spent: Duration,
    last: Duration,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self { begun: Instant::now(), spent: Duration::ZERO, last: Duration::ZERO }
    }

    /// Returns whether one more, at the cost of the last one, stays within the budget. The first one always does.
    pub(super) fn allows(&self) -> bool {
        self.allows_after(self.begun.elapsed())
    }

    fn allows_after(&self, elapsed: Duration) -> bool {
        self.last.is_zero() || (self.spent + self.last) * SHARE <= elapsed
    }

    /// Runs `work` and adds its time.
    pub(super) fn spend<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let result = work();
        self.add(begun.elapsed());
        result
    }

    fn add(&mut self, time: Duration) {
        self.last = time;
        self.spent += time;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_below_one_percent() {
        let mut budget = Budget::new();
        let (mut spent, mut looks) = (0, 0);
        for ms in 0..100_000 {
            if budget.allows_after(Duration::from_millis(ms)) {
                let cost = if looks % 2 == 0 { 3 } else { 7 };
                budget.add(Duration::from_millis(cost));
                (spent, looks) = (spent + cost, looks + 1);
                // An estimate from the last cost is off by at most 4 ms.
                assert!(looks == 1 || spent <= ms / 100 + 4, "{spent} of {ms}");
            }
        }
        assert!(spent > 990, "the budget is used: {spent}");
    }
}
