//! Attributes and rules of [`Opcode::Pad`](crate::Opcode::Pad).

use crate::bytes::{coded, record, size};
use crate::check::{Cost, ensure};
use crate::overlap::RowWindow;
use crate::{DataType, LoadError, MAX_RANK, Op, Tensor};

coded! {
    /// What stands in the border.
    pub enum PadMode: u8 {
        /// A value.
        Constant = 0,
        /// The input mirrored at its outermost elements, which are not repeated.
        Reflect = 1,
        /// The outermost element, repeated.
        Edge = 2,
        /// The input once more, as if it went round.
        Wrap = 3,
    }
}

record! {
    /// 32 bytes. The padding behind follows from the output's size and has no field.
    pub struct Pad {
        /// Code of [`PadMode`].
        pub mode: u8,
        /// Zero.
        pub reserved: [u8; 3],
        /// The bits of the constant, a shorter one with its sign extended; zero in other modes.
        pub value: u32,
        /// Elements before the input along each axis; zero for axes the tensors do not have.
        pub before: [u32; MAX_RANK],
    }
}

impl Pad {
    /// The first axis along which either tensor has more than one element: what bands are cut along.
    pub fn row_axis(input: &Tensor, output: &Tensor) -> usize {
        let single = |axis: &usize| input.shape.dimension(*axis) == 1 && output.shape.dimension(*axis) == 1;
        (0..input.shape.rank()).find(|axis| !single(axis)).unwrap_or(0)
    }

    /// Bands: a row that is not border needs its input row. `None` where the border depends on other rows.
    pub fn rows(&self, input: &Tensor, output: &Tensor) -> Option<RowWindow> {
        let axis = Self::row_axis(input, output);
        let rows = |tensor: &Tensor| tensor.shape.dimension(axis).max(1);
        let row_bytes = |tensor: &Tensor| tensor.bytes().checked_div(rows(tensor)).unwrap_or(0);
        let window = RowWindow {
            input_rows: rows(input),
            output_rows: rows(output),
            pad: self.before.get(axis).map_or(0, |&before| size(before)),
            ..RowWindow::alike(0, row_bytes(input), row_bytes(output))
        };
        (self.mode == PadMode::Constant.code()).then_some(window)
    }
}

pub(crate) fn check(op: &Op<'_>) -> Result<Cost, LoadError> {
    let attributes: Pad = op.read_attributes()?;
    op.check_reserved(&attributes.reserved)?;
    op.check_operands(1, 1)?;
    let unknown = LoadError::OperatorKind { op: op.index, code: u32::from(attributes.mode) };
    let mode = PadMode::from_code(attributes.mode).ok_or(unknown)?;
    let (input, output) = (op.input(0), op.output(0));
    op.check_type(&output, &[input.data_type])?;
    let value = attributes.value.cast_signed();
    let fits = if mode == PadMode::Constant {
        match input.data_type {
            DataType::I8 => i8::try_from(value).is_ok(),
            DataType::I16 => i16::try_from(value).is_ok(),
            _ => true,
        }
    } else {
        value == 0
    };
    ensure(fits, LoadError::PadValue { op: op.index })?;
    ensure(input.shape.rank() == output.shape.rank(), op.shape_error())?;
    for (axis, &before) in attributes.before.iter().enumerate() {
        let (before, inside) = (size(before), input.shape.dimension(axis));
        let after = before
            .checked_add(inside)
            .and_then(|end| output.shape.dimension(axis).checked_sub(end))
            .ok_or(LoadError::PadExtent { op: op.index })?;
        let reflects = mode != PadMode::Reflect || before.max(after) < inside;
        ensure(reflects, LoadError::PadExtent { op: op.index })?;
    }
    Ok(Cost::work(&[output.shape.elements()]))
}
