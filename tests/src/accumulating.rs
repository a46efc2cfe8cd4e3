//! Convolutions and matrix products in two forms, an 8-bit one and its float twin with the dequantised parameters.

use crate::build::{ModelBuilder, window};
use crate::quantization::{Quantization, table};
use crate::random::Random;
use crate::run::Values;
use bantam_format::ops::{
    Accumulation, Conv2d, DepthwiseConv2d, Epilogue, FloatEpilogue, FullyConnected, IntegerEpilogue, WeightType, Window,
};
use bantam_format::{ABSENT, Arithmetic, Opcode};
use half::f16;

/// Extents of a windowed op.
#[derive(Clone, Copy, Debug)]
pub struct Windowed {
    /// The window.
    pub window: Window,
    /// Input height and width.
    pub input: [u32; 2],
    /// Output height and width.
    pub output: [u32; 2],
}

impl Windowed {
    /// Any small window that the rules allow.
    pub fn random(random: &mut Random) -> Self {
        let mut axis = || {
            let input = random.within(1..9);
            let kernel = random.within(1..5);
            let dilation = if random.once_in(3) { random.within(1..4) } else { 1 };
            let stride = random.within(1..4);
            let pad = random.within(0..(kernel - 1) * dilation + 1);
            let most = (input + pad - 1) / stride + 1;
            let output = if random.once_in(3) { random.within(1..most + 1) } else { most };
            [input, kernel, stride, dilation, pad, output]
        };
        let (h, w) = (axis(), axis());
        let pair = |index: usize| [h[index] as u16, w[index] as u16];
        Self {
            window: window(pair(1), pair(2), pair(3), pair(4)),
            input: [h[0] as u32, w[0] as u32],
            output: [h[5] as u32, w[5] as u32],
        }
    }
}

/// A convolution, depthwise or transposed too, or matrix product with 8-bit parameters.
#[derive(Clone, Debug)]
pub struct Accumulating {
    /// Which of them.
    pub opcode: Opcode,
    /// Of convolutions.
    pub window: Window,
    /// Of `Conv2d` and `TransposeConv2d`.
    pub groups: u16,
    /// Dimensions of the input.
    pub input_dimensions: Vec<u32>,
    /// Dimensions of the output.
    pub output_dimensions: Vec<u32>,
    /// Quantisation of the input.
    pub input: Quantization,
    /// In the order of the opcode; from -8 to 7 where they are stored two in a byte.
    pub weights: Vec<i8>,
    /// How they are stored.
    pub weight_type: WeightType,
    /// How those of the float twin are.
    pub float_type: WeightType,
    /// One, or one per output channel.
    pub weight_scales: Vec<f32>,
    /// In steps of input scale times weight scale.
    pub bias: Option<Vec<i32>>,
}

impl Accumulating {
    /// Small random shapes and parameters; one case in four has more channels than a kernel's tile.
    pub fn random(opcode: Opcode, random: &mut Random) -> Self {
        let wide = if random.once_in(4) { 20 } else { 1 };
        if opcode == Opcode::FullyConnected {
            let (rows, depth) = (random.within(1..4) as u32, random.within(1..40) as u32);
            let channels = (random.within(1..8) * wide) as u32;
            let unused = window([1; 2], [1; 2], [1; 2], [0; 2]);
            return Self::with(opcode, unused, 1, vec![rows, depth], vec![rows, channels], random).maybe_narrow(random);
        }
        let Windowed { window, input, output } = Windowed::random(random);
        let batch = if random.once_in(5) { 2 } else { 1 };
        let depthwise = opcode == Opcode::DepthwiseConv2d;
        let groups = if depthwise { 1 } else { random.within(1..4) as u32 };
        let output =
            if opcode == Opcode::TransposeConv2d { [0; 2].map(|_| random.within(1..14) as u32) } else { output };
        let channels = random.within(1..5) as u32 * groups;
        let out_channels = if depthwise {
            channels * random.within(1..4) as u32 * if wide > 1 { 5 } else { 1 }
        } else {
            random.within(1..4) as u32 * groups * wide as u32
        };
        let dimensions = |[height, width]: [u32; 2], channels| vec![batch, height, width, channels];
        Self::with(opcode, window, groups as u16, dimensions(input, channels), dimensions(output, out_channels), random)
            .maybe_narrow(random)
    }

    /// One case in four has weights of 4 bits.
    fn maybe_narrow(mut self, random: &mut Random) -> Self {
        if random.once_in(4) {
            self.weight_type = WeightType::I4;
            self.weights.iter_mut().for_each(|weight| *weight >>= 4);
        }
        self
    }

    /// Random parameters for given shapes.
    pub fn with(
        opcode: Opcode,
        window: Window,
        groups: u16,
        input_dimensions: Vec<u32>,
        output_dimensions: Vec<u32>,
        random: &mut Random,
    ) -> Self {
        let mut case = Self {
            opcode,
            window,
            groups,
            input_dimensions,
            output_dimensions,
            input: Quantization { scale: random.real(0.005, 0.1) as f32, zero_point: random.i8() },
            weights: Vec::new(),
            weight_type: WeightType::I8,
            float_type: WeightType::F32,
            weight_scales: Vec::new(),
            bias: None,
        };
        case.weights = random.i8s(case.channels() * case.taps());
        let scales = if random.once_in(3) { 1 } else { case.channels() };
        case.weight_scales = random.f32s(scales, 0.001, 0.02);
        if !random.once_in(4) {
            case.bias = Some((0..case.channels()).map(|_| random.integer(-5000..5000) as i32).collect());
        }
        case
    }

    /// Output channels.
    pub fn channels(&self) -> usize {
        self.output_dimensions[self.output_dimensions.len() - 1] as usize
    }

    /// Input channels.
    pub fn input_channels(&self) -> usize {
        self.input_dimensions[self.input_dimensions.len() - 1] as usize
    }

    /// Products that make up one accumulator.
    pub fn taps(&self) -> usize {
        match self.opcode {
            Opcode::Conv2d | Opcode::TransposeConv2d => {
                self.window.taps() * self.input_channels() / usize::from(self.groups)
            }
            Opcode::DepthwiseConv2d => self.window.taps(),
            _ => self.input_channels(),
        }
    }

    /// Elements of the input.
    pub fn input_elements(&self) -> usize {
        self.input_dimensions.iter().product::<u32>() as usize
    }

    /// Elements of the output.
    pub fn output_elements(&self) -> usize {
        self.output_dimensions.iter().product::<u32>() as usize
    }

    /// Real value of one step of the accumulators of an output channel.
    pub fn accumulator_scale(&self, channel: usize) -> f64 {
        let weight = self.weight_scales[if self.weight_scales.len() == 1 { 0 } else { channel }];
        f64::from(self.input.scale) * f64::from(weight)
    }

    /// Adds the 8-bit op.
    pub fn add_integer(
        &self,
        builder: &mut ModelBuilder,
        arithmetic: Arithmetic,
        [x, y]: [u16; 2],
        output: Quantization,
        [clamp_min, clamp_max]: [i8; 2],
    ) {
        let halves = |pair: &[i8]| (pair[0] & 0xf | pair.get(1).map_or(0, |second| second << 4)).cast_unsigned();
        let weights = match self.weight_type {
            WeightType::I4 => builder.constant_bytes(self.weights.chunks(2).map(halves).collect()),
            _ => builder.constant(&Values::I8(self.weights.clone())),
        };
        let bias = self.bias.as_ref().map_or(ABSENT, |bias| builder.constant(&Values::I32(bias.clone())));
        let real = |channel| self.accumulator_scale(channel) / f64::from(output.scale);
        let reals: Vec<f64> = (0..self.weight_scales.len()).map(real).collect();
        let table = builder.constant_bytes(table(arithmetic, &reals));
        let epilogue = IntegerEpilogue {
            table,
            input_zero_point: self.input.zero_point,
            output_zero_point: output.zero_point,
            clamp_min,
            clamp_max,
        };
        self.add(builder, self.weight_type, [x, y], weights, bias, epilogue.into());
    }

    /// Adds the float twin.
    pub fn add_float(&self, builder: &mut ModelBuilder, [x, y]: [u16; 2], [clamp_min, clamp_max]: [f32; 2]) {
        let channel = |index: usize| match self.opcode {
            Opcode::DepthwiseConv2d => index % self.channels(),
            _ => index / self.taps(),
        };
        let scale = |channel: usize| self.weight_scales[if self.weight_scales.len() == 1 { 0 } else { channel }];
        let weights = self.weights.iter().enumerate().map(|(index, &w)| f32::from(w) * scale(channel(index)));
        let weights: Vec<f32> = weights.collect();
        let weights = match self.float_type {
            WeightType::F16 => {
                builder.constant_bytes(weights.iter().flat_map(|&weight| f16::from_f32(weight).to_le_bytes()).collect())
            }
            _ => builder.constant(&Values::F32(weights)),
        };
        let real = |(channel, &bias): (usize, &i32)| (f64::from(bias) * self.accumulator_scale(channel)) as f32;
        let bias = self.bias.as_ref().map(|bias| bias.iter().enumerate().map(real).collect());
        let bias = bias.map_or(ABSENT, |bias| builder.constant(&Values::F32(bias)));
        self.add(builder, self.float_type, [x, y], weights, bias, FloatEpilogue { clamp_min, clamp_max }.into());
    }

    fn add(
        &self,
        builder: &mut ModelBuilder,
        weight_type: WeightType,
        [x, y]: [u16; 2],
        weights: u32,
        bias: u32,
        epilogue: Epilogue,
    ) {
        let flags = u8::from(!weight_type.is_float() && self.weight_scales.len() > 1);
        let weight_type = weight_type.code();
        let accumulation = Accumulation { weight_type, flags, weights, bias, epilogue };
        let (window, groups) = (self.window, self.groups);
        match self.opcode {
            Opcode::Conv2d | Opcode::TransposeConv2d => {
                builder.op(self.opcode, &[x], y, &Conv2d { window, groups, accumulation })
            }
            Opcode::DepthwiseConv2d => {
                builder.op(self.opcode, &[x], y, &DepthwiseConv2d { window, reserved: [0; 2], accumulation });
            }
            _ => builder.op(self.opcode, &[x], y, &FullyConnected::from(accumulation)),
        }
    }
}
