//! The npm package: the builds of the same module, their bindings, the package around them, its size.

pub mod bench;
mod names;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use bantam_format::{
    AlignedBytes, Arithmetic, Artifact, DataType, IoRole, Limits, Opcode, Preprocessing, SectionKind, ops::WeightType,
};

use crate::context::Context;
use crate::process::Run;
use crate::setup;

/// What the runtime is compiled to.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// The builds with what the compiler may use in each. They give the same integers.
/// Nothing of ours crosses the border by reference types, whose table the bindings would otherwise keep.
const BUILDS: [(&str, &[&str]); 4] = [
    ("scalar", &["-Ctarget-feature=-reference-types"]),
    ("simd128", &["-Ctarget-feature=-reference-types,+simd128"]),
    ("fused", &["-Ctarget-feature=-reference-types,+simd128,+relaxed-simd", "--cfg=bantam_fused"]),
    ("relaxed", &["-Ctarget-feature=-reference-types,+simd128,+relaxed-simd"]),
];

/// Inlines less than code for size does by itself: after brotli that is less where there are many operators.
const INLINE: &str = "-Cllvm-args=-inline-threshold=20";

/// What a page may have to download, in bytes after brotli: everything, and what one model needs.
const BUDGET: u32 = 60 * 1024;
const MODEL_BUDGET: u32 = 30 * 1024;

/// `cargo xtask web`: builds the package and prints its size; false when a page downloads more than it may.
pub fn run(context: &mut Context, model: Option<&Path>) -> Result<bool> {
    let (dist, budget) = match model {
        None => (package(context)?, BUDGET),
        Some(model) => (package_for(context, model)?, MODEL_BUDGET),
    };
    let sizes = node(context).arg("sizes.mjs").arg(&dist).arg(budget.to_string());
    let (table, result) = sizes.capture()?;
    print!("{table}");
    println!("written to {}", dist.strip_prefix(&context.root).unwrap_or(&dist).display());
    Ok(result.is_ok())
}

/// Builds the package into `wasm/dist/`, once in a run, and returns that folder.
pub fn package(context: &mut Context) -> Result<PathBuf> {
    let dist = context.root.join("wasm/dist");
    if !context.package_is_built {
        build(context, ["", "images fields state"], &dist)?;
        context.package_is_built = true;
    }
    Ok(dist)
}

/// Builds the package with only the operators of a model into a folder of its own.
fn package_for(context: &Context, model: &Path) -> Result<PathBuf> {
    let bytes = fs::read(model).with_context(|| format!("reading {}", model.display()))?;
    let file = AlignedBytes::copy_of(&bytes);
    let artifact = Artifact::parse(file.bytes(), &Limits::default())
        .map_err(|error| anyhow::anyhow!("{} is not a model: {error}", model.display()))?;
    let name = model.file_stem().context("a model has a name")?;
    let dist = context.target.join("web").join(name);
    build(context, [&operators(&artifact), &sections(&artifact)], &dist)?;
    Ok(dist)
}

/// What the macro `bantam::ops!` takes to link just what a model needs.
fn operators(artifact: &Artifact<'_>) -> String {
    let floats = (0..artifact.tensor_count()).any(|index| artifact.tensor(index).data_type == DataType::F32);
    let mut arithmetics = vec![artifact.arithmetic()];
    if floats && arithmetics != [Arithmetic::Float] {
        arithmetics.push(Arithmetic::Float);
    }
    let mut arithmetics: Vec<_> = arithmetics.into_iter().map(Arithmetic::name).collect();
    arithmetics.push("Packed");
    if (0..artifact.tensor_count()).any(|index| artifact.tensor(index).data_type == DataType::I16) {
        arithmetics.push("Int16");
    }
    let halves = artifact
        .ops()
        .any(|op| op.accumulation().is_some_and(|accumulation| accumulation.weight_type() == WeightType::I4));
    if !halves {
        arithmetics.push("WholeBytes");
    }
    let mut opcodes: Vec<_> = artifact.ops().map(|op| op.opcode).collect();
    opcodes.sort_unstable();
    opcodes.dedup();
    let names: Vec<_> = opcodes.into_iter().map(|opcode| opcode.name()).collect();
    format!("{}; {}", arithmetics.join(", "), names.join(", "))
}

/// What else a model has, as the build script of the bindings takes it.
fn sections(artifact: &Artifact<'_>) -> String {
    let inputs = artifact.io(IoRole::Input).count();
    let prepares = (0..inputs)
        .filter_map(|index| artifact.preprocessing(index))
        .map(|way| if matches!(way, Preprocessing::Image { .. }) { "images" } else { "fields" });
    let state = Some("state").filter(|_| !artifact.section(SectionKind::State).is_empty());
    let mut sections: Vec<_> = prepares.chain(state).collect();
    sections.dedup();
    sections.join(" ")
}

fn build(context: &Context, [operators, sections]: [&str; 2], dist: &Path) -> Result<()> {
    let stage = context.target.join("web-stage");
    fs::create_dir_all(&stage)?;
    let inline = Some(INLINE).filter(|_| operators.is_empty());
    // What the set has not, the parser does not know either.
    let names: Vec<_> = operators.split([',', ';']).map(str::trim).collect();
    let narrow = Some("--cfg=bantam_without_int16").filter(|_| !names.contains(&"Int16"));
    let whole = Some("--cfg=bantam_without_float").filter(|_| !operators.is_empty() && !names.contains(&"Float"));
    for (name, flags) in BUILDS {
        // Flags are parted by the character 0x1f.
        let flags = flags.iter().copied().chain(inline).chain(narrow).chain(whole);
        let flags = flags.collect::<Vec<_>>().join("\x1f");
        context
            .cargo()
            .args(["build", "--quiet", "--profile", "small", "-p", "bantam-wasm", "--target", TARGET])
            .env("CARGO_ENCODED_RUSTFLAGS", &flags)
            .env("BANTAM_OPERATORS", operators)
            .env("BANTAM_SECTIONS", sections)
            .status()?;
        let module = context.target.join(TARGET).join("small/bantam_wasm.wasm");
        let bindgen = context.cargo().args(["run", "--quiet", "-p", "xtask-web", "--"]).arg(module);
        bindgen.arg(stage.join(name)).status()?;
    }
    fs::write(stage.join("generated.js"), names::javascript())?;
    node(context).arg("build.mjs").arg(&stage).arg(dist).arg(sections).status()
}

/// Node.js in `wasm/`, told where the browser is.
pub fn node(context: &Context) -> Run {
    let node = Run::new("node").current_dir(&context.root.join("wasm"));
    match setup::chromium() {
        Some(chromium) => node.env("CHROMIUM", chromium),
        None => node,
    }
}

/// `cargo xtask demo`: builds everything and serves the demo until it is ended.
pub fn demo(context: &mut Context, port: u16) -> Result<bool> {
    package(context)?;
    let model = context.target.join("digits.bantam");
    context.cargo().args(["run", "--release", "--", "shrink", "models/digits", "-o"]).arg(&model).status()?;
    let site = context.target.join("demo");
    node(context).arg("demo.mjs").arg(site).arg(model).arg(port.to_string()).status()?;
    Ok(true)
}

/// Runs `wasm/tests/<engine>.mjs` on the host's fixtures and on the golden files; returns its last line.
pub fn parity(context: &mut Context, engine: &str) -> Result<String> {
    let fixtures = context.fixtures()?;
    package(context)?;
    let golden = context.root.join("tests/golden/v1");
    if engine != "node" {
        return script(context, "browser.mjs", &[&fixtures.join("fused"), &fixtures.join("cases"), &golden]);
    }
    let all = script(context, "node.mjs", &[&fixtures.join("cases"), &golden])?;
    // A page has no 16-bit integers; this build has.
    let (wide, golden) = (fixtures.join("wide"), context.root.join("tests/golden/v1-int16"));
    let folder = context.target.join("web/int16");
    let every: Vec<_> = Opcode::ALL.iter().map(|opcode| opcode.name()).collect();
    build(context, [&format!("Tflite, Float, Int16, Packed; {}", every.join(", ")), "state"], &folder)?;
    let mut dist = std::ffi::OsString::from("--dist=");
    dist.push(folder);
    Ok(format!("{all}; 16-bit: {}", script(context, "node.mjs", &[Path::new(&dist), &wide, &golden])?))
}

/// Lints the bindings; checks the interface of the package in Node.js and in a page.
pub fn interface(context: &mut Context, _: &str) -> Result<String> {
    let clippy = ["clippy", "--quiet", "--profile", "small", "-p", "bantam-wasm", "--target", TARGET];
    context.cargo().args(clippy).args(["--", "-D", "warnings"]).status()?;
    let fixtures = context.fixtures()?;
    package(context)?;
    let node = script(context, "api-node.mjs", &[&fixtures])?;
    let page = script(context, "page.mjs", &[&fixtures])?;
    Ok(format!("{node}; {page}"))
}

/// What a page downloads, with every operator and with those of a keyword spotter, is within the budgets.
pub fn size(context: &mut Context, _: &str) -> Result<String> {
    ensure!(run(context, None)?, "the package is over budget");
    let source = context.root.join("../shared/mlperf-tiny/kws_ref_model.tflite");
    if !source.exists() {
        return Ok("skipped: the package of one model; there is no keyword spotter in ../shared".to_owned());
    }
    let model = context.target.join("kws.bantam");
    let tool = context.checked_program("bantam")?;
    Run::new(tool).arg("shrink").arg(source).arg("-o").arg(&model).capture()?.1?;
    ensure!(run(context, Some(&model))?, "the package of one model is over budget");
    Ok(String::new())
}

/// Shrinks the digits with a report and looks at that in a browser.
pub fn report(context: &mut Context, _: &str) -> Result<String> {
    let folder = context.target.join("report");
    fs::create_dir_all(&folder)?;
    let page = folder.join("report.html");
    let tool = context.checked_program("bantam")?;
    let shrink = Run::new(tool).arg("shrink").arg("models/digits").arg("-o").arg(folder.join("digits.bantam"));
    shrink.current_dir(&context.root).args(["--max-drop", "1%", "--report"]).arg(&page).capture()?.1?;
    script(context, "report.mjs", &[&page, &folder.join("report.png")])
}

/// Builds and runs a mini-project for each bundler and kind of module.
pub fn packaging(context: &mut Context, _: &str) -> Result<String> {
    let model = context.fixtures()?.join("digits.bantam");
    package(context)?;
    script(context, "packaging.mjs", &[&context.target.join("packaging"), &model])
}

/// Uses the demo as a person does.
pub fn demo_test(context: &mut Context, _: &str) -> Result<String> {
    let model = context.fixtures()?.join("digits.bantam");
    package(context)?;
    script(context, "demo.mjs", &[&context.target.join("demo-test"), &model])
}

/// Runs a script of `wasm/tests/`, shows what it prints and returns the last line of that.
fn script(context: &Context, name: &str, arguments: &[&Path]) -> Result<String> {
    let (text, result) = node(context).arg(format!("tests/{name}")).args(arguments).capture()?;
    print!("{text}");
    result?;
    text.lines().last().map(str::to_owned).context("the test printed nothing")
}
