//! Hybrid models, of 8-bit weights and float activations, are float models.

use bantam_tests::tflite::operators::Operators;
use bantam_tools::import::tflite::read;

#[test]
fn hybrid_models_are_read_as_floats_and_say_so() {
    let operators = Operators::load();
    let mut count = 0;
    for case in operators.cases().filter(|case| case.name.contains("/hybrid/")) {
        let source = read(case.file).unwrap();
        assert!(!source.graph.is_quantized(), "{}", case.name);
        assert!(source.metadata.notes.iter().any(|note| note.contains("8-bit integers beside float")), "{}", case.name);
        count += 1;
    }
    assert!(count >= 6, "{count} hybrid models");
    let float = operators.cases().find(|case| case.name == "conv_2d/float/0").unwrap();
    assert_eq!(read(float.file).unwrap().metadata, Default::default());
}
