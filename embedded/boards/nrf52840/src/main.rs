//! An nRF52840 development kit: the converter on P0.26 and P0.27, the lamp is the board's own.

#![no_std]
#![no_main]

use bantam_board_app::{ADDRESS, CHANNELS, I2cSensor, run};
use cortex_m as _; // brings the critical sections of a chip with one core
use cortex_m_rt::entry;
use nrf52840_hal::gpio::{Level, p0};
use nrf52840_hal::twim::{Frequency, Pins};
use nrf52840_hal::{Timer, Twim, pac};
use panic_halt as _;

#[entry]
fn main() -> ! {
    let chip = pac::Peripherals::take().expect("taken once");
    let port = p0::Parts::new(chip.P0);
    let pins =
        Pins { scl: port.p0_27.into_floating_input().degrade(), sda: port.p0_26.into_floating_input().degrade() };
    let bus = Twim::new(chip.TWIM0, pins, Frequency::K400);
    let delay = Timer::new(chip.TIMER0);
    run(I2cSensor::new(bus, ADDRESS, CHANNELS), port.p0_13.into_push_pull_output(Level::Low), delay)
}
