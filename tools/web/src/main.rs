//! Writes the JavaScript bindings of a wasm module: what the `wasm-bindgen` command does, without installing it.
//!
//! Apart from xtask, and run by it, because the library behind it takes longer to build than all of xtask.

use std::path::PathBuf;
use std::{env, fs};

use anyhow::{Context as _, bail, ensure};
use walrus::{FunctionBuilder, FunctionKind, Module};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [module, output] = arguments.as_slice() else { bail!("usage: xtask-web <module.wasm> <output folder>") };
    let mut module = Module::from_file(module)?;
    silence(&mut module)?;
    forget_texts(&mut module);
    // The standard library's part of it names reference types, which nothing of ours crosses the border with.
    module.customs.remove_raw("target_features");
    Bindgen::new()
        .input_module("bantam", module)
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

/// Takes the bodies of what ends in a panic, and of all formatting: the module's handler looks at no message and no other
/// text is made, so what makes one is not needed, nor what the optimiser then finds to be only handed to it.
fn silence(module: &mut Module) -> anyhow::Result<()> {
    const NAMES: [&str; 9] = [
        "core9panicking",
        "4core3fmt",
        "wasm_bindgen4__rt10throw_null",
        "wasm_bindgen9throw_str",
        "slice_index_fail",
        "unwrap_failed",
        "handle_alloc_error",
        "capacity_overflow",
        "12handle_error",
    ];
    let ends = |name: &Option<String>| name.as_ref().is_some_and(|name| NAMES.iter().any(|end| name.contains(end)));
    let found: Vec<_> = module.funcs.iter_local().map(|(id, _)| id).collect();
    let found: Vec<_> = found.into_iter().filter(|&id| ends(&module.funcs.get(id).name)).collect();
    ensure!(!found.is_empty(), "the module has no names, or no panic");
    for id in found {
        let (params, results) = module.types.params_results(module.funcs.get(id).ty());
        let (params, results) = (params.to_vec(), results.to_vec());
        let mut builder = FunctionBuilder::new(&mut module.types, &params, &results);
        builder.func_body().unreachable();
        let arguments = params.iter().map(|&kind| module.locals.add(kind)).collect();
        module.funcs.get_mut(id).kind = FunctionKind::Local(builder.local_func(arguments));
    }
    Ok(())
}

/// Blanks what panics say and where they are: the names of files and the messages that nobody makes any more. No table of
/// numbers has that many printable bytes in a row; the parity tests run what comes out of here.
fn forget_texts(module: &mut Module) {
    const SHORTEST: usize = 16;
    let found: Vec<_> = module.data.iter().map(|data| data.id()).collect();
    for id in found {
        for run in module.data.get_mut(id).value.chunk_by_mut(|a, b| is_printable(*a) == is_printable(*b)) {
            if run.len() >= SHORTEST && run.first().is_some_and(|&byte| is_printable(byte)) {
                run.fill(0);
            }
        }
    }
}

fn is_printable(byte: u8) -> bool {
    byte == b' ' || byte.is_ascii_graphic()
}

/// The glue as a function, so that a page can have several instances: the glue itself keeps one in a variable of its
/// module. What the function gives is the import object of the module and the classes in one.
fn bindings(glue: &str) -> anyhow::Result<String> {
    let mut body = String::new();
    let mut names = Vec::new();
    // The package disposes of sessions by itself.
    for line in glue.lines().filter(|line| !line.starts_with("if (Symbol.dispose)")) {
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
