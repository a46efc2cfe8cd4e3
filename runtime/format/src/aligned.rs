//! Heap buffers at aligned addresses.

use crate::FILE_ALIGNMENT;
use alloc::vec::Vec;
use core::ops::Range;

/// Bytes on the heap at an address that is a multiple of [`FILE_ALIGNMENT`]: for artifacts read from a file and for
/// arenas whose size is known at run time.
#[derive(Debug)]
pub struct AlignedBytes {
    storage: Vec<u8>,
    range: Range<usize>,
}

impl AlignedBytes {
    /// `length` zeros.
    pub fn zeroed(length: usize) -> Self {
        Self::aligned(alloc::vec![0u8; length.saturating_add(FILE_ALIGNMENT)], length)
    }

    fn aligned(storage: Vec<u8>, length: usize) -> Self {
        let address = storage.as_ptr().addr();
        let start = address.next_multiple_of(FILE_ALIGNMENT).saturating_sub(address);
        Self { storage, range: start..start.saturating_add(length) }
    }

    /// `length` zeros; `None` where there is no memory for them.
    pub fn try_zeroed(length: usize) -> Option<Self> {
        let total = length.checked_add(FILE_ALIGNMENT)?;
        let mut storage = Vec::new();
        storage.try_reserve_exact(total).ok()?;
        storage.resize(total, 0u8);
        Some(Self::aligned(storage, length))
    }

    /// A copy of `bytes`.
    pub fn copy_of(bytes: &[u8]) -> Self {
        let mut aligned = Self::zeroed(bytes.len());
        aligned.bytes_mut().copy_from_slice(bytes);
        aligned
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.storage.get(self.range.clone()).unwrap_or(&[])
    }

    /// The bytes, writable.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.storage.get_mut(self.range.clone()).unwrap_or(&mut [])
    }
}
