//! The attributes and the rules of each opcode, one file each. Their evaluation stands in the file of the same name
//! in the runtime.
//!
//! A new opcode is one file here and one in the runtime, and a line in each table.

mod accumulation;
mod arg_max;
mod binary;
mod cast;
mod clamp;
mod concat;
mod conv_2d;
mod depthwise_conv_2d;
mod epilogue;
mod fully_connected;
mod gather;
mod l2_normalize;
mod mat_mul;
mod normalize;
mod pad;
mod pool_2d;
mod quantize;
mod reduce;
mod rescale;
mod reshape;
mod resize;
mod select;
mod softmax;
mod strided_copy;
mod table;
mod top_k;
mod transpose_conv_2d;
mod unary;
mod window;

pub use accumulation::{Accumulation, WeightType, has_plain_scales, has_plain_sums};
pub use arg_max::ArgMax;
pub use binary::{BinaryKind, FloatBinary, IntegerBinary, WideBinary, WordBinary};
pub use clamp::{FloatClamp, IntegerClamp, WideClamp};
pub use concat::Concat;
pub use conv_2d::Conv2d;
pub use depthwise_conv_2d::DepthwiseConv2d;
pub use epilogue::{Epilogue, FloatEpilogue, IntegerEpilogue, WideEpilogue};
pub use fully_connected::FullyConnected;
pub use gather::Gather;
pub use l2_normalize::L2Normalize;
pub use mat_mul::MatMul;
pub use normalize::Normalize;
pub use pad::{Pad, PadMode};
pub use pool_2d::Pool2d;
pub use quantize::QuantizeParameters;
pub use reduce::{Reduce, ReduceKind};
pub use rescale::{Negation, Rescale};
pub use resize::{FIXED_POINT_ONE, Resize, ResizeTap, is_fixed_point};
pub use softmax::{FloatSoftmax, IntegerSoftmax, WIDE_TABLE_ENTRIES, WideSoftmax};
pub use strided_copy::StridedCopy;
pub use table::{SIGMOID_ENTRIES, TABLE_ENTRIES, Table, WideFunction, WideTable};
pub use top_k::TopK;
pub use unary::{Unary, UnaryKind};
pub use window::Window;

use crate::bytes::Field;
use crate::check::Cost;
use crate::overlap::{Overlap, RowWindow};
use crate::{LoadError, Op, Opcode, Tensor};

/// Whether a program for a set of opcodes has this one; known to the compiler where the opcode is.
#[inline(always)]
const fn links(linked: u64, opcode: Opcode) -> bool {
    linked & (1 << opcode.code()) != 0
}

/// How the output of an op may lie relative to its input `position`. Of several inputs at most one may overlap it.
pub fn overlap(opcode: Opcode, attributes: &[u8], position: usize, input: &Tensor, output: &Tensor) -> Overlap {
    overlap_for::<{ u64::MAX }>(opcode, attributes, position, input, output)
}

/// The same in a program for some opcodes.
pub(crate) fn overlap_for<const LINKED: u64>(
    opcode: Opcode,
    attributes: &[u8],
    position: usize,
    input: &Tensor,
    output: &Tensor,
) -> Overlap {
    let has = |opcode: Opcode| links(LINKED, opcode);
    let rows = match opcode {
        // Whichever input it is: the other one is read beside it. The kind stands first in each of the three records.
        Opcode::Binary if has(Opcode::Binary) => {
            let compares = BinaryKind::from_code(u8::read(attributes, 0)).is_some_and(BinaryKind::is_comparison);
            let whole = input.shape.elements() == output.shape.elements();
            return if whole && !compares { Overlap::Moved } else { Overlap::Disjoint };
        }
        _ if position > 0 => return Overlap::Disjoint,
        Opcode::Table | Opcode::Unary | Opcode::Clamp | Opcode::Reshape => return Overlap::Moved,
        Opcode::Softmax | Opcode::LogSoftmax | Opcode::Normalize | Opcode::L2Normalize => return Overlap::Moved,
        Opcode::DepthwiseConv2d if has(Opcode::DepthwiseConv2d) => {
            let window = Window::read(attributes);
            let in_place = window.keeps_few_rows(input, output);
            return match one_image(input, window.rows(input, output)) {
                Some(rows) => Overlap::Banded { rows, in_place },
                None => Overlap::Disjoint,
            };
        }
        Opcode::Conv2d | Opcode::MaxPool2d | Opcode::AveragePool2d
            if has(Opcode::Conv2d) || has(Opcode::MaxPool2d) || has(Opcode::AveragePool2d) =>
        {
            one_image(input, Window::read(attributes).rows(input, output))
        }
        Opcode::TransposeConv2d if has(Opcode::TransposeConv2d) => {
            one_image(input, Window::read(attributes).spreading_rows(input, output))
        }
        Opcode::FullyConnected if has(Opcode::FullyConnected) => Some(FullyConnected::rows(input, output)),
        Opcode::Reduce if has(Opcode::Reduce) => Reduce::read(attributes).rows(input),
        Opcode::ArgMax if has(Opcode::ArgMax) => Some(ArgMax::rows(input)),
        Opcode::Quantize | Opcode::Dequantize | Opcode::Rescale
            if has(Opcode::Quantize) || has(Opcode::Dequantize) || has(Opcode::Rescale) =>
        {
            Some(QuantizeParameters::rows(input, output))
        }
        Opcode::Pad if has(Opcode::Pad) => Pad::read(attributes).rows(input, output),
        // Inputs and outputs that have nothing in common; and what is not linked, which is refused.
        _ => None,
    };
    rows.map_or(Overlap::Disjoint, Overlap::banded)
}

/// The rows of a windowed op; each image of a batch is a walk of its own.
fn one_image(input: &Tensor, rows: RowWindow) -> Option<RowWindow> {
    (input.shape.dimension(0) == 1).then_some(rows)
}

/// Applies the rules of the op's opcode, then those of its overlap class.
pub(crate) fn check<const LINKED: u64>(op: &Op<'_>) -> Result<Cost, LoadError> {
    let cost = check_opcode::<LINKED>(op)?;
    op.check_overlaps::<LINKED>()?;
    Ok(cost)
}

fn check_opcode<const LINKED: u64>(op: &Op<'_>) -> Result<Cost, LoadError> {
    let has = |opcode: Opcode| links(LINKED, opcode);
    match op.opcode {
        Opcode::Conv2d if has(Opcode::Conv2d) => conv_2d::check(op),
        Opcode::DepthwiseConv2d if has(Opcode::DepthwiseConv2d) => depthwise_conv_2d::check(op),
        Opcode::FullyConnected if has(Opcode::FullyConnected) => fully_connected::check(op),
        Opcode::MaxPool2d if has(Opcode::MaxPool2d) => pool_2d::check_max(op),
        Opcode::AveragePool2d if has(Opcode::AveragePool2d) => pool_2d::check_average(op),
        Opcode::Reduce if has(Opcode::Reduce) => reduce::check(op),
        Opcode::Binary if has(Opcode::Binary) => binary::check(op),
        Opcode::Table if has(Opcode::Table) => table::check(op),
        Opcode::Unary if has(Opcode::Unary) => unary::check(op),
        Opcode::Clamp if has(Opcode::Clamp) => clamp::check(op),
        Opcode::Reshape if has(Opcode::Reshape) => reshape::check(op),
        Opcode::Softmax if has(Opcode::Softmax) => softmax::check(op),
        Opcode::ArgMax if has(Opcode::ArgMax) => arg_max::check(op),
        Opcode::Quantize if has(Opcode::Quantize) => quantize::check_quantize(op),
        Opcode::Dequantize if has(Opcode::Dequantize) => quantize::check_dequantize(op),
        Opcode::StridedCopy if has(Opcode::StridedCopy) => strided_copy::check(op),
        Opcode::Concat if has(Opcode::Concat) => concat::check(op),
        Opcode::Pad if has(Opcode::Pad) => pad::check(op),
        Opcode::Gather if has(Opcode::Gather) => gather::check(op),
        Opcode::Select if has(Opcode::Select) => select::check(op),
        Opcode::MatMul if has(Opcode::MatMul) => mat_mul::check(op),
        Opcode::TransposeConv2d if has(Opcode::TransposeConv2d) => transpose_conv_2d::check(op),
        Opcode::Resize if has(Opcode::Resize) => resize::check(op),
        Opcode::Normalize if has(Opcode::Normalize) => normalize::check(op),
        Opcode::Cast if has(Opcode::Cast) => cast::check(op),
        Opcode::TopK if has(Opcode::TopK) => top_k::check(op),
        Opcode::Rescale if has(Opcode::Rescale) => rescale::check(op),
        Opcode::LogSoftmax if has(Opcode::LogSoftmax) => softmax::check_logarithm(op),
        Opcode::L2Normalize if has(Opcode::L2Normalize) => l2_normalize::check(op),
        other => Err(LoadError::UnknownOpcode { op: op.index, code: u32::from(other.code()) }),
    }
}
