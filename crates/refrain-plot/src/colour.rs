//! Colours for names and for numbers. Distances and ramps are in Oklab (Ottosson, 2020), where equal steps look
//! equal.

/// An sRGB colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rgb(pub(crate) [u8; 3]);

/// Lightness, then green to red, then blue to yellow.
type Oklab = [f64; 3];

impl Rgb {
    pub(crate) const fn new(hex: u32) -> Self {
        Self([(hex >> 16) as u8, (hex >> 8) as u8, hex as u8])
    }

    pub(crate) fn hex(self) -> String {
        let [r, g, b] = self.0;
        format!("#{r:02x}{g:02x}{b:02x}")
    }

    /// Returns red, green and blue as linear light, 0 to 1.
    pub(crate) fn linear(self) -> [f64; 3] {
        self.0.map(|byte| {
            let value = f64::from(byte) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        })
    }

    fn from_linear(light: [f64; 3]) -> Self {
        Self(light.map(|light| {
            let light = light.clamp(0.0, 1.0);
            let value =
                if light <= 0.003_130_8 { 12.92 * light } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
            (value * 255.0).round() as u8
        }))
    }

    pub(crate) fn oklab(self) -> Oklab {
        to_oklab(self.linear())
    }

    /// Returns WCAG's contrast ratio, 1 to 21.
    pub(crate) fn contrast(self, other: Self) -> f64 {
        let luminance = |colour: Self| {
            let [r, g, b] = colour.linear();
            0.2126 * r + 0.7152 * g + 0.0722 * b
        };
        let (a, b) = (luminance(self), luminance(other));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }
}

/// Converts linear light to Oklab.
pub(crate) fn to_oklab([r, g, b]: [f64; 3]) -> Oklab {
    let l = (0.412_221_470_8 * r + 0.536_332_536_3 * g + 0.051_445_992_9 * b).max(0.0).cbrt();
    let m = (0.211_903_498_2 * r + 0.680_699_545_1 * g + 0.107_396_956_6 * b).max(0.0).cbrt();
    let s = (0.088_302_461_9 * r + 0.281_718_837_6 * g + 0.629_978_700_5 * b).max(0.0).cbrt();
    [
        0.210_454_255_3 * l + 0.793_617_785_0 * m - 0.004_072_046_8 * s,
        1.977_998_495_1 * l - 2.428_592_205_0 * m + 0.450_593_709_9 * s,
        0.025_904_037_1 * l + 0.782_771_766_2 * m - 0.808_675_766_0 * s,
    ]
}

fn from_oklab([lightness, a, b]: Oklab) -> Rgb {
    let l = (lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
    let m = (lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
    let s = (lightness - 0.089_484_177_5 * a - 1.291_485_548_0 * b).powi(3);
    Rgb::from_linear([
        4.076_741_662_1 * l - 3.307_711_591_3 * m + 0.230_969_929_2 * s,
        -1.268_438_004_6 * l + 2.609_757_401_1 * m - 0.341_319_396_5 * s,
        -0.004_196_086_3 * l - 0.703_418_614_7 * m + 1.707_614_701_0 * s,
    ])
}

pub(crate) fn distance(a: Oklab, b: Oklab) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

/// Returns `count` colours in even steps along the straight lines between the anchors.
pub(crate) fn ramp(anchors: &[Rgb], count: usize) -> Vec<Rgb> {
    let anchors: Vec<Oklab> = anchors.iter().map(|colour| colour.oklab()).collect();
    let whole: f64 = anchors.windows(2).map(|pair| distance(pair[0], pair[1])).sum();
    let at = |i: usize| {
        let mut left = whole * i as f64 / (count - 1) as f64;
        for pair in anchors.windows(2) {
            let length = distance(pair[0], pair[1]);
            if left <= length {
                let part = left / length;
                return std::array::from_fn(|axis| pair[0][axis] + part * (pair[1][axis] - pair[0][axis]));
            }
            left -= length;
        }
        anchors[anchors.len() - 1]
    };
    (0..count).map(|i| from_oklab(at(i))).collect()
}

/// The colours for a light or a dark background.
#[derive(Debug, Clone)]
pub(crate) struct Palette {
    pub(crate) ground: Rgb,
    pub(crate) ink: Rgb,
    /// For secondary text and missing values.
    pub(crate) soft: Rgb,
    pub(crate) frame: Rgb,
    pub(crate) grid: Rgb,
    pub(crate) faint: Rgb,
    pub(crate) series: [Rgb; SERIES],
    sequential: [Rgb; 3],
}

/// Number of colours for names.
pub(crate) const SERIES: usize = 7;
/// Number of classes of a sequential scale.
pub(crate) const SEQUENTIAL: usize = 32;
/// Number of classes of a diverging scale. The middle one is the background colour.
pub(crate) const DIVERGING: usize = 33;
/// The ends of a diverging scale on both backgrounds. They are light enough for both black and white letters to be
/// readable on them, so all letters of a text can have one colour.
const ENDS: [Rgb; 2] = [Rgb::new(0x2e76cc), Rgb::new(0xc05526)];

// The colours for names have the hues of Okabe & Ito (2008), "Color Universal Design", adjusted until each stands
// out from the background and any two differ, also for dichromats as simulated by Machado et al. (2009). The tests
// state the limits.
pub(crate) const LIGHT: Palette = Palette {
    ground: Rgb::new(0xffffff),
    ink: Rgb::new(0x222222),
    soft: Rgb::new(0x5f6368),
    frame: Rgb::new(0x777777),
    grid: Rgb::new(0xdedede),
    faint: Rgb::new(0xf1f1f1),
    series: [
        Rgb::new(0x2f5294),
        Rgb::new(0xb94a11),
        Rgb::new(0x328672),
        Rgb::new(0xe04db3),
        Rgb::new(0xae8e3b),
        Rgb::new(0x188bfd),
        Rgb::new(0x222222),
    ],
    sequential: [Rgb::new(0xf7fbf4), Rgb::new(0x3c9bb3), Rgb::new(0x1d1647)],
};

pub(crate) const DARK: Palette = Palette {
    ground: Rgb::new(0x16181c),
    ink: Rgb::new(0xe8e8e8),
    soft: Rgb::new(0xa4a9b0),
    frame: Rgb::new(0x8b9096),
    grid: Rgb::new(0x34383e),
    faint: Rgb::new(0x24272c),
    series: [
        Rgb::new(0x457dca),
        Rgb::new(0xec7d00),
        Rgb::new(0x49b979),
        Rgb::new(0xc395c7),
        Rgb::new(0xf7c654),
        Rgb::new(0x76d5fd),
        Rgb::new(0xececec),
    ],
    sequential: [Rgb::new(0x1b1f2b), Rgb::new(0x2f86a0), Rgb::new(0xf6f2b8)],
};

/// WCAG's minimum contrast for text.
pub(crate) const READABLE: f64 = 4.5;
const BLACK: Rgb = Rgb::new(0x000000);
pub(crate) const WHITE: Rgb = Rgb::new(0xffffff);

impl Palette {
    /// Returns the letter colour for a background of this colour: black or white, the one used on the plain
    /// background if it is readable. One of the two always is.
    pub(crate) fn over(&self, colour: Rgb) -> Rgb {
        let plain = if self.ground.contrast(BLACK) > self.ground.contrast(WHITE) { BLACK } else { WHITE };
        if colour.contrast(plain) >= READABLE {
            plain
        } else if plain == BLACK {
            WHITE
        } else {
            BLACK
        }
    }

    /// Returns the colours from the smallest number to the largest.
    pub(crate) fn sequential(&self) -> Vec<Rgb> {
        ramp(&self.sequential, SEQUENTIAL)
    }

    /// Returns the colours from the most negative number through 0 to the most positive.
    pub(crate) fn diverging(&self) -> Vec<Rgb> {
        let [negative, positive] = ENDS.map(|end| ramp(&[self.ground, end], DIVERGING / 2 + 1));
        negative.into_iter().rev().chain(positive.into_iter().skip(1)).collect()
    }
}
