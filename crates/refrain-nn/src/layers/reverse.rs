//! Reversing sequences.

use crate::error::Error;
use crate::graph::{
    Axis, Backward, Causality, EdgeId, Forward, Kind, LayoutId, Op, OpMemory, PassSize, Plan, grown,
    of_floats,
};
use refrain_kernels::elementwise::permute_rows;

/// Reverses every sequence within its real steps; the rows stay on their time axis.
#[derive(Debug, Clone)]
pub(super) struct Reverse {
    layout: LayoutId,
    kind: Kind,
    /// For each row, the row that mirrors it. Mirroring twice is the identity, so the backward pass uses it
    /// too.
    mirror: Vec<u32>,
}

impl Reverse {
    /// Returns the reversed `edge`. Without a time axis it is `edge` itself.
    pub(super) fn lower(plan: &mut Plan<'_>, edge: EdgeId) -> EdgeId {
        let spec = plan.spec(edge);
        match spec.axis {
            Axis::Lanes => edge,
            Axis::Steps(layout) => {
                let op = Self { layout, kind: spec.kind, mirror: Vec::new() };
                plan.op(Box::new(op), &[edge], &[spec])[0]
            }
        }
    }
}

impl Op for Reverse {
    fn forward(&mut self, cx: &mut Forward<'_>) -> Result<(), Error> {
        cx.layout(self.layout).mirror(&mut self.mirror);
        let (engine, x) = (cx.engine, cx.input(0));
        let y = cx.output(0);
        match self.kind {
            Kind::Ids => y.ids.iter_mut().zip(&self.mirror).for_each(|(y, &row)| *y = x.ids[row as usize]),
            Kind::Features(_) => permute_rows(engine, &self.mirror, x.view(), false, y.view_mut()),
        }
        Ok(())
    }

    fn backward(&mut self, cx: &mut Backward<'_>) -> Result<(), Error> {
        let Some(dy) = cx.d_output(0) else { return Ok(()) };
        let engine = cx.engine;
        if let Some(dx) = cx.d_input(0) {
            permute_rows(engine, &self.mirror, dy.view(), dx.add, dx.value.view_mut());
        }
        Ok(())
    }

    fn causality(&self) -> Causality {
        Causality::NotCausal("a layer reads its sequence backwards")
    }

    fn memory(&self, pass: &PassSize<'_>) -> OpMemory {
        OpMemory::keeps(of_floats(grown(pass.rows)))
    }

    fn boxed_clone(&self) -> Box<dyn Op> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gradcheck::{Bench, Input};
    use crate::graph::Mode;
    use crate::layers::Layer;
    use crate::layers::tests::support::{Lowering, check};

    fn reverse() -> impl Layer {
        Lowering(|plan: &mut Plan<'_>, inputs: &[EdgeId]| Ok(vec![Reverse::lower(plan, inputs[0])]))
    }

    #[test]
    fn reverses_each_sequence_within_its_length() {
        let x = Input::steps(2, &[&[1.0, 2.0, 3.0, 4.0], &[5.0, 6.0], &[], &[7.0, 8.0, 9.0, 0.0, 1.0, 2.0]]);
        let mut h = Bench::new(&reverse(), &[x]).unwrap();
        h.forward(Mode::Infer).unwrap();
        let expected = [vec![3.0, 4.0, 1.0, 2.0], vec![5.0, 6.0], vec![], vec![1.0, 2.0, 9.0, 0.0, 7.0, 8.0]];
        assert_eq!(h.output(0), expected);
        assert!(matches!(h.causality(), Causality::NotCausal(_)));
    }

    #[test]
    fn gradients() {
        check(&reverse(), &[Input::random_steps(17, &[2, 5, 0, 1, 5])]);
    }

    #[test]
    fn ids_and_rows_without_time() {
        let mut h = Bench::new(&reverse(), &[Input::ids(&[&[1, 2, 3], &[4]])]).unwrap();
        h.forward(Mode::Infer).unwrap();
        assert_eq!(h.output_ids(0), [vec![3, 2, 1], vec![4]]);
        let mut h = Bench::new(&reverse(), &[Input::lanes(1, &[1.0, 2.0])]).unwrap();
        h.forward(Mode::Infer).unwrap();
        assert_eq!(h.output(0), [vec![1.0], vec![2.0]]);
    }
}
