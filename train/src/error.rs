//! Why something could not be trained.

use crate::network::Refused;
use bantam_tools::data::DataError;
use bantam_tools::export::onnx::ExportError;
use bantam_tools::folder::FolderError;
use bantam_tools::graph::GraphError;
use bantam_tools::lower::LowerError;
use bantam_tools::quantize::CalibrationError;
use bantam_tools::shrink::ShrinkError;
use bantam_tools::subject::SubjectError;
use std::path::PathBuf;
use thiserror::Error;

/// Why training failed. Messages name the file or the layer and say what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrainError {
    /// Data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A model folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A model.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// Shrinking what was trained.
    #[error(transparent)]
    Shrink(#[from] ShrinkError),
    /// Writing ONNX.
    #[error("the network cannot be written as ONNX: {0}")]
    Onnx(#[from] ExportError),
    /// A graph that was put together wrongly: a bug in this tool.
    #[error("internal error: the smaller graph is not valid: {0}")]
    Graph(#[from] GraphError),
    /// Nodes that cannot be trained.
    #[error("'{path}': {refused}")]
    Refused {
        /// The model.
        path: PathBuf,
        /// The nodes.
        refused: Refused,
    },
    /// Ranges could not be chosen.
    #[error("'{path}': {error}")]
    Calibration {
        /// The data.
        path: PathBuf,
        /// Why.
        error: Box<CalibrationError>,
    },
    /// Lowering.
    #[error("the network has no integers: {0}")]
    Lower(#[from] LowerError),
    /// An exact forward pass did not run.
    #[error("internal error: the artifact does not run: {0}")]
    Device(String),
    /// Several inputs.
    #[error("the model has {0} inputs; models with one are trained")]
    Inputs(usize),
    /// Teacher and student do not fit each other.
    #[error(
        "'{student}' gives {got} numbers per row, '{teacher}' gives {expected}; a student answers as its teacher does"
    )]
    Outputs {
        /// The student.
        student: PathBuf,
        /// The teacher.
        teacher: PathBuf,
        /// Numbers of the student.
        got: usize,
        /// Numbers of the teacher.
        expected: usize,
    },
    /// There is nothing to train on.
    #[error(
        "'{0}': there is nothing to train on: give --data FILE.npz, with the inputs as `x` and, if there are labels, those as `y`"
    )]
    NoData(PathBuf),
    /// Labels are asked for and missing.
    #[error("'{0}' has no labels, which --labels asks for; leave it out, or add an integer array `y`")]
    NoLabels(PathBuf),
    /// Too few rows.
    #[error("'{path}' has {rows} rows; at least {least} are needed to train and to tell how well that went")]
    FewRows {
        /// The data.
        path: PathBuf,
        /// Rows.
        rows: usize,
        /// Rows needed.
        least: usize,
    },
    /// The archive of recordings is not there.
    #[error(
        "cannot find '{}': it holds the recordings ({about}); put it there, or name the folder that has it as {} with --data-sets",
        path.display(), below.display()
    )]
    NoRecordings {
        /// Where it was looked for.
        path: PathBuf,
        /// Where it lies in the folder of data sets.
        below: PathBuf,
        /// What it is.
        about: String,
    },
    /// An archive or a recording that cannot be read.
    #[error("'{path}': {reason}")]
    Recording {
        /// The archive.
        path: PathBuf,
        /// The file in it and what is wrong with it.
        reason: String,
    },
    /// The front end's numbers do not fit each other.
    #[error("the front end of the recordings: {0}")]
    FrontEnd(String),
    /// A file could not be written.
    #[error("cannot write '{path}': {error}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// A checkpoint that cannot be read.
    #[error("'{path}' is not a checkpoint: {reason}; delete it to start anew")]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A checkpoint of another run.
    #[error(
        "'{0}' is the checkpoint of another run (other data, options or networks); delete it to start anew, or name another file with --checkpoint"
    )]
    OtherRun(PathBuf),
    /// Numbers grew beyond all bounds.
    #[error(
        "training diverged in epoch {epoch}, step {step}: {what} of '{layer}' is no longer finite; try --rate {advice:?} (it was {rate:?}){}",
        kept.as_ref().map_or_else(String::new, |path| format!("; the last good checkpoint is '{}'", path.display()))
    )]
    Diverged {
        /// The epoch, from 1.
        epoch: usize,
        /// The step in the whole run, from 1.
        step: usize,
        /// What is not finite.
        what: &'static str,
        /// Where.
        layer: String,
        /// The rate.
        rate: f64,
        /// A rate to try.
        advice: f64,
        /// The checkpoint before.
        kept: Option<PathBuf>,
    },
    /// Nothing can be taken away.
    #[error(
        "{asked} cannot be reached: with one channel left in every group the network still takes {least} of {all} multiply-accumulates"
    )]
    TooSmall {
        /// What was asked for.
        asked: String,
        /// Multiply-accumulates of the smallest network.
        least: u64,
        /// Those of the whole.
        all: u64,
    },
    /// candle.
    #[error("internal error: {0}")]
    Candle(#[from] candle_core::Error),
}
