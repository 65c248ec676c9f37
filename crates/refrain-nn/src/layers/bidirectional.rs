//! Bidirectional: runs a recurrent layer in both directions.

use super::Layer;
use super::merge::{average, concatenate, product, sum};
use super::reverse::Reverse;
use crate::error::Error;
use crate::graph::{EdgeId, Plan};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What [`Bidirectional`] needs from the layer that it runs in both directions.
pub trait RecurrentLayer: Layer {
    /// Returns a copy of the layer that reads sequences from their end if `backwards`, otherwise from their
    /// start.
    fn with_direction(&self, backwards: bool) -> Box<dyn RecurrentLayer>;

    /// Returns whether the first output is a sequence, in the order in which it was read.
    fn returns_sequences(&self) -> bool;

    /// Returns whether the final states follow the first output.
    fn returns_state(&self) -> bool;

    /// Returns [`Layer::without_dropout`] as a recurrent layer.
    fn recurrent_without_noise(&self) -> Box<dyn RecurrentLayer> {
        self.with_direction(self.goes_backwards())
    }

    /// Returns whether the layer already reads sequences from their end: the value of its setting
    /// `go_backwards`, if it has one.
    fn goes_backwards(&self) -> bool {
        self.config().get("go_backwards").and_then(serde_json::Value::as_bool).unwrap_or(false)
    }
}

/// How the outputs of the two directions are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MergeMode {
    /// Concatenated: `(…, 2·units)`, forward first.
    #[default]
    Concat,
    /// The sum.
    Sum,
    /// The product.
    Mul,
    /// The mean.
    Ave,
}

/// Runs a recurrent layer over sequences in both directions (Schuster & Paliwal 1997).
///
/// The input is `(N, T, F)`, optionally followed by the initial states of the forward and then the backward
/// half. The output is that of the wrapped layer, merged: `(N, 2·units)` or `(N, T, 2·units)` with
/// [`MergeMode::Concat`], otherwise `(N, units)` or `(N, T, units)`. Each step combines the results of both
/// directions for that step. If the layer returns its state, the states of the forward half follow, then
/// those of the backward half.
///
/// The two halves have separate parameters, named after the wrapped layer: `forward_lstm/kernel`,
/// `backward_lstm/kernel` and so on.
#[derive(Debug, Clone)]
pub struct Bidirectional {
    layer: Arc<dyn RecurrentLayer>,
    merge_mode: MergeMode,
    name: Option<String>,
}

impl Bidirectional {
    /// Creates a layer that runs `layer` in both directions and concatenates the outputs.
    pub fn new(layer: impl RecurrentLayer + 'static) -> Self {
        Self::of(Arc::new(layer))
    }

    pub(super) fn of(layer: Arc<dyn RecurrentLayer>) -> Self {
        Self { layer, merge_mode: MergeMode::Concat, name: None }
    }

    setters! {
        /// Sets how outputs are merged.
        merge_mode: MergeMode,
        name,
    }

    /// Plans one direction over `inputs`, in its own scope.
    fn half(&self, plan: &mut Plan<'_>, backwards: bool, inputs: &[EdgeId]) -> Result<Vec<EdgeId>, Error> {
        let inner = match self.layer.name() {
            Some(name) => name.to_owned(),
            None => snake_case(self.layer.class_name()),
        };
        let scope = format!("{}_{inner}", if backwards { "backward" } else { "forward" });
        let layer = self.layer.with_direction(backwards);
        plan.scoped(&scope, layer.trainable(), |plan| layer.lower(plan, inputs))
    }
}

impl Layer for Bidirectional {
    fn class_name(&self) -> &'static str {
        "Bidirectional"
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn config(&self) -> serde_json::Value {
        let layer = nested(self.layer.class_name(), self.layer.config());
        let mut config = serde_json::json!({ "layer": layer, "merge_mode": self.merge_mode });
        if let Some(name) = &self.name {
            config["name"] = name.as_str().into();
        }
        config
    }

    fn trainable(&self) -> bool {
        self.layer.trainable()
    }

    fn lower(&self, plan: &mut Plan<'_>, inputs: &[EdgeId]) -> Result<Vec<EdgeId>, Error> {
        if self.layer.goes_backwards() {
            let expected = "false: Bidirectional creates the backward half itself";
            return Err(Error::setting(plan.name(), "go_backwards", true, expected));
        }
        let Some((&x, states)) = inputs.split_first().filter(|(_, states)| states.len() % 2 == 0) else {
            let expected = "a sequence, or a sequence and the initial states of both directions";
            return Err(plan.wrong_inputs(inputs, expected));
        };
        let (forward, backward) = states.split_at(states.len() / 2);
        let mut forward = self.half(plan, false, &[&[x], forward].concat())?;
        let backward = self.half(plan, true, &[&[x], backward].concat())?;
        let (a, mut b) = (forward[0], backward[0]);
        if self.layer.returns_sequences() {
            b = Reverse::lower(plan, b);
        }
        forward[0] = match self.merge_mode {
            MergeMode::Concat => concatenate(plan, &[a, b])?,
            MergeMode::Sum => sum(plan, &[a, b])?,
            MergeMode::Mul => product(plan, a, b)?,
            MergeMode::Ave => average(plan, &[a, b])?,
        };
        if self.layer.returns_state() {
            forward.extend(&backward[1..]);
        } else {
            forward.truncate(1);
        }
        Ok(forward)
    }

    fn without_dropout(&self) -> Box<dyn Layer> {
        Box::new(Self { layer: self.layer.recurrent_without_noise().into(), ..self.clone() })
    }

    fn boxed_clone(&self) -> Box<dyn Layer> {
        Box::new(self.clone())
    }
}

/// Returns a layer's entry in the config of the layer that wraps it.
pub(super) fn nested(class_name: &str, config: serde_json::Value) -> serde_json::Value {
    serde_json::json!({ "class_name": class_name, "config": config })
}

/// Converts `SimpleRNN` to `simple_rnn`, as Keras names layers after their class.
pub(crate) fn snake_case(class_name: &str) -> String {
    let chars: Vec<char> = class_name.chars().collect();
    let mut name = String::new();
    for (i, c) in chars.iter().enumerate() {
        let after_lower = i > 0 && chars[i - 1].is_lowercase();
        let before_lower = i > 0 && chars.get(i + 1).is_some_and(|next| next.is_lowercase());
        if c.is_uppercase() && (after_lower || before_lower) {
            name.push('_');
        }
        name.extend(c.to_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gradcheck::{Bench, Input};
    use crate::graph::{Backward, Causality, EdgeSpec, Forward, LayoutId, Mode, Op};
    use crate::layers::tests::support::check;

    /// The recurrence `h = h + x`, simple enough to check by eye, with the inputs and outputs of a SimpleRNN.
    #[derive(Debug, Clone, Default)]
    struct RunningSum {
        go_backwards: bool,
        return_sequences: bool,
        return_state: bool,
        name: Option<&'static str>,
    }

    impl Layer for RunningSum {
        fn class_name(&self) -> &'static str {
            "RunningSum"
        }

        fn name(&self) -> Option<&str> {
            self.name
        }

        fn config(&self) -> serde_json::Value {
            serde_json::json!({ "go_backwards": self.go_backwards })
        }

        fn lower(&self, plan: &mut Plan<'_>, inputs: &[EdgeId]) -> Result<Vec<EdgeId>, Error> {
            let (layout, width) = (plan.steps(inputs[0])?, plan.features(inputs[0])?);
            let mut edges = inputs.to_vec();
            if self.go_backwards {
                edges[0] = Reverse::lower(plan, edges[0]);
            }
            let state = EdgeSpec::lanes(width);
            let output = if self.return_sequences { EdgeSpec::steps(layout, width) } else { state };
            let op = SumOp { layout, sequences: self.return_sequences };
            let mut outputs = plan.op(Box::new(op), &edges, &[output, state]);
            outputs.truncate(if self.return_state { 2 } else { 1 });
            Ok(outputs)
        }

        fn boxed_clone(&self) -> Box<dyn Layer> {
            Box::new(self.clone())
        }
    }

    impl RecurrentLayer for RunningSum {
        fn with_direction(&self, backwards: bool) -> Box<dyn RecurrentLayer> {
            Box::new(Self { go_backwards: backwards, ..self.clone() })
        }

        fn returns_sequences(&self) -> bool {
            self.return_sequences
        }

        fn returns_state(&self) -> bool {
            self.return_state
        }
    }

    #[derive(Debug, Clone)]
    struct SumOp {
        layout: LayoutId,
        sequences: bool,
    }

    impl Op for SumOp {
        fn forward(&mut self, cx: &mut Forward<'_>) -> Result<(), Error> {
            let (x, initial) = (cx.input(0), (cx.inputs() > 1).then(|| cx.input(1)));
            let layout = cx.layout(self.layout).clone();
            for n in 0..layout.sequences() {
                let mut h = initial.map_or(vec![0.0; x.width()], |v| v.view().row(n).to_vec());
                for row in (0..layout.length(n)).map(|t| layout.row(n, t)) {
                    h.iter_mut().zip(x.view().row(row)).for_each(|(h, x)| *h += x);
                    if self.sequences {
                        cx.output(0).view_mut().row(row).copy_from_slice(&h);
                    }
                }
                if !self.sequences {
                    cx.output(0).view_mut().row(n).copy_from_slice(&h);
                }
                cx.output(1).view_mut().row(n).copy_from_slice(&h);
            }
            Ok(())
        }

        fn backward(&mut self, cx: &mut Backward<'_>) -> Result<(), Error> {
            let (layout, width) = (cx.layout(self.layout), cx.input(0).width());
            for n in 0..layout.sequences() {
                let mut d = vec![0.0; width];
                let add = |d: &mut [f32], from: &[f32]| d.iter_mut().zip(from).for_each(|(d, x)| *d += x);
                for i in [0, 1] {
                    match cx.d_output(i) {
                        Some(dy) if i == 1 || !self.sequences => add(&mut d, dy.view().row(n)),
                        _ => {}
                    }
                }
                for row in (0..layout.length(n)).rev().map(|t| layout.row(n, t)) {
                    if let Some(dy) = cx.d_output(0).filter(|_| self.sequences) {
                        add(&mut d, dy.view().row(row));
                    }
                    pass(cx, 0, row, &d);
                }
                if cx.inputs() > 1 {
                    pass(cx, 1, n, &d);
                }
            }
            Ok(())
        }

        fn boxed_clone(&self) -> Box<dyn Op> {
            Box::new(self.clone())
        }
    }

    fn pass(cx: &mut Backward<'_>, input: usize, row: usize, d: &[f32]) {
        let Some(dx) = cx.d_input(input) else { return };
        for (to, d) in dx.value.view_mut().row(row).iter_mut().zip(d) {
            *to = if dx.add { *to + d } else { *d };
        }
    }

    fn sums(return_sequences: bool, return_state: bool) -> RunningSum {
        RunningSum { return_sequences, return_state, ..RunningSum::default() }
    }

    fn x() -> Input {
        Input::steps(1, &[&[1.0], &[1.0, 10.0, 100.0], &[], &[2.0, 3.0]])
    }

    fn run(layer: &Bidirectional, data: &[Input]) -> Bench {
        let mut h = Bench::new(layer, data).unwrap();
        h.forward(Mode::Infer).unwrap();
        h
    }

    #[test]
    fn a_step_has_the_outputs_of_both_directions() {
        let h = run(&Bidirectional::new(sums(true, false)), &[x()]);
        let expected =
            [vec![1.0, 1.0], vec![1.0, 111.0, 11.0, 110.0, 111.0, 100.0], vec![], vec![2.0, 5.0, 5.0, 3.0]];
        assert_eq!(h.output(0), expected);
        assert!(matches!(h.causality(), Causality::NotCausal(_)));
        let h = run(&Bidirectional::new(sums(false, false)), &[x()]);
        assert_eq!(h.output(0), [[1.0, 1.0], [111.0, 111.0], [0.0, 0.0], [5.0, 5.0]]);
    }

    #[test]
    fn merge_modes() {
        let merged = |merge_mode| {
            let h = run(&Bidirectional::new(sums(true, false)).merge_mode(merge_mode), &[x()]);
            h.output(0)[1].clone()
        };
        assert_eq!(merged(MergeMode::Sum), [112.0, 121.0, 211.0]);
        assert_eq!(merged(MergeMode::Mul), [111.0, 1210.0, 11100.0]);
        assert_eq!(merged(MergeMode::Ave), [56.0, 60.5, 105.5]);
    }

    #[test]
    fn states_go_in_and_come_out_forward_first() {
        let states = [&[1000.0, 2000.0, 3000.0, 4000.0], &[0.5, 0.25, 0.125, 0.75]];
        let data = [x(), Input::lanes(1, states[0]), Input::lanes(1, states[1])];
        let h = run(&Bidirectional::new(sums(true, true)), &data);
        assert_eq!(h.output(0)[3], [4002.0, 5.75, 4005.0, 3.75]);
        assert_eq!(h.output(1), [[1001.0], [2111.0], [3000.0], [4005.0]]);
        assert_eq!(h.output(2), [[1.5], [111.25], [0.125], [5.75]]);
        let error = Bench::new(&Bidirectional::new(sums(true, true)), &data[..2]).unwrap_err();
        assert!(matches!(error, Error::Connection { .. }), "{error}");
    }

    #[test]
    fn gradients() {
        let x = Input::random_steps(5, &[2, 4, 0, 1]);
        let states = [Input::random_lanes(5, 4), Input::random_lanes(5, 4)];
        for (sequences, state) in [(false, false), (true, false), (true, true)] {
            for merge_mode in [MergeMode::Concat, MergeMode::Sum, MergeMode::Mul, MergeMode::Ave] {
                let layer = Bidirectional::new(sums(sequences, state)).merge_mode(merge_mode);
                check(&layer, &[x.clone(), states[0].clone(), states[1].clone()]);
                check(&layer, std::slice::from_ref(&x));
            }
        }
    }

    #[test]
    fn a_backward_layer_is_rejected() {
        let layer = RunningSum { go_backwards: true, ..sums(false, false) };
        let error = Bench::new(&Bidirectional::new(layer), &[x()]).unwrap_err();
        assert!(matches!(error, Error::Setting { setting: "go_backwards", .. }), "{error}");
    }

    #[test]
    fn the_halves_are_named_after_the_inner_layer() {
        let parameters = |layer: crate::layers::Lstm| {
            let h = Bench::new(&Bidirectional::new(layer), &[x()]).unwrap();
            h.weights().into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        let names = parameters(crate::layers::Lstm::new(2));
        assert_eq!(names.len(), 6);
        assert_eq!(names[0], "forward_lstm/kernel");
        assert_eq!(names[3], "backward_lstm/kernel");
        assert_eq!(parameters(crate::layers::Lstm::new(2).name("memory"))[5], "backward_memory/bias");
        let names = ["LSTM", "SimpleRNN", "TimeDistributed", "Dense", "Conv1D"].map(snake_case);
        assert_eq!(names, ["lstm", "simple_rnn", "time_distributed", "dense", "conv1d"]);
    }
}
