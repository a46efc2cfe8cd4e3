//! The rules every graph obeys, and a readable listing.

use super::edit::Graph;
use super::error::GraphError;
use super::ops::Facts;
use super::value::ValueId;
use std::collections::HashMap;
use std::fmt;

impl Graph {
    /// Checks that ids are of this graph, that every value has one source and is defined before
    /// it is used, that recorded shapes and types are what the operators yield, that constants
    /// match, and that use lists agree with the nodes. Linear in the graph.
    ///
    /// # Errors
    /// The first rule broken.
    pub fn validate(&self) -> Result<(), GraphError> {
        let mut defined = vec![false; self.values.len()];
        for (index, value) in self.values.iter().enumerate() {
            if let Some(tensor) = &value.constant {
                if tensor.shape() != value.shape || tensor.data_type() != value.dtype {
                    return Err(GraphError::Constant { value: value.name.clone() });
                }
                defined[index] = true;
            }
        }
        for port in &self.inputs {
            self.define(&mut defined, port.value)?;
        }
        let mut uses: HashMap<ValueId, Vec<_>> = HashMap::new();
        for (id, node) in self.nodes() {
            for &input in &node.inputs {
                let user = || format!("node `{}` ({})", node.name, node.op.name());
                self.expect_defined(&defined, input, user)?;
                uses.entry(input).or_default().push(id);
            }
            let results = self.infer(&node.name, &node.op, &node.inputs)?;
            if results.len() != node.outputs.len() {
                return Err(GraphError::Result {
                    node: node.name.clone(),
                    operator: node.op.name(),
                    expected: format!("{} results", results.len()),
                    got: format!("{} results", node.outputs.len()),
                });
            }
            for (&output, expected) in node.outputs.iter().zip(&results) {
                self.define(&mut defined, output)?;
                let recorded = self.facts(output);
                if recorded != *expected {
                    return Err(GraphError::Result {
                        node: node.name.clone(),
                        operator: node.op.name(),
                        expected: describe(expected),
                        got: describe(&recorded),
                    });
                }
                if self.producer(output) != Some(id) {
                    return Err(GraphError::Links { value: self.value(output).name.clone() });
                }
            }
        }
        for port in &self.outputs {
            self.expect_defined(&defined, port.value, || format!("output `{}`", port.name))?;
        }
        for value in self.value_ids() {
            let mut recorded = self.consumers(value).to_vec();
            let mut found = uses.remove(&value).unwrap_or_default();
            recorded.sort_unstable();
            found.sort_unstable();
            if recorded != found {
                return Err(GraphError::Links { value: self.value(value).name.clone() });
            }
        }
        Ok(())
    }

    fn define(&self, defined: &mut [bool], value: ValueId) -> Result<(), GraphError> {
        match defined.get_mut(value.index()) {
            None => Err(GraphError::NoSuch { what: "value", index: value.index() }),
            Some(true) => Err(GraphError::Redefined { value: self.value(value).name.clone() }),
            Some(slot) => {
                *slot = true;
                Ok(())
            }
        }
    }

    fn expect_defined(&self, defined: &[bool], value: ValueId, user: impl Fn() -> String) -> Result<(), GraphError> {
        match defined.get(value.index()) {
            None => Err(GraphError::NoSuch { what: "value", index: value.index() }),
            Some(true) => Ok(()),
            Some(false) => Err(GraphError::Undefined { user: user(), value: self.value(value).name.clone() }),
        }
    }
}

fn describe(facts: &Facts) -> String {
    format!("{} {:?}", facts.dtype, facts.shape)
}

/// One line per input, node and output.
impl fmt::Display for Graph {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for port in &self.inputs {
            let facts = describe(&self.facts(port.value));
            writeln!(formatter, "%{} = input `{}` {facts}", port.value.index(), port.name)?;
        }
        for (_, node) in self.nodes() {
            let operands: Vec<String> = node
                .inputs
                .iter()
                .map(|&input| match self.constant(input) {
                    Some(tensor) => format!("constant {:?}", tensor.shape()),
                    None => format!("%{}", input.index()),
                })
                .collect();
            let facts = describe(&self.facts(node.output()));
            writeln!(
                formatter,
                "%{} = {}({}) {facts} `{}`",
                node.output().index(),
                node.op.name(),
                operands.join(", "),
                node.name
            )?;
        }
        for port in &self.outputs {
            writeln!(formatter, "output `{}` %{}", port.name, port.value.index())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::ops::{Reshape, Unary};
    use crate::graph::{Activation, Op};
    use crate::tensor::{DataType, Tensor};

    fn chain() -> (Graph, ValueId, ValueId, ValueId) {
        let mut graph = Graph::new("chain");
        let input = graph.add_input("x", vec![1, 4], DataType::F32);
        let first = graph.add_node("relu", Op::Clip(Activation::RELU), &[input]).unwrap();
        let second = graph.add_node("tanh", Op::Unary(Unary::Tanh), &[first]).unwrap();
        graph.add_output("y", second);
        (graph, input, first, second)
    }

    #[test]
    fn edits_keep_the_links() {
        let (mut graph, input, first, second) = chain();
        graph.validate().unwrap();
        let producer = graph.producer(second).unwrap();
        let middle = graph.insert_before(producer, "exp", Op::Unary(Unary::Exp), &[first]).unwrap();
        graph.set_input(producer, 0, middle).unwrap();
        graph.validate().unwrap();
        graph.replace_uses(first, input);
        assert_eq!(graph.remove_dead(), 1);
        graph.validate().unwrap();
        assert_eq!(graph.node_count(), 2);
        graph.compact();
        graph.validate().unwrap();
        assert_eq!(graph.values().len(), 3);
    }

    #[test]
    fn a_use_before_the_definition_is_found() {
        let (mut graph, _, first, second) = chain();
        let producer = graph.producer(first).unwrap();
        graph.set_input(producer, 0, second).unwrap();
        assert!(matches!(graph.validate(), Err(GraphError::Undefined { .. })));
    }

    #[test]
    fn a_stale_shape_is_found() {
        let (mut graph, input, first, _) = chain();
        let producer = graph.producer(first).unwrap();
        *graph.op_mut(producer).unwrap() = Op::Reshape(Reshape { shape: vec![4] });
        assert!(matches!(graph.validate(), Err(GraphError::Result { .. })));
        assert!(graph.make_constant(first, Tensor::scalar(1.0f32)).is_err());
        assert!(graph.add_node("no", Op::MatMul, &[input]).is_err());
    }
}
