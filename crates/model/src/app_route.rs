//! How apps are reached from outside: where the proxy is, and what it does to a request on its way.

use std::str::FromStr;

use madang_ids::AppId;
use serde::{Deserialize, Serialize};

use crate::WebOrigin;

/// What begins the path of every app that is reached by path.
pub const APPS_PATH: &str = "/apps/";

/// What an app speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AppProtocol {
    #[default]
    Http,
    /// Bytes of any kind, behind an upgrade of the connection.
    Tcp,
}

/// What an app that is reached by path sees of its prefix, `/apps/{app}/`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AppPrefix {
    /// Paths come with the prefix: the app was told of it when it was started.
    Keep,
    /// The app believes that it is at the root.
    #[default]
    Strip,
}

/// The path that an app is at, with the slash at its end.
pub fn app_path(app: AppId) -> String {
    format!("{APPS_PATH}{app}/")
}

/// Where people reach the apps of a proxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct AppsAddress {
    /// `http://host:port`, without a slash at its end; by path, apps are beneath it.
    base: String,
    /// Every app has a host name of its own in here, if there is one.
    domain: Option<String>,
}

/// As it is written by whoever may have made it up.
#[derive(Deserialize)]
struct Written {
    base: String,
    domain: Option<String>,
}

impl TryFrom<Written> for AppsAddress {
    type Error = AppsAddressError;

    fn try_from(written: Written) -> Result<Self, AppsAddressError> {
        let address: Self = written.base.parse()?;
        written.domain.map_or_else(|| Ok(address.clone()), |domain| address.clone().with_domain(&domain))
    }
}

/// Why a text is not an address of apps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppsAddressError {
    #[error("the address of apps is http:// or https://, a host and perhaps a port")]
    Base,
    #[error("the domain of apps is a host name without a port")]
    Domain,
}

impl FromStr for AppsAddress {
    type Err = AppsAddressError;

    fn from_str(text: &str) -> Result<Self, AppsAddressError> {
        let base = text.strip_suffix('/').unwrap_or(text);
        let authority = base.strip_prefix("https://").or_else(|| base.strip_prefix("http://"));
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:[]".contains(&byte);
        match authority {
            Some(host) if !host.is_empty() && host.bytes().all(is_plain) => {
                Ok(Self { base: base.to_ascii_lowercase(), domain: None })
            }
            _ => Err(AppsAddressError::Base),
        }
    }
}

impl AppsAddress {
    /// The same with a host name for every app: `{app}.{domain}`, which a wildcard in the name service points here.
    pub fn with_domain(self, domain: &str) -> Result<Self, AppsAddressError> {
        let domain = domain.to_ascii_lowercase();
        let is_label = |label: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            !label.is_empty() && label.bytes().all(plain)
        };
        if domain.split('.').all(is_label) {
            Ok(Self { domain: Some(domain), ..self })
        } else {
            Err(AppsAddressError::Domain)
        }
    }

    /// Whether browsers reach it over TLS.
    pub fn is_secure(&self) -> bool {
        self.base.starts_with("https://")
    }

    pub fn scheme(&self) -> &'static str {
        if self.is_secure() { "https" } else { "http" }
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    pub fn domain(&self) -> Option<&str> {
        self.domain.as_deref()
    }

    /// Where an app opens, with a slash at its end. A ticket has to follow as `?ticket=`.
    pub fn app_url(&self, app: AppId, prefix: AppPrefix) -> String {
        match (&self.domain, prefix) {
            (None, _) => format!("{}{}", self.base, app_path(app)),
            (Some(_), AppPrefix::Strip) => format!("{}/", self.app_origin(app)),
            (Some(_), AppPrefix::Keep) => format!("{}{}", self.app_origin(app), app_path(app)),
        }
    }

    /// What a policy of pages calls the origins of apps, if none of them can be the origin of those pages.
    pub fn frame_source(&self, of_pages: &WebOrigin) -> Option<String> {
        let base: WebOrigin = self.base.parse().ok()?;
        match &self.domain {
            // All apps are there: were it the pages' own, a guest's page would be one of them.
            None => (base != *of_pages).then(|| base.to_string()),
            Some(domain) => {
                let beneath = format!(".{domain}");
                let host = of_pages.to_string();
                let host = host.split_once("://").map_or("", |(_, rest)| rest);
                let host = host.split(':').next().unwrap_or_default();
                (!host.ends_with(&beneath)).then(|| format!("{}://*.{domain}{}", self.scheme(), self.port()))
            }
        }
    }

    fn app_origin(&self, app: AppId) -> String {
        match &self.domain {
            None => self.base.clone(),
            Some(domain) => format!("{}://{}.{domain}{}", self.scheme(), host_label(app), self.port()),
        }
    }

    /// With its colon, if it is not the scheme's own.
    fn port(&self) -> &str {
        let authority = self.base.split_once("://").map_or("", |(_, authority)| authority);
        let after_host = authority.rfind(']').unwrap_or(0);
        authority[after_host..].rfind(':').map_or("", |at| &authority[after_host + at..])
    }
}

/// What an app is called as a part of a host name, where there are no underscores.
pub fn host_label(app: AppId) -> String {
    app.to_string().replace('_', "-")
}

/// The app of a part of a host name; host names do not tell upper from lower case.
pub fn app_of_label(label: &str) -> Option<AppId> {
    label.to_ascii_lowercase().replacen('-', "_", 1).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_path_apps_are_beneath_the_address() {
        let app = AppId::new();
        for (text, base) in
            [("http://127.0.0.1:8688", "http://127.0.0.1:8688"), ("https://Apps.Example/", "https://apps.example")]
        {
            let address: AppsAddress = text.parse().unwrap();
            assert_eq!(address.app_url(app, AppPrefix::Strip), format!("{base}/apps/{app}/"));
            assert_eq!(address.is_secure(), text.starts_with("https"));
        }
        for bad in ["", "apps.example", "ftp://apps.example", "http://", "http://a/b", "http://a b", "http://user@a"] {
            assert_eq!(bad.parse::<AppsAddress>(), Err(AppsAddressError::Base), "{bad}");
        }
    }

    #[test]
    fn apps_are_framed_only_where_they_are_no_pages_of_ours() {
        let source = |base: &str, domain: Option<&str>, pages: &str| {
            let address: AppsAddress = base.parse().unwrap();
            let address = domain.map_or_else(|| Ok(address.clone()), |domain| address.clone().with_domain(domain));
            address.unwrap().frame_source(&pages.parse().unwrap())
        };
        let port = "http://127.0.0.1:8688";
        assert_eq!(source(port, None, "http://127.0.0.1:8686"), Some(port.to_owned()));
        for (base, pages) in [(port, port), ("https://A.example", "https://a.example:443"), ("http://[::1]:1", port)] {
            assert_eq!(source(base, None, pages), None, "{base}");
        }
        let (base, domain) = ("https://a.example:8443", Some("apps.example"));
        assert_eq!(source(base, domain, "https://a.example"), Some("https://*.apps.example:8443".to_owned()));
        assert_eq!(source(base, domain, "https://www.apps.example"), None, "the name may be an app's one day");
    }

    #[test]
    fn by_name_every_app_has_an_origin_of_its_own() {
        let app = AppId::new();
        let label = host_label(app);
        assert!(!label.contains('_'), "{label}");
        assert_eq!(app_of_label(&label), Some(app));
        assert_eq!(app_of_label(&label.to_ascii_uppercase()), Some(app));
        assert_eq!(app_of_label("www"), None);
        let address: AppsAddress = "http://apps.example:8688".parse().unwrap();
        let address = address.with_domain("apps.example").unwrap();
        assert_eq!(address.app_url(app, AppPrefix::Strip), format!("http://{label}.apps.example:8688/"));
        assert_eq!(address.app_url(app, AppPrefix::Keep), format!("http://{label}.apps.example:8688/apps/{app}/"));
        let six: AppsAddress = "https://[::1]".parse().unwrap();
        assert_eq!(six.with_domain("a.b").unwrap().app_url(app, AppPrefix::Strip), format!("https://{label}.a.b/"));
        for bad in ["", "a..b", "a:1", ".a", "a/b", "*.a"] {
            assert_eq!(address.clone().with_domain(bad), Err(AppsAddressError::Domain), "{bad}");
        }
    }
}
