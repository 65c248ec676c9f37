//! The states of all units over a text.

use super::unsupported;
use crate::activations::walk;
use crate::error::Result;
use crate::sample::Sample;
use refrain_nn::Model;
use std::ops::Range;

/// The maximum number of floats kept from a pass: 256 MiB. If not all units fit, every second, third, … is
/// examined.
const MAX_FLOATS: usize = 64 << 20;

/// One state of a layer's units over the tokens.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) layer: String,
    pub(super) state: &'static str,
    /// Number of units examined: 0, `every`, ….
    pub(super) units: usize,
    /// `(tokens, units)`, for all tokens.
    pub(super) values: Vec<f32>,
}

/// The states of all examined units. A candidate is one state of a unit; candidates are numbered block by block.
#[derive(Debug, Clone)]
pub(super) struct States {
    pub(super) blocks: Vec<Block>,
    /// The indices of the evaluated tokens, counted over all lanes.
    pub(super) kept: Vec<usize>,
    pub(super) every: usize,
}

impl States {
    /// Reads the states at a sample's tokens, except at the first few of each lane and at masked ones.
    pub(super) fn read(
        model: &mut Model,
        sample: &Sample,
        lanes: &[Vec<String>],
        warm_up: usize,
    ) -> Result<Self> {
        let begins: Vec<usize> =
            lanes.iter().scan(0, |at, lane| Some(std::mem::replace(at, *at + lane.len()))).collect();
        let tokens: usize = lanes.iter().map(Vec::len).sum();
        let every = stride(model, tokens);
        let mut seen = vec![0_usize; tokens];
        let (mut blocks, mut places) = (Vec::<Block>::new(), Vec::new());
        walk(model, &sample.batch, |pass| {
            if pass.index == places.len() {
                let reads = pass.direction.input == Some(0);
                places.push(reads.then_some(blocks.len()));
                let states = ["hidden state", "cell state"].into_iter();
                let states = states.take(if reads { 1 + usize::from(pass.seen.has_cell_state()) } else { 0 });
                blocks.extend(states.map(|state| {
                    let units = pass.seen.units().div_ceil(every);
                    let layer = pass.seen.layer().to_owned();
                    Block { layer, state, units, values: vec![f32::NAN; units * tokens] }
                }));
            }
            let Some(first) = places[pass.index] else { return };
            for (lane, tokens) in lanes.iter().enumerate().take(pass.seen.layout().sequences()) {
                for (step, row) in pass.rows(lane).filter(|&(step, _)| step < tokens.len()) {
                    let at = begins[lane] + step;
                    seen[at] += 1;
                    blocks[first].take(at, every, pass.seen.hidden(row));
                    if let Some(cell) = pass.seen.cell_state(row) {
                        blocks[first + 1].take(at, every, cell);
                    }
                }
            }
        })?;
        if blocks.is_empty() {
            return Err(unsupported("none of its recurrent layers reads the sample's tokens step by step"));
        }
        let layers = places.iter().flatten().count();
        let warm = begins.iter().zip(lanes).flat_map(|(&begin, lane)| begin + warm_up..begin + lane.len());
        let kept = warm.filter(|&at| seen[at] == layers).collect();
        Ok(Self { blocks, kept, every })
    }

    pub(super) fn candidates(&self) -> usize {
        self.blocks.iter().map(|block| block.units).sum()
    }

    /// Returns a candidate's block and its index in it.
    pub(super) fn place(&self, mut candidate: usize) -> (&Block, usize) {
        for block in &self.blocks {
            if candidate < block.units {
                return (block, candidate);
            }
            candidate -= block.units;
        }
        unreachable!("candidates are numbered over the blocks")
    }

    /// Returns a candidate's values at the evaluated tokens.
    pub(super) fn values(&self, candidate: usize) -> Vec<f32> {
        let (block, unit) = self.place(candidate);
        self.kept.iter().map(|&at| block.values[at * block.units + unit]).collect()
    }

    /// Returns the values of some candidates.
    pub(super) fn group(&self, candidates: Range<usize>) -> Vec<Vec<f32>> {
        let mut values: Vec<Vec<f32>> =
            candidates.clone().map(|_| Vec::with_capacity(self.kept.len())).collect();
        // Token by token, because neighbours are adjacent in memory.
        let places: Vec<_> = candidates.map(|candidate| self.place(candidate)).collect();
        for &at in &self.kept {
            for (to, (block, unit)) in values.iter_mut().zip(&places) {
                to.push(block.values[at * block.units + unit]);
            }
        }
        values
    }
}

impl Block {
    fn take(&mut self, at: usize, every: usize, row: &[f32]) {
        let to = &mut self.values[at * self.units..][..self.units];
        to.iter_mut().zip(row.iter().step_by(every)).for_each(|(to, &from)| *to = from);
    }
}

/// Returns `n` if one in `n` units fits in memory for this many tokens.
fn stride(model: &Model, tokens: usize) -> usize {
    let recurrent = model.params().spans().iter().filter(|span| span.name.ends_with("/recurrent_kernel"));
    let states: usize = recurrent.map(|span| 2 * span.shape[0]).sum();
    (states * tokens).div_ceil(MAX_FLOATS).max(1)
}
