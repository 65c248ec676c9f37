//! The graph of a model: edges that carry values, and operations that compute them forward and backward.
//!
//! Layers are descriptions; [`Plan`] turns them into operations once. The executor then runs the operations
//! on buffers that grow to their largest size and are reused.

mod budget;
mod copy;
mod edge;
mod exec;
mod memory;
mod op;
mod plan;
mod recurrence;

pub use crate::state::StateShape;
pub(crate) use budget::{Budget, BudgetError, FileTensor};
pub use edge::{Axis, EdgeId, EdgeSpec, Kind, LayoutId, Value};
pub(crate) use exec::{Graph, Single};
pub(crate) use memory::{GraphMemory, GraphPass, grown, of_floats, of_packed, of_rows, raise, total_of};
pub use memory::{OpMemory, PassSize};
pub use op::{Backward, Causality, Forward, GradientSlot, Mode, Op, RandomKey};
pub use plan::Plan;
pub use recurrence::{Recurrence, RecurrenceContext};
