//! What the rules of the opcodes share: operand access with typed refusals, constant ranges, overlap classes.

use crate::bytes::{Field, narrow, size};
use crate::op::Op;
use crate::overlap::Overlap;
use crate::real;
use crate::{ABSENT, Arithmetic, DataType, LoadError, Shape, Tensor};

/// What one op costs: the sums over the schedule are compared with the header and the caller's limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Multiply-accumulates.
    pub macs: u64,
    /// Upper bound of inner-loop steps.
    pub work: u64,
    /// Bytes of biases and requantisation tables looked at while checking.
    pub scanned: usize,
}

impl Cost {
    /// An op whose steps are all multiply-accumulates.
    pub(crate) fn macs(factors: &[usize]) -> Self {
        let macs = product(factors);
        Self { macs, work: macs, scanned: 0 }
    }

    /// The same, with a bias and a requantisation table of `channels` entries.
    pub(crate) fn scanning(self, channels: usize) -> Self {
        Self { scanned: channels.saturating_mul(9), ..self }
    }

    /// The same, looking at that many bytes of constants while checking.
    pub(crate) fn looking_at(self, bytes: usize) -> Self {
        Self { scanned: self.scanned.saturating_add(bytes), ..self }
    }

    /// An op that multiplies nothing.
    pub(crate) fn work(factors: &[usize]) -> Self {
        Self { macs: 0, work: product(factors), scanned: 0 }
    }
}

/// Saturating product.
fn product(factors: &[usize]) -> u64 {
    factors.iter().fold(1u64, |p, &f| p.saturating_mul(u64::try_from(f).unwrap_or(u64::MAX)))
}

/// Refuses unless `condition` holds.
pub(crate) fn ensure(condition: bool, error: LoadError) -> Result<(), LoadError> {
    if condition { Ok(()) } else { Err(error) }
}

/// Whether two byte ranges have no byte in common.
pub(crate) fn disjoint(a: &core::ops::Range<usize>, b: &core::ops::Range<usize>) -> bool {
    a.end <= b.start || b.end <= a.start
}

impl Op<'_> {
    /// Operand counts (rule 62), and where the first input and the output live (rules 67 and 72).
    pub(crate) fn check_operands(&self, inputs: usize, outputs: usize) -> Result<(), LoadError> {
        self.check_counts(self.input_count == inputs && self.output_count == outputs)?;
        ensure(self.input(0).in_arena(), LoadError::InputConstant { op: self.index })?;
        ensure(self.output(0).in_arena(), LoadError::OutputConstant { op: self.index })
    }

    /// Rules 62 and 67 of ops with one output whose inputs may all be constants.
    pub(crate) fn check_any_operands(&self, inputs: core::ops::RangeInclusive<usize>) -> Result<(), LoadError> {
        self.check_counts(inputs.contains(&self.input_count) && self.output_count == 1)?;
        ensure(self.output(0).in_arena(), LoadError::OutputConstant { op: self.index })
    }

    fn check_counts(&self, expected: bool) -> Result<(), LoadError> {
        ensure(
            expected,
            LoadError::OperandCount {
                op: self.index,
                inputs: narrow(self.input_count),
                outputs: narrow(self.output_count),
            },
        )
    }

    /// Rule 101 for an axis of a shape of this rank.
    pub(crate) fn check_axis(&self, axis: u8, rank: usize) -> Result<(), LoadError> {
        ensure(usize::from(axis) < rank, LoadError::Axis { op: self.index, axis: u32::from(axis) })
    }

    /// Rule 88 for a multiplier that is an f32 in every arithmetic.
    pub(crate) fn check_real_multiplier(&self, bits: u32, channel: u32) -> Result<(), LoadError> {
        let valid = real::is_finite(f32::from_bits(bits)) && bits >> 31 == 0;
        ensure(valid, LoadError::Multiplier { op: self.index, channel })
    }

    /// Rule 61: only banded ops can walk down; rule 68 for every input against the output. At most one input has bytes
    /// in common with the output.
    pub(crate) fn check_overlaps<const LINKED: u64>(&self) -> Result<(), LoadError> {
        let target = self.output(0);
        ensure(
            !self.walk_down || matches!(self.overlap::<LINKED>(0), Overlap::Banded { .. }),
            LoadError::OpFlags { op: self.index, flags: u32::from(crate::OpRecord::WALK_DOWN) },
        )?;
        let mut overlapping = (0..self.input_count).filter(|&position| self.input(position).meets(&target));
        let refused = |input: usize| LoadError::Overlap { op: self.index, input: narrow(input) };
        if let Some(position) = overlapping.next() {
            let permitted = self.overlap::<LINKED>(position).permits(
                self.input(position).location,
                target.location,
                self.walk_down,
            );
            ensure(permitted, refused(position))?;
        }
        overlapping.next().map_or(Ok(()), |position| Err(refused(position)))
    }

    fn overlap<const LINKED: u64>(&self, position: usize) -> Overlap {
        let (input, output) = (self.input(position), self.output(0));
        crate::ops::overlap_for::<LINKED>(self.opcode, self.attributes, position, &input, &output)
    }

    /// Rule 69: the data type of input 0, which must be one of `allowed`.
    pub(crate) fn check_type(&self, tensor: &Tensor, allowed: &[DataType]) -> Result<DataType, LoadError> {
        ensure(allowed.contains(&tensor.data_type), self.type_error())?;
        Ok(tensor.data_type)
    }

    /// Rule 69.
    pub(crate) fn type_error(&self) -> LoadError {
        LoadError::OperandType { op: self.index }
    }

    /// Rule 71.
    pub(crate) fn shape_error(&self) -> LoadError {
        LoadError::OperandShape { op: self.index }
    }

    /// Rule 70: the shape as `[batch, height, width, channels]`.
    pub(crate) fn check_nhwc(&self, shape: &Shape) -> Result<[usize; 4], LoadError> {
        shape.nhwc().ok_or(LoadError::OperandRank { op: self.index })
    }

    /// Rules 85 and 86: `length` bytes of constants at `offset`.
    pub(crate) fn check_constant(&self, offset: u32, length: Option<usize>) -> Result<&[u8], LoadError> {
        ensure(offset.is_multiple_of(4), LoadError::ConstantAlignment { op: self.index, offset })?;
        length
            .and_then(|length| self.artifact.constants().get(size(offset)..)?.get(..length))
            .ok_or(LoadError::ConstantOutside { op: self.index, offset })
    }

    /// Rules 85 to 87: an optional bias of one 32-bit value per channel, such that no accumulator over `taps`
    /// products of an 8-bit weight and an offset 8-bit input can leave 32 bits.
    pub(crate) fn check_integer_bias(&self, bias: u32, channels: usize, taps: usize) -> Result<(), LoadError> {
        // |weight| <= 128 and |input - zero_point| <= 255.
        let error = LoadError::Accumulator { op: self.index };
        let products = taps.checked_mul(128 * 255).and_then(|p| i32::try_from(p).ok()).ok_or(error)?;
        if bias == ABSENT {
            return Ok(());
        }
        let bytes = self.check_constant(bias, channels.checked_mul(4))?;
        let fits = |value: &[u8; 4]| {
            let value = i32::from_le_bytes(*value);
            value.checked_abs().and_then(|v| v.checked_add(products)).is_some()
        };
        ensure(bytes.as_chunks::<4>().0.iter().all(fits), error)
    }

    /// Rules 85 to 87 for a 16-bit input: an optional bias of 64 bits per channel. Short sums wrap at 32 bits, long ones
    /// stay below 2^47.
    pub(crate) fn check_wide_bias(
        &self,
        bias: u32,
        channels: usize,
        taps: usize,
        short_sums: bool,
    ) -> Result<(), LoadError> {
        // |weight| <= 128 and |input| <= 2^15.
        let products = u64::try_from(taps).unwrap_or(u64::MAX).saturating_mul(1 << 22);
        let fits = |bias: i64| match short_sums {
            true => i32::try_from(bias).is_ok(),
            false => bias.unsigned_abs().saturating_add(products) < 1 << 47,
        };
        let error = LoadError::Accumulator { op: self.index };
        if bias == ABSENT {
            return ensure(fits(0), error);
        }
        let bytes = self.check_constant(bias, channels.checked_mul(8))?;
        ensure(bytes.as_chunks::<8>().0.iter().all(|value| fits(i64::from_le_bytes(*value))), error)
    }

    /// Rules 85, 86 and 96: an optional float bias.
    pub(crate) fn check_float_bias(&self, bias: u32, channels: usize) -> Result<(), LoadError> {
        if bias != ABSENT {
            self.check_constant(bias, channels.checked_mul(4))?;
        }
        Ok(())
    }

    /// Rules 85, 86, 88, 89 and 97: a requantisation table of `channels` entries, whose shifts are at most `largest`.
    pub(crate) fn check_requantization(&self, table: u32, channels: usize, largest: i8) -> Result<(), LoadError> {
        let arithmetic = self.artifact.arithmetic();
        ensure(arithmetic != Arithmetic::Float, LoadError::ArithmeticMissing { op: self.index })?;
        let bytes = self.check_constant(table, Some(arithmetic.table_bytes(channels)))?;
        let (multipliers, shifts) = bytes.split_at_checked(channels.saturating_mul(4)).unwrap_or((bytes, &[]));
        for (channel, bytes) in multipliers.as_chunks::<4>().0.iter().enumerate() {
            self.check_multiplier(u32::from_le_bytes(*bytes), narrow(channel))?;
        }
        for (channel, &shift) in shifts.iter().enumerate() {
            let shift = i8::from_le_bytes([shift]);
            self.check_shift(shift, narrow(channel))?;
            ensure(shift <= largest, LoadError::Shift { op: self.index, channel: narrow(channel) })?;
        }
        Ok(())
    }

    /// Rule 88: the bits of a non-negative Q31 multiplier or of a non-negative finite f32.
    pub(crate) fn check_multiplier(&self, bits: u32, channel: u32) -> Result<(), LoadError> {
        let valid = match self.artifact.arithmetic() {
            Arithmetic::Float => return Err(LoadError::ArithmeticMissing { op: self.index }),
            Arithmetic::Tflite => bits >> 31 == 0,
            Arithmetic::Onnx => real::is_finite(f32::from_bits(bits)) && bits >> 31 == 0,
        };
        ensure(valid, LoadError::Multiplier { op: self.index, channel })
    }

    /// Rule 89: a shift of the `tflite` arithmetic; positive to the left.
    pub(crate) fn check_shift(&self, shift: i8, channel: u32) -> Result<(), LoadError> {
        ensure((-31..=30).contains(&shift), LoadError::Shift { op: self.index, channel })
    }

    /// Rule 90 for floats; NaN bounds fail it too.
    pub(crate) fn check_real_clamp(&self, low: f32, high: f32) -> Result<(), LoadError> {
        ensure(real::is_at_most(low, high), LoadError::Clamp { op: self.index })
    }

    /// Rule 90 for integers.
    pub(crate) fn check_clamp<T: Ord>(&self, low: T, high: T) -> Result<(), LoadError> {
        ensure(low <= high, LoadError::Clamp { op: self.index })
    }

    /// Rule 94.
    pub(crate) fn check_scale(&self, scale: f32) -> Result<(), LoadError> {
        ensure(real::is_finite(scale) && real::is_positive(scale), LoadError::QuantizeScale { op: self.index })
    }

    /// Rule 66.
    pub(crate) fn check_reserved(&self, reserved: &[u8]) -> Result<(), LoadError> {
        ensure(reserved.iter().all(|&b| b == 0), LoadError::AttributeReserved { op: self.index })
    }

    /// Rule 65 and the record itself.
    pub(crate) fn read_attributes<A: Field>(&self) -> Result<A, LoadError> {
        ensure(self.attributes.len() >= A::BYTES, LoadError::Attributes { op: self.index })?;
        Ok(A::read(self.attributes, 0))
    }
}
