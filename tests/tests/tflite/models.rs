//! Whole models answer as TensorFlow Lite Micro does, bit for bit, and are small.

use bantam::{AlignedBytes, Model};
use bantam_format::Arithmetic;
use bantam_format::SectionKind;
use bantam_tests::tflite::models::golden_models;
use bantam_tests::tflite::{artifact, run};
use bantam_tools::folder::ModelFolder;
use bantam_tools::shrink::{ShrinkOptions, shrink};

/// The most bytes that the artifacts may take without optional sections.
const LARGEST: [(&str, usize); 4] = [("kws", 28_500), ("ic", 82_000), ("hello_world", 1_000), ("micro_speech", 17_500)];

/// The most bytes that names, labels, scales and the card may take.
const LARGEST_OPTIONAL: usize = 1_500;

#[test]
fn every_golden_case_is_equal_bit_for_bit() {
    for model in golden_models() {
        let artifact = artifact(&model.file).unwrap();
        let rows: Vec<Vec<Vec<u8>>> = model.inputs.iter().map(|input| vec![input.clone()]).collect();
        for (case, (answers, got)) in model.answers.iter().zip(run(&artifact, &rows)).enumerate() {
            let got: Vec<i64> = got[0].iter().map(|&byte| byte.cast_signed().into()).collect();
            assert!(!answers.is_empty());
            for (engine, expected) in answers {
                assert_eq!(&got, expected, "{}, {engine}, case {case}", model.name);
            }
        }
    }
}

#[test]
fn artifacts_are_small_with_and_without_optional_sections() {
    let folder = tempfile::tempdir().unwrap();
    for model in golden_models() {
        let path = folder.path().join(format!("{}.tflite", model.name));
        std::fs::write(&path, &model.file).unwrap();
        let shrunk = |strip| {
            let mut folder = ModelFolder::open(&path).unwrap();
            folder.labels = labels(model.name);
            let options = ShrinkOptions { strip, ..ShrinkOptions::new(folder, Arithmetic::Tflite) };
            shrink(&options, &|_| {}).unwrap().artifact.bytes().to_vec()
        };
        let (bare, full) = (shrunk(true), shrunk(false));
        println!("{}: {} bytes of .tflite, {} bare, {} with all", model.name, model.file.len(), bare.len(), full.len());
        assert_eq!(bare, artifact(&model.file).unwrap());
        let largest = LARGEST.iter().find(|(name, _)| *name == model.name).unwrap().1;
        assert!(bare.len() <= largest, "{}: {} bytes", model.name, bare.len());
        assert!(full.len() <= bare.len() + LARGEST_OPTIONAL, "{}: {} and {} bytes", model.name, bare.len(), full.len());

        let rows: Vec<Vec<Vec<u8>>> = model.inputs.iter().map(|input| vec![input.clone()]).collect();
        assert_eq!(run(&bare, &rows), run(&full, &rows));
        let file = AlignedBytes::copy_of(&full);
        let parsed = Model::parse(file.bytes()).unwrap();
        let kinds: Vec<u16> = parsed.artifact().section_entries().map(|entry| entry.kind).collect();
        for kind in [SectionKind::Names, SectionKind::Quantization, SectionKind::Card] {
            assert!(kinds.contains(&kind.code()), "{kind:?}");
        }
        assert_eq!(kinds.contains(&SectionKind::Labels.code()), !labels(model.name).is_empty());
    }
}

/// The classes that the models' makers list.
fn labels(model: &str) -> Vec<String> {
    let labels: &[&str] = match model {
        "kws" => &["down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes", "silence", "unknown"],
        "ic" => &["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
        "micro_speech" => &["silence", "unknown", "yes", "no"],
        _ => &[],
    };
    labels.iter().map(ToString::to_string).collect()
}
