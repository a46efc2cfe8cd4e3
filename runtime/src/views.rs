//! Bytes as typed slices. `zerocopy` checks length and alignment; no unsafe code is needed here.

use bantam_format::DataType;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

mod sealed {
    pub trait Sealed {}
    impl Sealed for i8 {}
    impl Sealed for i16 {}
    impl Sealed for i32 {}
    impl Sealed for f32 {}
}

/// An element type of tensors.
pub trait Element: sealed::Sealed + Copy + FromBytes + IntoBytes + Immutable + KnownLayout + 'static {
    /// How artifacts name it.
    const DATA_TYPE: DataType;
}

impl Element for i8 {
    const DATA_TYPE: DataType = DataType::I8;
}

impl Element for i16 {
    const DATA_TYPE: DataType = DataType::I16;
}

impl Element for i32 {
    const DATA_TYPE: DataType = DataType::I32;
}

impl Element for f32 {
    const DATA_TYPE: DataType = DataType::F32;
}

/// `None` where the bytes are misaligned or not a whole number of elements.
pub(crate) fn slice<T: Element>(bytes: &[u8]) -> Option<&[T]> {
    <[T]>::ref_from_bytes(bytes).ok()
}

/// `None` where the bytes are misaligned or not a whole number of elements.
pub(crate) fn slice_mut<T: Element>(bytes: &mut [u8]) -> Option<&mut [T]> {
    <[T]>::mut_from_bytes(bytes).ok()
}

/// `None` where the bytes are misaligned or not of this size.
pub(crate) fn array<T: Element, const N: usize>(bytes: &[u8]) -> Option<&[T; N]> {
    <[T; N]>::ref_from_bytes(bytes).ok()
}

/// `None` where the bytes are misaligned or not of this size.
pub(crate) fn array_mut<T: Element, const N: usize>(bytes: &mut [u8]) -> Option<&mut [T; N]> {
    <[T; N]>::mut_from_bytes(bytes).ok()
}

/// `count` elements of the constants from byte `offset` on.
pub(crate) fn constant<T: Element>(constants: &[u8], offset: u32, count: usize) -> Option<&[T]> {
    let bytes = constants.get(usize::try_from(offset).ok()?..)?;
    slice(bytes.get(..count.checked_mul(size_of::<T>())?)?)
}
