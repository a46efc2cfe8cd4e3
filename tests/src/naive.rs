//! Oracles written another way than the kernels: wide integers, scattering instead of gathering, no tiles, no bands.

use crate::accumulating::Accumulating;
use bantam_format::{Arithmetic, Opcode, ops::Window};

/// The accumulators of an 8-bit op, bias included, in the order of its output.
pub fn accumulate(case: &Accumulating, input: &[i8]) -> Vec<i64> {
    let channels = case.channels();
    let bias = |index: usize| case.bias.as_ref().map_or(0, |bias| i64::from(bias[index % channels]));
    let mut sums: Vec<i64> = (0..case.output_elements()).map(bias).collect();
    let zero_point = i64::from(case.input.zero_point);
    let depth = case.input_channels();
    for (index, &value) in input.iter().enumerate() {
        let value = i64::from(value) - zero_point;
        let (position, from) = (index / depth, index % depth);
        if case.opcode == Opcode::FullyConnected {
            for to in 0..channels {
                sums[position * channels + to] += value * i64::from(case.weights[to * depth + from]);
            }
            continue;
        }
        for (to_position, tap) in reached(&case.window, &case.input_dimensions, &case.output_dimensions, position) {
            let outputs = if case.opcode == Opcode::DepthwiseConv2d {
                let multiplier = channels / depth;
                from * multiplier..(from + 1) * multiplier
            } else {
                let (seen, made) = (depth / usize::from(case.groups), channels / usize::from(case.groups));
                let group = from / seen;
                group * made..(group + 1) * made
            };
            for to in outputs {
                let weight = if case.opcode == Opcode::DepthwiseConv2d {
                    case.weights[tap * channels + to]
                } else {
                    let seen = depth / usize::from(case.groups);
                    case.weights[(to * case.window.taps() + tap) * seen + from % seen]
                };
                sums[to_position * channels + to] += value * i64::from(weight);
            }
        }
    }
    sums
}

/// The output positions that see input `position`, each with the tap under which it lies. Positions count pixels
/// through batch, height and width.
pub fn reached(window: &Window, input: &[u32], output: &[u32], position: usize) -> Vec<(usize, usize)> {
    let (height, width) = (input[1] as usize, input[2] as usize);
    let (image, y, x) = (position / (height * width), position / width % height, position % width);
    let along = |at: usize, kernel: u16, stride: u16, dilation: u16, pad: u16, outputs: u32| {
        let hits = (0..i64::from(kernel)).filter_map(move |tap| {
            let start = at as i64 + i64::from(pad) - tap * i64::from(dilation);
            let to = start / i64::from(stride);
            let hit = start >= 0 && start % i64::from(stride) == 0 && to < i64::from(outputs);
            hit.then_some((to as usize, tap as usize))
        });
        hits.collect::<Vec<_>>()
    };
    let rows = along(y, window.kernel_height, window.stride_height, window.dilation_height, window.pad_top, output[1]);
    let columns = along(x, window.kernel_width, window.stride_width, window.dilation_width, window.pad_left, output[2]);
    let mut found = Vec::new();
    for &(to_y, tap_y) in &rows {
        for &(to_x, tap_x) in &columns {
            let to = (image * output[1] as usize + to_y) * output[2] as usize + to_x;
            found.push((to, tap_y * usize::from(window.kernel_width) + tap_x));
        }
    }
    found
}

/// SPEC.md's requantisation of one accumulator, from the stored bits of the multiplier and the shift.
pub fn requantize(
    arithmetic: Arithmetic,
    accumulator: i64,
    multiplier: u32,
    shift: i8,
    zero_point: i8,
    [low, high]: [i8; 2],
) -> i8 {
    let scaled = match arithmetic {
        Arithmetic::Tflite => tflite_multiply(accumulator, multiplier, shift),
        _ => {
            // The product of two binary32 numbers is exact in binary64; one rounding makes it binary32 again.
            let product = f64::from(accumulator as f32) * f64::from(f32::from_bits(multiplier));
            f64::from(product as f32).round_ties_even() as i64
        }
    };
    scaled.saturating_add(i64::from(zero_point)).clamp(i64::from(low), i64::from(high)) as i8
}

/// SPEC.md's multiplication by a Q31 multiplier and a shift.
pub fn tflite_multiply(value: i64, multiplier: u32, shift: i8) -> i64 {
    let left = i64::from((value << shift.max(0)) as i32);
    // Nearest, ties towards plus infinity.
    let high = (i128::from(left) * i128::from(multiplier) + (1 << 30)).div_euclid(1 << 31) as i64;
    // Nearest, ties away from zero.
    let exponent = u32::from((-shift).max(0).unsigned_abs());
    let half = if exponent == 0 { 0 } else { 1u64 << (exponent - 1) };
    let magnitude = (high.unsigned_abs() + half) >> exponent;
    if high < 0 { -(magnitude as i64) } else { magnitude as i64 }
}

/// SPEC.md's 8-bit softmax of one row.
pub fn softmax(row: &[i8], multiplier: u32, shift: i8) -> Vec<i8> {
    let exponentials: Vec<Option<i128>> =
        differences(row, multiplier, shift).into_iter().map(|d| d.map(exponential)).collect();
    let sum: i128 = exponentials.iter().flatten().map(|&e| div(e, 12)).sum();
    let zeros = (sum as u32).leading_zeros();
    let inverse = inverse(wrap((sum << zeros) - (1 << 31)));
    let output = |e: i128| (div(mul(inverse, e), 35 - zeros) - 128).min(127);
    exponentials.into_iter().map(|e| e.map_or(-128, output) as i8).collect()
}

/// SPEC.md's logarithm of an 8-bit softmax of one row.
pub fn log_softmax(row: &[i8], multiplier: u32, shift: i8) -> Vec<i8> {
    let differences = differences(row, multiplier, shift);
    let logarithm = logarithm(differences.iter().flatten().map(|&d| div(exponential(d), 12)).sum());
    let output = |d: i128| (div(saturate(d - logarithm), 22) + 127).clamp(-128, 127);
    differences.into_iter().map(|d| d.map_or(-128, output) as i8).collect()
}

/// The scaled differences of a row to its maximum, of those that count.
fn differences(row: &[i8], multiplier: u32, shift: i8) -> Vec<Option<i128>> {
    let max = row.iter().copied().max().map_or(0, i128::from);
    let smallest = -((31i128 << 26) >> shift);
    let scaled = |&x: &i8| {
        let difference = i128::from(x) - max;
        (difference >= smallest).then(|| mul(wrap(difference << shift), i128::from(multiplier)))
    };
    row.iter().map(scaled).collect()
}

/// SPEC.md's 8-bit vector of length 1.
pub fn l2_normalize(row: &[i8], zero_point: i8) -> Vec<i8> {
    let centred: Vec<i64> = row.iter().map(|&x| i64::from(x) - i64::from(zero_point)).collect();
    let (multiplier, shift) = inverse_root(centred.iter().map(|x| i128::from(x * x)).sum());
    let output = |&x: &i64| tflite_multiply(x, multiplier, shift + 7).clamp(-128, 127) as i8;
    centred.iter().map(output).collect()
}

fn logarithm(x: i128) -> i128 {
    const HALF: i128 = 1518500250;
    const FOURTH: i128 = 1805811301;
    let zeros = |a: i128| i128::from((a as u32).leading_zeros());
    let (first, second) = (zeros(x), zeros(mul(x, HALF)) - 1);
    let r = saturate(mul(x << (first - 1), HALF) << 1).min(saturate(x << second));
    let exponent = (((12 - first) << 25) + (1 << 23)).max(((12 - second) << 25) - (1 << 23));
    let (p, q) = (div(r + FOURTH, 1), 2 * (r - FOURTH));
    let q2 = mul(q, q);
    let numerator = mul(q, r) + mul(mul(q, q2), 117049297);
    let denominator = mul(p, 1057819769 + q + mul(127690142, q2)) + mul(638450708, q);
    saturate((mul(exponent, 1488522236) + mul(div(numerator, 6), inverse(denominator))) << 1)
}

fn inverse_root(x: i128) -> (u32, i8) {
    if x < 2 {
        return (i32::MAX as u32, 0);
    }
    // x = m * 4^e / 2^28 with m from 2^27 to 2^29.
    let (mut m, mut shift) = (x, 11);
    while m >= 1 << 29 {
        (m, shift) = (m / 4, shift + 1);
    }
    while m < 1 << 27 {
        (m, shift) = (m * 4, shift - 1);
    }
    let mut v = 1 << 28;
    for _ in 0..5 {
        let cube = saturate(mul(mul(v, v), v) << 6);
        v = saturate((mul(3 << 27, v) - mul(div(m >> 1, 1), cube)) << 3);
    }
    let v = mul(v, 1518500250);
    if shift < 0 { ((v << -shift) as u32, 0) } else { (v as u32, -shift as i8) }
}

/// The product of two numbers with 31 fractional bits.
fn mul(a: i128, b: i128) -> i128 {
    ((a * b + (1 << 30)).div_euclid(1 << 31)).min(i128::from(i32::MAX))
}

/// `a / 2^exponent`, nearest, ties away from zero.
fn div(a: i128, exponent: u32) -> i128 {
    ((2 * a.abs() + (1 << exponent)) >> (exponent + 1)) * a.signum()
}

fn wrap(a: i128) -> i128 {
    i128::from(a as i32)
}

fn saturate(a: i128) -> i128 {
    a.clamp(i128::from(i32::MIN), i128::from(i32::MAX))
}

fn exponential(a: i128) -> i128 {
    const FACTORS: [i128; 7] = [1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242];
    if a == 0 {
        return i128::from(i32::MAX);
    }
    let quarter = a.rem_euclid(1 << 24) - (1 << 24);
    let x = wrap(saturate(quarter << 5) + (1 << 28));
    let x2 = mul(x, x);
    let (x3, x4) = (mul(x2, x), mul(x2, x2));
    let t = div(wrap(mul(wrap(div(x4, 2) + x3), 715827883) + x2), 1);
    let mut value = wrap(1895147668 + mul(1895147668, wrap(x + t)));
    for (bit, factor) in (24..).zip(FACTORS) {
        if (quarter - a) >> bit & 1 == 1 {
            value = mul(value, factor);
        }
    }
    value
}

fn inverse(x: i128) -> i128 {
    let half = div(x + i128::from(i32::MAX), 1);
    let mut value = wrap(1515870810 + mul(half, -1010580540));
    for _ in 0..3 {
        value = wrap(value + saturate(mul(value, wrap((1 << 29) - mul(half, value))) << 2));
    }
    saturate(value << 1)
}
