//! The storage of nodes: places are used again, each time with another generation.

use std::ops::{Index, IndexMut};

use crate::supervision::events::Node;
use crate::supervision::node::Entry;

#[derive(Default)]
pub(super) struct NodeStore {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

struct Slot {
    generation: u32,
    /// Boxed, so that a burst of actors leaves little memory in use.
    entry: Option<Box<Entry>>,
}

impl NodeStore {
    pub(super) fn insert(&mut self, entry: Entry) -> Node {
        let entry = Some(Box::new(entry));
        if let Some(index) = self.free.pop() {
            let slot = &mut self.slots[index as usize];
            slot.entry = entry;
            return Node { index, generation: slot.generation };
        }
        let index = u32::try_from(self.slots.len()).expect("memory ends before four billion actors");
        self.slots.push(Slot { generation: 0, entry });
        Node { index, generation: 0 }
    }

    pub(super) fn remove(&mut self, node: Node) {
        let slot = &mut self.slots[node.index()];
        debug_assert_eq!(slot.generation, node.generation);
        slot.generation = slot.generation.wrapping_add(1);
        slot.entry = None;
        self.free.push(node.index);
    }

    pub(super) fn get(&self, node: Node) -> Option<&Entry> {
        let slot = self.slots.get(node.index())?;
        slot.entry.as_deref().filter(|_| slot.generation == node.generation)
    }

    pub(super) fn get_mut(&mut self, node: Node) -> Option<&mut Entry> {
        let slot = self.slots.get_mut(node.index())?;
        slot.entry.as_deref_mut().filter(|_| slot.generation == node.generation)
    }

    pub(super) fn contains(&self, node: Node) -> bool {
        self.get(node).is_some()
    }

    /// All nodes, in an arbitrary order.
    pub(super) fn nodes(&self) -> impl Iterator<Item = Node> {
        let used = self.slots.iter().enumerate().filter(|(_, slot)| slot.entry.is_some());
        used.map(|(index, slot)| Node { index: index as u32, generation: slot.generation })
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

impl Index<Node> for NodeStore {
    type Output = Entry;

    fn index(&self, node: Node) -> &Entry {
        self.get(node).expect("an event's node is looked up before it is used; parents and children exist")
    }
}

impl IndexMut<Node> for NodeStore {
    fn index_mut(&mut self, node: Node) -> &mut Entry {
        let slot = &mut self.slots[node.index()];
        debug_assert_eq!(slot.generation, node.generation);
        slot.entry.as_deref_mut().expect("as for a shared look")
    }
}
