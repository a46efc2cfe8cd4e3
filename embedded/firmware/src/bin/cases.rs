//! Repeats the host's runs of TensorFlow Lite models and compares every output, bit for bit.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use bantam::{Arena, DataType, Element, Model, Operators, Session};
use bantam_firmware::{ARENA_BYTES, CASES};
use cortex_m_rt::entry;
use cortex_m_semihosting::hprintln;
use crc::{CRC_32_ISO_HDLC, Crc, NoTable};

/// Everything.
#[cfg(not(smallest))]
static OPERATORS: &Operators = &bantam::ops::ALL;

/// What the cases of the smallest board are made of.
#[cfg(smallest)]
static OPERATORS: &Operators = {
    static CHOSEN: Operators = bantam::ops![
        Float, Tflite; AveragePool2d, Binary, Concat, Conv2d, DepthwiseConv2d, FullyConnected, MaxPool2d, Pad, Reduce, Reshape,
        Softmax, Table
    ];
    &CHOSEN
};

/// Takes bytes from the front of a file of cases.
struct Reader(&'static [u8]);

impl Reader {
    fn take(&mut self, length: usize) -> &'static [u8] {
        let (part, rest) = self.0.split_at(length);
        self.0 = rest;
        part
    }

    /// A part and the zeros behind it.
    fn part(&mut self, length: usize) -> &'static [u8] {
        &self.take(length.next_multiple_of(16))[..length]
    }

    fn words<const N: usize>(&mut self) -> [usize; N] {
        let bytes = self.take(4 * N);
        core::array::from_fn(|at| u32::from_le_bytes(bytes[4 * at..][..4].try_into().expect("four bytes")) as usize)
    }
}

fn repeat() -> (u32, u32) {
    let arena = cortex_m::singleton!(: Arena<ARENA_BYTES> = Arena::new()).expect("an arena, taken once");
    let algorithm = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);
    let (mut cases, mut different) = (0, 0);
    let mut file = Reader(CASES);
    while !file.0.is_empty() {
        let [name, artifact, input_bytes, output_bytes, runs, ..] = file.words::<8>();
        let name = core::str::from_utf8(file.part(name)).expect("a name in UTF-8");
        let model = Model::parse(file.part(artifact)).expect("an artifact that the host has run");
        let (inputs, outputs) = (file.part(input_bytes * runs), file.part(output_bytes * runs));
        let mut session = Session::new(&model, arena.bytes_mut(), OPERATORS).expect("an arena that is large enough");
        let mut got = algorithm.digest();
        for run in 0..runs {
            let mut input = &inputs[run * input_bytes..][..input_bytes];
            for (index, io) in model.inputs().enumerate() {
                let own = input.split_off(..io.tensor.bytes()).expect("all inputs of a run");
                match io.tensor.data_type {
                    DataType::I8 => fill(&mut session, index, own.iter().map(|byte| byte.cast_signed())),
                    DataType::F32 => fill(&mut session, index, words(own).map(f32::from_le_bytes)),
                    _ => fill(&mut session, index, words(own).map(i32::from_le_bytes)),
                }
            }
            session.run().expect("a run, which cannot fail on a parsed model");
            for (index, io) in model.outputs().enumerate() {
                match io.tensor.data_type {
                    DataType::I8 => read::<i8>(&session, index, |value| got.update(&[value.cast_unsigned()])),
                    DataType::F32 => read::<f32>(&session, index, |value| got.update(&value.to_le_bytes())),
                    _ => read::<i32>(&session, index, |value| got.update(&value.to_le_bytes())),
                }
            }
        }
        cases += 1;
        if got.finalize() != algorithm.checksum(outputs) {
            different += 1;
            hprintln!("different: {name}");
        }
    }
    (cases, different)
}

/// The words of a list of bytes.
fn words(bytes: &[u8]) -> impl Iterator<Item = [u8; 4]> {
    bytes.as_chunks().0.iter().copied()
}

fn fill<T: Element>(session: &mut Session<'_, '_>, index: usize, values: impl Iterator<Item = T>) {
    let input = session.input_mut::<T>(index).expect("an input of this type");
    for (to, from) in input.iter_mut().zip(values) {
        *to = from;
    }
}

fn read<T: Element>(session: &Session<'_, '_>, index: usize, take: impl FnMut(&T)) {
    session.output::<T>(index).expect("an output of this type").iter().for_each(take);
}

#[entry]
fn main() -> ! {
    let (cases, different) = repeat();
    hprintln!("cases: {cases} models, {different} differences");
    bantam_firmware::exit(cases > 0 && different == 0)
}
