//! `include_model!` gives what a session gives, bit for bit; what breaks a rule does not compile.

use bantam::{Arithmetic, DataType, IoTensor, Model, Opcode};
use bantam_format::writer::write;
use bantam_format::{AlignedBytes, checksum};
use bantam_tests::accumulating::Accumulating;
use bantam_tests::artifacts::{artifacts, read_directory};
use bantam_tests::build::{ModelBuilder, window};
use bantam_tests::models::{small_model, small_models};
use bantam_tests::programs::Workspace;
use bantam_tests::quantization::Quantization;
use bantam_tests::random::Random;
use bantam_tests::random_models::random_model;
use bantam_tests::run::{Values, random_inputs, run_many};
use std::fmt::Write as _;
use std::path::Path;

/// Random models besides the small ones, the golden files and the repository's.
const RANDOM_MODELS: u64 = 24;
/// Runs of each model, one after the other: states go on.
const RUNS: usize = 3;

fn models() -> Vec<(String, AlignedBytes)> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/v1");
    let small = small_models().into_iter().map(|small| (small.name.to_owned(), small.file));
    let golden = read_directory(&golden).into_iter().map(|(name, file)| (format!("golden_{name}"), file));
    let random = (0..RANDOM_MODELS).map(|seed| {
        let bytes = write(&random_model(seed)).expect("a valid description");
        (format!("random_{seed}"), AlignedBytes::copy_of(&bytes))
    });
    let depthwise = [(5, true), (126, true), (200, false)].map(|(width, over)| {
        let place = if over { "over" } else { "apart" };
        (format!("depthwise_{place}_{width}"), plain_depthwise(width, over))
    });
    small.chain(golden).chain(random).chain(depthwise).chain(artifacts()).collect()
}

/// A depthwise convolution of 3 x 3 whose outputs are not clamped, over its input or apart: of lines that are set aside all at
/// once, too long for that, or in strips.
fn plain_depthwise(width: u32, over: bool) -> AlignedBytes {
    let dimensions = vec![1, 6, width, 2];
    let mut builder = ModelBuilder::new(Arithmetic::Tflite);
    let quantization = Quantization { scale: 0.02, zero_point: -3 };
    let x = builder.quantized(&dimensions, quantization);
    builder.input(x);
    let y = if over {
        let location = builder.location(x);
        builder.tensor_at(DataType::I8, &dimensions, location)
    } else {
        builder.tensor(DataType::I8, &dimensions)
    };
    let window = window([3; 2], [1; 2], [1; 2], [1; 2]);
    let mut random = Random::new(u64::from(width));
    let (before, after) = (dimensions.clone(), dimensions);
    let mut case = Accumulating::with(Opcode::DepthwiseConv2d, window, 1, before, after, &mut random);
    case.input = quantization;
    let output = Quantization { scale: (270.0 * case.accumulator_scale(0)) as f32, zero_point: 4 };
    case.add_integer(&mut builder, Arithmetic::Tflite, [x, y], output, [-128, 127]);
    builder.set_quantization(y, output);
    builder.output(y);
    builder.build()
}

/// The call of an accessor.
fn accessor(role: &str, suffix: &str, index: usize, count: usize) -> String {
    if count == 1 { format!("{role}{suffix}") } else { format!("{role}_{index}{suffix}") }
}

/// A module whose `run` takes the bytes of the inputs of all runs and gives those of the outputs.
fn module(name: &str, model: &Model<'_>) -> String {
    let element = |io: &IoTensor| match io.tensor.data_type {
        DataType::F32 => "f32",
        DataType::I16 => "i16",
        DataType::I32 => "i32",
        _ => "i8",
    };
    let (inputs, outputs): (Vec<_>, Vec<_>) = (model.inputs().collect(), model.outputs().collect());
    let mut code = format!(
        "mod m_{name} {{\nbantam::include_model!(\"../models/{name}.bantam\" as Model);\n\
         pub fn run(mut inputs: &[u8]) -> Vec<u8> {{\n\
         let mut arena = bantam::Arena::<{{ Model::ARENA_BYTES + 3 }}>::new();\narena.bytes_mut().fill(0xa5);\n\
         let mut model = Model::new(&mut arena);\nlet mut out = Vec::new();\nwhile !inputs.is_empty() {{\n"
    );
    for (index, input) in inputs.iter().enumerate() {
        let (call, element) = (accessor("input", "_mut", index, inputs.len()), element(input));
        let _ = writeln!(
            code,
            "for value in model.{call}() {{ let (own, rest) = inputs.split_at(size_of::<{element}>()); \
             *value = {element}::from_le_bytes(own.try_into().unwrap()); inputs = rest; }}"
        );
    }
    code.push_str("model.run();\n");
    for (index, output) in outputs.iter().enumerate() {
        let call = accessor("output", "", index, outputs.len());
        let _ = writeln!(code, "for value in model.{call}() {{ out.extend(value.to_le_bytes()); }}");
        let shape = output.tensor.shape.dimensions();
        let constant = accessor("output", "_SHAPE", index, outputs.len()).to_uppercase();
        let _ = writeln!(code, "assert_eq!(Model::{constant}, {shape:?} as [usize; {}]);", shape.len());
        if matches!(output.tensor.data_type, DataType::I8 | DataType::I16) {
            let constant = accessor("output", "", index, outputs.len()).to_uppercase();
            let (scale, zero_point) = (output.scale.to_bits(), output.zero_point);
            let _ = writeln!(
                code,
                "assert_eq!((Model::{constant}.scale.to_bits(), Model::{constant}.zero_point), ({scale}, {zero_point}));"
            );
        }
    }
    let labels: Vec<_> = model.labels().collect();
    let _ = writeln!(
        code,
        "}}\nassert_eq!(Model::labels(), &{labels:?} as &[&str; {}]);\n\
         assert_eq!((Model::MACS, Model::CONSTANT_BYTES), ({}, {}));\nout\n}}\n}}",
        labels.len(),
        model.artifact().macs(),
        model.artifact().constants().len()
    );
    code
}

#[test]
fn a_compiled_model_gives_the_bits_of_a_session() {
    let workspace = Workspace::new(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled"), &["same"]);
    let bytes = |values: &[Values]| values.iter().flat_map(Values::bytes).collect::<Vec<u8>>();
    let (mut code, mut calls) = (String::new(), String::new());
    let models = models();
    for (name, file) in &models {
        let name = name.replace('-', "_");
        let model = Model::parse(file.bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut random = Random::new(7);
        let inputs: Vec<_> = (0..RUNS).map(|_| random_inputs(&model, &mut random)).collect();
        let outputs = run_many(&model, &inputs);
        let joined = |runs: &[Vec<Values>]| runs.iter().flat_map(|values| bytes(values)).collect::<Vec<u8>>();
        workspace.write(&format!("same/models/{name}.bantam"), file.bytes());
        workspace.write(&format!("same/models/{name}.input"), &joined(&inputs));
        workspace.write(&format!("same/models/{name}.output"), &joined(&outputs));
        code.push_str(&module(&name, &model));
        let _ = writeln!(
            calls,
            "assert_eq!(m_{name}::run(include_bytes!(\"../models/{name}.input\")), \
             include_bytes!(\"../models/{name}.output\"), \"{name}\");"
        );
    }
    // What the macro makes must not trouble those who use it.
    let main = format!("#![deny(warnings)]\n{code}\nfn main() {{\n{calls}println!(\"{} models\");\n}}\n", models.len());
    workspace.write("same/src/main.rs", main.as_bytes());
    let output = workspace.cargo(&["run", "--quiet", "--package", "same"]);
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{errors}");
    assert_eq!(text.trim(), format!("{} models", models.len()));
}

#[test]
fn what_breaks_a_rule_does_not_compile() {
    let good = small_model("image_onnx");
    let (mut flipped, mut cut) = (good.bytes().to_vec(), good.bytes().to_vec());
    flipped[200] ^= 1;
    cut.truncate(cut.len() - 16);
    let mut unknown = good.bytes().to_vec();
    unknown[16] = 1; // required features
    let sum = checksum(&unknown);
    unknown[12..16].copy_from_slice(&sum.to_le_bytes());

    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("refused");
    let workspace = Workspace::new(&folder, &["files", "arena"]);
    let files: [(&str, &[u8], &str); 5] = [
        ("flipped", &flipped, "breaks rule 6: the checksum is the CRC-32C of the file"),
        ("cut", &cut, "breaks rule 5: file_bytes is the length of the file"),
        ("short", &good.bytes()[..40], "breaks rule 1: the file is at least 48 bytes long"),
        ("unknown", &unknown, "breaks rule 7: no required feature is unknown"),
        (
            "text",
            b"This is not a model, but it is long enough to be one.",
            "breaks rule 2: the first four bytes are BNTM",
        ),
    ];
    let mut code = String::from("bantam::include_model!(\"missing.bantam\");\nbantam::include_model!(missing);\n");
    for (name, bytes, _) in files {
        workspace.write(&format!("files/src/{name}.bantam"), bytes);
        let _ = writeln!(code, "bantam::include_model!(\"{name}.bantam\");");
    }
    code.push_str("bantam::include_model!(\"2nd.bantam\");\nfn main() {}\n");
    workspace.write("files/src/2nd.bantam", good.bytes());
    workspace.write("files/src/main.rs", code.as_bytes());
    workspace.write("arena/src/image.bantam", good.bytes());
    workspace.write(
        "arena/src/main.rs",
        b"bantam::include_model!(\"image.bantam\");\nfn main() { Image::new(&mut bantam::Arena::<16>::new()).run(); }\n",
    );
    let output = workspace.cargo(&["build", "--keep-going"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{errors}");
    for (name, _, text) in files {
        assert!(errors.contains(&format!("`{name}.bantam` {text}")), "{name}: {errors}");
    }
    for text in [
        "cannot read files/src/missing.bantam: ",
        "expected string literal",
        "`2nd.bantam` makes no name for a type; add one: `as Name`",
        "the arena is smaller than ARENA_BYTES",
    ] {
        assert!(errors.contains(text), "{text}: {errors}");
    }
}
