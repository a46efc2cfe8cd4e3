//! What the expansion needs to know of an artifact, as plain values.

use crate::forms;
use bantam_format::{Artifact, IoRecord, IoRole, Opcode, SectionKind, Tensor};

/// An input or an output.
pub struct Port {
    /// Its tensor.
    pub tensor: Tensor,
    /// Scale and zero point.
    pub record: IoRecord,
}

/// One step of the schedule.
pub struct Step {
    /// What it does.
    pub opcode: Opcode,
    /// Inputs, then outputs.
    pub operands: Vec<Tensor>,
    /// How many of the operands are inputs.
    pub inputs: usize,
    /// Byte offset in [`Model::attributes`].
    pub attributes: usize,
    /// Whether it computes in floating point whatever the arithmetic is.
    pub real: bool,
    /// What it may be, by the names of `bantam::ops`.
    pub forms: Vec<&'static str>,
    /// Whether it walks from the last output row to the first.
    pub walk_down: bool,
}

/// A model ready to be written down as code.
pub struct Model<'a> {
    /// Code of the arithmetic's name.
    pub arithmetic: &'static str,
    /// Attribute records.
    pub attributes: &'a [u8],
    /// Weights, biases and tables.
    pub constants: &'a [u8],
    /// The schedule.
    pub steps: Vec<Step>,
    /// Inputs in order.
    pub inputs: Vec<Port>,
    /// Outputs in order.
    pub outputs: Vec<Port>,
    /// Where states live in the arena, and the offset of their initial values in the constants.
    pub states: Vec<(Tensor, usize)>,
    /// Class labels.
    pub labels: Vec<&'a str>,
    /// Extent of the tensors.
    pub arena_bytes: usize,
    /// Multiply-accumulates of one run.
    pub macs: u64,
}

impl<'a> Model<'a> {
    /// Reads a parsed artifact.
    pub fn new(artifact: &Artifact<'a>) -> Self {
        let attributes = artifact.section(SectionKind::Attributes);
        let constants = artifact.constants();
        let ports = |role: IoRole| {
            let port = |record: IoRecord| Port { tensor: artifact.tensor(usize::from(record.tensor)), record };
            artifact.io(role).map(port).collect()
        };
        let steps = artifact.ops().map(|op| Step {
            forms: forms::of(&op),
            opcode: op.opcode,
            operands: (0..op.input_count + op.output_count).map(|at| artifact.tensor(op.operand(at))).collect(),
            inputs: op.input_count,
            attributes: attributes.len() - op.attributes().len(),
            real: op.computes_real_values(),
            walk_down: op.walk_down,
        });
        Self {
            arithmetic: artifact.arithmetic().name(),
            attributes,
            constants,
            steps: steps.collect(),
            inputs: ports(IoRole::Input),
            outputs: ports(IoRole::Output),
            states: artifact.states().map(|(tensor, value)| (tensor, offset(constants, value))).collect(),
            labels: artifact.labels().collect(),
            arena_bytes: artifact.arena_bytes(),
            macs: artifact.macs(),
        }
    }
}

/// Where `part` starts in `whole`.
fn offset(whole: &[u8], part: &[u8]) -> usize {
    part.as_ptr().addr().saturating_sub(whole.as_ptr().addr())
}
