//! The state of a run after an epoch, as a safetensors file written whole or not at all.
//!
//! Tensors: `variable/NAME`, `first/NAME`, `second/NAME` (Adam's moments) and `best/NAME`. The metadata `run` is a JSON document
//! with everything else.

use super::adam::Adam;
use super::{Epoch, Progress};
use crate::error::TrainError;
use crate::network::Variable;
use bantam_tools::files::write_whole;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

/// The entry of the metadata.
const RUN: &str = "run";

/// What a run has come to.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The moments of the gradients.
    pub adam: Adam,
    /// Variables of the best epoch so far.
    pub best: Vec<Vec<f32>>,
    /// What was measured.
    pub progress: Progress,
}

#[derive(Serialize, Deserialize)]
struct Run {
    fingerprint: String,
    step: usize,
    best_epoch: usize,
    epochs: Vec<Bits>,
}

/// An epoch with its numbers as bits: decimal digits would have to be read back exactly.
#[derive(Serialize, Deserialize)]
struct Bits {
    epoch: usize,
    loss: u64,
    held_out: u64,
    accuracy: Option<u64>,
}

impl Bits {
    fn of(epoch: &Epoch) -> Self {
        let Epoch { epoch, loss, held_out, accuracy } = *epoch;
        Self { epoch, loss: loss.to_bits(), held_out: held_out.to_bits(), accuracy: accuracy.map(f64::to_bits) }
    }

    fn epoch(&self) -> Epoch {
        Epoch {
            epoch: self.epoch,
            loss: f64::from_bits(self.loss),
            held_out: f64::from_bits(self.held_out),
            accuracy: self.accuracy.map(f64::from_bits),
        }
    }
}

/// Writes the state and the variables as they are.
///
/// # Errors
/// [`TrainError::Write`].
pub fn write(path: &Path, fingerprint: &str, variables: &[Variable], state: &State) -> Result<(), TrainError> {
    let mut tensors = Vec::new();
    for (index, variable) in variables.iter().enumerate() {
        let now = variable.var.flatten_all()?.to_vec1::<f32>()?;
        let parts = [
            ("variable", &now),
            ("first", &state.adam.first[index]),
            ("second", &state.adam.second[index]),
            ("best", &state.best[index]),
        ];
        for (part, items) in parts {
            let bytes: Vec<u8> = items.iter().flat_map(|x| x.to_le_bytes()).collect();
            tensors.push((format!("{part}/{}", variable.name), variable.var.dims().to_vec(), bytes));
        }
    }
    let broken = |reason: String| TrainError::Checkpoint { path: path.to_owned(), reason };
    let views = tensors.iter().map(|(name, shape, bytes)| {
        TensorView::new(Dtype::F32, shape.clone(), bytes).map(|view| (name.as_str(), view))
    });
    let views = views.collect::<Result<Vec<_>, _>>().map_err(|error| broken(error.to_string()))?;
    let run = Run {
        fingerprint: fingerprint.to_owned(),
        step: state.progress.step,
        best_epoch: state.progress.best,
        epochs: state.progress.epochs.iter().map(Bits::of).collect(),
    };
    let run = serde_json::to_string(&run).map_err(|error| broken(error.to_string()))?;
    let metadata = HashMap::from([(RUN.to_owned(), run)]);
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(|error| broken(error.to_string()))?;
    write_whole(path, &bytes).map_err(|error| TrainError::Write { path: path.to_owned(), error })
}

/// Reads a state and sets the variables; none where there is no file.
///
/// # Errors
/// [`TrainError::Checkpoint`] for what is none, [`TrainError::OtherRun`] for that of another run.
pub fn read(path: &Path, fingerprint: &str, variables: &[Variable]) -> Result<Option<State>, TrainError> {
    let broken = |reason: String| TrainError::Checkpoint { path: path.to_owned(), reason };
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(broken(error.to_string())),
    };
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|error| broken(error.to_string()))?;
    let run = metadata.metadata().as_ref().and_then(|entries| entries.get(RUN));
    let run = run.ok_or_else(|| broken(format!("its metadata has no `{RUN}`")))?;
    let run: Run = serde_json::from_str(run).map_err(|error| broken(error.to_string()))?;
    if run.fingerprint != fingerprint {
        return Err(TrainError::OtherRun(path.to_owned()));
    }
    let tensors = SafeTensors::deserialize(&bytes).map_err(|error| broken(error.to_string()))?;
    let part = |part: &str| -> Result<Vec<Vec<f32>>, TrainError> {
        let one = |variable: &Variable| {
            let name = format!("{part}/{}", variable.name);
            let view = tensors.tensor(&name).map_err(|error| broken(error.to_string()))?;
            if view.dtype() != Dtype::F32 || view.shape() != variable.var.dims() {
                return Err(broken(format!("'{name}' is {:?} {:?}", view.dtype(), view.shape())));
            }
            Ok(view.data().as_chunks::<4>().0.iter().map(|&word| f32::from_le_bytes(word)).collect())
        };
        variables.iter().map(one).collect()
    };
    let (now, first, second, best) = (part("variable")?, part("first")?, part("second")?, part("best")?);
    super::set(variables, &now)?;
    let epochs = run.epochs.iter().map(Bits::epoch).collect();
    let progress = Progress { step: run.step, best: run.best_epoch, epochs };
    Ok(Some(State { adam: Adam { first, second }, best, progress }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Tensor, Var};

    fn variable() -> Variable {
        let tensor = Tensor::from_slice(&[1.0f32, 2.0], 2, &Device::Cpu).unwrap();
        let mut graph = bantam_tools::graph::Graph::new("g");
        let value = graph.add_value("w", vec![2], bantam_tools::tensor::DataType::F32);
        Variable { value, name: "w".into(), layer: "l".into(), var: Var::from_tensor(&tensor).unwrap() }
    }

    #[test]
    fn what_was_written_is_read_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.checkpoint");
        let variables = [variable()];
        assert!(read(&path, "a", &variables).unwrap().is_none());
        let adam = Adam { first: vec![vec![0.5, -0.5]], second: vec![vec![0.25, 0.125]] };
        let epoch = Epoch { epoch: 1, loss: 0.1, held_out: 0.3, accuracy: Some(0.5) };
        let progress = Progress { step: 7, best: 1, epochs: vec![epoch] };
        let state = State { adam, best: vec![vec![3.0, 4.0]], progress };
        write(&path, "a", &variables, &state).unwrap();
        super::super::set(&variables, &[vec![9.0, 9.0]]).unwrap();
        assert_eq!(read(&path, "a", &variables).unwrap(), Some(state));
        assert_eq!(variables[0].var.to_vec1::<f32>().unwrap(), [1.0, 2.0]);
        assert!(matches!(read(&path, "b", &variables), Err(TrainError::OtherRun(_))));
        let whole = std::fs::read(&path).unwrap();
        for length in [0, 5, 40, whole.len() - 1] {
            std::fs::write(&path, &whole[..length]).unwrap();
            let error = read(&path, "a", &variables).unwrap_err();
            assert!(matches!(error, TrainError::Checkpoint { .. }), "{length}: {error}");
        }
    }
}
