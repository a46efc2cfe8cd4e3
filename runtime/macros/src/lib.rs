//! The compile-time half of `bantam`: [`include_model!`], which `bantam` re-exports.
//!
//! The file is parsed by `bantam-format`, the parser of the runtime and of the host tool. What breaks one of its rules
//! does not compile.

#![forbid(unsafe_code)]

mod expand;
mod forms;
mod invocation;
mod model;

use invocation::Invocation;
use proc_macro::TokenStream;

/// Makes a type of a `.bantam` file. The path is relative to the calling file, as that of `include_bytes!`.
///
/// ```ignore
/// bantam::include_model!("digits.bantam"); // the type `Digits`
/// bantam::include_model!("models/v2.bantam" as Keywords); // the type `Keywords`
///
/// static ARENA: … = bantam::Arena::<{ Digits::ARENA_BYTES }>::new();
/// let mut digits = Digits::new(&mut arena); // all the memory a run needs; refused at compile time if too small
/// *digits.input_mut() = pixels; // [i8; 64]
/// digits.run();
/// let probabilities = digits.output(); // &[i8; 10]
/// ```
///
/// The type holds nothing but a borrow of its arena; weights stay in flash. Only the kernels that the model uses, for
/// the number types and the arithmetic it uses, are linked. Results are those of a `Session`, bit for bit.
///
/// It has
/// - `new(&mut Arena<N>)`, which compiles where `N` is at least `ARENA_BYTES`, and sets states to their initial values;
/// - `input_mut()` and `output()`, arrays of `i8`, `i32` or `f32` in the order that the constants `INPUT_SHAPE` and
///   `OUTPUT_SHAPE` give (images: batch, height, width, channels). Where there are several, `input_0_mut()`,
///   `output_1()`, `INPUT_0_SHAPE` and so on;
/// - `INPUT` and `OUTPUT`, the quantisation of 8-bit ones: `quantize` and `dequantize` translate real values;
/// - `run()`, which uses the memory of inputs that are no longer needed: fill every input before every run;
/// - `reset_state()`, for models that keep values between runs;
/// - `labels()`, `ARENA_BYTES`, `CONSTANT_BYTES` (of weights and tables in flash) and `MACS` (multiply-accumulates of a
///   run).
#[proc_macro]
pub fn include_model(input: TokenStream) -> TokenStream {
    let invocation = syn::parse_macro_input!(input as Invocation);
    let caller = proc_macro::Span::call_site().local_file();
    match invocation.read(caller.as_deref()) {
        Ok(file) => expand::expand(&file).into(),
        Err(error) => error.into_compile_error().into(),
    }
}
