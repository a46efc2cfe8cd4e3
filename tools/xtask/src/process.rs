//! Running other programs: inherited or captured output, time limits, lookup on `PATH`.

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fmt, thread};

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::Value;

/// One run of a program. Unless captured, its output goes where ours goes.
pub struct Run {
    command: Command,
    limit: Option<Duration>,
}

impl Run {
    /// A run of `program`, found on `PATH`.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self { command: Command::new(program), limit: None }
    }

    /// A run of the Cargo that runs us.
    pub fn cargo() -> Self {
        Self::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
    }

    /// Adds one argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds several arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets the directory the program starts in.
    pub fn current_dir(mut self, directory: &Path) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// Ends the program, and fails, after this long.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Runs to the end; anything but success is an error naming the command line.
    pub fn status(mut self) -> Result<()> {
        let mut child = self.command.stdin(Stdio::null()).spawn().with_context(|| format!("cannot start `{self}`"))?;
        self.wait(&mut child)
    }

    /// Runs to the end and returns what the program wrote to its standard output.
    pub fn output(self) -> Result<String> {
        let (text, result) = self.capture()?;
        result.map(|()| text)
    }

    /// The JSON document that it writes.
    pub fn json(self) -> Result<Value> {
        serde_json::from_str(&self.output()?).context("one JSON document was expected")
    }

    /// Like [`Run::output`], but hands over the output of a failed run too. Err means it could not be started.
    pub fn capture(mut self) -> Result<(String, Result<()>)> {
        self.command.stdout(Stdio::piped());
        self.collect(|child| child.stdout.take())
    }

    /// Like [`Run::capture`], of what the program wrote to its standard error.
    pub fn capture_errors(mut self) -> Result<(String, Result<()>)> {
        self.command.stderr(Stdio::piped());
        self.collect(|child| child.stderr.take())
    }

    fn collect<P: Read + Send + 'static>(mut self, pipe: fn(&mut Child) -> Option<P>) -> Result<(String, Result<()>)> {
        let mut child = self.command.stdin(Stdio::null()).spawn().with_context(|| format!("cannot start `{self}`"))?;
        let mut pipe = pipe(&mut child).context("the output was not captured")?;
        let reader = thread::spawn(move || {
            let mut bytes = Vec::new();
            pipe.read_to_end(&mut bytes).map(|_| bytes)
        });
        let result = self.wait(&mut child);
        let bytes = reader.join().map_err(|_| anyhow!("reading from `{self}` panicked"))??;
        Ok((String::from_utf8_lossy(&bytes).into_owned(), result))
    }

    /// Whether the program can be started and succeeds, silently.
    pub fn succeeds(mut self) -> bool {
        let silent = self.command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        silent.status().is_ok_and(|status| status.success())
    }

    fn wait(&self, child: &mut Child) -> Result<()> {
        let status = match self.limit {
            None => child.wait()?,
            Some(limit) => {
                let start = Instant::now();
                loop {
                    if let Some(status) = child.try_wait()? {
                        break status;
                    }
                    if start.elapsed() > limit {
                        child.kill()?;
                        child.wait()?;
                        bail!("`{self}` was ended after {} s", limit.as_secs());
                    }
                    thread::sleep(Duration::from_millis(20));
                }
            }
        };
        if status.success() { Ok(()) } else { Err(anyhow!("`{self}` failed ({status})")) }
    }
}

impl fmt::Display for Run {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = Path::new(self.command.get_program());
        write!(out, "{}", program.file_name().unwrap_or(program.as_os_str()).display())?;
        self.command.get_args().try_for_each(|argument| write!(out, " {}", argument.display()))
    }
}

/// The first of these programs that is on `PATH`.
pub fn find_program(names: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    names.iter().find_map(|name| env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file()))
}
