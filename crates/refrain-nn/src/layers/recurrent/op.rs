//! The operation behind every recurrent layer.

mod weights;

use super::probe_buffers::{GateBuffer, ProbeBuffers};
use super::table::Table;
use super::weight_drop::WeightDrop;
use crate::error::Error;
use crate::graph::{
    Backward, Causality, Forward, Mode, Op, OpMemory, PassSize, RandomKey, Recurrence, RecurrenceContext,
    StateShape, Value, of_floats, of_packed, of_rows, total_of,
};
use crate::params::{Params, SpanId};
use crate::sequence::SeqLayout;
use refrain_kernels::dropout::mask;
use refrain_kernels::philox::Key;
use refrain_kernels::recurrent::{self as kernel, Biases, Cell, StateMasks, StepInput};
use refrain_kernels::{AlignedVec, Engine, Packed, PanelShape, RowsMut, row_step};
use weights::Weight;

#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) cell: Cell,
    pub(super) inputs: usize,
    pub(super) units: usize,
    pub(super) return_sequences: bool,
    pub(super) stateful: bool,
    /// The number of input edges: 1, or one per gate if dropout masks the inputs gate by gate.
    pub(super) products: usize,
    /// Whether the initial state comes from edges.
    pub(super) initial: bool,
    pub(super) recurrent_dropout: f32,
    pub(super) mask_groups: usize,
    pub(super) recurrent_weight_dropout: f32,
    pub(super) purpose: u32,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Spans {
    pub(super) kernel: SpanId,
    pub(super) recurrent: SpanId,
    pub(super) bias: Option<SpanId>,
}

/// Inputs: the sequence (once, or once per gate), then optionally the initial states, then the ids of an
/// embedding that made the sequence. Outputs: all hidden states or the last one, then the final hidden state
/// (and cell state).
#[derive(Debug, Clone)]
pub(super) struct RecurrentOp {
    set: Settings,
    spans: Spans,
    /// The table, if the sequence comes from an embedding.
    table: Option<Table>,
    /// The dropout of the recurrent kernel's weights, if any.
    weight_drop: Option<WeightDrop>,
    biases: Biases,
    /// The kernel, if it was packed for several passes.
    kernel: Packed,
    /// The recurrent kernel, if it was packed for several passes.
    recurrent: Packed,
    /// Initial states in sorted order.
    h0: AlignedVec,
    c0: AlignedVec,
    gates: AlignedVec,
    /// Hidden states of all steps, if they are not the output.
    h: AlignedVec,
    c: AlignedVec,
    reset: AlignedVec,
    masks: AlignedVec,
    mask_base: Vec<u64>,
    masked: AlignedVec,
    dh: AlignedVec,
    dc: AlignedVec,
    scratch: AlignedVec,
    /// The direction of the next single step: see [`StepInput::back`].
    back: bool,
    probe: ProbeBuffers,
}

impl RecurrentOp {
    pub(super) fn new(set: Settings, spans: Spans, table: Option<Table>) -> Self {
        let shape = set.cell.arrangement(set.units);
        Self {
            set,
            spans,
            table,
            weight_drop: WeightDrop::new(set.recurrent_weight_dropout, set.purpose),
            biases: Biases::new(set.cell, set.units),
            kernel: Packed::new(shape, set.inputs),
            recurrent: Packed::new(shape, set.units),
            h0: AlignedVec::default(),
            c0: AlignedVec::default(),
            gates: AlignedVec::default(),
            h: AlignedVec::default(),
            c: AlignedVec::default(),
            reset: AlignedVec::default(),
            masks: AlignedVec::default(),
            mask_base: Vec::new(),
            masked: AlignedVec::default(),
            dh: AlignedVec::default(),
            dc: AlignedVec::default(),
            scratch: AlignedVec::default(),
            back: false,
            probe: ProbeBuffers::default(),
        }
    }

    fn step(&self) -> usize {
        row_step(self.set.units)
    }

    /// Returns the gate that the `i`-th input edge feeds, or `None` if one edge feeds all.
    fn gate(&self, i: usize) -> Option<usize> {
        (self.set.products > 1).then_some(i)
    }

    /// Copies the initial states in sorted order to `h0` and `c0`.
    fn take_initial(&mut self, cx: &Forward<'_>) {
        let layout = cx.input_layout(0);
        let (step, units, cell) = (self.step(), self.set.units, self.set.cell.has_cell_state());
        let lanes = layout.sequences();
        self.h0.resize(lanes * step);
        self.c0.resize(if cell { lanes * step } else { 0 });
        if !self.set.initial && cx.state.is_none() {
            self.h0.fill(0.0);
            self.c0.fill(0.0);
            return;
        }
        for sorted in 0..lanes {
            let lane = layout.lane(sorted);
            let at = sorted * step..sorted * step + units;
            if self.set.initial {
                self.h0[at.clone()].copy_from_slice(cx.input(self.set.products).view().row(lane));
                if cell {
                    self.c0[at].copy_from_slice(cx.input(self.set.products + 1).view().row(lane));
                }
            } else if let Some(state) = &cx.state {
                self.h0[at.clone()].copy_from_slice(state.hidden(lane));
                if cell {
                    self.c0[at].copy_from_slice(state.cell(lane));
                }
            }
        }
    }

    fn draw_masks(&mut self, engine: &Engine, random: RandomKey, layout: &SeqLayout) {
        let (lanes, units, groups) = (layout.sequences(), self.set.units, self.set.mask_groups);
        self.mask_base.clear();
        for group in 0..groups {
            let lane = |sorted| (group * lanes + layout.lane(sorted)) as u64;
            self.mask_base.extend((0..lanes).map(|sorted| lane(sorted) * units as u64));
        }
        self.masks.resize(groups * lanes * row_step(units));
        let key = Key { seed: random.seed, purpose: self.set.purpose, counter: random.counter };
        let rows = RowsMut::new(&mut self.masks, groups * lanes, units);
        mask(engine, key, self.set.recurrent_dropout, &self.mask_base, rows);
    }

    /// Passes `dh` (0) or `dc` (1) on to the edge of the initial state.
    fn pass_to_initial(&self, cx: &mut Backward<'_>, which: usize) {
        let (layout, step) = (cx.input_layout(0), self.step());
        let source = if which == 0 { &self.dh } else { &self.dc };
        let Some(slot) = cx.d_input(self.set.products + which) else { return };
        let mut rows = slot.value.view_mut();
        for lane in 0..layout.sequences() {
            let from = &source[layout.rank(lane) * step..][..self.set.units];
            for (d, s) in rows.row(lane).iter_mut().zip(from) {
                *d = if slot.add { *d + s } else { *s };
            }
        }
    }
}

impl Op for RecurrentOp {
    fn forward(&mut self, cx: &mut Forward<'_>) -> Result<(), Error> {
        self.take_initial(cx);
        let (engine, set, step) = (cx.engine, self.set, self.step());
        let cell = set.cell.has_cell_state();
        let (rows, lanes) = (cx.input_layout(0).rows(), cx.lanes());
        self.gates.resize(set.cell.gates_len(set.units, rows));
        self.c.resize(if cell { rows * step } else { 0 });
        self.reset.resize(if set.cell.resets_before() { rows * step } else { 0 });
        if cx.mode == Mode::Train && set.recurrent_dropout > 0.0 {
            self.draw_masks(engine, cx.random, cx.input_layout(0));
            self.masked.resize(set.mask_groups * rows * step);
        } else {
            self.masks.resize(0);
        }
        if let (Mode::Train, Some(drop)) = (cx.mode, &mut self.weight_drop) {
            drop.draw(engine, cx.random, cx.params.value(self.spans.recurrent));
        }
        if !cx.packed {
            self.take_bias(cx.params);
        }
        let kernel = self.lend(cx, Weight::Kernel);
        // Only matrices packed for several passes can exist twice at once.
        let one_step =
            cx.mode == Mode::Infer && cx.packed && set.products == 1 && cx.input_layout(0).longest() <= 1;
        let Self { table, biases, gates, .. } = self;
        let table = table.as_mut().filter(|_| !one_step);
        let by_tokens = table.is_some_and(|t| t.input_product(cx, &set, &kernel, biases, gates));
        for i in (0..set.products).filter(|_| !by_tokens && !one_step) {
            let (gate, x) = (self.gate(i), cx.input(i).view());
            kernel::input_product(engine, set.cell, &kernel, &self.biases, gate, x, &mut self.gates);
        }
        let mut kernel = Some(kernel);
        if !one_step && let Some(kernel) = kernel.take() {
            self.give_back(cx, Weight::Kernel, kernel);
        }
        let recurrent = self.lend(cx, Weight::Recurrent);
        let (x, biases, back) = (cx.input(0).view(), &self.biases, self.back);
        let input = kernel.as_ref().map(|kernel| StepInput { x, kernel, biases, back });
        self.back = !self.back;
        let mut output = std::mem::take(cx.output(0));
        if !set.return_sequences {
            self.h.resize(rows * step);
        }
        let h = if set.return_sequences { &mut output.data } else { &mut self.h };
        let masks =
            (!self.masks.is_empty()).then_some(StateMasks { data: &self.masks, groups: set.mask_groups });
        kernel::forward(
            engine,
            set.cell,
            &recurrent,
            input,
            kernel::Forward {
                steps: cx.input_layout(0).steps(),
                h0: &self.h0,
                c0: &self.c0,
                masks,
                gates: &mut self.gates,
                h,
                c: &mut self.c,
                reset: &mut self.reset,
                masked: &mut self.masked,
            },
        );
        self.probe.forward();
        self.give_back(cx, Weight::Recurrent, recurrent);
        if let Some(kernel) = kernel {
            self.give_back(cx, Weight::Kernel, kernel);
        }
        let (mut h_final, mut c_final) = (std::mem::take(cx.output(1)), Value::default());
        if cell {
            c_final = std::mem::take(cx.output(2));
        }
        for lane in 0..lanes {
            let h = if set.return_sequences { &output.data } else { &self.h };
            let layout = cx.input_layout(0);
            let initial = layout.rank(lane) * step..layout.rank(lane) * step + set.units;
            let row = layout.last_row(lane).map(|row| row * step..row * step + set.units);
            let h_last = row.clone().map_or(&self.h0[initial.clone()], |row| &h[row]);
            h_final.view_mut().row(lane).copy_from_slice(h_last);
            if !set.return_sequences {
                match &row {
                    Some(_) => output.view_mut().row(lane).copy_from_slice(h_final.view().row(lane)),
                    None => output.view_mut().row(lane).fill(0.0),
                }
            }
            if cell {
                let c_last = row.map_or(&self.c0[initial], |row| &self.c[row]);
                c_final.view_mut().row(lane).copy_from_slice(c_last);
            }
        }
        if let Some(state) = &mut cx.state {
            for lane in 0..lanes {
                let (h, c) = state.lane_mut(lane);
                h.copy_from_slice(h_final.view().row(lane));
                if cell {
                    c.copy_from_slice(c_final.view().row(lane));
                }
            }
        }
        cx.put_output(0, output);
        cx.put_output(1, h_final);
        if cell {
            cx.put_output(2, c_final);
        }
        Ok(())
    }

    fn backward(&mut self, cx: &mut Backward<'_>) -> Result<(), Error> {
        let (engine, set, step, layout) = (cx.engine, self.set, self.step(), cx.input_layout(0));
        let cell = set.cell.has_cell_state();
        let (rows, lanes) = (layout.rows(), cx.lanes());
        self.dh.resize(lanes * step);
        self.dh.fill(0.0);
        self.dc.resize(if cell { lanes * step } else { 0 });
        self.dc.fill(0.0);
        self.scratch.resize(lanes * step);
        let (d_h, d_c) = (cx.d_output(1), if cell { cx.d_output(2) } else { None });
        let d_last = if set.return_sequences { None } else { cx.d_output(0) };
        for lane in 0..lanes {
            let at = layout.rank(lane) * step..layout.rank(lane) * step + set.units;
            if let Some(d) = d_h {
                self.dh[at.clone()].copy_from_slice(d.view().row(lane));
            }
            if let (Some(d), true) = (d_last, layout.length(lane) > 0) {
                for (dh, d) in self.dh[at.clone()].iter_mut().zip(d.view().row(lane)) {
                    *dh += d;
                }
            }
            if let Some(d) = d_c {
                self.dc[at].copy_from_slice(d.view().row(lane));
            }
        }
        let dy = if set.return_sequences { cx.d_output(0) } else { None };
        let h: &[f32] = if set.return_sequences { &cx.output(0).data } else { &self.h };
        let masks =
            (!self.masks.is_empty()).then_some(StateMasks { data: &self.masks, groups: set.mask_groups });
        let recurrent_t = self.pack_across(cx, Weight::Recurrent);
        self.probe.backward(&self.gates, (rows * step, if cell { rows * step } else { 0 }));
        let ProbeBuffers { dh: each_dh, dc: each_dc, kept, .. } = &mut self.probe;
        kernel::backward(
            engine,
            set.cell,
            &recurrent_t,
            kernel::Backward {
                steps: layout.steps(),
                h0: &self.h0,
                c0: &self.c0,
                masks,
                h,
                c: &self.c,
                masked: &self.masked,
                dy: dy.map(|d| &*d.data),
                gates: &mut self.gates,
                dh: &mut self.dh,
                dc: &mut self.dc,
                scratch: &mut self.scratch,
                probe: kept.then_some(kernel::Probe { dh: each_dh, dc: each_dc }),
            },
        );
        *cx.workspace = recurrent_t.into_storage();
        let mut table = self.table.take();
        let mut by_tokens = table.as_mut().filter(|table| table.used());
        if let Some(table) = &mut by_tokens {
            table.sum(cx, &self.gates);
        }
        let mut weight_drop = self.weight_drop.take();
        self.add_gradients(cx, by_tokens.as_deref(), weight_drop.as_mut());
        self.weight_drop = weight_drop;
        if let Some(table) = by_tokens {
            if table.trains(cx) {
                let kernel_t = self.pack_across(cx, Weight::Kernel);
                table.add_gradient(cx, &set, &kernel_t);
                *cx.workspace = kernel_t.into_storage();
            }
        } else if (0..set.products).any(|i| cx.d_input(i).is_some()) {
            let kernel_t = self.pack_across(cx, Weight::Kernel);
            for i in 0..set.products {
                let gate = self.gate(i);
                if let Some(dx) = cx.d_input(i) {
                    let out = dx.value.view_mut();
                    kernel::input_gradient(engine, set.cell, &kernel_t, gate, &self.gates, rows, dx.add, out);
                }
            }
            *cx.workspace = kernel_t.into_storage();
        }
        self.table = table;
        if set.initial {
            self.pass_to_initial(cx, 0);
            if cell {
                self.pass_to_initial(cx, 1);
            }
        }
        Ok(())
    }

    fn pack(&mut self, engine: &Engine, params: &Params) {
        self.take_bias(params);
        let columns = self.kernel.shape().columns();
        self.kernel.pack(engine, params.value(self.spans.kernel), columns);
        self.recurrent.pack(engine, params.value(self.spans.recurrent), columns);
    }

    fn causality(&self) -> Causality {
        if self.set.initial {
            Causality::NotCausal("a recurrent layer takes its initial state from another layer")
        } else if self.set.return_sequences {
            Causality::Causal
        } else {
            Causality::NotCausal(
                "a recurrent layer without `return_sequences` waits for the end of the sequence",
            )
        }
    }

    fn state(&self) -> Option<StateShape> {
        (!self.set.initial).then_some(StateShape {
            units: self.set.units,
            cell: self.set.cell.has_cell_state(),
            stateful: self.set.stateful,
        })
    }

    fn memory(&self, pass: &PassSize<'_>) -> OpMemory {
        let (set, rows, lanes) = (self.set, pass.rows, pass.lanes);
        let (cell, states) = (set.cell, 1 + u64::from(set.cell.has_cell_state()));
        let each_row = states - 1 + u64::from(cell.resets_before()) + u64::from(!set.return_sequences);
        let train = pass.mode == Mode::Train;
        let masked = if train && set.recurrent_dropout > 0.0 { set.mask_groups as u64 } else { 0 };
        let probes = train && self.probe.probing;
        let drops = train && self.weight_drop.is_some();
        let a_lane = of_rows(lanes, set.units);
        let mut kept = vec![
            of_packed(cell.arrangement(set.units), 1),
            of_rows(1, set.units),
            of_gates(&set, rows),
            of_rows(rows, set.units).saturating_mul(each_row),
            a_lane.saturating_mul(states),
            a_lane.saturating_add(lanes.saturating_mul(8)).saturating_mul(masked),
            of_rows(rows, set.units).saturating_mul(masked),
            if drops { of_floats(pass.params.spans()[self.spans.recurrent.0].len() as u64) } else { 0 },
            // `dh`, `dc` and `scratch`.
            if train { a_lane.saturating_mul(states + 1) } else { 0 },
            if probes { of_gates(&set, rows) } else { 0 },
            if probes { of_rows(rows, set.units).saturating_mul(states) } else { 0 },
        ];
        let (mut of_table, mut asked_rows) = (Vec::new(), None);
        if let Some(table) = &self.table {
            OpMemory { kept: of_table, asked_rows, .. } = table.memory(&set, pass);
        }
        kept.extend(of_table);
        let weights = [Weight::Kernel, Weight::Recurrent].map(|weight| {
            let (_, depth, shape) = self.place(weight);
            let across = of_packed(PanelShape::plain(depth), shape.columns());
            (of_packed(shape, depth), if train { across } else { 0 })
        });
        let packed = pass.packed && pass.mode == Mode::Infer;
        OpMemory {
            kept,
            packed: if packed { total_of(weights.map(|(along, _)| along)) } else { 0 },
            workspace: if packed {
                0
            } else {
                weights.into_iter().fold(0, |most, (a, b)| most.max(a).max(b))
            },
            output_rows: None,
            asked_rows,
        }
    }

    fn set_probe(&mut self, on: bool) {
        self.probe.probing = on;
    }

    fn recurrence<'a>(&'a self, around: &RecurrenceContext<'a>) -> Option<Recurrence<'a>> {
        let ProbeBuffers { buffer, kept, gates, dh, dc, .. } = &self.probe;
        let gates = match buffer {
            GateBuffer::Empty => return None,
            GateBuffer::Gates => Some(&*self.gates),
            GateBuffer::Gradients => kept.then_some(&**gates),
        };
        Some(Recurrence {
            layer: around.layer_of(self.spans.kernel),
            cell: self.set.cell,
            units: self.set.units,
            layout: around.input_layout()?,
            h: if self.set.return_sequences { &around.output().data } else { &self.h },
            c: &self.c,
            gates,
            gradients: kept.then_some((&**dh, &**dc)),
        })
    }

    fn boxed_clone(&self) -> Box<dyn Op> {
        Box::new(self.clone())
    }
}

/// Returns the size of a buffer of gates for this many rows.
pub(super) fn of_gates(set: &Settings, rows: u64) -> u64 {
    of_floats((set.cell.gates_len(set.units, 1) as u64).saturating_mul(rows))
}
