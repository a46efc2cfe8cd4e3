//! Data for calibration and evaluation: arrays from .npy and .npz files, matched with a model's inputs.

mod dataset;
mod npy;

pub use dataset::{Dataset, Elements, InputSpec, Values};
pub use npy::{Array, read_all, read_arrays, write_array, write_arrays};

use std::path::PathBuf;
use thiserror::Error;

/// Why data could not be used. Every message names the file.
#[derive(Debug, Error)]
pub enum DataError {
    /// The file could not be read.
    #[error("cannot read '{path}': {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The file could not be written.
    #[error("cannot write '{path}': {error}")]
    Write {
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
        "'{path}' has no array '{wanted}' (it holds {found}); name the arrays as the model's inputs, or `x` where there is one input"
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
    /// The model takes several rows at once.
    #[error(
        "input '{input}' takes batches of {batch} rows; only single rows are supported: export the model with a batch of 1, or with a free batch"
    )]
    Batch {
        /// The model's input.
        input: String,
        /// Its batch.
        batch: usize,
    },
    /// Arrays disagree on the number of rows.
    #[error("'{path}': array '{array}' has {got} rows, the first input's array has {expected}")]
    Rows {
        /// The file.
        path: PathBuf,
        /// The array.
        array: String,
        /// Its rows.
        got: usize,
        /// Rows of the first input's array.
        expected: usize,
    },
    /// There are no rows.
    #[error("'{0}' has no rows; at least one is needed")]
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
    #[error("'{path}': label {label} in row {row} is not a class; array 'y' holds one whole number from 0 per row")]
    Label {
        /// The file.
        path: PathBuf,
        /// The row, from 0.
        row: usize,
        /// The label.
        label: String,
    },
    /// A label is beyond the classes of the model.
    #[error("'{path}': label {label} in row {row} is not a class of the model, which tells {classes} apart (0 to {})", .classes - 1)]
    LabelRange {
        /// The file.
        path: PathBuf,
        /// The row, from 0.
        row: usize,
        /// The label.
        label: usize,
        /// Classes of the model.
        classes: usize,
    },
    /// There is not one label per row.
    #[error(
        "'{path}': array 'y' has shape {got:?}, but there are {rows} rows; expected one class per row, shape [{rows}] (of one-hot labels, np.argmax(y, 1))"
    )]
    LabelShape {
        /// The file.
        path: PathBuf,
        /// The shape of the labels.
        got: Vec<usize>,
        /// Rows of the inputs.
        rows: usize,
    },
    /// A column is missing.
    #[error(
        "'{path}' has no column '{column}': a column is an array of one number or text per row, {rows} here; the file {found}"
    )]
    Column {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The columns there are.
        found: String,
        /// Rows.
        rows: usize,
    },
    /// Labels are needed and missing.
    #[error("'{0}' has no labels; add an integer array 'y' with one class per row")]
    NoLabels(PathBuf),
}
