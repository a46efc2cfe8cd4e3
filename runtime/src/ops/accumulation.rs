//! What the ops that sum products with constant weights share: their constants are looked up and their epilogue made
//! here, for either element type.

use super::driver::Task;
use super::{Context, HALF_FLOATS, HALVES, Source, links_form, links_oracle};
use crate::kernels::generic::{Ask, Constants, Convolve, Depthwise, Finish, Sizes, Source as Weights};
use crate::kernels::scalar::Number;
use crate::kernels::weights::{ByteWeights, FloatWeights};
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
    /// Whether windows lie on the output.
    pub spreads: bool,
}

/// An accumulating op, ready to run on one element type.
pub(super) trait Accumulate {
    /// Whether it has a packed form.
    const PACKS: bool = false;

    /// That form.
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
pub(super) fn accumulate<S: Source, O: Accumulate>(
    context: &mut Context<'_, S>,
    constants: &ops::Accumulation,
    extent: [usize; 2],
    op: &O,
) -> Option<()> {
    if S::PACKS && O::PACKS && !context.is(DataType::I16) {
        if let Some(done) = packed(context, constants, extent, op.packing()?) {
            return done;
        }
        if !links_oracle(S::NUMBERS) {
            return None;
        }
    }
    let [channels, taps] = extent;
    let weights = channels.checked_mul(taps)?;
    if context.is(DataType::F32) {
        let accumulation = Accumulation::<f32, _> {
            zero_point: 0,
            weights: context.floats(constants, weights)?,
            bias: context.bias(constants.bias, channels)?,
            epilogue: ClampFloat::new(&constants.epilogue.float()),
        };
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
        if S::DIRECT { op.run_direct(context, &accumulation) } else { op.run(context, &accumulation) }
    }
}

impl<'c, S: Source> Context<'c, S> {
    /// The weights of an op of floats; written once for all opcodes.
    #[inline(never)]
    fn floats(&self, constants: &ops::Accumulation, weights: usize) -> Option<FloatWeights<'c>> {
        Some(match constants.weight_type() {
            WeightType::F16 if !links_form(S::NUMBERS, HALF_FLOATS) => return None,
            WeightType::F16 => {
                let bytes = self.constant_bytes(constants.weights, weights.checked_mul(2)?)?;
                FloatWeights::Halves(bytes.as_chunks().0)
            }
            _ => FloatWeights::Singles(self.constant(constants.weights, weights)?),
        })
    }

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
            weights: self.weights(constants, weights)?,
            bias: self.bias(constants.bias, channels)?,
            epilogue: self.requantization(&epilogue, constants.is_per_channel(), channels)?,
        })
    }

    /// 8-bit or 4-bit weights.
    fn weights(&self, constants: &ops::Accumulation, count: usize) -> Option<ByteWeights<'c>> {
        match constants.weight_type() {
            WeightType::I4 if !links_form(S::NUMBERS, HALVES) => None,
            WeightType::I4 => Some(ByteWeights::Nibbles(self.constant_bytes(constants.weights, count.div_ceil(2))?)),
            _ => Some(ByteWeights::Bytes(self.constant(constants.weights, count)?)),
        }
    }
}

/// Measures, packs, or runs the packed form; `None` where the oracle has to run.
fn packed<S: Source>(
    context: &mut Context<'_, S>,
    constants: &ops::Accumulation,
    [channels, taps]: [usize; 2],
    packing: Packing,
) -> Option<Option<()>> {
    if matches!(context.task, Task::Run { packed: &[], .. }) {
        return None;
    }
    let (backend, floats) = (context.backend, context.is(DataType::F32));
    let (epilogue, count) = (constants.epilogue.integer(), channels.checked_mul(taps)?);
    let scales =
        if floats { None } else { Some(context.requantization(&epilogue, constants.is_per_channel(), channels)?) };
    let zero_point = if floats { 0 } else { i32::from(epilogue.input_zero_point) };
    let Packing { mut geometry, images, mut depthwise, spreads } = packing;
    // From one output channel to the next, and from one tap to the next.
    let mut strides = [geometry.taps(), 1];
    let overwrites = depthwise && context.op.input(0).location == context.op.output(0).location;
    if depthwise {
        // Of one input channel it is a convolution, unless it overwrites that; with too large a window one of a group
        // for each channel.
        let ask = Ask::Measure(&mut Sizes::default());
        depthwise = (geometry.input[2] > 1 || overwrites)
            && backend.run(floats, Depthwise { geometry: &geometry, zero_point, ask }).is_some();
        if !depthwise {
            (geometry.groups, strides) = (geometry.input[2], [1, geometry.output[2]]);
        }
    }
    let weights = if floats {
        context.floats(constants, count).map(Weights::Reals)
    } else {
        context.weights(constants, count).map(Weights::Bytes)
    };
    // Of floats their bits.
    let bias = context.bias(constants.bias, channels);
    let finish = scales.as_ref().map_or_else(|| Finish::of_floats(&constants.epilogue.float()), Finish::new);
    let ask = match &mut context.task {
        Task::Measure(sizes) => Ask::Measure(sizes),
        Task::Pack(packed) => {
            Ask::Pack { packed, constants: Constants { weights: weights?, bias: bias?, scales: scales.as_ref() } }
        }
        Task::Run { packed, scratch } => {
            Ask::Run { packed, scratch, place: Context::place(context.arena, &context.op)?, finish, images }
        }
    };
    let geometry = &geometry;
    let measures = matches!(ask, Ask::Measure(_));
    let done = if depthwise {
        backend.run(floats, Depthwise { geometry, zero_point, ask })
    } else {
        backend.run(floats, Convolve { geometry, zero_point, strides, spreads, overwrites, ask })
    };
    // The oracle takes nothing.
    Some(done.or(measures.then_some(())))
}
