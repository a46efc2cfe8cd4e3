//! Models that are already quantised.

use super::build::{Model, int, ints};
use super::compare::{import, max_difference, run};
use bantam_tools::import::onnx::{ImportOptions, import_model};
use bantam_tools::reference::pb::tensor_proto::DataType;
use bantam_tools::tensor::Tensor;

/// Adds the pair that rounds `from` to integers and reads them as `to`.
fn rounded(model: Model, from: &str, to: &str, scale: f32, zero_point: i64, data_type: DataType) -> Model {
    let (s, z, q) = (format!("{to}_s"), format!("{to}_z"), format!("{to}_q"));
    model
        .floats(&s, &[], &[scale])
        .typed(&z, data_type, &[], &[zero_point])
        .node("QuantizeLinear", &format!("{from} {s} {z}"), &q, vec![])
        .node("DequantizeLinear", &format!("{q} {s} {z}"), to, vec![])
}

/// A constant of 8-bit integers with a scale per position of an axis.
fn weights(model: Model, name: &str, shape: &[i64], axis: i64) -> Model {
    let count: i64 = shape.iter().product();
    let items: Vec<i64> = (0..count).map(|index| index * 89 % 255 - 127).collect();
    let channels = shape[axis as usize];
    let scales: Vec<f32> = (1..=channels).map(|channel| channel as f32 / 512.0).collect();
    let (s, z, q) = (format!("{name}_s"), format!("{name}_z"), format!("{name}_q"));
    model
        .typed(&q, DataType::Int8, shape, &items)
        .floats(&s, &[channels], &scales)
        .typed(&z, DataType::Int8, &[channels], &vec![0; channels as usize])
        .node("DequantizeLinear", &format!("{q} {s} {z}"), name, vec![int("axis", axis)])
}

#[test]
fn integers_and_axes_reach_the_layers() {
    let mut model = rounded(Model::new(13, &[1, 2, 5, 6]), "x", "a", 0.03, 131, DataType::Uint8);
    model = weights(model, "w", &[4, 2, 3, 3], 0).node("Conv", "a w", "b", vec![ints("pads", &[1, 1, 1, 1])]);
    model = rounded(model.node("Relu", "b", "c", vec![]), "c", "d", 0.05, -128, DataType::Int8);
    model = model.node("Flatten", "d", "e", vec![]);
    model = weights(model, "v", &[120, 3], 1).node("MatMul", "e v", "f", vec![]);
    model = rounded(model, "f", "y", 0.25, 3, DataType::Int8);
    let imported = import(&model.0);
    let operators = imported.operators();
    assert!(!operators.contains(&"Transpose") && !operators.contains(&"Clip"), "{}", imported.after);
    for (layer, shape) in [("Conv2d", vec![4, 3, 3, 2]), ("FullyConnected", vec![3, 120])] {
        let (_, node) = imported.after.nodes().find(|(_, node)| node.op.name() == layer).unwrap();
        let (integers, dequantize) = imported.after.quantized_constant(node.inputs[1]).unwrap();
        assert_eq!((integers.shape(), dequantize.axis), (shape.as_slice(), Some(0)), "{}", imported.after);
    }
    for seed in 0..8 {
        let inputs = imported.inputs(seed, 3.0);
        let (before, after) = (run(&imported.before, &inputs), run(&imported.after, &inputs));
        assert!(max_difference(&before, &after) <= 0.2501, "sums in another order may round differently");
    }
}

#[test]
fn numbers_worked_out_by_hand() {
    let model = rounded(Model::new(19, &[4]), "x", "y", 0.5, 130, DataType::Uint8);
    let imported = import(&model.0);
    let x = Tensor::vector(vec![0.25f32, 0.75, 1000.0, -1000.0]);
    assert_eq!(run(&imported.after, &[x])[0].as_f32().unwrap(), [0.0, 1.0, 62.5, -65.0]);
    // Without a zero point the integers are unsigned and start at zero.
    let model = Model::new(13, &[3]).floats("s", &[1], &[0.5]).node("QuantizeLinear", "x s", "y", vec![]);
    let imported = import(&model.0);
    let x = Tensor::vector(vec![-3.0f32, 1.0, 500.0]);
    assert_eq!(run(&imported.after, &[x])[0], Tensor::vector(vec![0u8, 2, 255]));
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let quantize = |scale: &[f32], zero: DataType, attributes| {
        let shape: Vec<i64> = if scale.len() == 1 { vec![] } else { vec![scale.len() as i64] };
        Model::new(21, &[2, 4]).floats("s", &shape, scale).typed("z", zero, &shape, &vec![0; scale.len()]).node(
            "QuantizeLinear",
            "x s z",
            "y",
            attributes,
        )
    };
    let cases = [
        (quantize(&[0.5; 4], DataType::Int8, vec![]), "a scale per channel"),
        (quantize(&[0.5], DataType::Int16, vec![]), "integers of type i32"),
        (quantize(&[0.5; 4], DataType::Int8, vec![int("block_size", 2)]), "blocks"),
        (quantize(&[0.0], DataType::Int8, vec![]), "scale 0 is not a positive number"),
        (quantize(&[f32::NAN], DataType::Int8, vec![]), "scale NaN"),
        (quantize(&[0.5; 3], DataType::Int8, vec![]), "3 scales are given for an axis of 4"),
        (quantize(&[0.5], DataType::Int8, vec![int("precision", 10)]), "precision"),
    ];
    for (model, reason) in cases {
        let error = import_model(&model.0, &ImportOptions::default()).unwrap_err().to_string();
        assert!(error.contains(reason) && error.contains("node_y"), "{error}");
    }
}
