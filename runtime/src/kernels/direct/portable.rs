//! The inner loops without special instructions.

use super::{Lines, Windows};
use crate::kernels::requantize::Requantization;
use core::ops::Range;

/// Four neighbouring values of two pixels, less the zero point.
pub type Quad = [[i16; 4]; 2];

/// Widens runs of values, `step` apart, into the part of the quads that is a pixel's (0 or 1), as many values of each run
/// as fill quads.
pub fn widen(
    values: &[i8],
    step: usize,
    zero_point: i32,
    [runs, length]: [usize; 2],
    quads: &mut [Quad],
    pixel: usize,
) {
    let zero_point = zero_point as i16;
    for (run, quads) in quads.chunks_mut((length / 4).max(1)).take(runs).enumerate() {
        let values = values.get(run.wrapping_mul(step)..).unwrap_or(&[]);
        for (values, quad) in values.as_chunks().0.iter().zip(quads) {
            if let Some(own) = quad.get_mut(pixel) {
                *own = values.map(|value: i8| i16::from(value).wrapping_sub(zero_point));
            }
        }
    }
}

/// Makes a pixel's part of the quads nought.
pub fn clear(quads: &mut [Quad], pixel: usize) {
    for quad in quads {
        if let Some(own) = quad.get_mut(pixel) {
            *own = [0; 4];
        }
    }
}

/// Adds the products of values and weights. An entry of `sums` is of two channels, whose weights are `taps` apart: the
/// first one's at both pixels, then the second one's. Sums start with the channels' bias where there is one, and go on
/// elsewhere.
pub fn multiply(quads: &[Quad], weights: &[i8], taps: usize, bias: Option<&[i32]>, sums: &mut [[i32; 4]]) {
    let mut at = 0_usize;
    if let Some(bias) = bias {
        for (sums, &[first, second]) in sums.iter_mut().zip(bias.as_chunks().0) {
            *sums = [first, first, second, second];
        }
    }
    for sums in sums {
        let other = at.wrapping_add(taps);
        let (first, second) = (weights.get(at..).unwrap_or(&[]), weights.get(other..).unwrap_or(&[]));
        let [mut a, mut b, mut c, mut d] = *sums;
        for (([left, right], first), second) in
            quads.iter().zip(first.as_chunks::<4>().0).zip(second.as_chunks::<4>().0)
        {
            // Written out: devices are compiled for size.
            let mut tap = |left: i16, right: i16, first: i8, second: i8| {
                let (left, right, first, second) =
                    (i32::from(left), i32::from(right), i32::from(first), i32::from(second));
                a = a.wrapping_add(left.wrapping_mul(first));
                b = b.wrapping_add(right.wrapping_mul(first));
                c = c.wrapping_add(left.wrapping_mul(second));
                d = d.wrapping_add(right.wrapping_mul(second));
            };
            tap(left[0], right[0], first[0], second[0]);
            tap(left[1], right[1], first[1], second[1]);
            tap(left[2], right[2], first[2], second[2]);
            tap(left[3], right[3], first[3], second[3]);
        }
        *sums = [a, b, c, d];
        at = other.wrapping_add(taps);
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

/// Turns sums, laid out as [`multiply`] does, into the outputs of some channels at a pixel, and at another one `ahead`
/// bytes further where that is not 0. For requantisations that are [plain](Requantization::is_plain).
pub fn requantize(
    scales: &Requantization<'_>,
    outputs: &Range<usize>,
    sums: &[[i32; 4]],
    pixels: &mut [i8],
    ahead: usize,
) {
    let sums = sums.as_flattened().as_chunks::<2>().0;
    for (offset, (channel, &[first, second])) in outputs.clone().zip(sums).enumerate() {
        let scale = scales.plain(channel);
        // The first one last: it stands where there is no second.
        for (at, sum) in [(offset.wrapping_add(ahead), second), (offset, first)] {
            if let Some(out) = pixels.get_mut(at) {
                *out = scales.saturate(scale.apply(sum));
            }
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
