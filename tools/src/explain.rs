//! Prose for the codes of the runtime.

use bantam::LoadError;

/// Why an artifact was refused, for people: the rule, what was found and what to do.
#[must_use]
pub fn load_error(error: &LoadError) -> String {
    let rule = error.rule();
    let text = LoadError::RULES.iter().find(|(number, _, _)| *number == rule).map_or("", |(_, _, text)| text);
    let advice = match error {
        LoadError::BadMagic { .. } => "; this is not a .bantam file",
        LoadError::UnsupportedVersion { .. } => "; shrink the model again with this version of bantam",
        LoadError::RequiredFeature { .. } | LoadError::UnknownSection { .. } | LoadError::UnknownOpcode { .. } => {
            "; the file was made by a newer version of bantam"
        }
        LoadError::Checksum { .. } | LoadError::FileLength { .. } | LoadError::TooShort { .. } => {
            "; the file is damaged or was cut off: copy it again"
        }
        _ => "",
    };
    format!("rule {} ({text}) is broken: {error:?}{advice}", rule.0)
}
