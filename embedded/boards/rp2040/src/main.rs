//! A Raspberry Pi Pico: the converter on GPIO 4 and 5, the lamp is the board's own.

#![no_std]
#![no_main]

use bantam_board_app::{ADDRESS, CHANNELS, I2cSensor, run};
use panic_halt as _;
use rp2040_hal::clocks::init_clocks_and_plls;
use rp2040_hal::fugit::RateExtU32;
use rp2040_hal::gpio::{FunctionI2C, Pins, PullUp};
use rp2040_hal::{Clock, I2C, Sio, Timer, Watchdog, entry, pac};

/// Fetches the program from the flash chip.
// SAFETY: memory.x puts the section where the chip's own loader looks for it, and nothing else is in it.
#[unsafe(link_section = ".boot2")]
#[used]
static BOOT_LOADER: [u8; 256] = rp2040_boot2::BOOT_LOADER_GENERIC_03H;

/// Of the board's crystal.
const CRYSTAL_HZ: u32 = 12_000_000;

#[entry]
fn main() -> ! {
    let mut chip = pac::Peripherals::take().expect("taken once");
    let mut watchdog = Watchdog::new(chip.WATCHDOG);
    let clocks = init_clocks_and_plls(
        CRYSTAL_HZ,
        chip.XOSC,
        chip.CLOCKS,
        chip.PLL_SYS,
        chip.PLL_USB,
        &mut chip.RESETS,
        &mut watchdog,
    );
    let clocks = clocks.ok().expect("a crystal of this frequency");
    let sio = Sio::new(chip.SIO);
    let pins = Pins::new(chip.IO_BANK0, chip.PADS_BANK0, sio.gpio_bank0, &mut chip.RESETS);
    let data = pins.gpio4.reconfigure::<FunctionI2C, PullUp>();
    let clock = pins.gpio5.reconfigure::<FunctionI2C, PullUp>();
    let bus = I2C::i2c0(chip.I2C0, data, clock, 400.kHz(), &mut chip.RESETS, clocks.system_clock.freq());
    let delay = Timer::new(chip.TIMER, &mut chip.RESETS, &clocks);
    run(I2cSensor::new(bus, ADDRESS, CHANNELS), pins.gpio25.into_push_pull_output(), delay)
}
