//! Node storage by 32-bit handle: chunks that never move, and a list of free slots that is used before anything grows.
//!
//! A handle costs half of a pointer, needs no reference count, and survives a later move of cold chunks to disk.

/// Slots per chunk. Chunks keep growth free of copies: a tree of a million nodes never holds its storage twice.
const CHUNK_SLOTS: usize = 1 << 12;

/// Storage of `T` addressed by `u32` handles.
pub(crate) struct Arena<T> {
    chunks: Vec<Vec<T>>,
    free: Vec<u32>,
}

impl<T: Default> Arena<T> {
    pub(crate) fn new() -> Self {
        Self { chunks: Vec::new(), free: Vec::new() }
    }

    /// Stores a value and returns its handle.
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        if let Some(handle) = self.free.pop() {
            *self.slot(handle) = value;
            return handle;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK_SLOTS) {
            self.chunks.push(Vec::with_capacity(CHUNK_SLOTS));
        }
        let before = (self.chunks.len() - 1) * CHUNK_SLOTS;
        let chunk = self.chunks.last_mut().expect("a chunk with room was just ensured");
        let handle = before + chunk.len();
        assert!(handle < NodeRef::HANDLES, "the arena is full: {handle} slots");
        chunk.push(value);
        handle as u32
    }

    /// The value behind a handle that `insert` returned and `remove` has not taken back.
    pub(crate) fn get(&self, handle: u32) -> &T {
        &self.chunks[handle as usize / CHUNK_SLOTS][handle as usize % CHUNK_SLOTS]
    }

    /// Takes the value out and frees its slot.
    pub(crate) fn remove(&mut self, handle: u32) -> T {
        self.free.push(handle);
        std::mem::take(self.slot(handle))
    }

    /// Frees a slot whose value needs no dropping, without touching its memory.
    pub(crate) fn release(&mut self, handle: u32)
    where
        T: Copy,
    {
        self.free.push(handle);
    }

    /// The free slots that will be used next, as far as there are that many.
    pub(crate) fn next_free(&self, count: usize) -> impl Iterator<Item = &T> {
        self.free.iter().rev().take(count).map(|handle| self.get(*handle))
    }

    /// Number of values stored.
    pub(crate) fn live(&self) -> usize {
        self.slots() - self.free.len()
    }

    /// Bytes held by the slots, used or free.
    pub(crate) fn bytes(&self) -> usize {
        self.chunks.len() * CHUNK_SLOTS * size_of::<T>() + self.free.capacity() * size_of::<u32>()
    }

    fn slots(&self) -> usize {
        self.chunks.iter().map(Vec::len).sum()
    }

    fn slot(&mut self, handle: u32) -> &mut T {
        &mut self.chunks[handle as usize / CHUNK_SLOTS][handle as usize % CHUNK_SLOTS]
    }
}

/// Reference to a child: nothing, a leaf or an inner node, packed into four bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct NodeRef(u32);

/// A [`NodeRef`] unpacked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Node {
    Empty,
    Leaf(u32),
    Inner(u32),
}

impl NodeRef {
    pub(crate) const EMPTY: Self = Self(0);
    /// Handles are below this, so that a tag bit and the value for "empty" fit beside them.
    const HANDLES: usize = (1 << 31) - 1;
    const LEAF_BIT: u32 = 1 << 31;

    pub(crate) fn leaf(handle: u32) -> Self {
        Self(Self::LEAF_BIT | (handle + 1))
    }

    pub(crate) fn inner(handle: u32) -> Self {
        Self(handle + 1)
    }

    pub(crate) fn unpack(self) -> Node {
        match self.0 {
            0 => Node::Empty,
            packed if packed & Self::LEAF_BIT != 0 => Node::Leaf((packed & !Self::LEAF_BIT) - 1),
            packed => Node::Inner(packed - 1),
        }
    }

    pub(crate) fn is_empty(self) -> bool {
        self == Self::EMPTY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freed_slot_is_used_before_the_arena_grows() {
        let mut arena = Arena::new();
        let handles: Vec<u32> = (0..CHUNK_SLOTS as u64 + 3).map(|value| arena.insert(value)).collect();
        let bytes = arena.bytes();
        assert_eq!(arena.remove(handles[7]), 7);
        assert_eq!(arena.live(), handles.len() - 1);
        assert_eq!(arena.insert(700), handles[7]);
        assert_eq!(*arena.get(handles[7]), 700);
        assert_eq!(*arena.get(handles[CHUNK_SLOTS]), CHUNK_SLOTS as u64);
        assert!(arena.bytes() - bytes <= 64, "only the free list may have grown");
    }

    #[test]
    fn references_unpack_to_what_was_packed() {
        let last = NodeRef::HANDLES as u32 - 1;
        assert_eq!(NodeRef::EMPTY.unpack(), Node::Empty);
        for handle in [0, 1, last] {
            assert_eq!(NodeRef::leaf(handle).unpack(), Node::Leaf(handle));
            assert_eq!(NodeRef::inner(handle).unpack(), Node::Inner(handle));
            assert!(!NodeRef::leaf(handle).is_empty() && !NodeRef::inner(handle).is_empty());
        }
    }
}
