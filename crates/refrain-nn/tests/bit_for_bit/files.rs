//! Saving a model to a file and loading it.

use crate::architecture::{TRAINABLE, architecture};
use crate::sample::{Sample, shapes_of};
use crate::{config, engine, predict, same, same_array, same_training};
use proptest::prelude::*;
use refrain_nn::{Compile, Model};

proptest! {
    #![proptest_config(config(64))]

    #[test]
    fn a_loaded_model_equals_the_saved_one(
        net in architecture(TRAINABLE),
        shape in shapes_of(1..=9),
        engine in engine(),
        seed in 0..1000_u64,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
        let mut model = net.model(&engine, seed);
        let batch = Sample::new(&net, &model, &shape, seed).batch();
        // Predicting packs the weights, which the next step changes.
        predict(&mut model, &batch);
        model.train_step(&batch, None).unwrap();
        model.save(&first).unwrap();
        let mut loaded = Model::load(&first, engine.clone()).unwrap();
        same("weights", &loaded.weights(), &model.weights())?;
        same_array("outputs", &predict(&mut loaded, &batch), &predict(&mut model, &batch))?;
        loaded.save(&second).unwrap();
        let bytes = [first, second].map(|path| std::fs::read(path).unwrap());
        prop_assert!(bytes[0] == bytes[1], "the bytes of the two files");
        for model in [&mut model, &mut loaded] {
            model.compile(Compile { seed: seed + 1, ..net.compile() }).unwrap();
            model.train_step(&batch, None).unwrap();
        }
        same_training("after loading", &loaded, &model)?;
    }
}
