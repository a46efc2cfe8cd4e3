//! `bantam diff`.

use super::bench::Bench;
use super::networks::{append, axis, edit};
use snapbox::{assert_data_eq, file};

#[test]
fn differences_are_shown_layer_by_layer() {
    let bench = Bench::with_digits();
    let text = bench.bantam("diff digits/model.onnx digits.bantam --data digits/evaluation.npz").done();
    assert_data_eq!(text.clone(), file!["snapshots/diff-digits.txt"]);
    assert_eq!(bench.bantam("diff digits/model.onnx digits.bantam --data digits").done(), text);
    let value = bench.bantam("diff digits/model.onnx digits.bantam --data digits --json").json();
    assert_eq!(value["rows"], 599);
    let shrunk = bench.bantam("shrink digits --json").json();
    assert_eq!((&value["agreement"], &value["layers"]), (&shrunk["agreement"], &shrunk["layers"]));
}

#[test]
fn a_model_equals_itself() {
    let bench = Bench::with_digits();
    for model in ["digits.bantam", "digits/model.onnx"] {
        let value = bench.bantam(&format!("diff {model} {model} --random 5 --json")).json();
        assert_eq!((&value["agreement"], &value["rows"]), (&serde_json::json!(1.0), &serde_json::json!(5)));
        assert_eq!(value["output_max_error"], 0.0);
        let layers = value["layers"].as_array().unwrap();
        assert!(!layers.is_empty());
        for layer in layers {
            assert!(layer["max"] == 0.0 && layer["mean"] == 0.0 && layer["signal_to_noise_db"].is_null(), "{layer}");
        }
    }
    let text = bench.bantam("diff digits.bantam digits.bantam --random 1").done();
    assert_data_eq!(text, file!["snapshots/diff-equal.txt"]);
}

#[test]
fn noise_is_seeded() {
    let bench = Bench::with_digits();
    let diff =
        |seed: u32| bench.bantam(&format!("diff digits/model.onnx digits.bantam --random 9 --seed {seed}")).done();
    assert_eq!(diff(1), diff(1));
    assert_ne!(diff(1), diff(2));
}

#[test]
fn without_common_names_only_outputs_are_compared() {
    let bench = Bench::with_digits();
    bench.bantam("shrink digits --strip -o bare.bantam").done();
    let ran = bench.bantam("diff digits.bantam bare.bantam --data digits");
    assert!(ran.stderr.starts_with("note: no layer of the two has the same name"), "{}", ran.stderr);
    assert_eq!(ran.done(), "same class in 100.00 % of 599 rows; largest output error 0\n");
}

#[test]
fn models_of_different_inputs_or_outputs_are_refused() {
    let bench = Bench::with_digits();
    edit(&bench, "digits/model.onnx", "twice.onnx", |graph| {
        append(graph, "Concat", &["probabilities", "probabilities"], &[1, 20], vec![axis(1)]);
    });
    let parts = ["'digits/model.onnx'", "'twice.onnx'", "[10] and [20]"];
    bench.refuses("diff digits/model.onnx twice.onnx --random 1", &parts);
    let parts = ["'digits.bantam'", "'breast-cancer/model.onnx'", "[[1, 8, 8, 1]] and [[1, 30]]"];
    bench.refuses("diff digits.bantam breast-cancer/model.onnx --random 1", &parts);
}
