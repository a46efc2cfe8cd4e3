//! Trains the spoken digits' teacher and writes this folder's model.onnx and SHA256SUMS.
//!
//! How to run, from the root of the repository (the card tells where the recordings come from):
//!
//!     cargo run --release --manifest-path train/Cargo.toml --example spoken-digits
//!
//! It takes some minutes and prints the numbers quoted in CARD.md. Settings were chosen by the rows held out of the training
//! split; the evaluation split had no part in that choice.

use bantam_tools::data::{Dataset, InputSpec};
use bantam_tools::export::onnx::export_floats;
use bantam_tools::files::write_whole;
use bantam_tools::folder::ModelFolder;
use bantam_tools::graph::ops::{
    Binary, BinaryKind, Conv2d, FullyConnected, Padding, Reduce, ReduceKind, Reshape, Softmax,
};
use bantam_tools::graph::{Activation, Graph, Layout, Op};
use bantam_tools::shrink::logits;
use bantam_tools::tensor::{DataType, Tensor};
use bantam_train::augment::Augmentation;
use bantam_train::initial::draw;
use bantam_train::network::Network;
use bantam_train::recordings::{DATA_SETS, prepare};
use bantam_train::rows::Rows;
use bantam_train::structure::macs;
use bantam_train::training::loss::Loss;
use bantam_train::training::{Job, Schedule, train};
use sha2::Digest;
use std::path::Path;
use std::process::ExitCode;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const FOLDER: &str = "models/spoken-digits";
const SEED: u64 = 0;
const HELD_OUT: f64 = 0.1;
const SCHEDULE: Schedule = Schedule { epochs: 40, batch: 64, rate: 3e-3, decay: 2e-2, patience: 0, seed: SEED };

/// Convolutions in order: name, outputs, stride. All are 3 x 3 and followed by a rectifier.
const LAYERS: [(&str, usize, usize); 4] = [("conv1", 16, 2), ("conv2", 32, 2), ("conv3", 48, 1), ("conv4", 64, 2)];

fn main() -> ExitCode {
    bantam_train::threads::with_one(|| match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    })
}

fn run() -> Outcome<()> {
    let folder = ModelFolder::open(Path::new(FOLDER))?;
    let recordings = folder.recordings.as_ref().ok_or("bantam.toml has no [recordings]")?;
    let prepared = prepare(recordings, &folder.labels, Path::new(DATA_SETS), Path::new("target/spoken-digits"))?;
    let frames = bantam_train::front_end::frames(&recordings.front_end)?;
    let mut graph = network(frames, recordings.front_end.bands, folder.labels.len())?;
    draw(&mut graph, SEED);
    let specs = InputSpec::of_graph(&graph);
    let load = |path: &Path| -> Outcome<Rows> { Ok(Rows::of(&graph, &Dataset::load(path, &specs)?)?) };
    let (rows, evaluation) = (load(&prepared.training)?, load(&prepared.evaluation)?);
    let (rows, held_out) = rows.split(HELD_OUT, SEED);
    let student = Network::trainable(&graph)?;
    let steps = rows.count().div_ceil(SCHEDULE.batch);
    let progress = train(&Job {
        student: &student,
        teacher: None,
        rows: &rows,
        held_out: &held_out,
        loss: Loss::LABELS,
        augmentation: Augmentation::SOUND,
        schedule: SCHEDULE,
        checkpoint: None,
        exact: None,
        watch: &|made, of, loss, last| {
            if let Some(last) = last.filter(|last| last.epoch % 5 == 0 && last.epoch * steps == made) {
                let right = last.accuracy.unwrap_or(0.0);
                println!("step {made} of {of}: loss {loss:.4}, {:.2} % of the rows held out right", right * 100.0);
            }
        },
    })?;
    let graph = student.trained()?;
    let path = Path::new(FOLDER).join("model.onnx");
    let bytes = export_floats(&graph, &folder.name)?;
    write_whole(&path, &bytes)?;
    let sum: String = sha2::Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    write_whole(&Path::new(FOLDER).join("SHA256SUMS"), format!("{sum}  model.onnx\n").as_bytes())?;

    let value = logits(&graph).ok_or("the network has no output")?;
    let accuracy = |rows: &Rows| -> Outcome<f64> {
        let answers = student.forward(&[rows.tensor()?], &[value])?.remove(0).argmax(1)?.to_vec1::<u32>()?;
        let labels = rows.labels.as_deref().unwrap_or_default();
        let right = answers.iter().zip(labels).filter(|&(&answer, &label)| answer as usize == label).count();
        Ok(100.0 * right as f64 / labels.len() as f64)
    };
    println!("best epoch {}; multiply-accumulates {}; model.onnx {} bytes", progress.best, macs(&graph), bytes.len());
    println!(
        "right: {:.2} % of {} rows held out, {:.2} % of {} evaluation rows",
        accuracy(&held_out)?,
        held_out.count(),
        accuracy(&evaluation)?,
        evaluation.count()
    );
    Ok(())
}

/// A spectrum `[1, frames, bands, 1]` of bytes to probabilities.
fn network(frames: usize, bands: usize, classes: usize) -> Outcome<Graph> {
    let mut graph = Graph::new("spoken-digits");
    let input = graph.add_input("spectrum", vec![1, frames, bands, 1], DataType::F32);
    graph.set_input_layout(0, Layout::ChannelsLast, input);
    let factor = graph.add_constant("scale.factor", Tensor::scalar(1.0f32 / 255.0));
    let mut value = graph.add_node("scale", Op::Binary(Binary::new(BinaryKind::Mul)), &[input, factor])?;
    let mut channels = 1;
    for (name, outputs, stride) in LAYERS {
        let weights = Tensor::zeros::<f32>(vec![outputs, 3, 3, channels])?;
        let weights = graph.add_constant(format!("{name}.weights"), weights);
        let bias = graph.add_constant(format!("{name}.bias"), Tensor::zeros::<f32>(vec![outputs])?);
        let conv = Conv2d {
            stride: [stride, stride],
            dilation: [1, 1],
            padding: Padding { top: 1, left: 1, bottom: 1, right: 1 },
            groups: 1,
            activation: Activation::RELU,
        };
        value = graph.add_node(name, Op::Conv2d(conv), &[value, weights, bias])?;
        channels = outputs;
    }
    let mean = Reduce { kind: ReduceKind::Mean, axes: vec![1, 2], keep_dims: true };
    value = graph.add_node("pool", Op::Reduce(mean), &[value])?;
    value = graph.add_node("flatten", Op::Reshape(Reshape { shape: vec![1, channels] }), &[value])?;
    let weights = graph.add_constant("dense.weights", Tensor::zeros::<f32>(vec![classes, channels])?);
    let bias = graph.add_constant("dense.bias", Tensor::zeros::<f32>(vec![classes])?);
    value = graph.add_node("dense", Op::FullyConnected(FullyConnected::default()), &[value, weights, bias])?;
    value = graph.add_node("softmax", Op::Softmax(Softmax { axis: 1, beta: 1.0 }), &[value])?;
    graph.add_output("probabilities", value);
    Ok(graph)
}
