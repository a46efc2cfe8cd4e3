//! Help, version and wrong usage.

use super::bench::{Ran, command};
use snapbox::{assert_data_eq, file};

fn bantam(arguments: &str) -> Ran {
    Ran::of(command().args(arguments.split_whitespace()).output().unwrap())
}

/// The help of a command; the parser pads empty lines with blanks.
fn help(arguments: &str) -> String {
    let ran = bantam(arguments);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let lines: Vec<&str> = ran.stdout.lines().map(str::trim_end).collect();
    for line in &lines {
        assert!(line.chars().count() <= 100, "too wide: {line}");
    }
    lines.join("\n") + "\n"
}

#[test]
fn every_command_explains_itself() {
    assert_data_eq!(help("--help"), file!["snapshots/help.txt"]);
    assert_data_eq!(help("shrink --help"), file!["snapshots/help-shrink.txt"]);
    assert_data_eq!(help("run --help"), file!["snapshots/help-run.txt"]);
    assert_data_eq!(help("eval --help"), file!["snapshots/help-eval.txt"]);
    assert_data_eq!(help("inspect --help"), file!["snapshots/help-inspect.txt"]);
    assert_data_eq!(help("diff --help"), file!["snapshots/help-diff.txt"]);
    assert_data_eq!(help("bench --help"), file!["snapshots/help-bench.txt"]);
}

#[test]
fn version_is_that_of_the_package() {
    assert_eq!(bantam("--version").done(), format!("bantam {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_usage_is_code_2() {
    for (arguments, part) in [
        ("shrimk digits", "'shrimk'"),
        ("shrink", "<MODEL>"),
        ("shrink digits --bits 4", "'--bits'"),
        ("shrink digits --arithmetic cmsis", "[possible values: onnx, tflite]"),
        ("shrink digits --ranges max", "[possible values: min-max, percentile, mse]"),
        ("shrink digits --float --ranges mse", "'--float' cannot be used with '--ranges <RANGES>'"),
        ("shrink digits --float --arithmetic onnx", "'--float' cannot be used with '--arithmetic <ARITHMETIC>'"),
        ("shrink digits --shape batch", "expected NAME=SIZE"),
        ("shrink digits --shape batch=0", "the size must be a whole number above 0"),
        ("run digits.bantam", "--input <DATA>"),
        ("eval digits.bantam", "--data <DATA>"),
        ("diff a.onnx b.bantam", "--data <DATA>"),
        ("diff a.onnx b.bantam --random 0", "from 1 to 100,000"),
        ("diff a.onnx b.bantam --random 1 --data x.npz", "cannot be used with"),
    ] {
        let error = bantam(arguments).error(2);
        assert!(error.contains(part), "bantam {arguments}: {error}");
    }
    let bare = bantam("");
    assert_eq!((bare.code, bare.stdout.as_str()), (Some(2), ""));
    assert!(bare.stderr.contains("Usage: bantam <COMMAND>"), "{}", bare.stderr);
}
