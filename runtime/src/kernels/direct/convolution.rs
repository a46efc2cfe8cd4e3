//! Convolutions: the windows of four pixels are gathered and widened, four values to a [`Quad`], and multiplied by the
//! weights of all output channels, one after the other. A window of few values is gathered once, before its outputs are
//! written; so they may lie over it.
//!
//! What does not fill a last quad is nought among the values, whatever stands there among the weights.

use super::gather::{Pixels, Windows};
use super::words::{self, Quad};
use super::{Direct, Forms, PIXELS};
use crate::kernels::Epilogue;
use crate::kernels::generic::Place;
use crate::kernels::weights::ByteWeights;
use bantam_format::overlap::{FEW_VALUES, WINDOW_VALUES};
use core::ops::Range;

/// Output channels whose sums are handed to the epilogue at once; loops may read one entry more.
const TILE: usize = 32;

/// Convolution of an image, as [`conv_2d`](crate::kernels::scalar::conv_2d) does it, in the order of the walk.
pub fn convolve<F: Forms>(job: &Direct<'_, F>, place: &mut Place<'_, i8>) -> Option<()> {
    if F::MANY_VALUES {
        convolve_with::<F, { WINDOW_VALUES / 4 }>(job, place)
    } else {
        convolve_with::<F, { FEW_VALUES / 4 }>(job, place)
    }
}

/// The same, gathering `QUADS` quads at a time.
#[inline(never)]
fn convolve_with<F: Forms, const QUADS: usize>(job: &Direct<'_, F>, place: &mut Place<'_, i8>) -> Option<()> {
    let geometry = &job.geometry;
    let [mut rows, width, channels] = geometry.output;
    let mut columns = width;
    let mut quads = [Quad::default(); QUADS];
    let mut windows = Windows::new(job, &mut quads);
    let mut sums = [[0; PIXELS]; TILE + 1];
    // Whether a pixel is read when a part of it has been written, as windows of several parts are for every tile of channels;
    // else neighbours may stand in different rows.
    let twice = F::PARTS && windows.taps > 4 * QUADS && channels > TILE || job.groups() > 1;
    let step = if twice && geometry.is_pointwise() && overlaps(job, place)? { 1 } else { PIXELS };
    if !twice {
        (rows, columns) = (1, rows.wrapping_mul(width));
    }
    let steps = columns.div_ceil(step);
    for row in 0..rows {
        let row = if place.down { rows - 1 - row } else { row }.wrapping_mul(columns);
        for index in 0..steps {
            let first = if place.down { steps - 1 - index } else { index } * step;
            let count = columns.wrapping_sub(first).min(step);
            let first = row.wrapping_add(first);
            let y = first.checked_div(width).unwrap_or(0);
            let pixels = Pixels { y, x: first.wrapping_sub(y.wrapping_mul(width)), count };
            let at = first.wrapping_mul(channels).wrapping_add(place.output);
            for group in 0..job.groups() {
                windows.multiply(&pixels, group, &mut sums, place, at);
            }
        }
    }
    Some(())
}

/// Whether an image's input and output have memory in common.
fn overlaps<F>(job: &Direct<'_, F>, place: &Place<'_, i8>) -> Option<bool> {
    let elements = |[height, width, channels]: [usize; 3]| height.checked_mul(width)?.checked_mul(channels);
    let [input, output] = [elements(job.geometry.input)?, elements(job.geometry.output)?];
    Some(place.input < place.output.checked_add(output)? && place.output < place.input.checked_add(input)?)
}

impl<F: Forms, const QUADS: usize> Windows<'_, F, QUADS> {
    /// The outputs of a group at some pixels, the first of which begins at element `at`.
    fn multiply(
        &mut self,
        pixels: &Pixels,
        group: usize,
        sums: &mut [[i32; PIXELS]; TILE + 1],
        place: &mut Place<'_, i8>,
        at: usize,
    ) {
        let channels = self.job.geometry.output[2].checked_div(self.job.groups()).unwrap_or(0);
        let (mut tile, end) = (group.wrapping_mul(channels), group.wrapping_add(1).wrapping_mul(channels));
        let mut gathered = false;
        while tile < end {
            let outputs = tile..end.min(tile.saturating_add(TILE));
            let mut bias = self.job.bias.get(outputs.clone());
            if bias.is_none() {
                *sums = [[0; PIXELS]; TILE + 1];
            }
            let mut from = 0;
            while from < self.taps {
                let length = if F::PARTS { (self.taps - from).min(self.part) } else { self.taps };
                if !gathered {
                    self.gather(place, pixels, group, &(from..from + length));
                    // One part is all there is to gather.
                    gathered = length == self.taps;
                }
                let quads = self.quads.get(..length.div_ceil(4)).unwrap_or(&[]);
                let filters = Filters::<_, QUADS> {
                    job: self.job,
                    first: outputs.start.wrapping_mul(self.taps).wrapping_add(from),
                    taps: self.taps,
                    length,
                    alone: pixels.count == 1,
                };
                filters.add(quads, bias.take(), sums.get_mut(..outputs.len()).unwrap_or(&mut []));
                from += length;
            }
            let memory = place.memory.get_mut(at.wrapping_add(tile)..).unwrap_or(&mut []);
            self.finish(&outputs, sums, pixels.count, memory);
            tile = outputs.end;
        }
    }

    /// Turns the sums of some channels into the outputs of some pixels.
    fn finish(&self, outputs: &Range<usize>, sums: &[[i32; PIXELS]; TILE + 1], count: usize, memory: &mut [i8]) {
        let epilogue = &self.job.epilogue;
        let channels = self.job.geometry.output[2];
        if self.job.is_plain() {
            words::requantize(epilogue, outputs, sums, memory, channels, count);
            return;
        }
        for pixel in 0..count {
            let mut own = [0; TILE];
            for (own, sum) in own.iter_mut().zip(sums.as_flattened().get(pixel..).unwrap_or(&[]).iter().step_by(PIXELS))
            {
                *own = *sum;
            }
            let out = memory.get_mut(pixel.wrapping_mul(channels)..).unwrap_or(&mut []);
            let (own, out) = (own.get(..outputs.len()).unwrap_or(&[]), out.get_mut(..outputs.len()).unwrap_or(&mut []));
            epilogue.store(outputs.start, own, out);
        }
    }
}

/// A part of the weights of some output channels.
struct Filters<'a, F, const QUADS: usize> {
    job: &'a Direct<'a, F>,
    /// The first weight of the first channel.
    first: usize,
    /// Weights from one channel to the next, and of a channel in this part.
    taps: usize,
    length: usize,
    /// Whether there is one pixel, of which the sums alone count.
    alone: bool,
}

impl<F: Forms, const QUADS: usize> Filters<'_, F, QUADS> {
    /// Adds the products with the weights to the sums of each channel, or to its bias.
    fn add(&self, quads: &[Quad], bias: Option<&[i32]>, sums: &mut [[i32; PIXELS]]) {
        let mut inside = 0;
        if let ByteWeights::Bytes(weights) = self.job.weights {
            let weights = weights.get(self.first..).unwrap_or(&[]);
            // The last words of the last channels may reach beyond the weights.
            let room = weights.len().checked_sub(quads.len().wrapping_mul(4));
            let room = room.and_then(|room| room.checked_div(self.taps));
            inside = room.map_or(0, |channels| channels.saturating_add(1)).min(sums.len());
            let sums = sums.get_mut(..inside).unwrap_or(&mut []);
            words::multiply(quads, weights, self.taps, bias, sums, self.alone);
        }
        for (channel, sums) in sums.iter_mut().enumerate().skip(inside) {
            if let Some(bias) = bias {
                *sums = [bias.get(channel).copied().unwrap_or(0); PIXELS];
            }
            self.add_copies(quads, channel, sums);
        }
    }

    /// The same for a channel whose weights are copied first: at the end of all, or two in a byte.
    #[inline(never)]
    fn add_copies(&self, quads: &[Quad], channel: usize, sums: &mut [i32; PIXELS]) {
        let mut copies = [[0; 4]; QUADS];
        let from = self.first.wrapping_add(channel.wrapping_mul(self.taps));
        for (offset, to) in copies.as_flattened_mut().iter_mut().enumerate().take(self.length) {
            *to = self.job.weight(from.wrapping_add(offset));
        }
        let sums = core::slice::from_mut(sums);
        words::multiply(quads, copies.as_flattened(), 4 * QUADS, None, sums, self.alone);
    }
}
