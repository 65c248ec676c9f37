//! Options of the training loop: scores, rates per batch, flushed gradients, averages, answers.

use super::*;
use crate::Averaging;
use crate::checkpoint::{Checkpoint, Checkpoints};

/// Three batches per epoch, each with its own rate.
struct Varying;

const FACTORS: [f64; 3] = [1.0, 0.5, 2.0];

impl BatchSource for Varying {
    fn len(&self, _epoch: usize) -> usize {
        FACTORS.len()
    }

    fn fill(&self, _seed: u64, epoch: usize, i: usize, batch: &mut Batch) -> Result<(), Error> {
        let ids = (0..8).map(|k| ((k * 5 + i + 3 * epoch) as u32) % VOCAB);
        batch.lanes = 2;
        batch.inputs = vec![BatchInput { steps: 4, ids: ids.collect(), ..Default::default() }];
        batch.targets = vec![BatchTarget { steps: 1, ids: vec![i as u32, 1], ..Default::default() }];
        Ok(())
    }

    fn rate_factor(&self, _seed: u64, _epoch: usize, i: usize) -> f64 {
        FACTORS[i]
    }
}

fn accumulating(batches: u32) -> Model {
    let mut model = model(0.02);
    let gradient_accumulation_steps = batches;
    model.compile(Compile { gradient_accumulation_steps, ..compile(0.02) }).unwrap();
    model
}

#[test]
fn batches_report_rates_and_the_last_gradients_of_an_epoch_are_applied() {
    let mut rates = Vec::new();
    let mut report = |event: &Event<'_>| {
        if let Event::EpochEnd { learning_rate, gradient_norm, .. } = event {
            rates.push((*learning_rate, *gradient_norm));
        }
    };
    let mut trained = accumulating(2);
    let fit = Fit { epochs: 2, flush_gradients: true, reporter: Some(&mut report), ..Default::default() };
    trained.fit_source(&Varying, None, fit).unwrap();

    // By hand: batches 0 and 1 make one step at rate 1, batch 2 one alone at its own rate.
    let (mut by_hand, mut batch) = (accumulating(2), Batch::default());
    let mut norms = Vec::new();
    for epoch in 0..2 {
        let mut of_epoch = Vec::new();
        for (i, factor) in FACTORS.into_iter().enumerate() {
            Varying.fill(1, epoch, i, &mut batch).unwrap();
            by_hand.set_learning_rate_factor(factor);
            by_hand.train_step(&batch, None).unwrap();
            of_epoch.extend((i == 1).then(|| by_hand.last_gradient_norm()));
        }
        assert!(by_hand.flush_gradients().unwrap());
        of_epoch.push(by_hand.last_gradient_norm());
        norms.push((of_epoch[0] + of_epoch[1]) / 2.0);
    }
    assert_eq!(bits(&trained), bits(&by_hand));
    assert_eq!(rates, [(0.04, norms[0]), (0.04, norms[1])]);
    assert_eq!(trained.learning_rate(), 0.02, "the last batch's factor is gone");

    // Without a flush, the third batch waits for the first of the next epoch.
    let mut waiting = accumulating(2);
    waiting.fit_source(&Varying, None, Fit { epochs: 2, ..Default::default() }).unwrap();
    assert_eq!((waiting.optimizer_steps(), trained.optimizer_steps()), (3, 4));
}

#[test]
fn a_score_validates_in_place_of_data() {
    let (mut seen, mut scored) = (Vec::new(), 0.0);
    let last = OnEpochEnd::new(|_, logs| seen.push(logs["val_mine"]));
    let fit = Fit {
        epochs: 3,
        training_metrics: false,
        score: Some(Box::new(|model: &mut Model| {
            // Metrics are computed again, and an average does not interfere.
            assert_eq!(model.metric_names(), ["accuracy"]);
            scored += 1.0;
            Ok([("mine".to_owned(), scored), ("loss".to_owned(), -scored)].into_iter().collect())
        })),
        callbacks: vec![Box::new(last)],
        ..Default::default()
    };
    let history = model(0.05).fit_source(&Varying, None, fit).unwrap();
    assert_eq!(history.names().collect::<Vec<_>>(), ["loss", "val_loss", "val_mine"]);
    assert_eq!((&history["val_mine"], &history["val_loss"]), (&[1.0, 2.0, 3.0][..], &[-1.0, -2.0, -3.0][..]));
    assert_eq!(seen, [1.0, 2.0, 3.0]);

    let score: Scorer<'_> = Box::new(|_| Ok(Logs::new()));
    let both = Fit { score: Some(score), ..Default::default() };
    let error = model(0.05).fit_source(&Varying, Some(&Varying), both).unwrap_err().to_string();
    assert!(error.contains("`score`"), "{error}");
    let failing: Scorer<'_> = Box::new(|_| Err(Error::unsupported("scoring", "the text is gone")));
    let fit = Fit { score: Some(failing), ..Default::default() };
    assert!(
        model(0.05).fit_source(&Varying, None, fit).unwrap_err().to_string().contains("the text is gone")
    );
}

#[test]
fn averages_are_validated_and_left_in_the_model() {
    let mut handed = Vec::new();
    struct Weights<'a>(&'a mut Vec<(Vec<u32>, bool)>);
    impl Callback for Weights<'_> {
        fn on_epoch_end(&mut self, cx: &mut EpochContext<'_>) -> Result<(), Error> {
            self.0.push((bits(cx.model), cx.averaged));
            Ok(())
        }
    }
    let average = ParameterAverage::Exponential { momentum: 0.5 };
    let fit =
        Fit { epochs: 2, average, callbacks: vec![Box::new(Weights(&mut handed))], ..Default::default() };
    let mut trained = model(0.05);
    let history = trained.fit_source(&Varying, Some(&Varying), fit).unwrap();

    let (mut by_hand, mut batch, mut losses) = (model(0.05), Batch::default(), Vec::new());
    by_hand.start_averaging(Averaging::Exponential { momentum: 0.5 }).unwrap();
    for (epoch, (weights, averaged)) in handed.iter().enumerate() {
        for (i, factor) in FACTORS.into_iter().enumerate() {
            Varying.fill(1, epoch, i, &mut batch).unwrap();
            by_hand.set_learning_rate_factor(factor);
            by_hand.train_step(&batch, None).unwrap();
        }
        by_hand.swap_averages().unwrap();
        losses.push(by_hand.evaluate_source(&Varying, Evaluate::default()).unwrap()["loss"]);
        assert!(*averaged && *weights == bits(&by_hand), "epoch {epoch}");
        by_hand.swap_averages().unwrap();
    }
    assert_eq!(history["val_loss"], losses);
    assert_eq!(bits(&trained), handed[1].0, "the averages are what is left");
    assert!(!trained.is_averaging());
}

#[test]
fn a_triggered_average_starts_when_validation_stops_improving() {
    let losses = [3.0, 2.0, 2.5, 1.0, 2.0, 2.0, 2.0];
    let run = |patience| {
        let (mut averaged, mut at) = (Vec::new(), 0);
        struct Seen<'a>(&'a mut Vec<bool>);
        impl Callback for Seen<'_> {
            fn on_epoch_end(&mut self, cx: &mut EpochContext<'_>) -> Result<(), Error> {
                self.0.push(cx.averaged);
                Ok(())
            }
        }
        let fit = Fit {
            epochs: losses.len(),
            average: ParameterAverage::Triggered { patience },
            score: Some(Box::new(|_| {
                at += 1;
                Ok([("loss".to_owned(), losses[at - 1])].into_iter().collect())
            })),
            callbacks: vec![Box::new(Seen(&mut averaged))],
            ..Default::default()
        };
        model(0.05).fit_source(&Varying, None, fit).unwrap();
        averaged.iter().position(|&averaged| averaged)
    };
    // Patience 0 compares the third epoch with the two before it. Patience 1 leaves out the fourth, the best,
    // until the sixth epoch, and patience 2 until the last one.
    assert_eq!([0, 1, 2, 6].map(run), [Some(3), Some(6), None, None]);
    let fit = Fit { average: ParameterAverage::Triggered { patience: 1 }, ..Default::default() };
    let error = model(0.05).fit_source(&Varying, None, fit).unwrap_err().to_string();
    assert!(error.contains("average") && error.contains("without validation"), "{error}");
}

/// Answers each batch, and counts what it asked for.
struct Asks<'a> {
    answer: &'a dyn Fn(usize, usize) -> Answer,
    probed: Vec<(usize, usize)>,
    epochs: usize,
}

impl Callback for Asks<'_> {
    fn on_batch_end(&mut self, cx: &mut BatchContext<'_>) -> Result<(), Error> {
        let probed = cx.model.recurrences().next().unwrap().hidden_gradient(0).is_some();
        self.probed.extend(probed.then_some((cx.epoch, cx.step)));
        cx.answer((self.answer)(cx.epoch, cx.step));
        Ok(())
    }

    fn on_epoch_end(&mut self, _cx: &mut EpochContext<'_>) -> Result<(), Error> {
        self.epochs += 1;
        Ok(())
    }
}

/// Receives checkpoints, which are never due, and returns an answer.
struct Takes {
    answer: Answer,
    batches: Vec<u64>,
}

impl Checkpoints for Takes {
    fn is_due(&self, _batches: u64) -> bool {
        false
    }

    fn is_due_after_epoch(&self, _last: bool) -> bool {
        false
    }

    fn write(&mut self, checkpoint: Checkpoint) -> Result<Answer, Error> {
        self.batches.push(checkpoint.part("training")?.parse::<crate::TrainingCounters>("state")?.batches);
        Ok(self.answer)
    }
}

#[test]
fn answers_request_probes_and_checkpoints() {
    let answer = |epoch, step| match (epoch, step) {
        (0, 0) | (0, 2) => Answer::Probe,
        (0, 1) | (1, 1) => Answer::Checkpoint,
        _ => Answer::Continue,
    };
    let mut asks = Asks { answer: &answer, probed: Vec::new(), epochs: 0 };
    let mut takes = Takes { answer: Answer::Continue, batches: Vec::new() };
    let fit = Fit {
        epochs: 2,
        callbacks: vec![Box::new(&mut asks)],
        checkpoints: Some(&mut takes),
        ..Default::default()
    };
    let mut asked = model(0.05);
    let history = asked.fit_source(&Varying, None, fit).unwrap();
    // What is asked for at the last batch of an epoch happens in the first batch of the next.
    assert_eq!((asks.probed, asks.epochs, takes.batches), (vec![(0, 1), (1, 0)], 2, vec![2, 5]));
    let mut plain = model(0.05);
    assert_eq!(plain.fit_source(&Varying, None, Fit { epochs: 2, ..Default::default() }).unwrap(), history);
    assert_eq!(bits(&plain), bits(&asked));

    // The receiver of a checkpoint may end the run there; the epoch is then not finished.
    let mut asks = Asks { answer: &answer, probed: Vec::new(), epochs: 0 };
    let mut takes = Takes { answer: Answer::Stop, batches: Vec::new() };
    let fit = Fit {
        epochs: 2,
        callbacks: vec![Box::new(&mut asks)],
        checkpoints: Some(&mut takes),
        ..Default::default()
    };
    let history = model(0.05).fit_source(&Varying, None, fit).unwrap();
    assert_eq!((history.epochs.len(), history.stopped, asks.epochs, takes.batches), (0, true, 0, vec![2]));

    let mut asks = Asks { answer: &answer, probed: Vec::new(), epochs: 0 };
    let nobody = Fit { epochs: 2, callbacks: vec![Box::new(&mut asks)], ..Default::default() };
    let error = model(0.05).fit_source(&Varying, None, nobody).unwrap_err().to_string();
    assert!(error.contains("`Fit::checkpoints` is not set"), "{error}");
}
