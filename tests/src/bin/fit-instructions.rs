//! Fits how many instructions an op takes to what emulated boards measured: `cargo xtask mcu --fit`.
//!
//! `fit-instructions CASES BASELINE MODELS COEFFICIENTS {TARGET TICK OPS}...`: CASES is the file of cases of the parity
//! fixtures; OPS holds lines of a case, an op and the ticks it took, of TICK instructions each, on TARGET. BASELINE holds what
//! whole models take, and MODELS these models, `NAME.bantam`; how far the sums are off there is written to COEFFICIENTS
//! with the rest, and printed. Fails if it is more than a tenth.

use bantam::{AlignedBytes, Model};
use bantam_tests::fixtures::unpack;
use bantam_tools::cost::fit::Measurements;
use bantam_tools::cost::{Coefficients, TargetCoefficients, savings};
use bantam_tools::files::write_whole;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

/// What the error must not be more than.
const LIMIT: f64 = 0.1;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [cases, baseline, models, output, targets @ ..] = &arguments[..] else {
        return Err("usage: fit-instructions CASES BASELINE MODELS COEFFICIENTS {TARGET TICK OPS}...".into());
    };
    let artifacts: Vec<AlignedBytes> =
        unpack(&fs::read(cases)?)?.iter().map(|artifact| AlignedBytes::copy_of(artifact)).collect();
    let mut coefficients = Coefficients { made_by: "cargo xtask mcu --fit".into(), ..Coefficients::default() };
    for target in targets.chunks(3) {
        let [name, tick, ops] = target else { return Err("a target has three arguments".into()) };
        let fitted = fit(&artifacts, tick.parse()?, Path::new(ops))?;
        coefficients.targets.insert(name.clone(), fitted);
    }
    let rows: serde_json::Value = serde_json::from_slice(&fs::read(baseline)?)?;
    let rows = rows.as_array().ok_or("the baseline is no array")?;
    let names: Vec<String> = coefficients.targets.keys().cloned().collect();
    for name in names {
        let saved = |mode| saved(rows, [&name, mode], &coefficients, Path::new(models));
        let (session, compiled) = (saved("dynamic")?, saved("static")?);
        let target = coefficients.targets.entry(name).or_default();
        (target.session, target.compiled) = (session, compiled);
    }
    println!("| model | target | mode | measured | fitted | error |\n|---|---|---|--:|--:|--:|");
    let mut worst: f64 = 0.0;
    for row in rows {
        let text = |key: &str| row[key].as_str().unwrap_or_default();
        let file = load(Path::new(models), text("model"))?;
        let model = Model::parse(file.bytes()).map_err(|error| error.to_string())?;
        let prediction = coefficients.predict(text("target"), &model).ok_or("a target that was not measured")?;
        let compiled = text("mode") == "static";
        let fitted = if compiled { prediction.compiled_instructions() } else { prediction.session_instructions() };
        let fitted = fitted.ok_or("an operator that was not measured")?;
        let measured = row["instructions"].as_u64().ok_or("a row without instructions")?;
        let error = fitted as f64 / measured as f64 - 1.0;
        let [name, target, mode] = ["model", "target", "mode"].map(text);
        println!("| {name} | {target} | {mode} | {measured} | {fitted} | {:+.1} % |", 100.0 * error);
        let target = coefficients.targets.get_mut(target).ok_or("a target that was not measured")?;
        target.error = target.error.max((error.abs() * 1000.0).ceil() / 1000.0);
        worst = worst.max(error.abs());
    }
    write_whole(Path::new(output), (serde_json::to_string_pretty(&coefficients)? + "\n").as_bytes())?;
    println!("largest error: {:.1} %", 100.0 * worst);
    Ok(if worst <= LIMIT { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn load(models: &Path, name: &str) -> std::io::Result<AlignedBytes> {
    Ok(AlignedBytes::copy_of(&fs::read(models.join(format!("{name}.bantam")))?))
}

/// How much less models were measured to take, in one mode, than their ops take in a session of all operators, in each op and
/// in each channel of depthwise convolutions; each model counts by the inverse of the square of what a run takes, so that small ones, for which
/// it matters, decide.
fn saved(
    rows: &[serde_json::Value],
    [target, mode]: [&str; 2],
    coefficients: &Coefficients,
    models: &Path,
) -> Result<[f64; 2], Box<dyn Error>> {
    // The normal equations of two unknowns.
    let ([mut a, mut b, mut c], mut right) = ([0.0; 3], [0.0; 2]);
    for row in rows.iter().filter(|row| row["target"] == target && row["mode"] == mode) {
        let measured = row["instructions"].as_f64().ok_or("a row without instructions")?;
        let file = load(models, row["model"].as_str().unwrap_or_default())?;
        let model = Model::parse(file.bytes()).map_err(|error| error.to_string())?;
        let prediction = coefficients.predict(target, &model).ok_or("a target that was not measured")?;
        let sum = prediction.instructions().ok_or("an operator that was not measured")? as f64;
        let [ops, channels] = savings(model.artifact()).map(|count| count / measured);
        let less = (sum - measured) / measured;
        (a, b, c) = (a + ops * ops, b + ops * channels, c + channels * channels);
        right = [right[0] + ops * less, right[1] + channels * less];
    }
    let determinant = a * c - b * b;
    let both = [(right[0] * c - right[1] * b) / determinant, (right[1] * a - right[0] * b) / determinant];
    let saved = if both.iter().all(|&saved| saved >= 0.0) { both } else { [(right[0] / a).max(0.0), 0.0] };
    Ok(saved.map(f64::round))
}

fn fit(artifacts: &[AlignedBytes], tick: f64, ops: &Path) -> Result<TargetCoefficients, Box<dyn Error>> {
    let mut measurements = Measurements::default();
    for line in fs::read_to_string(ops)?.lines() {
        let numbers = line.split_whitespace().map(str::parse::<u32>).collect::<Result<Vec<_>, _>>()?;
        let [case, index, ticks] = numbers[..] else { return Err(format!("not a measured op: {line}").into()) };
        let file = artifacts.get(case as usize).ok_or("a case that is not in the file")?;
        let model = Model::parse(file.bytes()).map_err(|error| error.to_string())?;
        let op = model.artifact().op(index as usize).ok_or("an op that the case has not")?;
        measurements.add(&op, f64::from(ticks) * tick);
    }
    Ok(measurements.fit())
}
