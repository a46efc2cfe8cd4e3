//! What all lowerings share: tensors, constants, epilogues, ops.

use super::{Precision, Program};
use crate::graph::ops::Padding;
use crate::graph::{Activation, Graph, Node, Value, ValueId};
use crate::quantize::Parameters;
use crate::quantize::multiplier::QuantizedMultiplier;
use crate::quantize::weights::{QuantizedWeights, quantize_weights};
use crate::tensor::{DataType as HostType, Tensor};
use bantam_format::ops::{Epilogue, FloatEpilogue, IntegerEpilogue, QuantizeParameters, Window};
use bantam_format::writer::{Constants, ModelDescription, OpDescription, TensorDescription};
use bantam_format::{ABSENT, Arithmetic, DataType, IoRecord, MAX_RANK, Opcode, TensorKind};
use std::collections::{BTreeMap, BTreeSet};

/// The reason a node is refused.
pub(super) type Refusal = String;

/// Collects a program.
pub(super) struct Builder<'g> {
    pub graph: &'g Graph,
    pub arithmetic: Arithmetic,
    pub tensors: Vec<TensorDescription>,
    pub ops: Vec<OpDescription>,
    pub constants: Constants,
    aliases: Vec<Option<u16>>,
    values: Vec<Option<ValueId>>,
    tensor_of: BTreeMap<ValueId, u16>,
    floats: BTreeSet<ValueId>,
    quantized: BTreeMap<ValueId, u16>,
    parameters: BTreeMap<ValueId, Parameters>,
    macs: u64,
}

/// Where an accumulating op's constants ended up.
pub(super) struct Accumulation {
    pub weight_type: u8,
    pub per_channel: u8,
    pub weights: u32,
    pub bias: u32,
    pub epilogue: Epilogue,
}

impl<'g> Builder<'g> {
    pub fn new(graph: &'g Graph, precision: Precision<'_>, parameters: BTreeMap<ValueId, Parameters>) -> Self {
        let (arithmetic, floats) = match precision {
            Precision::Float => (Arithmetic::Float, BTreeSet::new()),
            Precision::Int8 { arithmetic, floats, .. } => (arithmetic, floats.clone()),
        };
        Self {
            graph,
            floats,
            quantized: BTreeMap::new(),
            arithmetic,
            tensors: vec![],
            ops: vec![],
            constants: Constants::default(),
            aliases: vec![],
            values: vec![],
            tensor_of: BTreeMap::new(),
            parameters,
            macs: 0,
        }
    }

    /// Whether the program computes in f32.
    pub fn is_float(&self) -> bool {
        self.arithmetic == Arithmetic::Float
    }

    /// Whether a value is computed in f32.
    pub fn is_float_value(&self, value: ValueId) -> bool {
        self.is_float() || self.floats.contains(&value)
    }

    /// Scale and zero point of an activation of an integer program.
    pub fn parameters(&self, value: ValueId) -> Parameters {
        self.parameters.get(&value).copied().unwrap_or(Parameters { scale: 1.0, zero_point: 0 })
    }

    /// The arena tensor of a value, made at its first use.
    pub fn activation(&mut self, value: ValueId) -> u16 {
        if let Some(&tensor) = self.tensor_of.get(&value) {
            return tensor;
        }
        let Value { name, shape, dtype, .. } = self.graph.value(value);
        let data_type = match dtype {
            HostType::F32 if self.is_float_value(value) => DataType::F32,
            HostType::F32 => DataType::I8,
            _ => DataType::I32,
        };
        let quantization = (data_type == DataType::I8)
            .then(|| self.parameters(value))
            .map(|parameters| (parameters.scale, i32::from(parameters.zero_point)));
        let description = TensorDescription {
            name: name.clone(),
            data_type,
            kind: TensorKind::Arena,
            location: 0,
            dimensions: shape.iter().map(|&d| d as u32).collect(),
            quantization,
        };
        self.add_tensor(description, Some(value))
    }

    /// The tensor an 8-bit op of an integer program (or a float op of a float program) reads a value from: values kept
    /// in floating point are quantised once.
    pub fn operand(&mut self, value: ValueId) -> u16 {
        let source = self.activation(value);
        if self.is_float() || !self.floats.contains(&value) {
            return source;
        }
        if let Some(&tensor) = self.quantized.get(&value) {
            return tensor;
        }
        let parameters = self.parameters(value);
        let zero_point = i32::from(parameters.zero_point);
        let float = &self.tensors[usize::from(source)];
        let description = TensorDescription {
            name: format!("{}/quantized", float.name),
            data_type: DataType::I8,
            quantization: Some((parameters.scale, zero_point)),
            ..float.clone()
        };
        let name = description.name.clone();
        let tensor = self.add_tensor(description, None);
        let mut attributes = Vec::new();
        QuantizeParameters { scale: parameters.scale, zero_point }.write(&mut attributes);
        self.ops.push(OpDescription {
            name,
            opcode: Opcode::Quantize,
            walk_down: false,
            inputs: vec![source],
            outputs: vec![tensor],
            attributes,
        });
        self.quantized.insert(value, tensor);
        tensor
    }

    /// A tensor that shares the memory of `source`.
    pub fn alias(&mut self, value: ValueId, source: u16) {
        let tensor = self.activation(value);
        self.aliases[usize::from(tensor)] = Some(source);
    }

    /// A constant operand as floats or quantised over its own range; returns the tensor and its parameters.
    pub fn constant(&mut self, value: ValueId, tensor: &Tensor, float: bool) -> Result<(u16, Parameters), Refusal> {
        let items = tensor.as_f32().map_err(|error| error.to_string())?;
        let (min, max) = items.iter().fold((0f32, 0f32), |(min, max), &x| (min.min(x), max.max(x)));
        let parameters = Parameters::covering(min, max);
        let bytes = if float {
            float_bytes(items)
        } else {
            items.iter().map(|&x| parameters.quantize(x).cast_unsigned()).collect()
        };
        let description = TensorDescription {
            name: self.graph.value(value).name.clone(),
            data_type: if float { DataType::F32 } else { DataType::I8 },
            kind: TensorKind::Constant,
            location: self.constants.add(bytes),
            dimensions: tensor.shape().iter().map(|&d| d as u32).collect(),
            quantization: (!float).then_some((parameters.scale, i32::from(parameters.zero_point))),
        };
        Ok((self.add_tensor(description, None), parameters))
    }

    fn add_tensor(&mut self, description: TensorDescription, value: Option<ValueId>) -> u16 {
        let tensor = u16::try_from(self.tensors.len()).unwrap_or(u16::MAX);
        self.tensors.push(description);
        self.aliases.push(None);
        self.values.push(value);
        if let Some(value) = value {
            self.tensor_of.insert(value, tensor);
        }
        tensor
    }

    /// Adds an op that reads `inputs` and writes the node's result.
    pub fn op(&mut self, node: &Node, opcode: Opcode, inputs: Vec<u16>, attributes: Vec<u8>) -> Result<(), Refusal> {
        for &value in node.inputs.iter().chain(&node.outputs) {
            let rank = self.graph.value(value).shape.len();
            if rank > MAX_RANK {
                return Err(format!("rank {rank}; at most {MAX_RANK} is supported"));
            }
        }
        let output = self.activation(node.output());
        let name = node.name.clone();
        self.ops.push(OpDescription { name, opcode, walk_down: false, inputs, outputs: vec![output], attributes });
        Ok(())
    }

    /// Counts the multiply-accumulates of an op.
    pub fn count_macs(&mut self, factors: &[usize]) {
        self.macs += factors.iter().map(|&f| f as u64).product::<u64>();
    }

    /// A constant operand's elements.
    pub fn floats(&self, value: ValueId, what: &str) -> Result<&'g [f32], Refusal> {
        let tensor = self.graph.constant(value).ok_or_else(|| format!("{what} must be constant"))?;
        tensor.as_f32().map_err(|error| format!("{what}: {error}"))
    }

    /// Stores weights `[channels, taps]`, bias and requantisation of an accumulating node. `reorder` puts the
    /// weights into the order of the opcode.
    pub fn accumulation(
        &mut self,
        node: &Node,
        channels: usize,
        activation: Activation,
        reorder: impl FnOnce(Vec<u8>, usize) -> Vec<u8>,
    ) -> Result<Accumulation, Refusal> {
        let weights = self.floats(node.inputs[1], "the weights")?;
        let bias = node.inputs.get(2).map_or(Ok(&[][..]), |&bias| self.floats(bias, "the bias"))?;
        let (input, output) = (node.inputs[0], node.output());
        if self.is_float() {
            return Ok(Accumulation {
                weight_type: DataType::F32.code(),
                per_channel: 0,
                weights: self.constants.add(reorder(float_bytes(weights), 4)),
                bias: if bias.is_empty() { ABSENT } else { self.constants.add(float_bytes(bias)) },
                epilogue: float_epilogue(activation),
            });
        }
        let input_scale = self.parameters(input).scale;
        let QuantizedWeights { weights, scales, bias } = quantize_weights(weights, bias, channels, input_scale);
        let weights = weights.into_iter().map(i8::cast_unsigned).collect();
        Ok(Accumulation {
            weight_type: DataType::I8.code(),
            per_channel: 1,
            weights: self.constants.add(reorder(weights, 1)),
            bias: if bias.iter().all(|&b| b == 0) {
                ABSENT
            } else {
                self.constants.add(bias.iter().flat_map(|b| b.to_le_bytes()).collect())
            },
            epilogue: self.integer_epilogue(input, output, &scales, activation),
        })
    }

    /// The epilogue of an op whose accumulators have scale `input scale * scales[channel]`.
    pub fn integer_epilogue(
        &mut self,
        input: ValueId,
        output: ValueId,
        scales: &[f32],
        activation: Activation,
    ) -> Epilogue {
        let (from, to) = (self.parameters(input), self.parameters(output));
        let table = match self.arithmetic {
            Arithmetic::Tflite => {
                let real = |&scale: &f32| f64::from(from.scale) * f64::from(scale) / f64::from(to.scale);
                let entries: Vec<_> = scales.iter().map(real).map(QuantizedMultiplier::new).collect();
                tflite_table(&entries)
            }
            _ => float_bytes(&scales.iter().map(|scale| from.scale * scale / to.scale).collect::<Vec<_>>()),
        };
        let (clamp_min, clamp_max) = clamp(to, activation);
        IntegerEpilogue {
            table: self.constants.add(table),
            input_zero_point: from.zero_point,
            output_zero_point: to.zero_point,
            clamp_min,
            clamp_max,
        }
        .into()
    }

    pub fn into_program(self, io: Vec<IoRecord>) -> Program {
        Program {
            description: ModelDescription {
                arithmetic: self.arithmetic,
                tensors: self.tensors,
                ops: self.ops,
                constants: self.constants.into_bytes(),
                io,
                states: vec![],
                macs: self.macs,
                labels: vec![],
                card: String::new(),
                debug: true,
            },
            aliases: self.aliases,
            values: self.values,
        }
    }
}

/// Multipliers, then shifts.
pub(super) fn tflite_table(entries: &[QuantizedMultiplier]) -> Vec<u8> {
    let multipliers = entries.iter().flat_map(|entry| entry.multiplier.to_le_bytes());
    multipliers.chain(entries.iter().map(|entry| entry.shift.cast_unsigned())).collect()
}

/// Little-endian f32.
pub(super) fn float_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// A float clamp.
pub(super) fn float_epilogue(activation: Activation) -> Epilogue {
    FloatEpilogue { clamp_min: activation.min, clamp_max: activation.max }.into()
}

/// The integers that a clamp lets through.
pub(super) fn clamp(parameters: Parameters, activation: Activation) -> (i8, i8) {
    let low = if activation.min == f32::NEG_INFINITY { i8::MIN } else { parameters.quantize(activation.min) };
    let high = if activation.max == f32::INFINITY { i8::MAX } else { parameters.quantize(activation.max) };
    (low, high.max(low))
}

/// A window record; refuses what its half-words cannot hold.
pub(super) fn window(
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    padding: Padding,
) -> Result<Window, Refusal> {
    let half_word =
        |value: usize, what: &str| u16::try_from(value).map_err(|_| format!("{what} {value} is beyond {}", u16::MAX));
    Ok(Window {
        kernel_height: half_word(kernel[0], "kernel height")?,
        kernel_width: half_word(kernel[1], "kernel width")?,
        stride_height: half_word(stride[0], "stride")?,
        stride_width: half_word(stride[1], "stride")?,
        dilation_height: half_word(dilation[0], "dilation")?,
        dilation_width: half_word(dilation[1], "dilation")?,
        pad_top: half_word(padding.top, "padding")?,
        pad_left: half_word(padding.left, "padding")?,
    })
}
