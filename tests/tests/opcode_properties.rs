//! Convolutions, matrix products and pools: 8-bit results against the float op on dequantised values, within the
//! bound that follows from the rounding, and against an oracle written another way, bit for bit.

use bantam_format::ops::{Epilogue, FloatEpilogue, IntegerEpilogue, Pool2d, Reduce};
use bantam_format::{Arithmetic, DataType, Opcode};
use bantam_tests::accumulating::{Accumulating, Windowed};
use bantam_tests::build::unbounded;
use bantam_tests::quantization::{Quantization, multiplier, table};
use bantam_tests::random::Random;
use bantam_tests::run::Values;
use bantam_tests::single::{assert_close, single};
use bantam_tests::{naive, naive::requantize};

/// Cases per opcode.
const CASES: u64 = 300;
/// Rounding of the multiplier itself and of its product: a few units of 2^-24 times 256 steps.
const TINY: f64 = 1e-3;
const INTEGER: [Arithmetic; 2] = [Arithmetic::Tflite, Arithmetic::Onnx];

/// `onnx` rounds the exact accumulator once: half a step. `tflite` rounds twice; the first time to 2^-r of a step,
/// where r >= 0 is the right shift: at most another half.
fn rounding(arithmetic: Arithmetic) -> f64 {
    if arithmetic == Arithmetic::Tflite { 1.0 } else { 0.5 }
}

fn random_clamp(random: &mut Random) -> [i8; 2] {
    if random.once_in(2) {
        return [i8::MIN, i8::MAX];
    }
    let (a, b) = (random.i8(), random.i8());
    [a.min(b), a.max(b)]
}

/// An output quantisation for these values; sometimes too narrow for the largest.
fn output_of(real: &[f32], random: &mut Random) -> Quantization {
    let fitting = Quantization::of_values(real);
    Quantization { scale: fitting.scale * random.real(0.6, 1.5) as f32, ..fitting }
}

fn accumulating(opcode: Opcode) {
    for seed in 0..CASES {
        let mut random = Random::new(seed);
        let case = Accumulating::random(opcode, &mut random);
        let x = random.i8s(case.input_elements());
        let (from, to) = (&case.input_dimensions[..], &case.output_dimensions[..]);
        let real = single(
            Arithmetic::Float,
            &[(from, Values::F32(case.input.dequantize_all(&x)))],
            (to, DataType::F32),
            |builder, x, y| case.add_float(builder, [x[0], y], [f32::NEG_INFINITY, f32::INFINITY]),
        );
        let output = output_of(real.f32s(), &mut random);
        let clamp = random_clamp(&mut random);
        let accumulators = naive::accumulate(&case, &x);
        for arithmetic in INTEGER {
            let got = single(arithmetic, &[(from, Values::I8(x.clone()))], (to, DataType::I8), |builder, x, y| {
                case.add_integer(builder, arithmetic, [x[0], y], output, clamp);
            });
            let expected = accumulators.iter().enumerate().map(|(index, &accumulator)| {
                let scale = case.accumulator_scale(index % case.channels()) / f64::from(output.scale);
                let (multiplier, shift) = multiplier(arithmetic, scale);
                requantize(arithmetic, accumulator, multiplier, shift, output.zero_point, clamp)
            });
            assert_eq!(got.i8s(), expected.collect::<Vec<_>>(), "seed {seed} {arithmetic:?} {case:?}");
            // The float op adds n products of at most 255 * 128 steps and a bias: its error is below
            // n eps times their sum.
            let largest = (0..case.channels()).map(|channel| case.accumulator_scale(channel)).fold(0.0, f64::max);
            let sum = (case.taps() * 255 * 128 + 5000) as f64 * largest / f64::from(output.scale);
            let float_error = 2.0 * case.taps() as f64 * f64::from(f32::EPSILON) * sum;
            assert_close(
                got.i8s(),
                real.f32s(),
                output,
                clamp,
                rounding(arithmetic) + TINY + float_error,
                &(seed, &case),
            );
        }
    }
}

#[test]
fn conv_2d_is_within_a_rounding_of_float_and_equals_the_oracle() {
    accumulating(Opcode::Conv2d);
}

#[test]
fn depthwise_conv_2d_is_within_a_rounding_of_float_and_equals_the_oracle() {
    accumulating(Opcode::DepthwiseConv2d);
}

#[test]
fn fully_connected_is_within_a_rounding_of_float_and_equals_the_oracle() {
    accumulating(Opcode::FullyConnected);
}

/// A pool over random windows: the values under each output, by scattering.
struct Pool {
    shape: Windowed,
    from: Vec<u32>,
    to: Vec<u32>,
    x: Vec<i8>,
    /// Values under each output.
    under: Vec<Vec<i8>>,
}

impl Pool {
    fn random(random: &mut Random) -> Self {
        let shape = Windowed::random(random);
        let (batch, channels) = (random.within(1..3) as u32, random.within(1..6) as u32);
        let from = vec![batch, shape.input[0], shape.input[1], channels];
        let to = vec![batch, shape.output[0], shape.output[1], channels];
        let x = random.i8s(from.iter().product::<u32>() as usize);
        let mut under = vec![Vec::new(); to.iter().product::<u32>() as usize];
        for (index, &value) in x.iter().enumerate() {
            let (position, channel) = (index / channels as usize, index % channels as usize);
            for (to, _) in naive::reached(&shape.window, &from, &to, position) {
                under[to * channels as usize + channel].push(value);
            }
        }
        Self { shape, from, to, x, under }
    }

    fn run(&self, opcode: Opcode, arithmetic: Arithmetic, x: Values, include_pad: bool, epilogue: Epilogue) -> Values {
        let data_type = if matches!(x, Values::F32(_)) { DataType::F32 } else { DataType::I8 };
        let count_include_pad = u8::from(include_pad);
        let attributes = Pool2d { window: self.shape.window, count_include_pad, reserved: [0; 3], epilogue };
        single(arithmetic, &[(&self.from, x)], (&self.to, data_type), |builder, x, y| {
            builder.op(opcode, x, y, &attributes);
        })
    }
}

#[test]
fn max_pool_2d_is_exact() {
    for seed in 0..CASES {
        let mut random = Random::new(seed);
        let pool = Pool::random(&mut random);
        let quantization = Quantization { scale: random.real(0.01, 0.2) as f32, zero_point: random.i8() };
        let [clamp_min, clamp_max] = random_clamp(&mut random);
        let zero_point = quantization.zero_point;
        let epilogue = IntegerEpilogue {
            table: 0,
            input_zero_point: zero_point,
            output_zero_point: zero_point,
            clamp_min,
            clamp_max,
        };
        let opcode = Opcode::MaxPool2d;
        let got = pool.run(opcode, Arithmetic::Float, Values::I8(pool.x.clone()), false, epilogue.into());
        let expected = pool.under.iter().map(|values| {
            // An empty window, wholly between the taps, gives the smallest value there is.
            values.iter().copied().fold(i8::MIN, i8::max).clamp(clamp_min, clamp_max)
        });
        assert_eq!(got.i8s(), expected.collect::<Vec<_>>(), "seed {seed}");
        let x = Values::F32(quantization.dequantize_all(&pool.x));
        let real = pool.run(opcode, Arithmetic::Float, x, false, unbounded());
        assert_close(got.i8s(), real.f32s(), quantization, [clamp_min, clamp_max], TINY, &seed);
    }
}

#[test]
fn average_pool_2d_is_within_half_a_step_and_equals_the_oracle() {
    for seed in 0..CASES {
        let mut random = Random::new(seed);
        let pool = Pool::random(&mut random);
        let input = Quantization { scale: random.real(0.01, 0.2) as f32, zero_point: random.i8() };
        let include_pad = random.once_in(2);
        let clamp = random_clamp(&mut random);
        let x = Values::F32(input.dequantize_all(&pool.x));
        let opcode = Opcode::AveragePool2d;
        let real = pool.run(opcode, Arithmetic::Float, x, include_pad, unbounded());
        for arithmetic in INTEGER {
            // Under `tflite` both quantisations are the same.
            let onnx = arithmetic == Arithmetic::Onnx;
            let output = if onnx { output_of(real.f32s(), &mut random) } else { input };
            let ratio = input.scale / output.scale;
            let epilogue = IntegerEpilogue {
                table: if onnx { ratio.to_bits() } else { 0 },
                input_zero_point: input.zero_point,
                output_zero_point: output.zero_point,
                clamp_min: clamp[0],
                clamp_max: clamp[1],
            };
            let got = pool.run(opcode, arithmetic, Values::I8(pool.x.clone()), include_pad, epilogue.into());
            let expected = pool.under.iter().map(|values| {
                let count = if include_pad { pool.shape.window.taps() } else { values.len().max(1) } as i64;
                let zero = i64::from(input.zero_point);
                let sum: i64 = values.iter().map(|&value| i64::from(value) - zero).sum();
                if onnx {
                    let multiplier = (f64::from(ratio) / count as f64) as f32;
                    requantize(arithmetic, sum, multiplier.to_bits(), 0, output.zero_point, clamp)
                } else {
                    // The mean of the stored values, padding counted as the zero point, ties away from zero.
                    let stored = sum + zero * count;
                    let mean = (2 * stored.abs() + count) / (2 * count) * stored.signum();
                    mean.clamp(i64::from(clamp[0]), i64::from(clamp[1])) as i8
                }
            });
            assert_eq!(got.i8s(), expected.collect::<Vec<_>>(), "seed {seed} {arithmetic:?}");
            // One rounding of an exact sum in both arithmetics.
            assert_close(got.i8s(), real.f32s(), output, clamp, 0.5 + TINY, &seed);
        }
    }
}

#[test]
fn reduce_is_within_a_rounding_of_float_and_equals_the_oracle() {
    for seed in 0..CASES {
        let mut random = Random::new(seed);
        let rank = random.within(1..6);
        let from: Vec<u32> = (0..rank).map(|_| random.within(1..6) as u32).collect();
        let first = random.within(0..rank);
        let count = random.within(1..rank - first + 1);
        let to: Vec<u32> = [&from[..first], &from[first + count..]].concat();
        let reduced: u32 = from[first..first + count].iter().product();
        let inner: u32 = from[first + count..].iter().product();
        let x = random.i8s(from.iter().product::<u32>() as usize);
        let input = Quantization { scale: random.real(0.01, 0.2) as f32, zero_point: random.i8() };
        let run = |arithmetic, x: Values, epilogue: &dyn Fn(u32) -> Epilogue, entry: Vec<u8>| {
            let data_type = if matches!(x, Values::F32(_)) { DataType::F32 } else { DataType::I8 };
            single(arithmetic, &[(&from, x)], (&to, data_type), |builder, x, y| {
                let epilogue = epilogue(builder.constant_bytes(entry));
                let (first_axis, axis_count) = (first as u8, count as u8);
                builder.op(Opcode::Reduce, x, y, &Reduce { kind: 0, first_axis, axis_count, reserved: 0, epilogue });
            })
        };
        let bounds = FloatEpilogue { clamp_min: f32::NEG_INFINITY, clamp_max: f32::INFINITY };
        let real = run(Arithmetic::Float, Values::F32(input.dequantize_all(&x)), &|_| bounds.into(), Vec::new());
        let output = output_of(real.f32s(), &mut random);
        let clamp = random_clamp(&mut random);
        let scale = f64::from(input.scale) / f64::from(output.scale) / f64::from(reduced);
        let mut sums = vec![0i64; to.iter().product::<u32>() as usize];
        for (index, &value) in x.iter().enumerate() {
            let (outer, inside) = (index / (reduced * inner) as usize, index % inner as usize);
            sums[outer * inner as usize + inside] += i64::from(value) - i64::from(input.zero_point);
        }
        for arithmetic in INTEGER {
            let epilogue = |table| {
                let (input_zero_point, output_zero_point) = (input.zero_point, output.zero_point);
                let [clamp_min, clamp_max] = clamp;
                IntegerEpilogue { table, input_zero_point, output_zero_point, clamp_min, clamp_max }.into()
            };
            let got = run(arithmetic, Values::I8(x.clone()), &epilogue, table(arithmetic, &[scale]));
            let (multiplier, shift) = multiplier(arithmetic, scale);
            let expected =
                sums.iter().map(|&sum| requantize(arithmetic, sum, multiplier, shift, output.zero_point, clamp));
            assert_eq!(got.i8s(), expected.collect::<Vec<_>>(), "seed {seed} {arithmetic:?}");
            assert_close(got.i8s(), real.f32s(), output, clamp, rounding(arithmetic) + TINY, &seed);
        }
    }
}
