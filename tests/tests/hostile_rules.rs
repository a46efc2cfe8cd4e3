//! One broken file per reject rule, made from a valid artifact by changing one thing and sealing it again.

use bantam_format::ops::{
    ArgMax, Concat, Conv2d, DepthwiseConv2d, FloatBinary, FloatClamp, FloatSoftmax, FullyConnected, Gather,
    IntegerBinary, IntegerClamp, IntegerEpilogue, IntegerSoftmax, L2Normalize, MatMul, Normalize, Pad, Pool2d,
    QuantizeParameters, Reduce, Rescale, Resize, ResizeTap, StridedCopy, TopK, Unary, WeightType, WideBinary,
    WideClamp, WideEpilogue, WideSoftmax, WideTable,
};
use bantam_format::{
    AlignedBytes, Arithmetic, Artifact, ChecksumPolicy, DataType, HEADER_BYTES, Limits, LoadError, Opcode,
    PreprocessingRecord, SectionEntry, SectionKind, StateRecord, writer,
};
use bantam_tests::build::{ModelBuilder, window};
use bantam_tests::models::small_model;
use bantam_tests::parts::{Parts, Record};
use bantam_tests::{accumulating::Accumulating, quantization::Quantization, random::Random};
use std::collections::BTreeSet;

/// A file, and how it is parsed.
struct Hostile {
    bytes: Vec<u8>,
    limits: Limits,
    address: usize,
}

impl Hostile {
    fn file(bytes: Vec<u8>) -> Self {
        Self { bytes, limits: Limits::default(), address: 0 }
    }

    fn parse(&self, checksum: ChecksumPolicy) -> Option<LoadError> {
        let mut memory = AlignedBytes::zeroed(self.address + self.bytes.len());
        memory.bytes_mut()[self.address..].copy_from_slice(&self.bytes);
        Artifact::parse(&memory.bytes()[self.address..], &Limits { checksum, ..self.limits }).err()
    }
}

/// The small model with something changed in its parts.
fn changed(name: &str, change: impl FnOnce(&mut Parts)) -> Hostile {
    let mut parts = Parts::of(small_model(name).bytes());
    change(&mut parts);
    Hostile::file(parts.file())
}

/// The small model with the attributes of its first op of this opcode changed.
macro_rules! attributes {
    ($name:literal, $opcode:ident, $record:ty, |$a:ident| $change:expr) => {
        changed($name, |parts| {
            let op = parts.find(Opcode::$opcode);
            parts.attributes::<$record>(op, |$a| $change);
        })
    };
}

/// The small model with some bytes of the finished file changed.
fn patched(name: &str, change: impl FnOnce(&mut Vec<u8>)) -> Hostile {
    let mut file = small_model(name).bytes().to_vec();
    change(&mut file);
    writer::seal(&mut file);
    Hostile::file(file)
}

/// The small model with one entry of its section table changed.
fn entry(name: &str, index: usize, change: impl FnOnce(&mut SectionEntry)) -> Hostile {
    patched(name, |file| {
        let at = HEADER_BYTES + index * SectionEntry::BYTES;
        let mut entry = SectionEntry::read(&file[at..]);
        change(&mut entry);
        let mut bytes = Vec::new();
        entry.write(&mut bytes);
        file[at..at + SectionEntry::BYTES].copy_from_slice(&bytes);
    })
}

fn put(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// Rules 1 to 23: the file as a whole.
fn of_the_file() -> Vec<(u16, Hostile)> {
    let valid = || Hostile::file(small_model("image_onnx").bytes().to_vec());
    let limited = |max_arena_bytes, max_work| Hostile {
        limits: Limits { max_arena_bytes, max_work, ..Limits::default() },
        ..valid()
    };
    let header = |change: fn(&mut bantam_format::Header)| changed("image_onnx", |parts| change(&mut parts.header));
    let artifact_bytes = small_model("image_onnx");
    let artifact = Artifact::parse(artifact_bytes.bytes(), &Limits::default()).expect("valid");
    let (arena_bytes, work) = (artifact.header().arena_bytes, artifact.work());
    vec![
        (1, Hostile::file(valid().bytes[..HEADER_BYTES - 1].to_vec())),
        (1, Hostile::file(Vec::new())),
        (2, header(|header| header.magic[3] ^= 1)),
        (3, header(|header| header.major = 0)),
        (3, header(|header| header.major = 2)),
        (4, Hostile { address: 1, ..valid() }),
        (4, Hostile { address: 8, ..valid() }),
        (5, patched("image_onnx", |file| file.extend([0; 16]))),
        (5, patched("image_onnx", |file| file.truncate(file.len() - 1))),
        (6, {
            let mut hostile = valid();
            hostile.bytes[12] ^= 1;
            hostile
        }),
        (7, header(|header| header.required_features = 1)),
        (7, header(|header| header.required_features = 1 << 31)),
        (8, header(|header| header.arithmetic = 3)),
        (9, header(|header| header.reserved_a = 1)),
        (9, header(|header| header.reserved_b = 1)),
        (9, header(|header| header.reserved_c = 1 << 63)),
        (10, patched("image_onnx", |file| put(file, 20, 1 << 20))),
        (10, patched("image_onnx", |file| put(file, 20, u32::MAX))),
        (11, changed("image_onnx", |parts| parts.sections.swap(0, 1))),
        (11, entry("image_onnx", 0, |entry| entry.kind = 0)),
        (11, entry("image_onnx", 1, |entry| entry.kind = 1)),
        (12, entry("image_onnx", 2, |entry| entry.offset += 16)),
        (12, entry("image_onnx", 0, |entry| entry.offset = 0)),
        (13, entry("image_onnx", 2, |entry| entry.length = 0)),
        (13, entry("image_onnx", 6, |entry| entry.length = u32::MAX)),
        (14, patched("described", |file| *file.last_mut().expect("padding") = 1)),
        (15, {
            let mut hostile = changed("described", |parts| parts.append(4000, vec![1; 5]));
            let count = u32::from_le_bytes([20, 21, 22, 23].map(|at| hostile.bytes[at])) as usize;
            hostile.bytes[HEADER_BYTES + (count - 1) * SectionEntry::BYTES + 2] = SectionEntry::REQUIRED as u8;
            writer::seal(&mut hostile.bytes);
            hostile
        }),
        (16, entry("image_onnx", 0, |entry| entry.flags = 0)),
        (16, entry("image_onnx", 0, |entry| entry.flags = 3)),
        (16, entry("described", 7, |entry| entry.flags = SectionEntry::REQUIRED)),
        (17, changed("image_onnx", |parts| parts.remove(SectionKind::Tensors))),
        (17, changed("image_onnx", |parts| parts.remove(SectionKind::Ops))),
        (17, changed("image_onnx", |parts| parts.remove(SectionKind::Operands))),
        (17, changed("image_onnx", |parts| parts.remove(SectionKind::Io))),
        (18, changed("image_onnx", |parts| parts.section(SectionKind::Ops).push(0))),
        (18, changed("image_onnx", |parts| parts.section(SectionKind::Dimensions).push(0))),
        (18, changed("image_onnx", |parts| *parts.section(SectionKind::Tensors) = vec![0; 12 * 65_536])),
        (
            19,
            patched("image_onnx", |file| {
                file.extend([0; 16]);
                let length = file.len() as u32;
                put(file, 8, length);
            }),
        ),
        (20, limited(arena_bytes - 1, u64::MAX)),
        (21, limited(u32::MAX, work - 1)),
        (22, header(|header| header.arena_bytes += 4)),
        (23, header(|header| header.macs += 1)),
        (23, header(|header| header.macs = u64::MAX)),
    ]
}

/// Rules 30 to 56: tensors, state, inputs and outputs.
fn of_tensors() -> Vec<(u16, Hostile)> {
    let constants = |parts: &mut Parts| parts.section(SectionKind::Constants).len() as u32;
    vec![
        (30, changed("mixed_onnx", |parts| parts.tensor(0, |tensor| tensor.data_type = 2))),
        (31, changed("mixed_onnx", |parts| parts.tensor(0, |tensor| tensor.kind = 3))),
        (32, changed("mixed_onnx", |parts| parts.tensor(0, |tensor| tensor.rank = 7))),
        (33, changed("mixed_onnx", |parts| parts.tensor(0, |tensor| tensor.dimensions = u16::MAX))),
        (34, changed("mixed_onnx", |parts| parts.tensor(0, |tensor| tensor.reserved[2] = 1))),
        (35, changed("mixed_onnx", |parts| put(parts.section(SectionKind::Dimensions), 0, 0))),
        (36, changed("mixed_onnx", |parts| put(parts.section(SectionKind::Dimensions), 0, u32::MAX))),
        (36, changed("mixed_float", |parts| put(parts.section(SectionKind::Dimensions), 0, (1 << 31) / 24 + 1))),
        (37, changed("mixed_onnx", |parts| parts.tensor(0, |tensor| tensor.location += 2))),
        (
            38,
            changed("mixed_onnx", |parts| {
                let end = parts.header.arena_bytes;
                parts.tensor(0, |tensor| tensor.location = end);
            }),
        ),
        (38, changed("mixed_onnx", |parts| parts.tensor(0, |tensor| tensor.location = u32::MAX - 3))),
        (
            39,
            changed("mixed_onnx", |parts| {
                let end = constants(parts).next_multiple_of(4);
                let constant = (0..).find(|&index| {
                    let mut kind = 0;
                    parts.tensor(index, |tensor| kind = tensor.kind);
                    kind == 1
                });
                parts.tensor(constant.expect("a constant tensor"), |tensor| tensor.location = end);
            }),
        ),
        (40, changed("state_onnx", |parts| parts.state(0, |state| state.tensor = 0))),
        (40, changed("state_onnx", |parts| parts.state(0, |state| state.tensor = u16::MAX))),
        (
            40,
            changed("state_onnx", |parts| {
                let section = parts.section(SectionKind::State);
                section.rotate_left(StateRecord::BYTES);
            }),
        ),
        (41, changed("state_onnx", |parts| parts.remove(SectionKind::State))),
        (41, changed("state_onnx", |parts| parts.section(SectionKind::State).truncate(StateRecord::BYTES))),
        (42, changed("state_onnx", |parts| parts.state(0, |state| state.initial_value += 2))),
        (42, changed("state_onnx", |parts| parts.state(0, |state| state.initial_value = u32::MAX - 3))),
        (
            42,
            changed("state_onnx", |parts| {
                let end = constants(parts).next_multiple_of(4);
                parts.state(0, |state| state.initial_value = end);
            }),
        ),
        (43, changed("state_onnx", |parts| parts.state(1, |state| state.reserved = 1))),
        (44, changed("state_onnx", |parts| parts.tensor(2, |tensor| tensor.location = 0))),
        (
            44,
            changed("state_float", |parts| {
                let mut first = 0;
                parts.tensor(2, |tensor| first = tensor.location);
                parts.tensor(3, |tensor| tensor.location = first + 12);
                parts.header.arena_bytes = first + 16;
            }),
        ),
        (50, changed("mixed_onnx", |parts| parts.io(0, |io| io.tensor = u16::MAX))),
        (50, changed("state_onnx", |parts| parts.io(0, |io| io.tensor = 2))),
        (51, changed("mixed_onnx", |parts| parts.io(0, |io| io.role = 2))),
        (52, changed("mixed_onnx", |parts| parts.io(0, |io| io.role = 1))),
        (53, changed("state_onnx", |parts| parts.io(1, |io| io.role = 0))),
        (53, changed("state_onnx", |parts| parts.io(0, |io| io.role = 1))),
        (54, changed("state_onnx", |parts| parts.io(0, |io| io.scale = 0.0))),
        (54, changed("state_onnx", |parts| parts.io(0, |io| io.scale = -1.0))),
        (54, changed("state_onnx", |parts| parts.io(0, |io| io.scale = f32::NAN))),
        (54, changed("state_onnx", |parts| parts.io(0, |io| io.scale = f32::INFINITY))),
        (54, changed("state_float", |parts| parts.io(0, |io| io.scale = 2.0))),
        (55, changed("state_onnx", |parts| parts.io(0, |io| io.zero_point = 128))),
        (55, changed("state_onnx", |parts| parts.io(0, |io| io.zero_point = -129))),
        (55, changed("state_float", |parts| parts.io(0, |io| io.zero_point = 1))),
        (55, changed("wide_tflite", |parts| parts.io(0, |io| io.zero_point = 1))),
        (56, changed("state_onnx", |parts| parts.io(1, |io| io.source_layout = 2))),
    ]
}

/// Rules 60 to 72: op records and operands. The first op of `mixed_onnx` is a `Quantize`, the second a `Binary`.
fn of_ops() -> Vec<(u16, Hostile)> {
    let constant = |parts: &mut Parts| {
        let binary = (2..).find(|&op| parts.op_record(op).opcode == Opcode::Binary.code()).expect("a binary op");
        parts.operand_tensor(binary, 1) as u16
    };
    vec![
        (60, changed("mixed_onnx", |parts| parts.op(0, |op| op.opcode = 0))),
        (60, changed("mixed_onnx", |parts| parts.op(0, |op| op.opcode = 200))),
        (61, changed("mixed_onnx", |parts| parts.op(0, |op| op.flags = 2))),
        (61, changed("mixed_onnx", |parts| parts.op(1, |op| op.flags = 1))),
        (62, changed("mixed_onnx", |parts| parts.op(0, |op| op.inputs = 2))),
        (62, changed("mixed_onnx", |parts| parts.op(0, |op| op.outputs = 0))),
        (62, changed("mixed_onnx", |parts| parts.op(1, |op| (op.inputs, op.outputs) = (0, 0)))),
        (63, changed("mixed_onnx", |parts| parts.op(0, |op| op.operands = u32::MAX))),
        (63, changed("mixed_onnx", |parts| parts.op(0, |op| (op.inputs, op.outputs) = (255, 255)))),
        (64, changed("mixed_onnx", |parts| parts.operand(0, 0, u16::MAX))),
        (65, changed("mixed_onnx", |parts| parts.op(0, |op| op.attributes = 2))),
        (65, changed("mixed_onnx", |parts| parts.op(0, |op| op.attributes = u32::MAX - 3))),
        (
            65,
            changed("mixed_onnx", |parts| {
                let end = parts.section(SectionKind::Attributes).len() as u32;
                parts.op(0, |op| op.attributes = end - 4);
            }),
        ),
        (66, attributes!("image_onnx", FullyConnected, FullyConnected, |a| a.reserved[0] = 1)),
        (66, attributes!("image_onnx", FullyConnected, FullyConnected, |a| a.flags = 2)),
        (66, attributes!("image_onnx", Conv2d, Conv2d, |a| a.accumulation.flags = 2)),
        (66, attributes!("image_onnx", DepthwiseConv2d, DepthwiseConv2d, |a| a.reserved[1] = 1)),
        (66, attributes!("image_onnx", MaxPool2d, Pool2d, |a| a.count_include_pad = 1)),
        (66, attributes!("image_onnx", AveragePool2d, Pool2d, |a| a.count_include_pad = 2)),
        (66, attributes!("image_onnx", AveragePool2d, Pool2d, |a| a.reserved[0] = 1)),
        (66, attributes!("image_onnx", MaxPool2d, Pool2d, |a| a.epilogue.bytes[0] = 1)),
        (66, attributes!("image_tflite", AveragePool2d, Pool2d, |a| a.epilogue.bytes[0] = 1)),
        (66, attributes!("image_onnx", Reduce, Reduce, |a| a.reserved = 1)),
        (66, attributes!("image_onnx", Clamp, IntegerClamp, |a| a.reserved[0] = 1)),
        (66, attributes!("image_onnx", Softmax, IntegerSoftmax, |a| a.reserved[0] = 1)),
        (66, attributes!("lengths_onnx", LogSoftmax, IntegerSoftmax, |a| a.reserved[2] = 1)),
        (66, attributes!("lengths_onnx", L2Normalize, L2Normalize, |a| a.reserved[0] = 1)),
        (66, attributes!("lengths_float", L2Normalize, L2Normalize, |a| a.zero_point = 1)),
        (66, attributes!("mixed_onnx", ArgMax, ArgMax, |a| a.reserved[0] = 1)),
        (66, attributes!("mixed_onnx", ArgMax, ArgMax, |a| a.select_last = 2)),
        (66, attributes!("ranked_onnx", TopK, TopK, |a| a.reserved[0] = 1)),
        (66, attributes!("ranked_onnx", TopK, TopK, |a| a.select_least = 2)),
        (66, attributes!("ranked_float", Reduce, Reduce, |a| a.epilogue.bytes[7] = 1)),
        (66, attributes!("mixed_onnx", Binary, IntegerBinary, |a| a.reserved[0] = 1)),
        (66, attributes!("mixed_onnx", Binary, IntegerBinary, |a| a.first_shift = 1)),
        (66, attributes!("mixed_onnx", Binary, IntegerBinary, |a| a.output_multiplier = 1)),
        (66, attributes!("mixed_float", Binary, FloatBinary, |a| a.reserved[0] = 1)),
        (66, attributes!("mixed_float", Unary, Unary, |a| a.reserved[0] = 1)),
        (
            67,
            changed("mixed_onnx", |parts| {
                let constant = constant(parts);
                parts.operand(0, 1, constant);
            }),
        ),
        (
            68,
            changed("mixed_onnx", |parts| {
                // Quantize reads 4 bytes and writes 1: over its input it would destroy what it has not read.
                let (from, to) = (parts.operand_tensor(0, 0), parts.operand_tensor(0, 1));
                let mut location = 0;
                parts.tensor(from, |tensor| location = tensor.location);
                parts.tensor(to, |tensor| tensor.location = location);
            }),
        ),
        (
            68,
            changed("image_onnx", |parts| {
                // One byte closer than the safe distance.
                let to = parts.operand_tensor(0, 1);
                parts.tensor(to, |tensor| tensor.location -= 1);
            }),
        ),
        (68, changed("image_onnx", |parts| parts.op(0, |op| op.flags = 0))),
        (69, changed("mixed_onnx", |parts| parts.operand(0, 0, 1))),
        (
            70,
            changed("image_onnx", |parts| {
                let softmax = parts.find(Opcode::Softmax);
                let matrix = parts.operand_tensor(softmax, 0);
                parts.operand(0, 0, matrix as u16);
            }),
        ),
        (71, changed("mixed_onnx", |parts| parts.operand(0, 1, 1))),
        (71, attributes!("ranked_onnx", TopK, TopK, |a| a.count = 2)),
        (71, attributes!("ranked_onnx", TopK, TopK, |a| a.count = 0)),
        (71, attributes!("ranked_float", TopK, TopK, |a| a.count = 7)),
        (71, attributes!("ranked_float", TopK, TopK, |a| a.count = u32::MAX)),
        (
            71,
            changed("image_onnx", |parts| {
                let pool = parts.find(Opcode::MaxPool2d);
                let input = parts.operand_tensor(0, 0);
                parts.operand(pool, 0, input as u16);
            }),
        ),
        (
            72,
            changed("mixed_onnx", |parts| {
                let constant = constant(parts);
                let softmax = parts.find(Opcode::Softmax);
                parts.operand(softmax, 0, constant);
            }),
        ),
    ]
}

/// Rules 110 to 118: preprocessing.
fn of_preprocessing() -> Vec<(u16, Hostile)> {
    let section =
        |change: fn(&mut Vec<u8>)| changed("prepared", |parts| change(parts.section(SectionKind::Preprocessing)));
    let image = |change: fn(&mut PreprocessingRecord)| {
        changed("prepared", |parts| parts.edit(SectionKind::Preprocessing, 4, change))
    };
    let fields = |change: fn(&mut PreprocessingRecord)| {
        changed("prepared", |parts| parts.edit(SectionKind::Preprocessing, 4 + PreprocessingRecord::BYTES, change))
    };
    vec![
        (110, section(|section| section.truncate(3))),
        (110, section(|section| section.truncate(4 + 2 * PreprocessingRecord::BYTES - 1))),
        (110, section(|section| put(section, 0, u32::MAX))),
        (111, image(|record| record.input = 2)),
        (111, fields(|record| record.input = 0)),
        (112, image(|record| record.kind = 0)),
        (112, fields(|record| record.kind = 3)),
        (113, image(|record| record.fit = 2)),
        (113, image(|record| record.filter = 2)),
        (113, image(|record| record.channels = 3)),
        (114, image(|record| record.reserved = 1)),
        (114, image(|record| record.names_bytes = 1)),
        (114, fields(|record| record.channels = 1)),
        (114, fields(|record| record.shorter_side = 1)),
        (115, {
            changed("mixed_onnx", |parts| {
                // The second tensor of this model that holds 32-bit integers cannot be an input with preprocessing.
                let record = PreprocessingRecord { kind: 2, ..PreprocessingRecord::read(&[]) };
                let mut content = 1u32.to_le_bytes().to_vec();
                record.write(&mut content);
                let classes = parts.io_tensor_of_type(DataType::I32);
                parts.io(0, |io| {
                    io.tensor = classes;
                    io.scale = 1.0;
                    io.zero_point = 0;
                });
                parts.append(SectionKind::Preprocessing.code(), content);
            })
        }),
        (116, image(|record| record.channels = 0)),
        (116, image(|record| record.shorter_side = 2)),
        (116, image(|record| record.shorter_side = 8193)),
        (116, image(|record| record.fit = 0)),
        (117, image(|record| record.values += 2)),
        (117, image(|record| record.values = u32::MAX - 3)),
        (117, fields(|record| record.values += 400)),
        (117, fields(|record| record.names_bytes += 1000)),
        (117, fields(|record| record.names = u32::MAX)),
        (
            118,
            changed("prepared", |parts| {
                let section = parts.section(SectionKind::Preprocessing);
                let record = PreprocessingRecord::read(&section[4 + PreprocessingRecord::BYTES..]);
                put(section, record.values as usize + 20, f32::NAN.to_bits());
            }),
        ),
    ]
}

/// Rules 80 to 98: attributes.
fn of_attributes() -> Vec<(u16, Hostile)> {
    fn integer(epilogue: &mut bantam_format::ops::Epilogue, change: impl FnOnce(&mut IntegerEpilogue)) {
        let mut integer = epilogue.integer();
        change(&mut integer);
        *epilogue = integer.into();
    }
    // A constant that the first op of this opcode refers to, four bytes at `at`.
    let constant = |name, opcode, at: usize, value: u32, offset: fn(&Conv2d) -> u32| {
        changed(name, |parts| {
            let op = parts.find(opcode);
            let mut start = 0;
            parts.attributes::<Conv2d>(op, |attributes| start = offset(attributes));
            put(parts.section(SectionKind::Constants), start as usize + at, value);
        })
    };
    let table = |attributes: &Conv2d| attributes.accumulation.epilogue.integer().table;
    let mut cases = vec![
        (80, attributes!("image_onnx", Conv2d, Conv2d, |a| a.window.kernel_height = 0)),
        (80, attributes!("image_onnx", DepthwiseConv2d, DepthwiseConv2d, |a| a.window.stride_width = 0)),
        (80, attributes!("image_onnx", MaxPool2d, Pool2d, |a| a.window.dilation_height = 0)),
        (81, attributes!("image_onnx", Conv2d, Conv2d, |a| a.window.pad_top = 3)),
        (81, attributes!("image_float", Conv2d, Conv2d, |a| a.window.pad_left = u16::MAX)),
        (82, attributes!("image_onnx", Conv2d, Conv2d, |a| a.window.stride_height = 2)),
        // The last window would start right behind the input: (3 - 1) * 3 = 5 + 1.
        (82, attributes!("image_onnx", DepthwiseConv2d, DepthwiseConv2d, |a| a.window.stride_width = 3)),
        (82, attributes!("image_onnx", AveragePool2d, Pool2d, |a| a.window.stride_width = u16::MAX)),
        (83, attributes!("image_onnx", Conv2d, Conv2d, |a| a.groups = 0)),
        (83, attributes!("image_onnx", Conv2d, Conv2d, |a| a.groups = 3)),
        (83, attributes!("image_onnx", Conv2d, Conv2d, |a| a.groups = 4)),
        (84, attributes!("image_onnx", Conv2d, Conv2d, |a| a.accumulation.weight_type = DataType::F32.code())),
        (84, attributes!("image_float", FullyConnected, FullyConnected, |a| a.weight_type = DataType::I8.code())),
        (84, attributes!("image_onnx", Conv2d, Conv2d, |a| a.accumulation.weight_type = 2)),
        (84, attributes!("image_float", FullyConnected, FullyConnected, |a| a.weight_type = WeightType::I4.code())),
        (84, attributes!("image_onnx", Conv2d, Conv2d, |a| a.accumulation.weight_type = WeightType::F16.code())),
        (84, attributes!("half_float", Conv2d, Conv2d, |a| a.accumulation.weight_type = 7)),
        // Twice the bytes that are there.
        (85, attributes!("half_float", FullyConnected, FullyConnected, |a| a.weight_type = WeightType::F32.code())),
        (85, changed("half_float", |parts| parts.section(SectionKind::Constants).truncate(4))),
        (107, halves(|parts| parts.section(SectionKind::Constants)[4] |= 0x10)),
        (107, halves(|parts| parts.section(SectionKind::Constants)[4] |= 0x80)),
        (85, halves(|parts| parts.section(SectionKind::Constants).truncate(4))),
        (85, attributes!("image_onnx", Conv2d, Conv2d, |a| a.accumulation.weights = u32::MAX - 3)),
        (85, attributes!("image_onnx", Conv2d, Conv2d, |a| a.accumulation.bias = u32::MAX - 7)),
        (
            85,
            attributes!("image_onnx", Conv2d, Conv2d, |a| integer(&mut a.accumulation.epilogue, |e| e.table =
                u32::MAX - 3)),
        ),
        (
            85,
            changed("image_onnx", |parts| {
                let (op, length) = (parts.find(Opcode::Table), parts.section(SectionKind::Constants).len() as u32);
                parts.attributes::<bantam_format::ops::Table>(op, |a| a.table = (length - 252) / 4 * 4);
            }),
        ),
        (86, attributes!("image_onnx", Conv2d, Conv2d, |a| a.accumulation.weights += 2)),
        (86, attributes!("image_onnx", Conv2d, Conv2d, |a| a.accumulation.bias += 1)),
        (86, attributes!("image_onnx", Conv2d, Conv2d, |a| integer(&mut a.accumulation.epilogue, |e| e.table += 3))),
        (87, constant("image_onnx", Opcode::Conv2d, 0, i32::MIN as u32, |a| a.accumulation.bias)),
        (87, constant("image_onnx", Opcode::Conv2d, 0, i32::MAX as u32, |a| a.accumulation.bias)),
        (88, constant("image_onnx", Opcode::Conv2d, 0, f32::NAN.to_bits(), table)),
        (88, constant("image_onnx", Opcode::Conv2d, 0, f32::INFINITY.to_bits(), table)),
        (88, constant("image_onnx", Opcode::Conv2d, 0, (-1f32).to_bits(), table)),
        (88, constant("image_tflite", Opcode::Conv2d, 0, 1 << 31, table)),
        (88, attributes!("mixed_tflite", Binary, IntegerBinary, |a| a.first_multiplier = u32::MAX)),
        (88, attributes!("mixed_onnx", Binary, IntegerBinary, |a| a.second_multiplier = u32::MAX)),
        (88, attributes!("image_onnx", AveragePool2d, Pool2d, |a| integer(&mut a.epilogue, |e| e.table = u32::MAX))),
        (89, attributes!("mixed_tflite", Binary, IntegerBinary, |a| a.output_shift = 31)),
        (89, attributes!("mixed_tflite", Binary, IntegerBinary, |a| a.output_shift = -32)),
        (
            90,
            attributes!("image_onnx", Conv2d, Conv2d, |a| integer(&mut a.accumulation.epilogue, |e| e.clamp_max =
                -121)),
        ),
        (90, attributes!("image_onnx", Clamp, IntegerClamp, |a| a.clamp_min = 101)),
        (90, attributes!("image_onnx", Reduce, Reduce, |a| integer(&mut a.epilogue, |e| e.clamp_min = 127))),
        (90, attributes!("mixed_float", Clamp, FloatClamp, |a| a.clamp_min = f32::NAN)),
        (90, attributes!("mixed_float", Binary, FloatBinary, |a| a.clamp_max = f32::NAN)),
        (90, attributes!("mixed_onnx", Binary, IntegerBinary, |a| a.clamp_min = 121)),
        (91, attributes!("mixed_onnx", Binary, IntegerBinary, |a| a.kind = 13)),
        (91, attributes!("mixed_float", Binary, FloatBinary, |a| a.kind = 15)),
        (91, attributes!("mixed_float", Unary, Unary, |a| a.kind = 37)),
        (91, attributes!("ranked_float", Reduce, Reduce, |a| a.kind = 0)),
        (91, attributes!("image_onnx", Reduce, Reduce, |a| a.kind = 4)),
        (92, attributes!("image_onnx", Reduce, Reduce, |a| a.first_axis = 5)),
        (92, attributes!("image_onnx", Reduce, Reduce, |a| a.axis_count = 0)),
        (92, attributes!("image_onnx", Reduce, Reduce, |a| a.axis_count = 4)),
        (93, attributes!("image_onnx", Softmax, IntegerSoftmax, |a| a.multiplier = (1 << 30) - 1)),
        (93, attributes!("image_onnx", Softmax, IntegerSoftmax, |a| a.multiplier = 1 << 31)),
        (93, attributes!("image_onnx", Softmax, IntegerSoftmax, |a| a.shift = 31)),
        (93, attributes!("image_onnx", Softmax, IntegerSoftmax, |a| a.shift = -1)),
        (93, attributes!("lengths_tflite", LogSoftmax, IntegerSoftmax, |a| a.shift = 31)),
        (94, attributes!("mixed_onnx", Quantize, QuantizeParameters, |a| a.scale = 0.0)),
        (94, attributes!("mixed_onnx", Quantize, QuantizeParameters, |a| a.scale = f32::NAN)),
        (94, attributes!("mixed_onnx", Quantize, QuantizeParameters, |a| a.scale = f32::INFINITY)),
        (95, attributes!("mixed_onnx", Quantize, QuantizeParameters, |a| a.zero_point = 128)),
        (
            95,
            attributes!("image_onnx", MaxPool2d, Pool2d, |a| integer(&mut a.epilogue, |e| {
                e.input_zero_point = e.output_zero_point.wrapping_add(1);
            })),
        ),
        (96, attributes!("mixed_float", Unary, Unary, |a| a.p = f32::NAN)),
        (96, attributes!("mixed_float", Unary, Unary, |a| a.q = f32::NAN)),
        (96, attributes!("image_float", Softmax, FloatSoftmax, |a| a.beta = f32::INFINITY)),
        (97, changed("image_onnx", |parts| parts.header.arithmetic = Arithmetic::Float.code())),
        (97, changed("mixed_onnx", |parts| parts.header.arithmetic = Arithmetic::Float.code())),
    ];
    cases.extend(of_movements());
    cases.push((89, shift_of_a_table()));
    let softmax = bantam_tests::chain::integer_softmax(Quantization { scale: 0.1, zero_point: 0 });
    cases.push((93, too_long(Opcode::Softmax, &softmax, 4095)));
    cases.push((93, too_long(Opcode::LogSoftmax, &softmax, 4095)));
    cases.push((87, too_long(Opcode::L2Normalize, &L2Normalize { zero_point: 0, reserved: [0; 3] }, 33_025)));
    cases.push((98, shared_too_often()));
    cases
}

/// Rules from 100 on, and what the same ops share with others.
fn of_movements() -> Vec<(u16, Hostile)> {
    let resized = |change: fn(&mut ResizeTap)| {
        changed("moved_float", |parts| {
            let (op, mut at) = (parts.find(Opcode::Resize), 0);
            parts.attributes::<Resize>(op, |a| at = a.rows as usize);
            parts.edit(SectionKind::Constants, at, change);
        })
    };
    vec![
        (61, changed("moved_onnx", |parts| parts.op(0, |op| op.flags = 1))),
        (66, attributes!("moved_float", Normalize, Normalize, |a| a.root_mean_square = 2)),
        (66, attributes!("moved_float", MatMul, MatMul, |a| a.second_zero_point = 1)),
        (66, attributes!("moved_float", Resize, Resize, |a| a.fixed_point = 1)),
        (66, attributes!("moved_tflite", Resize, Resize, |a| a.fixed_point = 1)),
        (66, attributes!("moved_tflite", Resize, Resize, |a| a.fixed_point = 2)),
        (71, attributes!("moved_onnx", StridedCopy, StridedCopy, |a| a.dimensions[0] = 2)),
        (71, attributes!("moved_onnx", StridedCopy, StridedCopy, |a| a.dimensions = [u32::MAX; 6])),
        (71, attributes!("moved_onnx", StridedCopy, StridedCopy, |a| a.dimensions[5] = 0)),
        (71, attributes!("moved_onnx", Concat, Concat, |a| a.axis = 0)),
        (80, attributes!("moved_onnx", TransposeConv2d, Conv2d, |a| a.window.stride_width = 0)),
        (83, attributes!("moved_onnx", TransposeConv2d, Conv2d, |a| a.groups = 3)),
        (84, attributes!("moved_onnx", TransposeConv2d, Conv2d, |a| a.accumulation.weight_type = 4)),
        (85, attributes!("moved_float", Normalize, Normalize, |a| a.scale = 1 << 20)),
        (
            88,
            attributes!("moved_tflite", Resize, Resize, |a| {
                let table = u32::MAX;
                a.epilogue = IntegerEpilogue { table, ..a.epilogue.integer() }.into();
            }),
        ),
        (91, attributes!("moved_onnx", Pad, Pad, |a| a.mode = 4)),
        (96, attributes!("moved_float", Normalize, Normalize, |a| a.epsilon = f32::NAN)),
        (96, attributes!("moved_float", Normalize, Normalize, |a| a.epsilon = -1e-9)),
        (100, attributes!("moved_onnx", StridedCopy, StridedCopy, |a| a.offset = 8)),
        (100, attributes!("moved_onnx", StridedCopy, StridedCopy, |a| a.offset = 5)),
        (100, attributes!("moved_float", StridedCopy, StridedCopy, |a| a.offset = u32::MAX)),
        (100, attributes!("moved_float", StridedCopy, StridedCopy, |a| a.strides[5] = i32::MIN)),
        (101, attributes!("moved_onnx", Concat, Concat, |a| a.axis = 4)),
        (101, attributes!("moved_onnx", Gather, Gather, |a| a.axis = u8::MAX)),
        (101, attributes!("moved_float", Resize, Resize, |a| a.first_axis = 3)),
        (101, attributes!("moved_float", Resize, Resize, |a| a.first_axis = u8::MAX)),
        (101, attributes!("moved_float", Normalize, Normalize, |a| a.axis_count = 0)),
        (101, attributes!("moved_float", Normalize, Normalize, |a| a.axis_count = 4)),
        (102, attributes!("moved_onnx", Pad, Pad, |a| a.before[1] = 3)),
        (102, attributes!("moved_onnx", Pad, Pad, |a| a.before[5] = 1)),
        (102, attributes!("moved_onnx", Pad, Pad, |a| (a.mode, a.before[2]) = (2, u32::MAX))),
        (103, attributes!("moved_onnx", Pad, Pad, |a| a.value = 1)),
        (103, attributes!("moved_onnx", Pad, Pad, |a| (a.mode, a.value) = (0, 128))),
        (
            104,
            changed("moved_onnx", |parts| {
                let (op, mut at) = (parts.find(Opcode::Gather), 0);
                parts.attributes::<Gather>(op, |a| at = a.positions as usize);
                put(parts.section(SectionKind::Constants), at, 6);
            }),
        ),
        (105, resized(|tap| tap.low = u32::MAX)),
        (105, resized(|tap| tap.high = 7)),
        (106, resized(|tap| tap.weight = 1.5)),
        (106, resized(|tap| tap.weight = f32::NAN)),
        (
            106,
            changed("moved_tflite", |parts| {
                let (op, mut at) = (parts.find(Opcode::Resize), 0);
                parts.attributes::<Resize>(op, |a| {
                    let clamp = a.epilogue.integer();
                    let none = IntegerEpilogue { table: 0, input_zero_point: 0, output_zero_point: 0, ..clamp };
                    (a.fixed_point, a.epilogue, at) = (1, none.into(), a.rows as usize);
                });
                parts.edit(SectionKind::Constants, at, |tap: &mut ResizeTap| tap.weight = 0.3);
            }),
        ),
    ]
}

/// A requantisation table of the `tflite` arithmetic with a shift beyond the range.
fn shift_of_a_table() -> Hostile {
    changed("image_tflite", |parts| {
        let (op, mut shift) = (parts.find(Opcode::FullyConnected), 0);
        parts.attributes::<FullyConnected>(op, |a| {
            shift = a.epilogue.integer().table as usize + if a.flags == 1 { 12 } else { 4 };
        });
        parts.section(SectionKind::Constants)[shift] = 31;
    })
}

/// An op of 8 bits over a vector of one element more than its sum has room for.
fn too_long(opcode: Opcode, attributes: &impl Record, longest: u32) -> Hostile {
    let mut builder = ModelBuilder::new(Arithmetic::Float);
    let x = builder.quantized(&[longest], Quantization { scale: 0.1, zero_point: 0 });
    builder.op(opcode, &[x], x, attributes);
    builder.input(x);
    builder.output(x);
    let mut parts = Parts::of(builder.build().bytes());
    put(parts.section(SectionKind::Dimensions), 0, longest + 1);
    parts.header.arena_bytes = longest + 1;
    Hostile::file(parts.file())
}

/// A model of one fully connected layer with an odd number of 4-bit weights.
fn odd_halves() -> Parts {
    let mut random = Random::new(2);
    let unused = window([1; 2], [1; 2], [1; 2], [0; 2]);
    let mut case = Accumulating::with(Opcode::FullyConnected, unused, 1, vec![1, 3], vec![1, 3], &mut random);
    case.weight_type = WeightType::I4;
    (case.weights, case.weight_scales, case.bias) = (vec![1, -8, 7, 0, 2, 3, -1, 4, -5], vec![0.01], None);
    let mut builder = ModelBuilder::new(Arithmetic::Onnx);
    let (x, y) = (builder.tensor(DataType::I8, &[1, 3]), builder.tensor(DataType::I8, &[1, 3]));
    case.add_integer(&mut builder, Arithmetic::Onnx, [x, y], Quantization { scale: 0.1, zero_point: 0 }, [-128, 127]);
    builder.input(x);
    builder.output(y);
    let parts = Parts::of(builder.build().bytes());
    assert!(Artifact::parse(AlignedBytes::copy_of(&parts.clone().file()).bytes(), &Limits::default()).is_ok());
    parts
}

/// The same with something changed.
fn halves(change: impl FnOnce(&mut Parts)) -> Hostile {
    let mut parts = odd_halves();
    change(&mut parts);
    Hostile::file(parts.file())
}

/// One op too many that looks at the same biases and tables.
fn shared_too_often() -> Hostile {
    let mut random = Random::new(1);
    let unused = window([1; 2], [1; 2], [1; 2], [0; 2]);
    let mut case = Accumulating::with(Opcode::FullyConnected, unused, 1, vec![1, 1], vec![1, 32], &mut random);
    case.weight_scales = vec![0.01; 32];
    case.bias = Some(vec![1; 32]);
    let mut builder = ModelBuilder::new(Arithmetic::Onnx);
    let (x, y) = (builder.tensor(DataType::I8, &[1, 1]), builder.tensor(DataType::I8, &[1, 32]));
    case.add_integer(&mut builder, Arithmetic::Onnx, [x, y], Quantization { scale: 0.1, zero_point: 0 }, [-128, 127]);
    builder.input(x);
    builder.output(y);
    let mut parts = Parts::of(builder.build().bytes());
    let ops = parts.section(SectionKind::Ops);
    *ops = ops.repeat(17);
    parts.header.macs *= 17;
    Hostile::file(parts.file())
}

/// What 16-bit integers and rescaled ones break.
fn of_wide_ops() -> Vec<(u16, Hostile)> {
    let wide = |a: &mut Conv2d, change: fn(&mut WideEpilogue)| {
        let mut epilogue = a.accumulation.epilogue.wide();
        change(&mut epilogue);
        a.accumulation.epilogue = epilogue.into();
    };
    // The first convolution has long sums and a table of four channels.
    let constant = |offset: fn(&Conv2d) -> usize, value: &'static [u8]| {
        changed("wide_tflite", |parts| {
            let (op, mut at) = (parts.find(Opcode::Conv2d), 0);
            parts.attributes::<Conv2d>(op, |a| at = offset(a));
            parts.section(SectionKind::Constants)[at..][..value.len()].copy_from_slice(value);
        })
    };
    vec![
        (30, changed("wide_tflite", |parts| parts.header.arithmetic = Arithmetic::Onnx.code())),
        (66, attributes!("wide_tflite", Conv2d, Conv2d, |a| a.accumulation.flags = 4)),
        (66, attributes!("wide_tflite", MatMul, MatMul, |a| a.second_zero_point = 1)),
        (66, attributes!("wide_tflite", MaxPool2d, Pool2d, |a| a.epilogue.bytes[0] = 1)),
        (66, attributes!("wide_tflite", Binary, WideBinary, |a| a.reserved = 1)),
        (66, attributes!("wide_tflite", Binary, WideBinary, |a| a.reserved_b[2] = 1)),
        (66, attributes!("wide_tflite", Table, WideTable, |a| a.reserved[1] = 1)),
        (66, attributes!("wide_tflite", Softmax, WideSoftmax, |a| a.reserved[0] = 1)),
        (66, attributes!("wide_tflite", Rescale, Rescale, |a| a.reserved = 1)),
        (84, attributes!("wide_tflite", Conv2d, Conv2d, |a| a.accumulation.weight_type = 2)),
        (85, attributes!("wide_tflite", Conv2d, Conv2d, |a| a.accumulation.bias = 1 << 24)),
        (85, attributes!("wide_tflite", Table, WideTable, |a| a.table = 1 << 24)),
        (85, attributes!("wide_tflite", Softmax, WideSoftmax, |a| a.exponentials = 1 << 24)),
        (86, attributes!("wide_tflite", Softmax, WideSoftmax, |a| a.reciprocals += 2)),
        (87, constant(|a| a.accumulation.bias as usize, &[0, 0, 0, 0, 0, 0x80, 0, 0])),
        (87, constant(|a| a.accumulation.bias as usize, &[0, 0, 0, 0, 0, 0, 0, 0x80])),
        (88, attributes!("wide_tflite", Binary, WideBinary, |a| a.first_multiplier = 1 << 31)),
        (88, attributes!("wide_tflite", Table, WideTable, |a| a.multiplier = 1 << 15)),
        (88, attributes!("wide_tflite", Softmax, WideSoftmax, |a| a.multiplier = 1 << 31)),
        (88, attributes!("wide_tflite", Rescale, Rescale, |a| a.second_multiplier = 1 << 31)),
        (89, constant(|a| a.accumulation.epilogue.wide().table as usize + 16, &[8])),
        (89, attributes!("wide_tflite", Table, WideTable, |a| a.shift = 31)),
        (89, attributes!("wide_tflite", Softmax, WideSoftmax, |a| a.shift = 31)),
        (89, attributes!("wide_tflite", Rescale, Rescale, |a| a.first_shift = -32)),
        (90, attributes!("wide_tflite", Conv2d, Conv2d, |a| wide(a, |e| e.clamp_max = -30_001))),
        (90, attributes!("wide_tflite", Binary, WideBinary, |a| (a.clamp_min, a.clamp_max) = (1, 0))),
        (90, attributes!("wide_tflite", Clamp, WideClamp, |a| a.clamp_max = a.clamp_min - 1)),
        (90, attributes!("wide_tflite", Rescale, Rescale, |a| a.clamp_max = a.clamp_min - 1)),
        (90, attributes!("wide_tflite", Rescale, Rescale, |a| a.clamp_max = 128)),
        (91, attributes!("wide_tflite", Table, WideTable, |a| a.function = 2)),
        (91, attributes!("wide_tflite", Rescale, Rescale, |a| a.negation = 3)),
        (95, attributes!("wide_tflite", Rescale, Rescale, |a| a.input_zero_point = 32_768)),
        (95, attributes!("wide_tflite", Rescale, Rescale, |a| a.output_zero_point = -129)),
        (95, attributes!("wide_tflite", Quantize, QuantizeParameters, |a| a.zero_point = 32_768)),
        (97, changed("wide_tflite", |parts| parts.header.arithmetic = Arithmetic::Float.code())),
        (103, attributes!("wide_tflite", Pad, Pad, |a| a.value = 32_768)),
    ]
}

fn all() -> Vec<(u16, Hostile)> {
    let parts = [of_the_file(), of_tensors(), of_preprocessing(), of_ops(), of_attributes(), of_wide_ops()];
    parts.into_iter().flatten().collect()
}

#[test]
fn each_broken_file_is_refused_by_exactly_its_rule() {
    let mut wrong = Vec::new();
    for (index, (rule, hostile)) in all().into_iter().enumerate() {
        let error = hostile.parse(ChecksumPolicy::Verify);
        if error.map(|error| error.rule().0) != Some(rule) {
            wrong.push(format!("case {index} of rule {rule}: {error:?}"));
        }
        let unchecked = hostile.parse(ChecksumPolicy::Ignore).map(|error| error.rule().0);
        if unchecked != if rule == 6 { None } else { Some(rule) } {
            wrong.push(format!("case {index} of rule {rule}, checksum ignored: {unchecked:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_rule_has_a_broken_file() {
    let covered: BTreeSet<u16> = all().into_iter().map(|(rule, _)| rule).collect();
    let rules: BTreeSet<u16> = LoadError::RULES.iter().map(|(rule, _, _)| rule.0).collect();
    assert_eq!(covered, rules);
}

#[test]
fn rules_are_numbered_in_ascending_order_and_errors_name_theirs() {
    assert!(LoadError::RULES.is_sorted_by(|a, b| a.0 < b.0));
    let error = LoadError::ZeroDimension { tensor: 3 };
    assert_eq!(error.to_string(), "rule 35: ZeroDimension { tensor: 3 }");
}
