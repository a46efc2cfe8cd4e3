//! Post-training quantisation of weights, layer by layer.
//!
//! The float model and its quantised twin run side by side over some rows. At each layer with weights, what the twin's layers
//! before give decides the rounding ([`rounding`](super::rounding), [`clip`](super::clip)) and the bias
//! ([`bias`](super::bias)), so that a layer makes up for errors of those before it. Activations of the twin are rounded as the
//! device rounds them, up to the arithmetic's own last bit.

use super::CalibrationError;
use super::bias;
use super::clip::best_scale;
use super::parameters::Parameters;
use super::reconstruction::{Samples, reconstruct};
use super::rounding::Rounder;
use super::statistics::{Statistics, Windows};
use super::weights::{QuantizedWeights, WeightBits, quantize_bias};
use crate::data::Dataset;
use crate::execute::{ExecuteError, evaluate};
use crate::graph::{Activation, Graph, Node, Op, ValueId};
use crate::parallel;
use crate::tensor::{DataType, Tensor};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

/// Most rows that are run side by side.
const MOST_ROWS: usize = 256;
/// Elements of activations that may be held for all rows together.
const MOST_ELEMENTS: usize = 1 << 26;

/// Parts of the rows over which sums are taken.
const PARTS: usize = 4;

/// What the twin computes with.
#[derive(Clone, Copy, Debug)]
pub struct Twin<'a> {
    /// Scale and zero point of each activation.
    pub parameters: &'a BTreeMap<ValueId, Parameters>,
    /// Activations that stay in floating point.
    pub floats: &'a BTreeSet<ValueId>,
    /// Width of the weights of the layer that makes a value; 8 bits where there is none.
    pub bits: &'a BTreeMap<ValueId, WeightBits>,
    /// Whether narrow weights are rounded anew by what their layers give, which takes long.
    pub refines: bool,
    /// Chooses the windows that are looked at.
    pub seed: u64,
}

/// What was chosen for the layer that makes a value.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The weights as integers.
    pub weights: QuantizedWeights,
    /// What the layer read and should give.
    pub statistics: Statistics,
    /// Where its windows lie.
    pub windows: Windows,
    /// Scale of its input.
    pub input_scale: f32,
}

/// The tensors of one row, real and quantised.
type Row = BTreeMap<ValueId, [Tensor; 2]>;

/// Quantises every layer with constant float weights and an 8-bit input.
///
/// # Errors
/// [`CalibrationError::Execute`].
pub fn quantize_layers(
    graph: &Graph,
    data: &Dataset,
    twin: Twin<'_>,
) -> Result<BTreeMap<ValueId, Layer>, CalibrationError> {
    let chosen = chosen_rows(graph, data.rows());
    let failed = |row: usize| move |error| CalibrationError::Execute { row, error };
    let mut rows: Vec<Row> = chosen.iter().map(|&row| start(graph, data, twin, row)).collect();
    let mut uses: BTreeMap<ValueId, usize> =
        graph.value_ids().map(|value| (value, graph.consumers(value).len())).collect();
    let mut layers = BTreeMap::new();
    for (_, node) in graph.nodes() {
        let output = node.output();
        let layer = match quantizable(graph, node, twin) {
            Some(windows) => {
                let (layer, results) = quantize_layer(graph, node, twin, windows, &rows, &chosen)?;
                for (row, tensors) in rows.iter_mut().zip(results) {
                    row.insert(output, tensors);
                }
                Some(layer)
            }
            None => {
                // What stays in floating point comes from what does.
                let sides = if twin.floats.contains(&output) { [0, 0] } else { [0, 1] };
                let results = parallel::map_rows(rows.len(), |row| {
                    let result = sides.map(|side| run(graph, node, &node.op, &rows[row], side, None));
                    let [real, quantized] = result.map(|tensor| tensor.map_err(failed(chosen[row])));
                    Ok([real?, stored(graph, twin, output, quantized?)])
                })?;
                for (row, tensors) in rows.iter_mut().zip(results) {
                    row.insert(output, tensors);
                }
                None
            }
        };
        layers.extend(layer.map(|layer| (output, layer)));
        for input in &node.inputs {
            let left = uses.entry(*input).or_default();
            *left = left.saturating_sub(1);
            if *left == 0 {
                rows.iter_mut().for_each(|row| drop(row.remove(input)));
            }
        }
        if graph.consumers(output).is_empty() {
            rows.iter_mut().for_each(|row| drop(row.remove(&output)));
        }
    }
    Ok(layers)
}

impl Layer {
    /// The weights beside inputs of another scale: the same integers, with the bias in its steps.
    #[must_use]
    pub fn reading(&self, input_scale: f32) -> QuantizedWeights {
        let mut weights = self.weights.clone();
        let ratio = f64::from(self.input_scale) / f64::from(input_scale);
        weights.bias.iter_mut().for_each(|bias| *bias = (f64::from(*bias) * ratio).round_ties_even() as i32);
        weights
    }

    /// The layer's weights at another width, with the bias that belongs to them.
    #[must_use]
    pub fn at(&self, real: &[f32], real_bias: &[f32], bits: WeightBits) -> QuantizedWeights {
        quantized(&self.windows, &self.statistics, real, real_bias, self.input_scale, bits)
    }
}

/// Rows spread evenly over the data, as many as may be held.
fn chosen_rows(graph: &Graph, rows: usize) -> Vec<usize> {
    let elements: usize = graph
        .values()
        .iter()
        .filter(|v| v.constant.is_none())
        .map(|v| v.shape.iter().product::<usize>())
        .max()
        .unwrap_or(1);
    let count = rows.min(MOST_ROWS).min((MOST_ELEMENTS / (4 * elements.max(1))).max(16));
    (0..count).map(|index| index * rows / count.max(1)).collect()
}

/// The windows of a layer whose weights are quantised here.
fn quantizable(graph: &Graph, node: &Node, twin: Twin<'_>) -> Option<Windows> {
    let windows = Windows::of(graph, node)?;
    let real = |value: &ValueId| graph.constant(*value).is_some_and(|tensor| tensor.as_f32().is_ok());
    let integers = twin.parameters.contains_key(&node.inputs[0]) && !twin.floats.contains(&node.output());
    (integers && node.inputs[1..].iter().all(real)).then_some(windows)
}

/// The inputs of one row.
fn start(graph: &Graph, data: &Dataset, twin: Twin<'_>, row: usize) -> Row {
    let mut tensors = Row::new();
    for (port, tensor) in graph.inputs().iter().zip(data.inputs(graph, row)) {
        let quantized = stored(graph, twin, port.value, tensor.clone());
        tensors.insert(port.value, [tensor, quantized]);
    }
    for (read, _, initial) in graph.states() {
        tensors.insert(read.value, [initial.clone(), stored(graph, twin, read.value, initial.clone())]);
    }
    tensors
}

/// A tensor as integer layers read it, in real numbers.
fn stored(graph: &Graph, twin: Twin<'_>, value: ValueId, mut tensor: Tensor) -> Tensor {
    let real = graph.value(value).dtype == DataType::F32;
    if let Some(parameters) = twin.parameters.get(&value).filter(|_| real)
        && let Ok(items) = tensor.as_mut_slice::<f32>()
    {
        items.iter_mut().for_each(|x| *x = parameters.rounded(*x));
    }
    tensor
}

/// Runs a node on one side of a row; `weights` stand for its own weights and bias.
fn run(
    graph: &Graph,
    node: &Node,
    op: &Op,
    row: &Row,
    side: usize,
    weights: Option<&[Tensor; 2]>,
) -> Result<Tensor, ExecuteError> {
    let operand = |(position, value): (usize, &ValueId)| {
        let own = weights.and_then(|weights| weights.get(position.wrapping_sub(1)));
        own.or_else(|| graph.constant(*value))
            .or_else(|| row.get(value).map(|sides| &sides[side]))
            .ok_or_else(|| ExecuteError::Undefined { value: graph.value(*value).name.clone() })
    };
    let mut operands = node.inputs.iter().enumerate().map(operand).collect::<Result<Vec<_>, _>>()?;
    if let (Some([_, bias]), 2) = (weights, operands.len()) {
        operands.push(bias);
    }
    let mut results = evaluate(op, &operands)?;
    Ok(results.swap_remove(0))
}

/// The operator without its clamp, and the clamp.
fn unclamped(op: &Op) -> (Op, Activation) {
    let mut op = op.clone();
    let activation = op.activation_mut().map_or(Activation::NONE, |own| std::mem::replace(own, Activation::NONE));
    (op, activation)
}

/// Chooses the weights of one layer and runs both sides of all rows through it.
fn quantize_layer(
    graph: &Graph,
    node: &Node,
    twin: Twin<'_>,
    windows: Windows,
    rows: &[Row],
    chosen: &[usize],
) -> Result<(Layer, Vec<[Tensor; 2]>), CalibrationError> {
    let output = node.output();
    let (op, activation) = unclamped(&node.op);
    let failed = |row: usize| move |error| CalibrationError::Execute { row: chosen[row], error };
    let mut real =
        parallel::map_rows(rows.len(), |row| run(graph, node, &op, &rows[row], 0, None).map_err(failed(row)))?;
    let input = node.inputs[0];
    let quantized_input = |row: usize| rows[row].get(&input).map(|sides| &sides[1]);
    // Always the same parts, so that sums do not depend on the number of threads.
    let parts = parallel::map_rows(PARTS, |part| {
        let mut statistics = Statistics::default();
        let [start, end] = [part, part + 1].map(|part| rows.len() * part / PARTS);
        for (row, real) in real.iter().enumerate().take(end).skip(start) {
            let Some(input) = quantized_input(row) else { continue };
            statistics.add(&windows, input, real, [row, rows.len()], twin.seed).map_err(failed(row))?;
        }
        Ok(statistics)
    })?;
    let mut statistics = Statistics::default();
    parts.into_iter().for_each(|part| statistics.merge(part));
    let floats = |position: usize| -> &[f32] {
        let constant = node.inputs.get(position).and_then(|&value| graph.constant(value));
        constant.and_then(|tensor| tensor.as_f32().ok()).unwrap_or(&[])
    };
    let parameters = twin.parameters[&input];
    let bits = twin.bits.get(&output).copied().unwrap_or_default();
    let mut weights = quantized(&windows, &statistics, floats(1), floats(2), parameters.scale, bits);
    if twin.refines && bits == WeightBits::Four {
        let sides: Vec<[&Tensor; 2]> =
            real.iter().enumerate().filter_map(|(row, real)| Some([quantized_input(row)?, real])).collect();
        let samples = Samples::of(&windows, &statistics, &sides, twin.seed);
        let improved = reconstruct(&samples, &windows, &statistics, floats(1), activation, &weights);
        for (channel, integers) in improved.into_iter().enumerate() {
            let Some(integers) = integers else { continue };
            let bias = floats(2).get(channel).copied().unwrap_or(0.0);
            weights.bias[channel] = fitting_bias(
                &windows,
                &statistics,
                channel,
                &integers,
                [weights.scales[channel], parameters.scale],
                bias,
            );
            weights.weights[channel * windows.taps..(channel + 1) * windows.taps].copy_from_slice(&integers);
        }
    }
    let shape = graph.value(node.inputs[1]).shape.clone();
    let bias = weights
        .bias
        .iter()
        .zip(&weights.scales)
        .map(|(&b, &s)| (f64::from(b) * f64::from(s) * f64::from(parameters.scale)) as f32);
    let constants = [Tensor::from_vec(shape, weights.dequantized()), Ok(Tensor::vector(bias.collect::<Vec<_>>()))];
    let [Ok(first), Ok(second)] = constants else { unreachable!("as many weights as before") };
    let constants = [first, second];
    let quantized = parallel::map_rows(rows.len(), |row| {
        let mut result = run(graph, node, &op, &rows[row], 1, Some(&constants)).map_err(failed(row))?;
        clamp(&mut result, activation);
        Ok(stored(graph, twin, output, result))
    })?;
    real.iter_mut().for_each(|tensor| clamp(tensor, activation));
    let tensors = real.into_iter().zip(quantized).map(|(real, quantized)| [real, quantized]).collect();
    Ok((Layer { weights, statistics, windows, input_scale: parameters.scale }, tensors))
}

fn clamp(tensor: &mut Tensor, activation: Activation) {
    if let (false, Ok(items)) = (activation.is_none(), tensor.as_mut_slice::<f32>()) {
        items.iter_mut().for_each(|x| *x = activation.apply(*x));
    }
}

/// Rounds the weights of a layer and corrects its bias.
fn quantized(
    windows: &Windows,
    statistics: &Statistics,
    weights: &[f32],
    bias: &[f32],
    input_scale: f32,
    bits: WeightBits,
) -> QuantizedWeights {
    let rows: Vec<&[f32]> = weights.chunks(windows.taps.max(1)).collect();
    let bias_of = |channel: usize| bias.get(channel).copied().unwrap_or(0.0);
    // The channels of a group share what they read.
    let Ok(rounders) = parallel::map_rows(windows.groups, |group| {
        let covariance = statistics.covariance(group);
        Ok::<_, Infallible>(covariance.and_then(|covariance| Rounder::new(&covariance, statistics.damping())))
    });
    let Ok(rounded) = parallel::map_rows(rows.len(), |channel| {
        let rounder = rounders.get(windows.group_of(channel)).and_then(Option::as_ref);
        Ok::<_, Infallible>(best_scale(rounder, rows[channel], bias_of(channel), input_scale, bits))
    });
    let mut quantized =
        QuantizedWeights { bits, weights: Vec::with_capacity(weights.len()), scales: vec![], bias: vec![] };
    for (channel, (scale, integers)) in rounded.into_iter().enumerate() {
        let scales = [scale, input_scale];
        quantized.bias.push(fitting_bias(windows, statistics, channel, &integers, scales, bias_of(channel)));
        quantized.scales.push(scale);
        quantized.weights.extend(integers);
    }
    quantized
}

/// The corrected bias of a channel with these integers, as an integer; `bias` where nothing is known to correct it by.
fn fitting_bias(
    windows: &Windows,
    statistics: &Statistics,
    channel: usize,
    integers: &[i8],
    [scale, input_scale]: [f32; 2],
    bias: f32,
) -> i32 {
    let real: Vec<f32> = integers.iter().map(|&weight| f32::from(weight) * scale).collect();
    let corrected = bias::corrected(statistics, [channel, windows.group_of(channel)], &real);
    quantize_bias(corrected.unwrap_or(bias), windows.taps, input_scale, scale)
}
