//! An artifact taken apart, so that a test can change one field and put it together again with the right checksum.

use bantam_format::{
    AlignedBytes, Artifact, DataType, Header, IoRecord, Limits, OpRecord, Opcode, PreprocessingRecord, SectionEntry,
    SectionKind, StateRecord, TensorRecord, ops, writer,
};

/// A record of the format with its encoding.
pub trait Record: Copy {
    /// Encoded size in bytes.
    const BYTES: usize;
    /// Reads the record at the start of `bytes`.
    fn decode(bytes: &[u8]) -> Self;
    /// The record's bytes.
    fn encode(&self) -> Vec<u8>;
}

macro_rules! records {
    ($($record:ty),* $(,)?) => {$(
        impl Record for $record {
            const BYTES: usize = <$record>::BYTES;
            fn decode(bytes: &[u8]) -> Self {
                Self::read(bytes)
            }
            fn encode(&self) -> Vec<u8> {
                let mut bytes = Vec::new();
                self.write(&mut bytes);
                bytes
            }
        }
    )*};
}

records! {
    Header, SectionEntry, TensorRecord, OpRecord, IoRecord, StateRecord, PreprocessingRecord, ops::Window,
    ops::IntegerEpilogue, ops::Accumulation, ops::Conv2d, ops::DepthwiseConv2d, ops::FullyConnected, ops::Pool2d,
    ops::Reduce, ops::IntegerBinary,
    ops::FloatBinary, ops::Table, ops::Unary, ops::IntegerClamp, ops::FloatClamp, ops::IntegerSoftmax,
    ops::FloatSoftmax, ops::ArgMax, ops::QuantizeParameters, ops::WordBinary, ops::StridedCopy, ops::Concat, ops::Pad,
    ops::Gather, ops::MatMul, ops::Resize, ops::ResizeTap, ops::Normalize, ops::L2Normalize,
    ops::TopK, ops::WideEpilogue, ops::WideBinary, ops::WideTable, ops::WideClamp, ops::WideSoftmax, ops::Rescale,
}

/// Attributes of ops without attributes.
impl Record for () {
    const BYTES: usize = 0;
    fn decode(_: &[u8]) -> Self {}
    fn encode(&self) -> Vec<u8> {
        Vec::new()
    }
}

/// Header and sections of a file.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Its length, section count and checksum are made anew by [`Self::file`].
    pub header: Header,
    /// Kind and content, in file order.
    pub sections: Vec<(u16, Vec<u8>)>,
}

impl Parts {
    /// Takes a valid artifact apart.
    pub fn of(file: &[u8]) -> Self {
        let aligned = AlignedBytes::copy_of(file);
        let artifact = Artifact::parse(aligned.bytes(), &Limits::default()).expect("a valid artifact");
        let content = |offset: u32, length: u32| file[offset as usize..][..length as usize].to_vec();
        let entries = artifact.section_entries().map(|entry| (entry.kind, content(entry.offset, entry.length)));
        Self { header: *artifact.header(), sections: entries.collect() }
    }

    /// The content of a section, which must be there.
    pub fn section(&mut self, kind: SectionKind) -> &mut Vec<u8> {
        let found = self.sections.iter_mut().find(|(code, _)| *code == kind.code());
        &mut found.expect("the section").1
    }

    /// Leaves a section out.
    pub fn remove(&mut self, kind: SectionKind) {
        self.sections.retain(|(code, _)| *code != kind.code());
    }

    /// Adds a section behind all others.
    pub fn append(&mut self, kind: u16, content: Vec<u8>) {
        self.sections.push((kind, content));
    }

    /// Changes a record at a byte offset of a section.
    pub fn edit<R: Record>(&mut self, kind: SectionKind, at: usize, change: impl FnOnce(&mut R)) {
        let section = self.section(kind);
        let mut record = R::decode(&section[at..]);
        change(&mut record);
        section[at..at + R::BYTES].copy_from_slice(&record.encode());
    }

    /// Changes tensor record `index`.
    pub fn tensor(&mut self, index: usize, change: impl FnOnce(&mut TensorRecord)) {
        self.edit(SectionKind::Tensors, index * TensorRecord::BYTES, change);
    }

    /// Changes op record `index`.
    pub fn op(&mut self, index: usize, change: impl FnOnce(&mut OpRecord)) {
        self.edit(SectionKind::Ops, index * OpRecord::BYTES, change);
    }

    /// Changes io record `index`.
    pub fn io(&mut self, index: usize, change: impl FnOnce(&mut IoRecord)) {
        self.edit(SectionKind::Io, index * IoRecord::BYTES, change);
    }

    /// Index of the tensor behind the first input or output of this type, which must be there.
    pub fn io_tensor_of_type(&mut self, data_type: DataType) -> u16 {
        let tensors: Vec<u16> =
            self.section(SectionKind::Io).chunks_exact(IoRecord::BYTES).map(|io| IoRecord::read(io).tensor).collect();
        let records = self.section(SectionKind::Tensors);
        let code = |tensor: u16| TensorRecord::read(&records[usize::from(tensor) * TensorRecord::BYTES..]).data_type;
        tensors.into_iter().find(|&tensor| code(tensor) == data_type.code()).expect("a tensor of this type")
    }

    /// Changes state record `index`.
    pub fn state(&mut self, index: usize, change: impl FnOnce(&mut StateRecord)) {
        self.edit(SectionKind::State, index * StateRecord::BYTES, change);
    }

    /// Op record `index`.
    pub fn op_record(&mut self, index: usize) -> OpRecord {
        OpRecord::decode(&self.section(SectionKind::Ops)[index * OpRecord::BYTES..])
    }

    /// Position of the first op with this opcode, which must be there.
    pub fn find(&mut self, opcode: Opcode) -> usize {
        let ops = self.section(SectionKind::Ops).chunks_exact(OpRecord::BYTES);
        ops.map(OpRecord::decode).position(|op| op.opcode == opcode.code()).expect("an op with this opcode")
    }

    /// Changes the attributes of op `index`.
    pub fn attributes<R: Record>(&mut self, index: usize, change: impl FnOnce(&mut R)) {
        let at = self.op_record(index).attributes as usize;
        self.edit(SectionKind::Attributes, at, change);
    }

    /// Changes the tensor index of operand `position` of op `index`.
    pub fn operand(&mut self, index: usize, position: usize, tensor: u16) {
        let at = (self.op_record(index).operands as usize + position) * 2;
        self.section(SectionKind::Operands)[at..at + 2].copy_from_slice(&tensor.to_le_bytes());
    }

    /// Tensor index of operand `position` of op `index`.
    pub fn operand_tensor(&mut self, index: usize, position: usize) -> usize {
        let at = (self.op_record(index).operands as usize + position) * 2;
        let bytes = &self.section(SectionKind::Operands)[at..at + 2];
        usize::from(u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    /// The file, with the right checksum.
    pub fn file(&self) -> Vec<u8> {
        writer::assemble(self.header, &self.sections)
    }
}
