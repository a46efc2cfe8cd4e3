//! The last step of every accumulating op: what the i32 or f32 accumulators become.

use crate::bytes::record;
use crate::{LoadError, Op};

/// Largest shift to the left of a 32-bit accumulator.
pub(crate) const MAX_SHIFT: i8 = 30;
/// Largest shift to the left of a 64-bit accumulator.
const MAX_WIDE_SHIFT: i8 = 7;

record! {
    /// Eight bytes, read as [`IntegerEpilogue`], [`WideEpilogue`] or [`FloatEpilogue`] by the type of the op's input.
    pub struct Epilogue {
        /// The stored bytes.
        pub bytes: [u8; 8],
    }
}

record! {
    /// Requantise, add the output's zero point, clamp.
    pub struct IntegerEpilogue {
        /// Byte offset of the requantisation table in the constants section; for ops with a single multiplier that
        /// is computed with a divisor (pooling) the multiplier itself.
        pub table: u32,
        /// Zero point of the input.
        pub input_zero_point: i8,
        /// Zero point of the output.
        pub output_zero_point: i8,
        /// Smallest output.
        pub clamp_min: i8,
        /// Largest output.
        pub clamp_max: i8,
    }
}

record! {
    /// Requantise to 16 bits and clamp: zero points are zero.
    pub struct WideEpilogue {
        /// Byte offset of the requantisation table in the constants section.
        pub table: u32,
        /// Smallest output.
        pub clamp_min: i16,
        /// Largest output.
        pub clamp_max: i16,
    }
}

record! {
    /// Clamp; infinite bounds clamp nothing.
    pub struct FloatEpilogue {
        /// Smallest output.
        pub clamp_min: f32,
        /// Largest output.
        pub clamp_max: f32,
    }
}

impl Epilogue {
    /// Read for an 8-bit op.
    pub fn integer(&self) -> IntegerEpilogue {
        IntegerEpilogue::read(&self.bytes)
    }

    /// Read for a 16-bit op.
    pub fn wide(&self) -> WideEpilogue {
        WideEpilogue::read(&self.bytes)
    }

    /// Read for a float op.
    pub fn float(&self) -> FloatEpilogue {
        FloatEpilogue::read(&self.bytes)
    }

    /// Rule 90 for the bounds of a float op.
    pub(crate) fn check_float(&self, op: &Op<'_>) -> Result<(), LoadError> {
        let bounds = self.float();
        op.check_real_clamp(bounds.clamp_min, bounds.clamp_max)
    }

    /// Rule 66 for an op without an epilogue.
    pub(crate) fn check_absent(&self, op: &Op<'_>) -> Result<(), LoadError> {
        op.check_reserved(&self.bytes)
    }

    /// Rules 85, 86, 88 to 90 and 97 for an 8-bit op with a table of `channels` entries.
    pub(crate) fn check_integer(&self, op: &Op<'_>, channels: usize) -> Result<(), LoadError> {
        let epilogue = self.integer();
        op.check_clamp(epilogue.clamp_min, epilogue.clamp_max)?;
        op.check_requantization(epilogue.table, channels, MAX_SHIFT)
    }

    /// The same for a 16-bit op; long sums are shifted less far.
    pub(crate) fn check_wide(&self, op: &Op<'_>, channels: usize, short_sums: bool) -> Result<(), LoadError> {
        let epilogue = self.wide();
        op.check_clamp(epilogue.clamp_min, epilogue.clamp_max)?;
        op.check_requantization(epilogue.table, channels, if short_sums { MAX_SHIFT } else { MAX_WIDE_SHIFT })
    }
}

#[cfg(feature = "alloc")]
impl From<IntegerEpilogue> for Epilogue {
    fn from(epilogue: IntegerEpilogue) -> Self {
        let mut bytes = alloc::vec::Vec::new();
        epilogue.write(&mut bytes);
        Self::read(&bytes)
    }
}

#[cfg(feature = "alloc")]
impl From<WideEpilogue> for Epilogue {
    fn from(epilogue: WideEpilogue) -> Self {
        let mut bytes = alloc::vec::Vec::new();
        epilogue.write(&mut bytes);
        Self::read(&bytes)
    }
}

#[cfg(feature = "alloc")]
impl From<FloatEpilogue> for Epilogue {
    fn from(epilogue: FloatEpilogue) -> Self {
        let mut bytes = alloc::vec::Vec::new();
        epilogue.write(&mut bytes);
        Self::read(&bytes)
    }
}
