//! The runtime for browsers and Node.js: bindings, no inference logic.
//!
//! A JavaScript `Session` owns a copy of the artifact and its arena. Arrays cross the border by copy. What goes
//! wrong is thrown as an `Error` whose message starts with the name of a code.
#![forbid(unsafe_code)]

use bantam::{AlignedBytes, LoadError, Model, RunError, SessionError, ops};
use self_cell::{MutBorrow, self_cell};
use wasm_bindgen::prelude::*;

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
}

self_cell!(
    struct OwnedSession {
        owner: Memory,
        #[not_covariant]
        dependent: Borrowed,
    }
);

/// Why a call failed.
enum Failure {
    Load(LoadError),
    Session(SessionError),
    Run(RunError),
}

impl From<Failure> for JsError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Load(error) => JsError::new(&format!("LoadError: {error}")),
            Failure::Session(error) => JsError::new(&format!("SessionError: {error}")),
            Failure::Run(error) => JsError::new(&format!("RunError: {error}")),
        }
    }
}

fn open(artifact: &[u8]) -> Result<OwnedSession, Failure> {
    let file = AlignedBytes::copy_of(artifact);
    let model = OwnedModel::try_new(file, |file| Model::parse(file.bytes())).map_err(Failure::Load)?;
    let arena_bytes = bantam::Session::arena_bytes(model.borrow_dependent(), &ops::ALL);
    let memory = Memory { model, arena: MutBorrow::new(AlignedBytes::zeroed(arena_bytes)) };
    OwnedSession::try_new(memory, |memory| {
        bantam::Session::new(memory.model.borrow_dependent(), memory.arena.borrow_mut().bytes_mut(), &ops::ALL)
    })
    .map_err(Failure::Session)
}

/// A model ready to run, with its memory.
#[wasm_bindgen]
pub struct Session(OwnedSession);

#[wasm_bindgen]
impl Session {
    /// Checks the bytes of a .bantam file and takes the memory a run needs.
    #[wasm_bindgen(constructor)]
    pub fn new(artifact: &[u8]) -> Result<Session, JsError> {
        Ok(Self(open(artifact)?))
    }

    /// Bytes of working memory.
    #[wasm_bindgen(getter, js_name = arenaBytes)]
    pub fn arena_bytes(&self) -> usize {
        self.0.with_dependent(|_, session| session.model().arena_bytes())
    }

    /// Elements of input `index`; `undefined` beyond the last input.
    #[wasm_bindgen(js_name = inputLength)]
    pub fn input_length(&self, index: usize) -> Option<usize> {
        self.0.with_dependent(|_, session| session.model().inputs().nth(index).map(|io| io.tensor.shape.elements()))
    }

    /// Fills an 8-bit input. Inputs must be filled before every run.
    #[wasm_bindgen(js_name = setInput)]
    pub fn set_input(&mut self, index: usize, values: &[i8]) -> Result<(), JsError> {
        Ok(fill(&mut self.0, index, values)?)
    }

    /// Fills a float input. Inputs must be filled before every run.
    #[wasm_bindgen(js_name = setFloatInput)]
    pub fn set_float_input(&mut self, index: usize, values: &[f32]) -> Result<(), JsError> {
        Ok(fill(&mut self.0, index, values)?)
    }

    /// Fills an input of 32-bit integers. Inputs must be filled before every run.
    #[wasm_bindgen(js_name = setIntegerInput)]
    pub fn set_integer_input(&mut self, index: usize, values: &[i32]) -> Result<(), JsError> {
        Ok(fill(&mut self.0, index, values)?)
    }

    /// Runs the model once.
    pub fn run(&mut self) -> Result<(), JsError> {
        let result = self.0.with_dependent_mut(|_, session| session.run());
        Ok(result.map_err(Failure::Run)?)
    }

    /// A copy of an 8-bit output.
    pub fn output(&self, index: usize) -> Result<Vec<i8>, JsError> {
        let output = self.0.with_dependent(|_, session| session.output::<i8>(index).map(<[i8]>::to_vec));
        Ok(output.map_err(Failure::Run)?)
    }

    /// A copy of an output of 32-bit integers.
    #[wasm_bindgen(js_name = integerOutput)]
    pub fn integer_output(&self, index: usize) -> Result<Vec<i32>, JsError> {
        let output = self.0.with_dependent(|_, session| session.output::<i32>(index).map(<[i32]>::to_vec));
        Ok(output.map_err(Failure::Run)?)
    }

    /// A copy of a float output.
    #[wasm_bindgen(js_name = floatOutput)]
    pub fn float_output(&self, index: usize) -> Result<Vec<f32>, JsError> {
        let output = self.0.with_dependent(|_, session| session.output::<f32>(index).map(<[f32]>::to_vec));
        Ok(output.map_err(Failure::Run)?)
    }
}

fn fill<T: bantam::Element>(session: &mut OwnedSession, index: usize, values: &[T]) -> Result<(), Failure> {
    session.with_dependent_mut(|_, session| {
        let input = session.input_mut::<T>(index).map_err(Failure::Run)?;
        if input.len() != values.len() {
            return Err(Failure::Run(RunError::Length { expected: input.len(), given: values.len() }));
        }
        input.copy_from_slice(values);
        Ok(())
    })
}
