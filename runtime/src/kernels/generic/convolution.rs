//! Convolutions as products of matrices: what the windows of a block of output pixels see is gathered into scratch memory and
//! multiplied by panels of packed weights. A fully connected layer is a convolution of 1 x 1.
//!
//! Where windows overlap, whole rows of the input are gathered, in which the windows lie; else one window after the other. A block
//! is gathered whole before its outputs are written, so the output may overlap the input as far as bands may. That of a depthwise
//! convolution may lie exactly over it: then there is one block.

use super::Channels;
#[cfg(not(target_arch = "wasm32"))]
use super::line::{LINE, is_line};
use super::loops::{Layout, Matrix, Panel, VECTORS, Windows};
use super::pack::{Sizes, part, take, take_mut};
use super::panels::{Rows, Target};
use super::{Ask, Kernel, block};
use crate::kernels::Convolution;
use core::ops::Range;
use zerocopy::IntoBytes;

/// Scratch memory that a block shall not exceed, if there is a choice: most of it stays in the first-level cache while the
/// panels pass.
const BLOCK_BYTES: usize = 24 << 10;

/// Words of a block of whole rows that are too many: then windows are gathered.
const LIMIT: usize = 16 << 20;

/// A convolution.
#[derive(Debug)]
pub struct Convolve<'a> {
    /// Geometry of one image.
    pub geometry: &'a Convolution,
    /// Zero point of the input.
    pub zero_point: i32,
    /// How far it is from the weight of an output channel to that of the next, and from tap to tap.
    pub strides: [usize; 2],
    /// Whether windows lie on the output, as in transposed convolutions.
    pub spreads: bool,
    /// Whether the output lies exactly over the input: then all of it is gathered before the first output.
    pub overwrites: bool,
    /// What to do.
    pub ask: Ask<'a>,
}

impl Kernel for Convolve<'_> {
    fn channels(&self) -> usize {
        self.geometry.output[2] / self.geometry.groups.max(1)
    }

    #[inline(always)]
    fn run<L: Matrix + Channels>(self, loops: &L) -> Option<()> {
        #[cfg(target_arch = "wasm32")]
        let loops: &dyn Matrix = loops;
        self.run_on(loops)
    }
}

impl Convolve<'_> {
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    fn run_on<L: Matrix + ?Sized>(self, loops: &L) -> Option<()> {
        let Self { geometry, zero_point, spreads, .. } = self;
        let shape = Shape::new(geometry, [self.overwrites, spreads], loops.layout());
        let (layout, channels) = (shape.layout, shape.padded());
        let tables_of = channels.checked_mul(layout.table)?;
        match self.ask {
            Ask::Measure(sizes) => {
                *sizes = Sizes {
                    packed: part(channels).saturating_add(part(tables_of)).saturating_add(part(shape.weights())),
                    scratch: part(shape.words.saturating_mul(shape.groups)),
                };
            }
            Ask::Pack { mut packed, constants } => {
                let excess = loops.excess(zero_point);
                let mut starts = take_mut(&mut packed, channels)?;
                let mut tables = take_mut(&mut packed, tables_of)?;
                let mut weights = take_mut(&mut packed, shape.weights())?;
                // Panels of `VECTORS` vectors, then one of the rest.
                let mut channel = 0;
                while channel < channels {
                    let (inside, lanes) = shape.panel(channel);
                    let first = channel / shape.group_lanes() * shape.channels + inside;
                    let rows = Rows {
                        channels: [first, (shape.channels - inside).min(lanes)],
                        strides: self.strides,
                        runs: [shape.runs, geometry.taps() / shape.runs],
                    };
                    let target = Target {
                        panel: weights.split_off_mut(..lanes * shape.depth)?,
                        starts: starts.split_off_mut(..lanes)?,
                        tables: tables.split_off_mut(..lanes * layout.table)?,
                    };
                    constants.pack(&layout, excess, &rows, target)?;
                    channel += lanes;
                }
            }
            Ask::Run { mut packed, mut scratch, place, finish, images } => {
                let starts = take(&mut packed, channels)?;
                let tables = take(&mut packed, tables_of)?;
                let weights = take(&mut packed, shape.weights())?;
                let words = shape.words;
                let gathered = take_mut(&mut scratch, words.checked_mul(shape.groups)?)?;
                let [height, width, pixel] = shape.bytes(geometry.input);
                let [out_height, out_width, out_pixel] = shape.bytes(geometry.output);
                let mut turn = 0;
                let pixels = out_height * out_width;
                for image in 0..images {
                    let input = place.input + image * height * width * pixel;
                    let output = place.output + image * pixels * out_pixel;
                    while let Some(range) = block(turn, pixels, shape.rows, place.down) {
                        turn += 1;
                        // All groups before the first output: it may lie over what they read.
                        let gathering = Gathering { zero_point, spreads, pixels: shape.gathered(&range) };
                        for group in 0..shape.groups {
                            let into = gathered.get_mut(group * words..)?;
                            gather(&gathering, &shape, group, place.memory.get(input..)?, into, loops);
                        }
                        let target = output + range.start * out_pixel..output + range.end * out_pixel;
                        let target = place.memory.get_mut(target)?;
                        let mut channel = 0;
                        let (mut weights, mut first) = (weights, 0);
                        while channel < channels {
                            let group = channel / shape.group_lanes();
                            let (inside, lanes) = shape.panel(channel);
                            if inside == 0 {
                                first = group * shape.channels * layout.value;
                            }
                            #[cfg(not(target_arch = "wasm32"))]
                            let lanes = if is_line(&layout, range.len(), (shape.channels - inside) * layout.value) {
                                LINE * lanes
                            } else {
                                lanes
                            };
                            let panel = Panel {
                                activations: gathered.as_bytes().get(group * words * 4..)?,
                                windows: shape.windows,
                                depth: shape.depth,
                                rows: range.len(),
                                weights,
                                starts: starts.get(channel..)?,
                                tables: tables.get(channel * layout.table..)?,
                                finish: &finish,
                                bytes: (shape.channels - inside) * layout.value,
                                row_bytes: out_pixel,
                            };
                            loops.multiply(&panel, target.get_mut(first..)?)?;
                            weights = weights.get(lanes * shape.depth..)?;
                            first += lanes * layout.value;
                            channel += lanes;
                        }
                    }
                    turn = 0;
                }
            }
        }
        Some(())
    }
}

/// How packed weights and gathered activations are laid out.
#[derive(Clone, Copy)]
struct Shape {
    layout: Layout,
    groups: usize,
    /// Output channels of a group, and the vectors they fill.
    channels: usize,
    vectors: usize,
    /// Runs of neighbouring weights of an output, each in words of its own, and words per output.
    runs: usize,
    depth: usize,
    /// Output pixels at a time, and what is gathered for them, in words of one group.
    rows: usize,
    words: usize,
    /// What is gathered, as windows: those of the convolution, or whole rows of the input.
    source: Convolution,
    /// Where the windows of the convolution lie in it.
    windows: Windows,
    /// Rows of the input from one row of the output to the next, and those that one spans; nought where windows are gathered.
    lines: [usize; 2],
}

impl Shape {
    fn new(geometry: &Convolution, [overwrites, spreads]: [bool; 2], layout: Layout) -> Self {
        let groups = geometry.groups.max(1);
        let [out_height, out_width, out_channels] = geometry.output;
        let channels = out_channels / groups;
        let vectors = channels.div_ceil(layout.lanes);
        let vectors = if layout.small_tiles { vectors } else { vectors.next_multiple_of(VECTORS) };
        let depth = geometry.taps().div_ceil(layout.group).max(1);
        let pixels = out_height.saturating_mul(out_width);
        let fitting = |words: usize| BLOCK_BYTES / words.saturating_mul(4).max(1);
        let rows = fitting(depth.saturating_mul(groups)) / layout.rows * layout.rows;
        let rows = if overwrites { pixels } else { rows.max(layout.rows).min(pixels) };
        let windows = Windows { runs: [depth, 0], columns: [usize::MAX, depth.saturating_mul(4)], row: 0 };
        let words = rows.saturating_mul(depth);
        let (runs, source, lines) = (1, *geometry, [0; 2]);
        let mut shape = Self { layout, groups, channels, vectors, runs, depth, rows, words, source, windows, lines };
        let overlaps = geometry.stride[1] < geometry.kernel[1] && geometry.dilation[1] == 1;
        if overlaps && groups == 1 && !spreads && !overwrites {
            shape.gather_rows();
        }
        shape
    }

    /// Has whole rows of the input gathered, unless they are too large.
    ///
    /// The parser has checked that padding is narrower than a window and that windows reach no further than padding, so what rows
    /// with their padding are long is counted without overflow.
    fn gather_rows(&mut self) {
        let (group, channels) = (self.layout.group.max(1), self.source.input[2]);
        let ([row_stride, stride], [out_height, out_width, _]) = (self.source.stride, self.source.output);
        let ([runs, width], dilation) = (self.source.kernel, self.source.dilation[0]);
        let extent = runs.saturating_sub(1) * dilation + 1;
        let columns = out_width.saturating_sub(1) * stride + width;
        let (line, run) = ((columns * channels).div_ceil(group), (width * channels).div_ceil(group));
        // Output rows at a time.
        let fitting = (BLOCK_BYTES / 4 / line.max(1)).saturating_sub(extent) / row_stride.max(1) + 1;
        let rows = fitting.min(out_height);
        let spanned = |rows: usize| rows.saturating_sub(1) * row_stride + extent;
        // The last run may be filled up with what stands behind the last line.
        let words = spanned(rows).saturating_mul(line).saturating_add(1);
        if words > LIMIT {
            return;
        }
        (self.runs, self.depth, self.rows, self.words) = (runs, runs * run, rows * out_width, words);
        self.lines = [row_stride, extent];
        self.windows = Windows {
            runs: [run, 4 * line * dilation],
            columns: [out_width, stride * channels * (4 / group)],
            row: 4 * line * row_stride,
        };
        self.source.kernel = [1, columns];
        self.source.stride[0] = 1;
        self.source.output = [spanned(out_height), 1, 1];
    }

    /// The windows to gather for a range of output pixels.
    fn gathered(&self, pixels: &Range<usize>) -> Range<usize> {
        let ([stride, extent], [width, _]) = (self.lines, self.windows.columns);
        if extent == 0 {
            return pixels.clone();
        }
        let first = pixels.start / width.max(1) * stride;
        first..first + (pixels.len() / width.max(1)).saturating_sub(1) * stride + extent
    }

    /// Channels of a group, filled up to whole vectors.
    fn group_lanes(&self) -> usize {
        self.vectors.saturating_mul(self.layout.lanes).max(1)
    }

    /// Those of all groups.
    fn padded(&self) -> usize {
        self.groups.saturating_mul(self.group_lanes())
    }

    /// The place in its group of the first channel of a panel, and how many are in it.
    fn panel(&self, channel: usize) -> (usize, usize) {
        let inside = channel % self.group_lanes();
        (inside, (VECTORS * self.layout.lanes).min(self.group_lanes() - inside))
    }

    fn weights(&self) -> usize {
        self.padded().saturating_mul(self.depth)
    }

    /// Height, width, and bytes of a pixel.
    fn bytes(&self, [height, width, channels]: [usize; 3]) -> [usize; 3] {
        [height, width, channels.saturating_mul(self.layout.value)]
    }
}

/// What to gather, and what stands around the input.
struct Gathering {
    zero_point: i32,
    spreads: bool,
    pixels: Range<usize>,
}

/// Gathers windows, whole words each. What is written ascends in memory, so a run may be rounded up to whole chunks: what it
/// writes too much is written over.
#[inline(always)]
fn gather<L: Matrix + ?Sized>(
    &Gathering { zero_point, spreads, ref pixels }: &Gathering,
    shape: &Shape,
    group: usize,
    input: &[u8],
    into: &mut [u32],
    loops: &L,
) {
    let geometry = &shape.source;
    let [_, width, pixel] = shape.bytes(geometry.input);
    let Layout { value, group: products, .. } = shape.layout;
    let (taps, length) = (geometry.group_channels(), geometry.taps().next_multiple_of(products));
    let into = into.as_mut_bytes();
    if geometry.is_pointwise() && geometry.groups == 1 && length == taps && !spreads {
        // The windows of consecutive pixels are consecutive.
        loops.gather(input.get(pixels.start * pixel..), zero_point, into, pixels.len() * taps);
        return;
    }
    // Neighbouring taps of a row are neighbours in memory.
    let runs = geometry.dilation[1] == 1 && geometry.groups == 1 && !spreads;
    let out_width = geometry.output[1].max(1);
    let (mut y, mut x) = (pixels.start / out_width, pixels.start % out_width);
    let mut gathered = Gathered { loops, zero_point, into, element: 4 / products.max(1) };
    for _ in pixels.clone() {
        let [before, inside] = geometry.inside(x);
        let first = (x * geometry.stride[1] + before).saturating_sub(geometry.pad[1]);
        for tap_y in 0..geometry.kernel[0] {
            let row = if spreads { geometry.spreading_row(y, tap_y) } else { geometry.input_row(y, tap_y) };
            let line = row.and_then(|input_y| input.get(input_y * width * pixel..));
            if runs {
                gathered.add(None, before * taps);
                gathered.add(line.and_then(|line| line.get(first * pixel..)), inside * taps);
                gathered.add(None, (geometry.kernel[1] - before - inside) * taps);
            } else {
                for tap_x in 0..geometry.kernel[1] {
                    let column =
                        if spreads { geometry.spreading_column(x, tap_x) } else { geometry.input_column(x, tap_x) };
                    let at = column.map(|input_x| input_x * pixel + group * taps * value);
                    gathered.add(line.zip(at).and_then(|(line, at)| line.get(at..)), taps);
                }
            }
        }
        // Products that fill up the last group have the weight nought.
        gathered.add(None, length - geometry.taps());
        x += 1;
        if x == out_width {
            (x, y) = (0, y + 1);
        }
    }
}

/// Where gathered activations go, one after the other.
struct Gathered<'a, L: ?Sized> {
    loops: &'a L,
    zero_point: i32,
    into: &'a mut [u8],
    /// Bytes that one takes.
    element: usize,
}

impl<L: Matrix + ?Sized> Gathered<'_, L> {
    #[inline(always)]
    fn add(&mut self, from: Option<&[u8]>, count: usize) {
        if count > 0 {
            self.loops.gather(from, self.zero_point, self.into, count);
            self.into = core::mem::take(&mut self.into).get_mut(count * self.element..).unwrap_or_default();
        }
    }
}
