//! Models that are already quantised.

use super::arrays::{floats, integers, npz};
use super::bench::Bench;
use std::path::Path;

#[test]
fn a_quantised_model_needs_no_calibration() {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/mlperf-tiny/kws_int8_qdq.onnx");
    if !model.exists() {
        println!("skipped: ../shared is absent");
        return;
    }
    let bench = Bench::new();
    bench.write("kws.onnx", &std::fs::read(model).unwrap());
    let items: Vec<f32> = (0..4 * 490).map(|index| (index * 37 % 249) as f32 - 124.0).collect();
    let labels = integers(&[4], &[0, 1, 2, 11]);
    bench.write("data.npz", &npz(&[("x", floats(&[4, 490], &items)), ("y", labels)]));

    let notes = |value: serde_json::Value| value["notes"].to_string();
    let text = notes(bench.bantam("shrink kws.onnx -o one.bantam --json").json());
    for part in ["already quantised", "computed in floats", "dense/Softmax' (Softmax)"] {
        assert!(text.contains(part), "{text}");
    }
    let text = notes(bench.bantam("shrink kws.onnx --calibrate data.npz -o two.bantam --json").json());
    assert!(text.contains("'data.npz' is not needed"), "{text}");
    assert_eq!(bench.read("one.bantam"), bench.read("two.bantam"));

    let text = bench.bantam("inspect one.bantam --verify").done();
    assert!(text.contains("scale 0.9765625, zero point 3") && text.contains("arithmetic onnx"), "{text}");
    bench.bantam("run one.bantam --input data.npz").done();
    bench.bantam("eval one.bantam --data data.npz").done();
    bench.bantam("eval kws.onnx --data data.npz").done();
    let value = bench.bantam("diff kws.onnx one.bantam --data data.npz --json").json();
    assert_eq!(value["agreement"], 1.0);
    assert!(value["output_max_error"].as_f64().unwrap() < 1e-2, "{value}");
}

#[test]
fn a_tensorflow_lite_model_is_compared_with_its_artifact() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/mlperf-tiny");
    if !folder.exists() {
        println!("skipped: ../shared is absent");
        return;
    }
    let bench = Bench::new();
    for name in ["kws_ref_model", "micro_speech_quantized"] {
        bench.write("model.tflite", &std::fs::read(folder.join(format!("{name}.tflite"))).unwrap());
        bench.bantam("shrink model.tflite -o model.bantam").done();
        let ran = bench.bantam("diff model.tflite model.bantam --random 100 --json");
        assert!(ran.stderr.contains("note: 'model.tflite' is run in its own integers"), "{}", ran.stderr);
        let value = ran.json();
        assert_eq!((&value["rows"], &value["agreement"]), (&serde_json::json!(100), &serde_json::json!(1.0)));
        assert_eq!(value["output_max_error"], 0.0);
        let layers = value["layers"].as_array().unwrap();
        assert!(layers.len() > 2 && layers.iter().all(|layer| layer["max"] == 0.0), "{value}");
        // In floats it rounds elsewhere, and each layer is compared with the one of its name.
        bench.bantam("shrink model.tflite --float -o float.bantam").done();
        let value = bench.bantam("diff model.tflite float.bantam --random 100 --json").json();
        for layer in value["layers"].as_array().unwrap() {
            assert!(layer["signal_to_noise_db"].as_f64().is_none_or(|ratio| ratio > 25.0), "{layer}");
        }
    }
}
