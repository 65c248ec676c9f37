//! Targets, arranged in the order of an output's rows.

use crate::data::BatchTarget;
use crate::error::Error;
use crate::sequence::SeqLayout;
use crate::shown::counted;
use refrain_kernels::{AlignedVec, Rows, row_step};
use std::ops::Range;

/// The targets and weights of one output, aligned with its rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct RowTargets {
    /// Class ids; empty for values.
    pub(crate) ids: Vec<u32>,
    /// Values, `(rows, row_step(width))`; empty for ids.
    pub(crate) values: AlignedVec,
    pub(crate) rows: usize,
    pub(crate) width: usize,
    /// Weights, one per row; empty if all are 1.
    pub(crate) weights: Vec<f32>,
}

impl RowTargets {
    /// Arranges a batch's targets and weights in the order of an output's rows: the packed rows of `layout`
    /// or, without a layout, one row per sequence. `width` is the output's width.
    pub(crate) fn gather(
        &mut self,
        target: &BatchTarget,
        weights: &[f32],
        lanes: usize,
        layout: Option<&SeqLayout>,
        width: usize,
    ) -> Result<(), Error> {
        let steps = layout.map_or(1, SeqLayout::span);
        let is_ids = !target.ids.is_empty() || target.values.is_empty();
        if target.steps != steps {
            let got = format!("an array of {}", counted(target.steps, "step"));
            return Err(Error::data(
                "the target",
                got,
                format!("one of {}, like the output", counted(steps, "step")),
            ));
        }
        let (got, needed) = if is_ids {
            (target.ids.len(), lanes * steps)
        } else {
            (target.values.len(), lanes * steps * width)
        };
        if got != needed {
            let unit = if is_ids { "class ids" } else { "values" };
            let expected = format!("{needed} ({} of {})", counted(lanes, "sequence"), counted(steps, "step"));
            return Err(Error::data("the target", format!("{got} {unit}"), expected));
        }
        if !weights.is_empty() && weights.len() != lanes && weights.len() != lanes * steps {
            let expected = format!("{lanes} or {}", lanes * steps);
            return Err(Error::data("the number of weights", weights.len(), expected));
        }
        self.rows = layout.map_or(lanes, SeqLayout::rows);
        self.width = width;
        self.ids.clear();
        self.weights.clear();
        self.values.resize(if is_ids { 0 } else { self.rows * row_step(width) });
        let mut place = |row: usize, lane: usize, step: usize| {
            let at = lane * steps + step;
            if is_ids {
                self.ids.push(target.ids[at]);
            } else {
                let to = row * row_step(width);
                self.values[to..to + width].copy_from_slice(&target.values[at * width..][..width]);
            }
            if !weights.is_empty() {
                self.weights.push(weights[if weights.len() == lanes { lane } else { at }]);
            }
        };
        match layout {
            Some(layout) => layout.iter().for_each(|(row, lane, step)| place(row, lane, step)),
            None => (0..lanes).for_each(|lane| place(lane, lane, 0)),
        }
        Ok(())
    }

    /// Returns the values as rows.
    pub(crate) fn view(&self) -> Rows<'_> {
        Rows::new(&self.values, self.rows, self.width)
    }

    /// Copies some rows of other targets.
    pub(crate) fn copy_rows(&mut self, from: &Self, rows: Range<usize>) {
        let part =
            |len: usize, width: usize| if len == 0 { 0..0 } else { rows.start * width..rows.end * width };
        self.ids.clear();
        self.ids.extend_from_slice(&from.ids[part(from.ids.len(), 1)]);
        let values = &from.values[part(from.values.len(), row_step(from.width))];
        self.values.resize(values.len());
        self.values.copy_from_slice(values);
        self.weights.clear();
        self.weights.extend_from_slice(&from.weights[part(from.weights.len(), 1)]);
        (self.rows, self.width) = (rows.len(), from.width);
    }

    /// Returns `Σ weight·loss`, with one loss per row, summed in row order.
    pub(crate) fn weighted_sum(&self, losses: &[f32]) -> f64 {
        losses.iter().enumerate().map(|(r, &loss)| f64::from(self.row_weight(r)) * f64::from(loss)).sum()
    }

    /// Returns the sum of the weights, or the number of rows if there are no weights.
    pub(crate) fn weight(&self) -> f64 {
        if self.weights.is_empty() {
            self.rows as f64
        } else {
            self.weights.iter().map(|&w| f64::from(w)).sum()
        }
    }
}
