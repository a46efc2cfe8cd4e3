//! Normalization.

use super::super::attributes::refuse;
use super::super::lowering::Lowering;
use crate::graph::ops::{AveragePool2d, BinaryKind, Compare, Normalize, Padding, Pool2d, ReduceKind, Unary};
use crate::graph::{Activation, Op, ValueId};
use crate::import::Reason;
use crate::tensor::Tensor;

/// `BatchNormalization` as inference uses it: (x - mean) / sqrt(variance + epsilon) * scale +
/// bias, reduced to x * s + t with s and t rounded once from f64.
pub(super) fn batch(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    lowering.attributes.ignore(&["momentum", "consumed_inputs"]);
    if lowering.opset < 7 && !lowering.attributes.flag("is_test", false)? {
        return Err(refuse("is_test", "0", "export the model for inference"));
    }
    if lowering.attributes.flag("training_mode", false)? {
        return Err(refuse("training_mode", "1", "export the model for inference"));
    }
    if !lowering.attributes.flag("spatial", true)? {
        return Err(refuse("spatial", "0", "only one number per channel is supported"));
    }
    let epsilon = f64::from(lowering.attributes.float("epsilon")?.unwrap_or(1e-5));
    let operand = lowering.input(0)?;
    let shape = lowering.shape(operand);
    let Some(&channels) = shape.get(1) else {
        return Err(Reason::Operand(format!("a channel axis is expected, got shape {shape:?}")));
    };
    let parameters =
        [lowering.constant_f32(1)?, lowering.constant_f32(2)?, lowering.constant_f32(3)?, lowering.constant_f32(4)?];
    if parameters.iter().any(|parameter| parameter.len() != channels) {
        return Err(Reason::Operand(format!(
            "{channels} channels need as many numbers in each parameter, got {:?}",
            parameters.map(<[f32]>::len)
        )));
    }
    let [scale, bias, mean, variance] = parameters;
    let mut factors = Vec::with_capacity(channels);
    let mut offsets = Vec::with_capacity(channels);
    for channel in 0..channels {
        let deviation = libm::sqrt(f64::from(variance[channel]) + epsilon);
        let factor = f64::from(scale[channel]) / deviation;
        factors.push(factor as f32);
        offsets.push((f64::from(bias[channel]) - f64::from(mean[channel]) * factor) as f32);
    }
    if factors.iter().chain(&offsets).any(|number| !number.is_finite()) {
        return Err(Reason::Operand(
            "a variance plus epsilon is not positive, or a parameter is not finite".to_owned(),
        ));
    }
    let factors = lowering.emit_constant(Tensor::vector(factors))?;
    let offsets = lowering.emit_constant(Tensor::vector(offsets))?;
    let rank = shape.len();
    let to_last: Vec<usize> = [0].into_iter().chain(2..rank).chain([1]).collect();
    let to_first: Vec<usize> = [0, rank - 1].into_iter().chain(1..rank - 1).collect();
    let operand = lowering.transpose(operand, &to_last)?;
    let result = lowering.emit(Op::BatchNorm, &[operand, factors, offsets])?;
    let result = lowering.transpose(result, &to_first)?;
    lowering.set_output(0, result);
    Ok(())
}

/// The operand normalised over its last `axes` axes.
fn normalize(lowering: &mut Lowering<'_>, operands: &[ValueId], normalize: Normalize) -> Result<ValueId, Reason> {
    let epsilon = normalize.epsilon;
    if !(epsilon.is_finite() && epsilon >= 0.0) {
        return Err(refuse("epsilon", epsilon.to_string(), "a number from 0 on is expected"));
    }
    lowering.emit(Op::Normalize(normalize), operands)
}

/// The same times operand 1, plus operand 2 where there is one: in one operator where these are constants of the
/// normalised shape.
fn normalize_and_scale(
    lowering: &mut Lowering<'_>,
    operand: ValueId,
    attributes: Normalize,
) -> Result<ValueId, Reason> {
    let (scale, bias) = (lowering.input(1)?, lowering.optional_input(2));
    let shape = lowering.shape(operand);
    let fits = |value: ValueId| {
        lowering.known(value).is_some_and(|tensor| tensor.rank() == attributes.axes && shape.ends_with(tensor.shape()))
    };
    if fits(scale) && bias.is_none_or(fits) {
        let bias = match bias {
            Some(bias) => bias,
            None => {
                let zeros = Tensor::zeros::<f32>(lowering.shape(scale))?;
                lowering.emit_constant(zeros)?
            }
        };
        return normalize(lowering, &[operand, scale, bias], attributes);
    }
    let value = normalize(lowering, &[operand], attributes)?;
    let mut result = lowering.multiply(value, scale)?;
    if let Some(bias) = bias {
        result = lowering.add(result, bias)?;
    }
    Ok(result)
}

/// The operand, its mean over `axes` taken off, divided by its standard deviation there: the normalised value, the
/// mean and the reciprocal of the deviation.
fn standardize(
    lowering: &mut Lowering<'_>,
    operand: ValueId,
    axes: &[usize],
    epsilon: f32,
) -> Result<[ValueId; 3], Reason> {
    let mean = lowering.reduce(ReduceKind::Mean, axes, operand)?;
    let centred = lowering.binary(BinaryKind::Sub, operand, mean)?;
    let scale = inverse_root_mean_square(lowering, centred, axes, epsilon)?;
    Ok([lowering.multiply(centred, scale)?, mean, scale])
}

/// 1 / sqrt(mean(x²) + epsilon).
fn inverse_root_mean_square(
    lowering: &mut Lowering<'_>,
    operand: ValueId,
    axes: &[usize],
    epsilon: f32,
) -> Result<ValueId, Reason> {
    let square = lowering.multiply(operand, operand)?;
    let variance = lowering.reduce(ReduceKind::Mean, axes, square)?;
    let epsilon = lowering.number(epsilon, variance)?;
    let sum = lowering.add(variance, epsilon)?;
    let root = lowering.unary(Unary::Sqrt, sum)?;
    lowering.unary(Unary::Reciprocal, root)
}

/// value * operand `scale` + operand `bias`, each one number per channel of axis 1.
fn per_channel(lowering: &mut Lowering<'_>, value: ValueId, scale: ValueId, bias: ValueId) -> Result<ValueId, Reason> {
    let shape = lowering.shape(value);
    let channels = shape[1];
    let mut parameter = vec![1; shape.len() - 1];
    parameter[0] = channels;
    let scale = lowering.reshape(scale, &parameter)?;
    let bias = lowering.reshape(bias, &parameter)?;
    let scaled = lowering.multiply(value, scale)?;
    lowering.add(scaled, bias)
}

fn expect_rank(shape: &[usize], least: usize) -> Result<(), Reason> {
    if shape.len() >= least {
        return Ok(());
    }
    Err(Reason::Operand(format!("at least {least} dimensions are expected, got shape {shape:?}")))
}

/// `InstanceNormalization`: over the spatial axes of each channel.
pub(super) fn instance(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let epsilon = lowering.attributes.float("epsilon")?.unwrap_or(1e-5);
    let operand = lowering.input(0)?;
    let shape = lowering.shape(operand);
    expect_rank(&shape, 3)?;
    let axes = shape.len() - 2;
    let value = normalize(lowering, &[operand], Normalize { axes, root_mean_square: false, epsilon })?;
    let (scale, bias) = (lowering.input(1)?, lowering.input(2)?);
    let result = per_channel(lowering, value, scale, bias)?;
    lowering.set_output(0, result);
    Ok(())
}

/// `GroupNormalization`: over the channels of a group. Scale and bias are per channel since operator set 21, per group
/// before.
pub(super) fn group(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let epsilon = lowering.attributes.float("epsilon")?.unwrap_or(1e-5);
    only_float(lowering, "stash_type")?;
    let groups = lowering.attributes.int("num_groups")?.unwrap_or_default();
    let operand = lowering.input(0)?;
    let shape = lowering.shape(operand);
    expect_rank(&shape, 2)?;
    let groups = usize::try_from(groups)
        .ok()
        .filter(|&groups| groups > 0 && shape[1].is_multiple_of(groups))
        .ok_or_else(|| refuse("num_groups", groups.to_string(), "it must divide the channels"))?;
    let mut grouped = vec![shape[0], groups, shape[1] / groups];
    grouped.extend(&shape[2..]);
    let axes = grouped.len() - 2;
    let value = lowering.reshape(operand, &grouped)?;
    let mut value = normalize(lowering, &[value], Normalize { axes, root_mean_square: false, epsilon })?;
    let (scale, bias) = (lowering.input(1)?, lowering.input(2)?);
    let by_channel = lowering.opset >= 21;
    if by_channel {
        value = lowering.reshape(value, &shape)?;
    }
    value = per_channel(lowering, value, scale, bias)?;
    value = lowering.reshape(value, &shape)?;
    lowering.set_output(0, value);
    Ok(())
}

/// What is normalised over all axes from one on: the operand, the axes, epsilon.
fn over_last_axes(lowering: &mut Lowering<'_>) -> Result<(ValueId, Vec<usize>, f32), Reason> {
    let epsilon = lowering.attributes.float("epsilon")?.unwrap_or(1e-5);
    only_float(lowering, "stash_type")?;
    let operand = lowering.input(0)?;
    let rank = lowering.shape(operand).len();
    let axis = lowering.attributes.int("axis")?.unwrap_or(-1);
    Ok((operand, (lowering.axis(axis, rank)?..rank).collect(), epsilon))
}

/// `LayerNormalization`: over all axes from one on. Mean and inverse deviation are further results.
pub(super) fn layer(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let (operand, axes, epsilon) = over_last_axes(lowering)?;
    if !lowering.has_output(1) && !lowering.has_output(2) {
        let attributes = Normalize { axes: axes.len(), root_mean_square: false, epsilon };
        let result = normalize_and_scale(lowering, operand, attributes)?;
        lowering.set_output(0, result);
        return Ok(());
    }
    let [value, mean, deviation] = standardize(lowering, operand, &axes, epsilon)?;
    let scale = lowering.input(1)?;
    let mut result = lowering.multiply(value, scale)?;
    if let Some(bias) = lowering.optional_input(2) {
        result = lowering.add(result, bias)?;
    }
    lowering.set_output(0, result);
    lowering.set_output(1, mean);
    lowering.set_output(2, deviation);
    Ok(())
}

/// `RMSNormalization`: as [`layer`], without a mean or a bias.
pub(super) fn root_mean_square(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let (operand, axes, epsilon) = over_last_axes(lowering)?;
    let attributes = Normalize { axes: axes.len(), root_mean_square: true, epsilon };
    let result = normalize_and_scale(lowering, operand, attributes)?;
    lowering.set_output(0, result);
    Ok(())
}

fn only_float(lowering: &mut Lowering<'_>, name: &str) -> Result<(), Reason> {
    match lowering.attributes.int(name)? {
        None | Some(1) => Ok(()),
        Some(other) => Err(refuse(name, other.to_string(), "only 1, float, is supported")),
    }
}

/// `MeanVarianceNormalization`.
pub(super) fn mean_variance(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    let rank = lowering.shape(operand).len();
    let axes = lowering.attributes.ints("axes")?.unwrap_or(&[0, 2, 3]);
    let axes = lowering.axes(axes, rank)?;
    // The standard adds 1e-9 to the deviation, against a division by zero.
    let mean = lowering.reduce(ReduceKind::Mean, &axes, operand)?;
    let centred = lowering.binary(BinaryKind::Sub, operand, mean)?;
    let square = lowering.multiply(centred, centred)?;
    let variance = lowering.reduce(ReduceKind::Mean, &axes, square)?;
    let deviation = lowering.unary(Unary::Sqrt, variance)?;
    let tiny = lowering.number(1e-9, deviation)?;
    let deviation = lowering.add(deviation, tiny)?;
    let result = lowering.binary(BinaryKind::Div, centred, deviation)?;
    lowering.set_output(0, result);
    Ok(())
}

/// `LpNormalization`: divided by the sum of sizes or the length along an axis; where that is 0, the result is 0.
pub(super) fn lp(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    let rank = lowering.shape(operand).len();
    let axis = lowering.attributes.int("axis")?.unwrap_or(-1);
    let axis = lowering.axis(axis, rank)?;
    let p = lowering.attributes.int("p")?.unwrap_or(2);
    let norm = match p {
        1 => {
            let sizes = lowering.unary(Unary::Abs, operand)?;
            lowering.reduce(ReduceKind::Sum, &[axis], sizes)?
        }
        2 => {
            let square = lowering.multiply(operand, operand)?;
            let sum = lowering.reduce(ReduceKind::Sum, &[axis], square)?;
            lowering.unary(Unary::Sqrt, sum)?
        }
        other => return Err(refuse("p", other.to_string(), "1 or 2 is expected")),
    };
    // Where the norm is 0 so is every element: any other divisor gives 0.
    let zero = lowering.number(0.0, norm)?;
    let one = lowering.number(1.0, norm)?;
    let is_zero = lowering.compare(Compare::Equal, norm, zero)?;
    let norm = lowering.select(is_zero, one, norm)?;
    let result = lowering.binary(BinaryKind::Div, operand, norm)?;
    lowering.set_output(0, result);
    Ok(())
}

/// `LRN`: x / (bias + alpha * mean of x² over neighbouring channels) ^ beta, where channels beyond the first and last
/// count as 0.
pub(super) fn local_response(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let alpha = lowering.attributes.float("alpha")?.unwrap_or(1e-4);
    let beta = lowering.attributes.float("beta")?.unwrap_or(0.75);
    let bias = lowering.attributes.float("bias")?.unwrap_or(1.0);
    let size = lowering.attributes.int("size")?.unwrap_or_default();
    let size = usize::try_from(size)
        .ok()
        .filter(|&size| size > 0)
        .ok_or_else(|| refuse("size", size.to_string(), "a positive number is expected"))?;
    let operand = lowering.input(0)?;
    let shape = lowering.shape(operand);
    expect_rank(&shape, 3)?;
    let square = lowering.multiply(operand, operand)?;
    // Channels become the rows of an image, so that the sum of neighbours is a pool.
    let spatial: usize = shape[2..].iter().product();
    let image = lowering.reshape(square, &[shape[0], shape[1], spatial, 1])?;
    let pool = Pool2d {
        kernel: [size, 1],
        stride: [1, 1],
        dilation: [1, 1],
        padding: Padding { top: (size - 1) / 2, bottom: size / 2, ..Padding::NONE },
        activation: Activation::NONE,
    };
    let op = Op::AveragePool2d(AveragePool2d { pool, count_include_pad: true });
    let mean = lowering.emit(op, &[image])?;
    let mean = lowering.reshape(mean, &shape)?;
    let (alpha, bias) = (lowering.number(alpha, mean)?, lowering.number(bias, mean)?);
    let scaled = lowering.multiply(mean, alpha)?;
    let sum = lowering.add(scaled, bias)?;
    let beta = lowering.number(beta, sum)?;
    let divisor = lowering.binary(BinaryKind::Pow, sum, beta)?;
    let result = lowering.binary(BinaryKind::Div, operand, divisor)?;
    lowering.set_output(0, result);
    Ok(())
}
