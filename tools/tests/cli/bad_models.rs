//! Source models and folders that are refused.

use super::bench::Bench;
use super::networks::{append, edit};

#[test]
fn models_that_are_not_there_or_something_else() {
    let bench = Bench::with_digits();
    bench.refuses("shrink nope.onnx --float", &["cannot read 'nope.onnx'", "No such file"]);
    bench.refuses("shrink nope", &["cannot find 'nope'", "no such file or folder"]);
    bench.refuses("eval nope.onnx --data digits", &["cannot read 'nope.onnx'"]);
    bench.write("text.onnx", b"not a model\n");
    bench.refuses("shrink text.onnx --float", &["'text.onnx'", "not an ONNX file"]);
    bench.write("empty.onnx", b"");
    bench.refuses("shrink empty.onnx --float", &["'empty.onnx'", "no graph"]);
    bench.write("model.pt", b"");
    bench.refuses("shrink model.pt", &["'model.pt'", "expected a model ending in .onnx"]);
    bench.refuses("eval model.pt --data digits", &["'model.pt'", "ending in .onnx, .tflite or .bantam"]);
    bench.refuses("diff model.pt digits.bantam --random 1", &["'model.pt'", "ending in .onnx, .tflite or .bantam"]);
    bench.refuses("shrink digits.bantam", &["'digits.bantam' is shrunk already", "the file it was made from"]);
    std::fs::create_dir(bench.path("folder.onnx")).unwrap();
    bench.refuses("eval folder.onnx --data digits", &["cannot read 'folder.onnx'"]);
}

#[test]
fn folders_without_a_good_description() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("empty")).unwrap();
    bench.refuses("shrink empty", &["cannot read 'empty/bantam.toml'", "names the model and its data"]);
    for (text, parts) in [
        ("name = ", &["line 1"][..]),
        ("name = 'a'\nmodel = 'model.onnx'\nlabel = []", &["line 3", "unknown field `label`"]),
        ("name = 'a'", &["missing field `model`"]),
        ("name = 'a'\nmodel = '../digits/model.onnx'", &["'../digits/model.onnx' is outside the model folder"]),
        ("name = 'a'\nmodel = '/etc/passwd'", &["'/etc/passwd' is outside the model folder"]),
        ("name = 'a'\nmodel = 'm.onnx'\n[calibration]\ndata = '../x.npz'", &["'../x.npz' is outside"]),
        ("name = '../../a'\nmodel = 'model.onnx'", &["name \"../../a\"", "name of a file"]),
        ("name = 'a'\nmodel = 'bantam.toml'", &["ending in .onnx"]),
        ("name = 'a'\nmodel = 'gone.onnx'", &["cannot read 'bad/gone.onnx'"]),
        ("name = 'a'\nmodel = 'model.onnx'\n[calibration]\ndata = 'gone.npz'", &["cannot read 'bad/gone.npz'"]),
    ] {
        bench.write("bad/bantam.toml", text.as_bytes());
        bench.write("bad/model.onnx", &bench.read("digits/model.onnx"));
        bench.refuses("shrink bad", &[parts, &["bad/"]].concat());
    }
    bench.write("bad/bantam.toml", b"\xff\xfe");
    bench.refuses("shrink bad", &["'bad/bantam.toml'"]);
    bench.write("bad/bantam.toml", b"name = 'a'\nmodel = 'model.onnx'");
    bench.refuses("eval digits/model.onnx --data bad", &["'bad/bantam.toml' names no evaluation data"]);
}

#[test]
fn cut_files() {
    let bench = Bench::new();
    let bytes = bench.read("digits/model.onnx");
    for part in 0..40 {
        bench.write("cut.onnx", &bytes[..bytes.len() * part / 40]);
        let command = ["shrink cut.onnx --calibrate digits/calibration.npz", "shrink cut.onnx --float"][part % 2];
        bench.refuses(command, &["'cut.onnx'"]);
    }
}

#[test]
fn operators_that_are_not_supported_are_named() {
    let bench = Bench::new();
    edit(&bench, "digits/model.onnx", "mix.onnx", |graph| {
        for node in &mut graph.node {
            if node.op_type == "Softmax" {
                node.op_type = "Softmix".into();
            }
        }
    });
    let parts = ["'mix.onnx'", "1 node is not supported", "softmax", "Softmix"];
    bench.refuses("shrink mix.onnx --float", &parts);
    bench.refuses("eval mix.onnx --data digits", &parts);
}

#[test]
fn nodes_that_no_device_runs_are_named() {
    let bench = Bench::new();
    edit(&bench, "digits/model.onnx", "twice.onnx", |graph| {
        append(graph, "Mod", &["probabilities", "probabilities"], &[1, 10], vec![]);
    });
    let parts =
        ["'twice.onnx'", "1 node is not supported", "node `node_appended_Mod` (Mod)", "not supported on devices"];
    bench.refuses("shrink twice.onnx --float", &parts);
    bench.refuses("shrink twice.onnx --calibrate digits/calibration.npz", &parts);
}

#[test]
fn what_cannot_be_imported_and_what_cannot_run_stand_in_one_list() {
    let bench = Bench::new();
    edit(&bench, "digits/model.onnx", "both.onnx", |graph| {
        let softmax = graph.node.iter().position(|node| node.op_type == "Softmax").unwrap();
        let logits = graph.node[softmax].input[0].clone();
        append(graph, "Mod", &[&logits, &logits], &[1, 10], vec![]);
        graph.node[softmax].op_type = "Softmix".into();
    });
    let parts = ["'both.onnx'", "2 nodes are not supported", "(Softmix): the operator", "(Mod): the modulus"];
    bench.refuses("shrink both.onnx --float", &parts);
}

#[test]
fn names_in_files_do_not_reach_the_terminal_as_commands() {
    let bench = Bench::new();
    edit(&bench, "digits/model.onnx", "names.onnx", |graph| {
        for node in &mut graph.node {
            node.name = format!("\x1b[2J\r{}", node.name);
        }
    });
    bench.bantam("shrink names.onnx --float").done();
    let text = bench.bantam("inspect names.bantam").done();
    assert!(!text.contains(['\x1b', '\r']) && text.contains("stem.conv"), "{text}");
    let json = bench.bantam("inspect names.bantam --json").json();
    assert_eq!(json["ops"][0]["name"], "\x1b[2J\rstem.conv", "JSON keeps names as they are");
}

#[test]
fn long_names_are_cut_in_tables_only() {
    let bench = Bench::new();
    edit(&bench, "digits/model.onnx", "long.onnx", |graph| {
        for node in &mut graph.node {
            node.name = format!("{}/{}", node.name, "very_long_name".repeat(20));
        }
    });
    bench.bantam("shrink long.onnx --float").done();
    let text = bench.bantam("inspect long.bantam").done();
    assert!(text.lines().all(|line| line.chars().count() <= 140), "{text}");
    assert!(text.contains("stem.conv/very_long_…"), "{text}");
    let json = bench.bantam("inspect long.bantam --json").json();
    assert!(json["ops"][0]["name"].as_str().unwrap().len() > 280);
}

#[test]
fn descriptions_that_do_not_fit_the_model() {
    let bench = Bench::with_digits();
    bench.write("bad/model.onnx", &bench.read("digits/model.onnx"));
    bench.write("bad/bantam.toml", b"name = 'a'\nmodel = 'model.onnx'\n[input]\nname = 'picture'");
    bench.refuses("shrink bad --float", &["'bad/model.onnx' has no input 'picture'", "bantam.toml", "'image'"]);
    bench.write("bad/bantam.toml", b"name = 'a'\nmodel = 'model.onnx'\nlabels = ['yes', 'no']");
    bench.refuses("shrink bad --float", &["10 numbers per row", "2 labels", "one per class"]);
}
