//! `madang doctor`: what works here, what is missing, what that costs. What the machine offers is said without a server too.

use madang_client::{Client, ClientError};
use madang_public_api::{LanguageView, system::Health};
use madang_sandbox::features::{self, Feature, FeatureState};
use serde_json::json;

use crate::{args::JsonArgs, exit, exit::Failure, print};

/// What a server that can work says of itself.
const READY: &str = "ok";

/// What a server says, if there is one.
struct Server {
    endpoint: String,
    health: Health,
    languages: Vec<LanguageView>,
}

pub async fn run(args: JsonArgs) -> Result<u8, Failure> {
    let client = Client::discover()?;
    let mut machine = features::look();
    machine.push(network());
    let server = ask(&client).await;
    let code = match &server {
        _ if machine.iter().any(|feature| feature.state == FeatureState::Required) => exit::INTERNAL,
        Ok(server) if server.health.status == READY => 0,
        _ => exit::UNREACHABLE,
    };
    if args.json {
        print::json(&as_json(&machine, &server))?;
    } else {
        machine.iter().try_for_each(show)?;
        show_server(&server)?;
    }
    Ok(code)
}

/// What sandboxes here may reach, if they are let.
fn network() -> Feature {
    let (state, detail, cost) = match madang_node::network_look() {
        Ok(links) if links.is_empty() => {
            (FeatureState::InUse, "nftables; no default route, so there is nothing to reach".to_owned(), "")
        }
        Ok(links) => (FeatureState::InUse, format!("nftables; to the world by {}; IPv4 only", links.join(", ")), ""),
        Err(error) => (FeatureState::Missing, error.to_string(), "sandboxes reach their own loopback and nothing else"),
    };
    Feature { name: "network", state, detail, cost }
}

async fn ask(client: &Client) -> Result<Server, ClientError> {
    let health = client.ready().await?;
    Ok(Server { endpoint: client.endpoint().to_string(), health, languages: client.languages().await? })
}

fn show(feature: &Feature) -> Result<(), Failure> {
    let Feature { name, detail, cost, .. } = feature;
    let line = match feature.state {
        FeatureState::InUse => format!("in use      {name}: {detail}\n"),
        FeatureState::Missing => format!("missing     {name}: {detail}; {cost}\n"),
        FeatureState::Required => format!("REQUIRED    {name}: {detail}; {cost}\n"),
    };
    print::say(&line)
}

fn show_server(server: &Result<Server, ClientError>) -> Result<(), Failure> {
    let Server { endpoint, health, languages } = match server {
        Ok(server) => server,
        Err(error) => return print::say(&format!("server      none: {error}; start one with `madang up`\n")),
    };
    print::say(&format!("server      {} at {endpoint}\n", health.status))?;
    for note in &health.notes {
        print::say(&format!("note        {note}\n"))?;
    }
    let missing = unavailable(languages);
    print::say(&format!("languages   {} of {} available\n", languages.len() - missing.len(), languages.len()))?;
    for language in missing {
        let why = language.unavailable.as_deref().unwrap_or("no reason given");
        print::say(&format!("  missing   {}: {why}\n", language.name))?;
    }
    Ok(())
}

fn unavailable(languages: &[LanguageView]) -> Vec<&LanguageView> {
    languages.iter().filter(|language| !language.available).collect()
}

fn as_json(machine: &[Feature], server: &Result<Server, ClientError>) -> serde_json::Value {
    match server {
        Ok(server) => json!({
            "machine": machine,
            "server": server.endpoint,
            "health": server.health,
            "languages_unavailable": unavailable(&server.languages),
        }),
        Err(error) => json!({ "machine": machine, "server": null, "error": error.to_string() }),
    }
}
