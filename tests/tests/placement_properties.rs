//! Placement changes nothing: overlapping bands at the exact safe distance, walked up and down, and ops in place give
//! the same bits as disjoint tensors; one element closer is refused.

use bantam_format::ops::{
    BinaryKind, FloatBinary, FloatClamp, FloatEpilogue, FloatSoftmax, IntegerClamp, IntegerEpilogue, Pool2d, Table,
    Unary, UnaryKind, Window,
};
use bantam_format::overlap::RowWindow;
use bantam_format::{Arithmetic, DataType, LoadError, Opcode, Shape, Tensor, TensorKind};
use bantam_tests::accumulating::{Accumulating, Windowed};
use bantam_tests::build::{ModelBuilder, bytes};
use bantam_tests::chain::{integer_binary, integer_softmax};
use bantam_tests::parts::Record;
use bantam_tests::quantization::Quantization;
use bantam_tests::random::Random;
use bantam_tests::run::{Values, run_file};

/// Cases per opcode and element type.
const CASES: u64 = 200;

/// Adds an op between two tensors.
type Add = dyn Fn(&mut ModelBuilder, [u16; 2]);

/// A windowed op between two tensors: what is placed in different ways.
struct Case {
    arithmetic: Arithmetic,
    data_type: DataType,
    from: Vec<u32>,
    to: Vec<u32>,
    window: Window,
    add: Box<Add>,
}

impl Case {
    fn random(opcode: Opcode, data_type: DataType, random: &mut Random) -> Self {
        let integer = data_type == DataType::I8;
        let arithmetic = if integer { random.pick(&[Arithmetic::Tflite, Arithmetic::Onnx]) } else { Arithmetic::Float };
        if matches!(opcode, Opcode::MaxPool2d | Opcode::AveragePool2d) {
            return Self::pool(opcode, arithmetic, data_type, random);
        }
        let mut case = Accumulating::random(opcode, random);
        (case.input_dimensions[0], case.output_dimensions[0]) = (1, 1);
        let (from, to, window) = (case.input_dimensions.clone(), case.output_dimensions.clone(), case.window);
        let output = Quantization { scale: (case.accumulator_scale(0) * 400.0) as f32, zero_point: random.i8() };
        let add = move |builder: &mut ModelBuilder, operands| {
            if integer {
                case.add_integer(builder, arithmetic, operands, output, [-128, 127]);
            } else {
                case.add_float(builder, operands, [f32::NEG_INFINITY, f32::INFINITY]);
            }
        };
        Self { arithmetic, data_type, from, to, window, add: Box::new(add) }
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
            data_type,
            from: vec![1, input[0], input[1], channels],
            to: vec![1, output[0], output[1], channels],
            window,
            add: Box::new(move |builder, [x, y]| builder.op(opcode, &[x], y, &attributes)),
        }
    }

    fn rows(&self) -> RowWindow {
        let tensor = |dimensions: &[u32]| Tensor {
            data_type: self.data_type,
            kind: TensorKind::Arena,
            location: 0,
            shape: Shape::new(dimensions).expect("rank 4"),
        };
        self.window.rows(&tensor(&self.from), &tensor(&self.to))
    }

    fn builder(&self, input_at: u32, output_at: u32, down: bool) -> ModelBuilder {
        let mut builder = ModelBuilder::new(self.arithmetic);
        let x = builder.tensor_at(self.data_type, &self.from, input_at);
        let y = builder.tensor_at(self.data_type, &self.to, output_at);
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
            let (input_bytes, output_bytes) = (bytes(data_type, &case.from), bytes(data_type, &case.to));
            let x = match data_type {
                DataType::I8 => Values::I8(random.i8s(input_bytes as usize)),
                _ => Values::F32(random.f32s(input_bytes as usize / 4, -2.0, 2.0)),
            };
            let rows = case.rows();
            let (up, down) = (rows.distance_up() as u32, rows.distance_down() as u32);
            let expected = case.run(0, input_bytes.next_multiple_of(4), false, &x);
            let step = data_type.bytes() as u32;
            for further in [0, step, 2 * step] {
                assert_eq!(case.run(up + further, 0, false, &x), expected, "up {opcode:?} {seed} {data_type:?}");
                assert_eq!(case.run(0, down + further, true, &x), expected, "down {opcode:?} {seed} {data_type:?}");
            }
            // One element closer, where that still overlaps.
            if up > 0 && up < output_bytes + step {
                let refused = case.builder(up - step, 0, false).try_build().err();
                assert_eq!(refused, Some(LoadError::Overlap { op: 0, input: 0 }), "up {opcode:?} {seed}");
                overlapping += 1;
            }
            if down > 0 && down < input_bytes + step {
                let refused = case.builder(0, down - step, true).try_build().err();
                assert_eq!(refused, Some(LoadError::Overlap { op: 0, input: 0 }), "down {opcode:?} {seed}");
                overlapping += 1;
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

/// The op over `[4, 6]` with its output on its input, and with the output behind.
fn in_place_changes_nothing(arithmetic: Arithmetic, x: &Values, opcode: Opcode, attributes: &impl Record) {
    let data_type = if matches!(x, Values::F32(_)) { DataType::F32 } else { DataType::I8 };
    let run = |output_at: u32| {
        let mut builder = ModelBuilder::new(arithmetic);
        let input = builder.tensor(data_type, &[4, 6]);
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
        builder.try_build()
    };
    let disjoint = run_file(run(96).expect("a disjoint model").bytes(), std::slice::from_ref(x));
    let in_place = run_file(run(0).expect("an in-place model").bytes(), std::slice::from_ref(x));
    assert_eq!(in_place[0].bytes(), disjoint[0].bytes(), "{opcode:?}");
    assert_eq!(run(4).err(), Some(LoadError::Overlap { op: 0, input: 0 }), "{opcode:?}");
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
