//! The whole job: a teacher, a smaller student, training, integers, scores.

use crate::augment::Augmentation;
use crate::error::TrainError;
use crate::exact::Exact;
use crate::network::Network;
use crate::random::{generator, shuffled};
use crate::rows::Rows;
use crate::structure::{GroupReport, Size, macs, smaller};
use crate::training::loss::Loss;
use crate::training::{Epoch, Job, Progress, Schedule, train};
use bantam_format::Arithmetic;
use bantam_tools::compare::{agreement, classes_of};
use bantam_tools::data::{DataError, Dataset, InputSpec};
use bantam_tools::folder::ModelFolder;
use bantam_tools::graph::Graph;
use bantam_tools::import::onnx::ImportOptions;
use bantam_tools::quantize::{RangeMethod, WeightBits, calibrate};
use bantam_tools::shrink::{ShrinkOptions, Shrunk, dressed, finish, logits, shrink_model};
use bantam_tools::subject::{ArtifactFile, SourceModel};
use candle_core::D;
use serde::Serialize;
use sha2::Digest;
use std::path::{Path, PathBuf};

/// Fewer rows than this are too few.
const LEAST_ROWS: usize = 16;
/// What the generator that draws fewer rows is for.
const FEWER: u64 = 7;
/// Rows that are run together.
const TOGETHER: usize = 64;

/// Where a student comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Student {
    /// The teacher, with fewer channels.
    Smaller(Size),
    /// Another model.
    Model(PathBuf),
    /// The teacher as it is.
    Same,
}

/// Training with the integers of the artifact, after training in floats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Aware {
    /// Times that all rows are seen.
    pub epochs: usize,
    /// The largest rate.
    pub rate: f64,
    /// Width of the weights.
    pub bits: WeightBits,
}

/// What to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// The teacher and what is known about it.
    pub folder: ModelFolder,
    /// Sizes of free dimensions.
    pub shapes: ImportOptions,
    /// Rows to train on; the calibration data where there are none.
    pub training: Option<PathBuf>,
    /// Where the student comes from.
    pub student: Student,
    /// Times that channels are taken away, each followed by training.
    pub rounds: usize,
    /// Whether the student begins with weights drawn anew.
    pub fresh: bool,
    /// What it is trained for.
    pub loss: Loss,
    /// How rows are changed.
    pub augmentation: Augmentation,
    /// How long and how fast.
    pub schedule: Schedule,
    /// Share of the rows by which the best epoch is told.
    pub hold_out: f64,
    /// Training with integers.
    pub aware: Option<Aware>,
    /// How accumulators are requantised.
    pub arithmetic: Arithmetic,
    /// Whether to leave names, labels and the card out of artifacts.
    pub strip: bool,
    /// Rows to train on at most, drawn by the seed.
    pub most_rows: Option<usize>,
    /// Whether to quantise the teacher too, to compare with.
    pub teacher_integers: bool,
    /// Where the state of the run is kept.
    pub checkpoint: Option<PathBuf>,
}

/// How good a network is.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    /// What it is.
    pub name: String,
    /// Share of the evaluation rows it gets right; none without labels.
    pub accuracy: Option<f64>,
    /// Share of those rows on which it says what the teacher says; none for models that do not tell classes apart.
    pub agreement: Option<f64>,
    /// Multiply-accumulates of a run.
    pub macs: u64,
    /// Bytes of the file, where it is one.
    pub bytes: Option<usize>,
    /// Whether each evaluation row is right.
    #[serde(skip)]
    pub right: Vec<bool>,
}

/// One training of the job.
#[derive(Clone, Debug, Serialize)]
pub struct Stage {
    /// What was trained.
    pub name: String,
    /// The best epoch.
    pub best: usize,
    /// Every epoch.
    pub epochs: Vec<Epoch>,
}

/// What was made.
#[derive(Debug)]
pub struct Distilled {
    /// The student as an artifact.
    pub artifact: ArtifactFile,
    /// The student in floats.
    pub graph: Graph,
    /// The teacher, the student before and after training, the artifact.
    pub standings: Vec<Standing>,
    /// What became of the channels, where some were taken away.
    pub groups: Vec<GroupReport>,
    /// Every training.
    pub stages: Vec<Stage>,
    /// Rows trained on, rows held out, rows of the evaluation.
    pub rows: [usize; 3],
    /// What the user should know.
    pub notes: Vec<String>,
}

/// What is told while a job runs.
pub trait Watch: Sync {
    /// Something else is being done.
    fn stage(&self, what: &str);
    /// Steps made, of how many, the loss of the last, the last epoch.
    fn step(&self, made: usize, of: usize, loss: f64, last: Option<&Epoch>);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Watch for Silent {
    fn stage(&self, _: &str) {}
    fn step(&self, _: usize, _: usize, _: f64, _: Option<&Epoch>) {}
}

/// Makes a smaller student and trains it.
///
/// # Errors
/// [`TrainError`].
pub fn distil(options: &Options, watch: &dyn Watch) -> Result<Distilled, TrainError> {
    watch.stage("importing");
    let folder = &options.folder;
    let source = SourceModel::load(&folder.model, &options.shapes)?;
    let specs = InputSpec::of_graph(&source.graph);
    let refused = |path: &Path| {
        let path = path.to_owned();
        move |refused| TrainError::Refused { path, refused }
    };
    let teacher = Network::fixed(&source.graph).map_err(refused(&folder.model))?;
    let path = options.training.as_ref().or(folder.calibration.as_ref());
    let path = path.ok_or_else(|| TrainError::NoData(folder.model.clone()))?;
    let data = Dataset::load(path, &specs)?;
    let mut rows = Rows::of(&source.graph, &data)?;
    if let Some(most) = options.most_rows {
        let mut order = shuffled(&mut generator(options.schedule.seed, &[FEWER]), rows.count());
        order.truncate(most);
        rows = rows.select(&order);
    }
    if rows.count() < LEAST_ROWS {
        return Err(TrainError::FewRows { path: path.clone(), rows: rows.count(), least: LEAST_ROWS });
    }
    if options.loss.labels > 0.0 {
        if !data.has_labels() {
            return Err(TrainError::NoLabels(path.clone()));
        }
        let classes = answers(&source.graph);
        if let Some((row, label)) = data.labels()?.into_iter().enumerate().find(|(_, label)| *label >= classes) {
            return Err(DataError::LabelRange { path: path.clone(), row, label, classes }.into());
        }
    }
    let evaluation = folder.evaluation.as_ref().map(|path| Dataset::load(path, &specs)).transpose()?;
    let evaluated = evaluation.as_ref().map(|data| Rows::of(&source.graph, data)).transpose()?;
    let (rows, held_out) = rows.split(options.hold_out, options.schedule.seed);
    let judge = Judge { teacher: &teacher, rows: evaluated.as_ref() };
    let mut standings = vec![judge.standing("teacher, float", &teacher)?];
    let mut groups = Vec::new();
    let mut stages = Vec::new();
    let mut notes = Vec::new();

    let (mut graph, rounds) = match &options.student {
        Student::Smaller(_) => (source.graph.clone(), options.rounds.max(1)),
        Student::Same => (source.graph.clone(), 1),
        Student::Model(path) => {
            let student = SourceModel::load(path, &options.shapes)?;
            let (got, expected) = (answers(&student.graph), answers(&source.graph));
            if got != expected {
                let (student, teacher) = (path.clone(), folder.model.clone());
                return Err(TrainError::Outputs { student, teacher, got, expected });
            }
            (student.graph, 1)
        }
    };
    let original = macs(&source.graph);
    let schedule = Schedule { epochs: options.schedule.epochs.div_ceil(rounds), ..options.schedule };
    let learn = |student: &Network, schedule: Schedule, checkpoint: Option<&Checkpoint>, exact: Option<&Exact<'_>>| {
        train(&Job {
            student,
            teacher: Some(&teacher),
            rows: &rows,
            held_out: &held_out,
            loss: options.loss,
            augmentation: options.augmentation,
            schedule,
            checkpoint: checkpoint.map(Checkpoint::parts),
            exact,
            watch: &|made, of, loss, last| watch.step(made, of, loss, last),
        })
    };
    let mut untrained = None;
    for round in 1..=rounds {
        if let Student::Smaller(size) = &options.student {
            watch.stage("choosing channels");
            let size = match *size {
                Size::Width(width) => Size::Width(width.powf(1.0 / rounds as f64)),
                Size::Share(share) => {
                    let goal = share.powf(round as f64 / rounds as f64) * original as f64;
                    Size::Share(goal / macs(&graph) as f64)
                }
            };
            let network = Network::trainable(&graph).map_err(refused(&folder.model))?;
            let made = smaller(&network, &rows, size)?;
            // How it is to the round before; over all rounds, from the first number to the last.
            groups = merged(groups, made.groups);
            graph = made.graph;
        }
        if options.fresh {
            crate::initial::draw(&mut graph, options.schedule.seed);
        }
        let student = Network::trainable(&graph).map_err(refused(&folder.model))?;
        if untrained.is_none() && rounds == 1 {
            untrained = Some(judge.standing("student before training", &student)?);
        }
        let name = if rounds == 1 { "student".to_owned() } else { format!("student, round {round}") };
        watch.stage(&format!("training the {name}"));
        let checkpoint = Checkpoint::of(options, &source, &rows, &student, &format!("round-{round}"))?;
        let progress = learn(&student, schedule, checkpoint.as_ref(), None)?;
        stages.push(Stage::of(name, progress));
        graph = student.trained()?;
    }
    standings.extend(untrained);
    let student = Network::fixed(&graph).map_err(refused(&folder.model))?;
    standings.push(judge.standing("student, float", &student)?);

    let name = if options.arithmetic == Arithmetic::Float { "artifact" } else { "integers" };
    if options.teacher_integers {
        let whole = shrunk(options, &source, &source.graph, path, watch)?;
        standings.insert(1, judge.artifact(&format!("teacher, {name}"), &whole.artifact, evaluation.as_ref())?);
    }

    let artifact = match (&options.aware, options.arithmetic) {
        (Some(aware), arithmetic) if arithmetic != Arithmetic::Float => {
            let data = folder.calibration.as_ref().unwrap_or(path);
            let calibration = Dataset::load(data, &InputSpec::of_graph(&graph))?;
            watch.stage("calibrating");
            let ranges = calibrate(&graph, &calibration, RangeMethod::default())
                .map_err(|error| TrainError::Calibration { path: data.clone(), error: Box::new(error) })?
                .ranges;
            let exact = Exact::new(&graph, &ranges, arithmetic, aware.bits)?;
            let before = exact.artifact(&graph)?;
            standings.push(judge.artifact("student, integers before fine-tuning", &before, evaluation.as_ref())?);
            let student = Network::trainable(&graph).map_err(refused(&folder.model))?;
            watch.stage("training with integers");
            let checkpoint = Checkpoint::of(options, &source, &rows, &student, "integers")?;
            let schedule = Schedule { epochs: aware.epochs, rate: aware.rate, ..options.schedule };
            let progress = learn(&student, schedule, checkpoint.as_ref(), Some(&exact))?;
            stages.push(Stage::of("student with integers".into(), progress));
            graph = student.trained()?;
            let card = || serde_json::json!({ "name": folder.name, "teacher_sha256": source.sha256 }).to_string();
            finish(dressed(folder, (!options.strip).then(card), exact.lowered(&graph)?)?)?
        }
        _ => {
            let shrunk = shrunk(options, &source, &graph, path, watch)?;
            notes.extend(shrunk.notes);
            shrunk.artifact
        }
    };
    standings.push(judge.artifact(&format!("student, {name}"), &artifact, evaluation.as_ref())?);
    for stage in
        options.checkpoint.iter().flat_map(|path| stage_names(rounds).into_iter().map(|stage| suffixed(path, &stage)))
    {
        // What is not there needs no removal.
        let _ = std::fs::remove_file(stage);
    }
    let counts = [rows.count(), held_out.count(), evaluated.as_ref().map_or(0, Rows::count)];
    Ok(Distilled { artifact, graph, standings, groups, stages, rows: counts, notes })
}

/// Numbers that a graph gives for a row.
fn answers(graph: &Graph) -> usize {
    graph.outputs().first().map_or(0, |port| graph.value(port.value).shape.iter().product())
}

/// A graph through the tool, calibrated with the folder's data or else with the rows trained on.
fn shrunk(
    options: &Options,
    source: &SourceModel,
    graph: &Graph,
    rows: &Path,
    watch: &dyn Watch,
) -> Result<Shrunk, TrainError> {
    let model = SourceModel {
        graph: graph.clone(),
        reference: None,
        no_reference: None,
        integers: None,
        metadata: bantam_tools::import::tflite::Metadata::default(),
        sha256: source.sha256.clone(),
        file_bytes: source.file_bytes,
    };
    let mut folder = options.folder.clone();
    folder.calibration = folder.calibration.or_else(|| Some(rows.to_owned()));
    folder.evaluation = None;
    let (seed, strip) = (options.schedule.seed, options.strip);
    let shrink = ShrinkOptions { seed, strip, ..ShrinkOptions::new(folder, options.arithmetic) };
    Ok(shrink_model(model, &shrink, &|what| watch.stage(what))?)
}

/// Groups over several rounds: numbers before the first and after the last.
fn merged(first: Vec<GroupReport>, mut last: Vec<GroupReport>) -> Vec<GroupReport> {
    for group in &mut last {
        if let Some(known) = first.iter().find(|known| known.layers == group.layers) {
            group.before = known.before;
            group.sensitivity = known.sensitivity;
        }
    }
    last
}

impl Stage {
    fn of(name: String, progress: Progress) -> Self {
        Self { name, best: progress.best, epochs: progress.epochs }
    }
}

/// A file for the state of one stage, and what tells it from those of other runs.
struct Checkpoint {
    path: PathBuf,
    fingerprint: String,
}

fn stage_names(rounds: usize) -> Vec<String> {
    (1..=rounds).map(|round| format!("round-{round}")).chain(["integers".to_owned()]).collect()
}

fn suffixed(path: &Path, stage: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{stage}"));
    name.into()
}

impl Checkpoint {
    fn of(
        options: &Options,
        source: &SourceModel,
        rows: &Rows,
        student: &Network,
        stage: &str,
    ) -> Result<Option<Self>, TrainError> {
        let Some(path) = &options.checkpoint else { return Ok(None) };
        let mut hash = sha2::Sha256::new();
        hash.update(&source.sha256);
        hash.update(format!(
            "{stage} {:?} {:?} {:?} {:?} {} {:?}",
            options.loss, options.augmentation, options.schedule, options.aware, options.hold_out, options.arithmetic
        ));
        let items = rows.items.iter().flat_map(|x| x.to_le_bytes());
        hash.update(items.collect::<Vec<u8>>());
        for variable in student.variables() {
            hash.update(&variable.name);
            let items = variable.var.flatten_all()?.to_vec1::<f32>()?;
            hash.update(items.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>());
        }
        let fingerprint = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Some(Self { path: suffixed(path, stage), fingerprint }))
    }

    fn parts(&self) -> (&Path, &str) {
        (&self.path, &self.fingerprint)
    }
}

/// Scores networks on the evaluation rows.
struct Judge<'a> {
    teacher: &'a Network,
    rows: Option<&'a Rows>,
}

impl Judge<'_> {
    fn standing(&self, name: &str, network: &Network) -> Result<Standing, TrainError> {
        let macs = macs(network.graph());
        let Some(rows) = self.rows else { return Ok(self.compared(name, macs, None, &[], &[])) };
        let (own, theirs) = (classes(network, rows)?, classes(self.teacher, rows)?);
        Ok(self.compared(name, macs, None, &own, &theirs))
    }

    fn artifact(&self, name: &str, artifact: &ArtifactFile, data: Option<&Dataset>) -> Result<Standing, TrainError> {
        let (macs, bytes) = (artifact.model().artifact().macs(), Some(artifact.bytes().len()));
        let (Some(rows), Some(data)) = (self.rows, data) else {
            return Ok(self.compared(name, macs, bytes, &[], &[]));
        };
        let own = classes_of(&artifact.run_all(data)?);
        Ok(self.compared(name, macs, bytes, &own, &classes(self.teacher, rows)?))
    }

    fn compared(&self, name: &str, macs: u64, bytes: Option<usize>, own: &[usize], theirs: &[usize]) -> Standing {
        let labels = self.rows.and_then(|rows| rows.labels.as_ref()).filter(|_| !own.is_empty());
        let right: Vec<bool> =
            labels.map_or_else(Vec::new, |labels| own.iter().zip(labels).map(|(own, label)| own == label).collect());
        Standing {
            name: name.into(),
            accuracy: labels.map(|labels| agreement(own, labels)),
            agreement: (!own.is_empty()).then(|| agreement(own, theirs)),
            macs,
            bytes,
            right,
        }
    }
}

/// The class of each row: of the largest number.
fn classes(network: &Network, rows: &Rows) -> Result<Vec<usize>, TrainError> {
    let Some(value) = logits(network.graph()) else { return Ok(vec![]) };
    let parts = bantam_tools::parallel::map_rows(rows.count().div_ceil(TOGETHER), |part| -> Result<_, TrainError> {
        let chosen: Vec<usize> = (part * TOGETHER..rows.count().min((part + 1) * TOGETHER)).collect();
        let answers = network.forward(&[rows.select(&chosen).tensor()?], &[value])?.remove(0);
        Ok(answers.flatten_from(1)?.argmax(D::Minus1)?.to_vec1::<u32>()?)
    })?;
    Ok(parts.into_iter().flatten().map(|class| class as usize).collect())
}
