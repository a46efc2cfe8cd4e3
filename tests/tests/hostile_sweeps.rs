//! Sweeps over whole families of broken files and bad buffers. Whatever a file says, parsing gives a typed error or
//! a model whose run stays inside its arena.

use bantam::{ChecksumPolicy, Image, Limits, Model, RunError, Session, SessionError, ops};
use bantam_format::{AlignedBytes, HEADER_BYTES, LoadError, SectionEntry, SectionKind, writer};
use bantam_tests::artifacts::{artifacts, grouped};
use bantam_tests::canary::CanaryArena;
use bantam_tests::models::{small_model, small_models};
use bantam_tests::random::Random;
use bantam_tests::random_models::random_model;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a mutant may ask for.
const LIMITS: Limits = Limits { max_arena_bytes: 1 << 20, max_work: 10_000_000, checksum: ChecksumPolicy::Ignore };
/// Inner-loop steps spent on running the mutants of one artifact; beyond it only every n-th is run.
const RUN_BUDGET: u64 = 10_000_000_000;
/// Threads of a sweep.
const THREADS: usize = 2;

/// What became of the mutants.
#[derive(Default)]
struct Tally {
    cases: AtomicU64,
    refused_by_the_checksum: AtomicU64,
    refused: AtomicU64,
    accepted: AtomicU64,
    run: AtomicU64,
}

impl Tally {
    fn get(counter: &AtomicU64) -> String {
        grouped(counter.load(Ordering::Relaxed))
    }

    fn add(counter: &AtomicU64) -> u64 {
        counter.fetch_add(1, Ordering::Relaxed)
    }

    /// `… refused, … ran inside their canaries`.
    fn without_the_checksum(&self) -> String {
        let (refused, accepted, run) = (Self::get(&self.refused), Self::get(&self.accepted), Self::get(&self.run));
        if accepted == run {
            format!("{refused} refused, {run} ran inside their canaries")
        } else {
            format!("{refused} refused, {accepted} accepted, of which {run} ran inside their canaries")
        }
    }
}

/// Parses mutants and runs what is accepted.
struct Prober {
    arena: CanaryArena,
    random: Random,
}

impl Prober {
    fn new(seed: u64) -> Self {
        Self { arena: CanaryArena::new(LIMITS.max_arena_bytes as usize), random: Random::new(seed) }
    }

    /// One mutant, run if it is one of every `run_every` accepted ones.
    fn probe(&mut self, file: &[u8], tally: &Tally, run_every: u64) {
        Tally::add(&tally.cases);
        let model = match Model::parse_with(file, &LIMITS) {
            Ok(model) => model,
            Err(error) => {
                assert!(LoadError::RULES.iter().any(|(rule, _, _)| *rule == error.rule()));
                Tally::add(&tally.refused);
                return;
            }
        };
        if !Tally::add(&tally.accepted).is_multiple_of(run_every) {
            return;
        }
        self.arena.place(Session::arena_bytes(&model, &ops::ALL), 0);
        self.random.fill(self.arena.bytes_mut());
        let mut session = Session::new(&model, self.arena.bytes_mut(), &ops::ALL).expect("the arena fits");
        for index in 0..model.inputs().count() {
            // What the file says of preparing data is carried out or refused, like everything else it says.
            let image = session.prepare_image(index, &Image::new(&[90; 48], 4, 3).expect("12 pixels"));
            let fields = session.prepare_fields(index, &[1.5; 3]);
            assert!(image.is_err() || fields.is_err());
        }
        assert_eq!(session.run(), Ok(()));
        for index in 0..model.outputs().count() {
            // Whichever type it has, reading it as each type gives the elements or a typed error.
            let bytes = session.output::<i8>(index).map(<[i8]>::len);
            let halves = session.output::<i16>(index).map(<[i16]>::len);
            let words = session.output::<i32>(index).map(<[i32]>::len);
            let floats = session.output::<f32>(index).map(<[f32]>::len);
            let read = [bytes.is_ok(), halves.is_ok(), words.is_ok(), floats.is_ok()];
            assert_eq!(read.iter().filter(|&&ok| ok).count(), 1);
        }
        assert!(self.arena.intact(), "a run wrote outside its arena");
        Tally::add(&tally.run);
    }
}

/// Splits `0..cases` among the threads; each gets its own copy of the file.
fn in_parallel(file: &AlignedBytes, cases: usize, work: impl Fn(&mut AlignedBytes, &mut Prober, usize) + Sync) {
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (work, file) = (&work, AlignedBytes::copy_of(file.bytes()));
            scope.spawn(move || {
                let (mut file, mut prober) = (file, Prober::new(thread as u64));
                for case in (thread..cases).step_by(THREADS) {
                    work(&mut file, &mut prober, case);
                }
            });
        }
    });
}

/// The small models and whatever artifacts are given.
fn subjects() -> Vec<(String, AlignedBytes)> {
    let small = small_models().into_iter().map(|model| (model.name.to_owned(), model.file));
    small.chain(artifacts()).collect()
}

/// Where the constants section lies in the file.
fn constants(file: &AlignedBytes) -> Range<usize> {
    let model = Model::parse(file.bytes()).expect("a valid artifact");
    let found = model.artifact().section_entries().find(|entry| entry.kind == SectionKind::Constants.code());
    found.map_or(0..0, |entry| entry.offset as usize..(entry.offset + entry.length) as usize)
}

/// How many of the accepted mutants to skip between two runs, so that `cases` of them stay within the budget.
fn run_every(file: &AlignedBytes, cases: usize) -> u64 {
    let work = Model::parse(file.bytes()).expect("a valid artifact").artifact().work();
    (work * cases as u64).div_ceil(RUN_BUDGET).max(1)
}

#[test]
fn sweep_truncations_and_bit_flips() {
    for (name, file) in subjects() {
        let length = file.bytes().len();
        Model::parse(file.bytes()).expect("a valid artifact");
        for shorter in 0..length {
            let truncated = &file.bytes()[..shorter];
            assert!(Model::parse(truncated).is_err(), "{name} cut to {shorter} bytes");
            // A cut file that says so itself still lacks its last section.
            assert!(Model::parse_with(truncated, &LIMITS).is_err(), "{name} cut to {shorter} bytes");
        }
        let (tally, run_every) = (Tally::default(), run_every(&file, length * 8));
        let constants = constants(&file);
        in_parallel(&file, length * 8, |file, prober, bit| {
            file.bytes_mut()[bit / 8] ^= 1 << (bit % 8);
            assert!(Model::parse(file.bytes()).is_err(), "{name} with bit {bit} flipped");
            Tally::add(&tally.refused_by_the_checksum);
            // Another weight changes little; whatever else is accepted is run.
            let run_every = if constants.contains(&(bit / 8)) { run_every } else { 1 };
            prober.probe(file.bytes(), &tally, run_every);
            file.bytes_mut()[bit / 8] ^= 1 << (bit % 8);
        });
        println!(
            "sweep {name}: {} truncations refused; {} bit flips: {} refused with the checksum; without it {}",
            grouped(length as u64),
            Tally::get(&tally.cases),
            Tally::get(&tally.refused_by_the_checksum),
            tally.without_the_checksum()
        );
    }
}

#[test]
fn sweep_sealed_truncations() {
    // Cut at every multiple of 16, with the length and the checksum made right again.
    let mut refused = 0;
    for (name, file) in subjects() {
        for shorter in (HEADER_BYTES..file.bytes().len()).step_by(16) {
            let mut cut = AlignedBytes::copy_of(&file.bytes()[..shorter]);
            cut.bytes_mut()[8..12].copy_from_slice(&(shorter as u32).to_le_bytes());
            writer::seal(cut.bytes_mut());
            assert!(Model::parse(cut.bytes()).is_err(), "{name} cut to {shorter} bytes and sealed");
            refused += 1;
        }
    }
    println!("sweep: {} sealed truncations refused", grouped(refused));
}

#[test]
fn sweep_every_value_of_every_header_and_section_table_byte() {
    for (name, file) in subjects() {
        let sections = Model::parse(file.bytes()).expect("a valid artifact").artifact().section_entries().count();
        let bytes = HEADER_BYTES + sections * SectionEntry::BYTES;
        let (tally, run_every) = (Tally::default(), run_every(&file, 4096));
        in_parallel(&file, bytes * 256, |file, prober, case| {
            let (at, value) = (case / 256, (case % 256) as u8);
            let before = file.bytes()[at];
            file.bytes_mut()[at] = value;
            prober.probe(file.bytes(), &tally, run_every);
            file.bytes_mut()[at] = before;
        });
        println!(
            "sweep {name}: {} header and section table bytes: {}",
            Tally::get(&tally.cases),
            tally.without_the_checksum()
        );
    }
}

#[test]
fn sweep_random_mutations() {
    const MUTATIONS: usize = 100_000;
    const RANDOM_MODELS: u64 = 200;
    let random_models = (0..RANDOM_MODELS).map(|seed| {
        let file = writer::write(&random_model(seed)).expect("a valid model");
        (format!("random_{seed}"), AlignedBytes::copy_of(&file))
    });
    let given = subjects();
    for (name, subjects) in [("the given models", given), ("random models", random_models.collect())] {
        let each = MUTATIONS.div_ceil(subjects.len());
        let total = Tally::default();
        for (index, (_, file)) in subjects.iter().enumerate() {
            let run_every = run_every(file, each);
            in_parallel(file, each, |file, prober, case| {
                let mut random = Random::new((index * each + case) as u64);
                let before = file.bytes().to_vec();
                let mutations = if random.once_in(2) { 1 } else { random.within(1..9) };
                for _ in 0..mutations {
                    mutate(file.bytes_mut(), &mut random);
                }
                repair(file.bytes_mut());
                prober.probe(file.bytes(), &total, run_every);
                file.bytes_mut().copy_from_slice(&before);
            });
        }
        println!("sweep: {} random mutations of {name}: {}", Tally::get(&total.cases), total.without_the_checksum());
    }
}

/// Makes the header's sums right again where only they gave a mutant away, so that it gets further.
fn repair(file: &mut [u8]) {
    for _ in 0..2 {
        match Model::parse_with(file, &LIMITS).err() {
            Some(LoadError::ArenaExtent { computed, .. }) => file[24..28].copy_from_slice(&computed.to_le_bytes()),
            Some(LoadError::Macs { computed, .. }) => file[32..40].copy_from_slice(&computed.to_le_bytes()),
            _ => return,
        }
    }
}

/// A random byte, an extreme word, or a block copied from elsewhere in the file.
fn mutate(bytes: &mut [u8], random: &mut Random) {
    const EXTREMES: [u32; 10] = [0, 1, 0x7f, 0x80, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_fffc, 0xffff_ffff];
    // Half of the mutations hit the part of the file where the records are.
    let reach = if random.once_in(2) { bytes.len() } else { bytes.len() / 2 };
    let at = random.within(HEADER_BYTES..reach.max(HEADER_BYTES + 1));
    match random.within(0..3) {
        0 => bytes[at] = random.bits() as u8,
        1 => {
            let word = random.pick(&EXTREMES).to_le_bytes();
            let at = at / 4 * 4;
            let end = (at + 4).min(bytes.len());
            bytes[at..end].copy_from_slice(&word[..end - at]);
        }
        _ => {
            let length = random.within(1..13).min(bytes.len() - at);
            let from = random.within(0..bytes.len() - length + 1);
            bytes.copy_within(from..from + length, at);
        }
    }
}

#[test]
fn sweep_random_and_constant_bytes_of_every_length() {
    let (tally, mut random, mut prober) = (Tally::default(), Random::new(9), Prober::new(9));
    for length in 0..=4096 {
        let mut file = AlignedBytes::zeroed(length);
        for byte in [0x00, 0xff] {
            file.bytes_mut().fill(byte);
            prober.probe(file.bytes(), &tally, 1);
        }
        random.fill(file.bytes_mut());
        prober.probe(file.bytes(), &tally, 1);
        // Random bytes behind a header that gets past the first rules.
        if length >= HEADER_BYTES {
            let mut start = Vec::new();
            start.extend(b"BNTM\x01\x00\x02\x00");
            start.extend((length as u32).to_le_bytes());
            start.extend([0; 8]);
            start.extend([random.bits() as u8 % 12, 0, 0, 0]);
            start.extend([0; 24]);
            file.bytes_mut()[..HEADER_BYTES].copy_from_slice(&start);
            prober.probe(file.bytes(), &tally, 1);
        }
    }
    assert_eq!(tally.accepted.into_inner(), 0);
    println!("sweep: {} files of random, zero and 0xff bytes refused", grouped(tally.cases.into_inner()));
}

#[test]
fn sweep_file_addresses() {
    for small in small_models() {
        let length = small.file.bytes().len();
        let mut memory = AlignedBytes::zeroed(length + 16);
        for offset in 0..=16 {
            memory.bytes_mut()[offset..offset + length].copy_from_slice(small.file.bytes());
            let parsed = Model::parse(&memory.bytes()[offset..offset + length]);
            match offset {
                0 | 16 => assert!(parsed.is_ok()),
                _ => assert_eq!(parsed.err(), Some(LoadError::Misaligned { remainder: offset as u32 })),
            }
        }
    }
}

#[test]
fn sweep_arena_addresses_and_sizes() {
    for small in small_models() {
        let model = Model::parse(small.file.bytes()).expect("a valid artifact");
        let needed = Session::arena_bytes(&model, &ops::ALL);
        for offset in 0..=16 {
            for given in [0, 1, needed / 2, needed - 1, needed, needed + 1, needed + 100] {
                let mut arena = CanaryArena::misaligned(given, offset);
                let result = Session::new(&model, arena.bytes_mut(), &ops::ALL).map(|mut session| session.run());
                let expected = if given < needed {
                    Err(SessionError::ArenaTooSmall { needed, given })
                } else if offset % 16 != 0 {
                    Err(SessionError::ArenaMisaligned { remainder: offset })
                } else {
                    Ok(Ok(()))
                };
                assert_eq!(result, expected, "{} with {given} bytes at {offset}", small.name);
                assert!(arena.intact());
            }
        }
    }
}

#[test]
fn sweep_orders_of_calls() {
    // Any calls in any order: typed errors, no panic, nothing outside the arena.
    let file = small_model("mixed_onnx");
    let model = Model::parse(file.bytes()).expect("a valid artifact");
    let mut arena = CanaryArena::new(model.arena_bytes());
    let mut session = Session::new(&model, arena.bytes_mut(), &ops::ALL).expect("the arena fits");
    let mut random = Random::new(4);
    for _ in 0..20_000 {
        let index = random.pick(&[0, 1, 2, 3, usize::MAX]);
        match random.within(0..6) {
            0 => assert_eq!(session.run(), Ok(())),
            1 => session.reset_state(),
            2 => {
                let input = session.input_mut::<f32>(index).map(|input| input.fill(f32::NAN));
                assert_eq!(input.is_ok(), index == 0);
            }
            3 => {
                let input = session.input_mut::<i8>(index).map(|input| input.fill(-128));
                assert_eq!(input.is_ok(), index == 1);
            }
            4 => assert_eq!(session.output::<i32>(index).is_ok(), index == 0),
            _ => {
                let missing = session.output::<i8>(index).err();
                assert_eq!(missing == Some(RunError::NoSuchTensor { index }), index > 2);
            }
        }
    }
    assert!(arena.intact());
}
