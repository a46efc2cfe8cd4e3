//! Why a model cannot be imported.

use crate::graph::{Graph, GraphError};
use crate::import::{ConstantError, UnsupportedNode};
use std::path::PathBuf;
use thiserror::Error;

/// Why a model cannot be imported. The message says what was found, what was expected, and what
/// to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// An error in a named file.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it; part of the message, so not named as its source again.
        error: Box<Self>,
    },
    /// The file cannot be read.
    #[error("cannot read the file: {0}")]
    Read(#[from] std::io::Error),
    /// The bytes are not an ONNX protobuf message.
    #[error("{0}; expected a model saved as ONNX")]
    Parse(String),
    /// Decoding the file would take far more memory than the file itself.
    #[error(
        "the file is {file} bytes long, but its messages would take more than {allowed} bytes of memory; no exporter \
         writes such a file"
    )]
    Expansion {
        /// Size of the file in bytes.
        file: usize,
        /// Bytes of memory that decoding may take.
        allowed: u64,
    },
    /// Messages within messages within messages.
    #[error("the message at byte {offset} is nested deeper than {limit} levels; no exporter writes such a file")]
    Nesting {
        /// The deepest level that is read.
        limit: usize,
        /// Where the message begins.
        offset: usize,
    },
    /// The file holds no graph.
    #[error("the file holds no graph; expected a model saved as ONNX")]
    NoGraph,
    /// The operator set is missing or not known.
    #[error(
        "the model uses operator set {found}; versions {oldest} to {newest} of ai.onnx are \
         supported: export it again with one of them"
    )]
    OperatorSet {
        /// The version found, in words.
        found: String,
        /// The oldest version supported.
        oldest: i64,
        /// The newest version supported.
        newest: i64,
    },
    /// Part of the format that is not supported.
    #[error("the model uses {feature}, which is not supported; {remedy}")]
    Feature {
        /// The part of the format.
        feature: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A graph input that cannot be used.
    #[error("input `{name}` {reason}")]
    Input {
        /// The input.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Dimensions that are neither fixed nor given.
    #[error("{}", describe_free(dimensions))]
    FreeDimensions {
        /// All of them.
        dimensions: Vec<FreeDimension>,
    },
    /// A size was given for a dimension that the model does not have.
    #[error("--shape {name}=… names no free dimension of the model; it has {known}")]
    UnknownDimension {
        /// The name given.
        name: String,
        /// The names the model has, in words.
        known: String,
    },
    /// A constant that cannot be read.
    #[error("constant `{name}`: {error}")]
    Constant {
        /// The constant.
        name: String,
        /// What is wrong with it.
        error: ConstantError,
    },
    /// Two things with one name.
    #[error("`{name}` is defined more than once; the file is damaged or not valid ONNX")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// A name that nothing before its use defines.
    #[error(
        "{user} reads `{name}`, which nothing before it defines; the nodes are not in \
         topological order, form a cycle, or the file is damaged"
    )]
    Undefined {
        /// The node or output that uses the name.
        user: String,
        /// The name.
        name: String,
    },
    /// The model has no output.
    #[error("the model has no output")]
    NoOutput,
    /// Nodes that cannot be expressed, all of them.
    #[error("{}", crate::explain::refusals(nodes))]
    Unsupported {
        /// Every such node, in the order of the file.
        nodes: Vec<UnsupportedNode>,
        /// The nodes that can be expressed, up to those; what nothing reads is an output.
        others: Box<Graph>,
    },
    /// The lowered graph breaks a rule of graphs.
    #[error("the imported graph is not valid: {0}")]
    Graph(#[from] GraphError),
}

/// A dimension that needs a size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreeDimension {
    /// The graph input.
    pub input: String,
    /// The axis.
    pub axis: usize,
    /// The name to give with `--shape`.
    pub name: String,
}

fn describe_free(dimensions: &[FreeDimension]) -> String {
    let list: Vec<String> = dimensions
        .iter()
        .map(|free| {
            format!(
                "dimension {} of input `{}` has no fixed size: give it with --shape {}=SIZE",
                free.axis, free.input, free.name
            )
        })
        .collect();
    list.join("\n")
}
