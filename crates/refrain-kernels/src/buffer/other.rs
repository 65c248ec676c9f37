//! Large pages where there is no way to ask for them.

/// Does nothing: the same as a refusal.
pub(super) fn prefer_large(_: &mut [f32]) {}
