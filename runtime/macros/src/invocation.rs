//! What stands between the parentheses, and the file it names.

use bantam_format::{AlignedBytes, Artifact, Limits, LoadError};
use proc_macro2::Span;
use std::path::{Path, PathBuf};
use syn::parse::{Parse, ParseStream};
use syn::{Error, Ident, LitStr, Result, Token};

/// `"path/to/file.bantam"`, and `as Name` behind it where the type shall not be called after the file.
pub struct Invocation {
    path: LitStr,
    name: Option<Ident>,
}

/// A file that keeps every rule.
pub struct ModelFile {
    /// Where it was found, absolute.
    pub path: PathBuf,
    /// Its bytes, aligned.
    pub bytes: AlignedBytes,
    /// The name of the type.
    pub name: Ident,
}

impl Parse for Invocation {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let path = input.parse()?;
        let name = if input.peek(Token![as]) {
            input.parse::<Token![as]>()?;
            Some(input.parse()?)
        } else {
            None
        };
        Ok(Self { path, name })
    }
}

impl Invocation {
    /// Reads and checks the file; `caller` is the source file of the call.
    pub fn read(self, caller: Option<&Path>) -> Result<ModelFile> {
        let error = |text: String| Error::new(self.path.span(), text);
        // Without a calling file (some editors) the crate's own folder has to do.
        let folder = match caller.and_then(Path::parent) {
            Some(folder) => folder.to_path_buf(),
            None => PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("src"),
        };
        let path = folder.join(self.path.value());
        let shown = path.display();
        let path = path.canonicalize().map_err(|cause| error(format!("cannot read {shown}: {cause}")))?;
        let bytes = std::fs::read(&path).map_err(|cause| error(format!("cannot read {shown}: {cause}")))?;
        let bytes = AlignedBytes::copy_of(&bytes);
        let file = self.path.value();
        check(bytes.bytes()).map_err(|cause| error(refusal(&file, &cause)))?;
        let name = match self.name {
            Some(name) => name,
            None => type_name(&path, self.path.span())
                .ok_or_else(|| error(format!("`{file}` makes no name for a type; add one: `as Name`")))?,
        };
        Ok(ModelFile { path, bytes, name })
    }
}

fn check(bytes: &[u8]) -> std::result::Result<(), LoadError> {
    Artifact::parse(bytes, &Limits::default()).map(drop)
}

/// The rule that was broken, and what was found.
fn refusal(file: &str, error: &LoadError) -> String {
    let rule = error.rule();
    let text = LoadError::RULES.iter().find(|(number, _, _)| *number == rule).map_or("", |(_, _, text)| text);
    format!("`{file}` breaks rule {}: {text} (found {error:?})", rule.0)
}

/// `keyword_spotting.bantam` makes `KeywordSpotting`; `None` where nothing that can be a name is left.
fn type_name(path: &Path, span: Span) -> Option<Ident> {
    let stem = path.file_stem()?.to_str()?;
    let mut name = String::new();
    for word in stem.split(|character: char| !character.is_ascii_alphanumeric()) {
        let mut characters = word.chars();
        name.extend(characters.next().map(|first| first.to_ascii_uppercase()));
        name.extend(characters);
    }
    let valid = name.starts_with(|first: char| first.is_ascii_uppercase()) && name != "Self";
    valid.then(|| Ident::new(&name, span))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(file: &str) -> Option<String> {
        type_name(Path::new(file), Span::call_site()).map(|name| name.to_string())
    }

    #[test]
    fn types_are_named_after_files() {
        assert_eq!(name("a/kws.bantam").as_deref(), Some("Kws"));
        assert_eq!(name("keyword-spotting_v2.bantam").as_deref(), Some("KeywordSpottingV2"));
        assert_eq!(name("2nd.bantam"), None);
        assert_eq!(name("größe.bantam").as_deref(), Some("GrE"));
        assert_eq!(name("self.bantam"), None);
        assert_eq!(name("---.bantam"), None);
    }

    #[test]
    fn calls_are_a_path_and_perhaps_a_name() {
        let parsed = |text: &str| syn::parse_str::<Invocation>(text);
        assert_eq!(parsed(r#""a.bantam""#).map(|call| call.path.value()).unwrap(), "a.bantam");
        assert_eq!(parsed(r#""a.bantam" as Name"#).unwrap().name.unwrap(), "Name");
        assert!(parsed("a").is_err());
        assert!(parsed(r#""a.bantam", Name"#).is_err());
    }

    #[test]
    fn a_missing_file_is_named() {
        let call = syn::parse_str::<Invocation>(r#""missing.bantam""#).unwrap();
        let error = call.read(Some(Path::new("somewhere/main.rs"))).err().unwrap().to_string();
        assert!(error.starts_with("cannot read somewhere/missing.bantam: "), "{error}");
    }

    #[test]
    fn refusals_quote_the_rule() {
        let error = check(&AlignedBytes::zeroed(20).bytes()[..20]).unwrap_err();
        let text = refusal("x.bantam", &error);
        assert_eq!(text, "`x.bantam` breaks rule 1: the file is at least 48 bytes long (found TooShort { bytes: 20 })");
    }
}
