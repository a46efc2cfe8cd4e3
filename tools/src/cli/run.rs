//! `bantam run`.

use super::output::{counted, percent, print, print_json, print_table, real, short, table};
use super::{Outcome, check_output};
use crate::data::{Dataset, write_array};
use crate::subject::{ArtifactFile, Runner, SubjectError};
use crate::tensor::{Data, Tensor};
use bantam::{DataType, IoTensor, SourceLayout};
use clap::Args;
use std::path::PathBuf;

/// Rows printed when no output file is given.
const PRINTED_ROWS: usize = 10;
/// Classes printed per row, where the outputs are probabilities.
const PRINTED_CLASSES: usize = 3;
/// Numbers printed per row, where they are not.
const PRINTED_NUMBERS: usize = 8;

/// Run a .bantam file on the rows of an array
///
/// Signed 8-bit arrays are taken as they are; floats and other integers are quantised with the input's scale. Without
/// --output the answers to the first rows are printed.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// The .bantam file
    model: PathBuf,
    /// A .npy array or a .npz with one array per input
    #[arg(long, value_name = "DATA")]
    input: PathBuf,
    /// Where to write the outputs of all rows, as .npy; further outputs get their number before the ending
    #[arg(short, long, value_name = "FILE", conflicts_with = "json")]
    output: Option<PathBuf>,
    /// Print the outputs of all rows as one JSON document
    #[arg(long)]
    json: bool,
    /// Keep the model's own numbers, such as 8-bit integers, instead of converting them to real ones
    #[arg(long)]
    raw: bool,
}

impl Run {
    pub fn run(&self) -> Outcome {
        if let Some(path) = &self.output {
            if path.extension().is_none_or(|extension| extension != "npy") {
                return Err(format!("cannot write '{}': expected a name ending in .npy", path.display()).into());
            }
            check_output(path, &[&self.model, &self.input])?;
        }
        let artifact = ArtifactFile::load(&self.model)?;
        let data = Dataset::load(&self.input, &artifact.inputs())?.quantized();
        let model = artifact.model();
        let run = |row| {
            let failed = |reason| SubjectError::Run { row, data: data.path().to_owned(), reason };
            Runner::new(&model).run(&data, row, |_| false, |_| {}).map_err(failed)
        };
        let rows = crate::parallel::map_rows(data.rows(), run)?;
        let ports: Vec<IoTensor> = model.outputs().collect();
        let names: Vec<&str> = model.artifact().names().collect();
        let labels: Vec<&str> = model.labels().collect();
        let mut documents = Vec::new();
        for (index, port) in ports.iter().enumerate() {
            let name = names.get(port.index).copied();
            let bytes: Vec<&[u8]> = rows.iter().map(|outputs| outputs[index].1.as_slice()).collect();
            let tensor = collect(port, &bytes, self.raw)?;
            match &self.output {
                Some(path) => {
                    let path = if index == 0 { path.clone() } else { path.with_extension(format!("{index}.npy")) };
                    write_array(&path, &tensor)?;
                    let rows = counted(data.rows(), "row");
                    let (kind, shape) = (type_name(tensor.data()), tensor.shape());
                    print(&format!("{rows}, {kind} of shape {shape:?}, written to {}", path.display()));
                }
                None if self.json => documents.push(document(name, &tensor)),
                None => {
                    // Labels are the classes of the first output.
                    if ports.len() > 1 {
                        let gap = if index == 0 { "" } else { "\n" };
                        let shape = &tensor.shape()[1..];
                        let name = name.map_or_else(|| index.to_string(), short);
                        print(&format!("{gap}output {name}, {shape:?} per row"));
                    }
                    show(&tensor, if index == 0 { &labels } else { &[] });
                }
            }
        }
        if self.json {
            print_json(&serde_json::json!({ "rows": data.rows(), "labels": labels, "outputs": documents }));
        }
        Ok(true)
    }
}

/// One output of all rows: a list of numbers per row. What is no number is null.
fn document(name: Option<&str>, tensor: &Tensor) -> serde_json::Value {
    let rows = tensor.shape().first().copied().unwrap_or(1);
    let width = (tensor.len() / rows.max(1)).max(1);
    let values: Vec<serde_json::Value> = match tensor.data() {
        Data::F32(items) => items.chunks(width).map(Into::into).collect(),
        _ => tensor.to_i64().chunks(width).map(Into::into).collect(),
    };
    let shape = tensor.shape().get(1..).unwrap_or_default();
    serde_json::json!({ "name": name, "type": type_name(tensor.data()), "shape": shape, "values": values })
}

/// The outputs of all rows as one tensor, in the source's order of axes.
fn collect(port: &IoTensor, rows: &[&[u8]], raw: bool) -> Result<Tensor, Box<dyn std::error::Error>> {
    let shape: Vec<usize> = port.tensor.shape.dimensions().iter().map(|&d| d as usize).collect();
    let bytes = rows.concat();
    let words = || bytes.as_chunks::<4>().0.iter();
    let integers = || bytes.iter().map(|byte| byte.cast_signed());
    let wide = || bytes.as_chunks::<2>().0.iter().map(|&half| i16::from_le_bytes(half));
    let data = match port.tensor.data_type {
        DataType::F32 => Data::F32(words().map(|&word| f32::from_le_bytes(word)).collect()),
        DataType::I32 => Data::I32(words().map(|&word| i32::from_le_bytes(word)).collect()),
        DataType::I16 if raw => Data::I16(wide().collect()),
        DataType::I16 => {
            let real = |q| bantam::kernels::scalar::dequantize_wide(q, port.scale, port.zero_point);
            Data::F32(wide().map(real).collect())
        }
        _ if raw => Data::I8(integers().collect()),
        _ => {
            let real = |q| bantam::kernels::scalar::dequantize(q, port.scale, port.zero_point);
            Data::F32(integers().map(real).collect())
        }
    };
    let mut stacked = shape.clone();
    match stacked.first_mut() {
        Some(batch) if *batch == 1 => *batch = rows.len(),
        _ => stacked.insert(0, rows.len()),
    }
    let tensor = Tensor::new(stacked, data)?;
    match (port.source_layout, shape.len()) {
        (SourceLayout::ChannelsFirst, 4) => Ok(tensor.transpose(&[0, 3, 1, 2])?),
        _ => Ok(tensor),
    }
}

fn type_name(data: &Data) -> &'static str {
    match data {
        Data::F32(_) => "float32",
        Data::I64(_) => "int64",
        Data::I32(_) => "int32",
        Data::I16(_) => "int16",
        Data::I8(_) => "int8",
        Data::U8(_) => "uint8",
        Data::Bool(_) => "bool",
    }
}

fn show(tensor: &Tensor, labels: &[&str]) {
    let rows = tensor.shape().first().copied().unwrap_or(1);
    let width = tensor.len() / rows.max(1);
    let (values, whole): (Vec<f64>, bool) = match tensor.data() {
        Data::F32(items) => (items.iter().map(|&item| f64::from(item)).collect(), false),
        _ => (tensor.to_i64().into_iter().map(|item| item as f64).collect(), true),
    };
    let probabilities = !whole && labels.len() == width && values.iter().all(|value| (0.0..=1.0).contains(value));
    let mut lines = table(&["row", "output"], 0..1);
    for (row, values) in values.chunks(width.max(1)).take(PRINTED_ROWS).enumerate() {
        let text = if probabilities {
            let mut order: Vec<usize> = (0..width).collect();
            order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
            let best = order.iter().take(PRINTED_CLASSES);
            best.map(|&class| format!("{} {}", short(labels[class]), percent(values[class])))
                .collect::<Vec<_>>()
                .join(", ")
        } else {
            let number = |&value: &f64| if whole { value.to_string() } else { real(value) };
            let first: Vec<String> = values.iter().take(PRINTED_NUMBERS).map(number).collect();
            format!("{}{}", first.join(" "), if width > PRINTED_NUMBERS { " …" } else { "" })
        };
        lines.add_row([row.to_string(), text]);
    }
    print_table(&lines);
    if rows > PRINTED_ROWS {
        print(&format!("  … and {}; --output FILE writes all", counted(rows - PRINTED_ROWS, "more row")));
    }
}
