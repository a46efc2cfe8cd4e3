//! Whole artifacts for the sweeps, besides the small models.

use bantam_format::AlignedBytes;
use std::path::PathBuf;

/// The artifacts of the directory named by `BANTAM_ARTIFACTS`, by name; none where it is not set.
pub fn artifacts() -> Vec<(String, AlignedBytes)> {
    let Some(directory) = std::env::var_os("BANTAM_ARTIFACTS") else { return Vec::new() };
    read_directory(&PathBuf::from(directory))
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
