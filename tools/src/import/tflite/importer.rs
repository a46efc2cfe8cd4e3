//! Walks the operators of a file and collects what cannot be expressed.

use super::error::ImportError;
use super::flatbuffer::Flatbuffer;
use super::lowering::{Lowering, Slot, Stored, Tensors, real};
use super::metadata::{self, Metadata};
use super::schema::{Model, Operator, Subgraph, TensorInfo, kind};
use super::{Source, constants, lower, operators};
use crate::graph::Graph;
use crate::graph::{Op, ValueId};
use crate::import::{Emitter, Reason, State, UnsupportedNode};
use crate::tensor::{DataType, Tensor};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Bytes that constants may take beyond a multiple of the file's size.
const SPARE_CONSTANT_BYTES: usize = 16 << 20;

pub(super) fn run(bytes: &[u8]) -> Result<Source, ImportError> {
    let file = Flatbuffer::new(bytes);
    let model = Model::read(&file)?;
    let subgraph = model.subgraphs.first().ok_or(ImportError::NoGraph)?;
    let name = if subgraph.name.is_empty() { model.description } else { subgraph.name };
    let mut importer = Importer {
        model: &model,
        subgraph,
        tensors: Tensors {
            infos: &subgraph.tensors,
            buffers: &model.buffers,
            names: names(subgraph, &model.buffers),
            slots: vec![Slot::Empty; subgraph.tensors.len()],
            variables: BTreeMap::new(),
            handles: BTreeMap::new(),
            initial: BTreeMap::new(),
        },
        state: State::new(Graph::new(name), SPARE_CONSTANT_BYTES),
        unsupported: Vec::new(),
    };
    importer.state.allow(bytes.len());
    for &input in &subgraph.inputs {
        importer.add_input(input)?;
    }
    importer.initial_values(&model)?;
    for operator in &subgraph.operators {
        importer.add_operator(operator)?;
    }
    let mut graph = importer.finish()?;
    let described = model.metadata.iter().find(|(name, _)| *name == metadata::BUFFER);
    let buffer = described.and_then(|&(_, index)| model.buffers.get(index));
    let mut metadata = buffer.map_or_else(Metadata::default, |buffer| Metadata::read(bytes, buffer));
    if dequantize_weights(&mut graph)? {
        metadata.notes.push(HYBRID.to_owned());
    }
    Ok(Source { graph, metadata })
}

/// What is said of a model whose weights are integers beside float activations.
const HYBRID: &str = "its weights are 8-bit integers beside float activations: they are taken as the real numbers they \
                      stand for, where TensorFlow Lite rounds activations to 8 bits on every run; results differ by that";

/// Makes floats of the quantised constants of a model that quantises nothing else; tells whether there are any.
fn dequantize_weights(graph: &mut Graph) -> Result<bool, ImportError> {
    let of_constant = |inputs: &[ValueId]| inputs.iter().all(|&input| graph.constant(input).is_some());
    let quantizes = graph.nodes().any(|(_, node)| match &node.op {
        Op::Quantize(_) => true,
        Op::Dequantize(_) => !of_constant(&node.inputs),
        _ => false,
    });
    if quantizes {
        return Ok(false);
    }
    let values: Vec<ValueId> = graph.value_ids().filter(|&value| graph.quantized_constant(value).is_some()).collect();
    for &value in &values {
        let Some((integers, dequantize)) = graph.quantized_constant(value) else { continue };
        let refuse = |error: crate::execute::ExecuteError| ImportError::Tensor {
            name: graph.value(value).name.clone(),
            reason: error.to_string(),
        };
        let real = crate::execute::dequantized(integers, dequantize).map_err(refuse)?;
        graph.make_constant(value, real)?;
    }
    graph.remove_dead();
    graph.compact();
    Ok(!values.is_empty())
}

/// What the tensors are called. A fused operator's result has the names of all that was fused, with semicolons between; the
/// first tells enough where no other result has it. Inputs and outputs keep theirs.
fn names<'a>(subgraph: &Subgraph<'a, 'a>, buffers: &[&[u8]]) -> Vec<&'a str> {
    let first = |info: &TensorInfo<'a>| info.name.split(';').next().unwrap_or_default();
    let is_computed = |info: &&TensorInfo<'_>| buffers.get(info.buffer).is_none_or(|bytes| bytes.is_empty());
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for info in subgraph.tensors.iter().filter(is_computed) {
        *counts.entry(first(info)).or_default() += 1;
    }
    let ports: HashSet<i32> = subgraph.inputs.iter().chain(&subgraph.outputs).copied().collect();
    let name = |(info, index): (&TensorInfo<'a>, i32)| {
        if counts.get(first(info)) == Some(&1) && !ports.contains(&index) { first(info) } else { info.name }
    };
    subgraph.tensors.iter().zip(0..).map(name).collect()
}

/// The real numbers or elements of a constant.
fn first_value(info: &TensorInfo<'_>, buffers: &[&[u8]]) -> Result<Tensor, Reason> {
    let bytes = buffers.get(info.buffer).copied().unwrap_or_default();
    let tensor = constants::load(info, bytes)?;
    match constants::quantization(info)? {
        Some(dequantize) if info.kind == kind::I8 => Ok(crate::execute::dequantized(&tensor, &dequantize)?),
        _ => Ok(tensor),
    }
}

struct Importer<'a> {
    model: &'a Model<'a, 'a>,
    subgraph: &'a Subgraph<'a, 'a>,
    tensors: Tensors<'a>,
    state: State,
    unsupported: Vec<UnsupportedNode>,
}

impl<'a> Importer<'a> {
    fn tensor(&self, index: i32, user: &str) -> Result<usize, ImportError> {
        let count = self.tensors.infos.len();
        let found = usize::try_from(index).ok().filter(|&index| index < count);
        found.ok_or_else(|| ImportError::Index { user: user.to_owned(), what: "tensor", index: index.into(), count })
    }

    fn port_name(&self, tensor: usize) -> String {
        self.tensors.names[tensor].to_owned()
    }

    /// An input takes real numbers where the tensor is quantised.
    fn add_input(&mut self, index: i32) -> Result<(), ImportError> {
        let tensor = self.tensor(index, "the list of inputs")?;
        let (info, name) = (&self.tensors.infos[tensor], self.port_name(tensor));
        let refuse = |reason: Reason| ImportError::Tensor {
            name: info.name.to_owned(),
            reason: format!("cannot be an input: {reason}"),
        };
        let shape = constants::shape(info).map_err(refuse)?;
        let quantization = constants::quantization(info).map_err(refuse)?;
        let stored = match quantization {
            Some(dequantize) if matches!(info.kind, kind::I8 | kind::U8 | kind::I16) && dequantize.axis.is_none() => {
                let quantize = constants::quantize(info, &dequantize).map_err(refuse)?;
                let port = self.state.graph.add_input(name.clone(), shape, DataType::F32);
                self.state.graph.add_node(name, Op::Quantize(quantize), &[port])?
            }
            _ => {
                let dtype = constants::data_type(info).map_err(refuse)?;
                self.state.graph.add_input(name, shape, dtype)
            }
        };
        self.tensors.slots[tensor] = Slot::Made(Stored { value: stored, real: None });
        Ok(())
    }

    /// Reads the first values of variables from the subgraphs that `CALL_ONCE` names: each assigns constants.
    fn initial_values(&mut self, model: &'a Model<'a, 'a>) -> Result<(), ImportError> {
        let name_of = |operator: &Operator<'_, '_>| {
            model.operator_codes.get(operator.code).and_then(|code| operators::name(code.builtin)).unwrap_or_default()
        };
        for once in self.subgraph.operators.iter().filter(|operator| name_of(operator) == "CALL_ONCE") {
            let index = once.options.map_or(Ok(0), |options| options.int(0, 0))?;
            let found = usize::try_from(index).ok().and_then(|index| model.subgraphs.get(index));
            let subgraph = found.ok_or_else(|| ImportError::Index {
                user: "an operator CALL_ONCE".to_owned(),
                what: "subgraph",
                index: index.into(),
                count: model.subgraphs.len(),
            })?;
            let mut handles = BTreeMap::new();
            for operator in &subgraph.operators {
                let tensor = |list: &[i32], at: usize| {
                    list.get(at).and_then(|&tensor| usize::try_from(tensor).ok()).unwrap_or(usize::MAX)
                };
                match name_of(operator) {
                    "VAR_HANDLE" => {
                        let options = operator.options.filter(|_| operator.options_kind == 111);
                        let texts = options.map_or(Ok(("", "")), |o| Ok::<_, ImportError>((o.text(0)?, o.text(1)?)))?;
                        handles.insert(tensor(&operator.outputs, 0), format!("{}/{}", texts.0, texts.1));
                    }
                    "ASSIGN_VARIABLE" => {
                        let name = handles.get(&tensor(&operator.inputs, 0)).cloned().unwrap_or_default();
                        let at = tensor(&operator.inputs, 1);
                        let value = subgraph.tensors.get(at).map(|info| first_value(info, &model.buffers));
                        let refuse = |reason| ImportError::Tensor { name: name.clone(), reason };
                        let value = value
                            .ok_or_else(|| refuse("is assigned no tensor".to_owned()))?
                            .map_err(|reason| refuse(format!("has no constant first value: {reason}")))?;
                        self.tensors.initial.insert(name, value);
                    }
                    other => self.unsupported.push(UnsupportedNode {
                        name: "initialisation".to_owned(),
                        operator: other.to_owned(),
                        reason: Reason::Operand("only constants can be assigned to variables there".to_owned()),
                    }),
                }
            }
        }
        Ok(())
    }

    fn add_operator(&mut self, operator: &'a Operator<'a, 'a>) -> Result<(), ImportError> {
        let name = match operator.outputs.first() {
            Some(&output) => self.port_name(self.tensor(output, "an operator")?),
            None => String::new(),
        };
        let codes = &self.model.operator_codes;
        let code = codes.get(operator.code).ok_or_else(|| ImportError::Index {
            user: format!("operator `{name}`"),
            what: "operator code",
            index: operator.code as i64,
            count: codes.len(),
        })?;
        let known = operators::name(code.builtin).filter(|_| code.builtin != operators::CUSTOM);
        let mut failed = false;
        for &input in operator.inputs.iter().filter(|&&input| input >= 0) {
            let tensor = self.tensor(input, &format!("operator `{name}`"))?;
            match self.tensors.slots[tensor] {
                Slot::Failed => failed = true,
                Slot::Empty if self.tensors.constant(tensor).is_none() && !self.tensors.infos[tensor].is_variable => {
                    return Err(ImportError::Undefined {
                        user: format!("operator `{name}`"),
                        name: self.port_name(tensor),
                    });
                }
                Slot::Empty | Slot::Made(_) => {}
            }
        }
        for &output in &operator.outputs {
            let tensor = self.tensor(output, &format!("operator `{name}`"))?;
            self.tensors.slots[tensor] = Slot::Failed;
        }
        let result = match known.and_then(|known| Some((known, lower::find(known)?))) {
            None => Err(Reason::Operator),
            // What this operator lacks cannot be told before the one it reads is supported.
            Some(_) if failed => Ok(()),
            Some((operator_name, function)) => {
                let emitter = Emitter { state: &mut self.state, name: &name };
                function(&mut Lowering::new(emitter, operator, operator_name, &mut self.tensors))
            }
        };
        if let Err(reason) = result {
            let operator = match known {
                Some(known) => known.to_owned(),
                None if code.builtin == operators::CUSTOM => format!("custom operator {}", code.custom),
                None => format!("operator {}", code.builtin),
            };
            self.unsupported.push(UnsupportedNode { name, operator, reason });
        }
        Ok(())
    }

    /// An output's real numbers, or its elements.
    fn output(&mut self, tensor: usize) -> Result<Option<ValueId>, ImportError> {
        if let Slot::Failed = self.tensors.slots[tensor] {
            return Ok(None);
        }
        let name = self.port_name(tensor);
        let mut emitter = Emitter { state: &mut self.state, name: &name };
        match real(&mut emitter, &mut self.tensors, tensor) {
            Ok(value) => Ok(Some(value)),
            Err(reason) => Err(ImportError::Tensor { name, reason: format!("cannot be an output: {reason}") }),
        }
    }

    fn finish(mut self) -> Result<Graph, ImportError> {
        for &index in &self.subgraph.outputs {
            let tensor = self.tensor(index, "the list of outputs")?;
            if let Some(value) = self.output(tensor)? {
                let name = self.port_name(tensor);
                self.state.graph.add_output(name, value);
            }
        }
        let variables = std::mem::take(&mut self.tensors.variables);
        for (name, variable) in variables.into_iter().filter(|_| self.unsupported.is_empty()) {
            let first = self.tensors.initial.remove(&name);
            if let (Some(read), Some(first)) = (variable.read, first) {
                let facts = [read, variable.now].map(|value| self.state.graph.facts(value));
                if facts[0] != facts[1] || first.shape() != facts[0].shape || first.data_type() != facts[0].dtype {
                    let reason = "is assigned values of another shape or type than is read".to_owned();
                    return Err(ImportError::Tensor { name, reason });
                }
                self.state.graph.add_state(name, read, variable.now, first);
            }
        }
        if !self.unsupported.is_empty() {
            return Err(ImportError::Unsupported { nodes: self.unsupported });
        }
        let mut graph = self.state.graph;
        if graph.outputs().is_empty() {
            return Err(ImportError::NoOutput);
        }
        graph.remove_dead();
        graph.compact();
        graph.validate()?;
        Ok(graph)
    }
}
