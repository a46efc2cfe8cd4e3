//! What the ops that sum products with constant weights share: their constants are looked up and their epilogue made
//! here, for either element type.

use super::Context;
use crate::kernels::scalar::Number;
use crate::kernels::{Accumulation, ClampFloat, Epilogue};
use crate::views::Element;
use bantam_format::{DataType, ops};

/// An accumulating op, ready to run on one element type.
pub(super) trait Accumulate {
    fn run<T: Number + Element, E: Epilogue<T::Accumulator, T>>(
        &self,
        context: &mut Context<'_>,
        accumulation: &Accumulation<'_, T, E>,
    ) -> Option<()>;
}

/// Runs `op`, which has `taps` weights for each of its `channels` output channels.
pub(super) fn accumulate(
    context: &mut Context<'_>,
    constants: &ops::Accumulation,
    [channels, taps]: [usize; 2],
    op: &impl Accumulate,
) -> Option<()> {
    let weights = channels.checked_mul(taps)?;
    if context.op.input(0).data_type == DataType::F32 {
        let accumulation = Accumulation::<f32, _> {
            zero_point: 0,
            weights: context.constant(constants.weights, weights)?,
            bias: context.bias(constants.bias, channels)?,
            epilogue: ClampFloat::new(&constants.epilogue.float()),
        };
        op.run(context, &accumulation)
    } else {
        let epilogue = constants.epilogue.integer();
        let accumulation = Accumulation::<i8, _> {
            zero_point: i32::from(epilogue.input_zero_point),
            weights: context.constant(constants.weights, weights)?,
            bias: context.bias(constants.bias, channels)?,
            epilogue: context.requantization(&epilogue, constants.per_channel == 1, channels)?,
        };
        op.run(context, &accumulation)
    }
}
