//! Cortex-M with the DSP extension: pairs of 16-bit products (SMLAD) over bytes that are widened in twos (SXTB16,
//! SXTAB16, which takes the zero point off on the way).
//!
//! The loops are functions of their own, without a compiler's prologue, because they need every register. They read and
//! write through pointers; the safe functions around them check first that all of it lies inside the slices.

use crate::kernels::direct::{Lines, Windows, lies_inside, suffices};
use crate::kernels::requantize::Requantization;
use crate::kernels::scalar::{self, FixedPointSum};
use core::arch::naked_asm;
use core::ops::Range;

/// Four neighbouring values of four pixels, less the zero point: of each pixel the even and the odd ones.
pub type Quad = [u32; 8];

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

/// Widens runs of values into the parts of the quads that are of these pixels (of 0 to 3), as many values of each run as fill
/// quads. The steps are from run to run, and from pixel to pixel. Where something does not fit nothing is done.
pub fn widen(
    values: &[i8],
    [step, pixel_step]: [usize; 2],
    zero_point: i32,
    [runs, length]: [usize; 2],
    quads: &mut [Quad],
    pixels: Range<usize>,
) {
    let words = length / 4;
    let run = runs.checked_sub(1).and_then(|last| last.checked_mul(step)?.checked_add(length));
    let last = run.and_then(|run| pixels.len().checked_sub(1)?.checked_mul(pixel_step)?.checked_add(run));
    let reads = last.is_some_and(|end| end <= values.len());
    let writes = runs.checked_mul(words).is_some_and(|count| count > 0 && count <= quads.len());
    if !reads || !writes || pixels.end > 4 {
        return;
    }
    let minus = zero_point.wrapping_neg().cast_unsigned() & 0xffff;
    let skip = step.wrapping_sub(words.wrapping_mul(4)).cast_signed();
    let job = Runs { offset: minus << 16 | minus, runs, words, skip, pixel_step };
    let (mut from, into) = (values.as_ptr(), quads.as_mut_ptr());
    if pixels.len() == 4 {
        // SAFETY: there is a run and a word; `reads` tells that the values have all runs of all pixels, `writes` that there are
        // as many quads.
        unsafe { widen_fours(from, into, &job) };
        return;
    }
    for pixel in pixels {
        // SAFETY: as above; of the quads one part each is written, and there are four.
        unsafe { widen_words(from, into.cast::<[u32; 2]>().wrapping_add(pixel), &job) };
        from = from.wrapping_add(pixel_step);
    }
}

/// What [`widen_words`] and [`widen_fours`] take. The order of fields is that of its loads.
#[repr(C)]
#[allow(dead_code)] // the assembly reads them
struct Runs {
    /// Minus the zero point, in both halves.
    offset: u32,
    runs: usize,
    words: usize,
    /// Bytes from the last word of a run to the first of the next.
    skip: isize,
    pixel_step: usize,
}

/// Widens the words of runs, each into the first part of a quad.
///
/// # Safety
/// There is at least one run of at least one word; all must be readable, and as many parts of quads writable.
#[unsafe(naked)]
unsafe extern "C" fn widen_words(values: *const i8, into: *mut [u32; 2], job: &Runs) {
    naked_asm!(
        extension!(),
        "push {{r4-r8, lr}}",
        "ldm r2, {{r3-r6}}",
        "2:",
        "mov r2, r5",
        "subs r2, #2",
        "blo 4f",
        "3:",
        "ldr r12, [r0], #4",
        "sxtab16 r7, r3, r12",
        "sxtab16 r8, r3, r12, ror #8",
        "strd r7, r8, [r1], #32",
        "ldr r12, [r0], #4",
        "sxtab16 r7, r3, r12",
        "sxtab16 r8, r3, r12, ror #8",
        "strd r7, r8, [r1], #32",
        "subs r2, #2",
        "bhs 3b",
        "4:",
        "adds r2, #1",
        "bmi 5f",
        "ldr r12, [r0], #4",
        "sxtab16 r7, r3, r12",
        "sxtab16 r8, r3, r12, ror #8",
        "strd r7, r8, [r1], #32",
        "5:",
        "add r0, r6",
        "subs r4, #1",
        "bne 2b",
        "pop {{r4-r8, pc}}",
    )
}

/// Loads a word at r0, or so far behind it, and widens it into two registers.
macro_rules! widened {
    ($address:literal, $even:literal, $odd:literal) => {
        concat!(
            "ldr ",
            $odd,
            ", ",
            $address,
            "\n sxtab16 ",
            $even,
            ", r12, ",
            $odd,
            "\n sxtab16 ",
            $odd,
            ", r12, ",
            $odd,
            ", ror #8\n"
        )
    };
}

/// Widens the words of the runs of four pixels, each four into a quad. On the stack: runs left, words (+4), skip (+8).
///
/// # Safety
/// There is at least one run of at least one word; those of all pixels must be readable, and as many quads writable.
#[unsafe(naked)]
unsafe extern "C" fn widen_fours(values: *const i8, into: *mut Quad, job: &Runs) {
    naked_asm!(
        extension!(),
        "push {{r4-r11, lr}}",
        "ldm r2, {{r4-r8}}",
        "push {{r5-r7}}",
        "mov r12, r4",
        // From the first pixel to the second, and to the last.
        "mov r2, r8",
        "add r3, r2, r2, lsl #1",
        "2:",
        "ldr lr, [sp, #4]",
        "3:",
        widened!("[r0, r2]", "r6", "r7"),
        widened!("[r0, r2, lsl #1]", "r8", "r9"),
        widened!("[r0, r3]", "r10", "r11"),
        widened!("[r0], #4", "r4", "r5"),
        "stm r1!, {{r4-r11}}",
        "subs lr, #1",
        "bne 3b",
        "ldr r4, [sp, #8]",
        "ldr r5, [sp]",
        "add r0, r4",
        "subs r5, #1",
        "str r5, [sp]",
        "bne 2b",
        "add sp, #12",
        "pop {{r4-r11, pc}}",
    )
}

/// Makes some of a pixel's four values nought in every quad that is `step` behind another.
pub fn clear(quads: &mut [Quad], step: usize, pixel: usize, values: Range<usize>) {
    let kept = |value: usize| if values.contains(&value) { 0 } else { 0xffff };
    let (even, odd) = (kept(0) | kept(2) << 16, kept(1) | kept(3) << 16);
    let mut at = 0_usize;
    while let Some(quad) = quads.get_mut(at) {
        if let Some([first, second]) = quad.as_chunks_mut::<2>().0.get_mut(pixel) {
            (*first, *second) = (*first & even, *second & odd);
        }
        at = at.saturating_add(step.max(1));
    }
}

/// What [`multiply_words`] takes. The order of fields is that of its loads.
#[repr(C)]
#[allow(dead_code)] // the assembly reads them
struct Products {
    quads: *const Quad,
    /// The end of the quads that are read four at a time, and of all.
    ends: [*const Quad; 2],
    /// The end of the sums.
    sums: *mut [i32; 4],
    /// From the end of a channel's words to those of the next.
    advance: isize,
    /// Where the sums start, one for each channel; null where they go on.
    bias: *const i32,
}

/// Adds the products of values and weights. An entry of `sums` is of a channel, whose weights are `taps` behind those of the
/// one before, at four pixels; the first alone counts where that is said. Sums start with the channels' bias where there is
/// one, and go on elsewhere. Where weights or bias do not suffice nothing is done.
pub fn multiply(quads: &[Quad], weights: &[i8], taps: usize, bias: Option<&[i32]>, sums: &mut [[i32; 4]], alone: bool) {
    let words = quads.len().wrapping_mul(4);
    if !suffices(words, weights, taps, bias, sums) {
        return;
    }
    let (range, sums) = (quads.as_ptr_range(), sums.as_mut_ptr_range());
    let products = Products {
        quads: range.start,
        ends: [if alone { range.start } else { range.start.wrapping_add(quads.len() & !3) }, range.end],
        sums: sums.end,
        advance: taps.wrapping_sub(words).cast_signed(),
        bias: bias.map_or(core::ptr::null(), <[i32]>::as_ptr),
    };
    // SAFETY: `suffices` tells that there is a quad and an entry of sums, that the words of the last channel, and so those of
    // all, lie in the weights, and that each channel has a bias, or none.
    unsafe { multiply_words(&products, weights.as_ptr(), sums.start, alone) };
}

/// A quad at r0, and a word of weights at r1; r3 to r6 are the sums.
macro_rules! quad {
    () => {
        "ldr r11, [r1], #4
         ldm r0!, {{r7-r10}}
         sxtb16 lr, r11
         sxtb16 r11, r11, ror #8
         smlad r3, r7, lr, r3
         smlad r4, r9, lr, r4
         smlad r3, r8, r11, r3
         smlad r4, r10, r11, r4
         ldm r0!, {{r7-r10}}
         smlad r5, r7, lr, r5
         smlad r6, r9, lr, r6
         smlad r5, r8, r11, r5
         smlad r6, r10, r11, r6
        "
    };
}

/// Multiplies quads by the weights of channels; r2 points to the sums. On the stack: quads, ends (+4, +8), the end of the
/// sums (+12), advance (+16), bias (+20), whether the first pixel is alone (+24).
///
/// # Safety
/// There is at least one quad and one entry of sums; the words of all channels must be readable, their sums writable.
#[unsafe(naked)]
unsafe extern "C" fn multiply_words(products: &Products, weights: *const i8, sums: *mut [i32; 4], alone: bool) {
    naked_asm!(
        extension!(),
        "push {{r3-r11, lr}}",
        "sub sp, #24",
        "ldm r0, {{r4-r9}}",
        "stm sp, {{r4-r9}}",
        "2:",
        "ldr r7, [sp, #20]",
        "ldm r2, {{r3-r6}}",
        "cbz r7, 8f",
        "ldr r3, [r7], #4",
        "mov r4, r3",
        "mov r5, r3",
        "mov r6, r3",
        "str r7, [sp, #20]",
        "8:",
        "ldrd r0, r12, [sp]",
        "cmp r0, r12",
        "beq 4f",
        "3:",
        quad!(),
        quad!(),
        quad!(),
        quad!(),
        "cmp r0, r12",
        "bne 3b",
        "4:",
        "ldr r12, [sp, #8]",
        "cmp r0, r12",
        "beq 6f",
        "ldr r7, [sp, #24]",
        "cbnz r7, 7f",
        "5:",
        quad!(),
        "cmp r0, r12",
        "bne 5b",
        "b 6f",
        "7:",
        "ldrd r7, r8, [r0], #32",
        "ldr r11, [r1], #4",
        "sxtb16 lr, r11",
        "sxtb16 r11, r11, ror #8",
        "smlad r3, r7, lr, r3",
        "smlad r3, r8, r11, r3",
        "cmp r0, r12",
        "bne 7b",
        "6:",
        "stm r2!, {{r3-r6}}",
        "ldrd r7, r8, [sp, #12]",
        "add r1, r8",
        "cmp r2, r7",
        "bne 2b",
        "add sp, #28",
        "pop {{r4-r11, pc}}",
    )
}

/// What [`requantize_fours`] takes. The order of fields is that of its loads.
#[repr(C)]
#[allow(dead_code)] // the assembly reads them
struct Scales {
    multipliers: *const i32,
    shifts: *const i8,
    channels: usize,
    /// Twice the zero point, and 1.
    offset: i32,
    ahead: usize,
}

/// Turns sums, laid out as [`multiply`] does, into the outputs of some channels at `count` pixels that are `ahead` bytes
/// apart. For requantisations that are [plain](Requantization::is_plain). What does not fit into the slices is left out.
pub fn requantize(
    scales: &Requantization<'_>,
    outputs: &Range<usize>,
    sums: &[[i32; 4]],
    pixels: &mut [i8],
    ahead: usize,
    count: usize,
) {
    // All at once, or one by one where they have the same scale.
    let (entries, channels) = if scales.per_channel { (outputs.clone(), outputs.len()) } else { (0..1, 1) };
    let (Some(multipliers), Some(shifts)) = (scales.multipliers.get(entries.clone()), scales.shifts.get(entries))
    else {
        return;
    };
    // Less than four pixels one by one: all four sums from a pixel's own on go to its place, its own the last.
    let (turns, step) = if count == 4 { (1, ahead) } else { (count, 0) };
    let job = Scales {
        multipliers: multipliers.as_ptr(),
        shifts: shifts.as_ptr(),
        channels,
        offset: scales.zero_point.wrapping_mul(2).wrapping_add(1),
        ahead: step,
    };
    for first in (0..outputs.len()).step_by(channels.max(1)) {
        for turn in 0..turns {
            let from = turn.wrapping_mul(ahead).wrapping_add(first);
            let pixels = pixels.get_mut(from..).unwrap_or(&mut []);
            let sums = sums.as_flattened().get(first.wrapping_mul(4).wrapping_add(turn)..).unwrap_or(&[]);
            let fits =
                step.checked_mul(3).and_then(|last| last.checked_add(channels)).is_some_and(|end| end <= pixels.len());
            if !fits || sums.len() / 4 < channels {
                return;
            }
            // SAFETY: there is a channel, or this loop had no turn; the tables have an entry for each channel, the sums four,
            // and three steps plus so many bytes lie in the pixels.
            unsafe { requantize_fours(&job, sums.as_ptr().cast(), pixels.as_mut_ptr()) };
        }
    }
}

/// `round(round(2 sum multiplier / 2^32) / 2^-shift) + zero_point`, saturated, for the four sums of each channel. Halves
/// of the second rounding go away from nought: what is negative counts one less before half is added.
///
/// # Safety
/// There is at least one channel; tables, sums and outputs must be as long as there are channels.
#[unsafe(naked)]
unsafe extern "C" fn requantize_fours(scales: &Scales, sums: *const [i32; 4], first: *mut i8) {
    naked_asm!(
        extension!(),
        "push {{r4-r11, lr}}",
        // r3 multipliers, r4 shifts, r5 channels, r6 twice the zero point and 1, r0 from a pixel to the next
        "ldm r0, {{r3-r7}}",
        "mov r0, r7",
        "2:",
        "ldm r1!, {{r7-r10}}",
        "ldr r12, [r3], #4",
        "ldrsb lr, [r4], #1",
        "lsl r7, r7, #1",
        "lsl r8, r8, #1",
        "lsl r9, r9, #1",
        "lsl r10, r10, #1",
        "smmulr r7, r7, r12",
        "smmulr r8, r8, r12",
        "smmulr r9, r9, r12",
        "smmulr r10, r10, r12",
        "mvn r11, lr",
        "rsb lr, lr, #0",
        // Zero point and half, to be shifted with the product.
        "lsl r11, r6, r11",
        "add r7, r7, r7, asr #31",
        "add r8, r8, r8, asr #31",
        "add r9, r9, r9, asr #31",
        "add r10, r10, r10, asr #31",
        "add r7, r7, r11",
        "add r8, r8, r11",
        "add r9, r9, r11",
        "add r10, r10, r11",
        "asr r7, r7, lr",
        "asr r8, r8, lr",
        "asr r9, r9, lr",
        "asr r10, r10, lr",
        "ssat r7, #8, r7",
        "ssat r8, #8, r8",
        "ssat r9, #8, r9",
        "ssat r10, #8, r10",
        "add r12, r2, r0",
        // The first one last: it stands where all are at one place.
        "strb r10, [r12, r0, lsl #1]",
        "strb r9, [r2, r0, lsl #1]",
        "strb r8, [r12]",
        "strb r7, [r2], #1",
        "subs r5, #1",
        "bne 2b",
        "pop {{r4-r11, pc}}",
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
    let strides = Strides {
        zero_point,
        rows,
        columns,
        step,
        row_skip: row_step.wrapping_sub(columns.wrapping_mul(step)).cast_signed(),
        line_skip: pitch.wrapping_sub(columns).wrapping_mul(2).cast_signed(),
    };
    // SAFETY: `lies_inside` tells that there is a row and a column, and that the last ones lie in the slices, and so do all
    // before them.
    unsafe { set_values_aside(&strides, values.as_ptr(), lines.0.as_mut_ptr().wrapping_add(at)) };
}

/// What [`set_values_aside`] takes. The order of fields is that of its loads.
#[repr(C)]
#[allow(dead_code)] // the assembly reads them
struct Strides {
    zero_point: i32,
    rows: usize,
    columns: usize,
    /// From a value to the next.
    step: usize,
    /// From beyond a row's last value to the first of the next, in bytes.
    row_skip: isize,
    line_skip: isize,
}

/// # Safety
/// There is at least one row and one column; values and lines must be as [`Strides`] says.
#[unsafe(naked)]
unsafe extern "C" fn set_values_aside(strides: &Strides, values: *const i8, lines: *mut i16) {
    naked_asm!(
        extension!(),
        "push {{r4-r8, lr}}",
        // r3 zero point, twice, r4 rows, r5 columns, r6 step, r7 and r8 skips
        "ldm r0, {{r3-r8}}",
        "pkhbt r3, r3, r3, lsl #16",
        "2:",
        "subs r12, r5, #2",
        "blo 4f",
        "3:",
        "ldrsb r0, [r1]",
        "ldrsb lr, [r1, r6]",
        "add r1, r1, r6, lsl #1",
        "pkhbt r0, r0, lr, lsl #16",
        "ssub16 r0, r0, r3",
        "str r0, [r2], #4",
        "subs r12, #2",
        "bhs 3b",
        "4:",
        "adds r12, #1",
        "bmi 5f",
        "ldrsb r0, [r1]",
        "add r1, r6",
        "ssub16 r0, r0, r3",
        "strh r0, [r2], #2",
        "5:",
        "add r1, r7",
        "add r2, r8",
        "subs r4, #1",
        "bne 2b",
        "pop {{r4-r8, pc}}",
    )
}

/// What [`windows_3x3`] takes. The order of fields is that of its loads.
#[repr(C)]
#[allow(dead_code)] // the assembly reads them
struct Grid {
    /// For each row of the window the first two weights, and the last two.
    weights: [u32; 6],
    bias: i32,
    multiplier: i32,
    /// Zero point and half, to be shifted with the product.
    offset: i32,
    shift: u32,
    step: usize,
    /// From the last pair of columns to the next row: output elements, and bytes of lines.
    skips: [isize; 2],
    /// Bytes of the outputs' own values in a line.
    line: usize,
    rows: usize,
}

/// Sums the windows and stores their outputs; `scales` are of one channel and [plain](Requantization::is_plain), the
/// first output is that of the first window. What does not fit into the slices is left out.
pub fn depthwise_3x3(job: &Windows, scales: &Requantization<'_>, weights: &[i32; 9], lines: &Lines, output: &mut [i8]) {
    let &Windows { pitch, rows, columns, step, width, bias } = job;
    let pairs = columns.div_ceil(2);
    // Windows are computed in pairs, which read four values of each of three lines.
    let Some((multiplier, offset, shift)) = scales.single() else { return };
    if !job.fit(pairs.wrapping_mul(2), lines, output) || pitch % 2 != 0 {
        return;
    }
    // Sums are doubled, as rounding asks.
    let pack = |low: i32, high: i32| low.wrapping_mul(2).cast_unsigned() & 0xffff | high.cast_unsigned() << 17;
    let [a, b, c, d, e, f, g, h, i] = *weights;
    let grid = Grid {
        weights: [pack(a, b), pack(b, c), pack(d, e), pack(e, f), pack(g, h), pack(h, i)],
        bias: bias.wrapping_mul(2),
        multiplier,
        offset,
        shift,
        step,
        skips: [
            width.wrapping_sub(2 * pairs).wrapping_mul(step).cast_signed(),
            pitch.wrapping_sub(2 * pairs).wrapping_mul(2).cast_signed(),
        ],
        line: columns.wrapping_mul(2),
        rows,
    };
    // SAFETY: `fit` tells that there is a row and a column, and that all values read and outputs written lie in the slices;
    // lines start at words, as `Lines` is aligned and `pitch` even.
    unsafe { windows_3x3(&grid, lines.0.as_ptr(), output.as_mut_ptr(), pitch.wrapping_mul(2)) };
}

/// Four values of a line, of which two windows share two.
macro_rules! line {
    ($pointer:literal, $first:literal, $last:literal) => {
        concat!(
            "ldrd r12, lr, [",
            $pointer,
            "], #4\n smlad r10, r12, ",
            $first,
            ", r10\n smlatb r11, r12, ",
            $first,
            ", r11\n smlabt r10, lr, ",
            $last,
            ", r10\n smlad r11, lr, ",
            $last,
            ", r11\n"
        )
    };
}

/// Computes rows of outputs, two at a time. r0 to r2 point to lines, r3 to outputs, r4 to r9 are weights, r10 and r11 the
/// sums. On the stack: bias, multiplier (+4), offset (+8), shift (+12), step (+16), skips (+20, +24), bytes of a line
/// (+28), rows left (+32), the end of a line (+36). Rounds as [`requantize_fours`] does.
///
/// # Safety
/// There is at least one row and one column; values and outputs must lie where [`Grid`] says.
#[unsafe(naked)]
unsafe extern "C" fn windows_3x3(grid: &Grid, lines: *const i16, output: *mut i8, pitch: usize) {
    naked_asm!(
        extension!(),
        "push {{r4-r11, lr}}",
        "sub sp, #40",
        "add r12, r0, #24",
        "ldm r12!, {{r4-r8}}",
        "stm sp, {{r4-r8}}",
        "add lr, sp, #20",
        "ldm r12, {{r4-r7}}",
        "stm lr, {{r4-r7}}",
        "ldm r0, {{r4-r9}}",
        "mov r0, r1",
        "add r1, r0, r3",
        "mov r12, r2",
        "add r2, r1, r3",
        "mov r3, r12",
        "2:",
        "ldr r12, [sp, #28]",
        "add r12, r0, r12",
        "str r12, [sp, #36]",
        "3:",
        "ldr r10, [sp]",
        "mov r11, r10",
        line!("r0", "r4", "r5"),
        line!("r1", "r6", "r7"),
        line!("r2", "r8", "r9"),
        "ldrd r12, lr, [sp, #4]",
        "smmulr r10, r10, r12",
        "smmulr r11, r11, r12",
        "add r10, r10, r10, asr #31",
        "add r11, r11, r11, asr #31",
        "add r10, r10, lr",
        "add r11, r11, lr",
        "ldrd r12, lr, [sp, #12]",
        "asr r10, r10, r12",
        "asr r11, r11, r12",
        "ldr r12, [sp, #36]",
        "ssat r10, #8, r10",
        "ssat r11, #8, r11",
        "strb r10, [r3]",
        "cmp r0, r12",
        "it ls",
        "strbls r11, [r3, lr]",
        "add r3, r3, lr, lsl #1",
        "blo 3b",
        "ldrd r10, r11, [sp, #20]",
        "ldr r12, [sp, #32]",
        "add r3, r10",
        "add r0, r11",
        "add r1, r11",
        "add r2, r11",
        "subs r12, #1",
        "str r12, [sp, #32]",
        "bne 2b",
        "add sp, #40",
        "pop {{r4-r11, pc}}",
    )
}

/// Adds values to those that are there.
pub fn add(sum: &FixedPointSum, values: &[i8], data: &mut [i8]) {
    let mut done = 0;
    let fours = data.len().min(values.len()) / 4;
    if let Some(words) = sum.words().filter(|_| fours > 0) {
        // SAFETY: there are four values or more, and as many fours on both sides.
        unsafe { add_fours(&words, values.as_ptr(), data.as_mut_ptr(), fours) };
        done = fours.wrapping_mul(4);
    }
    let (values, data) = (values.get(done..).unwrap_or(&[]), data.get_mut(done..).unwrap_or(&mut []));
    scalar::binary(|first, second| sum.compute_bytes(first, second), values.iter().copied(), data);
}

/// The rounded high half of twice a value's product, shifted to the right; halves go away from nought.
macro_rules! scale {
    ($value:literal, $multiplier:literal, $half:literal, $shift:literal) => {
        concat!(
            "smmulr ",
            $value,
            ", ",
            $value,
            ", ",
            $multiplier,
            "\n add ",
            $value,
            ", ",
            $value,
            ", ",
            $value,
            ", asr #31\n add ",
            $value,
            ", ",
            $half,
            "\n asr ",
            $value,
            ", ",
            $shift,
            "\n"
        )
    };
}

/// Scales one of the first operand's values.
macro_rules! first {
    ($value:literal) => {
        concat!("rsb ", $value, ", r8, ", $value, ", lsl #21\n", scale!($value, "r9", "r10", "r11"))
    };
}

/// Scales the second operand's value in lr, and adds it to the first.
macro_rules! second {
    ($value:literal) => {
        concat!("rsb lr, r8, lr, lsl #21\n", scale!("lr", "r9", "r10", "r11"), "add ", $value, ", lr\n")
    };
}

/// The same of a value that is but halved.
macro_rules! halved {
    ($value:literal) => {
        concat!("rsb lr, r8, lr, lsl #19\n add ", $value, ", lr\n")
    };
}

/// Scales a sum, and stores it.
macro_rules! sum {
    ($value:literal) => {
        concat!(
            "lsl ",
            $value,
            ", #1\n",
            scale!($value, "r8", "r9", "r10"),
            "ssat ",
            $value,
            ", #8, ",
            $value,
            "\n strb ",
            $value,
            ", [r2], #1\n"
        )
    };
}

/// Adds four values at a time, by the numbers of [`FixedPointSum::words`].
///
/// # Safety
/// There is at least one four; as many must be readable and writable.
#[unsafe(naked)]
unsafe extern "C" fn add_fours(words: &[i32; 11], values: *const i8, data: *mut i8, fours: usize) {
    naked_asm!(
        extension!(),
        "push {{r4-r11, lr}}",
        "2:",
        "ldr r12, [r2]",
        "ldm r0!, {{r8-r11}}",
        "sxtb r4, r12",
        "sxtb r5, r12, ror #8",
        "sxtb r6, r12, ror #16",
        "asr r7, r12, #24",
        "cmp r11, #0",
        "beq 3f",
        first!("r4"),
        first!("r5"),
        first!("r6"),
        first!("r7"),
        "b 4f",
        "3:",
        "rsb r4, r8, r4, lsl #19",
        "rsb r5, r8, r5, lsl #19",
        "rsb r6, r8, r6, lsl #19",
        "rsb r7, r8, r7, lsl #19",
        "4:",
        "ldr r12, [r1], #4",
        "ldm r0!, {{r8-r11}}",
        "sxtb lr, r12",
        "cmp r11, #0",
        "beq 5f",
        second!("r4"),
        "sxtb lr, r12, ror #8",
        second!("r5"),
        "sxtb lr, r12, ror #16",
        second!("r6"),
        "asr lr, r12, #24",
        second!("r7"),
        "b 6f",
        "5:",
        halved!("r4"),
        "sxtb lr, r12, ror #8",
        halved!("r5"),
        "sxtb lr, r12, ror #16",
        halved!("r6"),
        "asr lr, r12, #24",
        halved!("r7"),
        "6:",
        "ldm r0, {{r8-r10}}",
        "sub r0, #32",
        sum!("r4"),
        sum!("r5"),
        sum!("r6"),
        sum!("r7"),
        "subs r3, #1",
        "bne 2b",
        "pop {{r4-r11, pc}}",
    )
}
