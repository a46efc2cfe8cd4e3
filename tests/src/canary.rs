//! An arena between guard bytes.

use bantam_format::AlignedBytes;
use std::ops::Range;

/// Guard bytes on either side; a multiple of 16, so that the arena after them can be aligned.
const GUARD: usize = 64;

/// Memory for a session whose surroundings tell whether anything outside was written.
#[derive(Debug)]
pub struct CanaryArena {
    memory: AlignedBytes,
    range: Range<usize>,
}

impl CanaryArena {
    /// `length` zeros, 16-byte aligned.
    pub fn new(length: usize) -> Self {
        Self::misaligned(length, 0)
    }

    /// `length` zeros that start `offset` bytes after a multiple of 16.
    pub fn misaligned(length: usize, offset: usize) -> Self {
        let mut arena = Self { memory: AlignedBytes::zeroed(length + offset + 2 * GUARD), range: 0..0 };
        arena.place(length, offset);
        arena
    }

    /// Makes the arena `length` bytes long, `offset` bytes after a multiple of 16, and renews the guards. The memory
    /// given at first must suffice.
    pub fn place(&mut self, length: usize, offset: usize) {
        let start = GUARD + offset;
        self.range = start..start + length;
        for at in (0..start).chain(start + length..start + length + GUARD) {
            self.memory.bytes_mut()[at] = guard(at);
        }
    }

    /// The arena.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory.bytes_mut()[self.range.clone()]
    }

    /// Whether every guard byte is what it was.
    pub fn intact(&self) -> bool {
        let bytes = self.memory.bytes();
        let mut guards = (0..self.range.start).chain(self.range.end..self.range.end + GUARD);
        guards.all(|at| bytes[at] == guard(at))
    }
}

/// A pattern in which neighbours differ.
fn guard(at: usize) -> u8 {
    0xa5 ^ (at as u8).wrapping_mul(29)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_guard_is_noticed() {
        let mut arena = CanaryArena::misaligned(10, 3);
        arena.bytes_mut().fill(0xff);
        assert!(arena.intact());
        assert_eq!(arena.bytes_mut().as_ptr().addr() % 16, 3);
        let end = arena.range.end;
        arena.memory.bytes_mut()[end] ^= 1;
        assert!(!arena.intact());
        arena.place(7, 0);
        assert!(arena.intact());
        arena.memory.bytes_mut()[GUARD - 1] ^= 0x80;
        assert!(!arena.intact());
    }
}
