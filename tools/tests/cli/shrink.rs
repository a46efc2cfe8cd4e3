//! `bantam shrink` on models that can be shrunk.

use super::arrays::{floats, images, npz};
use super::bench::Bench;
use bantam_tools::subject::ArtifactFile;
use snapbox::{assert_data_eq, file};
use std::path::Path;

/// The keys of the JSON document.
const KEYS: [&str; 31] = [
    "agreement",
    "arena_bytes",
    "artifact",
    "baselines",
    "calibration_data",
    "calibration_rows",
    "change_interval",
    "choice",
    "choices",
    "details",
    "evaluation_data",
    "file_bytes",
    "float_mae",
    "float_top1",
    "format_version",
    "front",
    "judged_rows",
    "layers",
    "macs",
    "mae",
    "notes",
    "rows",
    "seed",
    "sensitivities",
    "source_bytes",
    "source_sha256",
    "temperature",
    "temperature_stored",
    "top1",
    "top1_interval",
    "version",
];

fn section(path: &Path, kind: bantam_format::SectionKind) -> Vec<u8> {
    ArtifactFile::load(path).unwrap().model().artifact().section(kind).to_vec()
}

fn number(value: &serde_json::Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or_else(|| panic!("{key} is {}", value[key]))
}

#[test]
fn the_summary_is_printed_and_the_bytes_are_the_same_every_time() {
    let bench = Bench::new();
    let text = bench.bantam("shrink digits -o one.bantam").done();
    assert_data_eq!(text, file!["snapshots/shrink-digits.txt"]);
    bench.bantam("shrink digits -o two.bantam").done();
    assert_eq!(bench.read("one.bantam"), bench.read("two.bantam"));
    let text = bench.bantam("shrink digits --float -o float.bantam").done();
    assert_data_eq!(text, file!["snapshots/shrink-digits-float.txt"]);
    let text = bench.bantam("shrink breast-cancer").done();
    assert_data_eq!(text, file!["snapshots/shrink-breast-cancer.txt"]);
    assert!(bench.path("target/breast-cancer.bantam").is_file(), "the default place");
}

#[test]
fn the_readme_shows_what_is_printed() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let bench = Bench::new();
    for line in bench.bantam("shrink digits").done().lines() {
        let line = line.replace("digits/model.onnx", "models/digits/model.onnx");
        assert!(readme.contains(&format!("    {line}\n")) || line.is_empty(), "the README lacks: {line}");
    }
}

#[test]
fn json_has_the_documented_keys_and_the_digits_keep_their_accuracy() {
    let bench = Bench::new();
    let value = bench.bantam("shrink digits --json -o new/folder/digits.bantam").json();
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, KEYS);
    assert_eq!(value["artifact"], "new/folder/digits.bantam");
    assert_eq!(number(&value, "file_bytes") as usize, bench.read("new/folder/digits.bantam").len());
    assert_eq!(number(&value, "source_bytes") as usize, bench.read("digits/model.onnx").len());
    assert!(number(&value, "file_bytes") <= 0.4 * number(&value, "source_bytes"));
    assert!(number(&value, "top1") >= number(&value, "float_top1") - 0.01);
    assert!(number(&value, "agreement") >= 0.99);
    assert_eq!(value["rows"], 599);
    assert_eq!(value["notes"], serde_json::json!([]));
    let layers = value["layers"].as_array().unwrap();
    assert!(layers.len() > 5, "{layers:?}");
    for layer in layers {
        assert!(number(layer, "mean") <= number(layer, "max") && layer["name"].is_string(), "{layer}");
    }
}

#[test]
fn breast_cancer_keeps_its_accuracy() {
    let value = Bench::new().bantam("shrink breast-cancer --json").json();
    assert!(number(&value, "float_top1") >= 0.95 && number(&value, "top1") >= 0.95, "{value}");
    assert_eq!(value["notes"].as_array().unwrap().len(), 1, "tabular inputs are normalised, and that is said");
}

#[test]
fn every_choice_scores() {
    let bench = Bench::new();
    for options in [
        "--arithmetic tflite",
        "--arithmetic onnx",
        "--float",
        "--strip",
        "--ranges min-max",
        "--ranges percentile",
        "--ranges mse",
    ] {
        let value = bench.bantam(&format!("shrink digits --json -o a.bantam {options}")).json();
        assert!(number(&value, "top1") >= number(&value, "float_top1") - 0.01, "{options}: {value}");
        bench.bantam("inspect a.bantam --verify").done();
    }
    let value = bench.bantam("shrink digits --json --float -o a.bantam").json();
    assert_eq!(value["agreement"], 1.0);
}

#[test]
fn stripping_leaves_out_names_labels_and_card() {
    let bench = Bench::with_digits();
    let value = bench.bantam("shrink digits --strip --json -o bare.bantam").json();
    assert_eq!(value["layers"], serde_json::json!([]), "without names no layers");
    let (full, bare) =
        (bench.bantam("inspect digits.bantam --json").json(), bench.bantam("inspect bare.bantam --json").json());
    assert!(number(&bare, "file_bytes") < number(&full, "file_bytes"));
    assert_eq!((&bare["labels"], &bare["card"]), (&serde_json::json!([]), &serde_json::Value::Null));
    for key in ["arena_bytes", "macs", "arithmetic", "inputs", "outputs", "memory"] {
        assert_eq!(bare[key], full[key], "{key}");
    }
    let constants = bantam_format::SectionKind::Constants;
    assert_eq!(section(&bench.path("bare.bantam"), constants), section(&bench.path("digits.bantam"), constants));
}

#[test]
fn a_bare_file_with_data_gives_the_same_constants_as_its_folder() {
    let bench = Bench::with_digits();
    let data = "--calibrate digits/calibration.npz --eval digits/evaluation.npz";
    let value = bench.bantam(&format!("shrink digits/model.onnx {data} -o bare.bantam --json")).json();
    assert!(number(&value, "top1") > 0.98);
    for kind in [bantam_format::SectionKind::Constants, bantam_format::SectionKind::Ops] {
        assert_eq!(section(&bench.path("bare.bantam"), kind), section(&bench.path("digits.bantam"), kind));
    }
}

#[test]
fn what_is_unknown_is_null() {
    let bench = Bench::new();
    let value = bench.bantam("shrink digits/model.onnx --calibrate digits/calibration.npz --json").json();
    assert_eq!(value["artifact"], "model.bantam", "the default place beside a bare file is here");
    for key in ["rows", "agreement", "float_top1", "top1"] {
        assert!(value.as_object().unwrap().contains_key(key) && value[key].is_null(), "{key}: {}", value[key]);
    }
    bench.write("unlabelled.npz", &npz(&[("x", floats(&[40, 1, 8, 8], &images(40)))]));
    let data = "--calibrate unlabelled.npz --eval unlabelled.npz";
    let value = bench.bantam(&format!("shrink digits/model.onnx {data} --json")).json();
    assert_eq!((&value["rows"], &value["top1"]), (&serde_json::json!(40), &serde_json::Value::Null));
    assert!(number(&value, "agreement") > 0.8);
}

#[test]
fn labels_of_calibration_data_do_not_matter() {
    let bench = Bench::new();
    let x = floats(&[40, 1, 8, 8], &images(40));
    bench.write("bad-labels.npz", &npz(&[("x", x.clone()), ("y", floats(&[3], &[0.5; 3]))]));
    bench.write("unlabelled.npz", &npz(&[("x", x)]));
    bench.bantam("shrink digits/model.onnx --calibrate bad-labels.npz -o a.bantam").done();
    bench.bantam("shrink digits/model.onnx --calibrate unlabelled.npz -o b.bantam").done();
    assert_eq!(bench.read("a.bantam"), bench.read("b.bantam"));
}

#[test]
fn few_calibration_rows_are_noted_on_standard_error() {
    let bench = Bench::new();
    bench.write("one.npy", &floats(&[1, 1, 8, 8], &images(1)));
    let ran = bench.bantam("shrink digits/model.onnx --calibrate one.npy");
    assert!(ran.stderr.starts_with("note: 'one.npy'") && ran.stderr.contains("100 to 1000 rows"), "{}", ran.stderr);
    assert!(ran.done().contains("ranges from 1 calibration row\n"));
}

#[test]
fn float_weights_take_half_the_bytes_where_that_is_asked_for_or_needed() {
    let bench = Bench::new();
    let whole = bench.bantam("shrink digits --float -o whole.bantam --json").json();
    let half = bench.bantam("shrink digits --float --weights f16 -o half.bantam --json").json();
    assert_eq!([&whole, &half].map(|value| value["choice"]["float_weight_bits"].as_u64()), [Some(32), Some(16)]);
    let saved = number(&whole, "file_bytes") - number(&half, "file_bytes");
    assert!(saved > 0.35 * number(&whole, "file_bytes"), "{saved}");
    assert!(number(&half, "agreement") >= 0.99 && number(&half, "agreement") <= 1.0);
    bench.bantam("inspect half.bantam --verify").done();
    let limit = bench.read("half.bantam").len();
    for (budget, narrow) in [(format!("--flash {limit}"), true), ("--max-drop 1%".into(), true), (String::new(), false)]
    {
        let value = bench.bantam(&format!("shrink digits --float {budget} -o chosen.bantam --json")).json();
        assert_eq!(bench.read("chosen.bantam") == bench.read("half.bantam"), narrow, "{budget}: {}", value["choice"]);
        assert_eq!(value["choices"].as_array().unwrap().len(), 1 + usize::from(narrow), "{budget}");
    }
    let parts = ["flash: the file has", "weights as they are"];
    bench.refuses(&format!("shrink digits --float --weights f32 --flash {limit} -o chosen.bantam"), &parts);
    let ran = bench.bantam("shrink digits --weights f16 -o chosen.bantam");
    assert!(ran.stderr.contains("no layer is computed in floats"), "{}", ran.stderr);
    ran.done();
}

#[test]
fn a_target_without_a_float_unit_gets_integers_alone() {
    let bench = Bench::new();
    for (more, arithmetic) in [("cortex-m0", "tflite"), ("cortex-m4f", "onnx"), ("cortex-m0 --arithmetic onnx", "onnx")]
    {
        let value = bench.bantam(&format!("shrink digits -o {arithmetic}.bantam --json --target {more}")).json();
        assert!(number(&value["target"], "instructions") > 100_000.0, "{more}: {}", value["target"]);
        let inspected = bench.bantam(&format!("inspect {arithmetic}.bantam --json")).json();
        assert_eq!(inspected["arithmetic"], arithmetic, "{more}");
    }
    let text = bench.bantam("shrink digits --target cortex-m4f -o digits.bantam").done();
    assert!(text.contains("instructions per run, compiled for a cortex-m4f"), "{text}");
    let unknown = bench.bantam("shrink digits --target pdp-11");
    assert!(unknown.code == Some(2) && unknown.stderr.contains("cortex-m4f"), "{}", unknown.stderr);
}

#[test]
fn without_calibration_data_the_way_out_is_named() {
    let bench = Bench::new();
    let parts = ["'digits/model.onnx'", "--calibrate", "--float"];
    bench.refuses("shrink digits/model.onnx", &parts);
    bench.bantam("shrink digits/model.onnx --float").done();
}
