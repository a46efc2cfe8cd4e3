//! What the ops that sum products with constant weights have in common.

use super::Epilogue;
use crate::bytes::record;
use crate::check::ensure;
use crate::{DataType, LoadError, Op};

record! {
    /// 18 bytes. Weights, bias and requantisation of an op whose outputs are sums of products with constant weights.
    pub struct Accumulation {
        /// Code of the weights' [`DataType`]: that of the input.
        pub weight_type: u8,
        /// 1 where the requantisation table has one entry per output channel, 0 where it has a single one.
        pub per_channel: u8,
        /// Byte offset of the weights in the constants section.
        pub weights: u32,
        /// Byte offset of the bias, one value per output channel, or [`crate::ABSENT`].
        pub bias: u32,
        /// What the accumulators become.
        pub epilogue: Epilogue,
    }
}

impl Accumulation {
    /// The rules of operand types and constants, with weights of `taps` per output channel.
    pub(crate) fn check(&self, op: &Op<'_>, channels: usize, taps: usize) -> Result<(), LoadError> {
        let data_type = op.check_type(&op.input(0), &[DataType::I8, DataType::F32])?;
        op.check_type(&op.output(0), &[data_type])?;
        ensure(self.weight_type == data_type.code(), LoadError::WeightType { op: op.index, code: self.weight_type })?;
        let weights = channels.checked_mul(taps).and_then(|n| n.checked_mul(data_type.bytes()));
        op.check_constant(self.weights, weights)?;
        let entries = match self.per_channel {
            0 => 1,
            1 => channels,
            _ => return Err(LoadError::AttributeReserved { op: op.index }),
        };
        if data_type == DataType::F32 {
            op.check_float_bias(self.bias, channels)?;
            self.epilogue.check_float(op)
        } else {
            op.check_integer_bias(self.bias, channels, taps)?;
            self.epilogue.check_integer(op, entries)
        }
    }
}

/// Rule 83 for input and output channels.
pub(crate) fn check_groups(op: &Op<'_>, groups: u16, channels: [usize; 2]) -> Result<(), LoadError> {
    let divides = |channels: usize| channels.checked_rem(usize::from(groups)) == Some(0);
    ensure(channels.into_iter().all(divides), LoadError::Groups { op: op.index, groups })
}
