//! Equal to the oracle, whatever the geometry.

use super::*;
use crate::kernels::scalar;
use bantam_format::overlap::RowWindow;
use proptest::prelude::*;
use std::vec::Vec;

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

/// Both kernels on every band of one, two and all rows.
fn compare(
    geometry: &Convolution,
    taps: usize,
    seed: u64,
    zero_point: i32,
    kernels: impl Fn(&Band, &[i8], &Accumulation<'_, i8, Requantization<'_>>, [&mut [i8]; 2]),
) {
    let [height, width, channels] = geometry.input;
    let [out_height, out_width, out_channels] = geometry.output;
    let input = bytes(seed, height * width * channels);
    let weights = bytes(seed ^ 0x55, out_channels * taps);
    let bias: Vec<i32> = bytes(seed ^ 0xaa, out_channels).into_iter().map(|bias| i32::from(bias) * 1000).collect();
    let rows = RowWindow {
        input_rows: height,
        output_rows: out_height,
        extent: (geometry.kernel[0] - 1) * geometry.dilation[0] + 1,
        stride: geometry.stride[0],
        pad: geometry.pad[0],
        input_row_bytes: width * channels,
        output_row_bytes: out_width * out_channels,
        transposed: false,
    };
    for (kept, bias) in [(0, &bias[..]), (8, &[])] {
        let epilogue = Requantization {
            requantizer: keep,
            multipliers: &[],
            shifts: &[],
            per_channel: false,
            zero_point: kept,
            clamp: [0; 2],
        };
        let accumulation = Accumulation { zero_point, weights: &weights, bias, epilogue };
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
        compare(&geometry, geometry.taps(), seed, zero_point, |band, input, accumulation, [expected, got]| {
            scalar::conv_2d(&geometry, band, input, accumulation, expected);
            conv_2d(&geometry, band, input, accumulation, got);
        });
    }

    #[test]
    fn pointwise_convolutions(size in [1usize..6, 1usize..6], depth in 1usize..40, outputs in 1usize..40, seed: u64) {
        let [tall, wide] = size.map(|size| [1, 1, 1, 0, size]);
        let geometry = geometry(tall, wide, [depth, outputs], 1);
        compare(&geometry, depth, seed, 3, |band, input, accumulation, [expected, got]| {
            scalar::conv_2d(&geometry, band, input, accumulation, expected);
            conv_2d(&geometry, band, input, accumulation, got);
        });
    }

    #[test]
    fn fully_connected_layers(rows in 1usize..5, depth in 1usize..70, outputs in 1usize..40, seed: u64) {
        let flat = geometry([1, 1, 1, 0, 1], [1, 1, 1, 0, rows], [depth, outputs], 1);
        compare(&flat, depth, seed, -7, |_, input, accumulation, [expected, got]| {
            scalar::fully_connected(depth, outputs, input, accumulation, expected);
            fully_connected(depth, outputs, input, accumulation, got);
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
            depthwise_conv_2d(&geometry, band, input, accumulation, got);
        });
    }
}
