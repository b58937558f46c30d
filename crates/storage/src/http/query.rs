//! The query of a URL, whose values may be any bytes.

use crate::{StorageError, tree::percent_decoded};

/// More parameters are none of ours.
const PARAMETERS_MAX: usize = 32;

/// Names and values, decoded.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(String, Vec<u8>)>);

impl Query {
    pub fn read(text: &str) -> Result<Self, StorageError> {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let mut read = Vec::new();
        for pair in pairs {
            if read.len() == PARAMETERS_MAX {
                return Err(StorageError::Invalid(format!("a query has at most {PARAMETERS_MAX} parameters")));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            read.push((name.to_owned(), percent_decoded(&value.replace('+', " "))?));
        }
        Ok(Self(read))
    }

    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice())
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.bytes(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// `?name`, `?name=true`, `?name=1`; not there or `false` or `0` is no.
    pub fn is_set(&self, name: &str) -> Result<bool, StorageError> {
        match self.bytes(name) {
            None | Some(b"false" | b"0") => Ok(false),
            Some(b"" | b"true" | b"1") => Ok(true),
            Some(_) => Err(StorageError::Invalid(format!("`{name}` is `true` or `false`"))),
        }
    }

    pub fn number(&self, name: &str, default: usize) -> Result<usize, StorageError> {
        let wrong = || StorageError::Invalid(format!("`{name}` is a number"));
        self.bytes(name).map_or(Ok(default), |_| self.text(name).and_then(|text| text.parse().ok()).ok_or_else(wrong))
    }
}
