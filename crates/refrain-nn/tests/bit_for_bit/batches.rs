//! Results must not depend on the other sequences in a batch or on what a model did before.

use crate::architecture::{ANY, TRAINABLE, architecture};
use crate::sample::{Sample, shapes, shapes_of, with_arrays};
use crate::{config, engine, of_lane, of_step, predict, same, same_array, same_training};
use proptest::prelude::*;

proptest! {
    #![proptest_config(config(128))]

    #[test]
    fn a_sequence_in_a_batch_equals_the_sequence_alone(
        net in architecture(ANY),
        shape in shapes(),
        engine in engine(),
        seed in 0..1000_u64,
    ) {
        let mut model = net.model(&engine, seed);
        let sample = Sample::new(&net, &model, &shape, seed);
        let together = predict(&mut model, &sample.batch());
        for (n, lane) in sample.lanes.iter().enumerate() {
            let alone = predict(&mut model, &sample.alone(n).batch());
            if net.sequences {
                for (i, &t) in lane.real().iter().enumerate() {
                    same(format!("lane {n}, step {t}"), of_step(&together, n, t), of_step(&alone, 0, i))?;
                }
            } else {
                same(format!("lane {n}"), of_lane(&together, n), of_lane(&alone, 0))?;
            }
        }
    }

    #[test]
    fn neither_order_nor_batches_change_a_prediction(
        net in architecture(ANY),
        (shape, order) in shapes().prop_flat_map(|shape| {
            let order: Vec<usize> = (0..shape.real.len()).collect();
            (Just(shape), Just(order).prop_shuffle())
        }),
        size in 1..=10_usize,
        engine in engine(),
        seed in 0..1000_u64,
    ) {
        let mut model = net.model(&engine, seed);
        let sample = Sample::new(&net, &model, &shape, seed);
        let straight = predict(&mut model, &sample.batch());
        let parts = with_arrays(&sample.batch(), |data| model.predict_all(data, Some(size))).unwrap();
        same_array(format!("batches of {size}"), &parts[0], &straight)?;
        let permuted = predict(&mut model, &sample.pick(&order).batch());
        for (place, &n) in order.iter().enumerate() {
            same(format!("lane {n} in place {place}"), of_lane(&permuted, place), of_lane(&straight, n))?;
        }
    }

    #[test]
    fn the_seed_determines_the_model(
        net in architecture(TRAINABLE),
        shape in shapes_of(1..=9),
        engine in engine(),
        seed in 0..1000_u64,
    ) {
        let train = |seed| {
            let mut model = net.fresh(&engine, seed);
            let batch = Sample::new(&net, &model, &shape, 0).batch();
            let first = model.weights();
            (0..2).for_each(|_| model.train_step(&batch, None).unwrap());
            (first, model)
        };
        let (first, model) = train(seed);
        let (again, other) = (train(seed), train(seed + 1));
        same("first weights", &again.0, &first)?;
        same_training("again", &again.1, &model)?;
        prop_assert_ne!(other.0, first);
    }

    #[test]
    fn earlier_runs_leave_no_trace(
        net in architecture(TRAINABLE),
        shapes in [shapes_of(1..=9), shapes_of(1..=9)],
        engine in engine(),
        seed in 0..1000_u64,
    ) {
        let mut fresh = net.model(&engine, seed);
        let mut used = fresh.clone();
        let [before, now] = shapes.map(|shape| Sample::new(&net, &fresh, &shape, seed).batch());
        used.train_step(&before, None).unwrap();
        predict(&mut used, &before);
        used.set_weights_flat(&fresh.weights()).unwrap();
        used.compile(refrain_nn::Compile { seed, ..net.compile() }).unwrap();
        same_array("outputs", &predict(&mut used, &now), &predict(&mut fresh, &now))?;
        used.train_step(&now, None).unwrap();
        fresh.train_step(&now, None).unwrap();
        same_training("after other batches", &used, &fresh)?;
    }
}
