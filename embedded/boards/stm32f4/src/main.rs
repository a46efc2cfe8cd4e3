//! An STM32F411 ("black pill"): the converter on PB8 and PB9, the lamp is the board's own.

#![no_std]
#![no_main]

use bantam_board_app::{ADDRESS, CHANNELS, I2cSensor, run};
use cortex_m as _; // brings the critical sections of a chip with one core
use cortex_m_rt::entry;
use panic_halt as _;
use stm32f4xx_hal::i2c::I2c;
use stm32f4xx_hal::pac;
use stm32f4xx_hal::prelude::*;
use stm32f4xx_hal::rcc::Config;

#[entry]
fn main() -> ! {
    let chip = pac::Peripherals::take().expect("taken once");
    let mut clocks = chip.RCC.freeze(Config::hsi().sysclk(84.MHz()));
    let (b, c) = (chip.GPIOB.split(&mut clocks), chip.GPIOC.split(&mut clocks));
    let bus = I2c::new(chip.I2C1, (b.pb8, b.pb9), 400.kHz(), &mut clocks);
    let delay = chip.TIM5.delay_us(&mut clocks);
    run(I2cSensor::new(bus, ADDRESS, CHANNELS), c.pc13.into_push_pull_output(), delay)
}
