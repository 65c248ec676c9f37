use super::*;
use crate::elementwise::testing::*;
use crate::{Isa, reference};

/// Tolerance of probabilities, gradients and losses (relative above 1): exp's few ULP, and the rounding of x − max,
/// which e^x turns into half an ULP of the difference (at most 16 here): 16 · 6e-8.
const TOLERANCE: f64 = 1.5e-6;

fn sizes_with_classes() -> impl Iterator<Item = (usize, usize)> {
    sizes().filter(|&(_, width)| width > 0)
}

fn targets(count: usize, classes: usize) -> Vec<u32> {
    let mut words = words(11);
    (0..count).map(|_| words() % classes as u32).collect()
}

#[test]
fn softmax_and_its_gradient_match_the_reference() {
    for (count, width) in sizes_with_classes() {
        let (x, d) = (floats(1, count * width, 8.0), floats(2, count * width, 2.0));
        let want = reference::softmax::forward(&doubles(&x), width);
        stamped(
            |e| {
                let mut y = padded(&x, count, width);
                softmax(e, RowsMut::new(&mut y, count, width));
                dense(&y, count, width)
            },
            |y, isa| assert_close(y, &want, TOLERANCE, &format!("{count} × {width} on {isa}")),
        );
        let y: Vec<f32> = want.iter().map(|&y| y as f32).collect();
        let want = reference::softmax::backward(&doubles(&y), &doubles(&d), width);
        let y = padded(&y, count, width);
        stamped(
            |e| {
                let mut d = padded(&d, count, width);
                softmax_gradient(e, Rows::new(&y, count, width), RowsMut::new(&mut d, count, width));
                dense(&d, count, width)
            },
            |d, isa| assert_close(d, &want, TOLERANCE, &format!("gradient of {count} × {width} on {isa}")),
        );
    }
}

#[test]
fn log_softmax_matches_the_reference() {
    for (count, width) in sizes_with_classes() {
        let (x, shift) = (floats(1, count * width, 8.0), floats(3, count, 2.0));
        let logs = reference::softmax::log_forward(&doubles(&x), width);
        for shift in [None, Some(&shift[..])] {
            let of = |i: usize| shift.map_or(0.0, |shift| f64::from(shift[i / width]));
            let want: Vec<f64> = logs.iter().enumerate().map(|(i, y)| y + of(i)).collect();
            stamped(
                |e| {
                    let mut y = padded(&x, count, width);
                    log_softmax(e, shift, RowsMut::new(&mut y, count, width));
                    dense(&y, count, width)
                },
                |y, isa| {
                    let what = format!("{count} × {width}, shift {}, on {isa}", shift.is_some());
                    assert_close(y, &want, TOLERANCE, &what);
                    let above = |(i, &y): (usize, &f32)| f64::from(y) > of(i);
                    assert_eq!(y.iter().enumerate().position(above), None, "above its shift: {what}");
                },
            );
        }
    }
}

#[test]
fn zero_columns_need_no_work() {
    let engine = Engine::new(Isa::detect(), 1);
    softmax(&engine, no_rows(3));
    let mut losses = [7.0; 3];
    let none = Rows::new(&[], 3, 0);
    categorical_cross_entropy(&engine, no_rows(3), none, None, 1.0, &mut losses);
    assert_eq!(losses, [0.0; 3]);
}

/// Checks the losses followed by the gradient, for either kind of target. Both kinds of call must agree on the
/// losses.
fn check(
    (count, width): (usize, usize),
    weights: Option<&[f32]>,
    want: &reference::losses::Loss<f64>,
    both: impl Fn(&Engine, RowsMut<'_>, f32, &mut [f32]),
    losses_alone: impl Fn(&Engine, Rows<'_>, &mut [f32]),
    logits: &[f32],
) {
    const SCALE: f32 = 0.25;
    let gradient = want.gradient.iter().map(|g| g * f64::from(SCALE));
    let want: Vec<f64> = want.values.iter().copied().chain(gradient).collect();
    stamped(
        |e| {
            let mut rows = padded(logits, count, width);
            let (mut losses, mut alone) = (vec![f32::NAN; count], vec![f32::NAN; count]);
            losses_alone(e, Rows::new(&rows, count, width), &mut alone);
            assert_eq!(dense(&rows, count, width), logits, "the losses alone change the logits");
            both(e, RowsMut::new(&mut rows, count, width), SCALE, &mut losses);
            assert_eq!(losses, alone);
            losses.extend(dense(&rows, count, width));
            losses
        },
        |got, isa| {
            let what = format!("{count} × {width}, weights {}, on {isa}", weights.is_some());
            assert_close(got, &want, TOLERANCE, &what);
        },
    );
}

#[test]
fn cross_entropies_match_the_reference() {
    for size @ (count, width) in sizes_with_classes() {
        let logits = floats(1, count * width, 8.0);
        let targets = targets(count, width);
        let soft: Vec<f32> = floats(3, count * width, 1.0).iter().map(|t| t.abs() / width as f32).collect();
        let soft_rows = padded(&soft, count, width);
        let row_weights: Vec<f32> = floats(4, count, 1.0).iter().map(|w| w + 1.0).collect();
        for weights in [None, Some(&row_weights[..])] {
            let w = weights.map_or(vec![1.0; count], doubles);
            let want = reference::softmax::cross_entropy(&doubles(&logits), &targets, &w, width);
            check(
                size,
                weights,
                &want,
                |e, x, scale, losses| sparse_cross_entropy(e, x, &targets, weights, scale, losses),
                |e, x, losses| sparse_cross_entropy_loss(e, x, &targets, weights, losses),
                &logits,
            );
            let (x, t) = (doubles(&logits), doubles(&soft));
            let want = reference::softmax::categorical_cross_entropy(&x, &t, &w, width);
            let t = Rows::new(&soft_rows, count, width);
            check(
                size,
                weights,
                &want,
                |e, x, scale, losses| categorical_cross_entropy(e, x, t, weights, scale, losses),
                |e, x, losses| categorical_cross_entropy_loss(e, x, t, weights, losses),
                &logits,
            );
        }
    }
}

#[test]
fn a_row_does_not_depend_on_the_others() {
    let (count, width) = (7, 33);
    let x = floats(1, count * width, 8.0);
    for isa in Isa::available() {
        let engine = Engine::new(isa, 1);
        let mut together = padded(&x, count, width);
        softmax(&engine, RowsMut::new(&mut together, count, width));
        let together = dense(&together, count, width);
        for r in 0..count {
            let range = r * width..(r + 1) * width;
            let mut alone = padded(&x[range.clone()], 1, width);
            softmax(&engine, RowsMut::new(&mut alone, 1, width));
            assert_eq!(dense(&alone, 1, width), together[range], "row {r} on {isa}");
        }
    }
}

/// Half a unit in the last place of a float below 1.
const ROUNDING: f64 = 1.0 / (1u64 << 24) as f64;
/// Roundings that a sum of exponentials may be off by, relative: those of exp, of x − max times the distance of the
/// logits that dominate the sum, and of the logarithm, partly cancelling.
const ORDINARY: f64 = 4.0;
/// If one logit dominates, each further term of a block of the sum loses up to half a unit of it, all in the same
/// direction: as many roundings as a block has vectors, 64.
const DOMINATED: f64 = ORDINARY + 64.0;

/// Returns rows that are hard for a sum of exponentials, with the error that each may have.
fn hard_rows() -> Vec<(Vec<f32>, f64)> {
    let mut rows = Vec::new();
    for width in [1, 2, 3, 7, 8, 9, 15, 16, 17, 33, 100, 1000, 10_000] {
        for (seed, size) in [(1, 1e-30), (2, 0.1), (3, 3.0), (4, 20.0), (5, 100.0), (6, 1e4), (7, 1e30)] {
            rows.push((floats(seed, width, size), ORDINARY));
        }
        for all in [0.0, 7.3, -88.0, 1e30, -1e30] {
            rows.push((vec![all; width], ORDINARY));
        }
        let mut holes = floats(8, width, 5.0);
        holes.iter_mut().skip(1).step_by(3).for_each(|x| *x = f32::NEG_INFINITY);
        rows.push((holes, ORDINARY));
        for (k, distance) in [0.1, 1.0, 5.3, 9.2, 17.0, 87.0, 103.9, 104.1, 1e30].into_iter().enumerate() {
            let mut row = vec![0.7 - distance; width];
            row[k * 5 % width] = 0.7;
            rows.push((row, DOMINATED));
        }
    }
    rows
}

fn assert_within(got: f64, exact: f64, bound: f64, row: &[f32], isa: Isa) {
    let error = (got - exact).abs() / exact.abs().max(1.0) / ROUNDING;
    let row = (row.len(), &row[..row.len().min(8)]);
    // Equal infinities pass; NaN fails.
    assert!(
        got == exact || error <= bound,
        "{got} for {exact}: off by {error:.2} roundings of {bound} on {isa}, logits {row:?} …"
    );
}

#[test]
fn log_sum_exp_of_hard_rows_is_within_its_bound() {
    for (row, bound) in hard_rows() {
        let width = row.len();
        let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let total: f64 = row.iter().map(|&x| (f64::from(x) - f64::from(max)).exp()).sum();
        let (rows, first) = (padded(&row, 1, width), row.iter().position(|&x| x == max).unwrap_or(0));
        for isa in Isa::available() {
            // For the largest logit, the loss is ln Σ e^(x − max) alone.
            for target in [first, width / 2] {
                let exact = f64::from(max) - f64::from(row[target]) + total.ln();
                let (engine, mut losses) = (Engine::new(isa, 1), [f32::NAN]);
                let x = Rows::new(&rows, 1, width);
                sparse_cross_entropy_loss(&engine, x, &[target as u32], None, &mut losses);
                assert_within(losses[0].into(), exact, bound, &row, isa);
            }
        }
    }
}

#[test]
fn probabilities_sum_to_one_and_gradients_to_zero() {
    for (row, bound) in hard_rows() {
        let width = row.len();
        let sum = |x: &[f32]| -> f64 { x[..width].iter().copied().map(f64::from).sum() };
        for isa in Isa::available() {
            let engine = Engine::new(isa, 1);
            let mut p = padded(&row, 1, width);
            softmax(&engine, RowsMut::new(&mut p, 1, width));
            assert_within(sum(&p), 1.0, bound, &row, isa);

            let mut d = padded(&floats(9, width, 1.0), 1, width);
            let size: f64 = (0..width).map(|c| f64::from(p[c]) * f64::from(d[c]).abs()).sum();
            softmax_gradient(&engine, Rows::new(&p, 1, width), RowsMut::new(&mut d, 1, width));
            assert_within(sum(&d) / size, 0.0, bound, &row, isa);

            let mut d = padded(&row, 1, width);
            let logits = RowsMut::new(&mut d, 1, width);
            sparse_cross_entropy(&engine, logits, &[width as u32 / 2], None, 1.0, &mut [0.0]);
            assert_within(sum(&d), 0.0, bound, &row, isa);
        }
    }
}

#[test]
fn the_loss_of_invalid_logits_is_nan() {
    let (inf, nan) = (f32::INFINITY, f32::NAN);
    for row in [vec![nan], vec![-inf; 3], vec![0.0, inf], vec![inf; 40], vec![1.0, -inf, nan]] {
        for isa in Isa::available() {
            let (engine, width) = (Engine::new(isa, 1), row.len());
            let (mut x, mut losses) = (padded(&row, 1, width), [0.0]);
            sparse_cross_entropy_loss(&engine, Rows::new(&x, 1, width), &[0], None, &mut losses);
            assert!(losses[0].is_nan(), "the loss of {row:?} is {} on {isa}", losses[0]);
            softmax(&engine, RowsMut::new(&mut x, 1, width));
            let p = &x[..width];
            assert!(p.iter().any(|p| p.is_nan()), "the probabilities of {row:?} are {p:?} on {isa}");
        }
    }
}

#[test]
fn large_logits_do_not_overflow_and_nan_propagates() {
    for isa in Isa::available() {
        let engine = Engine::new(isa, 1);
        let loss = |x: &[f32]| {
            let (rows, mut losses) = (padded(x, 1, x.len()), [0.0]);
            sparse_cross_entropy_loss(&engine, Rows::new(&rows, 1, x.len()), &[1], None, &mut losses);
            losses[0]
        };
        assert_eq!(loss(&[3e38, -3e38]), f32::INFINITY, "{isa}");
        assert_eq!(loss(&[-3e38, 3e38]), 0.0, "{isa}");
        assert_eq!(loss(&[1e4, 1e4]), std::f32::consts::LN_2, "{isa}");
        assert_eq!(loss(&[f32::NEG_INFINITY, 5.0, f32::NEG_INFINITY]), 0.0, "{isa}");
        for at in [0, 1, 20, 69] {
            let mut x = [0.0; 70];
            x[at] = f32::NAN;
            assert!(loss(&x).is_nan(), "NaN at {at} on {isa}");
        }
    }
}

/// Long rows: sums in single precision alone would drift.
#[test]
fn a_row_of_a_hundred_thousand_equal_logits() {
    const CLASSES: usize = 100_000;
    let x = padded(&vec![1.5; CLASSES], 1, CLASSES);
    for isa in Isa::available() {
        let mut losses = [0.0];
        let engine = Engine::new(isa, 1);
        sparse_cross_entropy_loss(&engine, Rows::new(&x, 1, CLASSES), &[7], None, &mut losses);
        assert_eq!(losses[0], (CLASSES as f64).ln() as f32, "{isa}");
    }
}

#[test]
fn argmax_and_the_rank_of_the_target() {
    for (count, width) in sizes_with_classes() {
        // Few distinct values, so that there are ties.
        let x: Vec<f32> = floats(5, count * width, 4.0).iter().map(|x| x.round()).collect();
        let targets = targets(count, width);
        let (mut first, mut ranks) = (vec![], vec![]);
        for (x, &target) in x.chunks_exact(width).zip(&targets) {
            let max = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            first.push(x.iter().position(|&x| x == max).unwrap_or(0) as f32);
            let t = target as usize;
            let before = |(c, &v): (usize, &f32)| v > x[t] || v == x[t] && c < t;
            ranks.push(x.iter().enumerate().filter(|&p| before(p)).count() as f32);
        }
        let rows = padded(&x, count, width);
        let rows = Rows::new(&rows, count, width);
        let run = |kernel: &dyn Fn(&mut [u32])| {
            let mut out = vec![u32::MAX; count];
            kernel(&mut out);
            out.into_iter().map(|v| v as f32).collect::<Vec<_>>()
        };
        stamped(
            |e| run(&|out| argmax(e, rows, out)),
            |got, isa| assert_eq!(got, first, "{count} × {width} on {isa}"),
        );
        stamped(
            |e| run(&|out| target_ranks(e, rows, &targets, out)),
            |got, isa| assert_eq!(got, ranks, "{count} × {width} on {isa}"),
        );
    }
}

#[test]
fn nan_never_counts_as_correct() {
    let engine = Engine::new(Isa::detect(), 1);
    let (mut ranks, mut first) = ([0; 2], [0; 2]);
    let x = padded(&[1.0, f32::NAN, 0.0, f32::NAN, f32::NAN, f32::NAN], 2, 3);
    target_ranks(&engine, Rows::new(&x, 2, 3), &[0, 2], &mut ranks);
    argmax(&engine, Rows::new(&x, 2, 3), &mut first);
    assert_eq!((ranks, first), ([1, 2], [0, 0]));
}

#[test]
#[should_panic(expected = "target 3 in row 0: expected below 3")]
fn a_target_beyond_the_classes_is_rejected() {
    let x = padded(&[0.0; 3], 1, 3);
    let engine = Engine::new(Isa::portable(), 1);
    sparse_cross_entropy_loss(&engine, Rows::new(&x, 1, 3), &[3], None, &mut [0.0]);
}
