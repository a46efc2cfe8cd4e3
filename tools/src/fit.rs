//! Whether an artifact fits the memory of its target, and what is missing where it does not.

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

/// What does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// The arena: bytes needed, bytes allowed, and when it is fullest.
    pub ram: Option<(usize, usize, Peak)>,
    /// The file: bytes needed and allowed.
    pub flash: Option<(usize, usize)>,
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

impl Limits {
    /// What of a model does not fit, if anything.
    #[must_use]
    pub fn shortage(&self, model: &Model<'_>) -> Option<Shortage> {
        let beyond = |needed: usize, limit: Option<usize>| limit.filter(|&limit| needed > limit);
        let (arena, file) = (model.arena_bytes(), model.artifact().bytes().len());
        let ram = beyond(arena, self.ram).map(|limit| (arena, limit, peak(model)));
        let flash = beyond(file, self.flash).map(|limit| (file, limit));
        (ram.is_some() || flash.is_some()).then_some(Shortage { ram, flash })
    }
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

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the model does not fit, and nothing was written")?;
        if let Some((needed, limit, peak)) = &self.ram {
            let missing = needed - limit;
            write!(f, "\n  ram: the arena needs {needed} bytes, {missing} more than the {limit} allowed")?;
            write!(f, "\n  {peak}")?;
        }
        if let Some((needed, limit)) = &self.flash {
            let missing = needed - limit;
            write!(f, "\n  flash: the file has {needed} bytes, {missing} more than the {limit} allowed")?;
        }
        Ok(())
    }
}
