//! The firmware in `embedded/firmware/`, run on emulated boards.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use crc::{CRC_32_ISO_HDLC, Crc};

use crate::context::Context;
use crate::process::Run;

/// An emulated board.
struct Board {
    name: &'static str,
    target: &'static str,
    machine: &'static [&'static str],
    /// What the compiler optimises for: the smallest board has no room for speed.
    opt_level: &'static str,
}

/// Memory sizes stand in the firmware's linker scripts.
const BOARDS: [Board; 2] = [
    Board {
        name: "cortex-m4",
        target: "thumbv7em-none-eabihf",
        machine: &["-machine", "mps2-an386", "-cpu", "cortex-m4"],
        opt_level: "3",
    },
    Board { name: "cortex-m0", target: "thumbv6m-none-eabi", machine: &["-machine", "microbit"], opt_level: "s" },
];

/// Lints, builds and runs the firmware's programs on one board; returns what they say in the end.
pub fn emulate(context: &mut Context, board: &str) -> Result<String> {
    let board = BOARDS.iter().find(|known| known.name == board).with_context(|| format!("no board {board}"))?;
    let fixtures = context.fixtures()?;
    let output = context.target.join("firmware");
    let firmware = |command: &str| {
        cargo(context, command)
            .args(["--quiet", "--release", "--locked", "--target", board.target, "--target-dir"])
            .arg(&output)
            .env("BANTAM_FIXTURES", &fixtures)
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", board.opt_level)
    };
    firmware("clippy").args(["--", "-D", "warnings"]).status()?;
    firmware("build").status()?;

    let programs = output.join(board.target).join("release");
    run(board, &programs.join("boot"))?;
    let text = run(board, &programs.join("digits"))?;
    let digits = check_digits(&text, &fixtures)?;
    let text = run(board, &programs.join("cases"))?;
    let cases = text.lines().last().context("the program printed no result")?;
    Ok(format!("{digits}; {cases}"))
}

/// `cargo` on the firmware's own workspace.
pub fn cargo(context: &Context, command: &str) -> Run {
    context.cargo().args([command, "--manifest-path", "embedded/firmware/Cargo.toml"])
}

/// Runs one program until it leaves through semihosting; returns what it printed.
fn run(board: &Board, program: &Path) -> Result<String> {
    let (text, result) = Run::new("qemu-system-arm")
        .args(board.machine)
        .args(["-nographic", "-monitor", "none", "-serial", "none"])
        .args(["-semihosting-config", "enable=on,target=native", "-kernel"])
        .arg(program)
        .limit(Duration::from_secs(300))
        .capture()?;
    print!("{text}");
    result.map(|()| text)
}

/// The device's own comparison found nothing, and its checksum of all results is that of the host's.
fn check_digits(text: &str, fixtures: &Path) -> Result<String> {
    let Some(line) = text.lines().find(|line| line.starts_with("digits:")) else {
        bail!("the program printed no result");
    };
    let outputs = fs::read(fixtures.join("outputs.bin"))?;
    let expected = format!("crc {:08x}", Crc::<u32>::new(&CRC_32_ISO_HDLC).checksum(&outputs));
    ensure!(line.contains(&expected), "the host's results have {expected}, the device says `{line}`");
    Ok(line.to_owned())
}
