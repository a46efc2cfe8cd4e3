//! Networks made from the repository's by changing a little.

use super::bench::Bench;
use bantam_tools::reference::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto,
    attribute_proto::AttributeType, tensor_proto::DataType, tensor_shape_proto, type_proto,
};
use prost::Message;

/// Writes a changed copy of a network.
pub fn edit(bench: &Bench, from: &str, to: &str, change: impl FnOnce(&mut GraphProto)) {
    let mut model = ModelProto::decode(bench.read(from).as_slice()).unwrap();
    change(model.graph.as_mut().unwrap());
    bench.write(to, &model.encode_to_vec());
}

/// A node with one output.
pub fn node(operator: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: operator.into(),
        name: format!("node_{output}"),
        input: inputs.iter().map(ToString::to_string).collect(),
        output: vec![output.into()],
        ..Default::default()
    }
}

/// Adds a node at the end, whose output, `appended_` and the operator, becomes the network's only one.
pub fn append(graph: &mut GraphProto, operator: &str, inputs: &[&str], shape: &[i64], attributes: Vec<AttributeProto>) {
    let name = format!("appended_{operator}");
    graph.node.push(NodeProto { attribute: attributes, ..node(operator, inputs, &name) });
    graph.output = vec![port(&name, DataType::Float, shape)];
}

/// An input or output.
pub fn port(name: &str, data_type: DataType, shape: &[i64]) -> ValueInfoProto {
    let size = |&size| tensor_shape_proto::Dimension {
        value: Some(tensor_shape_proto::dimension::Value::DimValue(size)),
        ..Default::default()
    };
    let shape = Some(TensorShapeProto { dim: shape.iter().map(size).collect() });
    let tensor = type_proto::Tensor { elem_type: data_type as i32, shape };
    let r#type = Some(TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..Default::default() });
    ValueInfoProto { name: name.into(), r#type, ..Default::default() }
}

/// Adds a constant list of integers.
pub fn constant(graph: &mut GraphProto, name: &str, items: &[i64]) {
    graph.initializer.push(TensorProto {
        name: name.into(),
        dims: vec![items.len() as i64],
        data_type: DataType::Int64 as i32,
        int64_data: items.to_vec(),
        ..Default::default()
    });
}

/// A constant of 32-bit floats.
pub fn reals(name: &str, dims: &[i64], items: &[f32]) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims: dims.to_vec(),
        data_type: DataType::Float as i32,
        float_data: items.to_vec(),
        ..Default::default()
    }
}

/// The attribute `axis`.
pub fn axis(axis: i64) -> AttributeProto {
    AttributeProto { name: "axis".into(), r#type: AttributeType::Int as i32, i: axis, ..Default::default() }
}

/// The attribute `axes`.
pub fn axes(axes: &[i64]) -> AttributeProto {
    AttributeProto {
        name: "axes".into(),
        r#type: AttributeType::Ints as i32,
        ints: axes.to_vec(),
        ..Default::default()
    }
}
