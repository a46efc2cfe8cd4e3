//! Op records and opcodes.

use crate::bytes::{coded, record};
use crate::ops::{Accumulation, BinaryKind, Conv2d, DepthwiseConv2d, FullyConnected, IntegerBinary};
use crate::{Artifact, DataType, Tensor};

record! {
    /// One step of the schedule: 12 bytes.
    pub struct OpRecord {
        /// Code of [`Opcode`].
        pub opcode: u8,
        /// Bit 0: banded ops walk their output rows from the last to the first. The other bits are zero.
        pub flags: u8,
        /// Number of inputs.
        pub inputs: u8,
        /// Number of outputs.
        pub outputs: u8,
        /// Index in the operand pool: the inputs, then the outputs.
        pub operands: u32,
        /// Byte offset of the attribute record.
        pub attributes: u32,
    }
}

impl OpRecord {
    /// The flag bit of a downward walk.
    pub const WALK_DOWN: u8 = 1;
}

coded! {
    /// What an op does. SPEC.md gives each one's formula. Codes are never reused.
    pub enum Opcode: u8 {
        /// Two-dimensional convolution, grouped and dilated as asked.
        Conv2d = 1,
        /// Convolution of each channel by itself; output channel c reads input channel c / multiplier.
        DepthwiseConv2d = 2,
        /// Matrix product with constant weights.
        FullyConnected = 3,
        /// Maximum over windows.
        MaxPool2d = 4,
        /// Mean over windows.
        AveragePool2d = 5,
        /// Mean, sum, maximum or another reduction over neighbouring axes.
        Reduce = 6,
        /// Elementwise function of two tensors.
        Binary = 7,
        /// 256-entry lookup table, 8-bit to 8-bit.
        Table = 8,
        /// Elementwise float function.
        Unary = 9,
        /// Elementwise clamp.
        Clamp = 10,
        /// The same elements under another shape.
        Reshape = 11,
        /// Softmax over the last axis.
        Softmax = 12,
        /// Index of the largest (or smallest) element over the last axis.
        ArgMax = 13,
        /// Float to 8-bit.
        Quantize = 14,
        /// 8-bit to float.
        Dequantize = 15,
        /// Elements at regular distances: transposes, slices, repetitions.
        StridedCopy = 16,
        /// Tensors behind one another along an axis.
        Concat = 17,
        /// A tensor with a border.
        Pad = 18,
        /// Slices along an axis, at given positions.
        Gather = 19,
        /// One of two tensors, element by element.
        Select = 20,
        /// Matrix product of two tensors.
        MatMul = 21,
        /// The transpose of a convolution: every input element spreads a window over the output.
        TransposeConv2d = 22,
        /// Interpolation along two axes.
        Resize = 23,
        /// Mean 0 and variance 1 over the inner axes.
        Normalize = 24,
        /// Between 32-bit integers and floats.
        Cast = 25,
        /// Positions of the largest (or smallest) elements over the last axis.
        TopK = 26,
        /// Integers as integers of another type or scale.
        Rescale = 27,
        /// Logarithm of the softmax over the last axis.
        LogSoftmax = 28,
        /// Vectors along the last axis, scaled to length 1.
        L2Normalize = 29,
    }
}

/// One op of a parsed artifact.
#[derive(Clone, Copy, Debug)]
pub struct Op<'a> {
    pub(crate) artifact: &'a Artifact<'a>,
    pub(crate) operands: &'a [u8],
    pub(crate) attributes: &'a [u8],
    /// Position in the schedule.
    pub index: u32,
    /// What it does.
    pub opcode: Opcode,
    /// Whether a banded op walks from the last output row to the first.
    pub walk_down: bool,
    /// Number of inputs.
    pub input_count: usize,
    /// Number of outputs.
    pub output_count: usize,
}

impl<'a> Op<'a> {
    /// Tensor index of operand `position`, inputs first.
    pub fn operand(&self, position: usize) -> usize {
        use crate::bytes::Field;
        usize::from(u16::read(self.operands, position.saturating_mul(2)))
    }

    /// Input `position`.
    pub fn input(&self, position: usize) -> Tensor {
        self.artifact.tensor(self.operand(position))
    }

    /// Output `position`.
    pub fn output(&self, position: usize) -> Tensor {
        self.artifact.tensor(self.operand(self.input_count.saturating_add(position)))
    }

    /// The attribute bytes, read by the records of [`crate::ops`].
    pub fn attributes(&self) -> &'a [u8] {
        self.attributes
    }

    /// Multiply-accumulates of one run.
    pub fn macs(&self) -> u64 {
        crate::ops::check::<{ u64::MAX }>(self).map_or(0, |cost| cost.macs)
    }

    /// Whether it computes in floating point whatever the arithmetic is: on floats, or on the real values that integers
    /// stand for.
    pub fn computes_real_values(&self) -> bool {
        match self.opcode {
            Opcode::Quantize | Opcode::Dequantize | Opcode::Cast | Opcode::Resize => true,
            Opcode::Binary if matches!(self.input(0).data_type, DataType::I8 | DataType::I16) => {
                let kind = BinaryKind::from_code(IntegerBinary::read(self.attributes).kind);
                !kind.is_some_and(BinaryKind::is_integer_arithmetic)
            }
            _ => self.input(0).data_type.is_real(),
        }
    }

    /// Weights, bias and requantisation of an op that sums products with constant weights.
    pub fn accumulation(&self) -> Option<Accumulation> {
        match self.opcode {
            Opcode::Conv2d | Opcode::TransposeConv2d => Some(Conv2d::read(self.attributes).accumulation),
            Opcode::DepthwiseConv2d => Some(DepthwiseConv2d::read(self.attributes).accumulation),
            Opcode::FullyConnected => Some(FullyConnected::read(self.attributes).accumulation()),
            _ => None,
        }
    }

    /// The artifact this op belongs to.
    pub fn artifact(&self) -> &'a Artifact<'a> {
        self.artifact
    }
}
