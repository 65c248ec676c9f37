//! Ranks, features and the search compared with values worked out by hand.

use super::ranks::Threshold;
use super::score::{Half, Scores};
use super::states::{Block, States};
use super::*;
use refrain_nn::data::{Batch, BatchInput};
use refrain_nn::layers::{Dense, Embedding, Lstm};
use refrain_nn::{Activation, Compile, Sequential};

/// The error of sums of a few thousand products in f32, each below ¼, relative to a sum of about a tenth of them.
const SUMS: f64 = 1e-5;

/// Returns reproducible numbers between 0 and 1.
fn noise(seed: u64) -> impl Iterator<Item = f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) + 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 24) as f32
    })
}

fn lane(text: &str) -> Vec<String> {
    text.chars().map(String::from).collect()
}

#[test]
fn auc_counts_pairs() {
    for round in 0..20 {
        // Few different values, so that there are ties.
        let values: Vec<f32> = noise(round).take(60).map(|x| (x * 9.0).floor() - 4.0).collect();
        let labels: Vec<f32> = noise(round + 100).take(60).map(|x| f32::from(u8::from(x > 0.7))).collect();
        let (mut pairs, mut won) = (0.0, 0.0);
        for (a, _) in values.iter().zip(&labels).filter(|(_, l)| **l == 1.0) {
            for (b, _) in values.iter().zip(&labels).filter(|(_, l)| **l == 0.0) {
                pairs += 1.0;
                won += if a > b {
                    1.0
                } else if a == b {
                    0.5
                } else {
                    0.0
                };
            }
        }
        let difference = (auc(&values, &labels).unwrap() - won / pairs).abs();
        assert!(difference < SUMS, "round {round}: {difference}");
    }
    assert_eq!(auc(&[-0.0, 0.0], &[1.0, 0.0]), Some(0.5));
    assert_eq!(auc(&[1.0, 2.0], &[1.0, 1.0]), None);
    assert_eq!(auc(&[1.0, f32::NAN], &[1.0, 0.0]), None);
    assert_eq!(auc(&[], &[]), None);
}

#[test]
fn correlations_have_their_closed_forms() {
    let x: Vec<f32> = (0..50).map(|i| i as f32).collect();
    let cube: Vec<f32> = x.iter().map(|x| (x - 20.0).powi(3)).collect();
    let falling: Vec<f32> = x.iter().map(|x| -3.0 * x + 7.0).collect();
    assert!((spearman(&x, &cube).unwrap() - 1.0).abs() < SUMS);
    assert!(pearson(&x, &cube).unwrap() < 0.95);
    assert!((pearson(&x, &falling).unwrap() + 1.0).abs() < SUMS);
    assert_eq!(pearson(&x, &[1.0; 50]), None);
    // Without ties: 1 - 6 Σd² / (n (n² - 1)), here with ranks 1 2 3 4 against 2 1 4 3.
    assert!((spearman(&[1.0, 2.0, 3.0, 4.0], &[5.0, -1.0, 9.0, 8.0]).unwrap() - 0.6).abs() < SUMS);
}

#[test]
fn the_best_threshold_is_found() {
    let values = [0.1, 0.4, 0.35, 0.8, 0.9, 0.2];
    let labels = [0.0, 0.0, 1.0, 1.0, 1.0, 0.0];
    let rule = Threshold::best(&values, &labels, 1.0);
    // Above 0.4: two of three, and none of the others. Above 0.2: three of three, and one of the others. Both are
    // equally good.
    assert!((rule.balanced_accuracy(&values, &labels) - 5.0 / 6.0).abs() < 1e-12);
    let falling: Vec<f32> = values.iter().map(|x| -x).collect();
    let rule = Threshold::best(&falling, &labels, -1.0);
    assert!((rule.balanced_accuracy(&falling, &labels) - 5.0 / 6.0).abs() < 1e-12);
}

fn value<'a>(features: &'a [Feature], name: &str) -> &'a [f32] {
    &features.iter().find(|f| f.name == name).unwrap_or_else(|| panic!("no feature {name}")).values
}

#[test]
fn features_of_characters_match_a_reader() {
    let text = "KIM:\n  \"Oh, (no)\" 42\n\n\"A";
    let all = features(&[lane(text)]);
    let marks = |name: &str| -> String {
        let pairs = text.chars().zip(value(&all, name));
        pairs.map(|(c, &x)| if x == 0.0 { '.' } else { c }).collect::<String>().replace('\n', "/")
    };
    let expected = [
        ("inside quotes", ".......\"Oh, (no)......\"A"),
        ("inside brackets", "............(no........."),
        ("line break", "..../...............//.."),
        ("blank line", "...................../.."),
        ("name before a colon", "KIM:/..................."),
        ("all capitals", ".IM....................."),
        ("upper case", "KIM.....O..............A"),
        ("word ends next", "..M......h....o........."),
        ("vowel", ".I......O.....o........A"),
        ("digit", "..................42...."),
    ];
    for (name, expected) in expected {
        assert_eq!(marks(name), expected, "{name}");
    }
    let counts = |name: &str| value(&all, name).iter().map(|&x| x as usize).collect::<Vec<_>>();
    assert_eq!(counts("characters since the line began")[..9], [1, 2, 3, 4, 0, 1, 2, 3, 4]);
    assert_eq!(counts("characters until the line ends")[..6], [3, 2, 1, 0, 0, 14]);
    assert_eq!(counts("indentation")[3..9], [0, 0, 1, 2, 2, 2]);
    assert_eq!(counts("length of the word")[..11], [1, 2, 3, 0, 0, 0, 0, 0, 1, 2, 0]);
    assert_eq!(counts("characters since punctuation")[2..8], [3, 0, 1, 2, 3, 4]);
    let share = value(&all, "share of the line");
    assert_eq!((share[0], share[3]), (0.25, 1.0));
    // Symbols in place of spaces and line breaks have the same meaning.
    let signs = lane(&text.replace(' ', "␣").replace('\n', "⏎"));
    assert_eq!(features(&[signs]), all);
}

#[test]
fn lanes_are_independent_and_words_are_separated_by_spaces() {
    let two = features(&[lane("\"ab"), lane("cd\"")]);
    assert_eq!(value(&two, "inside quotes"), [1.0, 1.0, 1.0, 0.0, 0.0, 1.0]);
    // The last letter of a lane has no next one.
    assert_eq!(value(&two, "word ends next"), [0.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    let words: Vec<String> = ["the", "DOG", "(", "barks", ")", "\n", "twice"].map(str::to_owned).to_vec();
    let all = features(&[words]);
    assert_eq!(value(&all, "length of the word"), [3.0, 3.0, 0.0, 5.0, 0.0, 0.0, 5.0]);
    assert_eq!(value(&all, "all capitals"), [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(value(&all, "inside brackets"), [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0]);
    assert_eq!(value(&all, "characters since the line began"), [3.0, 7.0, 9.0, 15.0, 17.0, 0.0, 5.0]);
    assert!(all.iter().all(|f| f.name != "vowel"));
    // Without a line break there are no lines.
    assert_eq!(value(&features(&[lane("ab. c!")]), "share of the line"), [0.0; 6]);
    assert_eq!(value(&features(&[lane("ab. c!")]), "sentence ends"), [0.0, 0.0, 1.0, 0.0, 0.0, 1.0]);
    // Subwords include their spaces.
    let parts: Vec<String> = ["the", " do", "g", " barks"].map(str::to_owned).to_vec();
    assert_eq!(value(&features(&[parts]), "length of the word"), [3.0, 2.0, 3.0, 5.0]);
    assert!(features(&[]).iter().all(|f| f.values.is_empty()));
    assert!(features(&[vec![String::new()]]).iter().all(|f| f.values.len() == 1));
}

/// Returns prose with quotes whose rhythm matches no other feature.
fn prose(n: usize) -> Vec<String> {
    let mut quoted = false;
    let mut letters = noise(7);
    let mut next = || letters.next().unwrap();
    (0..n)
        .map(|_| {
            let at = next();
            if at < 0.02 {
                quoted = !quoted;
                return '"'.to_string();
            }
            let c = char::from(b'a' + (next() * 26.0) as u8);
            (if at < 0.2 {
                ' '
            } else if at < 0.23 {
                '\n'
            } else {
                c
            })
            .to_string()
        })
        .collect()
}

fn planted(n: usize, units: usize, plant: impl Fn(usize) -> f32) -> States {
    let mut noise = noise(3);
    let values = (0..n * units).map(|i| match i % units {
        // A unit close to the planted feature, one that never varies, and one that is NaN.
        5 => plant(i / units) + 0.3 * noise.next().unwrap(),
        6 => 0.25,
        7 => {
            if i / units == n / 3 {
                f32::NAN
            } else {
                noise.next().unwrap()
            }
        }
        _ => noise.next().unwrap() * 2.0 - 1.0,
    });
    let block = Block { layer: "lstm".to_owned(), state: "hidden state", units, values: values.collect() };
    States { blocks: vec![block], kept: (0..n).collect(), every: 1 }
}

#[test]
fn a_planted_unit_is_found_first_and_noise_is_not_called_readable() {
    let text = prose(4000);
    let all = features(std::slice::from_ref(&text));
    let quoted = value(&all, "inside quotes").to_vec();
    let states = planted(4000, 150, |at| -quoted[at]);
    let found = search_in(&states, &all, &Search::default(), 2);
    let best = &found.features[0];
    let unit = &best.units[0];
    assert_eq!((best.name, unit.unit, unit.sign, unit.readable), ("inside quotes", 5, -1, true));
    assert!(unit.effect > 0.99 && best.control < 0.3, "{best:?}");
    assert!(unit.balanced_accuracy.unwrap() > 0.99);
    assert!(!best.units[1].readable);
    let rest: Vec<_> = found.features[1..].iter().flat_map(|f| &f.units).collect();
    assert!(rest.len() > 30 && rest.iter().all(|unit| !unit.readable && unit.effect.abs() < 0.3));
    assert!(found.left_out.contains(&"digit") && found.left_out.contains(&"depth of brackets"));
    assert_eq!(found.excerpts.len(), 1);
    // The same with one thread or three.
    assert_eq!(search_in(&states, &all, &Search::default(), 1), found);
}

/// A unit that follows a feature only on the first half is chosen there and rejected on the second.
#[test]
fn units_that_fail_on_the_second_half_are_not_readable() {
    let text = prose(4000);
    let all = features(std::slice::from_ref(&text));
    let quoted = value(&all, "inside quotes").to_vec();
    let states = planted(4000, 20, |at| if at < 2000 { quoted[at] } else { 1.0 - quoted[at] });
    let found = search_in(&states, &all, &Search::default(), 1);
    let quotes = found.features.iter().find(|f| f.name == "inside quotes").unwrap();
    let unit = &quotes.units[0];
    assert_eq!((unit.unit, unit.sign, unit.readable), (5, 1, false));
    assert!(unit.effect_chosen_on > 0.99 && unit.effect < -0.99 && unit.auc.unwrap() < 0.01, "{unit:?}");
    assert!(unit.balanced_accuracy.unwrap() < 0.01);
}

/// The matrix product gives the same for each unit as the plain functions.
#[test]
fn all_units_at_once_equal_each_alone() {
    let text = prose(3000);
    let all = features(std::slice::from_ref(&text));
    let length = value(&all, "length of the word").to_vec();
    let states = planted(3000, 70, |at| length[at]);
    let some: Vec<&Feature> =
        all.iter().filter(|f| ["inside quotes", "length of the word", "vowel"].contains(&f.name)).collect();
    let halves = [Half::new(&some, 0..1400, 0), Half::new(&some, 1400..3000, 4)];
    let scores = Scores::of(&states, &halves, 2);
    for (f, feature) in some.iter().enumerate() {
        let mut control: f64 = 0.0;
        for unit in (0..70).filter(|&unit| unit != 6 && unit != 7) {
            let values = states.values(unit);
            let alone = |values: &[f32], labels: &[f32]| match feature.kind {
                FeatureKind::Binary => 2.0 * auc(values, labels).unwrap() - 1.0,
                FeatureKind::Numeric => spearman(values, labels).unwrap(),
            };
            let first = alone(&values[..1400], &feature.values[..1400]);
            let second = alone(&values[1400..], &feature.values[1400..]);
            assert!((scores.chosen_on(unit, f) - first).abs() < SUMS, "{} of {unit}", feature.name);
            assert!((scores.held_out(unit, f) - second).abs() < SUMS, "{} of {unit}", feature.name);
            for shift in 1..=4 {
                let mut shifted = feature.values[1400..].to_vec();
                shifted.rotate_left(shift * 1600 / 5);
                control = control.max(alone(&values[1400..], &shifted).abs());
            }
        }
        assert!((scores.control(f) - control).abs() < SUMS, "{}: {control}", feature.name);
        assert!(scores.chosen_on(6, f).is_nan() && scores.held_out(6, f).is_nan());
    }
}

fn model() -> Model {
    Sequential::new()
        .add(Embedding::new(128, 6))
        .add(Lstm::new(12).return_sequences(true))
        .add(Dense::new(128).activation(Activation::Softmax))
        .compile(Compile::default())
        .unwrap()
}

fn sample(lanes: &[Vec<String>]) -> Sample {
    let steps = lanes.iter().map(Vec::len).max().unwrap_or(0);
    let ids = lanes.iter().flatten().map(|token| u32::from(token.as_bytes()[0])).collect();
    let input = BatchInput { steps, ids, ..BatchInput::default() };
    let batch = Batch { lanes: lanes.len(), inputs: vec![input], ..Batch::default() };
    Sample { batch, tokens: Some(lanes.to_vec()), of: "prose".to_owned() }
}

/// A unit whose weights make its hidden state large after a space and nowhere else.
#[test]
fn a_unit_set_by_hand_is_found_in_a_model() {
    let mut model = model();
    let mut table = vec![0.0; 128 * 6];
    for id in 0..128 {
        table[id * 6] = if id == 32 { 1.0 } else { -1.0 };
    }
    let (mut kernel, mut bias) = (vec![0.0; 6 * 48], vec![0.0; 48]);
    // Unit 3: input and output gates open, forget gate shut, candidate the first feature.
    (bias[3], bias[12 + 3], bias[36 + 3], kernel[24 + 3]) = (9.0, -9.0, 9.0, 3.0);
    model.set_weight_flat("embedding/embeddings", &table).unwrap();
    model.set_weight_flat("lstm/kernel", &kernel).unwrap();
    model.set_weight_flat("lstm/recurrent_kernel", &vec![0.0; 12 * 48]).unwrap();
    model.set_weight_flat("lstm/bias", &bias).unwrap();
    let text = prose(3000);
    let lanes: Vec<_> = text.chunks(1000).map(<[String]>::to_vec).collect();
    let found = Readable::of(&mut model, &sample(&lanes), &Search::default()).unwrap();
    assert_eq!((found.tokens, found.candidates), (3 * 950, 24));
    let between = found.features.iter().find(|f| f.name == "between words").unwrap();
    assert_eq!((between.units[0].unit, between.units[0].sign), (3, 1));
    assert!(between.units[0].auc.unwrap() > 0.85, "{between:?}");
    let excerpt = found.excerpts.iter().find(|e| e.feature == "between words").unwrap();
    for (token, value) in excerpt.tokens.iter().zip(&excerpt.values) {
        assert_eq!(token == " ", *value > 0.5, "{token:?} {value}");
    }
    let section = found.section().unwrap();
    assert!(section.findings[0].contains("Unit 3"), "{:?}", section.findings);
    assert!(section.figures.iter().any(|f| f.name == "readable-units-text-between-words"));
}

#[test]
fn invalid_searches_are_errors() {
    let mut model = model();
    let mut error =
        |sample: &Sample| Readable::of(&mut model, sample, &Search::default()).unwrap_err().to_string();
    let good = sample(&[lane("abc")]);
    assert!(error(&Sample { tokens: None, ..good.clone() }).contains("not text"));
    assert!(error(&Sample { tokens: Some(Vec::new()), ..good.clone() }).contains("expected 1"));
    assert!(error(&sample(&[Vec::new()])).contains("at least one step"));
    // Too short a text, a single step, or NaN: nothing is found, and the report says so.
    for text in ["a", "to be, or not to be"] {
        let found = Readable::of(&mut model, &sample(&[lane(text)]), &Search::default()).unwrap();
        assert!(found.features.is_empty() && found.section().unwrap().findings[0].contains("too few"));
    }
    let len = model.weight("lstm/bias").unwrap().len();
    model.set_weight_flat("lstm/bias", &vec![f32::NAN; len]).unwrap();
    let found = Readable::of(&mut model, &sample(&[prose(1000)]), &Search::default()).unwrap();
    assert!(found.features.iter().all(|f| f.units.is_empty()));
    found.section().unwrap();
}
