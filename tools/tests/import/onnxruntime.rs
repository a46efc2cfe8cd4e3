//! Quantised models against what ONNX Runtime computed for them: `tools/oracle/onnxruntime_goldens.py` writes the
//! goldens.

use bantam::{AlignedBytes, Model, Session};
use bantam_tools::data::{Dataset, InputSpec};
use bantam_tools::import::onnx::ImportOptions;
use bantam_tools::lower::{Precision, lower};
use bantam_tools::plan;
use bantam_tools::quantize::Parameters;
use bantam_tools::subject::SourceModel;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::Path;

#[derive(Deserialize)]
struct Golden {
    onnxruntime: String,
    graph_optimization_level: String,
    model_sha256: String,
    seed: u64,
    rows: usize,
    low: f32,
    high: f32,
    layers: Vec<Layer>,
    logits: Vec<Vec<i8>>,
    /// The same with ONNX Runtime's own kernel for additions, which rounds differently on other machines.
    fused_logits: Vec<Vec<i8>>,
    probabilities: Vec<Vec<f32>>,
}

/// What one integer operator gave, as the beginning of a hash per row.
#[derive(Deserialize)]
struct Layer {
    node: String,
    operator: String,
    sha256: Vec<String>,
}

/// What the artifact gives for one row: hash and integers per op name, and the output.
struct Row {
    layers: HashMap<String, (String, Vec<i8>)>,
    probabilities: Vec<f32>,
}

fn run(model: &Model<'_>, data: &Dataset, row: usize) -> Row {
    let artifact = model.artifact();
    let mut arena = AlignedBytes::zeroed(Session::arena_bytes(model, &bantam::ops::ALL));
    let mut session = Session::new(model, arena.bytes_mut(), &bantam::ops::ALL).unwrap();
    let io = model.inputs().next().unwrap();
    let parameters = Parameters { scale: io.scale, zero_point: io.zero_point as i8, wide: false };
    session.input_mut::<i8>(0).unwrap().copy_from_slice(&data.integers(0, row, parameters));
    let mut results: Vec<Vec<u8>> = Vec::new();
    session.run_each(|step| results.push(step.output(0).1.to_vec())).unwrap();
    let probabilities = session.output::<f32>(0).unwrap().to_vec();
    // The names of the ops follow those of the tensors.
    let names: Vec<&str> = artifact.names().collect();
    let names = &names[names.len() - results.len()..];
    let hashed = |bytes: Vec<u8>| {
        let hash: String = Sha256::digest(&bytes)[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        (hash, bytes.into_iter().map(u8::cast_signed).collect())
    };
    let layers = names.iter().zip(results).map(|(name, bytes)| (name.to_string(), hashed(bytes)));
    Row { layers: layers.collect(), probabilities }
}

fn check(name: &str, golden: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/mlperf-tiny").join(name);
    if !path.exists() {
        println!("skipped: ../shared is absent");
        return;
    }
    let golden: Golden = serde_json::from_str(golden).unwrap();
    let source = SourceModel::load(&path, &ImportOptions::default()).unwrap();
    assert_eq!(source.sha256, golden.model_sha256, "the golden is of another file");
    let data = Dataset::random(&InputSpec::of_graph(&source.graph), golden.rows, golden.seed, golden.low, golden.high);
    let mut program =
        lower(&source.graph, Precision::Quantized { arithmetic: bantam_format::Arithmetic::Onnx }).unwrap();
    plan::plan(&mut program);
    let file = AlignedBytes::copy_of(&bantam_format::writer::write(&program.description).unwrap());
    let model = Model::parse(file.bytes()).unwrap();
    plan::verify::verify(&model).unwrap();

    // Per layer: rows on which it saw ONNX Runtime's own input, and how many of those it answered alike.
    let mut seen: HashMap<&str, [usize; 2]> = HashMap::new();
    let (mut compared, mut equal, mut equal_fused, mut furthest) = (0, 0, 0, 0f32);
    for row in 0..golden.rows {
        let got = run(&model, &data, row);
        for layer in &golden.layers {
            let same = got.layers[&layer.node].0 == layer.sha256[row];
            let exact = matches!(layer.operator.as_str(), "QLinearConv" | "QGemm" | "QLinearMatMul");
            assert!(same || !exact, "{} of row {row} differs from ONNX Runtime's", layer.node);
            let counts = seen.entry(&layer.node).or_default();
            counts[0] += 1;
            counts[1] += usize::from(same);
            if !same {
                break;
            }
        }
        let (_, logits) = &got.layers[&golden.layers.last().unwrap().node];
        for ((got, expected), fused) in logits.iter().zip(&golden.logits[row]).zip(&golden.fused_logits[row]) {
            assert!(got.abs_diff(*expected) <= 1 && got.abs_diff(*fused) <= 1, "row {row}: {got} {expected} {fused}");
            equal += usize::from(got == expected);
            equal_fused += usize::from(got == fused);
            compared += 1;
        }
        for (got, expected) in got.probabilities.iter().zip(&golden.probabilities[row]) {
            assert!((got - expected).abs() <= 1e-2, "row {row}: {got} {expected}");
            furthest = furthest.max((got - expected).abs());
        }
    }
    println!(
        "{name} against ONNX Runtime {} ({}): {equal} of {compared} logits equal ({equal_fused} with fused \
         additions), probabilities within {furthest}",
        golden.onnxruntime, golden.graph_optimization_level
    );
    for layer in &golden.layers {
        let [rows, same] = seen[layer.node.as_str()];
        println!("  {} ({}): {same} of {rows} rows equal bit for bit", layer.node, layer.operator);
        assert!(rows * 10 >= golden.rows * 9, "{} was compared on {rows} rows only", layer.node);
    }
    assert!(equal * 1000 >= compared * 999, "{equal} of {compared}");
}

#[test]
fn a_depthwise_separable_network_gives_the_bits_of_onnx_runtime() {
    check("kws_int8_qdq.onnx", include_str!("goldens/kws_int8_qdq.json"));
}

#[test]
fn a_residual_network_gives_the_bits_of_onnx_runtime() {
    check("ic_int8_qdq.onnx", include_str!("goldens/ic_int8_qdq.json"));
}
