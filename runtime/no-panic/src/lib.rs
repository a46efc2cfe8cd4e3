//! A panic handler that calls a function which does not exist: a program in which a panic can be reached does not link.
//!
//! `cargo xtask test --only no-panic` builds the programs in `src/bin/` and looks at what the linker says.

#![no_std]

use core::panic::PanicInfo;

// SAFETY: there is no such function; whatever calls it is never linked, and so never run.
unsafe extern "C" {
    /// What the linker names where a panic can be reached.
    safe fn panic_is_reachable() -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    panic_is_reachable()
}

/// A panic that the compiler cannot rule out, with the feature `control`.
pub fn control(bytes: &[u8]) -> u8 {
    if cfg!(feature = "control") { bytes[core::hint::black_box(3)] } else { 0 }
}
