//! Compiled models: of the golden files, every operator in every arithmetic.

#![no_std]
#![no_main]

use core::hint::black_box;

/// A module for each golden file, with all that can be called on its model.
macro_rules! models {
    ($($name:ident $file:literal ($($input:ident)*) ($($output:ident)*);)*) => {
        $(mod $name {
            use core::hint::black_box;

            bantam::include_model!($file as Model);

            pub fn run(arena: &mut bantam::Arena<{ Model::ARENA_BYTES }>) -> usize {
                let mut model = Model::new(arena);
                $(for value in model.$input() {
                    *value = black_box(*value);
                })*
                model.run();
                model.reset_state();
                $(black_box(model.$output());)*
                Model::labels().len()
            }
        })*

        fn run_all() -> usize {
            let mut sum = 0usize;
            $(
                let mut arena = bantam::Arena::new();
                sum = sum.wrapping_add($name::run(black_box(&mut arena)));
            )*
            sum
        }
    };
}

models! {
    described "../../../../tests/golden/v1/described.bantam" (input_mut) (output);
    image_float "../../../../tests/golden/v1/image_float.bantam" (input_mut) (output_0 output_1);
    image_onnx "../../../../tests/golden/v1/image_onnx.bantam" (input_mut) (output_0 output_1);
    image_tflite "../../../../tests/golden/v1/image_tflite.bantam" (input_mut) (output_0 output_1);
    mixed_float "../../../../tests/golden/v1/mixed_float.bantam" (input_0_mut input_1_mut) (output_0 output_1);
    mixed_onnx "../../../../tests/golden/v1/mixed_onnx.bantam" (input_0_mut input_1_mut) (output_0 output_1 output_2);
    mixed_tflite "../../../../tests/golden/v1/mixed_tflite.bantam" (input_0_mut input_1_mut) (output_0 output_1 output_2);
    moved_float "../../../../tests/golden/v1/moved_float.bantam" (input_mut) (output_0 output_1);
    moved_onnx "../../../../tests/golden/v1/moved_onnx.bantam" (input_mut) (output_0 output_1);
    moved_tflite "../../../../tests/golden/v1/moved_tflite.bantam" (input_mut) (output_0 output_1);
    ranked_float "../../../../tests/golden/v1/ranked_float.bantam" (input_mut) (output_0 output_1);
    ranked_onnx "../../../../tests/golden/v1/ranked_onnx.bantam" (input_mut) (output_0 output_1);
    ranked_tflite "../../../../tests/golden/v1/ranked_tflite.bantam" (input_mut) (output_0 output_1);
    state_float "../../../../tests/golden/v1/state_float.bantam" (input_mut) (output);
    state_onnx "../../../../tests/golden/v1/state_onnx.bantam" (input_mut) (output);
    state_tflite "../../../../tests/golden/v1/state_tflite.bantam" (input_mut) (output);
}

/// Where the linker begins.
// SAFETY: no other function of this program has this name.
#[unsafe(no_mangle)]
pub extern "C" fn _start() -> ! {
    loop {
        black_box(run_all());
        black_box(bantam_no_panic::control(black_box(&[])));
    }
}
