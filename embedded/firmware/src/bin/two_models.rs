//! Two models take turns in one arena: memory for the larger one is memory for both.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use bantam::Arena;
use bantam_firmware::{HostFile, HostOutput, Line, entry, exit, fail};

bantam::include_model!("../../models/digits.bantam");
bantam::include_model!("../../models/breast-cancer.bantam");

const ARENA_BYTES: usize = {
    let (one, other) = (Digits::ARENA_BYTES, BreastCancer::ARENA_BYTES);
    if one > other { one } else { other }
};

#[entry]
fn main() -> ! {
    let (images, samples) = (HostFile::open(c"digits"), HostFile::open(c"breast-cancer"));
    let outputs = HostOutput::create(c"output");
    let mut arena = Arena::<ARENA_BYTES>::new();
    let mut turns = 0;
    loop {
        // One model at a time borrows the arena; what it answered is read before the next one starts.
        let mut digits = Digits::new(&mut arena);
        if !images.integers(digits.input_mut()) {
            break;
        }
        digits.run();
        let written = outputs.integers(digits.output());
        let mut tumours = BreastCancer::new(&mut arena);
        if !samples.floats(tumours.input_mut()) {
            break;
        }
        tumours.run();
        if !written || !outputs.integers(tumours.output()) {
            fail("writing an output");
        }
        turns += 1;
    }
    Line::new().text("two_models: ").number(turns).text(" turns in ").number(ARENA_BYTES as u32).text(" bytes").print();
    exit(turns > 0)
}
