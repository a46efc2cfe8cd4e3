//! `cargo xtask mcu`: the firmware of `embedded/firmware/` on emulated boards: the same bits, measured.
//!
//! Models are made by the tool when they are needed; nothing of `../shared` is committed. Where that folder is missing, what
//! needs its models is left out, which one line says.

mod board;
mod boards;
mod image;
mod models;
mod program;
mod start;
mod table;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

pub use board::{BOARDS, Board};
pub use boards::{chips, step as boards};
use image::Image;
pub use models::models_folder;
use program::{PROGRAMS, Program};
pub use start::step as start;
use table::Row;
pub use table::thousands;

use crate::context::Context;
use crate::process::Run;

/// What to do with what was measured.
#[derive(Clone, Copy, Default)]
pub struct Show {
    /// Print the rows as a table.
    pub table: bool,
    /// Print the rows as JSON.
    pub json: bool,
    /// Make them the baseline and the table in the README.
    pub bless: bool,
    /// Fit the estimates of `bantam inspect --target` to the ops of all cases.
    pub fit: bool,
}

/// Runs everything on these boards (none named: all); true if nothing is wrong.
pub fn run(context: &mut Context, names: &[String], show: Show) -> Result<bool> {
    let boards: Vec<&Board> =
        BOARDS.iter().filter(|board| names.is_empty() || names.iter().any(|name| name == board.name)).collect();
    let mut rows = Vec::new();
    for board in boards {
        eprintln!("{}: building and running", board.name);
        let measured = measure(context, board)?;
        eprintln!("{}: {}", board.name, measured.note);
        rows.extend(measured.rows);
    }
    if show.json {
        print!("{}", table::to_json(&rows));
    }
    if show.table {
        print!("{}", table::to_markdown(&rows));
    }
    table::check_budgets(&rows)?;
    if show.bless {
        bless(context, rows.clone())?;
    }
    if show.fit {
        fit(context)?;
    }
    if !show.bless {
        table::compare(&rows, &table::baseline(&context.root)?)?;
    }
    Ok(true)
}

/// One board as a step of `cargo xtask test`: bits, budgets and baseline.
pub fn step(context: &mut Context, board: &str) -> Result<String> {
    let board = Board::find(board).with_context(|| format!("no board {board}"))?;
    let measured = measure(context, board)?;
    table::check_budgets(&measured.rows)?;
    table::compare(&measured.rows, &table::baseline(&context.root)?)?;
    Ok(measured.note)
}

/// `cargo` on the firmware's own workspace.
pub fn cargo(context: &Context, command: &str) -> Run {
    context.cargo().args([command, "--manifest-path", "embedded/firmware/Cargo.toml"])
}

/// What running a board's programs gave.
struct Measured {
    rows: Vec<Row>,
    note: String,
}

/// Lints, builds and runs the programs for which there are models.
fn measure(context: &mut Context, board: &Board) -> Result<Measured> {
    let data = models::prepare(context)?;
    let programs: Vec<&Program> =
        PROGRAMS.iter().filter(|program| program.models.iter().all(|name| data.has(name))).collect();
    build(context, board, &programs)?;
    let images = output(context).join(board.target).join("release");
    let (mut rows, mut said) = (Vec::new(), Vec::new());
    for program in &programs {
        let path = images.join(program.name);
        let folder = context.target.join("mcu").join(board.name).join(program.name);
        let outcome = program
            .check(board, &Image::read(&path)?, &path, &data.folder, &folder)
            .with_context(|| format!("{} on {}", program.name, board.name))?;
        rows.extend(outcome.row);
        if program.name == "cases" {
            said.push(format!("{} cases", data.cases));
            fs::write(folder.join("ops"), outcome.ops.join("\n"))?;
        }
    }
    let note = format!("{} programs, {}, no bit differs", programs.len(), said.join(", "));
    Ok(Measured { rows, note: format!("{note}{}", data.missing_note()) })
}

/// Where the firmware is built.
fn output(context: &Context) -> PathBuf {
    context.target.join("firmware")
}

fn build(context: &Context, board: &Board, programs: &[&Program]) -> Result<()> {
    firmware(context, board, programs, "clippy").args(["--", "-D", "warnings"]).status()?;
    firmware(context, board, programs, "build").status()
}

fn firmware(context: &Context, board: &Board, programs: &[&Program], command: &str) -> Run {
    let run = cargo(context, command)
        .args(["--quiet", "--release", "--locked", "--target", board.target, "--target-dir"])
        .arg(output(context))
        .env("BANTAM_BOARD", board.name)
        .arg("--lib")
        .args(programs.iter().flat_map(|program| ["--bin", program.name]));
    match board.core {
        Some(core) => run.env("CARGO_ENCODED_RUSTFLAGS", format!("-Ctarget-cpu={core}")),
        None => run,
    }
}

/// The program that runs a folder of models, and its image for a board.
pub fn cases(context: &Context, board: &Board) -> Result<(&'static Program, PathBuf)> {
    let program = PROGRAMS.iter().find(|program| program.name == "cases").context("a program of cases")?;
    firmware(context, board, &[program], "build").status()?;
    Ok((program, output(context).join(board.target).join("release").join(program.name)))
}

/// Writes the rows where they are committed: all boards and all models, or nothing.
fn bless(context: &Context, mut rows: Vec<Row>) -> Result<()> {
    let measured = PROGRAMS.iter().filter(|program| program.is_measured()).count();
    if rows.len() != measured * BOARDS.len() {
        bail!("a baseline takes all boards and all models; only {} rows were measured", rows.len());
    }
    let order = |row: &Row| PROGRAMS.iter().position(|program| program.models.first() == Some(&&*row.model));
    let board = |row: &Row| BOARDS.iter().position(|board| board.name == row.target);
    rows.sort_by_key(|row| (order(row), row.mode, board(row)));
    fs::write(context.root.join(table::BASELINE), table::to_json(&rows))?;
    table::into_readme(&context.root.join("README.md"), &rows)?;
    eprintln!("written: {} and the table in README.md", table::BASELINE);
    Ok(())
}

/// Fits the coefficients of the estimates to what the boards told of every op, and prints how far off they are for the
/// rows of the baseline.
fn fit(context: &Context) -> Result<()> {
    let tool = context.checked_program("fit-instructions")?;
    let mut run = Run::new(tool)
        .arg(context.target.join("mcu/data/cases"))
        .arg(context.root.join(table::BASELINE))
        .arg(models_folder())
        .arg(context.root.join("tools/src/cost/coefficients.json"));
    let cases = PROGRAMS.iter().find(|program| program.name == "cases").context("a program of cases")?;
    for board in &BOARDS {
        let ops = context.target.join("mcu").join(board.name).join(cases.name).join("ops");
        if !ops.is_file() {
            bail!("{} was not run: `cargo xtask mcu --fit` without names of boards runs all", board.name);
        }
        run = run.args([board.name, &board.machine(cases).tick.to_string()]).arg(ops);
    }
    run.status()
}

/// The path of a file in the tree, from wherever the command runs.
fn in_tree(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}
