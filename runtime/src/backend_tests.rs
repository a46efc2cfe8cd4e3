//! One suite for every backend: random ops give the oracle's bits, floats within the bound of the specification, with
//! input and output apart and overlapping as far as they may.

use crate::kernels::weights::half_to_single;
use crate::{AlignedBytes, Arithmetic, Backend, DataType, Limits, Model, Opcode, Session, TensorKind, ops};
use bantam_format::ops::{
    Accumulation, Conv2d, DepthwiseConv2d, Epilogue, FloatEpilogue, FullyConnected, IntegerEpilogue, WeightType, Window,
};
use bantam_format::overlap::RowWindow;
use bantam_format::writer::{Constants, ModelDescription, OpDescription, TensorDescription, write};
use bantam_format::{ABSENT, IoRecord};
use std::string::String;
use std::vec::Vec;
use std::{format, println, vec};

/// Backends that must be found on a machine of this kind, or the test fails.
#[cfg(target_arch = "x86_64")]
const EXPECTED: &[&str] = &["avx2"];
#[cfg(target_arch = "aarch64")]
const EXPECTED: &[&str] = &["neon"];
#[cfg(target_arch = "wasm32")]
const EXPECTED: &[&str] = if cfg!(target_feature = "simd128") { &["simd128"] } else { &[] };
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "wasm32")))]
const EXPECTED: &[&str] = &[];

/// Xorshift64* (Vigna, 2016).
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn within(&mut self, low: usize, high: usize) -> usize {
        low + (self.bits() % (high - low + 1) as u64) as usize
    }

    fn once_in(&mut self, n: u64) -> bool {
        self.bits().is_multiple_of(n)
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.bits() as u8).collect()
    }

    /// Numbers of 16 bits up to 4, one in eight of them subnormal.
    fn halves(&mut self, count: usize) -> Vec<u16> {
        let half = |bits: u64| {
            let magnitude = if bits.is_multiple_of(8) { bits >> 8 & 0x3ff } else { 0x2800 + (bits >> 8) % 0x1800 };
            (bits as u16 & 0x8000) | magnitude as u16
        };
        (0..count).map(|_| half(self.bits())).collect()
    }

    fn reals(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| (self.bits() % 2001) as f32 / 500.0 - 2.0).collect()
    }
}

/// A model of one op, and the bytes of its input.
struct Case {
    file: AlignedBytes,
    input: Vec<u8>,
    about: String,
}

/// The shape of an accumulating op.
#[derive(Clone, Debug)]
struct Shape {
    opcode: Opcode,
    window: Window,
    groups: usize,
    input: Vec<u32>,
    output: Vec<u32>,
    taps: usize,
    /// Whether the output lies exactly over the input.
    overwrites: bool,
}

impl Shape {
    fn random(random: &mut Random) -> Self {
        let opcode = [Opcode::Conv2d, Opcode::DepthwiseConv2d, Opcode::FullyConnected][random.within(0, 2)];
        let wide = if random.once_in(3) { 9 } else { 1 };
        if opcode == Opcode::FullyConnected {
            let (rows, depth) = (random.within(1, 9) as u32, random.within(1, 70));
            let output = vec![rows, (random.within(1, 8) * wide) as u32];
            let window = Window::read(&[]);
            let input = vec![rows, depth as u32];
            return Self { opcode, window, groups: 1, input, output, taps: depth, overwrites: false };
        }
        let pointwise = random.once_in(4);
        let mut axis = || {
            if pointwise {
                let size = random.within(1, 9);
                return [1, 1, 1, 0, size, size];
            }
            let (kernel, dilation) = (random.within(1, 4), random.within(1, 2));
            let extent = (kernel - 1) * dilation + 1;
            let (stride, pad, size) = (random.within(1, 3), random.within(0, extent - 1), random.within(1, 12));
            let last = random.within(0, size + pad - 1);
            [kernel, stride, dilation, pad, size, last / stride + 1]
        };
        let [kernel_height, stride_height, dilation_height, pad_top, height, out_height] = axis();
        let [kernel_width, stride_width, dilation_width, pad_left, width, out_width] = axis();
        let groups = if opcode == Opcode::Conv2d && random.once_in(4) { random.within(2, 3) } else { 1 };
        let channels = random.within(1, 6) * groups * if random.once_in(3) { 5 } else { 1 };
        let (out_channels, taps) = if opcode == Opcode::Conv2d {
            (random.within(1, 5) * groups * wide, kernel_height * kernel_width * channels / groups)
        } else {
            let multiplier = if random.once_in(3) { random.within(2, 9) } else { 1 };
            (channels * multiplier, kernel_height * kernel_width)
        };
        let batch = if random.once_in(5) { 2 } else { 1 };
        let window = Window {
            kernel_height: kernel_height as u16,
            kernel_width: kernel_width as u16,
            stride_height: stride_height as u16,
            stride_width: stride_width as u16,
            dilation_height: dilation_height as u16,
            dilation_width: dilation_width as u16,
            pad_top: pad_top as u16,
            pad_left: pad_left as u16,
        };
        let dimensions = |sizes: [usize; 4]| sizes.map(|size| size as u32).to_vec();
        let input = dimensions([batch, height, width, channels]);
        let output = dimensions([batch, out_height, out_width, out_channels]);
        Self { opcode, window, groups, input, output, taps, overwrites: false }
    }

    fn channels(&self) -> usize {
        *self.output.last().unwrap() as usize
    }

    /// Offsets of input and output, and the walking direction: apart, or as near as the bands allow.
    fn place(&self, random: &mut Random, element: usize) -> ([usize; 2], bool) {
        let bytes = |shape: &[u32]| shape.iter().product::<u32>() as usize * element;
        if self.overwrites {
            return ([0; 2], false);
        }
        let apart = ([0, bytes(&self.input).next_multiple_of(4)], false);
        if self.opcode == Opcode::FullyConnected || self.input[0] != 1 || random.once_in(3) {
            return apart;
        }
        let rows = RowWindow {
            input_rows: self.input[1] as usize,
            output_rows: self.output[1] as usize,
            extent: (usize::from(self.window.kernel_height) - 1) * usize::from(self.window.dilation_height) + 1,
            stride: self.window.stride_height.into(),
            pad: self.window.pad_top.into(),
            input_row_bytes: bytes(&self.input[2..]),
            output_row_bytes: bytes(&self.output[2..]),
            transposed: false,
        };
        if random.once_in(2) {
            ([rows.distance_up().next_multiple_of(4), 0], false)
        } else {
            ([0, rows.distance_down().next_multiple_of(4)], true)
        }
    }

    fn case(
        &self,
        arithmetic: Arithmetic,
        ([input_at, output_at], walk_down): ([usize; 2], bool),
        accumulation: Accumulation,
        constants: Constants,
        input: Vec<u8>,
    ) -> Case {
        let data_type = if arithmetic == Arithmetic::Float { DataType::F32 } else { DataType::I8 };
        let tensor = |location: usize, dimensions: &[u32]| TensorDescription {
            name: String::new(),
            data_type,
            kind: TensorKind::Arena,
            location: location as u32,
            dimensions: dimensions.to_vec(),
            quantization: None,
        };
        let mut attributes = Vec::new();
        let (window, groups) = (self.window, self.groups as u16);
        match self.opcode {
            Opcode::Conv2d => Conv2d { window, groups, accumulation }.write(&mut attributes),
            Opcode::DepthwiseConv2d => {
                DepthwiseConv2d { window, reserved: [0; 2], accumulation }.write(&mut attributes);
            }
            _ => FullyConnected::from(accumulation).write(&mut attributes),
        }
        let io = |role, tensor| IoRecord { tensor, role, source_layout: 0, scale: 1.0, zero_point: 0 };
        let macs = self.output.iter().map(|&d| u64::from(d)).product::<u64>() * self.taps as u64;
        let description = ModelDescription {
            arithmetic,
            tensors: vec![tensor(input_at, &self.input), tensor(output_at, &self.output)],
            ops: vec![OpDescription {
                name: String::new(),
                opcode: self.opcode,
                walk_down,
                inputs: vec![0],
                outputs: vec![1],
                attributes,
            }],
            constants: constants.into_bytes(),
            io: vec![io(0, 0), io(1, 1)],
            states: vec![],
            macs,
            preprocessing: vec![],
            labels: vec![],
            card: String::new(),
            debug: false,
        };
        let file = write(&description).unwrap_or_else(|error| panic!("{self:?}: {error:?}"));
        let about = format!("{arithmetic:?} {self:?} at {input_at} and {output_at}, down {walk_down}");
        Case { file: AlignedBytes::copy_of(&file), input, about }
    }

    /// An 8-bit op with every kind of multiplier the format allows, most of them such that outputs vary.
    fn integer(&self, random: &mut Random) -> Case {
        let arithmetic = if random.once_in(2) { Arithmetic::Onnx } else { Arithmetic::Tflite };
        let channels = self.channels();
        let mut constants = Constants::default();
        let weight_type = if random.once_in(4) { WeightType::I4 } else { WeightType::I8 };
        let count = channels * self.taps;
        let mut weights = random.bytes(weight_type.bytes(count).unwrap());
        if let (WeightType::I4, 1, Some(last)) = (weight_type, count % 2, weights.last_mut()) {
            *last &= 0xf;
        }
        let weights = constants.add(weights);
        let word = |values: &mut dyn Iterator<Item = u32>| values.flat_map(u32::to_le_bytes).collect::<Vec<u8>>();
        let bias = word(&mut (0..channels).map(|_| (random.bits() % 20_000) as u32).map(|b| b.wrapping_sub(10_000)));
        let bias = if random.once_in(4) { ABSENT } else { constants.add(bias) };
        let flags = u8::from(!random.once_in(3));
        let entries = if flags == 1 { channels } else { 1 };
        let wild = random.once_in(5);
        let table = if arithmetic == Arithmetic::Onnx {
            let mut real = || {
                if wild {
                    f32::from_bits((random.bits() % 0x7f00_0000) as u32)
                } else {
                    1.0 / random.within(20, 9000) as f32
                }
            };
            word(&mut (0..entries).map(|_| real().to_bits()))
        } else {
            let multiplier = |random: &mut Random| {
                let any = (random.bits() as u32) >> 1;
                if wild { any } else { any | 1 << 30 }
            };
            let mut bytes = word(&mut (0..entries).map(|_| multiplier(random)));
            let shift = |random: &mut Random| {
                if wild { random.within(0, 61) as i8 - 31 } else { -(random.within(4, 12) as i8) }
            };
            bytes.extend((0..entries).map(|_| shift(random).cast_unsigned()));
            bytes
        };
        let table = constants.add(table);
        let (a, b) = (random.bits() as i8, random.bits() as i8);
        let clamp = if random.once_in(2) { (-128, 127) } else { (a.min(b), a.max(b)) };
        let epilogue = IntegerEpilogue {
            table,
            input_zero_point: random.bits() as i8,
            output_zero_point: random.bits() as i8,
            clamp_min: clamp.0,
            clamp_max: clamp.1,
        };
        let epilogue = Epilogue::from(epilogue);
        let weight_type = weight_type.code();
        let accumulation = Accumulation { weight_type, flags, weights, bias, epilogue };
        let place = self.place(random, 1);
        let input = random.bytes(self.input.iter().product::<u32>() as usize);
        self.case(arithmetic, place, accumulation, constants, input)
    }

    /// A float op, the same on absolute values, whose outputs are the sums of absolute products, and the first one with the same
    /// weights in 16 bits.
    fn float(&self, random: &mut Random) -> [Case; 3] {
        let channels = self.channels();
        let (halves, bias) = (random.halves(channels * self.taps), random.reals(channels));
        let weights: Vec<f32> = halves.iter().map(|&half| half_to_single(half)).collect();
        let input = random.reals(self.input.iter().product::<u32>() as usize);
        let place = self.place(random, 4);
        let clamp = if random.once_in(2) { [f32::NEG_INFINITY, f32::INFINITY] } else { [-1.0, 6.0] };
        let case = |weight_type: WeightType, map: fn(f32) -> f32, [clamp_min, clamp_max]: [f32; 2]| {
            let bytes = |values: &[f32]| values.iter().flat_map(|&x| map(x).to_le_bytes()).collect::<Vec<u8>>();
            let mut constants = Constants::default();
            let stored = match weight_type {
                WeightType::F16 => halves.iter().flat_map(|half| half.to_le_bytes()).collect(),
                _ => bytes(&weights),
            };
            let accumulation = Accumulation {
                weight_type: weight_type.code(),
                flags: 0,
                weights: constants.add(stored),
                bias: constants.add(bytes(&bias)),
                epilogue: FloatEpilogue { clamp_min, clamp_max }.into(),
            };
            self.case(Arithmetic::Float, place, accumulation, constants, bytes(&input))
        };
        [
            case(WeightType::F32, |x| x, clamp),
            case(WeightType::F32, f32::abs, [f32::NEG_INFINITY, f32::INFINITY]),
            case(WeightType::F16, |x| x, clamp),
        ]
    }
}

/// The output of a case on a backend, in memory that held arbitrary bytes before. `packed` tells whether the op had
/// a packed form.
fn run(backend: Backend, case: &Case, random: &mut Random) -> (Vec<u8>, bool) {
    let limits = Limits { max_work: u64::MAX, ..Limits::default() };
    let model =
        Model::parse_with(case.file.bytes(), &limits).unwrap_or_else(|error| panic!("{}: {error:?}", case.about));
    let mut arena = AlignedBytes::copy_of(&random.bytes(Session::arena_bytes(&model, &ops::ALL)));
    let needed = Session::pack_bytes_on(backend, &model, &ops::ALL);
    let mut pack = random.bytes(needed);
    let io = |io: crate::IoTensor| io.tensor.range();
    let (input, output) = (io(model.inputs().next().unwrap()), io(model.outputs().next().unwrap()));
    arena.bytes_mut()[input].copy_from_slice(&case.input);
    let result =
        Session::packed_on(backend, &model, arena.bytes_mut(), &ops::ALL, &mut pack).map(|mut session| session.run());
    assert_eq!(result, Ok(Ok(())), "{}", case.about);
    (arena.bytes()[output].to_vec(), needed > 0)
}

fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks::<4>().0.iter().map(|&word| f32::from_le_bytes(word))
}

/// Runs random cases on a backend and on the oracle.
fn suite(name: &str, cases: u64) {
    let Some(backend) = Backend::available().find(|backend| backend.name() == name) else {
        assert!(!EXPECTED.contains(&name), "this machine should have {name}");
        println!("skipped: this machine has no {name}");
        return;
    };
    let mut fast = 0;
    for seed in 1..=cases {
        let random = &mut Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let shape = Shape::random(random);
        let case = shape.integer(random);
        let (oracle, _) = run(Backend::Scalar, &case, random);
        let (got, packed) = run(backend, &case, random);
        let wrong = got.iter().zip(&oracle).position(|(got, expected)| got != expected);
        assert_eq!(wrong, None, "the first wrong output of seed {seed}: {}", case.about);
        fast += u64::from(packed);
        let [case, bound, halves] = shape.float(random);
        let (oracle, _) = run(Backend::Scalar, &case, random);
        let (sums, _) = run(Backend::Scalar, &bound, random);
        let (got, _) = run(backend, &case, random);
        for ((got, expected), sum) in floats(&got).zip(floats(&oracle)).zip(floats(&sums)) {
            let bound = 4.0 * (shape.taps + 1) as f32 * f32::EPSILON * sum;
            assert!((got - expected).abs() <= bound, "seed {seed}: {got} for {expected}; {}", case.about);
        }
        let (same, _) = run(backend, &halves, random);
        assert_eq!(got, same, "seed {seed} with weights of 16 bits: {}", halves.about);
    }
    assert!(name == "scalar" || fast > cases / 2, "{name} ran {fast} of {cases} cases");
}

/// Depthwise convolutions that overwrite their input, one of them with a window too tall for lines set aside: it is gathered.
#[test]
fn depthwise_convolutions_overwrite_their_input() {
    let tall = Window {
        kernel_height: 10,
        kernel_width: 1,
        stride_height: 1,
        stride_width: 1,
        dilation_height: 60_000,
        dilation_width: 1,
        pad_top: 200,
        pad_left: 0,
    };
    let square = Window { kernel_height: 3, kernel_width: 3, dilation_height: 1, pad_top: 1, pad_left: 1, ..tall };
    let shapes = [(tall, [1, 3_000, 1, 1]), (square, [1, 9, 7, 1]), (square, [1, 9, 7, 5]), (square, [1, 5, 4, 40])];
    let mut random = Random(7);
    for (window, dimensions) in shapes {
        let (input, taps) = (dimensions.to_vec(), usize::from(window.kernel_height) * usize::from(window.kernel_width));
        let shape = Shape {
            opcode: Opcode::DepthwiseConv2d,
            window,
            groups: 1,
            output: input.clone(),
            input,
            taps,
            overwrites: true,
        };
        let case = shape.integer(&mut random);
        let (oracle, _) = run(Backend::Scalar, &case, &mut random);
        for backend in Backend::available() {
            let (got, _) = run(backend, &case, &mut random);
            let wrong = got.iter().zip(&oracle).position(|(got, expected)| got != expected);
            assert_eq!(wrong, None, "the first wrong output of {}: {}", backend.name(), case.about);
        }
    }
}

macro_rules! backends {
    ($($test:ident = $name:literal),* $(,)?) => {$(
        #[test]
        fn $test() {
            suite($name, 1500);
        }
    )*};
}

backends! {
    scalar = "scalar",
    avx2 = "avx2",
    avx_vnni = "avx-vnni",
    avx512_vnni = "avx512-vnni",
    neon = "neon",
    neon_dotprod = "neon-dotprod",
    simd128 = "simd128",
    model_signed = "model-signed",
    model_unsigned = "model-unsigned",
}

#[test]
fn a_pack_buffer_must_be_large_enough() {
    let random = &mut Random(5);
    let case = Shape::random(random).integer(random);
    let model = Model::parse(case.file.bytes()).unwrap();
    let needed = Session::pack_bytes(&model, &ops::ALL);
    let mut arena = AlignedBytes::zeroed(Session::arena_bytes(&model, &ops::ALL));
    let mut pack = vec![0; needed];
    assert!(Session::packed(&model, arena.bytes_mut(), &ops::ALL, &mut pack).is_ok());
    if needed > 0 {
        let error = Session::packed(&model, arena.bytes_mut(), &ops::ALL, &mut pack[1..]).unwrap_err();
        assert_eq!(error, crate::SessionError::PackTooSmall { needed, given: needed - 1 });
    }
}
