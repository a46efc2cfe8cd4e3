//! The developer's command, run as `cargo xtask`.
//!
//! `cargo xtask test` runs everything that must hold before a change is taken; `--setup` first installs what the
//! steps need. The same line is what continuous integration runs, so a green run here is a green run there.

mod bench;
mod conformance;
mod context;
mod embedded;
mod lint;
mod networks;
mod nextest;
mod process;
mod python;
mod report;
mod rust_std;
mod setup;
mod test;
mod tflite;
mod web;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use context::Context;

/// Bantam's developer command.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run every check in order: format, lints, tests, no_std builds, wasm parity, emulated boards.
    Test {
        /// Install missing tools first; a step that still cannot run then fails instead of being skipped.
        #[arg(long)]
        setup: bool,
        /// Run one step, or the group of steps before a slash (`--only no-std`). May be repeated.
        #[arg(long, value_name = "STEP", value_parser = test::step_name)]
        only: Vec<String>,
    },
    /// Import and run the ONNX standard's own cases, a tenth of them in the wasm build too; fails if a result is wrong.
    Conformance {
        /// What runs the imported graphs: `runtime`, in floats, or the host's `executor`, with its `passes` or without.
        #[arg(long, default_value = "runtime")]
        engine: String,
        /// Print totals as JSON: passed, refused, failed, per group and operator.
        #[arg(long)]
        json: bool,
    },
    /// Check random small networks: import, passes, floats and 8 bits, against an independent reference.
    Networks {
        /// The seed of the first network; the others follow.
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// How many.
        #[arg(long, default_value_t = 1000)]
        count: u64,
        /// Also write the ONNX files to this folder.
        #[arg(long, value_name = "FOLDER")]
        save: Option<String>,
    },
    /// Run whole TensorFlow Lite models on seeded inputs beside TensorFlow Lite Micro itself; fails if a bit differs.
    Tflite {
        /// Inputs of each model.
        #[arg(long, default_value_t = 1000)]
        count: u32,
        /// Further models with one 8-bit input and one 8-bit output.
        models: Vec<PathBuf>,
    },
    /// Measure this machine's time per run beside that of onnxruntime, LiteRT and tract, one thread each.
    Bench {
        /// Alternating samples of each engine.
        #[arg(long, default_value_t = 15)]
        rounds: u32,
        /// Measure tract too; compiling it with full optimisation takes some ten minutes.
        #[arg(long)]
        tract: bool,
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
        /// Where: `native`.
        #[arg(value_parser = ["native"])]
        place: String,
    },
    /// Install what the steps of `test` need: compiler targets, emulator, browser, node modules.
    Setup {
        /// Build this target's standard library from source, as is done where rustup's server is out of reach.
        #[arg(long, value_name = "TARGET", hide = true)]
        from_source: Option<String>,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<bool> {
    let mut context = Context::new()?;
    match command {
        Command::Test { setup, only } => test::run(&mut context, setup, &only),
        Command::Conformance { engine, json } => conformance::run(&context, &engine, json),
        Command::Networks { seed, count, save } => networks::run(&context, seed, count, save.as_deref()),
        Command::Tflite { count, models } => tflite::run(&context, count, &models),
        Command::Bench { rounds, tract, json, place: _ } => bench::native(&context, rounds, tract, json),
        Command::Setup { from_source: Some(target) } => rust_std::install(&context, &target).map(|()| true),
        Command::Setup { from_source: None } => {
            let every_need: Vec<_> = test::STEPS.iter().flat_map(|step| step.needs).copied().collect();
            setup::install(&context, &every_need);
            Ok(setup::print_missing(&context, &every_need))
        }
    }
}
