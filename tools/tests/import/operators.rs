//! One small model per operator and form, compared with the reference.

use super::build::{Model, float, int, ints, string};
use super::compare::{differences, import, max_difference, run};
use bantam_tools::tensor::Tensor;

/// Compares a model with the reference, before and after the passes; returns the operators left.
fn check(model: Model) -> Vec<&'static str> {
    let imported = import(&model.0);
    let largest = differences(&model.0, &imported, 3.0);
    assert!(largest.iter().all(|&largest| largest <= 1e-4), "{largest:?}\n{}", imported.after);
    imported.operators()
}

#[test]
fn convolutions() {
    let same = |mode: &str| vec![string("auto_pad", mode), ints("strides", &[2, 2])];
    let cases = [
        (vec![3, 2, 3, 3], vec![], 1),
        (vec![3, 2, 2, 3], vec![ints("pads", &[0, 1, 2, 3])], 1),
        (vec![4, 1, 3, 3], vec![int("group", 2), ints("pads", &[1, 1, 1, 1])], 2),
        (vec![2, 1, 3, 2], vec![int("group", 2), ints("strides", &[2, 3])], 2),
        (vec![3, 2, 2, 2], vec![ints("dilations", &[3, 2]), ints("kernel_shape", &[2, 2])], 1),
        (vec![3, 2, 3, 2], same("SAME_UPPER"), 1),
        (vec![3, 2, 3, 2], same("SAME_LOWER"), 1),
        (vec![3, 2, 3, 2], vec![string("auto_pad", "VALID")], 1),
    ];
    for (weights, attributes, _) in cases {
        for bias in [false, true] {
            let mut model = Model::new(11, &[1, 2, 7, 8]).weights("w", &weights).weights("b", &weights[..1]);
            let operands = if bias { "x w b" } else { "x w" };
            model = model.node("Conv", operands, "y", attributes.clone());
            assert_eq!(check(model), ["Conv2d"], "{attributes:?}");
        }
    }
}

#[test]
fn one_dimensional_chains_need_no_transposes_between() {
    let model = Model::new(13, &[1, 3, 20])
        .weights("w", &[4, 3, 5])
        .weights("v", &[4, 1, 3])
        .node("Conv", "x w", "a", vec![ints("pads", &[1, 2]), ints("strides", &[2])])
        .node("Relu", "a", "b", vec![])
        .node("Conv", "b v", "c", vec![int("group", 4)])
        .node("MaxPool", "c", "d", vec![ints("kernel_shape", &[2]), ints("strides", &[2])])
        .node("GlobalAveragePool", "d", "y", vec![]);
    let operators = check(model);
    let count = |name| operators.iter().filter(|operator| **operator == name).count();
    assert_eq!(count("Conv2d"), 2, "{operators:?}");
    assert!(count("Transpose") <= 2, "{operators:?}");
}

#[test]
fn pools() {
    let base = |kernel: &[i64]| vec![ints("kernel_shape", kernel), ints("strides", &[2, 2])];
    let with = |extra| [base(&[3, 2]), extra].concat();
    for operator in ["MaxPool", "AveragePool"] {
        for attributes in [
            base(&[2, 2]),
            base(&[3, 2]),
            with(vec![ints("pads", &[1, 0, 1, 1])]),
            with(vec![string("auto_pad", "SAME_UPPER")]),
            with(vec![string("auto_pad", "SAME_LOWER")]),
        ] {
            let model = Model::new(11, &[1, 2, 7, 6]).node(operator, "x", "y", attributes);
            let expected = if operator == "MaxPool" { ["MaxPool2d"] } else { ["AveragePool2d"] };
            assert_eq!(check(model), expected);
        }
    }
    let include = with(vec![ints("pads", &[1, 1, 1, 1]), int("count_include_pad", 1)]);
    check(Model::new(11, &[1, 2, 7, 6]).node("AveragePool", "x", "y", include));
    let ceil = with(vec![int("ceil_mode", 1)]);
    check(Model::new(11, &[1, 2, 8, 7]).node("MaxPool", "x", "y", ceil.clone()));
    check(Model::new(11, &[1, 2, 8, 7]).node("AveragePool", "x", "y", ceil));
    let whole = vec![ints("kernel_shape", &[7, 6])];
    let model = Model::new(11, &[1, 2, 7, 6]).node("AveragePool", "x", "y", whole);
    assert_eq!(check(model), ["ReduceMean"]);
}

#[test]
fn functions() {
    for (operator, attributes) in [
        ("Abs", vec![]),
        ("Ceil", vec![]),
        ("Elu", vec![float("alpha", 0.7)]),
        ("Erf", vec![]),
        ("Exp", vec![]),
        ("Floor", vec![]),
        ("HardSigmoid", vec![float("alpha", 0.3), float("beta", 0.4)]),
        ("HardSwish", vec![]),
        ("LeakyRelu", vec![float("alpha", 0.2)]),
        ("LeakyRelu", vec![]),
        ("Neg", vec![]),
        ("Relu", vec![]),
        ("Round", vec![]),
        ("Sigmoid", vec![]),
        ("Softplus", vec![]),
        ("Softsign", vec![]),
        ("Tanh", vec![]),
    ] {
        let model = Model::new(14, &[2, 9]).node(operator, "x", "y", attributes);
        assert_eq!(check(model).len(), 1, "{operator}");
    }
    for operator in ["Log", "Sqrt", "Reciprocal"] {
        let model = Model::new(13, &[2, 9])
            .floats("one", &[1], &[1.0])
            .node("Abs", "x", "a", vec![])
            .node("Add", "a one", "b", vec![])
            .node(operator, "b", "y", vec![]);
        check(model);
    }
}

#[test]
fn arithmetic_broadcasts() {
    for operator in ["Add", "Sub", "Mul", "Div", "Min", "Max", "Sum"] {
        for shape in [&[][..], &[1], &[5], &[4, 1], &[3, 1, 5], &[2, 3, 4, 5]] {
            for operands in ["x c", "c x"] {
                let model = Model::new(13, &[2, 3, 4, 5])
                    .weights("c", shape)
                    .node("Exp", "c", "positive", vec![])
                    .node("Exp", "x", "ex", vec![])
                    .node(operator, &operands.replace('c', "positive").replace('x', "ex"), "y", vec![]);
                // Large quotients are compared with a tolerance that fits them.
                let imported = import(&model.0);
                let largest = differences(&model.0, &imported, 1.0);
                assert!(largest.iter().all(|&l| l <= 1e-5), "{operator} {shape:?} {largest:?}");
            }
        }
    }
    let model = Model::new(13, &[2, 3]).input("z", &[3]).input("w", &[2, 1]).node("Max", "x z w", "y", vec![]);
    assert_eq!(check(model), ["Max", "Max"]);
    let square = Model::new(13, &[2, 3]).floats("two", &[], &[2.0]).node("Pow", "x two", "y", vec![]);
    assert_eq!(check(square), ["Mul"]);
}

#[test]
fn both_forms_of_a_clip() {
    let old = vec![float("min", -0.5), float("max", 0.75)];
    assert_eq!(check(Model::new(10, &[2, 9]).node("Clip", "x", "y", old)), ["Clip"]);
    assert_eq!(check(Model::new(10, &[2, 9]).node("Clip", "x", "y", vec![])).len(), 0);
    for operands in ["x low high", "x low", "x _ high"] {
        let model = Model::new(13, &[2, 9]).floats("low", &[], &[-0.5]).floats("high", &[], &[0.75]).node(
            "Clip",
            operands,
            "y",
            vec![],
        );
        assert_eq!(check(model), ["Clip"]);
    }
}

#[test]
fn parametric_relu_with_one_and_many_slopes() {
    let one = Model::new(13, &[1, 3, 4, 4]).floats("s", &[1], &[0.3]).node("PRelu", "x s", "y", vec![]);
    assert_eq!(check(one), ["LeakyRelu"]);
    let many = Model::new(13, &[1, 3, 4, 4]).weights("s", &[3, 1, 1]).node("PRelu", "x s", "y", vec![]);
    check(many);
}

#[test]
fn matrices() {
    for (left, right) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        for bias in [&[][..], &[1], &[4], &[1, 4], &[3, 4], &[3, 1]] {
            let shape = |transposed, a, b| if transposed == 1 { [b, a] } else { [a, b] };
            let model = Model::new(13, &shape(left, 3, 5)).weights("w", &shape(right, 5, 4)).weights("c", bias).node(
                "Gemm",
                "x w c",
                "y",
                vec![int("transA", left), int("transB", right), float("alpha", 0.5), float("beta", 2.0)],
            );
            check(model);
        }
    }
    let plain = Model::new(13, &[1, 5])
        .weights("w", &[5, 4])
        .weights("c", &[4])
        .node("MatMul", "x w", "a", vec![])
        .node("Add", "c a", "b", vec![])
        .node("Relu", "b", "y", vec![]);
    assert_eq!(check(plain), ["FullyConnected"]);
    let higher = Model::new(13, &[2, 3, 5]).weights("w", &[5, 4]).node("MatMul", "x w", "y", vec![]);
    assert_eq!(check(higher), ["FullyConnected"]);
    let dynamic = Model::new(13, &[2, 3, 5]).input("z", &[5, 4]).node("MatMul", "x z", "y", vec![]);
    assert_eq!(check(dynamic), ["MatMul"]);
    for (shape, other) in [(&[5][..], &[5, 4][..]), (&[3, 5], &[5])] {
        let model = Model::new(13, shape).weights("w", other).node("MatMul", "x w", "y", vec![]);
        check(model);
    }
    // The reference refuses the product of two vectors.
    let dot = Model::new(13, &[2]).floats("w", &[2], &[3.0, -1.0]).node("MatMul", "x w", "y", vec![]);
    let x = Tensor::vector(vec![2.0f32, 4.0]);
    assert_eq!(run(&import(&dot.0).after, &[x]), [Tensor::scalar(2.0f32)]);
    let dynamic = Model::new(13, &[3, 5]).input("z", &[4, 5]).node("Gemm", "x z", "y", vec![int("transB", 1)]);
    check(dynamic);
}

#[test]
fn batch_norm_is_folded() {
    let model = Model::new(13, &[1, 3, 6, 6])
        .weights("w", &[4, 3, 3, 3])
        .weights("scale", &[4])
        .weights("bias", &[4])
        .weights("mean", &[4])
        .floats("variance", &[4], &[0.5, 1.0, 2.0, 0.25])
        .node("Conv", "x w", "a", vec![ints("pads", &[1, 1, 1, 1])])
        .node(
            "BatchNormalization",
            "a scale bias mean variance",
            "b",
            vec![float("epsilon", 1e-3), float("momentum", 0.9)],
        )
        .node("Relu", "b", "y", vec![]);
    assert_eq!(check(model), ["Conv2d"]);
    let flat = Model::new(13, &[2, 4])
        .weights("scale", &[4])
        .weights("bias", &[4])
        .weights("mean", &[4])
        .floats("variance", &[4], &[0.5, 1.0, 2.0, 0.25])
        .weights("w", &[4, 3])
        .node("BatchNormalization", "x scale bias mean variance", "a", vec![])
        .node("MatMul", "a w", "y", vec![]);
    assert_eq!(check(flat), ["FullyConnected"]);
}

#[test]
fn reductions_in_old_and_new_operator_sets() {
    for operator in ["ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin"] {
        for keep in [0, 1] {
            let old = vec![ints("axes", &[-1, 1]), int("keepdims", keep)];
            check(Model::new(11, &[2, 3, 4, 5]).node(operator, "x", "y", old));
            let model = Model::new(18, &[2, 3, 4, 5]).integers("axes", &[2]).node(
                operator,
                "x axes",
                "y",
                vec![int("keepdims", keep)],
            );
            check(model);
        }
        check(Model::new(18, &[2, 3]).node(operator, "x", "y", vec![]));
    }
    check(Model::new(13, &[1, 3, 4, 5]).node("GlobalAveragePool", "x", "y", vec![]));
    check(Model::new(13, &[1, 3, 4, 5]).node("GlobalMaxPool", "x", "y", vec![]));
}

#[test]
fn softmax_before_and_since_operator_set_13() {
    for (opset, axis) in [(11, 1), (11, 2), (11, -1), (11, 0), (13, 1), (13, 0), (13, -1)] {
        let model = Model::new(opset, &[2, 3, 4]).node("Softmax", "x", "y", vec![int("axis", axis)]);
        check(model);
    }
    check(Model::new(11, &[2, 3, 4]).node("Softmax", "x", "y", vec![]));
    check(Model::new(13, &[2, 3, 4]).node("Softmax", "x", "y", vec![]));
    check(Model::new(13, &[2, 5]).node("LogSoftmax", "x", "y", vec![]));
}

#[test]
fn arg_max() {
    for keep in [0, 1] {
        let attributes = vec![int("axis", 1), int("keepdims", keep)];
        let model = Model::new(13, &[2, 7, 3]).node("ArgMax", "x", "y", attributes);
        assert_eq!(check(model), ["ArgMax"]);
    }
}

#[test]
fn shapes_computed_from_shapes_vanish() {
    // The way exporters write x.view(x.size(0), -1).
    let model = Model::new(13, &[2, 3, 4])
        .integers("zero", &[0])
        .integers("rest", &[-1])
        .node("Shape", "x", "s", vec![])
        .node("Gather", "s zero", "n", vec![int("axis", 0)])
        .node("Concat", "n rest", "target", vec![int("axis", 0)])
        .node("Reshape", "x target", "y", vec![]);
    assert_eq!(check(model), ["Reshape"]);
    let model = Model::new(13, &[2, 3, 4]).node("Shape", "x", "s", vec![]).node("Reshape", "x s", "y", vec![]);
    assert_eq!(check(model).len(), 0);
}

#[test]
fn movement() {
    check(Model::new(13, &[2, 3, 4]).node("Flatten", "x", "y", vec![]));
    check(Model::new(13, &[2, 3, 4]).node("Flatten", "x", "y", vec![int("axis", 0)]));
    check(Model::new(13, &[2, 3, 4]).node("Transpose", "x", "y", vec![]));
    check(Model::new(13, &[2, 3, 4]).node("Transpose", "x", "y", vec![ints("perm", &[1, 0, 2])]));
    check(Model::new(13, &[2, 3]).node("Dropout", "x", "y mask", vec![]));
    check(Model::new(11, &[2, 1, 3]).node("Squeeze", "x", "y", vec![ints("axes", &[1])]));
    check(Model::new(11, &[2, 3]).node("Unsqueeze", "x", "y", vec![ints("axes", &[0, 3])]));
    let new = |operator, shape: &[i64], axes: &[i64]| {
        Model::new(13, shape).integers("axes", axes).node(operator, "x axes", "y", vec![])
    };
    check(new("Squeeze", &[2, 1, 3], &[-2]));
    check(new("Unsqueeze", &[2, 3], &[-1]));
    let model = Model::new(13, &[2, 6, 5])
        .integers("starts", &[1, -4])
        .integers("ends", &[2, i64::MAX])
        .integers("axes", &[0, 1])
        .integers("steps", &[1, 2])
        .node("Slice", "x starts ends axes steps", "y", vec![]);
    check(model);
    let model = Model::new(13, &[1, 2, 3, 3])
        .input("z", &[1, 4, 3, 3])
        .weights("w", &[2, 2, 1, 1])
        .node("Conv", "x w", "a", vec![])
        .node("Concat", "a z", "y", vec![int("axis", 1)]);
    check(model);
    let model = Model::new(13, &[1, 2, 5, 5])
        .integers("pads", &[0, 0, 1, 0, 0, 0, 2, 1])
        .weights("w", &[3, 2, 3, 3])
        .node("Pad", "x pads", "a", vec![])
        .node("Conv", "a w", "y", vec![]);
    assert_eq!(check(model), ["Conv2d"]);
}

#[test]
fn a_small_network_with_everything_leaves_no_transpose() {
    let model = Model::new(13, &[1, 1, 8, 8])
        .floats("mean", &[], &[0.5])
        .floats("deviation", &[], &[0.25])
        .weights("w1", &[4, 1, 3, 3])
        .weights("b1", &[4])
        .weights("w2", &[4, 1, 3, 3])
        .weights("w3", &[4, 4, 1, 1])
        .weights("scale", &[4])
        .weights("bias", &[4])
        .weights("m", &[4])
        .floats("variance", &[4], &[0.5, 1.0, 2.0, 0.25])
        .weights("fc", &[10, 64])
        .weights("fb", &[10])
        .node("Sub", "x mean", "x1", vec![])
        .node("Div", "x1 deviation", "x2", vec![])
        .node("Conv", "x2 w1 b1", "c1", vec![ints("pads", &[1, 1, 1, 1])])
        .node("Relu", "c1", "r1", vec![])
        .node("Conv", "r1 w2", "c2", vec![ints("pads", &[1, 1, 1, 1]), int("group", 4)])
        .node("BatchNormalization", "c2 scale bias m variance", "n2", vec![])
        .node("Relu", "n2", "r2", vec![])
        .node("Conv", "r2 w3", "c3", vec![])
        .node("Add", "c3 r1", "sum", vec![])
        .node("Relu", "sum", "r3", vec![])
        .node("MaxPool", "r3", "p", vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])])
        .node("Flatten", "p", "f", vec![])
        .node("Gemm", "f fc fb", "logits", vec![int("transB", 1)])
        .node("Softmax", "logits", "y", vec![]);
    assert_eq!(
        check(model),
        ["Sub", "Conv2d", "Conv2d", "Conv2d", "Add", "MaxPool2d", "Reshape", "FullyConnected", "Softmax"]
    );
}

#[test]
fn a_gate_over_channels_leaves_no_transpose() {
    let model = Model::new(14, &[1, 3, 6, 6])
        .weights("w", &[8, 3, 3, 3])
        .weights("down", &[4, 8, 1, 1])
        .weights("up", &[8, 4, 1, 1])
        .node("Conv", "x w", "c", vec![])
        .node("HardSwish", "c", "h", vec![])
        .node("GlobalAveragePool", "h", "g", vec![])
        .node("Conv", "g down", "d", vec![])
        .node("Relu", "d", "dr", vec![])
        .node("Conv", "dr up", "u", vec![])
        .node("HardSigmoid", "u", "s", vec![])
        .node("Mul", "s h", "y", vec![]);
    let operators = check(model);
    assert!(!operators.contains(&"Transpose"), "{operators:?}");
}

#[test]
fn values_read_in_double_precision_and_half_are_accepted() {
    use bantam_tools::reference::pb::{TensorProto, tensor_proto::DataType};
    let mut model = Model::new(13, &[2]).node("Mul", "x c", "y", vec![]);
    model.graph().initializer.push(TensorProto {
        name: "c".into(),
        dims: vec![2],
        data_type: DataType::Double as i32,
        double_data: vec![0.5, 2.0],
        ..Default::default()
    });
    let imported = import(&model.0);
    let x = Tensor::vector(vec![3.0f32, 4.0]);
    let expected = Tensor::vector(vec![1.5f32, 8.0]);
    assert_eq!(max_difference(&[expected], &run(&imported.after, &[x])), 0.0);
}
