//! Runs that need more memory than they may take, and what would make them fit.

use refrain_nn::{Bytes, Memory};
use std::fmt;

/// A run needs more memory than it may take.
#[derive(Debug, Clone, PartialEq)]
pub struct TooMuchMemory {
    /// What it needs.
    pub need: Memory,
    /// What it may take.
    pub limit: u64,
    /// Settings that fit, each alone; where none does, several that do so together; none where nothing helps.
    pub ways: Vec<LessMemory>,
    /// Whether only all of `ways` together fit.
    pub together: bool,
    /// What the smallest of the settings that were tried would need.
    pub least: u64,
}

/// A setting that lowers what a run needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LessMemory {
    /// The option's name.
    pub option: &'static str,
    /// The value it would have.
    pub value: usize,
    /// What the run would need with it; of several together with all of them.
    pub bytes: u64,
}

impl fmt::Display for TooMuchMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tell(f, "")
    }
}

impl TooMuchMemory {
    /// What it says, with `prefix` before each option's name: `--` for a command line.
    pub fn told(&self, prefix: &str) -> String {
        struct Told<'a>(&'a TooMuchMemory, &'a str);
        impl fmt::Display for Told<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.tell(f, self.1)
            }
        }
        Told(self, prefix).to_string()
    }

    fn tell(&self, f: &mut fmt::Formatter<'_>, prefix: &str) -> fmt::Result {
        write!(f, "the run needs {}, and may take {}", self.need, Bytes(self.limit))?;
        if self.ways.is_empty() {
            return write!(f, "; the least that options could lower it to is {}", Bytes(self.least));
        }
        for (i, LessMemory { option, value, bytes }) in self.ways.iter().enumerate() {
            let before = if i == 0 {
                "; "
            } else if self.together {
                " "
            } else {
                ", "
            };
            write!(f, "{before}`{prefix}{option} {value}`")?;
            if !self.together {
                write!(f, " would need {}", Bytes(*bytes))?;
            }
        }
        match self.ways.first().filter(|_| self.together) {
            Some(way) => write!(f, " together would need {}", Bytes(way.bytes)),
            None => Ok(()),
        }
    }
}

/// A number that a recipe may have smaller.
pub(crate) struct Knob<R> {
    pub(crate) option: &'static str,
    /// What it is now.
    pub(crate) value: usize,
    /// What it is at least.
    pub(crate) least: usize,
    pub(crate) set: fn(&mut R, usize),
}

/// Checks what a run needs against what it may take.
///
/// # Errors
/// What it needs, with values of `knobs` that fit, if it may not take it; errors of `memory` of the recipe itself.
pub(crate) fn check<R: Clone>(
    recipe: &R,
    limit: Option<u64>,
    knobs: &[Knob<R>],
    memory: impl Fn(&R) -> crate::Result<Memory>,
) -> crate::Result<Memory> {
    let need = memory(recipe)?;
    let Some(limit) = limit.filter(|&limit| need.total() > limit) else { return Ok(need) };
    let total = |recipe: &R| memory(recipe).map_or(u64::MAX, |memory| memory.total());
    let ways: Vec<_> = knobs.iter().filter_map(|knob| alone(recipe, limit, knob, &total)).collect();
    if !ways.is_empty() {
        return Err(TooMuchMemory { need, limit, ways, together: false, least: limit }.into());
    }
    let mut least = u64::MAX;
    let mut halvings = 0;
    loop {
        halvings += 1;
        let mut smaller = recipe.clone();
        let values = knobs.iter().map(|knob| (knob.value >> halvings).max(knob.least.min(knob.value)));
        let values: Vec<_> = values.collect();
        knobs.iter().zip(&values).for_each(|(knob, &value)| (knob.set)(&mut smaller, value));
        let bytes = total(&smaller);
        least = least.min(bytes);
        if bytes <= limit {
            let changed = knobs.iter().zip(values).filter(|(knob, value)| *value < knob.value);
            let ways =
                changed.map(|(knob, value)| LessMemory { option: knob.option, value, bytes }).collect();
            return Err(TooMuchMemory { need, limit, ways, together: true, least }.into());
        }
        if halvings == usize::BITS - 1 || knobs.iter().zip(&values).all(|(knob, value)| *value <= knob.least)
        {
            return Err(TooMuchMemory { need, limit, ways: Vec::new(), together: false, least }.into());
        }
    }
}

/// The largest halving of one number that fits.
fn alone<R: Clone>(recipe: &R, limit: u64, knob: &Knob<R>, total: &impl Fn(&R) -> u64) -> Option<LessMemory> {
    let mut value = knob.value;
    while value > knob.least {
        value = (value / 2).max(knob.least);
        let mut smaller = recipe.clone();
        (knob.set)(&mut smaller, value);
        let bytes = total(&smaller);
        if bytes <= limit {
            return Some(LessMemory { option: knob.option, value, bytes });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    /// Needs 10 bytes for each unit and each lane of each step, and 7 for itself.
    #[derive(Debug, Clone)]
    struct Recipe {
        units: usize,
        lanes: usize,
        steps: usize,
    }

    fn checked(limit: Option<u64>) -> Result<u64, TooMuchMemory> {
        let recipe = Recipe { units: 100, lanes: 20, steps: 10 };
        let knobs: [Knob<Recipe>; 3] = [
            Knob { option: "units", value: 100, least: 30, set: |r, n| r.units = n },
            Knob { option: "lanes", value: 20, least: 1, set: |r, n| r.lanes = n },
            Knob { option: "steps", value: 10, least: 4, set: |r, n| r.steps = n },
        ];
        let memory = |r: &Recipe| {
            let (units, rows) = (r.units as u64, (r.lanes * r.steps) as u64);
            Ok(Memory::default().with("units", 10 * units).with("rows", 10 * rows).with("rest", 7))
        };
        match check(&recipe, limit, &knobs, memory) {
            Ok(memory) => Ok(memory.total()),
            Err(Error::Memory(much)) => Err(*much),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn what_fits_passes_to_the_byte() {
        assert_eq!(checked(None), Ok(3_007));
        assert_eq!(checked(Some(3_007)), Ok(3_007));
        assert_eq!(checked(Some(3_006)).unwrap_err().need.total(), 3_007);
    }

    #[test]
    fn each_option_that_helps_alone_is_told_at_its_largest_halving() {
        let told = |limit| checked(Some(limit)).unwrap_err().to_string();
        assert_eq!(
            told(2_600),
            "the run needs 3.0 kB (rows 2.0 kB, units 1.0 kB, rest 7 B), and may take 2.6 kB; `units 50` would need \
             2.5 kB, `lanes 10` would need 2.0 kB, `steps 5` would need 2.0 kB"
        );
        assert_eq!(
            checked(Some(1_300)).unwrap_err().told("--"),
            "the run needs 3.0 kB (rows 2.0 kB, units 1.0 kB, rest 7 B), and may take 1.3 kB; `--lanes 2` would need \
             1.2 kB"
        );
    }

    #[test]
    fn where_none_helps_alone_all_are_lowered_together() {
        let much = checked(Some(800)).unwrap_err();
        let told = "`--units 30` `--lanes 5` `--steps 4` together would need 507 B";
        assert!(much.together && much.told("--").ends_with(told), "{}", much.told("--"));
    }

    #[test]
    fn nothing_is_suggested_that_does_not_fit() {
        // The least is 300 for units, 40 for a lane of four steps, and 7.
        let much = checked(Some(346)).unwrap_err();
        assert_eq!((much.ways.len(), much.least), (0, 347));
        assert!(much.to_string().ends_with("; the least that options could lower it to is 347 B"), "{much}");
        assert_eq!(checked(Some(347)).unwrap_err().ways.len(), 3);
    }
}
