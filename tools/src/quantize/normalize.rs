//! Tabular inputs whose fields differ in size.
//!
//! One scale for all fields of a row starves the small ones: with fields around 0.01 and around 1000, an 8-bit row
//! keeps nothing of the former. Where a graph input of that kind feeds a fully connected layer, each field is brought
//! to mean 0 and deviation 1 in floating point before it is quantised, and the layer's weights take the inverse.

use super::CalibrationError;
use crate::data::Dataset;
use crate::graph::ops::{Binary, BinaryKind};
use crate::graph::{Graph, GraphError, NodeId, Op, ValueId};
use crate::tensor::Tensor;
use std::collections::BTreeSet;
use thiserror::Error;

/// Largest ratio between the deviations of two fields that one scale may serve.
const MAX_RATIO: f64 = 8.0;

/// Why inputs could not be normalised.
#[derive(Debug, Error)]
pub enum NormalizeError {
    /// The data could not be looked at.
    #[error(transparent)]
    Calibration(#[from] CalibrationError),
    /// The rewrite broke a rule of graphs: a bug in this pass.
    #[error("internal error while normalising inputs: {0}")]
    Graph(#[from] GraphError),
}

/// Mean and deviation of every field of one input.
struct Fields {
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

/// Inserts normalisations where they are needed and returns the values that must stay in floating point.
///
/// # Errors
/// [`NormalizeError`].
pub fn normalize_inputs(graph: &mut Graph, data: &Dataset) -> Result<BTreeSet<ValueId>, NormalizeError> {
    let mut floats = BTreeSet::new();
    let inputs: Vec<ValueId> = graph.inputs().iter().map(|port| port.value).collect();
    for (index, input) in inputs.into_iter().enumerate() {
        let Some(consumer) = tabular_consumer(graph, input) else { continue };
        let fields = statistics(data, index, graph.value(input).shape[1]);
        let live = fields.deviation.iter().copied().filter(|&deviation| deviation > 0.0);
        let (least, most) = live.fold((f64::INFINITY, 0f64), |(a, b), d| (a.min(d), b.max(d)));
        if most / least > MAX_RATIO {
            floats.extend(insert(graph, input, consumer, &fields)?);
        }
    }
    Ok(floats)
}

/// The fully connected layer with constant weights that alone reads a `[1, fields]` input.
fn tabular_consumer(graph: &Graph, input: ValueId) -> Option<NodeId> {
    let consumer = graph.single_consumer(input)?;
    let node = graph.node(consumer)?;
    let constant = node.inputs[1..].iter().all(|&value| graph.constant(value).is_some());
    let tabular = matches!(graph.value(input).shape.as_slice(), [1, fields] if *fields > 1);
    (matches!(node.op, Op::FullyConnected(_)) && constant && tabular).then_some(consumer)
}

fn statistics(data: &Dataset, input: usize, count: usize) -> Fields {
    let (mut sum, mut squares) = (vec![0f64; count], vec![0f64; count]);
    for row in 0..data.rows() {
        let tensors = data.floats(row);
        for (field, &value) in tensors[input].as_f32().unwrap_or(&[]).iter().enumerate() {
            sum[field] += f64::from(value);
            squares[field] += f64::from(value) * f64::from(value);
        }
    }
    let rows = data.rows() as f64;
    let mean: Vec<f64> = sum.iter().map(|sum| sum / rows).collect();
    let deviation = |(square, mean): (&f64, &f64)| (square / rows - mean * mean).max(0.0).sqrt();
    let deviation = squares.iter().zip(&mean).map(deviation).collect();
    Fields { mean, deviation }
}

/// `W x + b = (W / a) (a x + c) + (b - (W / a) c)` with `a = 1 / deviation` and `c = -mean / deviation`.
fn insert(graph: &mut Graph, input: ValueId, layer: NodeId, fields: &Fields) -> Result<Vec<ValueId>, GraphError> {
    let Some(node) = graph.node(layer).cloned() else { return Ok(vec![]) };
    let name = graph.value(input).name.clone();
    // A field that never changes keeps its size.
    let factor = |&deviation: &f64| if deviation > 0.0 { (1.0 / deviation) as f32 } else { 1.0 };
    let factors: Vec<f32> = fields.deviation.iter().map(factor).collect();
    let offsets: Vec<f32> = fields.mean.iter().zip(&factors).map(|(mean, &a)| (-mean * f64::from(a)) as f32).collect();

    let constant = |graph: &Graph, index: usize| -> Vec<f32> {
        let tensor = node.inputs.get(index).and_then(|&value| graph.constant(value));
        tensor.and_then(|tensor| tensor.as_f32().ok()).map(<[f32]>::to_vec).unwrap_or_default()
    };
    let weights = constant(graph, 1);
    let channels = weights.len() / factors.len();
    let mut bias = constant(graph, 2);
    bias.resize(channels, 0.0);
    let mut scaled = Vec::with_capacity(weights.len());
    for (row, bias) in weights.chunks(factors.len()).zip(&mut bias) {
        let mut shift = 0f64;
        for ((&weight, &a), &c) in row.iter().zip(&factors).zip(&offsets) {
            let weight = f64::from(weight) / f64::from(a);
            shift += weight * f64::from(c);
            scaled.push(weight as f32);
        }
        *bias = (f64::from(*bias) - shift) as f32;
    }
    let count = factors.len();
    let factors = graph.add_constant(format!("{name}/factors"), Tensor::vector(factors));
    let offsets = graph.add_constant(format!("{name}/offsets"), Tensor::vector(offsets));
    let scaled = Tensor::from_vec(vec![channels, count], scaled).expect("as many weights as before");
    let weights = graph.add_constant(format!("{}/weights", node.name), scaled);
    let bias = graph.add_constant(format!("{}/bias", node.name), Tensor::vector(bias));
    let multiply = Op::Binary(Binary::new(BinaryKind::Mul));
    let add = Op::Binary(Binary::new(BinaryKind::Add));
    let product = graph.insert_before(layer, format!("{name}/scale"), multiply, &[input, factors])?;
    let normal = graph.insert_before(layer, format!("{name}/shift"), add, &[product, offsets])?;
    graph.set_inputs(layer, &[normal, weights, bias])?;
    Ok(vec![input, product, normal])
}
