//! The emulated boards.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::program::Program;
use crate::process::Run;

/// A core, and what stands for a board with it.
pub struct Board {
    /// As in the names of steps and rows.
    pub name: &'static str,
    /// The compiler's target.
    pub target: &'static str,
    /// The core, where the target does not tell what it has.
    pub core: Option<&'static str>,
    /// Whether floats are computed in software: a program of integers must hold no such routine.
    pub soft_float: bool,
    /// What the programs run on.
    machine: Machine,
    /// What those run on that `embedded/firmware/build.rs` links for a larger memory.
    large: Machine,
}

/// An emulated machine.
#[derive(Clone, Copy)]
pub struct Machine {
    emulator: &'static str,
    arguments: &'static [&'static str],
    /// Instructions from one tick of its timer to the next, one instruction taking a nanosecond.
    pub tick: f64,
}

const MICROBIT: Machine = Machine { emulator: "qemu-system-arm", arguments: &["-machine", "microbit"], tick: 62.5 };
const AN385: Machine = Machine { emulator: "qemu-system-arm", arguments: &["-machine", "mps2-an385"], tick: 40.0 };
const AN386: Machine = Machine { emulator: "qemu-system-arm", arguments: &["-machine", "mps2-an386"], tick: 40.0 };
const AN505: Machine = Machine { emulator: "qemu-system-arm", arguments: &["-machine", "mps2-an505"], tick: 50.0 };
const AN547: Machine = Machine { emulator: "qemu-system-arm", arguments: &["-machine", "mps3-an547"], tick: 31.25 };
const VIRT: Machine =
    Machine { emulator: "qemu-system-riscv32", arguments: &["-machine", "virt", "-bios", "none"], tick: 1.0 };

/// All of them. The larger machine of the Cortex-M0 has a Cortex-M3, which runs the same instructions.
pub const BOARDS: [Board; 6] = [
    Board { large: AN385, ..board("cortex-m0", "thumbv6m-none-eabi", MICROBIT, true) },
    board("cortex-m3", "thumbv7m-none-eabi", AN385, true),
    board("cortex-m4f", "thumbv7em-none-eabihf", AN386, false),
    Board { core: Some("cortex-m33"), ..board("cortex-m33", "thumbv8m.main-none-eabihf", AN505, false) },
    Board { core: Some("cortex-m55"), ..board("cortex-m55", "thumbv8m.main-none-eabihf", AN547, false) },
    board("riscv32imc", "riscv32imc-unknown-none-elf", VIRT, true),
];

const fn board(name: &'static str, target: &'static str, machine: Machine, soft_float: bool) -> Board {
    Board { name, target, core: None, soft_float, machine, large: machine }
}

impl Board {
    /// The board of that name.
    pub fn find(name: &str) -> Option<&'static Self> {
        BOARDS.iter().find(|board| board.name == name)
    }

    /// What a program runs on.
    pub fn machine(&self, program: &Program) -> Machine {
        if program.large { self.large } else { self.machine }
    }
}

impl Machine {
    /// Runs an image in a folder, where it finds and leaves its files, until it ends the run; returns what it printed.
    pub fn run(self, image: &Path, folder: &Path) -> Result<String> {
        let (text, result) = Run::new(self.emulator)
            .args(self.arguments)
            .args(["-display", "none", "-monitor", "none", "-serial", "none", "-icount", "shift=0"])
            .args(["-chardev", "stdio,id=host", "-semihosting-config", "enable=on,target=native,chardev=host"])
            .arg("-kernel")
            .arg(image)
            .current_dir(folder)
            .limit(Duration::from_secs(300))
            .capture()?;
        if result.is_err() {
            eprint!("{text}");
        }
        result.map(|()| text)
    }
}
