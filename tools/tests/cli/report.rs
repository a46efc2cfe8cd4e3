//! What `bantam shrink` writes beside the artifact: the report, the linear baseline, the quantised network as ONNX.

use super::arrays::{floats, images, integers, npy, npz};
use super::bench::{Bench, Ran};

const PLOTS: [&str; 13] = [
    "accuracy-bytes",
    "sensitivity",
    "confusion-before",
    "confusion-after",
    "classes",
    "reliability-before",
    "reliability-after",
    "layer-error",
    "weights-0",
    "activations-0",
    "memory",
    "macs",
    "bytes",
];

fn number(value: &serde_json::Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or_else(|| panic!("{key} is {}", value[key]))
}

#[test]
fn the_report_is_one_page_with_every_plot_and_the_numbers_of_the_json() {
    let bench = Bench::new();
    let value = bench.bantam("shrink digits --max-drop 1% --report report.html --json -o a.bantam").json();
    let page = String::from_utf8(bench.read("report.html")).unwrap();
    for plot in PLOTS {
        assert!(page.contains(&format!("id=\"plot-{plot}\"")), "{plot}");
    }
    // Nothing is fetched and nothing runs.
    for word in ["<script", "src=", "@import", "url("] {
        assert!(!page.contains(word), "{word}");
    }
    let percent = |share: f64| format!("{:.2} %", share * 100.0);
    let numbers = [
        percent(number(&value, "top1")),
        percent(number(&value["baselines"], "linear")),
        percent(number(&value["temperature"]["before"], "expected_calibration_error")),
        format!("{} bytes", value["file_bytes"]),
        value["source_sha256"].as_str().unwrap().to_owned(),
        value["choice"]["four_bit_layers"][0].as_str().unwrap().to_owned(),
    ];
    for shown in numbers {
        assert!(page.contains(&shown), "{shown}");
    }
    let details = &value["details"];
    assert_eq!(details["classes"].as_array().unwrap().len(), 10);
    assert_eq!(details["confusion"].as_array().unwrap().len(), 2);
    let rows: u64 = details["confusion"][1]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|row| row.as_array().unwrap())
        .map(|n| n.as_u64().unwrap())
        .sum();
    assert_eq!(rows, 599);
    bench.bantam("shrink digits --max-drop 1% --report again.html -o b.bantam").done();
    let again = String::from_utf8(bench.read("again.html")).unwrap();
    let without_command = |page: &str| page.split("<pre>").next().unwrap().to_owned();
    assert_eq!(without_command(&page), without_command(&again), "the same every time");
}

#[test]
fn a_network_that_keeps_its_numbers_has_its_weights_and_activations_shown() {
    let bench = Bench::new();
    let value = bench.bantam("shrink digits --float --report report.html --json -o a.bantam").json();
    let page = String::from_utf8(bench.read("report.html")).unwrap();
    for plot in ["weights-0", "activations-0", "bytes", "memory"] {
        assert!(page.contains(&format!("id=\"plot-{plot}\"")), "{plot}");
    }
    assert!(page.contains("stem.conv, 32 bits") && !page.contains("The grey part"));
    // 16 channels of 3 x 3 weights, and their biases.
    assert_eq!(value["details"]["ops"][0]["bytes"], 4 * (16 * 9 + 16), "{}", value["details"]["ops"][0]["name"]);
}

#[test]
fn slices_tell_accuracy_apart_by_a_column() {
    let bench = Bench::new();
    let rows: Vec<i64> = (0..40).map(|row| row % 3).collect();
    let labels: Vec<i64> = (0..40).map(|row| row % 10).collect();
    let arrays = [
        ("x", floats(&[40, 1, 8, 8], &images(40))),
        ("y", integers(&[40], &labels)),
        ("writer", integers(&[40], &rows)),
    ];
    bench.write("sliced.npz", &npz(&arrays));
    let value =
        bench.bantam("shrink digits --eval sliced.npz --slice writer --report r.html --json -o a.bantam").json();
    let groups = value["details"]["slices"][0]["groups"].as_array().unwrap();
    assert_eq!(value["details"]["slices"][0]["column"], "writer");
    assert_eq!(groups.iter().map(|group| group["rows"].as_u64().unwrap()).collect::<Vec<_>>(), [14, 13, 13]);
    assert!(String::from_utf8(bench.read("r.html")).unwrap().contains("plot-slice-writer"));
    let parts = ["'sliced.npz' has no column 'age'", "one number or text per row", "'y', 'writer'"];
    bench.refuses("shrink digits --eval sliced.npz --slice age", &parts);
    // Text as numpy stores it: four bytes for each letter; and what is neither number nor text, which nobody asks for.
    let site = |row: usize| if row.is_multiple_of(4) { *b"n\0\0\0o\0\0\0" } else { *b"s\0\0\0\0\0\0\0" };
    let sites: Vec<u8> = (0..40).flat_map(site).collect();
    let complex = npy("<c8", false, &[40], &[0; 320]);
    let more = [("pen type", npy("<U2", false, &[40], &sites)), ("waves", complex)];
    bench.write("sliced.npz", &npz(&[&arrays[..], &more[..]].concat()));
    let run = super::bench::command()
        .args(["shrink", "digits", "--eval", "sliced.npz", "--slice", "pen type", "--report", "t.html", "--json"])
        .current_dir(bench.path(""))
        .output();
    let value = Ran::of(run.unwrap()).json();
    let groups = value["details"]["slices"][0]["groups"].as_array().unwrap();
    let shown: Vec<_> =
        groups.iter().map(|group| (group["name"].as_str().unwrap(), group["rows"].as_u64().unwrap())).collect();
    assert_eq!(shown, [("no", 10), ("s", 30)]);
    assert!(String::from_utf8(bench.read("t.html")).unwrap().contains("plot-slice-pen-type"));
    bench.refuses("shrink digits --eval sliced.npz --slice waves", &["has no column 'waves'", "'pen type'"]);
    bench
        .refuses("shrink digits/model.onnx --calibrate digits/calibration.npz --slice age", &["--slice age", "--eval"]);
}

#[test]
fn a_temperature_changes_probabilities_and_no_answer() {
    let bench = Bench::with_digits();
    let value = bench.bantam("shrink digits --temperature --json -o warm.bantam").json();
    assert_eq!(value["temperature_stored"], true);
    let temperature = number(&value["temperature"], "temperature");
    assert!(temperature > 0.1 && temperature < 10.0 && (temperature - 1.0).abs() > 0.01, "{temperature}");
    let [before, after] =
        ["before", "after"].map(|when| number(&value["temperature"][when], "negative_log_likelihood"));
    assert!(after <= before, "{before} {after}");
    assert_eq!(bench.read("warm.bantam").len(), bench.read("digits.bantam").len(), "it takes no byte");
    assert!(bench.read("warm.bantam") != bench.read("digits.bantam"));
    assert!(number(&value, "agreement") > 0.99);
    let ran = bench.bantam("shrink digits/model.onnx --calibrate digits/calibration.npz --temperature");
    assert!(ran.stderr.contains("no labelled rows to fit a temperature on"), "{}", ran.stderr);
}

#[test]
fn the_linear_baseline_is_an_artifact_that_scores_as_reported() {
    let bench = Bench::new();
    for model in ["digits", "breast-cancer"] {
        let value = bench.bantam(&format!("shrink {model} --emit-baseline line.bantam --json -o a.bantam")).json();
        let linear = number(&value["baselines"], "linear");
        assert!(linear > 0.85 && number(&value["baselines"], "majority") < 0.7, "{}", value["baselines"]);
        let scored = bench.bantam(&format!("eval line.bantam --data {model}/evaluation.npz --json")).json();
        assert!((number(&scored, "top1") - linear).abs() < 0.03, "{model}: {} {linear}", scored["top1"]);
    }
    let data = "--calibrate digits/calibration.npz";
    bench.refuses(
        &format!("shrink digits/model.onnx {data} --emit-baseline line2.bantam"),
        &["--emit-baseline", "classes as `y`"],
    );
}

#[test]
fn the_exported_network_has_the_integers_of_the_artifact() {
    let bench = Bench::new();
    for (model, flash) in [("digits", "--flash 5000"), ("digits", ""), ("breast-cancer", "")] {
        bench.bantam(&format!("shrink {model} {flash} --emit-onnx out.onnx -o a.bantam")).done();
        bench.bantam("shrink out.onnx -o b.bantam").done();
        let outputs = ["a", "b"].map(|name| {
            bench.bantam(&format!("run {name}.bantam --input {model}/evaluation.npz --raw -o {name}.npy")).done();
            bench.read(&format!("{name}.npy"))
        });
        assert!(outputs[0] == outputs[1], "{model} {flash}");
    }
    bench.refuses("shrink digits --arithmetic tflite --emit-onnx out2.onnx", &["--emit-onnx", "--arithmetic tflite"]);
    bench.bantam("shrink digits --float --emit-onnx out2.onnx").error(2);
    bench.refuses("shrink digits -o a.bantam --emit-onnx a.bantam", &["'a.bantam'"]);
}
