//! A model grown op by op: each one reads the tensor made last.

use crate::accumulating::{Accumulating, Windowed};
use crate::build::{ModelBuilder, unbounded, window};
use crate::quantization::{Quantization, lookup_table, multiplier, table};
use crate::random::Random;
use crate::run::Values;
use bantam_format::ops::{
    Accumulation, ArgMax, BinaryKind, Conv2d, Epilogue, FloatBinary, FloatClamp, FloatEpilogue, FloatSoftmax,
    IntegerBinary, IntegerClamp, IntegerEpilogue, IntegerSoftmax, MatMul, Pool2d, QuantizeParameters, Reduce, Resize,
    ResizeTap, Table, Unary, UnaryKind, WeightType, Window,
};
use bantam_format::{Arithmetic, DataType, Opcode, Shape, Tensor, TensorKind};

/// Where the next op's output goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Placement {
    /// Behind all other tensors.
    Behind,
    /// Exactly over the input, for ops that work in place.
    InPlace,
    /// Before the input, at the exact safe distance of an upward walk.
    BandedUp,
    /// After the input, at the exact safe distance of a downward walk.
    BandedDown,
}

/// The model so far.
#[derive(Clone, Debug)]
pub struct Chain {
    /// For what the chain has no method for.
    pub builder: ModelBuilder,
    /// Source of parameters.
    pub random: Random,
    /// The tensor made last.
    pub tensor: u16,
    /// Its dimensions.
    pub dimensions: Vec<u32>,
    /// Its element type.
    pub data_type: DataType,
    /// Its quantisation.
    pub quantization: Quantization,
    /// How the weights of float ops are stored.
    pub float_type: WeightType,
    arithmetic: Arithmetic,
}

impl Chain {
    /// A model with one input at a byte offset of the arena.
    pub fn new(arithmetic: Arithmetic, data_type: DataType, dimensions: &[u32], location: u32, seed: u64) -> Self {
        let mut builder = ModelBuilder::new(arithmetic);
        let tensor = builder.tensor_at(data_type, dimensions, location);
        let quantization = Quantization { scale: 0.02, zero_point: -3 };
        if data_type == DataType::I8 {
            builder.set_quantization(tensor, quantization);
        }
        builder.input(tensor);
        let random = Random::new(seed);
        let (dimensions, float_type) = (dimensions.to_vec(), WeightType::F32);
        Self { builder, random, tensor, dimensions, data_type, quantization, float_type, arithmetic }
    }

    /// Declares the last tensor an output and gives the builder.
    pub fn finish(mut self) -> ModelBuilder {
        self.builder.output(self.tensor);
        self.builder
    }

    /// `Conv2d` or `DepthwiseConv2d` with padding that keeps height and width at stride 1.
    pub fn convolution(&mut self, opcode: Opcode, kernel: u16, stride: u16, channels: u32, placement: Placement) {
        let pad = kernel / 2;
        let window = window([kernel; 2], [stride; 2], [1; 2], [pad; 2]);
        let mut dimensions = self.dimensions.clone();
        for axis in [1, 2] {
            dimensions[axis] = (dimensions[axis] - 1) / u32::from(stride) + 1;
        }
        dimensions[3] = channels;
        self.accumulating(opcode, window, dimensions, placement);
    }

    /// `FullyConnected` to this many outputs per row.
    pub fn fully_connected(&mut self, outputs: u32) {
        let mut dimensions = self.dimensions.clone();
        *dimensions.last_mut().expect("a dimension") = outputs;
        self.accumulating(
            Opcode::FullyConnected,
            window([1; 2], [1; 2], [1; 2], [0; 2]),
            dimensions,
            Placement::Behind,
        );
    }

    /// `MaxPool2d` or `AveragePool2d`.
    pub fn pool(&mut self, opcode: Opcode, shape: &Windowed, include_pad: bool, placement: Placement) {
        let dimensions = vec![self.dimensions[0], shape.output[0], shape.output[1], self.dimensions[3]];
        let average = opcode == Opcode::AveragePool2d;
        let rescales = average && self.arithmetic == Arithmetic::Onnx;
        let output = if rescales { Quantization { scale: 0.015, zero_point: 5 } } else { self.quantization };
        let table = if rescales { (self.quantization.scale / output.scale).to_bits() } else { 0 };
        let epilogue = if self.data_type == DataType::F32 {
            FloatEpilogue { clamp_min: -1.5, clamp_max: 1.5 }.into()
        } else {
            self.epilogue(table, output)
        };
        let count_include_pad = u8::from(include_pad && average);
        let attributes = Pool2d { window: shape.window, count_include_pad, reserved: [0; 3], epilogue };
        self.banded(opcode, &shape.window, dimensions, output, placement, |builder, [x, y]| {
            builder.op(opcode, &[x], y, &attributes);
        });
    }

    /// `Reduce`: the mean over `count` axes from `first` on.
    pub fn mean(&mut self, first: usize, count: usize) {
        let reduced: u32 = self.dimensions[first..first + count].iter().product();
        let mut dimensions = self.dimensions.clone();
        dimensions.drain(first..first + count);
        let output = Quantization { scale: self.quantization.scale / 2.0, zero_point: 4 };
        let epilogue = if self.data_type == DataType::F32 {
            unbounded()
        } else {
            let real = f64::from(self.quantization.scale) / f64::from(output.scale) / f64::from(reduced);
            let table = self.builder.constant_bytes(table(self.arithmetic, &[real]));
            self.epilogue(table, output)
        };
        let attributes = Reduce { kind: 0, first_axis: first as u8, axis_count: count as u8, reserved: 0, epilogue };
        self.next(Opcode::Reduce, &[], self.data_type, dimensions, output, Placement::Behind, &attributes);
    }

    /// `Binary` with a second operand of the same element type and this quantisation.
    pub fn binary(&mut self, kind: BinaryKind, second: u16, quantization: Quantization, placement: Placement) {
        let dimensions = self.dimensions.clone();
        if self.data_type == DataType::F32 {
            let attributes =
                FloatBinary { kind: kind.code(), reserved: [0; 3], clamp_min: -8.0, clamp_max: f32::INFINITY };
            let output = self.quantization;
            self.next(Opcode::Binary, &[second], DataType::F32, dimensions, output, placement, &attributes);
        } else {
            let output = Quantization { scale: 0.05, zero_point: -9 };
            let attributes =
                integer_binary(self.arithmetic, kind, [self.quantization, quantization, output], [-128, 120]);
            self.next(Opcode::Binary, &[second], DataType::I8, dimensions, output, placement, &attributes);
        }
    }

    /// `Table` (the logistic function) or `Unary`.
    pub fn nonlinear(&mut self, kind: UnaryKind, placement: Placement) {
        let dimensions = self.dimensions.clone();
        if self.data_type == DataType::F32 {
            let attributes = Unary { kind: kind.code(), reserved: [0; 3], p: 0.25, q: 0.5 };
            let output = self.quantization;
            self.next(Opcode::Unary, &[], DataType::F32, dimensions, output, placement, &attributes);
        } else {
            let output = Quantization { scale: 1.0 / 256.0, zero_point: -128 };
            let entries = lookup_table(self.quantization, output, |x| 1.0 / (1.0 + (-x).exp()));
            let attributes = Table { table: self.builder.constant(&Values::I8(entries)) };
            self.next(Opcode::Table, &[], DataType::I8, dimensions, output, placement, &attributes);
        }
    }

    /// `Clamp`.
    pub fn clamp(&mut self, placement: Placement) {
        let (dimensions, output) = (self.dimensions.clone(), self.quantization);
        if self.data_type == DataType::F32 {
            let attributes = FloatClamp { clamp_min: -1.0, clamp_max: 1.0 };
            self.next(Opcode::Clamp, &[], DataType::F32, dimensions, output, placement, &attributes);
        } else {
            let attributes = IntegerClamp { clamp_min: -100, clamp_max: 100, reserved: [0; 2] };
            self.next(Opcode::Clamp, &[], DataType::I8, dimensions, output, placement, &attributes);
        }
    }

    /// `Reshape`.
    pub fn reshape(&mut self, dimensions: &[u32], placement: Placement) {
        let (data_type, output) = (self.data_type, self.quantization);
        self.next(Opcode::Reshape, &[], data_type, dimensions.to_vec(), output, placement, &());
    }

    /// `Softmax`.
    pub fn softmax(&mut self, placement: Placement) {
        let dimensions = self.dimensions.clone();
        let output = Quantization { scale: 1.0 / 256.0, zero_point: -128 };
        if self.data_type == DataType::F32 {
            let attributes = FloatSoftmax { beta: 0.75 };
            self.next(Opcode::Softmax, &[], DataType::F32, dimensions, output, placement, &attributes);
        } else {
            let attributes = integer_softmax(self.quantization);
            self.next(Opcode::Softmax, &[], DataType::I8, dimensions, output, placement, &attributes);
        }
    }

    /// `ArgMax`.
    pub fn arg_max(&mut self, select_last: bool) {
        let mut dimensions = self.dimensions.clone();
        dimensions.pop();
        let attributes = ArgMax { select_last: u8::from(select_last), select_least: 0, reserved: [0; 2] };
        let output = self.quantization;
        self.next(Opcode::ArgMax, &[], DataType::I32, dimensions, output, Placement::Behind, &attributes);
    }

    /// `Quantize` or `Dequantize`, whichever the element type asks for.
    pub fn convert(&mut self) {
        let (dimensions, output) = (self.dimensions.clone(), self.quantization);
        let attributes = QuantizeParameters { scale: output.scale, zero_point: i32::from(output.zero_point) };
        let (opcode, data_type) = match self.data_type {
            DataType::F32 => (Opcode::Quantize, DataType::I8),
            _ => (Opcode::Dequantize, DataType::F32),
        };
        self.next(opcode, &[], data_type, dimensions, output, Placement::Behind, &attributes);
    }

    /// Any op that keeps the quantisation, to a tensor behind all others.
    pub fn extend(
        &mut self,
        opcode: Opcode,
        more_inputs: &[u16],
        data_type: DataType,
        dimensions: &[u32],
        attributes: &impl crate::parts::Record,
    ) {
        let output = self.quantization;
        self.next(opcode, more_inputs, data_type, dimensions.to_vec(), output, Placement::Behind, attributes);
    }

    /// `MatMul` with another tensor of the same quantisation.
    pub fn mat_mul(&mut self, second: u16, dimensions: &[u32]) {
        let output = Quantization { scale: 0.06, zero_point: 3 };
        let (second_zero_point, epilogue) = if self.data_type == DataType::F32 {
            (0, unbounded())
        } else {
            let real = f64::from(self.quantization.scale).powi(2) / f64::from(output.scale);
            let table = self.builder.constant_bytes(table(self.arithmetic, &[real]));
            (self.quantization.zero_point, self.epilogue(table, output))
        };
        let attributes = MatMul { second_zero_point, reserved: [0; 3], epilogue };
        let dimensions = dimensions.to_vec();
        self.next(Opcode::MatMul, &[second], self.data_type, dimensions, output, Placement::Behind, &attributes);
    }

    /// `TransposeConv2d` without padding, one entry for all channels.
    pub fn transpose_convolution(&mut self, kernel: u16, stride: u16, channels: u32) {
        let float = self.data_type == DataType::F32;
        let out = |size: u32| (size - 1) * u32::from(stride) + u32::from(kernel);
        let dimensions = vec![self.dimensions[0], out(self.dimensions[1]), out(self.dimensions[2]), channels];
        let count = (channels * u32::from(kernel).pow(2) * self.dimensions[3]) as usize;
        let output = Quantization { scale: 0.3, zero_point: -1 };
        let (weights, bias, epilogue) = if float {
            let weights = Values::F32(self.random.f32s(count, -1.0, 1.0));
            let bias = Values::F32(self.random.f32s(channels as usize, -1.0, 1.0));
            (weights, bias, unbounded())
        } else {
            let table = self.builder.constant_bytes(table(self.arithmetic, &[0.001]));
            let bias = Values::I32(vec![200; channels as usize]);
            (Values::I8(self.random.i8s(count)), bias, self.epilogue(table, output))
        };
        let accumulation = Accumulation {
            weight_type: self.data_type.code(),
            flags: 0,
            weights: self.builder.constant(&weights),
            bias: self.builder.constant(&bias),
            epilogue,
        };
        let window = window([kernel; 2], [stride; 2], [1; 2], [0; 2]);
        let attributes = Conv2d { window, groups: 1, accumulation };
        let opcode = Opcode::TransposeConv2d;
        self.next(opcode, &[], self.data_type, dimensions, output, Placement::Behind, &attributes);
    }

    /// `Resize` of height and width, corners on corners.
    pub fn resize(&mut self, size: [u32; 2]) {
        let mut dimensions = self.dimensions.clone();
        let output = Quantization { scale: 0.25, zero_point: 2 };
        let taps = [0, 1].map(|axis| {
            let taps = corner_taps(self.dimensions[axis + 1], size[axis]);
            dimensions[axis + 1] = size[axis];
            self.builder.constant_bytes(taps.iter().flat_map(crate::parts::Record::encode).collect())
        });
        let ratio = (self.quantization.scale / output.scale).to_bits();
        let float = self.data_type == DataType::F32;
        let epilogue = if float { unbounded() } else { self.epilogue(ratio, output) };
        let attributes =
            Resize { first_axis: 1, fixed_point: 0, reserved: [0; 2], rows: taps[0], columns: taps[1], epilogue };
        self.next(Opcode::Resize, &[], self.data_type, dimensions, output, Placement::Behind, &attributes);
    }

    /// A random constant tensor of the current element type, with its quantisation.
    pub fn constant_operand(&mut self, dimensions: &[u32]) -> (u16, Quantization) {
        let count = dimensions.iter().product::<u32>() as usize;
        let values = if self.data_type == DataType::F32 {
            Values::F32(self.random.f32s(count, -1.0, 1.0))
        } else {
            Values::I8(self.random.i8s(count))
        };
        let quantization = Quantization { scale: 0.01, zero_point: 7 };
        (self.builder.constant_tensor(dimensions, &values), quantization)
    }

    fn accumulating(&mut self, opcode: Opcode, window: Window, dimensions: Vec<u32>, placement: Placement) {
        let even = |dimensions: &[u32]| dimensions.last().is_some_and(|channels| channels.is_multiple_of(2));
        let grouped = opcode == Opcode::Conv2d && even(&self.dimensions) && even(&dimensions);
        let groups = if grouped { 2 } else { 1 };
        let mut case =
            Accumulating::with(opcode, window, groups, self.dimensions.clone(), dimensions.clone(), &mut self.random);
        (case.input, case.float_type) = (self.quantization, self.float_type);
        if opcode == Opcode::Conv2d {
            case.bias.get_or_insert_with(|| vec![100; dimensions[3] as usize]);
        }
        // Steps that spread random accumulators over most of the 8-bit range.
        let spread = 90.0 * (case.taps() as f64).sqrt() * case.accumulator_scale(0);
        let output = Quantization { scale: spread as f32, zero_point: self.random.integer(-20..20) as i8 };
        let (arithmetic, data_type) = (self.arithmetic, self.data_type);
        self.banded(opcode, &window, dimensions, output, placement, |builder, operands| match data_type {
            DataType::F32 => case.add_float(builder, operands, [-6.0, 6.0]),
            _ => case.add_integer(builder, arithmetic, operands, output, [-120, 127]),
        });
    }

    fn epilogue(&self, table: u32, output: Quantization) -> Epilogue {
        let input_zero_point = self.quantization.zero_point;
        let output_zero_point = output.zero_point;
        IntegerEpilogue { table, input_zero_point, output_zero_point, clamp_min: -126, clamp_max: 125 }.into()
    }

    fn banded(
        &mut self,
        opcode: Opcode,
        window: &Window,
        dimensions: Vec<u32>,
        output: Quantization,
        placement: Placement,
        add: impl FnOnce(&mut ModelBuilder, [u16; 2]),
    ) {
        let location = self.builder.location(self.tensor);
        let location = match placement {
            Placement::BandedUp => location - self.distance(window, &dimensions, false),
            Placement::BandedDown => location + self.distance(window, &dimensions, true),
            _ => u32::MAX,
        };
        let y = match location {
            u32::MAX => self.builder.tensor(self.data_type, &dimensions),
            _ => self.builder.tensor_at(self.data_type, &dimensions, location),
        };
        add(&mut self.builder, [self.tensor, y]);
        if opcode != Opcode::FullyConnected {
            self.builder.walk_down(placement == Placement::BandedDown);
        }
        self.become_current(y, self.data_type, dimensions, output);
    }

    fn distance(&self, window: &Window, dimensions: &[u32], down: bool) -> u32 {
        let tensor = |dimensions: &[u32]| Tensor {
            data_type: self.data_type,
            kind: TensorKind::Arena,
            location: 0,
            shape: Shape::new(dimensions).expect("at most 6 dimensions"),
        };
        let rows = window.rows(&tensor(&self.dimensions), &tensor(dimensions));
        (if down { rows.distance_down() } else { rows.distance_up() }) as u32
    }

    #[allow(clippy::too_many_arguments)]
    fn next(
        &mut self,
        opcode: Opcode,
        more_inputs: &[u16],
        data_type: DataType,
        dimensions: Vec<u32>,
        output: Quantization,
        placement: Placement,
        attributes: &impl crate::parts::Record,
    ) {
        let y = match placement {
            Placement::InPlace => self.builder.tensor_at(data_type, &dimensions, self.builder.location(self.tensor)),
            _ => self.builder.tensor(data_type, &dimensions),
        };
        let inputs: Vec<u16> = [self.tensor].iter().chain(more_inputs).copied().collect();
        self.builder.op(opcode, &inputs, y, attributes);
        self.become_current(y, data_type, dimensions, output);
    }

    fn become_current(&mut self, y: u16, data_type: DataType, dimensions: Vec<u32>, quantization: Quantization) {
        if data_type == DataType::I8 {
            self.builder.set_quantization(y, quantization);
        }
        (self.tensor, self.data_type, self.dimensions, self.quantization) = (y, data_type, dimensions, quantization);
    }
}

/// Taps of an interpolation whose first and last positions are the input's.
pub fn corner_taps(input: u32, output: u32) -> Vec<ResizeTap> {
    let position = |index: u32| {
        let position = f64::from(index) * f64::from(input - 1) / f64::from(output.max(2) - 1);
        let low = position.floor() as u32;
        ResizeTap { low, high: (low + 1).min(input - 1), weight: (position - f64::from(low)) as f32 }
    };
    (0..output).map(position).collect()
}

/// Attributes of an 8-bit `Binary` for the quantisations of first input, second input and output.
pub fn integer_binary(
    arithmetic: Arithmetic,
    kind: BinaryKind,
    [first, second, output]: [Quantization; 3],
    [clamp_min, clamp_max]: [i8; 2],
) -> IntegerBinary {
    let (a, b, y) = (f64::from(first.scale), f64::from(second.scale), f64::from(output.scale));
    let none = (0, 0);
    let scaled = |real| multiplier(arithmetic, real);
    let real = |value: f64| ((value as f32).to_bits(), 0);
    let [m1, m2, m3] = match (kind, arithmetic) {
        (kind, _) if kind.is_comparison() => [real(a), real(b), none],
        (kind, _) if !kind.is_integer_arithmetic() => [real(a), real(b), real(1.0 / y)],
        (BinaryKind::Mul, _) => [none, none, scaled(a * b / y)],
        (_, Arithmetic::Tflite) => {
            // As TensorFlow Lite: inputs relative to twice the larger scale, 20 bits of headroom taken back at the end.
            let twice = 2.0 * a.max(b);
            [scaled(a / twice), scaled(b / twice), scaled(twice / (f64::from(1 << 20) * y))]
        }
        _ => [scaled(a / y), scaled(b / y), none],
    };
    IntegerBinary {
        kind: kind.code(),
        first_zero_point: first.zero_point,
        second_zero_point: second.zero_point,
        output_zero_point: output.zero_point,
        clamp_min,
        clamp_max,
        first_shift: m1.1,
        second_shift: m2.1,
        output_shift: m3.1,
        reserved: [0; 3],
        first_multiplier: m1.0,
        second_multiplier: m2.0,
        output_multiplier: m3.0,
    }
}

/// Attributes of an 8-bit `Softmax` with beta 1.
pub fn integer_softmax(input: Quantization) -> IntegerSoftmax {
    let (multiplier, shift) = multiplier(Arithmetic::Tflite, f64::from(input.scale) * f64::from(1 << 26));
    IntegerSoftmax { multiplier, shift, reserved: [0; 3] }
}
