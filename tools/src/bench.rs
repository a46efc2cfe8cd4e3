//! Measuring how long runs take, and loading. A sample is a batch that lasts [`SAMPLE`] or more, so that the clock's own
//! cost does not count.

use bantam::{AlignedBytes, DataType, Model, Session, SessionError, ops};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Least duration of a sample.
pub const SAMPLE: Duration = Duration::from_millis(10);
/// Samples taken by default.
pub const SAMPLES: usize = 31;

/// Milliseconds per run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The middle sample.
    pub median: f64,
    /// A tenth of the samples are below.
    pub p10: f64,
    /// A tenth of the samples are above.
    pub p90: f64,
}

impl Spread {
    /// Of samples in any order; zeros where there are none.
    #[must_use]
    pub fn of(mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        let at = |share: f64| samples.get((samples.len() as f64 * share) as usize).copied().unwrap_or(0.0);
        Self { median: at(0.5), p10: at(0.1), p90: at(0.9) }
    }
}

/// What it takes to get a file ready, each in fresh memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// Copying the file: what the others are held against.
    pub copy: Spread,
    /// Checking every rule of the format.
    pub parse: Spread,
    /// Making a session: packing the weights.
    pub pack: Spread,
}

impl Load {
    /// Of a model's file, over `samples` samples of each, in turns.
    ///
    /// # Errors
    /// What the session refuses.
    pub fn measure(model: &Model<'_>, samples: usize) -> Result<Self, SessionError> {
        let file = model.artifact().bytes();
        let mut copy = || {
            black_box(black_box(file).to_vec());
            Ok(())
        };
        let mut parse = || {
            // It is known to be valid.
            let _ = black_box(Model::parse(black_box(file)));
            Ok(())
        };
        let mut pack = || {
            let mut memory = Memory::for_model(model);
            black_box(&Bench::new(model, &mut memory)?);
            Ok(())
        };
        let mut jobs: [&mut dyn FnMut() -> Result<(), SessionError>; 3] = [&mut copy, &mut parse, &mut pack];
        let mut batches = [0; 3];
        for (batch, job) in batches.iter_mut().zip(&mut jobs) {
            *batch = batch_of(|runs| time(runs, &mut *job))?;
        }
        let mut taken = [const { Vec::new() }; 3];
        for _ in 0..samples {
            for ((taken, job), &runs) in taken.iter_mut().zip(&mut jobs).zip(&batches) {
                taken.push(time(runs, &mut *job)?);
            }
        }
        let [copy, parse, pack] = taken.map(Spread::of);
        Ok(Self { copy, parse, pack })
    }
}

/// Cycles of this processor's clock in a nanosecond, by multiplications that wait for each other: three cycles each on
/// x86-64 processors since 2008. `None` on others.
#[must_use]
pub fn clock_ghz() -> Option<f64> {
    const STEPS: u32 = 1_000_000;
    let turn = || {
        let start = Instant::now();
        let mut product = black_box(3_u64);
        for _ in 0..STEPS {
            product = product.wrapping_mul(product);
        }
        black_box(product);
        3.0 * f64::from(STEPS) / (start.elapsed().as_secs_f64() * 1e9)
    };
    cfg!(target_arch = "x86_64").then(|| (0..9).map(|_| turn()).fold(0.0, f64::max))
}

/// Milliseconds per turn of `runs` turns.
fn time<E>(runs: u32, mut job: impl FnMut() -> Result<(), E>) -> Result<f64, E> {
    let start = Instant::now();
    for _ in 0..runs {
        job()?;
    }
    Ok(start.elapsed().as_secs_f64() * 1e3 / f64::from(runs.max(1)))
}

/// Turns that make up a sample of what takes `sample(turns)` milliseconds per turn.
fn batch_of<E>(mut sample: impl FnMut(u32) -> Result<f64, E>) -> Result<u32, E> {
    let mut runs = 1;
    loop {
        let spent = sample(runs)? * f64::from(runs);
        let wanted = SAMPLE.as_secs_f64() * 1e3;
        if spent >= wanted {
            return Ok(runs);
        }
        runs =
            ((f64::from(runs) * wanted * 1.2 / spent.max(0.01)).ceil() as u32).clamp(runs + 1, runs.saturating_mul(20));
    }
}

/// Where one op's time goes.
#[derive(Clone, Debug, PartialEq)]
pub struct OpTime {
    /// Its index in the schedule.
    pub op: usize,
    /// The opcode's name.
    pub operator: &'static str,
    /// Multiply-accumulates.
    pub macs: u64,
    /// Milliseconds per run.
    pub milliseconds: f64,
}

/// A model with all that a run needs, its inputs filled from a fixed seed before every sample.
#[derive(Debug)]
pub struct Bench<'m> {
    session: Session<'m, 'm>,
}

/// The memory of a [`Bench`].
#[derive(Debug)]
pub struct Memory {
    arena: AlignedBytes,
    pack: Vec<u8>,
}

impl Memory {
    /// Enough for a model.
    #[must_use]
    pub fn for_model(model: &Model<'_>) -> Self {
        Self {
            arena: AlignedBytes::zeroed(Session::arena_bytes(model, &ops::ALL)),
            pack: vec![0; Session::pack_bytes(model, &ops::ALL)],
        }
    }

    /// Bytes of packed weights and scratch memory.
    #[must_use]
    pub fn pack_bytes(&self) -> usize {
        self.pack.len()
    }
}

impl<'m> Bench<'m> {
    /// Packs the weights.
    ///
    /// # Errors
    /// What the session refuses.
    pub fn new(model: &'m Model<'m>, memory: &'m mut Memory) -> Result<Self, SessionError> {
        let Memory { arena, pack } = memory;
        Ok(Self { session: Session::packed(model, arena.bytes_mut(), &ops::ALL, pack)? })
    }

    /// The same values on every machine: 8-bit ones over the whole range, floats from -1 to 1.
    fn fill(&mut self) -> Result<(), bantam::RunError> {
        let mut state = 0x2545_f491_u32;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state
        };
        let types: Vec<DataType> = self.session.model().inputs().map(|input| input.tensor.data_type).collect();
        for (index, data_type) in types.into_iter().enumerate() {
            match data_type {
                DataType::I8 => self.session.input_mut::<i8>(index)?.iter_mut().for_each(|x| *x = next() as i8),
                DataType::I16 => self.session.input_mut::<i16>(index)?.iter_mut().for_each(|x| *x = next() as i16),
                DataType::F32 => {
                    let values = self.session.input_mut::<f32>(index)?.iter_mut();
                    values.for_each(|x| *x = next() as f32 / u32::MAX as f32 * 2.0 - 1.0);
                }
                _ => self.session.input_mut::<i32>(index)?.iter_mut().for_each(|x| *x = (next() % 2) as i32),
            }
        }
        Ok(())
    }

    /// One sample: milliseconds per run of a batch of `runs`.
    ///
    /// # Errors
    /// What the session refuses.
    pub fn sample(&mut self, runs: u32) -> Result<f64, bantam::RunError> {
        self.fill()?;
        time(runs, || self.session.run())
    }

    /// Runs that make up a sample.
    ///
    /// # Errors
    /// What the session refuses.
    pub fn batch(&mut self) -> Result<u32, bantam::RunError> {
        batch_of(|runs| self.sample(runs))
    }

    /// Time per run over `samples` samples.
    ///
    /// # Errors
    /// What the session refuses.
    pub fn measure(&mut self, samples: usize) -> Result<Spread, bantam::RunError> {
        let runs = self.batch()?;
        let samples: Result<Vec<f64>, _> = (0..samples).map(|_| self.sample(runs)).collect();
        samples.map(Spread::of)
    }

    /// Time of every op: the median over as many runs as fit into `samples` samples. Looking at the clock after every
    /// op adds some 30 nanoseconds to each.
    ///
    /// # Errors
    /// What the session refuses.
    pub fn profile(&mut self, samples: usize) -> Result<Vec<OpTime>, bantam::RunError> {
        let runs = self.batch()? as usize * samples;
        let model = self.session.model();
        let mut times: Vec<(OpTime, Vec<f64>)> = model
            .artifact()
            .ops()
            .map(|op| {
                let time =
                    OpTime { op: op.index as usize, operator: op.opcode.name(), macs: op.macs(), milliseconds: 0.0 };
                (time, Vec::new())
            })
            .collect();
        for _ in 0..runs.clamp(1, 20_000) {
            let mut last = Instant::now();
            self.session.run_each(|step| {
                let now = Instant::now();
                if let Some((_, samples)) = times.get_mut(step.op.index as usize) {
                    samples.push((now - last).as_secs_f64() * 1e3);
                }
                last = Instant::now();
            })?;
        }
        let finish = |(time, samples)| OpTime { milliseconds: Spread::of(samples).median, ..time };
        Ok(times.into_iter().map(finish).collect())
    }
}
