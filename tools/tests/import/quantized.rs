//! Models that are already quantised.

use super::build::{Model, float, int, ints};
use super::compare::{import, max_difference, run};
use bantam_format::Arithmetic;
use bantam_tools::import::onnx::{ImportOptions, import_model};
use bantam_tools::lower::{Precision, lower};
use bantam_tools::reference::pb::{AttributeProto, tensor_proto::DataType};
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

/// Adds a scale and a zero point: `NAME_s`, `NAME_z`.
fn scale(model: Model, name: &str, scale: f32, zero_point: i64, data_type: DataType) -> Model {
    model.floats(&format!("{name}_s"), &[], &[scale]).typed(&format!("{name}_z"), data_type, &[], &[zero_point])
}

/// Adds a node of ONNX Runtime's own operator set.
fn contributed(model: Model, operator: &str, inputs: &str, output: &str, attributes: Vec<AttributeProto>) -> Model {
    model.node(operator, inputs, output, attributes).of("com.microsoft")
}

/// The same network written with operators on integers and with operators between conversions.
#[test]
fn operators_on_integers_are_operators_between_conversions() {
    let unsigned = DataType::Uint8;
    let pads = || vec![ints("pads", &[1, 1, 1, 1])];
    let base = || {
        let model = scale(Model::new(13, &[1, 2, 6, 6]), "x", 0.03, 120, unsigned);
        let model = weights(model, "w", &[4, 2, 3, 3], 0);
        let model = model.typed("b", DataType::Int32, &[4], &[100, -2000, 30, 4000]);
        let model = scale(scale(model, "c", 0.08, 128, unsigned), "p", 0.07, 125, unsigned);
        let model = scale(scale(model, "l", 0.06, 90, unsigned), "a", 0.11, 128, unsigned);
        let model = scale(scale(model, "m", 0.2, 128, unsigned), "g", 1.0 / 256.0, 0, unsigned);
        let model = scale(scale(model, "j", 0.11, 128, unsigned), "v2", 0.02, 0, DataType::Int8);
        let model =
            model.typed("v2_q", DataType::Int8, &[8, 3], &(0..24).map(|i| i * 53 % 200 - 100).collect::<Vec<_>>());
        let model = scale(scale(model, "f", 0.3, 130, unsigned), "t", 1.0 / 256.0, 0, unsigned);
        model.node("QuantizeLinear", "x x_s x_z", "x_q", vec![])
    };
    let integers = {
        let window = || vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])];
        let model = base().node("QLinearConv", "x_q x_s x_z w_q w_s w_z c_s c_z b", "c_q", pads());
        let model = model.node("MaxPool", "c_q", "n_q", window());
        let model = contributed(model, "QLinearAveragePool", "c_q c_s c_z p_s p_z", "p_q", window());
        let model = contributed(model, "QLinearLeakyRelu", "p_q p_s p_z l_s l_z", "l_q", vec![float("alpha", 0.1)]);
        let model = contributed(model, "QLinearAdd", "n_q c_s c_z l_q l_s l_z a_s a_z", "a_q", vec![]);
        let model = contributed(model, "QLinearSigmoid", "a_q a_s a_z g_s g_z", "g_q", vec![]);
        let model = contributed(model, "QLinearMul", "a_q a_s a_z g_q g_s g_z m_s m_z", "m_q", vec![]);
        let parts = "j_s j_z m_q m_s m_z a_q a_s a_z";
        let model = contributed(model, "QLinearConcat", parts, "j_q", vec![int("axis", 1)]);
        let model = contributed(model, "QLinearGlobalAveragePool", "j_q j_s j_z j_s j_z", "h_q", vec![]);
        let model = model.node("Flatten", "h_q", "i_q", vec![]);
        let model = contributed(model, "QGemm", "i_q j_s j_z v2_q v2_s v2_z _ f_s f_z", "f_q", vec![]);
        let softmax = vec![int("axis", -1), int("opset", 13)];
        let model = contributed(model, "QLinearSoftmax", "f_q f_s f_z t_s t_z", "t_q", softmax);
        model.node("DequantizeLinear", "t_q t_s t_z", "y", vec![])
    };
    let conversions = {
        let window = || vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])];
        let real = |model: Model, name: &str, params: &str, to: &str| {
            model.node("DequantizeLinear", &format!("{name}_q {params}_s {params}_z"), to, vec![])
        };
        let round = |model: Model, from: &str, params: &str| {
            let q = format!("{params}_q");
            model.node("QuantizeLinear", &format!("{from} {params}_s {params}_z"), &q, vec![])
        };
        let scales: Vec<f32> = (1..=4).map(|channel| 0.03 * (channel as f32 / 512.0)).collect();
        let model = base().floats("b_s", &[4], &scales);
        let model = model.node("DequantizeLinear", "b b_s", "b_r", vec![int("axis", 0)]);
        let model = real(model, "x", "x", "x_r").node("Conv", "x_r w b_r", "c_f", pads());
        let model = real(round(model, "c_f", "c"), "c", "c", "c_r");
        let model = model.node("MaxPool", "c_r", "n_r", window()).node("AveragePool", "c_r", "p_f", window());
        let model = real(round(model, "p_f", "p"), "p", "p", "p_r");
        let model = model.node("LeakyRelu", "p_r", "l_f", vec![float("alpha", 0.1)]);
        let model = real(round(model, "l_f", "l"), "l", "l", "l_r").node("Add", "n_r l_r", "a_f", vec![]);
        let model = real(round(model, "a_f", "a"), "a", "a", "a_r").node("Sigmoid", "a_r", "g_f", vec![]);
        let model = real(round(model, "g_f", "g"), "g", "g", "g_r").node("Mul", "a_r g_r", "m_f", vec![]);
        let model =
            real(round(model, "m_f", "m"), "m", "m", "m_r").node("Concat", "m_r a_r", "j_f", vec![int("axis", 1)]);
        let model = real(round(model, "j_f", "j"), "j", "j", "j_r").node("GlobalAveragePool", "j_r", "h_f", vec![]);
        let model = model.node("QuantizeLinear", "h_f j_s j_z", "h_q", vec![]);
        let model = real(model, "h", "j", "h_r").node("Flatten", "h_r", "i_r", vec![]);
        let model = real(model, "v2", "v2", "v2_r").node("Gemm", "i_r v2_r", "f_f", vec![]);
        let model = real(round(model, "f_f", "f"), "f", "f", "f_r");
        let model = model.node("Softmax", "f_r", "t_f", vec![int("axis", -1)]);
        real(round(model, "t_f", "t"), "t", "t", "y")
    };
    let (integers, conversions) = (import(&integers.0), import(&conversions.0));
    for seed in 0..6 {
        let inputs = integers.inputs(seed, 3.0);
        let (a, b) = (run(&integers.before, &inputs), run(&conversions.before, &inputs));
        assert_eq!(a, b, "{}", integers.before);
        // Sums in another order may round to the next integer.
        for (a, b) in [(&integers, &a), (&conversions, &b)] {
            assert!(max_difference(b, &run(&a.after, &inputs)) <= 0.03);
        }
    }
    let program = lower(&integers.after, Precision::Quantized { arithmetic: Arithmetic::Onnx }).unwrap();
    let names: Vec<&str> = program.description.ops.iter().map(|op| op.opcode.name()).collect();
    assert!(!names.contains(&"Dequantize") && !names.contains(&"Quantize"), "{names:?}");
}

#[test]
fn integer_products_and_dynamic_scales() {
    let model = Model::new(13, &[2, 3])
        .typed("w", DataType::Int8, &[3, 2], &[1, -2, 3, 4, -5, 6])
        .node("DynamicQuantizeLinear", "x", "q s z", vec![])
        .node("MatMulInteger", "q w z", "p", vec![])
        .node("Cast", "p", "r", vec![int("to", 1)])
        .node("Mul", "r s", "y", vec![]);
    let imported = import(&model.0);
    let x = Tensor::from_vec(vec![2, 3], vec![-0.5f32, 0.25, 2.05, 0.0, 1.0, -0.1]).unwrap();
    let expected = [-0.5 + 0.75 - 10.25, 1.0 + 1.0 + 12.3, 3.0 + 0.5, 4.0 - 0.6];
    let got = run(&imported.after, &[x]);
    for (got, expected) in got[0].as_f32().unwrap().iter().zip(expected) {
        // Half a step of 0.01 in each of three products, times the weights.
        assert!((got - expected).abs() <= 0.06, "{got} {expected}");
    }
    let weights: Vec<i64> = (0..300).map(|index| index % 7).collect();
    let long = Model::new(13, &[1, 300])
        .typed("w", DataType::Int8, &[300, 1], &weights)
        .node("DynamicQuantizeLinear", "x", "q s z", vec![])
        .node("MatMulInteger", "q w z", "y", vec![]);
    let error = import_model(&long.0, &ImportOptions::default()).unwrap_err().to_string();
    assert!(error.contains("sums of 300 products") && error.contains("node_y"), "{error}");
}
