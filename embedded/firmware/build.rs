//! Picks the linker script of the board that stands for the target, and lays the fixtures where the code finds them.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// What `include_bytes!` reads: the digits artifact, its inputs and the host's outputs.
const FIXTURES: [&str; 3] = ["digits.bantam", "inputs.bin", "outputs.bin"];

fn main() {
    let output = PathBuf::from(env::var_os("OUT_DIR").expect("Cargo sets OUT_DIR"));

    let target = env::var("TARGET").expect("Cargo sets TARGET");
    println!("cargo:rustc-check-cfg=cfg(smallest)");
    let (script, cases) = match target.as_str() {
        "thumbv7em-none-eabihf" => ("memory/mps2.x", "cases.bin"),
        "thumbv6m-none-eabi" => {
            println!("cargo:rustc-cfg=smallest");
            ("memory/nrf51.x", "cases-small.bin")
        }
        other => panic!("no board stands for {other}: build for thumbv7em-none-eabihf or thumbv6m-none-eabi"),
    };
    // cortex-m-rt's link.x includes memory.x from the linker's search path.
    copy(Path::new(script), &output.join("memory.x"));
    println!("cargo:rustc-link-search={}", output.display());
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    // The images are loaded where they are linked; padding segments to pages would only waste flash.
    println!("cargo:rustc-link-arg-bins=--nmagic");

    println!("cargo:rerun-if-env-changed=BANTAM_FIXTURES");
    let fixtures = env::var_os("BANTAM_FIXTURES").map(PathBuf::from);
    let fixtures = fixtures.expect("BANTAM_FIXTURES names the directory that parity-fixtures wrote");
    for file in FIXTURES {
        copy(&fixtures.join(file), &output.join(file));
    }
    copy(&fixtures.join(cases), &output.join("cases.bin"));
}

fn copy(from: &Path, to: &Path) {
    println!("cargo:rerun-if-changed={}", from.display());
    if let Err(error) = fs::copy(from, to) {
        panic!("copying {}: {error}", from.display());
    }
}
