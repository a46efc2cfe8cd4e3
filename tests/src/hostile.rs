//! Where broken ONNX files come from, and what a file has to survive.

use crate::networks::network;
use crate::onnx::{Model, float, int, ints, string};
use crate::random::Random;
use bantam::AlignedBytes;
use bantam_format::{Arithmetic, writer};
use bantam_tools::data::{Dataset, InputSpec};
use bantam_tools::execute::multiply_accumulates;
use bantam_tools::graph::ops::Facts;
use bantam_tools::graph::{Graph, Op, ValueId};
use bantam_tools::import::onnx::{ImportError, ImportOptions, import};
use bantam_tools::lower::{Precision, Program, lower};
use bantam_tools::passes::{PassOptions, optimize};
use bantam_tools::plan;
use bantam_tools::quantize::{RangeMethod, calibrate};
use bantam_tools::reference::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto,
    TypeProto, ValueInfoProto, tensor_shape_proto::dimension, type_proto,
};
use prost::Message;
use std::path::{Path, PathBuf};

/// Most elements and multiplications that an imported model may ask for to be run as well.
const RUNNABLE: u64 = 4_000_000;

/// Numbers at which sizes, axes and counts go wrong.
const EDGES: [i64; 16] =
    [0, -1, 1, 2, 3, 7, 255, 65_536, 1 << 20, 1 << 29, 1 << 31, (1 << 31) - 1, 1 << 40, i64::MAX, i64::MIN, -2];

/// A file of the corpus.
#[derive(Clone, Debug)]
pub struct File {
    /// Where it is from.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// `count` ONNX files: those of the repository and of its neighbour folder, where they are, one that uses every part of
/// the format that import reads, and random networks.
pub fn corpus(count: usize) -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let shared = root.join("../shared/mlperf-tiny");
    let mut paths: Vec<PathBuf> =
        ["digits", "breast-cancer"].map(|name| root.join("models").join(name).join("model.onnx")).to_vec();
    for name in ["kws_float", "ic_float", "kws_int8_qdq", "ic_int8_qdq"] {
        paths.push(shared.join(name).with_extension("onnx"));
    }
    if !shared.is_dir() {
        println!("skipped: ../shared is absent, random networks stand in for its files");
    }
    let mut files = vec![File { name: "every feature".to_owned(), bytes: every_feature().encode_to_vec() }];
    for path in paths {
        if let Ok(bytes) = std::fs::read(&path) {
            files.push(File { name: path.display().to_string(), bytes });
        }
    }
    let random = (0..).map(|seed| File { name: format!("network {seed}"), bytes: network(seed).model.encode_to_vec() });
    let random = random.filter(|file| (300..24_000).contains(&file.bytes.len()));
    let missing = count.saturating_sub(files.len());
    files.extend(random.take(missing));
    files.truncate(count);
    files
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Import says what is wrong.
    Refused,
    /// Imported, but a device cannot run it, as lowering or calibration says.
    NotLowered(String),
    /// Imported, but what it asks for is too much for a test.
    TooLarge,
    /// Imported and run in floats and in 8 bits.
    Ran,
}

/// Imports a file and applies the passes.
///
/// # Errors
/// What import says.
///
/// # Panics
/// If the passes fail: what import lets through, they take.
pub fn imported(bytes: &[u8]) -> Result<Graph, ImportError> {
    let mut graph = import(bytes, &ImportOptions::default())?;
    let options = PassOptions { channels_last_inputs: true, channels_last_outputs: true };
    optimize(&mut graph, &options).expect("passes take every imported graph");
    Ok(graph)
}

/// Takes an imported graph through every later stage.
///
/// # Panics
/// If a stage breaks its own promises: an invalid artifact, a wrong plan, a run that fails.
pub fn continue_with(graph: &Graph, seed: u64) -> Fate {
    if work(graph) > RUNNABLE {
        return Fate::TooLarge;
    }
    if graph.is_quantized() {
        for arithmetic in [Arithmetic::Onnx, Arithmetic::Tflite] {
            if let Err(error) = lower(graph, Precision::Quantized { arithmetic }).map(build_and_run) {
                return Fate::NotLowered(error.to_string());
            }
        }
        return Fate::Ran;
    }
    if let Err(error) = lower(graph, Precision::Float).map(build_and_run) {
        return Fate::NotLowered(error.to_string());
    }
    let data = Dataset::random(&InputSpec::of_graph(graph), 2, seed, -1.0, 1.0);
    let ranges = match calibrate(graph, &data, RangeMethod::Mse) {
        Ok(calibration) => calibration.ranges,
        Err(error) => return Fate::NotLowered(error.to_string()),
    };
    let (none, weights) = (std::collections::BTreeSet::new(), std::collections::BTreeMap::new());
    for arithmetic in [Arithmetic::Onnx, Arithmetic::Tflite] {
        let precision = Precision::Int8 { ranges: &ranges, wide: &none, floats: &none, weights: &weights, arithmetic };
        if let Err(error) = lower(graph, precision).map(build_and_run) {
            return Fate::NotLowered(error.to_string());
        }
    }
    Fate::Ran
}

/// Elements of all values and multiplications of all nodes.
fn work(graph: &Graph) -> u64 {
    let facts = |value: ValueId| Facts { shape: graph.value(value).shape.clone(), dtype: graph.value(value).dtype };
    let elements = |value: &bantam_tools::graph::Value| value.shape.iter().map(|&size| size as u64).product::<u64>();
    let mut total = graph.values().iter().map(elements).fold(0u64, u64::saturating_add);
    for (_, node) in graph.nodes() {
        let operands: Vec<Facts> = node.inputs.iter().map(|&input| facts(input)).collect();
        let window = match &node.op {
            Op::MaxPool2d(pool) => pool.kernel.iter().map(|&size| size as u64).product(),
            Op::AveragePool2d(average) => average.pool.kernel.iter().map(|&size| size as u64).product(),
            _ => 0u64,
        };
        let result = facts(node.output());
        let windows = result.shape.iter().fold(window, |product, &size| product.saturating_mul(size as u64));
        total = total.saturating_add(multiply_accumulates(&node.op, &operands, &result)).saturating_add(windows);
    }
    total
}

/// Plans, writes, parses and proves a program, and runs it once.
fn build_and_run(mut program: Program) {
    plan::plan(&mut program);
    let bytes = writer::write(&program.description).expect("what lowering makes is valid");
    let file = AlignedBytes::copy_of(&bytes);
    let model = bantam::Model::parse(file.bytes()).expect("what the writer writes is valid");
    plan::verify::verify(&model).expect("what the planner plans is right");
    crate::run::run(&model, &crate::run::random_inputs(&model, &mut Random::new(1)));
}

/// A model with constants of every kind, attributes of every kind, a conditional, and what tools write around a graph.
pub fn every_feature() -> ModelProto {
    let entry = |key: &str| StringStringEntryProto { key: key.into(), value: "v".into() };
    let constant =
        |name: &str, data_type: i32| TensorProto { name: name.into(), dims: vec![2], data_type, ..Default::default() };
    let branch = |operator: &str| GraphProto {
        node: vec![NodeProto {
            input: vec!["sum".into()],
            output: vec!["inner".into()],
            op_type: operator.into(),
            ..Default::default()
        }],
        output: vec![ValueInfoProto { name: "inner".into(), ..Default::default() }],
        ..Default::default()
    };
    let branch = |name: &str, operator| AttributeProto {
        name: name.into(),
        r#type: 5,
        g: Some(branch(operator)),
        ..Default::default()
    };
    let inside = TensorProto { data_type: 1, dims: vec![2], float_data: vec![0.5, -0.5], ..Default::default() };
    let mut model = Model::new(13, &[1, 2, 4, 4])
        .weights("w", &[2, 2, 3, 3])
        .integers("axes", &[2, 3])
        .floats("condition", &[], &[1.0])
        .node("Conv", "x w", "a", vec![ints("pads", &[1, 1, 1, 1]), string("auto_pad", "NOTSET"), int("group", 1)])
        .node("LeakyRelu", "a", "b", vec![float("alpha", 0.1)])
        .node("GlobalAveragePool", "b", "c", vec![])
        .node("Squeeze", "c axes", "d", vec![])
        .node(
            "Constant",
            "",
            "k",
            vec![AttributeProto { name: "value".into(), r#type: 4, t: Some(inside), ..Default::default() }],
        )
        .node(
            "Constant",
            "",
            "l",
            vec![AttributeProto {
                name: "value_floats".into(),
                r#type: 6,
                floats: vec![1.0, 2.0],
                ..Default::default()
            }],
        )
        .node("Add", "d k", "e", vec![])
        .node("Mul", "e l", "f", vec![])
        .node("Add", "f half", "g", vec![])
        .node("Add", "g double", "h", vec![])
        .node("Cast", "narrow", "n", vec![int("to", 1)])
        .node("Add", "h n", "sum", vec![])
        .node("Cast", "condition", "taken", vec![int("to", 9)])
        .node("If", "taken", "y", vec![branch("then_branch", "Relu"), branch("else_branch", "Neg")]);
    let graph = model.graph();
    graph.initializer.extend([
        TensorProto { int32_data: vec![0x3c00, 0x3800], ..constant("half", 10) },
        TensorProto { double_data: vec![0.5, 2.0], ..constant("double", 11) },
        TensorProto { raw_data: vec![1, 255], ..constant("narrow", 3) },
        TensorProto { uint64_data: vec![1, 2], ..constant("wide", 13) },
    ]);
    graph.doc_string = "a graph".into();
    graph.value_info.push(ValueInfoProto {
        name: "a".into(),
        r#type: Some(TypeProto::default()),
        doc_string: "seen".into(),
    });
    model.0.opset_import.push(OperatorSetIdProto { domain: "com.example".into(), version: 1 });
    model.0.metadata_props.push(entry("key"));
    model.0.producer_name = "a producer".into();
    model.0
}

/// A file made of others by a seeded mutation; what was done, in words.
pub fn mutant(files: &[File], seed: u64) -> (Vec<u8>, &'static str) {
    let mut random = Random::new(seed);
    let file = &files[random.within(0..files.len())];
    let other = &files[random.within(0..files.len())];
    match random.within(0..8) {
        0 => (flip(&file.bytes, &mut random), "bits flipped"),
        1 => (splice(&file.bytes, &other.bytes, &mut random), "bytes spliced"),
        2 => (overwrite(&file.bytes, &mut random), "bytes overwritten"),
        _ => match ModelProto::decode(file.bytes.as_slice()) {
            Ok(mut model) => {
                let mut what = "";
                for _ in 0..random.pick(&[1, 1, 1, 2, 4]) {
                    what = change(&mut model, &mut random);
                }
                (model.encode_to_vec(), what)
            }
            Err(_) => (flip(&file.bytes, &mut random), "bits flipped"),
        },
    }
}

fn flip(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..random.within(1..5) {
        let at = random.within(0..bytes.len());
        bytes[at] ^= 1 << random.within(0..8);
    }
    bytes
}

fn overwrite(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    // Near the beginning and the end is structure; the middle of large files is weights.
    let at = match random.within(0..3) {
        0 => random.within(0..bytes.len().min(400)),
        1 => bytes.len() - random.within(1..bytes.len().min(400) + 1),
        _ => random.within(0..bytes.len()),
    };
    for byte in bytes.iter_mut().skip(at).take(random.within(1..9)) {
        *byte = random.pick(&[0, 1, 0x7f, 0x80, 0xff, 0x0a, 0x12]);
    }
    bytes
}

fn splice(bytes: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let from = random.within(0..bytes.len());
    let to = (from + random.within(0..64)).min(bytes.len());
    let start = random.within(0..other.len());
    let end = (start + random.within(0..64)).min(other.len());
    [&bytes[..from], &other[start..end], &bytes[to..]].concat()
}

fn edge(random: &mut Random) -> i64 {
    random.pick(&EDGES)
}

fn any<'a, T>(list: &'a mut [T], random: &mut Random) -> Option<&'a mut T> {
    if list.is_empty() { None } else { Some(&mut list[random.within(0..list.len())]) }
}

/// Changes one thing in a model that is well-formed as a message.
fn change(model: &mut ModelProto, random: &mut Random) -> &'static str {
    let kind = random.within(0..20);
    let Some(graph) = model.graph.as_mut() else { return "no graph" };
    match kind {
        0 => {
            if let Some(tensor) = any(&mut graph.initializer, random) {
                let size = edge(random);
                match any(&mut tensor.dims, random) {
                    Some(dimension) => *dimension = size,
                    None => tensor.dims.push(size),
                }
            }
            "a constant's dimension"
        }
        1 => {
            if let Some(tensor) = any(&mut graph.initializer, random) {
                tensor.raw_data.truncate(random.within(0..tensor.raw_data.len() + 1));
            }
            "fewer bytes than the dimensions ask for"
        }
        2 => {
            if let Some(tensor) = any(&mut graph.initializer, random) {
                tensor.float_data.push(1.0);
                tensor.raw_data.extend([0; 4]);
            }
            "raw and typed elements"
        }
        3 => {
            if let Some(tensor) = any(&mut graph.initializer, random) {
                let odd = random.pick(&[f32::NAN, f32::INFINITY, f32::MAX, f32::MIN_POSITIVE, -0.0]);
                for word in tensor.raw_data.chunks_exact_mut(4) {
                    word.copy_from_slice(&odd.to_le_bytes());
                }
            }
            "weights that are no numbers"
        }
        4 => {
            if let Some(tensor) = any(&mut graph.initializer, random) {
                tensor.data_type = random.integer(-1..30) as i32;
            }
            "a constant's type"
        }
        5 => {
            if let Some(set) = any(&mut model.opset_import, random) {
                set.version = random.pick(&[0, 1, 5, 6, 7, 9, 10, 11, 12, 13, 18, 21, 28, 29, i64::MAX, i64::MIN]);
            }
            "the operator set"
        }
        6 => {
            let size = edge(random);
            if let Some(input) = any(&mut graph.input, random)
                && let Some(type_proto::Value::TensorType(tensor)) =
                    input.r#type.as_mut().and_then(|it| it.value.as_mut())
                && let Some(shape) = tensor.shape.as_mut()
                && let Some(dimension) = any(&mut shape.dim, random)
            {
                dimension.value = Some(dimension::Value::DimValue(size));
            }
            "an input's dimension"
        }
        7 => {
            if let Some(input) = any(&mut graph.input, random)
                && let Some(type_proto::Value::TensorType(tensor)) =
                    input.r#type.as_mut().and_then(|it| it.value.as_mut())
            {
                if random.once_in(2) {
                    tensor.elem_type = random.integer(-1..30) as i32;
                } else if let Some(shape) = tensor.shape.as_mut() {
                    shape.dim.truncate(random.within(0..shape.dim.len() + 1));
                }
            }
            "an input's type or rank"
        }
        8..=10 => {
            let value = edge(random);
            if let Some(attribute) = any(&mut graph.node, random).and_then(|node| any(&mut node.attribute, random)) {
                match random.within(0..6) {
                    0 => attribute.i = value,
                    1 => attribute.ints.push(value),
                    2 => drop(attribute.ints.pop()),
                    3 => attribute.f = random.pick(&[f32::NAN, f32::INFINITY, 0.0, -1.0, 1e30]),
                    4 => attribute.r#type = random.integer(-1..16) as i32,
                    _ => {
                        if let Some(number) = any(&mut attribute.ints, random) {
                            *number = value;
                        }
                    }
                }
            }
            "an attribute"
        }
        11 => {
            let Some(donor) = any(&mut graph.node, random).map(|node| node.op_type.clone()) else { return "no node" };
            if let Some(node) = any(&mut graph.node, random) {
                node.op_type = donor;
            }
            "another operator"
        }
        12 => {
            let Some(name) = any(&mut graph.node, random).and_then(|node| any(&mut node.output, random).cloned())
            else {
                return "no node";
            };
            if let Some(node) = any(&mut graph.node, random) {
                let list = if random.once_in(2) { &mut node.input } else { &mut node.output };
                match any(list, random) {
                    Some(operand) => *operand = name,
                    None => list.push(name),
                }
            }
            "another operand, a cycle or a name twice"
        }
        13 => {
            if let Some(node) = any(&mut graph.node, random) {
                if random.once_in(2) {
                    node.input.pop();
                } else {
                    node.output.clear();
                }
            }
            "an operand less"
        }
        14 => {
            if !graph.node.is_empty() {
                let at = random.within(0..graph.node.len());
                let node = graph.node.remove(at);
                if random.once_in(2) {
                    graph.node.push(node);
                }
            }
            "a node moved or gone"
        }
        15 => {
            if let Some(tensor) = any(&mut graph.initializer, random) {
                let twice = tensor.clone();
                graph.initializer.push(twice);
            }
            "a constant twice"
        }
        16 => {
            let mut inner = GraphProto::default();
            for _ in 0..random.within(1..40) {
                let attribute = AttributeProto { g: Some(inner), r#type: 5, ..Default::default() };
                let node = NodeProto { attribute: vec![attribute], op_type: "If".into(), ..Default::default() };
                inner = GraphProto { node: vec![node], ..Default::default() };
            }
            graph.node.extend(inner.node);
            "graphs within graphs"
        }
        17 => {
            if let Some(tensor) = any(&mut graph.initializer, random) {
                let location = random.pick(&["../../etc/passwd", "/etc/passwd", "weights.bin", ""]);
                tensor.external_data =
                    vec![StringStringEntryProto { key: "location".into(), value: location.to_owned() }];
                tensor.data_location = random.pick(&[None, Some(1), Some(7)]);
            }
            "elements in another file"
        }
        18 => {
            if let Some(tensor) = any(&mut graph.initializer, random)
                && tensor.data_type == 7
            {
                // Shapes, axes, pads and positions are such constants.
                let value = edge(random);
                match any(&mut tensor.int64_data, random) {
                    Some(number) => *number = value,
                    None => tensor.raw_data = value.to_le_bytes().to_vec(),
                }
            }
            "a shape or an axis"
        }
        _ => {
            if let Some(output) = any(&mut graph.output, random) {
                output.name = random.pick(&["", "x", "input0", "nothing"]).to_owned();
            }
            "an output"
        }
    }
}
