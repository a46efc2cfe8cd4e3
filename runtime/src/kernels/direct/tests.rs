//! Equal to the oracle, whatever the geometry.

use super::*;
use crate::kernels::requantize::tflite;
use crate::kernels::scalar;
use crate::kernels::weights::ByteWeights;
use bantam_format::overlap::{Band, RowWindow};
use proptest::prelude::*;
use std::vec::Vec;

/// What sessions link.
#[derive(Clone, Copy)]
struct Every;

impl Forms for Every {}

/// Convolutions whose windows lie inside the input.
#[derive(Clone, Copy)]
struct Inner;

impl Forms for Inner {
    const PADDING: bool = false;
}

/// Keeps a byte of the sums: the lowest, or the next.
fn keep(parameters: &Requantization<'_>, _: usize, sums: &[i32], output: &mut [i8]) {
    for (out, sum) in output.iter_mut().zip(sums) {
        *out = (sum >> parameters.zero_point) as i8;
    }
}

fn bytes(seed: u64, count: usize) -> Vec<i8> {
    let mut state = seed | 1;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as i8
    };
    (0..count).map(step).collect()
}

/// Kernel, stride, dilation, padding and size of one axis.
fn axis() -> impl Strategy<Value = [usize; 5]> {
    (1usize..5, 1usize..4, 1usize..3, 1usize..10)
        .prop_flat_map(|(kernel, stride, dilation, size)| {
            let extent = (kernel - 1) * dilation + 1;
            (Just(kernel), Just(stride), Just(dilation), 0..extent, Just(size))
        })
        .prop_map(|(kernel, stride, dilation, pad, size)| [kernel, stride, dilation, pad, size])
}

fn geometry(tall: [usize; 5], wide: [usize; 5], channels: [usize; 2], groups: usize) -> Convolution {
    let of = |index: usize| [tall[index], wide[index]];
    // As far as a window that starts inside reaches.
    let out = |[_, stride, _, pad, size]: [usize; 5]| (size + pad - 1) / stride + 1;
    Convolution {
        kernel: of(0),
        stride: of(1),
        dilation: of(2),
        pad: of(3),
        input: [tall[4], wide[4], channels[0]],
        output: [out(tall), out(wide), channels[1]],
        groups,
    }
}

fn rows(geometry: &Convolution) -> RowWindow {
    let [height, width, channels] = geometry.input;
    let [out_height, out_width, out_channels] = geometry.output;
    RowWindow {
        input_rows: height,
        output_rows: out_height,
        extent: (geometry.kernel[0] - 1) * geometry.dilation[0] + 1,
        stride: geometry.stride[0],
        pad: geometry.pad[0],
        input_row_bytes: width * channels,
        output_row_bytes: out_width * out_channels,
        transposed: false,
    }
}

/// Both kernels on every band of one, two and all rows.
fn compare(
    geometry: &Convolution,
    taps: usize,
    seed: u64,
    zero_point: i32,
    kernels: impl for<'w> Fn(&Band, &[i8], &Accumulation<'w, i8, Requantization<'w>>, [&mut [i8]; 2]),
) {
    let [height, width, channels] = geometry.input;
    let [out_height, out_width, out_channels] = geometry.output;
    let input = bytes(seed, height * width * channels);
    let weights = bytes(seed ^ 0x55, out_channels * taps);
    let bias: Vec<i32> = bytes(seed ^ 0xaa, out_channels).into_iter().map(|bias| i32::from(bias) * 1000).collect();
    let rows = rows(geometry);
    let multipliers: Vec<i32> =
        bytes(seed ^ 0xff, out_channels).into_iter().map(|it| i32::from(it).abs() << 24).collect();
    let shifts: Vec<i8> = bytes(seed ^ 0x33, out_channels).into_iter().map(|it| -1 - it.rem_euclid(12)).collect();
    let kept = |zero_point| Requantization {
        requantizer: keep,
        multipliers: &[],
        shifts: &[],
        per_channel: false,
        zero_point,
        clamp: [0; 2],
    };
    let plain = Requantization {
        requantizer: tflite,
        multipliers: &multipliers,
        shifts: &shifts,
        per_channel: true,
        zero_point: zero_point / 2,
        clamp: [-128, 127],
    };
    let unsigned: Vec<u8> = weights.iter().map(|weight| weight.cast_unsigned()).collect();
    let (whole, halves) = (ByteWeights::Bytes(&weights), ByteWeights::Nibbles(&unsigned));
    for (epilogue, bias, weights) in [(kept(0), &bias[..], whole), (kept(8), &[], halves), (plain, &bias, whole)] {
        let accumulation = Accumulation { zero_point, weights, bias, epilogue };
        for step in [1, 2, out_height] {
            for start in (0..out_height).step_by(step) {
                let band = rows.band(start..out_height.min(start + step));
                let input = &input[band.input.start * width * channels..band.input.end * width * channels];
                let mut outputs = [(); 2].map(|()| std::vec![0; band.output.len() * out_width * out_channels]);
                let [expected, got] = &mut outputs;
                kernels(&band, input, &accumulation, [expected, got]);
                assert_eq!(expected, got, "{geometry:?} {band:?}");
            }
        }
    }
}

/// A convolution of all rows, apart from the input; of a band that is not all rows there is nothing to compare.
fn convolve<'w, F: Forms>(
    geometry: &Convolution,
    band: &Band,
    input: &[i8],
    accumulation: &Accumulation<'w, i8, Requantization<'w>>,
    [expected, got]: [&mut [i8]; 2],
) {
    if band.output != (0..geometry.output[0]) {
        return;
    }
    scalar::conv_2d(geometry, band, input, accumulation, expected);
    // Windows may be read beside the input where there is memory around the tensors.
    for (down, around) in [(false, 0), (true, 0), (false, 300)] {
        let start = around + input.len();
        let mut memory = std::vec![99; start + got.len() + around];
        memory[around..start].copy_from_slice(input);
        let place = Place { memory: &mut memory, input: around, output: start, down };
        Direct::<F>::convolution(geometry, accumulation).conv_2d(place, 1).expect("tensors inside the memory");
        assert_eq!(expected, &memory[start..start + got.len()], "{geometry:?} {down} {around}");
    }
    got.copy_from_slice(expected);
}

proptest! {
    #[test]
    fn convolutions(
        tall in axis(),
        wide in axis(),
        depth in 1usize..11,
        outputs in 1usize..20,
        groups in 1usize..3,
        zero_point in -128i32..128,
        seed: u64,
    ) {
        let geometry = geometry(tall, wide, [depth * groups, outputs * groups], groups);
        compare(&geometry, geometry.taps(), seed, zero_point, |band, input, accumulation, outputs| {
            convolve::<Every>(&geometry, band, input, accumulation, outputs);
        });
    }

    #[test]
    fn convolutions_inside_the_input(
        tall in axis(),
        wide in axis(),
        depth in 1usize..11,
        outputs in 1usize..20,
        groups in 1usize..3,
        seed: u64,
    ) {
        // As many windows as the size says, and the input that they take.
        let [tall, wide] = [tall, wide].map(|[kernel, stride, dilation, _, count]| {
            [kernel, stride, dilation, 0, (count - 1) * stride + (kernel - 1) * dilation + 1]
        });
        let mut geometry = geometry(tall, wide, [depth * groups, outputs * groups], groups);
        let count = |[kernel, stride, dilation, _, size]: [usize; 5]| (size - 1 - (kernel - 1) * dilation) / stride + 1;
        [geometry.output[0], geometry.output[1]] = [tall, wide].map(count);
        compare(&geometry, geometry.taps(), seed, 3, |band, input, accumulation, outputs| {
            convolve::<Inner>(&geometry, band, input, accumulation, outputs);
        });
    }

    #[test]
    fn convolutions_over_their_input(
        tall in axis(),
        wide in axis(),
        depth in 1usize..30,
        outputs in 1usize..40,
        groups in 1usize..3,
        down: bool,
        seed: u64,
    ) {
        let geometry = geometry(tall, wide, [depth * groups, outputs * groups], groups);
        compare(&geometry, geometry.taps(), seed, 3, |band, input, accumulation, [expected, got]| {
            if band.output != (0..geometry.output[0]) {
                return;
            }
            scalar::conv_2d(&geometry, band, input, accumulation, expected);
            // As near as bands of a row allow.
            let rows = rows(&geometry);
            let (first, second) = if down { (0, rows.distance_down()) } else { (rows.distance_up(), 0) };
            let mut memory = std::vec![0; (first + input.len()).max(second + expected.len())];
            memory[first..first + input.len()].copy_from_slice(input);
            let place = Place { memory: &mut memory, input: first, output: second, down };
            Direct::<Every>::convolution(&geometry, accumulation).conv_2d(place, 1).expect("tensors inside the memory");
            got.copy_from_slice(&memory[second..second + expected.len()]);
        });
    }

    #[test]
    fn pointwise_convolutions(size in [1usize..6, 1usize..6], depth in 1usize..40, outputs in 1usize..40, seed: u64) {
        let [tall, wide] = size.map(|size| [1, 1, 1, 0, size]);
        let geometry = geometry(tall, wide, [depth, outputs], 1);
        compare(&geometry, depth, seed, 3, |band, input, accumulation, outputs| {
            convolve::<Every>(&geometry, band, input, accumulation, outputs);
        });
    }

    #[test]
    fn pointwise_convolutions_over_their_input(
        pixels in 1usize..9,
        depth in 1usize..200,
        outputs in 1usize..40,
        groups in 1usize..3,
        down: bool,
        seed: u64,
    ) {
        let [tall, wide] = [[1, 1, 1, 0, pixels], [1, 1, 1, 0, 1]];
        let geometry = geometry(tall, wide, [depth * groups, outputs * groups], groups);
        let [from, to] = [depth * groups, outputs * groups];
        compare(&geometry, depth, seed, 3, |band, input, accumulation, [expected, got]| {
            if band.output != (0..pixels) {
                return;
            }
            scalar::conv_2d(&geometry, band, input, accumulation, expected);
            // As near as bands of a pixel allow.
            let size = input.len() + expected.len() + from + to;
            let reach = |pixel: usize| if down { (pixel + 1) * from } else { (pixel + 1) * to };
            let need = |pixel: usize| if down { pixel * to } else { pixel * from };
            let distance = (0..pixels).map(|pixel| reach(pixel).saturating_sub(need(pixel))).max().unwrap_or(0);
            let (first, second) = if down { (0, distance) } else { (distance, 0) };
            let mut memory = std::vec![0; size];
            memory[first..first + input.len()].copy_from_slice(input);
            let place = Place { memory: &mut memory, input: first, output: second, down };
            Direct::<Every>::convolution(&geometry, accumulation).conv_2d(place, 1).expect("tensors inside the memory");
            got.copy_from_slice(&memory[second..second + expected.len()]);
        });
    }

    #[test]
    fn depthwise_convolutions(
        tall in axis(),
        wide in axis(),
        channels in 1usize..11,
        multiplier in 1usize..4,
        zero_point in -128i32..128,
        seed: u64,
    ) {
        let geometry = geometry(tall, wide, [channels, channels * multiplier], 1);
        let taps = geometry.kernel[0] * geometry.kernel[1];
        compare(&geometry, taps, seed, zero_point, |band, input, accumulation, [expected, got]| {
            scalar::depthwise_conv_2d(&geometry, band, input, accumulation, expected);
            match Depthwise::<Every>::new(&geometry, accumulation) {
                Some(depthwise) => depthwise.band(band, input, got),
                None => got.copy_from_slice(expected),
            }
        });
    }

    #[test]
    fn depthwise_convolutions_of_three_by_three(
        size in [1usize..12, 1usize..150],
        pad in [0usize..3, 0usize..3],
        channels in 1usize..6,
        zero_point in -128i32..128,
        seed: u64,
    ) {
        let [tall, wide] = [0, 1].map(|axis| [3, 1, 1, pad[axis], size[axis]]);
        let geometry = geometry(tall, wide, [channels, channels], 1);
        compare(&geometry, 9, seed, zero_point, |band, input, accumulation, [expected, got]| {
            scalar::depthwise_conv_2d(&geometry, band, input, accumulation, expected);
            Depthwise::<Every>::new(&geometry, accumulation).expect("lines that fit").band(band, input, got);
        });
    }

    #[test]
    fn depthwise_convolutions_in_place(
        kernel in [1usize..6, 1usize..6],
        size in [1usize..30, 1usize..86],
        channels in 1usize..6,
        zero_point in -128i32..128,
        seed: u64,
    ) {
        let [tall, wide] = [0, 1].map(|axis| [kernel[axis], 1, 1, kernel[axis] / 2, size[axis]]);
        let mut geometry = geometry(tall, wide, [channels, channels], 1);
        // Windows of an even kernel end one position further.
        geometry.output = geometry.input;
        compare(&geometry, kernel[0] * kernel[1], seed, zero_point, |band, input, accumulation, [expected, got]| {
            scalar::depthwise_conv_2d(&geometry, band, input, accumulation, expected);
            if band.output == (0..size[0]) {
                got.copy_from_slice(input);
                let depthwise = Depthwise::<Every>::new(&geometry, accumulation).expect("lines that fit");
                if depthwise.in_place(got).is_some() {
                    return;
                }
            }
            got.copy_from_slice(expected);
        });
    }
}
