//! `digits` as a file that could be another one tomorrow, through a session over the operators it needs, on every golden input.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use bantam::{Aligned, Arena, Operators};
use bantam_firmware::{Stack, entry, session};

/// What the device has room for; a model that needs more is refused.
const ARENA_BYTES: usize = 1088;

static FILE: &Aligned<[u8]> = &Aligned(*include_bytes!("../../models/digits.bantam"));
static OPERATORS: Operators = bantam::ops![Tflite; Binary, Conv2d, DepthwiseConv2d, FullyConnected, Reduce, Softmax];
// The file tells how an image becomes its input.
const OPCODES: u64 = bantam::opcodes![Binary, Conv2d, DepthwiseConv2d, FullyConnected, Reduce, Softmax]
    | bantam::Artifact::PREPROCESSING;

#[entry]
fn main() -> ! {
    let stack = Stack::paint();
    let mut arena = Arena::<ARENA_BYTES>::new();
    session::<OPCODES>("digits", &stack, arena.bytes_mut(), &FILE.0, &OPERATORS)
}
