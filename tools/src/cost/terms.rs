//! What an op's instructions may depend on.

use super::gather::{Counts, Gathering, part};
use bantam_format::overlap::strip;
use bantam_format::{Arithmetic, DataType, Op, Opcode, ops};

/// Output channels whose sums a convolution holds at once.
const TILE: usize = 32;
/// Output pixels whose sums a convolution makes at a time.
pub(super) const PIXELS: usize = 4;
/// Outputs of a row that a depthwise convolution holds at once.
const LINE_TILE: usize = 32;

/// The terms of an op, the constant one first. Those of one operator and element type always mean the same.
#[must_use]
pub fn terms(op: &Op<'_>) -> Vec<f64> {
    let shape = op.output(0).shape;
    let outputs = shape.elements() as f64;
    let inputs: f64 = (0..op.input_count).map(|index| op.input(index).shape.elements() as f64).sum();
    let places = outputs / (shape.innermost().max(1) as f64);
    match (op.opcode, op.input(0).data_type) {
        (Opcode::Conv2d | Opcode::FullyConnected, DataType::I8) => convolution(&Sums::new(op)),
        (Opcode::DepthwiseConv2d, DataType::I8) => depthwise(&Sums::new(op)),
        (Opcode::Conv2d | Opcode::TransposeConv2d | Opcode::DepthwiseConv2d, _) => {
            let geometry = Geometry::new(op);
            let [rows, _] = geometry.taps_inside();
            let [batch, _, width, channels] = geometry.output.map(|side| side as f64);
            vec![1.0, places, outputs, batch * rows * width * channels, geometry.inside_share() * op.macs() as f64]
        }
        (Opcode::FullyConnected | Opcode::MatMul, _) => vec![1.0, places, outputs, op.macs() as f64],
        (Opcode::AveragePool2d | Opcode::MaxPool2d, _) => {
            let [rows, columns] = Geometry::new(op).kernel.map(|side| side as f64);
            vec![1.0, places, outputs, outputs * rows, outputs * rows * columns]
        }
        (Opcode::Softmax, _) => vec![1.0, places, outputs],
        (Opcode::Binary, DataType::I8) => {
            // Sums of tensors of one size have a short form.
            let kind = ops::BinaryKind::from_code(ops::IntegerBinary::read(op.attributes()).kind);
            let alike = inputs == 2.0 * outputs && op.artifact().arithmetic() == Arithmetic::Tflite;
            let sums = if alike && kind == Some(ops::BinaryKind::Add) { outputs } else { 0.0 };
            vec![1.0, outputs - sums, inputs - 2.0 * sums, sums]
        }
        _ => vec![1.0, outputs, inputs],
    }
}

/// An op of 8-bit integers as the direct kernels take it.
struct Sums {
    geometry: Geometry,
    /// Products of an output.
    taps: usize,
    groups: usize,
    /// Whether its requantisation has the short form.
    plain: bool,
    /// Whether its weights have 4 bits.
    halves: bool,
    /// Elements of the memory around the input: before it, and behind it.
    room: [usize; 2],
}

impl Sums {
    fn new(op: &Op<'_>) -> Self {
        let artifact = op.artifact();
        let channels = op.output(0).shape.innermost();
        let depth = op.input(0).shape.innermost();
        let (geometry, accumulation, taps, groups) = match op.opcode {
            Opcode::FullyConnected => {
                let pixels = op.output(0).shape.elements() / channels.max(1);
                let geometry = Geometry::pointwise(pixels, depth, channels);
                (geometry, ops::FullyConnected::read(op.attributes()).accumulation(), depth, 1)
            }
            Opcode::DepthwiseConv2d => {
                let attributes = ops::DepthwiseConv2d::read(op.attributes());
                (Geometry::new(op), attributes.accumulation, attributes.window.taps(), depth)
            }
            _ => {
                let attributes = ops::Conv2d::read(op.attributes());
                let groups = usize::from(attributes.groups).max(1);
                (Geometry::new(op), attributes.accumulation, attributes.window.taps() * depth / groups, groups)
            }
        };
        let plain = accumulation.is_plain(artifact.constants(), channels, taps);
        let halves = accumulation.weight_type() == ops::WeightType::I4;
        let plain = plain && artifact.arithmetic() == Arithmetic::Tflite;
        let (input, output) = (op.input(0).range(), op.output(0).range());
        let room = [input.start.saturating_sub(output.start), output.end.saturating_sub(input.end)];
        Self { geometry, taps, groups, plain, halves, room }
    }
}

/// A convolution gathers the windows of four pixels, in parts where they are large, and multiplies them by the weights of one
/// channel after the other in words; it makes outputs of tiles of channels.
fn convolution(sums: &Sums) -> Vec<f64> {
    let &Sums { ref geometry, taps, groups, plain, halves, room } = sums;
    let [batch, height, width, channels] = geometry.output;
    let group_channels = channels / groups;
    let part = part(taps, taps / geometry.kernel[0].max(1));
    let parts = taps.div_ceil(part);
    let tiles = group_channels.div_ceil(TILE);
    // Four neighbours may stand in different rows where a window, or each of its parts, is gathered once.
    let once = (parts == 1 || tiles == 1) && groups == 1;
    let (lines, length) = if once || geometry.is_pointwise() { (1, height * width) } else { (height, width) };
    let [lines, whole, rest] = [batch * lines * groups, length / PIXELS, length % PIXELS];
    let steps = lines * length.div_ceil(PIXELS);
    let alone = if rest == 1 { lines } else { 0 };
    // A window of one part is gathered once, the parts of others for each tile.
    let gathered = batch * groups * if parts == 1 { 1 } else { tiles };
    let words = taps.div_ceil(4);
    let Counts { calls, four_rows, four_quads, rows, quads, cleared, blanks, alone: pixels, runs, values } =
        Gathering { geometry, taps, part, groups, once, room }.counts();
    // Weights of 4 bits are copied first, and those of the last channel where words would reach beyond them.
    let copied = if halves { steps * group_channels } else { steps * usize::from(!taps.is_multiple_of(4)) };
    // Fewer than four pixels are requantised one by one.
    let stored = lines * (whole + rest) * group_channels;
    let count = |number: usize| number as f64;
    let mut terms = vec![
        1.0,
        count(steps),
        count(steps * tiles * parts),
        count(steps * group_channels * parts),
        count((steps - alone) * group_channels * words),
        count(alone * group_channels * words),
        if plain { count(stored) } else { 0.0 },
        if plain { 0.0 } else { count(batch * height * width * channels) },
        count(copied * taps),
    ];
    let steps = [calls, four_rows, four_quads, rows, quads, cleared, blanks, pixels, runs, values];
    terms.extend(steps.map(|number| count(gathered * number)));
    terms
}

/// A depthwise convolution sets lines of a channel aside and sums windows over them, in pairs where they have 3 x 3 taps.
fn depthwise(sums: &Sums) -> Vec<f64> {
    let Sums { geometry, plain, halves, .. } = sums;
    let Geometry { kernel, stride, dilation, .. } = *geometry;
    let [batch, height, width, channels] = geometry.output;
    let planes = batch * channels;
    let count = |number: usize| number as f64;
    let [taps, macs] = [kernel[0] * kernel[1], planes * height * width * kernel[0] * kernel[1]];
    let Some(strip) = strip(kernel, stride, dilation, width) else {
        let mut terms = vec![0.0; 11];
        terms.extend([1.0, count(planes * height * width), count(macs)]);
        return terms;
    };
    let strips = width.div_ceil(strip.columns);
    let squares = *plain && kernel == [3; 2] && stride == [1; 2] && dilation == [1; 2];
    let only = |condition: bool, number: usize| if condition { count(number) } else { 0.0 };
    let tiles = strips * strip.columns.min(width).div_ceil(LINE_TILE);
    vec![
        1.0,
        count(planes),
        count(planes * strips * height.div_ceil(strip.rows)),
        count(planes * strips * geometry.input[1]),
        count(planes * geometry.input[1] * geometry.input[2]),
        only(squares, planes * strips * height),
        only(squares, planes * height * width.div_ceil(2)),
        only(!squares, planes * height * tiles * taps),
        only(!squares, macs),
        only(!squares, planes * height * width),
        only(*halves, planes * taps),
        0.0,
        0.0,
        0.0,
    ]
}

/// The window of an operator, with which its attributes begin, and the images it moves over. Pairs are height, then width.
pub(super) struct Geometry {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    pub pad: [usize; 2],
    pub input: [usize; 4],
    pub output: [usize; 4],
}

impl Geometry {
    fn new(op: &Op<'_>) -> Self {
        let numbers = op.attributes().as_chunks::<2>().0;
        let number = |at: usize| numbers.get(at).map_or(1, |bytes| usize::from(u16::from_le_bytes(*bytes)));
        let pair = |at: usize| [number(at), number(at + 1)];
        let image = |shape: bantam_format::Shape| [0, 1, 2, 3].map(|axis| shape.dimension(axis));
        Self {
            kernel: pair(0),
            stride: pair(2),
            dilation: pair(4),
            pad: pair(6),
            input: image(op.input(0).shape),
            output: image(op.output(0).shape),
        }
    }

    /// The first tap that lies inside the input along an axis, and how many do, of the window at `position`.
    pub fn inside(&self, axis: usize, position: usize) -> (usize, usize) {
        let tap = |tap: &usize| {
            let at = position * self.stride[axis] + tap * self.dilation[axis];
            (self.pad[axis]..self.pad[axis] + self.input[axis + 1]).contains(&at)
        };
        let mut taps = (0..self.kernel[axis]).filter(tap);
        let first = taps.next();
        (first.unwrap_or(0), usize::from(first.is_some()) + taps.count())
    }

    /// Of 1 x 1 over a row of pixels.
    fn pointwise(pixels: usize, depth: usize, channels: usize) -> Self {
        let one = [1; 2];
        let (input, output) = ([1, 1, pixels, depth], [1, 1, pixels, channels]);
        Self { kernel: one, stride: one, dilation: one, pad: [0; 2], input, output }
    }

    /// Whether each output pixel sees just the input pixel at its own place.
    pub fn is_pointwise(&self) -> bool {
        self.kernel == [1; 2] && self.stride == [1; 2] && self.input[1..3] == self.output[1..3]
    }

    /// The share of taps that lie inside the input.
    fn inside_share(&self) -> f64 {
        let [rows, columns] = self.taps_inside();
        let all = |axis: usize| (self.kernel[axis] * self.output[axis + 1]).max(1) as f64;
        rows / all(0) * columns / all(1)
    }

    /// Taps inside the input, along each axis, of all windows.
    fn taps_inside(&self) -> [f64; 2] {
        [0, 1]
            .map(|axis| (0..self.output[axis + 1]).map(|position| self.inside(axis, position).1).sum::<usize>() as f64)
    }
}
