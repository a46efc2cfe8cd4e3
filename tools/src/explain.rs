//! Prose for the codes of the runtime.

use bantam::LoadError;
use std::fmt::Display;

/// Why an artifact was refused, for people: what that means, the rule and what was found.
#[must_use]
pub fn load_error(error: &LoadError) -> String {
    let rule = error.rule();
    let text = LoadError::RULES.iter().find(|(number, _, _)| *number == rule).map_or("", |(_, _, text)| text);
    let meaning = match error {
        LoadError::BadMagic { .. } => "this is not a .bantam file",
        LoadError::UnsupportedVersion { .. } => "shrink the model again with this version of bantam",
        LoadError::RequiredFeature { .. } | LoadError::UnknownSection { .. } | LoadError::UnknownOpcode { .. } => {
            "it was made by a newer version of bantam"
        }
        LoadError::Checksum { .. } | LoadError::FileLength { .. } | LoadError::TooShort { .. } => {
            "it is damaged or was cut off; copy it again"
        }
        _ => "it was not made by bantam or changed afterwards; shrink the model again",
    };
    format!("{meaning} (rule {}: {text}{})", rule.0, operands(&format!("{error:?}")))
}

/// Nodes of a source model that are not supported, one a line.
pub(crate) fn refusals(nodes: &[impl Display]) -> String {
    let head = match nodes.len() {
        1 => "1 node is not supported:".to_owned(),
        count => format!("{count} nodes are not supported:"),
    };
    nodes.iter().fold(head, |text, node| format!("{text}\n  {node}"))
}

/// The fields of a value's debug text, as `; name 1, other 2`.
fn operands(debug: &str) -> String {
    let fields = debug.split_once('{').map_or("", |(_, rest)| rest.trim_end_matches('}').trim());
    if fields.is_empty() {
        String::new()
    } else {
        format!("; found {}", fields.replace("found: ", "").replace(':', ""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_explained_with_what_was_found() {
        let cut = load_error(&LoadError::FileLength { declared: 5, actual: 3 });
        assert!(cut.starts_with("it is damaged or was cut off; copy it again (rule 5: "), "{cut}");
        assert!(cut.ends_with("; found declared 5, actual 3)"), "{cut}");
        assert!(!load_error(&LoadError::HeaderReserved {}).contains("found"));
    }
}
