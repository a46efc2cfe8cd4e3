//! The proof that a memory plan keeps every value until it is no longer needed.
//!
//! Works on a finished artifact and shares nothing with the search: it remembers for every byte of the arena which
//! value stands there, and replays the schedule.

use bantam::Model;
use bantam_format::overlap::Overlap;
use bantam_format::{IoRole, Op, ops};
use thiserror::Error;

/// What a plan destroys.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PlanError {
    /// An op reads bytes that no longer hold the value it wants.
    #[error("op {op} reads tensor {tensor}, whose byte {byte} of the arena has been overwritten")]
    Overwritten {
        /// Position in the schedule; the number of ops stands for the caller reading outputs.
        op: usize,
        /// Tensor index.
        tensor: usize,
        /// Arena offset.
        byte: usize,
    },
}

/// The value a byte belongs to: tensors that share a place and content (views) have one value.
type Value = usize;

/// Replays the schedule of a model.
///
/// # Errors
/// The first read of an overwritten value.
pub fn verify(model: &Model<'_>) -> Result<(), PlanError> {
    let artifact = model.artifact();
    let mut owner: Vec<Option<Value>> = vec![None; artifact.arena_bytes()];
    let mut value_of: Vec<Option<Value>> = vec![None; artifact.tensor_count()];
    let mut values = 0;
    let mut define = |owner: &mut [Option<Value>], value_of: &mut [Option<Value>], tensor: usize| {
        value_of[tensor] = Some(values);
        owner[artifact.tensor(tensor).range()].fill(Some(values));
        values += 1;
    };
    for io in artifact.io(IoRole::Input) {
        define(&mut owner, &mut value_of, usize::from(io.tensor));
    }
    for index in 0..artifact.tensor_count() {
        if artifact.tensor(index).kind == bantam_format::TensorKind::State {
            define(&mut owner, &mut value_of, index);
        }
    }
    let read = |owner: &[Option<Value>], value_of: &[Option<Value>], op: usize, tensor: usize| {
        let range = artifact.tensor(tensor).range();
        // A view that was never written itself takes the value of the bytes it covers, if they are one value.
        let wanted = value_of[tensor].or_else(|| owner.get(range.start).copied().flatten());
        match range.clone().find(|&byte| wanted.is_none() || owner[byte] != wanted) {
            Some(byte) => Err(PlanError::Overwritten { op, tensor, byte }),
            None => Ok(()),
        }
    };
    for (index, op) in artifact.ops().enumerate() {
        for operand in 0..op.input_count {
            if op.input(operand).in_arena() {
                read(&owner, &value_of, index, op.operand(operand))?;
            }
        }
        check_bands(index, &op)?;
        for output in 0..op.output_count {
            define(&mut owner, &mut value_of, op.operand(op.input_count + output));
        }
    }
    for io in artifact.io(IoRole::Output) {
        read(&owner, &value_of, artifact.op_count(), usize::from(io.tensor))?;
    }
    Ok(())
}

/// Replays the bands of one op byte by byte: no input row may be read after it was overwritten.
fn check_bands(index: usize, op: &Op<'_>) -> Result<(), PlanError> {
    let (input, output) = (op.input(0), op.output(0));
    let Overlap::Banded(window) = ops::overlap(op.opcode, op.attributes(), &input, &output) else { return Ok(()) };
    let mut written = vec![false; input.bytes()];
    for band in window.bands(input.location, output.location, op.walk_down) {
        let rows = band.input.start * window.input_row_bytes..band.input.end * window.input_row_bytes;
        if let Some(byte) = rows.clone().find(|&byte| written[byte]) {
            let byte = input.location + byte;
            return Err(PlanError::Overwritten { op: index, tensor: op.operand(0), byte });
        }
        for byte in band.output.start * window.output_row_bytes..band.output.end * window.output_row_bytes {
            let overwritten = (output.location + byte).checked_sub(input.location);
            if let Some(flag) = overwritten.and_then(|byte| written.get_mut(byte)) {
                *flag = true;
            }
        }
    }
    Ok(())
}
