//! Whole artifacts for the sweeps, besides the small models.

use crate::repository::{MODELS, shrink_model};
use bantam_format::AlignedBytes;
use std::path::PathBuf;

/// The repository's models, and the artifacts of the directory named by `BANTAM_ARTIFACTS` where that is set.
///
/// # Panics
/// A model cannot be shrunk, or the directory cannot be read.
pub fn artifacts() -> Vec<(String, AlignedBytes)> {
    let shrunk = |name: &str| {
        let bytes = shrink_model(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name.to_owned(), AlignedBytes::copy_of(&bytes))
    };
    let mut artifacts: Vec<_> = MODELS.into_iter().map(shrunk).collect();
    if let Some(directory) = std::env::var_os("BANTAM_ARTIFACTS") {
        artifacts.extend(read_directory(&PathBuf::from(directory)));
    }
    artifacts
}

/// Every `.bantam` file of a directory, by name in ascending order.
///
/// # Panics
/// The directory or a file in it cannot be read.
pub fn read_directory(directory: &std::path::Path) -> Vec<(String, AlignedBytes)> {
    let entries = std::fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let paths = entries.map(|entry| entry.expect("a directory entry").path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|e| e == "bantam")).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        (name.unwrap_or_default(), AlignedBytes::copy_of(&bytes))
    };
    paths.into_iter().map(read).collect()
}

/// A number with separators between thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
