//! Every case of `tests/golden/tflite/operators.zip`: models of one operator, and what TensorFlow Lite Micro's reference
//! kernels answer (`tools/oracle/tflite` writes it).

use super::run::{artifact, run, xorshift};
use bantam::{AlignedBytes, IoTensor, Model};
use bantam_format::DataType;
use serde_json::Value;
use std::io::Read;
use std::path::Path;

/// Cases that the importer refuses, by the start of their name after the operator, or by the whole name.
const REFUSED: [&str; 9] = [
    "int16",
    "i16",
    "svdf/",
    "resize_bilinear/",
    "cast/f32-i8",
    "cast/i8-f32",
    "cast/i8-i32",
    "cast/i32-i8",
    "quantize/i8-i32",
];

/// Largest relative difference of float results: sums are added up in another order, functions are another library's.
const FLOAT_TOLERANCE: f32 = 2e-5;

fn member(archive: &mut zip::ZipArchive<std::fs::File>, name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    archive.by_name(name).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn span<'a>(bytes: &'a [u8], place: &Value) -> &'a [u8] {
    let [start, length] = [0, 1].map(|at| place[at].as_u64().unwrap() as usize);
    &bytes[start..][..length]
}

/// An input as the artifact takes it: `kind` is the type in the file.
fn input(kind: &str, io: &IoTensor, seed: u32, scale: f32) -> Vec<u8> {
    let count = io.tensor.shape.elements();
    let bytes = xorshift(seed, count);
    let signed = bytes.iter().map(|byte| byte.cast_signed());
    match (kind, io.tensor.data_type) {
        ("i8", DataType::I8) => bytes,
        ("u8", DataType::I8) => bytes.iter().map(|byte| byte ^ 0x80).collect(),
        // A float port of quantised values takes their integers.
        ("f32", DataType::I8) => signed
            .map(|byte| (f32::from(byte) * scale / io.scale).round() as i32 + io.zero_point)
            .map(|q| q.clamp(-128, 127) as u8)
            .collect(),
        ("f32", _) => signed.flat_map(|byte| (f32::from(byte) * scale).to_le_bytes()).collect(),
        ("bool", _) => signed.flat_map(|byte| i32::from(byte < 0).to_le_bytes()).collect(),
        _ => signed.flat_map(|byte| i32::from(byte).to_le_bytes()).collect(),
    }
}

/// Whether an output is what the reference gave; `kind` is the type in the file.
fn differences(kind: &str, io: &IoTensor, got: &[u8], expected: &[u8]) -> usize {
    let floats =
        |bytes: &[u8]| -> Vec<f32> { bytes.as_chunks().0.iter().map(|&word| f32::from_le_bytes(word)).collect() };
    match (kind, io.tensor.data_type) {
        ("i8", DataType::I8) => got.iter().zip(expected).filter(|(a, b)| a != b).count(),
        ("u8", DataType::I8) => got.iter().zip(expected).filter(|&(&a, &b)| a != b ^ 0x80).count(),
        ("f32", data_type) => {
            let got = match data_type {
                DataType::I8 => {
                    got.iter().map(|q| (i32::from(q.cast_signed()) - io.zero_point) as f32 * io.scale).collect()
                }
                _ => floats(got),
            };
            let expected = floats(expected);
            let largest = expected.iter().fold(1e-6f32, |largest, x| largest.max(x.abs()));
            got.iter()
                .zip(&expected)
                .filter(|(a, b)| (*a - *b).abs() > FLOAT_TOLERANCE * largest || a.is_nan() != b.is_nan())
                .count()
        }
        // Integers that stand for themselves are words.
        ("i8" | "bool", _) => {
            let words = got.as_chunks::<4>().0.iter().map(|&word| i32::from_le_bytes(word));
            words.zip(expected).filter(|&(a, &b)| a != i32::from(b.cast_signed())).count()
        }
        _ => got.iter().zip(expected).filter(|(a, b)| a != b).count(),
    }
}

/// Runs a case; says what is wrong, if anything.
fn check(case: &Value, models: &[u8], outputs: &[u8]) -> Result<(), String> {
    let artifact = artifact(span(models, &case["model"]))?;
    let file = AlignedBytes::copy_of(&artifact);
    let model = Model::parse(file.bytes()).map_err(|error| error.to_string())?;
    let kinds =
        |key: &str| -> Vec<&str> { case[key].as_array().unwrap().iter().map(|k| k.as_str().unwrap()).collect() };
    let (inputs, results) = (kinds("inputs"), kinds("outputs_are"));
    let seed = case["seed"].as_u64().unwrap() as u32;
    let scale = (case["span"].as_f64().unwrap() / 128.0) as f32;
    let rows: Vec<Vec<Vec<u8>>> = (0..case["runs"].as_u64().unwrap() as usize)
        .map(|step| {
            let seeds = (0..inputs.len()).map(|index| seed.wrapping_add(7919 * (step * inputs.len() + index) as u32));
            model.inputs().zip(&inputs).zip(seeds).map(|((io, kind), seed)| input(kind, &io, seed, scale)).collect()
        })
        .collect();
    let mut expected = span(outputs, &case["outputs"]);
    for answer in run(&artifact, &rows)? {
        for ((io, got), kind) in model.outputs().zip(&answer).zip(&results) {
            let count = io.tensor.shape.elements();
            let size = match *kind {
                "i8" | "u8" | "bool" => 1,
                "i16" => 2,
                _ => 4,
            };
            let (own, rest) = expected.split_at_checked(count * size).ok_or("another number of outputs")?;
            expected = rest;
            let wrong = differences(kind, &io, got, own);
            if wrong > 0 {
                return Err(format!("{wrong} of {count} elements differ"));
            }
        }
    }
    if expected.is_empty() { Ok(()) } else { Err("fewer outputs than the reference".into()) }
}

#[test]
fn every_operator_equals_the_reference() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/tflite/operators.zip");
    let mut archive = zip::ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
    let cases: Value = serde_json::from_slice(&member(&mut archive, "cases.json")).unwrap();
    let (models, outputs) = (member(&mut archive, "models.bin"), member(&mut archive, "outputs.bin"));
    let (mut equal, mut refused, mut wrong) = (0, 0, Vec::new());
    for case in cases.as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let expected = REFUSED.iter().any(|part| name.contains(part));
        match check(case, &models, &outputs) {
            Ok(()) if !expected => equal += 1,
            Err(reason) if expected && reason.contains("not supported") => refused += 1,
            Ok(()) => wrong.push(format!("{name}: works, but is listed as refused")),
            Err(reason) => wrong.push(format!("{name}: {reason}")),
        }
    }
    println!("{equal} cases equal, {refused} refused by name");
    assert!(wrong.is_empty(), "{} cases are wrong:\n{}", wrong.len(), wrong.join("\n"));
}
