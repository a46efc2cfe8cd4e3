//! Runs the ONNX standard's own cases: imports each, runs it on an engine and compares the results.
//!
//!     conformance --cases FOLDER [--engine executor|passes] [--json] [--refusals]
//!
//! `FOLDER` is what `tools/conformance/write_cases.py` wrote. A case passes if every result agrees with the standard's,
//! is refused if the importer says it cannot be expressed, and fails otherwise; a failure is an error in this tool, and
//! the exit status says whether there was one. `cargo xtask conformance` does all of it.

mod cases;
mod compare;
mod engine;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use engine::Engine;
use report::Report;

/// Runs the cases of the ONNX standard.
#[derive(Parser)]
struct Arguments {
    /// The folder of cases.
    #[arg(long)]
    cases: PathBuf,
    /// What runs the imported graphs.
    #[arg(long, value_enum, default_value = "passes")]
    engine: Engine,
    /// Only cases whose name or operator contains this.
    #[arg(long)]
    only: Option<String>,
    /// Print totals as JSON, and nothing else, on standard output.
    #[arg(long)]
    json: bool,
    /// List every refused case with its reason.
    #[arg(long)]
    refusals: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool, cases::Error> {
    let mut report = Report::new(arguments.engine.name());
    // A panic is reported with the case that it belongs to.
    std::panic::set_hook(Box::new(|_| {}));
    for case in cases::list(&arguments.cases)? {
        let wanted = |only: &String| case.name.contains(only) || case.operator.contains(only);
        if arguments.only.as_ref().is_none_or(wanted) {
            let verdict = cases::run(&arguments.cases, &case, arguments.engine)?;
            report.add(&case, verdict);
        }
    }
    if arguments.json {
        println!("{}", report.json());
    } else {
        print!("{}", report.text(arguments.refusals));
    }
    Ok(report.failed() == 0)
}
