//! The parts of a TensorFlow Lite file that matter here, read once into plain structs.
//!
//! Numbers of fields and codes are those of the public schema (`schema.fbs` of TensorFlow Lite, version 3).

use super::error::ImportError;
use super::flatbuffer::{Flatbuffer, Table};

/// The four letters of the file's kind.
pub(super) const KIND: [u8; 4] = *b"TFL3";

/// A file.
pub(super) struct Model<'f, 'a> {
    pub(super) operator_codes: Vec<OperatorCode<'a>>,
    pub(super) subgraphs: Vec<Subgraph<'f, 'a>>,
    pub(super) buffers: Vec<&'a [u8]>,
    pub(super) description: &'a str,
    /// Names of buffers that are no tensors', and which they are.
    pub(super) metadata: Vec<(&'a str, usize)>,
}

/// What an operator's `opcode_index` stands for.
#[derive(Clone, Copy)]
pub(super) struct OperatorCode<'a> {
    pub(super) builtin: i32,
    pub(super) custom: &'a str,
}

/// A graph of operators.
pub(super) struct Subgraph<'f, 'a> {
    pub(super) tensors: Vec<TensorInfo<'a>>,
    pub(super) inputs: Vec<i32>,
    pub(super) outputs: Vec<i32>,
    pub(super) operators: Vec<Operator<'f, 'a>>,
    pub(super) name: &'a str,
}

/// A tensor.
pub(super) struct TensorInfo<'a> {
    pub(super) name: &'a str,
    pub(super) shape: Vec<i32>,
    pub(super) kind: u8,
    pub(super) buffer: usize,
    pub(super) is_variable: bool,
    pub(super) is_sparse: bool,
    pub(super) quantization: Option<Quantization>,
}

/// How the integers of a tensor stand for reals.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Quantization {
    pub(super) scales: Vec<f32>,
    pub(super) zero_points: Vec<i64>,
    pub(super) axis: i32,
    pub(super) has_details: bool,
}

/// One operation.
pub(super) struct Operator<'f, 'a> {
    pub(super) code: usize,
    /// Tensor indices; negative where an operand is left out.
    pub(super) inputs: Vec<i32>,
    pub(super) outputs: Vec<i32>,
    pub(super) options: Option<Table<'f, 'a>>,
    /// Code of the options' table type.
    pub(super) options_kind: u8,
}

/// Element types by their code.
pub(super) mod kind {
    pub const F32: u8 = 0;
    pub const F16: u8 = 1;
    pub const I32: u8 = 2;
    pub const U8: u8 = 3;
    pub const I64: u8 = 4;
    pub const BOOL: u8 = 6;
    pub const I16: u8 = 7;
    pub const I8: u8 = 9;
    pub const I4: u8 = 17;

    const NAMES: [&str; 23] = [
        "FLOAT32",
        "FLOAT16",
        "INT32",
        "UINT8",
        "INT64",
        "STRING",
        "BOOL",
        "INT16",
        "COMPLEX64",
        "INT8",
        "FLOAT64",
        "COMPLEX128",
        "UINT64",
        "RESOURCE",
        "VARIANT",
        "UINT32",
        "UINT16",
        "INT4",
        "BFLOAT16",
        "INT2",
        "UINT4",
        "FLOAT8_E4M3FN",
        "FLOAT8_E5M2",
    ];

    /// The name of a type, for messages.
    pub fn name(kind: u8) -> String {
        NAMES.get(usize::from(kind)).map_or_else(|| format!("number {kind}"), ToString::to_string)
    }
}

impl<'f, 'a> Model<'f, 'a> {
    /// Reads a file.
    pub(super) fn read(file: &'f Flatbuffer<'a>) -> Result<Self, ImportError> {
        let (root, kind) = file.root()?;
        if kind != KIND {
            return Err(ImportError::Kind);
        }
        match root.index(0)? {
            3 => {}
            found => return Err(ImportError::Version { found }),
        }
        let operator_codes = root.tables(1)?.iter().map(OperatorCode::read).collect::<Result<_, _>>()?;
        let subgraphs = root.tables(2)?.iter().map(Subgraph::read).collect::<Result<_, _>>()?;
        let buffers = root.tables(4)?.iter().map(buffer).collect::<Result<_, _>>()?;
        let named = |table: &Table<'f, 'a>| Ok::<_, ImportError>((table.text(0)?, table.index(1)?));
        let metadata = root.tables(6)?.iter().map(named).collect::<Result<_, _>>()?;
        Ok(Self { operator_codes, subgraphs, buffers, description: root.text(3)?, metadata })
    }
}

/// The bytes of a buffer: inside its table or, in files beyond 2 GB, behind everything else.
fn buffer<'a>(table: &Table<'_, 'a>) -> Result<&'a [u8], ImportError> {
    let (offset, size) = (table.long(1)?, table.long(2)?);
    // 0 and 1 stand for "none".
    Ok(if offset > 1 { table.absolute(offset, size)? } else { table.bytes(0)? })
}

impl<'a> OperatorCode<'a> {
    fn read(table: &Table<'_, 'a>) -> Result<Self, ImportError> {
        // Old files know only the first field, one byte; newer ones hold the larger of both.
        let old = table.byte(0, 0)?.cast_signed();
        Ok(Self { builtin: table.int(3, 0)?.max(old.into()), custom: table.text(1)? })
    }
}

impl<'f, 'a> Subgraph<'f, 'a> {
    fn read(table: &Table<'f, 'a>) -> Result<Self, ImportError> {
        Ok(Self {
            tensors: table.tables(0)?.iter().map(TensorInfo::read).collect::<Result<_, _>>()?,
            inputs: table.ints(1)?,
            outputs: table.ints(2)?,
            operators: table.tables(3)?.iter().map(Operator::read).collect::<Result<_, _>>()?,
            name: table.text(4)?,
        })
    }
}

impl<'a> TensorInfo<'a> {
    fn read(table: &Table<'_, 'a>) -> Result<Self, ImportError> {
        Ok(Self {
            name: table.text(3)?,
            shape: table.ints(0)?,
            kind: table.byte(1, 0)?,
            buffer: table.index(2)?,
            is_variable: table.flag(5)?,
            is_sparse: table.table(6)?.is_some(),
            quantization: table.table(4)?.as_ref().map(Quantization::read).transpose()?,
        })
    }
}

impl Quantization {
    fn read(table: &Table<'_, '_>) -> Result<Self, ImportError> {
        Ok(Self {
            scales: table.floats(2)?,
            zero_points: table.longs(3)?,
            axis: table.int(6, 0)?,
            has_details: table.byte(4, 0)? != 0,
        })
    }
}

impl<'f, 'a> Operator<'f, 'a> {
    fn read(table: &Table<'f, 'a>) -> Result<Self, ImportError> {
        Ok(Self {
            code: table.index(0)?,
            inputs: table.ints(1)?,
            outputs: table.ints(2)?,
            options_kind: table.byte(3, 0)?,
            options: table.table(4)?,
        })
    }
}
