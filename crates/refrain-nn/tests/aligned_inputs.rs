//! Merging inputs that are aligned step by step, such as words and their tags.

use ndarray::{Array2, Axis, array};
use refrain_nn::data::{Data, Sequences};
use refrain_nn::layers::{Add, Concatenate, Dense, Embedding, Layer, Lstm};
use refrain_nn::loss::Loss;
use refrain_nn::{Activation, Compile, Engine, Fit, InputSpec, Isa, Model, Network};

/// Words and tags, embedded and merged, then an LSTM.
fn model(merge: impl Layer + 'static, mask_zero: bool) -> Model {
    let mut net = Network::new();
    let words = net.input(InputSpec::ids().name("words"));
    let tags = net.input(InputSpec::ids().name("tags"));
    let word = net.add(Embedding::new(9, 4).mask_zero(mask_zero), &[words]).unwrap();
    let tag = net.add(Embedding::new(5, 4).mask_zero(mask_zero), &[tags]).unwrap();
    let merged = net.add(merge, &[word, tag]).unwrap();
    let read = net.add(Lstm::new(6), &[merged]).unwrap();
    let out = net.add(Dense::new(3).activation(Activation::Softmax), &[read]).unwrap();
    let loss = Loss::SparseCategoricalCrossentropy;
    let engine = Some(Engine::new(Isa::portable(), 1));
    net.compile(&[out], Compile { loss, engine, ..Compile::default() }).unwrap()
}

fn ids() -> (Array2<u32>, Array2<u32>) {
    (array![[3, 1, 4], [5, 8, 0], [2, 6, 7]], array![[1, 2, 3], [4, 1, 0], [2, 2, 2]])
}

#[test]
fn equal_lengths_train_and_answer_as_a_sequence_alone() {
    let ((words, tags), lengths, y) = (ids(), [3, 2, 3], [0_u32, 1, 2]);
    for mask_zero in [false, true] {
        let mut model = model(Concatenate::new(), mask_zero);
        let x = || {
            Sequences::new()
                .with("words", Data::from(&words).lengths(&lengths))
                .with("tags", Data::from(&tags).lengths(&lengths))
        };
        let history = model.fit(x(), &y[..], Fit { epochs: 40, ..Fit::default() }).unwrap();
        assert!(history["loss"][39] < history["loss"][0]);
        let all = model.predict(x()).unwrap();
        for (n, length) in lengths.into_iter().enumerate() {
            let part = |ids: &Array2<u32>| ids.slice(ndarray::s![n..=n, ..length]).to_owned();
            let (words, tags) = (part(&words), part(&tags));
            let alone = model.predict([Data::from(&words), Data::from(&tags)]).unwrap();
            let together = all.index_axis(Axis(0), n);
            assert!(alone.iter().zip(&together).all(|(a, b)| (a - b).abs() < 1e-6), "{alone} and {together}");
        }
    }
}

#[test]
fn other_steps_are_refused_with_the_sequence() {
    let (words, tags) = ids();
    let mut model = model(Add::new(), false);
    let mut error = |words: Data<'_>, tags: Data<'_>| model.predict([words, tags]).unwrap_err().to_string();
    assert_eq!(
        error(Data::from(&words).lengths(&[3, 2, 3]), Data::from(&tags).lengths(&[3, 2, 1])),
        "add: the length of sequence 2 is 3 real steps in input 0 and 1 in input 1, but the model expects the same \
         steps in all inputs of this layer"
    );
    let mask = |steps: [bool; 3]| Array2::from_shape_fn((3, 3), |(_, t)| steps[t]);
    let (first, second) = (mask([true, true, false]), mask([true, false, true]));
    let error = error(Data::from(&words).mask(&first), Data::from(&tags).mask(&second));
    assert!(error.contains("sequence 0 is 2 real steps in inputs 0 and 1, but not the same ones"), "{error}");
}
