//! Variables: what a model keeps between runs.

use super::super::constants;
use super::super::lowering::{Lowering, Variable};
use crate::graph::Op;
use crate::import::Reason;
use crate::tensor::{DataType, Tensor};

/// `VAR_HANDLE`: containers and names tell variables apart.
pub(super) fn handle(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let options = lowering.options(111);
    let name = format!("{}/{}", options.text(0)?, options.text(1)?);
    lowering.set_handle(0, name)
}

/// `CALL_ONCE`: the initial values were read before.
pub(super) fn call_once(_: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    Ok(())
}

/// `READ_VARIABLE`. Without an initial value integers start as the integer 0.
pub(super) fn read(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let name = lowering.handle(0)?;
    if let Some(variable) = lowering.tensors().variables.get(&name).copied() {
        return lowering.set_output(0, variable.now);
    }
    let info = lowering.result_info(0)?;
    let (shape, dtype) = (constants::shape(info)?, constants::data_type(info)?);
    let quantization = constants::quantization(info)?;
    let kind = if quantization.is_some() { DataType::F32 } else { dtype };
    let read = lowering.state.graph.add_value(name.clone(), shape.clone(), kind);
    let now = match &quantization {
        // The integers at once, so that it is kept as integers.
        Some(own) => {
            let op = Op::Quantize(constants::quantize(info, own)?);
            let integers = lowering.emit(op, &[read])?;
            lowering.emit(Op::Dequantize(own.clone()), &[integers])?
        }
        None => read,
    };
    if !lowering.tensors().initial.contains_key(&name) {
        let zero = quantization.map_or(0.0, |own| own.scales[0] * -(own.zero_points[0] as f32));
        let count = shape.iter().product();
        let first = Tensor::from_vec(shape, vec![zero; count])?.cast(kind);
        lowering.tensors().initial.insert(name.clone(), first);
    }
    lowering.tensors().variables.insert(name, Variable { read: Some(read), now });
    lowering.set_output(0, now)
}

/// `ASSIGN_VARIABLE`.
pub(super) fn assign(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let (name, now) = (lowering.handle(0)?, lowering.input(1)?);
    let read = lowering.tensors().variables.get(&name).and_then(|variable| variable.read);
    lowering.tensors().variables.insert(name, Variable { read, now });
    Ok(())
}
