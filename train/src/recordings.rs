//! Labelled recordings in an archive, as data sets: `LABEL_SPEAKER_INDEX.wav`.

use crate::error::TrainError;
use crate::front_end::{frames, spectrum};
use crate::random::{generator, shuffled};
use bantam_tools::data::write_arrays;
use bantam_tools::folder::Recordings;
use bantam_tools::tensor::Tensor;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Where archives are looked for, from the root of the repository.
pub const DATA_SETS: &str = "../shared/data";
/// What the generator that draws calibration rows is for.
const CALIBRATION: u64 = 4;
/// The most an archive may unpack to.
const MOST_BYTES: u64 = 1 << 30;

/// Files that were made of recordings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// Rows to train on.
    pub training: PathBuf,
    /// Some of them, to calibrate with.
    pub calibration: PathBuf,
    /// Rows held out.
    pub evaluation: PathBuf,
}

/// Spectra and labels in the order of the files' names.
#[derive(Default)]
struct Split {
    items: Vec<u8>,
    labels: Vec<u8>,
}

/// Unpacks the archive in memory, makes spectra of every recording and writes them as .npz files below `target`. What is there
/// already is made anew: the same archive gives the same bytes.
///
/// # Errors
/// [`TrainError::NoRecordings`], [`TrainError::Recording`], [`TrainError::FrontEnd`], [`TrainError::Data`].
pub fn prepare(
    recordings: &Recordings,
    labels: &[String],
    data_sets: &Path,
    target: &Path,
) -> Result<Prepared, TrainError> {
    let path = data_sets.join(&recordings.archive);
    let sounds = read(&path, recordings)?;
    let mut splits = [Split::default(), Split::default()];
    for (name, sound) in &sounds {
        let bad = |reason: String| TrainError::Recording { path: path.clone(), reason: format!("{name}: {reason}") };
        let mut parts = name.trim_end_matches(".wav").split('_');
        let label = parts.next().and_then(|label| labels.iter().position(|known| known == label));
        let label = label.ok_or_else(|| bad(format!("its name does not begin with one of the labels {labels:?}")))?;
        let index = parts.next_back().and_then(|index| index.parse::<usize>().ok());
        let index = index.ok_or_else(|| bad("its name does not end with a number".into()))?;
        let split = &mut splits[usize::from(index < recordings.held_out)];
        split.items.extend(spectrum(&recordings.front_end, sound)?);
        split.labels.push(u8::try_from(label).map_err(|_| bad("more than 256 labels".into()))?);
    }
    let [training, evaluation] = &splits;
    let shape = [frames(&recordings.front_end)?, recordings.front_end.bands];
    let count = recordings.calibration.min(training.labels.len());
    let mut chosen = shuffled(&mut generator(0, &[CALIBRATION]), training.labels.len());
    chosen.truncate(count);
    chosen.sort_unstable();
    let size = shape[0] * shape[1];
    let calibration = Split {
        items: chosen.iter().flat_map(|&row| &training.items[row * size..(row + 1) * size]).copied().collect(),
        labels: chosen.iter().map(|&row| training.labels[row]).collect(),
    };
    let write = |name: &str, split: &Split| -> Result<PathBuf, TrainError> {
        let file = target.join(name);
        let bad = |error: bantam_tools::tensor::TensorError| TrainError::FrontEnd(error.to_string());
        let x = Tensor::from_vec(vec![split.labels.len(), 1, shape[0], shape[1]], split.items.clone()).map_err(bad)?;
        write_arrays(&file, &[("x", &x), ("y", &Tensor::vector(split.labels.clone()))])?;
        Ok(file)
    };
    Ok(Prepared {
        training: write("training.npz", training)?,
        calibration: write("calibration.npz", &calibration)?,
        evaluation: write("evaluation.npz", evaluation)?,
    })
}

/// The sounds of an archive, by name.
fn read(path: &Path, recordings: &Recordings) -> Result<BTreeMap<String, Vec<f32>>, TrainError> {
    let file = std::fs::File::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => TrainError::NoRecordings {
            path: path.to_owned(),
            below: recordings.archive.clone(),
            about: format!("WAV files of {} Hz named LABEL_SPEAKER_INDEX.wav", recordings.front_end.rate),
        },
        _ => TrainError::Recording { path: path.to_owned(), reason: error.to_string() },
    })?;
    let bad = |reason: String| TrainError::Recording { path: path.to_owned(), reason };
    let unpacked = lzma_rust2::XzReader::new(std::io::BufReader::new(file), true).take(MOST_BYTES);
    let mut archive = tar::Archive::new(unpacked);
    let mut sounds = BTreeMap::new();
    for entry in archive.entries().map_err(|error| bad(error.to_string()))? {
        let mut entry = entry.map_err(|error| bad(error.to_string()))?;
        let name = entry.path().map_err(|error| bad(error.to_string()))?.into_owned();
        let Some(name) = name.file_name().and_then(|name| name.to_str()).filter(|name| name.ends_with(".wav")) else {
            continue;
        };
        let name = name.to_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(|error| bad(format!("{name}: {error}")))?;
        let sound = decode(&bytes, recordings.front_end.rate).map_err(|reason| bad(format!("{name}: {reason}")))?;
        sounds.insert(name, sound);
    }
    if sounds.is_empty() {
        return Err(bad("it holds no .wav file".into()));
    }
    Ok(sounds)
}

/// Samples from -1 to 1 of a WAV file of one channel.
fn decode(bytes: &[u8], rate: u32) -> Result<Vec<f32>, String> {
    let mut reader = hound::WavReader::new(bytes).map_err(|error| error.to_string())?;
    let form = reader.spec();
    if (form.channels, form.sample_rate) != (1, rate) || form.sample_format != hound::SampleFormat::Int {
        return Err(format!(
            "expected one channel of integers at {rate} Hz, got {} at {} Hz",
            form.channels, form.sample_rate
        ));
    }
    let scale = 1.0 / (1u64 << (form.bits_per_sample - 1)) as f32;
    let samples = reader.samples::<i32>().map(|sample| sample.map(|x| x as f32 * scale));
    samples.collect::<Result<_, _>>().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bantam_tools::folder::FrontEnd;

    fn recordings() -> Recordings {
        let front_end = FrontEnd { rate: 8000, samples: 800, window: 256, hop: 128, bands: 8, low: 100, high: 3900 };
        Recordings { archive: "set/sounds.tar.xz".into(), held_out: 2, calibration: 3, front_end }
    }

    #[test]
    fn a_missing_archive_is_named_with_where_to_put_it() {
        let folder = tempfile::tempdir().unwrap();
        let error = prepare(&recordings(), &["0".into()], folder.path(), folder.path()).unwrap_err().to_string();
        let path = folder.path().join("set/sounds.tar.xz");
        assert!(error.contains(path.to_str().unwrap()) && error.contains("--data-sets"), "{error}");
    }

    #[test]
    fn archives_become_splits_and_damage_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set/sounds.tar.xz");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let form = hound::WavSpec {
            channels: 1,
            sample_rate: 8000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut archive = tar::Builder::new(Vec::new());
        for label in ["no", "yes"] {
            for index in 0..5 {
                let mut file = std::io::Cursor::new(Vec::new());
                let mut writer = hound::WavWriter::new(&mut file, form).unwrap();
                (0..600).for_each(|t| writer.write_sample((t * index % 100) as i16).unwrap());
                writer.finalize().unwrap();
                let bytes = file.into_inner();
                let mut header = tar::Header::new_gnu();
                header.set_size(bytes.len() as u64);
                header.set_cksum();
                archive.append_data(&mut header, format!("r/{label}_ann_{index}.wav"), bytes.as_slice()).unwrap();
            }
        }
        let packed = {
            use std::io::Write;
            let mut writer = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1)).unwrap();
            writer.write_all(&archive.into_inner().unwrap()).unwrap();
            writer.finish().unwrap()
        };
        std::fs::write(&path, &packed).unwrap();
        let labels = ["no".to_owned(), "yes".to_owned()];
        let prepared = prepare(&recordings(), &labels, folder.path(), folder.path()).unwrap();
        let arrays = |path: &Path| bantam_tools::data::read_arrays(path).unwrap();
        assert_eq!(arrays(&prepared.training)[0].1.shape(), [6, 1, 5, 8]);
        assert_eq!(arrays(&prepared.evaluation)[1].1.to_i64(), [0, 0, 1, 1]);
        assert_eq!(arrays(&prepared.calibration)[0].1.shape(), [3, 1, 5, 8]);
        std::fs::write(&path, &packed[..packed.len() / 2]).unwrap();
        let error = prepare(&recordings(), &labels, folder.path(), folder.path()).unwrap_err().to_string();
        assert!(error.contains("sounds.tar.xz"), "{error}");
    }
}
