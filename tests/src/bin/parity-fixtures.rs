//! Writes what other targets are compared with: artifacts, inputs and the host's outputs.
//!
//! `parity-fixtures FOLDER` writes into FOLDER/cases for each case `NAME.bantam`, `NAME.input` (the bytes of all inputs of a
//! run, run after run) and `NAME.output` (likewise): small models, the models of the repository and TensorFlow Lite
//! models; those with what pages leave out go to FOLDER/wide, and what fused instructions make of floats, there and in the
//! golden files, to FOLDER/fused/cases and FOLDER/fused/v1. For firmware it writes into FOLDER `digits.bantam`, `inputs.bin`
//! (the held-out images as int8, one after another) and `outputs.bin` (the host's int8 outputs likewise), and the digits
//! with 4-bit weights and the TensorFlow Lite models packed: `cases.bin`; the module `fixtures` says how.

use bantam::{AlignedBytes, Arithmetic, Image, Model, Session, ops};
use bantam_tests::fixtures::{Case, is_left_out_of_pages, pack, tflite_cases, write_folder, write_fused};
use bantam_tests::models::small_models;
use bantam_tests::random::Random;
use bantam_tests::repository::{evaluation_rows, narrow_digits, shrink_model, shrink_model_with};
use bantam_tests::run::{Values, random_inputs, run_many};
use bantam_tools::files::write_whole;
use std::error::Error;
use std::path::{Path, PathBuf};

/// Runs of each small model.
const RUNS: usize = 4;
/// Runs of the digits with 4-bit weights.
const NARROW_RUNS: usize = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: parity-fixtures FOLDER")?);
    let (cases, wide) = (folder.join("cases"), folder.join("wide"));
    let mut count = 0;
    let mut random = Random::new(99);
    for small in small_models() {
        let model = Model::parse(small.file.bytes())?;
        let runs: Vec<_> = (0..RUNS).map(|_| random_inputs(&model, &mut random)).collect();
        let own = if is_left_out_of_pages(small.file.bytes()) { &wide } else { &cases };
        write_case(own, small.name, small.file.bytes(), &runs)?;
        count += runs.len();
    }
    for (name, arithmetic) in [("digits", Arithmetic::Onnx), ("digits", Arithmetic::Tflite)] {
        let artifact = shrink_model_with(name, arithmetic)?;
        let runs: Vec<_> = evaluation_rows(name, &artifact)?.into_iter().map(|row| vec![Values::I8(row)]).collect();
        let case = format!("{name}_{}", arithmetic.name().to_lowercase());
        let outputs = write_case(&cases, &case, &artifact, &runs)?;
        count += runs.len();
        if arithmetic == Arithmetic::Onnx {
            write_whole(&folder.join("digits.bantam"), &artifact)?;
            write_whole(&folder.join("inputs.bin"), &concatenated(&runs))?;
            write_whole(&folder.join("outputs.bin"), &outputs)?;
            write_images(&folder.join("images"), &artifact)?;
        }
    }
    let artifact = shrink_model("breast-cancer")?;
    let file = AlignedBytes::copy_of(&artifact);
    let model = Model::parse(file.bytes())?;
    let runs: Vec<_> = (0..RUNS).map(|_| random_inputs(&model, &mut random)).collect();
    write_case(&cases, "breast-cancer", &artifact, &runs)?;
    count += runs.len();

    let mut packed = vec![narrow_case(Arithmetic::Tflite)?, narrow_case(Arithmetic::Onnx)?];
    packed.extend(tflite_cases()?);
    let (halves, others) = packed.iter().partition::<Vec<_>, _>(|case| is_left_out_of_pages(&case.artifact));
    write_folder(&others, &cases)?;
    write_folder(&halves, &wide)?;
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/v1");
    for from in [&cases, &golden] {
        write_fused(from, &folder.join("fused").join(from.file_name().unwrap_or_default()))?;
    }
    write_whole(&folder.join("cases.bin"), &pack(&packed))?;
    count += packed.iter().map(|case| case.inputs.len()).sum::<usize>();
    println!("{count} inputs and outputs in {}", folder.display());
    Ok(())
}

/// The digits with 4-bit weights on some held-out images.
fn narrow_case(arithmetic: Arithmetic) -> Result<Case, Box<dyn Error>> {
    let artifact = narrow_digits(arithmetic)?;
    let rows = evaluation_rows("digits", &artifact)?.into_iter().take(NARROW_RUNS);
    let runs: Vec<Vec<Values>> = rows.map(|row| vec![Values::I8(row)]).collect();
    let file = AlignedBytes::copy_of(&artifact);
    let bytes = |run: &Vec<Values>| run.iter().map(Values::bytes).collect();
    let outputs = run_many(&Model::parse(file.bytes())?, &runs).iter().map(bytes).collect();
    let inputs = runs.iter().map(bytes).collect();
    Ok(Case { name: format!("digits-narrow-{}", arithmetic.name().to_lowercase()), artifact, inputs, outputs })
}

/// Writes a case and returns the host's outputs.
fn write_case(folder: &Path, name: &str, artifact: &[u8], runs: &[Vec<Values>]) -> Result<Vec<u8>, Box<dyn Error>> {
    let file = AlignedBytes::copy_of(artifact);
    let outputs = concatenated(&run_many(&Model::parse(file.bytes())?, runs));
    write_whole(&folder.join(format!("{name}.bantam")), artifact)?;
    write_whole(&folder.join(format!("{name}.input")), &concatenated(runs))?;
    write_whole(&folder.join(format!("{name}.output")), &outputs)?;
    Ok(outputs)
}

fn concatenated(runs: &[Vec<Values>]) -> Vec<u8> {
    runs.iter().flatten().flat_map(Values::bytes).collect()
}

/// Images of several sizes and kinds, and the digits model's input and output on them: `NAME.bin` holds the width and
/// the height (`u32` each), the bytes of a pixel (`u32`), the pixels, then the prepared input and the output.
fn write_images(folder: &Path, artifact: &[u8]) -> Result<(), Box<dyn Error>> {
    let file = AlignedBytes::copy_of(artifact);
    let model = Model::parse(file.bytes())?;
    let mut arena = AlignedBytes::zeroed(model.arena_bytes());
    let mut session = Session::new(&model, arena.bytes_mut(), &ops::ALL)?;
    let mut random = Random::new(5);
    for (width, height, channels) in [(1u32, 1u32, 4u32), (8, 8, 1), (31, 17, 3), (7, 50, 4), (280, 280, 4)] {
        let mut pixels = vec![0; (width * height * channels) as usize];
        random.fill(&mut pixels);
        session.prepare_image(0, &Image::new(&pixels, width, height)?)?;
        let mut content: Vec<u8> = [width, height, channels].into_iter().flat_map(u32::to_le_bytes).collect();
        content.extend_from_slice(&pixels);
        content.extend_from_slice(session.input_bytes_mut(0)?);
        session.run()?;
        content.extend_from_slice(session.output_bytes(0)?);
        write_whole(&folder.join(format!("{width}x{height}x{channels}.bin")), &content)?;
    }
    Ok(())
}
