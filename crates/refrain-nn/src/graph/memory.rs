//! Computing the memory of future passes without allocating it. All sizes are in bytes and saturate, because
//! they may exceed what any machine has.

use super::edge::{Axis, EdgeId, EdgeSpec, Kind, LayoutId};
use super::exec::{Graph, wants_gradient};
use super::op::Mode;
use crate::params::Params;
use refrain_kernels::{PanelShape, packed_bias_len};

/// The size of a pass for which an operation reports its memory.
#[derive(Debug, Clone, Copy)]
pub struct PassSize<'a> {
    /// Training or inference.
    pub mode: Mode,
    /// Whether the parameters are packed beforehand: see [`super::Op::pack`].
    pub packed: bool,
    /// The number of sequences in the batch.
    pub lanes: u64,
    /// The number of rows of the first input.
    pub rows: u64,
    /// The number of rows of the first output that have a gradient; 0 without a backward pass.
    pub gradient_rows: u64,
    /// Whether the gradient of the first input is added to that of another reader.
    pub adds: bool,
    /// All parameters. Their values may not be allocated yet.
    pub params: &'a Params,
}

/// The memory that an operation needs in addition to its inputs and outputs, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpMemory {
    /// Each of its own buffers that is kept from pass to pass, in an order that is the same for every pass.
    pub kept: Vec<u64>,
    /// The parameters packed before the pass.
    pub packed: u64,
    /// The largest use of the workspace that all operations share.
    pub workspace: u64,
    /// The number of rows of its outputs with a time axis, if it differs from that of the first input.
    pub output_rows: Option<u64>,
    /// An upper limit on the rows of the first input's gradient, if it does not ask for all.
    pub asked_rows: Option<u64>,
}

impl OpMemory {
    /// Creates a memory requirement of one buffer.
    pub fn keeps(bytes: u64) -> Self {
        Self { kept: vec![bytes], ..Self::default() }
    }

    /// Raises the sizes to those of another pass.
    fn join(&mut self, other: &Self) {
        raise(&mut self.kept, &other.kept);
        self.packed = self.packed.max(other.packed);
        self.workspace = self.workspace.max(other.workspace);
    }
}

/// A batch's pass through a graph.
pub(crate) struct GraphPass<'a> {
    pub(crate) mode: Mode,
    pub(crate) packed: bool,
    pub(crate) lanes: u64,
    pub(crate) steps: u64,
    /// Nodes that are not run.
    pub(crate) skip: &'a [usize],
    /// Edges whose gradients are seeded.
    pub(crate) seeds: Vec<EdgeId>,
}

/// The memory of a graph for several passes one after the other, with each buffer at its largest size.
#[derive(Debug, Default)]
pub(crate) struct GraphMemory {
    values: Vec<u64>,
    gradients: Vec<u64>,
    layouts: Vec<u64>,
    ops: Vec<OpMemory>,
    states: u64,
}

impl GraphMemory {
    /// Returns the size of edges, their gradients and layouts, and the buffers of the operations.
    pub(crate) fn activations(&self) -> u64 {
        let edges = [&self.values, &self.gradients, &self.layouts].into_iter().flatten().copied();
        total_of(edges.chain(self.ops.iter().flat_map(|op| &op.kept).copied()))
    }

    pub(crate) fn packed(&self) -> u64 {
        total_of(self.ops.iter().map(|op| op.packed))
    }

    pub(crate) fn workspace(&self) -> u64 {
        self.ops.iter().map(|op| op.workspace).max().unwrap_or(0)
    }

    pub(crate) fn states(&self) -> u64 {
        self.states
    }

    /// Adds a pass. Nodes that it does not run keep their current size.
    pub(crate) fn add(&mut self, graph: &Graph, params: &Params, pass: &GraphPass<'_>) {
        let edges = graph.specs.len();
        self.values.resize(edges, 0);
        self.gradients.resize(edges, 0);
        self.layouts.resize(graph.layout_count(), 0);
        self.ops.resize(graph.nodes.len(), OpMemory::default());
        let layouts = graph.rows_of_layouts(params, pass);
        for (layout, &rows) in self.layouts.iter_mut().zip(&layouts) {
            *layout = (*layout).max(layout_bytes(pass.lanes, rows));
        }
        let rows = |edge: EdgeId| rows_of(graph.specs[edge.0], &layouts, pass.lanes);
        let size = |edge: EdgeId, rows: u64| match graph.specs[edge.0].kind {
            Kind::Ids => of_floats(rows),
            Kind::Features(width) => of_rows(rows, width),
        };
        let mut gradient_rows = vec![0; edges];
        for edge in &pass.seeds {
            gradient_rows[edge.0] = rows(*edge);
        }
        for &edge in graph.inputs() {
            self.values[edge.0] = self.values[edge.0].max(size(edge, rows(edge)));
        }
        for (i, node) in graph.nodes.iter().enumerate().rev().filter(|(i, _)| !pass.skip.contains(i)) {
            let first = node.outputs.first().map_or(0, |e| gradient_rows[e.0]);
            let comes = node.outputs.iter().any(|e| gradient_rows[e.0] > 0);
            let (mode, packed, lanes) = (pass.mode, pass.packed, pass.lanes);
            let of_input = node.inputs.first().map_or(lanes, |&e| rows(e));
            let adds = node.inputs.first().is_some_and(|e| gradient_rows[e.0] > 0);
            let asked = PassSize { mode, packed, lanes, rows: of_input, gradient_rows: first, adds, params };
            let memory = node.op.memory(&asked);
            self.ops[i].join(&memory);
            for &edge in &node.outputs {
                self.values[edge.0] = self.values[edge.0].max(size(edge, rows(edge)));
            }
            // A penalty has its own gradient.
            if !(comes || mode == Mode::Train && node.op.always_differentiates()) {
                continue;
            }
            for (k, &edge) in node.inputs.iter().enumerate() {
                if wants_gradient(&graph.specs, graph.given(), edge) {
                    let most = memory.asked_rows.filter(|_| k == 0).unwrap_or(u64::MAX).min(rows(edge));
                    gradient_rows[edge.0] = gradient_rows[edge.0].max(most);
                }
            }
        }
        for (edge, rows) in gradient_rows.into_iter().enumerate() {
            let bytes = if rows == 0 { 0 } else { size(EdgeId(edge), rows) };
            self.gradients[edge] = self.gradients[edge].max(bytes);
        }
        let states = graph.nodes.iter().filter_map(|n| n.op.state());
        let bytes = |units, cell| of_rows(pass.lanes, units).saturating_mul(1 + u64::from(cell));
        self.states = self.states.max(total_of(states.map(|s| bytes(s.units, s.cell))));
    }
}

impl Graph {
    /// Returns the number of rows of every time axis.
    fn rows_of_layouts(&self, params: &Params, pass: &GraphPass<'_>) -> Vec<u64> {
        let mut rows = vec![0; self.layout_count()];
        for &edge in self.inputs() {
            if let Axis::Steps(LayoutId(id)) = self.specs[edge.0].axis {
                rows[id] = pass.lanes.saturating_mul(pass.steps);
            }
        }
        for node in &self.nodes {
            let (mode, packed, lanes) = (pass.mode, pass.packed, pass.lanes);
            let of_input = node.inputs.first().map_or(lanes, |e| rows_of(self.specs[e.0], &rows, lanes));
            let asked =
                PassSize { mode, packed, lanes, rows: of_input, gradient_rows: 0, adds: false, params };
            let made = node.op.memory(&asked).output_rows.unwrap_or(of_input);
            for edge in &node.outputs {
                match self.specs[edge.0].axis {
                    Axis::Steps(LayoutId(id)) if rows[id] == 0 => rows[id] = made,
                    _ => {}
                }
            }
        }
        rows
    }
}

fn rows_of(spec: EdgeSpec, layouts: &[u64], lanes: u64) -> u64 {
    match spec.axis {
        Axis::Steps(LayoutId(id)) => layouts[id],
        Axis::Lanes => lanes,
    }
}

/// Returns the size of a [`crate::SeqLayout`]: five numbers per sequence, two per step, two short ones per
/// row.
fn layout_bytes(lanes: u64, rows: u64) -> u64 {
    let word = size_of::<usize>() as u64;
    let steps = rows.checked_div(lanes).unwrap_or(0);
    let words = grown(lanes).saturating_mul(5).saturating_add(grown(steps).saturating_mul(2));
    words.saturating_mul(word).saturating_add(of_floats(grown(rows)).saturating_mul(2))
}

/// Raises each size to at least the one at the same position in `to`.
pub(crate) fn raise(sizes: &mut Vec<u64>, to: &[u64]) {
    sizes.resize(sizes.len().max(to.len()), 0);
    sizes.iter_mut().zip(to).for_each(|(size, to)| *size = (*size).max(*to));
}

/// Returns the sum of sizes.
pub(crate) fn total_of(sizes: impl IntoIterator<Item = u64>) -> u64 {
    sizes.into_iter().fold(0, u64::saturating_add)
}

/// Returns the size of `n` floats or ids.
pub(crate) fn of_floats(n: u64) -> u64 {
    n.saturating_mul(size_of::<f32>() as u64)
}

/// Returns the size of rows of `width` floats, in whole cache lines.
pub(crate) fn of_rows(rows: u64, width: usize) -> u64 {
    let step = (width as u64).div_ceil(LINE).saturating_mul(LINE);
    of_floats(rows.saturating_mul(step))
}

/// Floats per cache line, as in [`refrain_kernels::row_step`].
const LINE: u64 = 16;

/// Returns the size of a packed matrix of `depth` rows.
pub(crate) fn of_packed(shape: PanelShape, depth: usize) -> u64 {
    of_floats((packed_bias_len(shape) as u64).saturating_mul(depth as u64))
}

/// Returns the capacity of a vector after `n` elements were pushed one by one.
pub(crate) fn grown(n: u64) -> u64 {
    if n == 0 { 0 } else { n.checked_next_power_of_two().unwrap_or(u64::MAX).max(4) }
}
