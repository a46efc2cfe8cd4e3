//! The inner loops without special instructions.

use super::{Lines, Windows};
use crate::kernels::requantize::Requantization;
use crate::kernels::scalar::{self, FixedPointSum};
use core::ops::Range;

/// Four neighbouring values of four pixels, less the zero point.
pub type Quad = [[i16; 4]; 4];

/// Widens runs of values into the parts of the quads that are of these pixels (of 0 to 3), as many values of each run as fill
/// quads. The steps are from run to run, and from pixel to pixel.
pub fn widen(
    values: &[i8],
    [step, pixel_step]: [usize; 2],
    zero_point: i32,
    [runs, length]: [usize; 2],
    quads: &mut [Quad],
    pixels: Range<usize>,
) {
    let wide = |value: i8| i16::from(value).wrapping_sub(zero_point as i16);
    for (index, pixel) in pixels.enumerate() {
        let mut from = index.wrapping_mul(pixel_step);
        for quads in quads.chunks_mut((length / 4).max(1)).take(runs) {
            let values = values.get(from..).unwrap_or(&[]);
            // Written out: devices are compiled for size.
            for (&[a, b, c, d], quad) in values.as_chunks().0.iter().zip(quads) {
                if let Some(own) = quad.get_mut(pixel) {
                    *own = [wide(a), wide(b), wide(c), wide(d)];
                }
            }
            from = from.wrapping_add(step);
        }
    }
}

/// Makes some of a pixel's four values nought in every quad that is `step` behind another.
pub fn clear(quads: &mut [Quad], step: usize, pixel: usize, values: Range<usize>) {
    for quad in quads.iter_mut().step_by(step.max(1)) {
        if let Some(own) = quad.get_mut(pixel).and_then(|own| own.get_mut(values.clone())) {
            own.iter_mut().for_each(|value| *value = 0);
        }
    }
}

/// Adds the products of values and weights. An entry of `sums` is of a channel, whose weights are `taps` behind those of the
/// one before, at four pixels; the first alone counts where that is said. Sums start with the channels' bias where there is
/// one, and go on elsewhere.
pub fn multiply(quads: &[Quad], weights: &[i8], taps: usize, bias: Option<&[i32]>, sums: &mut [[i32; 4]], alone: bool) {
    if let Some(bias) = bias {
        for (sums, &bias) in sums.iter_mut().zip(bias) {
            *sums = [bias; 4];
        }
    }
    let mut at = 0_usize;
    let (pairs, last) = sums.as_chunks_mut::<2>();
    if alone {
        for sums in pairs.as_flattened_mut().iter_mut().chain(last) {
            add_pixel(quads, weights.get(at..).unwrap_or(&[]), 0, sums);
            at = at.wrapping_add(taps);
        }
        return;
    }
    for sums in pairs {
        let other = at.wrapping_add(taps);
        let (first, second) = (weights.get(at..).unwrap_or(&[]), weights.get(other..).unwrap_or(&[]));
        let [[mut a, mut b, mut c, mut d], [mut e, mut f, mut g, mut h]] = *sums;
        for ((quad, first), second) in quads.iter().zip(first.as_chunks::<4>().0).zip(second.as_chunks::<4>().0) {
            let [i, j, k, l] = quad;
            // Written out: devices are compiled for size.
            macro_rules! tap {
                ($tap:literal) => {
                    let (first, second) = (i32::from(first[$tap]), i32::from(second[$tap]));
                    let value = i32::from(i[$tap]);
                    a = a.wrapping_add(value.wrapping_mul(first));
                    e = e.wrapping_add(value.wrapping_mul(second));
                    let value = i32::from(j[$tap]);
                    b = b.wrapping_add(value.wrapping_mul(first));
                    f = f.wrapping_add(value.wrapping_mul(second));
                    let value = i32::from(k[$tap]);
                    c = c.wrapping_add(value.wrapping_mul(first));
                    g = g.wrapping_add(value.wrapping_mul(second));
                    let value = i32::from(l[$tap]);
                    d = d.wrapping_add(value.wrapping_mul(first));
                    h = h.wrapping_add(value.wrapping_mul(second));
                };
            }
            tap!(0);
            tap!(1);
            tap!(2);
            tap!(3);
        }
        *sums = [[a, b, c, d], [e, f, g, h]];
        at = other.wrapping_add(taps);
    }
    for sums in last {
        let weights = weights.get(at..).unwrap_or(&[]);
        for pixel in 0..4 {
            add_pixel(quads, weights, pixel, sums);
        }
    }
}

/// Adds the products of a channel's weights at one of the pixels.
fn add_pixel(quads: &[Quad], weights: &[i8], pixel: usize, sums: &mut [i32; 4]) {
    let Some(sum) = sums.get_mut(pixel) else { return };
    for (quad, weights) in quads.iter().zip(weights.as_chunks::<4>().0) {
        let Some([i, j, k, l]) = quad.get(pixel).map(|values| values.map(i32::from)) else { return };
        let [first, second, third, fourth] = weights.map(i32::from);
        let products = i.wrapping_mul(first).wrapping_add(j.wrapping_mul(second));
        let products = products.wrapping_add(k.wrapping_mul(third)).wrapping_add(l.wrapping_mul(fourth));
        *sum = sum.wrapping_add(products);
    }
}

/// Sets rows of a channel aside, less the zero point. The steps are from row to row and from value to value of the input;
/// the lines begin at value `at`, `pitch` apart.
pub fn set_aside(
    values: &[i8],
    [row_step, step]: [usize; 2],
    zero_point: i32,
    [rows, columns]: [usize; 2],
    lines: &mut Lines,
    [at, pitch]: [usize; 2],
) {
    let zero_point = zero_point as i16;
    for row in 0..rows {
        let values = values.get(row.wrapping_mul(row_step)..).unwrap_or(&[]).iter().step_by(step.max(1));
        let line = lines.0.get_mut(row.wrapping_mul(pitch).wrapping_add(at)..).unwrap_or(&mut []);
        for (to, &value) in line.iter_mut().zip(values).take(columns) {
            *to = i16::from(value).wrapping_sub(zero_point);
        }
    }
}

/// Turns sums, laid out as [`multiply`] does, into the outputs of some channels at `count` pixels that are `ahead` bytes
/// apart. For requantisations that are [plain](Requantization::is_plain).
pub fn requantize(
    scales: &Requantization<'_>,
    outputs: &Range<usize>,
    sums: &[[i32; 4]],
    pixels: &mut [i8],
    ahead: usize,
    count: usize,
) {
    for (offset, (channel, sums)) in outputs.clone().zip(sums).enumerate() {
        let scale = scales.plain(channel);
        let mut at = offset;
        for &sum in sums.iter().take(count) {
            if let Some(out) = pixels.get_mut(at) {
                *out = scales.saturate(scale.apply(sum));
            }
            at = at.wrapping_add(ahead);
        }
    }
}

/// Sums the windows and stores their outputs; `scales` are of one channel and [plain](Requantization::is_plain), the
/// first output is that of the first window.
pub fn depthwise_3x3(job: &Windows, scales: &Requantization<'_>, weights: &[i32; 9], lines: &Lines, output: &mut [i8]) {
    let &Windows { pitch, rows, columns, step, width, bias } = job;
    let scale = scales.plain(0);
    let [a, b, c, d, e, f, g, h, i] = *weights;
    for row in 0..rows {
        let line = |line: usize| {
            let values = lines.0.get(row.wrapping_add(line).wrapping_mul(pitch)..).unwrap_or(&[]);
            values.get(..columns.wrapping_add(2)).unwrap_or(&[]).array_windows()
        };
        let windows = line(0).zip(line(1)).zip(line(2));
        let outputs = output.get_mut(row.wrapping_mul(width).wrapping_mul(step)..).unwrap_or(&mut []);
        for (((first, second), third), out) in windows.zip(outputs.iter_mut().step_by(step.max(1))) {
            let product = |weight: i32, value: i16| weight.wrapping_mul(value.into());
            let [[j, k, l], [m, n, o], [p, q, r]] = [*first, *second, *third];
            let sum = bias.wrapping_add(product(a, j)).wrapping_add(product(b, k)).wrapping_add(product(c, l));
            let sum = sum.wrapping_add(product(d, m)).wrapping_add(product(e, n)).wrapping_add(product(f, o));
            let sum = sum.wrapping_add(product(g, p)).wrapping_add(product(h, q)).wrapping_add(product(i, r));
            *out = scales.saturate(scale.apply(sum));
        }
    }
}

/// Adds values to those that are there.
pub fn add(sum: &FixedPointSum, values: &[i8], data: &mut [i8]) {
    scalar::binary(|first, second| sum.compute_bytes(first, second), values.iter().copied(), data);
}
