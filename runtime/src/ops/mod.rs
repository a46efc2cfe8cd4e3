//! Evaluation of each opcode, one file each: reads the attributes, finds the operands, calls a kernel.
//!
//! The attributes and rules stand in the file of the same name in `bantam-format`. An evaluation gets what the parser
//! checked; where it still finds something missing it gives `None`, which a session reports and never panics on.

mod accumulation;
mod arg_max;
mod binary;
mod cast;
mod clamp;
mod concat;
mod conv_2d;
mod depthwise_conv_2d;
mod driver;
mod fully_connected;
mod gather;
mod mat_mul;
mod normalize;
mod pad;
mod pool_2d;
mod quantize;
mod reduce;
mod reshape;
mod resize;
mod select;
mod softmax;
mod strided_copy;
mod table;
mod top_k;
mod transpose_conv_2d;
mod unary;

pub(crate) use driver::{Context, Task, packs};

use crate::kernels::requantize::{self, Requantizer};
use bantam_format::{Arithmetic, Opcode};

/// An opcode and its evaluation.
#[derive(Clone, Copy, Debug)]
pub struct Operator {
    pub(crate) opcode: Opcode,
    pub(crate) eval: fn(&mut Context<'_>) -> Option<()>,
}

/// What a session can run. Only what a table names is linked.
#[derive(Clone, Copy, Debug)]
pub struct Operators {
    operators: &'static [Operator],
    requantizers: &'static [(Arithmetic, Requantizer)],
}

impl Operators {
    /// A table; [`ops!`](crate::ops!) spells it.
    pub const fn new(operators: &'static [Operator], requantizers: &'static [(Arithmetic, Requantizer)]) -> Self {
        Self { operators, requantizers }
    }

    pub(crate) fn find(&self, opcode: Opcode) -> Option<&'static Operator> {
        self.operators.iter().find(|operator| operator.opcode == opcode)
    }

    pub(crate) fn requantizer(&self, arithmetic: Arithmetic) -> Option<Requantizer> {
        if arithmetic == Arithmetic::Float {
            return Some(requantize::none);
        }
        self.requantizers.iter().find(|(known, _)| *known == arithmetic).map(|&(_, requantizer)| requantizer)
    }
}

/// The operators by the names of their opcodes, for [`ops!`](crate::ops!).
#[allow(non_upper_case_globals, missing_docs)]
pub mod linked {
    use super::{Operator, arg_max, binary, cast, clamp, concat, conv_2d, depthwise_conv_2d, fully_connected, gather};
    use super::{mat_mul, normalize, pad, pool_2d, quantize, reduce, reshape, resize, select, softmax, strided_copy};
    use super::{table, top_k, transpose_conv_2d, unary};
    use crate::kernels::requantize::{self, Requantizer};
    use bantam_format::{Arithmetic, Opcode};

    macro_rules! operators {
        ($($opcode:ident = $eval:path;)*) => {
            $(pub const $opcode: Operator = Operator { opcode: Opcode::$opcode, eval: $eval };)*
            pub(super) const ALL: &[Operator] = &[$($opcode),*];
        };
    }

    operators! {
        Conv2d = conv_2d::eval;
        DepthwiseConv2d = depthwise_conv_2d::eval;
        FullyConnected = fully_connected::eval;
        MaxPool2d = pool_2d::eval_max;
        AveragePool2d = pool_2d::eval_average;
        Reduce = reduce::eval;
        Binary = binary::eval;
        Table = table::eval;
        Unary = unary::eval;
        Clamp = clamp::eval;
        Reshape = reshape::eval;
        Softmax = softmax::eval;
        ArgMax = arg_max::eval;
        Quantize = quantize::eval_quantize;
        Dequantize = quantize::eval_dequantize;
        StridedCopy = strided_copy::eval;
        Concat = concat::eval;
        Pad = pad::eval;
        Gather = gather::eval;
        Select = select::eval;
        MatMul = mat_mul::eval;
        TransposeConv2d = transpose_conv_2d::eval;
        Resize = resize::eval;
        Normalize = normalize::eval;
        Cast = cast::eval;
        TopK = top_k::eval;
    }

    pub const Tflite: (Arithmetic, Requantizer) = (Arithmetic::Tflite, requantize::tflite);
    pub const Onnx: (Arithmetic, Requantizer) = (Arithmetic::Onnx, requantize::onnx);
}

/// Every operator and both arithmetics.
pub static ALL: Operators = Operators::new(linked::ALL, &[linked::Tflite, linked::Onnx]);

/// A table of just these arithmetics and operators, to be put into a `static`:
///
/// ```
/// static OPERATORS: bantam::Operators = bantam::ops![Onnx; Conv2d, FullyConnected, Softmax];
/// ```
#[macro_export]
macro_rules! ops {
    ($($arithmetic:ident),*; $($opcode:ident),* $(,)?) => {
        $crate::Operators::new(
            &[$($crate::ops::linked::$opcode),*],
            &[$($crate::ops::linked::$arithmetic),*],
        )
    };
}
