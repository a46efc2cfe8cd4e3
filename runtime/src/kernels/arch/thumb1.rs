//! Cortex-M0 and its like: sums of products in the registers that their instructions reach.
//!
//! The loop is a function without a compiler's prologue. It reads and writes through pointers; the safe function around it
//! checks first that all of it lies inside the slices.

pub use crate::kernels::direct::portable::{depthwise_3x3, requantize, set_aside};

use crate::kernels::direct::suffices;

use core::arch::naked_asm;

/// Four neighbouring values of two pixels, less the zero point: a word each, of which two are loaded at once.
pub type Quad = [[i32; 2]; 4];

/// Widens runs of values, `step` apart, into the part of the quads that is a pixel's (0 or 1), as many values of each run
/// as fill quads.
pub fn widen(
    values: &[i8],
    step: usize,
    zero_point: i32,
    [runs, length]: [usize; 2],
    quads: &mut [Quad],
    pixel: usize,
) {
    for (run, quads) in quads.chunks_mut((length / 4).max(1)).take(runs).enumerate() {
        let values = values.get(run.wrapping_mul(step)..).unwrap_or(&[]);
        for (pixels, &value) in quads.as_flattened_mut().iter_mut().zip(values).take(length) {
            if let Some(own) = pixels.get_mut(pixel) {
                *own = i32::from(value).wrapping_sub(zero_point);
            }
        }
    }
}

/// Makes a pixel's part of the quads nought.
pub fn clear(quads: &mut [Quad], pixel: usize) {
    for pixels in quads.as_flattened_mut() {
        if let Some(own) = pixels.get_mut(pixel) {
            *own = 0;
        }
    }
}

/// What [`multiply_words`] takes. The order of fields is that of its loads.
#[repr(C)]
#[allow(dead_code)] // the assembly reads them
struct Products {
    quads: [*const Quad; 2],
    /// What is left of the sums.
    sums: [*mut [i32; 2]; 2],
    /// Weights from the end of a channel to the next one.
    skip: usize,
    /// Where the sums start, one for each channel; null where they go on.
    bias: *const i32,
}

/// Adds the products of values and weights, as [`portable`](crate::kernels::direct::portable) does. Where weights or bias do not suffice nothing is
/// done.
pub fn multiply(quads: &[Quad], weights: &[i8], taps: usize, bias: Option<&[i32]>, sums: &mut [[i32; 4]]) {
    let length = quads.len().wrapping_mul(4);
    if !suffices(length, weights, taps, bias, sums) {
        return;
    }
    let (quads, sums) = (quads.as_ptr_range(), sums.as_mut_ptr_range());
    let mut products = Products {
        quads: [quads.start, quads.end],
        sums: [sums.start.cast(), sums.end.cast()],
        skip: taps.wrapping_sub(length),
        bias: bias.map_or(core::ptr::null(), <[i32]>::as_ptr),
    };
    // SAFETY: `suffices` tells that there is a quad and an entry of sums, that the weights of the last channel, and so those
    // of all, lie in the slice, and that each channel has a bias, or none.
    unsafe { multiply_words(&mut products, weights.as_ptr()) };
}

/// A tap of two pixels at r0, and its weight at r1; r5 and r6 are the sums.
macro_rules! tap {
    ($offset:literal) => {
        concat!(
            "ldrb r4, [r1, #",
            $offset,
            "]\n sxtb r4, r4\n ldm r0!, {{r2, r3}}\n muls r2, r4, r2\n muls r3, r4, r3\n adds r5, r5, r2\n adds r6, r6, r3\n"
        )
    };
}

/// Multiplies quads by the weights of one channel after the other.
///
/// # Safety
/// There is at least one quad and one entry of sums; the weights of all channels must be readable, their sums writable.
#[unsafe(naked)]
unsafe extern "C" fn multiply_words(products: &mut Products, weights: *const i8) {
    naked_asm!(
        "push {{r4-r7, lr}}",
        "mov r4, r8",
        "push {{r4}}",
        "mov r8, r0",
        "2:",
        "mov r4, r8",
        "ldr r0, [r4]",
        "ldr r7, [r4, #4]",
        "ldr r2, [r4, #8]",
        "ldm r2!, {{r5, r6}}",
        "ldr r3, [r4, #20]",
        "cmp r3, #0",
        "beq 3f",
        "ldm r3!, {{r5}}",
        "movs r6, r5",
        "str r3, [r4, #20]",
        "3:",
        tap!("0"),
        tap!("1"),
        tap!("2"),
        tap!("3"),
        "adds r1, #4",
        "cmp r0, r7",
        "bne 3b",
        "mov r4, r8",
        "ldr r2, [r4, #8]",
        "stm r2!, {{r5, r6}}",
        "str r2, [r4, #8]",
        "ldr r3, [r4, #16]",
        "adds r1, r1, r3",
        "ldr r3, [r4, #12]",
        "cmp r2, r3",
        "bne 2b",
        "pop {{r4}}",
        "mov r8, r4",
        "pop {{r4-r7, pc}}",
    )
}
