//! The panel layout: columns are grouped so that one register tile holds every gate of the same hidden units.
//!
//! A matrix `(K, G·H)` becomes panels of up to four slots of sixteen floats. With several gates, a panel holds
//! sixteen hidden units, with one slot per gate: `[i×16 | f×16 | c×16 | o×16]`. With one gate (a SimpleRNN, a dense
//! layer) it holds sixty-four consecutive columns. The K rows of a panel follow each other.

use std::ops::Range;

/// Floats in one slot of a panel row, for every instruction set: the width of the widest vector.
pub(crate) const SLOT: usize = 16;
/// Slots in a panel row.
pub(crate) const SLOTS: usize = 4;
/// Floats in a row of a gate buffer: four slots, for every cell.
pub(crate) const GATE_ROW: usize = SLOTS * SLOT;
/// Offsets of the slots in a row of a gate buffer.
pub(crate) const SLOT_OFFSETS: [usize; SLOTS] = [0, SLOT, 2 * SLOT, 3 * SLOT];

/// How `gates × units` columns are arranged in panels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PanelShape {
    gates: usize,
    units: usize,
}

impl PanelShape {
    /// Arranges the columns of `gates` gates (1 to 4) of `units` hidden units, gate after gate as in Keras.
    ///
    /// # Panics
    /// When `gates` is not in 1..=4.
    pub fn gates(gates: usize, units: usize) -> Self {
        assert!((1..=SLOTS).contains(&gates), "a panel holds 1 to 4 gates, got {gates}");
        Self { gates, units }
    }

    /// Arranges `columns` columns without gates.
    pub fn plain(columns: usize) -> Self {
        Self { gates: 1, units: columns }
    }

    /// Returns the total number of columns, `G·H`.
    pub fn columns(self) -> usize {
        self.gates * self.units
    }

    /// Returns whether there is only one gate, so that columns are in plain order.
    pub(crate) fn is_plain(self) -> bool {
        self.gates == 1
    }

    pub(crate) fn units(self) -> usize {
        self.units
    }

    pub(crate) fn panel_units(self) -> usize {
        if self.gates == 1 { GATE_ROW } else { SLOT }
    }

    /// Returns the number of panels.
    pub fn panels(self) -> usize {
        self.units.div_ceil(self.panel_units())
    }

    /// Returns the number of floats in one row of a weight panel.
    pub(crate) fn row_len(self) -> usize {
        if self.gates == 1 { GATE_ROW } else { self.gates * SLOT }
    }

    /// Returns the number of slots of panel `p` that hold at least one column.
    #[inline(always)]
    pub(crate) fn slots(self, p: usize) -> usize {
        if self.gates == 1 { (self.units - p * GATE_ROW).div_ceil(SLOT).min(SLOTS) } else { self.gates }
    }

    /// Returns the number of columns in slot `s` of panel `p`.
    #[inline(always)]
    pub(crate) fn filled(self, p: usize, s: usize) -> usize {
        let first = if self.gates == 1 { p * GATE_ROW + s * SLOT } else { p * SLOT };
        self.units.saturating_sub(first).min(SLOT)
    }

    /// Returns the first column of slot `s` of panel `p`; the slot's other columns follow it.
    #[inline(always)]
    pub(crate) fn column(self, p: usize, s: usize) -> usize {
        if self.gates == 1 { p * GATE_ROW + s * SLOT } else { s * self.units + p * SLOT }
    }

    /// Returns the position of slot `s` of panel `p` when all columns are listed in panel order without padding.
    #[inline(always)]
    pub(crate) fn rank(self, p: usize, s: usize) -> usize {
        if self.gates == 1 { p * GATE_ROW + s * SLOT } else { p * SLOT * self.gates + s * self.filled(p, s) }
    }

    /// Returns the panels that hold the given slots, counted over all panels: `SLOTS` slots per panel, or one with
    /// several gates.
    #[inline(always)]
    pub(crate) fn panels_of(self, slots: &Range<usize>) -> Range<usize> {
        let per = self.panel_units() / SLOT;
        slots.start / per..slots.end.div_ceil(per)
    }

    /// Returns which slots of panel `p` are among the given slots.
    #[inline(always)]
    pub(crate) fn part(self, slots: &Range<usize>, p: usize) -> (usize, usize) {
        let per = self.panel_units() / SLOT;
        let first = p * per;
        (slots.start.max(first) - first, slots.end.min(first + per) - first)
    }

    /// Returns the panels that hold the given slots, each with the range of its slots.
    #[inline(always)]
    pub(crate) fn pieces(self, slots: Range<usize>) -> impl Iterator<Item = (usize, usize, usize)> {
        self.panels_of(&slots).map(move |p| {
            let (from, to) = self.part(&slots, p);
            (p, from, to)
        })
    }

    pub(crate) fn all_slots(self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.panels()).flat_map(move |p| (0..self.slots(p)).map(move |s| (p, s)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_has_its_own_rank() {
        for gates in 1..=4 {
            for units in [1, 15, 16, 17, 64, 65, 100] {
                let shape = PanelShape::gates(gates, units);
                let mut seen = vec![0; shape.columns()];
                for (p, s) in shape.all_slots() {
                    for i in 0..shape.filled(p, s) {
                        seen[shape.rank(p, s) + i] += 1;
                        assert!(shape.column(p, s) + i < shape.columns());
                    }
                }
                assert!(seen.iter().all(|&n| n == 1), "{gates} gates of {units}: {seen:?}");
            }
        }
    }
}
