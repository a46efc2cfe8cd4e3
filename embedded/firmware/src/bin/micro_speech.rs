//! `micro_speech`, compiled into the program, on every golden input.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use bantam::Arena;
use bantam_firmware::{Stack, entry, goldens, measured};

bantam::include_model!("../../models/micro_speech.bantam");
measured!(MicroSpeech);

#[entry]
fn main() -> ! {
    let stack = Stack::paint();
    let mut arena = Arena::<{ MicroSpeech::ARENA_BYTES }>::new();
    goldens("micro_speech", &stack, &mut MicroSpeech::new(&mut arena))
}
