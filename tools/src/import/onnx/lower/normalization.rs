//! Normalization.

use super::super::attributes::refuse;
use super::super::error::Reason;
use super::super::lowering::Lowering;
use crate::graph::Op;
use crate::tensor::Tensor;

/// `BatchNormalization` as inference uses it: (x - mean) / sqrt(variance + epsilon) * scale +
/// bias, reduced to x * s + t with s and t rounded once from f64.
pub(super) fn batch(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    lowering.attributes.ignore(&["momentum"]);
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
