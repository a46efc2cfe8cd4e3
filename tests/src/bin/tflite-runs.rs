//! Repeats what TensorFlow Lite Micro ran, and prints how many answers differ.
//!
//! `tflite-runs FOLDER` takes every NAME.tflite of the folder, with the inputs of its runs in NAME.input and the answers in
//! NAME.output, as `tools/oracle/tflite/write_runs.py` writes them. It fails if a bit differs.

use bantam_tests::tflite::{artifact, run};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: tflite-runs FOLDER")?);
    let entries = std::fs::read_dir(&folder)?.collect::<Result<Vec<_>, _>>()?;
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "tflite"));
    paths.sort();
    println!("| model | .tflite | artifact | runs | integers compared | different |");
    println!("|---|--:|--:|--:|--:|--:|");
    let mut all_equal = !paths.is_empty();
    for path in paths {
        let read = |ending: &str| std::fs::read(path.with_extension(ending));
        let (file, inputs, expected) = (read("tflite")?, read("input")?, read("output")?);
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let artifact = artifact(&file).map_err(|error| format!("{name}: {error}"))?;
        let parsed = bantam::AlignedBytes::copy_of(&artifact);
        let model = bantam::Model::parse(parsed.bytes()).map_err(|error| format!("{name}: {error}"))?;
        let size = model.inputs().next().ok_or("a model without input")?.tensor.bytes();
        let rows: Vec<Vec<Vec<u8>>> = inputs.chunks_exact(size).map(|input| vec![input.to_vec()]).collect();
        let got: Vec<u8> = run(&artifact, &rows).concat().concat();
        let different = got.iter().zip(&expected).filter(|(a, b)| a != b).count() + got.len().abs_diff(expected.len());
        println!("| {name} | {} | {} | {} | {} | {different} |", file.len(), artifact.len(), rows.len(), got.len());
        all_equal &= different == 0 && !rows.is_empty();
    }
    Ok(if all_equal { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
