//! `digits`, compiled into the program, on every golden input.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use bantam::Arena;
use bantam_firmware::{Stack, entry, goldens, measured};

bantam::include_model!("../../models/digits.bantam");
measured!(Digits);

#[entry]
fn main() -> ! {
    let stack = Stack::paint();
    let mut arena = Arena::<{ Digits::ARENA_BYTES }>::new();
    goldens("digits", &stack, &mut Digits::new(&mut arena))
}
