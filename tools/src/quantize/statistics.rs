//! What a layer with weights reads and gives, over rows of data: all that rounding its weights and correcting its bias need.

use crate::execute::ExecuteError;
use crate::graph::ops::{Conv2d, ConvTranspose2d};
use crate::graph::{Graph, Node, Op};
use crate::tensor::Tensor;

/// Layers with more weights per output channel are rounded to the nearest integers: the moments would not fit.
const MOST_TAPS: usize = 2304;
/// Window positions that moments are taken from, per weight of a channel, and at least.
const POSITIONS_PER_TAP: usize = 16;
const LEAST_POSITIONS: usize = 4096;

/// What makes windows of an input.
#[derive(Clone, Debug)]
enum Reader {
    /// Each row is one.
    Dense,
    Convolution(Conv2d),
    /// What reaches an output: inputs whose own windows lie over it.
    Transposed(ConvTranspose2d),
}

impl Reader {
    /// The row (axis 0) or column of the input that a tap sees where the output's is `position`; none between inputs and before the first.
    fn source(&self, axis: usize, position: usize, tap: usize) -> Option<usize> {
        match self {
            Self::Dense => Some(position),
            Self::Convolution(conv) => {
                let before = [conv.padding.top, conv.padding.left][axis];
                (position * conv.stride[axis] + tap * conv.dilation[axis]).checked_sub(before)
            }
            Self::Transposed(conv) => {
                let before = [conv.padding.top, conv.padding.left][axis];
                let place = (position + before).checked_sub(tap * conv.dilation[axis])?;
                place.is_multiple_of(conv.stride[axis]).then(|| place / conv.stride[axis])
            }
        }
    }
}

/// Where the windows of a layer lie.
#[derive(Clone, Debug)]
pub struct Windows {
    reader: Reader,
    kernel: [usize; 2],
    /// Input channels of one group.
    depth: usize,
    /// Groups of channels.
    pub groups: usize,
    /// Weights per output channel.
    pub taps: usize,
    /// Output channels.
    pub channels: usize,
}

impl Windows {
    /// Those of a convolution, a transposed one or a fully connected layer.
    #[must_use]
    pub fn of(graph: &Graph, node: &Node) -> Option<Self> {
        let shape = &graph.value(*node.inputs.get(1)?).shape;
        let channels = *shape.first()?;
        let (reader, groups) = match &node.op {
            Op::Conv2d(conv) => (Reader::Convolution(conv.clone()), conv.groups),
            Op::ConvTranspose2d(conv) => (Reader::Transposed(conv.clone()), conv.groups),
            Op::FullyConnected(_) => (Reader::Dense, 1),
            _ => return None,
        };
        let (kernel, depth) = match (&reader, shape.as_slice()) {
            (Reader::Dense, &[_, depth]) => ([1, 1], depth),
            (Reader::Convolution(_) | Reader::Transposed(_), &[_, height, width, depth]) => ([height, width], depth),
            _ => return None,
        };
        Some(Self { reader, kernel, depth, groups, taps: kernel[0] * kernel[1] * depth, channels })
    }

    /// The group whose inputs an output channel reads.
    #[must_use]
    pub fn group_of(&self, channel: usize) -> usize {
        channel / (self.channels / self.groups.max(1)).max(1)
    }

    /// Positions of windows over one input.
    pub(super) fn positions(&self, outputs: usize) -> usize {
        outputs / self.channels.max(1)
    }

    /// Fills `window` with what the taps of one group see at a position, in the order of the weights; zeros in the padding.
    pub(super) fn gather(
        &self,
        input: &Tensor,
        output_shape: &[usize],
        position: usize,
        group: usize,
        window: &mut [f32],
    ) {
        let items = input.as_f32().unwrap_or(&[]);
        if let Reader::Dense = self.reader {
            let start = position * self.depth;
            if let Some(row) = items.get(start..start + self.depth) {
                window.copy_from_slice(row);
            }
            return;
        }
        let &[_, height, width, channels] = input.shape() else { return };
        let (out_height, out_width) = (output_shape[1], output_shape[2]);
        let (column, row, sample) =
            (position % out_width, position / out_width % out_height, position / out_width / out_height);
        for (tap, target) in window.chunks_mut(self.depth.max(1)).enumerate() {
            let y = self.reader.source(0, row, tap / self.kernel[1]);
            let x = self.reader.source(1, column, tap % self.kernel[1]);
            match (y.filter(|&y| y < height), x.filter(|&x| x < width)) {
                (Some(y), Some(x)) => {
                    let start = ((sample * height + y) * width + x) * channels + group * self.depth;
                    target.copy_from_slice(&items[start..start + target.len()]);
                }
                _ => target.fill(0.0),
            }
        }
    }
}

/// Sums over windows.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    /// Sums of products of what two taps see, per group, `[taps, taps]`; empty for layers that are too large.
    products: Vec<Vec<f64>>,
    /// Sums of what each tap sees where products were taken, per group.
    sampled: Vec<Vec<f64>>,
    /// Windows of which products were taken.
    samples: usize,
    /// Sums of what each tap sees, per group, over all windows.
    sums: Vec<Vec<f64>>,
    /// Sums of the float model's results before the clamp, per output channel.
    results: Vec<f64>,
    /// All windows.
    count: usize,
}

/// A number that looks random, for each pair of numbers.
pub(super) fn scrambled(seed: u64, number: u64) -> u64 {
    // SplitMix64.
    let mut mixed = seed.wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

impl Statistics {
    /// Adds one row: what the quantised layer reads, and what the float one gives before its clamp. `rows` is how many will be added.
    ///
    /// # Errors
    /// [`ExecuteError`] where the result holds no floats.
    pub fn add(
        &mut self,
        windows: &Windows,
        input: &Tensor,
        result: &Tensor,
        [row, rows]: [usize; 2],
        seed: u64,
    ) -> Result<(), ExecuteError> {
        let (taps, groups) = (windows.taps, windows.groups);
        let with_products = taps <= MOST_TAPS;
        if self.sums.is_empty() {
            self.sums = vec![vec![0.0; taps]; groups];
            self.sampled = vec![vec![0.0; taps]; groups];
            self.results = vec![0.0; windows.channels];
            self.products = if with_products { vec![vec![0.0; taps * taps]; groups] } else { vec![] };
        }
        let items = result.as_f32()?;
        for pixel in items.chunks_exact(windows.channels.max(1)) {
            self.results.iter_mut().zip(pixel).for_each(|(sum, &item)| *sum += f64::from(item));
        }
        let positions = windows.positions(items.len());
        let asked = (POSITIONS_PER_TAP * taps).max(LEAST_POSITIONS).div_ceil(rows.max(1));
        let mut window = vec![0f32; taps];
        for position in 0..positions {
            // Each position with the same probability, whatever the row.
            let chosen = with_products
                && (asked >= positions
                    || scrambled(seed, (row * positions + position) as u64) % (positions as u64) < asked as u64);
            for group in 0..groups {
                windows.gather(input, result.shape(), position, group, &mut window);
                self.sums[group].iter_mut().zip(&window).for_each(|(sum, &x)| *sum += f64::from(x));
                if chosen {
                    self.sampled[group].iter_mut().zip(&window).for_each(|(sum, &x)| *sum += f64::from(x));
                    for (tap, &x) in window.iter().enumerate().filter(|&(_, &x)| x != 0.0) {
                        let sums = &mut self.products[group][tap * taps..=tap * taps + tap];
                        sums.iter_mut().zip(&window).for_each(|(sum, &other)| *sum += f64::from(x) * f64::from(other));
                    }
                }
            }
            self.samples += usize::from(chosen);
        }
        self.count += positions;
        Ok(())
    }

    /// Adds what was seen on other rows.
    pub fn merge(&mut self, other: Self) {
        if self.sums.is_empty() {
            *self = other;
            return;
        }
        let pairs =
            [(&mut self.products, &other.products), (&mut self.sampled, &other.sampled), (&mut self.sums, &other.sums)];
        for (own, others) in pairs {
            for (own, other) in own.iter_mut().zip(others) {
                own.iter_mut().zip(other).for_each(|(sum, more)| *sum += more);
            }
        }
        self.results.iter_mut().zip(&other.results).for_each(|(sum, more)| *sum += more);
        self.samples += other.samples;
        self.count += other.count;
    }

    /// The covariance of what the taps of a group see: a constant error of results is the bias's to correct. None for layers that
    /// are too large.
    #[must_use]
    pub fn covariance(&self, group: usize) -> Option<Vec<f64>> {
        let (products, sums) = (self.products.get(group)?, self.sampled.get(group)?);
        let (taps, count) = (sums.len(), self.samples.max(1) as f64);
        let mut covariance = vec![0.0; taps * taps];
        for row in 0..taps {
            for column in 0..=row {
                let value = products[row * taps + column] / count - sums[row] / count * (sums[column] / count);
                covariance[row * taps + column] = value;
                covariance[column * taps + row] = value;
            }
        }
        Some(covariance)
    }

    /// How much of the mean variance to add to each: little where there are many more windows than taps.
    #[must_use]
    pub fn damping(&self) -> f64 {
        let taps = self.sampled.first().map_or(1, Vec::len) as f64;
        0.01 + 0.1 * taps / self.samples.max(1) as f64
    }

    /// What each tap of a group sees on average.
    #[must_use]
    pub fn mean_input(&self, group: usize) -> Vec<f64> {
        self.sums
            .get(group)
            .map(|sums| sums.iter().map(|sum| sum / self.count.max(1) as f64).collect())
            .unwrap_or_default()
    }

    /// The float model's average result of a channel before its clamp.
    #[must_use]
    pub fn mean_result(&self, channel: usize) -> Option<f64> {
        self.results.get(channel).map(|sum| sum / self.count.max(1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execute::evaluate;
    use crate::graph::ops::Padding;
    use crate::graph::{Activation, ValueId};
    use crate::tensor::DataType;

    fn numbers(shape: &[usize], seed: usize) -> Tensor {
        let items = (0..shape.iter().product()).map(|index: usize| ((index * 37 + seed * 11) % 23) as f32 - 11.0);
        Tensor::from_vec(shape.to_vec(), items.collect()).unwrap()
    }

    /// Every result is the sum of what its window sees, times the channel's weights.
    fn windows_explain_results(op: Op, input: &[usize], weights: &[usize]) {
        let mut graph = Graph::new("one layer");
        let x: ValueId = graph.add_input("x", input.to_vec(), DataType::F32);
        let (input, weights) = (numbers(input, 1), numbers(weights, 2));
        let constant = graph.add_constant("w", weights.clone());
        graph.add_node("layer", op.clone(), &[x, constant]).unwrap();
        let windows = Windows::of(&graph, graph.nodes().next().unwrap().1).unwrap();
        let result = evaluate(&op, &[&input, &weights]).unwrap().remove(0);
        let (results, weights) = (result.as_f32().unwrap(), weights.as_f32().unwrap());
        let mut window = vec![0.0; windows.taps];
        for (index, &found) in results.iter().enumerate() {
            let (position, channel) = (index / windows.channels, index % windows.channels);
            windows.gather(&input, result.shape(), position, windows.group_of(channel), &mut window);
            let own = &weights[channel * windows.taps..(channel + 1) * windows.taps];
            let sum: f32 = window.iter().zip(own).map(|(x, weight)| x * weight).sum();
            assert_eq!(sum, found, "{op:?}, position {position}, channel {channel}");
        }
    }

    #[test]
    fn windows_of_convolutions_and_transposed_ones() {
        let activation = Activation::NONE;
        for (stride, dilation, groups) in [([1, 1], [1, 1], 1), ([2, 3], [1, 1], 2), ([2, 1], [2, 1], 1)] {
            let padding = Padding { top: 1, left: 0, bottom: 0, right: 1 };
            let (input, weights) = ([1, 6, 7, 4], [6, 3, 2, 4 / groups]);
            let op = Op::Conv2d(Conv2d { stride, dilation, padding, groups, activation });
            windows_explain_results(op, &input, &weights);
            let output_padding = [stride[0] - 1, 0];
            let op = ConvTranspose2d { stride, dilation, padding, output_padding, groups, activation };
            windows_explain_results(Op::ConvTranspose2d(op), &input, &weights);
        }
    }
}
