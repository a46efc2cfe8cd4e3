//! Tells the crate what the compiler does not: whether the target has the DSP extension of Cortex-M, or is one of the small
//! cores, whose instructions are those of the first Thumb; whether it is a RISC-V of 32 bits that multiplies; whether a WebAssembly
//! module uses the products of bytes of relaxed SIMD, which `--cfg bantam_fused` leaves out.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-check-cfg=cfg(bantam_dsp, values(none(), \"optional\"))");
    println!("cargo:rustc-check-cfg=cfg(bantam_thumb1)");
    println!("cargo:rustc-check-cfg=cfg(bantam_riscv)");
    println!("cargo:rustc-check-cfg=cfg(bantam_relaxed_dot)");
    let target = env::var("TARGET").unwrap_or_default();
    let features = env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    // Without the register file of the embedded variant, which is half as large.
    let has = |name: &str| features.split(',').any(|feature| feature == name);
    if has("relaxed-simd") && env::var_os("CARGO_CFG_BANTAM_FUSED").is_none() {
        println!("cargo:rustc-cfg=bantam_relaxed_dot");
    }
    if target.starts_with("riscv32") && has("m") && !has("e") {
        println!("cargo:rustc-cfg=bantam_riscv");
    }
    if target.starts_with("thumbv6m-") {
        println!("cargo:rustc-cfg=bantam_thumb1");
    }
    if target.starts_with("thumbv7em-") {
        println!("cargo:rustc-cfg=bantam_dsp");
    }
    // Optional in Armv8-M: there where a core is named that has it.
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let named =
        ["cortex-m33", "cortex-m35p", "cortex-m55", "cortex-m85", "+dsp"].iter().any(|name| flags.contains(name));
    if target.starts_with("thumbv8m.main-") && named {
        println!("cargo:rustc-cfg=bantam_dsp");
        println!("cargo:rustc-cfg=bantam_dsp=\"optional\"");
    }
}
