//! Cortex-M0 and its like: sums of products in the registers that their instructions reach.
//!
//! The loop is a function without a compiler's prologue. It reads and writes through pointers; the safe function around it
//! checks first that all of it lies inside the slices.

pub use crate::kernels::direct::portable::{add, requantize};

use crate::kernels::direct::{Lines, Windows, lies_inside, suffices};
use crate::kernels::requantize::Requantization;

use core::arch::naked_asm;
use core::ops::Range;

/// Four neighbouring values of four pixels, less the zero point: a word each.
pub type Quad = [[i32; 4]; 4];

/// Widens runs of values, as [`portable`](crate::kernels::direct::portable) does.
pub fn widen(
    values: &[i8],
    [step, pixel_step]: [usize; 2],
    zero_point: i32,
    [runs, length]: [usize; 2],
    quads: &mut [Quad],
    pixels: Range<usize>,
) {
    for (index, pixel) in pixels.enumerate() {
        let put = |pixels: &mut [i32; 4], value: i8| {
            if let Some(own) = pixels.get_mut(pixel) {
                *own = i32::from(value).wrapping_sub(zero_point);
            }
        };
        let mut from = index.wrapping_mul(pixel_step);
        for quads in quads.chunks_mut((length / 4).max(1)).take(runs) {
            let values = values.get(from..).unwrap_or(&[]);
            // Written out: devices are compiled for size.
            for ([a, b, c, d], &[first, second, third, fourth]) in quads.iter_mut().zip(values.as_chunks().0) {
                put(a, first);
                put(b, second);
                put(c, third);
                put(d, fourth);
            }
            from = from.wrapping_add(step);
        }
    }
}

/// Makes some of a pixel's four values nought in every quad that is `step` behind another.
pub fn clear(quads: &mut [Quad], step: usize, pixel: usize, values: Range<usize>) {
    for quad in quads.iter_mut().step_by(step.max(1)) {
        for pixels in quad.get_mut(values.clone()).unwrap_or(&mut []) {
            if let Some(own) = pixels.get_mut(pixel) {
                *own = 0;
            }
        }
    }
}

/// What [`multiply_words`] takes. The order of fields is that of its loads.
#[repr(C)]
#[allow(dead_code)] // the assembly reads them
struct Products {
    quads: [*const Quad; 2],
    /// What is left of the sums.
    sums: [*mut [i32; 4]; 2],
    /// Weights from the end of a channel to the next one.
    skip: usize,
    /// Where the sums start, one for each channel; null where they go on.
    bias: *const i32,
}

/// Adds the products of values and weights, as [`portable`](crate::kernels::direct::portable) does. Where weights or bias do not suffice nothing is
/// done.
pub fn multiply(quads: &[Quad], weights: &[i8], taps: usize, bias: Option<&[i32]>, sums: &mut [[i32; 4]], alone: bool) {
    let length = quads.len().wrapping_mul(4);
    if !suffices(length, weights, taps, bias, sums) {
        return;
    }
    let (quads, sums) = (quads.as_ptr_range(), sums.as_mut_ptr_range());
    let mut products = Products {
        quads: [quads.start, quads.end],
        sums: [sums.start, sums.end],
        skip: taps.wrapping_sub(length),
        bias: bias.map_or(core::ptr::null(), <[i32]>::as_ptr),
    };
    // SAFETY: `suffices` tells that there is a quad and an entry of sums, that the weights of the last channel, and so those
    // of all, lie in the slice, and that each channel has a bias, or none.
    unsafe { multiply_words(&mut products, weights.as_ptr(), alone) };
}

/// A value at r0, times the weight in r3, added to a sum.
macro_rules! add_product {
    ($sum:literal) => {
        concat!("ldm r0!, {{r2}}\n muls r2, r3, r2\n adds ", $sum, ", ", $sum, ", r2\n")
    };
}

/// A tap of four pixels at r0, and its weight at r1; r4 to r7 are the sums.
macro_rules! tap {
    ($offset:literal) => {
        concat!(
            "ldrb r3, [r1, #",
            $offset,
            "]\n sxtb r3, r3\n",
            add_product!("r4"),
            add_product!("r5"),
            add_product!("r6"),
            add_product!("r7")
        )
    };
}

/// The same of the first pixel alone.
macro_rules! tap_alone {
    ($offset:literal, $value:literal) => {
        concat!(
            "ldrb r3, [r1, #",
            $offset,
            "]
             sxtb r3, r3
             ldr r2, [r0, #",
            $value,
            "]
             muls r2, r3, r2
             adds r4, r4, r2
            "
        )
    };
}

/// Multiplies quads by the weights of one channel after the other. r8 points to the products, r9 to the end of the quads, r10
/// tells whether the first pixel is alone.
///
/// # Safety
/// There is at least one quad and one entry of sums; the weights of all channels must be readable, their sums writable.
#[unsafe(naked)]
unsafe extern "C" fn multiply_words(products: &mut Products, weights: *const i8, alone: bool) {
    naked_asm!(
        "push {{r4-r7, lr}}",
        "mov r4, r8",
        "mov r5, r9",
        "mov r6, r10",
        "push {{r4-r6}}",
        "mov r8, r0",
        "mov r10, r2",
        "ldr r2, [r0, #4]",
        "mov r9, r2",
        "2:",
        "mov r2, r8",
        "ldr r0, [r2, #8]",
        "ldr r3, [r2, #20]",
        "ldm r0!, {{r4-r7}}",
        "ldr r0, [r2]",
        "cmp r3, #0",
        "beq 3f",
        "ldm r3!, {{r4}}",
        "movs r5, r4",
        "movs r6, r4",
        "movs r7, r4",
        "str r3, [r2, #20]",
        "3:",
        "mov r2, r10",
        "cmp r2, #0",
        "bne 5f",
        "4:",
        tap!("0"),
        tap!("1"),
        tap!("2"),
        tap!("3"),
        "adds r1, #4",
        "cmp r0, r9",
        "bne 4b",
        "b 6f",
        "5:",
        tap_alone!("0", "0"),
        tap_alone!("1", "16"),
        tap_alone!("2", "32"),
        tap_alone!("3", "48"),
        "adds r0, #64",
        "adds r1, #4",
        "cmp r0, r9",
        "bne 5b",
        "6:",
        "mov r2, r8",
        "ldr r3, [r2, #8]",
        "stm r3!, {{r4-r7}}",
        "str r3, [r2, #8]",
        "ldr r4, [r2, #16]",
        "adds r1, r1, r4",
        "ldr r4, [r2, #12]",
        "cmp r3, r4",
        "bne 2b",
        "pop {{r4-r6}}",
        "mov r8, r4",
        "mov r9, r5",
        "mov r10, r6",
        "pop {{r4-r7, pc}}",
    )
}

/// Sets rows of a channel aside, less the zero point. The steps are from row to row and from value to value of the input;
/// the lines begin at value `at`, `pitch` apart. Where something does not fit nothing is done.
pub fn set_aside(
    values: &[i8],
    [row_step, step]: [usize; 2],
    zero_point: i32,
    [rows, columns]: [usize; 2],
    lines: &mut Lines,
    [at, pitch]: [usize; 2],
) {
    if !lies_inside(values, [row_step, step], [rows, columns], lines, [at, pitch]) {
        return;
    }
    let bytes = columns.wrapping_mul(2);
    let strides = Strides {
        rows,
        row_step,
        zero_point,
        bytes,
        step,
        line_skip: pitch.wrapping_mul(2).wrapping_sub(bytes).cast_signed(),
    };
    // SAFETY: `lies_inside` tells that there is a row and a column, and that the last ones lie in the slices, and so do all
    // before them.
    unsafe { set_values_aside(values.as_ptr(), lines.0.as_mut_ptr().wrapping_add(at), &strides) };
}

/// What [`set_values_aside`] takes. The order of fields is that of its loads.
#[repr(C)]
#[allow(dead_code)] // the assembly reads them
struct Strides {
    rows: usize,
    /// From a row to the next.
    row_step: usize,
    zero_point: i32,
    /// Bytes of a row in its line.
    bytes: usize,
    /// From a value to the next.
    step: usize,
    /// Bytes from beyond a row's last value to the first of the next.
    line_skip: isize,
}

/// # Safety
/// There is at least one row and one column; values and lines must be as [`Strides`] says.
#[unsafe(naked)]
unsafe extern "C" fn set_values_aside(values: *const i8, lines: *mut i16, strides: &Strides) {
    naked_asm!(
        "push {{r4-r7, lr}}",
        "mov r4, r8",
        "mov r5, r9",
        "mov r6, r10",
        "push {{r4-r6}}",
        // r2 rows, r8 from row to row, r4 the zero point, r10 the bytes of a row, r6 the step, r9 to the next line
        "ldm r2!, {{r3-r7}}",
        "mov r8, r4",
        "mov r10, r6",
        "mov r4, r5",
        "mov r6, r7",
        "ldr r5, [r2]",
        "mov r9, r5",
        "mov r2, r3",
        "2:",
        "movs r5, #0",
        "mov r7, r1",
        "add r7, r10",
        "3:",
        "ldrsb r3, [r0, r5]",
        "adds r5, r5, r6",
        "subs r3, r3, r4",
        "strh r3, [r1]",
        "adds r1, #2",
        "cmp r1, r7",
        "bne 3b",
        "add r0, r8",
        "add r1, r9",
        "subs r2, #1",
        "bne 2b",
        "pop {{r4-r6}}",
        "mov r8, r4",
        "mov r9, r5",
        "mov r10, r6",
        "pop {{r4-r7, pc}}",
    )
}

/// What [`windows_3x3`] takes. The order of fields is that of its stack.
#[repr(C)]
#[allow(dead_code)] // the assembly reads them
struct Grid {
    /// The low and the high half of the multiplier.
    multiplier: [i32; 2],
    /// Zero point and half, to be shifted with the product.
    offset: i32,
    shift: u32,
    /// Bytes from an output to the next in a row.
    step: usize,
    /// Twice the bias, as sums are doubled before they are scaled.
    bias: i32,
    /// Twice the weights, column by column.
    weights: *const [i32; 9],
    /// From beyond a row's last output to the first of the next.
    skip: isize,
    /// Bytes from a line to the next.
    pitch: usize,
    rows: usize,
}

/// Sums the windows and stores their outputs; `scales` are of one channel and [plain](Requantization::is_plain), the
/// first output is that of the first window. What does not fit into the slices is left out.
pub fn depthwise_3x3(job: &Windows, scales: &Requantization<'_>, weights: &[i32; 9], lines: &Lines, output: &mut [i8]) {
    let &Windows { pitch, rows, columns, step, width, bias } = job;
    let [a, b, c, d, e, f, g, h, i] = weights.map(|weight| weight.wrapping_mul(2));
    let weights = [a, d, g, b, e, h, c, f, i];
    let Some((multiplier, offset, shift)) = scales.single() else { return };
    if !job.fit(columns, lines, output) {
        return;
    }
    let grid = Grid {
        multiplier: [multiplier & 0xffff, multiplier >> 16],
        offset,
        shift,
        step,
        bias: bias.wrapping_mul(2),
        weights: &weights,
        skip: width.wrapping_sub(columns).wrapping_mul(step).cast_signed(),
        pitch: pitch.wrapping_mul(2),
        rows,
    };
    // SAFETY: `fit` tells that there is a row and a column, and that all values read and outputs written lie in the slices.
    unsafe { windows_3x3(&grid, lines.0.as_ptr(), output.as_mut_ptr(), columns.wrapping_mul(2)) };
}

/// A line's value at r7, times its weight at r4, added to the sum in r6.
macro_rules! value {
    ($line:literal) => {
        concat!("ldrsh r3, [", $line, ", r7]\n ldm r4!, {{r5}}\n muls r3, r5, r3\n adds r6, r6, r3\n")
    };
}

/// The three values of a column, and their weights.
macro_rules! column {
    () => {
        concat!(value!("r0"), value!("r1"), value!("r2"))
    };
}

/// Computes rows of outputs. r0 to r2 point to lines, r8 to outputs; r10 is the bytes of the windows' first values in a line. On
/// the stack: what [`Grid`] has.
///
/// # Safety
/// There is at least one row and one column; values and outputs must lie where [`Grid`] says.
#[unsafe(naked)]
unsafe extern "C" fn windows_3x3(grid: &Grid, lines: *const i16, output: *mut i8, bytes: usize) {
    naked_asm!(
        "push {{r4-r7, lr}}",
        "mov r4, r8",
        "mov r5, r10",
        "mov r6, r11",
        "push {{r4-r6}}",
        "sub sp, #40",
        "mov r8, r2",
        "mov r10, r3",
        "mov r3, sp",
        "ldm r0!, {{r4-r7}}",
        "stm r3!, {{r4-r7}}",
        "ldm r0!, {{r4-r7}}",
        "stm r3!, {{r4-r7}}",
        "ldm r0!, {{r4, r5}}",
        "stm r3!, {{r4, r5}}",
        "mov r0, r1",
        "adds r1, r0, r4",
        "adds r2, r1, r4",
        "movs r7, #0",
        "2:",
        "ldr r4, [sp, #24]",
        "ldr r6, [sp, #20]",
        column!(),
        "adds r7, #2",
        column!(),
        "adds r7, #2",
        column!(),
        "subs r7, #2",
        // The high half of the product, from those of the halves, rounded.
        "asrs r3, r6, #16",
        "uxth r6, r6",
        "ldr r4, [sp]",
        "movs r5, r6",
        "muls r5, r4, r5",
        "lsrs r5, r5, #16",
        "muls r4, r3, r4",
        "mov r11, r0",
        "ldr r0, [sp, #4]",
        "muls r6, r0, r6",
        "adds r6, r6, r5",
        "muls r3, r0, r3",
        "mov r0, r11",
        "uxth r5, r6",
        "adds r4, r4, r5",
        "lsrs r6, r6, #16",
        "adds r3, r3, r6",
        "asrs r4, r4, #15",
        "adds r4, #1",
        "asrs r4, r4, #1",
        "adds r3, r3, r4",
        // Halves go away from nought.
        "asrs r4, r3, #31",
        "adds r3, r3, r4",
        "ldr r4, [sp, #8]",
        "adds r3, r3, r4",
        "ldr r4, [sp, #12]",
        "asrs r3, r3, r4",
        "sxtb r4, r3",
        "cmp r4, r3",
        "bne 4f",
        "3:",
        "mov r4, r8",
        "strb r3, [r4]",
        "ldr r5, [sp, #16]",
        "add r8, r5",
        "cmp r7, r10",
        "bne 2b",
        "ldr r3, [sp, #28]",
        "add r8, r3",
        "ldr r3, [sp, #32]",
        "adds r0, r0, r3",
        "adds r1, r1, r3",
        "adds r2, r2, r3",
        "movs r7, #0",
        "ldr r3, [sp, #36]",
        "subs r3, #1",
        "str r3, [sp, #36]",
        "bne 2b",
        "add sp, #40",
        "pop {{r4-r6}}",
        "mov r8, r4",
        "mov r10, r5",
        "mov r11, r6",
        "pop {{r4-r7, pc}}",
        "4:",
        "asrs r3, r3, #31",
        "movs r4, #127",
        "eors r3, r3, r4",
        "b 3b",
    )
}
