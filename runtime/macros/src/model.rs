//! What the expansion needs to know of an artifact, as plain values.

use bantam_format::overlap::lines;
use bantam_format::{Artifact, IoRecord, IoRole, Op, Opcode, SectionKind, Tensor, ops};

/// An input or an output.
pub struct Port {
    /// Its tensor.
    pub tensor: Tensor,
    /// Scale and zero point.
    pub record: IoRecord,
}

/// One step of the schedule.
pub struct Step {
    /// The name of the opcode.
    pub opcode: &'static str,
    /// Inputs, then outputs.
    pub operands: Vec<Tensor>,
    /// How many of the operands are inputs.
    pub inputs: usize,
    /// Byte offset in [`Model::attributes`].
    pub attributes: usize,
    /// Whether it computes in floating point whatever the arithmetic is.
    pub real: bool,
    /// Whether its output lies elsewhere than the input that it takes the place of, were it to work in place.
    pub moves: bool,
    /// Whether output and input start at the same byte.
    pub overwrites: bool,
    /// Whether it is a depthwise convolution whose lines are too long to be set aside.
    pub long_lines: bool,
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
            moves: moves(&op),
            overwrites: op.input(0).location == op.output(0).location,
            long_lines: long_lines(&op),
            opcode: op.opcode.name(),
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

/// Ops in place work on the first input, those of two inputs on the second where it lies in the output's memory.
fn moves(op: &Op<'_>) -> bool {
    let output = op.output(0).range();
    let lies_there = |input: &Tensor| input.in_arena() && input.range() == output;
    let meets = |input: &Tensor| {
        let range = input.range();
        input.in_arena() && range.start < output.end && output.start < range.end
    };
    let second = (op.input_count > 1).then(|| op.input(1)).filter(meets);
    !lies_there(&second.unwrap_or(op.input(0)))
}

/// Where `part` starts in `whole`.
fn offset(whole: &[u8], part: &[u8]) -> usize {
    part.as_ptr().addr().saturating_sub(whole.as_ptr().addr())
}

/// Whether a depthwise convolution cannot set its lines aside.
fn long_lines(op: &Op<'_>) -> bool {
    if op.opcode != Opcode::DepthwiseConv2d {
        return false;
    }
    let window = ops::DepthwiseConv2d::read(op.attributes()).window;
    let pair = |height, width| [usize::from(height), usize::from(width)];
    let columns = op.output(0).shape.dimension(2);
    let lines = lines(
        pair(window.kernel_height, window.kernel_width),
        pair(window.stride_height, window.stride_width),
        pair(window.dilation_height, window.dilation_width),
        columns,
    );
    let in_place = op.input(0).location == op.output(0).location;
    lines.is_none_or(|[together, _]| in_place && together < columns)
}
