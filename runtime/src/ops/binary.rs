//! Evaluation of [`Opcode::Binary`](bantam_format::Opcode::Binary). The output takes the first input's values and is
//! combined with the second input in place.

use super::Context;
use crate::kernels::scalar::{self, BinaryScaling, IntegerBinary};
use bantam_format::ops::{self, BinaryKind};
use bantam_format::{Arithmetic, DataType};

pub(super) fn eval(context: &mut Context<'_>) -> Option<()> {
    if context.op.input(0).data_type == DataType::F32 {
        let attributes = ops::FloatBinary::read(context.op.attributes());
        let kind = BinaryKind::from_code(attributes.kind)?;
        context.in_place::<f32>()?;
        let (second, output) = context.operands(1)?;
        scalar::binary_f32(kind, [attributes.clamp_min, attributes.clamp_max], second, output);
    } else {
        let attributes = ops::IntegerBinary::read(context.op.attributes());
        let kind = BinaryKind::from_code(attributes.kind)?;
        let scaling = match context.arithmetic() {
            Arithmetic::Tflite => BinaryScaling::Tflite {
                first: (attributes.first_multiplier, attributes.first_shift),
                second: (attributes.second_multiplier, attributes.second_shift),
                output: (attributes.output_multiplier, attributes.output_shift),
            },
            _ => BinaryScaling::Onnx {
                first: f32::from_bits(attributes.first_multiplier),
                second: f32::from_bits(attributes.second_multiplier),
                output: f32::from_bits(attributes.output_multiplier),
            },
        };
        let parameters = IntegerBinary {
            kind,
            zero_points: [attributes.first_zero_point, attributes.second_zero_point, attributes.output_zero_point]
                .map(i32::from),
            clamp: [attributes.clamp_min, attributes.clamp_max].map(i32::from),
            scaling,
        };
        context.in_place::<i8>()?;
        let (second, output) = context.operands(1)?;
        scalar::binary_i8(&parameters, second, output);
    }
    Some(())
}
