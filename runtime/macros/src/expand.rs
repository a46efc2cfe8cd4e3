//! The code that stands for a model: statics in flash, and straight-line calls of the runtime's evaluations.

use crate::invocation::ModelFile;
use crate::model::{Model, Port, Step};
use bantam_format::{Artifact, DataType, Limits, MAX_RANK, Opcode, Shape, Tensor, TensorKind};
use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{format_ident, quote};
use std::collections::BTreeSet;

/// The type of the model in `file`.
pub fn expand(file: &ModelFile) -> TokenStream {
    let Ok(artifact) = Artifact::parse(file.bytes.bytes(), &Limits::default()) else {
        return quote!(compile_error!("the file changed while it was read"););
    };
    let model = Model::new(&artifact);
    let (name, path) = (&file.name, file.path.display().to_string());
    let statics = statics(&model);
    let memory = memory(&model);
    let run = run(&model);
    let (constants, accessors): (Vec<_>, Vec<_>) =
        ports(&model.inputs, true).into_iter().chain(ports(&model.outputs, false)).unzip();
    let labels = &model.labels;
    let (label_count, arena_bytes) = (labels.len(), model.arena_bytes);
    let about = about(file, &model);
    quote! {
        #[doc = #about]
        #[derive(Debug)]
        pub struct #name<'a, const N: usize = #arena_bytes> {
            arena: &'a mut ::bantam::Arena<N>,
        }

        const _: () = {
            // Builds the crate again when the file changes; nothing of it is linked.
            const _: &[u8] = include_bytes!(#path);
            #statics

            #[allow(dead_code)]
            impl #name<'_> {
                #memory
                #(#constants)*

                /// The class labels, in the order of the outputs; empty where the file has none.
                pub const fn labels() -> &'static [&'static str; #label_count] {
                    &[#(#labels),*]
                }
            }

            #[allow(dead_code)]
            impl<'a, const N: usize> #name<'a, N> {
                /// Binds the model to its memory and sets states to their initial values. An arena of fewer than
                /// `ARENA_BYTES` bytes does not compile.
                pub fn new(arena: &'a mut ::bantam::Arena<N>) -> Self {
                    const { assert!(N >= #arena_bytes, "the arena is smaller than ARENA_BYTES") };
                    let mut model = Self { arena };
                    model.reset_state();
                    model
                }

                #run
                #(#accessors)*
            }
        };
    }
}

/// The documentation of the type.
fn about(file: &ModelFile, model: &Model<'_>) -> String {
    let file = file.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let list = |ports: &[Port]| {
        let one = |port: &Port| format!("{:?} {:?}", port.tensor.data_type, port.tensor.shape.dimensions());
        ports.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    format!(
        "The model of `{file}`: {} to {}. A run takes {} bytes of memory and {} multiply-accumulates.",
        list(&model.inputs),
        list(&model.outputs),
        model.arena_bytes,
        model.macs
    )
}

/// Weights and the schedule.
fn statics(model: &Model<'_>) -> TokenStream {
    let (constants, attributes) = (Literal::byte_string(model.constants), Literal::byte_string(model.attributes));
    let constant_bytes = model.constants.len();
    let attribute_bytes = model.attributes.len();
    // What one op writes another reads.
    let mut tensors: Vec<Tensor> = Vec::new();
    for operand in model.steps.iter().flat_map(|step| &step.operands) {
        if !tensors.contains(operand) {
            tensors.push(*operand);
        }
    }
    let (tensor_count, records) = (tensors.len(), tensors.iter().map(tensor));
    let steps = model.steps.iter().enumerate().map(|(index, step)| {
        let Step { inputs, attributes, walk_down, .. } = step;
        let name = step_name(index);
        let operands = step.operands.iter().map(|operand| tensors.iter().position(|tensor| tensor == operand));
        quote! {
            static #name: ::bantam::compiled::Step = ::bantam::compiled::Step {
                operands: &[#(&TENSORS[#operands]),*],
                inputs: #inputs,
                attributes: ::bantam::compiled::from(&ATTRIBUTES, #attributes),
                walk_down: #walk_down,
            };
        }
    });
    quote! {
        static CONSTANTS: ::bantam::Aligned<[u8; #constant_bytes]> = ::bantam::Aligned(*#constants);
        static ATTRIBUTES: [u8; #attribute_bytes] = *#attributes;
        static TENSORS: [::bantam::Tensor; #tensor_count] = [#(#records),*];
        #(#steps)*
    }
}

fn step_name(index: usize) -> Ident {
    format_ident!("STEP_{}", index)
}

fn tensor(tensor: &Tensor) -> TokenStream {
    let data_type = data_type(tensor.data_type);
    let kind = Ident::new(
        match tensor.kind {
            TensorKind::Constant => "Constant",
            TensorKind::State => "State",
            _ => "Arena",
        },
        Span::call_site(),
    );
    let location = tensor.location;
    let dimensions = (0..MAX_RANK).map(|axis| tensor.shape.dimension(axis) as u32);
    let rank = tensor.shape.rank() as u8;
    quote! {
        ::bantam::Tensor {
            data_type: #data_type,
            kind: ::bantam::TensorKind::#kind,
            location: #location,
            shape: ::bantam::Shape::from_array([#(#dimensions),*], #rank),
        }
    }
}

fn data_type(data_type: DataType) -> TokenStream {
    let name = Ident::new(data_type.name(), Span::call_site());
    quote!(::bantam::DataType::#name)
}

/// Sizes that are known before anything runs.
fn memory(model: &Model<'_>) -> TokenStream {
    let (arena_bytes, constant_bytes, macs) = (model.arena_bytes, model.constants.len(), model.macs);
    quote! {
        /// Bytes of arena that a run needs: all the memory the model takes.
        pub const ARENA_BYTES: usize = #arena_bytes;
        /// Bytes of weights, biases and tables in flash.
        pub const CONSTANT_BYTES: usize = #constant_bytes;
        /// Multiply-accumulates of one run.
        pub const MACS: u64 = #macs;
    }
}

/// `run` and `reset_state`.
fn run(model: &Model<'_>) -> TokenStream {
    let arithmetic = Ident::new(model.arithmetic, Span::call_site());
    let calls = model.steps.iter().enumerate().map(|(index, step)| {
        let (name, opcode) = (step_name(index), Ident::new(step.opcode.name(), Span::call_site()));
        let types = data_types(step);
        // One set for all that share code.
        let shared = model.steps.iter().filter(|other| {
            let same = other.opcode == step.opcode || sums_products(other) && sums_products(step);
            same && data_types(other) == types
        });
        let names = shared.flat_map(|step| &step.forms).collect::<BTreeSet<_>>();
        let forms = names.into_iter().map(|form| Ident::new(form, Span::call_site()));
        let types = types.into_iter().map(data_type);
        quote! {
            done &= ::bantam::compiled::#opcode::<
                { ::bantam::ops::numbers(&[#(#types),*], &[::bantam::Arithmetic::#arithmetic]) #(| ::bantam::ops::#forms)* }
            >(&#name, arena, &CONSTANTS.0);
        }
    });
    let states = model.states.iter().map(|(tensor, offset)| {
        let (location, bytes) = (tensor.location, tensor.bytes());
        quote!(::bantam::compiled::reset(self.arena.bytes_mut(), #location, &CONSTANTS.0, #offset, #bytes);)
    });
    quote! {
        /// Computes the outputs of the inputs, which must be filled before every run.
        pub fn run(&mut self) {
            let arena = self.arena.bytes_mut();
            let mut done = true;
            #(#calls)*
            debug_assert!(done, "an op's operands are not where the parser found them");
        }

        /// Sets what the model keeps between runs to its initial values.
        pub fn reset_state(&mut self) {
            #(#states)*
        }
    }
}

/// Whether the kernels of `bantam::kernels::direct` may serve.
fn sums_products(step: &Step) -> bool {
    matches!(step.opcode, Opcode::Conv2d | Opcode::DepthwiseConv2d | Opcode::FullyConnected)
}

/// The data types whose code an op takes.
fn data_types(step: &Step) -> Vec<DataType> {
    let first = step.operands.first().map_or(DataType::I8, |tensor| tensor.data_type);
    let mut types = vec![first];
    if step.real && first != DataType::F32 {
        types.push(DataType::F32);
    }
    if first != DataType::I16 && step.operands.iter().any(|tensor| tensor.data_type == DataType::I16) {
        types.push(DataType::I16);
    }
    types
}

/// Constants and accessors of the inputs or the outputs; numbered where there are several.
fn ports(ports: &[Port], inputs: bool) -> Vec<(TokenStream, TokenStream)> {
    let role = if inputs { "input" } else { "output" };
    let named = |index: usize| if ports.len() == 1 { role.to_owned() } else { format!("{role}_{index}") };
    ports.iter().enumerate().map(|(index, port)| accessor(&named(index), port, inputs)).collect()
}

fn accessor(name: &str, port: &Port, input: bool) -> (TokenStream, TokenStream) {
    let Tensor { location, shape, data_type, .. } = port.tensor;
    let element = Ident::new(
        match data_type {
            DataType::F32 => "f32",
            DataType::I32 => "i32",
            DataType::I16 => "i16",
            _ => "i8",
        },
        Span::call_site(),
    );
    let elements = shape.elements();
    let constant = name.to_uppercase();
    let shape_name = format_ident!("{}_SHAPE", constant);
    let (rank, dimensions) = (shape.rank(), dimensions(&shape));
    let about_shape = format!("Dimensions of `{name}`, outermost first.");
    let quantization = matches!(data_type, DataType::I8 | DataType::I16).then(|| {
        let (quantization, about) =
            (format_ident!("{}", constant), format!("What the integers of `{name}` stand for."));
        let (scale, zero_point) = (port.record.scale, port.record.zero_point);
        quote! {
            #[doc = #about]
            pub const #quantization: ::bantam::Quantization =
                ::bantam::Quantization { scale: #scale, zero_point: #zero_point };
        }
    });
    let function = if input {
        let (function, about) = (format_ident!("{}_mut", name), format!("The elements of `{name}`, to be filled."));
        quote! {
            #[doc = #about]
            pub fn #function(&mut self) -> &mut [#element; #elements] {
                match ::bantam::compiled::array_mut(self.arena.bytes_mut(), #location) {
                    Some(array) => array,
                    // The arena is large enough and aligned, by its type.
                    None => unreachable!(),
                }
            }
        }
    } else {
        let (function, about) = (format_ident!("{}", name), format!("The elements of `{name}` after a run."));
        quote! {
            #[doc = #about]
            pub fn #function(&self) -> &[#element; #elements] {
                match ::bantam::compiled::array(self.arena.bytes(), #location) {
                    Some(array) => array,
                    // The arena is large enough and aligned, by its type.
                    None => unreachable!(),
                }
            }
        }
    };
    let constants = quote! {
        #[doc = #about_shape]
        pub const #shape_name: [usize; #rank] = [#(#dimensions),*];
        #quantization
    };
    (constants, function)
}

fn dimensions(shape: &Shape) -> Vec<usize> {
    shape.dimensions().iter().map(|&dimension| dimension as usize).collect()
}
