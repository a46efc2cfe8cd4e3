//! The file header and the section table.

use crate::bytes::{coded, record};

/// The first four bytes of every artifact.
pub const MAGIC: [u8; 4] = *b"BNTM";
/// A reader refuses any other major version.
pub const MAJOR_VERSION: u8 = 1;
/// Minor versions only add; a reader accepts any.
pub const MINOR_VERSION: u8 = 0;
/// Bytes of the fixed header; the section table follows.
pub const HEADER_BYTES: usize = Header::BYTES;
/// Alignment of the file in memory, of every section in the file, and of the file's length.
pub const FILE_ALIGNMENT: usize = 16;
/// Where the checksum stands; these four bytes count as zero in its own computation.
pub(crate) const CHECKSUM_AT: usize = 12;

record! {
    /// The first 48 bytes.
    pub struct Header {
        /// [`MAGIC`].
        pub magic: [u8; 4],
        /// [`MAJOR_VERSION`].
        pub major: u8,
        /// [`MINOR_VERSION`] or any other.
        pub minor: u8,
        /// Code of [`Arithmetic`].
        pub arithmetic: u8,
        /// Zero.
        pub reserved_a: u8,
        /// Length of the whole file in bytes, a multiple of 16.
        pub file_bytes: u32,
        /// CRC-32C of the file with this field taken as zero.
        pub checksum: u32,
        /// Bit set of features a reader must understand; none is defined yet.
        pub required_features: u32,
        /// Entries in the section table.
        pub section_count: u32,
        /// Extent of all arena tensors in bytes, without kernel scratch.
        pub arena_bytes: u32,
        /// Zero.
        pub reserved_b: u32,
        /// Multiply-accumulates of one inference.
        pub macs: u64,
        /// Zero.
        pub reserved_c: u64,
    }
}

record! {
    /// One entry of the section table.
    pub struct SectionEntry {
        /// Code of [`SectionKind`]; unknown codes are skipped unless required.
        pub kind: u16,
        /// Bit 0: a reader that does not know the kind must refuse the file. The other bits are zero.
        pub flags: u16,
        /// From the start of the file; the next multiple of 16 after the section before.
        pub offset: u32,
        /// In bytes, at least one.
        pub length: u32,
    }
}

impl SectionEntry {
    /// The flag bit that makes a section required.
    pub const REQUIRED: u16 = 1;
}

coded! {
    /// What a section holds. Codes below 256 are required, the others optional.
    pub enum SectionKind: u16 {
        /// [`crate::TensorRecord`]s.
        Tensors = 1,
        /// `u32` dimensions that tensor records point into.
        Dimensions = 2,
        /// [`crate::OpRecord`]s in order of execution.
        Ops = 3,
        /// `u16` tensor indices that op records point into.
        Operands = 4,
        /// Attribute records that op records point into.
        Attributes = 5,
        /// Weights, biases, requantisation and lookup tables.
        Constants = 6,
        /// [`crate::IoRecord`]s: inputs, then outputs.
        Io = 7,
        /// [`crate::StateRecord`]s: initial values of state tensors.
        State = 8,
        /// Names of tensors, then of ops, as a string list.
        Names = 256,
        /// Scale and zero point of every tensor, for tools.
        Quantization = 257,
        /// Class labels, as a string list.
        Labels = 258,
        /// The model card: UTF-8 JSON.
        Card = 259,
        /// How data become inputs: [`crate::PreprocessingRecord`]s and what they point at.
        Preprocessing = 260,
    }
}

impl SectionKind {
    /// Whether a file with this section cannot be run without understanding it.
    pub const fn is_required(self) -> bool {
        self.code() < 256
    }
}

coded! {
    /// How integer accumulators become integer outputs (SPEC.md, "Requantisation").
    pub enum Arithmetic: u8 {
        /// No integer accumulator is ever requantised: float artifacts.
        Float = 0,
        /// Q31 multiplier and shift with double rounding, as TensorFlow Lite Micro's reference kernels.
        Tflite = 1,
        /// One f32 multiply and one round-half-to-even, as ONNX Runtime's QLinearConv.
        Onnx = 2,
    }
}

impl Arithmetic {
    /// Bytes of a requantisation table with `channels` entries.
    pub const fn table_bytes(self, channels: usize) -> usize {
        match self {
            Self::Float => 0,
            Self::Tflite => channels.saturating_mul(5),
            Self::Onnx => channels.saturating_mul(4),
        }
    }
}
