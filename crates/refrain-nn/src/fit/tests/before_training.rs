//! A run that would fail later is refused before it changes the model.

use super::*;

type Xy = (Array2<u32>, Array1<u32>);

#[track_caller]
fn refused<'a>(model: &mut Model, (x, y): &'a Xy, fit: Fit<'a>, phrases: &[&str]) {
    let before = bits(model);
    let error = model.fit(x, y, fit).unwrap_err().to_string();
    assert!(phrases.iter().all(|phrase| error.contains(phrase)), "{error}");
    assert_eq!((bits(model), model.steps_done()), (before, 0), "{error}");
}

#[test]
fn a_callback_without_its_value() {
    let (ten, mut model) = (data(10), model(0.01));
    let checkpoint = |path: &str| ModelCheckpoint::new(path);
    let with = |callback: Box<dyn Callback>| Fit { callbacks: vec![callback], ..Fit::default() };
    let no_validation = ["ModelCheckpoint", "no validation data"];
    refused(&mut model, &ten, with(Box::new(checkpoint("{epoch}-{val_loss:.2f}"))), &no_validation);
    refused(&mut model, &ten, with(Box::new(checkpoint("{val_accuracy}"))), &no_validation);
    refused(&mut model, &ten, with(Box::new(checkpoint("{epoch:.2f}"))), &["{epoch:02d}"]);
    refused(&mut model, &ten, with(Box::new(checkpoint("{epoch"))), &["literal braces"]);
    let best = ModelCheckpoint { save_best_only: true, ..checkpoint("best") };
    refused(&mut model, &ten, with(Box::new(best)), &no_validation);
    refused(
        &mut model,
        &ten,
        with(Box::<ReduceLrOnPlateau>::default()),
        &["ReduceLrOnPlateau", "`val_loss`"],
    );
    let unknown = EarlyStopping { monitor: "height".into(), ..Default::default() };
    refused(&mut model, &ten, with(Box::new(unknown)), &["`height`", "Min or Max"]);
}

/// Adds a score of its own.
struct Own;

impl Callback for Own {
    fn on_epoch_end(&mut self, cx: &mut EpochContext<'_>) -> Result<(), Error> {
        cx.logs.insert("val_f1", 0.5);
        Ok(())
    }
}

#[test]
fn a_value_that_an_earlier_callback_adds_is_not_missed() {
    let (x, y) = data(10);
    let mut seen = EarlyStopping { monitor: "val_f1".into(), mode: Mode::Max, ..Default::default() };
    let fit = Fit { callbacks: vec![Box::new(Own), Box::new(&mut seen)], ..Fit::default() };
    model(0.01).fit(&x, &y, fit).unwrap();
    assert_eq!(seen.state.best(), Some(0.5));
}

#[test]
fn stateful_batches_of_unequal_sizes() {
    let net = Sequential::new()
        .add(Embedding::new(VOCAB as usize, 2))
        .add(Lstm::new(3).stateful(true))
        .add(Dense::new(VOCAB as usize).activation(Activation::Softmax));
    let (ten, five, mut model) = (data(10), data(5), net.compile(compile(0.01)).unwrap());
    let uneven = ["batch_size is 4 for 10 sequences", "stateful"];
    refused(&mut model, &ten, Fit { batch_size: 4, ..Fit::default() }, &uneven);
    let validation =
        Fit { batch_size: 2, validation_split: 0.2, validation_batch_size: Some(2), ..Fit::default() };
    model.clone().fit(&ten.0, &ten.1, validation).unwrap();
    let uneven = Fit {
        batch_size: 5,
        validation_data: Some((&five.0, &five.1).into()),
        validation_batch_size: Some(2),
        ..Fit::default()
    };
    refused(&mut model, &ten, uneven, &["validation: batch_size is 2 for 5 sequences"]);
    model.predict(&five.0).unwrap();
    let continued = ["the data for fit is a batch of 10 sequences", "expects 5", "reset_states"];
    refused(&mut model, &ten, Fit::default(), &continued);
}
