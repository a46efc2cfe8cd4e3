//! `bantam inspect`.

use super::bench::Bench;
use super::networks::{append, axes, constant, edit, node};
use bantam_format::{IoRole, TensorKind};
use bantam_tools::plan::timeline;
use bantam_tools::subject::ArtifactFile;
use snapbox::{assert_data_eq, file};

#[test]
fn tables_show_operators_memory_and_sections() {
    let bench = Bench::with_digits();
    let text = bench.bantam("inspect digits.bantam --verify").done();
    assert_data_eq!(text, file!["snapshots/inspect-digits.txt"]);
    bench.bantam("shrink digits --strip --float -o bare.bantam").done();
    let text = bench.bantam("inspect bare.bantam").done();
    assert_data_eq!(text, file!["snapshots/inspect-bare.txt"]);
    bench.bantam("shrink breast-cancer -o cancer.bantam").done();
    let text = bench.bantam("inspect cancer.bantam").done();
    assert_data_eq!(text, file!["snapshots/inspect-breast-cancer.txt"]);
}

#[test]
fn json_agrees_with_itself_and_with_the_file() {
    let bench = Bench::with_digits();
    let value = bench.bantam("inspect digits.bantam --json --verify").json();
    let sum = |items: Vec<&serde_json::Value>| items.iter().map(|item| item.as_u64().unwrap()).sum::<u64>();
    let bytes = bench.read("digits.bantam").len() as u64;
    assert_eq!(value["file_bytes"], bytes);
    assert_eq!(sum(value["sections"].as_object().unwrap().values().collect()), bytes);
    let ops = value["ops"].as_array().unwrap();
    assert_eq!(sum(ops.iter().map(|op| &op["macs"]).collect()), value["macs"].as_u64().unwrap());
    let fullest = ops.iter().map(|op| op["memory_bytes"].as_u64().unwrap()).max();
    assert_eq!(fullest, value["arena_bytes"].as_u64(), "the plan wastes nothing");
    assert_eq!(value["plan_verified"], true);
    assert_eq!(value["card"]["name"], "digits");
    let plain = bench.bantam("inspect digits.bantam --json").json();
    assert!(plain.get("plan_verified").is_none());
}

/// Which bytes are needed while each op runs, found backwards from the outputs.
fn needed(artifact: &ArtifactFile) -> Vec<usize> {
    let model = artifact.model();
    let artifact = model.artifact();
    let mut live = vec![false; artifact.arena_bytes()];
    for io in artifact.io(IoRole::Output) {
        live[artifact.tensor(usize::from(io.tensor)).range()].fill(true);
    }
    for tensor in (0..artifact.tensor_count()).map(|index| artifact.tensor(index)) {
        if tensor.kind == TensorKind::State {
            live[tensor.range()].fill(true);
        }
    }
    let ops: Vec<_> = artifact.ops().collect();
    let mut counts: Vec<usize> = ops
        .iter()
        .rev()
        .map(|op| {
            let mut used = live.clone();
            for index in 0..op.output_count {
                let range = artifact.tensor(op.operand(op.input_count + index)).range();
                live[range.clone()].fill(false);
                used[range].fill(true);
            }
            for index in (0..op.input_count).filter(|&index| op.input(index).in_arena()) {
                live[op.input(index).range()].fill(true);
            }
            used.iter().zip(&live).filter(|(used, live)| **used || **live).count()
        })
        .collect();
    counts.reverse();
    counts
}

#[test]
fn memory_in_use_is_what_is_needed() {
    let bench = Bench::new();
    for (model, options) in [("digits", ""), ("digits", "--float"), ("breast-cancer", ""), ("breast-cancer", "--float")]
    {
        bench.bantam(&format!("shrink {model} {options} -o a.bantam")).done();
        let artifact = ArtifactFile::load(&bench.path("a.bantam")).unwrap();
        assert_eq!(timeline::occupancy(&artifact.model()), needed(&artifact), "{model} {options}");
    }
    // An output that is a view, and a value that is only read through a view, some ops later.
    edit(&bench, "digits/model.onnx", "view.onnx", |graph| {
        constant(graph, "flat", &[1, 64]);
        graph.node.insert(0, node("Reshape", &["image", "flat"], "seen"));
        append(graph, "ReduceMean", &["seen"], &[1, 1], vec![axes(&[1])]);
        append(graph, "Add", &["appended_ReduceMean", "probabilities"], &[1, 10], vec![]);
        constant(graph, "halves", &[1, 2, 5]);
        append(graph, "Reshape", &["appended_Add", "halves"], &[1, 2, 5], vec![]);
    });
    for options in ["--float", "--calibrate digits/calibration.npz"] {
        bench.bantam(&format!("shrink view.onnx {options} -o a.bantam")).done();
        bench.bantam("inspect a.bantam --verify").done();
        let artifact = ArtifactFile::load(&bench.path("a.bantam")).unwrap();
        assert_eq!(timeline::occupancy(&artifact.model()), needed(&artifact), "{options}");
        let lifetimes = timeline::lifetimes(&artifact.model());
        let last = lifetimes.iter().filter(|lifetime| lifetime.last_read_by.is_none());
        assert!(last.clone().count() == 2 && last.clone().all(|output| output.written_by.is_some()), "{lifetimes:?}");
    }
}
