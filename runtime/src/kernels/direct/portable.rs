//! The inner loops without special instructions.

use super::Lines;

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
            for (((&left, &right), &first), &second) in left.iter().zip(right).zip(first).zip(second) {
                let (left, right, first, second) =
                    (i32::from(left), i32::from(right), i32::from(first), i32::from(second));
                a = a.wrapping_add(left.wrapping_mul(first));
                b = b.wrapping_add(right.wrapping_mul(first));
                c = c.wrapping_add(left.wrapping_mul(second));
                d = d.wrapping_add(right.wrapping_mul(second));
            }
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
