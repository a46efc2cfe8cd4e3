//! Runs the ONNX standard's own cases: imports each, runs it on an engine and compares the results.
//!
//!     conformance --cases FOLDER [--engine runtime|executor|passes] [--json] [--refusals] [--record FOLDER]
//!
//! `FOLDER` is what `tools/conformance/write_cases.py` wrote. A case passes if every result agrees with the standard's,
//! is refused if the importer or the lowering says that it cannot be expressed, and fails otherwise; a failure is an
//! error in this tool, and the exit status says whether there was one. The runtime's results are those of an artifact
//! in 32-bit floats; the executor runs the same graphs as a check of both. `cargo xtask conformance` does all of it.

mod cases;
mod compare;
mod engine;
mod record;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use cases::Verdict;
use engine::Engine;
use record::Recorder;
use report::Report;

/// Runs the cases of the ONNX standard.
#[derive(Parser)]
struct Arguments {
    /// The folder of cases.
    #[arg(long)]
    cases: PathBuf,
    /// What runs the imported graphs.
    #[arg(long, value_enum, default_value = "runtime")]
    engine: Engine,
    /// Only cases whose name, kind or operator contains this.
    #[arg(long)]
    only: Option<String>,
    /// Write every tenth run of the runtime that passes into this folder, to be repeated elsewhere.
    #[arg(long)]
    record: Option<PathBuf>,
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
    let recording = |error| cases::Error::Record(error);
    let mut recorder = arguments.record.as_deref().map(Recorder::new).transpose().map_err(recording)?;
    // A panic is reported with the case that it belongs to.
    std::panic::set_hook(Box::new(|_| {}));
    for case in cases::list(&arguments.cases)? {
        let wanted =
            |only: &String| case.name.contains(only) || case.kind.contains(only) || case.operator.contains(only);
        if arguments.only.as_ref().is_none_or(wanted) {
            let outcome = cases::run(&arguments.cases, &case, arguments.engine)?;
            if let (Some(recorder), Some(record), Verdict::Passed) = (&mut recorder, &outcome.record, &outcome.verdict)
            {
                recorder.add(&case.name, record).map_err(recording)?;
            }
            report.add(&case, outcome);
        }
    }
    if let Some(recorder) = recorder {
        recorder.finish().map_err(recording)?;
    }
    if arguments.json {
        println!("{}", report.json());
    } else {
        print!("{}", report.text(arguments.refusals));
    }
    Ok(report.failed() == 0)
}
