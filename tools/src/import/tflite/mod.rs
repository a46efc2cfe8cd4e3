//! TensorFlow Lite models.
//!
//! The file is read once by a checked reader of its own; each operator is lowered by the function that [`lower`] lists for
//! it. Every quantised tensor is integers between a `Quantize` and a `Dequantize`, every quantised constant integers behind
//! a `Dequantize`, so that the integers and scales of the file reach the artifact as they are. Unsigned 8-bit integers
//! become signed ones, 4-bit ones 8-bit ones.

mod constants;
mod error;
mod flatbuffer;
mod importer;
mod lower;
mod lowering;
mod operators;
mod schema;

pub use error::ImportError;
pub use flatbuffer::FlatbufferError;

use crate::graph::Graph;

/// Imports a TensorFlow Lite model from the bytes of its file.
///
/// # Errors
/// [`ImportError`].
pub fn import(bytes: &[u8]) -> Result<Graph, ImportError> {
    importer::run(bytes)
}
