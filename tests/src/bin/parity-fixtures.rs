//! Writes what other targets are compared with: the digits artifact, its inputs and the host's outputs.
//!
//! `parity-fixtures FOLDER` writes `digits.bantam`, `inputs.bin` (the held-out images as int8, one after another) and
//! `outputs.bin` (the host's int8 outputs likewise).

use bantam::{AlignedBytes, Model, Session, ops};
use bantam_tests::repository::{evaluation_rows, shrink_model};
use bantam_tools::files::write_whole;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: parity-fixtures FOLDER")?);
    let artifact = shrink_model("digits")?;
    let inputs = evaluation_rows("digits", &artifact)?;
    let file = AlignedBytes::copy_of(&artifact);
    let model = Model::parse(file.bytes())?;
    let mut arena = AlignedBytes::zeroed(model.arena_bytes());
    let mut session = Session::new(&model, arena.bytes_mut(), &ops::ALL)?;
    let mut outputs = Vec::new();
    for input in &inputs {
        session.input_mut::<i8>(0)?.copy_from_slice(input);
        session.run()?;
        outputs.extend_from_slice(session.output::<i8>(0)?);
    }
    let unsigned = |values: &[i8]| values.iter().map(|value| value.cast_unsigned()).collect::<Vec<u8>>();
    write_whole(&folder.join("digits.bantam"), &artifact)?;
    write_whole(&folder.join("inputs.bin"), &unsigned(&inputs.concat()))?;
    write_whole(&folder.join("outputs.bin"), &unsigned(&outputs))?;
    println!("{} inputs and outputs in {}", inputs.len(), folder.display());
    Ok(())
}
