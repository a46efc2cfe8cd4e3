//! A network as ONNX: in floats, or quantised, with every activation and weight as integers between `QuantizeLinear` and
//! `DequantizeLinear`.
//!
//! Images are channels second, as ONNX has them. Between the two operators stands one float operator, so that an engine with
//! integer kernels fuses the three: products of convolutions and matrices then give the integers of the artifact in the `onnx`
//! arithmetic. A clamp that the integers' own range does not imply is a `Clip` of integers.

use super::proto::{Proto, float, int, ints};
use crate::graph::ops::{Binary, BinaryKind, Conv2d, Pool2d, Reduce, ReduceKind, Unary};
use crate::graph::{Activation, Graph, Layout, Node, Op, ValueId};
use crate::quantize::layers::Layer;
use crate::quantize::weights::quantize_weights;
use crate::quantize::{Parameters, QuantizedWeights};
use crate::reference::pb::AttributeProto;
use crate::shrink::Quantizer;
use bantam_format::Arithmetic;
use std::collections::BTreeMap;
use thiserror::Error;

/// Why a network was not exported.
#[derive(Debug, Error)]
pub enum ExportError {
    /// Rounded otherwise than ONNX Runtime does.
    #[error(
        "the file would not have the integers of the artifact, which rounds as TensorFlow Lite Micro does; leave out --arithmetic tflite"
    )]
    Arithmetic,
    /// 16-bit activations.
    #[error(
        "the network has 16-bit activations, which operators of QDQ ONNX files are not checked with; a larger --max-drop may do without"
    )]
    Wide,
    /// An operator.
    #[error("node '{node}' ({operator}) cannot be written as ONNX")]
    Operator {
        /// The node.
        node: String,
        /// Its operator.
        operator: &'static str,
    },
}

/// Axes of channels-last images in channels-second order.
const SECOND: [usize; 4] = [0, 3, 1, 2];
/// And back.
const LAST: [usize; 4] = [0, 2, 3, 1];

/// What a quantised network is made of.
#[derive(Clone, Copy)]
struct Integers<'a> {
    quantizer: &'a Quantizer<'a>,
    layers: &'a BTreeMap<ValueId, Layer>,
}

struct Exporter<'a> {
    graph: &'a Graph,
    /// None for a network in floats.
    integers: Option<Integers<'a>>,
    proto: Proto,
    /// What values are called in the file; images are channels second there.
    names: BTreeMap<ValueId, String>,
}

/// Writes a network with these integers.
///
/// # Errors
/// [`ExportError`].
pub fn export(
    quantizer: &Quantizer<'_>,
    layers: &BTreeMap<ValueId, Layer>,
    name: &str,
) -> Result<Vec<u8>, ExportError> {
    if !quantizer.wide.is_empty() {
        return Err(ExportError::Wide);
    }
    if quantizer.arithmetic != Arithmetic::Onnx {
        return Err(ExportError::Arithmetic);
    }
    write(&quantizer.graph, Some(Integers { quantizer, layers }), name)
}

/// Writes a network in floats, images channels second.
///
/// # Errors
/// [`ExportError::Operator`].
pub fn export_floats(graph: &Graph, name: &str) -> Result<Vec<u8>, ExportError> {
    write(graph, None, name)
}

fn write(graph: &Graph, integers: Option<Integers<'_>>, name: &str) -> Result<Vec<u8>, ExportError> {
    let mut exporter = Exporter { graph, integers, proto: Proto::new(name), names: BTreeMap::new() };
    for port in graph.inputs() {
        let shape = &graph.value(port.value).shape;
        let own = port.layout.source_shape(shape);
        exporter.proto.input(&port.name, &own);
        let mut current = port.name.clone();
        if shape.len() == 4 && port.layout == Layout::Source {
            current = exporter.transposed(&current, &SECOND, &format!("{}/second", port.name));
        }
        if !exporter.is_float(port.value) {
            current = exporter.quantized(port.value, &current, None);
        }
        exporter.names.insert(port.value, current);
    }
    for (_, node) in graph.nodes() {
        exporter.node(node)?;
    }
    for port in graph.outputs() {
        let shape = &graph.value(port.value).shape;
        let current = exporter.operand(port.value);
        let passes = graph.inputs().iter().any(|input| input.name == port.name);
        let output = if passes { format!("{}/output", port.name) } else { port.name.clone() };
        if shape.len() == 4 && port.layout == Layout::Source {
            exporter.transposed(&current, &LAST, &output);
        } else {
            exporter.proto.node("Identity", &[&current], &output, vec![]);
        }
        exporter.proto.output(&output, &port.layout.source_shape(shape));
    }
    Ok(exporter.proto.into_bytes())
}

impl Exporter<'_> {
    fn transposed(&mut self, source: &str, permutation: &[usize], output: &str) -> String {
        self.proto.node("Transpose", &[source], output, vec![ints("perm", permutation)])
    }

    /// Scale and zero point of a value that is kept as integers.
    fn parameters(&self, value: ValueId) -> Option<Parameters> {
        self.integers.and_then(|integers| integers.quantizer.parameters.get(&value).copied())
    }

    /// Whether a value stays in floating point.
    fn is_float(&self, value: ValueId) -> bool {
        self.integers.is_none_or(|integers| integers.quantizer.floats.contains(&value))
    }

    /// What the float operator's result of a node is called: as in the graph where that is all there is and the name is its own.
    fn stem(&self, node: &Node) -> String {
        let (output, name) = (node.output().index(), &node.name);
        let own = self.graph.values().iter().filter(|value| value.name == *name).count() == 1;
        match self.integers {
            Some(_) => format!("{output}:{name}/raw"),
            None if own && !name.is_empty() => name.clone(),
            None => format!("{output}:{name}"),
        }
    }

    fn scale(&mut self, stem: &str, parameters: Parameters) -> [String; 2] {
        let scale = self.proto.floats(&format!("{stem}/scale"), &[], &[parameters.scale]);
        [scale, self.proto.bytes(&format!("{stem}/zero_point"), &[], &[parameters.zero_point])]
    }

    /// Puts a real tensor through its integers, clamped, and gives what they stand for.
    fn quantized(&mut self, value: ValueId, real: &str, clamp: Option<Activation>) -> String {
        let Some(parameters) = self.parameters(value) else { return real.to_owned() };
        let stem = format!("{}:{}", value.index(), self.graph.value(value).name);
        let [scale, zero_point] = self.scale(&stem, parameters);
        let mut integers =
            self.proto.node("QuantizeLinear", &[real, &scale, &zero_point], &format!("{stem}/integers"), vec![]);
        if let Some(clamp) = clamp {
            let low = if clamp.min == f32::NEG_INFINITY { i8::MIN } else { parameters.quantize(clamp.min) };
            let high = if clamp.max == f32::INFINITY { i8::MAX } else { parameters.quantize(clamp.max).max(low) };
            if (low, high) != (i8::MIN, i8::MAX) {
                let low = self.proto.bytes(&format!("{stem}/low"), &[], &[low]);
                let high = self.proto.bytes(&format!("{stem}/high"), &[], &[high]);
                integers = self.proto.node("Clip", &[&integers, &low, &high], &format!("{stem}/clamped"), vec![]);
            }
        }
        self.proto.node("DequantizeLinear", &[&integers, &scale, &zero_point], &format!("{stem}/real"), vec![])
    }

    /// A value's name; constants are quantised over their own range.
    fn operand(&mut self, value: ValueId) -> String {
        if let Some(name) = self.names.get(&value) {
            return name.clone();
        }
        let Some(items) = self.graph.constant(value).and_then(|tensor| tensor.as_f32().ok()) else {
            return String::new();
        };
        let stem = format!("{}:{}", value.index(), self.graph.value(value).name);
        let name = self.proto.floats(&stem, &self.graph.value(value).shape, items);
        self.names.insert(value, name.clone());
        name
    }

    /// A constant beside a result: channels second where that is an image, in integers where that is.
    fn beside(&mut self, value: ValueId, result: ValueId) -> Option<String> {
        if let Some(name) = self.names.get(&value) {
            let ranks = [value, result].map(|value| self.graph.value(value).shape.len());
            return (ranks[0] == ranks[1] || ranks[1] != 4).then(|| name.clone());
        }
        let tensor = self.graph.constant(value)?;
        let rank = self.graph.value(result).shape.len();
        let mut shape = vec![1; rank.saturating_sub(tensor.rank())];
        shape.extend(tensor.shape());
        let mut tensor = tensor.clone().reshape(shape).ok()?;
        if rank == 4 {
            tensor = tensor.transpose(&SECOND).ok()?;
        }
        let items = tensor.as_f32().ok()?;
        let stem = format!("{}:{}", value.index(), self.graph.value(value).name);
        if self.is_float(result) {
            return Some(self.proto.floats(&stem, tensor.shape(), items));
        }
        let (low, high) = items.iter().fold((0f32, 0f32), |(low, high), &x| (low.min(x), high.max(x)));
        let parameters = Parameters::covering(low, high);
        let integers: Vec<i8> = items.iter().map(|&x| parameters.quantize(x)).collect();
        let integers = self.proto.bytes(&format!("{stem}/integers"), tensor.shape(), &integers);
        let [scale, zero_point] = self.scale(&stem, parameters);
        Some(self.proto.node(
            "DequantizeLinear",
            &[&integers, &scale, &zero_point],
            &format!("{stem}/real{}", result.index()),
            vec![],
        ))
    }

    fn axis(&self, value: ValueId, axis: usize) -> usize {
        if self.graph.value(value).shape.len() == 4 { [0, 2, 3, 1][axis] } else { axis }
    }

    fn node(&mut self, node: &Node) -> Result<(), ExportError> {
        let output = node.output();
        let refused = || ExportError::Operator { node: node.name.clone(), operator: node.op.name() };
        let stem = self.stem(node);
        let clamp = node.op.activation();
        let real = match &node.op {
            Op::Conv2d(conv) => self.convolution(node, conv, &stem),
            Op::FullyConnected(_) => self.fully_connected(node, &stem),
            Op::MaxPool2d(pool) => self.pool(node, "MaxPool", pool, vec![], &stem),
            Op::AveragePool2d(average) => {
                let counts = vec![int("count_include_pad", average.count_include_pad.into())];
                self.pool(node, "AveragePool", &average.pool, counts, &stem)
            }
            Op::Binary(Binary { kind, .. }) => self.binary(node, *kind, &stem),
            Op::Unary(unary) => self.unary(node, unary, &stem),
            Op::Clip(_) => Some(self.operand(node.inputs[0])),
            Op::Softmax(softmax) => {
                let mut logits = self.operand(node.inputs[0]);
                if softmax.beta != 1.0 {
                    let factor = self.proto.floats(&format!("{stem}/beta"), &[], &[softmax.beta]);
                    logits = self.proto.node("Mul", &[&logits, &factor], &format!("{stem}/logits"), vec![]);
                }
                let axis = self.axis(output, softmax.axis);
                Some(self.proto.node("Softmax", &[&logits], &stem, vec![int("axis", axis)]))
            }
            Op::Reduce(reduce) => self.reduce(node, reduce, &stem),
            Op::Reshape(reshape) => Some(self.reshaped(node, &reshape.shape, &stem)),
            Op::Concat(concat) => {
                let axis = self.axis(output, concat.axis);
                let inputs: Vec<String> = node.inputs.iter().map(|&input| self.operand(input)).collect();
                let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
                Some(self.proto.node("Concat", &inputs, &stem, vec![int("axis", axis)]))
            }
            _ => None,
        };
        let real = real.ok_or_else(refused)?;
        // What stays in floating point beside integers has no clamp.
        let name = match self.integers {
            None => self.clamped(&real, clamp.unwrap_or_default()),
            Some(_) if self.is_float(output) => real,
            Some(_) => self.quantized(output, &real, clamp),
        };
        self.names.insert(output, name);
        Ok(())
    }

    /// A float result, clamped.
    fn clamped(&mut self, real: &str, clamp: Activation) -> String {
        if clamp.is_none() {
            return real.to_owned();
        }
        if clamp == Activation::RELU {
            return self.proto.node("Relu", &[real], &format!("{real}/relu"), vec![]);
        }
        let low = self.proto.floats(&format!("{real}/low"), &[], &[clamp.min.max(f32::MIN)]);
        let high = self.proto.floats(&format!("{real}/high"), &[], &[clamp.max.min(f32::MAX)]);
        self.proto.node("Clip", &[real, &low, &high], &format!("{real}/clamped"), vec![])
    }

    /// The weights and the bias of a layer as operands: `shape` is that of the weights, `items` puts integers or floats of the graph's
    /// order into that of the file.
    fn parameters_of(
        &mut self,
        node: &Node,
        shape: &[usize],
        axis: usize,
        order: &[usize],
        stem: &str,
    ) -> Option<[String; 2]> {
        if self.integers.is_some() {
            let (own, input_scale) = self.integers(node)?;
            let items: Vec<i8> = order.iter().map(|&at| own.weights[at]).collect();
            return Some(self.weights(stem, shape, &items, axis, &own, input_scale));
        }
        let floats =
            |position: usize| node.inputs.get(position).and_then(|&value| self.graph.constant(value)?.as_f32().ok());
        let weights = floats(1)?;
        let items: Vec<f32> = order.iter().map(|&at| weights[at]).collect();
        let channels = shape[axis];
        let bias = floats(2).map_or_else(|| vec![0.0; channels], <[f32]>::to_vec);
        let weights = self.proto.floats(&format!("{stem}/weights"), shape, &items);
        Some([weights, self.proto.floats(&format!("{stem}/bias"), &[channels], &bias)])
    }

    /// The integers of a layer with weights.
    fn integers(&self, node: &Node) -> Option<(QuantizedWeights, f32)> {
        if let Some(layer) = self.integers?.layers.get(&node.output()) {
            return Some((layer.weights.clone(), layer.input_scale));
        }
        let scale = self.parameters(node.inputs[0])?.scale;
        let floats =
            |position: usize| node.inputs.get(position).and_then(|&value| self.graph.constant(value)?.as_f32().ok());
        let channels = *self.graph.value(node.inputs[1]).shape.first()?;
        Some((quantize_weights(floats(1)?, floats(2).unwrap_or(&[]), channels, scale), scale))
    }

    /// Weights per channel of `axis`, and the bias at the scale of the sums.
    fn weights(
        &mut self,
        stem: &str,
        shape: &[usize],
        items: &[i8],
        axis: usize,
        own: &QuantizedWeights,
        input_scale: f32,
    ) -> [String; 2] {
        let channels = own.scales.len();
        let zeros = self.proto.bytes(&format!("{stem}/weights/zero_point"), &[channels], &vec![0; channels]);
        let integers = self.proto.bytes(&format!("{stem}/weights/integers"), shape, items);
        let scales = self.proto.floats(&format!("{stem}/weights/scale"), &[channels], &own.scales);
        let weights = self.proto.node(
            "DequantizeLinear",
            &[&integers, &scales, &zeros],
            &format!("{stem}/weights"),
            vec![int("axis", axis)],
        );
        let sums: Vec<f32> = own.scales.iter().map(|scale| input_scale * scale).collect();
        let scales = self.proto.floats(&format!("{stem}/bias/scale"), &[channels], &sums);
        let zeros = self.proto.words(&format!("{stem}/bias/zero_point"), &[channels], &vec![0; channels]);
        let integers = self.proto.words(&format!("{stem}/bias/integers"), &[channels], &own.bias);
        let bias = self.proto.node(
            "DequantizeLinear",
            &[&integers, &scales, &zeros],
            &format!("{stem}/bias"),
            vec![int("axis", 0)],
        );
        [weights, bias]
    }

    fn convolution(&mut self, node: &Node, conv: &Conv2d, stem: &str) -> Option<String> {
        let shape = self.graph.value(node.inputs[1]).shape.clone();
        let &[out, height, width, depth] = shape.as_slice() else { return None };
        let mut order = Vec::with_capacity(out * height * width * depth);
        for channel in 0..out {
            for input in 0..depth {
                for tap in 0..height * width {
                    order.push((channel * height * width + tap) * depth + input);
                }
            }
        }
        let [weights, bias] = self.parameters_of(node, &[out, depth, height, width], 0, &order, stem)?;
        let input = self.operand(node.inputs[0]);
        let attributes = vec![
            ints("kernel_shape", &[height, width]),
            ints("strides", &conv.stride),
            ints("dilations", &conv.dilation),
            ints("pads", &[conv.padding.top, conv.padding.left, conv.padding.bottom, conv.padding.right]),
            int("group", conv.groups),
        ];
        Some(self.proto.node("Conv", &[&input, &weights, &bias], stem, attributes))
    }

    fn fully_connected(&mut self, node: &Node, stem: &str) -> Option<String> {
        let &[out, depth] = self.graph.value(node.inputs[1]).shape.as_slice() else { return None };
        if self.graph.value(node.inputs[0]).shape.len() != 2 {
            return None;
        }
        let order: Vec<usize> =
            (0..depth).flat_map(|input| (0..out).map(move |channel| channel * depth + input)).collect();
        let [weights, bias] = self.parameters_of(node, &[depth, out], 1, &order, stem)?;
        let input = self.operand(node.inputs[0]);
        // What is kept in floats is read as integers.
        let input = if self.integers.is_some() && self.is_float(node.inputs[0]) {
            self.quantized(node.inputs[0], &input, None)
        } else {
            input
        };
        Some(self.proto.node("Gemm", &[&input, &weights, &bias], stem, vec![]))
    }

    fn pool(
        &mut self,
        node: &Node,
        operator: &str,
        pool: &Pool2d,
        mut more: Vec<AttributeProto>,
        stem: &str,
    ) -> Option<String> {
        let input = self.operand(node.inputs[0]);
        if operator == "AveragePool" && pool.dilation != [1, 1] {
            return None;
        }
        let padding = pool.padding;
        more.push(ints("kernel_shape", &pool.kernel));
        more.push(ints("strides", &pool.stride));
        more.push(ints("pads", &[padding.top, padding.left, padding.bottom, padding.right]));
        if operator == "MaxPool" {
            more.push(ints("dilations", &pool.dilation));
        }
        Some(self.proto.node(operator, &[&input], stem, more))
    }

    fn binary(&mut self, node: &Node, kind: BinaryKind, stem: &str) -> Option<String> {
        let operator = match kind {
            BinaryKind::Add => "Add",
            BinaryKind::Sub => "Sub",
            BinaryKind::Mul => "Mul",
            BinaryKind::Div => "Div",
            BinaryKind::Min => "Min",
            BinaryKind::Max => "Max",
            BinaryKind::PRelu => "PRelu",
            _ => return None,
        };
        let a = self.beside(node.inputs[0], node.output())?;
        let b = self.beside(node.inputs[1], node.output())?;
        Some(self.proto.node(operator, &[&a, &b], stem, vec![]))
    }

    fn unary(&mut self, node: &Node, unary: &Unary, stem: &str) -> Option<String> {
        let (operator, attributes) = match unary {
            Unary::Sigmoid => ("Sigmoid", vec![]),
            Unary::Tanh => ("Tanh", vec![]),
            Unary::Exp => ("Exp", vec![]),
            Unary::Log => ("Log", vec![]),
            Unary::Sqrt => ("Sqrt", vec![]),
            Unary::Neg => ("Neg", vec![]),
            Unary::Abs => ("Abs", vec![]),
            Unary::Erf => ("Erf", vec![]),
            Unary::Reciprocal => ("Reciprocal", vec![]),
            Unary::Softplus => ("Softplus", vec![]),
            Unary::Softsign => ("Softsign", vec![]),
            Unary::Elu { alpha } => ("Elu", vec![float("alpha", *alpha)]),
            Unary::LeakyRelu { alpha } => ("LeakyRelu", vec![float("alpha", *alpha)]),
            Unary::HardSigmoid { alpha, beta } => ("HardSigmoid", vec![float("alpha", *alpha), float("beta", *beta)]),
            _ => return None,
        };
        let input = self.operand(node.inputs[0]);
        Some(self.proto.node(operator, &[&input], stem, attributes))
    }

    fn reduce(&mut self, node: &Node, reduce: &Reduce, stem: &str) -> Option<String> {
        let operator = match reduce.kind {
            ReduceKind::Mean => "ReduceMean",
            ReduceKind::Max => "ReduceMax",
            ReduceKind::Min => "ReduceMin",
            _ => return None,
        };
        let input = self.operand(node.inputs[0]);
        let mut axes: Vec<usize> = reduce.axes.iter().map(|&axis| self.axis(node.inputs[0], axis)).collect();
        axes.sort_unstable();
        let attributes = vec![ints("axes", &axes), int("keepdims", reduce.keep_dims.into())];
        let result = self.proto.node(operator, &[&input], stem, attributes);
        // What is left of an image of other ranks than four must be in the order of the graph.
        let from = self.graph.value(node.inputs[0]).shape.len();
        let kept = from - reduce.axes.len();
        let channels_move =
            from == 4 && !reduce.keep_dims && kept > 1 && !reduce.axes.contains(&3) && reduce.axes != [1, 2];
        (!channels_move).then_some(result)
    }

    /// Elements in the order of the graph, in another shape.
    fn reshaped(&mut self, node: &Node, shape: &[usize], stem: &str) -> String {
        let from = self.graph.value(node.inputs[0]).shape.clone();
        let mut current = self.operand(node.inputs[0]);
        let trivial = |shape: &[usize]| shape.len() != 4 || shape[3] == 1 || shape[1] * shape[2] == 1;
        if !trivial(&from) {
            current = self.transposed(&current, &LAST, &format!("{stem}/last"));
        }
        if shape.len() == 4 && !trivial(shape) {
            let target = self.proto.longs(&format!("{stem}/shape"), shape);
            current = self.proto.node("Reshape", &[&current, &target], &format!("{stem}/reshaped"), vec![]);
            return self.transposed(&current, &SECOND, stem);
        }
        let second: Vec<usize> =
            if shape.len() == 4 { SECOND.iter().map(|&axis| shape[axis]).collect() } else { shape.to_vec() };
        let target = self.proto.longs(&format!("{stem}/shape"), &second);
        self.proto.node("Reshape", &[&current, &target], stem, vec![])
    }
}
