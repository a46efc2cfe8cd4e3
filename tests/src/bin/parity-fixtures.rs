//! Writes what other targets are compared with: artifacts, their inputs and the host's outputs.
//!
//! `parity-fixtures FOLDER` writes the digits model on its held-out images and TensorFlow Lite models into FOLDER/cases; and
//! for firmware into FOLDER `digits.bantam`, `inputs.bin` and `outputs.bin`, and the others packed: `cases.bin`, and
//! `cases-small.bin` for the smallest board. The module `fixtures` says how.

use bantam_tests::fixtures::{Case, pack, pack_small, tflite_cases, write_folder};
use bantam_tests::repository::{evaluation_rows, shrink_model};
use bantam_tests::tflite::run;
use bantam_tools::files::write_whole;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: parity-fixtures FOLDER")?);
    let artifact = shrink_model("digits")?;
    let unsigned = |row: &Vec<i8>| vec![row.iter().map(|value| value.cast_unsigned()).collect()];
    let inputs: Vec<Vec<Vec<u8>>> = evaluation_rows("digits", &artifact)?.iter().map(unsigned).collect();
    let outputs = run(&artifact, &inputs);
    let digits = Case { name: "digits".to_owned(), artifact, inputs, outputs };
    write_whole(&folder.join("digits.bantam"), &digits.artifact)?;
    write_whole(&folder.join("inputs.bin"), &digits.inputs.concat().concat())?;
    write_whole(&folder.join("outputs.bin"), &digits.outputs.concat().concat())?;

    let mut cases = tflite_cases()?;
    write_whole(&folder.join("cases.bin"), &pack(&cases))?;
    write_whole(&folder.join("cases-small.bin"), &pack_small(&cases))?;
    cases.push(digits);
    write_folder(&cases, &folder.join("cases"))?;
    println!("{} models in {}", cases.len(), folder.display());
    Ok(())
}
