//! The bounds that 8-bit artifacts keep.
//!
//! **Every op.** The reals that an op's operands stand for go through the float meaning of its graph operator, with the
//! reals that its integer weights stand for. The op's result is then within [`steps`] of its own quantisation steps: half
//! a step where it is rounded once, a whole one where it is rounded twice. Nothing accumulates, so this finds a wrong
//! zero point or multiplier in any op of any network. Integer weights and biases are within half a step of the floats
//! they come from.
//!
//! **The whole.** Rounding at every op as random noise of the same size (half a step each way, uniform) gives the error
//! that these steps must make; the artifact's is at most [`WHOLE_FACTOR`] times that, plus one step of the output.
//!
//! **Every place.** The same artifact with every tensor at a place of its own gives the same bits as with the tensors
//! where the planner puts them, over one another, and as with packed weights there, unless these sum floats.

use super::check::{artifact, reals};
use crate::random::Random;
use crate::run::{Values, outputs, set_inputs};
use bantam::{AlignedBytes, DataType, Model, Session, ops};
use bantam_format::{Arithmetic, Opcode, TensorKind};
use bantam_tools::data::Dataset;
use bantam_tools::execute::evaluate;
use bantam_tools::graph::{Graph, Node, Op, ValueId};
use bantam_tools::lower::{LowerError, Precision, Program, lower};
use bantam_tools::plan;
use bantam_tools::quantize::Parameters;
use bantam_tools::quantize::weights::quantize_weights;
use bantam_tools::tensor::{DataType as HostType, Tensor};
use std::collections::{BTreeMap, BTreeSet};

/// How much larger than that of random rounding the error of the whole may be.
pub const WHOLE_FACTOR: f64 = 4.0;
/// Runs with random rounding.
const DITHERS: u64 = 2;
/// Rows that are compared.
const ROWS: usize = 2;

/// What was measured on one network.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Signal to noise of all float outputs together in decibels; infinite without noise.
    pub decibels: f64,
    /// The largest error of one op, as a share of its bound.
    pub worst_op: f64,
    /// The largest error of a whole output, as a share of its bound.
    pub worst_whole: f64,
}

type Ranges = BTreeMap<ValueId, (f32, f32)>;

/// How often an op rounds at most, in halves of its result's step.
fn steps(op: &Op, arithmetic: Arithmetic) -> f32 {
    match (op, arithmetic) {
        // The fixed-point exponential and division of TensorFlow Lite.
        (Op::Softmax(_), _) => 1.0,
        // A double rounding: first of the product, then of the shift.
        (_, Arithmetic::Tflite) => 1.0,
        _ => 0.5,
    }
}

/// Checks one arithmetic. The inner error is a refusal by name.
pub(super) fn check(
    graph: &Graph,
    data: &Dataset,
    ranges: &Ranges,
    arithmetic: Arithmetic,
) -> Result<Result<Measured, String>, String> {
    let (none, weights) = (BTreeSet::new(), BTreeMap::new());
    let precision = Precision::Int8 { ranges, wide: &none, floats: &none, weights: &weights, arithmetic };
    let program = match lower(graph, precision) {
        Ok(program) => program,
        Err(LowerError::Unsupported(nodes)) => {
            let reasons: Vec<&str> = nodes.iter().map(|node| node.reason.as_str()).collect();
            return Ok(Err(reasons.join("; ")));
        }
        Err(error) => return Err(error.to_string()),
    };
    let mut planned = program.clone();
    plan::plan(&mut planned);
    // A plan leaves out the ops whose work is done by where tensors lie: what each op makes is read where none is.
    let apart = plan::apart(program);
    let (dense, sparse) = (artifact(&planned)?, artifact(&apart)?);
    let lowered = Lowered::new(graph, &apart, arithmetic);
    let mut measured = Measured { decibels: f64::INFINITY, worst_op: 0.0, worst_whole: 0.0 };
    let mut random = Random::new(1);
    let (mut signal, mut noise) = (0f64, 0f64);
    let mut errors = vec![Errors::default(); graph.outputs().len()];
    for row in 0..ROWS {
        let (trace, results) = run(&sparse, data, row, false)?;
        if run(&dense, data, row, false)?.1 != results {
            return Err("other bits where every tensor has a place of its own".to_owned());
        }
        if sums_integers(&dense) && run(&dense, data, row, true)?.1 != results {
            return Err("other bits where the weights are packed".to_owned());
        }
        measured.worst_op = measured.worst_op.max(lowered.check_ops(&trace)?);
        let inputs = data.floats(row);
        let exact = lowered.simulate(&inputs, None)?;
        for dither in 0..DITHERS {
            let rounded = lowered.simulate(&inputs, Some(&mut random))?;
            for ((errors, exact), rounded) in errors.iter_mut().zip(&exact).zip(&rounded) {
                errors.predicted[dither as usize] += squares(exact, rounded);
            }
        }
        for ((port, errors), exact) in graph.outputs().iter().zip(&mut errors).zip(&exact) {
            let Some(got) = lowered.traced(&trace, port.value) else { continue };
            errors.made += squares(exact, &got);
            errors.count += exact.len();
            if graph.value(port.value).dtype == HostType::F32 && !lowered.jumps(port.value) {
                signal += exact.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
                noise += squares(exact, &got);
            }
        }
    }
    for (port, errors) in graph.outputs().iter().zip(&errors) {
        if graph.value(port.value).dtype != HostType::F32 || lowered.jumps(port.value) {
            continue;
        }
        let root = |sum: f64| (sum / errors.count.max(1) as f64).sqrt();
        let predicted = errors.predicted.iter().copied().fold(0.0, f64::max);
        let step = lowered.parameters(port.value).map_or(0.0, |parameters| parameters.scale);
        let bound = WHOLE_FACTOR * root(predicted) + f64::from(step);
        let share = root(errors.made) / bound.max(f64::MIN_POSITIVE);
        if share > 1.0 {
            return Err(format!(
                "output {} is off by {:.3e} (root mean square), where rounding makes {:.3e} and a step is {step:.3e}",
                port.name,
                root(errors.made),
                root(predicted)
            ));
        }
        measured.worst_whole = measured.worst_whole.max(share);
    }
    if noise > 0.0 {
        measured.decibels = 10.0 * (signal / noise).log10();
    }
    Ok(Ok(measured))
}

#[derive(Clone, Copy, Default)]
struct Errors {
    predicted: [f64; DITHERS as usize],
    made: f64,
    count: usize,
}

fn squares(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum()
}

/// The reals of every tensor that an op or the caller wrote, by tensor.
type Trace = Vec<Option<Vec<f32>>>;

/// Whether no packed op sums floats, which another order rounds otherwise.
fn sums_integers(file: &AlignedBytes) -> bool {
    let packed = [Opcode::Conv2d, Opcode::DepthwiseConv2d, Opcode::FullyConnected];
    let sums_floats = |op: bantam_format::Op<'_>| packed.contains(&op.opcode) && op.input(0).data_type == DataType::F32;
    Model::parse(file.bytes()).is_ok_and(|model| !model.artifact().ops().any(sums_floats))
}

/// Runs one row, with packed weights or without; what every op wrote, and the bits of the outputs.
fn run(file: &AlignedBytes, data: &Dataset, row: usize, packed: bool) -> Result<(Trace, Vec<Values>), String> {
    let model = Model::parse(file.bytes()).map_err(|error| format!("{error:?}"))?;
    let artifact = model.artifact();
    let mut trace: Trace = vec![None; artifact.tensor_count()];
    let mut inputs = Vec::new();
    for (index, io) in model.inputs().enumerate() {
        let values = match io.tensor.data_type {
            DataType::I8 => {
                let parameters = Parameters { scale: io.scale, zero_point: io.zero_point as i8, wide: false };
                Values::I8(data.integers(index, row, parameters))
            }
            _ => Values::F32(super::check::floats(&data.floats(row).swap_remove(index))),
        };
        trace[io.index] = Some(reals(io.tensor.data_type, &values.bytes(), Some((io.scale, io.zero_point))));
        inputs.push(values);
    }
    let mut arena = AlignedBytes::zeroed(Session::arena_bytes(&model, &ops::ALL));
    Random::new(row as u64).fill(arena.bytes_mut());
    let mut pack = vec![0; if packed { Session::pack_bytes(&model, &ops::ALL) } else { 0 }];
    let session = match packed {
        true => Session::packed(&model, arena.bytes_mut(), &ops::ALL, &mut pack),
        false => Session::new(&model, arena.bytes_mut(), &ops::ALL),
    };
    let mut session = session.map_err(|error| format!("{error:?}"))?;
    let failed = |error: bantam::RunError| format!("running 8 bits: {error:?}");
    set_inputs(&mut session, &inputs).map_err(failed)?;
    session
        .run_each(|step| {
            let (tensor, bytes) = step.output(0);
            let index = step.op.operand(step.op.input_count);
            trace[index] = Some(reals(tensor.data_type, bytes, artifact.quantization(index)));
        })
        .map_err(failed)?;
    let results = outputs(&session).map_err(failed)?;
    Ok((trace, results))
}

/// A lowered graph: where its values went and what their integers stand for.
struct Lowered<'a> {
    graph: &'a Graph,
    program: &'a Program,
    arithmetic: Arithmetic,
    tensors: BTreeMap<ValueId, usize>,
}

impl<'a> Lowered<'a> {
    fn new(graph: &'a Graph, program: &'a Program, arithmetic: Arithmetic) -> Self {
        let values = program.values.iter().enumerate();
        let tensors = values.filter_map(|(tensor, value)| value.map(|value| (value, tensor))).collect();
        Self { graph, program, arithmetic, tensors }
    }

    /// What the integers of a value stand for; `None` if it is no quantised one.
    fn parameters(&self, value: ValueId) -> Option<Parameters> {
        let description = &self.program.description.tensors[*self.tensors.get(&value)?];
        let (scale, zero_point) = description.quantization?;
        Some(Parameters { scale, zero_point: zero_point as i8, wide: false })
    }

    /// Whether the value follows a comparison or a position: a small error may turn it into quite another one.
    fn jumps(&self, value: ValueId) -> bool {
        let Some(node) = self.graph.producer(value).and_then(|node| self.graph.node(node)) else { return false };
        match &node.op {
            Op::Compare(_) | Op::ArgMax(_) => true,
            // Both choices are the same where the condition turns.
            Op::Select => node.inputs[1..].iter().any(|&input| self.jumps(input)),
            _ => node.inputs.iter().any(|&input| self.jumps(input)),
        }
    }

    /// What a run left of a value.
    fn traced(&self, trace: &Trace, value: ValueId) -> Option<Vec<f32>> {
        let mut tensor = *self.tensors.get(&value)?;
        while trace[tensor].is_none() {
            tensor = usize::from(self.program.aliases[tensor]?);
        }
        // An alias of the beginning of a tensor is shorter than it.
        let elements = self.graph.value(value).shape.iter().product();
        trace[tensor].as_ref()?.get(..elements).map(<[f32]>::to_vec)
    }

    fn tensor(&self, value: ValueId, items: Vec<f32>) -> Result<Tensor, String> {
        let known = self.graph.value(value);
        let tensor = Tensor::from_vec(known.shape.clone(), items).map_err(|error| error.to_string())?;
        Ok(tensor.cast(known.dtype))
    }

    /// The operands of a node, given what its activations are. Weights, biases and constants are what their integers
    /// stand for.
    fn operands(
        &self,
        node: &Node,
        mut activation: impl FnMut(ValueId) -> Result<Vec<f32>, String>,
    ) -> Result<Vec<Tensor>, String> {
        let quantized = self.parameters(node.output()).is_some();
        let mut operands = Vec::new();
        for (index, &input) in node.inputs.iter().enumerate() {
            operands.push(match self.graph.constant(input) {
                Some(constant) => self.constant(node, index, constant, quantized)?,
                None => {
                    let mut items = activation(input)?;
                    let float = self.graph.value(input).dtype == HostType::F32 && self.parameters(input).is_none();
                    // An integer op reads what was kept in floating point through its quantisation.
                    if quantized && float && !matches!(node.op, Op::Concat(_) | Op::Select) {
                        round(&mut items, self.quantized_operand(node, input)?);
                    }
                    self.tensor(input, items)?
                }
            });
        }
        if quantized && matches!(node.op, Op::Conv2d(_) | Op::ConvTranspose2d(_) | Op::FullyConnected(_)) {
            self.quantize_weights(node, &mut operands)?;
        }
        Ok(operands)
    }

    /// The parameters in which the op of a node reads a value that is kept in floating point.
    fn quantized_operand(&self, node: &Node, value: ValueId) -> Result<Parameters, String> {
        let output = self.tensors.get(&node.output()).copied().unwrap_or_default();
        let mut ops = self.program.description.ops.iter();
        let name = format!("{}/quantized", self.graph.value(value).name);
        let op = ops.rfind(|op| op.outputs.iter().any(|&tensor| usize::from(tensor) == output));
        let inputs = op.map(|op| op.inputs.as_slice()).unwrap_or_default();
        let descriptions = inputs.iter().map(|&tensor| &self.program.description.tensors[usize::from(tensor)]);
        let arena: Vec<_> = descriptions.filter(|tensor| tensor.kind == TensorKind::Arena).collect();
        // A tensor in between may have been moved; the converted one before it has the value's own shape.
        let shape = self.graph.value(value).shape.iter().map(|&size| size as u32);
        let named = self.program.description.tensors.iter().filter(|tensor| tensor.name == name);
        let mut converted = named.filter(|tensor| tensor.dimensions.iter().copied().eq(shape.clone()));
        let read = arena.iter().find(|tensor| tensor.name == name).copied();
        let read = read.or_else(|| converted.next()).or_else(|| arena.first().copied().filter(|_| arena.len() == 1));
        let (scale, zero_point) =
            read.and_then(|tensor| tensor.quantization).ok_or("an operand is nowhere quantised")?;
        Ok(Parameters { scale, zero_point: zero_point as i8, wide: false })
    }

    fn constant(&self, node: &Node, index: usize, constant: &Tensor, quantized: bool) -> Result<Tensor, String> {
        let Ok(items) = constant.as_f32() else { return Ok(constant.clone()) };
        let others = node.inputs.iter().enumerate().filter(|&(other, _)| other != index);
        let float = others.map(|(_, &value)| value).all(|value| self.parameters(value).is_none());
        let own_range = match node.op {
            Op::Binary(_) | Op::MatMul => quantized,
            Op::Compare(_) => !float,
            _ => false,
        };
        if !own_range {
            return Ok(constant.clone());
        }
        let (min, max) = items.iter().fold((0f32, 0f32), |(min, max), &x| (min.min(x), max.max(x)));
        let mut items = items.to_vec();
        round(&mut items, Parameters::covering(min, max));
        Tensor::from_vec(constant.shape().to_vec(), items).map_err(|error| error.to_string())
    }

    /// Puts what the integers stand for in the place of weights and bias, and checks how far that is.
    fn quantize_weights(&self, node: &Node, operands: &mut [Tensor]) -> Result<(), String> {
        let input_scale = match self.parameters(node.inputs[0]) {
            Some(parameters) => parameters.scale,
            None => self.quantized_operand(node, node.inputs[0])?.scale,
        };
        let shape = operands[1].shape().to_vec();
        let weights = operands[1].as_f32().map_err(|error| error.to_string())?.to_vec();
        let bias = operands.get(2).map_or(Ok(&[][..]), Tensor::as_f32).map_err(|error| error.to_string())?.to_vec();
        let quantized = quantize_weights(&weights, &bias, shape[0], input_scale);
        let taps = weights.len() / shape[0];
        let mut reals = Vec::with_capacity(weights.len());
        for (index, (&float, &integer)) in weights.iter().zip(&quantized.weights).enumerate() {
            let scale = quantized.scales[index / taps];
            let real = scale * f32::from(integer);
            if (real - float).abs() > 0.501 * scale {
                return Err(format!("node {}: weight {index} is {real} for {float}", node.name));
            }
            reals.push(real);
        }
        operands[1] = Tensor::from_vec(shape, reals).map_err(|error| error.to_string())?;
        if let Some(operand) = operands.get_mut(2) {
            let mut reals = Vec::with_capacity(bias.len());
            for ((&float, &integer), &scale) in bias.iter().zip(&quantized.bias).zip(&quantized.scales) {
                let scale = f64::from(input_scale) * f64::from(scale);
                let real = f64::from(integer) * scale;
                if (real - f64::from(float)).abs() > 0.501 * scale + 1e-6 * f64::from(float.abs()) {
                    return Err(format!("node {}: a bias is {real} for {float}", node.name));
                }
                reals.push(real as f32);
            }
            *operand = Tensor::vector(reals);
        }
        Ok(())
    }

    /// Checks every node on its own; the largest error as a share of its bound.
    fn check_ops(&self, trace: &Trace) -> Result<f64, String> {
        let mut worst = 0f64;
        for (_, node) in self.graph.nodes() {
            let Some(got) = self.traced(trace, node.output()) else { continue };
            let missing = |value: ValueId| format!("nothing wrote {}", self.graph.value(value).name);
            let operands = self.operands(node, |value| self.traced(trace, value).ok_or_else(|| missing(value)))?;
            let parameters = self.parameters(node.output());
            let expected = self.evaluate(node, &operands)?;
            let largest = expected.iter().filter(|x| x.is_finite()).fold(0f32, |largest, x| largest.max(x.abs()));
            let bound = match parameters {
                Some(parameters) => (steps(&node.op, self.arithmetic) + 0.01) * parameters.scale + 2e-5 * largest,
                None => 1e-4 * largest.max(1.0),
            };
            for (at, (&expected, &got)) in expected.iter().zip(&got).enumerate() {
                let share = f64::from((saturate(expected, parameters) - got).abs() / bound);
                if share > 1.0 {
                    return Err(format!(
                        "node `{}` ({}): element {at} is {got} instead of {expected}; steps are {:?}",
                        node.name,
                        node.op.name(),
                        parameters
                    ));
                }
                worst = worst.max(share);
            }
        }
        Ok(worst)
    }

    fn evaluate(&self, node: &Node, operands: &[Tensor]) -> Result<Vec<f32>, String> {
        let operands: Vec<&Tensor> = operands.iter().collect();
        let results = evaluate(&node.op, &operands).map_err(|error| error.to_string())?;
        Ok(super::check::floats(&results[0]))
    }

    /// The outputs in floats; with noise in the place of each rounding, and saturated, where chance is given.
    fn simulate(&self, inputs: &[Tensor], mut noise: Option<&mut Random>) -> Result<Vec<Vec<f32>>, String> {
        let mut values: BTreeMap<ValueId, Vec<f32>> = BTreeMap::new();
        for (port, input) in self.graph.inputs().iter().zip(inputs) {
            let mut items = super::check::floats(input);
            if let Some(random) = noise.as_deref_mut() {
                self.disturb(&mut items, port.value, 0.5, random);
            }
            values.insert(port.value, items);
        }
        for (_, node) in self.graph.nodes() {
            let activation = |value: ValueId| values.get(&value).cloned().ok_or_else(|| "no value".to_owned());
            let operands = match noise {
                Some(_) => self.operands(node, activation)?,
                None => node
                    .inputs
                    .iter()
                    .map(|&input| match self.graph.constant(input) {
                        Some(constant) => Ok(constant.clone()),
                        None => self.tensor(input, activation(input)?),
                    })
                    .collect::<Result<_, String>>()?,
            };
            let mut items = self.evaluate(node, &operands)?;
            if let Some(random) = noise.as_deref_mut() {
                self.disturb(&mut items, node.output(), steps(&node.op, self.arithmetic), random);
            }
            values.insert(node.output(), items);
        }
        self.graph
            .outputs()
            .iter()
            .map(|port| match self.graph.constant(port.value) {
                Some(constant) => Ok(super::check::floats(constant)),
                None => values.get(&port.value).cloned().ok_or_else(|| "no output".to_owned()),
            })
            .collect()
    }

    fn disturb(&self, items: &mut [f32], value: ValueId, steps: f32, random: &mut Random) {
        let Some(parameters) = self.parameters(value) else { return };
        for item in items {
            let noise = random.real(-1.0, 1.0) as f32 * steps * parameters.scale;
            *item = saturate(*item + noise, Some(parameters));
        }
    }
}

/// The number or, beyond them, the least or largest that 8 bits stand for.
fn saturate(x: f32, parameters: Option<Parameters>) -> f32 {
    match parameters {
        Some(parameters) => x.clamp(parameters.dequantize(i8::MIN), parameters.dequantize(i8::MAX)),
        None => x,
    }
}

/// To the nearest reals that 8 bits stand for.
fn round(items: &mut [f32], parameters: Parameters) {
    for item in items {
        *item = parameters.dequantize(parameters.quantize(*item));
    }
}
