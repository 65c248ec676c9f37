//! Measures what a machine can do: the limits that the kernels' speed is compared with.

use crate::engine::Engine;
use crate::isa::Kernel;
use crate::simd::Simd;
use std::hint::black_box;
use std::time::Instant;

/// Independent chains of multiply-adds: enough to hide the latency of two units with four cycles each, few enough for
/// the registers of every instruction set.
const CHAINS: usize = 12;
/// Multiply-adds per chain in a run: about ten milliseconds.
const LINKS: usize = 4_000_000;

/// Returns the peak floating-point operations per second of the engine's threads together, working in registers only:
/// the best of `runs` runs of fused multiply-adds, which count as two operations each.
pub fn peak_flops(engine: &Engine, runs: usize) -> f64 {
    let lanes = engine.isa().run(Lanes);
    let operations = (2 * lanes * CHAINS * LINKS * engine.threads()) as f64;
    let run = || engine.run_parts(engine.threads(), |_| engine.isa().run(Chains));
    operations / best(runs, run)
}

/// Returns the peak bytes per second that the engine's threads together read from `data`. To measure memory, `data`
/// must be larger than every cache.
pub fn read_bandwidth(engine: &Engine, data: &[f32], runs: usize) -> f64 {
    let threads = engine.threads();
    let run = || {
        engine.run_parts(threads, |t| {
            let share = &data[data.len() * t / threads..data.len() * (t + 1) / threads];
            black_box(engine.isa().run(Sum(share)));
        });
    };
    size_of_val(data) as f64 / best(runs, run)
}

/// Returns the seconds of the fastest run.
fn best(runs: usize, mut run: impl FnMut()) -> f64 {
    let mut seconds = f64::INFINITY;
    for _ in 0..runs.max(1) {
        let start = Instant::now();
        run();
        seconds = seconds.min(start.elapsed().as_secs_f64());
    }
    seconds
}

struct Lanes;

impl Kernel for Lanes {
    type Output = usize;
    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> usize {
        S::LANES
    }
}

struct Chains;

impl Kernel for Chains {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (factor, term) = (s.splat(black_box(0.999)), s.splat(black_box(1e-3)));
        let mut chains = [s.splat(1.0); CHAINS];
        for _ in 0..LINKS {
            for chain in &mut chains {
                *chain = s.fma(*chain, factor, term);
            }
        }
        let sum = chains.into_iter().reduce(|a, b| s.add(a, b));
        black_box(sum.map(|sum| first(s, sum)));
    }
}

struct Sum<'a>(&'a [f32]);

impl Kernel for Sum<'_> {
    type Output = f32;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        const VECTORS: usize = 8;
        let mut sums = [s.splat(0.0); VECTORS];
        for chunk in self.0.chunks_exact(VECTORS * S::LANES) {
            for (i, sum) in sums.iter_mut().enumerate() {
                // SAFETY: a chunk has VECTORS · LANES floats.
                *sum = s.add(*sum, unsafe { s.load(chunk.as_ptr().add(i * S::LANES)) });
            }
        }
        sums.into_iter().reduce(|a, b| s.add(a, b)).map_or(0.0, |sum| first(s, sum))
    }
}

/// Returns the first lane.
#[inline(always)]
fn first<S: Simd>(s: S, x: S::F) -> f32 {
    let mut lanes = [0.0; crate::layout::SLOT];
    // SAFETY: a slot has room for any vector.
    unsafe { s.store(lanes.as_mut_ptr(), x) };
    lanes[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;

    #[test]
    fn every_instruction_set_has_a_peak_and_a_bandwidth() {
        let data = vec![1.0; 100_003];
        for isa in Isa::available() {
            let engine = Engine::new(isa, 2);
            for figure in [peak_flops(&engine, 1), read_bandwidth(&engine, &data, 3)] {
                assert!(figure.is_finite() && figure > 1e6, "{figure} on {isa}");
            }
            assert_eq!(isa.run(Sum(&data[..128])), 128.0 / isa.run(Lanes) as f32, "{isa}");
        }
    }
}
