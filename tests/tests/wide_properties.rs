//! Ops on 16-bit integers against oracles in wide integers, bit for bit, and against real numbers within their steps.

use bantam_format::ops::{
    Accumulation, BinaryKind, Conv2d, FullyConnected, Negation, QuantizeParameters, Rescale, WideEpilogue,
    WideFunction, WideSoftmax, WideTable,
};
use bantam_format::{Arithmetic, DataType, Opcode};
use bantam_tests::build::{ModelBuilder, window};
use bantam_tests::naive::{reached, tflite_multiply};
use bantam_tests::quantization::quantize_multiplier;
use bantam_tests::random::Random;
use bantam_tests::run::Values;
use bantam_tests::single::single;
use bantam_tests::wide::{rescale, wide_binary, wide_table};
use bantam_tools::quantize::wide::{exponentials, reciprocals, sigmoid_entries, sigmoid_factor};

const CASES: u64 = 200;

fn i16s(random: &mut Random, count: usize) -> Vec<i16> {
    (0..count).map(|_| random.bits() as i16).collect()
}

/// SPEC.md's requantisation of a sum over 16-bit inputs.
fn requantize16(acc: i64, real: f64, short: bool, [low, high]: [i16; 2]) -> i16 {
    let (multiplier, shift) = quantize_multiplier(real);
    let value = if short {
        tflite_multiply(i64::from(acc as i32), multiplier.cast_unsigned(), shift)
    } else {
        let reduced =
            if multiplier < 0x7fff_0000 { (i64::from(multiplier) + 0x8000).div_euclid(0x1_0000) } else { 0x7fff };
        let divisor = 1i128 << (15 - shift);
        i64::from((i128::from(acc) * i128::from(reduced) + divisor / 2).div_euclid(divisor) as i32)
    };
    value.clamp(low.into(), high.into()) as i16
}

/// Weights, bias and table of an op with that many channels, and what is needed to compute it.
struct Constants {
    weights: Vec<i8>,
    bias: Vec<i64>,
    reals: Vec<f64>,
    short: bool,
    clamp: [i16; 2],
}

impl Constants {
    fn random(random: &mut Random, channels: usize, taps: usize) -> Self {
        let (short, largest) = (random.once_in(2), if random.once_in(3) { 1 << 30 } else { 1 << 20 });
        let scale = 1.0 / (taps as f64).sqrt() / 64.0;
        let entries = if random.once_in(2) { channels } else { 1 };
        let [a, b] = [random.bits() as i16, random.bits() as i16];
        Self {
            weights: random.i8s(channels * taps),
            bias: (0..channels).map(|_| random.integer(-largest..largest)).collect(),
            reals: (0..entries).map(|_| random.real(0.1, 2.0) * scale).collect(),
            short,
            clamp: if random.once_in(2) { [i16::MIN, i16::MAX] } else { [a.min(b), a.max(b)] },
        }
    }

    fn accumulation(&self, builder: &mut ModelBuilder) -> Accumulation {
        let per_channel = if self.reals.len() > 1 { Accumulation::PER_CHANNEL } else { 0 };
        let table = builder.constant_bytes(wide_table(&self.reals));
        Accumulation {
            weight_type: DataType::I8.code(),
            flags: per_channel | if self.short { Accumulation::SHORT_SUMS } else { 0 },
            weights: builder.constant(&Values::I8(self.weights.clone())),
            bias: builder.constant_bytes(self.bias.iter().flat_map(|bias| bias.to_le_bytes()).collect()),
            epilogue: WideEpilogue { table, clamp_min: self.clamp[0], clamp_max: self.clamp[1] }.into(),
        }
    }

    fn finish(&self, sum: i64, channel: usize) -> i16 {
        let real = self.reals[channel % self.reals.len()];
        requantize16(sum, real, self.short, self.clamp)
    }
}

#[test]
fn fully_connected_equals_the_oracle() {
    for seed in 0..CASES {
        let mut random = Random::new(seed);
        let [rows, depth, channels] = [1..4, 1..40, 1..20].map(|range| random.within(range));
        let x = i16s(&mut random, rows * depth);
        let constants = Constants::random(&mut random, channels, depth);
        let (from, to) = ([rows as u32, depth as u32], [rows as u32, channels as u32]);
        let got =
            single(Arithmetic::Tflite, &[(&from, Values::I16(x.clone()))], (&to, DataType::I16), |builder, x, y| {
                let attributes = FullyConnected::from(constants.accumulation(builder));
                builder.op(Opcode::FullyConnected, x, y, &attributes);
            });
        for (at, &got) in got.i16s().iter().enumerate() {
            let (row, channel) = (at / channels, at % channels);
            let products =
                (0..depth).map(|k| i64::from(x[row * depth + k]) * i64::from(constants.weights[channel * depth + k]));
            let sum = constants.bias[channel] + products.sum::<i64>();
            assert_eq!(got, constants.finish(sum, channel), "seed {seed}");
        }
    }
}

#[test]
fn convolution_equals_the_oracle() {
    for seed in 0..CASES {
        let mut random = Random::new(seed);
        let [height, width, depth, channels] = [2..7, 2..7, 1..5, 1..6].map(|range| random.within(range));
        let [kernel, stride, dilation] = [1..3, 1..3, 1..3].map(|range| random.within(range) as u16);
        let pad = random.within(0..((kernel - 1) * dilation + 1) as usize) as u16;
        let outputs = |size: usize| (size + usize::from(pad)).div_ceil(usize::from(stride));
        let from = [1, height as u32, width as u32, depth as u32];
        let to = [1, outputs(height) as u32, outputs(width) as u32, channels as u32];
        let taps = usize::from(kernel) * usize::from(kernel);
        let x = i16s(&mut random, height * width * depth);
        let constants = Constants::random(&mut random, channels, taps * depth);
        let window = window([kernel; 2], [stride; 2], [dilation; 2], [pad; 2]);
        let got =
            single(Arithmetic::Tflite, &[(&from, Values::I16(x.clone()))], (&to, DataType::I16), |builder, x, y| {
                let accumulation = constants.accumulation(builder);
                builder.op(Opcode::Conv2d, x, y, &Conv2d { window, groups: 1, accumulation });
            });
        let pixels = to[1] as usize * to[2] as usize;
        let mut sums: Vec<i64> = (0..pixels).flat_map(|_| constants.bias.clone()).collect();
        for position in 0..height * width {
            for (output, tap) in reached(&window, &from, &to, position) {
                for channel in 0..channels {
                    for k in 0..depth {
                        let weight = constants.weights[(channel * taps + tap) * depth + k];
                        sums[output * channels + channel] += i64::from(x[position * depth + k]) * i64::from(weight);
                    }
                }
            }
        }
        let expected: Vec<i16> =
            sums.into_iter().enumerate().map(|(at, sum)| constants.finish(sum, at % channels)).collect();
        assert_eq!(got.i16s(), expected, "seed {seed}");
    }
}

#[test]
fn binary_ops_equal_the_oracle() {
    let multiply = |value: i64, real: f64| {
        let (multiplier, shift) = quantize_multiplier(real);
        tflite_multiply(value, multiplier.cast_unsigned(), shift)
    };
    for seed in 0..CASES {
        let mut random = Random::new(seed);
        let [a, b, y] = [(); 3].map(|()| random.real(1e-5, 1e-3));
        let (first, second) = (i16s(&mut random, 64), i16s(&mut random, 64));
        let [low, high] = [-30_000, 31_000];
        let twice = 2.0 * a.max(b);
        for kind in [BinaryKind::Add, BinaryKind::Sub, BinaryKind::Mul, BinaryKind::IntegerPRelu] {
            let y = if matches!(kind, BinaryKind::Mul | BinaryKind::IntegerPRelu) { a * b * 20_000.0 } else { y };
            let inputs: [(&[u32], Values); 2] =
                [(&[64], Values::I16(first.clone())), (&[64], Values::I16(second.clone()))];
            let got = single(Arithmetic::Tflite, &inputs, (&[64], DataType::I16), |builder, x, out| {
                builder.op(Opcode::Binary, x, out, &wide_binary(kind, [a, b, y], [low, high]));
            });
            for ((&p, &q), &got) in first.iter().zip(&second).zip(got.i16s()) {
                let (p, q) = (i64::from(p), i64::from(q));
                let [scaled_p, scaled_q] = [(p, a), (q, b)].map(|(value, scale)| multiply(value << 15, scale / twice));
                let exact = match kind {
                    BinaryKind::Mul => multiply(p * q, a * b / y),
                    BinaryKind::IntegerPRelu if p >= 0 => multiply(p, a / y),
                    BinaryKind::IntegerPRelu => multiply(p * q, a * b / y),
                    BinaryKind::Sub => multiply(scaled_p - scaled_q, twice / (32768.0 * y)),
                    _ => multiply(scaled_p + scaled_q, twice / (32768.0 * y)),
                };
                assert_eq!(i64::from(got), exact.clamp(low.into(), high.into()), "seed {seed} {kind:?} {p} {q}");
            }
        }
    }
}

#[test]
fn integers_are_rescaled_between_all_types() {
    let types =
        [(DataType::I8, i64::from(i8::MIN)), (DataType::I16, i16::MIN.into()), (DataType::I32, i32::MIN.into())];
    for seed in 0..CASES {
        let mut random = Random::new(seed);
        let [(from, from_low), (to, to_low)] = [(); 2].map(|()| random.pick(&types));
        let [zero, to_zero] = [from_low, to_low].map(|low| random.integer(low / 2..-low / 2) as i32);
        let [a, b] = [(); 2].map(|()| random.integer(to_low..-to_low) as i32);
        let clamp = if random.once_in(2) { [to_low as i32, (-1 - to_low) as i32] } else { [a.min(b), a.max(b)] };
        let reals = [(); 2].map(|()| random.real(1e-4, 4.0));
        let negation = random.pick(&[Negation::None, Negation::Operand, Negation::Result]);
        let attributes: Rescale = rescale([zero, to_zero], clamp, reals, negation);
        let x: Vec<i32> = (0..50).map(|_| random.integer(from_low..-from_low) as i32).collect();
        let values = match from {
            DataType::I8 => Values::I8(x.iter().map(|&x| x as i8).collect()),
            DataType::I16 => Values::I16(x.iter().map(|&x| x as i16).collect()),
            _ => Values::I32(x.clone()),
        };
        let got = single(Arithmetic::Tflite, &[(&[50], values)], (&[50], to), |builder, x, y| {
            builder.op(Opcode::Rescale, x, y, &attributes);
        });
        let got: Vec<i64> = match &got {
            Values::I8(items) => items.iter().map(|&item| item.into()).collect(),
            Values::I16(items) => items.iter().map(|&item| item.into()).collect(),
            other => other.i32s().iter().map(|&item| item.into()).collect(),
        };
        for (&x, got) in x.iter().zip(got) {
            let distance = i64::from(x.wrapping_sub(zero));
            let multiply = |value: i64, multiplier: u32, shift: i8| tflite_multiply(value, multiplier, shift);
            let (second, shift) = (attributes.second_multiplier, attributes.second_shift);
            let scaled = match negation {
                _ if distance >= 0 => multiply(distance, attributes.first_multiplier, attributes.first_shift),
                Negation::Operand => multiply(i64::from((distance as i32).wrapping_neg()), second, shift),
                Negation::Result => i64::from((multiply(distance, second, shift) as i32).wrapping_neg()),
                _ => multiply(distance, second, shift),
            };
            let sum = (scaled + i64::from(to_zero)).clamp(i32::MIN.into(), i32::MAX.into());
            assert_eq!(got, sum.clamp(clamp[0].into(), clamp[1].into()), "seed {seed} {x} {attributes:?}");
        }
    }
}

#[test]
fn sigmoids_and_softmax_are_near_the_real_ones() {
    let mut random = Random::new(3);
    for scale in [1.0 / 4096.0, 1.0 / 32768.0, 0.00031, 0.0017] {
        let x = i16s(&mut random, 300);
        for (code, tangent) in [(WideFunction::Logistic, false), (WideFunction::Tanh, true)] {
            let (multiplier, shift) = sigmoid_factor(scale, tangent).expect("a scale in range");
            let got = single(
                Arithmetic::Tflite,
                &[(&[300], Values::I16(x.clone()))],
                (&[300], DataType::I16),
                |builder, x, y| {
                    let entries = sigmoid_entries().into_iter().flat_map(u16::to_le_bytes).collect();
                    let table = builder.constant_bytes(entries);
                    let attributes = WideTable { multiplier, shift, function: code.code(), reserved: [0; 2], table };
                    builder.op(Opcode::Table, x, y, &attributes);
                },
            );
            for (&x, &got) in x.iter().zip(got.i16s()) {
                let real = f64::from(x) * f64::from(scale);
                let exact = if tangent { real.tanh() } else { 1.0 / (1.0 + (-real).exp()) };
                assert!((f64::from(got) / 32768.0 - exact).abs() < 2e-4, "{code:?} {real}: {got}");
            }
        }
        let (multiplier, shift) = quantize_multiplier(f64::from(scale) * 6553.5);
        let got = single(
            Arithmetic::Tflite,
            &[(&[30, 10], Values::I16(x.clone()))],
            (&[30, 10], DataType::I16),
            |builder, x, y| {
                let [exponentials, reciprocals] = [exponentials(), reciprocals()]
                    .map(|entries| builder.constant_bytes(entries.into_iter().flat_map(i16::to_le_bytes).collect()));
                let multiplier = multiplier.cast_unsigned();
                let attributes = WideSoftmax { multiplier, shift, reserved: [0; 3], exponentials, reciprocals };
                builder.op(Opcode::Softmax, x, y, &attributes);
            },
        );
        for (row, got) in x.chunks(10).zip(got.i16s().chunks(10)) {
            let largest = f64::from(*row.iter().max().expect("ten"));
            let terms: Vec<f64> =
                row.iter().map(|&x| ((f64::from(x) - largest) * f64::from(scale)).max(-10.0).exp()).collect();
            let sum: f64 = terms.iter().sum();
            for (term, &got) in terms.into_iter().zip(got) {
                assert!((f64::from(got) / 32768.0 - term / sum).abs() < 5e-4, "{got} {}", term / sum);
            }
        }
    }
}

#[test]
fn sixteen_bits_come_from_floats_and_become_them() {
    let mut random = Random::new(4);
    let x = random.f32s(200, -2.0, 2.0);
    let attributes = QuantizeParameters { scale: 1.0 / 20_000.0, zero_point: 0 };
    for (arithmetic, round) in
        [(Arithmetic::Tflite, f32::round as fn(f32) -> f32), (Arithmetic::Float, f32::round_ties_even)]
    {
        let got = single(arithmetic, &[(&[200], Values::F32(x.clone()))], (&[200], DataType::I16), |builder, x, y| {
            builder.op(Opcode::Quantize, x, y, &attributes);
        });
        let expected: Vec<i16> = x.iter().map(|x| round(x / attributes.scale) as i16).collect();
        assert_eq!(got.i16s(), expected);
        let back = single(arithmetic, &[(&[200], got.clone())], (&[200], DataType::F32), |builder, x, y| {
            builder.op(Opcode::Dequantize, x, y, &attributes);
        });
        let expected: Vec<f32> = got.i16s().iter().map(|&q| f32::from(q) * attributes.scale).collect();
        assert_eq!(back.f32s(), expected);
    }
}
