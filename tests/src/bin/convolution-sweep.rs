//! Writes artifacts of one convolution each, of growing size: `cargo xtask bench sweep`.
//!
//! `convolution-sweep FOLDER` writes FOLDER/NAME.bantam for each, the same packed for firmware as FOLDER/cases (the module
//! `fixtures` says how), and prints a line for each in that order: its name, its multiply-accumulates, its kind.

use bantam::{AlignedBytes, Arithmetic, Model, Opcode};
use bantam_tests::accumulating::Accumulating;
use bantam_tests::build::{ModelBuilder, window};
use bantam_tests::fixtures::{Case, pack};
use bantam_tests::quantization::Quantization;
use bantam_tests::random::Random;
use bantam_tests::run::{Values, random_inputs, run_many};
use bantam_tools::files::write_whole;
use std::error::Error;
use std::path::PathBuf;

/// A kind of layer: what it is and how its files begin, opcode, side of the window, input channels, and the sizes it is made in: the side of an image of
/// as many output channels, or the outputs of a dense layer. A board's memory is the limit.
type Kind = ([&'static str; 2], Opcode, u16, u32, &'static [u32]);

const KINDS: [Kind; 4] = [
    (["1 x 1, 64 channels", "1x1"], Opcode::Conv2d, 1, 64, &[1, 2, 3, 4, 6, 8, 12, 16]),
    (["3 x 3, 32 channels", "3x3"], Opcode::Conv2d, 3, 32, &[1, 2, 3, 4, 6, 8, 12, 16]),
    (["depthwise 3 x 3, 64 channels", "depthwise"], Opcode::DepthwiseConv2d, 3, 64, &[1, 2, 3, 4, 6, 8, 12, 16]),
    (["dense, 256 inputs", "dense"], Opcode::FullyConnected, 1, 256, &[8, 16, 32, 64, 128, 192, 256, 384]),
];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: convolution-sweep FOLDER")?);
    std::fs::create_dir_all(&folder)?;
    let mut random = Random::new(7);
    let mut cases = Vec::new();
    for ([kind, prefix], opcode, kernel, channels, sizes) in KINDS {
        for &size in sizes {
            let name = format!("{prefix}-{size}");
            let file = layer(opcode, kernel, channels, size, &mut random);
            let model = Model::parse(file.bytes())?;
            let runs = [random_inputs(&model, &mut random)];
            let bytes = |run: &Vec<Values>| run.iter().map(Values::bytes).collect();
            let outputs = run_many(&model, &runs).iter().map(bytes).collect();
            write_whole(&folder.join(format!("{name}.bantam")), file.bytes())?;
            println!("{name} {} {kind}", model.artifact().macs());
            let (artifact, inputs) = (file.bytes().to_vec(), runs.iter().map(bytes).collect());
            cases.push(Case { name, artifact, inputs, outputs });
        }
    }
    write_whole(&folder.join("cases"), &pack(&cases))?;
    Ok(())
}

/// A layer of random weights, with a bias and a scale for each channel.
fn layer(opcode: Opcode, kernel: u16, channels: u32, size: u32, random: &mut Random) -> AlignedBytes {
    let image = vec![1, size, size, channels];
    let dimensions = match opcode {
        Opcode::FullyConnected => [vec![1, channels], vec![1, size]],
        _ => [image.clone(), image],
    };
    let [input, output] = dimensions.clone();
    let window = window([kernel; 2], [1; 2], [1; 2], [kernel / 2; 2]);
    let mut layer = Accumulating::with(opcode, window, 1, input, output, random);
    layer.weight_scales = random.f32s(layer.channels(), 0.001, 0.02);
    layer.bias = Some((0..layer.channels()).map(|_| random.integer(-5000..5000) as i32).collect());
    let quantization = Quantization { scale: 0.5, zero_point: 0 };
    let mut builder = ModelBuilder::new(Arithmetic::Tflite);
    let [input, output] = dimensions;
    let ports = [builder.quantized(&input, layer.input), builder.quantized(&output, quantization)];
    builder.input(ports[0]);
    builder.output(ports[1]);
    layer.add_integer(&mut builder, Arithmetic::Tflite, ports, quantization, [-128, 127]);
    builder.build()
}
