//! Damaged and malicious files: a typed error, whatever is in them.

use super::build::{Model, int, ints};
use bantam_tools::import::onnx::{ImportError, ImportOptions, import, import_model};
use bantam_tools::passes::{PassOptions, optimize};
use bantam_tools::reference::pb::{GraphProto, StringStringEntryProto, TensorProto};
use prost::Message;

fn refused(model: &Model) -> ImportError {
    import_model(&model.0, &ImportOptions::default()).expect_err("must be refused")
}

fn constant(dims: &[i64]) -> TensorProto {
    TensorProto { name: "c".into(), dims: dims.to_vec(), data_type: 1, ..Default::default() }
}

fn with_constant(constant: TensorProto) -> Model {
    let mut model = Model::new(13, &[2]).node("Add", "x c", "y", vec![]);
    model.graph().initializer.push(constant);
    model
}

#[test]
fn constants_that_lie_about_their_size() {
    for constant in [
        constant(&[-2]),
        constant(&[2]),
        constant(&[i64::MAX, i64::MAX]),
        TensorProto { raw_data: vec![0; 9], ..constant(&[2]) },
        TensorProto { raw_data: vec![0; 8], float_data: vec![0.0; 2], ..constant(&[2]) },
        TensorProto { data_type: 1234, ..constant(&[2]) },
    ] {
        let error = refused(&with_constant(constant));
        assert!(matches!(&error, ImportError::Constant { name, .. } if name == "c"), "{error}");
    }
}

#[test]
fn elements_in_another_file_are_never_opened() {
    let location = StringStringEntryProto { key: "location".into(), value: "../../etc/passwd".into() };
    let external = TensorProto { data_location: Some(1), external_data: vec![location], ..constant(&[2]) };
    let error = refused(&with_constant(external)).to_string();
    assert!(error.contains("in another file"), "{error}");
}

#[test]
fn names_must_be_unique_and_defined() {
    let twice = Model::new(13, &[2]).node("Relu", "x", "y", vec![]).node("Neg", "x", "y", vec![]);
    assert!(matches!(refused(&twice), ImportError::Duplicate { .. }));
    let over_input = Model::new(13, &[2]).node("Relu", "x", "x", vec![]);
    assert!(matches!(refused(&over_input), ImportError::Duplicate { .. }));
    let constants = Model::new(13, &[2]).weights("c", &[2]).weights("c", &[2]);
    assert!(matches!(refused(&constants), ImportError::Duplicate { .. }));
    let cycle = Model::new(13, &[2]).node("Add", "x b", "a", vec![]).node("Relu", "a", "b", vec![]);
    assert!(matches!(refused(&cycle), ImportError::Undefined { .. }));
    let no_output = Model::new(13, &[2]).node("Relu", "x", "z", vec![]);
    assert!(matches!(refused(&no_output), ImportError::Undefined { .. }));
}

#[test]
fn operator_sets_and_features_out_of_reach() {
    for opset in [0, 5, 99, i64::MIN] {
        let model = Model::new(opset, &[2]).node("Relu", "x", "y", vec![]);
        assert!(matches!(refused(&model), ImportError::OperatorSet { .. }));
    }
    let mut model = Model::new(13, &[2]);
    model.0.opset_import.clear();
    assert!(matches!(refused(&model), ImportError::OperatorSet { .. }));
    model.0.graph = None;
    assert!(matches!(refused(&model), ImportError::NoGraph));
    let mut model = Model::new(13, &[2]).node("Relu", "x", "y", vec![]);
    model.graph().output.clear();
    assert!(matches!(refused(&model), ImportError::NoOutput));
}

#[test]
fn absurd_sizes_are_refused_without_taking_memory() {
    let huge = i64::MAX;
    let models = [
        Model::new(13, &[huge, huge]).node("Relu", "x", "y", vec![]),
        Model::new(13, &[1 << 31, 2]).node("Relu", "x", "y", vec![]),
        Model::new(13, &[1, 1, 2, 2]).weights("w", &[1, 1, 1, 1]).node(
            "Conv",
            "x w",
            "y",
            vec![ints("pads", &[huge, huge, huge, huge])],
        ),
        Model::new(13, &[1, 1, 2, 2]).weights("w", &[1, 1, 2, 2]).node(
            "Conv",
            "x w",
            "y",
            vec![ints("dilations", &[huge, huge])],
        ),
        Model::new(13, &[1, 1, 2, 2]).node("MaxPool", "x", "y", vec![ints("kernel_shape", &[huge, huge])]),
        Model::new(13, &[1, 1, 2, 2]).weights("w", &[1, 1, 1, 1]).node(
            "Conv",
            "x w",
            "y",
            vec![ints("strides", &[0, 0])],
        ),
        Model::new(13, &[1, 1, 2, 2]).weights("w", &[1, 1, 1, 1]).node("Conv", "x w", "y", vec![int("group", 0)]),
        Model::new(13, &[2]).integers("s", &[huge, 2]).node("Reshape", "x s", "y", vec![]),
        Model::new(13, &[2]).integers("s", &[-1, 0, -1]).node("Reshape", "x s", "y", vec![]),
        Model::new(13, &[2]).integers("p", &[huge, huge]).node("Pad", "x p", "y", vec![]),
        Model::new(11, &[2]).node("Unsqueeze", "x", "y", vec![ints("axes", &[huge])]),
        Model::new(13, &[2]).node("Softmax", "x", "y", vec![int("axis", i64::MIN)]),
        Model::new(13, &[2]).node("Transpose", "x", "y", vec![ints("perm", &[0, 0])]),
        Model::new(13, &[2]).integers("s", &[huge, huge]).node("Expand", "x s", "y", vec![]),
        Model::new(13, &[2]).integers("s", &[huge]).node("Tile", "x s", "y", vec![]),
        Model::new(13, &[2]).integers("s", &[1 << 30]).node("ConstantOfShape", "s", "y", vec![]),
        Model::new(13, &[2]).floats("s", &[1], &[1e30]).node("Resize", "x _ s", "y", vec![]),
        Model::new(13, &[2]).integers("s", &[huge]).node("Resize", "x _ _ s", "y", vec![]),
        Model::new(13, &[1, 1 << 20]).integers("a", &[1]).node("CumSum", "x a", "y", vec![]),
        Model::new(13, &[2]).integers("k", &[huge]).node("TopK", "x k", "y i", vec![]),
        Model::new(13, &[2]).integers("s", &[huge, huge]).node("Split", "x s", "y z", vec![]),
        Model::new(13, &[2]).integers("i", &[huge]).node("GatherElements", "x i", "y", vec![]),
        Model::new(13, &[2]).floats("a", &[], &[0.0]).floats("b", &[], &[1e9]).floats("c", &[], &[1e-9]).node(
            "Range",
            "a b c",
            "y",
            vec![],
        ),
        Model::new(13, &[1, 1, 2, 2]).weights("w", &[1, 1, 2, 2]).node(
            "ConvTranspose",
            "x w",
            "y",
            vec![ints("strides", &[huge, huge])],
        ),
        Model::new(13, &[1, 4, 2, 2]).node("DepthToSpace", "x", "y", vec![int("blocksize", huge)]),
        Model::new(13, &[2]).node("If", "x", "y", vec![]),
    ];
    for model in models {
        refused(&model);
    }
}

#[test]
fn constants_cannot_be_multiplied_into_much_memory() {
    // Each sum would have 2^32 elements, from 2^17 bytes of constants.
    let side = 1 << 16;
    let mut model = Model::new(13, &[2])
        .floats("row", &[1, side], &vec![0.5; side as usize])
        .node("Add", "x x", "y", vec![])
        .node("Transpose", "row", "column", vec![]);
    for index in 0..50 {
        model = model.node("Mul", "row column", &format!("product{index}"), vec![]);
    }
    refused(&model);
    // A large constant that many nodes reorder is reordered once.
    let mut model = Model::new(13, &[1, 1, 4, 4]).weights("w", &[1, 1, 512, 512]);
    for index in 0..200 {
        let permutation = vec![ints("perm", &[3, 2, 0, 1])];
        model = model.node("Transpose", "w", &format!("t{index}"), permutation);
    }
    let model = model.node("Relu", "x", "y", vec![]);
    import_model(&model.0, &ImportOptions::default()).unwrap();
}

#[test]
fn damaged_bytes_never_panic() {
    let model = Model::new(13, &[1, 2, 6, 6])
        .weights("w", &[4, 2, 3, 3])
        .weights("fc", &[4, 3])
        .integers("shape", &[0, -1])
        .node("Conv", "x w", "a", vec![ints("pads", &[1, 1, 1, 1]), ints("strides", &[2, 2])])
        .node("Relu", "a", "b", vec![])
        .node("GlobalAveragePool", "b", "c", vec![])
        .node("Reshape", "c shape", "d", vec![])
        .node("MatMul", "d fc", "e", vec![])
        .node("Softmax", "e", "y", vec![]);
    let bytes = model.0.encode_to_vec();
    let options = ImportOptions::default();
    let attempt = |bytes: &[u8]| {
        if let Ok(mut graph) = import(bytes, &options) {
            let options = PassOptions { channels_last_inputs: true, channels_last_outputs: true };
            optimize(&mut graph, &options).unwrap();
        }
    };
    attempt(&bytes);
    for length in 0..bytes.len() {
        attempt(&bytes[..length]);
    }
    for position in 0..bytes.len() {
        for value in [0, 1, 2, 0x7f, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[position] = value;
            attempt(&damaged);
        }
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[position] ^= 1 << bit;
            attempt(&damaged);
        }
    }
}

#[test]
fn deep_nesting_is_refused() {
    use bantam_tools::reference::pb::{AttributeProto, NodeProto};
    // Graphs in attributes of nodes in graphs.
    let mut graph = GraphProto::default();
    for _ in 0..60 {
        let attribute = AttributeProto { g: Some(graph), r#type: 5, ..Default::default() };
        let node = NodeProto { attribute: vec![attribute], ..Default::default() };
        graph = GraphProto { node: vec![node], ..Default::default() };
    }
    let mut model = Model::new(13, &[2]);
    model.0.graph = Some(graph);
    let error = import(&model.0.encode_to_vec(), &ImportOptions::default()).unwrap_err();
    assert!(matches!(error, ImportError::Nesting { .. }), "{error}");
    assert!(import(b"not a model", &ImportOptions::default()).is_err());
    assert!(import(&[], &ImportOptions::default()).is_err());
}
