//! Whether there is a collector, and where: the usual variables of the environment, then the configuration file.

use std::time::Duration;

const SEND_WAIT: Duration = Duration::from_secs(10);
const END_WAIT: Duration = Duration::from_secs(3);
/// The path for spans below a collector's address.
const PATH: &str = "/v1/traces";

/// What the configuration file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Where the collector is, as `OTEL_EXPORTER_OTLP_ENDPOINT` would say it: `http://collector:4318`.
    pub endpoint: Option<String>,
    /// As `OTEL_SERVICE_NAME` would say it.
    pub service: Option<String>,
}

/// Somebody who takes spans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collector {
    pub endpoint: String,
    pub service: Option<String>,
    /// How long it may take to take a batch.
    pub send_wait: Duration,
    /// How long the end of a process waits for it to take what is left.
    pub end_wait: Duration,
}

/// What cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    #[error("{variable}={value}: spans go out as `http/protobuf` only")]
    Protocol { variable: &'static str, value: String },
    #[error("OTEL_TRACES_EXPORTER={0}: it is `otlp` or `none`")]
    Exporter(String),
    #[error("{0}: a collector's address begins with http:// or https://")]
    Endpoint(String),
}

impl Settings {
    /// Where spans go; nowhere unless somebody says so. `variable` looks into the environment.
    pub fn resolve(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Option<Collector>, SettingsError> {
        let said = |name: &str| variable(name).filter(|value| !value.is_empty());
        if said("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        match said("OTEL_TRACES_EXPORTER").as_deref() {
            None | Some("otlp") => {}
            Some("none") => return Ok(None),
            Some(other) => return Err(SettingsError::Exporter(other.to_owned())),
        }
        let below = |base: String| format!("{}{PATH}", base.trim_end_matches('/'));
        let endpoint = said("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
            .or_else(|| said("OTEL_EXPORTER_OTLP_ENDPOINT").map(below))
            .or_else(|| self.endpoint.clone().map(below));
        let Some(endpoint) = endpoint else { return Ok(None) };
        if !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
            return Err(SettingsError::Endpoint(endpoint));
        }
        let protocols = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
        let protocol = protocols.into_iter().find_map(|variable| Some((variable, said(variable)?)));
        if let Some((variable, value)) = protocol.filter(|(_, value)| value != "http/protobuf") {
            return Err(SettingsError::Protocol { variable, value });
        }
        let service = said("OTEL_SERVICE_NAME").or_else(|| self.service.clone());
        Ok(Some(Collector { endpoint, service, send_wait: SEND_WAIT, end_wait: END_WAIT }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(file: Option<&str>, environment: &[(&str, &str)]) -> Result<Option<String>, SettingsError> {
        let settings = Settings { endpoint: file.map(str::to_owned), service: None };
        let look = |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        settings.resolve(look).map(|collector| collector.map(|collector| collector.endpoint))
    }

    #[test]
    fn the_environment_comes_before_the_file_and_says_no_as_well() {
        let (general, traces) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        for (file, environment, wanted) in [
            (None, &[][..], None),
            (Some("http://f:1"), &[], Some("http://f:1/v1/traces")),
            (Some("http://f:1"), &[(general, "https://e/")], Some("https://e/v1/traces")),
            (Some("http://f:1"), &[(general, "https://e/"), (traces, "http://t/x")], Some("http://t/x")),
            (Some("http://f:1"), &[(general, "")], Some("http://f:1/v1/traces")),
            (Some("http://f:1"), &[("OTEL_TRACES_EXPORTER", "none")], None),
            (Some("http://f:1"), &[("OTEL_SDK_DISABLED", "TRUE")], None),
            (None, &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], None),
        ] {
            assert_eq!(resolve(file, environment), Ok(wanted.map(str::to_owned)), "{file:?} {environment:?}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for environment in [
            [("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")],
            [("OTEL_TRACES_EXPORTER", "zipkin")],
            [("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318")],
        ] {
            resolve(Some("http://f:1"), &environment).unwrap_err();
        }
    }
}
