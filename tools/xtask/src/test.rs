//! `cargo xtask test`: the list of steps, in order, and the loop over them.

use std::time::Instant;

use anyhow::Result;

use crate::context::Context;
use crate::report::{Report, Verdict};
use crate::setup::{self, Need};
use crate::{aarch64, lint, mcu, nextest, no_panic, train, web};

/// One thing that must hold.
pub struct Step {
    /// Its name; a part before a slash names the group, the part after it is the variant given to `run`.
    pub name: &'static str,
    /// What it does, for the heading.
    pub about: &'static str,
    /// What must be on the machine.
    pub needs: &'static [Need],
    /// Whether the step may be skipped even when setting up was asked for.
    pub optional: bool,
    /// Runs it; the text is one line for the closing table, or empty.
    pub run: fn(&mut Context, variant: &str) -> Result<String>,
}

const WASM: &str = "wasm32-unknown-unknown";
const CORTEX_M0: &str = "thumbv6m-none-eabi";
const CORTEX_M4F: &str = "thumbv7em-none-eabihf";
const CORTEX_M3: &str = "thumbv7m-none-eabi";
const CORTEX_M33: &str = "thumbv8m.main-none-eabihf";
const RISCV: &str = "riscv32imc-unknown-none-elf";

const REQUIRED: Step = Step { name: "", about: "", needs: &[], optional: false, run: |_, _| Ok(String::new()) };

/// All steps, in the order they run: what fails quickly comes first.
pub const STEPS: &[Step] = &[
    Step { name: "fmt", about: "cargo fmt --check", run: lint::fmt, ..REQUIRED },
    Step { name: "clippy", about: "every lint on every target of the workspace", run: lint::clippy, ..REQUIRED },
    Step {
        name: "test",
        about: "all tests, optimised, with overflow checks",
        needs: &[Need::Nextest],
        run: nextest::tests,
        ..REQUIRED
    },
    Step { name: "doc", about: "the examples in the documentation", run: nextest::doc_tests, ..REQUIRED },
    Step { name: "train", about: "training: its lints and tests", run: train::tests, ..REQUIRED },
    Step {
        name: "aarch64",
        about: "every vector kernel of AArch64 gives the oracle's bits, in an emulator",
        needs: &[Need::Target(aarch64::TARGET), Need::GccAarch64, Need::QemuAarch64],
        // Its standard library is not built from source, so a machine that rustup's server is out of reach of goes without.
        optional: true,
        run: aarch64::step,
    },
    no_std("no-std/thumbv6m-none-eabi", &[Need::Target(CORTEX_M0)]),
    no_std("no-std/thumbv7em-none-eabihf", &[Need::Target(CORTEX_M4F)]),
    no_std("no-std/riscv32imc-unknown-none-elf", &[Need::Target(RISCV)]),
    no_std("no-std/wasm32-unknown-unknown", &[Need::Target(WASM)]),
    no_panic("no-panic/thumbv7em-none-eabihf", &[Need::Target(CORTEX_M4F)]),
    no_panic("no-panic/wasm32-unknown-unknown", &[Need::Target(WASM)]),
    in_browser("wasm/size", "what a page downloads is within its budget", web::size),
    in_browser("wasm/node", "the same bits in Node.js as on the host, in every build it runs", web::parity),
    in_browser("wasm/browser", "the same bits in Chromium as on the host, in every build", web::parity),
    in_browser("wasm/interface", "the npm package in Node.js and in a page under a strict policy", web::interface),
    in_browser("wasm/demo", "the demo recognises digits, works offline and looks as it did", web::demo_test),
    Step {
        name: "report",
        about: "the report of `bantam shrink` in a browser: every plot, no error, no sideways scrolling on a phone",
        needs: &[Need::Node, Need::NodeModules, Need::Chromium],
        run: web::report,
        ..REQUIRED
    },
    in_browser("wasm/packaging", "the npm package through bundlers, Next.js, Node.js and TypeScript", web::packaging),
    on_board("mcu/cortex-m0", &[Need::Target(CORTEX_M0), Need::Qemu]),
    on_board("mcu/cortex-m3", &[Need::Target(CORTEX_M3), Need::Qemu]),
    on_board("mcu/cortex-m4f", &[Need::Target(CORTEX_M4F), Need::Qemu]),
    on_board("mcu/cortex-m33", &[Need::Target(CORTEX_M33), Need::Qemu]),
    on_board("mcu/cortex-m55", &[Need::Target(CORTEX_M33), Need::Qemu]),
    on_board("mcu/riscv32imc", &[Need::Target(RISCV), Need::QemuRiscv]),
    Step {
        name: "mcu/start",
        about: "the README's first program for a microcontroller",
        needs: &[Need::Target(CORTEX_M4F), Need::Qemu],
        run: mcu::start,
        ..REQUIRED
    },
    Step {
        name: "mcu/boards",
        about: "the example on real chips, built",
        needs: &[Need::Target(CORTEX_M0), Need::Target(CORTEX_M4F), Need::Target(RISCV)],
        run: mcu::boards,
        ..REQUIRED
    },
    Step {
        name: "deny",
        about: "licences, bans and sources of all dependencies",
        needs: &[Need::Deny],
        optional: true,
        run: lint::deny,
    },
];

const fn in_browser(name: &'static str, about: &'static str, run: fn(&mut Context, &str) -> Result<String>) -> Step {
    Step { name, about, needs: &[Need::Target(WASM), Need::Node, Need::NodeModules, Need::Chromium], run, ..REQUIRED }
}

const fn no_std(name: &'static str, needs: &'static [Need]) -> Step {
    Step { name, about: "the runtime without and with alloc", needs, run: lint::no_std, ..REQUIRED }
}

const fn no_panic(name: &'static str, needs: &'static [Need]) -> Step {
    Step { name, about: "no panic can be reached in the runtime", needs, run: no_panic::step, ..REQUIRED }
}

const fn on_board(name: &'static str, needs: &'static [Need]) -> Step {
    Step { name, about: "the same bits on an emulated board, within the budgets", needs, run: mcu::step, ..REQUIRED }
}

/// Runs the selected steps (none selected: all); true when none failed.
pub fn run(context: &mut Context, set_up: bool, only: &[String]) -> Result<bool> {
    let steps: Vec<&Step> =
        STEPS.iter().filter(|step| only.is_empty() || only.iter().any(|name| step.matches(name))).collect();
    let mut report = Report::new();
    if set_up {
        report.heading("setup", "installing what is missing");
        let needs: Vec<Need> = steps.iter().flat_map(|step| step.needs).copied().collect();
        setup::install(context, &needs);
    }
    for step in steps {
        report.heading(step.name, step.about);
        let start = Instant::now();
        let (verdict, note) = step.outcome(context, set_up);
        if verdict != Verdict::Passed {
            println!("{}: {verdict}: {note}", step.name);
        }
        report.record(step.name, verdict, start.elapsed(), note);
    }
    Ok(report.finish())
}

/// Checks a name given to `--only`.
pub fn step_name(name: &str) -> Result<String, String> {
    if STEPS.iter().any(|step| step.matches(name)) {
        return Ok(name.to_owned());
    }
    let names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
    Err(format!("the steps are {}", names.join(", ")))
}

impl Step {
    fn matches(&self, name: &str) -> bool {
        self.name == name || self.name.split_once('/').is_some_and(|(group, _)| group == name)
    }

    fn outcome(&self, context: &mut Context, set_up: bool) -> (Verdict, String) {
        let required = self.needs.iter().filter(|need| need.is_required());
        let missing: Vec<_> = required.filter_map(|need| need.missing(context)).map(|it| it.to_string()).collect();
        if !missing.is_empty() {
            let verdict = if set_up && !self.optional { Verdict::Failed } else { Verdict::Skipped };
            return (verdict, missing.join("; "));
        }
        let variant = self.name.split_once('/').map_or("", |(_, variant)| variant);
        match (self.run)(context, variant) {
            Ok(note) => (Verdict::Passed, note),
            Err(error) => (Verdict::Failed, format!("{error:#}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_selects_all_its_steps() {
        let count = |name: &str| STEPS.iter().filter(|step| step.matches(name)).count();
        assert_eq!(count("no-std"), 4);
        assert_eq!(count("mcu/cortex-m0"), 1);
        assert_eq!(count("mcu/"), 0);
        assert!(step_name("wasm").is_ok());
        assert!(step_name("wasmm").unwrap_err().contains("wasm/node"));
    }
}
