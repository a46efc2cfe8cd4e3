//! `bantam shrink` under a budget: what is chosen, and what is said where nothing fits.

use super::arrays::{floats, images, integers, npz};
use super::bench::Bench;
use super::networks::{edit, node, port, reals};
use bantam_tools::reference::pb::tensor_proto::DataType;

fn number(value: &serde_json::Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or_else(|| panic!("{key} is {}", value[key]))
}

#[test]
fn a_largest_drop_gives_the_smallest_file_within_it() {
    let bench = Bench::new();
    let value = bench.bantam("shrink digits --max-drop 1% --json -o small.bantam").json();
    assert!(number(&value, "file_bytes") <= 5120.0, "{}", value["file_bytes"]);
    assert!(number(&value, "float_top1") - number(&value, "top1") <= 0.01, "{}", value["top1"]);
    let four = value["choice"]["four_bit_layers"].as_array().unwrap();
    assert!(!four.is_empty());
    assert_eq!(number(&value["choice"], "file_bytes"), bench.read("small.bantam").len() as f64);
    let choices = value["choices"].as_array().unwrap();
    let within = choices.iter().filter(|choice| number(&choice["quality"], "drop") <= 0.01);
    let smallest = within.map(|choice| number(choice, "file_bytes")).fold(f64::INFINITY, f64::min);
    assert_eq!(smallest, number(&value, "file_bytes"), "no smaller choice within the drop was passed over");
    bench.bantam("inspect small.bantam --verify").done();
    bench.bantam("shrink digits --max-drop 0.01 -o again.bantam").done();
    assert_eq!(bench.read("small.bantam"), bench.read("again.bantam"));
}

#[test]
fn a_file_that_must_be_smaller_gives_up_the_layers_that_lose_least() {
    let bench = Bench::new();
    let whole = bench.bantam("shrink digits --json -o whole.bantam").json();
    assert_eq!(whole["choice"]["four_bit_layers"], serde_json::json!([]));
    let value = bench.bantam("shrink digits --flash 5000 --json -o small.bantam").json();
    assert!(number(&value, "file_bytes") <= 5000.0 && bench.read("small.bantam").len() <= 5000);
    assert!(number(&value, "top1") > 0.95, "{}", value["top1"]);
    let sensitivities = value["sensitivities"].as_array().unwrap();
    let narrowed = value["choice"]["four_bit_layers"].as_array().unwrap().len();
    assert!(narrowed > 0 && narrowed < sensitivities.len(), "{narrowed} of {}", sensitivities.len());
    for arithmetic in ["tflite", "onnx"] {
        let options = format!("--flash 5000 --arithmetic {arithmetic} -o {arithmetic}.bantam");
        bench.bantam(&format!("shrink digits {options}")).done();
        bench.bantam(&format!("inspect {arithmetic}.bantam --verify")).done();
    }
}

#[test]
fn budgets_that_nothing_meets_say_what_would_have_to_give() {
    let bench = Bench::new();
    let parts = [
        "the model does not fit, and nothing was written",
        "ram: the arena needs 1088 bytes, 64 more than the 1024 allowed",
        "fullest at 'stem.conv' (Conv2d), with 1088 bytes in use:",
        "reads 'image', 64 bytes",
        "writes 'stem.relu.out', 1024 bytes",
        "what would have to give:",
        "--ram 1088",
    ];
    bench.refuses("shrink digits --ram 1k -o small.bantam", &parts);
    let parts =
        ["flash: the file has", "with 4-bit weights wherever they save any", "more than the 2048 allowed", "--flash "];
    bench.refuses("shrink digits --flash 2k -o small.bantam", &parts);
    let parts = ["macs: a run multiplies 41024 times, 31024 more than the 10000 allowed", "--macs 41024"];
    bench.refuses("shrink digits --macs 10k -o small.bantam", &parts);
    let parts = [
        "ram: the arena needs 1088 bytes, 576 more than the 512 allowed",
        "macs: a run multiplies",
        "with 4-bit weights wherever they save any",
        "--flash 4176: the smallest file found",
    ];
    bench.refuses("shrink digits --ram 512 --macs 10k --flash 1k -o small.bantam", &parts);
    let parts = ["max-drop: what fits loses", "0.00% is allowed", "all weights of 8 bits", "--max-drop 0.17%"];
    bench.refuses("shrink digits --max-drop 0 --arithmetic onnx -o small.bantam", &parts);
    bench.refuses(
        "shrink digits --float --flash 4k -o small.bantam",
        &["flash: the file has", "more than the 4096 allowed"],
    );
    bench.bantam("shrink digits --ram 1088 --flash 256k --macs 1M -o small.bantam").done();
    assert!(bench.path("small.bantam").exists());
}

#[test]
fn budgets_that_mean_nothing_are_wrong_usage() {
    let bench = Bench::new();
    for wrong in ["--ram 1q", "--flash -1", "--macs 1.5", "--max-drop 1.5", "--max-drop -1%", "--max-drop five"] {
        bench.bantam(&format!("shrink digits {wrong}")).error(2);
    }
    bench
        .refuses("shrink digits/model.onnx --float --max-drop 1%", &["--max-drop needs data", "--eval", "--calibrate"]);
}

#[test]
fn without_labels_a_drop_is_held_against_agreement() {
    let bench = Bench::new();
    bench.write("unlabelled.npz", &npz(&[("x", floats(&[60, 1, 8, 8], &images(60)))]));
    let ran = bench.bantam("shrink digits/model.onnx --calibrate unlabelled.npz --max-drop 20% --json");
    assert!(ran.stderr.contains("agreement with the float model"), "{}", ran.stderr);
    let value = ran.json();
    assert_eq!(value["judged_rows"], 60);
    assert!(number(&value["choice"]["quality"], "score") >= 0.8);
}

#[test]
fn transposed_convolutions_are_rounded_and_narrowed_as_others() {
    let bench = Bench::new();
    edit(&bench, "digits/model.onnx", "spread.onnx", |graph| {
        let weights = |count: usize| -> Vec<f32> {
            (0..count).map(|index| ((index * index * 7 + index * 13) % 31) as f32 / 155.0 - 0.09).collect()
        };
        graph.initializer = vec![
            reals("first", &[1, 16, 5, 5], &weights(400)),
            reals("second", &[16, 10, 3, 3], &weights(1440)),
            reals("dense", &[10, 10], &weights(100)),
        ];
        graph.node = vec![
            node("ConvTranspose", &["image", "first"], "spread"),
            node("Relu", &["spread"], "rectified"),
            node("ConvTranspose", &["rectified", "second"], "again"),
            node("GlobalAveragePool", &["again"], "means"),
            node("Flatten", &["means"], "flat"),
            node("Gemm", &["flat", "dense"], "scores"),
        ];
        graph.output = vec![port("scores", DataType::Float, &[1, 10])];
    });
    let shrink = "shrink spread.onnx --calibrate digits/calibration.npz --json";
    let whole = bench.bantam(&format!("{shrink} -o whole.bantam")).json();
    let budget = number(&whole, "file_bytes") - 800.0;
    let small = bench.bantam(&format!("{shrink} --flash {budget} -o small.bantam")).json();
    assert!(small["choice"]["four_bit_layers"].to_string().contains("again"), "{}", small["choice"]);
    for (value, most) in [(&whole, 1e-3), (&small, 2e-2)] {
        assert!(number(&value["choice"], "logit_error") < most, "{}", value["choice"]);
    }
    bench.bantam("inspect small.bantam --verify").done();
}

#[test]
fn outputs_that_are_reshaped_are_compared_too() {
    let bench = Bench::new();
    edit(&bench, "digits/model.onnx", "flat.onnx", |graph| {
        let weights: Vec<f32> = (0..90).map(|index| (index * index % 31) as f32 / 31.0 - 0.5).collect();
        graph.initializer = vec![reals("weights", &[10, 1, 3, 3], &weights)];
        graph.node = vec![
            node("Conv", &["image", "weights"], "features"),
            node("GlobalAveragePool", &["features"], "means"),
            node("Flatten", &["means"], "scores"),
        ];
        graph.output = vec![port("scores", DataType::Float, &[1, 10])];
    });
    let value = bench.bantam("shrink flat.onnx --calibrate digits/calibration.npz --json -o flat.bantam").json();
    assert!(number(&value["choice"], "logit_error") < 1e-3, "{}", value["choice"]);
}

#[test]
fn data_that_says_little_is_named() {
    let bench = Bench::new();
    let x = || floats(&[40, 1, 8, 8], &images(40));
    bench.write("one-class.npz", &npz(&[("x", x()), ("y", integers(&[40], &[3; 40]))]));
    let ran = bench.bantam("shrink digits --eval one-class.npz -o a.bantam");
    assert!(ran.stderr.contains("all 40 rows of 'one-class.npz' have the label 3"), "{}", ran.stderr);
    ran.done();
    bench.write("beyond.npz", &npz(&[("x", x()), ("y", integers(&[40], &[11; 40]))]));
    bench.refuses("shrink digits --eval beyond.npz", &["'beyond.npz'", "label 11 in row 0", "0 to 9"]);
    // So far below zero that the rectifier lets nothing through.
    edit(&bench, "digits/model.onnx", "dead.onnx", |graph| {
        let bias = graph.initializer.iter_mut().find(|tensor| tensor.name == "down.depthwise.norm.bias").unwrap();
        bias.raw_data = (-1e4f32).to_le_bytes().repeat(16);
    });
    let ran = bench.bantam("shrink dead.onnx --calibrate digits/calibration.npz -o dead.bantam");
    assert!(ran.stderr.contains("never activates"), "{}{}", ran.stderr, ran.stdout);
}
