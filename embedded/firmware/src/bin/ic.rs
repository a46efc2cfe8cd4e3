//! `ic`, compiled into the program, on every golden input.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use bantam::Arena;
use bantam_firmware::{Stack, entry, goldens, measured};

bantam::include_model!("../../models/ic.bantam");
measured!(Ic);

#[entry]
fn main() -> ! {
    let stack = Stack::paint();
    let mut arena = Arena::<{ Ic::ARENA_BYTES }>::new();
    goldens("ic", &stack, &mut Ic::new(&mut arena))
}
