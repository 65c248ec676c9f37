//! Training that is resumed gives the same result as training that never stopped.

use crate::architecture::{TRAINABLE, architecture};
use crate::sample::{Sample, shapes_of};
use crate::{config, engine, same, same_training};
use proptest::prelude::*;
use proptest::sample::select;
use refrain_nn::optim::{Nadam, Optimizer, RmsProp, Sgd};
use refrain_nn::{Averaging, Compile, Model, TrainingState};

/// Returns every update rule with each set of slots that it can have.
fn optimizer() -> impl Strategy<Value = Optimizer> {
    let by_name = ["rmsprop", "adagrad", "adadelta", "adam", "adamw", "adamax"];
    let mut all: Vec<_> = by_name.map(|name| Optimizer::by_name(name).unwrap()).into();
    // Plain gradient descent stores a table's gradient by rows.
    all.extend([Sgd::default().into(), Sgd::default().global_clipnorm(0.1).into()]);
    all.push(Sgd::default().momentum(0.9).clipnorm(0.5).into());
    all.push(RmsProp::default().momentum(0.5).centered(true).into());
    // A product of one factor is the same whether it is restored or not.
    all.extend([Nadam::default().learning_rate(0.01).into(), Nadam::default().into()]);
    select(all)
}

fn averaging() -> impl Strategy<Value = Option<Averaging>> {
    select(vec![None, Some(Averaging::Mean), Some(Averaging::Exponential { momentum: 0.8 })])
}

/// Converts a state to the names, floats and scalar values that a file holds, and back.
fn through_parts(state: &TrainingState) -> TrainingState {
    let counters = serde_json::to_string(state.counters()).unwrap();
    let tensors: Vec<_> = state.tensors().map(|(name, values)| (name.to_owned(), values.to_vec())).collect();
    TrainingState::from_parts(serde_json::from_str(&counters).unwrap(), tensors.into_iter().rev()).unwrap()
}

fn same_state(got: &Model, want: &Model) -> Result<(), TestCaseError> {
    let [got, want] = [got, want].map(|model| model.training_state().unwrap());
    prop_assert_eq!(got.counters(), want.counters());
    prop_assert_eq!(got.tensors().count(), want.tensors().count());
    for ((name, got), (other, want)) in got.tensors().zip(want.tensors()) {
        prop_assert_eq!(name, other);
        same(name, got, want)?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(128))]

    #[test]
    fn a_resumed_run_equals_an_uninterrupted_one(
        mut net in architecture(TRAINABLE),
        stateful in any::<bool>(),
        shape in shapes_of(1..=9),
        (optimizer, averaging, engine) in (optimizer(), averaging(), engine()),
        (gradient_accumulation_steps, before, after, averages) in (1..=3_u32, 0..=5_u64, 0..=4_u64, any::<bool>()),
        seed in 0..1000_u64,
    ) {
        net.stateful = stateful;
        let compile = || Compile {
            seed,
            optimizer: optimizer.clone(),
            gradient_accumulation_steps,
            engine: Some(engine.clone()),
            ..net.compile()
        };
        let mut straight = net.fresh_with(compile());
        let samples: Vec<_> =
            (0..=before + after).map(|i| Sample::new(&net, &straight, &shape, seed + i).batch()).collect();
        let (first, rest) = samples.split_at(before as usize);
        straight.set_learning_rate_factor(0.7);
        if let Some(averaging) = averaging {
            straight.start_averaging(averaging).unwrap();
        }
        first.iter().for_each(|batch| straight.train_step(batch, None).unwrap());
        let swapped = averages && averaging.is_some();
        if swapped {
            straight.swap_averages().unwrap();
        }
        let state = through_parts(&straight.training_state().unwrap());
        // Earlier training must not leave traces, including gradients stored by rows.
        let mut again = net.fresh_with(Compile { optimizer: Sgd::default().into(), ..net.compile() });
        again.train_step(&samples[0], None).unwrap();
        again.compile(compile()).unwrap();
        again.set_training_state(&state).unwrap();
        same_state(&again, &straight)?;
        let (last, rest) = rest.split_last().expect("one more than before and after");
        for model in [&mut straight, &mut again] {
            model.reset_totals();
            if swapped {
                model.swap_averages().unwrap();
            }
            rest.iter().for_each(|batch| model.train_step(batch, None).unwrap());
        }
        if straight.flush_gradients().unwrap() {
            again.flush_gradients().unwrap();
            prop_assert_eq!(again.last_gradient_norm().to_bits(), straight.last_gradient_norm().to_bits());
        }
        same_state(&again, &straight)?;
        for model in [&mut straight, &mut again] {
            model.train_step(last, None).unwrap();
            model.flush_gradients().unwrap();
        }
        same_training("taken up again", &again, &straight)?;
        same_state(&again, &straight)?;
    }
}
