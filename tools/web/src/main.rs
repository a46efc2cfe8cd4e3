//! Writes the JavaScript bindings of a wasm module: what the `wasm-bindgen` command does, without installing it.
//!
//! Apart from xtask, and run by it, because the library behind it takes longer to build than all of xtask.

use std::env;
use std::path::PathBuf;

use anyhow::bail;
use wasm_bindgen_cli_support::Bindgen;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [module, output] = arguments.as_slice() else { bail!("usage: xtask-web <module.wasm> <output folder>") };
    Bindgen::new()
        .input_path(module)
        .web(true)?
        .typescript(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        // `init()` without an argument finds the module beside the bindings.
        .omit_default_module_path(false)
        .generate(output)
}
