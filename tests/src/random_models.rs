//! Random models, valid by construction.

use crate::accumulating::Windowed;
use crate::chain::{Chain, Placement};
use crate::quantization::Quantization;
use crate::random::Random;
use bantam_format::ops::{BinaryKind, UnaryKind};
use bantam_format::writer::ModelDescription;
use bantam_format::{Arithmetic, DataType, Opcode, SourceLayout};

/// A chain of one to eight random ops, with random names, labels and card.
pub fn random_model(seed: u64) -> ModelDescription {
    let mut random = Random::new(seed);
    let arithmetic = random.pick(Arithmetic::ALL);
    let data_type = if arithmetic == Arithmetic::Float { DataType::F32 } else { DataType::I8 };
    let dimensions = [1, random.within(1..7) as u32, random.within(1..7) as u32, random.within(1..5) as u32];
    let mut chain = Chain::new(arithmetic, data_type, &dimensions, 4096, random.bits());
    if random.once_in(3) {
        let state = chain.random.i8s(4);
        chain.builder.state(&[2, 2], &crate::run::Values::I8(state));
    }
    for _ in 0..random.within(1..9) {
        grow(&mut chain, &mut random);
    }
    let mut description = chain.finish().description();
    description.debug = random.once_in(2);
    if random.once_in(2) {
        description.labels = (0..random.within(1..5)).map(|label| format!("label {label} Ä")).collect();
    }
    if random.once_in(2) {
        description.card = format!("{{\"seed\":{seed}}}");
    }
    for io in &mut description.io {
        io.source_layout = random.pick(SourceLayout::ALL).code();
    }
    description
}

/// Adds one op that fits the last tensor.
fn grow(chain: &mut Chain, random: &mut Random) {
    let image = chain.dimensions.len() == 4;
    let in_place = random.pick(&[Placement::Behind, Placement::InPlace]);
    let banded = random.pick(&[Placement::Behind, Placement::BandedDown]);
    match random.within(0..11) {
        0 if image => {
            let channels = random.within(1..7) as u32;
            chain.convolution(Opcode::Conv2d, random.pick(&[1, 2, 3]), random.pick(&[1, 2]), channels, banded);
        }
        1 if image => {
            let channels = chain.dimensions[3] * random.within(1..3) as u32;
            chain.convolution(Opcode::DepthwiseConv2d, random.pick(&[1, 3]), random.pick(&[1, 2]), channels, banded);
        }
        2 if image => {
            let opcode = random.pick(&[Opcode::MaxPool2d, Opcode::AveragePool2d]);
            let input = [chain.dimensions[1], chain.dimensions[2]];
            let shape = Windowed {
                window: crate::build::window([2; 2], [1; 2], [1; 2], [0; 2]),
                input,
                output: input.map(|size| size.max(2) - 1),
            };
            chain.pool(opcode, &shape, random.once_in(2), banded);
        }
        3 if chain.dimensions.len() > 1 => {
            let first = random.within(0..chain.dimensions.len() - 1);
            chain.mean(first, random.within(1..chain.dimensions.len() - first));
        }
        4 => {
            let from = random.within(0..chain.dimensions.len());
            let dimensions = chain.dimensions[from..].to_vec();
            let (second, quantization) = chain.constant_operand(&dimensions);
            chain.binary(
                random.pick(&[BinaryKind::Add, BinaryKind::Sub, BinaryKind::Mul]),
                second,
                quantization,
                in_place,
            );
        }
        5 => chain.nonlinear(random.pick(&[UnaryKind::Tanh, UnaryKind::Gelu, UnaryKind::Elu]), in_place),
        6 => chain.clamp(in_place),
        7 => {
            let elements = chain.dimensions.iter().product();
            chain.reshape(&[1, elements], in_place);
        }
        8 => chain.softmax(in_place),
        9 => {
            if chain.data_type == DataType::F32 {
                chain.quantization = Quantization { scale: 0.03, zero_point: 1 };
            }
            let integer = chain.data_type == DataType::I8;
            chain.convert();
            // Float artifacts have no arithmetic for 8-bit sums: back again.
            if !integer {
                chain.convert();
            }
        }
        _ => chain.fully_connected(random.within(1..9) as u32),
    }
}
