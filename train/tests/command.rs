//! The command itself: killed and taken up again, without its data, with a rate far too large.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bantam-train"));
    command.current_dir(folder).arg("distil").arg(repository().join("models/digits")).args(arguments);
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const SHORT: [&str; 6] = ["--width", "0.5", "--augment", "columns=1", "--patience", "0"];

#[test]
fn a_killed_run_ends_with_the_bytes_of_one_that_was_not() {
    let folder = tempfile::tempdir().unwrap();
    let whole = [&SHORT[..], &["--epochs", "30", "--aware", "2", "-o", "whole.bantam"]].concat();
    let output = run(folder.path(), &whole);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let expected = std::fs::read(folder.path().join("whole.bantam")).unwrap();

    let killed = [&SHORT[..], &["--epochs", "30", "--aware", "2", "-o", "killed.bantam"]].concat();
    let mut child = command(folder.path(), &killed).spawn().unwrap();
    let checkpoint = folder.path().join("killed.bantam.checkpoint.round-1");
    let start = Instant::now();
    while !checkpoint.exists() {
        assert!(start.elapsed() < Duration::from_secs(120), "no checkpoint is written");
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(checkpoint.exists() && !folder.path().join("killed.bantam").exists());
    let output = run(folder.path(), &killed);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(std::fs::read(folder.path().join("killed.bantam")).unwrap(), expected);
    assert!(!checkpoint.exists(), "a run that has ended needs no checkpoint");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left behind");

    // What is left of another run is not mixed in.
    std::fs::write(folder.path().join("other.bantam.checkpoint.round-1"), b"something else").unwrap();
    let output = run(folder.path(), &[&SHORT[..], &["--epochs", "1", "-o", "other.bantam"]].concat());
    assert!(!output.status.success() && text(&output.stderr).contains("delete it"), "{}", text(&output.stderr));
}

#[test]
fn another_model_can_be_the_student() {
    let folder = tempfile::tempdir().unwrap();
    let made = ["--prune-to", "60%macs", "--rounds", "2", "--epochs", "4", "--augment", "columns=1,mix=0.5"];
    let output = run(folder.path(), &[&made[..], &["--emit-onnx", "small.onnx", "-o", "x.bantam"]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let options = ["--student", "small.onnx", "--labels", "0.5", "--features", "0.5", "--epochs", "2", "--json"];
    let output = run(folder.path(), &[&options[..], &["-o", "y.bantam"]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let made: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let macs = |name: &str| {
        let standings = made["standings"].as_array().unwrap();
        standings.iter().find(|standing| standing["name"] == name).unwrap()["macs"].as_f64().unwrap()
    };
    assert!(macs("student, float") <= 0.6 * macs("teacher, float"));
    let options = ["--student", "small.onnx", "--width", "0.5", "-o", "z.bantam"];
    let message = text(&run(folder.path(), &options).stderr);
    assert!(message.contains("cannot be used with"), "{message}");
}

#[test]
fn numbers_beyond_all_bounds_stop_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &[&SHORT[..], &["--epochs", "3", "--rate", "1e30", "-o", "x.bantam"]].concat());
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("diverged in epoch 1, step 2") && message.contains("--rate 3.3e29"), "{message}");
    assert!(!folder.path().join("x.bantam").exists());
}

#[test]
fn missing_recordings_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bantam-train"));
    let output = command
        .current_dir(folder.path())
        .arg("distil")
        .arg(repository().join("models/spoken-digits"))
        .args(["--data-sets", "nowhere"])
        .output()
        .unwrap();
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("cannot find 'nowhere/spoken-digits/fsdd.tar.xz'"), "{message}");
    assert!(message.contains("put it there") && message.contains("--data-sets"), "{message}");
}

#[test]
fn wrong_arguments_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, part) in [
        (&["--augment", "turn"][..], "flip"),
        (&["--prune-to", "fast"], "50%macs"),
        (&["--width", "0.5", "--prune-to", "50%macs"], "cannot be used with"),
        (&["--batch", "0"], "above 0"),
    ] {
        let output = run(folder.path(), arguments);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains(part), "{message}");
    }
    let output = run(folder.path(), &["--labels", "1", "--epochs", "1"]);
    assert!(text(&output.stderr).contains("has no labels") || output.status.success(), "{}", text(&output.stderr));
}
