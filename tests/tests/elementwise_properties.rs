//! Elementwise ops, softmax, arg max and conversions: 8-bit results against the float op on dequantised values, and
//! against oracles written another way.

use bantam_format::ops::{
    ArgMax, BinaryKind, FloatBinary, FloatClamp, FloatSoftmax, IntegerClamp, L2Normalize, QuantizeParameters, Table,
    Unary, UnaryKind,
};
use bantam_format::{Arithmetic, DataType, Opcode};
use bantam_tests::chain::{integer_binary, integer_softmax};
use bantam_tests::naive::{self, tflite_multiply};
use bantam_tests::quantization::{Quantization, lookup_table};
use bantam_tests::random::Random;
use bantam_tests::run::Values;
use bantam_tests::single::{assert_close, single};

/// Cases per opcode.
const CASES: u64 = 300;
/// Rounding of float multipliers and products: a few units of 2^-24 times 256 steps.
const TINY: f64 = 1e-3;
const FULL: [i8; 2] = [i8::MIN, i8::MAX];

fn random_shape(random: &mut Random) -> Vec<u32> {
    (0..random.within(1..5)).map(|_| random.within(1..7) as u32).collect()
}

fn elements(dimensions: &[u32]) -> usize {
    dimensions.iter().product::<u32>() as usize
}

fn random_quantization(random: &mut Random) -> Quantization {
    Quantization { scale: random.real(0.005, 0.2) as f32, zero_point: random.i8() }
}

#[test]
fn binary_is_within_a_rounding_of_float_and_equals_the_oracle() {
    for seed in 0..CASES * 3 {
        let mut random = Random::new(seed);
        let kind = BinaryKind::ALL[seed as usize % 3];
        let shape = random_shape(&mut random);
        let second_shape = shape[random.within(0..shape.len() + 1)..].to_vec();
        let (a, b) = (random.i8s(elements(&shape)), random.i8s(elements(&second_shape)));
        let [first, second] = [random_quantization(&mut random), random_quantization(&mut random)];
        let float =
            FloatBinary { kind: kind.code(), reserved: [0; 3], clamp_min: f32::NEG_INFINITY, clamp_max: f32::INFINITY };
        let operands = [
            (&shape[..], Values::F32(first.dequantize_all(&a))),
            (&second_shape[..], Values::F32(second.dequantize_all(&b))),
        ];
        let real = single(Arithmetic::Float, &operands, (&shape, DataType::F32), |builder, inputs, y| {
            builder.op(Opcode::Binary, inputs, y, &float);
        });
        let output = Quantization::of_values(real.f32s());
        let clamp = if random.once_in(2) { FULL } else { [-100, 90] };
        for arithmetic in [Arithmetic::Tflite, Arithmetic::Onnx] {
            let attributes = integer_binary(arithmetic, kind, [first, second, output], clamp);
            let operands = [(&shape[..], Values::I8(a.clone())), (&second_shape[..], Values::I8(b.clone()))];
            let got = single(arithmetic, &operands, (&shape, DataType::I8), |builder, inputs, y| {
                builder.op(Opcode::Binary, inputs, y, &attributes);
            });
            let expected = a.iter().enumerate().map(|(index, &left)| {
                let left = i64::from(left) - i64::from(first.zero_point);
                let right = i64::from(b[index % b.len()]) - i64::from(second.zero_point);
                let value = if arithmetic == Arithmetic::Tflite {
                    let raw = match kind {
                        BinaryKind::Mul => left * right,
                        _ => {
                            let scale =
                                |value, multiplier, shift| tflite_multiply(value * (1 << 20), multiplier, shift);
                            let left = scale(left, attributes.first_multiplier, attributes.first_shift);
                            let right = scale(right, attributes.second_multiplier, attributes.second_shift);
                            if kind == BinaryKind::Sub { left - right } else { left + right }
                        }
                    };
                    tflite_multiply(raw, attributes.output_multiplier, attributes.output_shift)
                } else {
                    // Every product and sum of two binary32 numbers, rounded to binary32.
                    let single = |value: f64| f64::from(value as f32);
                    let factor = |bits| f64::from(f32::from_bits(bits));
                    let value = match kind {
                        BinaryKind::Mul => single((left * right) as f64 * factor(attributes.output_multiplier)),
                        _ => {
                            let left = single(left as f64 * factor(attributes.first_multiplier));
                            let right = single(right as f64 * factor(attributes.second_multiplier));
                            single(if kind == BinaryKind::Sub { left - right } else { left + right })
                        }
                    };
                    value.round_ties_even() as i64
                };
                (value + i64::from(output.zero_point)).clamp(i64::from(clamp[0]), i64::from(clamp[1])) as i8
            });
            assert_eq!(got.i8s(), expected.collect::<Vec<_>>(), "seed {seed} {arithmetic:?} {kind:?}");
            // `onnx`: one rounding. `tflite`: the operands are rounded to 2^-20 of a step, then twice.
            let bound = if arithmetic == Arithmetic::Tflite { 1.0 } else { 0.5 };
            assert_close(got.i8s(), real.f32s(), output, clamp, bound + TINY, &(seed, arithmetic, kind));
        }
    }
}

#[test]
fn table_is_within_half_a_step_of_the_float_function() {
    for seed in 0..CASES {
        let mut random = Random::new(seed);
        let shape = random_shape(&mut random);
        let x = random.i8s(elements(&shape));
        let input = random_quantization(&mut random);
        let kind = random.pick(&[UnaryKind::Sigmoid, UnaryKind::Tanh, UnaryKind::HardSwish, UnaryKind::Gelu]);
        let apply = |shape: &[u32], values: Vec<f32>| {
            let attributes = Unary { kind: kind.code(), reserved: [0; 3], p: 1.0 / 6.0, q: 0.5 };
            single(Arithmetic::Float, &[(shape, Values::F32(values))], (shape, DataType::F32), |builder, x, y| {
                builder.op(Opcode::Unary, x, y, &attributes);
            })
        };
        let real = apply(&shape, input.dequantize_all(&x));
        let output = Quantization::of_values(real.f32s());
        let all: Vec<i8> = (i8::MIN..=i8::MAX).collect();
        let function = apply(&[256], input.dequantize_all(&all));
        let entries = lookup_table(input, output, |value| {
            let index = all.iter().position(|&step| input.dequantize(step) == value).expect("a step");
            function.f32s()[index]
        });
        let got =
            single(Arithmetic::Float, &[(&shape, Values::I8(x.clone()))], (&shape, DataType::I8), |builder, x, y| {
                let table = builder.constant(&Values::I8(entries.clone()));
                builder.op(Opcode::Table, x, y, &Table { table });
            });
        // The table holds the nearest step of each value: one rounding.
        assert_close(got.i8s(), real.f32s(), output, FULL, 0.5 + TINY, &(seed, kind));
    }
}

/// The error function by its power series, which converges everywhere and is accurate for the small x used here.
fn erf(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    2.0 / std::f64::consts::PI.sqrt() * sum
}

#[test]
fn unary_is_within_float_accuracy_of_the_function_in_binary64() {
    let mut random = Random::new(3);
    let x = random.f32s(2000, -4.0, 4.0);
    // The others stand in `movement_properties.rs`.
    for &kind in &UnaryKind::ALL[..15] {
        let (p, q) = (0.3f32, 0.45f32);
        let attributes = Unary { kind: kind.code(), reserved: [0; 3], p, q };
        let x = if matches!(kind, UnaryKind::Log | UnaryKind::Sqrt) {
            x.iter().map(|x| x.abs()).collect()
        } else {
            x.clone()
        };
        let got = single(
            Arithmetic::Float,
            &[(&[2000], Values::F32(x.clone()))],
            (&[2000], DataType::F32),
            |builder, x, y| {
                builder.op(Opcode::Unary, x, y, &attributes);
            },
        );
        let (p, q) = (f64::from(p), f64::from(q));
        for (&x, &got) in x.iter().zip(got.f32s()) {
            let x = f64::from(x);
            let hard = (p * x + q).clamp(0.0, 1.0);
            let real = match kind {
                UnaryKind::Sigmoid => 1.0 / (1.0 + (-x).exp()),
                UnaryKind::Tanh => x.tanh(),
                UnaryKind::LeakyRelu => x.max(0.0) + p * x.min(0.0),
                UnaryKind::Elu => x.max(0.0) + p * (x.min(0.0).exp() - 1.0),
                UnaryKind::HardSigmoid => hard,
                UnaryKind::HardSwish => x * hard,
                UnaryKind::Softplus => (1.0 + x.exp()).ln(),
                UnaryKind::Exp => x.exp(),
                UnaryKind::Log => x.ln(),
                UnaryKind::Sqrt => x.sqrt(),
                UnaryKind::Neg => -x,
                UnaryKind::Abs => x.abs(),
                UnaryKind::Erf => erf(x),
                UnaryKind::Silu => x / (1.0 + (-x).exp()),
                UnaryKind::Gelu => x / 2.0 * (1.0 + erf(x / 2f64.sqrt())),
                other => panic!("no reference for {other:?}"),
            };
            // A handful of operations of relative error 2^-24 each, on terms of at most max(1, |y|, |x|).
            let bound = 6.0 * f64::from(f32::EPSILON) * real.abs().max(1.0).max(x.abs());
            assert!((f64::from(got) - real).abs() <= bound, "{kind:?} of {x}: {got}, not {real}");
        }
    }
}

#[test]
fn clamp_is_exact() {
    for seed in 0..CASES {
        let mut random = Random::new(seed);
        let shape = random_shape(&mut random);
        let x = random.i8s(elements(&shape));
        let quantization = random_quantization(&mut random);
        let (a, b) = (random.i8(), random.i8());
        let [clamp_min, clamp_max] = [a.min(b), a.max(b)];
        let got =
            single(Arithmetic::Float, &[(&shape, Values::I8(x.clone()))], (&shape, DataType::I8), |builder, x, y| {
                builder.op(Opcode::Clamp, x, y, &IntegerClamp { clamp_min, clamp_max, reserved: [0; 2] });
            });
        let float =
            FloatClamp { clamp_min: quantization.dequantize(clamp_min), clamp_max: quantization.dequantize(clamp_max) };
        let reals = Values::F32(quantization.dequantize_all(&x));
        let real = single(Arithmetic::Float, &[(&shape, reals)], (&shape, DataType::F32), |builder, x, y| {
            builder.op(Opcode::Clamp, x, y, &float);
        });
        assert_eq!(quantization.dequantize_all(got.i8s()), real.f32s(), "seed {seed}");
    }
}

#[test]
fn reshape_keeps_every_byte() {
    for seed in 0..CASES {
        let mut random = Random::new(seed);
        let shape = random_shape(&mut random);
        let count = elements(&shape);
        let flat = [count as u32];
        for x in [
            Values::I8(random.i8s(count)),
            Values::F32(random.f32s(count, -1e9, 1e9)),
            Values::I32((0..count).map(|_| random.bits() as i32).collect()),
        ] {
            let data_type = match x {
                Values::I8(_) => DataType::I8,
                Values::I16(_) => DataType::I16,
                Values::I32(_) => DataType::I32,
                Values::F32(_) => DataType::F32,
            };
            let got = single(Arithmetic::Float, &[(&shape, x.clone())], (&flat, data_type), |builder, x, y| {
                builder.op(Opcode::Reshape, x, y, &());
            });
            assert_eq!(got, x);
        }
    }
}

#[test]
fn softmax_is_within_one_step_of_float_and_equals_the_oracle() {
    for seed in 0..CASES {
        let mut random = Random::new(seed);
        let (rows, classes) = match seed {
            0 => (1, 4095),
            1 => (2, 1500),
            _ => (random.within(1..4) as u32, random.within(1..40) as u32),
        };
        let shape = [rows, classes];
        // Seeds 0 and 1: all equal, the largest sum there is.
        let x = if seed < 2 { vec![3; elements(&shape)] } else { random.i8s(elements(&shape)) };
        let input = random_quantization(&mut random);
        let got =
            single(Arithmetic::Float, &[(&shape, Values::I8(x.clone()))], (&shape, DataType::I8), |builder, x, y| {
                builder.op(Opcode::Softmax, x, y, &integer_softmax(input));
            });
        let attributes = integer_softmax(input);
        let rows = x.chunks_exact(classes as usize);
        let expected = rows.flat_map(|row| naive::softmax(row, attributes.multiplier, attributes.shift));
        assert_eq!(got.i8s(), expected.collect::<Vec<_>>(), "seed {seed}");
        let reals = Values::F32(input.dequantize_all(&x));
        let real = single(Arithmetic::Float, &[(&shape, reals)], (&shape, DataType::F32), |builder, x, y| {
            builder.op(Opcode::Softmax, x, y, &FloatSoftmax { beta: 1.0 });
        });
        for row in real.f32s().chunks_exact(classes as usize) {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-4);
        }
        // Half a step of the last rounding; exponential and reciprocal are good to about 2^-9 of a step each, and
        // saturation at 127 stands for a probability of 255/256.
        let output = Quantization { scale: 1.0 / 256.0, zero_point: -128 };
        assert_close(got.i8s(), real.f32s(), output, FULL, 0.6, &(seed, shape));
    }
}

#[test]
fn logarithm_of_softmax_is_within_one_step_of_float_and_equals_the_oracle() {
    for seed in 0..CASES {
        let mut random = Random::new(seed);
        let (rows, classes) = match seed {
            0 => (1, 4095),
            _ => (random.within(1..4) as u32, random.within(1..40) as u32),
        };
        let shape = [rows, classes];
        let x = if seed == 0 { vec![3; elements(&shape)] } else { random.i8s(elements(&shape)) };
        let input = random_quantization(&mut random);
        let attributes = integer_softmax(input);
        let values = Values::I8(x.clone());
        let got = single(Arithmetic::Float, &[(&shape, values)], (&shape, DataType::I8), |builder, x, y| {
            builder.op(Opcode::LogSoftmax, x, y, &attributes);
        });
        let rows = x.chunks_exact(classes as usize);
        let expected = rows.flat_map(|row| naive::log_softmax(row, attributes.multiplier, attributes.shift));
        assert_eq!(got.i8s(), expected.collect::<Vec<_>>(), "seed {seed}");
        let reals = Values::F32(input.dequantize_all(&x));
        let real = single(Arithmetic::Float, &[(&shape, reals)], (&shape, DataType::F32), |builder, x, y| {
            builder.op(Opcode::LogSoftmax, x, y, &FloatSoftmax { beta: 1.0 });
        });
        for row in real.f32s().chunks_exact(classes as usize) {
            assert!((row.iter().map(|value| value.exp()).sum::<f32>() - 1.0).abs() < 1e-4);
        }
        let output = Quantization { scale: 1.0 / 16.0, zero_point: 127 };
        assert_close(got.i8s(), real.f32s(), output, FULL, 0.6, &(seed, shape));
    }
}

#[test]
fn vectors_of_length_one_are_within_one_step_of_float_and_equal_the_oracle() {
    for seed in 0..CASES {
        let mut random = Random::new(seed);
        let (rows, length) = match seed {
            // Seed 0: the longest vector of the largest squares. Seed 1: zeros.
            0 => (1, 33_025),
            _ => (random.within(1..4) as u32, random.within(1..40) as u32),
        };
        let shape = [rows, length];
        let input = Quantization { zero_point: if seed == 0 { 127 } else { random.i8() }, scale: 0.1 };
        let x = match seed {
            0 => vec![-128; elements(&shape)],
            1 => vec![input.zero_point; elements(&shape)],
            _ => random.i8s(elements(&shape)),
        };
        let of = |zero_point| L2Normalize { zero_point, reserved: [0; 3] };
        let values = Values::I8(x.clone());
        let got = single(Arithmetic::Float, &[(&shape, values)], (&shape, DataType::I8), |builder, x, y| {
            builder.op(Opcode::L2Normalize, x, y, &of(input.zero_point));
        });
        let expected = x.chunks_exact(length as usize).flat_map(|row| naive::l2_normalize(row, input.zero_point));
        assert_eq!(got.i8s(), expected.collect::<Vec<_>>(), "seed {seed}");
        let reals = Values::F32(input.dequantize_all(&x));
        let real = single(Arithmetic::Float, &[(&shape, reals)], (&shape, DataType::F32), |builder, x, y| {
            builder.op(Opcode::L2Normalize, x, y, &of(0));
        });
        let output = Quantization { scale: 1.0 / 128.0, zero_point: 0 };
        assert_close(got.i8s(), real.f32s(), output, FULL, 0.6, &(seed, shape));
    }
}

#[test]
fn arg_max_agrees_with_float_and_with_the_oracle() {
    for seed in 0..CASES {
        let mut random = Random::new(seed);
        let shape = random_shape(&mut random);
        let rows = &shape[..shape.len() - 1];
        let classes = shape[shape.len() - 1] as usize;
        // Few different values: many ties.
        let x: Vec<i8> = (0..elements(&shape)).map(|_| random.integer(-2..3) as i8).collect();
        for select_last in [false, true] {
            let attributes = ArgMax { select_last: u8::from(select_last), select_least: 0, reserved: [0; 2] };
            let run = |x: Values| {
                single(Arithmetic::Float, &[(&shape, x)], (rows, DataType::I32), |builder, x, y| {
                    builder.op(Opcode::ArgMax, x, y, &attributes);
                })
            };
            let got = run(Values::I8(x.clone()));
            let expected = x.chunks_exact(classes).map(|row| {
                let max = row.iter().max();
                let mut equal = (0i32..).zip(row).filter(|(_, value)| Some(*value) == max).map(|(index, _)| index);
                let found = if select_last { equal.last() } else { equal.next() };
                found.expect("a maximum")
            });
            assert_eq!(got.i32s(), expected.collect::<Vec<_>>(), "seed {seed}");
            assert_eq!(run(Values::F32(x.iter().map(|&x| f32::from(x)).collect())), got, "seed {seed}");
        }
    }
}

#[test]
fn arg_max_chooses_nan_only_where_it_stands_first() {
    let nan = f32::NAN;
    for (row, first, last) in [
        ([1.0, nan, 0.0], 0, 0),
        ([0.0, nan, 1.0], 2, 2),
        ([1.0, nan, 1.0], 0, 2),
        ([1.0, 1.0, nan], 0, 1),
        ([nan, 1.0, 2.0], 0, 0),
        ([nan, nan, nan], 0, 0),
        ([f32::NEG_INFINITY, nan, f32::NEG_INFINITY], 0, 2),
    ] {
        for (select_last, expected) in [(0, first), (1, last)] {
            let x = Values::F32(row.to_vec());
            let got = single(Arithmetic::Float, &[(&[3], x)], (&[], DataType::I32), |builder, x, y| {
                builder.op(Opcode::ArgMax, x, y, &ArgMax { select_last, select_least: 0, reserved: [0; 2] });
            });
            assert_eq!(got.i32s(), [expected], "{row:?} {select_last}");
        }
    }
}

#[test]
fn quantize_rounds_to_the_nearest_step_and_dequantize_is_exact() {
    for seed in 0..CASES {
        let mut random = Random::new(seed);
        let shape = random_shape(&mut random);
        // Half of the cases at exact ties: multiples of half a step of 1/4.
        let ties = seed % 2 == 0;
        let quantization =
            if ties { Quantization { scale: 0.25, zero_point: random.i8() } } else { random_quantization(&mut random) };
        let x: Vec<f32> = if ties {
            (0..elements(&shape)).map(|_| random.integer(-300..300) as f32 * 0.125).collect()
        } else {
            random.f32s(elements(&shape), -30.0, 30.0)
        };
        let attributes =
            QuantizeParameters { scale: quantization.scale, zero_point: i32::from(quantization.zero_point) };
        for arithmetic in Arithmetic::ALL {
            let steps =
                single(*arithmetic, &[(&shape, Values::F32(x.clone()))], (&shape, DataType::I8), |builder, x, y| {
                    builder.op(Opcode::Quantize, x, y, &attributes);
                });
            let expected = x.iter().map(|&x| {
                let position = f64::from((f64::from(x) / f64::from(quantization.scale)) as f32);
                let rounded =
                    if *arithmetic == Arithmetic::Tflite { position.round() } else { position.round_ties_even() };
                (rounded as i64 + i64::from(quantization.zero_point)).clamp(-128, 127) as i8
            });
            assert_eq!(steps.i8s(), expected.collect::<Vec<_>>(), "seed {seed} {arithmetic:?}");
            assert_close(steps.i8s(), &x, quantization, FULL, 0.5 + TINY, &seed);
            let back = single(*arithmetic, &[(&shape, steps.clone())], (&shape, DataType::F32), |builder, x, y| {
                builder.op(Opcode::Dequantize, x, y, &attributes);
            });
            assert_eq!(back.f32s(), quantization.dequantize_all(steps.i8s()), "seed {seed}");
        }
    }
}
