//! Copying an edge.

use super::edge::Kind;
use super::op::{Backward, Forward, Op};
use crate::error::Error;
use refrain_kernels::elementwise::copy_columns;

/// `y = x`, for floats or ids.
#[derive(Debug, Clone)]
pub(super) struct CopyOp {
    pub(super) kind: Kind,
}

impl Op for CopyOp {
    fn forward(&mut self, cx: &mut Forward<'_>) -> Result<(), Error> {
        let (engine, x) = (cx.engine, cx.input(0));
        let y = cx.output(0);
        match self.kind {
            Kind::Ids => y.ids.copy_from_slice(&x.ids),
            Kind::Features(_) => copy_columns(engine, x.view(), 0, false, y.view_mut()),
        }
        Ok(())
    }

    fn backward(&mut self, cx: &mut Backward<'_>) -> Result<(), Error> {
        let Some(dy) = cx.d_output(0) else { return Ok(()) };
        let engine = cx.engine;
        if let Some(dx) = cx.d_input(0) {
            copy_columns(engine, dy.view(), 0, dx.add, dx.value.view_mut());
        }
        Ok(())
    }

    fn boxed_clone(&self) -> Box<dyn Op> {
        Box::new(self.clone())
    }
}
