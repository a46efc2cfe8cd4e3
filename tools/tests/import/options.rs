//! Free dimensions, and messages that say what to do.

use super::build::{Dim, Model, int};
use bantam_tools::import::onnx::{ImportError, ImportOptions, import_file, import_model};
use std::path::Path;

fn with_shapes(model: &Model, shapes: &[(&str, usize)]) -> Result<Vec<usize>, ImportError> {
    let shapes = shapes.iter().map(|&(name, size)| (name.to_owned(), size)).collect();
    let graph = import_model(&model.0, &ImportOptions { shapes, ..Default::default() })?;
    Ok(graph.value(graph.outputs()[0].value).shape.clone())
}

fn relu(dims: &[Dim]) -> Model {
    Model::with_dims(13, dims).node("Relu", "x", "y", vec![])
}

#[test]
fn a_free_batch_is_one() {
    for first in [Dim::Named("N"), Dim::Fixed(0), Dim::Fixed(-1), Dim::Named("")] {
        assert_eq!(with_shapes(&relu(&[first, Dim::Fixed(3)]), &[]).unwrap(), [1, 3]);
    }
    let model = relu(&[Dim::Named("N"), Dim::Fixed(3)]);
    assert_eq!(with_shapes(&model, &[("N", 4)]).unwrap(), [4, 3]);
}

#[test]
fn other_free_dimensions_are_asked_for_by_name() {
    let model = relu(&[Dim::Named("N"), Dim::Named("time"), Dim::Fixed(-1)]);
    let error = with_shapes(&model, &[]).unwrap_err().to_string();
    assert!(error.contains("--shape time=SIZE") && error.contains("--shape x:2=SIZE"), "{error}");
    assert_eq!(with_shapes(&model, &[("time", 5), ("x:2", 2)]).unwrap(), [1, 5, 2]);
    let error = with_shapes(&model, &[("tine", 5)]).unwrap_err().to_string();
    assert!(error.contains("tine") && error.contains("time"), "{error}");
}

#[test]
fn every_unsupported_node_is_listed() {
    let model = Model::new(13, &[1, 2, 3, 3])
        .node("Foo", "x", "a", vec![])
        .node("Relu", "a", "b", vec![])
        .node("Softmax", "x", "c", vec![int("axis", 9)])
        .node("Conv", "b x", "d", vec![])
        .node("Conv", "x x", "e", vec![])
        .node("Relu", "x", "f", vec![int("unknown", 1)])
        .node("NonMaxSuppression", "d", "y", vec![]);
    let error = with_shapes(&model, &[]).unwrap_err();
    let ImportError::Unsupported { nodes, .. } = &error else { panic!("{error}") };
    let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["node_a", "node_c", "node_e", "node_f", "node_y"]);
    let text = error.to_string();
    for part in ["5 nodes", "(Foo)", "attribute axis is 9", "must be a constant", "unknown"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_file_is_named_in_its_error() {
    let path = Path::new("no/such/model.onnx");
    let error = import_file(path, &ImportOptions::default()).unwrap_err();
    assert!(error.to_string().starts_with("no/such/model.onnx: "), "{error}");
}

#[test]
fn constants_listed_as_inputs_stay_constants() {
    let model = Model::new(8, &[2, 3]).input("c", &[3]).weights("c", &[3]).node("Add", "x c", "y", vec![]);
    let graph = import_model(&model.0, &ImportOptions::default()).unwrap();
    assert_eq!(graph.inputs().len(), 1);
}
