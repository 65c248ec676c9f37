//! Data kept from a pass for inspection.

use refrain_kernels::AlignedVec;

/// The contents of the gate buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum GateBuffer {
    /// Nothing.
    #[default]
    Empty,
    /// The activated gates of the last forward pass.
    Gates,
    /// The gate gradients of the last backward pass.
    Gradients,
}

/// Data that the backward pass would overwrite, kept if a probe is set.
#[derive(Debug, Clone, Default)]
pub(super) struct ProbeBuffers {
    pub(super) probing: bool,
    pub(super) buffer: GateBuffer,
    /// Whether the last backward pass kept the following data.
    pub(super) kept: bool,
    pub(super) gates: AlignedVec,
    pub(super) dh: AlignedVec,
    pub(super) dc: AlignedVec,
}

impl ProbeBuffers {
    /// Records that a forward pass wrote its gates.
    pub(super) fn forward(&mut self) {
        (self.buffer, self.kept) = (GateBuffer::Gates, false);
    }

    /// Saves `gates` before a backward pass overwrites them. `states` are the numbers of floats of all hidden
    /// states and of all cell states.
    pub(super) fn backward(&mut self, gates: &[f32], states: (usize, usize)) {
        (self.buffer, self.kept) = (GateBuffer::Gradients, self.probing);
        if self.probing {
            self.gates.resize(gates.len());
            self.gates.copy_from_slice(gates);
            self.dh.resize(states.0);
            self.dc.resize(states.1);
        }
    }
}
