//! Why a TensorFlow Lite model cannot be imported.

use super::flatbuffer::FlatbufferError;
use crate::graph::GraphError;
use crate::import::UnsupportedNode;
use thiserror::Error;

/// Why a TensorFlow Lite model cannot be imported. The message says what was found, what was expected, and what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The bytes are not a FlatBuffer, or a damaged one.
    #[error(transparent)]
    Flatbuffer(#[from] FlatbufferError),
    /// A FlatBuffer of another kind.
    #[error("the file is not a TensorFlow Lite model: its fifth to eighth bytes are not `TFL3`")]
    Kind,
    /// Another version of the schema.
    #[error("the file has version {found} of the TensorFlow Lite schema; version 3 is supported")]
    Version {
        /// The version found.
        found: usize,
    },
    /// The file holds no graph.
    #[error("the file holds no subgraph")]
    NoGraph,
    /// An index that names nothing.
    #[error("{user} names {what} {index}, of which there are {count}: the file is damaged")]
    Index {
        /// Who names it.
        user: String,
        /// What it names.
        what: &'static str,
        /// The index.
        index: i64,
        /// How many there are.
        count: usize,
    },
    /// A tensor that cannot be used.
    #[error("tensor `{name}` {reason}")]
    Tensor {
        /// The tensor.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A tensor that is used before anything makes it.
    #[error("{user} reads tensor `{name}`, which nothing before it makes; the file is damaged")]
    Undefined {
        /// Who reads it.
        user: String,
        /// The tensor.
        name: String,
    },
    /// The model has no output.
    #[error("the model has no output")]
    NoOutput,
    /// Operators that cannot be expressed, all of them.
    #[error("{}", crate::explain::refusals(nodes))]
    Unsupported {
        /// Every such operator, in the order of the file.
        nodes: Vec<UnsupportedNode>,
    },
    /// The lowered graph breaks a rule of graphs.
    #[error("the imported graph is not valid: {0}")]
    Graph(#[from] GraphError),
}
