//! Operators that change the type of elements.

use super::super::attributes::refuse;
use super::super::constants::{element_type, type_name};
use super::super::lowering::Lowering;
use crate::import::Reason;
use crate::reference::pb::tensor_proto::DataType as ProtoType;

/// `Cast`. What the file holds in half or double precision is computed as f32 throughout, so a cast to those is one to
/// f32.
pub(super) fn cast(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    lowering.attributes.ignore(&["saturate"]);
    lowering.attributes.string("round_mode")?;
    let code = lowering.attributes.int("to")?.unwrap_or_default();
    let code = i32::try_from(code).unwrap_or_default();
    let to = match ProtoType::try_from(code) {
        Ok(
            ProtoType::Float
            | ProtoType::Double
            | ProtoType::Float16
            | ProtoType::Bfloat16
            | ProtoType::Int64
            | ProtoType::Int32
            | ProtoType::Int8
            | ProtoType::Uint8
            | ProtoType::Bool,
        ) => element_type(code)?,
        _ => return Err(refuse("to", type_name(code), "this type is not supported")),
    };
    let result = lowering.cast(operand, to)?;
    lowering.set_output(0, result);
    Ok(())
}

/// `CastLike`: the type of another operand.
pub(super) fn cast_like(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    lowering.attributes.ignore(&["saturate"]);
    lowering.attributes.string("round_mode")?;
    let (operand, like) = (lowering.input(0)?, lowering.input(1)?);
    let to = lowering.data_type(like);
    let result = lowering.cast(operand, to)?;
    lowering.set_output(0, result);
    Ok(())
}
