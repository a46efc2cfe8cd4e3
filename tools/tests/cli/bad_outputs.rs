//! Places that cannot be written to, and readers that go away.

use super::bench::{Bench, command};
use std::process::Stdio;

#[test]
fn outputs_that_cannot_be_written() {
    let bench = Bench::with_digits();
    std::fs::create_dir(bench.path("folder.npy")).unwrap();
    bench.write("file", b"");
    let run = "run digits.bantam --input digits/evaluation.npz -o";
    bench.refuses("shrink digits -o folder.npy", &["cannot write 'folder.npy'", "is a folder"]);
    bench.refuses(&format!("{run} folder.npy"), &["cannot write 'folder.npy'", "is a folder"]);
    bench.refuses("shrink digits -o file/a.bantam", &["cannot write 'file/a.bantam'"]);
    bench.refuses(&format!("{run} file/y.npy"), &["cannot write 'file/y.npy'"]);
    bench.refuses(&format!("{run} y.txt"), &["cannot write 'y.txt'", "ending in .npy"]);
}

#[test]
fn what_is_read_is_never_replaced() {
    let bench = Bench::with_digits();
    bench.write("x.npy", &super::arrays::floats(&[1, 1, 8, 8], &[0.0; 64]));
    for (command, file) in [
        ("shrink digits -o digits/model.onnx", "digits/model.onnx"),
        ("shrink digits -o digits/../digits/calibration.npz", "digits/calibration.npz"),
        ("shrink digits --float -o digits/evaluation.npz", "digits/evaluation.npz"),
        ("run digits.bantam --input x.npy -o ./x.npy", "x.npy"),
    ] {
        bench.refuses(command, &["cannot write", &format!("'{file}', which is read"), "give another name"]);
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let bench = Bench::with_digits();
    for arguments in [
        "inspect digits.bantam",
        "inspect digits.bantam --json",
        "run digits.bantam --input digits/evaluation.npz",
        "eval digits.bantam --data digits",
        "diff digits.bantam digits.bantam --random 3",
        "shrink digits -o new.bantam",
        "--help",
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = command();
        command.args(arguments.split_whitespace()).current_dir(bench.path(""));
        let output = command.stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{arguments}");
    }
    assert!(bench.path("new.bantam").is_file());
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_behind_standard_output_is_an_error() {
    let bench = Bench::with_digits();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = command();
    command.args(["inspect", "digits.bantam"]).current_dir(bench.path(""));
    let output = command.stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("error: cannot write to standard output"));
}
