//! What `bantam inspect --target` says of models that were measured: memory exactly, instructions within a tenth.

use bantam::{AlignedBytes, Model};
use bantam_format::Arithmetic;
use bantam_tests::repository::shrink_model_with;
use bantam_tests::tflite::artifact;
use bantam_tests::tflite::models::golden_models;
use bantam_tools::cost::Coefficients;
use std::path::Path;

/// How far instructions may be off.
const LIMIT: f64 = 0.1;

#[test]
fn estimates_meet_what_was_measured() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../embedded/firmware/baseline.json");
    let rows: serde_json::Value = serde_json::from_slice(&std::fs::read(path).expect("a baseline")).expect("JSON");
    let mut models = vec![("digits", shrink_model_with("digits", Arithmetic::Tflite).expect("an artifact"))];
    models.extend(golden_models().iter().map(|model| (model.name, artifact(&model.file).expect("an artifact"))));
    let coefficients = Coefficients::built_in();
    let mut checked = 0;
    for row in rows.as_array().expect("rows") {
        let [model, target, mode] = ["model", "target", "mode"].map(|key| row[key].as_str().expect("a text"));
        let Some((_, bytes)) = models.iter().find(|(name, _)| *name == model) else { continue };
        let file = AlignedBytes::copy_of(bytes);
        let parsed = Model::parse(file.bytes()).expect("an artifact");
        let cost = coefficients.predict(target, &parsed).expect("a measured target");
        assert_eq!(row["arena_bytes"], cost.arena_bytes, "{model} on {target}");
        if mode == "static" {
            assert_eq!(row["artifact_bytes"], cost.constant_bytes, "{model} on {target}");
        }
        let measured = row["instructions"].as_f64().expect("a number");
        let estimated = if mode == "static" { cost.compiled_instructions() } else { cost.session_instructions() };
        let estimated = estimated.expect("measured operators") as f64;
        let error = (estimated / measured - 1.0).abs();
        assert!(error <= LIMIT && error <= cost.error, "{model} on {target}, {mode}: {estimated} for {measured}");
        checked += 1;
    }
    assert!(checked >= 12, "only {checked} rows");
}
