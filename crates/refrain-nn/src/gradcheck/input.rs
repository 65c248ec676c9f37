//! The inputs of a layer under test.

use super::noise::{INPUTS, noise};
use crate::error::Error;
use crate::graph::Kind;

/// One input of a layer under test, in the caller's order: sequences of any lengths, or one row per sequence.
#[derive(Debug, Clone)]
pub struct Input {
    pub(super) values: Values,
    /// One flag per step; `None` if every step is real.
    pub(super) mask: Option<Vec<Vec<bool>>>,
    /// Whether the values are drawn later, when the input's position is known.
    random: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Values {
    /// Sequences of rows of `width` floats, each sequence flat.
    Steps { width: usize, sequences: Vec<Vec<f32>> },
    /// A row of `width` floats for each sequence, flat.
    Lanes { width: usize, rows: Vec<f32> },
    /// Sequences of ids.
    Ids(Vec<Vec<u32>>),
    /// One id for each sequence.
    LaneIds(Vec<u32>),
}

impl Input {
    /// Creates sequences of steps of `width` floats, each sequence flat: `(T_n, width)`.
    pub fn steps(width: usize, sequences: &[&[f32]]) -> Self {
        let sequences = sequences.iter().map(|s| s.to_vec()).collect();
        Values::Steps { width, sequences }.into()
    }

    /// Creates a row of `width` floats for each sequence, flat: `(N, width)`.
    pub fn lanes(width: usize, rows: &[f32]) -> Self {
        Values::Lanes { width, rows: rows.to_vec() }.into()
    }

    /// Creates sequences of ids.
    pub fn ids(sequences: &[&[u32]]) -> Self {
        Values::Ids(sequences.iter().map(|s| s.to_vec()).collect()).into()
    }

    /// Creates one id for each sequence.
    pub fn lane_ids(ids: &[u32]) -> Self {
        Values::LaneIds(ids.to_vec()).into()
    }

    /// Creates [`Input::steps`] of these lengths, with values in −1..1 that are the same in every run. Two
    /// such inputs of one layer differ.
    pub fn random_steps(width: usize, lengths: &[usize]) -> Self {
        let sequences = lengths.iter().map(|&length| vec![0.0; length * width]).collect();
        Self { random: true, ..Values::Steps { width, sequences }.into() }
    }

    /// Creates [`Input::lanes`] with values in −1..1 that are the same in every run. Two such inputs of one
    /// layer differ.
    pub fn random_lanes(width: usize, lanes: usize) -> Self {
        Self { random: true, ..Values::Lanes { width, rows: vec![0.0; lanes * width] }.into() }
    }

    /// Draws the values if they are random, for the input at position `place`.
    pub(super) fn drawn(mut self, place: usize) -> Self {
        let fill = |n: usize, values: &mut Vec<f32>| {
            let stream = INPUTS + ((place as u64) << 10) + n as u64;
            values.iter_mut().enumerate().for_each(|(i, x)| *x = noise(stream, i) as f32);
        };
        match &mut self.values {
            Values::Steps { sequences, .. } if self.random => {
                sequences.iter_mut().enumerate().for_each(|(n, sequence)| fill(n, sequence));
            }
            Values::Lanes { rows, .. } if self.random => fill(0, rows),
            _ => {}
        }
        self
    }

    /// Marks only the steps whose flag is true as real; the others are never read.
    pub fn mask(mut self, mask: &[&[bool]]) -> Self {
        self.mask = Some(mask.iter().map(|m| m.to_vec()).collect());
        self
    }

    pub(super) fn kind(&self) -> Kind {
        match self.values {
            Values::Steps { width, .. } | Values::Lanes { width, .. } => Kind::Features(width),
            Values::Ids(_) | Values::LaneIds(_) => Kind::Ids,
        }
    }

    /// Returns the number of steps of each sequence, masked ones included, or `None` without a time axis.
    pub(super) fn lengths(&self) -> Option<Vec<usize>> {
        match &self.values {
            Values::Steps { width, sequences } => Some(sequences.iter().map(|s| s.len() / width).collect()),
            Values::Ids(sequences) => Some(sequences.iter().map(Vec::len).collect()),
            Values::Lanes { .. } | Values::LaneIds(_) => None,
        }
    }

    /// Returns the number of sequences `N`.
    pub(super) fn count(&self) -> usize {
        match &self.values {
            Values::Steps { sequences, .. } => sequences.len(),
            Values::Lanes { width, rows } => rows.len() / width,
            Values::Ids(sequences) => sequences.len(),
            Values::LaneIds(ids) => ids.len(),
        }
    }

    /// Checks that the input is a valid array and that its mask has the same shape.
    pub(super) fn check(&self, place: usize) -> Result<(), Error> {
        let what = || format!("input {place} of the layer");
        let ragged = match &self.values {
            Values::Steps { width: 0, .. } | Values::Lanes { width: 0, .. } => {
                return Err(Error::data(what(), "of width 0", "at least 1 float per row"));
            }
            Values::Steps { width, sequences } => {
                sequences.iter().map(Vec::len).find(|len| len % width != 0).map(|len| (len, *width))
            }
            Values::Lanes { width, rows } => (rows.len() % width != 0).then_some((rows.len(), *width)),
            Values::Ids(_) | Values::LaneIds(_) => None,
        };
        if let Some((len, width)) = ragged {
            return Err(Error::data(what(), format!("{len} floats"), format!("whole rows of {width}")));
        }
        let flags = self.mask.as_ref().map(|mask| mask.iter().map(Vec::len).collect::<Vec<_>>());
        match (flags, self.lengths()) {
            (None, _) => Ok(()),
            (Some(flags), Some(lengths)) if flags == lengths => Ok(()),
            (Some(flags), Some(lengths)) => {
                let got = format!("given a mask with {flags:?} flags per sequence");
                Err(Error::data(what(), got, format!("one flag per step: {lengths:?}")))
            }
            (Some(_), None) => {
                Err(Error::data(what(), "given a mask", "no mask for an input without a time axis"))
            }
        }
    }
}

impl From<Values> for Input {
    fn from(values: Values) -> Self {
        Self { values, mask: None, random: false }
    }
}
