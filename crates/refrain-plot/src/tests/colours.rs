use crate::colour::{DARK, LIGHT, READABLE, Rgb, distance, to_oklab};

/// WCAG's minimum contrast for anything but text.
const SEEN: f64 = 3.0;
/// Minimum distance between two colours for names in Oklab, where black and white are 1 apart. Okabe & Ito's own
/// seven colours have 0.076.
const MIN_DISTANCE: f64 = 0.095;
/// Maximum ratio of a ramp's longest step to its shortest: sRGB colours are rounded to bytes.
const EVEN: f64 = 1.6;
/// Maximum difference in lightness between the halves of a diverging scale: they have different hues at one
/// luminance.
const BALANCED: f64 = 0.02;

/// Machado, Oliveira & Fernandes (2009), severity 1: protanopia, deuteranopia, tritanopia, on linear light.
const DICHROMATS: [[[f64; 3]; 3]; 3] = [
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
];

fn as_seen(eyes: Option<&[[f64; 3]; 3]>, colour: Rgb) -> [f64; 3] {
    let light = colour.linear();
    let product = |row: &[f64; 3]| row.iter().zip(light).map(|(a, b)| a * b).sum::<f64>();
    to_oklab(eyes.map_or(light, |eyes| [product(&eyes[0]), product(&eyes[1]), product(&eyes[2])]))
}

#[test]
fn oklab_matches_ottosson() {
    // White, and red, from his table.
    let near = |got: [f64; 3], expected: [f64; 3]| distance(got, expected) < 2e-3;
    assert!(near(Rgb::new(0xffffff).oklab(), [1.0, 0.0, 0.0]));
    assert!(near(Rgb::new(0xff0000).oklab(), [0.628, 0.225, 0.126]));
}

#[test]
fn lines_and_texts_have_enough_contrast() {
    for palette in [LIGHT, DARK] {
        for colour in palette.series.into_iter().chain([palette.frame]) {
            let contrast = colour.contrast(palette.ground);
            assert!(contrast >= SEEN, "{} on {}: {contrast:.2}", colour.hex(), palette.ground.hex());
        }
        for colour in [palette.ink, palette.soft] {
            let contrast = colour.contrast(palette.ground);
            assert!(contrast >= READABLE, "{} on {}: {contrast:.2}", colour.hex(), palette.ground.hex());
        }
        for ground in palette.sequential().into_iter().chain(palette.diverging()) {
            let contrast = palette.over(ground).contrast(ground);
            assert!(contrast >= READABLE, "a letter on {}: {contrast:.2}", ground.hex());
        }
    }
}

#[test]
fn letters_on_a_diverging_scale_have_one_colour() {
    for palette in [LIGHT, DARK] {
        let plain = palette.over(palette.ground);
        assert!(palette.diverging().into_iter().all(|ground| palette.over(ground) == plain));
    }
}

#[test]
fn colours_of_names_differ_for_every_colour_vision() {
    for palette in [LIGHT, DARK] {
        for eyes in std::iter::once(None).chain(DICHROMATS.iter().map(Some)) {
            for (i, &a) in palette.series.iter().enumerate() {
                for &b in &palette.series[i + 1..] {
                    let apart = distance(as_seen(eyes, a), as_seen(eyes, b));
                    assert!(apart >= MIN_DISTANCE, "{} and {} for {eyes:?}: {apart:.3}", a.hex(), b.hex());
                }
            }
        }
    }
}

/// Returns the steps of a ramp as seen with normal vision or a given kind of dichromacy.
fn steps(colours: &[Rgb], eyes: Option<&[[f64; 3]; 3]>) -> Vec<[f64; 3]> {
    let seen: Vec<[f64; 3]> = colours.iter().map(|&colour| as_seen(eyes, colour)).collect();
    seen.windows(2).map(|pair| std::array::from_fn(|axis| pair[1][axis] - pair[0][axis])).collect()
}

#[test]
fn ramps_are_monotonic_and_even_for_every_colour_vision() {
    for (palette, away) in [(LIGHT, -1.0), (DARK, 1.0)] {
        let diverging = palette.diverging();
        let (negative, positive) = diverging.split_at(diverging.len() / 2);
        let negative: Vec<Rgb> = [palette.ground].into_iter().chain(negative.iter().rev().copied()).collect();
        assert_eq!(positive[0], palette.ground);
        for ramp in [&palette.sequential(), &negative, &positive.to_vec()] {
            let lengths = steps(ramp, None).into_iter().map(|step| distance(step, [0.0; 3]));
            let (short, long) = lengths
                .fold((f64::INFINITY, 0.0_f64), |(low, high), length| (low.min(length), high.max(length)));
            assert!(long / short < EVEN, "{short:.4} to {long:.4}");
            for eyes in std::iter::once(None).chain(DICHROMATS.iter().map(Some)) {
                assert!(steps(ramp, eyes).iter().all(|step| away * step[0] > 0.0), "{eyes:?}");
            }
        }
        for (a, b) in negative.iter().zip(positive) {
            assert!((a.oklab()[0] - b.oklab()[0]).abs() < BALANCED, "{} and {}", a.hex(), b.hex());
        }
    }
}
