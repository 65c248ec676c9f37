//! Large pages where there is no way to ask for them.

use std::mem::MaybeUninit;

/// Does nothing: the same as a refusal.
pub(super) fn prefer_large<T>(_: &mut [MaybeUninit<T>]) {}
