//! Writes the JavaScript bindings of a wasm module: what the `wasm-bindgen` command does, without installing it.
//!
//! Apart from xtask, and run by it, because the library behind it takes longer to build than all of xtask.

use std::path::PathBuf;
use std::{env, fs};

use anyhow::{Context as _, bail, ensure};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [module, output] = arguments.as_slice() else { bail!("usage: xtask-web <module.wasm> <output folder>") };
    Bindgen::new()
        .input_path(module)
        .out_name("bantam")
        .bundler(true)?
        .typescript(false)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(output)?;
    let glue = output.join("bantam_bg.js");
    let text = fs::read_to_string(&glue).with_context(|| format!("reading {}", glue.display()))?;
    fs::write(output.join("bindings.js"), bindings(&text)?)?;
    Ok(())
}

/// The glue as a function, so that a page can have several instances: the glue itself keeps one in a variable of its
/// module. What the function gives is the import object of the module and the classes in one.
fn bindings(glue: &str) -> anyhow::Result<String> {
    let mut body = String::new();
    let mut names = Vec::new();
    for line in glue.lines() {
        let Some(item) = line.strip_prefix("export ") else {
            body.push_str(line);
            body.push('\n');
            continue;
        };
        let declared = item.strip_prefix("function ").or_else(|| item.strip_prefix("class "));
        let declared =
            declared.with_context(|| format!("an export of the glue is neither function nor class: {line}"))?;
        let end = declared.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').unwrap_or(declared.len());
        names.push(&declared[..end]);
        body.push_str(item);
        body.push('\n');
    }
    ensure!(!body.contains("import "), "the glue imports something");
    Ok(format!("export function bind() {{\n{body}return {{ {} }};\n}}\n", names.join(", ")))
}
