//! Memory lengths of models whose memory is known.

use refrain_inspect::memory::{Measure, SHARE};
use refrain_inspect::{Error, MemoryLength, Sample, memory_length};
use refrain_nn::data::{Batch, BatchInput, Extent};
use refrain_nn::layers::{Bidirectional, Dense, Embedding, Gru, Lstm, SimpleRnn};
use refrain_nn::{Activation, Compile, InputSpec, Model, Sequential};

/// Relative tolerance of the same sums in f32 in another order.
const ROUNDING: f64 = 1e-5;

fn sample(lanes: usize, steps: usize) -> Sample {
    let features = (0..lanes * steps).map(|i| ((i * 37 + i * i) % 101) as f32 / 50.0 - 1.0).collect();
    let input = BatchInput { steps, features, ..BatchInput::default() };
    Sample::new(Batch { lanes, inputs: vec![input], ..Batch::default() }, "made up")
}

fn ids(lanes: usize, steps: usize) -> Sample {
    let ids = (0..lanes * steps).map(|i| ((i * 7 + i * i) % 11) as u32).collect();
    let input = BatchInput { steps, ids, ..BatchInput::default() };
    Sample::new(Batch { lanes, inputs: vec![input], ..Batch::default() }, "made up")
}

fn compiled(layers: Sequential) -> Model {
    layers.compile(Compile::default()).unwrap()
}

/// Returns a shift register: unit `k` holds the input of `k` steps ago, and the output is their sum weighted by `taps`.
fn register(taps: &[f32]) -> Model {
    let units = taps.len();
    let layer = SimpleRnn::new(units).activation(Activation::Linear);
    let mut model = compiled(Sequential::new().input(InputSpec::features(1)).add(layer).add(Dense::new(1)));
    let kernel: Vec<f32> = (0..units).map(|unit| if unit == 0 { 1.0 } else { 0.0 }).collect();
    let shift: Vec<f32> =
        (0..units * units).map(|i| if i / units + 1 == i % units { 1.0 } else { 0.0 }).collect();
    model.set_weight_flat("simple_rnn/kernel", &kernel).unwrap();
    model.set_weight_flat("simple_rnn/recurrent_kernel", &shift).unwrap();
    model.set_weight_flat("dense/kernel", taps).unwrap();
    model
}

fn measured(model: &mut Model, sample: &Sample) -> MemoryLength {
    memory_length(model, sample, SHARE).unwrap()
}

#[test]
fn a_shift_register_remembers_its_length() {
    for back in [0, 1, 5, 8, 9, 23, 40] {
        let mut model = register(&vec![1.0; back + 1]);
        let memory = measured(&mut model, &sample(6, 60));
        assert_eq!((memory.length, memory.at_least), (Some(back), false));
        assert_eq!((memory.measure, memory.reference, memory.sequences), (Measure::RelativeL2, 0, 6));
        // Earlier inputs do not move the output at all, bit for bit.
        assert!(memory.curve.iter().all(|of| (of.lag <= back) == (of.moved > 0.0)), "{:?}", memory.curve);
    }
    let short = measured(&mut register(&[1.0; 41]), &sample(6, 30));
    assert_eq!((short.length, short.at_least), (Some(29), true));
    let section = short.section().unwrap();
    assert!(section.findings[0].contains("at least 29 steps"), "{:?}", section.findings);
    assert_eq!((section.name, section.figures.len()), ("memory-length", 1));
}

#[test]
fn the_fraction_decides() {
    let taps: Vec<f32> = (0..20).map(|k| 0.5f32.powi(k)).collect();
    let mut model = register(&taps);
    // The inputs vary between positions, but none is far from another.
    let at = |model: &mut Model, share| memory_length(model, &sample(40, 60), share).unwrap().length.unwrap();
    let (tenth, thousandth) = (at(&mut model, 0.1), at(&mut model, 0.001));
    assert!((2..=4).contains(&tenth) && (9..=11).contains(&thousandth), "{tenth}, {thousandth}");
    for share in [0.0, -1.0, 1.5, f64::NAN] {
        assert!(matches!(memory_length(&mut model, &sample(2, 9), share), Err(Error::Setting { .. })));
    }
}

#[test]
fn a_model_that_reads_one_position_is_measured_there() {
    let mut taps = [0.0; 13];
    taps[12] = 1.0;
    // Lag 12 is not among the tested ones.
    assert_eq!(measured(&mut register(&taps), &sample(5, 60)).length, None);
    taps[12] = 0.0;
    taps[6] = 1.0;
    let memory = measured(&mut register(&taps), &sample(5, 60));
    assert_eq!((memory.reference, memory.length), (6, Some(6)));
    let nothing = measured(&mut register(&[0.0; 3]), &sample(5, 20));
    assert_eq!((nothing.length, nothing.at_least), (None, false));
    assert!(nothing.section().unwrap().findings[0].contains("At none of the"));
}

/// Returns the move of one lag, computed from whole sequences through the public API.
fn by_hand(model: &mut Model, of: &[Vec<u32>], lag: usize) -> f64 {
    let mut end = |ids: &[u32]| {
        let input = BatchInput { steps: ids.len(), ids: ids.to_vec(), ..BatchInput::default() };
        let batch = Batch { lanes: 1, inputs: vec![input], ..Batch::default() };
        let output = model.predict_batch(&batch, None).unwrap().swap_remove(0);
        let width = *output.shape().last().unwrap();
        output.iter().copied().collect::<Vec<f32>>().split_off(output.len() - width)
    };
    let mut moves = Vec::new();
    for (n, ids) in of.iter().enumerate().filter(|(_, ids)| ids.len() > lag) {
        let place = ids.len() - 1 - lag;
        let others = (1..of.len()).map(|j| &of[(n + j) % of.len()]).filter(|other| other.len() > lag);
        let others = others.map(|other| other[other.len() - 1 - lag]);
        let own = (1..ids.len()).map(|j| ids[(place + j) % ids.len()]);
        let mut changed = ids.clone();
        changed[place] = others.chain(own).find(|id| *id != ids[place]).unwrap();
        let (a, b) = (end(ids), end(&changed));
        moves.push(a.iter().zip(b).map(|(a, b)| f64::from((a - b).abs())).sum::<f64>() / 2.0);
    }
    moves.iter().sum::<f64>() / moves.len() as f64
}

#[test]
fn a_carried_state_makes_no_difference() {
    let lengths = [30, 4, 0, 17, 30];
    let mut sample = ids(5, 30);
    (sample.batch.inputs[0].extent, sample.batch.inputs[0].lengths) = (Extent::Lengths, lengths.to_vec());
    let of: Vec<Vec<u32>> =
        (0..5).map(|n| sample.batch.inputs[0].ids[n * 30..][..lengths[n]].to_vec()).collect();
    let of: Vec<Vec<u32>> = of.into_iter().filter(|ids| !ids.is_empty()).collect();
    let softmax = || Dense::new(11).activation(Activation::Softmax);
    let embedded = || Sequential::new().add(Embedding::new(11, 4));
    let two = embedded().add(Lstm::new(6).return_sequences(true)).add(Gru::new(5).return_sequences(true));
    let models = [
        two.add(softmax()),
        embedded().add(Gru::new(6).return_sequences(true)).add(Lstm::new(5)).add(softmax()),
        embedded().add(Bidirectional::new(Lstm::new(5))).add(softmax()),
    ];
    for (i, layers) in models.into_iter().enumerate() {
        let mut model = compiled(layers);
        let memory = measured(&mut model, &sample);
        assert_eq!((memory.sequences, memory.steps, memory.measure), (4, 30, Measure::TotalVariation));
        assert_eq!(memory.curve[0].sequences, 4);
        assert_eq!(memory.curve.last().unwrap().sequences, 2, "only two are 30 steps long");
        let largest = memory.curve.iter().map(|of| of.moved).fold(0.0, f64::max);
        for found in &memory.curve {
            let expected = by_hand(&mut model, &of, found.lag);
            assert!(
                (found.moved - expected).abs() <= ROUNDING * largest,
                "model {i}, lag {}: {}, by hand {expected}",
                found.lag,
                found.moved
            );
        }
    }
}

#[test]
fn invalid_input_is_an_error() {
    let said =
        |model: &mut Model, sample: &Sample| memory_length(model, sample, SHARE).unwrap_err().to_string();
    let mut model = register(&[1.0; 3]);
    let mut same = sample(3, 10);
    same.batch.inputs[0].features.fill(0.5);
    assert!(said(&mut model, &same).contains("are the same"));
    assert!(said(&mut model, &ids(3, 10)).contains("0 values for 3 sequences"));
    let mut empty = sample(3, 10);
    (empty.batch.inputs[0].extent, empty.batch.inputs[0].lengths) = (Extent::Lengths, vec![0; 3]);
    assert!(said(&mut model, &empty).contains("none of the 3 sequences"));
    let mut nan = sample(3, 10);
    nan.batch.inputs[0].features[29] = f32::NAN;
    assert!(said(&mut model, &nan).contains("NaN"));
    model.set_weight_flat("dense/bias", &[f32::NAN]).unwrap();
    assert!(said(&mut model, &sample(3, 10)).contains("dense/bias"));
    let mut flat = compiled(Sequential::new().input(InputSpec::flat(2)).add(Dense::new(1)));
    assert!(said(&mut flat, &sample(3, 10)).contains("time axis"));
}
