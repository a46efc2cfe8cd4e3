//! Model folders: a network, its data and its description, tied together by `bantam.toml`.

use crate::preprocessing::{FieldPreparation, ImagePreparation, Preparation};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Name of the description in a model folder.
pub const DESCRIPTION: &str = "bantam.toml";

/// A model with what is known about it. Paths are relative to the current folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelFolder {
    /// Name of the model.
    pub name: String,
    /// Name of an input of the model, where the description gives one.
    pub input_name: Option<String>,
    /// How data become that input.
    pub preparation: Option<Preparation>,
    /// What its input is, for people.
    pub input_description: String,
    /// The ONNX file.
    pub model: PathBuf,
    /// Class labels.
    pub labels: Vec<String>,
    /// Data to calibrate with.
    pub calibration: Option<PathBuf>,
    /// Data to score with.
    pub evaluation: Option<PathBuf>,
    /// Recordings that training and evaluation data are made of.
    pub recordings: Option<Recordings>,
}

/// Labelled recordings in an archive outside the repository, and how they become inputs. A recording is a WAV file named
/// `LABEL_SPEAKER_INDEX.wav`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recordings {
    /// The archive, a .tar.xz, below the folder of data sets.
    pub archive: PathBuf,
    /// Recordings with an index below this one are held out.
    pub held_out: usize,
    /// How many of the others are calibrated with.
    pub calibration: usize,
    /// How sound becomes an input.
    pub front_end: FrontEnd,
}

/// Mel spectra of one stretch of sound: powers of a Hann window's spectrum, summed over triangular bands, as logarithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrontEnd {
    /// Samples in a second.
    pub rate: u32,
    /// Samples taken of a recording, from its middle; zeros are added on both sides of shorter ones.
    pub samples: usize,
    /// Samples in a window.
    pub window: usize,
    /// Samples between the beginnings of windows.
    pub hop: usize,
    /// Bands.
    pub bands: usize,
    /// Where the first band begins, in hertz.
    pub low: u32,
    /// Where the last band ends, in hertz.
    pub high: u32,
}

/// Why a model folder could not be read.
#[derive(Debug, Error)]
pub enum FolderError {
    /// Nothing is there.
    #[error("cannot find '{0}': no such file or folder")]
    Missing(PathBuf),
    /// The model is an artifact.
    #[error("'{0}' is shrunk already; give the file it was made from, or a model folder")]
    Artifact(PathBuf),
    /// The model is something else.
    #[error("'{0}': expected a model ending in .onnx or .tflite, or a folder with a {DESCRIPTION}")]
    Extension(PathBuf),
    /// The description is missing or unreadable.
    #[error("cannot read '{path}': {error}; a model folder holds a {DESCRIPTION} that names the model and its data")]
    Read {
        /// The description.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The description is not valid.
    #[error("'{path}' is not a valid model description:\n{}", .error.to_string().trim_end())]
    Parse {
        /// The description.
        path: PathBuf,
        /// Where and why.
        error: Box<toml::de::Error>,
    },
    /// Two ways to prepare one input.
    #[error("'{0}': an input is made from an image or from fields, not from both")]
    Preparation(PathBuf),
    /// The name cannot be the name of a file.
    #[error("'{path}': name {name:?} must serve as the name of a file: not empty, without '/'")]
    Name {
        /// The description.
        path: PathBuf,
        /// The offending name.
        name: String,
    },
    /// A path leads out of the folder.
    #[error("'{path}': '{target}' is outside the model folder; move the file into it and give its path from there")]
    Outside {
        /// The description.
        path: PathBuf,
        /// The offending path.
        target: PathBuf,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    name: String,
    model: PathBuf,
    #[serde(default)]
    labels: Vec<String>,
    #[allow(dead_code)] // for people and for reports
    card: Option<PathBuf>,
    #[serde(default)]
    input: Input,
    calibration: Option<Data>,
    evaluation: Option<Data>,
    recordings: Option<Recordings>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Input {
    name: Option<String>,
    #[serde(default)]
    description: String,
    image: Option<ImagePreparation>,
    fields: Option<FieldPreparation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    data: PathBuf,
}

fn check_model(path: &Path) -> Result<(), FolderError> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("onnx" | "tflite") => Ok(()),
        _ if !path.exists() => Err(FolderError::Missing(path.to_owned())),
        Some("bantam") => Err(FolderError::Artifact(path.to_owned())),
        _ => Err(FolderError::Extension(path.to_owned())),
    }
}

impl ModelFolder {
    /// Reads the description of a folder, or takes a bare model file.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        if !path.is_dir() {
            check_model(path)?;
            let name = path.file_stem().map_or_else(|| "model".into(), |stem| stem.to_string_lossy().into_owned());
            return Ok(Self { name, model: path.to_owned(), ..Self::default() });
        }
        let file = path.join(DESCRIPTION);
        let text = std::fs::read_to_string(&file).map_err(|error| FolderError::Read { path: file.clone(), error })?;
        let description: Description =
            toml::from_str(&text).map_err(|error| FolderError::Parse { path: file.clone(), error: Box::new(error) })?;
        let plain_name = Path::new(&description.name).file_name().is_some_and(|name| name == description.name.as_str());
        if !plain_name || description.name.contains(['\\', '\0']) {
            return Err(FolderError::Name { path: file, name: description.name });
        }
        let inside = |target: PathBuf| {
            let plain = target.components().all(|part| matches!(part, std::path::Component::Normal(_)));
            if plain { Ok(path.join(target)) } else { Err(FolderError::Outside { path: file.clone(), target }) }
        };
        let model = inside(description.model)?;
        check_model(&model)?;
        let preparation = match (description.input.image, description.input.fields) {
            (None, None) => None,
            (Some(image), None) => Some(Preparation::Image(image)),
            (None, Some(fields)) => Some(Preparation::Fields(fields)),
            (Some(_), Some(_)) => return Err(FolderError::Preparation(file)),
        };
        Ok(Self {
            name: description.name,
            input_name: description.input.name,
            preparation,
            input_description: description.input.description,
            model,
            labels: description.labels,
            calibration: description.calibration.map(|data| inside(data.data)).transpose()?,
            evaluation: description.evaluation.map(|data| inside(data.data)).transpose()?,
            recordings: description.recordings,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(text: &str) -> Result<ModelFolder, FolderError> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(DESCRIPTION), text).unwrap();
        ModelFolder::open(folder.path())
    }

    #[test]
    fn mistakes_are_explained() {
        let typo = open("name = 'a'\nmodel = 'm.onnx'\nlabel = []").unwrap_err().to_string();
        assert!(typo.contains("label") && typo.contains("line 3"), "{typo}");
        let outside = open("name = 'a'\nmodel = '../m.onnx'").unwrap_err().to_string();
        assert!(outside.contains("outside the model folder"), "{outside}");
        for name in ["", ".", "..", "a/b", "../a", "/a", "a/", "a\\\\b"] {
            let error = open(&format!("name = \"{name}\"\nmodel = 'm.onnx'")).unwrap_err();
            assert!(matches!(error, FolderError::Name { .. }), "{name}: {error}");
        }
        assert!(open("name = 'a'\nmodel = 'm.onnx'").is_ok());
    }
}
