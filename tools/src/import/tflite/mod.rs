//! TensorFlow Lite models.
//!
//! The file is read once by a checked reader of its own; each operator is lowered by the function that [`lower`] lists for
//! it. Every quantised tensor is integers between a `Quantize` and a `Dequantize`, every quantised constant integers behind
//! a `Dequantize`, so that the integers and scales of the file reach the artifact as they are. Unsigned 8-bit integers
//! become signed ones, 4-bit ones 8-bit ones. Where only weights are integers (a hybrid model), they become the real numbers
//! that they stand for, and the model is one of floats.

mod constants;
mod error;
mod flatbuffer;
mod importer;
mod lower;
mod lowering;
mod metadata;
mod operators;
mod schema;

pub use error::ImportError;
pub use flatbuffer::FlatbufferError;
pub use metadata::{Metadata, Normalization};

use crate::graph::Graph;

/// A model, and what its file says beside the graph.
#[derive(Clone, Debug)]
pub struct Source {
    /// The model.
    pub graph: Graph,
    /// Labels and normalisation.
    pub metadata: Metadata,
}

/// Imports a TensorFlow Lite model from the bytes of its file.
///
/// # Errors
/// [`ImportError`].
pub fn import(bytes: &[u8]) -> Result<Graph, ImportError> {
    Ok(read(bytes)?.graph)
}

/// The same with what the file says beside the graph.
///
/// # Errors
/// [`ImportError`].
pub fn read(bytes: &[u8]) -> Result<Source, ImportError> {
    importer::run(bytes)
}
