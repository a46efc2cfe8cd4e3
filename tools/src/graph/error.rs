//! What can be wrong with a graph.

use crate::tensor::{DataType, TensorError};
use thiserror::Error;

/// Why an operator does not fit its operands.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// The number of operands.
    #[error("takes {expected} operands, got {got}")]
    OperandCount {
        /// What the operator takes, in words.
        expected: &'static str,
        /// Operands given.
        got: usize,
    },
    /// The rank of an operand.
    #[error("{operand} must have rank {expected}, got shape {got:?}")]
    Rank {
        /// Which operand.
        operand: &'static str,
        /// The rank it must have.
        expected: usize,
        /// Its shape.
        got: Vec<usize>,
    },
    /// The type of an operand.
    #[error("{operand} must be {expected}, got {got}")]
    Type {
        /// Which operand.
        operand: &'static str,
        /// The type it must have.
        expected: DataType,
        /// Its type.
        got: DataType,
    },
    /// An operand has another shape than the others and the attributes ask for.
    #[error("{operand} must have shape {expected:?}, got {got:?}")]
    Shape {
        /// Which operand.
        operand: &'static str,
        /// The shape it must have.
        expected: Vec<usize>,
        /// Its shape.
        got: Vec<usize>,
    },
    /// Two shapes do not broadcast to one.
    #[error("shapes {left:?} and {right:?} do not broadcast")]
    Broadcast {
        /// The first shape.
        left: Vec<usize>,
        /// The second shape.
        right: Vec<usize>,
    },
    /// An axis beyond the rank, or named twice.
    #[error("axis {axis} does not fit rank {rank}")]
    Axis {
        /// The axis.
        axis: usize,
        /// The rank.
        rank: usize,
    },
    /// An attribute out of its range.
    #[error("{attribute} is {got}, {expected}")]
    Attribute {
        /// The attribute's name.
        attribute: &'static str,
        /// Its value, in words.
        got: String,
        /// What it must be, in words.
        expected: &'static str,
    },
    /// The window does not fit the padded input.
    #[error("a window of {window} does not fit an input of {input} with padding")]
    Window {
        /// Extent of the dilated window.
        window: usize,
        /// Extent of the padded input.
        input: usize,
    },
    /// The result is too large, or a permutation is wrong.
    #[error(transparent)]
    Tensor(#[from] TensorError),
}

/// What is wrong with a graph, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GraphError {
    /// An operator does not fit its operands.
    #[error("node `{node}` ({operator}): {error}")]
    Shape {
        /// The node.
        node: String,
        /// The operator.
        operator: &'static str,
        /// What does not fit.
        error: ShapeError,
    },
    /// A node's result is not what its operator yields from its operands.
    #[error("node `{node}` ({operator}): the result should be {expected} but is recorded as {got}")]
    Result {
        /// The node.
        node: String,
        /// The operator.
        operator: &'static str,
        /// Shape and type inferred.
        expected: String,
        /// Shape and type recorded.
        got: String,
    },
    /// A node or port uses a value that nothing before it defines.
    #[error("{user} uses `{value}`, which nothing before it defines")]
    Undefined {
        /// The node or port.
        user: String,
        /// The value.
        value: String,
    },
    /// A value has two sources: two nodes, or a node and a constant or input.
    #[error("`{value}` is defined more than once")]
    Redefined {
        /// The value.
        value: String,
    },
    /// An id that is not of this graph.
    #[error("{what} {index} is not in the graph")]
    NoSuch {
        /// `value` or `node`.
        what: &'static str,
        /// The index of the id.
        index: usize,
    },
    /// A constant's tensor is not of the recorded shape and type.
    #[error("constant `{value}` does not match its recorded shape and type")]
    Constant {
        /// The value.
        value: String,
    },
    /// The links between nodes and values are inconsistent.
    #[error("the use list of `{value}` is wrong")]
    Links {
        /// The value.
        value: String,
    },
    /// A constant expression could not be evaluated.
    #[error("evaluating the constant node `{node}`: {reason}")]
    Fold {
        /// The node.
        node: String,
        /// Why.
        reason: String,
    },
}
