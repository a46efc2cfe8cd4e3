//! `bantam run`.

use super::Outcome;
use super::output::{percent, print, print_table, real, table};
use crate::data::{Dataset, write_array};
use crate::subject::{ArtifactFile, Runner};
use crate::tensor::{Data, Tensor};
use bantam::{DataType, IoTensor, SourceLayout};
use clap::Args;
use std::path::PathBuf;

/// Rows printed when no output file is given.
const PRINTED_ROWS: usize = 10;
/// Classes printed per row.
const PRINTED_CLASSES: usize = 3;

/// Run a .bantam file on the rows of an array
///
/// Signed 8-bit arrays are taken as they are; floats and other integers are quantised with the input's scale. Without
/// --output the first rows' answers are printed.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// The .bantam file
    model: PathBuf,
    /// A .npy array or a .npz with one array per input
    #[arg(long, value_name = "DATA")]
    input: PathBuf,
    /// Where to write the outputs of all rows, as .npy; further outputs get their number before the ending
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Keep the output's own type instead of real numbers
    #[arg(long)]
    raw: bool,
}

impl Run {
    pub fn run(&self) -> Outcome {
        let artifact = ArtifactFile::load(&self.model)?;
        let data = Dataset::load(&self.input, &artifact.inputs())?;
        let model = artifact.model();
        let rows = crate::parallel::map_rows(data.rows(), |row| Runner::new(&model).run(&data, row, |_| {}))?;
        let ports: Vec<IoTensor> = model.outputs().collect();
        for (index, port) in ports.iter().enumerate() {
            let bytes: Vec<&[u8]> = rows.iter().map(|outputs| outputs[index].1.as_slice()).collect();
            let tensor = collect(port, &bytes, self.raw)?;
            match &self.output {
                Some(path) => {
                    let path = if index == 0 { path.clone() } else { path.with_extension(format!("{index}.npy")) };
                    write_array(&path, &tensor)?;
                    print(&format!("{} {:?} written to {}", tensor.data_type(), tensor.shape(), path.display()));
                }
                None => show(&tensor, &model.labels().collect::<Vec<_>>()),
            }
        }
        Ok(true)
    }
}

/// The outputs of all rows as one tensor, in the source's order of axes.
fn collect(port: &IoTensor, rows: &[&[u8]], raw: bool) -> Result<Tensor, Box<dyn std::error::Error>> {
    let shape: Vec<usize> = port.tensor.shape.dimensions().iter().map(|&d| d as usize).collect();
    let bytes = rows.concat();
    let words = || bytes.as_chunks::<4>().0.iter();
    let integers = || bytes.iter().map(|byte| byte.cast_signed());
    let data = match port.tensor.data_type {
        DataType::F32 => Data::F32(words().map(|&word| f32::from_le_bytes(word)).collect()),
        DataType::I32 => Data::I32(words().map(|&word| i32::from_le_bytes(word)).collect()),
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

fn show(tensor: &Tensor, labels: &[&str]) {
    let rows = tensor.shape().first().copied().unwrap_or(1);
    let width = tensor.len() / rows.max(1);
    let values: Vec<f64> = match tensor.data() {
        Data::F32(items) => items.iter().map(|&item| f64::from(item)).collect(),
        _ => tensor.to_i64().into_iter().map(|item| item as f64).collect(),
    };
    let probabilities = tensor.as_f32().is_ok() && labels.len() == width;
    let mut lines = table(&["row", "output"], 0..1);
    for (row, values) in values.chunks(width.max(1)).take(PRINTED_ROWS).enumerate() {
        let text = if probabilities {
            let mut order: Vec<usize> = (0..width).collect();
            order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
            let best = order.iter().take(PRINTED_CLASSES);
            best.map(|&class| format!("{} {}", labels[class], percent(values[class]))).collect::<Vec<_>>().join(", ")
        } else {
            let first: Vec<String> = values.iter().take(8).map(|&value| real(value)).collect();
            format!("{}{}", first.join(" "), if width > 8 { " ..." } else { "" })
        };
        lines.add_row([row.to_string(), text]);
    }
    print_table(&lines);
    if rows > PRINTED_ROWS {
        print(&format!("  ... {} more rows; --output FILE writes all", rows - PRINTED_ROWS));
    }
}
