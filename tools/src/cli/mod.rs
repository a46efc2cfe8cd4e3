//! The command line: arguments in, tables or JSON out. No logic of its own.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage. With `--json` standard output is one JSON document; notes and
//! progress go to standard error, progress only on a terminal.

mod bench;
mod diff;
mod eval;
mod inspect;
mod output;
mod run;
mod shrink;

use crate::folder::{DESCRIPTION, ModelFolder};
use crate::import::onnx::ImportOptions;
use clap::{Args, Parser, Subcommand};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What every subcommand returns: whether its check held.
type Outcome = Result<bool, Box<dyn std::error::Error>>;

/// Shrinks trained models into small files that run in browsers, on phones and on microcontrollers, with the same
/// bits everywhere.
#[derive(Debug, Parser)]
#[command(name = "bantam", version, max_term_width = 100, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Shrink(shrink::Shrink),
    Run(run::Run),
    Eval(eval::Eval),
    Inspect(inspect::Inspect),
    Diff(diff::Diff),
    Bench(bench::Bench),
}

/// Sizes that a model leaves open.
#[derive(Debug, Args)]
struct Shapes {
    /// Size of a free dimension of the model, such as `sequence=128`; may be repeated. A free batch is 1
    #[arg(long = "shape", value_name = "NAME=SIZE", value_parser = parse_shape)]
    shapes: Vec<(String, usize)>,
}

impl Shapes {
    fn options(&self) -> ImportOptions {
        ImportOptions { shapes: self.shapes.iter().cloned().collect::<BTreeMap<_, _>>(), ..Default::default() }
    }
}

fn parse_shape(text: &str) -> Result<(String, usize), String> {
    let (name, size) = text.split_once('=').ok_or("expected NAME=SIZE, such as sequence=128")?;
    let size = size.parse::<usize>().ok().filter(|&size| size > 0).ok_or("the size must be a whole number above 0")?;
    Ok((name.to_owned(), size))
}

/// The data to score on: a file as it is, or what a model folder names.
fn evaluation_data(path: &Path) -> Result<PathBuf, Box<dyn std::error::Error>> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let file = path.join(DESCRIPTION);
    ModelFolder::open(path)?.evaluation.ok_or_else(|| {
        format!("'{}' names no evaluation data; add [evaluation] with data = \"FILE\"", file.display()).into()
    })
}

/// Refuses, before any work is done, an output that is a folder or one of the files that are read.
fn check_output(output: &Path, read: &[&Path]) -> Result<(), String> {
    if output.is_dir() {
        return Err(format!("cannot write '{}': it is a folder; give the name of a file", output.display()));
    }
    let same = |a: &Path, b: &Path| matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b);
    match read.iter().find(|path| same(path, output)) {
        Some(path) => Err(format!(
            "cannot write '{}': that would replace '{}', which is read; give another name",
            output.display(),
            path.display()
        )),
        None => Ok(()),
    }
}

/// Parses the arguments of the process and does what they say.
#[must_use]
pub fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Shrink(command) => command.run(),
        Command::Run(command) => command.run(),
        Command::Eval(command) => command.run(),
        Command::Inspect(command) => command.run(),
        Command::Diff(command) => command.run(),
        Command::Bench(command) => command.run(),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            output::note(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}
