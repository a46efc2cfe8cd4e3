//! Inputs that are integers.

use super::arrays::{integers, npz};
use super::bench::Bench;
use super::networks::{axis, node, port};
use bantam_tools::reference::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, attribute_proto::AttributeType,
    tensor_proto::DataType,
};
use prost::Message;

/// Five positions in a table of four rows of three numbers; the largest of each column.
fn lookup() -> Vec<u8> {
    let axes =
        AttributeProto { name: "axes".into(), r#type: AttributeType::Ints as i32, ints: vec![1], ..Default::default() };
    let gather = NodeProto { attribute: vec![axis(0)], ..node("Gather", &["table", "tokens"], "rows") };
    let largest = NodeProto { attribute: vec![axes], ..node("ReduceMax", &["rows"], "y") };
    let graph = GraphProto {
        name: "lookup".into(),
        input: vec![port("tokens", DataType::Int64, &[1, 5])],
        output: vec![port("y", DataType::Float, &[1, 1, 3])],
        initializer: vec![TensorProto {
            name: "table".into(),
            dims: vec![4, 3],
            data_type: DataType::Float as i32,
            float_data: (0..12).map(|item| item as f32 / 4.0).collect(),
            ..Default::default()
        }],
        node: vec![gather, largest],
        ..Default::default()
    };
    let opset_import = vec![OperatorSetIdProto { domain: String::new(), version: 13 }];
    ModelProto { ir_version: 8, opset_import, graph: Some(graph), ..Default::default() }.encode_to_vec()
}

#[test]
fn they_are_drawn_read_and_scored() {
    let bench = Bench::new();
    bench.write("model.onnx", &lookup());
    let tokens = integers(&[2, 5], &[0, 1, 2, 3, 0, 3, 3, 3, 3, 3]);
    bench.write("data.npz", &npz(&[("x", tokens), ("y", integers(&[2], &[2, 2]))]));
    bench.bantam("shrink model.onnx --float -o model.bantam").done();
    for data in ["--random 20", "--data data.npz"] {
        let value = bench.bantam(&format!("diff model.onnx model.bantam {data} --json")).json();
        assert_eq!((&value["agreement"], &value["output_max_error"]), (&1.0.into(), &0.0.into()), "{data}");
    }
    for model in ["model.onnx", "model.bantam"] {
        assert_eq!(bench.bantam(&format!("eval {model} --data data.npz --json")).json()["top1"], 1.0);
    }
}
