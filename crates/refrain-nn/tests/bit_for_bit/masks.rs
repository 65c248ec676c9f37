//! Padding and masked steps have no effect.

use crate::architecture::{ANY, Architecture, TRAINABLE, architecture};
use crate::sample::{Sample, shapes, shapes_of};
use crate::{config, engine, of_lane, of_step, predict, same, same_array, same_training};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

proptest! {
    #![proptest_config(config(128))]

    #[test]
    fn a_masked_step_equals_a_missing_step(
        net in architecture(ANY),
        shape in shapes(),
        engine in engine(),
        seed in 0..1000_u64,
    ) {
        let mut model = net.model(&engine, seed);
        let sample = Sample::new(&net, &model, &shape, seed);
        let masked = predict(&mut model, &sample.batch());
        let without = predict(&mut model, &sample.compacted().batch());
        if !net.sequences {
            return same_array("outputs", &masked, &without);
        }
        let zeros = vec![0.0; model.output_width(0)];
        for (n, lane) in sample.lanes.iter().enumerate() {
            let real = lane.real();
            for t in 0..shape.steps {
                let what = format!("lane {n}, step {t}");
                match real.iter().position(|&r| r == t) {
                    Some(i) => same(what, of_step(&masked, n, t), of_step(&without, n, i))?,
                    None => same(what, of_step(&masked, n, t), &zeros)?,
                }
            }
        }
    }

    #[test]
    fn a_masking_model_equals_an_explicit_mask(
        net in architecture(ANY),
        shape in shapes(),
        engine in engine(),
        seed in 0..1000_u64,
    ) {
        let mut plain = net.model(&engine, seed);
        let net = Architecture { masks: true, ..net };
        let mut masking = net.model(&engine, seed);
        let sample = Sample::new(&net, &plain, &shape, seed).masked();
        let want = predict(&mut plain, &sample.batch());
        // The mask, which the model sees first, drops some steps; the model drops the others.
        let mut marked = sample.clone();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for step in marked.lanes.iter_mut().flat_map(|lane| &mut lane.steps).filter(|step| !step.real) {
            if rng.next_u32() % 2 == 0 {
                (step.id, step.real) = (0, true);
                step.features.fill(0.0);
            }
        }
        same_array("outputs", &predict(&mut masking, &marked.batch()), &want)?;
    }

    #[test]
    fn masked_and_padded_steps_are_never_read(
        net in architecture(TRAINABLE),
        shape in shapes_of(1..=9),
        engine in engine(),
        seed in 0..1000_u64,
    ) {
        let mut clean = net.model(&engine, seed);
        let mut poisoned = clean.clone();
        let sample = Sample::new(&net, &clean, &shape, seed);
        let (batch, poison) = (sample.batch(), sample.poisoned().batch());
        same_array("outputs", &predict(&mut poisoned, &poison), &predict(&mut clean, &batch))?;
        for _ in 0..2 {
            clean.train_step(&batch, None).unwrap();
            poisoned.train_step(&poison, None).unwrap();
        }
        prop_assert!(clean.last_loss().is_finite());
        same_training("with poison", &poisoned, &clean)?;
        let y = predict(&mut poisoned, &poison);
        for n in 0..sample.lanes.len() {
            prop_assert!(of_lane(&y, n).iter().all(|y| y.is_finite()));
        }
    }
}
