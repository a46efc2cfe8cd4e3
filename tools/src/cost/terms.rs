//! What an op's instructions may depend on.

use bantam_format::{Op, Opcode};

/// Output channels whose sums a convolution holds at once.
const TILE: usize = 16;
/// Bytes that an instruction for pairs of products takes in.
const WORD: usize = 4;

/// The terms of an op, the constant one first. Those of one operator always mean the same.
#[must_use]
pub fn terms(op: &Op<'_>) -> Vec<f64> {
    let shape = op.output(0).shape;
    let outputs = shape.elements() as f64;
    let inputs: f64 = (0..op.input_count).map(|index| op.input(index).shape.elements() as f64).sum();
    let places = outputs / (shape.innermost().max(1) as f64);
    match op.opcode {
        Opcode::Conv2d | Opcode::TransposeConv2d => convolution(op, &Geometry::new(op)),
        Opcode::DepthwiseConv2d => {
            let geometry = Geometry::new(op);
            let [rows, columns] = geometry.taps_inside();
            let [batch, _, width, channels] = geometry.output.map(|side| side as f64);
            let lines = batch * rows * channels;
            vec![1.0, places, outputs, lines * width, lines * columns]
        }
        Opcode::FullyConnected | Opcode::MatMul => vec![1.0, places, outputs, op.macs() as f64],
        Opcode::AveragePool2d | Opcode::MaxPool2d => {
            let [rows, columns] = Geometry::new(op).kernel.map(|side| side as f64);
            vec![1.0, places, outputs, outputs * rows, outputs * rows * columns]
        }
        Opcode::Softmax => vec![1.0, places, outputs],
        _ => vec![1.0, outputs, inputs],
    }
}

/// A convolution sums neighbouring pixels in pairs where their windows are cut alike, channels in pairs and tiles, and each
/// row of a window in words and what is left of them.
fn convolution(op: &Op<'_>, geometry: &Geometry) -> Vec<f64> {
    let [batch, height, width, channels] = geometry.output;
    let [taps_down, taps_across] = geometry.kernel;
    let outputs: usize = geometry.output.iter().product();
    let depth = op.macs() as usize / (outputs * taps_down * taps_across).max(1);
    let groups = (geometry.input[3] / depth.max(1)).max(1);
    let pointwise = geometry.kernel == [1; 2] && geometry.stride == [1; 2];
    // Taps across of each pixel or pair of pixels in a row of outputs; 1 x 1 convolutions take an image for one row.
    let (lines, rows, across) = if pointwise {
        (batch, 1.0, vec![1; (height * width).div_ceil(2)])
    } else {
        (batch * height, geometry.taps_inside()[0] / height.max(1) as f64, geometry.pairs())
    };
    let together = groups == 1 && geometry.dilation[1] == 1;
    let runs = |taps: usize| if together { (1, taps * depth) } else { (taps, depth) };
    let count = |of: fn(usize) -> usize| {
        across.iter().map(|&taps| runs(taps)).map(|(runs, length)| runs * of(length)).sum::<usize>()
    };
    let group_channels = channels / groups;
    let pairs = (lines * groups * group_channels.div_ceil(2)) as f64 * rows;
    let windows = lines * across.len();
    vec![
        1.0,
        windows as f64,
        (windows * groups * group_channels.div_ceil(TILE)) as f64,
        outputs as f64,
        pairs * count(|_| 1) as f64,
        pairs * count(|length| length / WORD) as f64,
        pairs * count(|length| length % WORD) as f64,
    ]
}

/// The window of an operator, with which its attributes begin, and the images it moves over. Pairs are height, then width.
struct Geometry {
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    pad: [usize; 2],
    input: [usize; 4],
    output: [usize; 4],
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
    fn inside(&self, axis: usize, position: usize) -> (usize, usize) {
        let tap = |tap: &usize| {
            let at = position * self.stride[axis] + tap * self.dilation[axis];
            (self.pad[axis]..self.pad[axis] + self.input[axis + 1]).contains(&at)
        };
        let mut taps = (0..self.kernel[axis]).filter(tap);
        let first = taps.next();
        (first.unwrap_or(0), usize::from(first.is_some()) + taps.count())
    }

    /// Taps inside the input, along each axis, of all windows.
    fn taps_inside(&self) -> [f64; 2] {
        [0, 1]
            .map(|axis| (0..self.output[axis + 1]).map(|position| self.inside(axis, position).1).sum::<usize>() as f64)
    }

    /// Taps across of each pixel of a row, or of two neighbours whose windows are cut alike.
    fn pairs(&self) -> Vec<usize> {
        let mut pairs = Vec::new();
        let mut x = 0;
        while x < self.output[2] {
            let own = self.inside(1, x);
            let paired = x + 1 < self.output[2] && self.inside(1, x + 1) == own;
            x += if paired { 2 } else { 1 };
            pairs.push(own.1);
        }
        pairs
    }
}
