//! Quantisation-aware training: forward with the integers of the artifact, backward straight through them.
//!
//! Before each step the weights are rounded as they will be in the file and the program is run by the runtime itself, row by row. What
//! each op gives there takes the place of the float value, whose gradient stays (Bengio, Leonard and Courville 2013); where the
//! integers saturate, the gradient is nought. So what is trained is what a device computes, to the last bit.

use crate::error::TrainError;
use crate::network::{Network, tensor_of};
use crate::rows::Rows;
use bantam::{AlignedBytes, Session, ops};
use bantam_format::{Arithmetic, DataType};
use bantam_tools::graph::{Graph, Op, ValueId};
use bantam_tools::lower::{Precision, Program, activation_parameters, lower};
use bantam_tools::plan;
use bantam_tools::quantize::weights::{channel_scale, quantize_bias};
use bantam_tools::quantize::{Parameters, QuantizedWeights, WeightBits};
use bantam_tools::shrink::finish;
use bantam_tools::subject::ArtifactFile;
use bantam_tools::tensor::Tensor as HostTensor;
use candle_core::{CpuStorage, CustomOp2, Device, Layout, Shape, Tensor};
use std::collections::{BTreeMap, BTreeSet};

/// What stays the same while a network is trained with its integers.
#[derive(Clone, Debug)]
pub struct Exact<'a> {
    ranges: &'a BTreeMap<ValueId, (f32, f32)>,
    parameters: BTreeMap<ValueId, Parameters>,
    floats: BTreeSet<ValueId>,
    arithmetic: Arithmetic,
    bits: WeightBits,
}

/// The integers of a network as it is, ready to run.
pub struct Run<'a> {
    exact: &'a Exact<'a>,
    artifact: ArtifactFile,
    /// The graph value that each tensor of the artifact holds.
    values: Vec<Option<ValueId>>,
    /// What the integers of weights and biases stand for, by the constant they are made of.
    constants: BTreeMap<ValueId, HostTensor>,
}

impl<'a> Exact<'a> {
    /// Takes the ranges of activations of a calibrated graph.
    ///
    /// # Errors
    /// [`TrainError::Lower`].
    pub fn new(
        graph: &Graph,
        ranges: &'a BTreeMap<ValueId, (f32, f32)>,
        arithmetic: Arithmetic,
        bits: WeightBits,
    ) -> Result<Self, TrainError> {
        let parameters = activation_parameters(graph, ranges, &BTreeSet::new(), arithmetic)?;
        Ok(Self { ranges, parameters, floats: BTreeSet::new(), arithmetic, bits })
    }

    /// The program of a network as it is.
    ///
    /// # Errors
    /// [`TrainError::Lower`].
    pub fn lowered(&self, graph: &Graph) -> Result<Program, TrainError> {
        Ok(self.integers(graph)?.0)
    }

    fn integers(&self, graph: &Graph) -> Result<(Program, BTreeMap<ValueId, QuantizedWeights>), TrainError> {
        let mut layers = BTreeMap::new();
        for (_, node) in graph.nodes() {
            let accumulates = matches!(node.op, Op::Conv2d(_) | Op::ConvTranspose2d(_) | Op::FullyConnected(_));
            let input = node.inputs.first().and_then(|input| self.parameters.get(input));
            let (true, Some(input)) = (accumulates, input) else { continue };
            let floats = |position: usize| {
                let constant = node.inputs.get(position).and_then(|&value| graph.constant(value));
                constant.and_then(|tensor| tensor.as_f32().ok())
            };
            let Some(weights) = floats(1) else { continue };
            let channels = graph.value(node.inputs[1]).shape[0];
            let layer = nearest(weights, floats(2).unwrap_or_default(), channels, input.scale, self.bits);
            layers.insert(node.output(), layer);
        }
        let precision = Precision::Int8 {
            ranges: self.ranges,
            wide: &BTreeSet::new(),
            floats: &self.floats,
            weights: &layers,
            arithmetic: self.arithmetic,
        };
        Ok((lower(graph, precision)?, layers))
    }

    /// The integers of a network as it is.
    ///
    /// # Errors
    /// [`TrainError::Lower`], [`TrainError::Device`].
    pub fn program(&self, network: &Network) -> Result<Run<'_>, TrainError> {
        let graph = network.trained()?;
        let (program, layers) = self.integers(&graph)?;
        let mut constants = BTreeMap::new();
        for (_, node) in graph.nodes() {
            let Some(layer) = layers.get(&node.output()) else { continue };
            let scale = self.parameters[&node.inputs[0]].scale;
            let bias = layer.bias.iter().zip(&layer.scales).map(|(&bias, &own)| bias as f32 * (scale * own)).collect();
            for (&input, items) in node.inputs[1..].iter().zip([layer.dequantized(), bias]) {
                if let Ok(tensor) = HostTensor::from_vec(graph.value(input).shape.clone(), items) {
                    constants.insert(input, tensor);
                }
            }
        }
        let program = plan::apart(program);
        let broken = |error: &dyn std::fmt::Display| TrainError::Device(error.to_string());
        let bytes = bantam_format::writer::write(&program.description).map_err(|error| broken(&error))?;
        let artifact = ArtifactFile::from_bytes(&bytes).map_err(|error| broken(&error))?;
        Ok(Run { exact: self, artifact, values: program.values, constants })
    }

    /// The artifact of a graph with its trained weights.
    ///
    /// # Errors
    /// [`TrainError::Lower`], [`TrainError::Shrink`].
    pub fn artifact(&self, graph: &Graph) -> Result<ArtifactFile, TrainError> {
        Ok(finish(self.lowered(graph)?)?)
    }
}

/// Each weight to the nearest integer.
fn nearest(weights: &[f32], bias: &[f32], channels: usize, input_scale: f32, bits: WeightBits) -> QuantizedWeights {
    let taps = weights.len() / channels.max(1);
    let mut layer = QuantizedWeights { bits, weights: Vec::with_capacity(weights.len()), scales: vec![], bias: vec![] };
    for (channel, row) in weights.chunks(taps.max(1)).enumerate() {
        let bias = bias.get(channel).copied().unwrap_or(0.0);
        let scale = channel_scale(row, bias, input_scale, bits);
        layer.weights.extend(row.iter().map(|&weight| bits.nearest(f64::from(weight) / f64::from(scale))));
        layer.bias.push(quantize_bias(bias, taps, input_scale, scale));
        layer.scales.push(scale);
    }
    layer
}

impl Run<'_> {
    /// What the artifact gives for every row: of each value it holds, the real numbers of all rows.
    ///
    /// # Errors
    /// [`TrainError::Device`].
    pub fn values(&self, rows: &Rows) -> Result<BTreeMap<ValueId, Vec<f32>>, TrainError> {
        let model = self.artifact.model();
        let failed = |error: String| TrainError::Device(error);
        let mut arena = AlignedBytes::zeroed(Session::arena_bytes(&model, &ops::ALL));
        let mut pack = vec![0; Session::pack_bytes(&model, &ops::ALL)];
        let mut session = Session::packed(&model, arena.bytes_mut(), &ops::ALL, &mut pack)
            .map_err(|error| failed(error.to_string()))?;
        let mut values: BTreeMap<ValueId, Vec<f32>> = BTreeMap::new();
        let io = model.inputs().next().ok_or_else(|| failed("it has no input".into()))?;
        let artifact = model.artifact();
        for row in 0..rows.count() {
            let items = rows.row(row);
            if io.tensor.data_type == DataType::I8 {
                let parameters = Parameters { scale: io.scale, zero_point: io.zero_point as i8, wide: false };
                let input = session.input_mut::<i8>(0).map_err(|error| failed(error.to_string()))?;
                input.iter_mut().zip(items).for_each(|(q, &x)| *q = parameters.quantize(x));
            } else {
                session.input_mut::<f32>(0).map_err(|error| failed(error.to_string()))?.copy_from_slice(items);
            }
            let result = session.run_each(|step| {
                let (tensor, bytes) = step.output(0);
                let index = step.op.operand(step.op.input_count);
                let Some(value) = self.values.get(index).copied().flatten() else { return };
                let target = values.entry(value).or_default();
                match (tensor.data_type, artifact.quantization(index)) {
                    (DataType::I8, Some((scale, zero_point))) => {
                        let parameters = Parameters { scale, zero_point: zero_point as i8, wide: false };
                        target.extend(bytes.iter().map(|byte| parameters.dequantize(byte.cast_signed())));
                    }
                    (DataType::F32, _) => {
                        target.extend(bytes.as_chunks::<4>().0.iter().map(|&word| f32::from_le_bytes(word)));
                    }
                    _ => {}
                }
            });
            result.map_err(|error| failed(error.to_string()))?;
        }
        Ok(values)
    }

    /// The values of `wanted` as the artifact has them, with the gradients of the float network.
    ///
    /// # Errors
    /// [`TrainError::Device`], what candle says.
    pub fn forward(&self, network: &Network, rows: &Rows, wanted: &[ValueId]) -> Result<Vec<Tensor>, TrainError> {
        let known = self.values(rows)?;
        let mut constants = BTreeMap::new();
        for variable in network.variables() {
            if let Some(rounded) = self.constants.get(&variable.value) {
                let float = variable.var.as_tensor();
                constants.insert(variable.value, straight_through(float, &tensor_of(rounded)?)?);
            }
        }
        let input = network.graph().inputs().first().map(|port| port.value);
        let result = network.forward_with(&[rows.tensor()?], wanted, &constants, |value, tensor| {
            let parameters = self.exact.parameters.get(&value);
            if Some(value) == input {
                return match parameters {
                    Some(parameters) => {
                        let items = tensor.flatten_all()?.to_vec1::<f32>()?.into_iter();
                        let items: Vec<f32> = items.map(|x| parameters.dequantize(parameters.quantize(x))).collect();
                        Tensor::from_vec(items, tensor.shape(), &Device::Cpu)
                    }
                    None => Ok(tensor),
                };
            }
            let Some(items) = known.get(&value).filter(|items| items.len() == tensor.elem_count()) else {
                return Ok(tensor);
            };
            let device = Tensor::from_slice(items, tensor.shape(), &Device::Cpu)?;
            let tensor = match parameters {
                Some(parameters) => {
                    let [low, high] = [i8::MIN, i8::MAX].map(|q| f64::from(parameters.dequantize(q)));
                    tensor.maximum(low)?.minimum(high)?
                }
                None => tensor,
            };
            straight_through(&tensor, &device)
        });
        Ok(result?)
    }
}

/// The value of one tensor, bit for bit, with the gradient of the other.
fn straight_through(gradient: &Tensor, value: &Tensor) -> candle_core::Result<Tensor> {
    gradient.contiguous()?.apply_op2(&value.contiguous()?, StraightThrough)
}

struct StraightThrough;

impl CustomOp2 for StraightThrough {
    fn name(&self) -> &'static str {
        "straight-through"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        storage: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        match layout.contiguous_offsets() {
            Some((start, end)) => {
                let items = storage.as_slice::<f32>()?[start..end].to_vec();
                Ok((CpuStorage::F32(items), layout.shape().clone()))
            }
            None => candle_core::bail!("values are taken from contiguous tensors"),
        }
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        Ok((Some(gradient.clone()), None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bantam_tools::data::{Dataset, InputSpec};
    use bantam_tools::folder::ModelFolder;
    use bantam_tools::import::onnx::ImportOptions;
    use bantam_tools::quantize::{RangeMethod, calibrate};
    use bantam_tools::shrink::logits;
    use bantam_tools::subject::SourceModel;
    use std::path::Path;

    /// What a loss reads is what the artifact computes, to the last bit, for both roundings and both widths of weights; and the
    /// gradient of every layer is there.
    #[test]
    fn the_forward_pass_is_that_of_the_artifact() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/digits");
        let folder = ModelFolder::open(&folder).unwrap();
        let graph = SourceModel::load(&folder.model, &ImportOptions::default()).unwrap().graph;
        let data = Dataset::load(folder.calibration.as_ref().unwrap(), &InputSpec::of_graph(&graph)).unwrap();
        let rows = Rows::of(&graph, &data).unwrap().select(&(0..20).collect::<Vec<_>>());
        let ranges = calibrate(&graph, &data, RangeMethod::default()).unwrap().ranges;
        let value = logits(&graph).unwrap();
        let output = graph.outputs()[0].value;
        for arithmetic in [Arithmetic::Onnx, Arithmetic::Tflite] {
            for bits in [WeightBits::Eight, WeightBits::Four] {
                let exact = Exact::new(&graph, &ranges, arithmetic, bits).unwrap();
                let network = Network::trainable(&graph).unwrap();
                let run = exact.program(&network).unwrap();
                let got = run.forward(&network, &rows, &[value, output]).unwrap();
                let artifact = exact.artifact(&graph).unwrap();
                let expected = artifact.run_all(&data).unwrap();
                let answers = got[1].to_vec2::<f32>().unwrap();
                for (row, answer) in answers.iter().enumerate() {
                    assert_eq!(*answer, expected[row][0], "{arithmetic:?} {bits:?} row {row}");
                }
                let store = got[0].sqr().unwrap().sum_all().unwrap().backward().unwrap();
                for variable in network.variables() {
                    let gradient = store.get(variable.var.as_tensor()).unwrap().flatten_all().unwrap();
                    let items = gradient.to_vec1::<f32>().unwrap();
                    assert!(
                        items.iter().all(|x| x.is_finite()) && items.iter().any(|&x| x != 0.0),
                        "{}",
                        variable.name
                    );
                }
            }
        }
    }
}
