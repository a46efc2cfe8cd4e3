//! The tests, and what passing tests have to say.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::context::Context;
use crate::process::Run;
use crate::setup::Need;

/// Every test of the workspace, and no crate that has none and costs a build.
pub const SELECTION: [&str; 3] = ["--workspace", "--exclude", "xtask-web"];

/// Where `.config/nextest.toml` has the record of a run written, wherever the build output is.
const RECORD: &str = "target/nextest/default/junit.xml";

/// A line that starts so in the output of a passing test is shown: the test did not do all it is there for.
const MARKER: &str = "skipped:";

/// Runs all tests but those in documentation.
pub fn tests(context: &mut Context, _: &str) -> Result<String> {
    if let Some(missing) = Need::Nextest.missing(context) {
        println!("{missing}: falling back on cargo test");
        cargo_test(context).args(["--tests", "--", "--show-output"]).status()?;
        return Ok("by cargo test, as cargo-nextest is missing".to_owned());
    }
    context.cargo().args(["nextest", "run", "--cargo-profile", "checked"]).args(SELECTION).status()?;
    let record = context.root.join(RECORD);
    let notes = marked_lines(&read(&record)?);
    for note in &notes {
        println!("{note}");
    }
    Ok(match notes.len() {
        0 => String::new(),
        count => format!("skipped checks noted by passing tests: {count}"),
    })
}

/// Runs the examples in the documentation.
pub fn doc_tests(context: &mut Context, _: &str) -> Result<String> {
    cargo_test(context).arg("--doc").status()?;
    Ok(String::new())
}

fn cargo_test(context: &Context) -> Run {
    context.cargo().args(["test", "--profile", "checked"]).args(SELECTION)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

/// The marked lines of a JUnit record, each after the name of its test.
fn marked_lines(record: &str) -> Vec<String> {
    let mut test = String::new();
    let mut found = Vec::new();
    for line in record.lines() {
        if line.trim_start().starts_with("<testcase ") {
            let name = attribute(line, "name").unwrap_or_default();
            test = format!("{} {name}", attribute(line, "classname").unwrap_or_default());
        } else if let Some(said) = line.strip_prefix(MARKER) {
            let said = said.split("</system-out>").next().unwrap_or_default();
            found.push(format!("{test}: {MARKER}{}", unescape(said)));
        }
    }
    found
}

fn attribute<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!(" {name}=\""))?;
    rest.split('"').next()
}

fn unescape(text: &str) -> String {
    let quotes = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    quotes.replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::marked_lines;

    #[test]
    fn marked_lines_carry_the_name_of_their_test() {
        let record = "\
<testsuites name=\"nextest-run\">
    <testsuite name=\"bantam\" tests=\"2\">
        <testcase name=\"kernels::dot\" classname=\"bantam\" time=\"0.1\">
            <system-out>
running 1 test
skipped: no AVX-512 on this machine &amp; no &lt;emulator&gt;
it is not skipped: this line does not start so
test kernels::dot ... ok</system-out>
        </testcase>
        <testcase name=\"other\" classname=\"bantam\" time=\"0.1\"/>
    </testsuite>
</testsuites>
";
        assert_eq!(marked_lines(record), ["bantam kernels::dot: skipped: no AVX-512 on this machine & no <emulator>"]);
    }
}
