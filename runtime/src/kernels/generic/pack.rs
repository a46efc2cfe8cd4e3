//! Parts of a buffer of packed weights: each a typed slice at a multiple of 64 bytes, one behind the other.

use super::Plain;
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

/// Bytes of a part of `count` values.
pub const fn part<T>(count: usize) -> usize {
    count.saturating_mul(size_of::<T>()).next_multiple_of(PART)
}

/// The next part of `rest`.
pub fn take<'a, T: Plain>(rest: &mut &'a [u8], count: usize) -> Option<&'a [T]> {
    let (bytes, after) = rest.split_at_checked(part::<T>(count))?;
    *rest = after;
    <[T]>::ref_from_bytes(bytes.get(..count.checked_mul(size_of::<T>())?)?).ok()
}

/// The next part of `rest`, to be written.
pub fn take_mut<'a, T: Plain>(rest: &mut &'a mut [u8], count: usize) -> Option<&'a mut [T]> {
    let (bytes, after) = core::mem::take(rest).split_at_mut_checked(part::<T>(count))?;
    *rest = after;
    <[T]>::mut_from_bytes(bytes.get_mut(..count.checked_mul(size_of::<T>())?)?).ok()
}
