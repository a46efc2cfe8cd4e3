//! Data for calibration and evaluation: arrays from .npy and .npz files, matched with a model's inputs.

mod dataset;
mod npy;

pub use dataset::{Dataset, InputSpec};
pub use npy::{read_arrays, write_array};

use std::path::PathBuf;
use thiserror::Error;

/// Why data could not be used. Every message names the file.
#[derive(Debug, Error)]
pub enum DataError {
    /// The file could not be read or written.
    #[error("cannot access '{path}': {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The file is not what its name says.
    #[error("'{path}' is not a valid {format} file: {reason}")]
    Format {
        /// The file.
        path: PathBuf,
        /// `npy` or `npz`.
        format: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The name ends in something else.
    #[error("'{0}': expected a file ending in .npz or .npy")]
    Extension(PathBuf),
    /// An array that a model input needs is missing.
    #[error(
        "'{path}' has no array '{wanted}' (it has {found}); name the arrays as the model's inputs, or `x` where there is one input"
    )]
    MissingArray {
        /// The file.
        path: PathBuf,
        /// The array.
        wanted: String,
        /// What the file has.
        found: String,
    },
    /// An array has a shape that fits no reading of the input.
    #[error("'{path}': array '{array}' has shape {got:?}; input '{input}' takes {expected}")]
    Shape {
        /// The file.
        path: PathBuf,
        /// The array.
        array: String,
        /// Its shape.
        got: Vec<usize>,
        /// The model's input.
        input: String,
        /// The shapes that fit.
        expected: String,
    },
    /// Arrays disagree on the number of rows.
    #[error("'{path}': array '{array}' has {got} rows, the others have {expected}")]
    Rows {
        /// The file.
        path: PathBuf,
        /// The array.
        array: String,
        /// Its rows.
        got: usize,
        /// Rows of the others.
        expected: usize,
    },
    /// There are no rows.
    #[error("'{0}' has no rows")]
    Empty(PathBuf),
    /// A value is NaN or infinite.
    #[error("'{path}': array '{array}' has the value {value} in row {row}; remove the row or fill the gap")]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The array.
        array: String,
        /// The row, from 0.
        row: usize,
        /// The value.
        value: f32,
    },
    /// A label is not an index of a class.
    #[error("'{path}': label {label} in row {row} is not a class; labels are integers from 0")]
    Label {
        /// The file.
        path: PathBuf,
        /// The row, from 0.
        row: usize,
        /// The label.
        label: i64,
    },
    /// Labels are needed and missing.
    #[error("'{0}' has no labels: add an integer array 'y' with one class per row")]
    NoLabels(PathBuf),
}
