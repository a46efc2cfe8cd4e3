//! What every step knows: where the tree and the build output are, and the parity fixtures, made once.

use std::env::{self, consts::EXE_SUFFIX};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::nextest;
use crate::process::Run;

/// The files of a fixture directory: the digits artifact, int8 inputs one after another, the host's int8 outputs likewise;
/// packed runs of TensorFlow Lite models.
pub const FIXTURE_FILES: [&str; 4] = ["digits.bantam", "inputs.bin", "outputs.bin", "cases.bin"];

/// Paths shared by all steps.
pub struct Context {
    /// The root of the workspace.
    pub root: PathBuf,
    /// Cargo's build output, wherever `CARGO_TARGET_DIR` or a configuration file puts it.
    pub target: PathBuf,
    /// Whether the npm package in `wasm/dist/` was built by this run.
    pub package_is_built: bool,
    fixtures: Option<PathBuf>,
}

impl Context {
    /// Asks Cargo for the paths of this workspace.
    pub fn new() -> Result<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let metadata = Run::cargo()
            .args(["metadata", "--format-version=1", "--no-deps", "--offline", "--manifest-path"])
            .arg(&manifest)
            .output()?;
        let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
        let path = |key: &str| {
            metadata[key].as_str().map(PathBuf::from).with_context(|| format!("cargo metadata names no {key}"))
        };
        Ok(Self {
            root: path("workspace_root")?,
            target: path("target_directory")?,
            package_is_built: false,
            fixtures: None,
        })
    }

    /// `cargo`, run at the root of the workspace.
    pub fn cargo(&self) -> Run {
        Run::cargo().current_dir(&self.root)
    }

    /// A program of the workspace in the tests' profile and selection, and with `--examples` also their features: those
    /// of development dependencies included. So what was built for the tests is used again.
    pub fn checked_program(&self, name: &str) -> Result<PathBuf> {
        self.cargo()
            .args(["build", "--profile", "checked", "--bin", name, "--examples"])
            .args(nextest::SELECTION)
            .status()?;
        Ok(self.target.join("checked").join(format!("{name}{EXE_SUFFIX}")))
    }

    /// The directory of parity fixtures, written by the host's own runs on first use.
    ///
    /// The environment variable `BANTAM_FIXTURES` names a ready directory instead.
    pub fn fixtures(&mut self) -> Result<PathBuf> {
        if let Some(directory) = &self.fixtures {
            return Ok(directory.clone());
        }
        let directory = match env::var_os("BANTAM_FIXTURES") {
            Some(ready) => PathBuf::from(ready),
            None => {
                let directory = self.target.join("fixtures");
                Run::new(self.checked_program("parity-fixtures")?).arg(&directory).status()?;
                directory
            }
        };
        for file in FIXTURE_FILES {
            ensure!(directory.join(file).is_file(), "no {file} in the fixtures at {}", directory.display());
        }
        let directory = directory.canonicalize()?;
        self.fixtures = Some(directory.clone());
        Ok(directory)
    }
}
