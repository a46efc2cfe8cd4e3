//! Ops that move elements, broadcast, select, multiply and interpolate: against oracles written another way, and 8-bit
//! results against the float op on dequantised values.

use bantam_format::ops::{
    Accumulation, ArgMax, BinaryKind, Concat, Conv2d, FloatBinary, Gather, IntegerEpilogue, MatMul, Pad, PadMode,
    Reduce, ReduceKind, Resize, ResizeTap, StridedCopy, Unary, UnaryKind, WordBinary,
};
use bantam_format::{ABSENT, Arithmetic, DataType, Opcode};
use bantam_tests::build::{unbounded, window};
use bantam_tests::chain::{corner_taps, integer_binary};
use bantam_tests::naive::requantize;
use bantam_tests::parts::Record;
use bantam_tests::quantization::{Quantization, multiplier, table};
use bantam_tests::random::Random;
use bantam_tests::run::Values;
use bantam_tests::single::{assert_close, single};

const CASES: u64 = 200;
const TINY: f64 = 1e-3;
const FULL: [i8; 2] = [i8::MIN, i8::MAX];
const INTEGER: [Arithmetic; 2] = [Arithmetic::Tflite, Arithmetic::Onnx];

fn elements(dimensions: &[u32]) -> usize {
    dimensions.iter().product::<u32>() as usize
}

/// The index along each axis of element `at`.
fn unravel(mut at: usize, dimensions: &[u32]) -> Vec<usize> {
    let mut index: Vec<usize> = dimensions
        .iter()
        .rev()
        .map(|&d| {
            let here = at % d as usize;
            at /= d as usize;
            here
        })
        .collect();
    index.reverse();
    index
}

/// The element of a tensor that an index of a broadcast result sees.
fn seen(index: &[usize], dimensions: &[u32]) -> usize {
    let own = &index[index.len() - dimensions.len()..];
    own.iter().zip(dimensions).fold(0, |at, (&i, &d)| at * d as usize + if d == 1 { 0 } else { i })
}

/// A shape that broadcasts to another one.
fn part_of(shape: &[u32], random: &mut Random) -> Vec<u32> {
    let from = random.within(0..shape.len() + 1);
    shape[from..].iter().map(|&d| if random.once_in(3) { 1 } else { d }).collect()
}

fn random_shape(random: &mut Random) -> Vec<u32> {
    (0..random.within(1..5)).map(|_| random.within(1..6) as u32).collect()
}

fn random_quantization(random: &mut Random) -> Quantization {
    Quantization { scale: random.real(0.01, 0.2) as f32, zero_point: random.i8() }
}

fn numbered(count: usize) -> Vec<i32> {
    (0..count as i32).collect()
}

/// The same op on 8-bit and on 32-bit elements: the position in the input of each output element.
fn moved(from: &[u32], to: &[u32], opcode: Opcode, attributes: &impl Record) -> Vec<i32> {
    let count = elements(from);
    let run = |x: Values, data_type: DataType| {
        single(Arithmetic::Float, &[(from, x)], (to, data_type), |builder, x, y| builder.op(opcode, x, y, attributes))
    };
    let words = run(Values::I32(numbered(count)), DataType::I32);
    let bytes = run(Values::I8(numbered(count).iter().map(|&x| x as i8).collect()), DataType::I8);
    assert!(words.i32s().iter().zip(bytes.i8s()).all(|(&word, &byte)| word as i8 == byte));
    words.i32s().to_vec()
}

#[test]
fn strided_copies_follow_their_formula() {
    for seed in 0..CASES {
        let mut random = Random::new(seed);
        let mut dimensions = [1u32; 6];
        let mut strides = [0i32; 6];
        let (mut low, mut high) = (0i32, 0i32);
        for axis in random.within(0..5)..6 {
            dimensions[axis] = random.within(1..5) as u32;
            strides[axis] = random.integer(-7..8) as i32;
            let reach = (dimensions[axis] as i32 - 1) * strides[axis];
            (low, high) = (low + reach.min(0), high + reach.max(0));
        }
        let from = [(high - low + 1) as u32];
        let to = [dimensions.iter().product::<u32>()];
        let copy = StridedCopy { offset: -low as u32, dimensions, strides };
        let expected = (0..to[0] as usize).map(|at| {
            let index = unravel(at, &dimensions);
            index.iter().zip(strides).fold(-low, |sum, (&i, stride)| sum + i as i32 * stride)
        });
        assert_eq!(moved(&from, &to, Opcode::StridedCopy, &copy), expected.collect::<Vec<_>>(), "seed {seed}");
    }
}

#[test]
fn pads_take_their_border_from_the_mode() {
    for seed in 0..CASES {
        let mut random = Random::new(seed);
        let mode = random.pick(PadMode::ALL);
        let from = random_shape(&mut random);
        let most = |size: u32| if mode == PadMode::Reflect { size as usize } else { 5 };
        let sides: Vec<[u32; 2]> =
            from.iter().map(|&size| [0; 2].map(|_| random.within(0..most(size)) as u32)).collect();
        let to: Vec<u32> = from.iter().zip(&sides).map(|(size, [before, after])| before + size + after).collect();
        let mut before = [0; 6];
        for (to, [from, _]) in before.iter_mut().zip(&sides) {
            *to = *from;
        }
        let value = if mode == PadMode::Constant { u32::MAX } else { 0 };
        let pad = Pad { mode: mode.code(), reserved: [0; 3], value, before };
        let expected = (0..elements(&to)).map(|at| {
            let mut axes = unravel(at, &to).into_iter().zip(&from).zip(&sides);
            axes.try_fold(0i64, |sum, ((at, &size), [before, _])| {
                let (at, size) = (at as i64 - i64::from(*before), i64::from(size));
                let inside = match mode {
                    PadMode::Reflect => (size - 1 - (size - 1 - at.abs()).abs()).max(0),
                    PadMode::Edge => at.clamp(0, size - 1),
                    PadMode::Wrap => at.rem_euclid(size),
                    _ if at < 0 || at >= size => return None,
                    _ => at,
                };
                Some(sum * size + inside)
            })
            .map_or(-1, |at| at as i32)
        });
        assert_eq!(moved(&from, &to, Opcode::Pad, &pad), expected.collect::<Vec<_>>(), "seed {seed} {mode:?}");
    }
}

#[test]
fn gathers_and_concats_take_whole_slices() {
    for seed in 0..CASES {
        let mut random = Random::new(seed);
        let from = random_shape(&mut random);
        let axis = random.within(0..from.len());
        let size = from[axis] as usize;
        let positions: Vec<i32> = (0..random.within(1..6)).map(|_| random.within(0..size) as i32).collect();
        let mut to = from.clone();
        to[axis] = positions.len() as u32;
        let expected: Vec<i32> = (0..elements(&to))
            .map(|at| {
                let mut index = unravel(at, &to);
                index[axis] = positions[index[axis]] as usize;
                seen(&index, &from) as i32
            })
            .collect();
        // A size of 1 repeats in `seen`, and its only position is 0.
        let x = Values::I32(numbered(elements(&from)));
        let constant = single(Arithmetic::Float, &[(&from, x.clone())], (&to, DataType::I32), |builder, x, y| {
            let stored = builder.constant(&Values::I32(positions.clone()));
            let count = positions.len() as u32;
            let gather = Gather { axis: axis as u8, reserved: [0; 3], count, positions: stored };
            builder.op(Opcode::Gather, x, y, &gather);
        });
        assert_eq!(constant.i32s(), expected, "seed {seed}");
        // At run time a negative position counts from the end, and the rest is brought into range.
        let given = positions.iter().map(|&position| match position {
            0 if random.once_in(2) => i32::MIN,
            last if last as usize == size - 1 && random.once_in(2) => i32::MAX,
            position => position - if random.once_in(2) { size as i32 } else { 0 },
        });
        let given = Values::I32(given.collect());
        let operands = [(&from[..], x.clone()), (&[positions.len() as u32][..], given)];
        let dynamic = single(Arithmetic::Float, &operands, (&to, DataType::I32), |builder, x, y| {
            let gather = Gather { axis: axis as u8, reserved: [0; 3], count: 0, positions: ABSENT };
            builder.op(Opcode::Gather, x, y, &gather);
        });
        assert_eq!(dynamic.i32s(), expected, "seed {seed}");
        // Joining single slices gives the same.
        let mut slice = from.clone();
        slice[axis] = 1;
        let mut slices = Vec::new();
        for &position in &positions {
            let values = (0..elements(&slice)).map(|at| {
                let mut index = unravel(at, &slice);
                index[axis] = position as usize;
                index.iter().zip(&from).fold(0, |at, (&i, &d)| at * d as usize + i) as i32
            });
            slices.push((&slice[..], Values::I32(values.collect())));
        }
        let joined = single(Arithmetic::Float, &slices, (&to, DataType::I32), |builder, x, y| {
            builder.op(Opcode::Concat, x, y, &Concat { axis: axis as u8, reserved: [0; 3] });
        });
        assert_eq!(joined.i32s(), expected, "seed {seed}");
    }
}

/// The real function of a kind.
fn real(kind: BinaryKind, a: f64, b: f64) -> f64 {
    match kind {
        BinaryKind::Add => a + b,
        BinaryKind::Sub => a - b,
        BinaryKind::Mul => a * b,
        BinaryKind::Div => a / b,
        BinaryKind::Min => a.min(b),
        BinaryKind::Max => a.max(b),
        BinaryKind::Pow => a.powf(b),
        BinaryKind::PRelu => a.max(0.0) + b * a.min(0.0),
        BinaryKind::Equal => f64::from(u8::from(a == b)),
        BinaryKind::Less => f64::from(u8::from(a < b)),
        BinaryKind::LessOrEqual => f64::from(u8::from(a <= b)),
        BinaryKind::Greater => f64::from(u8::from(a > b)),
        BinaryKind::GreaterOrEqual => f64::from(u8::from(a >= b)),
        kind => panic!("{kind:?} is not a real function"),
    }
}

fn float_binary(kind: BinaryKind) -> FloatBinary {
    FloatBinary { kind: kind.code(), reserved: [0; 3], clamp_min: f32::NEG_INFINITY, clamp_max: f32::INFINITY }
}

#[test]
fn binary_ops_broadcast_either_operand() {
    // A remainder jumps where a quotient passes a whole number: it is tested apart. What only the arithmetic `tflite` has
    // follows its reference, not the real function: the goldens hold it to that.
    let compared = |kind: &BinaryKind| !kind.is_bitwise() && !kind.is_tflite() && *kind != BinaryKind::Remainder;
    let kinds: Vec<BinaryKind> = BinaryKind::ALL.iter().copied().filter(compared).collect();
    for seed in 0..CASES * 4 {
        let mut random = Random::new(seed);
        let kind = kinds[seed as usize % kinds.len()];
        let to = random_shape(&mut random);
        let shapes = [part_of(&to, &mut random), part_of(&to, &mut random)];
        let [first, second] = [random_quantization(&mut random), random_quantization(&mut random)];
        let a = random.i8s(elements(&shapes[0]));
        let mut b = random.i8s(elements(&shapes[1]));
        // Far from poles.
        let second = match kind {
            BinaryKind::Div | BinaryKind::Pow => Quantization { zero_point: -128, scale: 0.01 },
            _ => second,
        };
        b.iter_mut().for_each(|b| *b = (*b).max(-80));
        let first = if kind == BinaryKind::Pow { Quantization { zero_point: -128, scale: 0.01 } } else { first };
        let (x, z) = (first.dequantize_all(&a), second.dequantize_all(&b));
        let expected: Vec<f64> = (0..elements(&to))
            .map(|at| {
                let index = unravel(at, &to);
                let (x, z) = (x[seen(&index, &shapes[0])], z[seen(&index, &shapes[1])]);
                real(kind, f64::from(x), f64::from(z))
            })
            .collect();
        let floats = [(&shapes[0][..], Values::F32(x)), (&shapes[1][..], Values::F32(z))];
        let bytes = [(&shapes[0][..], Values::I8(a)), (&shapes[1][..], Values::I8(b))];
        let data_type = if kind.is_comparison() { DataType::I32 } else { DataType::F32 };
        let got = single(Arithmetic::Float, &floats, (&to, data_type), |builder, inputs, y| {
            builder.op(Opcode::Binary, inputs, y, &float_binary(kind));
        });
        if kind.is_comparison() {
            let expected: Vec<i32> = expected.iter().map(|&x| x as i32).collect();
            assert_eq!(got.i32s(), expected, "seed {seed} {kind:?}");
            for arithmetic in INTEGER {
                let attributes = integer_binary(arithmetic, kind, [first, second, first], FULL);
                let got = single(arithmetic, &bytes, (&to, DataType::I32), |builder, inputs, y| {
                    builder.op(Opcode::Binary, inputs, y, &attributes);
                });
                assert_eq!(got.i32s(), expected, "seed {seed} {kind:?}");
            }
            continue;
        }
        for (got, expected) in got.f32s().iter().zip(&expected) {
            let close = 1e-5 * expected.abs().max(1.0);
            assert!((f64::from(*got) - expected).abs() <= close, "seed {seed} {kind:?} {got} {expected}");
        }
        let output = Quantization::of_values(got.f32s());
        for arithmetic in INTEGER {
            let attributes = integer_binary(arithmetic, kind, [first, second, output], FULL);
            let bytes = single(arithmetic, &bytes, (&to, DataType::I8), |builder, inputs, y| {
                builder.op(Opcode::Binary, inputs, y, &attributes);
            });
            // One rounding, but for sums and products under `tflite`.
            let bound = if arithmetic == Arithmetic::Tflite && kind.is_integer_arithmetic() { 1.0 } else { 0.5 };
            assert_close(bytes.i8s(), got.f32s(), output, FULL, bound + TINY, &(seed, arithmetic, kind));
        }
    }
}

#[test]
fn words_wrap_divide_and_combine_their_bits() {
    let run = |kind: BinaryKind, a: i32, b: i32| {
        let operands = [(&[1][..], Values::I32(vec![a])), (&[][..], Values::I32(vec![b]))];
        let got = single(Arithmetic::Float, &operands, (&[1], DataType::I32), |builder, inputs, y| {
            builder.op(Opcode::Binary, inputs, y, &WordBinary { kind: kind.code(), reserved: [0; 3] });
        });
        got.i32s()[0]
    };
    assert_eq!(run(BinaryKind::Add, i32::MAX, 1), i32::MIN);
    assert_eq!(run(BinaryKind::Mul, 1 << 30, 4), 0);
    assert_eq!(run(BinaryKind::Div, -7, 2), -3);
    assert_eq!(run(BinaryKind::Div, 7, 0), 0);
    assert_eq!(run(BinaryKind::Div, i32::MIN, -1), i32::MIN);
    assert_eq!(run(BinaryKind::And, 6, 3), 2);
    assert_eq!(run(BinaryKind::Or, 6, 3), 7);
    assert_eq!(run(BinaryKind::Xor, 6, 3), 5);
    assert_eq!(run(BinaryKind::Equal, 4, 4), 1);
    assert_eq!(run(BinaryKind::Max, 4, -4), 4);
}

#[test]
fn select_takes_by_its_condition() {
    for seed in 0..CASES {
        let mut random = Random::new(seed);
        let to = random_shape(&mut random);
        let shapes = [0; 3].map(|_| part_of(&to, &mut random));
        let condition: Vec<i32> = (0..elements(&shapes[0])).map(|_| random.integer(-1..2) as i32).collect();
        let [a, b] = [1, 2].map(|operand| random.i8s(elements(&shapes[operand])));
        let expected = (0..elements(&to)).map(|at| {
            let index = unravel(at, &to);
            let [c, x, y] = [0, 1, 2].map(|operand| seen(&index, &shapes[operand]));
            if condition[c] != 0 { a[x] } else { b[y] }
        });
        let expected: Vec<i8> = expected.collect();
        let operands = [
            (&shapes[0][..], Values::I32(condition.clone())),
            (&shapes[1][..], Values::I8(a.clone())),
            (&shapes[2][..], Values::I8(b.clone())),
        ];
        let got = single(Arithmetic::Float, &operands, (&to, DataType::I8), |builder, inputs, y| {
            builder.op(Opcode::Select, inputs, y, &());
        });
        assert_eq!(got.i8s(), expected, "seed {seed}");
    }
}

fn epilogue(table: u32, [input, output]: [Quantization; 2]) -> IntegerEpilogue {
    IntegerEpilogue {
        table,
        input_zero_point: input.zero_point,
        output_zero_point: output.zero_point,
        clamp_min: i8::MIN,
        clamp_max: i8::MAX,
    }
}

#[test]
fn products_of_matrices_equal_the_oracle() {
    for seed in 0..CASES {
        let mut random = Random::new(seed);
        let batch: Vec<u32> = (0..random.within(0..3)).map(|_| random.within(1..4) as u32).collect();
        let [m, k, n] = [0; 3].map(|_| random.within(1..24) as u32);
        let leading = [part_of(&batch, &mut random), part_of(&batch, &mut random)];
        let shapes = [[&leading[0][..], &[m, k]].concat(), [&leading[1][..], &[k, n]].concat()];
        let to = [&batch[..], &[m, n]].concat();
        let [first, second] = [random_quantization(&mut random), random_quantization(&mut random)];
        let (a, b) = (random.i8s(elements(&shapes[0])), random.i8s(elements(&shapes[1])));
        let sums: Vec<i64> = (0..elements(&to))
            .map(|at| {
                let index = unravel(at, &to);
                let (leading_index, place) = index.split_at(batch.len());
                let matrix = |operand: usize| seen(leading_index, &leading[operand]) as u32;
                let (left, right) = (matrix(0) * m * k, matrix(1) * k * n);
                (0..k as usize)
                    .map(|j| {
                        let x = i64::from(a[left as usize + place[0] * k as usize + j]) - i64::from(first.zero_point);
                        let z = i64::from(b[right as usize + j * n as usize + place[1]]) - i64::from(second.zero_point);
                        x * z
                    })
                    .sum()
            })
            .collect();
        let scale = f64::from(first.scale) * f64::from(second.scale);
        let reals: Vec<f32> = sums.iter().map(|&sum| (sum as f64 * scale) as f32).collect();
        let output = Quantization::of_values(&reals);
        let (x, z) = (first.dequantize_all(&a), second.dequantize_all(&b));
        let operands = [(&shapes[0][..], Values::F32(x)), (&shapes[1][..], Values::F32(z))];
        let floats = single(Arithmetic::Float, &operands, (&to, DataType::F32), |builder, inputs, y| {
            let attributes = MatMul { second_zero_point: 0, reserved: [0; 3], epilogue: unbounded() };
            builder.op(Opcode::MatMul, inputs, y, &attributes);
        });
        let largest = 255.0 * 255.0 * scale * f64::from(k);
        for (got, expected) in floats.f32s().iter().zip(&reals) {
            assert!(f64::from((got - expected).abs()) <= f64::from(k) * 1e-6 * largest, "seed {seed}");
        }
        for arithmetic in INTEGER {
            let factor = scale / f64::from(output.scale);
            let operands = [(&shapes[0][..], Values::I8(a.clone())), (&shapes[1][..], Values::I8(b.clone()))];
            let got = single(arithmetic, &operands, (&to, DataType::I8), |builder, inputs, y| {
                let stored = builder.constant_bytes(table(arithmetic, &[factor]));
                let epilogue = epilogue(stored, [first, output]).into();
                let attributes = MatMul { second_zero_point: second.zero_point, reserved: [0; 3], epilogue };
                builder.op(Opcode::MatMul, inputs, y, &attributes);
            });
            let (bits, shift) = multiplier(arithmetic, factor);
            let expected = sums.iter().map(|&sum| requantize(arithmetic, sum, bits, shift, output.zero_point, FULL));
            assert_eq!(got.i8s(), expected.collect::<Vec<_>>(), "seed {seed} {arithmetic:?}");
        }
    }
}

#[test]
fn transposed_convolutions_spread_every_input_element() {
    for seed in 0..CASES {
        let mut random = Random::new(seed);
        let pair = |random: &mut Random, range: std::ops::Range<usize>| [0; 2].map(|_| random.within(range.clone()));
        let (input, kernel) = (pair(&mut random, 1..5), pair(&mut random, 1..4));
        let (stride, dilation) = (pair(&mut random, 1..4), pair(&mut random, 1..3));
        let pad = kernel.map(|kernel| random.within(0..kernel));
        let more = pair(&mut random, 0..2);
        let size = |axis: usize| {
            let all = (input[axis] - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1 + more[axis];
            all.saturating_sub(2 * pad[axis]).max(1)
        };
        let output = [size(0), size(1)];
        let (batch, groups) = (random.within(1..3), random.within(1..3));
        let (depth, made) = (random.within(1..3), random.within(1..12));
        let (channels, outputs) = (depth * groups, made * groups);
        let from = [batch, input[0], input[1], channels].map(|d| d as u32);
        let to = [batch, output[0], output[1], outputs].map(|d| d as u32);
        let x = random.i8s(elements(&from));
        let weights = random.i8s(outputs * kernel[0] * kernel[1] * depth);
        let quantization = random_quantization(&mut random);
        let mut sums = vec![100i64; elements(&to)];
        for (at, &value) in x.iter().enumerate() {
            let index = unravel(at, &from);
            let group = index[3] / depth;
            for i in 0..kernel[0] {
                for j in 0..kernel[1] {
                    let row = (index[1] * stride[0] + i * dilation[0]).checked_sub(pad[0]);
                    let column = (index[2] * stride[1] + j * dilation[1]).checked_sub(pad[1]);
                    let (Some(row), Some(column)) = (row, column) else { continue };
                    if row >= output[0] || column >= output[1] {
                        continue;
                    }
                    for channel in group * made..(group + 1) * made {
                        let weight = weights[((channel * kernel[0] + i) * kernel[1] + j) * depth + index[3] % depth];
                        let to = ((index[0] * output[0] + row) * output[1] + column) * outputs + channel;
                        sums[to] += (i64::from(value) - i64::from(quantization.zero_point)) * i64::from(weight);
                    }
                }
            }
        }
        let half_words = |pair: [usize; 2]| pair.map(|value| value as u16);
        let window = window(half_words(kernel), half_words(stride), half_words(dilation), half_words(pad));
        let groups = groups as u16;
        for arithmetic in INTEGER {
            let got = single(arithmetic, &[(&from, Values::I8(x.clone()))], (&to, DataType::I8), |builder, x, y| {
                let stored = builder.constant_bytes(table(arithmetic, &[0.003]));
                let accumulation = Accumulation {
                    weight_type: DataType::I8.code(),
                    flags: 0,
                    weights: builder.constant(&Values::I8(weights.clone())),
                    bias: builder.constant(&Values::I32(vec![100; outputs])),
                    epilogue: epilogue(stored, [quantization; 2]).into(),
                };
                let attributes = Conv2d { window, groups, accumulation };
                builder.op(Opcode::TransposeConv2d, x, y, &attributes);
            });
            let (bits, shift) = multiplier(arithmetic, 0.003);
            let zero = quantization.zero_point;
            let expected = sums.iter().map(|&sum| requantize(arithmetic, sum, bits, shift, zero, FULL));
            assert_eq!(got.i8s(), expected.collect::<Vec<_>>(), "seed {seed} {arithmetic:?}");
        }
        let whole = x.iter().map(|&x| f32::from(x) - f32::from(quantization.zero_point)).collect();
        let floats =
            single(Arithmetic::Float, &[(&from, Values::F32(whole))], (&to, DataType::F32), |builder, x, y| {
                let accumulation = Accumulation {
                    weight_type: DataType::F32.code(),
                    flags: 0,
                    weights: builder.constant(&Values::F32(weights.iter().map(|&w| f32::from(w)).collect())),
                    bias: builder.constant(&Values::F32(vec![100.0; outputs])),
                    epilogue: unbounded(),
                };
                let attributes = Conv2d { window, groups, accumulation };
                builder.op(Opcode::TransposeConv2d, x, y, &attributes);
            });
        // Whole numbers below 2^24 are exact.
        assert_eq!(floats.f32s(), sums.iter().map(|&sum| sum as f32).collect::<Vec<_>>(), "seed {seed}");
    }
}

#[test]
fn interpolation_is_within_half_a_step_of_float() {
    for seed in 0..CASES {
        let mut random = Random::new(seed);
        let from = [0; 4].map(|_| random.within(1..6) as u32);
        let to = [from[0], random.within(1..9) as u32, random.within(1..9) as u32, from[3]];
        let x = random.i8s(elements(&from));
        let input = random_quantization(&mut random);
        let run = |arithmetic, x: Values, epilogue| {
            let data_type = if matches!(x, Values::F32(_)) { DataType::F32 } else { DataType::I8 };
            single(arithmetic, &[(&from, x)], (&to, data_type), |builder, x, y| {
                let [rows, columns] = [1, 2].map(|axis| {
                    let taps = corner_taps(from[axis], to[axis]);
                    builder.constant_bytes(taps.iter().flat_map(Record::encode).collect())
                });
                let attributes = Resize { first_axis: 1, fixed_point: 0, reserved: [0; 2], rows, columns, epilogue };
                builder.op(Opcode::Resize, x, y, &attributes);
            })
        };
        let real = run(Arithmetic::Float, Values::F32(input.dequantize_all(&x)), unbounded());
        let (rows, columns) = (corner_taps(from[1], to[1]), corner_taps(from[2], to[2]));
        for (at, &got) in real.f32s().iter().enumerate() {
            let index = unravel(at, &to);
            let (row, column) = (rows[index[1]], columns[index[2]]);
            let value = |y: u32, z: u32| {
                let at = ((index[0] as u32 * from[1] + y) * from[2] + z) * from[3] + index[3] as u32;
                f64::from(input.dequantize(x[at as usize]))
            };
            let (v, w) = (f64::from(row.weight), f64::from(column.weight));
            let expected = (1.0 - v) * ((1.0 - w) * value(row.low, column.low) + w * value(row.low, column.high))
                + v * ((1.0 - w) * value(row.high, column.low) + w * value(row.high, column.high));
            assert!((f64::from(got) - expected).abs() < 1e-4, "seed {seed}: {got} {expected}");
        }
        let output = Quantization::of_values(real.f32s());
        for arithmetic in INTEGER {
            let bits = (input.scale / output.scale).to_bits();
            let got = run(arithmetic, Values::I8(x.clone()), epilogue(bits, [input, output]).into());
            assert_close(got.i8s(), real.f32s(), output, FULL, 0.5 + TINY, &(seed, arithmetic));
        }
    }
}

#[test]
fn interpolation_in_fixed_point_follows_its_definition() {
    for seed in 0..CASES {
        let mut random = Random::new(seed);
        let from = [0; 4].map(|_| random.within(1..6) as u32);
        let to = [from[0], random.within(1..9) as u32, random.within(1..9) as u32, from[3]];
        let x = random.i8s(elements(&from));
        let [a, b] = [random.i8(), random.i8()];
        let clamp = [a.min(b), a.max(b)];
        let taps = [1, 2].map(|axis| {
            let tap = |_| ResizeTap {
                low: random.within(0..from[axis] as usize) as u32,
                high: random.within(0..from[axis] as usize) as u32,
                weight: random.within(0..1025) as f32 / 1024.0,
            };
            (0..to[axis]).map(tap).collect::<Vec<_>>()
        });
        let epilogue = IntegerEpilogue {
            table: 0,
            input_zero_point: 0,
            output_zero_point: 0,
            clamp_min: clamp[0],
            clamp_max: clamp[1],
        };
        for arithmetic in INTEGER {
            let got = single(arithmetic, &[(&from, Values::I8(x.clone()))], (&to, DataType::I8), |builder, x, y| {
                let [rows, columns] =
                    [0, 1].map(|axis| builder.constant_bytes(taps[axis].iter().flat_map(Record::encode).collect()));
                let epilogue = epilogue.into();
                let attributes = Resize { first_axis: 1, fixed_point: 1, reserved: [0; 2], rows, columns, epilogue };
                builder.op(Opcode::Resize, x, y, &attributes);
            });
            for (at, &got) in got.i8s().iter().enumerate() {
                let index = unravel(at, &to);
                let value = |y: u32, z: u32| {
                    let at = ((index[0] as u32 * from[1] + y) * from[2] + z) * from[3] + index[3] as u32;
                    f64::from(x[at as usize])
                };
                // Exact in binary64.
                let (row, column) = (taps[0][index[1]], taps[1][index[2]]);
                let (v, w) = (f64::from(row.weight), f64::from(column.weight));
                let exact = (1.0 - v) * ((1.0 - w) * value(row.low, column.low) + w * value(row.low, column.high))
                    + v * ((1.0 - w) * value(row.high, column.low) + w * value(row.high, column.high));
                assert_eq!(got, (exact.round() as i8).clamp(clamp[0], clamp[1]), "seed {seed}: {exact}");
            }
        }
    }
}

#[test]
fn reductions_follow_their_definitions() {
    for seed in 0..CASES {
        let mut random = Random::new(seed);
        let kind = ReduceKind::ALL[seed as usize % ReduceKind::ALL.len()];
        let [outer, reduced, inner] = [0; 3].map(|_| random.within(1..6) as u32);
        let (from, to) = ([outer, reduced, inner], [outer, inner]);
        let input = Quantization { scale: 0.01, zero_point: if kind == ReduceKind::LogSum { -128 } else { 3 } };
        let x: Vec<i8> = random.i8s(elements(&from)).into_iter().map(|x| x.max(-100)).collect();
        let run = |arithmetic, x: Values, epilogue: &dyn Fn(u32) -> bantam_format::ops::Epilogue, entry: Vec<u8>| {
            let data_type = if matches!(x, Values::F32(_)) { DataType::F32 } else { DataType::I8 };
            single(arithmetic, &[(&from, x)], (&to, data_type), |builder, x, y| {
                let epilogue = epilogue(builder.constant_bytes(entry));
                let attributes = Reduce { kind: kind.code(), first_axis: 1, axis_count: 1, reserved: 0, epilogue };
                builder.op(Opcode::Reduce, x, y, &attributes);
            })
        };
        let real = run(Arithmetic::Float, Values::F32(input.dequantize_all(&x)), &|_| unbounded(), vec![]);
        for (at, &got) in real.f32s().iter().enumerate() {
            let line: Vec<f64> = (0..reduced as usize)
                .map(|r| {
                    let at = (at / inner as usize * reduced as usize + r) * inner as usize + at % inner as usize;
                    f64::from(input.dequantize(x[at]))
                })
                .collect();
            let sum = |function: fn(f64) -> f64| line.iter().map(|&x| function(x)).sum::<f64>();
            let expected = match kind {
                ReduceKind::Mean => sum(|x| x) / f64::from(reduced),
                ReduceKind::Sum => sum(|x| x),
                ReduceKind::Max => line.iter().copied().fold(f64::MIN, f64::max),
                ReduceKind::Min => line.iter().copied().fold(f64::MAX, f64::min),
                ReduceKind::Product => line.iter().product(),
                ReduceKind::L1 => sum(f64::abs),
                ReduceKind::L2 => sum(|x| x * x).sqrt(),
                ReduceKind::SumSquare => sum(|x| x * x),
                ReduceKind::LogSum => sum(|x| x).ln(),
                ReduceKind::LogSumExp => sum(f64::exp).ln(),
                kind => panic!("{kind:?} has no definition"),
            };
            assert!((f64::from(got) - expected).abs() <= 1e-5 * expected.abs().max(1.0), "{kind:?} {got} {expected}");
        }
        if !kind.has_integer_form() {
            continue;
        }
        let output = Quantization::of_values(real.f32s());
        let divisor = if kind == ReduceKind::Mean { f64::from(reduced) } else { 1.0 };
        let scale = f64::from(input.scale) / f64::from(output.scale) / divisor;
        for arithmetic in INTEGER {
            let epilogue = |stored| epilogue(stored, [input, output]).into();
            let got = run(arithmetic, Values::I8(x.clone()), &epilogue, table(arithmetic, &[scale]));
            let bound = if arithmetic == Arithmetic::Tflite { 1.0 } else { 0.5 };
            assert_close(got.i8s(), real.f32s(), output, FULL, bound + TINY, &(seed, arithmetic, kind));
        }
    }
}

#[test]
fn the_smallest_element_is_found_like_the_largest() {
    let x = Values::I8(vec![3, -2, 5, 4, 1, 1]);
    for (select_last, expected) in [(0, [1, 1]), (1, [1, 2])] {
        let got = single(Arithmetic::Float, &[(&[2, 3], x.clone())], (&[2], DataType::I32), |builder, x, y| {
            builder.op(Opcode::ArgMax, x, y, &ArgMax { select_last, select_least: 1, reserved: [0; 2] });
        });
        assert_eq!(got.i32s(), expected);
    }
}

#[test]
fn float_functions_follow_their_definitions() {
    type Definition = fn(f64) -> f64;
    let cases: [(UnaryKind, [f32; 2], Definition); 13] = [
        (UnaryKind::Reciprocal, [0.0; 2], |x| 1.0 / x),
        (UnaryKind::Softsign, [0.0; 2], |x| x / (1.0 + x.abs())),
        (UnaryKind::Mish, [0.0; 2], |x| x * x.exp().ln_1p().tanh()),
        (UnaryKind::GeluTanh, [0.0; 2], |x| 0.5 * x * (1.0 + (0.797_884_560_8 * (x + 0.044715 * x * x * x)).tanh())),
        (UnaryKind::Floor, [0.0; 2], f64::floor),
        (UnaryKind::Ceil, [0.0; 2], f64::ceil),
        (UnaryKind::Round, [0.0; 2], f64::round_ties_even),
        (UnaryKind::Selu, [1.5, 2.0], |x| 2.0 * if x > 0.0 { x } else { 1.5 * x.exp_m1() }),
        (UnaryKind::Celu, [1.5, 0.0], |x| if x > 0.0 { x } else { 1.5 * (x / 1.5).exp_m1() }),
        (UnaryKind::ThresholdedRelu, [1.5, 0.0], |x| if x > 1.5 { x } else { 0.0 }),
        (UnaryKind::Sin, [0.0; 2], f64::sin),
        (UnaryKind::Cos, [0.0; 2], f64::cos),
        (UnaryKind::Sign, [0.0; 2], f64::signum),
    ];
    let x: Vec<f32> = (-80..=80).filter(|&step| step != 0).map(|step| step as f32 / 16.0).collect();
    let shape = [x.len() as u32];
    for (kind, [p, q], definition) in cases {
        let got =
            single(Arithmetic::Float, &[(&shape, Values::F32(x.clone()))], (&shape, DataType::F32), |builder, x, y| {
                builder.op(Opcode::Unary, x, y, &Unary { kind: kind.code(), reserved: [0; 3], p, q })
            });
        for (&x, &got) in x.iter().zip(got.f32s()) {
            let expected = definition(f64::from(x));
            let close = 2e-6 * expected.abs().max(1.0);
            assert!((f64::from(got) - expected).abs() <= close, "{kind:?}({x}) = {got}, not {expected}");
        }
    }
}
