//! Small valid models: every opcode in 8-bit and float, both arithmetics, state, several inputs and outputs, bands
//! that overlap upwards and downwards, ops in place.

use crate::accumulating::Windowed;
use crate::build::{ModelBuilder, window};
use crate::chain::{Chain, Placement, integer_binary, integer_softmax};
use crate::quantization::Quantization;
use crate::run::Values;
use bantam_format::ops::{
    BinaryKind, Concat, Epilogue, FloatBinary, FloatClamp, FloatSoftmax, Gather, IntegerClamp, L2Normalize, Normalize,
    Pad, PadMode, Reduce, ReduceKind, StridedCopy, TopK, UnaryKind, WeightType, WordBinary,
};
use bantam_format::writer::PreprocessingDescription;
use bantam_format::{
    AlignedBytes, Arithmetic, DataType, ImageChannels, ImageFilter, ImageFit, Opcode, PreprocessingKind,
    PreprocessingRecord, writer,
};

use Placement::{BandedDown, BandedUp, Behind, InPlace};

/// A model with its name.
#[derive(Debug)]
pub struct SmallModel {
    /// For messages and file names.
    pub name: &'static str,
    /// The artifact.
    pub file: AlignedBytes,
}

/// All of them, the same bytes every time.
pub fn small_models() -> Vec<SmallModel> {
    let built = [
        ("image_onnx", image(Arithmetic::Onnx, DataType::I8)),
        ("image_tflite", image(Arithmetic::Tflite, DataType::I8)),
        ("image_float", image(Arithmetic::Float, DataType::F32)),
        ("half_float", half()),
        ("mixed_onnx", mixed(Arithmetic::Onnx, DataType::I8)),
        ("mixed_tflite", mixed(Arithmetic::Tflite, DataType::I8)),
        ("mixed_float", mixed(Arithmetic::Float, DataType::F32)),
        ("state_onnx", state(Arithmetic::Onnx)),
        ("state_tflite", state(Arithmetic::Tflite)),
        ("state_float", state(Arithmetic::Float)),
        ("moved_onnx", moved(Arithmetic::Onnx, DataType::I8)),
        ("moved_tflite", moved(Arithmetic::Tflite, DataType::I8)),
        ("moved_float", moved(Arithmetic::Float, DataType::F32)),
        ("ranked_onnx", ranked(Arithmetic::Onnx, DataType::I8)),
        ("ranked_tflite", ranked(Arithmetic::Tflite, DataType::I8)),
        ("ranked_float", ranked(Arithmetic::Float, DataType::F32)),
        ("lengths_onnx", lengths(Arithmetic::Onnx, DataType::I8)),
        ("lengths_tflite", lengths(Arithmetic::Tflite, DataType::I8)),
        ("lengths_float", lengths(Arithmetic::Float, DataType::F32)),
        ("wide_tflite", crate::wide::wide()),
    ];
    let mut models: Vec<SmallModel> =
        built.into_iter().map(|(name, builder)| SmallModel { name, file: builder.build() }).collect();
    models.push(SmallModel { name: "described", file: described() });
    models.push(SmallModel { name: "prepared", file: prepared() });
    models
}

/// One of them.
///
/// # Panics
/// There is none of this name.
pub fn small_model(name: &str) -> AlignedBytes {
    let found = small_models().into_iter().find(|model| model.name == name);
    found.unwrap_or_else(|| panic!("no small model {name}")).file
}

/// What an image classifier is made of. The convolutions and pools overlap their inputs at the exact safe distances,
/// the elementwise ops work in place.
fn image(arithmetic: Arithmetic, data_type: DataType) -> ModelBuilder {
    let mut chain = Chain::new(arithmetic, data_type, &[1, 6, 5, 2], 1024, 11);
    chain.convolution(Opcode::Conv2d, 3, 1, 4, BandedDown);
    chain.convolution(Opcode::DepthwiseConv2d, 3, 2, 4, BandedUp);
    let overlapping = Windowed { window: window([2; 2], [1; 2], [1; 2], [1; 2]), input: [3; 2], output: [3; 2] };
    chain.pool(Opcode::MaxPool2d, &overlapping, false, BandedUp);
    chain.pool(Opcode::AveragePool2d, &overlapping, arithmetic != Arithmetic::Tflite, BandedDown);
    chain.convolution(Opcode::Conv2d, 1, 1, 18, Behind);
    chain.nonlinear(UnaryKind::Sigmoid, InPlace);
    chain.clamp(InPlace);
    chain.mean(1, 2);
    chain.reshape(&[18], InPlace);
    chain.reshape(&[1, 18], Behind);
    chain.builder.output(chain.tensor);
    chain.fully_connected(3);
    chain.softmax(InPlace);
    chain.finish()
}

/// Convolutions and a fully connected layer whose weights are floats of 16 bits.
fn half() -> ModelBuilder {
    let mut chain = Chain::new(Arithmetic::Float, DataType::F32, &[1, 5, 4, 3], 1024, 23);
    chain.float_type = WeightType::F16;
    chain.convolution(Opcode::Conv2d, 3, 1, 5, BandedDown);
    chain.convolution(Opcode::DepthwiseConv2d, 3, 2, 10, BandedUp);
    chain.convolution(Opcode::Conv2d, 1, 1, 7, Behind);
    chain.mean(1, 2);
    chain.reshape(&[1, 7], Behind);
    chain.fully_connected(3);
    chain.finish()
}

/// Two inputs, two or three outputs, every kind of binary op, and for 8-bit models the way from and to floats.
fn mixed(arithmetic: Arithmetic, data_type: DataType) -> ModelBuilder {
    let mut chain = Chain::new(arithmetic, DataType::F32, &[2, 6], 0, 5);
    let second = chain.builder.tensor(data_type, &[6]);
    let quantization = Quantization { scale: 0.015, zero_point: 2 };
    if data_type == DataType::I8 {
        chain.builder.set_quantization(second, quantization);
        chain.convert();
    }
    chain.builder.input(second);
    chain.binary(BinaryKind::Add, second, quantization, Behind);
    let (constant, constant_quantization) = chain.constant_operand(&[2, 6]);
    chain.binary(BinaryKind::Mul, constant, constant_quantization, InPlace);
    let (single, single_quantization) = chain.constant_operand(&[]);
    chain.binary(BinaryKind::Sub, single, single_quantization, InPlace);
    let kept = (chain.tensor, chain.dimensions.clone(), chain.data_type, chain.quantization);
    chain.arg_max(data_type == DataType::F32);
    let classes = chain.tensor;
    (chain.tensor, chain.dimensions, chain.data_type, chain.quantization) = kept;
    chain.fully_connected(4);
    for kind in if data_type == DataType::F32 { &UnaryKind::ALL[..15] } else { &[UnaryKind::Sigmoid] } {
        chain.nonlinear(*kind, if *kind == UnaryKind::Tanh { Behind } else { InPlace });
    }
    chain.clamp(Behind);
    chain.softmax(Behind);
    chain.builder.output(classes);
    if data_type == DataType::I8 {
        chain.builder.output(chain.tensor);
        chain.convert();
    }
    chain.finish()
}

/// Every op that moves elements, a comparison and what is selected by it, the product of two activations, a transposed
/// convolution and an interpolation.
fn moved(arithmetic: Arithmetic, data_type: DataType) -> ModelBuilder {
    let mut chain = Chain::new(arithmetic, data_type, &[1, 3, 4, 2], 0, 17);
    let float = data_type == DataType::F32;
    let x = chain.tensor;
    let plain = chain.quantization;
    // Height and width exchanged, the width backwards.
    let copy = StridedCopy { offset: 6, dimensions: [1, 1, 1, 4, 3, 2], strides: [0, 0, 0, -2, 8, 1] };
    chain.extend(Opcode::StridedCopy, &[], data_type, &[1, 4, 3, 2], &copy);
    let pad = Pad { mode: PadMode::Reflect.code(), reserved: [0; 3], value: 0, before: [0, 1, 0, 0, 0, 0] };
    chain.extend(Opcode::Pad, &[], data_type, &[1, 6, 4, 2], &pad);
    let positions = chain.builder.constant(&Values::I32(vec![5, 0, 0]));
    let gather = Gather { axis: 1, reserved: [0; 3], count: 3, positions };
    chain.extend(Opcode::Gather, &[], data_type, &[1, 3, 4, 2], &gather);
    chain.extend(Opcode::Concat, &[x], data_type, &[1, 3, 4, 4], &Concat { axis: 3, reserved: [0; 3] });
    let joined = chain.tensor;
    // Where an element is larger than the mean over one axis, it stays; elsewhere there is a constant.
    chain.mean(1, 1);
    let (mean, mean_quantization) = (chain.tensor, chain.quantization);
    (chain.tensor, chain.dimensions, chain.quantization) = (joined, vec![1, 3, 4, 4], plain);
    chain.reshape(&[3, 4, 4], Behind);
    let kept = chain.tensor;
    if float {
        let [clamp_min, clamp_max] = [f32::NEG_INFINITY, f32::INFINITY];
        let greater = FloatBinary { kind: BinaryKind::Greater.code(), reserved: [0; 3], clamp_min, clamp_max };
        chain.extend(Opcode::Binary, &[mean], DataType::I32, &[3, 4, 4], &greater);
    } else {
        let quantizations = [plain, mean_quantization, Quantization { scale: 1.0, zero_point: 0 }];
        let greater = integer_binary(arithmetic, BinaryKind::Greater, quantizations, [-128, 127]);
        chain.extend(Opcode::Binary, &[mean], DataType::I32, &[3, 4, 4], &greater);
    }
    let truth = chain.tensor;
    let one = chain.builder.constant_tensor(&[], &Values::I32(vec![1]));
    let not = WordBinary { kind: BinaryKind::Xor.code(), reserved: [0; 3] };
    chain.extend(Opcode::Binary, &[one], DataType::I32, &[3, 4, 4], &not);
    chain.extend(Opcode::Cast, &[], DataType::F32, &[3, 4, 4], &());
    chain.builder.output(chain.tensor);
    chain.data_type = data_type;
    let (other, _) = chain.constant_operand(&[4, 1]);
    chain.tensor = truth;
    chain.extend(Opcode::Select, &[kept, other], data_type, &[3, 4, 4], &());
    let selected = chain.tensor;
    chain.mat_mul(selected, &[3, 4, 4]);
    if float {
        let offset = chain.builder.constant(&Values::F32(vec![0.5, 0.0, -0.5, 1.0]));
        let normalize = Normalize {
            axis_count: 1,
            root_mean_square: 0,
            reserved: [0; 2],
            epsilon: 1e-3,
            scale: bantam_format::ABSENT,
            offset,
        };
        chain.extend(Opcode::Normalize, &[], DataType::F32, &[3, 4, 4], &normalize);
        chain.extend(Opcode::Cast, &[], DataType::I32, &[3, 4, 4], &());
        let words = chain.tensor;
        let two = chain.builder.constant_tensor(&[1], &Values::I32(vec![2]));
        let divide = WordBinary { kind: BinaryKind::Div.code(), reserved: [0; 3] };
        chain.extend(Opcode::Binary, &[two], DataType::I32, &[3, 4, 4], &divide);
        let data = chain.builder.constant_tensor(&[2, 1], &Values::F32(vec![0.25, 0.75]));
        let embed = Gather { axis: 0, reserved: [0; 3], count: 0, positions: bantam_format::ABSENT };
        chain.tensor = data;
        chain.extend(Opcode::Gather, &[words], DataType::F32, &[3, 4, 4], &embed);
    }
    chain.reshape(&[1, 3, 4, 4], Behind);
    chain.transpose_convolution(3, 2, 2);
    chain.resize([5, 3]);
    chain.finish()
}

/// The positions of the best elements, and what 32-bit integers are reduced and divided to.
fn ranked(arithmetic: Arithmetic, data_type: DataType) -> ModelBuilder {
    let mut chain = Chain::new(arithmetic, data_type, &[2, 6], 0, 23);
    let top = TopK { count: 3, select_least: 0, reserved: [0; 3] };
    chain.extend(Opcode::TopK, &[], DataType::I32, &[2, 3], &top);
    chain.builder.output(chain.tensor);
    let none = Epilogue { bytes: [0; 8] };
    let sum = Reduce { kind: ReduceKind::Sum.code(), first_axis: 1, axis_count: 1, reserved: 0, epilogue: none };
    chain.extend(Opcode::Reduce, &[], DataType::I32, &[2], &sum);
    let four = chain.builder.constant_tensor(&[], &Values::I32(vec![4]));
    let remainder = WordBinary { kind: BinaryKind::Remainder.code(), reserved: [0; 3] };
    chain.extend(Opcode::Binary, &[four], DataType::I32, &[2], &remainder);
    chain.finish()
}

/// Vectors of length 1, and the logarithms of their softmax.
fn lengths(arithmetic: Arithmetic, data_type: DataType) -> ModelBuilder {
    let mut builder = ModelBuilder::new(arithmetic);
    let unit = Quantization { scale: 1.0 / 128.0, zero_point: 0 };
    let steps =
        [Quantization { scale: 0.05, zero_point: 3 }, unit, Quantization { scale: 1.0 / 16.0, zero_point: 127 }];
    let [x, y, z] = steps.map(|quantization| match data_type {
        DataType::F32 => builder.tensor(DataType::F32, &[3, 5]),
        _ => builder.quantized(&[3, 5], quantization),
    });
    if data_type == DataType::F32 {
        builder.op(Opcode::L2Normalize, &[x], y, &L2Normalize { zero_point: 0, reserved: [0; 3] });
        builder.op(Opcode::LogSoftmax, &[y], z, &FloatSoftmax { beta: 1.5 });
    } else {
        builder.op(Opcode::L2Normalize, &[x], y, &L2Normalize { zero_point: 3, reserved: [0; 3] });
        builder.op(Opcode::LogSoftmax, &[y], z, &integer_softmax(unit));
    }
    builder.input(x);
    builder.output(y);
    builder.output(z);
    builder
}

/// Two accumulators kept between runs: `sum += x`, `count += 1`; the output is their sum.
fn state(arithmetic: Arithmetic) -> ModelBuilder {
    let mut builder = ModelBuilder::new(arithmetic);
    let (sum, count, x, y);
    if arithmetic == Arithmetic::Float {
        x = builder.tensor(DataType::F32, &[4]);
        y = builder.tensor(DataType::F32, &[4]);
        sum = builder.state(&[4], &Values::F32(vec![0.0, 1.0, -1.0, 0.5]));
        count = builder.state(&[1], &Values::F32(vec![10.0]));
        let one = builder.constant_tensor(&[1], &Values::F32(vec![1.0]));
        let add = FloatBinary {
            kind: BinaryKind::Add.code(),
            reserved: [0; 3],
            clamp_min: f32::NEG_INFINITY,
            clamp_max: f32::INFINITY,
        };
        builder.op(Opcode::Binary, &[sum, x], sum, &add);
        builder.op(Opcode::Binary, &[count, one], count, &add);
        builder.op(Opcode::Binary, &[sum, count], y, &add);
    } else {
        let quantization = Quantization { scale: 0.5, zero_point: -4 };
        x = builder.quantized(&[4], quantization);
        y = builder.quantized(&[4], quantization);
        sum = builder.state(&[4], &Values::I8(vec![-4, -2, -6, 0]));
        count = builder.state(&[1], &Values::I8(vec![16]));
        let one = builder.constant_tensor(&[1], &Values::I8(vec![-2]));
        let add = integer_binary(arithmetic, BinaryKind::Add, [quantization; 3], [-128, 127]);
        builder.op(Opcode::Binary, &[sum, x], sum, &add);
        builder.op(Opcode::Binary, &[count, one], count, &add);
        builder.op(Opcode::Binary, &[sum, count], y, &add);
    }
    builder.input(x);
    builder.output(y);
    builder
}

/// An 8-bit input made from images and a float one made from fields, both clamped in place.
fn prepared() -> AlignedBytes {
    let mut builder = ModelBuilder::new(Arithmetic::Float);
    let image = builder.quantized(&[1, 2, 3, 3], Quantization { scale: 0.5, zero_point: -3 });
    let fields = builder.tensor(DataType::F32, &[1, 3]);
    let integer = IntegerClamp { clamp_min: -100, clamp_max: 100, reserved: [0; 2] };
    builder.op(Opcode::Clamp, &[image], image, &integer);
    builder.op(Opcode::Clamp, &[fields], fields, &FloatClamp { clamp_min: -1e3, clamp_max: 1e3 });
    for tensor in [image, fields] {
        builder.input(tensor);
    }
    for tensor in [image, fields] {
        builder.output(tensor);
    }
    let mut description = builder.description();
    let record = PreprocessingRecord::read(&[]);
    let mut tables = Vec::new();
    for channel in 0..3u8 {
        tables.extend((0..=u8::MAX).map(|byte| byte.wrapping_sub(128).wrapping_add(channel)));
    }
    let values = [1f32, 0.5, -2.0, 0.25, 0.0, 100.0].into_iter().flat_map(f32::to_le_bytes).collect();
    description.preprocessing = vec![
        PreprocessingDescription {
            record: PreprocessingRecord {
                kind: PreprocessingKind::Image.code(),
                fit: ImageFit::Crop.code(),
                filter: ImageFilter::Bilinear.code(),
                channels: ImageChannels::Rgb.code(),
                background: 7,
                shorter_side: 4,
                ..record
            },
            values: tables,
            names: vec![],
        },
        PreprocessingDescription {
            record: PreprocessingRecord { input: 1, kind: PreprocessingKind::Fields.code(), ..record },
            values,
            names: vec!["length".into(), "width".into(), "weight".into()],
        },
    ];
    AlignedBytes::copy_of(&writer::write(&description).expect("a valid model"))
}

/// A model with every optional section that tools read.
fn described() -> AlignedBytes {
    let mut chain = Chain::new(Arithmetic::Onnx, DataType::I8, &[1, 3], 0, 3);
    chain.fully_connected(2);
    let mut description = chain.finish().description();
    description.debug = true;
    description.labels = vec!["rooster".into(), "hen".into()];
    description.card = "{\"name\":\"described\"}".into();
    AlignedBytes::copy_of(&writer::write(&description).expect("a valid model"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::run::{random_inputs, run};
    use bantam::Model;
    use std::collections::BTreeSet;

    #[test]
    fn small_models_cover_every_opcode_in_every_arithmetic_they_exist_in() {
        let mut covered = BTreeSet::new();
        for small in small_models() {
            let model = Model::parse(small.file.bytes()).expect(small.name);
            for op in model.artifact().ops() {
                covered.insert((op.opcode, model.artifact().arithmetic(), op.input(0).data_type));
            }
            run(&model, &random_inputs(&model, &mut Random::new(7)));
        }
        for &opcode in Opcode::ALL {
            let float = !matches!(
                opcode,
                Opcode::Table | Opcode::Quantize | Opcode::Dequantize | Opcode::Select | Opcode::Cast | Opcode::Rescale
            );
            // The first input of a selection is its condition.
            let integer =
                !matches!(opcode, Opcode::Unary | Opcode::Quantize | Opcode::Select | Opcode::Normalize | Opcode::Cast);
            for arithmetic in [Arithmetic::Tflite, Arithmetic::Onnx] {
                let integer = integer && (opcode, arithmetic) != (Opcode::Rescale, Arithmetic::Onnx);
                assert!(!integer || covered.contains(&(opcode, arithmetic, DataType::I8)), "{opcode:?} {arithmetic:?}");
            }
            let wide = integer && !matches!(opcode, Opcode::Resize | Opcode::LogSoftmax | Opcode::L2Normalize);
            assert!(!wide || covered.contains(&(opcode, Arithmetic::Tflite, DataType::I16)), "{opcode:?} 16-bit");
            assert!(!float || covered.contains(&(opcode, Arithmetic::Float, DataType::F32)), "{opcode:?} float");
        }
        for arithmetic in [Arithmetic::Tflite, Arithmetic::Onnx, Arithmetic::Float] {
            assert!(covered.contains(&(Opcode::Select, arithmetic, DataType::I32)));
            assert!(covered.contains(&(Opcode::Cast, arithmetic, DataType::I32)));
            assert!(covered.contains(&(Opcode::Binary, arithmetic, DataType::I32)));
        }
        assert!(covered.contains(&(Opcode::Quantize, Arithmetic::Onnx, DataType::F32)));
        assert!(covered.contains(&(Opcode::Quantize, Arithmetic::Tflite, DataType::F32)));
    }
}
