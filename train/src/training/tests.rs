//! The loop on a task of two moons' kind: small, quick, and learnable.

use super::*;
use crate::initial::draw;
use bantam_tools::graph::ops::{FullyConnected, Softmax};
use bantam_tools::graph::{Activation, Graph};
use bantam_tools::tensor::{DataType, Tensor as HostTensor};
use std::sync::Mutex;

/// Two numbers to two classes through a hidden layer.
fn network(hidden: usize, seed: u64) -> Graph {
    let mut graph = Graph::new("dense");
    let x = graph.add_input("x", vec![1, 2], DataType::F32);
    let zeros = |shape: Vec<usize>| HostTensor::zeros::<f32>(shape).unwrap();
    let (w, b) = (graph.add_constant("w1", zeros(vec![hidden, 2])), graph.add_constant("b1", zeros(vec![hidden])));
    let relu = Op::FullyConnected(FullyConnected { activation: Activation::RELU });
    let first = graph.add_node("first", relu, &[x, w, b]).unwrap();
    let (w, b) = (graph.add_constant("w2", zeros(vec![2, hidden])), graph.add_constant("b2", zeros(vec![2])));
    let second = graph.add_node("second", Op::FullyConnected(FullyConnected::default()), &[first, w, b]).unwrap();
    let y = graph.add_node("softmax", Op::Softmax(Softmax { axis: 1, beta: 1.0 }), &[second]).unwrap();
    graph.add_output("y", y);
    draw(&mut graph, seed);
    graph
}

/// Points inside and outside a ring.
fn rows(count: usize) -> Rows {
    let mut random = generator(9, &[]);
    let mut rows = Rows { shape: vec![1, 2], items: vec![], labels: Some(vec![]), mixed: vec![] };
    for _ in 0..count {
        let point = [crate::random::signed(&mut random), crate::random::signed(&mut random)];
        rows.items.extend(point);
        let inside = point[0] * point[0] + point[1] * point[1] < 0.5;
        rows.labels.as_mut().unwrap().push(usize::from(inside));
    }
    rows
}

fn job<'a>(student: &'a Network, rows: &'a Rows, held_out: &'a Rows, epochs: usize) -> Job<'a> {
    Job {
        student,
        teacher: None,
        rows,
        held_out,
        loss: Loss::LABELS,
        augmentation: Augmentation { noise: 0.02, ..Augmentation::default() },
        schedule: Schedule { epochs, batch: 32, rate: 0.1, decay: 1e-3, patience: 0, seed: 4 },
        checkpoint: None,
        exact: None,
        watch: &|_, _, _, _| {},
    }
}

fn weights(network: &Network) -> Vec<Vec<f32>> {
    values(network.variables()).unwrap()
}

#[test]
fn a_network_learns_and_its_student_learns_from_it_without_labels() {
    let (rows, held_out) = rows(400).split(0.25, 0);
    let teacher = Network::trainable(&network(16, 1)).unwrap();
    let progress = train(&job(&teacher, &rows, &held_out, 40)).unwrap();
    let best = progress.epochs[progress.best - 1];
    assert!(best.accuracy.unwrap() > 0.93, "{best:?}");
    let unlabelled = |rows: &Rows| Rows { labels: None, ..rows.clone() };
    let (plain, plain_held_out) = (unlabelled(&rows), unlabelled(&held_out));
    let student = Network::trainable(&network(8, 2)).unwrap();
    let progress =
        train(&Job { teacher: Some(&teacher), loss: Loss::DISTIL, ..job(&student, &plain, &plain_held_out, 40) })
            .unwrap();
    let best = progress.epochs[progress.best - 1];
    assert!(best.accuracy.unwrap() > 0.9, "{best:?}");
    assert!(best.held_out < progress.epochs[0].held_out / 2.0);
}

#[test]
fn a_run_taken_up_again_ends_with_the_same_bytes() {
    let (rows, held_out) = rows(200).split(0.2, 0);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let whole = Network::trainable(&network(8, 3)).unwrap();
    let expected = train(&job(&whole, &rows, &held_out, 8)).unwrap();
    // The first run is cut off in its fourth epoch: its checkpoint is copied away when the third has ended.
    let first = Network::trainable(&network(8, 3)).unwrap();
    let kept = folder.path().join("kept");
    let copied = Mutex::new(false);
    let steps = rows.count().div_ceil(32);
    train(&Job {
        checkpoint: Some((&path, "run")),
        watch: &|made, _, _, last| {
            if made == 3 * steps + 1 && last.is_some_and(|last| last.epoch == 3) {
                std::fs::copy(&path, &kept).unwrap();
                *copied.lock().unwrap() = true;
            }
        },
        ..job(&first, &rows, &held_out, 8)
    })
    .unwrap();
    assert!(*copied.lock().unwrap());
    let second = Network::trainable(&network(8, 3)).unwrap();
    let taken_up = train(&Job { checkpoint: Some((&kept, "run")), ..job(&second, &rows, &held_out, 8) }).unwrap();
    assert_eq!(taken_up, expected);
    assert_eq!(weights(&second), weights(&whole));
    assert_eq!(weights(&first), weights(&whole));
}

#[test]
fn training_ends_early_and_the_best_epoch_stays() {
    let (rows, held_out) = rows(100).split(0.3, 0);
    let student = Network::trainable(&network(8, 5)).unwrap();
    let mut job = job(&student, &rows, &held_out, 400);
    job.schedule.patience = 3;
    job.schedule.rate = 0.3;
    let progress = train(&job).unwrap();
    assert!(progress.epochs.len() < 400 && progress.epochs.len() == progress.best + 3, "{progress:?}");
    let least = progress.epochs.iter().map(|epoch| epoch.held_out).fold(f64::INFINITY, f64::min);
    assert_eq!(progress.epochs[progress.best - 1].held_out, least);
    let (now, _) = measure(&job).unwrap();
    assert_eq!(now, least, "the variables are those of the best epoch");
}

#[test]
fn divergence_names_the_step_the_layer_and_keeps_the_checkpoint() {
    let (rows, held_out) = rows(100).split(0.3, 0);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let student = Network::trainable(&network(8, 6)).unwrap();
    let calm = Job { checkpoint: Some((&path, "run")), ..job(&student, &rows, &held_out, 1) };
    train(&calm).unwrap();
    let before = std::fs::read(&path).unwrap();
    let mut wild = Job { checkpoint: Some((&path, "run")), ..job(&student, &rows, &held_out, 5) };
    wild.schedule.rate = 1e30;
    let error = train(&wild).unwrap_err();
    let message = error.to_string();
    assert!(matches!(error, TrainError::Diverged { .. }), "{message}");
    assert!(message.contains("step") && message.contains("'first'") || message.contains("'second'"), "{message}");
    assert!(message.contains("--rate") && message.contains(path.to_str().unwrap()), "{message}");
    assert_eq!(std::fs::read(&path).unwrap(), before, "the last good checkpoint is kept");
}

#[test]
fn rates_rise_and_fall_and_advice_is_round() {
    let rates: Vec<f64> = (1..=100).map(|step| rate(1.0, step, 100)).collect();
    assert!(rates[0] < 0.5 && (rates[4] - 1.0).abs() < 1e-9 && rates[99] < 1e-3);
    assert!((advice(0.05) - 0.017).abs() < 1e-9 && (advice(1.0) - 0.33).abs() < 1e-9);
}
