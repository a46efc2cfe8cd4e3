//! Parts of a buffer of packed weights: words, each part at a multiple of 64 bytes, one behind the other.

use zerocopy::FromBytes;

/// Where parts begin: a cache line.
pub const PART: usize = 64;

/// Bytes that an op needs of a pack buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Kept from load on.
    pub packed: usize,
    /// Used while the op runs.
    pub scratch: usize,
}

impl Sizes {
    /// Adds those of the next op.
    pub fn add(&mut self, next: Self) {
        self.packed = self.packed.saturating_add(next.packed);
        self.scratch = self.scratch.max(next.scratch);
    }
}

/// Bytes of a part of `count` words.
pub const fn part(count: usize) -> usize {
    count.saturating_mul(4).saturating_add(PART - 1) / PART * PART
}

/// The next part of `rest`.
pub fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u32]> {
    let (bytes, after) = rest.split_at_checked(part(count))?;
    *rest = after;
    <[u32]>::ref_from_bytes(bytes.get(..count.checked_mul(4)?)?).ok()
}

/// The next part of `rest`, to be written.
pub fn take_mut<'a>(rest: &mut &'a mut [u8], count: usize) -> Option<&'a mut [u32]> {
    let (bytes, after) = core::mem::take(rest).split_at_mut_checked(part(count))?;
    *rest = after;
    <[u32]>::mut_from_bytes(bytes.get_mut(..count.checked_mul(4)?)?).ok()
}
