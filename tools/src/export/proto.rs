//! An ONNX model in the making.

use crate::reference::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, attribute_proto::AttributeType, tensor_proto::DataType, tensor_shape_proto, type_proto,
};
use prost::Message;

/// The first operator set with scales per axis.
const OPERATOR_SET: i64 = 13;
/// The format version that goes with it.
const FORMAT: i64 = 8;

/// Collects nodes and constants.
#[derive(Debug, Default)]
pub(super) struct Proto {
    graph: GraphProto,
}

impl Proto {
    pub fn new(name: &str) -> Self {
        Self { graph: GraphProto { name: name.into(), ..Default::default() } }
    }

    /// Adds a node with one result and gives that result's name.
    pub fn node(&mut self, operator: &str, inputs: &[&str], output: &str, attribute: Vec<AttributeProto>) -> String {
        self.graph.node.push(NodeProto {
            input: inputs.iter().map(ToString::to_string).collect(),
            output: vec![output.to_owned()],
            name: format!("{output}/{operator}"),
            op_type: operator.into(),
            attribute,
            ..Default::default()
        });
        output.to_owned()
    }

    fn constant(&mut self, name: &str, data_type: DataType, shape: &[usize], raw_data: Vec<u8>) -> String {
        if !self.graph.initializer.iter().any(|known| known.name == name) {
            self.graph.initializer.push(TensorProto {
                name: name.into(),
                dims: shape.iter().map(|&d| d as i64).collect(),
                data_type: data_type as i32,
                raw_data,
                ..Default::default()
            });
        }
        name.to_owned()
    }

    pub fn floats(&mut self, name: &str, shape: &[usize], items: &[f32]) -> String {
        self.constant(name, DataType::Float, shape, items.iter().flat_map(|x| x.to_le_bytes()).collect())
    }

    pub fn bytes(&mut self, name: &str, shape: &[usize], items: &[i8]) -> String {
        self.constant(name, DataType::Int8, shape, items.iter().map(|x| x.cast_unsigned()).collect())
    }

    pub fn words(&mut self, name: &str, shape: &[usize], items: &[i32]) -> String {
        self.constant(name, DataType::Int32, shape, items.iter().flat_map(|x| x.to_le_bytes()).collect())
    }

    pub fn longs(&mut self, name: &str, items: &[usize]) -> String {
        self.constant(
            name,
            DataType::Int64,
            &[items.len()],
            items.iter().flat_map(|&x| (x as i64).to_le_bytes()).collect(),
        )
    }

    pub fn input(&mut self, name: &str, shape: &[usize]) {
        self.graph.input.push(port(name, shape));
    }

    pub fn output(&mut self, name: &str, shape: &[usize]) {
        self.graph.output.push(port(name, shape));
    }

    /// The file.
    pub fn into_bytes(self) -> Vec<u8> {
        let model = ModelProto {
            ir_version: FORMAT,
            producer_name: "bantam".into(),
            producer_version: env!("CARGO_PKG_VERSION").into(),
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPERATOR_SET }],
            graph: Some(self.graph),
            ..Default::default()
        };
        model.encode_to_vec()
    }
}

fn port(name: &str, shape: &[usize]) -> ValueInfoProto {
    use tensor_shape_proto::{Dimension, dimension::Value};
    let dimension = |&size: &usize| Dimension { value: Some(Value::DimValue(size as i64)), ..Default::default() };
    let shape = Some(TensorShapeProto { dim: shape.iter().map(dimension).collect() });
    let tensor = type_proto::Tensor { elem_type: DataType::Float as i32, shape };
    let value = Some(type_proto::Value::TensorType(tensor));
    ValueInfoProto { name: name.into(), r#type: Some(TypeProto { value, ..Default::default() }), ..Default::default() }
}

fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: kind as i32, ..Default::default() }
}

pub(super) fn int(name: &str, i: usize) -> AttributeProto {
    AttributeProto { i: i as i64, ..attribute(name, AttributeType::Int) }
}

pub(super) fn ints(name: &str, ints: &[usize]) -> AttributeProto {
    AttributeProto { ints: ints.iter().map(|&x| x as i64).collect(), ..attribute(name, AttributeType::Ints) }
}

pub(super) fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto { f, ..attribute(name, AttributeType::Float) }
}
