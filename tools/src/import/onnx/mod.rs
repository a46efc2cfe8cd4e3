//! ONNX models.
//!
//! The file is read once: constants become graph constants, each node is lowered by the function
//! that [`lower`] lists for its operator, and expressions over constants (as exporters write for
//! reshapes) are evaluated on the way. Every input is untrusted: sizes are checked before memory is
//! taken, and what the constants take together is bounded by a small multiple of the file.

mod attributes;
mod constants;
mod error;
mod importer;
mod lower;
mod lowering;
mod shapes;
mod wire;

pub use super::{ConstantError, Reason, UnsupportedNode};
pub use error::{FreeDimension, ImportError};
pub use shapes::{InputShape, input_shapes};

use crate::graph::Graph;
use crate::reference::{self, pb};
use crate::tensor::Tensor;
use std::collections::BTreeMap;
use std::path::Path;

/// The versions of the default operator set that the lowerings know.
pub const OPERATOR_SETS: std::ops::RangeInclusive<i64> = 6..=28;

/// How to import a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportOptions {
    /// Sizes of free dimensions, by name. A free batch needs none: it becomes 1.
    pub shapes: BTreeMap<String, usize>,
    /// Bytes that constants computed on the way (filled, repeated, reordered) may take beyond eight times the bytes of
    /// those in the file. 16 MiB unless a model that is known to be good needs more: a file of a few bytes can ask for
    /// any amount.
    pub spare_constant_bytes: usize,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self { shapes: BTreeMap::new(), spare_constant_bytes: 16 << 20 }
    }
}

/// Imports an ONNX file.
///
/// # Errors
/// [`ImportError::File`], which names the file.
pub fn import_file(path: &Path, options: &ImportOptions) -> Result<Graph, ImportError> {
    std::fs::read(path)
        .map_err(ImportError::Read)
        .and_then(|bytes| import(&bytes, options))
        .map_err(|error| ImportError::File { path: path.to_owned(), error: Box::new(error) })
}

/// Imports an ONNX model from the bytes of its file.
///
/// # Errors
/// [`ImportError`].
pub fn import(bytes: &[u8], options: &ImportOptions) -> Result<Graph, ImportError> {
    wire::check(bytes)?;
    let model = reference::parse(bytes).map_err(|error| ImportError::Parse(error.to_string()))?;
    import_model(&model, options)
}

/// Imports a parsed ONNX model.
///
/// # Errors
/// [`ImportError`].
pub fn import_model(model: &pb::ModelProto, options: &ImportOptions) -> Result<Graph, ImportError> {
    importer::run(model, options)
}

/// Reads a tensor message, as constants of a model are read: half, bfloat16 and double become f32, 16-bit integers
/// i32, unsigned 32- and 64-bit integers i64.
///
/// # Errors
/// [`ConstantError`].
pub fn tensor(proto: &pb::TensorProto) -> Result<Tensor, ConstantError> {
    constants::load(proto)
}
