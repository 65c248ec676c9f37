//! What passes to come will take, without taking it. All sizes are bytes and saturate: they are asked for what no
//! machine holds.

use super::edge::{Axis, EdgeId, EdgeSpec, Kind, LayoutId};
use super::exec::{Graph, wants_gradient};
use super::op::Mode;
use crate::params::Params;
use refrain_kernels::{PanelShape, packed_bias_len};

/// A pass, as an operation is asked what it takes for it.
#[derive(Debug, Clone, Copy)]
pub struct PassSize<'a> {
    /// Training or not.
    pub mode: Mode,
    /// Whether the parameters are packed before: see [`super::Op::pack`].
    pub packed: bool,
    /// Sequences of the batch.
    pub lanes: u64,
    /// Rows of the first input.
    pub rows: u64,
    /// Rows of the first output that have a gradient; 0 where backward does not come.
    pub gradient_rows: u64,
    /// Whether the gradient of its first input is added to that of another reader.
    pub adds: bool,
    /// All parameters; their values may not be there yet.
    pub params: &'a Params,
}

/// What an operation takes beside its inputs and outputs, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpMemory {
    /// Each buffer of its own, which keeps its room from pass to pass: in an order that is the same for every pass.
    pub kept: Vec<u64>,
    /// Its parameters, where they are packed before the pass.
    pub packed: u64,
    /// The most it needs of the workspace that all operations share.
    pub workspace: u64,
    /// Rows of its outputs with a time axis, where they are not as many as its first input's.
    pub output_rows: Option<u64>,
    /// Rows of its first input's gradient at most, where it does not ask for all.
    pub asked_rows: Option<u64>,
}

impl OpMemory {
    /// One buffer, and nothing else.
    pub fn keeps(bytes: u64) -> Self {
        Self { kept: vec![bytes], ..Self::default() }
    }

    /// For either of two passes, one after the other.
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
    /// Nodes that do not run.
    pub(crate) skip: &'a [usize],
    /// Edges whose gradients are seeded.
    pub(crate) seeds: Vec<EdgeId>,
}

/// What a graph takes for passes one after the other, each buffer as large as its largest.
#[derive(Debug, Default)]
pub(crate) struct GraphMemory {
    values: Vec<u64>,
    gradients: Vec<u64>,
    layouts: Vec<u64>,
    ops: Vec<OpMemory>,
    states: u64,
}

impl GraphMemory {
    /// Edges, their gradients and layouts, and what the operations keep.
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

    /// Adds a pass; what it does not run takes what it took.
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
            // A penalty has a gradient of its own.
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
    /// Rows of every time axis.
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

/// Of [`crate::SeqLayout`]: five numbers a sequence, two a step, two short ones a row.
fn layout_bytes(lanes: u64, rows: u64) -> u64 {
    let word = size_of::<usize>() as u64;
    let steps = rows.checked_div(lanes).unwrap_or(0);
    let words = grown(lanes).saturating_mul(5).saturating_add(grown(steps).saturating_mul(2));
    words.saturating_mul(word).saturating_add(of_floats(grown(rows)).saturating_mul(2))
}

/// Makes each size at least the other one in its place.
pub(crate) fn raise(sizes: &mut Vec<u64>, to: &[u64]) {
    sizes.resize(sizes.len().max(to.len()), 0);
    sizes.iter_mut().zip(to).for_each(|(size, to)| *size = (*size).max(*to));
}

/// The sum of sizes.
pub(crate) fn total_of(sizes: impl IntoIterator<Item = u64>) -> u64 {
    sizes.into_iter().fold(0, u64::saturating_add)
}

/// `n` floats, or ids.
pub(crate) fn of_floats(n: u64) -> u64 {
    n.saturating_mul(size_of::<f32>() as u64)
}

/// Rows of `width` floats, on whole cache lines.
pub(crate) fn of_rows(rows: u64, width: usize) -> u64 {
    let step = (width as u64).div_ceil(LINE).saturating_mul(LINE);
    of_floats(rows.saturating_mul(step))
}

/// Floats of a cache line, as [`refrain_kernels::row_step`] has it.
const LINE: u64 = 16;

/// A packed matrix of `depth` rows.
pub(crate) fn of_packed(shape: PanelShape, depth: usize) -> u64 {
    of_floats((packed_bias_len(shape) as u64).saturating_mul(depth as u64))
}

/// The room of a vector that `n` elements were pushed to one by one.
pub(crate) fn grown(n: u64) -> u64 {
    if n == 0 { 0 } else { n.checked_next_power_of_two().unwrap_or(u64::MAX).max(4) }
}
