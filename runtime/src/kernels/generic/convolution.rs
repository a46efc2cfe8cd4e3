//! Convolutions as products of matrices: the windows of a block of output pixels are gathered into scratch memory, one
//! row each, and multiplied by panels of packed weights. A fully connected layer is a convolution of 1 x 1.
//!
//! A block is gathered whole before its outputs are written, so the output may overlap the input as far as bands may.

use super::pack::{Sizes, part, take, take_mut};
use super::tile::tile;
use super::{Kernel, Place, Products, Simd, Tables, Value, blocks, put};
use crate::kernels::Convolution;
use crate::kernels::weights::Weights;

/// Vectors of channels per panel.
const VECTORS: usize = 2;
/// Scratch memory that a block of gathered windows shall not exceed, if there is a choice: most of it stays in the
/// first-level cache while the panels pass.
const BLOCK_BYTES: usize = 24 << 10;

/// How packed weights are laid out.
#[derive(Clone, Copy)]
struct Layout {
    groups: usize,
    /// Output channels of a group, and the vectors they fill.
    channels: usize,
    vectors: usize,
    /// Groups of products per output.
    depth: usize,
    /// Output pixels gathered at a time.
    rows: usize,
}

impl Layout {
    fn new<T: Value, P: Products<T>>(geometry: &Convolution) -> Self {
        let groups = geometry.groups.max(1);
        let channels = geometry.output[2] / groups;
        let depth = geometry.taps().div_ceil(P::GROUP).max(1);
        let pixels = geometry.output[0].saturating_mul(geometry.output[1]);
        let fitting =
            BLOCK_BYTES / depth.saturating_mul(size_of::<P::Group>()).saturating_mul(groups).max(1) / P::ROWS * P::ROWS;
        Self { groups, channels, vectors: channels.div_ceil(P::LANES), depth, rows: fitting.max(P::ROWS).min(pixels) }
    }

    /// Channels of all groups, filled up to whole vectors.
    fn padded<T: Value, P: Products<T>>(&self) -> usize {
        self.groups.saturating_mul(self.vectors).saturating_mul(P::LANES)
    }

    fn weights(&self) -> usize {
        self.groups.saturating_mul(self.vectors).saturating_mul(self.depth)
    }
}

/// Bytes of the packed form and of scratch memory.
pub fn convolution_sizes<T: Value, P: Products<T>>(geometry: &Convolution, _: P) -> Sizes {
    let layout = Layout::new::<T, P>(geometry);
    let channels = layout.padded::<T, P>();
    Sizes {
        packed: part::<T::Accumulator>(channels)
            .saturating_add(part::<i32>(channels.saturating_mul(T::TABLE)))
            .saturating_add(part::<P::Weights>(layout.weights())),
        scratch: part::<P::Group>(layout.rows.saturating_mul(layout.depth).saturating_mul(layout.groups)),
    }
}

/// Packs the weights, the bias and the tables. The strides tell how far it is from the weight of an output channel to
/// that of the next, and from tap to tap.
pub fn pack_convolution<T: Value, P: Products<T>>(
    geometry: &Convolution,
    zero_point: i32,
    (weights, strides): (T::Weights<'_>, [usize; 2]),
    bias: &[T::Accumulator],
    tables: Tables<'_>,
    _: P,
    mut packed: &mut [u8],
) -> Option<()> {
    let layout = Layout::new::<T, P>(geometry);
    let (channels, taps) = (layout.padded::<T, P>(), geometry.taps());
    let padded_group = layout.vectors.checked_mul(P::LANES)?.max(1);
    let channel = |index: usize| {
        let (group, inside) = (index / padded_group, index % padded_group);
        (inside < layout.channels).then(|| group * layout.channels + inside)
    };
    let weight = |index: usize, tap: usize| {
        let at = channel(index).filter(|_| tap < taps).map(|channel| channel * strides[0] + tap * strides[1]);
        at.and_then(|at| weights.at(at)).unwrap_or(T::NOTHING)
    };
    let start = take_mut::<T::Accumulator>(&mut packed, channels)?;
    for (index, start) in start.iter_mut().enumerate() {
        let bias = channel(index).and_then(|channel| bias.get(channel).copied()).unwrap_or(T::ZERO);
        *start = T::less_excess(bias, P::excess(zero_point), (0..taps).map(|tap| weight(index, tap)));
    }
    tables.pack::<T>(P::LANES, channel, take_mut(&mut packed, channels.checked_mul(T::TABLE)?)?);
    let target = take_mut::<P::Weight>(&mut packed, layout.weights().checked_mul(P::LANES * P::GROUP)?)?;
    // Panels of `VECTORS` vectors, then one of the rest: depth by depth, vector by vector, lane by lane.
    let mut target = target.iter_mut();
    for group in 0..layout.groups {
        for first in (0..layout.vectors).step_by(VECTORS) {
            let lanes = VECTORS.min(layout.vectors - first) * P::LANES;
            for depth in 0..layout.depth {
                for lane in 0..lanes {
                    let channel = group * padded_group + first * P::LANES + lane;
                    for tap in depth * P::GROUP..(depth + 1) * P::GROUP {
                        *target.next()? = P::weight(weight(channel, tap));
                    }
                }
            }
        }
    }
    Some(())
}

/// A packed convolution over all images.
#[derive(Debug)]
pub struct ConvolutionJob<'a, T: Value> {
    /// Geometry of one image.
    pub geometry: &'a Convolution,
    /// Images, one behind the other.
    pub images: usize,
    /// Zero point of the input.
    pub zero_point: i32,
    /// What [`pack_convolution`] wrote.
    pub packed: &'a [u8],
    /// As many bytes as [`convolution_sizes`] asks for.
    pub scratch: &'a mut [u8],
    /// The tensors.
    pub place: Place<'a, T>,
    /// The epilogue.
    pub finish: T::Finish,
}

impl<T: Value> Kernel for ConvolutionJob<'_, T> {
    type Output = Option<()>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Option<()> {
        run(self, T::of(simd))
    }
}

#[inline(always)]
fn run<T: Value, P: Products<T>>(job: ConvolutionJob<'_, T>, products: P) -> Option<()> {
    let ConvolutionJob { geometry, images, zero_point, mut packed, mut scratch, place, finish } = job;
    let layout = Layout::new::<T, P>(geometry);
    let channels = layout.padded::<T, P>();
    let starts = take::<T::Accumulator>(&mut packed, channels)?;
    let tables = take::<i32>(&mut packed, channels.checked_mul(T::TABLE)?)?;
    let weights = take::<P::Weights>(&mut packed, layout.weights())?;
    let block = layout.rows.checked_mul(layout.depth)?.checked_mul(P::GROUP)?.max(1);
    let gathered = take_mut::<P::Element>(&mut scratch, block.checked_mul(layout.groups)?)?;
    let [height, width, input_channels] = geometry.input;
    let [out_height, out_width, out_channels] = geometry.output;
    let group_weights = layout.vectors.checked_mul(layout.depth)?.max(1);
    for image in 0..images {
        let input = place.input.checked_add(image.checked_mul(height * width * input_channels)?)?;
        let output = place.output.checked_add(image.checked_mul(out_height * out_width * out_channels)?)?;
        for pixels in blocks(out_height * out_width, layout.rows, place.down) {
            let target = output..output.checked_add(pixels.end * out_channels)?;
            // All groups before the first output: it may lie over what they read.
            for (group, gathered) in gathered.chunks_exact_mut(block).enumerate() {
                let source = place.memory.get(input..)?;
                gather::<T, P>(geometry, group, zero_point, source, pixels.clone(), layout.depth, gathered);
            }
            let work = weights.chunks_exact(group_weights).zip(gathered.chunks_exact(block));
            for (group, (weights, gathered)) in work.enumerate() {
                let pixels_out = place.memory.get_mut(target.clone())?.get_mut(pixels.start * out_channels..)?;
                let first = group * layout.vectors * P::LANES;
                let work = Block::<T, P> {
                    finish: &finish,
                    tables: tables.get(first * T::TABLE..)?,
                    activations: gathered,
                    depth: layout.depth,
                    rows: pixels.len(),
                    starts: starts.get(first..)?,
                    channels: layout.channels,
                    row_stride: out_channels,
                    column: group * layout.channels,
                };
                work.multiply(products, weights, pixels_out)?;
            }
        }
    }
    Some(())
}

/// Gathers the windows of output pixels, `depth` groups each. What is written ascends in memory, so a run may be
/// rounded up to whole chunks: what it writes too much is written over.
#[inline(always)]
fn gather<T: Value, P: Products<T>>(
    geometry: &Convolution,
    group: usize,
    zero_point: i32,
    input: &[T],
    pixels: core::ops::Range<usize>,
    depth: usize,
    into: &mut [P::Element],
) {
    let [_, width, channels] = geometry.input;
    let out_width = geometry.output[1].max(1);
    let (taps, length) = (geometry.group_channels(), depth * P::GROUP);
    let zero = P::zero(zero_point);
    if geometry.is_pointwise() && geometry.groups == 1 && length == channels {
        // The windows of consecutive pixels are consecutive.
        let from = input.get(pixels.start * channels..).unwrap_or(&[]);
        convert::<T, P>(from, zero_point, into, 0, pixels.len() * channels);
        return;
    }
    // Neighbouring taps of a row are neighbours in memory.
    let runs = geometry.dilation[1] == 1 && geometry.groups == 1;
    let line_taps = geometry.kernel[1] * taps;
    let (mut y, mut x) = (pixels.start / out_width, pixels.start % out_width);
    let mut at = 0;
    for _ in pixels {
        let end = at + length;
        let [before, inside] = geometry.inside(x);
        let first = (x * geometry.stride[1] + before).saturating_sub(geometry.pad[1]);
        for tap_y in 0..geometry.kernel[0] {
            let line = geometry.input_row(y, tap_y).and_then(|input_y| input.get(input_y * width * channels..));
            match line {
                None => fill(into, at, line_taps, zero),
                Some(line) if runs => {
                    fill(into, at, before * taps, zero);
                    let from = line.get(first * channels..).unwrap_or(&[]);
                    convert::<T, P>(from, zero_point, into, at + before * taps, inside * taps);
                    let used = (before + inside) * taps;
                    fill(into, at + used, line_taps - used, zero);
                }
                Some(line) => {
                    for tap_x in 0..geometry.kernel[1] {
                        let at = at + tap_x * taps;
                        match geometry.input_column(x, tap_x) {
                            Some(input_x) => {
                                let from = line.get(input_x * channels + group * taps..).unwrap_or(&[]);
                                convert::<T, P>(from, zero_point, into, at, taps);
                            }
                            None => fill(into, at, taps, zero),
                        }
                    }
                }
            }
            at += line_taps;
        }
        // Products that fill up the last group have the weight nought.
        fill(into, at, end - at, zero);
        at = end;
        x += 1;
        if x == out_width {
            (x, y) = (0, y + 1);
        }
    }
}

#[inline(always)]
fn fill<E: Copy>(into: &mut [E], at: usize, count: usize, value: E) {
    if count > 0 {
        into.get_mut(at..at + count).unwrap_or_default().fill(value);
    }
}

/// Converts `count` values into the elements from `at` on, and perhaps some more.
#[inline(always)]
fn convert<T: Value, P: Products<T>>(from: &[T], zero_point: i32, into: &mut [P::Element], at: usize, count: usize) {
    const CHUNK: usize = 16;
    let into = into.get_mut(at..).unwrap_or_default();
    let mut done = 0;
    while done < count {
        let source = from.get(done..).unwrap_or(&[]);
        let target = into.get_mut(done..).unwrap_or_default();
        match (source.first_chunk::<CHUNK>(), target.first_chunk_mut::<CHUNK>()) {
            (Some(source), Some(target)) => {
                // By way of a local, which nothing else refers to: so this becomes vector code.
                let mut converted = *target;
                for (to, &from) in converted.iter_mut().zip(source) {
                    *to = P::element(from, zero_point);
                }
                *target = converted;
                done += CHUNK;
            }
            _ => {
                let rest = target.iter_mut().zip(source).take(count - done);
                rest.for_each(|(to, &from)| *to = P::element(from, zero_point));
                return;
            }
        }
    }
}

/// A block of gathered rows, to be multiplied by the panels of one group.
struct Block<'a, T: Value, P: Products<T>> {
    activations: &'a [P::Element],
    /// Groups per row.
    depth: usize,
    rows: usize,
    /// Initial sums of the group's channels.
    starts: &'a [T::Accumulator],
    /// Its packed tables.
    tables: &'a [i32],
    finish: &'a T::Finish,
    channels: usize,
    /// Output elements from one row to the next, and before the group's first channel.
    row_stride: usize,
    column: usize,
}

impl<T: Value, P: Products<T>> Block<'_, T, P> {
    #[inline(always)]
    fn multiply(&self, products: P, weights: &[P::Weights], output: &mut [T]) -> Option<()> {
        let panels = self.channels.div_ceil(P::LANES).div_ceil(VECTORS);
        for panel in 0..panels {
            let vector = panel * VECTORS;
            let weights = weights.get(vector * self.depth..)?;
            if self.channels > (vector + 1) * P::LANES {
                self.panel::<VECTORS>(products, vector, weights, output)?;
            } else {
                self.panel::<1>(products, vector, weights, output)?;
            }
        }
        Some(())
    }

    #[inline(always)]
    fn panel<const WIDTH: usize>(
        &self,
        products: P,
        vector: usize,
        weights: &[P::Weights],
        output: &mut [T],
    ) -> Option<()> {
        let weights = weights.as_chunks::<WIDTH>().0.get(..self.depth)?;
        let activations = P::groups(self.activations);
        let channel = vector * P::LANES;
        let mut start = [products.load(P::sums(self.starts.get(channel..)?)?); WIDTH];
        for (index, start) in start.iter_mut().enumerate() {
            *start = products.load(P::sums(self.starts.get(channel + index * P::LANES..)?)?);
        }
        let mut row = 0;
        macro_rules! rows {
            ($($rows:literal)*) => {$(
                while P::ROWS >= $rows && self.rows - row >= $rows {
                    let activations = activations.get(row * self.depth..)?;
                    let sums = tile::<T, P, $rows, WIDTH>(products, activations, self.depth, weights, start);
                    for (offset, sums) in sums.into_iter().enumerate() {
                        let at = (row + offset) * self.row_stride + self.column + channel;
                        let mut output = output.get_mut(at..)?.get_mut(..self.channels - channel)?;
                        for (index, sums) in sums.into_iter().enumerate() {
                            let table = self.tables.get((vector + index) * P::LANES * T::TABLE..)?;
                            put::<T, P>(&products.finish(sums, self.finish, table), output);
                            output = output.get_mut(P::LANES..).unwrap_or_default();
                        }
                    }
                    row += $rows;
                }
            )*};
        }
        rows!(6 4 2 1);
        Some(())
    }
}
