use super::testing::*;
use super::*;
use crate::reference;

/// A few ULP of exp, or of a division for softsign and the like, relative to max(1, |y|).
const ACTIVATION_TOLERANCE: f64 = 6e-7;

fn in_place(
    run: impl Fn(&Engine, RowsMut<'_>),
    start: &[f32],
    (count, width): (usize, usize),
    engine: &Engine,
) -> Vec<f32> {
    let mut y = padded(start, count, width);
    run(engine, RowsMut::new(&mut y, count, width));
    dense(&y, count, width)
}

#[test]
fn activations_and_their_gradients_match_the_reference() {
    for (count, width) in sizes() {
        let x = floats(1, count * width, 6.0);
        let dy = floats(2, count * width, 2.0);
        let before = floats(3, count * width, 2.0);
        let (dy_rows, size) = (padded(&dy, count, width), (count, width));
        for activation in Elementwise::ALL {
            let what = |isa| format!("{} of {count} × {width} on {isa}", activation.name());
            let want: Vec<f64> =
                doubles(&x).into_iter().map(|x| reference::activation::apply(activation, x)).collect();
            stamped(
                |e| in_place(|e, y| activate_rows(e, activation, y), &x, size, e),
                |y, isa| assert_close(y, &want, ACTIVATION_TOLERANCE, &what(isa)),
            );
            let y: Vec<f32> = want.iter().map(|&y| y as f32).collect();
            let y_rows = padded(&y, count, width);
            let y_rows = Rows::new(&y_rows, count, width);
            let slope = doubles(&y)
                .into_iter()
                .map(|y| reference::activation::derivative_from_output(activation, y))
                .zip(doubles(&dy));
            let want: Vec<f64> = slope.map(|(slope, dy)| slope * dy).collect();
            stamped(
                |e| in_place(|e, d| activation_gradient(e, activation, y_rows, d), &dy, size, e),
                |d, isa| assert_close(d, &want, ACTIVATION_TOLERANCE, &what(isa)),
            );
            let dy = Rows::new(&dy_rows, count, width);
            for add in [false, true] {
                let old = before.iter().map(|&b| if add { f64::from(b) } else { 0.0 });
                let want: Vec<f64> = want.iter().zip(old).map(|(d, old)| d + old).collect();
                let run = |e: &Engine, d: RowsMut<'_>| {
                    activation_gradient_into(e, activation, y_rows, dy, add, d);
                };
                stamped(
                    |e| in_place(run, &before, size, e),
                    |d, isa| assert_close(d, &want, ACTIVATION_TOLERANCE, &what(isa)),
                );
            }
        }
    }
}

#[test]
fn sums_and_products_are_exact() {
    for size @ (count, width) in sizes() {
        let [a, b, before] = [4, 5, 6].map(|seed| floats(seed, count * width, 2.0));
        let (a_rows, b_rows) = (padded(&a, count, width), padded(&b, count, width));
        let (a_rows, b_rows) = (Rows::new(&a_rows, count, width), Rows::new(&b_rows, count, width));
        let want: Vec<f32> = before.iter().zip(&a).map(|(y, x)| y + x).collect();
        stamped(
            |e| in_place(|e, y| add_rows(e, a_rows, y), &before, size, e),
            |y, isa| assert_eq!(y, want, "sum of {count} × {width} on {isa}"),
        );
        let want: Vec<f32> = before.iter().map(|y| y * 0.37).collect();
        stamped(
            |e| in_place(|e, y| scale_rows(e, 0.37, y), &before, size, e),
            |y, isa| assert_eq!(y, want, "{count} × {width} scaled on {isa}"),
        );
        for add in [false, true] {
            let product = a.iter().zip(&b).map(|(a, b)| a * b);
            let want: Vec<f32> = product.zip(&before).map(|(p, old)| if add { old + p } else { p }).collect();
            stamped(
                |e| in_place(|e, y| multiply_rows(e, a_rows, b_rows, add, y), &before, size, e),
                |y, isa| assert_eq!(y, want, "product of {count} × {width} on {isa}"),
            );
        }
    }
}

#[test]
fn columns_are_copied_into_wider_rows_and_back() {
    for (count, width) in sizes() {
        for (first, rest) in [(0, 0), (3, 0), (16, 5)] {
            let wide = first + width + rest;
            let narrow_values = floats(7, count * width, 2.0);
            let wide_values = floats(8, count * wide, 2.0);
            let (narrow, whole) = (padded(&narrow_values, count, width), padded(&wide_values, count, wide));
            for add in [false, true] {
                let join = |old: f32, new: f32| if add { old + new } else { new };
                let (mut into, mut back) = (wide_values.clone(), narrow_values.clone());
                for r in 0..count {
                    for c in 0..width {
                        let (n, w) = (r * width + c, r * wide + first + c);
                        into[w] = join(wide_values[w], narrow_values[n]);
                        back[n] = join(narrow_values[n], wide_values[w]);
                    }
                }
                let x = Rows::new(&narrow, count, width);
                stamped(
                    |e| in_place(|e, y| copy_columns(e, x, first, add, y), &wide_values, (count, wide), e),
                    |y, isa| assert_eq!(y, into, "{count} × {width} to {first} on {isa}"),
                );
                let x = Rows::new(&whole, count, wide);
                let start = &narrow_values;
                stamped(
                    |e| in_place(|e, y| take_columns(e, x, first, add, y), start, (count, width), e),
                    |y, isa| assert_eq!(y, back, "{count} × {width} from {first} on {isa}"),
                );
            }
        }
    }
}

#[test]
fn rows_are_taken_by_index() {
    for (count, width) in sizes() {
        let sources = 3;
        let (x, before) = (floats(9, sources * width, 2.0), floats(10, count * width, 2.0));
        let rows = padded(&x, sources, width);
        let index: Vec<u32> = (0..count as u32).map(|r| (r * r + 2) % 3).collect();
        for add in [false, true] {
            let mut want = before.clone();
            for (k, y) in want.iter_mut().enumerate() {
                let x = x[index[k / width] as usize * width + k % width];
                *y = if add { *y + x } else { x };
            }
            let x = Rows::new(&rows, sources, width);
            stamped(
                |e| in_place(|e, y| permute_rows(e, &index, x, add, y), &before, (count, width), e),
                |y, isa| assert_eq!(y, want, "{count} × {width} on {isa}"),
            );
        }
    }
}

#[test]
#[should_panic(expected = "index 2 of row 1 is out of range: there are 2 rows")]
fn an_index_after_the_last_row_is_rejected() {
    let (x, mut y) = (padded(&[0.0; 6], 2, 3), padded(&[0.0; 6], 2, 3));
    let engine = Engine::new(crate::Isa::portable(), 1);
    permute_rows(&engine, &[0, 2], Rows::new(&x, 2, 3), false, RowsMut::new(&mut y, 2, 3));
}
