//! The runtime for browsers and Node.js: bindings, no inference logic. The npm package in `package/` is the interface
//! for people; what is here is its machine room.
//!
//! Nothing is thrown and no text is made: failures cross the border as numbers, the package has the prose. Tensors are
//! read and written in place, at addresses in the module's memory that stay valid until the session is freed.
#![forbid(unsafe_code)]
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod describe;
mod failure;
mod notes;

use bantam::{AlignedBytes, Model};
use self_cell::{MutBorrow, self_cell};
use wasm_bindgen::prelude::*;
use zerocopy::FromBytes;

use failure::Failure;
use notes::Notes;

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: rlsf::SmallGlobalTlsf = rlsf::SmallGlobalTlsf::new();

/// Nothing here panics on a parsed model; should it, the package tells that the instance is lost.
#[cfg(target_arch = "wasm32")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

include!(concat!(env!("OUT_DIR"), "/operators.rs"));

self_cell!(
    struct OwnedModel {
        owner: AlignedBytes,
        #[covariant]
        dependent: Model,
    }
);

type Borrowed<'a> = bantam::Session<'a, 'a>;

struct Memory {
    model: OwnedModel,
    arena: MutBorrow<AlignedBytes>,
    pack: MutBorrow<AlignedBytes>,
}

self_cell!(
    struct OwnedSession {
        owner: Memory,
        #[not_covariant]
        dependent: Borrowed,
    }
);

fn open(file: AlignedBytes) -> Result<OwnedSession, Failure> {
    let model = OwnedModel::try_new(file, |file| Model::parse_for::<LINKED>(file.bytes())).map_err(Failure::Load)?;
    let arena_bytes = bantam::Session::arena_bytes(model.borrow_dependent(), OPERATORS);
    let arena = AlignedBytes::try_zeroed(arena_bytes).ok_or(Failure::Memory)?;
    let pack_bytes = bantam::Session::pack_bytes(model.borrow_dependent(), OPERATORS);
    let pack = AlignedBytes::try_zeroed(pack_bytes).ok_or(Failure::Memory)?;
    let memory = Memory { model, arena: MutBorrow::new(arena), pack: MutBorrow::new(pack) };
    OwnedSession::try_new(memory, |memory| {
        let (arena, pack) = (memory.arena.borrow_mut().bytes_mut(), memory.pack.borrow_mut().bytes_mut());
        bantam::Session::packed(memory.model.borrow_dependent(), arena, OPERATORS, pack)
    })
    .map_err(Failure::Session)
}

/// A model ready to run, with its memory, or why there is none. What it has to say are numbers in its own memory: a
/// method gives how many, and they stand at `notes` until the next such call.
#[wasm_bindgen]
pub struct Session {
    /// What the page has written: a file, real values or pixels.
    given: Option<AlignedBytes>,
    state: Result<OwnedSession, Failure>,
    notes: Notes,
}

impl Session {
    /// What a failed session gives is never looked at.
    fn write<T: Default>(&mut self, write: impl FnOnce(&mut bantam::Session<'_, '_>, &mut Notes) -> T) -> T {
        let Self { state, notes, .. } = self;
        state
            .as_mut()
            .map_or_else(|_| T::default(), |session| session.with_dependent_mut(|_, session| write(session, notes)))
    }

    /// Hands over what the page has written, if anything.
    fn take(&mut self, make: impl FnOnce(&mut bantam::Session<'_, '_>, &[u8]) -> bool) -> bool {
        let given = self.given.take();
        given.is_some_and(|given| self.write(|session, _| make(session, given.bytes())))
    }
}

/// Bytes as floats; none where they are not whole ones.
fn reals(bytes: &[u8]) -> &[f32] {
    <[f32]>::ref_from_bytes(bytes).unwrap_or(&[])
}

#[wasm_bindgen]
impl Session {
    /// Without a model yet, which [`Self::open`] brings.
    #[allow(clippy::new_without_default)]
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self { given: None, state: Err(Failure::Memory), notes: Notes::default() }
    }

    /// Takes memory for so many bytes, to be written by the page for the next call: where it is, 0 where there is none.
    pub fn reserve(&mut self, length: usize) -> usize {
        self.given = AlignedBytes::try_zeroed(length);
        self.given.as_ref().map_or(0, |bytes| bytes.bytes().as_ptr().addr())
    }

    /// Checks the given file and takes the memory a run needs. See [`Session::ask`].
    pub fn open(&mut self) {
        if let Some(file) = self.given.take() {
            self.state = open(file);
        }
    }

    /// Where the answers are: 64-bit floats.
    #[wasm_bindgen(getter)]
    pub fn notes(&self) -> usize {
        self.notes.address()
    }

    /// Answers a question with so many notes; one function, because each costs a download its borders.
    ///
    /// - 0: why there is no model: a kind and its operands, see [`Failure`]. None where there is one.
    /// - 1: the model as a whole: see [`describe::model`].
    /// - 2: an input, or an output where `index` counts on: see [`describe::tensor`].
    /// - 3: address and length of the section of the file whose kind has the code `index`.
    /// - 4: address and length of the names of the fields of input `index`, a string list.
    pub fn ask(&mut self, question: u8, index: usize) -> usize {
        self.notes.clear();
        if let Err(failure) = &self.state {
            failure.note(&mut self.notes);
        } else if question > 0 {
            self.write(|session, notes| match question {
                1 => describe::model(session, notes),
                2 => describe::tensor(session, index, notes),
                3 => describe::section(session, index, notes),
                _ => describe::field_names(session, index, notes),
            });
        }
        self.notes.count()
    }

    /// Fills an 8-bit or float input with the given real values; false where they do not fit it.
    pub fn fill(&mut self, input: usize) -> bool {
        self.take(|session, given| session.set_reals(input, reals(given)).is_ok())
    }

    /// Makes an input from the given pixels; false where the file or the pixels do not allow it.
    #[cfg(images)]
    #[wasm_bindgen(js_name = prepareImage)]
    pub fn prepare_image(&mut self, input: usize, width: u32, height: u32) -> bool {
        self.take(|session, given| {
            bantam::Image::new(given, width, height).is_ok_and(|image| session.prepare_image(input, &image).is_ok())
        })
    }

    /// Makes an input from the given numbers in the order of its fields; false where the file or the numbers do not allow
    /// it.
    #[cfg(fields)]
    #[wasm_bindgen(js_name = prepareFields)]
    pub fn prepare_fields(&mut self, input: usize) -> bool {
        self.take(|session, given| session.prepare_fields(input, reals(given)).is_ok())
    }

    /// Runs the model once, on what stands in the inputs; false is a mistake of the runtime itself.
    pub fn run(&mut self) -> bool {
        self.write(|session, _| session.run().is_ok())
    }

    /// Sets what the model keeps between runs to its initial values.
    pub fn reset(&mut self) {
        self.write(|session, _| session.reset_state());
    }
}
