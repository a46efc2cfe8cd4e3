//! Attributes and rules of [`Opcode::Normalize`](crate::Opcode::Normalize).

use super::table::check_elementwise;
use crate::bytes::record;
use crate::check::{Cost, ensure};
use crate::real;
use crate::{ABSENT, DataType, LoadError, Op};

record! {
    /// 16 bytes. Over the last `axis_count` axes together.
    pub struct Normalize {
        /// Number of normalised axes, at least 1.
        pub axis_count: u8,
        /// 1 where only the root mean square is divided by and no mean is taken off, else 0.
        pub root_mean_square: u8,
        /// Zero.
        pub reserved: [u8; 2],
        /// Added to the variance, at least 0.
        pub epsilon: f32,
        /// Offset of one `f32` factor per normalised element in the constants section, or absent.
        pub scale: u32,
        /// Offset of one `f32` summand per normalised element, or absent.
        pub offset: u32,
    }
}

impl Normalize {
    /// Elements that are normalised together; `None` where the axes do not exist.
    pub fn inner(&self, dimensions: &[u32]) -> Option<usize> {
        let first = dimensions.len().checked_sub(usize::from(self.axis_count))?;
        let inner = dimensions.get(first..).filter(|inner| !inner.is_empty())?;
        Some(inner.iter().fold(1usize, |product, &d| product.saturating_mul(crate::bytes::size(d))))
    }
}

pub(crate) fn check(op: &Op<'_>) -> Result<Cost, LoadError> {
    let attributes: Normalize = op.read_attributes()?;
    op.check_reserved(&attributes.reserved)?;
    ensure(attributes.root_mean_square <= 1, LoadError::AttributeReserved { op: op.index })?;
    op.check_operands(1, 1)?;
    let valid = real::is_finite(attributes.epsilon) && real::is_at_most(0.0, attributes.epsilon);
    ensure(valid, LoadError::FloatParameter { op: op.index })?;
    check_elementwise(op, DataType::F32)?;
    let inner = attributes
        .inner(op.input(0).shape.dimensions())
        .ok_or(LoadError::Axis { op: op.index, axis: u32::from(attributes.axis_count) })?;
    for constants in [attributes.scale, attributes.offset] {
        if constants != ABSENT {
            op.check_constant(constants, inner.checked_mul(4))?;
        }
    }
    Ok(Cost::work(&[op.output(0).shape.elements(), 3]))
}
