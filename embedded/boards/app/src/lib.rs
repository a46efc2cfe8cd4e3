//! Paper is pulled under a line of eight light sensors, which a 12-bit converter on a bus reads; a pin is high while a zero
//! passes. This part knows embedded-hal and no chip.

#![no_std]
#![forbid(unsafe_code)]

use bantam::Arena;
pub use bantam_embedded::{ByteOrder, I2cSensor, Registers};
use bantam_embedded::{Detector, Pacer, Ring, Sampler, drive};
use embedded_hal::delay::DelayNs;
use embedded_hal::digital::OutputPin;

bantam::include_model!("../../../firmware/models/digits.bantam");

/// Address of the converter on its bus.
pub const ADDRESS: u8 = 0x48;
/// Where its eight channels stand.
pub const CHANNELS: Registers = Registers { first: 0x20, order: ByteOrder::BigEndian };

/// The digit that is looked for.
const WANTED: usize = 0;
/// From one reading to the next.
const PERIOD_NS: u32 = 10_000_000;

/// Reads, looks and decides until the power goes.
pub fn run<S, P, D>(mut sensors: S, mut pin: P, delay: D) -> !
where
    S: Sampler<Sample = [i16; 8]>,
    P: OutputPin,
    D: DelayNs,
{
    let mut windows = Ring::<[i16; 8], 8>::new(1);
    let mut detector = Detector::new().on_at(100).off_below(0).silent_for(8);
    let mut arena = Arena::<{ Digits::ARENA_BYTES }>::new();
    let mut digits = Digits::new(&mut arena);
    let mut pacer = Pacer::new(delay, PERIOD_NS);
    loop {
        match sensors.sample() {
            Ok(reading) if windows.push(reading) => {
                // 12 bits become the 8 that the model takes: a scale of 16 / 255 and a zero point of -128.
                windows.copy_channels_to(digits.input_mut(), |light| (light >> 4).clamp(0, 255) as u8 as i8 ^ -128);
                digits.run();
                let score = digits.output().get(WANTED).copied().unwrap_or(i8::MIN);
                if let Some(event) = detector.update(score) {
                    // A pin that fails now is set by the next event.
                    let _ = drive(&mut pin, event);
                }
            }
            Ok(_) => {}
            // No window may have a hole.
            Err(_) => {
                windows.clear();
                detector.reset();
            }
        }
        // Where the work took longer than the period, the next reading is due at once.
        let _ = pacer.wait(0);
    }
}
