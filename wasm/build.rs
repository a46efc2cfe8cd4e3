//! Chooses the operators to link: all but Rescale, on everything but 16-bit integers, for sessions that pack, or those the environment variable
//! `BANTAM_OPERATORS` names in the form that `bantam::ops!` takes, as `cargo xtask web --for model.bantam` sets it. With
//! them `BANTAM_SECTIONS` names what else a model has: `images` or `fields` to prepare, `state` that it keeps.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=BANTAM_OPERATORS");
    println!("cargo::rerun-if-env-changed=BANTAM_SECTIONS");
    let (table, opcodes, every) = match env::var("BANTAM_OPERATORS") {
        Ok(list) if !list.is_empty() => {
            let names = list.split_once(';').map_or("", |(_, names)| names);
            (format!("bantam::ops![{list}]"), format!("bantam::opcodes![{names}]"), false)
        }
        _ => ("bantam::ops::DOWNLOADED".to_owned(), "!bantam::opcodes![Rescale]".to_owned(), true),
    };
    let output = PathBuf::from(env::var_os("OUT_DIR").expect("Cargo sets OUT_DIR")).join("operators.rs");
    let sections = env::var("BANTAM_SECTIONS").unwrap_or_default();
    let mut linked = opcodes;
    for (word, bit) in [("images", "PREPROCESSING"), ("fields", "PREPROCESSING"), ("state", "STATE")] {
        println!("cargo::rustc-check-cfg=cfg({word})");
        if every || sections.split(' ').any(|it| it == word) {
            println!("cargo::rustc-cfg={word}");
            linked = format!("{linked} | bantam::Artifact::{bit}");
        }
    }
    let text = format!("static OPERATORS: &bantam::Operators = &{table};\nconst LINKED: u64 = {linked};\n");
    fs::write(output, text).expect("a writable OUT_DIR");
}
