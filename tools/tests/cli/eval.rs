//! `bantam eval`.

use super::arrays::{floats, images, integers, npz};
use super::bench::Bench;
use super::networks::{append, axes, edit};
use snapbox::{assert_data_eq, file};

#[test]
fn accuracy_is_printed_for_all_and_for_each_class() {
    let bench = Bench::with_digits();
    let text = bench.bantam("eval digits.bantam --data digits").done();
    assert_data_eq!(text.clone(), file!["snapshots/eval-digits.txt"]);
    assert_eq!(bench.bantam("eval digits.bantam --data digits/evaluation.npz").done(), text, "a folder names its data");
    bench.bantam("shrink breast-cancer -o cancer.bantam").done();
    let text = bench.bantam("eval cancer.bantam --data breast-cancer").done();
    assert_data_eq!(text, file!["snapshots/eval-breast-cancer.txt"]);
}

#[test]
fn scores_are_those_that_shrink_reports() {
    let bench = Bench::new();
    let shrunk = bench.bantam("shrink digits -o digits.bantam --json").json();
    let after = bench.bantam("eval digits.bantam --data digits --json").json();
    let before = bench.bantam("eval digits/model.onnx --data digits --json").json();
    assert_eq!(after["top1"], shrunk["top1"]);
    assert_eq!(before["top1"], shrunk["float_top1"]);
    assert_eq!(after["rows"], 599);
    let classes = after["classes"].as_array().unwrap();
    assert_eq!(classes.len(), 10);
    assert_eq!(classes.iter().map(|class| class["rows"].as_u64().unwrap()).sum::<u64>(), 599);
    assert_eq!((&classes[3]["class"], &classes[3]["label"]), (&serde_json::json!(3), &serde_json::json!("3")));
}

#[test]
fn float_and_column_labels_are_fine() {
    let bench = Bench::with_digits();
    let x = floats(&[2, 1, 8, 8], &images(2));
    for y in [integers(&[2], &[1, 9]), integers(&[2, 1], &[1, 9]), floats(&[2], &[1.0, 9.0])] {
        bench.write("data.npz", &npz(&[("x", x.clone()), ("y", y)]));
        assert_eq!(bench.bantam("eval digits.bantam --data data.npz --json").json()["rows"], 2);
    }
    bench.write("one.npz", &npz(&[("x", floats(&[1, 1, 8, 8], &images(1))), ("y", integers(&[1], &[1]))]));
    let text = bench.bantam("eval digits.bantam --data one.npz").done();
    assert!(text.contains(" on 1 row of one.npz\n"), "{text}");
}

#[test]
fn numbers_to_be_met_are_scored_by_their_mean_absolute_error() {
    let bench = Bench::new();
    edit(&bench, "digits/model.onnx", "mean.onnx", |graph| {
        append(graph, "ReduceMean", &["image"], &[1, 1, 1, 1], vec![axes(&[1, 2, 3])]);
    });
    let x = floats(&[2, 1, 8, 8], &[[1.0; 64], [3.0; 64]].concat());
    bench.write("data.npz", &npz(&[("x", x), ("y", floats(&[2], &[1.5, 2.0]))]));
    bench.bantam("shrink mean.onnx --float -o mean.bantam").done();
    for model in ["mean.onnx", "mean.bantam"] {
        let value = bench.bantam(&format!("eval {model} --data data.npz --json")).json();
        assert_eq!(value, serde_json::json!({ "rows": 2, "mae": 0.75 }));
    }
    let text = bench.bantam("eval mean.bantam --data data.npz").done();
    assert_eq!(text, "mean absolute error 0.7500 on 2 rows of data.npz\n");
    let shrunk = bench.bantam("shrink mean.onnx --calibrate data.npz --eval data.npz -o a.bantam --json").json();
    assert_eq!((&shrunk["float_mae"], &shrunk["top1"], &shrunk["agreement"]), (&0.75.into(), &().into(), &().into()));
    assert!((shrunk["mae"].as_f64().unwrap() - 0.75).abs() < 0.02, "{shrunk}");
    let text = bench.bantam("shrink mean.onnx --calibrate data.npz --eval data.npz -o a.bantam").done();
    assert!(text.contains("mean absolute error") && !text.contains("agreement"), "{text}");
}
