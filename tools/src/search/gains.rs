//! What 16-bit activations bring, node by node.

use crate::graph::{Graph, NodeId, Op, ValueId};
use crate::quantize::layers::Layer;
use crate::quantize::widen::can_be_wide;
use crate::shrink::{Quantizer, ShrinkError};
use std::collections::{BTreeMap, BTreeSet};

/// A node and what has to compute with 16 bits so that its result is read with them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Gain {
    /// The nodes.
    pub nodes: BTreeSet<NodeId>,
    /// What the mean squared change of the logits loses where they alone compute with 16 bits, per element of the result.
    per_element: f64,
}

/// Measures every node with a 16-bit form, and orders those that bring anything, most per element first. Weights keep the integers that
/// they have beside 8-bit activations.
///
/// # Errors
/// [`ShrinkError::Lower`], [`ShrinkError::Normalize`]: bugs in the pass.
pub(super) fn measure(quantizer: &Quantizer<'_>, int8: &BTreeMap<ValueId, Layer>) -> Result<Vec<Gain>, ShrinkError> {
    let graph = &quantizer.graph;
    let error = |nodes: &BTreeSet<NodeId>| -> Result<Option<f64>, ShrinkError> {
        let wide = quantizer.widened(nodes)?;
        // What has no form after all is refused by the lowering.
        Ok(wide.program_of(wide.rescaled(int8)).ok().map(|program| wide.error(&program)))
    };
    let base = error(&BTreeSet::new())?.unwrap_or(f64::INFINITY);
    let mut gains = Vec::new();
    for (id, node) in graph.nodes().filter(|(_, node)| serves(quantizer, node.output()) && !moves(&node.op)) {
        let nodes = reach(quantizer, id);
        let elements = graph.value(node.output()).shape.iter().product::<usize>();
        if let Some(error) = error(&nodes)?.filter(|&error| error < base) {
            gains.push(Gain { nodes, per_element: (base - error) / elements.max(1) as f64 });
        }
    }
    gains.sort_by(|a, b| b.per_element.total_cmp(&a.per_element).then_with(|| a.nodes.cmp(&b.nodes)));
    Ok(gains)
}

/// A node and its readers, through those that only move elements.
fn reach(quantizer: &Quantizer<'_>, id: NodeId) -> BTreeSet<NodeId> {
    let graph: &Graph = &quantizer.graph;
    let (mut nodes, mut open) = (BTreeSet::from([id]), vec![id]);
    while let Some(id) = open.pop() {
        let Some(node) = graph.node(id) else { continue };
        for &reader in graph.consumers(node.output()) {
            let Some(other) = graph.node(reader).filter(|node| serves(quantizer, node.output())) else { continue };
            if nodes.insert(reader) && moves(&other.op) {
                open.push(reader);
            }
        }
    }
    nodes
}

fn serves(quantizer: &Quantizer<'_>, value: ValueId) -> bool {
    let graph = &quantizer.graph;
    let node = graph.producer(value).and_then(|id| graph.node(id));
    !quantizer.floats.contains(&value) && node.is_some_and(|node| can_be_wide(graph, node))
}

const fn moves(op: &Op) -> bool {
    matches!(
        op,
        Op::Reshape(_) | Op::Transpose(_) | Op::Slice(_) | Op::Pad(_) | Op::Concat(_) | Op::MaxPool2d(_) | Op::Clip(_)
    )
}
