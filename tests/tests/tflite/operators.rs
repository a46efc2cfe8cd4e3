//! Models of one operator answer as the reference does.

use bantam_tests::tflite::operators::Operators;

#[test]
fn every_operator_equals_the_reference() {
    compare(&Operators::load(), 640);
}

#[test]
fn what_the_reference_lacks_equals_litert() {
    compare(&Operators::litert(), 28);
}

fn compare(operators: &Operators, least: usize) {
    let (mut equal, mut wrong) = (0, Vec::new());
    for case in operators.cases() {
        match case.run().and_then(|ran| case.check(&ran)) {
            Ok(()) => equal += 1,
            Err(reason) => wrong.push(format!("{}: {reason}", case.name)),
        }
    }
    println!("{equal} cases equal");
    assert!(equal + wrong.len() >= least, "only {equal} cases");
    assert!(wrong.is_empty(), "{} cases are wrong:\n{}", wrong.len(), wrong.join("\n"));
}
