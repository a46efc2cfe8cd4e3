//! What the programs share: the way out through semihosting, and the fixtures they are built with.
//!
//! Semihosting lets a program on a device, emulated or attached to a debugger, print on the host and end the run
//! with a verdict.

#![no_std]
#![deny(unsafe_code)]

use core::panic::PanicInfo;

use cortex_m_semihosting::{debug, hprintln};

/// Bytes at an address that is a multiple of 16, as an artifact must be.
#[repr(C, align(16))]
struct Aligned<T: ?Sized>(T);

/// The artifact of the digits model.
pub static DIGITS: &[u8] = {
    static FILE: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/digits.bantam")));
    &FILE.0
};

/// The int8 inputs of the digits model, one after another.
pub static INPUTS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/inputs.bin"));

/// The int8 outputs the host computed from [`INPUTS`], one after another.
pub static OUTPUTS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/outputs.bin"));

/// Runs of TensorFlow Lite models, packed: as many as the board takes.
pub static CASES: &[u8] = {
    static FILE: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/cases.bin")));
    &FILE.0
};

/// Bytes of memory that the board has for a model of [`CASES`].
pub const ARENA_BYTES: usize = if cfg!(smallest) { 12 * 1024 } else { 128 * 1024 };

/// Ends the run; the emulator's exit code is 0 on success and 1 otherwise.
pub fn exit(success: bool) -> ! {
    debug::exit(if success { debug::EXIT_SUCCESS } else { debug::EXIT_FAILURE });
    // Only a debugger that ignores the request comes here.
    loop {
        cortex_m::asm::wfi();
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    hprintln!("{info}");
    exit(false)
}
