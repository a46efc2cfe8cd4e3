//! Depthwise convolutions. A strip of input rows is widened to floats and padded in scratch memory, then every window
//! is summed in vectors of channels. Sums of 8-bit products are whole numbers that floats hold exactly.
//!
//! A strip is widened whole before its outputs are written, so the output may overlap the input as far as bands may, and
//! lie exactly over it.

use super::pack::{Sizes, part, take, take_mut};
use super::{Kernel, Place, Products, Simd, Tables, Value, blocks, put};
use crate::kernels::Convolution;
use crate::kernels::weights::Weights;
use zerocopy::FromZeros;

/// Outputs computed side by side, so that a weight is loaded once for all of them.
const PIXELS: usize = 4;

/// Products of 8-bit numbers that can be summed exactly: 255 * 128 times as many is at most 2^22.
const EXACT_TAPS: usize = 128;

/// Scratch memory that a strip shall not exceed, if there is a choice.
const STRIP_BYTES: usize = 32 << 10;

#[derive(Clone, Copy)]
struct Layout {
    /// Vectors of channels.
    vectors: usize,
    taps: usize,
    /// Columns of a widened row whose distance is a multiple of the stride, so that the columns under one tap of
    /// neighbouring outputs are neighbours; padding included, and what the last outputs side by side read too much.
    columns: usize,
    /// Columns of all remainders, of which there are as many as the stride is long.
    line: usize,
    /// Input rows that one output row spans.
    extent: usize,
    /// Output rows of a strip, and the widened rows they read.
    strip: usize,
    rows: usize,
}

impl Layout {
    /// `None` where the kernel does not serve.
    fn new<P: Products<f32>>(geometry: &Convolution) -> Option<Self> {
        let taps = geometry.kernel[0].checked_mul(geometry.kernel[1])?;
        let span = |axis: usize| {
            let (kernel, dilation) = (geometry.kernel.get(axis)?, geometry.dilation.get(axis)?);
            kernel.checked_sub(1)?.checked_mul(*dilation)?.checked_add(1)
        };
        let (outputs, stride) = (geometry.output[1].next_multiple_of(PIXELS), geometry.stride[1].max(1));
        let columns = outputs.checked_add(span(1)?.checked_sub(1)?.checked_div(stride)?)?;
        let line = columns.checked_mul(stride)?;
        let vectors = geometry.output[2].div_ceil(P::LANES);
        let extent = span(0)?;
        let row_bytes = line.checked_mul(vectors)?.checked_mul(P::LANES * size_of::<f32>())?;
        let fitting = (STRIP_BYTES / row_bytes.max(1)).saturating_sub(extent) / geometry.stride[0].max(1);
        let strip = fitting.saturating_add(1).min(geometry.output[0]);
        let rows = strip.checked_sub(1)?.checked_mul(geometry.stride[0])?.checked_add(extent)?;
        (taps <= EXACT_TAPS).then_some(Self { vectors, taps, columns, line, extent, strip, rows })
    }

    /// Where a column stands in a widened row, in vectors.
    fn column(&self, geometry: &Convolution, column: usize) -> usize {
        let stride = geometry.stride[1].max(1);
        column % stride * self.columns + column / stride
    }

    fn scratch<P: Products<f32>>(&self) -> Option<usize> {
        self.rows.checked_mul(self.line)?.checked_mul(self.vectors)?.checked_mul(P::LANES)
    }
}

/// Bytes of the packed form and of scratch memory; `None` where this kernel does not serve.
pub fn depthwise_sizes<T: Value, P: Products<f32>>(geometry: &Convolution, _: P) -> Option<Sizes> {
    let layout = Layout::new::<P>(geometry)?;
    let channels = layout.vectors.checked_mul(P::LANES)?;
    let packed = part::<T::Accumulator>(channels)
        .checked_add(part::<i32>(channels.checked_mul(T::TABLE)?))?
        .checked_add(part::<u32>(layout.taps))?
        .checked_add(part::<f32>(layout.taps.checked_mul(channels)?))?;
    Some(Sizes { packed, scratch: part::<f32>(layout.scratch::<P>()?) })
}

/// Packs the weights `[taps, channels]`, the bias and the tables.
pub fn pack_depthwise<T: Value, P: Products<f32>>(
    geometry: &Convolution,
    weights: T::Weights<'_>,
    bias: &[T::Accumulator],
    tables: Tables<'_>,
    _: P,
    mut packed: &mut [u8],
) -> Option<()> {
    let layout = Layout::new::<P>(geometry)?;
    let channels = geometry.output[2];
    let padded = layout.vectors.checked_mul(P::LANES)?;
    let start = take_mut::<T::Accumulator>(&mut packed, padded)?;
    for (index, start) in start.iter_mut().enumerate() {
        *start = bias.get(index).copied().unwrap_or(T::ZERO);
    }
    let channel = |index| (index < channels).then_some(index);
    tables.pack::<T>(P::LANES, channel, take_mut(&mut packed, padded.checked_mul(T::TABLE)?)?);
    let mut offsets = take_mut::<u32>(&mut packed, layout.taps)?.iter_mut();
    for tap_y in 0..geometry.kernel[0] {
        let row = tap_y.checked_mul(geometry.dilation[0])?.checked_mul(layout.vectors)?.checked_mul(layout.line)?;
        for tap_x in 0..geometry.kernel[1] {
            let column = layout.column(geometry, tap_x * geometry.dilation[1]);
            *offsets.next()? = u32::try_from(row.checked_add(column)?).ok()?;
        }
    }
    let mut target = take_mut::<f32>(&mut packed, layout.taps.checked_mul(padded)?)?.iter_mut();
    for vector in 0..layout.vectors {
        for tap in 0..layout.taps {
            for channel in vector * P::LANES..(vector + 1) * P::LANES {
                let weight = if channel < channels { weights.at(tap * channels + channel) } else { None };
                *target.next()? = weight.map_or(0.0, |weight| weight.real(0));
            }
        }
    }
    Some(())
}

/// A packed depthwise convolution over all images.
#[derive(Debug)]
pub struct DepthwiseJob<'a, T: Value> {
    /// Geometry of one image.
    pub geometry: &'a Convolution,
    /// Images, one behind the other.
    pub images: usize,
    /// Zero point of the input.
    pub zero_point: i32,
    /// What [`pack_depthwise`] wrote.
    pub packed: &'a [u8],
    /// As many bytes as [`depthwise_sizes`] asks for.
    pub scratch: &'a mut [u8],
    /// The tensors.
    pub place: Place<'a, T>,
    /// The epilogue.
    pub finish: T::Finish,
}

impl<T: Value> Kernel for DepthwiseJob<'_, T> {
    type Output = Option<()>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Option<()> {
        let Self { geometry, images, zero_point, mut packed, mut scratch, place, finish } = self;
        let layout = Layout::new::<S>(geometry)?;
        let padded = layout.vectors.checked_mul(lanes::<S>())?;
        let starts = take::<T::Accumulator>(&mut packed, padded)?;
        let tables = take::<i32>(&mut packed, padded.checked_mul(T::TABLE)?)?;
        let offsets = take::<u32>(&mut packed, layout.taps)?;
        let weights = take::<Channels<S>>(&mut packed, layout.taps.checked_mul(layout.vectors)?)?;
        let widened = take_mut::<f32>(&mut scratch, layout.scratch::<S>()?)?;
        let [height, width, channels] = geometry.input;
        let [out_height, out_width, out_channels] = geometry.output;
        let down = place.down && place.input != place.output;
        for image in 0..images {
            let input = place.input.checked_add(image.checked_mul(height * width * channels)?)?;
            let output = place.output.checked_add(image.checked_mul(out_height * out_width * out_channels)?)?;
            for strip in blocks(out_height, layout.strip, down) {
                let rows = (strip.len().saturating_sub(1) * geometry.stride[0]).saturating_add(layout.extent);
                let source = place.memory.get(input..)?;
                let row_vectors = layout.line * layout.vectors;
                let row_values = row_vectors * lanes::<S>();
                // Going up, the strip before has widened the first rows, and may have written over them.
                let kept = if down || strip.start == 0 { 0 } else { layout.extent.saturating_sub(geometry.stride[0]) };
                let from = layout.strip * geometry.stride[0] * row_values;
                if widened.len() >= from + kept * row_values {
                    widened.copy_within(from..from + kept * row_values, 0);
                }
                let lines = widened.chunks_exact_mut(row_values.max(1)).take(rows);
                for (row, line) in lines.enumerate().skip(kept) {
                    let y = (strip.start * geometry.stride[0] + row).checked_sub(geometry.pad[0]);
                    let values = y.filter(|&y| y < height).and_then(|y| source.get(y * width * channels..));
                    widen::<T, S>(geometry, &layout, zero_point, values, line);
                }
                for (index, y) in strip.enumerate() {
                    let at = output + y * out_width * out_channels;
                    let from = index * geometry.stride[0] * row_vectors * lanes::<S>();
                    let row = Row::<T, S> {
                        widened: as_vectors::<S>(widened.get(from..)?)?,
                        outputs: [out_width, out_channels],
                        line: layout.line,
                        offsets,
                        starts,
                        tables,
                        finish: &finish,
                    };
                    let target = place.memory.get_mut(at..)?.get_mut(..out_width * out_channels)?;
                    row.compute(simd, weights, target)?;
                }
            }
        }
        Some(())
    }
}

/// Widens an input row: for each vector of channels, all columns. `None` is a row of padding.
#[inline(always)]
fn widen<T: Value, S: Simd>(
    geometry: &Convolution,
    layout: &Layout,
    zero_point: i32,
    values: Option<&[T]>,
    line: &mut [f32],
) {
    let [_, width, channels] = geometry.input;
    let out_channels = geometry.output[2];
    let multiplier = (out_channels / channels.max(1)).max(1);
    let padded = width.saturating_add(geometry.pad[1]);
    for column in 0..layout.line {
        let at = layout.column(geometry, column);
        let inside = values.filter(|_| column >= geometry.pad[1] && column < padded);
        let pixel = inside.and_then(|values| values.get((column - geometry.pad[1]) * channels..));
        for vector in 0..layout.vectors {
            let target = line.get_mut((vector * layout.line + at) * lanes::<S>()..).unwrap_or_default();
            let Some(target) = target.get_mut(..lanes::<S>()) else { return };
            let channel = vector * lanes::<S>();
            let Some(pixel) = pixel else {
                target.fill(0.0);
                continue;
            };
            // What is read beyond the last channel meets weights of nought.
            if let Some(values) = pixel.get(channel..channel + lanes::<S>()).filter(|_| multiplier == 1) {
                // By way of a local, which nothing else refers to: so this becomes vector code.
                let mut widened = <S as Products<f32>>::Sums::new_zeroed();
                for (to, &from) in widened.as_mut().iter_mut().zip(values) {
                    *to = from.real(zero_point);
                }
                target.copy_from_slice(widened.as_ref());
            } else {
                for (to, channel) in target.iter_mut().zip(channel..) {
                    let value = if channel < out_channels { pixel.get(channel / multiplier) } else { None };
                    *to = value.map_or(0.0, |value| value.real(zero_point));
                }
            }
        }
    }
}

/// The widened values, or weights, of a vector of channels.
type Channels<S> = <S as Products<f32>>::Weights;

const fn lanes<S: Simd>() -> usize {
    <S as Products<f32>>::LANES
}

fn as_vectors<S: Simd>(values: &[f32]) -> Option<&[Channels<S>]> {
    use zerocopy::{FromBytes, IntoBytes};
    let whole = values.len() / lanes::<S>().max(1) * lanes::<S>();
    <[Channels<S>]>::ref_from_bytes(values.get(..whole)?.as_bytes()).ok()
}

/// One output row.
struct Row<'a, T: Value, S: Simd> {
    /// Widened input, from the row's first tap on.
    widened: &'a [Channels<S>],
    /// Output columns and channels.
    outputs: [usize; 2],
    /// From one vector of channels to the next.
    line: usize,
    /// Where the taps stand.
    offsets: &'a [u32],
    starts: &'a [T::Accumulator],
    tables: &'a [i32],
    finish: &'a T::Finish,
}

impl<T: Value, S: Simd> Row<'_, T, S> {
    #[inline(always)]
    fn compute(&self, simd: S, weights: &[Channels<S>], output: &mut [T]) -> Option<()> {
        let [out_width, out_channels] = self.outputs;
        let products = T::of(simd);
        for (vector, filter) in weights.chunks_exact(self.offsets.len().max(1)).enumerate() {
            let channel = vector * lanes::<S>();
            let starts = self.starts.get(channel..)?.get(..lanes::<S>())?;
            let table = self.tables.get(channel * T::TABLE..)?;
            let widened = self.widened.get(vector * self.line..)?;
            let mut begin = [0.0; 16];
            for (begin, &start) in begin.iter_mut().zip(starts) {
                *begin = T::begin(start);
            }
            let begin = Products::<f32>::load(simd, <S as Products<f32>>::sums(&begin)?);
            let starts = products.load(<T::Of<S> as Products<T>>::sums(starts)?);
            let channels = lanes::<S>().min(out_channels - channel);
            for first in (0..out_width).step_by(PIXELS) {
                let mut sums = [begin; PIXELS];
                let pixels = widened.get(first..)?;
                for (weight, &offset) in filter.iter().zip(self.offsets) {
                    let weight = Products::<f32>::weights(simd, weight);
                    let values = pixels.get(offset as usize..)?.first_chunk::<PIXELS>()?;
                    for (sum, value) in sums.iter_mut().zip(values) {
                        let value = Products::<f32>::weights(simd, value);
                        *sum = Products::<f32>::multiply_add(simd, *sum, value, weight);
                    }
                }
                let pixels = output.get_mut(first * out_channels..)?.chunks_exact_mut(out_channels.max(1));
                for (sum, pixel) in sums.into_iter().zip(pixels) {
                    let sums = T::whole(simd, sum, starts);
                    let target = pixel.get_mut(channel..)?.get_mut(..channels)?;
                    put::<T, T::Of<S>>(&products.finish(sums, self.finish, table), target);
                }
            }
        }
        Some(())
    }
}
