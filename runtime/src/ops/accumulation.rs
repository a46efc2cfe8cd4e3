//! What the ops that sum products with constant weights share: their constants are looked up and their epilogue made
//! here, for either element type.

use super::driver::Task;
use super::{Context, HALVES, Source, links_form};
use crate::kernels::dispatch::Fast;
use crate::kernels::generic::{Clamp, ConvolutionJob, DepthwiseJob, Requantize, Tables};
use crate::kernels::scalar::Number;
use crate::kernels::weights::ByteWeights;
use crate::kernels::{Accumulation, ClampFloat, Convolution, Epilogue, Requantization};
use crate::views::Element;
use bantam_format::DataType;
use bantam_format::ops::{self, WeightType};

/// How a packed form sees an op.
pub(super) struct Packing {
    pub geometry: Convolution,
    pub images: usize,
    /// Whether each output channel sees one input channel; weights are `[taps, channels]` then.
    pub depthwise: bool,
}

/// An accumulating op, ready to run on one element type.
pub(super) trait Accumulate {
    /// How it is packed; `None` where it has no packed form.
    fn packing(&self) -> Option<Packing> {
        None
    }

    /// Runs the oracle.
    fn run<T: Number + Element, E: Epilogue<T::Accumulator, T>, S: Source>(
        &self,
        context: &mut Context<'_, S>,
        accumulation: &Accumulation<'_, T, E>,
    ) -> Option<()>;

    /// Runs 8-bit integers without packing, faster than the oracle where there is such a form.
    fn run_direct<'w, S: Source>(
        &self,
        context: &mut Context<'_, S>,
        accumulation: &Accumulation<'w, i8, Requantization<'w>>,
    ) -> Option<()> {
        self.run(context, accumulation)
    }
}

/// Runs `op`, which has `taps` weights for each of its `channels` output channels.
pub(super) fn accumulate<S: Source>(
    context: &mut Context<'_, S>,
    constants: &ops::Accumulation,
    [channels, taps]: [usize; 2],
    op: &impl Accumulate,
) -> Option<()> {
    let weights = channels.checked_mul(taps)?;
    if context.is(DataType::F32) {
        let accumulation = Accumulation::<f32, _> {
            zero_point: 0,
            weights: context.constant(constants.weights, weights)?,
            bias: context.bias(constants.bias, channels)?,
            epilogue: ClampFloat::new(&constants.epilogue.float()),
        };
        let finish = Clamp::new(&constants.epilogue.float());
        if S::PACKS
            && let Some(done) = packed(context, op, &accumulation, finish, Tables::None)
        {
            return done;
        }
        op.run(context, &accumulation)
    } else if context.is(DataType::I16) {
        if !matches!(context.task, Task::Run { .. }) {
            // There is no packed form.
            return Some(());
        }
        let accumulation = Accumulation::<i16, _> {
            zero_point: 0,
            weights: ByteWeights::Bytes(context.constant(constants.weights, weights)?),
            bias: context.bias::<i32>(constants.bias, channels.checked_mul(2)?)?.as_chunks().0,
            epilogue: context.wide_requantization(&constants.epilogue.wide(), constants.flags, channels)?,
        };
        op.run(context, &accumulation)
    } else {
        let accumulation = context.integers(constants, channels, weights)?;
        let scales = accumulation.epilogue;
        let finish = Requantize::new(&scales);
        if S::PACKS
            && let Some(done) = packed(context, op, &accumulation, finish, Tables::Scales(&scales))
        {
            return done;
        }
        if S::DIRECT { op.run_direct(context, &accumulation) } else { op.run(context, &accumulation) }
    }
}

impl<'c, S: Source> Context<'c, S> {
    /// The constants of an op of 8-bit integers; written once for all opcodes.
    #[inline(never)]
    fn integers(
        &self,
        constants: &ops::Accumulation,
        channels: usize,
        weights: usize,
    ) -> Option<Accumulation<'c, i8, Requantization<'c>>> {
        let epilogue = constants.epilogue.integer();
        Some(Accumulation {
            zero_point: i32::from(epilogue.input_zero_point),
            weights: match constants.weight_type() {
                WeightType::I4 if !links_form(S::NUMBERS, HALVES) => return None,
                WeightType::I4 => ByteWeights::Nibbles(self.constant_bytes(constants.weights, weights.div_ceil(2))?),
                _ => ByteWeights::Bytes(self.constant(constants.weights, weights)?),
            },
            bias: self.bias(constants.bias, channels)?,
            epilogue: self.requantization(&epilogue, constants.is_per_channel(), channels)?,
        })
    }
}

/// Measures, packs, or runs the packed form; `None` where the oracle has to run.
fn packed<T: Fast + Element + Number<Weight = T, Bias = <T as Number>::Accumulator>, E, S: Source>(
    context: &mut Context<'_, S>,
    op: &impl Accumulate,
    accumulation: &Accumulation<'_, T, E>,
    finish: T::Finish,
    tables: Tables<'_>,
) -> Option<Option<()>> {
    let runs_scalar = matches!(context.task, Task::Run { packed: &[], .. });
    let Some(packing) = op.packing().filter(|_| !runs_scalar) else {
        return (!matches!(context.task, Task::Run { .. })).then_some(Some(()));
    };
    let Packing { mut geometry, images, mut depthwise } = packing;
    let (backend, zero_point) = (context.backend, accumulation.zero_point);
    let (weights, bias) = (accumulation.weights, accumulation.bias);
    // From one output channel to the next, and from one tap to the next.
    let mut strides = [geometry.taps(), 1];
    if depthwise && geometry.input[2] == 1 && context.op.input(0).location != context.op.output(0).location {
        // Of one input channel it is a convolution, which cannot overwrite its input.
        (depthwise, strides) = (false, [1, geometry.output[2]]);
    }
    if depthwise {
        geometry.groups = 1;
    }
    let done = match &mut context.task {
        Task::Measure(sizes) => {
            let needed = if depthwise {
                T::depthwise_sizes(backend, &geometry)
            } else {
                T::convolution_sizes(backend, &geometry)
            };
            **sizes = needed.unwrap_or_default();
            Some(())
        }
        Task::Pack(to) if depthwise => T::pack_depthwise(backend, &geometry, weights, bias, tables, to),
        Task::Pack(to) => T::pack_convolution(backend, &geometry, zero_point, (weights, strides), bias, tables, to),
        Task::Run { packed, scratch } => {
            let place = Context::place(context.arena, &context.op)?;
            let geometry = &geometry;
            if depthwise {
                T::depthwise(backend, DepthwiseJob { geometry, images, zero_point, packed, scratch, place, finish })
            } else {
                T::convolution(backend, ConvolutionJob { geometry, images, zero_point, packed, scratch, place, finish })
            }
        }
    };
    Some(done)
}
