//! What all lowerings share: tensors, constants, epilogues, ops.

use super::quantization::{OwnWeights, integer_bytes, own_weights};
use super::view::View;
use super::{Precision, Program, wide};
use crate::execute::dequantized;
use crate::graph::ops::Dequantize;
use crate::graph::{Activation, Graph, Node, Op, Value, ValueId};
use crate::quantize::Parameters;
use crate::quantize::half::exactly;
use crate::quantize::multiplier::QuantizedMultiplier;
use crate::quantize::reference;
use crate::quantize::weights::{QuantizedWeights, WeightBits, quantize_weights};
use crate::tensor::{DataType as HostType, Tensor};
use bantam_format::ops::{
    Accumulation, Epilogue, FloatEpilogue, IntegerEpilogue, QuantizeParameters, Table, WeightType,
};
use bantam_format::writer::{Constants, ModelDescription, OpDescription, TensorDescription};
use bantam_format::{ABSENT, Arithmetic, DataType, IoRecord, Opcode, StateRecord, TensorKind};
use std::borrow::Cow;
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
    converted: BTreeMap<(ValueId, FormKey), u16>,
    parameters: BTreeMap<ValueId, Parameters>,
    weights: &'g BTreeMap<ValueId, QuantizedWeights>,
    /// Whether the integers are the model's own: values without parameters are real numbers.
    pub own_integers: bool,
    pub states: Vec<StateRecord>,
    macs: u64,
}

/// How the elements of a tensor are stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Form {
    /// 32-bit integers that stand for themselves: positions, truth values.
    Word,
    /// 32-bit floats.
    Float,
    /// 8-bit or 16-bit integers that stand for reals.
    Integer(Parameters),
}

/// What distinguishes forms, with an order: the bits of the scale and the zero point of integers.
type FormKey = (u8, u32, i8);

impl Form {
    fn key(self) -> FormKey {
        match self {
            Self::Word => (0, 0, 0),
            Self::Float => (1, 0, 0),
            Self::Integer(parameters) => {
                (2 + u8::from(parameters.wide), parameters.scale.to_bits(), parameters.zero_point)
            }
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Word => "word",
            Self::Float => "float",
            Self::Integer(_) => "quantized",
        }
    }

    fn describe(self, name: &str, shape: &[usize]) -> TensorDescription {
        let (data_type, quantization) = match self {
            Self::Word => (DataType::I32, None),
            Self::Float => (DataType::F32, None),
            Self::Integer(parameters) => (
                if parameters.wide { DataType::I16 } else { DataType::I8 },
                Some((parameters.scale, i32::from(parameters.zero_point))),
            ),
        };
        TensorDescription {
            name: name.to_owned(),
            data_type,
            kind: TensorKind::Arena,
            location: 0,
            dimensions: shape.iter().map(|&d| d as u32).collect(),
            quantization,
        }
    }
}

impl<'g> Builder<'g> {
    pub fn new(graph: &'g Graph, precision: Precision<'g>, parameters: BTreeMap<ValueId, Parameters>) -> Self {
        static NONE: BTreeMap<ValueId, QuantizedWeights> = BTreeMap::new();
        let (arithmetic, floats) = match precision {
            Precision::Float => (Arithmetic::Float, BTreeSet::new()),
            Precision::Int8 { arithmetic, floats, .. } => (arithmetic, floats.clone()),
            Precision::Quantized { arithmetic } => {
                let real =
                    |value: &ValueId| graph.value(*value).dtype == HostType::F32 && !parameters.contains_key(value);
                (arithmetic, graph.value_ids().filter(real).collect())
            }
        };
        Self {
            graph,
            floats,
            converted: BTreeMap::new(),
            arithmetic,
            tensors: vec![],
            ops: vec![],
            constants: Constants::default(),
            aliases: vec![],
            values: vec![],
            tensor_of: BTreeMap::new(),
            parameters,
            weights: if let Precision::Int8 { weights, .. } = precision { weights } else { &NONE },
            own_integers: matches!(precision, Precision::Quantized { .. }),
            states: vec![],
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
        self.parameters.get(&value).copied().unwrap_or(Parameters { scale: 1.0, zero_point: 0, wide: false })
    }

    /// The arena tensor of a value, made at its first use.
    pub fn activation(&mut self, value: ValueId) -> u16 {
        if let Some(&tensor) = self.tensor_of.get(&value) {
            return tensor;
        }
        let Value { name, shape, .. } = self.graph.value(value);
        let description = self.form(value).describe(name, shape);
        self.add_tensor(description, Some(value))
    }

    /// Declares that a value is computed in f32. Before its tensor is made.
    pub fn make_float(&mut self, value: ValueId) {
        self.floats.insert(value);
    }

    /// How a value is stored.
    pub fn form(&self, value: ValueId) -> Form {
        match self.graph.value(value).dtype {
            HostType::F32 if self.is_float_value(value) => Form::Float,
            HostType::F32 => Form::Integer(self.parameters(value)),
            HostType::I8 | HostType::U8 | HostType::I16 if self.parameters.contains_key(&value) => {
                Form::Integer(self.parameters(value))
            }
            _ => Form::Word,
        }
    }

    /// Whether a value has no scale: it can only be read as real numbers.
    pub fn is_real(&self, value: ValueId) -> bool {
        self.is_float() || (self.own_integers && !self.parameters.contains_key(&value))
    }

    /// Declares that a node of a quantised model is computed in f32, if it reads real numbers.
    pub fn settle(&mut self, node: &Node) {
        let reads_real = |inputs: &[ValueId]| {
            inputs.iter().any(|&input| self.graph.value(input).dtype == HostType::F32 && self.is_real(input))
        };
        let float = match &node.op {
            // They quantise what they take, which changes nothing.
            Op::Quantize(_) | Op::Dequantize(_) | Op::Concat(_) | Op::Select | Op::Pad(_) => false,
            Op::Reshape(_) | Op::Transpose(_) | Op::Slice(_) | Op::Gather(_) => false,
            Op::Conv2d(_) | Op::ConvTranspose2d(_) | Op::FullyConnected(_) => {
                let (from, to) = (self.parameters(node.inputs[0]), self.parameters(node.output()));
                // What is refused is refused when it is lowered.
                self.is_real(node.inputs[0])
                    || from.wide != to.wide
                    || matches!(own_weights(self.graph, node, from), Ok(None))
            }
            _ => reads_real(&node.inputs) || wide::is_missing(self, node),
        };
        if self.own_integers && float {
            self.make_float(node.output());
        }
    }

    /// Whether a node computes its result in f32.
    pub fn computes_floats(&self, node: &Node) -> bool {
        self.form(node.output()) == Form::Float
    }

    /// The form that a node reads an operand in: floats for a float result, else 8-bit integers.
    pub fn own_form(&self, node: &Node, value: ValueId) -> Form {
        if self.computes_floats(node) { Form::Float } else { Form::Integer(self.parameters(value)) }
    }

    /// The tensor a node reads an operand from: values kept in floating point are quantised once.
    pub fn operand(&mut self, node: &Node, value: ValueId) -> u16 {
        self.read(value, self.own_form(node, value))
    }

    /// The tensor that holds a value in this form: its own, or one converted from it, once. A constant is stored in the
    /// form. Integers that are not quantised are words in every form but floats.
    pub fn read(&mut self, value: ValueId, form: Form) -> u16 {
        if let Some(constant) = self.graph.constant(value) {
            return self.stored(value, constant, form);
        }
        if let Some((integers, dequantize)) = self.graph.quantized_constant(value) {
            return self.stored_quantized(value, integers, dequantize, form);
        }
        let source = self.activation(value);
        let own = self.form(value);
        // The model's own integers are moved as they are, whatever they stand for.
        let integers = self.graph.value(value).dtype != HostType::F32;
        let same = matches!((own, form), (Form::Integer(_), Form::Integer(_)) if integers);
        if own == form || same || (own == Form::Word && form != Form::Float) {
            return source;
        }
        if let Some(&tensor) = self.converted.get(&(value, form.key())) {
            return tensor;
        }
        let shape = self.graph.value(value).shape.clone();
        let name = format!("{}/{}", self.graph.value(value).name, form.name());
        let tensor = self.temporary(&name, form, &shape);
        let mut attributes = Vec::new();
        let record = |parameters: Parameters| QuantizeParameters {
            scale: parameters.scale,
            zero_point: i32::from(parameters.zero_point),
        };
        let opcode = match (own, form) {
            (Form::Integer(from), Form::Integer(to)) => {
                if from.wide || to.wide {
                    let attributes = wide::requantization(wide::Scale::of(from), wide::Scale::of(to));
                    self.emit(&name, Opcode::Rescale, vec![source], tensor, attributes);
                    self.converted.insert((value, form.key()), tensor);
                    return tensor;
                }
                let entries = match self.arithmetic {
                    Arithmetic::Tflite => reference::requantized(from, to).map(i8::cast_unsigned).to_vec(),
                    _ => (i8::MIN..=i8::MAX).map(|q| to.quantize(from.dequantize(q)).cast_unsigned()).collect(),
                };
                Table { table: self.constants.add(entries) }.write(&mut attributes);
                Opcode::Table
            }
            (Form::Integer(from), Form::Word) => {
                let unsigned = self.graph.value(value).dtype == HostType::U8;
                let itself = Parameters { scale: 1.0, zero_point: if unsigned { i8::MIN } else { 0 }, wide: from.wide };
                let real = self.temporary(&format!("{name}/real"), Form::Float, &shape);
                let mut conversion = Vec::new();
                record(itself).write(&mut conversion);
                self.emit(&name, Opcode::Dequantize, vec![source], real, conversion);
                self.emit(&name, Opcode::Cast, vec![real], tensor, attributes);
                self.converted.insert((value, form.key()), tensor);
                return tensor;
            }
            (Form::Integer(from), _) => {
                record(from).write(&mut attributes);
                Opcode::Dequantize
            }
            (_, Form::Integer(to)) => {
                record(to).write(&mut attributes);
                Opcode::Quantize
            }
            _ => Opcode::Cast,
        };
        self.emit(&name, opcode, vec![source], tensor, attributes);
        self.converted.insert((value, form.key()), tensor);
        tensor
    }

    /// A constant tensor.
    pub fn stored(&mut self, value: ValueId, constant: &Tensor, form: Form) -> u16 {
        if let Form::Integer(parameters) = form
            && let Some(bytes) = integer_bytes(constant, parameters.wide)
        {
            return self.add_constant(value, constant.shape(), form, bytes);
        }
        let bytes = match (form, constant.as_f32()) {
            (Form::Integer(parameters), Ok(items)) => {
                items.iter().flat_map(|&x| parameters.quantized_bytes(x)).collect()
            }
            (_, Ok(items)) => float_bytes(items),
            (Form::Float, Err(_)) => float_bytes(&constant.to_i64().iter().map(|&x| x as f32).collect::<Vec<_>>()),
            (_, Err(_)) => word_bytes(&constant.to_i64()),
        };
        let form = if constant.as_f32().is_err() && form != Form::Float { Form::Word } else { form };
        self.add_constant(value, constant.shape(), form, bytes)
    }

    /// A quantised constant: its integers where they are asked for at its own scale.
    fn stored_quantized(&mut self, value: ValueId, integers: &Tensor, dequantize: &Dequantize, form: Form) -> u16 {
        let own = Form::Integer(self.parameters(value));
        let wide = self.parameters(value).wide;
        if let Some(bytes) = integer_bytes(integers, wide).filter(|_| form == own && dequantize.axis.is_none()) {
            return self.add_constant(value, integers.shape(), form, bytes);
        }
        match dequantized(integers, dequantize) {
            Ok(constant) => self.stored(value, &constant, form),
            // Never: the graph has checked that the scales fit.
            Err(_) => self.activation(value),
        }
    }

    fn add_constant(&mut self, value: ValueId, shape: &[usize], form: Form, bytes: Vec<u8>) -> u16 {
        let name = &self.graph.value(value).name;
        self.constant(name, form, shape, bytes)
    }

    /// A constant of floats that is no value of the graph.
    pub fn float_constant(&mut self, name: &str, shape: &[usize], items: &[f32]) -> u16 {
        self.constant(name, Form::Float, shape, float_bytes(items))
    }

    /// A constant 32-bit integer.
    pub fn word(&mut self, name: &str, value: i32) -> u16 {
        self.constant(name, Form::Word, &[], value.to_le_bytes().to_vec())
    }

    /// A constant tensor of these bytes.
    pub fn constant(&mut self, name: &str, form: Form, shape: &[usize], bytes: Vec<u8>) -> u16 {
        let location = self.constants.add(bytes);
        let description = TensorDescription { kind: TensorKind::Constant, location, ..form.describe(name, shape) };
        self.add_tensor(description, None)
    }

    /// An arena tensor that holds no value of the graph.
    pub fn temporary(&mut self, name: &str, form: Form, shape: &[usize]) -> u16 {
        self.add_tensor(form.describe(name, shape), None)
    }

    /// Takes back the tensor that was made last.
    pub fn forget(&mut self, tensor: u16) {
        if usize::from(tensor) + 1 == self.tensors.len() {
            self.tensors.pop();
            self.aliases.pop();
            self.values.pop();
        }
    }

    /// Adds an op between any tensors.
    pub fn emit(&mut self, name: &str, opcode: Opcode, inputs: Vec<u16>, output: u16, attributes: Vec<u8>) {
        let name = name.to_owned();
        self.ops.push(OpDescription { name, opcode, walk_down: false, inputs, outputs: vec![output], attributes });
    }

    /// A view of a tensor as a tensor of its own; the tensor itself where nothing moves.
    pub fn viewed(&mut self, name: &str, source: u16, form: Form, view: &View) -> Result<u16, Refusal> {
        let tensor = self.temporary(name, form, &view.shape);
        if view.is_contiguous() {
            self.aliases[usize::from(tensor)] = Some(source);
        } else {
            self.copy_view(name, source, view, tensor)?;
        }
        Ok(tensor)
    }

    /// Copies a view of a tensor into another one.
    pub fn copy_view(&mut self, name: &str, source: u16, view: &View, target: u16) -> Result<(), Refusal> {
        let mut attributes = Vec::new();
        view.copy()?.write(&mut attributes);
        self.emit(name, Opcode::StridedCopy, vec![source], target, attributes);
        Ok(())
    }

    /// A tensor as one line of its elements.
    pub fn flattened(&mut self, name: &str, source: u16, form: Form) -> u16 {
        let of = &self.tensors[usize::from(source)];
        let (count, kind, location) = (of.dimensions.iter().map(|&d| d as usize).product(), of.kind, of.location);
        let tensor = self.temporary(name, form, &[count]);
        if kind == TensorKind::Constant {
            let flat = &mut self.tensors[usize::from(tensor)];
            (flat.kind, flat.location) = (kind, location);
        } else {
            self.aliases[usize::from(tensor)] = Some(source);
        }
        tensor
    }

    /// Makes a value the tensor `source`, or another one over the same memory where shape or quantisation differ.
    pub fn alias(&mut self, value: ValueId, source: u16) {
        let Value { name, shape, .. } = self.graph.value(value);
        let (own, wanted) = (&self.tensors[usize::from(source)], self.form(value).describe(name, shape));
        let same = TensorDescription { name: own.name.clone(), kind: own.kind, ..wanted } == *own;
        if same && !self.tensor_of.contains_key(&value) {
            self.tensor_of.insert(value, source);
            return;
        }
        if own.kind == TensorKind::State {
            // State has a place of its own: another view of it is a copy.
            let (name, tensor) = (name.clone(), self.activation(value));
            self.emit(&name, Opcode::Reshape, vec![source], tensor, vec![]);
            return;
        }
        let tensor = self.activation(value);
        self.aliases[usize::from(tensor)] = Some(source);
    }

    /// The parameters of an operand: of a constant those of its own range.
    pub fn operand_parameters(&self, value: ValueId) -> Parameters {
        match self.graph.constant(value).and_then(|tensor| tensor.as_f32().ok()) {
            Some(items) => {
                let (min, max) = items.iter().fold((0f32, 0f32), |(min, max), &x| (min.min(x), max.max(x)));
                Parameters::covering(min, max)
            }
            None => self.parameters(value),
        }
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
        let output = self.activation(node.output());
        self.emit(&node.name, opcode, inputs, output, attributes);
        Ok(())
    }

    /// Counts the multiply-accumulates of an op.
    pub fn count_macs(&mut self, factors: &[usize]) {
        self.macs += factors.iter().map(|&f| f as u64).product::<u64>();
    }

    /// A constant operand's elements.
    pub fn floats(&self, value: ValueId, what: &str) -> Result<Cow<'g, [f32]>, Refusal> {
        if let Some((integers, dequantize)) = self.graph.quantized_constant(value) {
            let real = dequantized(integers, dequantize).map_err(|error| format!("{what}: {error}"))?;
            return Ok(Cow::Owned(real.as_f32().map_err(|error| error.to_string())?.to_vec()));
        }
        let tensor = self.graph.constant(value).ok_or_else(|| format!("{what} must be constant"))?;
        Ok(Cow::Borrowed(tensor.as_f32().map_err(|error| format!("{what}: {error}"))?))
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
        let bias = node.inputs.get(2).map_or(Ok(Cow::Borrowed(&[][..])), |&bias| self.floats(bias, "the bias"))?;
        let (input, output) = (node.inputs[0], node.output());
        if self.computes_floats(node) {
            // What 16 bits hold as it is takes no more.
            let halves: Option<Vec<u16>> = weights.iter().map(|&weight| exactly(weight)).collect();
            let (weight_type, weights) = match halves {
                Some(halves) => (WeightType::F16, reorder(halves.into_iter().flat_map(u16::to_le_bytes).collect(), 2)),
                None => (WeightType::F32, reorder(float_bytes(&weights), 4)),
            };
            return Ok(Accumulation {
                weight_type: weight_type.code(),
                flags: 0,
                weights: self.constants.add(weights),
                bias: if bias.is_empty() { ABSENT } else { self.constants.add(float_bytes(&bias)) },
                epilogue: float_epilogue(activation),
            });
        }
        let from = self.parameters(input);
        let own = if self.own_integers { own_weights(self.graph, node, from)? } else { None };
        let chosen = || self.weights.get(&output).cloned().map(OwnWeights::from);
        let own = own.or_else(chosen);
        let own = own.unwrap_or_else(|| quantize_weights(&weights, &bias, channels, from.scale).into());
        let OwnWeights { bits, weights, scales, bias, short_sums } = own;
        let reach: Vec<_> = weights
            .chunks((weights.len() / channels.max(1)).max(1))
            .enumerate()
            .map(|(channel, filter)| reach(filter, bias.get(channel).copied().unwrap_or(0)))
            .collect();
        let weights = reorder(weights.into_iter().map(i8::cast_unsigned).collect(), 1);
        let (weight_type, weights) = match bits {
            WeightBits::Four if !from.wide => (WeightType::I4, halves(&weights)),
            _ => (WeightType::I8, weights),
        };
        let short_sums = from.wide && short_sums;
        let bias_bytes = |&bias: &i64| {
            if from.wide { bias.to_le_bytes().to_vec() } else { (bias as i32).to_le_bytes().to_vec() }
        };
        let per_channel = if scales.len() > 1 { Accumulation::PER_CHANNEL } else { 0 };
        Ok(Accumulation {
            weight_type: weight_type.code(),
            flags: per_channel | if short_sums { Accumulation::SHORT_SUMS } else { 0 },
            weights: self.constants.add(weights),
            bias: if bias.iter().all(|&b| b == 0) {
                ABSENT
            } else {
                self.constants.add(bias.iter().flat_map(bias_bytes).collect())
            },
            epilogue: self.rescaling_epilogue(
                from,
                output,
                &scales,
                activation,
                &Sums { reach: &reach, short: short_sums },
            )?,
        })
    }

    /// The epilogue of an op whose accumulators have scale `from.scale * scales[channel]`.
    pub fn rescaling_epilogue(
        &mut self,
        from: Parameters,
        output: ValueId,
        scales: &[f32],
        activation: Activation,
        sums: &Sums<'_>,
    ) -> Result<Epilogue, Refusal> {
        let to = self.parameters(output);
        let table = match self.arithmetic {
            Arithmetic::Tflite => {
                let real = |&scale: &f32| f64::from(from.scale) * f64::from(scale) / f64::from(to.scale);
                let entries = scales.iter().map(real).map(QuantizedMultiplier::new);
                if from.wide {
                    return wide::epilogue(self, &entries.collect::<Vec<_>>(), to, activation, sums.short);
                }
                let largest = sums.reach.iter().copied().reduce(f64::max);
                let reach = |channel| if scales.len() == 1 { largest } else { sums.reach.get(channel).copied() };
                let entries: Vec<_> =
                    entries.enumerate().map(|(channel, entry)| entry.for_sums_up_to(reach(channel))).collect();
                tflite_table(&entries)
            }
            _ => float_bytes(&scales.iter().map(|scale| from.scale * scale / to.scale).collect::<Vec<_>>()),
        };
        let (clamp_min, clamp_max) = clamp(self.arithmetic, to, activation);
        let epilogue = IntegerEpilogue {
            table: self.constants.add(table),
            input_zero_point: from.zero_point,
            output_zero_point: to.zero_point,
            clamp_min,
            clamp_max,
        };
        Ok(epilogue.into())
    }

    pub fn into_program(self, io: Vec<IoRecord>) -> Program {
        Program {
            description: ModelDescription {
                arithmetic: self.arithmetic,
                tensors: self.tensors,
                ops: self.ops,
                constants: self.constants.into_bytes(),
                io,
                states: self.states,
                macs: self.macs,
                preprocessing: vec![],
                labels: vec![],
                card: String::new(),
                debug: true,
            },
            aliases: self.aliases,
            values: self.values,
        }
    }
}

/// What is known of the sums that an epilogue takes.
#[derive(Default)]
pub struct Sums<'a> {
    /// How large they get, by channel; empty where that is not known.
    pub reach: &'a [f64],
    /// Whether those over 16-bit integers have 32 bits.
    pub short: bool,
}

/// The largest sum that a filter can make of 8-bit values less a zero point.
fn reach(filter: &[i8], bias: i64) -> f64 {
    255.0 * filter.iter().map(|&weight| f64::from(weight).abs()).sum::<f64>() + (bias as f64).abs()
}

/// The lower halves of bytes, two in a byte, the first in the lower half.
fn halves(bytes: &[u8]) -> Vec<u8> {
    bytes.chunks(2).map(|pair| (pair[0] & 0xf) | pair.get(1).map_or(0, |second| second << 4)).collect()
}

/// Multipliers, then shifts.
pub(super) fn tflite_table(entries: &[QuantizedMultiplier]) -> Vec<u8> {
    let multipliers = entries.iter().flat_map(|entry| entry.multiplier.to_le_bytes());
    multipliers.chain(entries.iter().map(|entry| entry.shift.cast_unsigned())).collect()
}

/// Little-endian i32, saturated.
pub(super) fn word_bytes(values: &[i64]) -> Vec<u8> {
    values.iter().flat_map(|&value| (value.clamp(i32::MIN.into(), i32::MAX.into()) as i32).to_le_bytes()).collect()
}

/// Little-endian f32.
pub(super) fn float_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// A float clamp.
pub(super) fn float_epilogue(activation: Activation) -> Epilogue {
    let Activation { min, max } = ordered(activation);
    FloatEpilogue { clamp_min: min, clamp_max: max }.into()
}

/// The same clamp with bounds in order: of crossed ones the upper is what every number becomes.
pub(super) fn ordered(Activation { min, max }: Activation) -> Activation {
    Activation { min: min.min(max), max }
}

/// The integers that a clamp lets through.
pub(super) fn clamp(arithmetic: Arithmetic, parameters: Parameters, activation: Activation) -> (i8, i8) {
    if arithmetic == Arithmetic::Tflite {
        let [low, high] = reference::bounds(parameters, activation);
        return (low, high);
    }
    let low = if activation.min == f32::NEG_INFINITY { i8::MIN } else { parameters.quantize(activation.min) };
    let high = if activation.max == f32::INFINITY { i8::MAX } else { parameters.quantize(activation.max) };
    (low, high.max(low))
}
