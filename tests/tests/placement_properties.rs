//! Placement changes nothing: overlapping bands at the exact safe distance, walked up and down, and ops in place give
//! the same bits as disjoint tensors; one element closer is refused. Every run is between canaries.

use bantam_format::ops::{
    ArgMax, BinaryKind, FloatBinary, FloatClamp, FloatEpilogue, FloatSoftmax, IntegerClamp, IntegerEpilogue,
    L2Normalize, Pad, PadMode, Pool2d, QuantizeParameters, Reduce, ReduceKind, Table, Unary, UnaryKind,
};
use bantam_format::overlap::{LINE_BUFFER_ELEMENTS, Overlap, RowWindow};
use bantam_format::{Arithmetic, DataType, LoadError, Opcode};
use bantam_tests::accumulating::{Accumulating, Windowed};
use bantam_tests::build::{ModelBuilder, bytes, unbounded, window};
use bantam_tests::chain::{integer_binary, integer_softmax};
use bantam_tests::parts::Record;
use bantam_tests::quantization::{Quantization, table};
use bantam_tests::random::Random;
use bantam_tests::run::{Values, run_file};

/// Cases per opcode and element type.
const CASES: u64 = 200;

/// Adds an op between two tensors.
type Add = dyn Fn(&mut ModelBuilder, [u16; 2]);

/// An op between two tensors: what is placed in different ways.
struct Case {
    arithmetic: Arithmetic,
    from: (DataType, Vec<u32>),
    to: (DataType, Vec<u32>),
    add: Box<Add>,
}

impl Case {
    fn random(opcode: Opcode, data_type: DataType, random: &mut Random) -> Self {
        let integer = data_type == DataType::I8;
        let arithmetic = if integer { random.pick(&[Arithmetic::Tflite, Arithmetic::Onnx]) } else { Arithmetic::Float };
        match opcode {
            Opcode::MaxPool2d | Opcode::AveragePool2d => return Self::pool(opcode, arithmetic, data_type, random),
            Opcode::Reduce | Opcode::ArgMax => return Self::reduction(opcode, arithmetic, data_type, random),
            Opcode::Quantize | Opcode::Dequantize => return Self::conversion(opcode, data_type, random),
            Opcode::Pad => return Self::padding(arithmetic, data_type, random),
            _ => {}
        }
        let mut case = Accumulating::random(opcode, random);
        if opcode != Opcode::FullyConnected {
            (case.input_dimensions[0], case.output_dimensions[0]) = (1, 1);
        }
        Self::accumulating(case, arithmetic, random)
    }

    fn accumulating(case: Accumulating, arithmetic: Arithmetic, random: &mut Random) -> Self {
        let data_type = if arithmetic == Arithmetic::Float { DataType::F32 } else { DataType::I8 };
        let (from, to) = (case.input_dimensions.clone(), case.output_dimensions.clone());
        let output = Quantization { scale: (case.accumulator_scale(0) * 400.0) as f32, zero_point: random.i8() };
        let add = move |builder: &mut ModelBuilder, operands| {
            if data_type == DataType::I8 {
                case.add_integer(builder, arithmetic, operands, output, [-128, 127]);
            } else {
                case.add_float(builder, operands, [f32::NEG_INFINITY, f32::INFINITY]);
            }
        };
        Self { arithmetic, from: (data_type, from), to: (data_type, to), add: Box::new(add) }
    }

    /// Over the last axis, so that every row is one of the bands' rows.
    fn reduction(opcode: Opcode, arithmetic: Arithmetic, data_type: DataType, random: &mut Random) -> Self {
        let (rows, depth) = (random.within(1..30) as u32, random.within(1..12) as u32);
        let integer = data_type == DataType::I8;
        let kinds = [ReduceKind::Mean, ReduceKind::Sum, ReduceKind::Max, ReduceKind::Min];
        let (kind, zero_point) = (random.pick(&kinds).code(), random.i8());
        let add = move |builder: &mut ModelBuilder, [x, y]: [u16; 2]| {
            if opcode == Opcode::ArgMax {
                let attributes = ArgMax { select_last: 0, select_least: 0, reserved: [0; 2] };
                return builder.op(opcode, &[x], y, &attributes);
            }
            let epilogue = if integer {
                let table = builder.constant_bytes(table(arithmetic, &[0.3]));
                let (clamp_min, clamp_max) = (-128, 127);
                IntegerEpilogue { table, input_zero_point: zero_point, output_zero_point: 3, clamp_min, clamp_max }
                    .into()
            } else {
                unbounded()
            };
            builder.op(opcode, &[x], y, &Reduce { kind, first_axis: 1, axis_count: 1, reserved: 0, epilogue });
        };
        let to = if opcode == Opcode::ArgMax { DataType::I32 } else { data_type };
        Self { arithmetic, from: (data_type, vec![rows, depth]), to: (to, vec![rows]), add: Box::new(add) }
    }

    fn conversion(opcode: Opcode, data_type: DataType, random: &mut Random) -> Self {
        let dimensions = vec![random.within(1..60) as u32];
        let (from, to) = match opcode {
            Opcode::Quantize => (DataType::F32, DataType::I8),
            _ => (DataType::I8, DataType::F32),
        };
        let parameters = QuantizeParameters { scale: 0.02, zero_point: i32::from(random.i8()) };
        let add = move |builder: &mut ModelBuilder, [x, y]: [u16; 2]| builder.op(opcode, &[x], y, &parameters);
        let arithmetic = if data_type == DataType::I8 { Arithmetic::Tflite } else { Arithmetic::Onnx };
        Self { arithmetic, from: (from, dimensions.clone()), to: (to, dimensions), add: Box::new(add) }
    }

    fn padding(arithmetic: Arithmetic, data_type: DataType, random: &mut Random) -> Self {
        let from: Vec<u32> =
            (0..random.within(1..5)).map(|axis| if axis == 0 { 1 } else { random.within(1..7) as u32 }).collect();
        let mut before = [0; 6];
        let to: Vec<u32> = from
            .iter()
            .zip(&mut before)
            .map(|(&size, before)| {
                *before = random.within(0..3) as u32;
                size + *before + random.within(0..3) as u32
            })
            .collect();
        let attributes = Pad { mode: PadMode::Constant.code(), reserved: [0; 3], value: 5, before };
        let add = move |builder: &mut ModelBuilder, [x, y]: [u16; 2]| builder.op(Opcode::Pad, &[x], y, &attributes);
        Self { arithmetic, from: (data_type, from), to: (data_type, to), add: Box::new(add) }
    }

    fn pool(opcode: Opcode, arithmetic: Arithmetic, data_type: DataType, random: &mut Random) -> Self {
        let Windowed { window, input, output } = Windowed::random(random);
        let channels = random.within(1..6) as u32;
        let rescales = opcode == Opcode::AveragePool2d && arithmetic == Arithmetic::Onnx;
        let epilogue = if data_type == DataType::F32 {
            FloatEpilogue { clamp_min: -1.0, clamp_max: 1.5 }.into()
        } else {
            let input_zero_point = random.i8();
            let output_zero_point = if rescales { random.i8() } else { input_zero_point };
            let table = if rescales { 1.25f32.to_bits() } else { 0 };
            IntegerEpilogue { table, input_zero_point, output_zero_point, clamp_min: -120, clamp_max: 127 }.into()
        };
        let attributes = Pool2d { window, count_include_pad: 0, reserved: [0; 3], epilogue };
        Self {
            arithmetic,
            from: (data_type, vec![1, input[0], input[1], channels]),
            to: (data_type, vec![1, output[0], output[1], channels]),
            add: Box::new(move |builder, [x, y]| builder.op(opcode, &[x], y, &attributes)),
        }
    }

    fn bytes(&self) -> [u32; 2] {
        [&self.from, &self.to].map(|(data_type, dimensions)| bytes(*data_type, dimensions))
    }

    /// Offsets that suit both tensors are multiples of this.
    fn step(&self) -> u32 {
        self.from.0.bytes().max(self.to.0.bytes()) as u32
    }

    /// The overlap class, as the parser sees it.
    fn overlap(&self) -> Overlap {
        let file = self.builder(0, self.bytes()[0].next_multiple_of(4), false).build();
        let artifact = bantam_format::Artifact::parse(file.bytes(), &Default::default()).expect("a valid model");
        let op = artifact.op(0).expect("one op");
        bantam_format::ops::overlap(op.opcode, op.attributes(), 0, &op.input(0), &op.output(0))
    }

    fn rows(&self) -> RowWindow {
        match self.overlap() {
            Overlap::Banded { rows, .. } => rows,
            other => panic!("not banded: {other:?}"),
        }
    }

    fn input(&self, random: &mut Random) -> Values {
        let count = self.from.1.iter().product::<u32>() as usize;
        match self.from.0 {
            DataType::I8 => Values::I8(random.i8s(count)),
            _ => Values::F32(random.f32s(count, -2.0, 2.0)),
        }
    }

    fn builder(&self, input_at: u32, output_at: u32, down: bool) -> ModelBuilder {
        let mut builder = ModelBuilder::new(self.arithmetic);
        let x = builder.tensor_at(self.from.0, &self.from.1, input_at);
        let y = builder.tensor_at(self.to.0, &self.to.1, output_at);
        (self.add)(&mut builder, [x, y]);
        builder.walk_down(down);
        builder.input(x);
        builder.output(y);
        builder
    }

    fn run(&self, input_at: u32, output_at: u32, down: bool, x: &Values) -> Vec<u8> {
        let file = self.builder(input_at, output_at, down).build();
        run_file(file.bytes(), std::slice::from_ref(x)).remove(0).bytes()
    }
}

fn bands_change_nothing(opcode: Opcode) {
    let mut overlapping = 0;
    for seed in 0..CASES {
        for data_type in [DataType::I8, DataType::F32] {
            let mut random = Random::new(seed);
            let case = Case::random(opcode, data_type, &mut random);
            let ([input_bytes, output_bytes], step) = (case.bytes(), case.step());
            let x = case.input(&mut random);
            let rows = case.rows();
            let (up, down) = (rows.distance_up() as u32, rows.distance_down() as u32);
            let expected = case.run(0, input_bytes.next_multiple_of(4), false, &x);
            for further in [0, step, 2 * step] {
                let (up, down) = (up.next_multiple_of(step) + further, down.next_multiple_of(step) + further);
                assert_eq!(case.run(up, 0, false, &x), expected, "up {opcode:?} {seed} {data_type:?}");
                assert_eq!(case.run(0, down, true, &x), expected, "down {opcode:?} {seed} {data_type:?}");
            }
            // One element closer, where that still overlaps.
            let closer = |distance: u32| distance.checked_sub(1).map(|distance| distance / step * step);
            let in_place = matches!(case.overlap(), Overlap::Banded { in_place: true, .. });
            for (at, down) in [(closer(up).map(|up| [up, 0]), false), (closer(down).map(|down| [0, down]), true)] {
                let Some([input_at, output_at]) = at.filter(|&[a, b]| a < output_bytes && b < input_bytes) else {
                    continue;
                };
                let refused = case.builder(input_at, output_at, down).try_build().err();
                if !(in_place && input_at == output_at) {
                    assert_eq!(refused, Some(LoadError::Overlap { op: 0, input: 0 }), "{opcode:?} {seed} down {down}");
                    overlapping += 1;
                }
            }
        }
    }
    assert!(overlapping > CASES, "only {overlapping} placements overlapped");
}

#[test]
fn bands_of_conv_2d_change_nothing() {
    bands_change_nothing(Opcode::Conv2d);
}

#[test]
fn bands_of_depthwise_conv_2d_change_nothing() {
    bands_change_nothing(Opcode::DepthwiseConv2d);
}

#[test]
fn bands_of_max_pool_2d_change_nothing() {
    bands_change_nothing(Opcode::MaxPool2d);
}

#[test]
fn bands_of_average_pool_2d_change_nothing() {
    bands_change_nothing(Opcode::AveragePool2d);
}

#[test]
fn bands_of_transpose_conv_2d_change_nothing() {
    bands_change_nothing(Opcode::TransposeConv2d);
}

#[test]
fn bands_of_fully_connected_change_nothing() {
    bands_change_nothing(Opcode::FullyConnected);
}

#[test]
fn bands_of_reduce_change_nothing() {
    bands_change_nothing(Opcode::Reduce);
}

#[test]
fn bands_of_arg_max_change_nothing() {
    bands_change_nothing(Opcode::ArgMax);
}

#[test]
fn bands_of_quantize_change_nothing() {
    bands_change_nothing(Opcode::Quantize);
}

#[test]
fn bands_of_dequantize_change_nothing() {
    bands_change_nothing(Opcode::Dequantize);
}

#[test]
fn bands_of_pad_change_nothing() {
    bands_change_nothing(Opcode::Pad);
}

#[test]
fn pixels_of_pointwise_convolutions_are_rows() {
    for seed in 0..CASES {
        let mut random = Random::new(seed);
        let [height, width, from, to] = [0; 4].map(|_| random.within(1..7) as u32);
        let dimensions = |channels| vec![1, height, width, channels];
        let window = window([1; 2], [1; 2], [1; 2], [0; 2]);
        let case = Accumulating::with(Opcode::Conv2d, window, 1, dimensions(from), dimensions(to), &mut random);
        let arithmetic = random.pick(&[Arithmetic::Tflite, Arithmetic::Onnx, Arithmetic::Float]);
        let case = Case::accumulating(case, arithmetic, &mut random);
        let (rows, size) = (case.rows(), case.step());
        assert_eq!((rows.input_rows as u32, rows.output_row_bytes as u32), (height * width, to * size));
        let x = case.input(&mut random);
        let expected = case.run(0, case.bytes()[0].next_multiple_of(4), false, &x);
        assert_eq!(case.run(rows.distance_up() as u32, 0, false, &x), expected, "up {seed}");
        assert_eq!(case.run(0, rows.distance_down() as u32, true, &x), expected, "down {seed}");
    }
}

#[test]
fn depthwise_convolutions_overwrite_their_input_channel_by_channel() {
    let (mut allowed, mut refused) = (0, 0);
    for seed in 0..CASES {
        let mut random = Random::new(seed);
        let mut axis = |most: usize| {
            let (kernel, dilation) = (random.within(1..5), random.within(1..3));
            let pad = random.within(0..(kernel - 1) * dilation + 1);
            [random.within(1..most), kernel, dilation, pad]
        };
        // Some rows are too wide to be set aside.
        let (rows, columns) = (axis(9), axis(if seed % 8 == 0 { 300 } else { 9 }));
        let pair = |index: usize| [rows[index] as u16, columns[index] as u16];
        let dimensions = vec![1, rows[0] as u32, columns[0] as u32, random.within(1..20) as u32];
        let window = window(pair(1), [1; 2], pair(2), pair(3));
        let (from, to) = (dimensions.clone(), dimensions);
        let case = Accumulating::with(Opcode::DepthwiseConv2d, window, 1, from, to, &mut random);
        let arithmetic = random.pick(&[Arithmetic::Tflite, Arithmetic::Onnx, Arithmetic::Float]);
        let case = Case::accumulating(case, arithmetic, &mut random);
        let kept = (rows[3] + 1) * columns[0];
        let x = case.input(&mut random);
        let expected = case.run(0, case.bytes()[0].next_multiple_of(4), false, &x);
        if kept <= LINE_BUFFER_ELEMENTS || rows.iter().zip(&columns).all(|(&r, &c)| r == 1 && c == 1) {
            assert_eq!(case.run(0, 0, false, &x), expected, "{seed}");
            allowed += 1;
        } else if case.rows().distance_up() > 0 {
            let error = case.builder(0, 0, false).try_build().err();
            assert_eq!(error, Some(LoadError::Overlap { op: 0, input: 0 }), "{seed}");
            refused += 1;
        }
    }
    assert!(allowed > 100 && refused > 5, "{allowed} {refused}");
}

/// The op over `[4, 6]` with its output behind its input, on it, and at any distance from it.
fn in_place_changes_nothing(arithmetic: Arithmetic, x: &Values, opcode: Opcode, attributes: &impl Record) {
    let data_type = if matches!(x, Values::F32(_)) { DataType::F32 } else { DataType::I8 };
    let run = |input_at: u32, output_at: u32| {
        let mut builder = ModelBuilder::new(arithmetic);
        let input = builder.tensor_at(data_type, &[4, 6], input_at);
        let output = builder.tensor_at(data_type, &[4, 6], output_at);
        let mut inputs = vec![input];
        if opcode == Opcode::Binary {
            let second = match x {
                Values::F32(values) => Values::F32(values[..6].to_vec()),
                other => Values::I8(other.i8s()[..6].to_vec()),
            };
            inputs.push(builder.constant_tensor(&[6], &second));
        }
        if opcode == Opcode::Table {
            let table = builder.constant(&Values::I8((0..=255u8).map(|b| b.reverse_bits().cast_signed()).collect()));
            builder.op(opcode, &inputs, output, &Table { table });
        } else {
            builder.op(opcode, &inputs, output, attributes);
        }
        builder.input(input);
        builder.output(output);
        run_file(builder.build().bytes(), std::slice::from_ref(x)).remove(0).bytes()
    };
    let disjoint = run(0, 96);
    let size = data_type.bytes() as u32;
    for distance in [0, size, 4, 8, 5 * size, 23 * size] {
        assert_eq!(run(0, distance), disjoint, "{opcode:?} {distance} above");
        assert_eq!(run(distance, 0), disjoint, "{opcode:?} {distance} below");
    }
}

/// Both inputs of full size, or the first one repeated; the output over the second.
#[test]
fn sums_overwrite_their_second_input_as_well() {
    let mut random = Random::new(9);
    for case in 0..100 {
        let of_reals = |kind: &BinaryKind| !kind.is_comparison() && !kind.is_bitwise() && !kind.is_tflite();
        let kinds: Vec<BinaryKind> = BinaryKind::ALL.iter().copied().filter(of_reals).collect();
        let kind = random.pick(&kinds);
        let float = case % 2 == 0;
        let arithmetic = if float { Arithmetic::Float } else { random.pick(&[Arithmetic::Tflite, Arithmetic::Onnx]) };
        let data_type = if float { DataType::F32 } else { DataType::I8 };
        let first: Vec<u32> = if random.once_in(3) { vec![6] } else { vec![4, 6] };
        let quantization = Quantization { scale: 0.03, zero_point: random.i8() };
        let mut values = |count: usize| match data_type {
            DataType::F32 => Values::F32(random.f32s(count, 0.1, 3.0)),
            _ => Values::I8(random.i8s(count)),
        };
        let inputs = [values(first.iter().product::<u32>() as usize), values(24)];
        let run = |output_at: u32| {
            let mut builder = ModelBuilder::new(arithmetic);
            let a = builder.tensor_at(data_type, &first, 0);
            let b = builder.tensor_at(data_type, &[4, 6], 200);
            let y = builder.tensor_at(data_type, &[4, 6], output_at);
            if float {
                let attributes = FloatBinary { kind: kind.code(), reserved: [0; 3], clamp_min: -9.0, clamp_max: 9.0 };
                builder.op(Opcode::Binary, &[a, b], y, &attributes);
            } else {
                let attributes = integer_binary(arithmetic, kind, [quantization; 3], [-128, 127]);
                builder.op(Opcode::Binary, &[a, b], y, &attributes);
            }
            builder.input(a);
            builder.input(b);
            builder.output(y);
            run_file(builder.build().bytes(), &inputs).remove(0).bytes()
        };
        let disjoint = run(400);
        for output_at in [200, 204, 196, 260] {
            assert_eq!(run(output_at), disjoint, "{kind:?} {arithmetic:?} at {output_at}");
        }
    }
}

#[test]
fn ops_in_place_change_nothing() {
    let mut random = Random::new(8);
    for _ in 0..50 {
        let integers = Values::I8(random.i8s(24));
        let floats = Values::F32(random.f32s(24, -3.0, 3.0));
        let quantization = Quantization { scale: 0.03, zero_point: random.i8() };
        let arithmetic_kinds: Vec<BinaryKind> = BinaryKind::ALL
            .iter()
            .copied()
            .filter(|kind| !kind.is_comparison() && !kind.is_bitwise() && !kind.is_tflite())
            .collect();
        let kind = random.pick(&arithmetic_kinds);
        let float_binary = FloatBinary { kind: kind.code(), reserved: [0; 3], clamp_min: -2.0, clamp_max: 2.0 };
        let unary = Unary { kind: random.pick(UnaryKind::ALL).code(), reserved: [0; 3], p: 0.2, q: 0.1 };
        for arithmetic in [Arithmetic::Tflite, Arithmetic::Onnx] {
            let binary = integer_binary(arithmetic, kind, [quantization; 3], [-128, 127]);
            in_place_changes_nothing(arithmetic, &integers, Opcode::Binary, &binary);
        }
        let arithmetic = Arithmetic::Float;
        let clamp = IntegerClamp { clamp_min: -50, clamp_max: 60, reserved: [0; 2] };
        in_place_changes_nothing(arithmetic, &floats, Opcode::Binary, &float_binary);
        in_place_changes_nothing(arithmetic, &floats, Opcode::Unary, &unary);
        in_place_changes_nothing(arithmetic, &integers, Opcode::Table, &());
        in_place_changes_nothing(arithmetic, &integers, Opcode::Clamp, &clamp);
        in_place_changes_nothing(
            arithmetic,
            &floats,
            Opcode::Clamp,
            &FloatClamp { clamp_min: f32::NEG_INFINITY, clamp_max: 1.0 },
        );
        in_place_changes_nothing(arithmetic, &integers, Opcode::Softmax, &integer_softmax(quantization));
        in_place_changes_nothing(arithmetic, &floats, Opcode::Softmax, &FloatSoftmax { beta: 1.5 });
        in_place_changes_nothing(arithmetic, &integers, Opcode::LogSoftmax, &integer_softmax(quantization));
        in_place_changes_nothing(arithmetic, &floats, Opcode::LogSoftmax, &FloatSoftmax { beta: 1.5 });
        let of = |zero_point| L2Normalize { zero_point, reserved: [0; 3] };
        in_place_changes_nothing(arithmetic, &integers, Opcode::L2Normalize, &of(quantization.zero_point));
        in_place_changes_nothing(arithmetic, &floats, Opcode::L2Normalize, &of(0));
        in_place_changes_nothing(arithmetic, &integers, Opcode::Reshape, &());
        in_place_changes_nothing(arithmetic, &floats, Opcode::Reshape, &());
    }
}

#[test]
fn ops_that_read_late_are_refused_in_place() {
    let mut builder = ModelBuilder::new(Arithmetic::Float);
    let x = builder.tensor(DataType::F32, &[4]);
    let attributes = FloatBinary { kind: 0, reserved: [0; 3], clamp_min: -2.0, clamp_max: 2.0 };
    // Both inputs are the output: the second one would be read after it was overwritten.
    builder.op(Opcode::Binary, &[x, x], x, &attributes);
    builder.input(x);
    builder.output(x);
    assert_eq!(builder.try_build().err(), Some(LoadError::Overlap { op: 0, input: 1 }));
}
