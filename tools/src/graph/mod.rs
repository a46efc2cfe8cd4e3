//! The typed graph that importers fill, passes rewrite, and quantisation reads.
//!
//! A [`Graph`] is a list of [`Node`]s in topological order over [`Value`]s with static shapes.
//! Spatial operators are always channels-last: activations are NHWC and convolution weights OHWI.
//! An importer of a channels-first format puts a transpose before and after each spatial operator;
//! the passes cancel them.
//!
//! To add an operator: its attributes and its shape rule in one file of [`ops`], an arm in
//! [`Op`], and its evaluation in one file of [`crate::execute`].

mod activation;
mod edit;
mod error;
mod op;
pub mod ops;
mod quantized;
mod validate;
mod value;

pub use activation::Activation;
pub use edit::{Graph, Node, NodeId};
pub use error::{GraphError, ShapeError};
pub use op::Op;
pub use value::{Layout, Port, Value, ValueId};
