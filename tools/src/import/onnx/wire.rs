//! A look at the wire format before anything is decoded.
//!
//! Decoding turns each message into a structure of fixed size, however few bytes the message takes: two bytes of a
//! hostile file become an empty attribute of about a kilobyte, one byte of a packed list becomes a number of eight.
//! This walk goes over the bytes without taking memory, adds up what decoding would take, and refuses a file whose
//! messages would take more than a small multiple of it or are nested too deeply. What it does not know it skips, as
//! the decoder does.

use super::error::ImportError;
use crate::reference::pb;

/// How many times its own size a file may take when it is decoded, beyond [`SPARE_BYTES`].
pub(super) const DECODED_FACTOR: u64 = 8;
/// Bytes that any file may take when it is decoded: about 4,000 nodes without a weight.
pub(super) const SPARE_BYTES: u64 = 16 << 20;
/// Messages within messages. A node in a branch of an `If` is three deeper than the `If`.
const MAX_DEPTH: usize = 64;
/// The field number above which protobuf has none.
const MAX_FIELD: u64 = (1 << 29) - 1;

/// The messages of ONNX that hold others or lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Message {
    Model,
    OperatorSet,
    Entry,
    Training,
    Function,
    Graph,
    Node,
    Attribute,
    Tensor,
    Segment,
    SparseTensor,
    Annotation,
    ValueInfo,
    Type,
    TensorType,
    Shape,
    Dimension,
}

/// What a field of a message becomes when it is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    /// One number or an unknown field: nothing beyond the message itself.
    Plain,
    /// A text or bytes: a copy of the payload.
    Text,
    /// A list of texts or bytes.
    Texts,
    /// A list of numbers of this many bytes, packed or not.
    Numbers(u64),
    /// A message within the structure of this one.
    One(Message),
    /// A list of messages.
    Many(Message),
}

/// Bytes of an empty text in a list.
const TEXT_BYTES: u64 = size_of::<String>() as u64;
/// Lists of one message type that are counted apart.
const LISTS: usize = 32;

impl Message {
    /// Bytes of the decoded structure, without what it points to.
    const fn size(self) -> u64 {
        (match self {
            Self::Model => size_of::<pb::ModelProto>(),
            Self::OperatorSet => size_of::<pb::OperatorSetIdProto>(),
            Self::Entry => size_of::<pb::StringStringEntryProto>(),
            Self::Training => size_of::<pb::TrainingInfoProto>(),
            Self::Function => size_of::<pb::FunctionProto>(),
            Self::Graph => size_of::<pb::GraphProto>(),
            Self::Node => size_of::<pb::NodeProto>(),
            Self::Attribute => size_of::<pb::AttributeProto>(),
            Self::Tensor => size_of::<pb::TensorProto>(),
            Self::Segment => size_of::<pb::tensor_proto::Segment>(),
            Self::SparseTensor => size_of::<pb::SparseTensorProto>(),
            Self::Annotation => size_of::<pb::TensorAnnotation>(),
            Self::ValueInfo => size_of::<pb::ValueInfoProto>(),
            Self::Type => size_of::<pb::TypeProto>(),
            Self::TensorType => size_of::<pb::type_proto::Tensor>(),
            Self::Shape => size_of::<pb::TensorShapeProto>(),
            Self::Dimension => size_of::<pb::tensor_shape_proto::Dimension>(),
        }) as u64
    }

    /// The field with this number; numbers as in `onnx.proto`.
    const fn field(self, number: u64) -> Field {
        use Field::{Many, Numbers, One, Plain, Text, Texts};
        match (self, number) {
            (Self::Model, 7) => One(Self::Graph),
            (Self::Model, 8) | (Self::Function, 9) => Many(Self::OperatorSet),
            (Self::Model, 14) | (Self::Training, 3 | 4) | (Self::Tensor, 13) | (Self::Annotation, 2) => {
                Many(Self::Entry)
            }
            (Self::Model, 20) => Many(Self::Training),
            (Self::Model, 25) => Many(Self::Function),
            (Self::Training, 1 | 2) | (Self::Attribute, 6) => One(Self::Graph),
            (Self::Function, 4..=6) | (Self::Node, 1 | 2) | (Self::Attribute, 9) | (Self::Tensor, 6) => Texts,
            (Self::Function, 7) | (Self::Graph, 1) => Many(Self::Node),
            (Self::Graph, 5) | (Self::Attribute, 10) => Many(Self::Tensor),
            (Self::Graph, 11..=13) => Many(Self::ValueInfo),
            (Self::Graph, 14) => Many(Self::Annotation),
            (Self::Graph, 15) | (Self::Attribute, 23) => Many(Self::SparseTensor),
            (Self::Node, 5) => Many(Self::Attribute),
            (Self::Attribute, 5) | (Self::SparseTensor, 1 | 2) => One(Self::Tensor),
            (Self::Attribute, 7) | (Self::Tensor, 4 | 5) => Numbers(4),
            (Self::Attribute, 8) | (Self::Tensor, 1 | 7 | 10 | 11) | (Self::SparseTensor, 3) => Numbers(8),
            (Self::Attribute, 11) => Many(Self::Graph),
            (Self::Attribute, 15) => Many(Self::Type),
            (Self::Attribute, 22) => One(Self::SparseTensor),
            (Self::Tensor, 3) => One(Self::Segment),
            (Self::ValueInfo, 2) => One(Self::Type),
            (Self::Type, 1) => One(Self::TensorType),
            (Self::TensorType, 2) => One(Self::Shape),
            (Self::Shape, 1) => Many(Self::Dimension),
            (Self::Model, 2..=4 | 6)
            | (Self::OperatorSet, 1)
            | (Self::Entry, 1 | 2)
            | (Self::Function, 1 | 8 | 10)
            | (Self::Graph, 2 | 10)
            | (Self::Node, 3 | 4 | 6 | 7)
            | (Self::Attribute, 1 | 4 | 13 | 21)
            | (Self::Tensor, 8 | 9 | 12)
            | (Self::Annotation, 1)
            | (Self::ValueInfo, 1 | 3)
            | (Self::Type, 6)
            | (Self::Dimension, 2 | 3) => Text,
            _ => Plain,
        }
    }
}

/// Checks that `bytes` is a sequence of protobuf fields and that decoding it as a model takes at most
/// [`SPARE_BYTES`] and [`DECODED_FACTOR`] times its size. Linear in the bytes; takes no memory.
///
/// # Errors
/// [`ImportError::Parse`] if the bytes are no protobuf message, [`ImportError::Expansion`], [`ImportError::Nesting`].
pub(super) fn check(bytes: &[u8]) -> Result<(), ImportError> {
    let allowed = SPARE_BYTES.saturating_add(DECODED_FACTOR.saturating_mul(bytes.len() as u64));
    let mut walk = Walk { taken: 0, allowed, file_bytes: bytes.len() };
    walk.message(Message::Model, Reader { bytes, offset: 0 }, 0)
}

/// The bytes of the file that are still to be read, and where they stand in it.
#[derive(Clone, Copy)]
struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    fn broken(&self, what: &str) -> ImportError {
        ImportError::Parse(format!("not an ONNX file: {what} at byte {}", self.offset))
    }

    fn take(&mut self, length: usize) -> Result<Self, ImportError> {
        let Some((taken, rest)) = self.bytes.split_at_checked(length) else {
            return Err(self.broken(&format!("a field of {length} bytes where {} are left", self.bytes.len())));
        };
        let part = Self { bytes: taken, offset: self.offset };
        *self = Self { bytes: rest, offset: self.offset.saturating_add(length) };
        Ok(part)
    }

    fn varint(&mut self) -> Result<u64, ImportError> {
        let mut value = 0u64;
        for (index, &byte) in self.bytes.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f).checked_shl(7 * index as u32).unwrap_or(0);
            if byte < 0x80 {
                self.take(index + 1)?;
                return Ok(value);
            }
        }
        Err(self.broken("a number without an end"))
    }

    fn length_delimited(&mut self) -> Result<Reader<'a>, ImportError> {
        let length = self.varint()?;
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }
}

/// What decoding takes so far.
struct Walk {
    taken: u64,
    allowed: u64,
    file_bytes: usize,
}

impl Walk {
    fn message(&mut self, kind: Message, mut reader: Reader<'_>, depth: usize) -> Result<(), ImportError> {
        if depth > MAX_DEPTH {
            return Err(ImportError::Nesting { limit: MAX_DEPTH, offset: reader.offset });
        }
        let mut counts = [0u64; LISTS];
        let mut seen = 0u32;
        while !reader.bytes.is_empty() {
            let start = reader;
            let tag = reader.varint()?;
            let (number, wire) = (tag >> 3, tag & 7);
            if number == 0 || number > MAX_FIELD {
                return Err(start.broken(&format!("field number {number}")));
            }
            let field = kind.field(number);
            let count = counts.get_mut(number as usize);
            let payload = match wire {
                0 => {
                    reader.varint()?;
                    None
                }
                1 => {
                    reader.take(8)?;
                    None
                }
                5 => {
                    reader.take(4)?;
                    None
                }
                2 => Some(reader.length_delimited()?),
                _ => return Err(start.broken(&format!("wire type {wire}"))),
            };
            match (field, payload, count) {
                (Field::Numbers(size), None, Some(count)) => self.grow(count, 1, size)?,
                (Field::Numbers(size), Some(packed), Some(count)) => {
                    // Varints end where the high bit is clear; fixed-width numbers are at least as long.
                    let ends = packed.bytes.iter().filter(|&&byte| byte < 0x80).count();
                    let most = match (kind, number) {
                        (Message::Attribute, 7) | (Message::Tensor, 4) => packed.bytes.len() / 4,
                        (Message::Tensor, 10) => packed.bytes.len() / 8,
                        _ => ends,
                    };
                    self.grow(count, most as u64, size)?;
                }
                (Field::Text, Some(text), _) => self.add(text.bytes.len() as u64)?,
                (Field::Texts, Some(text), Some(count)) => {
                    self.grow(count, 1, TEXT_BYTES)?;
                    self.add(text.bytes.len() as u64)?;
                }
                (Field::One(inner), Some(part), _) => {
                    // Decoders join repeated messages; writers make one, and what is joined could not be counted.
                    let bit = 1u32 << (number % 32);
                    if seen & bit != 0 {
                        return Err(start.broken(&format!("field {number} given twice")));
                    }
                    seen |= bit;
                    self.message(inner, part, depth + 1)?;
                }
                (Field::Many(inner), Some(part), Some(count)) => {
                    self.grow(count, 1, inner.size())?;
                    self.message(inner, part, depth + 1)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Counts `more` elements of a list that had `count`: a list doubles its room and, while it moves, has both.
    fn grow(&mut self, count: &mut u64, more: u64, size: u64) -> Result<(), ImportError> {
        let room = |count: u64| match count {
            0 => 0,
            // One and a half times the power of two that holds the elements.
            _ => (count.max(4).next_power_of_two() * 3).saturating_mul(size) / 2,
        };
        let before = room(*count);
        *count = count.saturating_add(more);
        self.add(room(*count).saturating_sub(before))
    }

    fn add(&mut self, bytes: u64) -> Result<(), ImportError> {
        self.taken = self.taken.saturating_add(bytes);
        if self.taken > self.allowed {
            return Err(ImportError::Expansion { file: self.file_bytes, allowed: self.allowed });
        }
        Ok(())
    }
}
