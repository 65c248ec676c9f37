//! Inputs with few distinct rows: the input product of each distinct row is computed once.
//!
//! A layer over tokens reads rows of a table. With fewer tokens than rows, it multiplies the table by its kernel and
//! gathers the products. The backward pass sums the gates' gradients per token, and computes the gradients of kernel,
//! table and bias from the sums.

use crate::engine::{Engine, SharedMut};
use crate::isa::Kernel;
use crate::layout::GATE_ROW;
use crate::simd::Simd;
use std::ops::Range;

/// Computes `gates[p][r] = products[p][ids[r]]`: expands a gate buffer of `V` rows (the tokens) to one of `R` rows.
///
/// # Panics
/// When the sizes do not match, or an id is not below `V`.
pub fn gather_gates(engine: &Engine, products: &[f32], tokens: usize, ids: &[u32], gates: &mut [f32]) {
    let panels = check(products, tokens, ids, gates.len());
    let out = SharedMut::new(gates);
    engine.share(panels, panels * ids.len() * GATE_ROW, |_, panels| {
        engine.isa().run(Gather { products, tokens, ids, out, panels });
    });
}

/// Computes `sums[p][v] = Σ gates[p][r]` over the rows `r` of token `v`, in their order: the reverse of
/// [`gather_gates`].
///
/// # Panics
/// When the sizes do not match, or an id is not below `V`.
pub fn sum_gates(engine: &Engine, gates: &[f32], ids: &[u32], tokens: usize, sums: &mut [f32]) {
    let panels = check(sums, tokens, ids, gates.len());
    let out = SharedMut::new(sums);
    engine.share(panels, panels * ids.len() * GATE_ROW, |_, panels| {
        engine.isa().run(Sum { gates, tokens, ids, out, panels });
    });
}

/// Checks the sizes and ids, and returns the number of panels in the two buffers.
fn check(of_tokens: &[f32], tokens: usize, ids: &[u32], gates: usize) -> usize {
    let panels = of_tokens.len() / (tokens * GATE_ROW).max(1);
    assert!(
        gates >= panels * ids.len() * GATE_ROW,
        "{gates} floats are too few for gates of {} rows",
        ids.len()
    );
    for (r, &id) in ids.iter().enumerate() {
        assert!((id as usize) < tokens, "id {id} in row {r}: expected below {tokens}");
    }
    panels
}

struct Gather<'a> {
    products: &'a [f32],
    tokens: usize,
    ids: &'a [u32],
    out: SharedMut<f32>,
    panels: Range<usize>,
}

impl Kernel for Gather<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let floats = self.ids.len() * GATE_ROW;
        for p in self.panels {
            let products = &self.products[p * self.tokens * GATE_ROW..][..self.tokens * GATE_ROW];
            // SAFETY: `check` found room for the rows of all panels; each panel belongs to one share.
            let out = unsafe { self.out.slice(p * floats..(p + 1) * floats) };
            for (row, &id) in out.chunks_exact_mut(GATE_ROW).zip(self.ids) {
                row.copy_from_slice(&products[id as usize * GATE_ROW..][..GATE_ROW]);
            }
        }
    }
}

struct Sum<'a> {
    gates: &'a [f32],
    tokens: usize,
    ids: &'a [u32],
    out: SharedMut<f32>,
    panels: Range<usize>,
}

impl Kernel for Sum<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (floats, all) = (self.tokens * GATE_ROW, self.ids.len() * GATE_ROW);
        for p in self.panels {
            // SAFETY: the sums hold a row per token for each panel; each panel belongs to one share.
            let sums = unsafe { self.out.slice(p * floats..(p + 1) * floats) };
            sums.fill(0.0);
            for (row, &id) in self.gates[p * all..][..all].chunks_exact(GATE_ROW).zip(self.ids) {
                let sum = &mut sums[id as usize * GATE_ROW..][..GATE_ROW];
                for (sum, x) in sum.iter_mut().zip(row) {
                    *sum += x;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;

    #[test]
    fn rows_are_gathered_and_summed_token_by_token() {
        const TOKENS: usize = 5;
        let ids = [4, 0, 4, 2, 2, 4, 1];
        let row = |p: usize, v: usize| (0..GATE_ROW).map(move |k| (p * 1000 + v * 100 + k) as f32);
        for (isa, threads) in Isa::available().into_iter().flat_map(|isa| [(isa, 1), (isa, 3)]) {
            let engine = Engine::new(isa, threads);
            for panels in [0, 1, 4] {
                let products: Vec<f32> =
                    (0..panels).flat_map(|p| (0..TOKENS).flat_map(move |v| row(p, v))).collect();
                let mut gates = vec![f32::NAN; panels * ids.len() * GATE_ROW];
                gather_gates(&engine, &products, TOKENS, &ids, &mut gates);
                let mut sums = vec![f32::NAN; products.len()];
                sum_gates(&engine, &gates, &ids, TOKENS, &mut sums);
                for p in 0..panels {
                    for (r, &id) in ids.iter().enumerate() {
                        let at = (p * ids.len() + r) * GATE_ROW;
                        assert!(gates[at..at + GATE_ROW].iter().copied().eq(row(p, id as usize)), "{isa}");
                    }
                    for v in 0..TOKENS {
                        let count = ids.iter().filter(|&&id| id as usize == v).count() as f32;
                        let at = (p * TOKENS + v) * GATE_ROW;
                        assert!(sums[at..at + GATE_ROW].iter().copied().eq(row(p, v).map(|x| count * x)));
                    }
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "id 2 in row 1: expected below 2")]
    fn an_id_beyond_the_table_is_rejected() {
        let engine = Engine::new(Isa::portable(), 1);
        gather_gates(&engine, &[0.0; 2 * GATE_ROW], 2, &[0, 2], &mut [0.0; 2 * GATE_ROW]);
    }
}
