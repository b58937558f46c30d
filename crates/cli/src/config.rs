//! The configuration file: `MADANG_CONFIG`, TOML. Read once, typed at once; unknown keys are refused, and every problem is told in one run.

mod ahead;
mod folders;
mod network;
mod results;

use std::{collections::BTreeMap, num::NonZeroU32, path::Path};

use madang_control::{ControlConfig, ProviderConfig};
use madang_node::{AppAhead, FoldersConfig, NetworkConfig};
use toml::{Table, Value};

use crate::{exit::Failure, proxy::AppsSettings};

/// Names the file.
const VARIABLE: &str = "MADANG_CONFIG";
/// Scopes that are asked of a provider where the file names none.
const SCOPES: [&str; 3] = ["profile", "email", "groups"];
/// The claim with a user's groups where the file names none.
const GROUPS_CLAIM: &str = "groups";

/// Where spans go, beside what the environment says of it; see `madang-otlp`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Traces {
    pub endpoint: Option<String>,
    pub service: Option<String>,
}

/// What the file says of matters that are not control's.
#[derive(Debug, Default)]
struct Beside {
    traces: Traces,
    apps: AppsSettings,
    node: NodeSettings,
}

/// What it says of this machine as a node.
#[derive(Debug, Default)]
pub struct NodeSettings {
    /// What sandboxes reach.
    pub network: NetworkConfig,
    /// The apps that are kept started.
    pub ahead: Vec<AppAhead>,
    pub folders: FoldersConfig,
}

/// Applies the file that the environment names, if it names one; gives what it says of apps.
pub fn apply(config: &mut ControlConfig) -> Result<AppsSettings, Failure> {
    read(config).map(|beside| beside.apps)
}

/// What the file says of spans, for any role; the rest of it is checked as well.
pub fn traces() -> Result<Traces, Failure> {
    read(&mut ControlConfig::new(std::path::PathBuf::new())).map(|beside| beside.traces)
}

/// What it says of this machine as a node; the rest of it is checked as well.
pub fn node() -> Result<NodeSettings, Failure> {
    read(&mut ControlConfig::new(std::path::PathBuf::new())).map(|beside| beside.node)
}

fn read(config: &mut ControlConfig) -> Result<Beside, Failure> {
    let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) else { return Ok(Beside::default()) };
    let path = Path::new(&path);
    let failed = |why: String| Failure::usage(format!("{VARIABLE} {}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    apply_text(&text, config).map_err(|problems| failed(problems.join("; ")))
}

/// Every problem, if there are any; `config` counts only without.
fn apply_text(text: &str, config: &mut ControlConfig) -> Result<Beside, Vec<String>> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| vec![one_line(&error)])?;
    let mut file = Section::new(String::new(), table);
    if let Some(listen) = file.parsed("listen", "ADDRESS:PORT") {
        config.listen = Some(listen);
    }
    if let Some(database) = file.parsed("database", "`postgres://user@host/name` or the path of a file") {
        config.database = Some(database);
    }
    config.ssh_listen = file.parsed("ssh_listen", "ADDRESS:PORT").or(config.ssh_listen);
    config.nodes_listen = file.parsed("nodes_listen", "ADDRESS:PORT").or(config.nodes_listen);
    config.nodes_advertise = file.text("nodes_advertise").or(config.nodes_advertise.take());
    config.advertise =
        file.checked("advertise", "http://", |url| url.starts_with("http://")).or(config.advertise.take());
    config.node_lease_ms = file.number("node_lease_ms").unwrap_or(config.node_lease_ms);
    if let Some(silent_ms) = file.number("node_silent_ms") {
        config.node_silent_ms = silent_ms;
        if silent_ms >= config.node_lease_ms {
            file.problem("node_silent_ms", "is less than `node_lease_ms`: a node is silent before it is given up");
        }
    }
    config.session_start_wait_ms = file.number("session_start_wait_ms").unwrap_or(config.session_start_wait_ms);
    config.public_url = file.checked("public_url", "http:// or https://", is_web).or(config.public_url.take());
    config.key_file = file.text("key_file").map(Into::into).or(config.key_file.take());
    config.trusted_proxies = file.list("trusted_proxies", "ADDRESS or ADDRESS/BITS").unwrap_or_default();
    config.keep_usage_days = file.number("keep_usage_days").unwrap_or(config.keep_usage_days);
    config.keep_audit_days = file.number("keep_audit_days").unwrap_or(config.keep_audit_days);
    if let Some(mut rates) = file.section("rates") {
        let mut rate = |name, present| rates.parsed_number(name).unwrap_or(present);
        config.rates.client_per_minute = rate("client_per_minute", config.rates.client_per_minute);
        config.rates.administrator_per_minute = rate("administrator_per_minute", config.rates.administrator_per_minute);
        config.rates.address_per_minute = rate("address_per_minute", config.rates.address_per_minute);
        file.problems.extend(rates.end());
    }
    for mut section in file.sections("provider") {
        config.providers.push(provider(&mut section));
        file.problems.extend(section.end());
    }
    let traces = file.section("traces").map(|mut section| {
        let endpoint = section.checked("endpoint", "http:// or https://", is_web);
        let service = section.text("service");
        file.problems.extend(section.end());
        Traces { endpoint, service }
    });
    let network = file.section("network").map(|mut section| {
        let network = network::read(&mut section);
        file.problems.extend(section.end());
        network
    });
    if let Some(mut section) = file.section("results") {
        config.results = Some(results::read(&mut section));
        file.problems.extend(section.end());
    }
    let folders = file.section("folders").map(|mut section| {
        let folders = folders::read(&mut section);
        file.problems.extend(section.end());
        folders
    });
    let ahead = file.section("apps").map(|mut section| {
        let ahead = ahead::read(&mut section);
        file.problems.extend(section.end());
        ahead
    });
    let apps = AppsSettings {
        listen: file.parsed("apps_listen", "ADDRESS:PORT"),
        url: file.parsed("apps_url", "http:// or https://, a host and perhaps a port"),
        domain: file.text("apps_domain"),
    };
    let traces = traces.unwrap_or_default();
    let node = NodeSettings {
        network: network.unwrap_or_default(),
        ahead: ahead.unwrap_or_default(),
        folders: folders.unwrap_or_default(),
    };
    let problems = file.end();
    if problems.is_empty() { Ok(Beside { traces, apps, node }) } else { Err(problems) }
}

fn provider(section: &mut Section) -> ProviderConfig {
    let name = section.needed("name");
    let groups = section.section("groups").map(|mut groups| {
        let names: Vec<String> = groups.table.keys().cloned().collect();
        let projects = |name: String| groups.list(&name, "a project").map(|projects| (name, projects));
        let found: BTreeMap<String, Vec<String>> = names.into_iter().filter_map(projects).collect();
        section.problems.extend(groups.end());
        found
    });
    if !name.is_empty() && !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    {
        section.problem("name", "has lower-case letters, digits and `-` only");
    }
    let secure = "https://, or http:// on this machine itself";
    ProviderConfig {
        title: section.text("title").unwrap_or_else(|| name.clone()),
        issuer: section.checked("issuer", secure, is_safe_issuer).unwrap_or_default(),
        client_id: section.needed("client_id"),
        client_secret: section.text("client_secret"),
        scopes: section.list("scopes", "a scope").unwrap_or_else(|| SCOPES.map(str::to_owned).into()),
        groups_claim: section.text("groups_claim").unwrap_or_else(|| GROUPS_CLAIM.to_owned()),
        groups: groups.unwrap_or_default(),
        organization: section.text("organization"),
        name,
    }
}

fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

/// What a provider says over plain HTTP anybody on the way can say.
fn is_safe_issuer(url: &str) -> bool {
    let local = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
    let here = local.iter().filter_map(|start| url.strip_prefix(start));
    url.starts_with("https://") || here.into_iter().any(|rest| rest.is_empty() || rest.starts_with([':', '/']))
}

fn one_line(error: &toml::de::Error) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A table that is being read: what was taken is gone from it, what is left at the end is unknown.
struct Section {
    name: String,
    table: Table,
    problems: Vec<String>,
}

impl Section {
    fn new(name: String, table: Table) -> Self {
        Self { name, table, problems: Vec::new() }
    }

    fn problem(&mut self, key: &str, why: &str) {
        self.problems.push(format!("`{}{key}` {why}", self.name));
    }

    fn text(&mut self, key: &str) -> Option<String> {
        match self.table.remove(key)? {
            Value::String(text) if !text.is_empty() => Some(text),
            _ => {
                self.problem(key, "is a text");
                None
            }
        }
    }

    fn flag(&mut self, key: &str) -> Option<bool> {
        let value = self.table.remove(key)?;
        if value.as_bool().is_none() {
            self.problem(key, "is true or false");
        }
        value.as_bool()
    }

    fn needed(&mut self, key: &str) -> String {
        if !self.table.contains_key(key) {
            self.problem(key, "is missing");
        }
        self.text(key).unwrap_or_default()
    }

    fn checked(&mut self, key: &str, form: &str, good: impl Fn(&str) -> bool) -> Option<String> {
        let text = self.text(key)?;
        if !good(&text) {
            self.problem(key, &format!("is {form}"));
        }
        Some(text)
    }

    fn parsed<T: std::str::FromStr>(&mut self, key: &str, form: &str) -> Option<T> {
        let parsed = self.text(key)?.parse().ok();
        if parsed.is_none() {
            self.problem(key, &format!("is {form}"));
        }
        parsed
    }

    fn number(&mut self, key: &str) -> Option<u64> {
        let value = self.table.remove(key)?;
        let number = value.as_integer().and_then(|number| u64::try_from(number).ok()).filter(|number| *number > 0);
        if number.is_none() {
            self.problem(key, "is a whole number from 1 on");
        }
        number
    }

    fn parsed_number(&mut self, key: &str) -> Option<NonZeroU32> {
        let number = self.number(key)?;
        let small = u32::try_from(number).ok().and_then(NonZeroU32::new);
        if small.is_none() {
            self.problem(key, "is too large");
        }
        small
    }

    fn list<T: std::str::FromStr>(&mut self, key: &str, form: &str) -> Option<Vec<T>> {
        let value = self.table.remove(key)?;
        let items = value.as_array().map(|items| items.iter().map(|item| item.as_str()?.parse().ok()).collect());
        let items: Option<Option<Vec<T>>> = items;
        if items.as_ref().is_none_or(Option::is_none) {
            self.problem(key, &format!("is a list, each {form}"));
        }
        items.flatten()
    }

    fn section(&mut self, key: &str) -> Option<Section> {
        match self.table.remove(key)? {
            Value::Table(table) => Some(Section::new(format!("{}{key}.", self.name), table)),
            _ => {
                self.problem(key, "is a table");
                None
            }
        }
    }

    fn sections(&mut self, key: &str) -> Vec<Section> {
        let Some(value) = self.table.remove(key) else { return Vec::new() };
        let Value::Array(items) = value else {
            self.problem(key, "is a list of tables: [[…]]");
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            match item {
                Value::Table(table) => sections.push(Section::new(format!("{}{key}[{index}].", self.name), table)),
                _ => self.problem(key, "is a list of tables: [[…]]"),
            }
        }
        sections
    }

    fn end(mut self) -> Vec<String> {
        let unknown: Vec<String> = self.table.keys().cloned().collect();
        for key in unknown {
            self.problem(&key, "is unknown");
        }
        self.problems
    }
}

#[cfg(test)]
mod tests {
    use madang_node::Sharing;

    use super::*;

    #[test]
    fn a_whole_file_is_applied() {
        let mut config = ControlConfig::new("/nowhere");
        let text = r#"
            listen = "127.0.0.1:9000"
            database = "postgres://madang@db.example/madang"
            public_url = "https://madang.example.org"
            key_file = "/etc/madang/server.key"
            trusted_proxies = ["10.0.0.0/8", "::1"]
            keep_audit_days = 30
            node_lease_ms = 240000
            node_silent_ms = 60000
            session_start_wait_ms = 60000
            apps_listen = "127.0.0.1:9002"
            apps_url = "https://apps.example.org"
            apps_domain = "apps.example.org"
            [rates]
            client_per_minute = 60
            [[provider]]
            name = "school"
            issuer = "https://id.school.example"
            client_id = "madang"
            client_secret = "s"
            organization = "default"
            groups.physics = ["lab", "other/lab"]
            [traces]
            endpoint = "http://collector.example:4318"
            service = "school"
            [network]
            pool = "100.127.0.0/16"
            open = ["10.1.2.0/24"]
            close = ["93.184.216.34"]
            connections_max = 100
            bytes_per_second_max = 1000000
            resolvers = ["9.9.9.9"]
            [results]
            url = "s3://madang/results"
            endpoint = "https://s3.example.org"
            region = "eu"
            key_file = "/etc/madang/results.keys"
            beyond_bytes = 1000
            [folders]
            path = "/mnt/ceph/madang"
            shared = true
            writable = true
            [[apps.ahead]]
            app = "jupyterlab"
            language = "python"
            slots = 2
        "#;
        let Beside { traces, apps, node: NodeSettings { network, ahead, folders } } =
            apply_text(text, &mut config).unwrap();
        assert_eq!((network.pool.to_string().as_str(), network.connections_max), ("100.127.0.0/16", 100));
        assert_eq!((network.opened[0].bits(), network.closed[0].bits()), (24, 32));
        assert_eq!((network.bytes_per_s_max, network.resolvers[0].port()), (Some(1_000_000), 53));
        assert_eq!(apps.listen, Some("127.0.0.1:9002".parse().unwrap()));
        assert!(apps.url.is_some_and(|url| url.is_secure()) && apps.domain.as_deref() == Some("apps.example.org"));
        assert_eq!(ahead, [AppAhead { app: "jupyterlab".into(), language: Some("python".into()), slots: 2 }]);
        assert_eq!(folders, FoldersConfig::Shared("/mnt/ceph/madang".into(), Sharing { writable: true }));
        assert_eq!(traces.endpoint.as_deref(), Some("http://collector.example:4318"));
        assert_eq!(traces.service.as_deref(), Some("school"));
        assert_eq!(config.listen, Some("127.0.0.1:9000".parse().unwrap()));
        assert!(config.database.as_ref().is_some_and(|database| database.is_shared()));
        assert_eq!((config.trusted_proxies.len(), config.keep_audit_days), (2, 30));
        assert_eq!(config.session_start_wait_ms, 60_000);
        assert_eq!(config.rates.client_per_minute.get(), 60);
        assert_eq!((config.node_silent_ms, config.node_lease_ms), (60_000, 240_000));
        let results = config.results.as_ref().unwrap();
        assert_eq!((results.url.as_str(), results.beyond_bytes), ("s3://madang/results", 1_000));
        assert_eq!(results.endpoint.as_deref(), Some("https://s3.example.org"));
        assert_eq!(results.key_file.as_deref(), Some(Path::new("/etc/madang/results.keys")));
        let [provider] = &config.providers[..] else { panic!("{:?}", config.providers) };
        assert_eq!((provider.title.as_str(), provider.groups_claim.as_str()), ("school", "groups"));
        assert_eq!(provider.groups["physics"], ["lab", "other/lab"]);
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let text = r#"
            lisen = "127.0.0.1:9000"
            listen = "here"
            trusted_proxies = ["10.0.0.0/99"]
            keep_audit_days = 0
            node_silent_ms = 120000
            apps_url = "apps.example.org"
            [rates]
            client_per_minute = "many"
            per_hour = 1
            [[provider]]
            name = "Our School"
            issuer = "http://id.school.example"
            groups.physics = "lab"
            [traces]
            endpoint = "collector.example:4318"
            [network]
            pool = "10.0.0.0/31"
            open = ["lan"]
            [results]
            url = "file://here"
            endpoint = "s3.example.org"
            secret = "s"
            [folders]
            path = "mnt"
            shared = "yes"
            writable = false
            [[apps.ahead]]
            slots = 99
        "#;
        let problems = apply_text(text, &mut ControlConfig::new("/nowhere")).unwrap_err().join("\n");
        for part in [
            "`lisen` is unknown",
            "`listen` is ADDRESS:PORT",
            "`trusted_proxies` is a list",
            "`keep_audit_days` is a whole number",
            "`node_silent_ms` is less than `node_lease_ms`",
            "`apps_url` is http:// or https://",
            "`rates.client_per_minute` is a whole number",
            "`rates.per_hour` is unknown",
            "`provider[0].name` has lower-case",
            "`provider[0].issuer` is https://",
            "`provider[0].client_id` is missing",
            "`provider[0].groups.physics` is a list",
            "`traces.endpoint` is http://",
            "`network.pool` is a range",
            "`network.open` is a list",
            "`results.url` is s3://",
            "`results.endpoint` is http:// or https://",
            "`results.secret` is unknown",
            "`folders.path` is an absolute path",
            "`folders.shared` is true or false",
            "`folders.writable` is said of a `shared` place only",
            "`apps.ahead[0].app` is missing",
            "`apps.ahead[0].slots` is 16 at most",
        ] {
            assert!(problems.contains(part), "{part} in\n{problems}");
        }
        let broken = apply_text("listen = ", &mut ControlConfig::new("/nowhere")).unwrap_err();
        assert_eq!(broken.len(), 1);
        assert!(!is_safe_issuer("http://localhost.evil.example") && is_safe_issuer("http://localhost:80/x"));
    }
}
