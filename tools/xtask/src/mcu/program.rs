//! The programs of `embedded/firmware/src/bin/`, each with what it prints beside it.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use super::board::Board;
use super::image::Image;
use super::table::{Mode, Row};

/// A program.
pub struct Program {
    /// The name of its file.
    pub name: &'static str,
    /// The models that it is built with.
    pub models: &'static [&'static str],
    /// The files of the host that it reads: the name it knows, and the name in the folder of data.
    inputs: &'static [(&'static str, &'static str)],
    /// What it must write, in the folder of data.
    output: Option<&'static str>,
    /// Where it is measured, how its model runs.
    mode: Option<Mode>,
    /// Whether it computes in integers alone.
    integers: bool,
    /// Whether it needs more memory than the smallest board has.
    pub large: bool,
}

const PLAIN: Program =
    Program { name: "", models: &[], inputs: &[], output: None, mode: None, integers: false, large: false };

/// All of them, in the order they run.
pub const PROGRAMS: [Program; 14] = [
    Program { name: "boot", ..PLAIN },
    Program { name: "cases", inputs: &[("cases", "cases")], large: true, ..PLAIN },
    Program { name: "window", models: &["digits"], inputs: &[("trace", "trace")], integers: true, ..PLAIN },
    Program {
        name: "two_models",
        models: &["digits", "breast-cancer"],
        inputs: &[("digits", "two_models.input"), ("breast-cancer", "breast-cancer.input")],
        output: Some("two_models.output"),
        ..PLAIN
    },
    compiled("digits", &["digits"], &[("input", "digits.input")], "digits.output"),
    session("digits_session", &["digits"], &[("input", "digits.input")], "digits.output"),
    compiled("kws", &["kws"], &[("input", "kws.input")], "kws.output"),
    session("kws_session", &["kws"], &[("input", "kws.input")], "kws.output"),
    Program { large: true, ..compiled("ic", &["ic"], &[("input", "ic.input")], "ic.output") },
    Program { large: true, ..session("ic_session", &["ic"], &[("input", "ic.input")], "ic.output") },
    compiled("hello_world", &["hello_world"], &[("input", "hello_world.input")], "hello_world.output"),
    session("hello_world_session", &["hello_world"], &[("input", "hello_world.input")], "hello_world.output"),
    compiled("micro_speech", &["micro_speech"], &[("input", "micro_speech.input")], "micro_speech.output"),
    session("micro_speech_session", &["micro_speech"], &[("input", "micro_speech.input")], "micro_speech.output"),
];

type Inputs = &'static [(&'static str, &'static str)];

const fn compiled(
    name: &'static str,
    models: &'static [&'static str],
    inputs: Inputs,
    output: &'static str,
) -> Program {
    Program { name, models, inputs, output: Some(output), mode: Some(Mode::Static), integers: true, large: false }
}

const fn session(name: &'static str, models: &'static [&'static str], inputs: Inputs, output: &'static str) -> Program {
    Program { mode: Some(Mode::Dynamic), ..compiled(name, models, inputs, output) }
}

/// Lines that start so are for this command; all others are what stands beside the program.
const MARKS: [&str; 3] = ["measured:", "clock:", "op "];

/// The names of the routines that compute floats in software.
fn is_soft_float(symbol: &str) -> bool {
    let named = ["__aeabi_f", "__aeabi_d", "__aeabi_cf", "__aeabi_cd"].iter().any(|start| symbol.starts_with(start));
    let ends = ["sf2", "df2", "sf3", "df3", "sfsi", "dfsi", "sfdi", "dfdi"].iter().any(|end| symbol.ends_with(end));
    let turned = ["__floatsi", "__floatunsi", "__floatdi", "__floatundi"].iter().any(|it| symbol.starts_with(it));
    named || (symbol.starts_with("__") && ends) || turned
}

impl Program {
    /// Whether it gives a row.
    pub fn is_measured(&self) -> bool {
        self.mode.is_some()
    }

    /// Runs it on a board, checks everything it says and hands over, and returns its row where it is measured, and the
    /// lines about single ops.
    pub fn check(&self, board: &Board, image: &Image, path: &Path, data: &Path, folder: &Path) -> Result<Outcome> {
        fs::create_dir_all(folder)?;
        for (name, from) in self.inputs {
            let from = data.join(from);
            fs::copy(&from, folder.join(name)).with_context(|| format!("copying {}", from.display()))?;
        }
        let machine = board.machine(self);
        let text = machine.run(path, folder)?;
        let (marked, said): (Vec<&str>, Vec<&str>) =
            text.lines().partition(|line| MARKS.iter().any(|mark| line.starts_with(mark)));
        self.compare(&said)?;
        if let Some(expected) = self.output {
            let same = fs::read(folder.join("output"))? == fs::read(data.join(expected))?;
            ensure!(same, "the output is not that of {expected}, bit for bit");
        }
        let words = |mark: &str| marked.iter().find_map(|line| line.strip_prefix(mark)).unwrap_or_default();
        if self.name == "boot" {
            check_clock(words("clock:"), machine.tick)?;
        }
        if board.soft_float {
            let found: Vec<&String> = image.symbols.iter().filter(|name| is_soft_float(name)).collect();
            if self.integers {
                ensure!(found.is_empty(), "it computes floats in software: {found:?}");
            } else if self.name == "boot" {
                // It multiplies floats, so that this check is seen to find something.
                ensure!(!found.is_empty(), "no routine for floats was found in boot, which multiplies two");
            }
        }
        let row = match self.mode {
            Some(mode) => Some(self.row(board, mode, image, words("measured:"))?),
            None => None,
        };
        let ops = marked.iter().filter_map(|line| line.strip_prefix("op ")).map(str::to_owned).collect();
        Ok(Outcome { row, ops })
    }

    /// What it printed is what stands beside it.
    fn compare(&self, said: &[&str]) -> Result<()> {
        let path = format!("embedded/firmware/src/bin/{}.out", self.name);
        let expected = fs::read_to_string(super::in_tree(&path)).with_context(|| format!("reading {path}"))?;
        if !expected.lines().eq(said.iter().copied()) {
            bail!("{} printed\n{}\nwhere {path} has\n{expected}", self.name, said.join("\n"));
        }
        Ok(())
    }

    fn row(&self, board: &Board, mode: Mode, image: &Image, measured: &str) -> Result<Row> {
        let words: Vec<&str> = measured.split_whitespace().collect();
        let number = |name: &str| -> Result<u64> {
            let at = words.iter().position(|&word| word == name);
            let word = at.and_then(|at| words.get(at + 1)).with_context(|| format!("{} tells no {name}", self.name))?;
            Ok(word.parse()?)
        };
        let (runs, ticks, stack, arena) = (number("runs")?, number("ticks")?, number("stack")?, number("arena")?);
        let model = self.models.first().copied().unwrap_or_default();
        let artifact = match mode {
            Mode::Static => image.constants,
            Mode::Dynamic => fs::metadata(super::models_folder().join(format!("{model}.bantam")))?.len(),
        };
        Ok(Row {
            model: model.to_owned(),
            target: board.name.to_owned(),
            mode,
            instructions: (ticks as f64 * board.machine(self).tick / runs as f64).round() as u64,
            arena_bytes: arena,
            ram_bytes: image.statics + stack,
            stack_bytes: stack.checked_sub(arena).context("the arena lies on the stack")?,
            flash_bytes: image.code.checked_sub(artifact).context("the artifact lies in the image")?,
            flash_total_bytes: image.total,
            artifact_bytes: artifact,
        })
    }
}

/// What running a program gave.
pub struct Outcome {
    /// Of a measured program.
    pub row: Option<Row>,
    /// Of each op of each case: the case, the op, ticks.
    pub ops: Vec<String>,
}

/// A loop that is so many instructions longer takes as many more by the timer, to two of its ticks.
fn check_clock(said: &str, tick: f64) -> Result<()> {
    let numbers: Vec<f64> = said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [instructions, ticks] = numbers[..] else { bail!("boot says nothing about its clock") };
    let counted = ticks * tick;
    ensure!(
        (counted - instructions).abs() <= 2.0 * tick,
        "a loop of {instructions} instructions counts {counted}: the timer does not tell instructions"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_held_to_two_ticks() {
        assert!(check_clock(" 2000000 instructions take 50001 ticks", 40.0).is_ok());
        assert!(check_clock(" 2000000 instructions take 50003 ticks", 40.0).is_err());
        assert!(check_clock("", 40.0).is_err());
    }

    #[test]
    fn routines_for_floats_are_known_by_name() {
        for name in ["__aeabi_fmul", "__aeabi_d2iz", "__mulsf3", "__adddf3", "__ltsf2", "__fixsfsi", "__floatsisf"] {
            assert!(is_soft_float(name), "{name}");
        }
        for name in ["__aeabi_memcpy", "__aeabi_uidivmod", "__aeabi_lmul", "__muldi3", "__udivsi3", "main"] {
            assert!(!is_soft_float(name), "{name}");
        }
    }
}
