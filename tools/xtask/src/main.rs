//! The developer's command, run as `cargo xtask`.
//!
//! `cargo xtask test` runs everything that must hold before a change is taken; `--setup` first installs what the
//! steps need. The same line is what continuous integration runs, so a green run here is a green run there.

mod aarch64;
mod bench;
mod cifar;
mod conformance;
mod context;
mod lint;
mod mcu;
mod networks;
mod nextest;
mod no_panic;
mod process;
mod python;
mod report;
mod rust_std;
mod setup;
mod sweep;
mod test;
mod tflite;
mod train;
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
    /// Run the firmware on emulated boards and measure it; fails if a bit differs or more is taken than the baseline lets through.
    Mcu {
        /// Boards; all where none is named.
        #[arg(value_name = "BOARD", value_parser = clap::builder::PossibleValuesParser::new(mcu::BOARDS.iter().map(|board| board.name)))]
        boards: Vec<String>,
        /// Print instructions, memory and flash of every model on every board as a table.
        #[arg(long)]
        table: bool,
        /// Print them as JSON.
        #[arg(long)]
        json: bool,
        /// Make them the baseline, and the table in the README.
        #[arg(long)]
        bless: bool,
        /// Fit the estimates of `bantam inspect --target` to what was measured.
        #[arg(long)]
        fit: bool,
    },
    /// Shrink an image classifier, to 8 bits and to 4 and 8, beside ONNX Runtime's own quantisation; fails if more is lost
    /// than promised.
    Cifar,
    /// Train students of the digits, of an image classifier and of the spoken digits, beside what they are compared with; fails if one is worse than
    /// promised.
    Distil {
        /// Only one of them: `digits`, `cifar` or `spoken-digits`.
        #[arg(value_parser = train::PARTS)]
        part: Option<String>,
    },
    /// Measure the time per run beside that of other engines, one thread each, on this machine or in its browser; what loading
    /// takes; or how cost grows with work.
    Bench {
        /// Alternating samples of each engine; natively.
        #[arg(long, default_value_t = 15)]
        rounds: u32,
        /// Measure tract too, natively; compiling it with full optimisation takes some ten minutes.
        #[arg(long)]
        tract: bool,
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
        /// Also measure these models in the browser: NAME=model.bantam,model.onnx,model.tflite; a dash where there is none.
        #[arg(long, value_name = "TRIPLE", value_parser = web::bench::triple)]
        triple: Vec<web::bench::Triple>,
        /// `native` or `web` beside other engines, `load`, or `sweep` over sizes of layers.
        #[arg(value_parser = ["native", "web", "load", "sweep"])]
        what: String,
    },
    /// Build the npm package into wasm/dist/ and print what a page downloads; fails over budget.
    Web {
        /// Link only the operators of this .bantam file, into target/web/NAME/.
        #[arg(long = "for", value_name = "MODEL")]
        model: Option<PathBuf>,
    },
    /// Build the demo and serve it on this machine until Ctrl-C.
    Demo {
        /// Where to listen, on 127.0.0.1.
        #[arg(long, default_value_t = 8000)]
        port: u16,
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
        Command::Conformance { engine, json } => conformance::run(&mut context, &engine, json),
        Command::Networks { seed, count, save } => networks::run(&context, seed, count, save.as_deref()),
        Command::Tflite { count, models } => tflite::run(&context, count, &models),
        Command::Distil { part } => train::distil(&context, part.as_deref()),
        Command::Cifar => cifar::run(&context),
        Command::Bench { rounds, tract, json, triple, what } => match &*what {
            "web" => web::bench::run(&mut context, triple, json),
            "load" => bench::load(&context, json),
            "sweep" => sweep::run(&mut context, json),
            _ => bench::native(&context, rounds, tract, json),
        },
        Command::Mcu { boards, table, json, bless, fit } => {
            mcu::run(&mut context, &boards, mcu::Show { table, json, bless, fit })
        }
        Command::Web { model } => web::run(&mut context, model.as_deref()),
        Command::Demo { port } => web::demo(&mut context, port),
        Command::Setup { from_source: Some(target) } => rust_std::install(&context, &target).map(|()| true),
        Command::Setup { from_source: None } => {
            let every_need: Vec<_> = test::STEPS.iter().flat_map(|step| step.needs).copied().collect();
            setup::install(&context, &every_need);
            Ok(setup::print_missing(&context, &every_need))
        }
    }
}
