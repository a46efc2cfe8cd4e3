//! Parsing: every rule about headers, sections, tensors and operands; those of single opcodes are in [`crate::ops`].

use crate::bytes::{Field, narrow, size};
use crate::check::{Cost, ensure};
use crate::checksum::checksum;
use crate::header::{FILE_ALIGNMENT, SectionEntry};
use crate::real;
use crate::strings::Strings;
use crate::tensor::decode;
use crate::{
    Arithmetic, ChecksumPolicy, DataType, HEADER_BYTES, Header, IoRecord, IoRole, Limits, LoadError, MAGIC,
    MAJOR_VERSION, MAX_RANK, Op, OpRecord, Opcode, SectionKind, SourceLayout, StateRecord, Tensor, TensorKind,
    TensorRecord, ops,
};

/// How often the biases and requantisation tables may be referred to on average: keeps parsing linear in the file.
const MAX_CONSTANT_SHARING: usize = 16;

/// Number of section kinds this version knows.
const KINDS: usize = SectionKind::ALL.len();

/// A checked artifact over borrowed bytes. Its accessors cannot fail: indices beyond the counts give empty values.
#[derive(Clone, Copy, Debug)]
pub struct Artifact<'a> {
    bytes: &'a [u8],
    header: Header,
    arithmetic: Arithmetic,
    sections: [&'a [u8]; KINDS],
    work: u64,
}

impl<'a> Artifact<'a> {
    /// Checks `bytes` against every rule of SPEC.md.
    ///
    /// # Errors
    /// The first rule broken, in the order header, sections, checksum, tensors, io, ops. `bytes` must start at an
    /// address that is a multiple of 16.
    pub fn parse(bytes: &'a [u8], limits: &Limits) -> Result<Self, LoadError> {
        Self::parse_for::<{ u64::MAX }>(bytes, limits)
    }

    /// In the sets of [`Self::parse_for`]: tensors that are kept from run to run.
    pub const STATE: u64 = 1 << 63;
    /// In the sets of [`Self::parse_for`]: how data become inputs.
    pub const PREPROCESSING: u64 = 1 << 62;

    /// Like [`Self::parse`] in a program for some opcodes, a bit for each code, and for [`Self::STATE`] and
    /// [`Self::PREPROCESSING`] where they are in the set. Other opcodes are unknown to it (rule 60), as are the sections of
    /// the other two (rule 15); their rules are not linked.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_for<const LINKED: u64>(bytes: &'a [u8], limits: &Limits) -> Result<Self, LoadError> {
        let remainder = bytes.as_ptr().addr().checked_rem(FILE_ALIGNMENT).unwrap_or(0);
        ensure(remainder == 0, LoadError::Misaligned { remainder: narrow(remainder) })?;
        let header = check_header(bytes, limits)?;
        let arithmetic = Arithmetic::from_code(header.arithmetic)
            .ok_or(LoadError::UnknownArithmetic { code: u32::from(header.arithmetic) })?;
        let sections = check_sections(bytes, &header)?;
        let mut artifact = Self { bytes, header, arithmetic, sections, work: 0 };
        for (bit, kind) in [(Self::STATE, SectionKind::State), (Self::PREPROCESSING, SectionKind::Preprocessing)] {
            let unknown = LINKED & bit == 0 && !artifact.section(kind).is_empty();
            ensure(!unknown, LoadError::UnknownSection { kind: u32::from(kind.code()) })?;
        }
        artifact.check_tensors::<LINKED>()?;
        if LINKED & Self::STATE != 0 {
            artifact.check_states()?;
        }
        artifact.check_io()?;
        if LINKED & Self::PREPROCESSING != 0 {
            artifact.check_preprocessing()?;
        }
        artifact.work = artifact.check_ops::<LINKED>(limits)?;
        Ok(artifact)
    }

    /// The whole file.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The fixed header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// How accumulators are requantised.
    pub fn arithmetic(&self) -> Arithmetic {
        self.arithmetic
    }

    /// Extent of all arena tensors in bytes, without kernel scratch.
    pub fn arena_bytes(&self) -> usize {
        size(self.header.arena_bytes)
    }

    /// Multiply-accumulates of one run.
    pub fn macs(&self) -> u64 {
        self.header.macs
    }

    /// Upper bound of the inner-loop steps of one run.
    pub fn work(&self) -> u64 {
        self.work
    }

    /// The bytes of a section; empty where the file has none.
    pub fn section(&self, kind: SectionKind) -> &'a [u8] {
        section(&self.sections, kind)
    }

    /// The section table, in file order.
    pub fn section_entries(&self) -> impl Iterator<Item = SectionEntry> + 'a {
        section_table(self.bytes, &self.header)
    }

    /// Number of tensors.
    pub fn tensor_count(&self) -> usize {
        records(self.section(SectionKind::Tensors), TensorRecord::BYTES)
    }

    /// Tensor `index`.
    pub fn tensor(&self, index: usize) -> Tensor {
        decode(&self.tensor_record(index), self.section(SectionKind::Dimensions)).unwrap_or(Tensor::NONE)
    }

    /// Number of ops.
    pub fn op_count(&self) -> usize {
        records(self.section(SectionKind::Ops), OpRecord::BYTES)
    }

    /// Op `index`, in order of execution; `None` from [`Self::op_count`] on.
    pub fn op(&'a self, index: usize) -> Option<Op<'a>> {
        if index >= self.op_count() {
            return None;
        }
        let record = OpRecord::read(at(self.section(SectionKind::Ops), index, OpRecord::BYTES));
        Some(Op {
            artifact: self,
            operands: at(self.section(SectionKind::Operands), size(record.operands), 2),
            attributes: self.section(SectionKind::Attributes).get(size(record.attributes)..).unwrap_or(&[]),
            index: narrow(index),
            opcode: Opcode::from_code(record.opcode)?,
            walk_down: record.flags & OpRecord::WALK_DOWN != 0,
            input_count: usize::from(record.inputs),
            output_count: usize::from(record.outputs),
        })
    }

    /// The schedule.
    pub fn ops(&'a self) -> impl Iterator<Item = Op<'a>> {
        (0..self.op_count()).map_while(|index| self.op(index))
    }

    /// Inputs, or outputs, in order.
    pub fn io(&self, role: IoRole) -> impl Iterator<Item = IoRecord> + 'a {
        self.io_records().filter(move |io| io.role == role.code())
    }

    /// Initial values of state tensors: tensor and bytes.
    pub fn states(&self) -> impl Iterator<Item = (Tensor, &'a [u8])> + '_ {
        let section = self.section(SectionKind::State);
        (0..records(section, StateRecord::BYTES)).map(move |index| {
            let record = StateRecord::read(at(section, index, StateRecord::BYTES));
            let tensor = self.tensor(usize::from(record.tensor));
            let start = size(record.initial_value);
            let value = self.constants().get(start..start.saturating_add(tensor.bytes())).unwrap_or(&[]);
            (tensor, value)
        })
    }

    /// Weights, biases and tables.
    pub fn constants(&self) -> &'a [u8] {
        self.section(SectionKind::Constants)
    }

    /// Names of the tensors, then of the ops; empty where the file carries none.
    pub fn names(&self) -> Strings<'a> {
        Strings(self.section(SectionKind::Names))
    }

    /// Class labels; empty where the file carries none.
    pub fn labels(&self) -> Strings<'a> {
        Strings(self.section(SectionKind::Labels))
    }

    /// Scale and zero point of tensor `index`, where the file carries them and the tensor is quantised.
    pub fn quantization(&self, index: usize) -> Option<(f32, i32)> {
        let bytes = at(self.section(SectionKind::Quantization), index, 8);
        let scale = f32::read(bytes, 0);
        real::is_positive(scale).then(|| (scale, i32::read(bytes, 4)))
    }

    fn tensor_record(&self, index: usize) -> TensorRecord {
        TensorRecord::read(at(self.section(SectionKind::Tensors), index, TensorRecord::BYTES))
    }

    fn io_records(&self) -> impl Iterator<Item = IoRecord> + 'a {
        let section = self.section(SectionKind::Io);
        (0..records(section, IoRecord::BYTES)).map(move |index| IoRecord::read(at(section, index, IoRecord::BYTES)))
    }

    /// Rules 22 and 30 to 39.
    fn check_tensors<const LINKED: u64>(&self) -> Result<(), LoadError> {
        let mut arena_end = 0u64;
        for index in 0..self.tensor_count() {
            let tensor = u16::try_from(index).unwrap_or(u16::MAX);
            let record = self.tensor_record(index);
            let data_type = DataType::from_code(record.data_type)
                .filter(|&it| it != DataType::I16 || (it.is_wide() && self.arithmetic() != Arithmetic::Onnx))
                .filter(|&it| it != DataType::F32 || it.is_real())
                .ok_or(LoadError::TensorDataType { tensor: u32::from(tensor), code: u32::from(record.data_type) })?;
            let kind = TensorKind::from_code(record.kind)
                .filter(|&kind| kind != TensorKind::State || LINKED & Self::STATE != 0)
                .ok_or(LoadError::TensorKind { tensor: u32::from(tensor), code: u32::from(record.kind) })?;
            ensure(
                usize::from(record.rank) <= MAX_RANK,
                LoadError::TensorRank { tensor: u32::from(tensor), rank: u32::from(record.rank) },
            )?;
            ensure(record.reserved == [0; 3], LoadError::TensorReserved { tensor: u32::from(tensor) })?;
            let decoded = decode(&record, self.section(SectionKind::Dimensions))
                .ok_or(LoadError::TensorDimensions { tensor: u32::from(tensor) })?;
            let dimensions = decoded.shape.dimensions();
            ensure(!dimensions.contains(&0), LoadError::ZeroDimension { tensor: u32::from(tensor) })?;
            let bytes = dimensions
                .iter()
                .try_fold(narrow(data_type.bytes()), |product, &dimension| product.checked_mul(dimension))
                .filter(|&bytes| i32::try_from(bytes).is_ok())
                .ok_or(LoadError::TensorSize { tensor: u32::from(tensor) })?;
            ensure(
                size(record.location).is_multiple_of(data_type.bytes()),
                LoadError::TensorAlignment { tensor: u32::from(tensor), location: record.location },
            )?;
            let end = u64::from(record.location).saturating_add(u64::from(bytes));
            if kind == TensorKind::Constant {
                let constants = u64::from(narrow(self.constants().len()));
                ensure(end <= constants, LoadError::TensorOutsideConstants { tensor: u32::from(tensor), end })?;
            } else {
                ensure(
                    end <= u64::from(self.header.arena_bytes),
                    LoadError::TensorOutsideArena { tensor: u32::from(tensor), end },
                )?;
                arena_end = arena_end.max(end);
            }
        }
        let declared = self.header.arena_bytes;
        let computed = u32::try_from(arena_end).unwrap_or(u32::MAX);
        ensure(declared == computed, LoadError::ArenaExtent { declared, computed })
    }

    /// Rules 40 to 44.
    fn check_states(&self) -> Result<(), LoadError> {
        let section = self.section(SectionKind::State);
        let tensors = (0..self.tensor_count()).map(|index| self.tensor(index));
        let mut others_end = tensors
            .clone()
            .filter(|tensor| tensor.kind == TensorKind::Arena)
            .map(|tensor| tensor.range().end)
            .max()
            .unwrap_or(0);
        let count = tensors.filter(|tensor| tensor.kind == TensorKind::State).count();
        let mut previous = None;
        for index in 0..records(section, StateRecord::BYTES) {
            let record = StateRecord::read(at(section, index, StateRecord::BYTES));
            let tensor = record.tensor;
            let state = self.tensor(usize::from(tensor));
            ensure(
                usize::from(tensor) < self.tensor_count()
                    && state.kind == TensorKind::State
                    && previous.is_none_or(|previous| previous < tensor),
                LoadError::StateTensor { tensor: u32::from(tensor) },
            )?;
            ensure(record.reserved == 0, LoadError::StateReserved { tensor: u32::from(tensor) })?;
            let start = size(record.initial_value);
            let inside = start.checked_add(state.bytes()).is_some_and(|end| end <= self.constants().len());
            ensure(
                inside && start.is_multiple_of(4),
                LoadError::StateInitialValue { tensor: u32::from(tensor), offset: record.initial_value },
            )?;
            ensure(state.location >= others_end, LoadError::StateShared { tensor: u32::from(tensor) })?;
            others_end = state.range().end;
            previous = Some(tensor);
        }
        let stored = records(section, StateRecord::BYTES);
        ensure(stored == count, LoadError::StateCount { records: narrow(stored), tensors: narrow(count) })
    }

    /// Rules 50 to 56.
    fn check_io(&self) -> Result<(), LoadError> {
        let mut seen = [false; 2];
        for (index, io) in (0u32..).zip(self.io_records()) {
            let role = IoRole::from_code(io.role).ok_or(LoadError::IoRole { index, code: u32::from(io.role) })?;
            ensure(
                SourceLayout::from_code(io.source_layout).is_some(),
                LoadError::IoLayout { index, code: u32::from(io.source_layout) },
            )?;
            let tensor = self.tensor(usize::from(io.tensor));
            ensure(
                usize::from(io.tensor) < self.tensor_count() && tensor.kind == TensorKind::Arena,
                LoadError::IoTensor { index, tensor: u32::from(io.tensor) },
            )?;
            let [inputs, outputs] = &mut seen;
            ensure(role == IoRole::Output || !*outputs, LoadError::IoOrder { index })?;
            *(if role == IoRole::Input { inputs } else { outputs }) = true;
            let quantized = matches!(tensor.data_type, DataType::I8 | DataType::I16);
            ensure(
                real::is_finite(io.scale)
                    && real::is_positive(io.scale)
                    && (quantized || io.scale.to_bits() == 1f32.to_bits()),
                LoadError::IoScale { index },
            )?;
            ensure(
                io.zero_point == 0 || (tensor.data_type == DataType::I8 && i8::try_from(io.zero_point).is_ok()),
                LoadError::IoZeroPoint { index, zero_point: io.zero_point },
            )?;
        }
        ensure(seen == [true, true], LoadError::IoMissing {})
    }

    /// Rules 21, 23 and 60 to 98; returns the work of one run.
    fn check_ops<const LINKED: u64>(&self, limits: &Limits) -> Result<u64, LoadError> {
        let mut total = Cost::default();
        for position in 0..self.op_count() {
            let index = narrow(position);
            let record = OpRecord::read(at(self.section(SectionKind::Ops), position, OpRecord::BYTES));
            let op = self.op(position).ok_or(LoadError::UnknownOpcode { op: index, code: u32::from(record.opcode) })?;
            ensure(
                record.flags & !OpRecord::WALK_DOWN == 0,
                LoadError::OpFlags { op: index, flags: u32::from(record.flags) },
            )?;
            let operands = usize::from(record.inputs).saturating_add(usize::from(record.outputs));
            ensure(op.operands.len() >= operands.saturating_mul(2), LoadError::OperandPool { op: index })?;
            for operand in 0..operands {
                let tensor = op.operand(operand);
                ensure(tensor < self.tensor_count(), LoadError::OperandTensor { op: index, tensor: narrow(tensor) })?;
            }
            let attributes = size(record.attributes);
            ensure(
                attributes.is_multiple_of(4) && attributes <= self.section(SectionKind::Attributes).len(),
                LoadError::Attributes { op: index },
            )?;
            let cost = ops::check::<LINKED>(&op)?;
            total.macs = total.macs.saturating_add(cost.macs);
            total.work = total.work.saturating_add(cost.work);
            total.scanned = total.scanned.saturating_add(cost.scanned);
            let constants = self.constants().len();
            ensure(
                total.scanned <= constants.saturating_mul(MAX_CONSTANT_SHARING),
                LoadError::ConstantSharing { op: index },
            )?;
        }
        let declared = self.header.macs;
        ensure(declared == total.macs, LoadError::Macs { declared, computed: total.macs })?;
        ensure(total.work <= limits.max_work, LoadError::WorkLimit { work: total.work, limit: limits.max_work })?;
        Ok(total.work)
    }
}

/// The bytes from record `index` on.
fn at(section: &[u8], index: usize, record_bytes: usize) -> &[u8] {
    section.get(index.saturating_mul(record_bytes)..).unwrap_or(&[])
}

/// Whole records in a section.
fn records(section: &[u8], record_bytes: usize) -> usize {
    section.len().checked_div(record_bytes).unwrap_or(0)
}

/// The entry of `kind` in a table of sections.
fn section<'a>(sections: &[&'a [u8]; KINDS], kind: SectionKind) -> &'a [u8] {
    let known = SectionKind::ALL.iter().position(|&known| known == kind);
    known.and_then(|index| sections.get(index)).copied().unwrap_or(&[])
}

fn section_table<'a>(bytes: &'a [u8], header: &Header) -> impl Iterator<Item = SectionEntry> + 'a {
    let table = bytes.get(HEADER_BYTES..).unwrap_or(&[]);
    (0..size(header.section_count)).map(move |index| SectionEntry::read(at(table, index, SectionEntry::BYTES)))
}

/// Rules 1 to 9 and 20.
fn check_header(bytes: &[u8], limits: &Limits) -> Result<Header, LoadError> {
    let actual = narrow(bytes.len());
    ensure(bytes.len() >= HEADER_BYTES, LoadError::TooShort { bytes: actual })?;
    let header = Header::read(bytes);
    ensure(header.magic == MAGIC, LoadError::BadMagic { found: u32::from_le_bytes(header.magic) })?;
    ensure(header.major == MAJOR_VERSION, LoadError::UnsupportedVersion { major: u32::from(header.major) })?;
    ensure(
        header.file_bytes == actual && size(header.file_bytes) == bytes.len(),
        LoadError::FileLength { declared: header.file_bytes, actual },
    )?;
    if limits.checksum == ChecksumPolicy::Verify {
        let computed = checksum(bytes);
        ensure(header.checksum == computed, LoadError::Checksum { declared: header.checksum, computed })?;
    }
    ensure(header.required_features == 0, LoadError::RequiredFeature { bits: header.required_features })?;
    ensure(header.reserved_a == 0 && header.reserved_b == 0 && header.reserved_c == 0, LoadError::HeaderReserved {})?;
    let arena_bytes = header.arena_bytes;
    let limit = limits.max_arena_bytes;
    ensure(arena_bytes <= limit, LoadError::ArenaLimit { arena_bytes, limit })?;
    Ok(header)
}

/// Rules 10 to 19: sections in order, aligned, without holes, every byte of the file accounted for.
fn check_sections<'a>(bytes: &'a [u8], header: &Header) -> Result<[&'a [u8]; KINDS], LoadError> {
    let mut sections: [&[u8]; KINDS] = [&[]; KINDS];
    let count = header.section_count;
    let mut end = size(count)
        .checked_mul(SectionEntry::BYTES)
        .and_then(|table| table.checked_add(HEADER_BYTES))
        .filter(|&end| end <= bytes.len())
        .ok_or(LoadError::SectionTable { count })?;
    let mut previous = 0u16;
    for entry in section_table(bytes, header) {
        let SectionEntry { kind, flags, offset, length } = entry;
        ensure(kind > previous, LoadError::SectionOrder { kind: u32::from(kind) })?;
        previous = kind;
        let expected = check_padding(bytes, end)?;
        ensure(
            size(offset) == expected,
            LoadError::SectionOffset { kind: u32::from(kind), offset, expected: narrow(expected) },
        )?;
        let content = size(offset)
            .checked_add(size(length))
            .filter(|_| length > 0)
            .and_then(|end| bytes.get(size(offset)..end))
            .ok_or(LoadError::SectionLength { kind: u32::from(kind), length })?;
        end = expected.saturating_add(content.len());
        let known = SectionKind::from_code(kind);
        let required = if known.is_some_and(SectionKind::is_required) { SectionEntry::REQUIRED } else { 0 };
        match known {
            Some(known) => {
                ensure(flags == required, LoadError::SectionFlags { kind: u32::from(kind), flags: u32::from(flags) })?;
                ensure(
                    whole_records(known, content.len()),
                    LoadError::SectionRecords { kind: u32::from(kind), length },
                )?;
                let index = SectionKind::ALL.iter().position(|&k| k == known);
                if let Some(slot) = index.and_then(|index| sections.get_mut(index)) {
                    *slot = content;
                }
            }
            None => ensure(flags == 0, LoadError::UnknownSection { kind: u32::from(kind) })?,
        }
    }
    let file_end = check_padding(bytes, end)?;
    ensure(file_end == bytes.len(), LoadError::FileEnd { end: narrow(file_end) })?;
    for kind in [SectionKind::Tensors, SectionKind::Ops, SectionKind::Operands, SectionKind::Io] {
        ensure(!section(&sections, kind).is_empty(), LoadError::MissingSection { kind: u32::from(kind.code()) })?;
    }
    Ok(sections)
}

/// Rule 14: zeros from `end` to the next multiple of 16 (or the end of the file), which is returned.
fn check_padding(bytes: &[u8], end: usize) -> Result<usize, LoadError> {
    let next = end.checked_next_multiple_of(FILE_ALIGNMENT).unwrap_or(usize::MAX);
    let padding = bytes.get(end..next.min(bytes.len())).unwrap_or(&[]);
    match padding.iter().position(|&byte| byte != 0) {
        Some(at) => Err(LoadError::Padding { at: narrow(end.saturating_add(at)) }),
        None => Ok(next),
    }
}

/// Rule 18.
fn whole_records(kind: SectionKind, length: usize) -> bool {
    let record = match kind {
        SectionKind::Tensors => TensorRecord::BYTES,
        SectionKind::Dimensions | SectionKind::Attributes => 4,
        SectionKind::Ops => OpRecord::BYTES,
        SectionKind::Operands => 2,
        SectionKind::Io => IoRecord::BYTES,
        SectionKind::State => StateRecord::BYTES,
        SectionKind::Quantization => 8,
        SectionKind::Constants | SectionKind::Names | SectionKind::Labels | SectionKind::Card => 1,
        SectionKind::Preprocessing => 1,
    };
    // Tensor indices are 16 bits wide.
    let count = length.checked_div(record).unwrap_or(0);
    length.is_multiple_of(record) && (kind != SectionKind::Tensors || count <= usize::from(u16::MAX))
}
