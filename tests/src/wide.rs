//! A small model of every op on 16-bit integers, and of integers that become others.

use crate::build::{ModelBuilder, window};
use crate::parts::Record;
use crate::quantization::{Quantization, quantize_multiplier};
use crate::random::Random;
use crate::run::Values;
use bantam_format::ops::{
    Accumulation, ArgMax, BinaryKind, Concat, Conv2d, DepthwiseConv2d, Epilogue, FullyConnected, Gather, MatMul,
    Negation, Pad, PadMode, Pool2d, QuantizeParameters, Reduce, ReduceKind, Rescale, StridedCopy, TopK, WideBinary,
    WideClamp, WideEpilogue, WideFunction, WideSoftmax, WideTable,
};
use bantam_format::{Arithmetic, DataType, Opcode};

/// Scale of all 16-bit values of the model.
const SCALE: f32 = 1.0 / 8192.0;

/// A model in the making.
struct Wide {
    builder: ModelBuilder,
    random: Random,
}

impl Wide {
    fn epilogue(&mut self, reals: &[f64], clamp: [i16; 2]) -> Epilogue {
        let table = self.builder.constant_bytes(wide_table(reals));
        WideEpilogue { table, clamp_min: clamp[0], clamp_max: clamp[1] }.into()
    }

    /// Weights, a bias and requantisation.
    fn accumulation(&mut self, channels: usize, taps: usize, flags: u8) -> Accumulation {
        let weights = self.random.i8s(channels * taps);
        let bias: Vec<u8> = (0..channels).flat_map(|_| self.random.integer(-90_000..90_000).to_le_bytes()).collect();
        let entries = if flags & Accumulation::PER_CHANNEL != 0 { channels } else { 1 };
        let reals: Vec<f64> = (0..entries).map(|_| self.random.real(0.001, 0.01)).collect();
        Accumulation {
            weight_type: DataType::I8.code(),
            flags,
            weights: self.builder.constant(&Values::I8(weights)),
            bias: self.builder.constant_bytes(bias),
            epilogue: self.epilogue(&reals, [-30_000, 32_767]),
        }
    }

    /// An op whose result stands behind all others.
    fn next(
        &mut self,
        opcode: Opcode,
        inputs: &[u16],
        (data_type, dimensions): (DataType, &[u32]),
        attributes: &impl Record,
    ) -> u16 {
        let output = self.builder.tensor(data_type, dimensions);
        self.builder.op(opcode, inputs, output, attributes);
        output
    }

    /// The same with 16-bit results.
    fn wide(&mut self, opcode: Opcode, inputs: &[u16], dimensions: &[u32], attributes: &impl Record) -> u16 {
        self.next(opcode, inputs, (DataType::I16, dimensions), attributes)
    }
}

/// Multipliers, then shifts, of the arithmetic `tflite`.
pub fn wide_table(reals: &[f64]) -> Vec<u8> {
    let entries: Vec<(i32, i8)> = reals.iter().map(|&real| quantize_multiplier(real)).collect();
    let multipliers = entries.iter().flat_map(|(multiplier, _)| multiplier.to_le_bytes());
    multipliers.chain(entries.iter().map(|(_, shift)| shift.cast_unsigned())).collect()
}

/// A binary op of operands and a result of equal scales.
pub fn wide_binary(kind: BinaryKind, scales: [f64; 3], clamp: [i16; 2]) -> WideBinary {
    let [a, b, y] = scales;
    let twice = 2.0 * a.max(b);
    let real = |x: f64| ((x as f32).to_bits(), 0i8);
    let fixed = |x: f64| {
        let (multiplier, shift) = quantize_multiplier(x);
        (multiplier.cast_unsigned(), shift)
    };
    let none = (0, 0);
    let [first, second, output] = match kind {
        BinaryKind::Mul => [none, none, fixed(a * b / y)],
        BinaryKind::IntegerPRelu => [fixed(a / y), none, fixed(a * b / y)],
        BinaryKind::SquaredDifference => [fixed(a / twice), fixed(b / twice), fixed(twice * twice / y)],
        BinaryKind::IntegerEqual | BinaryKind::IntegerLess | BinaryKind::IntegerLessOrEqual => {
            [fixed(a), fixed(b), none]
        }
        _ if kind.is_integer_arithmetic() => [fixed(a / twice), fixed(b / twice), fixed(twice / (32768.0 * y))],
        _ if kind.is_comparison() => [real(a), real(b), none],
        _ => [real(a), real(b), real(1.0 / y)],
    };
    WideBinary {
        kind: kind.code(),
        reserved: 0,
        clamp_min: clamp[0],
        clamp_max: clamp[1],
        first_shift: first.1,
        second_shift: second.1,
        output_shift: output.1,
        reserved_b: [0; 3],
        first_multiplier: first.0,
        second_multiplier: second.0,
        output_multiplier: output.0,
    }
}

/// Integers times `real`, those below the zero point times `below`.
pub fn rescale(zero_points: [i32; 2], clamp: [i32; 2], [real, below]: [f64; 2], negation: Negation) -> Rescale {
    let ((first, first_shift), (second, second_shift)) = (quantize_multiplier(real), quantize_multiplier(below));
    Rescale {
        input_zero_point: zero_points[0],
        output_zero_point: zero_points[1],
        clamp_min: clamp[0],
        clamp_max: clamp[1],
        first_multiplier: first.cast_unsigned(),
        second_multiplier: second.cast_unsigned(),
        first_shift,
        second_shift,
        negation: negation.code(),
        reserved: 0,
    }
}

/// Two 16-bit inputs; outputs of every type.
pub fn wide() -> ModelBuilder {
    let mut wide = Wide { builder: ModelBuilder::new(Arithmetic::Tflite), random: Random::new(29) };
    let x = wide.builder.tensor(DataType::I16, &[1, 6, 5, 2]);
    let z = wide.builder.tensor(DataType::I16, &[4]);
    for tensor in [x, z] {
        wide.builder.set_quantization(tensor, Quantization { scale: SCALE, zero_point: 0 });
        wide.builder.input(tensor);
    }
    let plain = window([1; 2], [1; 2], [1; 2], [0; 2]);
    let accumulation = wide.accumulation(4, 18, Accumulation::PER_CHANNEL);
    let conv = Conv2d { window: window([3; 2], [1; 2], [1; 2], [1; 2]), groups: 1, accumulation };
    let t = wide.wide(Opcode::Conv2d, &[x], &[1, 6, 5, 4], &conv);
    let accumulation = wide.accumulation(4, 9, Accumulation::PER_CHANNEL);
    let depthwise = DepthwiseConv2d { window: window([3; 2], [2; 2], [1; 2], [1; 2]), reserved: [0; 2], accumulation };
    let t = wide.wide(Opcode::DepthwiseConv2d, &[t], &[1, 3, 3, 4], &depthwise);
    let clamp = WideEpilogue { table: 0, clamp_min: -20_000, clamp_max: 20_000 };
    let pool = Pool2d {
        window: window([2; 2], [1; 2], [1; 2], [1; 2]),
        count_include_pad: 0,
        reserved: [0; 3],
        epilogue: clamp.into(),
    };
    let t = wide.wide(Opcode::MaxPool2d, &[t], &[1, 3, 3, 4], &pool);
    let t = wide.wide(Opcode::AveragePool2d, &[t], &[1, 3, 3, 4], &pool);
    let accumulation = wide.accumulation(3, 4, Accumulation::SHORT_SUMS);
    let t = wide.wide(Opcode::Conv2d, &[t], &[1, 3, 3, 3], &Conv2d { window: plain, groups: 1, accumulation });
    let accumulation = wide.accumulation(2, 12, 0);
    let transposed = Conv2d { window: window([2; 2], [2; 2], [1; 2], [0; 2]), groups: 1, accumulation };
    let image = wide.wide(Opcode::TransposeConv2d, &[t], &[1, 6, 6, 2], &transposed);
    let pad =
        Pad { mode: PadMode::Constant.code(), reserved: [0; 3], value: -7000i32 as u32, before: [0, 1, 0, 0, 0, 0] };
    let t = wide.wide(Opcode::Pad, &[image], &[1, 7, 6, 2], &pad);
    let t = wide.wide(Opcode::Reshape, &[t], &[21, 4], &());
    let backwards = StridedCopy { offset: 80, dimensions: [1, 1, 1, 1, 21, 4], strides: [0, 0, 0, 0, -4, 1] };
    let t = wide.wide(Opcode::StridedCopy, &[t], &[21, 4], &backwards);
    let positions = wide.builder.constant(&Values::I32(vec![20, 0, 3, 3]));
    let rows = wide.wide(Opcode::Gather, &[t], &[4, 4], &Gather { axis: 0, reserved: [0; 3], count: 4, positions });
    let kinds = [
        BinaryKind::Add,
        BinaryKind::Sub,
        BinaryKind::Mul,
        BinaryKind::SquaredDifference,
        BinaryKind::IntegerPRelu,
        BinaryKind::Max,
    ];
    let mut t = rows;
    for kind in kinds {
        let attributes = wide_binary(kind, [f64::from(SCALE); 3], [-32_000, 32_767]);
        t = wide.wide(Opcode::Binary, &[t, z], &[4, 4], &attributes);
    }
    let less = wide_binary(BinaryKind::IntegerLess, [f64::from(SCALE); 3], [i16::MIN, i16::MAX]);
    let condition = wide.next(Opcode::Binary, &[t, rows], (DataType::I32, &[4, 4]), &less);
    let t = wide.wide(Opcode::Select, &[condition, t, rows], &[4, 4], &());
    let t = wide.wide(Opcode::Clamp, &[t], &[4, 4], &WideClamp { clamp_min: -31_000, clamp_max: 31_000 });
    let sigmoid: Vec<u8> = (0..256u32).flat_map(|at| ((32_768 + at * 128) as u16).to_le_bytes()).collect();
    let table = wide.builder.constant_bytes(sigmoid);
    let table = WideTable { multiplier: 3 << 13, shift: 13, function: 0, reserved: [0; 2], table };
    let logistic = wide.wide(Opcode::Table, &[t], &[4, 4], &table);
    let tanh = WideTable { function: WideFunction::Tanh.code(), ..table };
    let tanh = wide.wide(Opcode::Table, &[t], &[4, 4], &tanh);
    let t = wide.wide(Opcode::Concat, &[logistic, tanh], &[4, 8], &Concat { axis: 1, reserved: [0; 3] });
    let epilogue = wide.epilogue(&[0.0001], [i16::MIN, i16::MAX]);
    let product = MatMul { second_zero_point: 0, reserved: [0; 3], epilogue };
    let t = wide.wide(Opcode::MatMul, &[rows, t], &[4, 8], &product);
    for kind in [ReduceKind::Mean, ReduceKind::Max] {
        let epilogue = wide.epilogue(&[if kind == ReduceKind::Mean { 0.125 } else { 1.0 }], [i16::MIN, i16::MAX]);
        let reduce = Reduce { kind: kind.code(), first_axis: 1, axis_count: 1, reserved: 0, epilogue };
        let reduced = wide.wide(Opcode::Reduce, &[t], &[4], &reduce);
        wide.builder.output(reduced);
    }
    let accumulation = wide.accumulation(5, 8, Accumulation::PER_CHANNEL | Accumulation::SHORT_SUMS);
    let t = wide.wide(Opcode::FullyConnected, &[t], &[4, 5], &FullyConnected::from(accumulation));
    let ramp = |from: i32, to: i32| -> Vec<u8> {
        (0..513).flat_map(|at| ((from + (to - from) * at / 512) as i16).to_le_bytes()).collect()
    };
    let (multiplier, shift) = quantize_multiplier(f64::from(SCALE) * 6553.5);
    let softmax = WideSoftmax {
        multiplier: multiplier.cast_unsigned(),
        shift,
        reserved: [0; 3],
        exponentials: wide.builder.constant_bytes(ramp(1, 32_767)),
        reciprocals: wide.builder.constant_bytes(ramp(32_767, 16_384)),
    };
    let t = wide.wide(Opcode::Softmax, &[t], &[4, 5], &softmax);
    wide.builder.output(t);
    let arg_max = ArgMax { select_last: 0, select_least: 0, reserved: [0; 2] };
    let best = wide.next(Opcode::ArgMax, &[t], (DataType::I32, &[4]), &arg_max);
    let top =
        wide.next(Opcode::TopK, &[t], (DataType::I32, &[4, 2]), &TopK { count: 2, select_least: 1, reserved: [0; 3] });
    let scale = QuantizeParameters { scale: SCALE, zero_point: 0 };
    let real = wide.next(Opcode::Dequantize, &[t], (DataType::F32, &[4, 5]), &scale);
    let t = wide.wide(Opcode::Quantize, &[real], &[4, 5], &scale);
    let bytes = rescale([0, -7], [-128, 127], [0.01, 0.02], Negation::None);
    let bytes = wide.next(Opcode::Rescale, &[t], (DataType::I8, &[4, 5]), &bytes);
    let words = rescale([-7, 11], [-90_000, 90_000], [300.0, 200.0], Negation::Result);
    let words = wide.next(Opcode::Rescale, &[bytes], (DataType::I32, &[4, 5]), &words);
    let halves = rescale([0, 0], [-32_768, 32_767], [0.5, 0.25], Negation::Operand);
    let halves = wide.wide(Opcode::Rescale, &[words], &[4, 5], &halves);
    for tensor in [image, best, top, bytes, words, halves] {
        wide.builder.output(tensor);
    }
    wide.builder
}
