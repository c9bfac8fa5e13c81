//! The standard metadata sections that registries and other tools read.
//!
//! In: texts. Out: a module with the sections. A text with a wrong form (a licence that is not an
//! SPDX expression) is left out and never guessed.

use crate::error::ComposeError;
use wasm_metadata::{AddMetadata, AddMetadataField, Authors, Description, Licenses, Revision};
use wasm_metadata::{Source, Version};

/// The standard metadata. An empty text is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StandardMetadata {
    /// The module's name.
    pub name: String,
    /// What it does.
    pub description: String,
    /// Who wrote it.
    pub authors: String,
    /// The licence as the rule names it; left out if it is not an SPDX expression.
    pub license: String,
    /// The rule's version.
    pub version: String,
    /// Where it comes from, a URL: [`StandardMetadata::check_source`].
    pub source: String,
    /// Of which revision of the source.
    pub revision: String,
}

/// Licences that Elastic's rules name in words.
const IN_WORDS: [(&str, &str); 2] =
    [("Elastic License v2", "Elastic-2.0"), ("Elastic License 2.0", "Elastic-2.0")];

impl StandardMetadata {
    /// Whether a text can be the source.
    ///
    /// # Errors
    /// Why it is not a URL.
    pub fn check_source(text: &str) -> Result<(), String> {
        Source::new(text).map(|_| ()).map_err(|e| format!("not a URL: {e}"))
    }

    /// A licence as an SPDX expression, if it is one.
    #[must_use]
    pub fn spdx(license: &str) -> Option<String> {
        let license = license.trim();
        let known = IN_WORDS.iter().find(|(words, _)| *words == license);
        let expression = known.map_or(license, |(_, expression)| expression);
        Licenses::new(expression).ok().map(|licenses| licenses.to_string())
    }

    /// The module with these sections.
    pub(crate) fn add_to(&self, module: &[u8]) -> Result<Vec<u8>, ComposeError> {
        fn set<T: std::fmt::Debug + Clone>(
            text: &str,
            make: impl FnOnce(String) -> T,
        ) -> AddMetadataField<T> {
            // The engine's own metadata does not describe the rule.
            if text.is_empty() {
                AddMetadataField::Clear
            } else {
                AddMetadataField::Set(make(text.to_owned()))
            }
        }
        let mut metadata = AddMetadata::default();
        if !self.name.is_empty() {
            metadata.name = AddMetadataField::Set(self.name.clone());
        }
        metadata.description = set(&self.description, Description::new);
        metadata.authors = set(&self.authors, Authors::new);
        metadata.version = set(&self.version, Version::new);
        metadata.revision = set(&self.revision, Revision::new);
        metadata.licenses = match Self::spdx(&self.license) {
            Some(expression) => {
                AddMetadataField::Set(Licenses::new(&expression).map_err(|e| fault(&e))?)
            }
            None => AddMetadataField::Clear,
        };
        metadata.source = match self.source.as_str() {
            "" => AddMetadataField::Clear,
            url => AddMetadataField::Set(Source::new(url).map_err(|e| fault(&e))?),
        };
        metadata.to_wasm(module).map_err(|e| fault(&e))
    }
}

fn fault(error: &impl ToString) -> ComposeError {
    ComposeError::Standard(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read_module;

    #[test]
    fn the_module_has_exactly_the_given_sections() {
        let module =
            wat::parse_str(r#"(module $old (@custom "authors" "of the engine"))"#).unwrap();
        let standard = StandardMetadata {
            name: "new".to_owned(),
            license: "Elastic License v2".to_owned(),
            source: "https://example.org/rules".to_owned(),
            revision: "0a1b2c".to_owned(),
            ..StandardMetadata::default()
        };
        let read = read_module(&standard.add_to(&module).unwrap()).unwrap().standard;
        let expected = [
            ("licenses", "Elastic-2.0"),
            ("name", "new"),
            ("revision", "0a1b2c"),
            ("source", "https://example.org/rules"),
        ];
        assert_eq!(read, expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
        assert_eq!(
            StandardMetadata::spdx("Apache-2.0 OR MIT"),
            Some("Apache-2.0 OR MIT".to_owned())
        );
        assert_eq!(StandardMetadata::spdx("ask me"), None);
        assert!(StandardMetadata::check_source("no url").is_err());
    }
}
