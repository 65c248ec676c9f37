//! Running step by step, in pieces, and backwards.

use crate::architecture::{After, Architecture, CAUSAL, Head, Input, Way, architecture, layer};
use crate::sample::{Sample, Shape, shapes};
use crate::{config, engine, of_lane, of_step, predict, same, same_array, same_state};
use proptest::prelude::*;
use refrain_nn::data::Extent;
use refrain_nn::layers::MergeMode;

proptest! {
    #![proptest_config(config(128))]

    #[test]
    fn session_steps_equal_one_pass(
        net in architecture(CAUSAL),
        (lanes, steps) in (0..=9_usize, 1..=12_usize),
        engine in engine(),
        seed in 0..1000_u64,
    ) {
        let net = Architecture { sequences: true, ..net };
        let shape = Shape { extent: Extent::Full, steps, real: vec![vec![true; steps]; lanes] };
        let mut model = net.model(&engine, seed);
        let sample = Sample::new(&net, &model, &shape, seed);
        let mut state = model.new_state();
        let whole = model.predict_batch(&sample.batch(), Some(&mut state)).unwrap().swap_remove(0);
        let mut session = model.session(lanes).unwrap();
        for t in 0..steps {
            let input = &sample.window(t..t + 1).batch().inputs[0];
            let out = match net.input {
                Input::Ids { .. } => session.step_ids(&input.ids),
                Input::Features(_) => session.step_features(&input.features),
            };
            let out = out.unwrap();
            prop_assert_eq!(out.count(), lanes);
            for n in 0..lanes {
                same(format!("lane {n}, step {t}"), out.row(n), of_step(&whole, n, t))?;
            }
        }
        same_state(session.state(), &state)?;
    }

    #[test]
    fn a_sequence_can_be_split_anywhere(
        net in architecture(CAUSAL),
        (shape, cuts) in shapes().prop_flat_map(|shape| {
            let cuts = prop::collection::vec(0..=shape.steps, 1..4);
            (Just(shape), cuts)
        }),
        stateful in any::<bool>(),
        engine in engine(),
        seed in 0..1000_u64,
    ) {
        let mut model = net.model(&engine, seed);
        let sample = Sample::new(&net, &model, &shape, seed);
        let mut state = model.new_state();
        let whole = model.predict_batch(&sample.batch(), Some(&mut state)).unwrap().swap_remove(0);
        // The state is kept by the caller or by the layers.
        let mut carried = model.new_state();
        let mut model = Architecture { stateful, ..net.clone() }.model(&engine, seed);
        let mut borders = [cuts, vec![0, shape.steps]].concat();
        borders.sort_unstable();
        for piece in borders.windows(2) {
            let part = sample.window(piece[0]..piece[1]);
            let carry = (!stateful).then_some(&mut carried);
            let y = model.predict_batch(&part.batch(), carry).unwrap().swap_remove(0);
            for (n, lane) in part.lanes.iter().enumerate() {
                let what = format!("lane {n}, steps from {}", piece[0]);
                let rest = sample.lanes[n].steps[piece[1]..].iter().any(|step| step.real);
                if net.sequences {
                    let width = y.shape()[2];
                    let of_piece = &of_lane(&whole, n)[piece[0] * width..piece[1] * width];
                    same(what, of_lane(&y, n), of_piece)?;
                } else if !lane.real().is_empty() && !rest {
                    same(what, of_lane(&y, n), of_lane(&whole, n))?;
                }
            }
        }
        if !stateful {
            same_state(&carried, &state)?;
        }
    }

    #[test]
    fn backward_equals_forward_over_the_reversed_sequence(
        net in architecture(CAUSAL),
        shape in shapes(),
        engine in engine(),
        seed in 0..1000_u64,
    ) {
        let mut forwards = net.model(&engine, seed);
        let mut net = net;
        net.layers[0].way = Way::Backwards;
        let mut backwards = net.model(&engine, seed);
        let sample = Sample::new(&net, &forwards, &shape, seed);
        let want = predict(&mut forwards, &sample.reversed().batch());
        same_array("outputs", &predict(&mut backwards, &sample.batch()), &want)?;
    }

    #[test]
    fn bidirectional_equals_both_halves_merged(
        layer in layer(CAUSAL),
        features in 1..20_usize,
        sequences in any::<bool>(),
        mode in prop::sample::select(vec![MergeMode::Concat, MergeMode::Sum, MergeMode::Mul, MergeMode::Ave]),
        shape in shapes(),
        engine in engine(),
        seed in 0..1000_u64,
    ) {
        let mut net = Architecture {
            input: Input::Features(features),
            layers: vec![layer],
            sequences,
            head: Head::Nothing,
            stateful: false,
            masks: false,
        };
        (net.layers[0].way, net.layers[0].after) = (Way::Both(mode), After::Nothing);
        let mut both = net.model(&engine, seed);
        net.layers[0].way = Way::Forwards;
        let mut halves = [0, 1].map(|_| net.model(&engine, seed));
        let spans = halves[0].params().spans().to_vec();
        for (i, span) in both.params().spans().iter().enumerate() {
            let values = &both.params().values()[span.range()];
            halves[i / spans.len()].set_weight_flat(&spans[i % spans.len()].name, values).unwrap();
        }
        let sample = Sample::new(&net, &halves[0], &shape, seed);
        let merged = predict(&mut both, &sample.batch());
        let [there, back] = &mut halves;
        let (there, back) = (predict(there, &sample.batch()), predict(back, &sample.reversed().batch()));
        let merge = |a: &[f32], b: &[f32]| -> Vec<f32> {
            let pairs = || a.iter().zip(b);
            match mode {
                MergeMode::Concat => a.iter().chain(b).copied().collect(),
                MergeMode::Sum => pairs().map(|(a, b)| a + b).collect(),
                MergeMode::Mul => pairs().map(|(a, b)| a * b).collect(),
                MergeMode::Ave => pairs().map(|(a, b)| (a + b) * 0.5).collect(),
            }
        };
        for (n, lane) in sample.lanes.iter().enumerate() {
            if sequences {
                let real = lane.real();
                for (&t, &mirrored) in real.iter().zip(real.iter().rev()) {
                    let want = merge(of_step(&there, n, t), of_step(&back, n, mirrored));
                    same(format!("lane {n}, step {t}"), of_step(&merged, n, t), &want)?;
                }
            } else {
                let want = merge(of_lane(&there, n), of_lane(&back, n));
                same(format!("lane {n}"), of_lane(&merged, n), &want)?;
            }
        }
    }
}
