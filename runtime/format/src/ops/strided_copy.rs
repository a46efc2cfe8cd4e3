//! Attributes and rules of [`Opcode::StridedCopy`](crate::Opcode::StridedCopy).

use crate::bytes::{record, size};
use crate::check::{Cost, ensure};
use crate::{LoadError, MAX_RANK, Op};

record! {
    /// 52 bytes. Output element `(i0, .., i5)`, counted through `dimensions`, is the input's element
    /// `offset + i0 strides[0] + .. + i5 strides[5]`. Copies of fewer dimensions have ones in front.
    pub struct StridedCopy {
        /// Input element that becomes the output's first.
        pub offset: u32,
        /// Sizes, outermost first; their product is the number of output elements.
        pub dimensions: [u32; MAX_RANK],
        /// Input elements from one to the next along each dimension: negative backwards, 0 to repeat.
        pub strides: [i32; MAX_RANK],
    }
}

impl StridedCopy {
    /// The smallest and the largest input position read; `None` where they leave 64 bits or a dimension is 0.
    fn reach(&self) -> Option<(i64, i64)> {
        let mut reach = (i64::from(self.offset), i64::from(self.offset));
        for (&dimension, &stride) in self.dimensions.iter().zip(&self.strides) {
            let furthest = i64::from(dimension.checked_sub(1)?).checked_mul(i64::from(stride))?;
            if furthest < 0 {
                reach.0 = reach.0.checked_add(furthest)?;
            } else {
                reach.1 = reach.1.checked_add(furthest)?;
            }
        }
        Some(reach)
    }
}

pub(crate) fn check(op: &Op<'_>) -> Result<Cost, LoadError> {
    let attributes: StridedCopy = op.read_attributes()?;
    op.check_operands(1, 1)?;
    let (input, output) = (op.input(0), op.output(0));
    op.check_type(&output, &[input.data_type])?;
    let elements = attributes.dimensions.iter().try_fold(1usize, |product, &d| product.checked_mul(size(d)));
    ensure(elements == Some(output.shape.elements()), op.shape_error())?;
    let inside = attributes.reach().is_some_and(|(least, greatest)| {
        least >= 0 && usize::try_from(greatest).is_ok_and(|greatest| greatest < input.shape.elements())
    });
    ensure(inside, LoadError::StridedCopyRange { op: op.index })?;
    Ok(Cost::work(&[output.shape.elements()]))
}
