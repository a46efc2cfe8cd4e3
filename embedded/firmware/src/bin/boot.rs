//! Checks that an image starts as it should: memory set up, arithmetic at work, and a clock that counts instructions.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use core::hint::black_box;
use core::sync::atomic::{AtomicU32, Ordering};

use bantam_firmware::{Line, clock, entry, exit};

/// In `.data`, which start-up copies from flash.
static COPIED: AtomicU32 = AtomicU32::new(0x0bad_5eed);
/// In `.bss`, which start-up zeroes.
static ZEROED: AtomicU32 = AtomicU32::new(0);

/// Loops of known length, in instructions.
const LOOPS: [u32; 2] = [1_000_000, 3_000_000];

#[entry]
fn main() -> ! {
    assert_eq!(COPIED.load(Ordering::Relaxed), 0x0bad_5eed, ".data was not copied");
    assert_eq!(ZEROED.load(Ordering::Relaxed), 0, ".bss was not zeroed");
    // In hardware where there is a float unit, which start-up must have switched on; in software elsewhere.
    assert_eq!(black_box(1.5_f32) * black_box(3.0), 4.5);
    clock::start();
    let [short, long] = LOOPS.map(|instructions| {
        let start = clock::now();
        clock::delay(instructions);
        clock::elapsed(start)
    });
    let mut line = Line::new();
    // The host compares: 2,000,000 instructions more, and the loop around them not at all.
    line.text("clock: ")
        .number(LOOPS[1] - LOOPS[0])
        .text(" instructions take ")
        .number(long - short)
        .text(" ticks")
        .print();
    line.text("boot: memory, arithmetic and clock are there").print();
    exit(true)
}
