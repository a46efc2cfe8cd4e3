//! Random small networks in every way there is. `cargo xtask networks` runs thousands more.

use bantam_tests::networks::Network;
use bantam_tests::networks::campaign::{Campaign, Totals};
use bantam_tests::networks::check::check;
use bantam_tests::onnx::{Model, int, ints};

/// Networks of one test; four tests go through seeds 0 to 1999.
const NETWORKS: u64 = 500;
/// Of these, at least so many must be comparable with the independent reference.
const WITH_REFERENCE: usize = 400;

/// All agree with the reference and keep the bounds of 8 bits.
fn part(index: u64) {
    let campaign = Campaign { first_seed: index * NETWORKS, count: NETWORKS };
    let Totals { networks, with_reference, .. } = campaign.run_to_the_end();
    assert_eq!(networks, NETWORKS as usize);
    assert!(with_reference >= WITH_REFERENCE, "{with_reference}");
}

#[test]
fn sweep_random_networks_0() {
    part(0);
}

#[test]
fn sweep_random_networks_1() {
    part(1);
}

#[test]
fn sweep_random_networks_2() {
    part(2);
}

#[test]
fn sweep_random_networks_3() {
    part(3);
}

/// A network that random ones showed to go wrong once.
#[track_caller]
fn right(model: Model) {
    let outcome = check(&Network { seed: 1, model: model.0, steps: vec![] }).unwrap();
    assert_eq!(outcome.no_reference, None);
    assert!(outcome.int8.iter().all(|(_, measured)| measured.is_ok()));
}

#[test]
fn windows_that_lie_in_the_padding() {
    let image = |pads: &[i64], more: Vec<_>| {
        let attributes = [vec![ints("pads", pads)], more].concat();
        Model::new(13, &[1, 2, 3, 3])
            .weights("w", &[4, 2, 2, 2])
            .weights("b", &[4])
            .node("Conv", "x w b", "y", attributes)
    };
    right(image(&[3, 0, 0, 0], vec![]));
    right(image(&[0, 4, 0, 0], vec![ints("strides", &[1, 2])]));
    right(image(&[0, 0, 3, 5], vec![ints("dilations", &[2, 1])]));
    right(image(&[2, 2, 2, 2], vec![]));
    let depthwise = Model::new(13, &[1, 2, 3, 3]).weights("w", &[2, 1, 1, 1]);
    right(depthwise.node("Conv", "x w", "y", vec![ints("pads", &[1, 2, 0, 3]), int("group", 2)]));
}

#[test]
fn outputs_that_are_inputs_beside_inputs_that_nothing_reads() {
    right(Model::new(13, &[1, 5]).input("z", &[1, 3, 2]).node("Identity", "z", "y", vec![]));
}

#[test]
fn outputs_that_are_constants() {
    let model = Model::new(13, &[1, 5]).floats("k", &[2], &[0.5, -1.5]).node("Identity", "k", "y", vec![]);
    check(&Network { seed: 1, model: model.0, steps: vec![] }).unwrap();
}

#[test]
fn constants_are_compared_with_floats_as_floats() {
    let ones = [1.0; 3];
    let model = Model::new(13, &[1, 3, 2, 2])
        .floats("one", &[3], &ones)
        .weights("shift", &[3])
        .floats("limit", &[], &[0.1])
        .node("BatchNormalization", "x one shift shift one", "n", vec![])
        .node("Greater", "n limit", "g", vec![])
        .node("Cast", "g", "y", vec![int("to", 1)]);
    right(model);
}
