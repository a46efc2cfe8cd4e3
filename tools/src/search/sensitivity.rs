//! What a layer costs when it alone has 4-bit weights.

use crate::graph::{Op, ValueId};
use crate::quantize::WeightBits;
use crate::quantize::layers::Layer;
use crate::shrink::{Quantizer, ShrinkError};
use serde::Serialize;
use std::collections::BTreeMap;

/// When a layer is narrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// In its turn.
    Usual,
    /// After all others: depthwise layers, the first and the last, which lose most and save least.
    Last,
}

/// One layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sensitivity {
    /// The value it makes.
    #[serde(skip)]
    pub value: ValueId,
    /// Its name.
    pub layer: String,
    /// Its operator.
    pub operator: &'static str,
    /// Its weights.
    pub weights: usize,
    /// Bytes that 4-bit weights save.
    pub bytes_saved: usize,
    /// Growth of the mean squared change of the logits, in parts of their power.
    pub loss: f64,
    /// When it is narrowed.
    pub tier: Tier,
}

/// Measures every layer, in the order in which they are to be narrowed: by tier, then by loss per byte. `base` is the change of the
/// logits where all have 8 bits.
///
/// # Errors
/// [`ShrinkError::Lower`].
pub(super) fn measure(
    quantizer: &Quantizer<'_>,
    int8: &BTreeMap<ValueId, Layer>,
    base: f64,
) -> Result<Vec<Sensitivity>, ShrinkError> {
    let graph = &quantizer.graph;
    let order: Vec<ValueId> =
        graph.nodes().map(|(_, node)| node.output()).filter(|value| int8.contains_key(value)).collect();
    let mut found = Vec::new();
    for (&value, layer) in int8 {
        let Some(node) = graph.producer(value).and_then(|node| graph.node(node)) else { continue };
        let floats = |position: usize| -> &[f32] {
            let constant = node.inputs.get(position).and_then(|&input| graph.constant(input));
            constant.and_then(|tensor| tensor.as_f32().ok()).unwrap_or(&[])
        };
        let weights = layer.weights.weights.len();
        let bytes = |bits: WeightBits| bits.bytes(weights).next_multiple_of(4);
        let bytes_saved = bytes(WeightBits::Eight).saturating_sub(bytes(WeightBits::Four));
        if bytes_saved == 0 {
            continue;
        }
        let mut alone = int8.clone();
        if let Some(own) = alone.get_mut(&value) {
            own.weights = layer.at(floats(1), floats(2), WeightBits::Four);
        }
        let error = quantizer.error(&quantizer.program(&alone)?);
        let depthwise = matches!(node.op, Op::Conv2d(_))
            && layer.windows.groups > 1
            && layer.windows.groups == layer.windows.channels;
        let outermost = order.first() == Some(&value) || order.last() == Some(&value);
        found.push(Sensitivity {
            value,
            layer: graph.value(value).name.clone(),
            operator: node.op.name(),
            weights,
            bytes_saved,
            loss: (error - base).max(0.0),
            tier: if depthwise || outermost { Tier::Last } else { Tier::Usual },
        });
    }
    found.sort_by(|a, b| {
        let per_byte = |layer: &Sensitivity| layer.loss / layer.bytes_saved as f64;
        (a.tier.cmp(&b.tier)).then(per_byte(a).total_cmp(&per_byte(b))).then(a.value.cmp(&b.value))
    });
    Ok(found)
}
