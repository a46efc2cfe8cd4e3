//! What the ops that sum products with constant weights have in common.

use super::Epilogue;
use crate::bytes::{coded, record};
use crate::check::ensure;
use crate::{DataType, LoadError, Op};

coded! {
    /// How the weights of an op are stored.
    pub enum WeightType: u8 {
        /// Signed bytes, for 8-bit and 16-bit inputs.
        I8 = 1,
        /// IEEE 754 binary32, for inputs of that type.
        F32 = 4,
        /// Signed 4-bit integers, two in a byte, the first in the lower half, for 8-bit inputs.
        I4 = 5,
        /// IEEE 754 binary16, for inputs of binary32.
        F16 = 6,
    }
}

impl WeightType {
    /// Bytes that `count` weights take.
    pub const fn bytes(self, count: usize) -> Option<usize> {
        match self {
            Self::I8 => Some(count),
            Self::F32 => count.checked_mul(4),
            Self::F16 => count.checked_mul(2),
            Self::I4 => Some(count.div_ceil(2)),
        }
    }

    /// Whether the weights are real numbers.
    pub const fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F16)
    }
}

record! {
    /// 18 bytes. Weights, bias and requantisation of an op whose outputs are sums of products with constant weights.
    pub struct Accumulation {
        /// Code of the [`WeightType`].
        pub weight_type: u8,
        /// [`Self::PER_CHANNEL`] and, for 16-bit inputs, [`Self::SHORT_SUMS`].
        pub flags: u8,
        /// Byte offset of the weights in the constants section.
        pub weights: u32,
        /// Byte offset of the bias, one value per output channel (64 bits for 16-bit inputs), or [`crate::ABSENT`].
        pub bias: u32,
        /// What the accumulators become.
        pub epilogue: Epilogue,
    }
}

impl Accumulation {
    /// How the weights are stored; bytes where the code is not known.
    pub fn weight_type(&self) -> WeightType {
        WeightType::from_code(self.weight_type).unwrap_or(WeightType::I8)
    }

    /// The requantisation table has one entry per output channel; without, a single one.
    pub const PER_CHANNEL: u8 = 1;
    /// Sums over 16-bit inputs have 32 bits and are requantised as those of 8-bit ones; without, they have 64 bits.
    pub const SHORT_SUMS: u8 = 2;

    /// Whether the requantisation table has one entry per output channel.
    pub fn is_per_channel(&self) -> bool {
        self.flags & Self::PER_CHANNEL != 0
    }

    /// Whether sums over 16-bit inputs have 32 bits.
    pub fn has_short_sums(&self) -> bool {
        self.flags & Self::SHORT_SUMS != 0
    }

    /// Whether the outputs of sums of `taps` products of bytes can be made in a shorter form of the arithmetic `tflite`: all
    /// shifts are to the right, so that nothing overflows, and clamping is saturation.
    /// `constants` are those of the artifact, whose arithmetic that must be.
    pub fn is_plain(&self, constants: &[u8], channels: usize, taps: usize) -> bool {
        let place = |offset: u32| usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = |offset: usize, count: usize, size: usize| {
            let end = count.checked_mul(size).and_then(|bytes| offset.checked_add(bytes));
            end.and_then(|end| constants.get(offset..end)).unwrap_or(&[])
        };
        let words = |offset: u32, count: usize| {
            let words = bytes(place(offset), count, 4).as_chunks().0;
            words.iter().map(|&word| i32::from_le_bytes(word))
        };
        let epilogue = self.epilogue.integer();
        let entries = if self.is_per_channel() { channels } else { 1 };
        let shifts = place(epilogue.table).saturating_add(entries.saturating_mul(4));
        let shifts = bytes(shifts, entries, 1).iter().map(|shift| shift.cast_signed());
        [epilogue.clamp_min, epilogue.clamp_max] == [i8::MIN, i8::MAX]
            && has_plain_sums(words(self.bias, channels), taps)
            && has_plain_scales(words(epilogue.table, entries).zip(shifts))
    }

    /// The rules of operand types and constants, with weights of `taps` per output channel.
    pub(crate) fn check(&self, op: &Op<'_>, channels: usize, taps: usize) -> Result<(), LoadError> {
        let data_type = op.check_type(&op.input(0), &[DataType::I8, DataType::I16, DataType::F32])?;
        op.check_type(&op.output(0), &[data_type])?;
        let error = LoadError::WeightType { op: op.index, code: u32::from(self.weight_type) };
        let stored = WeightType::from_code(self.weight_type).ok_or(error)?;
        let wide = data_type.is_wide();
        ensure(stored.is_float() == data_type.is_real(), error)?;
        ensure(!wide || stored == WeightType::I8, error)?;
        let weights = channels.checked_mul(taps);
        let bytes = op.check_constant(self.weights, weights.and_then(|count| stored.bytes(count)))?;
        if stored == WeightType::I4 && weights.is_some_and(|count| count % 2 == 1) {
            let half = bytes.last().is_some_and(|byte| byte >> 4 == 0);
            ensure(half, LoadError::UnusedHalf { op: op.index })?;
        }
        let known = if wide { Self::PER_CHANNEL | Self::SHORT_SUMS } else { Self::PER_CHANNEL };
        ensure(self.flags & !known == 0, LoadError::AttributeReserved { op: op.index })?;
        let entries = if self.is_per_channel() { channels } else { 1 };
        if data_type.is_real() {
            op.check_float_bias(self.bias, channels)?;
            self.epilogue.check_float(op)
        } else if wide {
            op.check_wide_bias(self.bias, channels, taps, self.has_short_sums())?;
            self.epilogue.check_wide(op, entries, self.has_short_sums())
        } else {
            op.check_integer_bias(self.bias, channels, taps)?;
            self.epilogue.check_integer(op, entries)
        }
    }
}

/// Whether sums of `taps` products of bytes and a bias, doubled, have 32 bits; see [`Accumulation::is_plain`].
pub fn has_plain_sums(mut bias: impl Iterator<Item = i32>, taps: usize) -> bool {
    // Products are of 255 * 128 at most.
    taps <= 1 << 13 && bias.all(|bias| bias.unsigned_abs() <= 1 << 29)
}

/// Whether all multipliers with their shifts are as [`Accumulation::is_plain`] says.
pub fn has_plain_scales(mut scales: impl Iterator<Item = (i32, i8)>) -> bool {
    scales.all(|(multiplier, shift)| multiplier >= 0 && (-22..0).contains(&shift))
}

/// Rule 83 for input and output channels.
pub(crate) fn check_groups(op: &Op<'_>, groups: u16, channels: [usize; 2]) -> Result<(), LoadError> {
    let divides = |channels: usize| channels.checked_rem(usize::from(groups)) == Some(0);
    ensure(channels.into_iter().all(divides), LoadError::Groups { op: op.index, groups: u32::from(groups) })
}
