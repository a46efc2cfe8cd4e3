//! How much of the stack was used: memory below it is painted before the work and looked at after it.

use core::hint::black_box;

/// What unused memory holds.
const PAINT: u32 = 0xa5c3_5a3c;
/// Bytes painted at most.
const REACH: usize = 64 * 1024;
/// Bytes below the painter's own frame that are left alone.
const MARGIN: usize = 128;

// Both are addresses that the linker scripts of cortex-m-rt and riscv-rt define; there is nothing behind them to read.
// SAFETY: the symbols exist under these names, and are not read.
unsafe extern "C" {
    /// Where the statics end.
    static __sheap: u8;
    /// Where the stack begins, growing down.
    static _stack_start: u8;
}

/// The painted stack.
#[derive(Debug)]
pub struct Stack {
    /// Painted addresses.
    start: usize,
    end: usize,
}

impl Stack {
    /// Paints what lies below the caller's frame.
    #[inline(never)]
    pub fn paint() -> Self {
        let here = 0u32;
        let end = (black_box(&raw const here).addr() & !3).wrapping_sub(MARGIN);
        let statics_end = (&raw const __sheap).addr().wrapping_add(3) & !3;
        let start = statics_end.max(end.saturating_sub(REACH));
        let mut address = start;
        while address < end {
            // SAFETY: `address` is a multiple of 4 between the end of the statics and the deepest frame, which is this
            // one: RAM that holds no value. The core has no memory protection on, and nothing else runs.
            unsafe { core::ptr::with_exposed_provenance_mut::<u32>(address).write_volatile(PAINT) };
            address = address.wrapping_add(4);
        }
        Self { start, end }
    }

    /// Bytes from where the stack begins to its deepest point since [`Self::paint`].
    #[inline(never)]
    pub fn used(&self) -> u32 {
        let painted = |address: usize| {
            // SAFETY: aligned RAM that `paint` wrote; a frame that lies there now is only read as a word.
            unsafe { core::ptr::with_exposed_provenance::<u32>(address).read_volatile() == PAINT }
        };
        let mut deepest = self.start;
        while deepest < self.end && painted(deepest) {
            deepest = deepest.wrapping_add(4);
        }
        (&raw const _stack_start).addr().wrapping_sub(deepest) as u32
    }
}
