//! Runs a model on inputs of the host, hands the outputs back, and measures.

use bantam::{Model, Operators, Session};

use crate::clock;
use crate::host::{HostFile, HostOutput};
use crate::line::Line;
use crate::stack::Stack;
use crate::{exit, fail};

/// A model with one 8-bit input and one 8-bit output, whichever way it runs.
pub trait Measured {
    /// Bytes of arena it takes.
    fn arena_bytes(&self) -> usize;
    /// The input, to be filled before every run.
    fn input(&mut self) -> &mut [i8];
    /// Runs it once.
    fn run(&mut self) -> bool;
    /// The output of the last run.
    fn output(&self) -> &[i8];
}

/// Lets a type of [`bantam::include_model!`] be measured.
#[macro_export]
macro_rules! measured {
    ($model:ident) => {
        impl<const N: usize> $crate::Measured for $model<'_, N> {
            fn arena_bytes(&self) -> usize {
                <$model<'static>>::ARENA_BYTES
            }

            fn input(&mut self) -> &mut [i8] {
                self.input_mut()
            }

            fn run(&mut self) -> bool {
                self.run();
                true
            }

            fn output(&self) -> &[i8] {
                self.output()
            }
        }
    };
}

impl Measured for Session<'_, '_> {
    fn arena_bytes(&self) -> usize {
        self.model().arena_bytes()
    }

    fn input(&mut self) -> &mut [i8] {
        self.input_mut(0).unwrap_or(&mut [])
    }

    fn run(&mut self) -> bool {
        self.run().is_ok()
    }

    fn output(&self) -> &[i8] {
        self.output(0).unwrap_or(&[])
    }
}

/// Parses `file`, which needs these opcodes only, and calls [`goldens`] with a session over it.
pub fn session<const OPCODES: u64>(
    name: &str,
    stack: &Stack,
    arena: &mut [u8],
    file: &[u8],
    operators: &'static Operators,
) -> ! {
    let Ok(model) = Model::parse_for::<OPCODES>(file) else { fail("the file is not a model of these operators") };
    let Ok(mut session) = Session::new(&model, arena, operators) else { fail("the arena or the table is too small") };
    goldens(name, stack, &mut session)
}

/// Runs `model` on every input in the file `input` of the host, writes what it answers to `output`, and says how often it
/// ran, what it cost and what the last answer was.
pub fn goldens(name: &str, stack: &Stack, model: &mut impl Measured) -> ! {
    let (inputs, outputs) = (HostFile::open(c"input"), HostOutput::create(c"output"));
    clock::start();
    let (mut runs, mut ticks) = (0u32, 0u32);
    let mut last = (0, 0);
    while inputs.integers(model.input()) {
        let start = clock::now();
        let done = model.run();
        ticks = ticks.saturating_add(clock::elapsed(start));
        runs = runs.saturating_add(1);
        if !done || !outputs.integers(model.output()) {
            fail("a run, or writing its output");
        }
        // The next input may take the memory of this output.
        last = strongest(model.output());
    }
    let used = stack.used();
    let mut line = Line::new();
    line.text("measured: runs ").number(runs).text(" ticks ").number(ticks);
    line.text(" stack ").number(used).text(" arena ").number(model.arena_bytes() as u32).print();
    let (class, score) = last;
    line.text(name).text(": ").number(runs).text(" runs, the last says class ").number(class);
    line.text(" with ").signed(score.into()).print();
    exit(runs > 0)
}

/// The first class with the highest score, and the score.
fn strongest(scores: &[i8]) -> (u32, i8) {
    let (mut class, mut best) = (0, i8::MIN);
    for (at, &score) in (0..).zip(scores) {
        if score > best {
            (class, best) = (at, score);
        }
    }
    (class, best)
}
