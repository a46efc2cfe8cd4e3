//! Plans of random programs compute what disjoint tensors compute; the exact search finds no less than there is.

use super::memory::{Forbidden, Memory};
use super::{place, plan, verify};
use crate::lower::Program;
use bantam::{AlignedBytes, Model, Session};
use bantam_format::ops::{BinaryKind, Concat, FloatBinary, Pad, PadMode, StridedCopy, Unary, UnaryKind};
use bantam_format::writer::{ModelDescription, OpDescription, TensorDescription, write};
use bantam_format::{Arithmetic, DataType, IoRecord, IoRole, Opcode, TensorKind};

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}

/// A program over vectors of floats.
struct Vectors(Program);

impl Vectors {
    fn new() -> Self {
        let description = ModelDescription {
            arithmetic: Arithmetic::Float,
            tensors: vec![],
            ops: vec![],
            constants: vec![],
            io: vec![],
            states: vec![],
            macs: 0,
            preprocessing: vec![],
            labels: vec![],
            card: String::new(),
            debug: false,
        };
        Self(Program { description, aliases: vec![], values: vec![] })
    }

    fn tensor(&mut self, length: usize) -> u16 {
        self.0.description.tensors.push(TensorDescription {
            name: String::new(),
            data_type: DataType::F32,
            kind: TensorKind::Arena,
            location: 0,
            dimensions: vec![length as u32],
            quantization: None,
        });
        self.0.aliases.push(None);
        self.0.values.push(None);
        self.0.description.tensors.len() as u16 - 1
    }

    fn length(&self, tensor: u16) -> usize {
        self.0.description.tensors[usize::from(tensor)].dimensions[0] as usize
    }

    fn op(&mut self, opcode: Opcode, inputs: Vec<u16>, length: usize, attributes: Vec<u8>) -> u16 {
        let output = self.tensor(length);
        let name = format!("{}", self.0.description.ops.len());
        let outputs = vec![output];
        self.0.description.ops.push(OpDescription { name, opcode, walk_down: false, inputs, outputs, attributes });
        output
    }

    fn negative(&mut self, input: u16) -> u16 {
        let mut attributes = vec![];
        Unary { kind: UnaryKind::Neg.code(), reserved: [0; 3], p: 0.0, q: 0.0 }.write(&mut attributes);
        self.op(Opcode::Unary, vec![input], self.length(input), attributes)
    }

    fn sum(&mut self, inputs: [u16; 2]) -> u16 {
        let (kind, clamp) = (BinaryKind::Add.code(), f32::INFINITY);
        let mut attributes = vec![];
        FloatBinary { kind, reserved: [0; 3], clamp_min: -clamp, clamp_max: clamp }.write(&mut attributes);
        self.op(Opcode::Binary, inputs.to_vec(), self.length(inputs[0]), attributes)
    }

    fn joined(&mut self, inputs: Vec<u16>) -> u16 {
        let length = inputs.iter().map(|&input| self.length(input)).sum();
        let mut attributes = vec![];
        Concat { axis: 0, reserved: [0; 3] }.write(&mut attributes);
        self.op(Opcode::Concat, inputs, length, attributes)
    }

    fn slice(&mut self, input: u16, start: usize, length: usize, step: i32) -> u16 {
        let (mut dimensions, mut strides) = ([1; 6], [0; 6]);
        (dimensions[5], strides[5]) = (length as u32, step);
        let mut attributes = vec![];
        StridedCopy { offset: start as u32, dimensions, strides }.write(&mut attributes);
        self.op(Opcode::StridedCopy, vec![input], length, attributes)
    }

    fn padded(&mut self, input: u16, before: usize, after: usize) -> u16 {
        let length = before + self.length(input) + after;
        let before = [before as u32, 0, 0, 0, 0, 0];
        let mut attributes = vec![];
        Pad { mode: PadMode::Constant.code(), reserved: [0; 3], value: 1, before }.write(&mut attributes);
        self.op(Opcode::Pad, vec![input], length, attributes)
    }

    fn port(&mut self, tensor: u16, role: IoRole) {
        let io = &mut self.0.description.io;
        io.push(IoRecord { tensor, role: role.code(), source_layout: 0, scale: 1.0, zero_point: 0 });
    }

    /// A few ops of every kind on what is there already.
    fn random(numbers: &mut Numbers) -> Self {
        let mut made = Self::new();
        let mut known: Vec<u16> = (0..1 + numbers.below(2)).map(|_| made.tensor(1 + numbers.below(8))).collect();
        known.clone().into_iter().for_each(|input| made.port(input, IoRole::Input));
        for _ in 0..2 + numbers.below(9) {
            let pick = known[numbers.below(known.len())];
            let length = made.length(pick);
            let result = match numbers.below(6) {
                0 => made.negative(pick),
                1 => {
                    let alike: Vec<u16> = known.iter().copied().filter(|&other| made.length(other) == length).collect();
                    made.sum([pick, alike[numbers.below(alike.len())]])
                }
                2 => {
                    let others = (0..1 + numbers.below(2)).map(|_| known[numbers.below(known.len())]);
                    let inputs = std::iter::once(pick).chain(others.collect::<Vec<_>>()).collect();
                    made.joined(inputs)
                }
                3 => made.padded(pick, numbers.below(3), numbers.below(3)),
                4 => {
                    let start = numbers.below(length);
                    made.slice(pick, start, 1 + numbers.below(length - start), 1)
                }
                _ => made.slice(pick, length - 1, length, -1),
            };
            known.push(result);
        }
        let last = known[known.len() - 1];
        made.port(last, IoRole::Output);
        if numbers.below(3) == 0 {
            let output = known[numbers.below(known.len())];
            made.port(output, IoRole::Output);
        }
        made
    }
}

/// All tensors one behind the other.
fn spread(mut program: Program) -> Program {
    let mut end = 0;
    for tensor in &mut program.description.tensors {
        tensor.location = end;
        end += tensor.dimensions[0] * 4;
    }
    program
}

fn outputs(file: &[u8]) -> Vec<Vec<f32>> {
    let file = AlignedBytes::copy_of(file);
    let model = Model::parse(file.bytes()).expect("a valid artifact");
    let mut arena = AlignedBytes::zeroed(Session::arena_bytes(&model, &bantam::ops::ALL));
    let mut session = Session::new(&model, arena.bytes_mut(), &bantam::ops::ALL).expect("the arena fits");
    for input in 0..model.inputs().count() {
        for (index, element) in session.input_mut::<f32>(input).expect("floats").iter_mut().enumerate() {
            *element = (input * 100 + index + 1) as f32;
        }
    }
    session.run().expect("a run");
    (0..model.outputs().count()).map(|output| session.output(output).expect("floats").to_vec()).collect()
}

#[test]
fn plans_compute_what_disjoint_tensors_compute() {
    let (mut absorbed, mut torn) = (0, 0);
    for seed in 1..200 {
        let mut numbers = Numbers(u64::wrapping_mul(seed, 0x9E37_79B9_7F4A_7C15));
        let asked = Vectors::random(&mut numbers).0;
        let mut planned = asked.clone();
        let result = plan(&mut planned);
        let file = write(&planned.description).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let aligned = AlignedBytes::copy_of(&file);
        let model = Model::parse(aligned.bytes()).expect("written");
        assert_eq!(model.artifact().arena_bytes(), result.arena_bytes, "seed {seed}");
        verify::verify(&model).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        verify::prove(&asked, &model).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let disjoint = write(&spread(asked.clone()).description).expect("a valid program");
        assert_eq!(outputs(&file), outputs(&disjoint), "seed {seed}");
        absorbed += usize::from(planned.description.ops.len() < asked.description.ops.len());
        // A plan with one tensor elsewhere either is refused, or is caught, or computes the same.
        let mut wrong = planned.clone();
        let moved = numbers.below(wrong.description.tensors.len());
        wrong.description.tensors[moved].location = numbers.below(result.arena_bytes / 4) as u32 * 4;
        let Ok(file) = write(&wrong.description) else { continue };
        let aligned = AlignedBytes::copy_of(&file);
        let model = Model::parse(aligned.bytes()).expect("written");
        match verify::prove(&asked, &model) {
            Ok(()) => assert_eq!(outputs(&file), outputs(&disjoint), "seed {seed}"),
            Err(_) => torn += 1,
        }
    }
    assert!(absorbed > 30 && torn > 30, "{absorbed} {torn}");
}

#[test]
fn joined_and_cut_vectors_need_no_op() {
    let mut made = Vectors::new();
    let input = made.tensor(8);
    made.port(input, IoRole::Input);
    let halves = [made.slice(input, 0, 4, 1), made.slice(input, 4, 4, 1)];
    let negatives = halves.map(|half| made.negative(half));
    let joined = made.joined(vec![negatives[1], negatives[0]]);
    made.port(joined, IoRole::Output);
    let result = plan(&mut made.0);
    let opcodes: Vec<Opcode> = made.0.description.ops.iter().map(|op| op.opcode).collect();
    assert_eq!(opcodes, [Opcode::Unary, Opcode::Unary]);
    assert_eq!(result.arena_bytes, 48, "one half more than the vector: the halves change places");
    // The same vector twice is two copies.
    let mut twice = Vectors::new();
    let input = twice.tensor(8);
    twice.port(input, IoRole::Input);
    let joined = twice.joined(vec![input, input]);
    twice.port(joined, IoRole::Output);
    plan(&mut twice.0);
    assert_eq!(twice.0.description.ops.len(), 1);
}

#[test]
fn the_order_is_the_one_that_needs_least() {
    // Four long vectors are made and each summed up to a short one; the source makes all long ones first.
    let mut made = Vectors::new();
    let input = made.tensor(1);
    made.port(input, IoRole::Input);
    let long: Vec<u16> = (0..4).map(|_| made.joined(vec![input; 100])).collect();
    let short: Vec<u16> = long.into_iter().map(|long| made.slice(long, 99, 2, -7)).collect();
    let sums = [made.sum([short[0], short[1]]), made.sum([short[2], short[3]])];
    let output = made.sum(sums);
    made.port(output, IoRole::Output);
    let result = plan(&mut made.0);
    assert!(result.is_least && result.arena_bytes <= 100 * 4 + 4 + 3 * 8, "{result:?}");
}

#[test]
fn exact_searches_find_no_less_than_there_is() {
    let mut least = 0;
    for seed in 1..400 {
        let mut numbers = Numbers(u64::wrapping_mul(seed, 0x9E37_79B9_7F4A_7C15));
        let bodies: Vec<usize> = (0..4).map(|_| 4 * (1 + numbers.below(5))).collect();
        let mut memory = Memory {
            forbidden: vec![vec![]; 4],
            relations: vec![],
            spans: vec![(0, 0); 4],
            lower_bound: 0,
            bodies: bodies.clone(),
        };
        for a in 0..4 {
            for b in 0..a {
                // Apart, at a safe distance, or without any.
                let (from, to) = match numbers.below(4) {
                    0 => continue,
                    1 => (-(4 * numbers.below(4) as i64), 4 * numbers.below(4) as i64),
                    _ => (-(bodies[a] as i64), bodies[b] as i64),
                };
                memory.forbidden[a].push(Forbidden { other: b, from, to, hole: None });
                memory.forbidden[b].push(Forbidden { other: a, from: -to, to: -from, hole: None });
            }
        }
        let found = place::place(&memory);
        let at = |offsets: &[usize]| {
            let offsets = offsets.to_vec();
            (0..4).all(|body| memory.allows(body, offsets[body], |other| Some(offsets[other])))
        };
        assert!(at(&found.offsets), "seed {seed}");
        // Every placement that ends lower.
        let room = |body: usize| (0..(found.extent.saturating_sub(bodies[body]).div_ceil(4))).map(|step| step * 4);
        let mut lower = room(0).flat_map(|a| room(1).flat_map(move |b| room(2).map(move |c| [a, b, c])));
        let exists = lower.any(|[a, b, c]| room(3).any(|d| at(&[a, b, c, d])));
        assert!(!(found.is_least && exists), "seed {seed}: {memory:?} {found:?}");
        least += usize::from(found.is_least);
    }
    assert!(least > 350, "{least}");
}
