//! A batch size that nobody chose does not show in a `stateful` model.

use super::*;

fn net(rate: f64) -> Model {
    Sequential::new()
        .add(Embedding::new(VOCAB as usize, 2))
        .add(Lstm::new(3).stateful(true))
        .add(Dense::new(VOCAB as usize).activation(Activation::Softmax))
        .compile(compile(rate))
        .unwrap()
}

/// Equal sequences with equal targets.
fn equal(n: usize) -> (Array2<u32>, Array1<u32>) {
    (Array2::from_shape_fn((n, 3), |(_, t)| t as u32 + 1), Array1::from_elem(n, 2))
}

#[test]
fn equal_sequences_have_equal_answers_and_losses() {
    let (x, y) = equal(1);
    let answer = net(0.01).predict(&x).unwrap();
    let loss = net(0.01).evaluate(&x, &y, Evaluate::default()).unwrap()["loss"];
    for n in [2, 33, 65, 128] {
        let (x, y) = equal(n);
        assert!(net(0.01).predict(&x).unwrap().outer_iter().all(|row| row == answer.index_axis(Axis(0), 0)));
        let of_all = net(0.01).evaluate(&x, &y, Evaluate::default()).unwrap()["loss"];
        assert!((of_all - loss).abs() < 1e-6, "{n}: {of_all} and {loss}");
    }
    // Chosen batches continue each other, as in Keras.
    let (x, y) = equal(4);
    let chosen = Evaluate { batch_size: Some(1), ..Evaluate::default() };
    assert!((net(0.01).evaluate(&x, &y, chosen).unwrap()["loss"] - loss).abs() > 1e-4);
}

#[test]
fn validation_starts_from_zero_and_leaves_the_state_of_training_alone() {
    let ((x, y), (vx, vy)) = (data(8), equal(67));
    let run = |validation_data, validation_batch_size| {
        let mut model = net(0.05);
        let fit =
            Fit { epochs: 3, batch_size: 4, validation_data, validation_batch_size, ..Default::default() };
        let history = model.fit(&x, &y, fit).unwrap();
        (history, model)
    };
    let (_, alone) = run(None, None);
    let (history, mut model) = run(Some((&vx, &vy).into()), None);
    assert_eq!(bits(&model), bits(&alone), "validation changes nothing");
    model.reset_states();
    let expected = model.evaluate(&vx, &vy, Evaluate::default()).unwrap();
    assert!((history["val_loss"][2] - expected["loss"]).abs() < 1e-6);
    let (continued, other) = run(Some((&vx, &vy).into()), Some(1));
    assert_eq!(bits(&other), bits(&alone));
    assert_ne!(continued["val_loss"][2], history["val_loss"][2]);
    model.reset_states();
    let chosen = Evaluate { batch_size: Some(1), ..Evaluate::default() };
    assert_eq!(model.evaluate(&vx, &vy, chosen).unwrap()["loss"], continued["val_loss"][2]);
}
