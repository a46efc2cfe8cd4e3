//! `bantam bench`.

use super::Outcome;
use super::output::{bytes, print, print_json, print_table, shape, short, table, thousands};
use crate::bench::{self, Load, Memory, OpTime};
use crate::subject::ArtifactFile;
use bantam::{Backend, DataType, Model};
use clap::Args;
use std::path::PathBuf;

/// Measure how long a run takes on this machine, on one thread
#[derive(Debug, Args)]
pub(super) struct Bench {
    /// The .bantam file
    model: PathBuf,
    /// Measure every operator
    #[arg(long)]
    profile: bool,
    /// Batches of runs to measure, each of 10 ms or more
    #[arg(long, default_value_t = bench::SAMPLES)]
    samples: usize,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

impl Bench {
    pub fn run(&self) -> Outcome {
        let artifact = ArtifactFile::load(&self.model)?;
        let model = artifact.model();
        let samples = self.samples.max(1);
        let load = Load::measure(&model, samples)?;
        let mut memory = Memory::for_model(&model);
        let pack_bytes = memory.pack_bytes();
        let mut bench = bench::Bench::new(&model, &mut memory)?;
        let spread = bench.measure(samples)?;
        let profile = if self.profile { Some(bench.profile(samples)?) } else { None };
        let macs = model.artifact().macs();
        let backend = Backend::best().name();
        if self.json {
            let floats = model.inputs().all(|input| input.tensor.data_type == DataType::F32);
            let mut value = serde_json::json!({
                "model": self.model.file_stem().map(|name| name.to_string_lossy()),
                "dtype": if floats { "float32" } else { "int8" },
                "engine": "bantam",
                "version": env!("CARGO_PKG_VERSION"),
                "backend": backend,
                "clock_ghz": bench::clock_ghz(),
                "median_ms": spread.median,
                "p10_ms": spread.p10,
                "p90_ms": spread.p90,
                "ready_ms": load.parse.median + load.pack.median,
                "parse_ms": load.parse.median,
                "pack_ms": load.pack.median,
                "copy_ms": load.copy.median,
                "file_bytes": model.artifact().bytes().len(),
                "macs": macs,
                "pack_bytes": pack_bytes,
            });
            if let Some(times) = &profile {
                let row = |time: &OpTime| {
                    serde_json::json!({
                        "op": time.op, "operator": time.operator, "macs": time.macs, "median_ms": time.milliseconds,
                    })
                };
                value["ops"] = times.iter().map(row).collect();
            }
            print_json(&value);
            return Ok(true);
        }
        print(&format!(
            "{:.4} ms per run ({:.4} to {:.4}), {:.2} GMAC/s, on {backend}; packed weights and scratch {}",
            spread.median,
            spread.p10,
            spread.p90,
            rate(macs, spread.median),
            bytes(pack_bytes)
        ));
        let times = |part: f64| part / load.copy.median.max(f64::MIN_POSITIVE);
        print(&format!(
            "{:.4} ms to load: {:.4} to check the file, {:.1} times as long as copying it, {:.4} to pack the weights, {:.1} times",
            load.parse.median + load.pack.median,
            load.parse.median,
            times(load.parse.median),
            load.pack.median,
            times(load.pack.median)
        ));
        if let Some(times) = profile {
            print("");
            show(&model, &times);
        }
        Ok(true)
    }
}

/// Billions of multiply-accumulates per second.
fn rate(macs: u64, milliseconds: f64) -> f64 {
    if milliseconds > 0.0 { macs as f64 / milliseconds / 1e6 } else { 0.0 }
}

fn show(model: &Model<'_>, times: &[OpTime]) {
    let artifact = model.artifact();
    let names: Vec<&str> = artifact.names().skip(artifact.tensor_count()).collect();
    let total: f64 = times.iter().map(|time| time.milliseconds).sum();
    let mut lines = table(&["op", "operator", "input", "output", "MACs", "microseconds", "share", "GMAC/s"], 4..8);
    for (time, op) in times.iter().zip(artifact.ops()) {
        let some = |text: String| if time.macs == 0 { String::new() } else { text };
        lines.add_row([
            names.get(time.op).map_or_else(|| time.op.to_string(), |name| short(name)),
            time.operator.to_owned(),
            shape(op.input(0).shape.dimensions()),
            shape(op.output(0).shape.dimensions()),
            some(thousands(time.macs)),
            format!("{:.2}", time.milliseconds * 1e3),
            format!("{:.1} %", 100.0 * time.milliseconds / total.max(f64::MIN_POSITIVE)),
            some(format!("{:.2}", rate(time.macs, time.milliseconds))),
        ]);
    }
    print_table(&lines);
}
