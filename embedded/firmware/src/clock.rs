//! Executed instructions. Under an emulator that lets one instruction take one nanosecond they are what a timer counts; the
//! host knows how many are a tick of the machine's timer, and `boot` proves it on loops of known length.

/// Starts the timer.
#[cfg(target_arch = "arm")]
pub fn start() {
    use cortex_m::peripheral::{Peripherals, syst::SystClkSource};
    if let Some(Peripherals { SYST: mut timer, .. }) = Peripherals::take() {
        timer.set_clock_source(SystClkSource::Core);
        timer.set_reload(WRAP - 1);
        timer.clear_current();
        timer.enable_counter();
    }
}

/// Ticks of the timer until it starts again.
#[cfg(target_arch = "arm")]
const WRAP: u32 = 1 << 24;

/// The time in ticks, from 0 to [`elapsed`]'s turn.
#[cfg(target_arch = "arm")]
pub fn now() -> u32 {
    WRAP - 1 - cortex_m::peripheral::SYST::get_current()
}

/// Ticks since `start`; less than one turn of the timer may have passed.
#[cfg(target_arch = "arm")]
pub fn elapsed(start: u32) -> u32 {
    now().wrapping_sub(start) % WRAP
}

/// Starts the timer: the counter of retired instructions always runs.
#[cfg(target_arch = "riscv32")]
pub fn start() {}

/// The time in ticks: retired instructions.
#[cfg(target_arch = "riscv32")]
pub fn now() -> u32 {
    riscv::register::minstret::read() as u32
}

/// Ticks since `start`; less than one turn of the counter may have passed.
#[cfg(target_arch = "riscv32")]
pub fn elapsed(start: u32) -> u32 {
    now().wrapping_sub(start)
}

/// Runs a loop of two instructions so often that it takes `instructions`, and a few around it.
#[inline(never)]
pub fn delay(instructions: u32) {
    #[cfg(target_arch = "arm")]
    cortex_m::asm::delay(instructions / 2);
    #[cfg(target_arch = "riscv32")]
    riscv::asm::delay(instructions);
}
