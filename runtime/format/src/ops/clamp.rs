//! Attributes and rules of [`Opcode::Clamp`](crate::Opcode::Clamp).

use super::table::check_elementwise;
use crate::bytes::record;
use crate::check::Cost;
use crate::{DataType, LoadError, Op};

record! {
    /// 4 bytes, for 8-bit tensors; input and output share their quantisation.
    pub struct IntegerClamp {
        /// Smallest output.
        pub clamp_min: i8,
        /// Largest output.
        pub clamp_max: i8,
        /// Zero.
        pub reserved: [u8; 2],
    }
}

record! {
    /// 4 bytes, for 16-bit tensors; input and output share their quantisation.
    pub struct WideClamp {
        /// Smallest output.
        pub clamp_min: i16,
        /// Largest output.
        pub clamp_max: i16,
    }
}

record! {
    /// 8 bytes, for float tensors.
    pub struct FloatClamp {
        /// Smallest output.
        pub clamp_min: f32,
        /// Largest output.
        pub clamp_max: f32,
    }
}

pub(crate) fn check(op: &Op<'_>) -> Result<Cost, LoadError> {
    op.check_operands(1, 1)?;
    let data_type = op.check_type(&op.input(0), &[DataType::I8, DataType::I16, DataType::F32])?;
    if data_type.is_real() {
        let attributes: FloatClamp = op.read_attributes()?;
        op.check_real_clamp(attributes.clamp_min, attributes.clamp_max)?;
    } else if data_type.is_wide() {
        let attributes: WideClamp = op.read_attributes()?;
        op.check_clamp(attributes.clamp_min, attributes.clamp_max)?;
    } else {
        let attributes: IntegerClamp = op.read_attributes()?;
        op.check_reserved(&attributes.reserved)?;
        op.check_clamp(attributes.clamp_min, attributes.clamp_max)?;
    }
    check_elementwise(op, data_type)
}
