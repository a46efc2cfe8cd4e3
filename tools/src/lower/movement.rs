//! Ops that move elements without computing.

use super::builder::{Builder, Refusal};
use crate::graph::Node;
use bantam_format::MAX_RANK;

/// A reshape is another view of the same memory: no op.
pub(super) fn lower_reshape(builder: &mut Builder<'_>, node: &Node) -> Result<(), Refusal> {
    let rank = builder.graph.value(node.output()).shape.len();
    if rank > MAX_RANK {
        return Err(format!("rank {rank}; at most {MAX_RANK} is supported"));
    }
    let source = builder.activation(node.inputs[0]);
    builder.alias(node.output(), source);
    Ok(())
}
