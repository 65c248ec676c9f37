//! The gradient during training: the callback, comparisons, clipping.

use refrain_inspect::flow::adding::{MEMORYLESS, Purpose, adding};
use refrain_inspect::flow::{
    ClipLog, ClippingOptions, CompareOptions, ComparedCell, ComparedModel, clipping_on_adding,
    compare_on_adding, gradient_flow,
};
use refrain_inspect::{FlowRecord, GradientFlow, Sample};
use refrain_nn::checkpoint::{Checkpoint, Checkpoints};
use refrain_nn::data::{Batch, BatchSource};
use refrain_nn::optim::{Adam, Sgd};
use refrain_nn::{Answer, Error, Fit, Model};

/// Relative tolerance of sums in f32 in another order.
const ROUNDING: f64 = 1e-5;

/// Five standard deviations of the mean squared error of predicting 1 over 512 sequences; that of one sequence is
/// 0.197.
const CHANCE: f64 = 5.0 * 0.197 / 22.6;

const STEPS: usize = 12;
const LANES: usize = 5;

/// Two epochs of four batches.
struct Drawn;

impl BatchSource for Drawn {
    fn len(&self, _epoch: usize) -> usize {
        4
    }

    fn fill(&self, seed: u64, epoch: usize, i: usize, batch: &mut Batch) -> Result<(), Error> {
        *batch = adding(STEPS, LANES, seed, Purpose::Training((epoch * 4 + i) as u64));
        Ok(())
    }
}

fn model() -> Model {
    ComparedCell::Lstm.model(6, Adam::default().into(), 3).unwrap()
}

#[test]
fn the_callback_records_every_third_batch() {
    let mut handed = Vec::new();
    let mut callback = GradientFlow::new(3).each(|seen: &FlowRecord| handed.push(seen.clone()));
    let mut trained = model();
    let fit = Fit { epochs: 2, callbacks: vec![Box::new(&mut callback)], ..Fit::default() };
    trained.fit_source(&Drawn, None, fit).unwrap();
    let seen = callback.records().to_vec();
    let at: Vec<_> = seen.iter().map(|of| (of.batch, of.epoch, of.layer.as_str())).collect();
    assert_eq!(at, [(0, 0, "lstm"), (3, 0, "lstm"), (6, 1, "lstm")]);
    let section = callback.section().unwrap();
    assert_eq!((section.figures.len(), section.name), (1, "gradient-flow-training"));
    drop(callback);
    assert_eq!(handed, seen);
    // The same steps without the callback: the same bits.
    let mut plain = model();
    plain.fit_source(&Drawn, None, Fit { epochs: 2, ..Fit::default() }).unwrap();
    assert_eq!(plain.weights(), trained.weights());
    // The first batch computed the other way: its loss is the mean over the sequences.
    let batch = adding(STEPS, LANES, 3, Purpose::Training(0));
    let flow = gradient_flow(&model(), &Sample::new(batch, "first")).unwrap();
    for back in 0..STEPS {
        let rms =
            |norms: &[Vec<f64>]| (norms.iter().map(|of| of[back].powi(2)).sum::<f64>() / LANES as f64).sqrt();
        let layer = &flow.now[0];
        let cell = &layer.cell.as_ref().unwrap().norms;
        for (got, expected) in
            [(seen[0].hidden[back], rms(&layer.hidden.norms)), (seen[0].cell[back], rms(cell))]
        {
            let expected = expected / LANES as f64;
            assert!((got - expected).abs() <= ROUNDING * expected, "{back} steps back: {got} for {expected}");
        }
    }
}

/// Keeps the checkpoint of one batch.
struct At(u64, Option<Checkpoint>);

impl Checkpoints for At {
    fn is_due(&self, batches: u64) -> bool {
        batches == self.0
    }

    fn is_due_after_epoch(&self, _last: bool) -> bool {
        false
    }

    fn write(&mut self, checkpoint: Checkpoint) -> Result<Answer, Error> {
        self.1 = Some(checkpoint);
        Ok(Answer::Continue)
    }
}

fn seen(checkpoints: Option<&mut At>, resume: Option<Checkpoint>) -> Vec<FlowRecord> {
    let mut callback = GradientFlow::new(3);
    let checkpoints = checkpoints.map(|at| at as &mut dyn Checkpoints);
    let fit =
        Fit { epochs: 2, callbacks: vec![Box::new(&mut callback)], checkpoints, resume, ..Fit::default() };
    model().fit_source(&Drawn, None, fit).unwrap();
    callback.records().to_vec()
}

#[test]
fn a_resumed_callback_has_the_same_records() {
    let whole = seen(None, None);
    for batch in [2, 3, 5] {
        let mut at = At(batch, None);
        assert_eq!(seen(Some(&mut at), None), whole);
        assert_eq!(seen(None, Some(at.1.expect("a checkpoint"))), whole, "from batch {batch}");
    }
}

#[test]
fn cells_are_compared_before_and_after_training() {
    let cells = ["rnn", "rnn-normal", "lstm", "lstm-without-forget-bias", "gru"];
    let cells: Vec<ComparedCell> = cells.iter().map(|name| name.parse().unwrap()).collect();
    let options =
        CompareOptions { cells, units: 16, steps: 40, batch: 8, train_steps: 3, ..Default::default() };
    let mut last = None;
    let comparison = compare_on_adding(&options, &mut |at| last = Some(at.clone())).unwrap();
    let last = last.unwrap();
    assert_eq!((last.index, last.cases, last.step, last.steps), (4, 5, 3, 3));
    let falls = |i: usize| comparison.cases[i].flow.hidden.trend.unwrap().factor;
    // The sigmoid of 0 is 0.5 and of 1 is 0.73, and the recurrent kernel adds its share.
    assert!(falls(3) < 0.75 && falls(3) + 0.1 < falls(2) && falls(2) < 0.95, "{} and {}", falls(2), falls(3));
    let section = comparison.section().unwrap();
    let said = |word: &str| section.findings.iter().any(|finding| finding.contains(word));
    assert!(said("forget bias") && said("recurrent initialiser"), "{:?}", section.findings);
    assert_eq!(section.figures.len(), 3, "hidden state, cell state, losses");
    assert_eq!(section.tables[0].rows.len(), 2 * 7, "two of five have a cell state");
    assert_eq!(comparison.cases[0].trained.as_ref().unwrap().log.losses.len(), 3);
    let again = compare_on_adding(&options, &mut |_| ()).unwrap();
    assert_eq!(section.data, serde_json::json!(again), "the same seed");
    assert!("elman".parse::<ComparedCell>().unwrap_err().to_string().contains("rnn-normal"));
    assert!(compare_on_adding(&CompareOptions { steps: 1, ..options }, &mut |_| ()).is_err());
}

/// The gradient available at initialisation does not decide: a plain RNN starts with the most.
#[test]
fn a_gru_learns_to_keep_its_gradient_and_a_plain_rnn_does_not() {
    let cells = vec![ComparedCell::SimpleRnn { gain: 1.0 }, ComparedCell::Gru];
    let options = CompareOptions { cells, units: 24, steps: 60, train_steps: 500, ..Default::default() };
    let comparison = compare_on_adding(&options, &mut |_| ()).unwrap();
    let [rnn, gru] = &comparison.cases[..] else { panic!("two cells") };
    let before = |case: &ComparedModel| case.flow.hidden.trend.unwrap().ratio;
    let trained = |case: &ComparedModel| case.trained.clone().unwrap();
    let after = |case: &ComparedModel| trained(case).flow.unwrap().hidden.trend.unwrap().ratio;
    assert!(before(rnn) > 1e3 * before(gru), "{} and {}", before(rnn), before(gru));
    assert!(after(gru) > 0.01 && after(rnn) < 1e-3 * after(gru), "{} and {}", after(gru), after(rnn));
    let memoryless = comparison.memoryless.unwrap();
    let loss = |case: &ComparedModel| trained(case).loss.unwrap() / memoryless;
    assert!(loss(gru) < 0.1 && loss(rnn) > 0.5, "{} and {}", loss(gru), loss(rnn));
    let findings = comparison.section().unwrap().findings;
    assert!(findings.iter().any(|said| said.contains("GRU: its loss") && said.contains("it has learned")));
}

/// A step of plain gradient descent moves the parameters by the learning rate times the clipped norm.
#[test]
fn the_logged_norm_after_clipping_is_that_of_the_step() {
    const RATE: f64 = 0.01;
    for bound in [Some(0.5), Some(1e6), None] {
        let sgd = Sgd { learning_rate: RATE.into(), ..Sgd::default() };
        let sgd = bound.map_or(sgd.clone(), |bound| sgd.global_clipnorm(bound));
        let mut model = ComparedCell::Irnn.model(8, sgd.into(), 1).unwrap();
        let mut log = ClipLog::new(&model).unwrap();
        for i in 0..4 {
            let before = model.weights();
            model.train_step(&adding(10, 4, 1, Purpose::Training(i)), None).unwrap();
            log.record(&model);
            let moved = model
                .weights()
                .iter()
                .zip(&before)
                .map(|(a, b)| f64::from(a - b).powi(2))
                .sum::<f64>()
                .sqrt();
            let expected = RATE * log.clipped().last().unwrap();
            // A difference of rounded parameters has few digits.
            assert!((moved / expected - 1.0).abs() < 1e-3, "bound {bound:?}: {moved} for {expected}");
        }
        let clipped = log.norms.iter().filter(|&&norm| norm > bound.unwrap_or(f64::INFINITY)).count();
        assert_eq!(log.share(), clipped as f64 / 4.0);
        assert!(bound != Some(0.5) || clipped > 0);
    }
    let by_value = ComparedCell::Gru.model(4, Adam::default().clipvalue(1.0).into(), 1).unwrap();
    assert!(ClipLog::new(&by_value).unwrap_err().to_string().contains("clipvalue"));
}

#[test]
fn with_clipping_the_exploding_case_trains_and_without_it_diverges() {
    let options = ClippingOptions {
        units: 32,
        steps: 20,
        train_steps: 3500,
        unclipped_rates: vec![1e-2, 1e-3],
        ..ClippingOptions::default()
    };
    let clipping = clipping_on_adding(&options, &mut |_| ()).unwrap();
    assert!((clipping.memoryless - MEMORYLESS).abs() < CHANCE, "{}", clipping.memoryless);
    let with = &clipping.with;
    assert!(with.loss_after.unwrap() < 0.5 * clipping.memoryless, "{:?}", with.loss_after);
    assert!(with.diverged_at.is_none() && with.share > 0.5, "{}", with.share);
    assert!(with.log.clipped().all(|norm| norm <= 1.0) && with.log.norms.iter().any(|&norm| norm > 100.0));
    let [same, lower] = &clipping.without[..] else { panic!("two rates") };
    assert!(
        same.diverged_at.is_some_and(|step| step < 500) && same.loss_after.is_none(),
        "{:?}",
        same.diverged_at
    );
    // With so few steps, no clipping is needed at a lower rate, and the report says so.
    assert!(lower.loss_after.is_some_and(|loss| loss < 0.5 * clipping.memoryless), "{:?}", lower.loss_after);
    let section = clipping.section().unwrap();
    let said = |words: &str| section.findings.iter().any(|finding| finding.contains(words));
    assert!(said("it diverges") && said("trains too"), "{:?}", section.findings);
    let mut alone = clipping.clone();
    alone.without.truncate(1);
    assert!(alone.section().unwrap().findings.iter().any(|said| said.contains("at none of the")));
    assert_eq!((section.figures.len(), section.tables[0].rows.len()), (2, 3));
}
