//! Cortex-M with the DSP extension: pairs of 16-bit products (SMLAD) over bytes that are widened in twos (SXTB16,
//! SXTAB16, which takes the zero point off on the way).
//!
//! The loops are functions of their own, without a compiler's prologue, because they need every register. They read
//! through pointers; the safe functions around them check first that all they read lies inside the slices.

use crate::kernels::direct::{Rows, Sums, Taps};
use core::arch::naked_asm;
use core::marker::PhantomData;

/// What [`dot_words`] takes. The order of fields is that of its loads.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(dead_code)] // the assembly reads them
struct Runs {
    values: [*const i8; 2],
    /// Minus the zero point, in both halves.
    offset: u32,
    /// Bytes from the last word of a run to the first of the next, in values and in weights.
    skips: [isize; 2],
    count: usize,
    /// Bytes of a run that are read four words at a time, and one word at a time after them.
    bytes: [usize; 2],
}

/// Minus the zero point, in both halves.
fn offset(zero_point: i32) -> u32 {
    let minus = zero_point.wrapping_neg().cast_unsigned() & 0xffff;
    minus << 16 | minus
}

/// Bytes from the first one of `count` runs of `length` elements, `step` apart, to the last one's end.
fn span(count: usize, length: usize, step: usize) -> Option<usize> {
    count.checked_sub(1)?.checked_mul(step)?.checked_add(length)
}

/// The whole words of runs of values of two pixels, which lie in the slices they were made of.
pub struct Words<'a> {
    runs: Runs,
    /// Elements of a run that are in whole words; 0 where there is nothing to add.
    length: usize,
    /// Bytes that the weights must have.
    weights: usize,
    slices: PhantomData<&'a [i8]>,
}

impl<'a> Words<'a> {
    /// Of these pixels. None at all where a run lies outside a slice.
    pub fn new(values: [&'a [i8]; 2], rows: &Rows, zero_point: i32) -> Self {
        let [step, weight_step] = rows.steps;
        let mut length = rows.length & !3;
        let needed = span(rows.count, length, step).filter(|&end| end <= values[0].len() && end <= values[1].len());
        let weights = span(rows.count, length, weight_step).filter(|_| needed.is_some());
        if weights.is_none() {
            length = 0;
        }
        let runs = Runs {
            values: [values[0].as_ptr(), values[1].as_ptr()],
            offset: offset(zero_point),
            skips: [step.wrapping_sub(length).cast_signed(), weight_step.wrapping_sub(length).cast_signed()],
            count: rows.count,
            bytes: [length & !15, length & 15],
        };
        Self { runs, length, weights: weights.unwrap_or(0), slices: PhantomData }
    }

    /// Adds the products with the weights of two channels; returns how many elements of each run these are.
    pub fn add(&self, weights: [&[i8]; 2], sums: &mut Sums) -> usize {
        if self.length == 0 || weights[0].len() < self.weights || weights[1].len() < self.weights {
            return 0;
        }
        // SAFETY: `length` is a multiple of 4, not 0, and so are its two parts; `span` has shown that there is a run at
        // least, that all lie in the slices of values, which live as long as `self`, and in `weights` first bytes of the
        // weights.
        unsafe { dot_words(&self.runs, weights[0].as_ptr(), weights[1].as_ptr(), sums) };
        self.length
    }
}

/// Tells the assembler of the extension, which it does not know of where that is optional.
#[cfg(bantam_dsp = "optional")]
macro_rules! extension {
    () => {
        ".cpu cortex-m33"
    };
}
#[cfg(not(bantam_dsp = "optional"))]
macro_rules! extension {
    () => {
        ""
    };
}

/// One word of each pointer: r1 and r2 point to values, r3 and r4 to weights, r5 to r8 are the sums.
macro_rules! word {
    () => {
        "ldr r0, [r1], #4
         ldr r9, [r2], #4
         ldr r12, [sp]
         sxtab16 r10, r12, r0
         sxtab16 r0, r12, r0, ror #8
         sxtab16 r11, r12, r9
         sxtab16 r9, r12, r9, ror #8
         ldr r12, [r3], #4
         sxtb16 lr, r12
         sxtb16 r12, r12, ror #8
         smlad r5, r10, lr, r5
         smlad r6, r11, lr, r6
         smlad r5, r0, r12, r5
         smlad r6, r9, r12, r6
         ldr r12, [r4], #4
         sxtb16 lr, r12
         sxtb16 r12, r12, ror #8
         smlad r7, r10, lr, r7
         smlad r8, r11, lr, r8
         smlad r7, r0, r12, r7
         smlad r8, r9, r12, r8
        "
    };
}

/// Adds up whole words of runs. On the stack: offset, skips (+4, +8), runs left (+12), bytes (+16, +20), the end of
/// the part at hand (+24), the sums (+28).
///
/// # Safety
/// There is at least one run, of at least one word; every word that the runs hold must be readable.
#[unsafe(naked)]
unsafe extern "C" fn dot_words(runs: &Runs, first: *const i8, second: *const i8, sums: &mut Sums) {
    naked_asm!(
        extension!(),
        "push {{r3-r11, lr}}",
        "sub sp, #28",
        "ldm r3, {{r5-r8}}",
        "mov r3, r1",
        "mov r4, r2",
        "ldm r0!, {{r1, r2}}",
        "ldm r0, {{r0, r9-r12, lr}}",
        "stm sp, {{r0, r9-r12, lr}}",
        "2:",
        "cmp r12, #0",
        "beq 4f",
        "add r0, r1, r12",
        "str r0, [sp, #24]",
        "3:",
        word!(),
        word!(),
        word!(),
        word!(),
        "ldr r0, [sp, #24]",
        "cmp r1, r0",
        "bne 3b",
        "4:",
        "ldr r0, [sp, #20]",
        "cmp r0, #0",
        "beq 6f",
        "add r0, r1",
        "str r0, [sp, #24]",
        "5:",
        word!(),
        "ldr r0, [sp, #24]",
        "cmp r1, r0",
        "bne 5b",
        "6:",
        "ldr r0, [sp, #12]",
        "subs r0, #1",
        "beq 7f",
        "str r0, [sp, #12]",
        "ldr r12, [sp, #16]",
        "ldrd r9, r10, [sp, #4]",
        "add r1, r9",
        "add r2, r9",
        "add r3, r10",
        "add r4, r10",
        "b 2b",
        "7:",
        "ldr r0, [sp, #28]",
        "stm r0, {{r5-r8}}",
        "add sp, #32",
        "pop {{r4-r11, pc}}",
    )
}

/// What [`depthwise_taps`] takes. The order of fields is that of its loads.
#[repr(C)]
#[allow(dead_code)] // the assembly reads them
pub struct Grid {
    /// Bytes from one tap to the next, in values and in weights alike.
    step: usize,
    offset: u32,
    /// Taps of a row.
    columns: usize,
    /// Bytes from beyond a row's last tap to the first of the next, in values and in weights.
    skips: [isize; 2],
    rows: usize,
    /// Bytes that values and weights must have.
    spans: [usize; 2],
}

impl Grid {
    /// Of these taps; `None` where they cannot be added up here.
    pub fn new(taps: &Taps, zero_point: i32) -> Option<Self> {
        let [rows, columns] = taps.counts;
        let ([row, step], [weight_row, weight_step]) = (taps.value_steps, taps.weight_steps);
        let length = span(columns, 4, step).filter(|_| step == weight_step)?;
        let skip = |row: usize| row.wrapping_sub(columns.wrapping_mul(step)).cast_signed();
        Some(Self {
            step,
            offset: offset(zero_point),
            columns,
            skips: [skip(row), skip(weight_row)],
            rows,
            spans: [span(rows, length, row)?, span(rows, length, weight_row)?],
        })
    }

    /// Adds the taps of four neighbouring channels; false where they do not lie in the slices, and nothing was done.
    pub fn add(&self, values: &[i8], weights: &[i8], sums: &mut [i32; 4]) -> bool {
        if values.len() < self.spans[0] || weights.len() < self.spans[1] {
            return false;
        }
        // SAFETY: `span` has shown that there is a tap at least, and that the words of all taps lie inside both slices.
        unsafe { depthwise_taps(self, values.as_ptr(), weights.as_ptr(), sums) };
        true
    }
}

/// Adds up the taps of four channels. On the stack: columns, skips (+4, +8), the sums (+12).
///
/// # Safety
/// There is at least one tap; the word of every tap must be readable.
#[unsafe(naked)]
unsafe extern "C" fn depthwise_taps(grid: &Grid, values: *const i8, weights: *const i8, sums: &mut [i32; 4]) {
    naked_asm!(
        extension!(),
        "push {{r3-r11, lr}}",
        "sub sp, #12",
        "mov r12, r0",
        "mov r0, r1",
        "mov r1, r2",
        "ldm r3, {{r4-r7}}",
        "ldm r12, {{r2, r3, r8-r10, lr}}",
        "stm sp, {{r8-r10}}",
        "3:",
        "ldr r9, [r0]",
        "ldr r11, [r1]",
        "add r0, r2",
        "add r1, r2",
        "sxtab16 r10, r3, r9",
        "sxtab16 r9, r3, r9, ror #8",
        "sxtb16 r12, r11",
        "sxtb16 r11, r11, ror #8",
        "smlabb r4, r10, r12, r4",
        "smlatt r6, r10, r12, r6",
        "smlabb r5, r9, r11, r5",
        "smlatt r7, r9, r11, r7",
        "subs r8, #1",
        "bne 3b",
        "subs lr, #1",
        "beq 4f",
        "ldm sp, {{r8-r10}}",
        "add r0, r9",
        "add r1, r10",
        "b 3b",
        "4:",
        "ldr r0, [sp, #12]",
        "stm r0, {{r4-r7}}",
        "add sp, #16",
        "pop {{r4-r11, pc}}",
    )
}
