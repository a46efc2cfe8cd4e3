//! An ESP32-C3: the converter on GPIO 5 and 6, the lamp on GPIO 8. A RISC-V core without a float unit.

#![no_std]
#![no_main]

use bantam_board_app::{ADDRESS, CHANNELS, I2cSensor, run};
use esp_hal::delay::Delay;
use esp_hal::gpio::{Level, Output, OutputConfig};
use esp_hal::i2c::master::{Config, I2c};
use panic_halt as _;

esp_bootloader_esp_idf::esp_app_desc!();

#[esp_hal::main]
fn main() -> ! {
    let chip = esp_hal::init(esp_hal::Config::default());
    let bus = I2c::new(chip.I2C0, Config::default()).expect("a frequency that the chip has");
    let bus = bus.with_sda(chip.GPIO5).with_scl(chip.GPIO6);
    let pin = Output::new(chip.GPIO8, Level::Low, OutputConfig::default());
    run(I2cSensor::new(bus, ADDRESS, CHANNELS), pin, Delay::new())
}
