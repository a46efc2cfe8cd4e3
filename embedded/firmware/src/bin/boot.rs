//! Checks that an image starts as it should: memory set up, arithmetic at work, the expected core.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use core::hint::black_box;
use core::sync::atomic::{AtomicU32, Ordering};

use cortex_m::Peripherals;
use cortex_m_rt::entry;
use cortex_m_semihosting::hprintln;

/// In `.data`, which start-up copies from flash.
static COPIED: AtomicU32 = AtomicU32::new(0x0bad_5eed);
/// In `.bss`, which start-up zeroes.
static ZEROED: AtomicU32 = AtomicU32::new(0);

/// Part numbers of the CPUID register: Cortex-M0 and Cortex-M4.
const PART: u32 = if cfg!(target_has_atomic = "32") { 0xc24 } else { 0xc20 };

#[entry]
fn main() -> ! {
    let part = Peripherals::take().map(|peripherals| (peripherals.CPUID.base.read() >> 4) & 0xfff);
    hprintln!("boot: core {:x}", part.unwrap_or_default());
    assert_eq!(part, Some(PART), "another core than this image was built for");
    assert_eq!(COPIED.load(Ordering::Relaxed), 0x0bad_5eed, ".data was not copied");
    assert_eq!(ZEROED.load(Ordering::Relaxed), 0, ".bss was not zeroed");
    // In hardware on a Cortex-M4F, where start-up must have switched the unit on; in software on a Cortex-M0.
    assert_eq!(black_box(1.5_f32) * black_box(3.0), 4.5);
    bantam_firmware::exit(true)
}
