//! Buffer memory on systems without a way to ask for huge pages: the heap.

/// Floats on the heap.
#[derive(Default)]
pub(super) struct Storage(Vec<f32>);

impl Storage {
    pub(super) fn zeros(floats: usize) -> Self {
        Self(vec![0.0; floats])
    }

    pub(super) fn floats(&self) -> &[f32] {
        &self.0
    }

    pub(super) fn floats_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}
