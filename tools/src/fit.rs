//! The memory of a target, and when an artifact needs most of it.

use crate::plan::timeline;
use bantam::Model;
use std::fmt;

/// Memory of the target in bytes; what is not given is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// For the arena.
    pub ram: Option<usize>,
    /// For the file.
    pub flash: Option<usize>,
}

/// The op during which most of the arena is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peak {
    /// Name of the op, or its number where the artifact has no names.
    pub op: String,
    /// Its opcode.
    pub operator: &'static str,
    /// Bytes in use; shared ones count once.
    pub bytes: usize,
    /// The tensors in use: what happens to them, their name or number, their bytes.
    pub tensors: Vec<(&'static str, String, usize)>,
}

/// The first op at which most of the arena is in use.
#[must_use]
pub fn peak(model: &Model<'_>) -> Peak {
    let artifact = model.artifact();
    let names: Vec<&str> = artifact.names().collect();
    let name = |index: usize, number: usize| names.get(index).map_or_else(|| number.to_string(), ToString::to_string);
    let occupancy = timeline::occupancy(model);
    let most = occupancy.iter().max().copied().unwrap_or(0);
    let index = occupancy.iter().position(|&bytes| bytes == most).unwrap_or(0);
    let Some(op) = artifact.op(index) else {
        return Peak { op: String::new(), operator: "", bytes: 0, tensors: vec![] };
    };
    let lifetimes = timeline::lifetimes(model);
    let operands: Vec<usize> = (0..op.input_count + op.output_count).map(|position| op.operand(position)).collect();
    let kept = lifetimes.iter().filter(|life| life.covers(index) && !operands.contains(&life.tensor));
    // A view of an operand is no tensor of its own.
    let shown = |life: &&timeline::Lifetime| {
        operands.iter().any(|&operand| artifact.tensor(operand).range() == (life.offset..life.offset + life.bytes))
    };
    let mut tensors: Vec<_> = operands
        .iter()
        .enumerate()
        .filter(|&(_, &tensor)| artifact.tensor(tensor).in_arena())
        .map(|(position, &tensor)| {
            let what = if position < op.input_count { "reads" } else { "writes" };
            (what, name(tensor, tensor), artifact.tensor(tensor).bytes())
        })
        .collect();
    tensors.extend(kept.filter(|life| !shown(life)).map(|life| ("keeps", name(life.tensor, life.tensor), life.bytes)));
    let op_name = name(artifact.tensor_count() + index, index);
    Peak { op: op_name, operator: op.opcode.name(), bytes: most, tensors }
}

impl fmt::Display for Peak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fullest at '{}' ({}), with {} bytes in use:", self.op, self.operator, self.bytes)?;
        for (what, name, bytes) in &self.tensors {
            write!(f, "\n    {what} '{name}', {bytes} bytes")?;
        }
        Ok(())
    }
}
