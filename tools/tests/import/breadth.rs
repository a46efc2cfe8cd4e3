//! Operators that are imported as compositions of others, with results worked out by hand.

use super::build::{Model, float, int, ints, string};
use super::compare::{differences, import, run};
use bantam_tools::device::Device;
use bantam_tools::import::onnx::{ImportOptions, import_model};
use bantam_tools::reference::pb::{AttributeProto, GraphProto, NodeProto, ValueInfoProto};
use bantam_tools::tensor::Tensor;

/// Runs a model with one input and checks the numbers, before and after the passes and on a device.
fn expect(model: Model, x: &[f32], expected: &[f32]) {
    let imported = import(&model.0);
    let shape = imported.before.value(imported.before.inputs()[0].value).shape.clone();
    let inputs = [Tensor::from_vec(shape, x.to_vec()).unwrap()];
    let device = Device::new(&imported.after).unwrap().run(&inputs).unwrap();
    for results in [run(&imported.before, &inputs), run(&imported.after, &inputs), device] {
        let got = results[0].cast(bantam_tools::tensor::DataType::F32);
        let got = got.as_f32().unwrap();
        let close = got.len() == expected.len() && got.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(close, "{got:?} instead of {expected:?}\n{}", imported.after);
    }
}

#[test]
fn slices_may_run_backwards() {
    let model = Model::new(13, &[4])
        .integers("s", &[-1])
        .integers("e", &[i64::MIN])
        .integers("a", &[0])
        .integers("t", &[-2])
        .node("Slice", "x s e a t", "y", vec![]);
    expect(model, &[1.0, 2.0, 3.0, 4.0], &[4.0, 2.0]);
}

#[test]
fn pads_of_every_mode_and_sign() {
    let padded = |mode: &str, pads: &[i64]| {
        Model::new(19, &[3]).integers("p", pads).node("Pad", "x p", "y", vec![string("mode", mode)])
    };
    let x = [1.0, 2.0, 3.0];
    expect(padded("reflect", &[2, 1]), &x, &[3.0, 2.0, 1.0, 2.0, 3.0, 2.0]);
    expect(padded("edge", &[1, 2]), &x, &[1.0, 1.0, 2.0, 3.0, 3.0, 3.0]);
    expect(padded("wrap", &[1, 1]), &x, &[3.0, 1.0, 2.0, 3.0, 1.0]);
    expect(padded("constant", &[-1, 2]), &x, &[2.0, 3.0, 0.0, 0.0]);
}

#[test]
fn transposed_convolutions_agree_with_the_reference() {
    let attributes = [
        vec![],
        vec![ints("strides", &[2, 3]), ints("pads", &[1, 0, 0, 1])],
        vec![ints("strides", &[2, 2]), ints("output_padding", &[1, 1])],
        vec![ints("dilations", &[2, 1])],
    ];
    for attributes in attributes {
        let model =
            Model::new(13, &[1, 2, 4, 3]).weights("w", &[2, 3, 3, 2]).node("ConvTranspose", "x w", "y", attributes);
        let imported = import(&model.0);
        assert_eq!(imported.operators(), ["ConvTranspose2d"]);
        let largest = differences(&model.0, &imported, 1.0);
        assert!(largest.iter().all(|&largest| largest <= 1e-5), "{largest:?}");
    }
}

#[test]
fn choices_and_comparisons() {
    let model = Model::new(16, &[4])
        .floats("zero", &[], &[0.0])
        .floats("ten", &[], &[10.0])
        .node("Greater", "x zero", "above", vec![])
        .node("Less", "x ten", "below", vec![])
        .node("And", "above below", "inside", vec![])
        .node("Not", "inside", "outside", vec![])
        .node("Where", "outside zero x", "y", vec![]);
    expect(model, &[-1.0, 3.0, 10.0, 9.0], &[0.0, 3.0, 0.0, 9.0]);
}

#[test]
fn resampling_by_positions_and_by_weights() {
    let resize =
        |attributes| Model::new(13, &[1, 2]).floats("s", &[2], &[1.0, 2.0]).node("Resize", "x _ s", "y", attributes);
    expect(resize(vec![]), &[1.0, 3.0], &[1.0, 1.0, 3.0, 3.0]);
    expect(resize(vec![string("mode", "linear")]), &[1.0, 3.0], &[1.0, 1.5, 2.5, 3.0]);
    let corners = vec![string("mode", "linear"), string("coordinate_transformation_mode", "align_corners")];
    expect(resize(corners), &[0.0, 3.0], &[0.0, 1.0, 2.0, 3.0]);
}

#[test]
fn lines_are_normalised_by_one_operator() {
    let layer = Model::new(17, &[2, 2]).floats("g", &[2], &[2.0, 1.0]).floats("b", &[2], &[0.5, 0.0]).node(
        "LayerNormalization",
        "x g b",
        "y",
        vec![float("epsilon", 0.0)],
    );
    assert_eq!(import(&layer.0).operators(), ["Normalize"]);
    expect(layer, &[1.0, 3.0, 6.0, 2.0], &[-1.5, 1.0, 2.5, -1.0]);
    let root = Model::new(23, &[2]).floats("g", &[1], &[3.0]).node("RMSNormalization", "x g", "y", vec![]);
    expect(root, &[-1.0, 1.0], &[-3.0 / 1.00001f32.sqrt(), 3.0 / 1.00001f32.sqrt()]);
    let instance = Model::new(13, &[1, 2, 2]).floats("g", &[2], &[1.0, 10.0]).floats("b", &[2], &[0.0, 1.0]).node(
        "InstanceNormalization",
        "x g b",
        "y",
        vec![float("epsilon", 0.0)],
    );
    expect(instance, &[1.0, 3.0, 6.0, 2.0], &[-1.0, 1.0, 11.0, -9.0]);
}

#[test]
fn sums_norms_and_orders() {
    let sum = Model::new(14, &[2, 2]).integers("a", &[1]).node("CumSum", "x a", "y", vec![int("reverse", 1)]);
    expect(sum, &[1.0, 2.0, 3.0, 4.0], &[3.0, 2.0, 7.0, 4.0]);
    let length = Model::new(13, &[2]).node("ReduceL2", "x", "y", vec![int("keepdims", 0)]);
    expect(length, &[3.0, 4.0], &[5.0]);
    let top = Model::new(13, &[4]).integers("k", &[2]).node("TopK", "x k", "y i", vec![]);
    expect(top, &[1.0, 4.0, 3.0, 2.0], &[4.0, 3.0]);
    let trace = Model::new(13, &[2, 2]).node("Einsum", "x x", "y", vec![string("equation", "ij,ij->i")]);
    expect(trace, &[1.0, 2.0, 3.0, 4.0], &[5.0, 25.0]);
    let selu = Model::new(13, &[2]).node("Celu", "x", "y", vec![float("alpha", 2.0)]);
    expect(selu, &[-2.0, 2.0], &[2.0 * ((-1.0f32).exp() - 1.0), 2.0]);
}

#[test]
fn padding_beyond_what_is_counted_does_not_count() {
    let attributes =
        vec![ints("kernel_shape", &[2]), ints("strides", &[2]), int("ceil_mode", 1), int("count_include_pad", 1)];
    let attributes = [attributes, vec![ints("pads", &[1, 0])]].concat();
    let model = Model::new(19, &[1, 1, 4]).node("AveragePool", "x", "y", attributes);
    expect(model, &[2.0, 4.0, 6.0, 8.0], &[1.0, 5.0, 8.0]);
}

/// An `If` on the constant `c`, with branches of one node each.
fn conditional(condition: f32) -> Model {
    let branch = |operator: &str| GraphProto {
        node: vec![NodeProto {
            input: vec!["x".into()],
            output: vec!["inner".into()],
            op_type: operator.into(),
            ..Default::default()
        }],
        output: vec![ValueInfoProto { name: "inner".into(), ..Default::default() }],
        ..Default::default()
    };
    let attribute = |name: &str, operator| AttributeProto {
        name: name.into(),
        r#type: 5,
        g: Some(branch(operator)),
        ..Default::default()
    };
    let branches = || vec![attribute("then_branch", "Neg"), attribute("else_branch", "Abs")];
    Model::new(13, &[2])
        .floats("c", &[], &[condition])
        .node("Cast", "c", "b", vec![int("to", 9)])
        .node("If", "b", "first", branches())
        .node("If", "b", "second", branches())
        .node("Add", "first second", "y", vec![])
}

#[test]
fn a_known_condition_takes_its_branch() {
    expect(conditional(1.0), &[1.0, -2.0], &[-2.0, 4.0]);
    expect(conditional(0.0), &[1.0, -2.0], &[2.0, 4.0]);
    let computed = Model::new(13, &[]).node("Cast", "x", "b", vec![int("to", 9)]).node("If", "b", "y", vec![]);
    let error = import_model(&computed.0, &ImportOptions::default()).unwrap_err().to_string();
    assert!(error.contains("must be a constant"), "{error}");
}
