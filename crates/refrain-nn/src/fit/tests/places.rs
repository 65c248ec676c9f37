//! Errors name the caller's sequence, whichever batch it is in.

use super::*;
use crate::data::Data;

const N: usize = 200;
const BAD: usize = 150;

fn small<'a>() -> Fit<'a> {
    Fit { batch_size: 8, ..Fit::default() }
}

#[track_caller]
fn names<T: std::fmt::Debug>(result: Result<T, Error>, phrase: &str) {
    let error = result.unwrap_err().to_string();
    assert!(error.contains(phrase), "{error}");
}

#[test]
fn an_id_out_of_range() {
    let (mut x, y) = data(N);
    x[[BAD, 2]] = 77;
    let (mut model, phrase) = (model(0.01), "embedding: the id of sequence 150 at step 2 is 77");
    names(model.predict(&x), phrase);
    names(model.predict_all(&x, Some(7)), phrase);
    names(model.evaluate(&x, &y, Evaluate::default()), phrase);
    names(model.fit(&x, &y, small()), phrase);
    names(model.fit(&x, &y, Fit { shuffle: false, ..small() }), phrase);
    let ((good, good_y), in_validation) = (data(8), format!("the validation data: {phrase}"));
    let validation_data = Some((&x, &y).into());
    names(model.fit(&good, &good_y, Fit { validation_data, ..small() }), &in_validation);
    names(model.fit(&x, &y, Fit { validation_split: 0.5, ..small() }), &in_validation);
}

#[test]
fn a_target_out_of_range() {
    let (x, mut y) = data(N);
    y[BAD] = 9;
    let phrase = "the target of sequence 150 is class id 9";
    names(model(0.01).fit(&x, &y, small()), phrase);
    names(model(0.01).evaluate(&x, &y, Evaluate::default()), phrase);

    let mut steps = Sequential::new()
        .add(Embedding::new(VOCAB as usize, 2))
        .add(Lstm::new(3).return_sequences(true))
        .add(Dense::new(VOCAB as usize).activation(Activation::Softmax))
        .compile(compile(0.01))
        .unwrap();
    let lengths: Vec<usize> = (0..N).map(|n| 1 + n % 3).collect();
    let mut y = x.clone();
    y[[BAD - 1, 1]] = 9;
    let x = Data::from(&x).lengths(&lengths);
    names(steps.fit(x, &y, small()), "the target of sequence 149 at step 1 is class id 9");
}

#[test]
fn a_length_or_a_weight() {
    let ((x, y), mut model) = (data(N), model(0.01));
    let mut lengths = vec![3; N];
    lengths[BAD] = 4;
    let long = Data::from(&x).lengths(&lengths);
    names(model.fit(long, &y, small()), "sequence 150 has length 4");
    names(model.predict(long), "sequence 150 has length 4");
    let mut weights = [1.0_f32; N];
    weights[BAD] = f32::NAN;
    let sample_weight = Some((&weights[..]).into());
    names(model.fit(&x, &y, Fit { sample_weight, ..small() }), "sample_weight of sequence 150 is NaN");
}

#[test]
fn a_batch_of_a_source_names_its_own_sequence() {
    let mut batch = Batch { lanes: 2, ..Batch::default() };
    batch.inputs = vec![BatchInput { steps: 1, ids: vec![0, 99], ..BatchInput::default() }];
    names(model(0.01).predict_batch(&batch, None), "the id of sequence 1 of the batch at step 0 is 99");
}
