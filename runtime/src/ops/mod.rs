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
mod source;
mod strided_copy;
mod table;
mod top_k;
mod transpose_conv_2d;
mod unary;

pub(crate) use driver::{Context, Task, packs};
pub use source::{
    ANY_DEPTHWISE, ANY_SCALE, APART, HALF_FLOATS, HALVES, LONG_LINES, MANY_VALUES, MOVES, OVERWRITES, PADDING, PARTS,
    SPREAD, STRIPS, linkable, linked_numbers, numbers,
};
pub(crate) use source::{Linked, Source, links_form, links_oracle};

use crate::kernels::dispatch::Backend;
use crate::kernels::requantize::{self, Requantizer};
use bantam_format::{Arithmetic, DataType, Op, Opcode};
use source::{Compiled, EVERY_NUMBER, Parsed, links, links_type, only_arithmetic};

/// An opcode and its evaluation.
#[derive(Clone, Copy, Debug)]
pub struct Operator {
    pub(crate) opcode: Opcode,
    pub(crate) eval: fn(Op<'_>, arena: &mut [u8], Requantizer, Backend, Task<'_>) -> Option<()>,
}

/// What a session can run. Only what a table names is linked.
#[derive(Clone, Copy, Debug)]
pub struct Operators {
    operators: &'static [Operator],
    requantizer: fn(Arithmetic) -> Option<Requantizer>,
    numbers: u32,
}

impl Operators {
    /// A table; [`ops!`](crate::ops!) spells it.
    pub const fn new<const NUMBERS: u32>(operators: &'static [Operator]) -> Self {
        Self { operators, requantizer: requantizer::<NUMBERS>, numbers: NUMBERS }
    }

    pub(crate) fn find(&self, opcode: Opcode) -> Option<&'static Operator> {
        self.operators.iter().find(|operator| operator.opcode == opcode)
    }

    pub(crate) fn requantizer(&self, arithmetic: Arithmetic) -> Option<Requantizer> {
        (self.requantizer)(arithmetic)
    }

    /// Whether sessions have to pack.
    pub(crate) fn needs_packing(&self) -> bool {
        !links_oracle(self.numbers)
    }

    /// A type that an op takes and for which the evaluations have no code.
    pub(crate) fn lacks(&self, op: &Op<'_>) -> Option<DataType> {
        let wide = || (0..=op.input_count).any(|position| op.input(position).data_type == DataType::I16);
        if op.computes_real_values() && !links_type(self.numbers, DataType::F32) {
            Some(DataType::F32)
        } else if !links_type(self.numbers, DataType::I16) && wide() {
            Some(DataType::I16)
        } else {
            None
        }
    }
}

/// The requantisation of an arithmetic, where it is linked.
fn requantizer<const NUMBERS: u32>(arithmetic: Arithmetic) -> Option<Requantizer> {
    match arithmetic {
        Arithmetic::Tflite if links(NUMBERS, Arithmetic::Tflite) => Some(requantize::tflite),
        Arithmetic::Onnx if links(NUMBERS, Arithmetic::Onnx) => Some(requantize::onnx),
        Arithmetic::Float if links(NUMBERS, Arithmetic::Float) => Some(requantize::none),
        _ => None,
    }
}

/// The first of some operators; constants alone are made by it.
#[allow(clippy::indexing_slicing)]
const fn first<const ALL: usize, const FIRST: usize>(all: [Operator; ALL]) -> [Operator; FIRST] {
    let mut operators = [all[0]; FIRST];
    let mut index = 0;
    while index < FIRST {
        operators[index] = all[index];
        index += 1;
    }
    operators
}

macro_rules! operators {
    ($($opcode:ident = $eval:path;)*) => {
        /// The operators by the names of their opcodes, for [`ops!`](crate::ops!). `NUMBERS` is what
        /// [`linked_numbers`] gives.
        #[allow(non_snake_case, missing_docs)]
        pub mod linked {
            use super::*;
            $(pub const fn $opcode<const NUMBERS: u32>() -> Operator {
                Operator {
                    opcode: Opcode::$opcode,
                    eval: |op, arena, requantizer, backend, task| {
                        let constants = op.artifact().constants();
                        let op = Parsed::<NUMBERS>::new(op);
                        $eval(&mut Context { op, arena, constants, requantizer, backend, task })
                    },
                }
            })*
        }

        /// The evaluations by the names of their opcodes, for [`include_model!`](crate::include_model!): whether the
        /// operands were where the records say.
        #[allow(non_snake_case, missing_docs)]
        pub mod compiled {
            use super::*;
            use crate::compiled::Step;
            $(#[must_use]
            pub fn $opcode<const NUMBERS: u32>(step: &'static Step, arena: &mut [u8], constants: &[u8]) -> bool {
                // Kernels for plain scales have a requantisation of their own; the oracle has not, which long lines take.
                let calls = links_form(NUMBERS, ANY_SCALE | ANY_DEPTHWISE | LONG_LINES);
                let arithmetic = only_arithmetic(NUMBERS).filter(|_| calls);
                let requantizer = arithmetic.and_then(requantizer::<NUMBERS>).unwrap_or(requantize::none);
                let op = Compiled::<NUMBERS>(step);
                let (backend, task) = (Backend::Scalar, Task::Run { packed: &[], scratch: &mut [] });
                $eval(&mut Context { op, arena, constants, requantizer, backend, task }).is_some()
            })*
        }

        /// Every operator, all data types and all arithmetics.
        pub static ALL: Operators = Operators::new::<EVERY_NUMBER>(&[$(linked::$opcode::<EVERY_NUMBER>()),*]);

        /// [`ALL`] without 16-bit integers and the opcode Rescale, which few models have, and for sessions that pack
        /// ([`Session::packed`](crate::Session::packed)): for programs that are downloaded.
        pub static DOWNLOADED: Operators = {
            const FIRST: [Operator; Opcode::ALL.len() - 1] = first([$(linked::$opcode::<{ source::DOWNLOADED }>()),*]);
            Operators::new::<{ source::DOWNLOADED }>(&FIRST)
        };
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
    LogSoftmax = softmax::eval_logarithm;
    L2Normalize = l2_normalize::eval;
    // The last one, which `DOWNLOADED` leaves out.
    Rescale = rescale::eval;
}

/// A table of just these arithmetics and operators, to be put into a `static`:
///
/// ```
/// static OPERATORS: bantam::Operators = bantam::ops![Onnx; Conv2d, FullyConnected, Softmax];
/// ```
///
/// Integers of 8 and 32 bits are linked in any case, 32-bit floats where the arithmetic `Float` is named:
/// `ops![Float, Onnx; …]`. 16-bit integers are linked where `Int16` is named beside the arithmetics: `ops![Tflite, Int16; …]`;
/// `WholeBytes` leaves out weights of 4 bits: a model that has them does not run then.
#[macro_export]
macro_rules! ops {
    ($($arithmetic:ident),* $(,)?; $($opcode:ident),* $(,)?) => {{
        const NUMBERS: u32 = $crate::ops::linked_numbers(&[$($crate::ops::linkable::$arithmetic),*]);
        $crate::Operators::new::<NUMBERS>(&[$($crate::ops::linked::$opcode::<NUMBERS>()),*])
    }};
}

/// The opcodes that [`Model::parse_for`](crate::Model::parse_for) takes, as a constant: `opcodes![Conv2d, Softmax]`.
#[macro_export]
macro_rules! opcodes {
    ($($opcode:ident),* $(,)?) => { 0u64 $(| 1 << $crate::Opcode::$opcode.code())* };
}
