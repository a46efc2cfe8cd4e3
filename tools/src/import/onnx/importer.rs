//! Walks the nodes of a file and collects what cannot be expressed.

use super::error::ImportError;
use super::lower;
use super::lowering::Lowering;
use super::shapes::input_shapes;
use super::{ImportOptions, OPERATOR_SETS, constants};
use crate::graph::{Graph, ValueId};
use crate::import::{Reason, State, UnsupportedNode, byte_size};
use crate::reference::pb::{GraphProto, ModelProto, NodeProto};
use std::collections::HashMap;

/// What a name of the file stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Definition {
    /// A value of the graph.
    Value(ValueId),
    /// A result of a node that could not be lowered.
    Failed,
    /// A result that the lowering of a node does not make.
    NotMade,
}

struct Importer<'a> {
    names: HashMap<&'a str, Definition>,
    state: State,
    unsupported: Vec<UnsupportedNode>,
    /// Names in the order they were defined; a sub-graph's own are forgotten at its end.
    scope: Vec<&'a str>,
}

pub(super) fn run(model: &ModelProto, options: &ImportOptions) -> Result<Graph, ImportError> {
    let proto = model.graph.as_ref().ok_or(ImportError::NoGraph)?;
    let opset = operator_set(model)?;
    check_features(model, proto)?;
    let mut importer = Importer {
        names: HashMap::new(),
        state: State::new(Graph::new(proto.name.clone()), options.spare_constant_bytes),
        unsupported: Vec::new(),
        scope: Vec::new(),
    };
    for input in input_shapes(model, &options.shapes)? {
        importer.state.graph.add_input(input.name, input.shape, input.dtype);
    }
    importer.name_inputs(proto)?;
    importer.add_constants(proto)?;
    for (index, node) in proto.node.iter().enumerate() {
        importer.add_node(index, node, opset)?;
    }
    importer.finish(proto)
}

fn operator_set(model: &ModelProto) -> Result<i64, ImportError> {
    let refuse = |found: String| ImportError::OperatorSet {
        found,
        oldest: *OPERATOR_SETS.start(),
        newest: *OPERATOR_SETS.end(),
    };
    let mut versions = model.opset_import.iter().filter(|set| is_default_domain(&set.domain)).map(|set| set.version);
    let version = versions.next().ok_or_else(|| refuse("of no stated version".into()))?;
    if versions.any(|other| other != version) {
        return Err(refuse("of several versions".into()));
    }
    if OPERATOR_SETS.contains(&version) { Ok(version) } else { Err(refuse(format!("version {version}"))) }
}

pub(super) fn is_default_domain(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

fn check_features(model: &ModelProto, graph: &GraphProto) -> Result<(), ImportError> {
    let feature = |feature: &str, remedy| Err(ImportError::Feature { feature: feature.to_owned(), remedy });
    if !model.functions.is_empty() {
        return feature("functions", "inline them first (in Python: onnx.inliner.inline_local_functions)");
    }
    if !graph.sparse_initializer.is_empty() {
        return feature("sparse constants", "save the model with dense ones");
    }
    Ok(())
}

impl<'a> Importer<'a> {
    fn define(&mut self, name: &'a str, definition: Definition) -> Result<(), ImportError> {
        self.scope.push(name);
        match self.names.insert(name, definition) {
            None => Ok(()),
            Some(_) => Err(ImportError::Duplicate { name: name.to_owned() }),
        }
    }

    fn name_inputs(&mut self, proto: &'a GraphProto) -> Result<(), ImportError> {
        let ports: HashMap<String, ValueId> =
            self.state.graph.inputs().iter().map(|port| (port.name.clone(), port.value)).collect();
        for input in &proto.input {
            if let Some(&value) = ports.get(&input.name) {
                self.define(&input.name, Definition::Value(value))?;
            }
        }
        Ok(())
    }

    fn add_constants(&mut self, proto: &'a GraphProto) -> Result<(), ImportError> {
        for initializer in &proto.initializer {
            let tensor = constants::load(initializer)
                .map_err(|error| ImportError::Constant { name: initializer.name.clone(), error })?;
            self.state.allow(byte_size(&tensor));
            let value = self.state.graph.add_constant(initializer.name.clone(), tensor);
            self.define(&initializer.name, Definition::Value(value))?;
        }
        Ok(())
    }

    /// An `If` whose condition is known stands for the nodes of one of its branches.
    fn inline(&mut self, name: String, node: &'a NodeProto, opset: i64) -> Result<(), ImportError> {
        let branch = match self.branch(node) {
            Ok(branch) => branch,
            Err(reason) => {
                let name = name.clone();
                self.unsupported.push(UnsupportedNode { name, operator: node.op_type.clone(), reason });
                None
            }
        };
        let mut made = Vec::new();
        if let Some(branch) = branch {
            let outside = self.scope.len();
            self.add_constants(branch)?;
            for (index, inner) in branch.node.iter().enumerate() {
                self.add_node(index, inner, opset)?;
            }
            for output in &branch.output {
                let definition = self.names.get(output.name.as_str()).copied();
                made.push(definition.ok_or_else(|| ImportError::Undefined {
                    user: format!("a branch of node `{name}`"),
                    name: output.name.clone(),
                })?);
            }
            for forgotten in self.scope.split_off(outside) {
                self.names.remove(forgotten);
            }
        }
        for (position, output) in node.output.iter().enumerate().filter(|(_, output)| !output.is_empty()) {
            let missing = if branch.is_some() { Definition::NotMade } else { Definition::Failed };
            self.define(output, made.get(position).copied().unwrap_or(missing))?;
        }
        Ok(())
    }

    /// The branch that a known condition takes; `None` if the condition itself is not supported.
    fn branch(&self, node: &'a NodeProto) -> Result<Option<&'a GraphProto>, Reason> {
        let condition = node.input.first().ok_or(Reason::MissingOperand { index: 0 })?;
        let known = match self.names.get(condition.as_str()) {
            Some(Definition::Value(value)) => self.state.graph.constant(*value),
            Some(Definition::Failed) => return Ok(None),
            Some(Definition::NotMade) | None => None,
        };
        let known = known.ok_or_else(|| Reason::NotConstant { index: 0, name: condition.clone() })?;
        let &[takes] = known.as_slice::<bool>()? else {
            return Err(Reason::Operand("the condition must be one truth value".to_owned()));
        };
        let wanted = if takes { "then_branch" } else { "else_branch" };
        let found = node.attribute.iter().find(|attribute| attribute.name == wanted);
        let branch = found.and_then(|attribute| attribute.g.as_ref());
        let branch = branch.ok_or_else(|| Reason::Operand(format!("it has no {wanted}")))?;
        if !branch.input.is_empty() || !branch.sparse_initializer.is_empty() {
            return Err(Reason::Operand(format!("its {wanted} has inputs or sparse constants")));
        }
        Ok(Some(branch))
    }

    fn add_node(&mut self, index: usize, node: &'a NodeProto, opset: i64) -> Result<(), ImportError> {
        let name = node_name(index, node);
        if is_default_domain(&node.domain) && node.op_type == "If" {
            return self.inline(name, node, opset);
        }
        let operator = if is_default_domain(&node.domain) {
            node.op_type.clone()
        } else {
            format!("{}.{}", node.domain, node.op_type)
        };
        let mut failed = false;
        let mut reason = None;
        let mut inputs = Vec::with_capacity(node.input.len());
        for operand in &node.input {
            if operand.is_empty() {
                inputs.push(None);
                continue;
            }
            match self.names.get(operand.as_str()) {
                None => {
                    return Err(ImportError::Undefined {
                        user: format!("node `{name}` ({operator})"),
                        name: operand.clone(),
                    });
                }
                Some(Definition::Value(value)) => inputs.push(Some(*value)),
                Some(Definition::Failed) => failed = true,
                Some(Definition::NotMade) => {
                    reason = Some(Reason::Operand(format!(
                        "it reads `{operand}`, an additional result that is not supported"
                    )));
                }
            }
        }
        let known = lower::find(&node.domain, &node.op_type);
        let outputs = match (known, reason) {
            (None, _) => Err(Reason::Operator),
            (Some(_), Some(reason)) => Err(reason),
            // What this node lacks cannot be told before the node it reads is supported.
            (Some(_), None) if failed => Ok(None),
            (Some(function), None) => Lowering::run(&mut self.state, node, &name, opset, inputs, function).map(Some),
        };
        let made = match outputs {
            Ok(made) => made,
            Err(reason) => {
                self.unsupported.push(UnsupportedNode { name, operator, reason });
                None
            }
        };
        for (position, output) in node.output.iter().enumerate() {
            if output.is_empty() {
                continue;
            }
            let definition = match &made {
                None => Definition::Failed,
                Some(values) => values.get(position).copied().flatten().map_or(Definition::NotMade, Definition::Value),
            };
            self.define(output, definition)?;
        }
        Ok(())
    }

    fn finish(mut self, proto: &GraphProto) -> Result<Graph, ImportError> {
        let mut missing = Vec::new();
        for output in &proto.output {
            match self.names.get(output.name.as_str()) {
                Some(Definition::Value(value)) => {
                    self.state.graph.add_output(output.name.clone(), *value);
                }
                Some(Definition::Failed) => {}
                Some(Definition::NotMade) => missing.push(UnsupportedNode {
                    name: output.name.clone(),
                    operator: "graph output".to_owned(),
                    reason: Reason::Operand("it is an additional result that is not supported".to_owned()),
                }),
                None => {
                    return Err(ImportError::Undefined {
                        user: "the list of outputs".to_owned(),
                        name: output.name.clone(),
                    });
                }
            }
        }
        self.unsupported.extend(missing);
        if !self.unsupported.is_empty() {
            let mut others = Box::new(self.state.graph);
            for value in others.value_ids() {
                if others.producer(value).is_some() && others.consumers(value).is_empty() && !others.is_output(value) {
                    let name = others.value(value).name.clone();
                    others.add_output(name, value);
                }
            }
            return Err(ImportError::Unsupported { nodes: self.unsupported, others });
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

/// A node's name; many exporters leave it out, then that of its first result.
fn node_name(index: usize, node: &NodeProto) -> String {
    if !node.name.is_empty() {
        return node.name.clone();
    }
    match node.output.iter().find(|output| !output.is_empty()) {
        Some(output) => output.clone(),
        None => format!("number {index}"),
    }
}
