//! A folder to work in, and the command run there.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// A temporary folder with copies of the repository's models.
pub struct Bench(TempDir);

/// What a run of the command did.
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// The command, with nothing of the environment that changes what it prints.
pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bantam"));
    for name in ["COLUMNS", "CLICOLOR_FORCE", "RUST_BACKTRACE"] {
        command.env_remove(name);
    }
    command
}

impl Bench {
    pub fn new() -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
        for name in ["digits", "breast-cancer"] {
            for file in ["bantam.toml", "model.onnx", "calibration.npz", "evaluation.npz"] {
                let bytes = std::fs::read(models.join(name).join(file)).unwrap();
                bench.write(&format!("{name}/{file}"), &bytes);
            }
        }
        bench
    }

    /// A bench on which the digits are shrunk already, to `digits.bantam`.
    pub fn with_digits() -> Self {
        let bench = Self::new();
        bench.bantam("shrink digits -o digits.bantam").done();
        bench
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Runs the command in the folder; arguments are separated by spaces.
    pub fn bantam(&self, arguments: &str) -> Ran {
        let output = command().args(arguments.split_whitespace()).current_dir(self.0.path()).output().unwrap();
        Ran::of(output)
    }

    /// Every file and folder with its content.
    fn content(&self) -> Vec<(PathBuf, Option<Vec<u8>>)> {
        let mut content = Vec::new();
        let mut folders = vec![self.0.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                content.push((path.clone(), std::fs::read(&path).ok()));
                if path.is_dir() {
                    folders.push(path);
                }
            }
        }
        content.sort();
        content
    }

    /// Runs the command, which must fail with one error that has all of `parts`, and change nothing.
    #[track_caller]
    pub fn refuses(&self, arguments: &str, parts: &[&str]) -> String {
        let before = self.content();
        let ran = self.bantam(arguments);
        let error = ran.error(1);
        for part in parts {
            assert!(error.contains(part), "bantam {arguments}: '{part}' is not in: {error}");
        }
        assert!(before == self.content(), "bantam {arguments}: files changed");
        error
    }
}

impl Ran {
    pub fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The run must have succeeded; returns standard output.
    #[track_caller]
    pub fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self.tidy()
    }

    /// The run must have succeeded with one JSON document on standard output.
    #[track_caller]
    pub fn json(self) -> serde_json::Value {
        let text = self.done();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The run must have failed with this code and one error; returns the error.
    #[track_caller]
    pub fn error(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        assert_eq!(self.stdout, "", "nothing on standard output");
        let errors = self.stderr.lines().filter(|line| line.starts_with("error: ")).count();
        assert!(errors == 1 && self.stderr.starts_with("error: "), "{}", self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self.stderr
    }

    /// Standard output, which must have no line that ends in blanks and no empty line at its ends.
    #[track_caller]
    fn tidy(self) -> String {
        assert!(!self.stdout.starts_with('\n') && !self.stdout.ends_with("\n\n"), "{}", self.stdout);
        for line in self.stdout.lines() {
            assert_eq!(line, line.trim_end(), "a line ends in blanks");
        }
        assert!(!self.stdout.contains('\x1b') && !self.stderr.contains('\x1b'), "no colours without a terminal");
        self.stdout
    }
}
