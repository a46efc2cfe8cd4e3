//! Runs the digits model on all fixtures and compares every output with the host's, bit for bit.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use bantam::{Arena, Model, Operators, Session};
use bantam_firmware::{DIGITS, INPUTS, OUTPUTS};
use cortex_m_rt::entry;
use cortex_m_semihosting::hprintln;
use crc::{CRC_32_ISO_HDLC, Crc, NoTable};

/// Bytes of the arena: half of the smallest board's RAM. A model that needs more is refused by `Session::new`.
const ARENA_BYTES: usize = 8 * 1024;

/// What the digits model is made of; nothing else is linked.
static OPERATORS: Operators = bantam::ops![Onnx; Conv2d, DepthwiseConv2d, Binary, Reduce, FullyConnected, Softmax];

#[entry]
fn main() -> ! {
    let arena = cortex_m::singleton!(: Arena<ARENA_BYTES> = Arena::new()).expect("an arena, taken once");
    let model = Model::parse(DIGITS).expect("an artifact that the host has run");
    let mut session = Session::new(&model, arena.bytes_mut(), &OPERATORS).expect("an arena that is large enough");
    let input_bytes = session.input_mut::<i8>(0).expect("an int8 input").len();
    let output_bytes = session.output::<i8>(0).expect("an int8 output").len();

    let algorithm = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);
    let mut crc = algorithm.digest();
    let (mut inputs, mut differences) = (0_u32, 0_u32);
    for (input, expected) in INPUTS.chunks_exact(input_bytes).zip(OUTPUTS.chunks_exact(output_bytes)) {
        for (value, byte) in session.input_mut::<i8>(0).expect("an int8 input").iter_mut().zip(input) {
            *value = byte.cast_signed();
        }
        session.run().expect("a run, which cannot fail on a parsed model");
        let mut same = true;
        for (value, expected) in session.output::<i8>(0).expect("an int8 output").iter().zip(expected) {
            let byte = value.cast_unsigned();
            crc.update(&[byte]);
            same &= byte == *expected;
        }
        differences += u32::from(!same);
        inputs += 1;
    }
    hprintln!("digits: {inputs} inputs, {differences} differences, crc {:08x}", crc.finalize());
    bantam_firmware::exit(inputs > 0 && differences == 0)
}
