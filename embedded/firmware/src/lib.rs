//! What the programs share: a way out and a voice through semihosting, files of the host, a clock and a painted stack.
//!
//! Semihosting lets a program on a device, emulated or attached to a debugger, print on the host, read and write its
//! files, and end the run with a verdict. Nothing here links text formatting unless a program panics.

#![no_std]
#![deny(unsafe_code)]

pub mod clock;
mod goldens;
mod host;
mod line;
#[allow(unsafe_code)]
mod stack;
#[cfg(target_arch = "arm")]
#[allow(unsafe_code)]
mod vectors;

use core::panic::PanicInfo;

#[cfg(target_arch = "arm")]
pub use cortex_m_rt::entry;
#[cfg(target_arch = "riscv32")]
pub use riscv_rt::entry;

pub use goldens::{Measured, goldens, session};
pub use host::{HostFile, HostOutput};
pub use line::{Line, print};
pub use stack::Stack;

/// Ends the run; the emulator's exit code is 0 on success and 1 otherwise.
pub fn exit(success: bool) -> ! {
    semihosting::process::exit(i32::from(!success))
}

/// Ends the run with a reason.
pub fn fail(reason: &str) -> ! {
    print(&["failed: ", reason]);
    exit(false)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let mut line = Line::new();
    if let Some(place) = info.location() {
        line.text("panicked at ").text(place.file()).text(":").number(place.line()).print();
    }
    exit(false)
}
