//! `SVDF`: a layer whose filters' last results are kept between runs and weighted over time.
//!
//! Each run every filter has one result, a product with the features; the last ones of each filter, the latest included,
//! are multiplied with weights over time and summed up, those of `rank` filters together for each unit. The results are
//! kept as an image of one column: times are rows, filters are channels, and the sum is a grouped convolution.
//!
//! Where results are kept as 16-bit integers, their weights over time have 16 bits too, which no convolution takes: they
//! are multiplied and summed up as words.

use super::super::constants;
use super::super::lowering::{Lowering, Variable, refuse};
use super::super::schema::kind;
use crate::graph::ops::{
    BinaryKind, Concat, Conv2d, Dequantize, FullyConnected, Padding, Quantize, ReduceKind, SliceRange,
};
use crate::graph::{Activation, Op, ValueId};
use crate::import::Reason;
use crate::quantize::multiplier::QuantizedMultiplier;
use crate::tensor::{DataType, Tensor};

/// Sizes of the layer.
#[derive(Clone, Copy)]
struct Sizes {
    batch: usize,
    filters: usize,
    rank: usize,
    memory: usize,
}

impl Sizes {
    fn read(lowering: &mut Lowering<'_, '_>) -> Result<Self, Reason> {
        let rank = lowering.options(6).count(0, "rank", 0)?;
        let shape = |index: usize| constants::shape(lowering.info(index)?);
        let (&[batch, features], &[filters, depth], &[rows, memory]) =
            (shape(0)?.as_slice(), shape(1)?.as_slice(), shape(2)?.as_slice())
        else {
            return Err(Reason::Operand("its operands must be matrices".to_owned()));
        };
        if depth != features || rows != filters || filters == 0 || memory == 0 || !filters.is_multiple_of(rank) {
            return Err(Reason::Operand(format!(
                "weights of {filters} x {depth} and {rows} x {memory} do not fit {features} features and rank {rank}"
            )));
        }
        Ok(Self { batch, filters, rank, memory })
    }

    /// The weights over time as those of a convolution: unit, time, column, filter.
    fn kernel(self, time: Tensor) -> Result<Tensor, Reason> {
        let Self { filters, rank, memory, .. } = self;
        let grouped = time.reshape(vec![filters / rank, rank, memory])?.transpose(&[0, 2, 1])?;
        Ok(grouped.reshape(vec![filters / rank, memory, 1, rank])?)
    }
}

/// What the integers are that results are kept as.
type Kept = Option<Quantize>;

pub(super) fn svdf(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let sizes = Sizes::read(lowering)?;
    let state = lowering.info(4)?;
    if !state.is_variable {
        return Err(Reason::Operand("its state must be a variable".to_owned()));
    }
    if lowering.quantization(0)?.is_some() { integers(lowering, sizes) } else { floats(lowering, sizes) }
}

/// Products of features and weights, as one more row.
fn latest(lowering: &mut Lowering<'_, '_>, sizes: Sizes, operands: &[ValueId]) -> Result<ValueId, Reason> {
    let result = lowering.emit(Op::FullyConnected(FullyConnected { activation: Activation::NONE }), operands)?;
    lowering.reshape(result, &[sizes.batch, 1, 1, sizes.filters])
}

/// The rows kept from the runs before and the latest one. All but the first are kept for the next run.
fn remember(lowering: &mut Lowering<'_, '_>, sizes: Sizes, latest: ValueId, kept: Kept) -> Result<ValueId, Reason> {
    let Sizes { batch, filters, memory, .. } = sizes;
    if memory == 1 {
        return Ok(latest);
    }
    let name = lowering.variable(4)?;
    if lowering.tensors().variables.contains_key(&name) {
        return Err(Reason::Operand("its state is that of another operator".to_owned()));
    }
    let shape = vec![batch, memory - 1, 1, filters];
    let read = lowering.state.graph.add_value(name.clone(), shape.clone(), DataType::F32);
    // The integers at once, so that it is kept as integers.
    let past = stored(lowering, read, kept)?;
    let all = lowering.emit(Op::Concat(Concat { axis: 1 }), &[past, latest])?;
    let all = stored(lowering, all, kept)?;
    let mut ranges = vec![SliceRange { start: 0, count: batch, step: 1 }];
    ranges.push(SliceRange { start: 1, count: memory - 1, step: 1 });
    ranges.extend([1, filters].map(|count| SliceRange { start: 0, count, step: 1 }));
    let now = lowering.slice(all, ranges)?;
    lowering.tensors().initial.insert(name.clone(), Tensor::zeros::<f32>(shape)?);
    lowering.tensors().variables.insert(name, Variable { read: Some(read), now });
    Ok(all)
}

/// A value through the integers that it is kept as.
fn stored(lowering: &mut Lowering<'_, '_>, value: ValueId, kept: Kept) -> Result<ValueId, Reason> {
    let Some(quantize) = kept else { return Ok(value) };
    let integers = lowering.emit(Op::Quantize(quantize), &[value])?;
    lowering.dequantize(integers, Dequantize::per_tensor(quantize.scale, quantize.zero_point))
}

fn floats(lowering: &mut Lowering<'_, '_>, sizes: Sizes) -> Result<(), Reason> {
    let activation = lowering.options(6).activation(1)?;
    let (input, weights) = (lowering.input(0)?, lowering.input(1)?);
    let latest = latest(lowering, sizes, &[input, weights])?;
    let all = remember(lowering, sizes, latest, None)?;
    let time = lowering.input(2)?;
    let time = lowering.known(time).cloned().ok_or_else(|| refuse("weights_time", "", "constants are supported"))?;
    let kernel = lowering.emit_constant(sizes.kernel(time)?)?;
    let mut operands = vec![all, kernel];
    if lowering.has_input(3) {
        operands.push(lowering.input(3)?);
    }
    let result = over_time(lowering, sizes, &operands, activation)?;
    lowering.set_output(0, result)
}

fn integers(lowering: &mut Lowering<'_, '_>, sizes: Sizes) -> Result<(), Reason> {
    let to = match [lowering.info(2)?.kind, lowering.info(4)?.kind] {
        [kind::I8, kind::I8] => DataType::I8,
        [kind::I16, kind::I16] => DataType::I16,
        [time, state] => {
            let (time, state) = (kind::name(time), kind::name(state));
            return Err(Reason::Operand(format!(
                "weights over time of {time} with a state of {state} are not supported"
            )));
        }
    };
    if lowering.info(1)?.kind != kind::I8 {
        return Err(Reason::Operand("weights of features must be 8-bit integers".to_owned()));
    }
    let [(input, _), (feature, _), (time, _), (state, zero_point)] =
        [lowering.scale(0)?, lowering.scale(1)?, lowering.scale(2)?, lowering.scale(4)?];
    let Some(Dequantize { scales, zero_points, axis: None }) = constants::quantization(lowering.result_info(0)?)?
    else {
        return Err(Reason::Operand("its result must have one scale".to_owned()));
    };
    let weights = lowering.constant(1)?;
    let weights = lowering.emit_constant(weights)?;
    let mut features = vec![lowering.input(0)?, lowering.dequantize(weights, Dequantize::per_tensor(feature, 0))?];
    if to == DataType::I16 {
        // The same integers less the zero point, and a bias of nothing that tells how wide sums are.
        features[0] = stored(lowering, features[0], Some(Quantize { scale: input, zero_point: 0, to }))?;
        let nothing = lowering.emit_constant(Tensor::zeros::<i32>(vec![sizes.filters])?)?;
        features.push(lowering.dequantize(nothing, Dequantize::per_tensor(input * feature, 0))?);
    }
    let kept = Quantize { scale: state, zero_point, to };
    let latest = latest(lowering, sizes, &features)?;
    let latest = stored(lowering, latest, Some(kept))?;
    let all = remember(lowering, sizes, latest, Some(kept))?;
    // The reference has no activation here.
    let (result, scale) = if to == DataType::I16 {
        let all = lowering.emit(Op::Quantize(kept), &[all])?;
        let [steps, scale] = quotient(f64::from(state) * f64::from(time) / f64::from(scales[0]));
        (sum_of_words(lowering, sizes, all, steps)?, scale)
    } else {
        let kernel = sizes.kernel(lowering.constant(2)?)?;
        let kernel = lowering.emit_constant(kernel)?;
        let mut operands = vec![all, lowering.dequantize(kernel, Dequantize::per_tensor(time, 0))?];
        if lowering.has_input(3) {
            let words = lowering.constant(3)?.cast(DataType::I32);
            let words = lowering.emit_constant(words)?;
            operands.push(lowering.dequantize(words, Dequantize::per_tensor(state * time, 0))?);
        }
        (over_time(lowering, sizes, &operands, Activation::NONE)?, scales[0])
    };
    let result =
        lowering.emit(Op::Quantize(Quantize { scale, zero_point: zero_points[0], to: DataType::I8 }), &[result])?;
    lowering.set_output(0, result)
}

/// Two scales whose quotient is fixed to the same multiplier as a real number, which one scale seldom is.
fn quotient(real: f64) -> [f32; 2] {
    let multiplier = QuantizedMultiplier::new(real);
    let divisors = (0..1 << 16).map(|step| f32::from_bits(1f32.to_bits() + step));
    let mut quotients = divisors.map(|divisor| [(real * f64::from(divisor)) as f32, divisor]);
    let same = quotients
        .find(|&[steps, divisor]| QuantizedMultiplier::new(f64::from(steps) / f64::from(divisor)) == multiplier);
    same.unwrap_or([real as f32, 1.0])
}

/// The weighted sum over all rows in 32-bit integers, which count steps.
fn sum_of_words(lowering: &mut Lowering<'_, '_>, sizes: Sizes, all: ValueId, steps: f32) -> Result<ValueId, Reason> {
    let Sizes { batch, filters, rank, memory } = sizes;
    let words = lowering.cast(all, DataType::I32)?;
    let time = lowering.constant(2)?.transpose(&[1, 0])?.reshape(vec![memory, 1, filters])?.cast(DataType::I32);
    let time = lowering.emit_constant(time)?;
    let products = lowering.binary(BinaryKind::Mul, words, time)?;
    let of_filters = lowering.reduce(ReduceKind::Sum, &[1], products)?;
    let grouped = lowering.reshape(of_filters, &[batch, filters / rank, rank])?;
    let mut sums = lowering.reduce(ReduceKind::Sum, &[2], grouped)?;
    sums = lowering.reshape(sums, &[batch, filters / rank])?;
    if lowering.has_input(3) {
        let bias = lowering.constant(3)?.cast(DataType::I32);
        let bias = lowering.emit_constant(bias)?;
        sums = lowering.add(sums, bias)?;
    }
    lowering.dequantize(sums, Dequantize::per_tensor(steps, 0))
}

/// The weighted sum over all rows: a line of units.
fn over_time(
    lowering: &mut Lowering<'_, '_>,
    sizes: Sizes,
    operands: &[ValueId],
    activation: Activation,
) -> Result<ValueId, Reason> {
    let groups = sizes.filters / sizes.rank;
    let conv = Conv2d { stride: [1, 1], dilation: [1, 1], padding: Padding::NONE, groups, activation };
    let result = lowering.emit(Op::Conv2d(conv), operands)?;
    lowering.reshape(result, &[sizes.batch, groups])
}
