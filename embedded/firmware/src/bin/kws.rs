//! `kws`, compiled into the program, on every golden input.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use bantam::Arena;
use bantam_firmware::{Stack, entry, goldens, measured};

bantam::include_model!("../../models/kws.bantam");
measured!(Kws);

#[entry]
fn main() -> ! {
    let stack = Stack::paint();
    let mut arena = Arena::<{ Kws::ARENA_BYTES }>::new();
    goldens("kws", &stack, &mut Kws::new(&mut arena))
}
