//! Writing artifacts: a description of a model becomes canonical bytes. What is written is parsed again before it is
//! handed out, so a writer's mistake is an error here and never a file.

use crate::bytes::{Field, narrow};
use crate::checksum::checksum;
use crate::header::{CHECKSUM_AT, FILE_ALIGNMENT, SectionEntry};
use crate::{
    AlignedBytes, Arithmetic, Artifact, DataType, HEADER_BYTES, Header, IoRecord, Limits, LoadError, MAGIC,
    MAJOR_VERSION, MINOR_VERSION, OpRecord, Opcode, PreprocessingRecord, SectionKind, StateRecord, TensorKind,
    TensorRecord, strings,
};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

/// A tensor to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorDescription {
    /// For the names section.
    pub name: String,
    /// Element type.
    pub data_type: DataType,
    /// Where it lives.
    pub kind: TensorKind,
    /// Byte offset in the arena or in the constants.
    pub location: u32,
    /// Dimensions, outermost first.
    pub dimensions: Vec<u32>,
    /// Scale and zero point, where quantised.
    pub quantization: Option<(f32, i32)>,
}

/// An op to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct OpDescription {
    /// For the names section.
    pub name: String,
    /// What it does.
    pub opcode: Opcode,
    /// Whether a banded op walks its output rows downwards.
    pub walk_down: bool,
    /// Tensor indices of the inputs.
    pub inputs: Vec<u16>,
    /// Tensor indices of the outputs.
    pub outputs: Vec<u16>,
    /// The encoded attribute record.
    pub attributes: Vec<u8>,
}

/// How an input is prepared.
#[derive(Clone, Debug, PartialEq)]
pub struct PreprocessingDescription {
    /// The record; its offsets are made by [`write`].
    pub record: PreprocessingRecord,
    /// What the record's kind asks for.
    pub values: Vec<u8>,
    /// Names of the fields.
    pub names: Vec<String>,
}

/// A model to be written.
#[derive(Clone, Debug)]
pub struct ModelDescription {
    /// How accumulators are requantised.
    pub arithmetic: Arithmetic,
    /// The tensors, at most 65,535.
    pub tensors: Vec<TensorDescription>,
    /// The schedule.
    pub ops: Vec<OpDescription>,
    /// Weights, biases and tables, as [`Constants`] collects them.
    pub constants: Vec<u8>,
    /// Inputs, then outputs.
    pub io: Vec<IoRecord>,
    /// Initial values of state tensors, ascending by tensor.
    pub states: Vec<StateRecord>,
    /// Multiply-accumulates of one run.
    pub macs: u64,
    /// How inputs are prepared, ascending by input; none leaves the section out.
    pub preprocessing: Vec<PreprocessingDescription>,
    /// Class labels; none leaves the section out.
    pub labels: Vec<String>,
    /// The model card, JSON; empty leaves the section out.
    pub card: String,
    /// Whether to write names and the quantisation of every tensor, which only tools read.
    pub debug: bool,
}

/// Collects constants: aligned to 4 bytes, equal blocks stored once.
#[derive(Clone, Debug, Default)]
pub struct Constants {
    bytes: Vec<u8>,
    known: BTreeMap<Vec<u8>, u32>,
}

impl Constants {
    /// Stores a block and gives its offset.
    pub fn add(&mut self, block: Vec<u8>) -> u32 {
        if let Some(&offset) = self.known.get(&block) {
            return offset;
        }
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        let offset = narrow(self.bytes.len());
        self.bytes.extend_from_slice(&block);
        self.known.insert(block, offset);
        offset
    }

    /// All blocks.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// A pool of runs of values, equal runs stored once.
struct Pool<T> {
    values: Vec<T>,
}

impl<T: Copy + PartialEq> Pool<T> {
    fn add(&mut self, run: &[T]) -> usize {
        let found = (!run.is_empty()).then(|| self.values.windows(run.len()).position(|window| window == run));
        found.unwrap_or(Some(0)).unwrap_or_else(|| {
            let start = self.values.len();
            self.values.extend_from_slice(run);
            start
        })
    }
}

fn encode<T: Field>(values: &[T]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for value in values {
        value.write(&mut bytes);
    }
    bytes
}

/// Encodes a model. The result has been parsed (with `limits` raised to whatever the model needs), so it is a valid
/// artifact.
///
/// # Errors
/// The rule that the description breaks.
pub fn write(model: &ModelDescription) -> Result<Vec<u8>, LoadError> {
    let mut dimensions = Pool { values: Vec::new() };
    let mut tensors = Vec::new();
    let mut arena_bytes = 0u32;
    for (index, tensor) in (0u16..).zip(&model.tensors) {
        let elements = tensor.dimensions.iter().try_fold(1u32, |product, &d| product.checked_mul(d));
        let bytes = elements.and_then(|n| n.checked_mul(narrow(tensor.data_type.bytes())));
        let end = bytes.and_then(|bytes| bytes.checked_add(tensor.location));
        let end = end.ok_or(LoadError::TensorSize { tensor: u32::from(index) })?;
        if tensor.kind != TensorKind::Constant {
            arena_bytes = arena_bytes.max(end);
        }
        let first = dimensions.add(&tensor.dimensions);
        tensors.push(TensorRecord {
            location: tensor.location,
            dimensions: u16::try_from(first).map_err(|_| LoadError::TensorDimensions { tensor: u32::from(index) })?,
            rank: u8::try_from(tensor.dimensions.len()).unwrap_or(u8::MAX),
            data_type: tensor.data_type.code(),
            kind: tensor.kind.code(),
            reserved: [0; 3],
        });
    }

    let mut operands = Pool { values: Vec::new() };
    let mut attributes: Vec<u8> = Vec::new();
    let mut known: BTreeMap<&[u8], u32> = BTreeMap::new();
    let mut ops = Vec::new();
    for op in &model.ops {
        let list: Vec<u16> = op.inputs.iter().chain(&op.outputs).copied().collect();
        let offset = *known.entry(&op.attributes).or_insert_with(|| {
            let offset = narrow(attributes.len());
            attributes.extend_from_slice(&op.attributes);
            attributes.resize(attributes.len().next_multiple_of(4), 0);
            if op.attributes.is_empty() { 0 } else { offset }
        });
        ops.push(OpRecord {
            opcode: op.opcode.code(),
            flags: if op.walk_down { OpRecord::WALK_DOWN } else { 0 },
            inputs: u8::try_from(op.inputs.len()).unwrap_or(u8::MAX),
            outputs: u8::try_from(op.outputs.len()).unwrap_or(u8::MAX),
            operands: narrow(operands.add(&list)),
            attributes: offset,
        });
    }

    let mut sections = alloc::vec![
        (SectionKind::Tensors, encode(&tensors)),
        (SectionKind::Dimensions, encode(&dimensions.values)),
        (SectionKind::Ops, encode(&ops)),
        (SectionKind::Operands, encode(&operands.values)),
        (SectionKind::Attributes, attributes),
        (SectionKind::Constants, model.constants.clone()),
        (SectionKind::Io, encode(&model.io)),
        (SectionKind::State, encode(&model.states)),
    ];
    if model.debug {
        let names = model.tensors.iter().map(|t| &t.name).chain(model.ops.iter().map(|op| &op.name));
        sections.push((SectionKind::Names, strings::encode(names.map(String::as_str))));
        let mut quantization = Vec::new();
        for tensor in &model.tensors {
            let (scale, zero_point) = tensor.quantization.unwrap_or((0.0, 0));
            scale.write(&mut quantization);
            zero_point.write(&mut quantization);
        }
        sections.push((SectionKind::Quantization, quantization));
    }
    sections.push((SectionKind::Labels, strings::encode(model.labels.iter().map(String::as_str))));
    sections.push((SectionKind::Card, model.card.as_bytes().to_vec()));
    sections.push((SectionKind::Preprocessing, preprocessing(&model.preprocessing)));

    let header = Header {
        magic: MAGIC,
        major: MAJOR_VERSION,
        minor: MINOR_VERSION,
        arithmetic: model.arithmetic.code(),
        reserved_a: 0,
        file_bytes: 0,
        checksum: 0,
        required_features: 0,
        section_count: 0,
        arena_bytes,
        reserved_b: 0,
        macs: model.macs,
        reserved_c: 0,
    };
    let sections: Vec<(u16, Vec<u8>)> =
        sections.into_iter().filter(|(_, bytes)| !bytes.is_empty()).map(|(kind, b)| (kind.code(), b)).collect();
    let file = assemble(header, &sections);
    let aligned = AlignedBytes::copy_of(&file);
    let limits = Limits { max_arena_bytes: u32::MAX, max_work: u64::MAX, ..Limits::default() };
    Artifact::parse(aligned.bytes(), &limits)?;
    Ok(file)
}

/// The number of records, the records, then the values and names of each.
fn preprocessing(descriptions: &[PreprocessingDescription]) -> Vec<u8> {
    if descriptions.is_empty() {
        return Vec::new();
    }
    let mut section = encode(&[narrow(descriptions.len())]);
    let mut data = Vec::new();
    let records = descriptions.len().saturating_mul(PreprocessingRecord::BYTES);
    let start = section.len().saturating_add(records);
    for description in descriptions {
        data.resize(data.len().next_multiple_of(4), 0);
        let offset = |data: &[u8]| narrow(start.saturating_add(data.len()));
        let values = offset(&data);
        data.extend_from_slice(&description.values);
        let names = strings::encode(description.names.iter().map(String::as_str));
        let names_at = if names.is_empty() { 0 } else { offset(&data) };
        data.extend_from_slice(&names);
        let names_bytes = narrow(names.len());
        PreprocessingRecord { values, names: names_at, names_bytes, ..description.record }.write(&mut section);
    }
    section.extend_from_slice(&data);
    section
}

/// Lays sections out behind a header, whose length, section count and checksum it fills in. Checks nothing: tests
/// build broken files with it.
pub fn assemble(mut header: Header, sections: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let align = |length: usize| length.next_multiple_of(FILE_ALIGNMENT);
    let table = HEADER_BYTES.saturating_add(sections.len().saturating_mul(SectionEntry::BYTES));
    let mut offset = align(table);
    let mut entries = Vec::new();
    for (kind, bytes) in sections {
        let required = SectionKind::from_code(*kind).is_some_and(SectionKind::is_required);
        let flags = if required { SectionEntry::REQUIRED } else { 0 };
        SectionEntry { kind: *kind, flags, offset: narrow(offset), length: narrow(bytes.len()) }.write(&mut entries);
        offset = align(offset.saturating_add(bytes.len()));
    }
    header.file_bytes = narrow(offset);
    header.section_count = narrow(sections.len());
    let mut file = Vec::with_capacity(offset);
    header.write(&mut file);
    file.extend_from_slice(&entries);
    for (_, bytes) in sections {
        file.resize(align(file.len()), 0);
        file.extend_from_slice(bytes);
    }
    file.resize(offset, 0);
    seal(&mut file);
    file
}

/// Puts the right checksum into a file.
pub fn seal(file: &mut [u8]) {
    let sum = checksum(file).to_le_bytes();
    if let Some(field) = file.get_mut(CHECKSUM_AT..).and_then(|rest| rest.first_chunk_mut()) {
        *field = sum;
    }
}
