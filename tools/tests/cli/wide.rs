//! `bantam shrink` where 8-bit activations lose too much.

use super::arrays::{floats, integers, npz};
use super::bench::Bench;
use super::networks::{edit, node, port, reals};
use bantam::{AlignedBytes, Model, Session, ops};
use bantam_tools::reference::pb::tensor_proto::DataType;
use bantam_tools::subject::ArtifactFile;

fn number(value: &serde_json::Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or_else(|| panic!("{key} is {}", value[key]))
}

/// A network of `x` and a small `s` whose hidden values, 100 x + s and 100 x - s beside a constant, differ by less than the 256th part of
/// their range; the class is the sign of s. What 8-bit weights say of both cancels, so all that is lost is lost in activations.
fn small_differences() -> Bench {
    let bench = Bench::new();
    edit(&bench, "digits/model.onnx", "small.onnx", |graph| {
        graph.initializer = vec![
            reals("w", &[2, 2], &[100.0, 100.0, 1.0, -1.0]),
            reals("b", &[2], &[2.0, 2.0]),
            reals("v", &[2, 2], &[1.0, -1.0, -1.0, 1.0]),
            reals("c", &[2], &[0.0, 0.0]),
        ];
        graph.node = vec![
            node("Gemm", &["x", "w", "b"], "sum"),
            node("Relu", &["sum"], "hidden"),
            node("Gemm", &["hidden", "v", "c"], "logits"),
        ];
        graph.input = vec![port("x", DataType::Float, &[1, 2])];
        graph.output = vec![port("logits", DataType::Float, &[1, 2])];
    });
    let rows = 400;
    let small =
        |row: usize| if row.is_multiple_of(2) { 1.0 } else { -1.0 } * (0.1 + 0.3 * (row / 2 % 20) as f32 / 20.0);
    let inputs: Vec<f32> = (0..rows).flat_map(|row| [(row * 37 % rows) as f32 / rows as f32, small(row)]).collect();
    let classes: Vec<i64> = (0..rows).map(|row| i64::from(small(row) < 0.0)).collect();
    bench.write(
        "small.npz",
        &npz(&[("x", floats(&[rows as u64, 2], &inputs)), ("y", integers(&[rows as u64], &classes))]),
    );
    bench
}

/// The same with layers behind it that hand the sign on by 4,096 weights of 1 and -1, to which 4 bits are enough.
fn small_differences_handed_on() -> Bench {
    let bench = small_differences();
    edit(&bench, "small.onnx", "small.onnx", |graph| {
        const WIDTH: usize = 64;
        let sign = |index: usize| if index.is_multiple_of(2) { 1.0 } else { -1.0 };
        let signs = |rows: usize, columns: usize| -> Vec<f32> {
            (0..rows * columns).map(|index| sign(index / columns + index % columns)).collect()
        };
        let width = WIDTH as i64;
        graph.initializer.extend([
            reals("spread", &[2, width], &signs(2, WIDTH)),
            reals("mix", &[width, width], &signs(WIDTH, WIDTH)),
            reals("gather", &[width, 2], &signs(WIDTH, 2)),
        ]);
        graph.node.extend([
            node("Gemm", &["logits", "spread"], "spread_sum"),
            node("Relu", &["spread_sum"], "spread_out"),
            node("Gemm", &["spread_out", "mix"], "mixed_sum"),
            node("Relu", &["mixed_sum"], "mixed_out"),
            node("Gemm", &["mixed_out", "gather"], "answer"),
        ]);
        graph.output = vec![port("answer", DataType::Float, &[1, 2])];
    });
    bench
}

const SHRINK: &str = "shrink small.onnx --calibrate small.npz --eval small.npz";

#[test]
fn activations_take_16_bits_where_8_lose_more_than_is_allowed() {
    let bench = small_differences();
    let narrow = bench.bantam(&format!("{SHRINK} --arithmetic tflite -o narrow.bantam --json")).json();
    assert_eq!(number(&narrow, "float_top1"), 1.0);
    assert!(number(&narrow, "top1") < 0.95, "{}", narrow["top1"]);
    assert_eq!(narrow["choice"]["sixteen_bit_layers"], serde_json::json!([]));
    let wide = bench.bantam(&format!("{SHRINK} --max-drop 1% -o wide.bantam --json")).json();
    assert!(number(&wide, "top1") >= 0.99, "{}", wide["top1"]);
    assert_eq!(wide["choice"]["sixteen_bit_layers"], serde_json::json!(["node_sum", "node_logits"]));
    assert!(number(&wide["choices"][0]["quality"], "drop") > 0.01, "{}", wide["choices"]);
    assert!(number(&wide, "arena_bytes") > number(&narrow, "arena_bytes"));
    assert!(wide["notes"].as_array().unwrap().iter().any(|note| note.as_str().unwrap().contains("16-bit")));
    bench.bantam("inspect wide.bantam --verify").done();
    let text = bench.bantam(&format!("{SHRINK} --max-drop 1% -o again.bantam --report report.html")).done();
    assert!(text.contains("to 8- and 16-bit integers") && text.contains("  16-bit activations in node_sum"), "{text}");
    assert_eq!(bench.read("wide.bantam"), bench.read("again.bantam"));
    let report = String::from_utf8(bench.read("report.html")).unwrap();
    assert!(report.contains("16-bit activations: node_sum, node_logits"));
}

#[test]
fn a_budget_may_need_narrow_weights_and_wide_activations_at_once() {
    let bench = small_differences_handed_on();
    let whole = bench.bantam(&format!("{SHRINK} --arithmetic tflite -o whole.bantam --json")).json();
    let flash = number(&whole, "file_bytes") - 1500.0;
    let budget = format!("--flash {flash} --max-drop 1%");
    // Neither is enough by itself.
    let parts = ["max-drop: what fits loses", "4-bit weights in "];
    bench.refuses(&format!("{SHRINK} {budget} --arithmetic onnx -o both.bantam"), &parts);
    let wide = bench.bantam(&format!("{SHRINK} --flash 100k --max-drop 1% -o wide.bantam --json")).json();
    assert_eq!(wide["choice"]["four_bit_layers"], serde_json::json!([]));
    assert!(number(&wide, "file_bytes") > flash, "{}", wide["choice"]);

    let both = bench.bantam(&format!("{SHRINK} {budget} -o both.bantam --json")).json();
    assert!(number(&both, "file_bytes") <= flash && number(&both, "top1") >= 0.99, "{}", both["choice"]);
    assert_eq!(both["choice"]["four_bit_layers"].as_array().unwrap().len(), 1, "{}", both["choice"]);
    assert_eq!(both["choice"]["sixteen_bit_layers"], wide["choice"]["sixteen_bit_layers"]);
    let notes = both["notes"].to_string();
    assert!(notes.contains("at least in what --flash allows, more than --max-drop allows"), "{notes}");
    bench.bantam("inspect both.bantam --verify").done();
    bench.bantam(&format!("{SHRINK} {budget} -o again.bantam")).done();
    assert_eq!(bench.read("both.bantam"), bench.read("again.bantam"));
    every_session_agrees(&bench, "both.bantam");
    // Without a limit on the file the smallest within the drop is made of both, too.
    let least = bench.bantam(&format!("{SHRINK} --max-drop 1% -o least.bantam --json")).json();
    assert!(number(&least, "file_bytes") <= number(&both, "file_bytes") && number(&least, "top1") >= 0.99);
    // A little less than both take, in which narrow weights alone have room.
    let parts =
        ["max-drop: what fits loses", "4-bit weights in 3 layers, 16-bit activations in 2 operators", "--flash "];
    let tight = format!("--flash {} --max-drop 1%", number(&least, "file_bytes") - 16.0);
    bench.refuses(&format!("{SHRINK} {tight} -o tight.bantam"), &parts);
}

#[test]
fn what_has_no_16_bit_integers_is_named() {
    let bench = small_differences();
    let parts = ["max-drop: what fits loses", "1.00% is allowed"];
    bench.refuses(&format!("{SHRINK} --max-drop 1% --arithmetic onnx -o small.bantam"), &parts);
    let parts = ["--emit-onnx", "16-bit activations"];
    bench.refuses(&format!("{SHRINK} --max-drop 1% --emit-onnx small8.onnx -o small.bantam"), &parts);
    // The arena of the 8-bit network, in which 16-bit activations have no room.
    let narrow = bench.bantam(&format!("{SHRINK} -o narrow.bantam --json")).json();
    let ram = number(&narrow, "arena_bytes");
    let parts = [
        "max-drop: what fits loses",
        "16-bit activations in 2 operators",
        "--ram 8: the smallest arena within the drop",
    ];
    bench.refuses(&format!("{SHRINK} --max-drop 1% --ram {ram} -o small.bantam"), &parts);
}

#[test]
fn every_way_to_run_gives_the_same_16_bit_integers() {
    let bench = small_differences();
    bench.bantam(&format!("{SHRINK} --max-drop 1% -o small.bantam")).done();
    let digits = bench.bantam("shrink digits --max-drop 0 -o digits.bantam --json").json();
    assert!(number(&digits, "top1") >= number(&digits, "float_top1"), "{}", digits["top1"]);
    let layers = digits["choice"]["sixteen_bit_layers"].as_array().unwrap().len();
    assert!(layers > 0 && number(&digits["choices"][0]["quality"], "drop") > 0.0, "{}", digits["choice"]);
    for name in ["small.bantam", "digits.bantam"] {
        bench.bantam(&format!("inspect {name} --verify")).done();
        every_session_agrees(&bench, name);
    }
}

/// Runs a file with packed weights and without, on the same inputs.
fn every_session_agrees(bench: &Bench, name: &str) {
    let artifact = ArtifactFile::load(&bench.path(name)).unwrap();
    let model: Model<'_> = artifact.model();
    let mut arenas = [0; 2].map(|_| AlignedBytes::zeroed(Session::arena_bytes(&model, &ops::ALL)));
    let mut pack = AlignedBytes::zeroed(Session::pack_bytes(&model, &ops::ALL));
    let [first, second] = &mut arenas;
    let mut plain = Session::new(&model, first.bytes_mut(), &ops::ALL).unwrap();
    let mut packed = Session::packed(&model, second.bytes_mut(), &ops::ALL, pack.bytes_mut()).unwrap();
    for seed in 0..100usize {
        let outputs = [&mut plain, &mut packed].map(|session| {
            let input = session.input_bytes_mut(0).unwrap().iter_mut().enumerate();
            input.for_each(|(index, byte)| *byte = (((seed + 1) * (index * 59 + 97)) >> 3) as u8);
            session.run().unwrap();
            session.output_bytes(0).unwrap().to_vec()
        });
        assert_eq!(outputs[0], outputs[1], "{name}, input {seed}");
    }
}
