//! What is kept of a pass for those who look into it.

use refrain_kernels::AlignedVec;

/// What the gate buffer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum GateBuffer {
    /// Nothing of a batch.
    #[default]
    Empty,
    /// The activated gates of the last forward pass.
    Gates,
    /// What backward made of them.
    Gradients,
}

/// What backward overwrites as it goes, kept where a probe is set.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) probing: bool,
    pub(super) buffer: GateBuffer,
    /// Whether the last backward pass kept the following.
    pub(super) kept: bool,
    pub(super) gates: AlignedVec,
    pub(super) dh: AlignedVec,
    pub(super) dc: AlignedVec,
}

impl Seen {
    /// A forward pass left its gates.
    pub(super) fn forward(&mut self) {
        (self.buffer, self.kept) = (GateBuffer::Gates, false);
    }

    /// A backward pass is about to overwrite `gates`; `states` are the floats of all hidden states and of all cell
    /// states.
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
