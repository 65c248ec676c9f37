//! A recurrent kernel with some weights set to zero in training: DropConnect (Wan et al. 2013), used between
//! the steps of a sequence as in Merity et al. (2017).

use crate::graph::{Backward, RandomKey};
use crate::params::SpanId;
use refrain_kernels::dropout::dropout_flat;
use refrain_kernels::philox::Key;
use refrain_kernels::{AlignedVec, Engine, Packed};

/// Purpose numbers of operations start at 0. An operation may draw masks of its states in addition to those
/// of its weights.
const WEIGHTS: u32 = 1 << 31;

#[derive(Debug, Clone)]
pub(super) struct WeightDrop {
    rate: f32,
    /// The purpose number of the operation.
    purpose: u32,
    /// The masked recurrent kernel, `(H, G·H)`; at the end of the backward pass its gradient.
    weights: AlignedVec,
}

impl WeightDrop {
    /// Returns `None` if nothing is dropped. `rate` is at least 0 and below 1.
    pub(super) fn new(rate: f32, purpose: u32) -> Option<Self> {
        (rate > 0.0).then(|| Self { rate, purpose, weights: AlignedVec::default() })
    }

    fn key(&self, random: RandomKey) -> Key {
        Key { seed: random.seed, purpose: self.purpose | WEIGHTS, counter: random.counter }
    }

    /// Applies this batch's mask to `kernel`. Its elements are numbered by position.
    pub(super) fn draw(&mut self, engine: &Engine, random: RandomKey, kernel: &[f32]) {
        let key = self.key(random);
        self.weights.resize(kernel.len());
        dropout_flat(engine, key, self.rate, kernel, false, &mut self.weights);
    }

    /// Returns the masked recurrent kernel.
    pub(super) fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// Stores a gradient with respect to the masked weights as that of `span`: adds it if `held`, otherwise
    /// overwrites. Overwrites the masked weights.
    pub(super) fn take_gradient(&mut self, cx: &mut Backward<'_>, span: SpanId, held: bool, packed: &Packed) {
        let key = self.key(cx.random);
        packed.unpack(cx.engine, &mut self.weights, packed.shape().columns());
        let to = cx.params.claimed_gradient(span);
        dropout_flat(cx.engine, key, self.rate, &self.weights, held, to);
    }
}

#[cfg(test)]
mod tests {
    use crate::error::Error;
    use crate::gradcheck::{Bench, Input, RANDOM};
    use crate::graph::Mode;
    use crate::layers::tests::support::check;
    use crate::layers::{Bidirectional, CellConfig, Gru, Layer, Lstm, Recurrent, RecurrentMask, SimpleRnn};
    use refrain_kernels::philox::word;

    const LENGTHS: [usize; 5] = [3, 5, 0, 1, 5];
    const UNITS: usize = 19;
    const RATE: f32 = 0.5;

    fn x() -> [Input; 1] {
        [Input::random_steps(3, &LENGTHS)]
    }

    /// Returns the factor of a weight: 0 or 2, depending on the random word at its position.
    fn factor(operation: u32, place: usize) -> f32 {
        let word = word(RANDOM.seed, operation | 1 << 31, RANDOM.counter, place as u64);
        if word >= 1 << 31 { 2.0 } else { 0.0 }
    }

    /// Compares the layer with the same layer whose recurrent kernels are masked by hand. `operations` are
    /// the ones that draw masks for each name.
    fn check_by_hand(dropping: &dyn Layer, plain: &dyn Layer, kernels: &[(&str, u32)]) {
        let mut dropped = Bench::new(dropping, &x()).unwrap();
        let mut by_hand = Bench::new(plain, &x()).unwrap();
        for &(name, operation) in kernels {
            let all = dropped.weight(name).unwrap().to_vec();
            let masked: Vec<f32> = all.iter().enumerate().map(|(k, w)| w * factor(operation, k)).collect();
            assert!(masked.contains(&0.0) && masked.iter().any(|&w| w != 0.0));
            by_hand.set_weight(name, &masked).unwrap();
        }
        for bench in [&mut dropped, &mut by_hand] {
            bench.differentiate().unwrap();
        }
        assert_eq!(dropped.output(0), by_hand.output(0), "{dropping:?}");
        assert_eq!(dropped.input_gradient(0), by_hand.input_gradient(0), "{dropping:?}");
        for (name, _) in dropped.weights() {
            let mut want = by_hand.weight_gradient(&name).unwrap().to_vec();
            if let Some(&(_, operation)) = kernels.iter().find(|(kernel, _)| *kernel == name) {
                want.iter_mut().enumerate().for_each(|(k, g)| *g *= factor(operation, k));
            }
            assert!(want.iter().any(|&g| g != 0.0), "{name} of {dropping:?}");
            assert_eq!(*dropped.weight_gradient(&name).unwrap(), want, "{name} of {dropping:?}");
        }
        for bench in [&mut dropped, &mut by_hand] {
            bench.forward(Mode::Infer).unwrap();
        }
        assert_ne!(dropped.output(0), by_hand.output(0), "the mask stays after training: {dropping:?}");
    }

    fn check_cell<C: CellConfig>(layer: Recurrent<C>) {
        let layer = layer.return_sequences(true);
        for layer in [
            layer.clone(),
            layer.clone().return_sequences(false),
            layer.clone().recurrent_dropout(0.3),
            layer.clone().recurrent_dropout(0.3).recurrent_mask(RecurrentMask::Shared),
        ] {
            check_by_hand(&layer.clone().recurrent_weight_dropout(RATE), &layer, &[("recurrent_kernel", 0)]);
            let few = Recurrent { units: 5, ..layer };
            check(&few.recurrent_weight_dropout(0.3), &x());
        }
        // Two recurrences; the second comes after its input is reversed.
        let (dropping, plain) = (layer.clone().recurrent_weight_dropout(RATE), layer);
        let name = |way: &str| format!("{way}_{}/recurrent_kernel", crate::layers::snake_case(C::CLASS_NAME));
        let kernels = [(&*name("forward"), 0), (&*name("backward"), 2)];
        check_by_hand(&Bidirectional::new(dropping), &Bidirectional::new(plain), &kernels);
    }

    #[test]
    fn weight_drop_equals_masking_the_recurrent_kernel() {
        check_cell(SimpleRnn::new(UNITS));
        check_cell(Lstm::new(UNITS));
        check_cell(Gru::new(UNITS));
        check_cell(Gru::new(UNITS).reset_after(false));
    }

    #[test]
    fn prediction_does_not_use_the_masked_weights_of_training() {
        let mut bench = Bench::new(&Lstm::new(UNITS).recurrent_weight_dropout(RATE), &x()).unwrap();
        bench.forward(Mode::Infer).unwrap();
        let plain = bench.output(0);
        bench.forward(Mode::Train).unwrap();
        assert_ne!(bench.output(0), plain);
        bench.forward(Mode::Infer).unwrap();
        assert_eq!(bench.output(0), plain);
    }

    #[test]
    fn a_rate_outside_its_range_is_rejected() {
        for rate in [1.0, -0.1, f32::NAN] {
            let error = Bench::new(&Lstm::new(2).recurrent_weight_dropout(rate), &x()).unwrap_err();
            assert!(matches!(error, Error::Setting { setting: "recurrent_weight_dropout", .. }), "{error}");
        }
        assert!(Lstm::new(2).config().get("recurrent_weight_dropout").is_none());
    }
}
