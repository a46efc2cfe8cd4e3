//! Models of one operator answer as the reference does.

use bantam_tests::tflite::operators::Operators;

/// Cases that the importer refuses, by a part of their name.
const REFUSED: [&str; 9] = [
    "int16",
    "i16",
    "svdf/",
    "resize_bilinear/",
    "cast/f32-i8",
    "cast/i8-f32",
    "cast/i8-i32",
    "cast/i32-i8",
    "quantize/i8-i32",
];

#[test]
fn every_operator_equals_the_reference() {
    let operators = Operators::load();
    let (mut equal, mut refused, mut wrong) = (0, 0, Vec::new());
    for case in operators.cases() {
        let expected = REFUSED.iter().any(|part| case.name.contains(part));
        match case.run().and_then(|ran| case.check(&ran)) {
            Ok(()) if !expected => equal += 1,
            Err(reason) if expected && reason.contains("not supported") => refused += 1,
            Ok(()) => wrong.push(format!("{}: works, but is listed as refused", case.name)),
            Err(reason) => wrong.push(format!("{}: {reason}", case.name)),
        }
    }
    println!("{equal} cases equal, {refused} refused by name");
    assert!(wrong.is_empty(), "{} cases are wrong:\n{}", wrong.len(), wrong.join("\n"));
}
