//! Small ONNX models, written message by message.

use bantam_tools::reference::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, attribute_proto::AttributeType, tensor_proto::DataType, tensor_shape_proto, type_proto,
};

/// A dimension of an input: fixed or named.
#[derive(Clone, Debug)]
pub enum Dim {
    /// A size.
    Fixed(i64),
    /// A free dimension.
    Named(&'static str),
}

/// A model under construction, with one f32 input `x` and one output `y`.
#[derive(Clone, Debug)]
pub struct Model(pub ModelProto);

impl Model {
    /// A model with an input of fixed size.
    pub fn new(opset: i64, shape: &[i64]) -> Self {
        let dims: Vec<Dim> = shape.iter().map(|&size| Dim::Fixed(size)).collect();
        Self::with_dims(opset, &dims)
    }

    /// A model with an input of these dimensions.
    pub fn with_dims(opset: i64, dims: &[Dim]) -> Self {
        let graph = GraphProto {
            name: "test".into(),
            input: vec![input("x", DataType::Float, dims)],
            output: vec![ValueInfoProto { name: "y".into(), ..Default::default() }],
            ..Default::default()
        };
        Self(ModelProto {
            ir_version: 8,
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: opset }],
            graph: Some(graph),
            ..Default::default()
        })
    }

    /// The graph.
    pub fn graph(&mut self) -> &mut GraphProto {
        self.0.graph.as_mut().unwrap()
    }

    /// Adds an f32 input.
    pub fn input(mut self, name: &str, shape: &[i64]) -> Self {
        let dims: Vec<Dim> = shape.iter().map(|&size| Dim::Fixed(size)).collect();
        self.graph().input.push(input(name, DataType::Float, &dims));
        self
    }

    /// Adds an f32 constant with seeded numbers between -1 and 1.
    pub fn weights(self, name: &str, shape: &[i64]) -> Self {
        let count: i64 = shape.iter().product();
        let seed = name.bytes().fold(7u64, |seed, byte| seed * 31 + u64::from(byte));
        self.floats(name, shape, &numbers(count as usize, seed))
    }

    /// Adds an f32 constant.
    pub fn floats(mut self, name: &str, shape: &[i64], items: &[f32]) -> Self {
        let tensor = TensorProto {
            name: name.into(),
            dims: shape.to_vec(),
            data_type: DataType::Float as i32,
            raw_data: items.iter().flat_map(|item| item.to_le_bytes()).collect(),
            ..Default::default()
        };
        self.graph().initializer.push(tensor);
        self
    }

    /// Adds an i64 constant of rank 1.
    pub fn integers(mut self, name: &str, items: &[i64]) -> Self {
        let tensor = TensorProto {
            name: name.into(),
            dims: vec![items.len() as i64],
            data_type: DataType::Int64 as i32,
            int64_data: items.to_vec(),
            ..Default::default()
        };
        self.graph().initializer.push(tensor);
        self
    }

    /// Adds a constant of integers of any type.
    pub fn typed(mut self, name: &str, data_type: DataType, shape: &[i64], items: &[i64]) -> Self {
        let tensor = TensorProto {
            name: name.into(),
            dims: shape.to_vec(),
            data_type: data_type as i32,
            int32_data: items.iter().map(|&item| item as i32).collect(),
            ..Default::default()
        };
        self.graph().initializer.push(tensor);
        self
    }

    /// Puts the last node into an operator set of its own.
    pub fn of(mut self, domain: &str) -> Self {
        if let Some(node) = self.graph().node.last_mut() {
            node.domain = domain.into();
        }
        self
    }

    /// Adds a node; operands and results are separated by spaces, `_` leaves an operand out.
    pub fn node(mut self, operator: &str, inputs: &str, outputs: &str, attributes: Vec<AttributeProto>) -> Self {
        let names = |list: &str| {
            list.split_whitespace().map(|name| if name == "_" { String::new() } else { name.to_owned() }).collect()
        };
        self.graph().node.push(NodeProto {
            input: names(inputs),
            output: names(outputs),
            name: format!("node_{}", outputs.split_whitespace().next().unwrap_or_default()),
            op_type: operator.into(),
            attribute: attributes,
            ..Default::default()
        });
        self
    }
}

fn input(name: &str, data_type: DataType, dims: &[Dim]) -> ValueInfoProto {
    use tensor_shape_proto::{Dimension, dimension::Value};
    let dim = dims
        .iter()
        .map(|dim| Dimension {
            value: Some(match dim {
                Dim::Fixed(size) => Value::DimValue(*size),
                Dim::Named(name) => Value::DimParam((*name).to_owned()),
            }),
            ..Default::default()
        })
        .collect();
    let tensor = type_proto::Tensor { elem_type: data_type as i32, shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto {
        name: name.into(),
        r#type: Some(TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..Default::default() }),
        ..Default::default()
    }
}

fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: kind as i32, ..Default::default() }
}

/// An integer attribute.
pub fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { i, ..attribute(name, AttributeType::Int) }
}

/// An attribute of several integers.
pub fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    AttributeProto { ints: ints.to_vec(), ..attribute(name, AttributeType::Ints) }
}

/// A float attribute.
pub fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto { f, ..attribute(name, AttributeType::Float) }
}

/// A text attribute.
pub fn string(name: &str, s: &str) -> AttributeProto {
    AttributeProto { s: s.as_bytes().to_vec(), ..attribute(name, AttributeType::String) }
}

/// Numbers between -1 and 1, the same for the same seed.
pub fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}
