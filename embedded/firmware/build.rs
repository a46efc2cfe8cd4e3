//! Picks the linker script of the machine that stands for the board.

use std::path::PathBuf;
use std::{env, fs};

/// On a Cortex-M0, the programs that need more memory than the micro:bit has; they run on a larger machine.
const LARGE: [&str; 3] = ["cases", "ic", "ic_session"];

fn main() {
    println!("cargo:rerun-if-env-changed=BANTAM_BOARD");
    println!("cargo:rerun-if-changed=memory");
    println!("cargo:rerun-if-changed=src/bin");
    let output = PathBuf::from(env::var_os("OUT_DIR").expect("Cargo sets OUT_DIR"));
    let board = env::var("BANTAM_BOARD").expect("BANTAM_BOARD names the board: see `cargo xtask mcu --help`");
    let (small, large) = match board.as_str() {
        "cortex-m0" => ("nrf51", "mps2"),
        "cortex-m3" | "cortex-m4f" => ("mps2", "mps2"),
        "cortex-m33" => ("an505", "an505"),
        "cortex-m55" => ("an547", "an547"),
        "riscv32imc" => ("virt", "virt"),
        other => panic!("there is no board {other}"),
    };
    for entry in fs::read_dir("src/bin").expect("src/bin") {
        let path = entry.expect("a file in src/bin").path();
        if path.extension().is_none_or(|ending| ending != "rs") {
            continue;
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let machine = if LARGE.contains(&&*name) { large } else { small };
        // link.x of the start-up crate includes memory.x from the linker's search path.
        let folder = output.join(machine);
        fs::create_dir_all(&folder).expect("a folder for the script");
        fs::copy(format!("memory/{machine}.x"), folder.join("memory.x")).expect("a copy of the script");
        // What link.x takes from a device's crate: names of interrupts, of which there are none.
        fs::write(folder.join("device.x"), "").expect("an empty script");
        println!("cargo:rustc-link-arg-bin={name}=-L{}", folder.display());
        if board == "riscv32imc" {
            println!("cargo:rustc-link-arg-bin={name}=-Tmemory.x");
        }
        println!("cargo:rustc-link-arg-bin={name}=-Tlink.x");
        // The images are loaded where they are linked; padding segments to pages would only waste flash.
        println!("cargo:rustc-link-arg-bin={name}=--nmagic");
    }
}
