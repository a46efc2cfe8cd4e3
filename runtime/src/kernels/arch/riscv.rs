//! RISC-V with multiplication: loops that hold all sums in registers.
//!
//! They are functions without a compiler's prologue, to which the assembler has to be told that there is multiplication. They read and write through pointers; the safe functions around them
//! check first that all of it lies inside the slices.

pub use crate::kernels::direct::portable::{Quad, add, clear, requantize, set_aside, widen};

use crate::kernels::direct::{Lines, Windows, suffices};
use crate::kernels::requantize::Requantization;
use core::arch::naked_asm;

/// Stores or loads s0 to s7, one behind the other.
macro_rules! eight {
    ($operation:literal, $base:literal) => {
        concat!(
            eight!(@two $operation, $base, "s0", "0", "s1", "4"),
            eight!(@two $operation, $base, "s2", "8", "s3", "12"),
            eight!(@two $operation, $base, "s4", "16", "s5", "20"),
            eight!(@two $operation, $base, "s6", "24", "s7", "28")
        )
    };
    (@two $operation:literal, $base:literal, $first:literal, $at:literal, $second:literal, $next:literal) => {
        concat!($operation, " ", $first, ", ", $at, "(", $base, ")\n", $operation, " ", $second, ", ", $next, "(", $base, ")\n")
    };
}

/// What [`multiply_pairs`] takes. The order of fields is that of its loads.
#[repr(C)]
#[allow(dead_code)] // the assembly reads them
struct Products {
    quads: [*const Quad; 2],
    /// The end of the sums.
    sums: *mut [i32; 4],
    /// Bytes from the end of a channel's words to those of the next but one.
    advance: isize,
    /// Where the sums start, one for each channel; null where they go on.
    bias: *const i32,
}

/// Adds the products of values and weights, as [`portable`](crate::kernels::direct::portable) does. Where weights or bias do
/// not suffice nothing is done.
pub fn multiply(quads: &[Quad], weights: &[i8], taps: usize, bias: Option<&[i32]>, sums: &mut [[i32; 4]], alone: bool) {
    let words = quads.len().wrapping_mul(4);
    if !suffices(words, weights, taps, bias, sums) {
        return;
    }
    let range = quads.as_ptr_range();
    let paired = if alone { 0 } else { sums.len() & !1 };
    let (pairs, singles) = sums.split_at_mut_checked(paired).unwrap_or_default();
    let (first, pairs) = (weights.as_ptr(), pairs.as_mut_ptr_range());
    if paired > 0 {
        let products = Products {
            quads: [range.start, range.end],
            sums: pairs.end,
            advance: taps.wrapping_mul(2).wrapping_sub(words).cast_signed(),
            bias: bias.map_or(core::ptr::null(), <[i32]>::as_ptr),
        };
        // SAFETY: `suffices` tells that there is a quad, that the words of the last channel, and so those of all, lie in the
        // weights, and that each channel has a bias, or none; there are two entries of sums or more, an even number.
        unsafe { multiply_pairs(&products, first, first.wrapping_add(taps), pairs.start) };
    }
    for (channel, sums) in (paired..).zip(singles) {
        if let Some(bias) = bias {
            *sums = [bias.get(channel).copied().unwrap_or(0); 4];
        }
        let weights = first.wrapping_add(channel.wrapping_mul(taps));
        for (pixel, sum) in sums.iter_mut().enumerate().take(if alone { 1 } else { 4 }) {
            let values = range.start.cast::<[i16; 4]>().wrapping_add(pixel);
            // SAFETY: as above, of one channel and one pixel.
            *sum = unsafe { multiply_single(values, weights, range.end.cast::<[i16; 4]>().wrapping_add(pixel), *sum) };
        }
    }
}

/// A tap at four pixels and two channels: values at a0, weights at a1 and a2; s0 to s7 are the sums.
macro_rules! tap {
    ($tap:literal, $first:literal, $second:literal, $third:literal, $fourth:literal) => {
        concat!(
            "lb t1, ",
            $tap,
            "(a1)\n lb t2, ",
            $tap,
            "(a2)\n lh t3, ",
            $first,
            "(a0)\n mul t0, t3, t1\n add s0, s0, t0\n",
            "mul t0, t3, t2\n add s4, s4, t0\n lh t3, ",
            $second,
            "(a0)\n mul t0, t3, t1\n add s1, s1, t0\n",
            "mul t0, t3, t2\n add s5, s5, t0\n lh t3, ",
            $third,
            "(a0)\n mul t0, t3, t1\n add s2, s2, t0\n",
            "mul t0, t3, t2\n add s6, s6, t0\n lh t3, ",
            $fourth,
            "(a0)\n mul t0, t3, t1\n add s3, s3, t0\n",
            "mul t0, t3, t2\n add s7, s7, t0\n"
        )
    };
}

/// Multiplies quads by the weights of two channels after the other two. t5 points to the quads, a4 to their end, a6 to the end
/// of the sums, t4 to the bias; a7 is the advance.
///
/// # Safety
/// There is at least one quad and one pair of sums; the words of all channels must be readable, their sums writable.
#[unsafe(naked)]
unsafe extern "C" fn multiply_pairs(products: &Products, first: *const i8, second: *const i8, sums: *mut [i32; 4]) {
    naked_asm!(
        ".option push",
        ".option arch, +m",
        "addi sp, sp, -32",
        eight!("sw", "sp"),
        "lw t5, 0(a0)",
        "lw a4, 4(a0)",
        "lw a6, 8(a0)",
        "lw a7, 12(a0)",
        "lw t4, 16(a0)",
        "2:",
        "beqz t4, 4f",
        "lw s0, 0(t4)",
        "lw s4, 4(t4)",
        "addi t4, t4, 8",
        "mv s1, s0",
        "mv s2, s0",
        "mv s3, s0",
        "mv s5, s4",
        "mv s6, s4",
        "mv s7, s4",
        "j 5f",
        "4:",
        eight!("lw", "a3"),
        "5:",
        "mv a0, t5",
        "3:",
        tap!("0", "0", "8", "16", "24"),
        tap!("1", "2", "10", "18", "26"),
        tap!("2", "4", "12", "20", "28"),
        tap!("3", "6", "14", "22", "30"),
        "addi a0, a0, 32",
        "addi a1, a1, 4",
        "addi a2, a2, 4",
        "bne a0, a4, 3b",
        eight!("sw", "a3"),
        "addi a3, a3, 32",
        "add a1, a1, a7",
        "add a2, a2, a7",
        "bne a3, a6, 2b",
        eight!("lw", "sp"),
        "addi sp, sp, 32",
        "ret",
        ".option pop",
    )
}

/// Adds the products of a pixel's values in the quads before `end`, and of a channel's weights, to a sum.
///
/// # Safety
/// There is at least one quad before `end`; as many words of weights must be readable.
#[unsafe(naked)]
unsafe extern "C" fn multiply_single(
    values: *const [i16; 4],
    weights: *const i8,
    end: *const [i16; 4],
    sum: i32,
) -> i32 {
    naked_asm!(
        ".option push",
        ".option arch, +m",
        "2:",
        "lh t0, 0(a0)",
        "lb t1, 0(a1)",
        "lh t2, 2(a0)",
        "lb t3, 1(a1)",
        "mul t0, t0, t1",
        "add a3, a3, t0",
        "mul t2, t2, t3",
        "add a3, a3, t2",
        "lh t0, 4(a0)",
        "lb t1, 2(a1)",
        "lh t2, 6(a0)",
        "lb t3, 3(a1)",
        "mul t0, t0, t1",
        "add a3, a3, t0",
        "mul t2, t2, t3",
        "add a3, a3, t2",
        "addi a0, a0, 32",
        "addi a1, a1, 4",
        "bne a0, a2, 2b",
        "mv a0, a3",
        "ret",
        ".option pop",
    )
}

/// What [`windows_3x3`] takes. The order of fields is that of its loads.
#[repr(C)]
#[allow(dead_code)] // the assembly reads them
struct Grid {
    /// Twice the weights, as sums are doubled before they are scaled; then twice the bias.
    weights: [i32; 9],
    bias: i32,
    multiplier: i32,
    /// Zero point and half, to be shifted with the product.
    offset: i32,
    shift: u32,
    /// Bytes from an output to the next in a row, and from a row's end to the next row.
    step: usize,
    skip: isize,
    /// Bytes of the outputs' own values in a line, and from there to the next line.
    line: usize,
    rest: isize,
    rows: usize,
}

/// Sums the windows and stores their outputs; `scales` are of one channel and [plain](Requantization::is_plain), the
/// first output is that of the first window. What does not fit into the slices is left out.
pub fn depthwise_3x3(job: &Windows, scales: &Requantization<'_>, weights: &[i32; 9], lines: &Lines, output: &mut [i8]) {
    let &Windows { pitch, rows, columns, step, width, bias } = job;
    let Some((multiplier, offset, shift)) = scales.single() else { return };
    if !job.fit(columns, lines, output) {
        return;
    }
    let grid = Grid {
        weights: weights.map(|weight| weight.wrapping_mul(2)),
        bias: bias.wrapping_mul(2),
        multiplier,
        offset,
        shift,
        step,
        skip: width.wrapping_sub(columns).wrapping_mul(step).cast_signed(),
        line: columns.wrapping_mul(2),
        rest: pitch.wrapping_sub(columns).wrapping_mul(2).cast_signed(),
        rows,
    };
    // SAFETY: `fit` tells that there is a row and a column, and that all values read and outputs written lie in the slices.
    unsafe { windows_3x3(&grid, lines.0.as_ptr(), output.as_mut_ptr(), pitch.wrapping_mul(2)) };
}

/// Three values of a line, and their weights; t0 is the sum.
macro_rules! line {
    ($pointer:literal, $first:literal, $second:literal, $third:literal) => {
        concat!(
            "lh t1, 0(",
            $pointer,
            ")\n lh t2, 2(",
            $pointer,
            ")\n mul t1, t1, ",
            $first,
            "\n add t0, t0, t1\n lh t1, 4(",
            $pointer,
            ")\n mul t2, t2, ",
            $second,
            "\n add t0, t0, t2\n mul t1, t1, ",
            $third,
            "\n add t0, t0, t1\n addi ",
            $pointer,
            ", ",
            $pointer,
            ", 2\n"
        )
    };
}

/// Computes rows of outputs. s0 to s8 are weights, a0, a1 and a2 point to lines, a3 to outputs; a4 bias, a5 multiplier, a6 offset,
/// a7 shift, t3 step, t4 the end of the line, t5 rows left, t6 and s9 the bounds of outputs, s10 bytes of a line, s11 to the next
/// line, ra to the next row.
///
/// # Safety
/// There is at least one row and one column; values and outputs must lie where [`Grid`] says.
#[unsafe(naked)]
unsafe extern "C" fn windows_3x3(grid: &Grid, lines: *const i16, output: *mut i8, pitch: usize) {
    naked_asm!(
        ".option push",
        ".option arch, +m",
        "addi sp, sp, -64",
        eight!("sw", "sp"),
        "sw s8, 32(sp)",
        "sw s9, 36(sp)",
        "sw s10, 40(sp)",
        "sw s11, 44(sp)",
        "sw ra, 48(sp)",
        eight!("lw", "a0"),
        "lw s8, 32(a0)",
        "lw a4, 36(a0)",
        "lw a5, 40(a0)",
        "lw a6, 44(a0)",
        "lw a7, 48(a0)",
        "lw t3, 52(a0)",
        "lw ra, 56(a0)",
        "lw s10, 60(a0)",
        "lw s11, 64(a0)",
        "lw t5, 68(a0)",
        "li t6, 127",
        "li s9, -128",
        "mv a0, a1",
        "add a1, a0, a3",
        "add t0, a1, a3",
        "mv a3, a2",
        "mv a2, t0",
        "2:",
        "add t4, a0, s10",
        "3:",
        "mv t0, a4",
        line!("a0", "s0", "s1", "s2"),
        line!("a1", "s3", "s4", "s5"),
        line!("a2", "s6", "s7", "s8"),
        // The high half of the product, rounded.
        "mul t1, t0, a5",
        "mulh t0, t0, a5",
        "srli t1, t1, 31",
        "add t0, t0, t1",
        // Halves go away from nought.
        "srai t1, t0, 31",
        "add t0, t0, t1",
        "add t0, t0, a6",
        "sra t0, t0, a7",
        "bgt t0, t6, 5f",
        "blt t0, s9, 6f",
        "4:",
        "sb t0, 0(a3)",
        "add a3, a3, t3",
        "bne a0, t4, 3b",
        "add a0, a0, s11",
        "add a1, a1, s11",
        "add a2, a2, s11",
        "add a3, a3, ra",
        "addi t5, t5, -1",
        "bnez t5, 2b",
        eight!("lw", "sp"),
        "lw s8, 32(sp)",
        "lw s9, 36(sp)",
        "lw s10, 40(sp)",
        "lw s11, 44(sp)",
        "lw ra, 48(sp)",
        "addi sp, sp, 64",
        "ret",
        "5:",
        "mv t0, t6",
        "j 4b",
        "6:",
        "mv t0, s9",
        "j 4b",
        ".option pop",
    )
}
