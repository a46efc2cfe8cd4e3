//! The cases of `tests/golden/tflite/operators.zip`: models of one operator, and what TensorFlow Lite Micro's reference
//! kernels answer; and those of `litert.zip`, of operators that it lacks, with what LiteRT's answer (`tools/oracle/tflite`
//! writes both).

use super::{artifact, run, xorshift};
use bantam::{AlignedBytes, IoTensor, Model};
use bantam_format::DataType;
use serde_json::Value;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use zip::ZipArchive;

/// Largest relative difference of float results: sums are added up in another order, functions are another library's.
const FLOAT_TOLERANCE: f32 = 2e-5;

/// All cases.
#[derive(Debug)]
pub struct Operators {
    listing: Vec<Value>,
    models: Vec<u8>,
    outputs: Vec<u8>,
}

/// A model of one operator.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// Operator, type and number.
    pub name: &'a str,
    /// The .tflite file.
    pub file: &'a [u8],
    listing: &'a Value,
    outputs: &'a [u8],
}

/// A case as it ran.
#[derive(Debug)]
pub struct Ran {
    /// The artifact.
    pub artifact: Vec<u8>,
    /// The inputs of every run.
    pub inputs: Vec<Vec<Vec<u8>>>,
    /// The outputs of every run.
    pub outputs: Vec<Vec<Vec<u8>>>,
}

impl Operators {
    /// Reads the archive of TensorFlow Lite Micro's answers.
    ///
    /// # Panics
    /// It is missing, or not as described.
    #[must_use]
    pub fn load() -> Self {
        Self::read("operators.zip")
    }

    /// Reads the archive of LiteRT's answers.
    ///
    /// # Panics
    /// It is missing, or not as described.
    #[must_use]
    pub fn litert() -> Self {
        Self::read("litert.zip")
    }

    fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/tflite").join(name);
        let mut archive = ZipArchive::new(File::open(path).expect("the archive")).expect("a .zip");
        let [listing, models, outputs] =
            ["cases.json", "models.bin", "outputs.bin"].map(|name| member(&mut archive, name));
        Self { listing: serde_json::from_slice(&listing).expect("a list"), models, outputs }
    }

    /// Every case.
    pub fn cases(&self) -> impl Iterator<Item = Case<'_>> {
        self.listing.iter().map(|listing| Case {
            name: text(&listing["name"]),
            file: span(&self.models, &listing["model"]),
            listing,
            outputs: span(&self.outputs, &listing["outputs"]),
        })
    }
}

fn member(archive: &mut ZipArchive<File>, name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    archive.by_name(name).expect("a member").read_to_end(&mut bytes).expect("its bytes");
    bytes
}

fn span<'a>(bytes: &'a [u8], place: &Value) -> &'a [u8] {
    let [start, length] = [0, 1].map(|at| number(&place[at]));
    &bytes[start..][..length]
}

fn number(value: &Value) -> usize {
    value.as_u64().and_then(|number| number.try_into().ok()).expect("a number")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// An input as the artifact takes it: `kind` is the type in the file.
fn input(kind: &str, io: &IoTensor, seed: u32, scale: f32) -> Vec<u8> {
    let count = io.tensor.shape.elements();
    if kind == "i16" {
        return xorshift(seed, 2 * count);
    }
    let bytes = xorshift(seed, count);
    let signed = bytes.iter().map(|byte| byte.cast_signed());
    match (kind, io.tensor.data_type) {
        ("i8", DataType::I8) => bytes,
        ("u8", DataType::I8) => bytes.iter().map(|byte| byte ^ 0x80).collect(),
        ("f32", DataType::I16) => signed
            .map(|byte| (f32::from(byte) * scale / io.scale).round() as i32)
            .flat_map(|q| (q.clamp(-32768, 32767) as i16).to_le_bytes())
            .collect(),
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

/// How many elements of an output are not what the reference gave; `kind` is the type in the file.
fn differences(kind: &str, io: &IoTensor, got: &[u8], expected: &[u8]) -> usize {
    let floats =
        |bytes: &[u8]| -> Vec<f32> { bytes.as_chunks().0.iter().map(|&word| f32::from_le_bytes(word)).collect() };
    match (kind, io.tensor.data_type) {
        ("i8", DataType::I8) => got.iter().zip(expected).filter(|(a, b)| a != b).count(),
        ("u8", DataType::I8) => got.iter().zip(expected).filter(|&(&a, &b)| a != b ^ 0x80).count(),
        ("i16", DataType::I16) => {
            let halves = |bytes: &[u8]| bytes.as_chunks::<2>().0.to_vec();
            halves(got).iter().zip(&halves(expected)).filter(|(a, b)| a != b).count()
        }
        ("i16", _) => {
            let words = got.as_chunks::<4>().0.iter().map(|&word| i32::from_le_bytes(word));
            let halves = expected.as_chunks::<2>().0.iter().map(|&half| i32::from(i16::from_le_bytes(half)));
            words.zip(halves).filter(|(a, b)| a != b).count()
        }
        ("f32", data_type) => {
            let got = match data_type {
                DataType::I16 => {
                    let halves = got.as_chunks::<2>().0.iter();
                    halves.map(|&half| f32::from(i16::from_le_bytes(half)) * io.scale).collect()
                }
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

impl Case<'_> {
    fn kinds(&self, key: &str) -> Vec<&str> {
        self.listing[key].as_array().expect("a list").iter().map(text).collect()
    }

    /// Imports and runs the case, whatever it answers.
    ///
    /// # Errors
    /// Why there is no artifact.
    pub fn run(&self) -> Result<Ran, String> {
        let artifact = artifact(self.file)?;
        let file = AlignedBytes::copy_of(&artifact);
        let model = Model::parse(file.bytes()).map_err(|error| error.to_string())?;
        let kinds = self.kinds("inputs");
        let seed = number(&self.listing["seed"]) as u32;
        let scale = (self.listing["span"].as_f64().expect("a number") / 128.0) as f32;
        let row = |step: usize| {
            let seeds = (0..kinds.len()).map(|index| seed.wrapping_add(7919 * (step * kinds.len() + index) as u32));
            model.inputs().zip(&kinds).zip(seeds).map(|((io, kind), seed)| input(kind, &io, seed, scale)).collect()
        };
        let inputs: Vec<Vec<Vec<u8>>> = (0..number(&self.listing["runs"])).map(row).collect();
        let outputs = run(&artifact, &inputs);
        Ok(Ran { artifact, inputs, outputs })
    }

    /// Whether the answers are the reference's.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self, ran: &Ran) -> Result<(), String> {
        let file = AlignedBytes::copy_of(&ran.artifact);
        let model = Model::parse(file.bytes()).map_err(|error| error.to_string())?;
        let mut expected = self.outputs;
        for answer in &ran.outputs {
            for ((io, got), kind) in model.outputs().zip(answer).zip(self.kinds("outputs_are")) {
                let count = io.tensor.shape.elements();
                let size = match kind {
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
}
