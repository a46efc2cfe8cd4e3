//! Little-endian fields at offsets, and the macro that makes a record of them: reader and writer from one list.

/// Reads `N` bytes at `at`; zeros where the slice is shorter. After the parser has checked a record's extent the
/// second case cannot happen, so accessors need neither `Result` nor panic.
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(|rest| rest.first_chunk::<N>()).copied().unwrap_or([0; N])
}

/// A value with a fixed little-endian encoding.
pub trait Field: Copy {
    /// Encoded size in bytes.
    const BYTES: usize;
    /// Decodes the value at byte `at`.
    fn read(bytes: &[u8], at: usize) -> Self;
    /// Appends the encoding.
    #[cfg(feature = "alloc")]
    fn write(&self, out: &mut alloc::vec::Vec<u8>);
}

macro_rules! number_fields {
    ($($number:ty),*) => {$(
        impl Field for $number {
            const BYTES: usize = size_of::<$number>();
            fn read(bytes: &[u8], at: usize) -> Self {
                <$number>::from_le_bytes(array(bytes, at))
            }
            #[cfg(feature = "alloc")]
            fn write(&self, out: &mut alloc::vec::Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}
number_fields!(u8, i8, u16, i16, u32, u64, i32, f32);

impl<const N: usize> Field for [u8; N] {
    const BYTES: usize = N;
    fn read(bytes: &[u8], at: usize) -> Self {
        array(bytes, at)
    }
    #[cfg(feature = "alloc")]
    fn write(&self, out: &mut alloc::vec::Vec<u8>) {
        out.extend_from_slice(self);
    }
}

macro_rules! array_fields {
    ($($number:ty),*) => {$(
        impl<const N: usize> Field for [$number; N] {
            const BYTES: usize = size_of::<[$number; N]>();
            fn read(bytes: &[u8], at: usize) -> Self {
                let each = |index: usize| at.saturating_add(index.saturating_mul(size_of::<$number>()));
                core::array::from_fn(|index| <$number>::from_le_bytes(array(bytes, each(index))))
            }
            #[cfg(feature = "alloc")]
            fn write(&self, out: &mut alloc::vec::Vec<u8>) {
                self.iter().for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
            }
        }
    )*};
}
array_fields!(u32, i32);

/// Declares a record: a plain struct whose fields stand one after the other in little-endian order, without padding.
macro_rules! record {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $ty:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name { $($(#[$field_meta])* pub $field: $ty,)* }

        impl $crate::bytes::Field for $name {
            #[allow(clippy::arithmetic_side_effects)] // a sum of a handful of small constants
            const BYTES: usize = 0 $(+ <$ty as $crate::bytes::Field>::BYTES)*;
            #[allow(clippy::arithmetic_side_effects)] // at most the record's own size
            fn read(bytes: &[u8], at: usize) -> Self {
                // One check for the whole record: it makes the code of the many records half as long.
                let bytes = &$crate::bytes::array::<{ <$name as $crate::bytes::Field>::BYTES }>(bytes, at);
                let mut at = 0usize;
                $(
                    let $field = <$ty as $crate::bytes::Field>::read(bytes, at);
                    at += <$ty as $crate::bytes::Field>::BYTES;
                )*
                let _ = at;
                Self { $($field,)* }
            }
            #[cfg(feature = "alloc")]
            fn write(&self, out: &mut alloc::vec::Vec<u8>) {
                $(<$ty as $crate::bytes::Field>::write(&self.$field, out);)*
            }
        }

        impl $name {
            /// Size of the record in bytes.
            pub const BYTES: usize = <Self as $crate::bytes::Field>::BYTES;
            /// Reads the record at the start of `bytes`; all zeros where they are fewer than its own.
            pub fn read(bytes: &[u8]) -> Self {
                <Self as $crate::bytes::Field>::read(bytes, 0)
            }
            /// Appends the record's bytes.
            #[cfg(feature = "alloc")]
            pub fn write(&self, out: &mut alloc::vec::Vec<u8>) {
                <Self as $crate::bytes::Field>::write(self, out);
            }
        }
    };
}
pub(crate) use record;

/// Declares an enumeration stored in one byte or one half-word: codes are never reused.
macro_rules! coded {
    ($(#[$meta:meta])* pub enum $name:ident: $code:ty { $($(#[$variant_meta:meta])* $variant:ident = $value:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum $name { $($(#[$variant_meta])* $variant,)* }

        impl $name {
            /// Every value this version knows, in the order of the codes.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];
            /// The value with this code, if this version knows it.
            pub const fn from_code(code: $code) -> Option<Self> {
                match code { $($value => Some(Self::$variant),)* _ => None }
            }
            /// The stored code.
            #[inline(always)]
            pub const fn code(self) -> $code {
                match self { $(Self::$variant => $value,)* }
            }
            /// The name in lower case with underscores replaced by nothing, as `inspect` prints it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)* }
            }
        }
    };
}
pub(crate) use coded;

/// `u32` to `usize`, lossless on the supported targets (at least 32-bit pointers).
pub(crate) fn size(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// `usize` to `u32`, saturating: used for error operands and for sizes already bounded by the file length.
pub(crate) fn narrow(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
