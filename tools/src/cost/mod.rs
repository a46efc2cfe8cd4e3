//! What a model takes on a microcontroller, said without one: arena and flash exactly, instructions by a model that is
//! fitted to measured ops.
//!
//! Of every operator and element type, an op's instructions are a sum of a few [`terms`](terms::terms) of its shapes, each
//! times a coefficient that is not negative. `cargo xtask mcu --fit` runs some 460 models on the emulated boards, an op at a
//! time, fits the coefficients by least squares of relative errors and writes `coefficients.json`, with how far the
//! sums are off for whole models that it holds up to them.

pub mod fit;
mod gather;
mod terms;

use bantam::{Model, ops};
use bantam_format::{Artifact, DataType, Op, Opcode};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use terms::terms;

/// The cores whose floats are computed in software.
const WITHOUT_FLOAT_UNIT: [&str; 3] = ["cortex-m0", "cortex-m3", "riscv32imc"];

/// Whether a core computes with floats.
#[must_use]
pub fn has_float_unit(target: &str) -> bool {
    !WITHOUT_FLOAT_UNIT.contains(&target)
}

/// Coefficients for all targets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Coefficients {
    /// How they are made.
    pub made_by: String,
    /// By the name of the core.
    pub targets: BTreeMap<String, TargetCoefficients>,
}

/// Coefficients for one target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetCoefficients {
    /// The largest relative error of the sum over a whole measured model.
    pub error: f64,
    /// What a session of a program made for a model takes less than one of all operators, in each op, which is found sooner,
    /// and in each channel of a depthwise convolution.
    pub session: [f64; 2],
    /// The same of a compiled model, which decodes nothing and knows the forms of its ops.
    pub compiled: [f64; 2],
    /// For each operator and element type, a coefficient for each term.
    pub operators: BTreeMap<String, Vec<f64>>,
}

/// What a model takes on a target.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// Bytes of arena.
    pub arena_bytes: usize,
    /// Bytes of weights, biases and tables in flash; a session has the whole file there instead.
    pub constant_bytes: usize,
    /// Instructions of each op in a session of all operators; none where no op of its kind was measured.
    pub ops: Vec<Option<u64>>,
    /// How many fewer a session of a program made for the model takes, and a compiled model.
    pub saved: [u64; 2],
    /// The largest relative error over whole measured models.
    pub error: f64,
}

impl Prediction {
    /// Instructions of a run in a session of all operators, where every op has a figure.
    #[must_use]
    pub fn instructions(&self) -> Option<u64> {
        self.ops.iter().copied().sum()
    }

    /// Instructions of a run in a session of a program made for the model.
    #[must_use]
    pub fn session_instructions(&self) -> Option<u64> {
        Some(self.instructions()?.saturating_sub(self.saved[0]))
    }

    /// Instructions of a run of the model compiled into a program, where every op has a figure.
    #[must_use]
    pub fn compiled_instructions(&self) -> Option<u64> {
        Some(self.instructions()?.saturating_sub(self.saved[1]))
    }
}

impl Coefficients {
    /// Those that this program was built with.
    ///
    /// # Panics
    /// Never: a test reads them.
    #[must_use]
    pub fn built_in() -> Self {
        serde_json::from_str(include_str!("coefficients.json")).expect("coefficients.json is what `fit` wrote")
    }

    /// What a model takes on a target; none for a target without coefficients.
    #[must_use]
    pub fn predict(&self, target: &str, model: &Model<'_>) -> Option<Prediction> {
        let target = self.targets.get(target)?;
        let artifact = model.artifact();
        Some(Prediction {
            arena_bytes: bantam::Session::arena_bytes(model, &ops::ALL),
            constant_bytes: artifact.constants().len().next_multiple_of(align_of::<bantam::Aligned<[u8; 0]>>()),
            ops: artifact.ops().map(|op| target.instructions(&op)).collect(),
            saved: [target.session, target.compiled].map(|each| {
                let saved = each.iter().zip(savings(artifact)).map(|(each, count)| each * count);
                saved.sum::<f64>().round() as u64
            }),
            error: target.error,
        })
    }
}

impl TargetCoefficients {
    fn instructions(&self, op: &Op<'_>) -> Option<u64> {
        let coefficients = self.operators.get(&key(op))?;
        let sum: f64 = coefficients.iter().zip(terms(op)).map(|(coefficient, term)| coefficient * term).sum();
        Some(sum.round() as u64)
    }
}

/// What a compiled model saves by: ops, and channels of depthwise convolutions of 8-bit integers.
#[must_use]
pub fn savings(artifact: &Artifact<'_>) -> [f64; 2] {
    let depthwise = |op: &Op<'_>| op.opcode == Opcode::DepthwiseConv2d && op.input(0).data_type == DataType::I8;
    let channels = artifact.ops().filter(depthwise).map(|op| op.output(0).shape.innermost());
    [artifact.ops().count() as f64, channels.sum::<usize>() as f64]
}

/// What ops have in common that share coefficients.
fn key(op: &Op<'_>) -> String {
    let data_type = match op.input(0).data_type {
        DataType::F32 => "float32",
        DataType::I32 => "int32",
        DataType::I16 => "int16",
        _ => "int8",
    };
    format!("{} {data_type}", op.opcode.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_board_has_coefficients() {
        let coefficients = Coefficients::built_in();
        let names: Vec<&str> = coefficients.targets.keys().map(String::as_str).collect();
        assert_eq!(names, ["cortex-m0", "cortex-m3", "cortex-m33", "cortex-m4f", "cortex-m55", "riscv32imc"]);
        for (name, target) in &coefficients.targets {
            assert!(target.error < 0.1, "{name}: {}", target.error);
            assert!(target.operators.contains_key("Conv2d int8"), "{name}");
            assert!(target.operators.values().flatten().all(|&coefficient| coefficient >= 0.0), "{name}");
        }
    }
}
