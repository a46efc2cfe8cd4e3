//! Paper is pulled under a line of eight light sensors. A window slides over the last eight readings, a model looks at
//! each, and a pin is high while a zero passes. The trace is a recorded one: what an 8-bit converter gave.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use core::convert::Infallible;

use bantam::Arena;
use bantam_embedded::{Detector, FromFn, Ring, Sampler, drive};
use bantam_firmware::{HostFile, Line, entry, exit};
use embedded_hal::digital::{ErrorType, OutputPin};

bantam::include_model!("../../models/digits.bantam");

/// The digit that is looked for.
const WANTED: usize = 0;

/// A pin that tells the host when it moves.
struct Lamp {
    /// The reading it moves at.
    reading: u32,
}

impl ErrorType for Lamp {
    type Error = Infallible;
}

impl OutputPin for Lamp {
    fn set_low(&mut self) -> Result<(), Infallible> {
        Line::new().text("reading ").number(self.reading).text(": pin low").print();
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        Line::new().text("reading ").number(self.reading).text(": pin high").print();
        Ok(())
    }
}

#[entry]
fn main() -> ! {
    let trace = HostFile::open(c"trace");
    let mut sensors = FromFn::new(|| {
        let mut reading = [0u8; 8];
        if trace.bytes(&mut reading) { Ok(reading) } else { Err("the trace has ended") }
    });
    let mut windows = Ring::<[u8; 8], 8>::new(1);
    let mut detector = Detector::new().on_at(100).off_below(0).silent_for(8);
    let mut pin = Lamp { reading: 0 };
    let mut arena = Arena::<{ Digits::ARENA_BYTES }>::new();
    let mut digits = Digits::new(&mut arena);
    while let Ok(reading) = sensors.sample() {
        pin.reading += 1;
        if !windows.push(reading) {
            continue;
        }
        // The model's integers are the converter's, less 128: `INPUT` says a scale of 16 / 255 and a zero point of -128.
        windows.copy_channels_to(digits.input_mut(), |light| (light ^ 0x80).cast_signed());
        digits.run();
        if let Some(event) = detector.update(digits.output()[WANTED]) {
            let Ok(()) = drive(&mut pin, event);
        }
    }
    Line::new().text("window: ").number(pin.reading).text(" readings").print();
    exit(pin.reading > 0)
}
