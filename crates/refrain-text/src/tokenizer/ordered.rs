//! A map in insertion order, like Python's dict.

use std::collections::HashMap;
use std::sync::Arc;

/// Keys keep the position of their first insertion; inserting again only replaces the value.
#[derive(Clone, Debug)]
pub(super) struct OrderedMap<V> {
    entries: Vec<(Arc<str>, V)>,
    slots: HashMap<Arc<str>, usize>,
}

// The derived implementation would require `V: Default`.
impl<V> Default for OrderedMap<V> {
    fn default() -> Self {
        Self { entries: Vec::new(), slots: HashMap::new() }
    }
}

impl<V: PartialEq> PartialEq for OrderedMap<V> {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl<V> OrderedMap<V> {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn get(&self, key: &str) -> Option<&V> {
        self.slots.get(key).map(|&slot| &self.entries[slot].1)
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut V> {
        self.slots.get(key).map(|&slot| &mut self.entries[slot].1)
    }

    pub(super) fn insert(&mut self, key: Arc<str>, value: V) {
        if let Some(old) = self.get_mut(&key) {
            *old = value;
            return;
        }
        self.slots.insert(key.clone(), self.entries.len());
        self.entries.push((key, value));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &V)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }
}
