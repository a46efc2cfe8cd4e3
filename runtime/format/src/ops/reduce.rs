//! Attributes and rules of [`Opcode::Reduce`](crate::Opcode::Reduce).

use super::Epilogue;
use crate::bytes::{coded, record};
use crate::check::{Cost, ensure};
use crate::overlap::RowWindow;
use crate::{DataType, LoadError, Op, Tensor};

coded! {
    /// What is computed over the reduced axes.
    pub enum ReduceKind: u8 {
        /// The arithmetic mean.
        Mean = 0,
        /// The sum.
        Sum = 1,
        /// The largest element.
        Max = 2,
        /// The smallest element.
        Min = 3,
        /// The product.
        Product = 4,
        /// The sum of absolute values.
        L1 = 5,
        /// The square root of the sum of squares.
        L2 = 6,
        /// The sum of squares.
        SumSquare = 7,
        /// The logarithm of the sum.
        LogSum = 8,
        /// The logarithm of the sum of exponentials.
        LogSumExp = 9,
    }
}

record! {
    /// 12 bytes. Reduces `axis_count` neighbouring axes from `first_axis` on; the output has as many elements as the
    /// other axes together. 8-bit: the sum (or the largest or smallest) of `input - input_zero_point` is requantised
    /// by a one-entry table, which for means includes the division. 32-bit integers have no epilogue: it is zero.
    pub struct Reduce {
        /// Code of [`ReduceKind`].
        pub kind: u8,
        /// First reduced axis of the input.
        pub first_axis: u8,
        /// Number of reduced axes, at least 1.
        pub axis_count: u8,
        /// Zero.
        pub reserved: u8,
        /// What the sum becomes.
        pub epilogue: Epilogue,
    }
}

impl ReduceKind {
    /// Whether it exists for 8-bit and 16-bit elements.
    pub const fn has_integer_form(self) -> bool {
        matches!(self, Self::Mean | Self::Sum | Self::Max | Self::Min)
    }

    /// Whether it exists for 32-bit integers.
    pub const fn has_word_form(self) -> bool {
        matches!(self, Self::Sum | Self::Max | Self::Min | Self::Product)
    }
}

impl Reduce {
    /// The input seen as `[outer, reduced, inner]`; `None` where the axes do not exist.
    pub fn collapse(&self, dimensions: &[u32]) -> Option<[usize; 3]> {
        let (first, count) = (usize::from(self.first_axis), usize::from(self.axis_count));
        let (outer, rest) = dimensions.split_at_checked(first)?;
        let (reduced, inner) = rest.split_at_checked(count)?;
        let product = |part: &[u32]| part.iter().fold(1usize, |p, &d| p.saturating_mul(crate::bytes::size(d)));
        (count > 0).then_some([product(outer), product(reduced), product(inner)])
    }

    /// Bands: each outer position of the output needs that of the input. `None` where the axes do not exist.
    pub fn rows(&self, input: &Tensor) -> Option<RowWindow> {
        let [outer, reduced, inner] = self.collapse(input.shape.dimensions())?;
        let output_row = inner.saturating_mul(input.data_type.bytes());
        Some(RowWindow::alike(outer, reduced.saturating_mul(output_row), output_row))
    }
}

pub(crate) fn check(op: &Op<'_>) -> Result<Cost, LoadError> {
    let attributes: Reduce = op.read_attributes()?;
    op.check_reserved(&[attributes.reserved])?;
    op.check_operands(1, 1)?;
    let unknown = LoadError::OperatorKind { op: op.index, code: u32::from(attributes.kind) };
    let kind = ReduceKind::from_code(attributes.kind).ok_or(unknown)?;
    let input = op.input(0);
    let data_type = op.check_type(&input, &[DataType::I8, DataType::I16, DataType::I32, DataType::F32])?;
    let wide = data_type.is_wide();
    let exists = match data_type {
        DataType::F32 => true,
        DataType::I32 => kind.has_word_form(),
        _ => kind.has_integer_form(),
    };
    ensure(exists, unknown)?;
    op.check_type(&op.output(0), &[data_type])?;
    let [outer, reduced, inner] =
        attributes.collapse(input.shape.dimensions()).ok_or(LoadError::ReduceAxes { op: op.index })?;
    ensure(op.output(0).shape.elements() == outer.saturating_mul(inner), op.shape_error())?;
    if data_type.is_real() {
        attributes.epilogue.check_float(op)?;
    } else if data_type == DataType::I32 {
        attributes.epilogue.check_absent(op)?;
    } else {
        let sum = reduced.checked_mul(if wide { 1 << 15 } else { 255 }).and_then(|s| i32::try_from(s).ok());
        ensure(sum.is_some(), LoadError::Accumulator { op: op.index })?;
        if wide {
            attributes.epilogue.check_wide(op, 1, true)?;
        } else {
            attributes.epilogue.check_integer(op, 1)?;
        }
    }
    Ok(Cost::work(&[outer, reduced, inner]))
}
