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
        let storage = alloc::vec![0u8; length.saturating_add(FILE_ALIGNMENT)];
        let address = storage.as_ptr().addr();
        let start = address.next_multiple_of(FILE_ALIGNMENT).saturating_sub(address);
        Self { storage, range: start..start.saturating_add(length) }
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
