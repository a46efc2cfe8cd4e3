//! `hello_world`, compiled into the program, on every golden input.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use bantam::Arena;
use bantam_firmware::{Stack, entry, goldens, measured};

bantam::include_model!("../../models/hello_world.bantam");
measured!(HelloWorld);

#[entry]
fn main() -> ! {
    let stack = Stack::paint();
    let mut arena = Arena::<{ HelloWorld::ARENA_BYTES }>::new();
    goldens("hello_world", &stack, &mut HelloWorld::new(&mut arena))
}
