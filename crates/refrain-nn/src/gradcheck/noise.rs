//! Pseudorandom numbers for checks, the same in every run.

/// Returns a number in −1..1 for each position of a stream (SplitMix64).
pub(super) fn noise(stream: u64, place: usize) -> f64 {
    let mut x = (stream << 32).wrapping_add(place as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x ^ (x >> 31)) as f64 / (1u64 << 63) as f64 - 1.0
}

/// Where the streams of the objective's weights, of directions and of random inputs begin, far apart.
const WEIGHTS: u64 = 1 << 20;
const DIRECTIONS: u64 = 2 << 20;
pub(super) const INPUTS: u64 = 3 << 20;

/// Returns the objective's weight of an element, exact in f32.
pub(super) fn weight(output: usize, row: usize, column: usize) -> f64 {
    f64::from(noise(WEIGHTS + output as u64, row * 1009 + column) as f32)
}

/// Returns the `place`-th entry of a direction of ±1.
pub(super) fn sign(direction: usize, place: usize) -> f64 {
    if noise(DIRECTIONS + direction as u64, place) < 0.0 { -1.0 } else { 1.0 }
}
