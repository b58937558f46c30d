//! Bytes that travel through JSON: text where they are UTF-8, `{"base64": "…"}` where they are not.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Output, code or input of a program: any bytes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Blob(pub Vec<u8>);

impl Blob {
    /// The bytes as text, with what is not UTF-8 replaced.
    pub fn lossy(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }
}

/// Either a string or an object with `base64`, as [`Serialize`] writes it.
#[cfg(feature = "schema")]
impl utoipa::PartialSchema for Blob {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::{ObjectBuilder, OneOfBuilder, Type};
        let binary =
            ObjectBuilder::new().property("base64", ObjectBuilder::new().schema_type(Type::String)).required("base64");
        OneOfBuilder::new()
            .item(ObjectBuilder::new().schema_type(Type::String))
            .item(binary)
            .description(Some("Bytes: text where they are UTF-8, an object with base64 where they are not."))
            .into()
    }
}

#[cfg(feature = "schema")]
impl utoipa::ToSchema for Blob {}

impl std::fmt::Debug for Blob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Blob({:?})", self.lossy())
    }
}

impl From<&str> for Blob {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl From<String> for Blob {
    fn from(text: String) -> Self {
        Self(text.into_bytes())
    }
}

impl From<Vec<u8>> for Blob {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Wire<'a> {
    Text(std::borrow::Cow<'a, str>),
    Binary { base64: String },
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => Wire::Text(text.into()),
            Err(_) => Wire::Binary { base64: STANDARD.encode(&self.0) },
        }
        .serialize(to)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Wire::deserialize(from)? {
            Wire::Text(text) => Ok(Self(text.into_owned().into_bytes())),
            Wire::Binary { base64 } => STANDARD.decode(base64).map(Self).map_err(serde::de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text_and_bytes_survive() {
        let text = serde_json::to_string(&Blob::from("마당\n")).unwrap();
        assert_eq!(text, "\"마당\\n\"");
        let bytes = Blob(vec![0xff, 0, 7]);
        let wire = serde_json::to_string(&bytes).unwrap();
        assert_eq!(wire, r#"{"base64":"/wAH"}"#);
        assert_eq!(serde_json::from_str::<Blob>(&wire).unwrap(), bytes);
    }
}
