//! Everything a device does with a file: check it, bind memory to it, fill inputs, run, read outputs.

#![no_std]
#![no_main]

use core::hint::black_box;

use bantam::{Arena, Model, Operators, Session, ops};

/// Where the linker begins.
// SAFETY: no other function of this program has this name.
#[unsafe(no_mangle)]
pub extern "C" fn _start() -> ! {
    let mut arena = Arena::<4096>::new();
    let mut pack = Arena::<4096>::new();
    loop {
        // Whatever stands there, and however long it is.
        let file: &[u8] = black_box(&[]);
        let (arena, pack) = (black_box(&mut arena.bytes_mut()[..]), black_box(&mut pack.bytes_mut()[..]));
        black_box(run(file, arena, pack));
        black_box(bantam_no_panic::control(file));
    }
}

fn run<'m>(file: &'m [u8], arena: &mut [u8], pack: &mut [u8]) -> Option<u32> {
    static OPERATORS: &Operators = &ops::ALL;
    let model: Model<'m> = Model::parse(file).ok()?;
    let mut sum = model.labels().map(|label| label.len() as u32).fold(0, u32::wrapping_add);
    sum = sum
        .wrapping_add(model.inputs().chain(model.outputs()).map(|io| io.zero_point as u32).fold(0, u32::wrapping_add));
    let needed = (Session::arena_bytes(&model, OPERATORS), Session::pack_bytes(&model, OPERATORS));
    black_box(needed);
    let mut session = Session::packed(&model, arena, OPERATORS, pack).ok()?;
    let at = black_box(0);
    for value in session.input_mut::<i8>(at).unwrap_or(&mut []) {
        *value = black_box(1);
    }
    for value in session.input_mut::<f32>(at).unwrap_or(&mut []) {
        *value = black_box(1.0);
    }
    session.run().ok()?;
    session.reset_state();
    sum = sum.wrapping_add(session.output::<i8>(at).map_or(0, |values| values.len() as u32));
    Some(sum.wrapping_add(session.output::<f32>(at).map_or(0, |values| values.len() as u32)))
}
