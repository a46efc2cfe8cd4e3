//! `bantam inspect`.

use super::Outcome;
use super::output::{bytes, print, print_json, print_table, shape, short, table, thousands};
use crate::cost::{Coefficients, Prediction};
use crate::plan::{timeline, verify};
use crate::subject::ArtifactFile;
use bantam::{DataType, Model};
use bantam_format::{Op, SectionKind};
use clap::Args;
use std::path::PathBuf;

/// Columns of the memory timeline.
const BAR_WIDTH: usize = 32;
/// Labels printed; JSON has them all.
const PRINTED_LABELS: usize = 12;

/// Show what is in a .bantam file: operators, shapes, memory, sizes
#[derive(Debug, Args)]
pub(super) struct Inspect {
    /// The .bantam file
    model: PathBuf,
    /// Prove that the memory plan overwrites no value that is still needed
    #[arg(long)]
    verify: bool,
    /// Say what it takes on a microcontroller: cortex-m0, cortex-m3, cortex-m4f, cortex-m33, cortex-m55 or riscv32imc
    #[arg(long, value_name = "CORE", value_parser = known_target)]
    target: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

struct OpRow {
    name: String,
    operator: &'static str,
    input: String,
    output: String,
    macs: u64,
    occupancy: usize,
    picture: String,
    walk_down: bool,
}

impl Inspect {
    pub fn run(&self) -> Outcome {
        let artifact = ArtifactFile::load(&self.model)?;
        let model = artifact.model();
        let rows = op_rows(&model);
        let plan = self.verify.then(|| verify::verify(&model));
        let target = self.target.as_deref();
        let cost = target.and_then(|name| Some((name, Coefficients::built_in().predict(name, &model)?)));
        if self.json {
            let mut value = json(&model, &rows, plan.as_ref());
            if let Some((name, cost)) = &cost {
                value["target"] = cost_json(name, cost);
            }
            print_json(&value);
        } else {
            show(&model, &rows);
            if let Some((name, cost)) = &cost {
                show_cost(name, cost, &model, &rows);
            }
            match &plan {
                Some(Ok(())) => print("\nmemory plan proved: no value is overwritten while it is needed"),
                Some(Err(error)) => print(&format!("\nmemory plan WRONG: {error}")),
                None => {}
            }
        }
        Ok(!matches!(plan, Some(Err(_))))
    }
}

/// One of the cores that were measured.
pub(super) fn known_target(name: &str) -> Result<String, String> {
    let coefficients = Coefficients::built_in();
    if coefficients.targets.contains_key(name) {
        return Ok(name.to_owned());
    }
    let names: Vec<String> = coefficients.targets.into_keys().collect();
    Err(format!("the measured cores are {}", names.join(", ")))
}

fn op_rows(model: &Model<'_>) -> Vec<OpRow> {
    let artifact = model.artifact();
    let names: Vec<&str> = artifact.names().skip(artifact.tensor_count()).collect();
    let occupancy = timeline::occupancy(model);
    let lifetimes = timeline::lifetimes(model);
    let describe = |op: Op<'_>| {
        let index = op.index as usize;
        OpRow {
            name: names.get(index).map_or_else(|| index.to_string(), ToString::to_string),
            operator: op.opcode.name(),
            input: shape(op.input(0).shape.dimensions()),
            output: shape(op.output(0).shape.dimensions()),
            macs: op.macs(),
            occupancy: occupancy.get(index).copied().unwrap_or(0),
            picture: timeline::picture(model, &lifetimes, index, BAR_WIDTH),
            walk_down: op.walk_down,
        }
    };
    artifact.ops().map(describe).collect()
}

fn type_name(data_type: DataType) -> &'static str {
    match data_type {
        DataType::I8 => "int8",
        DataType::I16 => "int16",
        DataType::I32 => "int32",
        _ => "float32",
    }
}

fn sections(model: &Model<'_>) -> Vec<(String, usize)> {
    let artifact = model.artifact();
    let mut rows = vec![("header and section table".to_owned(), 0)];
    let mut total = 0;
    for entry in artifact.section_entries() {
        let name = SectionKind::from_code(entry.kind)
            .map_or_else(|| format!("unknown {}", entry.kind), |k| k.name().to_lowercase());
        rows.push((name, entry.length as usize));
        total += entry.length as usize;
    }
    rows[0].1 = bantam_format::HEADER_BYTES + 12 * (rows.len() - 1);
    let padding = artifact.bytes().len() - total - rows[0].1;
    rows.push(("padding".into(), padding));
    rows
}

/// The model card, where there is one.
fn card(model: &Model<'_>) -> Option<serde_json::Value> {
    serde_json::from_slice(model.artifact().section(SectionKind::Card)).ok()
}

fn show(model: &Model<'_>, rows: &[OpRow]) {
    let artifact = model.artifact();
    if let Some(card) = card(model) {
        let text = |key: &str| card[key].as_str().unwrap_or_default().to_owned();
        print(&format!("{}, made with {}", text("name"), text("made_with")));
        print("");
    }
    let names: Vec<&str> = artifact.names().collect();
    for (what, ports) in [("input", model.inputs().collect::<Vec<_>>()), ("output", model.outputs().collect())] {
        for io in ports {
            let quantization = if matches!(io.tensor.data_type, DataType::I8 | DataType::I16) {
                format!(", scale {}, zero point {}", io.scale, io.zero_point)
            } else {
                String::new()
            };
            let dimensions = shape(io.tensor.shape.dimensions());
            let name = names.get(io.index).map(|name| format!("{} ", short(name))).unwrap_or_default();
            print(&format!("{what:8}{name}{} {dimensions}{quantization}", type_name(io.tensor.data_type)));
        }
    }
    let labels: Vec<&str> = model.labels().collect();
    if !labels.is_empty() {
        let first: Vec<String> = labels.iter().take(PRINTED_LABELS).map(|label| short(label)).collect();
        let more = match labels.len().saturating_sub(PRINTED_LABELS) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        print(&format!("labels  {}{more}", first.join(", ")));
    }
    print("");
    let mut lines = table(&["op", "operator", "input", "output", "MACs", "memory in use", "arena"], 4..6);
    for row in rows {
        let macs = if row.macs == 0 { String::new() } else { thousands(row.macs) };
        lines.add_row([
            short(&row.name),
            row.operator.into(),
            row.input.clone(),
            row.output.clone(),
            macs,
            thousands(row.occupancy as u64),
            row.picture.clone(),
        ]);
    }
    print_table(&lines);
    let column = model.arena_bytes().div_ceil(BAR_WIDTH);
    print(&format!(
        "  arena, from its first byte to its last, {column} in a column: i read, o written, x both, # kept for later, . free"
    ));
    let mut peak = crate::fit::peak(model);
    peak.op = short(&peak.op);
    peak.tensors.iter_mut().for_each(|(_, name, _)| *name = short(name));
    print(&format!("  {peak}"));
    print("");
    print(&format!(
        "arena {}, {} multiply-accumulates, arithmetic {}",
        bytes(model.arena_bytes()),
        thousands(artifact.macs()),
        artifact.arithmetic().name().to_lowercase()
    ));
    print("");
    let mut lines = table(&["section", "bytes"], 1..2);
    for (name, length) in sections(model) {
        lines.add_row([name, thousands(length as u64)]);
    }
    lines.add_row(["total".to_owned(), thousands(artifact.bytes().len() as u64)]);
    print_table(&lines);
}

/// What it takes on a microcontroller.
fn show_cost(name: &str, cost: &Prediction, model: &Model<'_>, rows: &[OpRow]) {
    print("");
    let mut lines = table(&["op", &format!("instructions on a {name}")], 1..2);
    let figure = |instructions: Option<u64>| instructions.map_or("not known".to_owned(), thousands);
    for (row, instructions) in rows.iter().zip(&cost.ops) {
        lines.add_row([short(&row.name), figure(*instructions)]);
    }
    lines.add_row(["total in a session".to_owned(), figure(cost.session_instructions())]);
    lines.add_row(["compiled into a program".to_owned(), figure(cost.compiled_instructions())]);
    print_table(&lines);
    print(&format!(
        "  estimated from what was measured in an emulator; of the measured models none is off by more than {:.1} %",
        100.0 * cost.error
    ));
    print(&format!(
        "  exactly: arena {}; in flash {} of weights and tables in a compiled program, {} with a session",
        bytes(cost.arena_bytes),
        bytes(cost.constant_bytes),
        bytes(model.artifact().bytes().len())
    ));
}

pub(super) fn cost_json(name: &str, cost: &Prediction) -> serde_json::Value {
    serde_json::json!({
        "name": name,
        "arena_bytes": cost.arena_bytes,
        "constant_bytes": cost.constant_bytes,
        "instructions": cost.compiled_instructions(),
        "session_instructions": cost.session_instructions(),
        "instructions_error": cost.error,
        "op_instructions": cost.ops,
    })
}

fn json(model: &Model<'_>, rows: &[OpRow], plan: Option<&Result<(), verify::PlanError>>) -> serde_json::Value {
    let artifact = model.artifact();
    let port = |io: bantam::IoTensor| {
        serde_json::json!({
            "type": type_name(io.tensor.data_type), "shape": io.tensor.shape.dimensions(),
            "scale": io.scale, "zero_point": io.zero_point,
        })
    };
    let ops: Vec<_> = rows
        .iter()
        .map(|row| {
            serde_json::json!({
                "name": row.name, "operator": row.operator, "input": row.input, "output": row.output,
                "macs": row.macs, "memory_bytes": row.occupancy, "walk_down": row.walk_down,
            })
        })
        .collect();
    let lifetimes: Vec<_> = timeline::lifetimes(model)
        .iter()
        .map(|l| {
            serde_json::json!({
                "tensor": l.tensor, "offset": l.offset, "bytes": l.bytes,
                "written_by": l.written_by, "last_read_by": l.last_read_by,
            })
        })
        .collect();
    let sections: serde_json::Map<_, _> =
        sections(model).into_iter().map(|(name, length)| (name, length.into())).collect();
    let mut value = serde_json::json!({
        "file_bytes": artifact.bytes().len(),
        "arena_bytes": model.arena_bytes(),
        "macs": artifact.macs(),
        "arithmetic": artifact.arithmetic().name().to_lowercase(),
        "inputs": model.inputs().map(port).collect::<Vec<_>>(),
        "outputs": model.outputs().map(port).collect::<Vec<_>>(),
        "labels": model.labels().collect::<Vec<_>>(),
        "card": card(model),
        "ops": ops,
        "memory": lifetimes,
        "sections": sections,
    });
    if let Some(plan) = plan {
        value["plan_verified"] = plan.is_ok().into();
    }
    value
}
